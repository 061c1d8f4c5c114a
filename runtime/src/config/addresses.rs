//! The CSV file of addresses: first column, `#` comments, a header if there is one.
//!
//! The file is data that other programs write, so a bad line is named and left out and does not
//! stop the others; a file that cannot be read does stop.

use std::collections::HashMap;
use std::path::Path;

use shards::Address;

use super::lists::address_fault;
use super::text::SourceText;
use super::types::Monitor;
use crate::diag::{Problem, Problems};

/// Bad lines beyond this are counted, not shown.
const SHOWN_MAX: usize = 10;

/// Names that the first column may have in a header line.
const HEADERS: [&str; 4] = ["address", "addr", "user", "wallet"];

/// Reads the addresses of a file: each once, in the order of the file, and what was left out.
pub fn read_file(path: &Path) -> Result<(Vec<Address>, Problems), Problem> {
    let text = super::read_text(path).map_err(|mut problem| {
        problem.fix = vec!["correct monitor.addresses_file, or set it to \"\"".to_owned()];
        problem
    })?;
    Ok(parse(&path.display().to_string(), &text))
}

/// Reads the addresses of a CSV text; `name` is what its problems call it.
pub fn parse(name: &str, text: &str) -> (Vec<Address>, Problems) {
    let source = SourceText::file(name, text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut found: Vec<Address> = Vec::new();
    let mut first: HashMap<Address, usize> = HashMap::new();
    let mut problems = Problems::new();
    let mut left_out = 0usize;
    let mut offset = 0;
    let mut seen_row = false;
    for (index, line) in source.text.split_inclusive('\n').enumerate() {
        let start = offset;
        offset += line.len();
        let content = line.split('#').next().unwrap_or("");
        if content.trim().is_empty() {
            continue;
        }
        let column = content.split([',', ';', '\t']).next().unwrap_or("");
        let word = column.trim().trim_matches('"').trim();
        let header = !seen_row && HEADERS.iter().any(|name| name.eq_ignore_ascii_case(word));
        seen_row = true;
        if header {
            continue;
        }
        let at = start + column.find(word).unwrap_or(0);
        let fault = match address_fault(word) {
            Ok(address) => match first.get(&address) {
                Some(line) => {
                    ("ADR002", "the same address twice", format!("line {line} has it already"))
                }
                None => {
                    first.insert(address, index + 1);
                    found.push(address);
                    continue;
                }
            },
            Err((_, what, label)) => ("CSV001", what, label),
        };
        left_out += 1;
        if left_out <= SHOWN_MAX {
            let (code, what, label) = fault;
            let what = format!("line left out: {what}");
            let excerpt = source.excerpt(&(at..at + word.len()), label);
            problems.push(Problem::warning(code, what).at(excerpt));
        }
    }
    if left_out > SHOWN_MAX {
        let what = format!("{name}: {} more lines left out", left_out - SHOWN_MAX);
        problems.push(Problem::warning("CSV001", what));
    }
    (found, problems)
}

/// A line of a CSV text that is no comment, not blank and not the header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// From 1.
    pub line: usize,
    /// The address and what the second column calls it; or the first column and what is wrong with it.
    pub found: Result<(Address, String), RowFault>,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowFault {
    /// What stands in the first column.
    pub text: String,
    /// Key of [`crate::diag::CODES`].
    pub code: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Why it is that.
    pub label: String,
}

/// Every line of a CSV text with its name for people. Whether an address comes twice is the caller's affair.
pub fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut seen_row = false;
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let content = line.split('#').next().unwrap_or("");
        if content.trim().is_empty() {
            continue;
        }
        let column = content.split([',', ';', '\t']).next().unwrap_or("");
        let word = column.trim().trim_matches('"').trim();
        let header = !seen_row && HEADERS.iter().any(|name| name.eq_ignore_ascii_case(word));
        seen_row = true;
        if header {
            continue;
        }
        let found = match address_fault(word) {
            Ok(address) => Ok((address, second_column(&line[column.len()..]))),
            Err((code, what, label)) => Err(RowFault { text: word.to_owned(), code, what, label }),
        };
        rows.push(Row { line: index + 1, found });
    }
    rows
}

