//! The lists, on real files and a real database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use persist::store::Sqlite;
use rusqlite::Connection;
use shards::Address;

use super::reader::Reader;
use super::{Done, FILE, Keeper, Lists, ListsOptions, Named, Order, Said};
use crate::config::{Config, LoadOptions};
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::executor::Housekeeping;

fn account(last: u8) -> Address {
    Address([last; 20])
}

/// A directory with a configuration, and a database if it is wanted.
struct Place {
    dir: tempfile::TempDir,
    env: Vec<(String, String)>,
    has_database: bool,
}

impl Place {
    fn new(config: &str, has_database: bool) -> Place {
        let place =
            Place { dir: tempfile::tempdir().expect("a directory"), env: Vec::new(), has_database };
        place.write("corelane.toml", config);
        if has_database {
            Sqlite::open(&place.path("corelane.db")).expect("a database");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn sql(&self, sql: &str) {
        let connection = Connection::open(self.path("corelane.db")).expect("the database");
        connection.execute_batch(sql).expect("done");
    }

    fn options(&self) -> ListsOptions {
        let load = LoadOptions {
            file: Some(self.path("corelane.toml")),
            env: self.env.clone(),
            ..LoadOptions::default()
        };
        ListsOptions {
            loaded: Config::load(load.clone()).expect("it can be loaded"),
            load: Some(load),
            data_dir: self.dir.path().to_owned(),
            database: self.has_database.then(|| self.path("corelane.db")),
        }
    }

    /// A reader that has read everything once, and what it read.
    fn reader(&self) -> (Reader, Lists, Vec<Problem>) {
        let mut reader = Reader::new(self.options());
        reader.begin();
        reader.read_lists();
        reader.read_pairs();
        let (lists, problems) = reader.take();
        (reader, lists, problems)
    }
}

fn again(reader: &mut Reader) -> (Lists, Vec<Problem>) {
    let _ = reader.read_configuration();
    reader.read_lists();
    reader.read_pairs();
    reader.take()
}

fn monitor(rest: &str) -> String {
    format!("[monitor]\naddresses = [\"{}\"]\naddresses_file = \"a.csv\"\n{rest}", account(1))
}

#[test]
fn every_list_comes_once_and_then_only_what_is_new() {
    let place = Place::new(&monitor(""), true);
    place.write("a.csv", &format!("{},two\n", account(2)));
    place.write(FILE, &format!("{},four\n", account(4)));
    let upper = account(0xab).to_string().to_uppercase().replace("0X", "0x");
    place.sql(&format!(
        "INSERT INTO hl_watch_addresses (address, nickname) VALUES ('{upper}', 'ab');
         INSERT INTO hl_active_addresses (address) VALUES ('{}'), ('{}');
         INSERT INTO pair_configs (symbol, category) VALUES ('BTC', 1);",
        account(3),
        account(0xab),
    ));
    let (mut reader, lists, problems) = place.reader();
    assert_eq!(problems, []);
    assert_eq!(lists.configuration, Some(vec![account(1)]));
    assert_eq!(lists.file, Some(vec![account(2)]));
    assert_eq!(lists.database, Some(vec![account(0xab), account(3), account(4)]));
    let names = lists.names.expect("some have names");
    assert_eq!((names[&account(0xab)].as_str(), names[&account(4)].as_str()), ("ab", "four"));
    assert_eq!((lists.live, lists.pairs), (None, Some(vec![("BTC".to_owned(), 1)])));
    assert_eq!(again(&mut reader), (Lists::default(), Vec::new()));
    place.sql("DELETE FROM hl_active_addresses");
    let (lists, problems) = again(&mut reader);
    let expect = Lists { database: Some(vec![account(0xab), account(4)]), ..Lists::default() };
    assert_eq!((lists, problems), (expect, Vec::new()));
}

#[test]
fn a_list_that_cannot_be_read_stays_and_is_told_once() {
    let place = Place::new(&monitor(""), true);
    place.write("a.csv", &account(2).to_string());
    let (mut reader, ..) = place.reader();
    std::fs::remove_file(place.path("a.csv")).expect("removed");
    std::fs::rename(place.path("corelane.db"), place.path("away.db")).expect("renamed");
    let (lists, problems) = again(&mut reader);
    assert_eq!(lists, Lists { unread: Some(2), ..Lists::default() }, "no list, but that of health");
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["CFG009", "ADR005", "CFG016"]);
    assert!(problems[1].what.ends_with("it does not exist"), "{}", problems[1]);
    assert_eq!(again(&mut reader), (Lists::default(), Vec::new()));
    place.write("a.csv", &account(5).to_string());
    let (lists, problems) = again(&mut reader);
    assert_eq!((lists.file, problems), (Some(vec![account(5)]), Vec::new()));
    assert_eq!(lists.unread, Some(1));
    std::fs::remove_file(place.path("a.csv")).expect("removed");
    assert_eq!(again(&mut reader).1.len(), 1, "it is told again when it is gone again");
}

#[test]
fn a_bad_row_is_named_and_does_not_stop_the_others() {
    let place = Place::new("", true);
    place.sql(&format!(
        "INSERT INTO hl_watch_addresses (address) VALUES ('vitalik.eth'), ('{}');
         INSERT INTO hl_active_addresses (id, address) VALUES (7, '0x12');",
        account(1)
    ));
    let (mut reader, lists, problems) = place.reader();
    assert_eq!(lists.database, Some(vec![account(1)]));
    let text: Vec<String> = problems.iter().map(Problem::one_line).collect();
    assert_eq!(
        text,
        [
            "warn[ADR004]: hl_watch_addresses row 1 is left out: not an address: \"vitalik.eth\" · \
             a name; names are not resolved, write the address that it stands for",
            "warn[ADR004]: hl_active_addresses row 7 is left out: not an address: \"0x12\" · \
             0x and 2 hex digits; 40 are needed",
        ]
    );
    assert_eq!(again(&mut reader).1, []);
}

#[test]
fn a_table_that_is_not_there_has_no_rows() {
    let place = Place::new("", true);
    place.sql("DROP TABLE hl_active_addresses; DROP TABLE pair_configs;");
    let (_, lists, problems) = place.reader();
    assert_eq!((lists.database, lists.pairs, problems), (Some(Vec::new()), None, Vec::new()));
}

#[test]
fn live_keys_are_taken_over_and_others_are_named_once() {
    let mut place = Place::new("[canary]\nratio = 10\n[log]\nlevel = \"warn\"\n", false);
    place.env = vec![("CORELANE_LOG__LEVEL".to_owned(), "debug".to_owned())];
    let (mut reader, ..) = place.reader();
    let text = "[canary]\nratio = 20\n[log]\nlevel = \"error\"\n[monitor]\nremove_grace = \"1s\"\n\
                [node]\nname = \"other\"\n[admin]\ntoken_file = \"t\"\n[[source]]\n[[source]]\n\
                local_addr = \"127.0.0.2\"\n";
    place.write("corelane.toml", text);
    let names = reader.read_configuration().expect("it is right");
    assert_eq!(names[..2], ["admin.token_file".to_owned(), "node.name".to_owned()]);
    assert!(names.contains(&"source[1].local_addr".to_owned()), "{names:?}");
    let (lists, problems) = reader.take();
    let live = lists.live.expect("two are new");
    assert_eq!((live.canary_ratio, live.remove_grace), (20, Duration::from_secs(1)));
    assert_eq!(live.log_level.name(), "debug", "the environment keeps winning");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].what.contains("node.name"), "{}", problems[0]);
    assert_eq!(again(&mut reader), (Lists::default(), Vec::new()));
}

