//! What `corelane addr` prints.

use std::fmt::Write as _;
use std::path::Path;

use crate::admin::wire::{Account, Added, Imported, Removed};

/// One line for an account that was added.
pub(super) fn added(added: &Added) -> String {
    let Added { changed, account } = added;
    let word = if *changed { "added" } else { "known" };
    format!("{word}  {}  {}\n", account.address, account.state.name())
}

/// One line for an account that was removed.
pub(super) fn removed(removed: &Removed) -> String {
    let Removed { address, still_in, leaves_at_ms } = removed;
    match (still_in.is_empty(), leaves_at_ms) {
        (false, _) => {
            format!("removed  {address}  stays: {} still names it\n", still_in.join(", "))
        }
        (true, Some(_)) => format!("removed  {address}  leaves after monitor.remove_grace\n"),
        (true, None) => format!("removed  {address}\n"),
    }
}

/// One JSON object a line.
pub(super) fn json_lines(accounts: &[Account]) -> String {
    accounts.iter().fold(String::new(), |mut text, account| {
        let object = serde_json::to_string(account).expect("plain fields serialize");
        let _ = writeln!(text, "{object}");
        text
    })
}

/// A table for people.
pub(super) fn table(accounts: &[Account], now_ms: u64) -> String {
    const HEAD: [&str; 7] = ["address", "state", "for", "lists", "shard", "source", "name"];
    let rows: Vec<[String; 7]> = accounts.iter().map(|account| cells(account, now_ms)).collect();
    let mut widths = HEAD.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; 7]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut out = if rows.is_empty() { String::new() } else { line(HEAD) };
    for row in &rows {
        out.push_str(&line(std::array::from_fn(|at| row[at].as_str())));
    }
    out
}

fn cells(account: &Account, now_ms: u64) -> [String; 7] {
    let dash = || "-".to_owned();
    let since = account.since_ms.map_or_else(dash, |since| age(now_ms.saturating_sub(since)));
    [
        account.address.clone(),
        account.state.name().to_owned(),
        since,
        match account.origins.is_empty() {
            true => dash(),
            false => account.origins.join(","),
        },
        account.shard.map_or_else(dash, |shard| shard.to_string()),
        account.source.clone().unwrap_or_else(dash),
        account.name.clone(),
    ]
}

/// The largest unit that fits, in whole numbers.
fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The lines that were left out, for standard error.
pub(super) fn refused(file: &Path, imported: &Imported) -> String {
    let mut out = String::new();
    for line in &imported.lines {
        if let Some(error) = &line.error {
            let why = if error.why.is_empty() { String::new() } else { format!(": {}", error.why) };
            let _ = writeln!(
                out,
                "warn[{}]: {}:{} is left out: {}{why}: {:?}",
                error.code,
                file.display(),
                line.line,
                error.what,
                line.address,
            );
        }
    }
    out
}

/// The sums.
pub(super) fn imported(imported: &Imported) -> String {
    let Imported { added, known, refused, .. } = imported;
    format!("added {added}, known {known}, left out {refused}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::AccountState;

    fn account(name: &str, shard: Option<u16>) -> Account {
        Account {
            address: "0xab".to_owned(),
            name: name.to_owned(),
            origins: vec!["configuration".to_owned(), "file".to_owned()],
            state: AccountState::Followed,
            source: shard.map(|_| "wss://h/ws".to_owned()),
            shard,
            since_ms: shard.map(|_| 1_000),
            leaves_at_ms: None,
        }
    }

    #[test]
    fn the_table_is_as_wide_as_its_cells() {
        let text = table(&[account("Zoë", Some(12)), account("", None)], 181_000);
        assert_eq!(
            text,
            "address  state     for  lists               shard  source      name\n\
             0xab     followed  3m   configuration,file  12     wss://h/ws  Zoë\n\
             0xab     followed  -    configuration,file  -      -\n"
        );
        assert_eq!(table(&[], 0), "");
    }

    #[test]
    fn a_json_line_is_an_account() {
        let text = json_lines(&[account("x", Some(1)), account("", None)]);
        let back: Vec<Account> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(back, [account("x", Some(1)), account("", None)]);
    }
}
