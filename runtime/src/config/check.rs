//! From a value as written to a value that works, or to problems that point at it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use shards::Address;

use super::item::{Item, Raw};
use super::keys::{Key, Kind, near};
use super::text::SourceText;
use super::types::{MatchSymbol, StoreUrl};
use super::{lists, units};
use crate::diag::Problem;

/// A value that works, in the form that its kind of key has.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Bool(bool),
    Number(u64),
    /// `None` is `auto`.
    AutoNumber(Option<u64>),
    Duration(Duration),
    Size(u64),
    Text(String),
    /// `None` where the key may be unset and is.
    Optional(Option<String>),
    Path(Option<PathBuf>),
    Word(&'static str),
    Cpus(Option<Vec<usize>>),
    Addresses(Vec<Address>),
    Listen(SocketAddr),
    /// `None` where nobody is to listen.
    OptionalListen(Option<SocketAddr>),
    Ip(Option<IpAddr>),
    Ips(Vec<IpAddr>),
    Store(StoreUrl),
    Aliases(BTreeMap<String, String>),
    Symbols(Vec<MatchSymbol>),
}

/// One value under check: which key, what was written, in which text.
#[derive(Clone, Copy)]
pub(super) struct Check<'a> {
    pub(super) key: &'static Key,
    pub(super) item: &'a Item,
    pub(super) source: &'a SourceText,
}

