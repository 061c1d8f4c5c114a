//! Verbs that read something and print it: `book exec`, `config`, `version`, `explain`.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::Path;

use book::exec::{self, CommandFile, ExecReport, HEADER_BYTES};

use super::args::{
    BookArgs, BookVerb, ConfigArgs, ConfigSource, ConfigVerb, ExplainArgs, VersionArgs,
};
use super::print;
use crate::config::keys::near;
use crate::config::{self, Config, LoadOptions, Loaded};
use crate::diag::{self, CODES, Exit, Problem, Problems, reason};

/// The version of this build.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, or `unknown`.
pub(super) const COMMIT: &str = env!("CORELANE_BUILD_COMMIT");

/// `corelane book exec FILE`.
pub(super) fn book(args: &BookArgs) -> Result<Exit, Problems> {
    let BookVerb::Exec { file, json, bench } = &args.verb;
    let name = match file.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    };
    let bytes = read(file).map_err(|error| {
        let what = format!("{name} cannot be read: {}", reason(&error));
        Problem::error("BOK001", what)
    })?;
    let report = match bench {
        Some(runs) => {
            if cfg!(debug_assertions) {
                print::talk("note: a debug build; for times use cargo run --release\n");
            }
            let clock = quanta::Clock::new();
            let start = clock.raw();
            exec::bench(&bytes, *runs, || clock.delta_as_nanos(start, clock.raw()))
        }
        None => exec::run(&bytes),
    };
    let report = report
        .map_err(|error| Problem::error("BOK002", format!("{name} cannot be run: {error}")))?;
    let text = if *json { report.to_json_line() } else { table(&report) };
    // One line break at the end, whichever form it is.
    Ok(print::out(&format!("{}\n", text.trim_end())))
}

/// A file, or standard input for `-`: at most one byte more than its header says it has.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut source: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(std::fs::File::open(path)?),
    };
    let mut bytes = Vec::new();
    source.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut bytes)?;
    if let Some(header) = bytes.first_chunk() {
        let rest = CommandFile::bytes_expected(header) - HEADER_BYTES as u64;
        source.take(rest.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The report for people.
fn table(report: &ExecReport) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<14}{value:>20}");
    };
    row("commands", report.cmds.to_string());
    row("rejects", report.rejects.to_string());
    row("trades", report.trades.to_string());
    row("traded lots", report.traded_qty.to_string());
    row("orders left", report.orders.to_string());
    row("levels left", report.levels.to_string());
    for (name, digest) in [
        ("digest T", report.t),
        ("digest R", report.r),
        ("digest L2", report.l2),
        ("digest L3", report.l3),
    ] {
        row(name, digest.to_string());
    }
    if let Some(bench) = &report.bench {
        let (ns, ps) = (bench.ps_per_cmd_median / 1000, bench.ps_per_cmd_median % 1000);
        row("ns/command", format!("{ns}.{ps:03}"));
        let times = &bench.latency;
        for (name, ns) in [
            ("p50 ns", times.p50),
            ("p90 ns", times.p90),
            ("p99 ns", times.p99),
            ("p99.9 ns", times.p999),
            ("max ns", times.max),
        ] {
            row(name, ns.to_string());
        }
    }
    out
}

/// `corelane config init|show|reference`.
pub(super) fn config(args: &ConfigArgs) -> Result<Exit, Problems> {
    let text = match &args.verb {
        ConfigVerb::Init => config::show::init(),
        ConfigVerb::Reference => config::show::reference(),
        ConfigVerb::Show { source, changed, json } => {
            let loaded = load(source, source.set.clone())?;
            loaded.warnings.print();
            match json {
                true => config::show::show_json(&loaded, *changed),
                false => config::show::show(&loaded, *changed),
            }
        }
    };
    Ok(print::out(&text))
}

/// Loads the configuration that a command line names, with these settings on top.
pub(super) fn load(source: &ConfigSource, sets: Vec<String>) -> Result<Loaded, Problems> {
    let options = LoadOptions::from_process(source.config.clone(), sets);
    Config::load(LoadOptions { ignore_unknown_env: source.ignore_unknown_env, ..options })
}

/// `corelane version`.
pub(super) fn version(args: &VersionArgs) -> Result<Exit, Problems> {
    let rows = [
        ("commit", COMMIT),
        ("rustc", env!("CORELANE_BUILD_RUSTC")),
        ("target", env!("CORELANE_BUILD_TARGET")),
        ("profile", env!("CORELANE_BUILD_PROFILE")),
    ];
    if args.json {
        let mut object = serde_json::Map::new();
        object.insert("version".to_owned(), VERSION.into());
        object.extend(rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        return Ok(print::out(&format!("{}\n", serde_json::Value::Object(object))));
    }
    let lines: String = rows.iter().map(|(name, value)| format!("  {name:<9}{value}\n")).collect();
    Ok(print::out(&format!("corelane {VERSION}\n{lines}")))
}

/// `corelane explain CODE...`: what is known is explained, the rest named.
pub(super) fn explain(args: &ExplainArgs) -> Result<Exit, Problems> {
    let mut texts = Vec::new();
    let mut exit = Exit::Success;
    for code in &args.codes {
        match diag::explain(code) {
            Some(text) => texts.push(text),
            None => {
                exit = Exit::Usage;
                let near = near(code, CODES.iter().map(|row| row.code));
                let hint = near.map_or(String::new(), |near| format!(" · did you mean {near}?"));
                print::talk(&format!("error: {code} is not a code of corelane{hint}\n"));
            }
        }
    }
    match print::out(&texts.join("\n")) {
        Exit::Success => Ok(exit),
        failed => Ok(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_times_only_if_there_are_any() {
        // One record, of a cancel that finds no order.
        let mut file = vec![0; exec::HEADER_BYTES + 32];
        file[..8].copy_from_slice(b"MECMD01\0");
        (file[8], file[12], file[16], file[exec::HEADER_BYTES]) = (1, 32, 1, 2);
        let plain = table(&exec::run(&file).expect("it is a command file"));
        assert!(plain.starts_with("commands                         1\n"), "{plain}");
        assert_eq!(plain.lines().count(), 10);
        assert!(plain.contains("digest T          cbf29ce484222325\n"), "{plain}");
        let mut ticks = 0..;
        let clock = || ticks.next().expect("it goes on for ever");
        let timed = table(&exec::bench(&file, 3, clock).expect("it is a command file"));
        assert!(timed.starts_with(&plain) && timed.contains("p99.9 ns"), "{timed}");
        file[36] = 1;
        let prefill_only = exec::bench(&file, 3, || 0).expect("it is a command file");
        assert_eq!(table(&prefill_only), plain, "what is all prefill is not timed");
    }
}