#[test]
fn a_refused_reload_keeps_everything_and_says_why() {
    let place = Place::new(&monitor(""), false);
    place.write("a.csv", "");
    let (mut reader, ..) = place.reader();
    place.write("corelane.toml", "[monitor]\naddresses = []\nremove_grase = \"1s\"\n");
    let refused = reader.read_configuration().expect_err("a key is unknown");
    assert_eq!(refused.code, "CFG015");
    assert!(refused.to_string().contains("did you mean `remove_grace`?"), "{refused}");
    assert_eq!(reader.take(), (Lists::default(), vec![refused]));
    assert_eq!(again(&mut reader), (Lists::default(), Vec::new()));
    place.write("corelane.toml", "");
    let (lists, problems) = again(&mut reader);
    assert_eq!((lists.configuration, problems), (Some(Vec::new()), Vec::new()));
}

/// Waits for what a keeper says, at most half a minute.
fn hear(keeper: &mut Keeper, bell: &Bell) -> Said {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(said) = keeper.said() {
            return said;
        }
        assert!(Instant::now() < deadline, "it says nothing");
        bell.sleep(Duration::from_millis(100), || keeper.has_news());
    }
}

fn keeper(place: &Place) -> (Keeper, Arc<Bell>) {
    let bell = Arc::new(Bell::new().expect("an eventfd"));
    let housekeeping = Housekeeping::beside(&[], std::iter::empty());
    let mut keeper = Keeper::start(place.options(), &bell, &housekeeping).expect("it starts");
    assert!(matches!(keeper.said(), Some(Said::Lists(_))), "the first lists are there at once");
    (keeper, bell)
}