impl Check<'_> {
    /// Checks it.
    pub(super) fn run(&self) -> Result<Value, Vec<Problem>> {
        match self.key.kind {
            Kind::Addresses => return lists::addresses(self).map(Value::Addresses),
            Kind::Aliases => return lists::aliases(self).map(Value::Aliases),
            Kind::MatchSymbols => return lists::match_symbols(self).map(Value::Symbols),
            Kind::Ips => return lists::ips(self).map(Value::Ips),
            _ => {}
        }
        self.scalar().map_err(|problem| vec![problem])
    }

    fn scalar(&self) -> Result<Value, Problem> {
        match self.key.kind {
            Kind::Bool => match self.item.raw {
                Raw::Bool(value) => Ok(Value::Bool(value)),
                _ => Err(self.wrong("true or false")),
            },
            Kind::Count { min, max } => self.number(min, max).map(Value::Number),
            Kind::AutoCount { max } if !self.is_auto() => {
                self.number(1, max).map(|n| Value::AutoNumber(Some(n)))
            }
            Kind::OptionalCpu if !self.is_auto() => {
                self.number(0, 4095).map(|n| Value::AutoNumber(Some(n)))
            }
            Kind::AutoCount { .. } | Kind::OptionalCpu => Ok(Value::AutoNumber(None)),
            Kind::Duration { min, max } => self.duration(min, max),
            Kind::Size { min, max, step } => self.size(min, max, step),
            Kind::Text => self.text().map(|text| Value::Text(text.to_owned())),
            Kind::Path => self.text().map(|text| Value::Path(Some(PathBuf::from(text)))),
            Kind::OptionalPath => Ok(Value::Path(self.optional()?.map(PathBuf::from))),
            Kind::Word(words) => self.word(words).map(Value::Word),
            Kind::Cpus => lists::cpus(self).map(Value::Cpus),
            Kind::Listen => self.listen().map(Value::Listen),
            Kind::OptionalListen => match self.optional()? {
                Some(_) => self.listen().map(|addr| Value::OptionalListen(Some(addr))),
                None => Ok(Value::OptionalListen(None)),
            },
            Kind::OptionalIp => self.ip(),
            Kind::Url(schemes) => self.url(self.text()?, schemes).map(Value::Text),
            Kind::OptionalUrl(schemes) => match self.optional()? {
                Some(text) => Ok(Value::Optional(Some(self.url(text, schemes)?))),
                None => Ok(Value::Optional(None)),
            },
            Kind::StoreUrl => self.store_url(),
            Kind::Addresses | Kind::Aliases | Kind::MatchSymbols | Kind::Ips => {
                unreachable!("lists are checked by `run`")
            }
        }
    }

    /// A problem at the whole value.
    pub(super) fn problem(&self, code: &'static str, what: &str, label: &str) -> Problem {
        self.problem_at(&self.item.span, code, what, label)
    }

    /// A problem at a part of the value.
    pub(super) fn problem_at(
        &self,
        span: &Range<usize>,
        code: &'static str,
        what: &str,
        label: &str,
    ) -> Problem {
        Problem::error(code, what).at(self.source.excerpt(span, label))
    }

    /// The value has the wrong type.
    pub(super) fn wrong(&self, wanted: &str) -> Problem {
        let what = format!("{} has the wrong type", self.key.path());
        self.problem("CFG004", &what, &format!("{}; write {wanted}", self.item.kind_word()))
    }

    /// The value has the right form and does not work.
    fn unfit(&self, label: &str) -> Problem {
        self.problem("CFG006", &format!("{} does not work", self.key.path()), label)
    }

    fn is_auto(&self) -> bool {
        matches!(&self.item.raw, Raw::Text(text) if text == "auto")
    }

    fn number(&self, min: u64, max: u64) -> Result<u64, Problem> {
        let number = match &self.item.raw {
            Raw::Number(number) => number.map(i128::from),
            Raw::Text(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok()
            }
            _ if matches!(self.key.kind, Kind::Count { .. }) => {
                return Err(self.wrong(&format!("a whole number from {min} to {max}")));
            }
            _ => return Err(self.wrong(&format!("\"auto\" or a number from {min} to {max}"))),
        };
        match number.and_then(|n| u64::try_from(n).ok()) {
            Some(n) if (min..=max).contains(&n) => Ok(n),
            _ => Err(self.unfit(&format!("out of range: {min} to {max}"))),
        }
    }

    fn with_unit<T>(
        &self,
        parse: impl Fn(&str) -> Result<T, units::UnitError>,
        wanted: &str,
    ) -> Result<T, Problem> {
        let text = match &self.item.raw {
            Raw::Text(text) => text.clone(),
            Raw::Number(Some(number)) => number.to_string(),
            _ => return Err(self.wrong(wanted)),
        };
        parse(&text).map_err(|error| {
            let what = match error {
                units::UnitError::NoUnit(_) => format!("{} needs a unit", self.key.path()),
                units::UnitError::TooLarge => format!("{} is too large", self.key.path()),
                _ => format!("{} is not understood", self.key.path()),
            };
            self.problem("CFG004", &what, &error.to_string())
        })
    }

    fn duration(&self, min: Duration, max: Duration) -> Result<Value, Problem> {
        let duration =
            self.with_unit(units::parse_duration, "a duration, for example \"100ms\"")?;
        if duration < min || duration > max {
            let (min, max) = (units::format_duration(min), units::format_duration(max));
            return Err(self.unfit(&format!("out of range: {min} to {max}")));
        }
        Ok(Value::Duration(duration))
    }

    fn size(&self, min: u64, max: u64, step: u64) -> Result<Value, Problem> {
        let size = self.with_unit(units::parse_size, "a size, for example \"64MiB\"")?;
        if size < min || size > max {
            let (min, max) = (units::format_size(min), units::format_size(max));
            return Err(self.unfit(&format!("out of range: {min} to {max}")));
        }
        if !size.is_multiple_of(step) {
            let step = units::format_size(step);
            return Err(self.unfit(&format!("not a multiple of {step}")));
        }
        Ok(Value::Size(size))
    }

    fn any_text(&self) -> Result<&str, Problem> {
        match &self.item.raw {
            Raw::Text(text) => Ok(text),
            _ => Err(self.wrong("it as text, in quotes")),
        }
    }

    /// Text that is not empty.
    fn text(&self) -> Result<&str, Problem> {
        match self.any_text()? {
            "" => Err(self.unfit("empty")),
            text if text.contains('\0') => Err(self.unfit("contains a zero byte")),
            text => Ok(text),
        }
    }

    /// Text, or `None` if it is empty.
    fn optional(&self) -> Result<Option<&str>, Problem> {
        if self.any_text()?.is_empty() { Ok(None) } else { self.text().map(Some) }
    }

    fn word(&self, words: &'static [&'static str]) -> Result<&'static str, Problem> {
        let listed = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let Raw::Text(text) = &self.item.raw else {
            return Err(self.wrong(&listed));
        };
        let found = words.iter().find(|word| *word == text);
        found.copied().ok_or_else(|| {
            let label = match words {
                [only] => format!("this build knows \"{only}\" only"),
                _ => format!("not one of {listed}"),
            };
            match near(text, words.iter().copied()) {
                Some(word) => self.unfit(&label).fix(format!("did you mean \"{word}\"?")),
                None => self.unfit(&label),
            }
        })
    }

    fn listen(&self) -> Result<SocketAddr, Problem> {
        let text = self.text()?;
        let wanted = "write an IP address and a port, for example \"127.0.0.1:8080\"";
        text.parse().map_err(|_| self.unfit(wanted))
    }

    fn ip(&self) -> Result<Value, Problem> {
        let Some(text) = self.optional()? else { return Ok(Value::Ip(None)) };
        text.parse()
            .map(|ip| Value::Ip(Some(ip)))
            .map_err(|_| self.unfit("not an IP address, for example \"192.0.2.7\""))
    }

    fn url(&self, text: &str, schemes: &[&str]) -> Result<String, Problem> {
        let fault = if text.contains(char::is_whitespace) {
            Some("contains a blank".to_owned())
        } else {
            match text.split_once("://") {
                Some((scheme, rest)) if schemes.contains(&scheme) => {
                    authority_fault(rest.split(['/', '?', '#']).next().unwrap_or(""))
                }
                _ => {
                    let begin = schemes.join(":// or ");
                    Some(format!("must begin with {begin}://"))
                }
            }
        };
        match fault {
            Some(label) => Err(self.unfit(&label)),
            None => Ok(text.to_owned()),
        }
    }

    fn store_url(&self) -> Result<Value, Problem> {
        let Some(text) = self.optional()? else { return Ok(Value::Store(StoreUrl::None)) };
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() {
                    return Err(self.unfit("no file name; write \"sqlite:corelane.db\""));
                }
                Ok(Value::Store(StoreUrl::Sqlite(PathBuf::from(path))))
            }
            "postgres" | "postgresql" | "mysql" | "mariadb" => {
                let what = format!("store.url: {scheme} is not in this build");
                let problem = self.problem("CFG007", &what, "this build writes SQLite");
                Err(problem
                    .fix("store.url = \"sqlite:corelane.db\"")
                    .fix("store.url = \"\" for no database"))
            }
            _ => Err(self.unfit("write \"sqlite:FILE\", or \"\" for no database")),
        }
    }
}

/// What is wrong with the host and port of a URL.
fn authority_fault(authority: &str) -> Option<String> {
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
    let (host, port) = match host_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host_port, None),
    };
    if host.is_empty() {
        return Some("has no host".to_owned());
    }
    match port.map(str::parse::<u16>) {
        Some(Err(_)) | Some(Ok(0)) => Some("the port must be a number from 1 to 65535".to_owned()),
        _ => None,
    }
}
