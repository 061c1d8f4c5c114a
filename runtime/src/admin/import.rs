//! Lists of accounts in a body: CSV lines, or a JSON list of texts and objects. Every line is answered.

use std::collections::HashSet;

use serde::Deserialize;
use shards::Address;

use super::wire::{Error, Imported, ImportedLine};
use crate::config::address_fault;
use crate::config::addresses::{Row, rows};
use crate::control::lists::Named;
use crate::diag::Problem;

/// Characters of a name for people.
const NAME_CHARS_MAX: usize = 64;

/// What is wrong with a name for people.
pub fn name_fault(name: &str) -> Option<Problem> {
    let chars = name.chars().count();
    let why = if chars > NAME_CHARS_MAX {
        format!("{chars} characters; at most {NAME_CHARS_MAX} are taken")
    } else if name.chars().any(char::is_control) {
        "it holds control characters".to_owned()
    } else {
        return None;
    };
    Some(Problem::error("ADM004", "the name is not taken").why(why))
}

/// An element of a JSON list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Text(String),
    Object(Object),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    address: String,
    #[serde(default, alias = "name")]
    nickname: String,
}

/// The lines of a body. Those that can be added have no error and are in the second part, in the same order.
pub(crate) fn read(body: &[u8]) -> Result<(Vec<ImportedLine>, Vec<Named>), Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let what = format!("the body is not UTF-8 text: byte {}", error.valid_up_to());
        Problem::error("ADM004", what)
    })?;
    let rows = match text.trim_start().starts_with('[') {
        true => json_rows(text)?,
        false => rows(text),
    };
    let mut seen = HashSet::new();
    let mut lines = Vec::with_capacity(rows.len());
    let mut accounts = Vec::new();
    for row in rows {
        match sound(&row, &mut seen) {
            Ok(named) => {
                lines.push(line(&row, &named.address.to_string(), None));
                accounts.push(named);
            }
            Err(refused) => {
                let (text, problem) = *refused;
                lines.push(line(&row, &text, Some(&problem)));
            }
        }
    }
    Ok((lines, accounts))
}

fn json_rows(text: &str) -> Result<Vec<Row>, Problem> {
    let elements: Vec<Element> = serde_json::from_str(text).map_err(|error| {
        Problem::error("ADM004", format!("the body is not a list of addresses: {error}"))
            .fix("[\"0x...\", {\"address\": \"0x...\", \"nickname\": \"...\"}], or CSV lines")
    })?;
    let row = |(at, element): (usize, Element)| {
        let (text, name) = match element {
            Element::Text(text) => (text, String::new()),
            Element::Object(object) => (object.address, object.nickname),
        };
        let found = address_fault(text.trim()).map(|address| (address, name));
        let fault =
            |(code, what, label)| crate::config::addresses::RowFault { text, code, what, label };
        Row { line: at + 1, found: found.map_err(fault) }
    };
    Ok(elements.into_iter().enumerate().map(row).collect())
}

fn sound(row: &Row, seen: &mut HashSet<Address>) -> Result<Named, Box<(String, Problem)>> {
    match &row.found {
        Err(fault) => {
            let problem = Problem::error(fault.code, fault.what).why(fault.label.clone());
            Err(Box::new((fault.text.clone(), problem)))
        }
        Ok((address, name)) => {
            if let Some(problem) = name_fault(name) {
                return Err(Box::new((address.to_string(), problem)));
            }
            if !seen.insert(*address) {
                let problem = Problem::error("ADR002", "the same address twice");
                return Err(Box::new((address.to_string(), problem)));
            }
            Ok(Named { address: *address, name: name.clone() })
        }
    }
}

/// Lines and what became of those without an error, in their order: whether the list changed.
pub(crate) fn imported(lines: Vec<ImportedLine>, changed: &[bool]) -> Imported {
    let mut changed = changed.iter();
    let mut imported = Imported { lines, ..Imported::default() };
    for line in &mut imported.lines {
        if line.error.is_some() {
            imported.refused += 1;
        } else if changed.next() == Some(&true) {
            line.result = "added".to_owned();
            imported.added += 1;
        } else {
            imported.known += 1;
        }
    }
    imported
}

fn line(row: &Row, address: &str, error: Option<&Problem>) -> ImportedLine {
    let result = if error.is_some() { "refused" } else { "known" };
    ImportedLine {
        line: row.line,
        address: address.to_owned(),
        result: result.to_owned(),
        error: error.map(Error::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(last: u8) -> Address {
        Address([last; 20])
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let (one, two) = (account(1), account(0xbb));
        let upper = two.to_string().to_uppercase();
        let csv = format!("address,name\n{one},anna\n{upper}\n0x12\n{one}\n");
        let json = format!(
            "[{{\"address\":\"{one}\",\"nickname\":\"anna\"}},\"{upper}\",\"0x12\",\"{one}\"]"
        );
        for (body, first) in [(csv, 2), (json, 1)] {
            let (lines, accounts) = read(body.as_bytes()).expect("it is a list");
            let named = |address, name: &str| Named { address, name: name.to_owned() };
            assert_eq!(accounts, [named(one, "anna"), named(two, "")]);
            let codes: Vec<_> = lines
                .iter()
                .map(|line| (line.line, line.error.as_ref().map(|error| error.code.as_str())))
                .collect();
            let expect = [None, None, Some("ADR001"), Some("ADR002")];
            let expect: Vec<_> = (first..).zip(expect).collect();
            assert_eq!(codes, expect);
        }
    }

    #[test]
    fn a_body_that_is_no_list_is_refused_whole() {
        assert!(read(b"[1]").is_err() && read(b"[\"0x\"").is_err() && read(&[0xff]).is_err());
        assert_eq!(read(b"").expect("an empty list").0, []);
        let (lines, accounts) = read(b"{\"address\":1}").expect("CSV, though a bad one");
        assert!(lines[0].error.is_some() && accounts.is_empty());
    }

    #[test]
    fn names_are_short_and_printable() {
        assert_eq!(name_fault("Anna, Zürich"), None);
        assert!(name_fault(&"x".repeat(65)).is_some() && name_fault("a\nb").is_some());
    }
}
