//! `addresses.csv` in the data directory: the list that is kept at run time where there is no database.
//!
//! A line is an address and, after a comma, a name for people. People may edit the file: lines that are not ours are kept
//! as they are. It is written whole beside itself and then renamed, so that a reader never sees half of it.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use shards::Address;

use crate::config::addresses::{self, Row};
use crate::diag::{Problem, Problems, reason};

/// The file's name in the data directory.
pub const FILE: &str = "addresses.csv";

/// What a new file begins with.
const HEAD: &str = "address,name\n";

/// An account with a name for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// The account.
    pub address: Address,
    /// Empty for none.
    pub name: String,
}

/// The accounts of the file, each once, and its bad lines. No file is an empty list.
pub fn read_file(path: &Path) -> Result<(Vec<Named>, Problems), Problem> {
    let Some(text) = read(path)? else { return Ok((Vec::new(), Problems::new())) };
    let (_, problems) = addresses::parse(&path.display().to_string(), &text);
    let mut named: Vec<Named> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for Row { found, .. } in addresses::rows(&text) {
        if let Ok((address, name)) = found
            && seen.insert(address)
        {
            named.push(Named { address, name });
        }
    }
    Ok((named, problems))
}

/// Adds accounts, or gives them other names; an empty name leaves the one that is there. For each whether that changed
/// anything.
pub fn add_to_file(path: &Path, accounts: &[Named]) -> Result<Vec<bool>, Problem> {
    let text = read(path)?.unwrap_or_else(|| HEAD.to_owned());
    let (text, changed) = add(&text, accounts);
    write_changed(path, &text, changed)
}

/// Takes accounts out. For each whether it was there.
pub fn remove_from_file(path: &Path, addresses: &[Address]) -> Result<Vec<bool>, Problem> {
    let Some(text) = read(path)? else { return Ok(vec![false; addresses.len()]) };
    let (text, changed) = remove(&text, addresses);
    write_changed(path, &text, changed)
}

fn add(text: &str, accounts: &[Named]) -> (String, Vec<bool>) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut at_line: std::collections::HashMap<Address, usize> = std::collections::HashMap::new();
    for row in addresses::rows(text) {
        if let Ok((address, _)) = row.found {
            at_line.entry(address).or_insert(row.line - 1);
        }
    }
    let mut changed = Vec::with_capacity(accounts.len());
    for account in accounts {
        let line = line_of(account);
        match at_line.get(&account.address) {
            Some(_) if account.name.is_empty() => changed.push(false),
            Some(at) if lines[*at] == line => changed.push(false),
            Some(at) => {
                lines[*at] = line;
                changed.push(true);
            }
            None => {
                at_line.insert(account.address, lines.len());
                lines.push(line);
                changed.push(true);
            }
        }
    }
    (joined(&lines), changed)
}

fn remove(text: &str, addresses: &[Address]) -> (String, Vec<bool>) {
    let rows = addresses::rows(text);
    let on_line: std::collections::HashMap<usize, Address> = rows
        .iter()
        .filter_map(|row| row.found.as_ref().ok().map(|(address, _)| (row.line, *address)))
        .collect();
    let there: std::collections::HashSet<&Address> = on_line.values().collect();
    let wanted: std::collections::HashSet<&Address> = addresses.iter().collect();
    let stays = |at: &usize| !on_line.get(&(at + 1)).is_some_and(|a| wanted.contains(a));
    let lines: Vec<&str> =
        text.lines().enumerate().filter(|(at, _)| stays(at)).map(|(_, line)| line).collect();
    (joined(&lines), addresses.iter().map(|address| there.contains(address)).collect())
}

fn joined(lines: &[impl AsRef<str>]) -> String {
    lines.iter().fold(String::new(), |text, line| text + line.as_ref() + "\n")
}

/// The name in quotes where it could be taken for something else.
fn line_of(account: &Named) -> String {
    let Named { address, name } = account;
    if name.is_empty() {
        return address.to_string();
    }
    match name.contains([',', ';', '\t', '"', '#']) || name.trim() != name {
        true => format!("{address},\"{}\"", name.replace('"', "\"\"")),
        false => format!("{address},{name}"),
    }
}

fn read(path: &Path) -> Result<Option<String>, Problem> {
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(super::not_usable("the list of addresses", path, "it is not UTF-8 text")),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(super::not_usable("the list of addresses", path, &reason(&error))),
    }
}

fn write_changed(path: &Path, text: &str, changed: Vec<bool>) -> Result<Vec<bool>, Problem> {
    if changed.contains(&true) {
        write(path, text).map_err(|error| {
            super::not_usable("the list of addresses", path, &reason(&error))
                .fix("free space, or give this user the right to write there")
        })?;
    }
    Ok(changed)
}

/// Durable when it returns: the answer that follows says so.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("csv.new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(last: u8, name: &str) -> Named {
        Named { address: Address([last; 20]), name: name.to_owned() }
    }

    #[test]
    fn names_survive_whatever_is_in_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE);
        let names = ["plain", "a, b; c", "say \"hi\"", "#1", " blank ", "", "zwölf\tx"];
        let list: Vec<Named> =
            names.iter().zip(1..).map(|(name, last)| named(last, name)).collect();
        assert_eq!(add_to_file(&path, &list).expect("written"), [true; 7]);
        let (found, problems) = read_file(&path).expect("read");
        assert_eq!(found, list);
        assert!(problems.is_empty(), "{problems}");
        assert_eq!(add_to_file(&path, &list).expect("nothing new"), [false; 7]);
    }

    #[test]
    fn what_people_wrote_stays() {
        let text = format!("# ours\n{},old\nnonsense\n\n{}\n", Address([1; 20]), Address([2; 20]));
        let (text, changed) = add(&text, &[named(1, "new"), named(2, ""), named(3, "x")]);
        assert_eq!(changed, [true, false, true]);
        let expect = format!(
            "# ours\n{},new\nnonsense\n\n{}\n{},x\n",
            Address([1; 20]),
            Address([2; 20]),
            Address([3; 20])
        );
        assert_eq!(text, expect);
        let (text, found) = remove(&text, &[Address([1; 20]), Address([9; 20]), Address([3; 20])]);
        assert_eq!(found, [true, false, true]);
        assert_eq!(text, format!("# ours\nnonsense\n\n{}\n", Address([2; 20])));
    }

    #[test]
    fn no_file_is_an_empty_list_and_a_directory_is_a_fault() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE);
        assert_eq!(read_file(&path).expect("none").0, []);
        assert_eq!(remove_from_file(&path, &[Address([1; 20])]).expect("none"), [false]);
        assert!(!path.exists());
        std::fs::create_dir(&path).expect("a directory");
        assert_eq!(read_file(&path).expect_err("no file").code, "ADR005");
    }
}
