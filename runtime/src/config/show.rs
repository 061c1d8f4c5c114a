//! The configuration as text: `config init`, `config show`, and the reference in the documentation.

use std::fmt::Write as _;

use super::check::Value;
use super::keys::{KEYS, Key, Kind, Reload, SECTIONS, SOURCE};
use super::lists::format_cpu_list;
use super::types::StoreUrl;
use super::{Loaded, Setting, units};

/// What stands in place of a secret.
const MASK: &str = "***";

/// `config init`: a file with every key at its default, each commented out and explained.
pub fn init() -> String {
    let mut out = String::from(
        "# Configuration of corelane. Every key is optional; what is shown is the default.\n\
         # Order: defaults < this file < CORELANE_SECTION__KEY variables < flags.\n\
         # Durations and sizes carry units: \"100ms\", \"5m\", \"64MiB\". \"\" means: not set.\n\
         # Relative paths start at the directory of this file.\n",
    );
    for (section, about) in SECTIONS {
        let header =
            if *section == SOURCE { format!("[[{section}]]") } else { format!("[{section}]") };
        let _ = write!(out, "\n# {about}\n{header}\n");
        for key in KEYS.iter().filter(|key| key.section == *section) {
            let later = if key.in_build { "" } else { " Not in this build." };
            let _ = writeln!(out, "# {}{later}\n# {} = {}", key.doc, key.name, key.default);
        }
    }
    out
}

/// The reference: one Markdown table a section.
pub fn reference() -> String {
    let mut out = String::new();
    for (section, about) in SECTIONS {
        let _ = write!(out, "### `[{section}]`\n\n{about}\n\n");
        out.push_str("| key | default | values | change | meaning |\n|---|---|---|---|---|\n");
        for key in KEYS.iter().filter(|key| key.section == *section) {
            let change = match (key.in_build, key.reload) {
                (false, _) => "not in this build",
                (true, Reload::Live) => "live",
                (true, Reload::Restart) => "restart",
            };
            let _ = writeln!(
                out,
                "| `{}` | `{}` | {} | {change} | {} |",
                key.name,
                key.default,
                values(key.kind),
                key.doc
            );
        }
        out.push('\n');
    }
    out
}

/// Which values a kind takes, in a few words.
fn values(kind: Kind) -> String {
    let listed =
        |words: &[&str]| words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
    match kind {
        Kind::Bool => "`true`, `false`".to_owned(),
        Kind::Count { min, max } => format!("{min} to {max}"),
        Kind::AutoCount { max } => format!("`auto`, 1 to {max}"),
        Kind::Duration { min, max } => {
            format!("{} to {}", units::format_duration(min), units::format_duration(max))
        }
        Kind::Size { min, max, step } => format!(
            "{} to {}, multiple of {}",
            units::format_size(min),
            units::format_size(max),
            units::format_size(step)
        ),
        Kind::Text => "text".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::OptionalPath => "path or none".to_owned(),
        Kind::Word(words) => listed(words),
        Kind::Cpus => "`auto`, `0-3,6`, list".to_owned(),
        Kind::OptionalCpu => "`auto`, CPU number".to_owned(),
        Kind::Addresses => "list of addresses".to_owned(),
        Kind::Listen => "IP:port".to_owned(),
        Kind::OptionalListen => "IP:port or none".to_owned(),
        Kind::OptionalIp => "IP or none".to_owned(),
        Kind::Ips => "list of IPs and ranges".to_owned(),
        Kind::Url(schemes) => format!("URL: {}", listed(schemes)),
        Kind::OptionalUrl(schemes) => format!("URL or none: {}", listed(schemes)),
        Kind::StoreUrl => "`sqlite:FILE` or none".to_owned(),
        Kind::Aliases => "table".to_owned(),
        Kind::MatchSymbols => "list of tables".to_owned(),
    }
}

/// `config show`: one line a setting, `section.key = value  # origin`.
pub fn show(loaded: &Loaded, changed_only: bool) -> String {
    let lines: Vec<(String, &Setting)> = shown(loaded, changed_only)
        .map(|setting| (format!("{} = {}", name(loaded, setting), setting.value), setting))
        .collect();
    let width = lines.iter().map(|(text, _)| text.chars().count().min(60)).max().unwrap_or(0);
    let mut out = String::new();
    for (text, setting) in lines {
        let _ = writeln!(out, "{text:<width$}  # {}", setting.origin);
    }
    out
}