/// What follows the first separator, up to the next one or a comment; in quotes, anything.
fn second_column(rest: &str) -> String {
    let Some(rest) = rest.strip_prefix([',', ';', '\t']).map(str::trim_start) else {
        return String::new();
    };
    let Some(quoted) = rest.strip_prefix('"') else {
        return rest.split([',', ';', '\t', '#']).next().unwrap_or("").trim().to_owned();
    };
    let mut name = String::new();
    let mut chars = quoted.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // A quote in quotes is written twice.
            '"' if chars.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => break,
            c => name.push(c),
        }
    }
    name
}

/// Adds the addresses of `addresses_file` to those of the list; one that is in both is there once.
pub(super) fn add_file(monitor: &mut Monitor, problems: &mut Problems) {
    let Some(path) = &monitor.addresses_file else { return };
    match read_file(path) {
        Ok((addresses, warnings)) => {
            problems.extend(warnings);
            let known: std::collections::HashSet<Address> =
                monitor.addresses.iter().copied().collect();
            monitor.addresses.extend(addresses.iter().filter(|a| !known.contains(a)));
            monitor.in_file = addresses;
        }
        Err(problem) => problems.push(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Address {
        let mut bytes = [0x11; 20];
        bytes[19] = last;
        Address(bytes)
    }

    #[test]
    fn comments_blank_lines_headers_and_quotes_are_understood() {
        let text = format!(
            "\u{feff}Address,label\r\n# ours\r\n\r\n{},first\r\n\"{}\";x\n  {}  # note",
            address(1),
            address(2).to_string().to_uppercase(),
            address(3)
        );
        let (found, problems) = parse("a.csv", &text);
        assert_eq!(found, [address(1), address(2), address(3)]);
        assert!(problems.is_empty(), "{problems}");
    }

    #[test]
    fn a_bad_line_is_named_and_does_not_stop_the_others() {
        let text = format!("{}\n0x12,short\n{0}\n{}\n", address(1), address(2));
        let (found, problems) = parse("a.csv", &text);
        assert_eq!(found, [address(1), address(2)]);
        assert!(!problems.has_errors());
        assert_eq!(
            problems.to_string(),
            "warn[CSV001]: line left out: not an address
   ╭─[a.csv:2:1]
 2 │ 0x12,short
   · ──┬─ 0x and 2 hex digits; 40 are needed

warn[ADR002]: line left out: the same address twice
   ╭─[a.csv:3:1]
 3 │ 0x1111111111111111111111111111111111111101
   · ─────────────────────┬──────────────────── line 1 has it already

more: corelane explain CSV001 ADR002"
        );
    }

    #[test]
    fn rows_have_the_names_of_the_second_column() {
        let one = address(1);
        let text = format!(
            "address,name\n{one} # no name\n{one},anna\n{one};\"a \"\"b\"\", #1\"\nx,y\n\n{one},\n"
        );
        let names: Vec<(usize, Option<String>)> =
            rows(&text).into_iter().map(|row| (row.line, row.found.ok().map(|(_, n)| n))).collect();
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            names,
            [(2, some("")), (3, some("anna")), (4, some("a \"b\", #1")), (5, None), (7, some(""))]
        );
    }

    #[test]
    fn a_file_of_nonsense_does_not_flood() {
        let (found, problems) = parse("a.csv", &"nonsense\n".repeat(1000));
        assert!(found.is_empty());
        assert_eq!(problems.len(), SHOWN_MAX + 1);
        let last = problems.iter().last().expect("some");
        assert_eq!(last.what, "a.csv: 990 more lines left out");
    }
}
