//! `corelane addr`: the list of accounts, of a node that runs or of one that does not.
//!
//! | file | what happens there |
//! |---|---|
//! | `typed` | addresses that a person typed: what is wrong with them, and what was probably meant |
//! | `checksum` | the capitals of an address (EIP-55) |
//! | `remote` | the administration port of a node that runs |
//! | `offline` | the list itself, with `--offline` |
//! | `words` | what is printed |

mod checksum;
mod offline;
mod remote;
mod typed;
mod words;

use std::io::Read;
use std::path::Path;

use shards::Address;

use super::args::{AddrArgs, AddrVerb, NodeArgs};
use super::print;
use crate::admin::name_fault;
use crate::admin::wire::{Account, AccountState, Added, Imported, Removed};
use crate::control::lists::Named;
use crate::diag::{Exit, Problem, Problems, reason};
use offline::Offline;
use remote::Remote;

/// Who keeps the list.
enum List {
    /// A node that runs.
    Remote(Remote),
    /// Nobody: the files.
    Offline(Box<Offline>),
}

impl List {
    fn reach(node: &NodeArgs) -> Result<List, Problems> {
        Ok(match node.offline {
            true => List::Offline(Box::new(Offline::open(node)?)),
            false => List::Remote(Remote::find(node)?),
        })
    }

    fn add(&mut self, named: &Named) -> Result<Added, Problem> {
        match self {
            List::Remote(remote) => remote.add(named),
            List::Offline(offline) => offline.add(named),
        }
    }

    fn remove(&mut self, address: &Address, now: bool) -> Result<Removed, Problem> {
        match self {
            List::Remote(remote) => remote.remove(address, now),
            List::Offline(offline) => offline.remove(address),
        }
    }

    fn accounts(&mut self) -> Result<Vec<Account>, Problem> {
        match self {
            List::Remote(remote) => remote.accounts(),
            List::Offline(offline) => offline.accounts(),
        }
    }

    fn import(&mut self, csv: &[u8]) -> Result<Imported, Problem> {
        match self {
            List::Remote(remote) => remote.import(csv),
            List::Offline(offline) => offline.import(csv),
        }
    }
}

pub(super) fn run(args: &AddrArgs) -> Result<Exit, Problems> {
    match &args.verb {
        AddrVerb::Add { addresses, name, node } => add(addresses, name.as_deref(), node),
        AddrVerb::Rm { addresses, now, node } => remove(addresses, *now, node),
        AddrVerb::List { json, node } => list(*json, node),
        AddrVerb::Import { file, node } => import(file, node),
    }
}

/// What a person typed wrong is a mistake in the command line: nothing has been done.
fn mistyped(problems: &Problems) -> Result<Exit, Problems> {
    problems.print();
    Ok(Exit::Usage)
}

fn add(texts: &[String], name: Option<&str>, node: &NodeArgs) -> Result<Exit, Problems> {
    let addresses = match typed::read("addr add", texts, true) {
        Ok(addresses) => addresses,
        Err(problems) => return mistyped(&problems),
    };
    let name = name.unwrap_or("");
    if !name.is_empty() && addresses.len() > 1 {
        let what = format!("one name for {} accounts", addresses.len());
        return mistyped(&Problem::error("ADM004", what).fix("add them one by one").into());
    }
    if let Some(problem) = name_fault(name) {
        return mistyped(&problem.into());
    }
    let mut list = List::reach(node)?;
    let mut has_room = true;
    let exit = each(addresses, |address| {
        let added = list.add(&Named { address, name: name.to_owned() })?;
        has_room &= added.account.state != AccountState::Uncovered;
        Ok(words::added(&added))
    })?;
    // It is kept, and not followed: a script must notice.
    Ok(if has_room { exit } else { Exit::Failed })
}

fn remove(texts: &[String], now: bool, node: &NodeArgs) -> Result<Exit, Problems> {
    let addresses = match typed::read("addr rm", texts, false) {
        Ok(addresses) => addresses,
        Err(problems) => return mistyped(&problems),
    };
    let mut list = List::reach(node)?;
    each(addresses, |address| Ok(words::removed(&list.remove(&address, now)?)))
}

/// Does it for each address, whatever becomes of the others.
fn each(
    addresses: Vec<Address>,
    mut act: impl FnMut(Address) -> Result<String, Problem>,
) -> Result<Exit, Problems> {
    let mut problems = Problems::new();
    for address in addresses {
        match act(address) {
            Ok(line) => {
                if print::out(&line) == Exit::Io {
                    return Ok(Exit::Io);
                }
            }
            // Nobody answers: nobody will answer for the next one either.
            Err(problem) if problem.code == "ADM005" => return Err(problem.into()),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(Exit::Success) } else { Err(problems) }
}

fn list(json: bool, node: &NodeArgs) -> Result<Exit, Problems> {
    let accounts = List::reach(node)?.accounts()?;
    if json {
        return Ok(print::out(&words::json_lines(&accounts)));
    }
    if accounts.is_empty() {
        print::talk("no watched addresses; add one: corelane addr add 0x...\n");
    }
    Ok(print::out(&words::table(&accounts, crate::lane::clock::wall_now_ns() / 1_000_000)))
}

fn import(file: &Path, node: &NodeArgs) -> Result<Exit, Problems> {
    let csv = read(file).map_err(|error| {
        let what = format!("{} cannot be read: {}", file.display(), reason(&error));
        Problem::error("ADR005", what)
    })?;
    let imported = List::reach(node)?.import(&csv)?;
    print::talk(&words::refused(file, &imported));
    Ok(match print::out(&words::imported(&imported)) {
        Exit::Success if imported.refused > 0 => Exit::Failed,
        exit => exit,
    })
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file)
}