/// `config show --json`: an array of `{"key", "value", "source", "changed"}`; the value is TOML
/// text.
pub fn show_json(loaded: &Loaded, changed_only: bool) -> String {
    let rows: Vec<serde_json::Value> = shown(loaded, changed_only)
        .map(|setting| {
            serde_json::json!({
                "key": name(loaded, setting),
                "value": setting.value,
                "source": setting.origin.to_string(),
                "changed": setting.changed,
            })
        })
        .collect();
    let mut out = serde_json::to_string_pretty(&rows).expect("texts and booleans are JSON");
    out.push('\n');
    out
}

fn shown(loaded: &Loaded, changed_only: bool) -> impl Iterator<Item = &Setting> {
    loaded.settings.iter().filter(move |setting| setting.changed || !changed_only)
}

fn name(loaded: &Loaded, setting: &Setting) -> String {
    let key = setting.key;
    if key.section == SOURCE && loaded.config.sources.len() > 1 {
        format!("{}[{}].{}", key.section, setting.index, key.name)
    } else {
        key.path()
    }
}

/// A value as TOML, masked where it is a secret.
pub(super) fn value_text(key: &Key, value: &Value) -> String {
    let text = toml_text(value);
    if key.secret && text != "\"\"" { format!("\"{MASK}\"") } else { text }
}

/// What tells a value from another, masked parts included, and cannot be read.
pub(super) fn fingerprint(value: &Value) -> u64 {
    xxhash_rust::xxh3::xxh3_64(format!("{value:?}").as_bytes())
}

fn toml_text(value: &Value) -> String {
    let auto = || quote("auto");
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::AutoNumber(number) => number.map_or_else(auto, |n| n.to_string()),
        Value::Duration(duration) => quote(&units::format_duration(*duration)),
        Value::Size(bytes) => quote(&units::format_size(*bytes)),
        Value::Text(text) => quote(&without_secrets(text)),
        Value::Optional(text) => quote(&without_secrets(text.as_deref().unwrap_or(""))),
        Value::Path(path) => {
            quote(&path.as_ref().map_or(String::new(), |path| path.display().to_string()))
        }
        Value::Word(word) => quote(word),
        Value::Cpus(cpus) => cpus.as_ref().map_or_else(auto, |cpus| quote(&format_cpu_list(cpus))),
        Value::Addresses(addresses) => {
            list(addresses.iter().map(|address| quote(&address.to_string())))
        }
        Value::Listen(addr) => quote(&addr.to_string()),
        Value::OptionalListen(addr) => quote(&addr.map_or(String::new(), |addr| addr.to_string())),
        Value::Ip(ip) => quote(&ip.map_or(String::new(), |ip| ip.to_string())),
        Value::Ips(ips) => list(ips.iter().map(|ip| quote(&ip.to_string()))),
        Value::Store(StoreUrl::None) => quote(""),
        Value::Store(StoreUrl::Sqlite(path)) => quote(&format!("sqlite:{}", path.display())),
        Value::Aliases(aliases) if aliases.is_empty() => "{}".to_owned(),
        Value::Aliases(aliases) => {
            let pairs = aliases.iter().map(|(from, to)| format!("{} = {}", quote(from), quote(to)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Symbols(symbols) => list(symbols.iter().map(|symbol| {
            let (tick, lot) = (symbol.tick, symbol.lot);
            format!("{{ name = {}, tick = \"{tick}\", lot = \"{lot}\" }}", quote(&symbol.name))
        })),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// TOML basic string.
fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// `scheme://user:password@host/path?key=...` with the password and what follows `?` masked: providers take keys there.
pub(crate) fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let query = if query.is_empty() { "" } else { MASK };
    let mark = if query.is_empty() { "" } else { "?" };
    let (authority, _) = place.split_once('/').unwrap_or((place, ""));
    let login = authority.rsplit_once('@').and_then(|(login, _)| {
        let (user, _) = login.split_once(':')?;
        Some((user, login.len()))
    });
    match login {
        Some((user, len)) => format!("{scheme}://{user}:{MASK}{}{mark}{query}", &place[len..]),
        None => format!("{scheme}://{place}{mark}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_and_nothing_else() {
        for (text, shown) in [
            ("nats://u:p@h:4222", "nats://u:***@h:4222"),
            ("nats://u:p@w@h/x", "nats://u:***@h/x"),
            ("nats://token@h", "nats://token@h"),
            ("wss://h/ws?a=b:c@d", "wss://h/ws?***"),
            ("wss://u:p@h/ws?key=k", "wss://u:***@h/ws?***"),
            ("wss://h?key=k", "wss://h?***"),
            ("wss://h/ws?", "wss://h/ws"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn the_reference_has_a_row_for_every_key() {
        let text = reference();
        for key in KEYS {
            assert!(text.contains(&format!("| `{}` | `{}` |", key.name, key.default)));
        }
        assert_eq!(text.matches("\n### ").count() + 1, SECTIONS.len());
    }
}