fn list_then_done(keeper: &mut Keeper, bell: &Bell) -> (Vec<Address>, Vec<bool>) {
    let Said::Lists(lists) = hear(keeper, bell) else { panic!("the list comes first") };
    let Said::Done { done: Done::Written(changed), ticket: 7 } = hear(keeper, bell) else {
        panic!("then the answer")
    };
    (lists.database.expect("it changed"), changed)
}

#[track_caller]
fn check_keeping(has_database: bool, file: &Path, place: &Place) {
    let (mut keeper, bell) = keeper(place);
    let named = |last, name: &str| Named { address: account(last), name: name.to_owned() };
    let accounts = vec![named(1, "one"), named(2, "")];
    keeper.order(Order::Add { ticket: 7, accounts }).expect("room");
    let (list, changed) = list_then_done(&mut keeper, &bell);
    assert_eq!((list, changed), (vec![account(1), account(2)], vec![true, true]));
    let addresses = vec![account(9), account(1)];
    keeper.order(Order::Remove { ticket: 7, addresses }).expect("room");
    let (list, changed) = list_then_done(&mut keeper, &bell);
    assert_eq!((list, changed), (vec![account(2)], vec![false, true]));
    assert_eq!(file.exists(), !has_database);
}

#[test]
fn the_list_is_kept_in_the_database_or_without_one_in_a_file() {
    for has_database in [true, false] {
        let place = Place::new("", has_database);
        check_keeping(has_database, &place.path(FILE), &place);
    }
}

#[test]
fn what_cannot_be_written_is_refused_and_nothing_changes() {
    let place = Place::new("", true);
    let (mut keeper, bell) = keeper(&place);
    std::fs::remove_file(place.path("corelane.db")).expect("removed");
    let accounts = vec![Named { address: account(1), name: String::new() }];
    keeper.order(Order::Add { ticket: 1, accounts }).expect("room");
    let Said::Done { done: Done::Refused(problem), .. } = hear(&mut keeper, &bell) else {
        panic!("it was written")
    };
    assert_eq!(problem.code, "ADR005");
}

#[test]
fn a_reload_is_answered_after_what_it_changed() {
    let place = Place::new("", false);
    let (mut keeper, bell) = keeper(&place);
    place.write("corelane.toml", "[canary]\nratio = 3\n[node]\nshards = 1\n");
    keeper.order(Order::Reload { ticket: 4 }).expect("room");
    let Said::Lists(lists) = hear(&mut keeper, &bell) else { panic!("what is new comes first") };
    assert_eq!(lists.live.map(|live| live.canary_ratio), Some(3));
    assert!(matches!(hear(&mut keeper, &bell), Said::Problem(_)));
    let Said::Done { ticket: 4, done: Done::Reloaded(names) } = hear(&mut keeper, &bell) else {
        panic!("then the answer")
    };
    assert_eq!(names, ["node.shards"]);
}
