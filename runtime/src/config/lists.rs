//! Settings with several values: account addresses, CPUs, aliases, order books.
//!
//! Every element is checked; one bad element does not hide another.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use shards::{Address, Decimal};

use super::check::Check;
use super::item::{Item, Raw};
use super::types::MatchSymbol;
use crate::diag::Problem;

/// Largest CPU number that Linux can be built for, plus one.
const CPUS_MAX: usize = 8192;

/// What is wrong with the text of an address: code, headline, label.
pub(crate) fn address_fault(text: &str) -> Result<Address, (&'static str, &'static str, String)> {
    let address = text.parse::<Address>().map_err(|error| {
        let label = if text.contains('.') && !text.starts_with("0x") {
            "a name; names are not resolved, write the address that it stands for".to_owned()
        } else {
            error.to_string()
        };
        ("ADR001", "not an address", label)
    })?;
    if address == Address::default() {
        return Err(("ADR003", "the zero address", "belongs to nobody".to_owned()));
    }
    Ok(address)
}

/// Reads a list of addresses.
pub(super) fn addresses(check: &Check<'_>) -> Result<Vec<Address>, Vec<Problem>> {
    let Raw::List(items) = &check.item.raw else {
        return Err(vec![check.wrong("a list: [\"0x…\", \"0x…\"]")]);
    };
    let mut found = Vec::with_capacity(items.len());
    let mut first: HashMap<Address, Range<usize>> = HashMap::new();
    let mut problems = Vec::new();
    for item in items {
        let Raw::Text(text) = &item.raw else {
            let label = format!("{}; write \"0x…\" in quotes", item.kind_word());
            problems.push(check.problem_at(&item.span, "ADR001", "not an address", &label));
            continue;
        };
        match address_fault(text) {
            Err((code, what, label)) => {
                problems.push(check.problem_at(&item.span, code, what, &label));
            }
            Ok(address) => match first.get(&address) {
                Some(span) => problems.push(twice(check, span, &item.span)),
                None => {
                    first.insert(address, item.span.clone());
                    found.push(address);
                }
            },
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn twice(check: &Check<'_>, first: &Range<usize>, again: &Range<usize>) -> Problem {
    let mut excerpt = check.source.excerpt(first, "first here");
    excerpt.spots.push(check.source.spot(again, "and again here"));
    Problem::error("ADR002", "the same address twice").at(excerpt).fix("take one of them out")
}

/// Most addresses of this host that one list may name.
const IPS_MAX: usize = 4096;

/// Reads a list of IP addresses and ranges of them, each address once.
pub(super) fn ips(check: &Check<'_>) -> Result<Vec<IpAddr>, Vec<Problem>> {
    let Raw::List(items) = &check.item.raw else {
        return Err(vec![check.wrong("a list: [\"192.0.2.7\", \"192.0.2.8\"]")]);
    };
    let what = format!("{} does not work", check.key.path());
    let mut found: Vec<IpAddr> = Vec::new();
    let mut problems = Vec::new();
    for item in items {
        let mut fault = |label: &str| {
            problems.push(check.problem_at(&item.span, "CFG006", &what, label));
        };
        let range = match &item.raw {
            Raw::Text(text) => ip_range(text),
            _ => None,
        };
        match range {
            None => fault("not an IP address or a range, for example \"192.0.2.7-192.0.2.9\""),
            Some(range) if found.len() + range.len() > IPS_MAX => fault("more than 4096 addresses"),
            Some(range) if range.iter().any(|ip| found.contains(ip)) => fault("is there twice"),
            Some(range) => found.extend(range),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// The addresses of `A` or of `A-B`, both included; `None` if it is neither.
fn ip_range(text: &str) -> Option<Vec<IpAddr>> {
    let Some((first, last)) = text.split_once('-') else {
        return text.trim().parse().ok().map(|ip| vec![ip]);
    };
    let (first, last): (Ipv4Addr, Ipv4Addr) =
        (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let (first, last) = (u32::from(first), u32::from(last));
    if first > last {
        return None;
    }
    Some((first..=last).take(IPS_MAX + 1).map(|ip| IpAddr::V4(Ipv4Addr::from(ip))).collect())
}

/// Reads `"auto"`, `"0-3,6"`, a number or a list of numbers; `None` is `auto`.
pub(super) fn cpus(check: &Check<'_>) -> Result<Option<Vec<usize>>, Problem> {
    const WANTED: &str = "\"auto\", \"0-3,6\" or [0, 1]";
    let cpus = match &check.item.raw {
        Raw::Text(text) if text == "auto" => return Ok(None),
        Raw::Text(text) => parse_cpu_list(text),
        Raw::Number(Some(number)) => usize::try_from(*number).ok().map(|cpu| vec![cpu]),
        Raw::List(items) => items.iter().map(cpu_number).collect(),
        _ => return Err(check.wrong(WANTED)),
    };
    let what = format!("{} is not a list of CPUs", check.key.path());
    let cpus = match cpus {
        Some(cpus) if !cpus.is_empty() && cpus.iter().all(|cpu| *cpu < CPUS_MAX) => cpus,
        _ => return Err(check.problem("CFG006", &what, &format!("write {WANTED}"))),
    };
    let repeated = cpus.iter().enumerate().find(|(at, cpu)| cpus[..*at].contains(cpu));
    if let Some((_, cpu)) = repeated {
        return Err(check.problem("CFG006", &what, &format!("CPU {cpu} is named twice")));
    }
    Ok(Some(cpus))
}

fn cpu_number(item: &Item) -> Option<usize> {
    match item.raw {
        Raw::Number(Some(number)) => usize::try_from(number).ok(),
        _ => None,
    }
}

/// Reads the kernel's form of a CPU list, `0-3,6`; `None` if it is not one.
pub(crate) fn parse_cpu_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.trim().is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().ok()?;
        let last: usize = last.trim().parse().ok()?;
        if first > last || last >= CPUS_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// Writes the kernel's form of a CPU list.
pub(crate) fn format_cpu_list(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
            _ => parts.push((*cpu, *cpu)),
        }
    }
    let text = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}

/// Reads a table of token names.
pub(super) fn aliases(check: &Check<'_>) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let Raw::Table(entries) = &check.item.raw else {
        return Err(vec![check.wrong("a table: { UBTC = \"BTC\" }")]);
    };
    let mut found = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, _, item) in entries {
        match &item.raw {
            Raw::Text(token) if !token.is_empty() => {
                found.insert(name.clone(), token.clone());
            }
            _ => {
                let label = format!("write the name that {name} stands for, in quotes");
                problems.push(check.problem_at(&item.span, "CFG004", "not a token name", &label));
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// Reads a list of order books.
pub(super) fn match_symbols(check: &Check<'_>) -> Result<Vec<MatchSymbol>, Vec<Problem>> {
    const FORM: &str = "{ name = \"BTC\", tick = \"0.5\", lot = \"0.001\" }";
    let Raw::List(items) = &check.item.raw else {
        return Err(vec![check.wrong(&format!("a list: [{FORM}]"))]);
    };
    let mut found: Vec<MatchSymbol> = Vec::with_capacity(items.len());
    let mut problems = Vec::new();
    for item in items {
        match match_symbol(item) {
            Some(symbol) if found.iter().any(|other| other.name == symbol.name) => {
                let label = format!("{} has a book already", symbol.name);
                problems.push(check.problem_at(
                    &item.span,
                    "CFG010",
                    "the same symbol twice",
                    &label,
                ));
            }
            Some(symbol) => found.push(symbol),
            None => {
                let label = format!("write {FORM}");
                problems.push(check.problem_at(&item.span, "CFG004", "not an order book", &label));
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn match_symbol(item: &Item) -> Option<MatchSymbol> {
    let Raw::Table(entries) = &item.raw else { return None };
    if entries.len() != 3 {
        return None;
    }
    let text = |wanted: &str| {
        entries.iter().find(|(name, ..)| name == wanted).and_then(|(.., item)| match &item.raw {
            Raw::Text(text) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        })
    };
    let positive =
        |text: &str| text.parse::<Decimal>().ok().filter(|number| *number > Decimal::from(0u64));
    Some(MatchSymbol {
        name: text("name")?.to_owned(),
        tick: positive(text("tick")?)?,
        lot: positive(text("lot")?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_those_of_the_kernel() {
        assert_eq!(parse_cpu_list("0-3,6\n"), Some(vec![0, 1, 2, 3, 6]));
        assert_eq!(parse_cpu_list("0"), Some(vec![0]));
        assert_eq!(parse_cpu_list(""), Some(vec![]));
        assert_eq!(parse_cpu_list("3-1"), None);
        assert_eq!(parse_cpu_list("0-99999"), None);
        assert_eq!(parse_cpu_list("a"), None);
        assert_eq!(format_cpu_list(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(format_cpu_list(&[]), "");
    }
}
