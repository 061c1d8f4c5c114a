//! What people and other programs keep in the database for us to read: the accounts to watch, and the pairs.
//!
//! Its own connection, for another thread than the one that writes rows: short transactions, nothing held between calls. The
//! database is neither made nor migrated here. A table that is not there is no error: it has no rows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};

use super::{StoreError, classify};

/// How long another process may hold the database before a call fails with [`StoreError::Busy`].
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The owner of the rows that are written here.
const PLAYER: i64 = 0;

/// Accounts to watch that other programs and people keep.
pub const WATCHED: &str = "hl_watch_addresses";
/// Accounts that another program found active.
pub const ACTIVE: &str = "hl_active_addresses";
/// Pairs and their categories.
pub const PAIRS: &str = "pair_configs";

/// A row that names an account, as someone wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedAddress {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub id: i64,
    /// In any case, perhaps wrong. Not text: what SQLite makes of it.
    pub address: String,
    /// A name for people; empty for none.
    pub nickname: String,
}

/// A row of [`PAIRS`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedPair {
    /// The row.
    pub id: i64,
    /// The pair.
    pub symbol: String,
    /// Its category, or what stands there instead of a number from 0 to 255.
    pub category: Result<u8, String>,
}

/// What a table holds: `None` if the database does not have it.
pub type Table<T> = Option<Vec<T>>;

/// The lists of one database.
#[derive(Debug)]
pub struct Lists {
    path: PathBuf,
    connection: Connection,
}

impl Lists {
    /// Opens the database at `path`, which must be there.
    pub fn open(path: &Path) -> Result<Lists, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |source| classify(path, "open", source);
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        Ok(Lists { path: path.to_owned(), connection })
    }

    /// The accounts of a table, deleted ones left out, in the order of their ids.
    ///
    /// `table` is [`WATCHED`] or [`ACTIVE`].
    pub fn addresses(&self, table: &'static str) -> Result<Table<ListedAddress>, StoreError> {
        let sql = match table {
            WATCHED => {
                "SELECT id, address, nickname FROM hl_watch_addresses WHERE deleted_at IS NULL \
                 ORDER BY id"
            }
            _ => "SELECT id, address, '' FROM hl_active_addresses ORDER BY id",
        };
        self.read(table, sql, |row| {
            let (address, nickname) = (text(row.get_ref(1)?), text(row.get_ref(2)?));
            Ok(ListedAddress { table, id: row.get(0)?, address, nickname })
        })
    }

    /// The pairs, in the order of their ids.
    pub fn pairs(&self) -> Result<Table<ListedPair>, StoreError> {
        self.read(PAIRS, "SELECT id, symbol, category FROM pair_configs ORDER BY id", |row| {
            let category = match row.get_ref(2)? {
                ValueRef::Integer(number) => u8::try_from(number).map_err(|_| number.to_string()),
                other => Err(text(other)),
            };
            Ok(ListedPair { id: row.get(0)?, symbol: text(row.get_ref(1)?), category })
        })
    }

    fn read<T>(
        &self,
        table: &str,
        sql: &str,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Table<T>, StoreError> {
        let read = || -> rusqlite::Result<Table<T>> {
            if !self.has(table)? {
                return Ok(None);
            }
            let rows: rusqlite::Result<Vec<T>> =
                self.connection.prepare_cached(sql)?.query_map([], row)?.collect();
            rows.map(Some)
        };
        read().map_err(|source| classify(&self.path, "read lists", source))
    }

    fn has(&self, table: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?1";
        let found: Option<i64> =
            self.connection.prepare_cached(sql)?.query_row([table], |row| row.get(0)).optional()?;
        Ok(found.is_some())
    }

    /// Adds accounts with names for people to [`WATCHED`], or brings them back; an empty name leaves the one that is there.
    /// For each whether that changed its row. All or none; durable when it returns. Addresses in lower case.
    pub fn add(&mut self, accounts: &[(String, String)]) -> Result<Vec<bool>, StoreError> {
        let written = (|| {
            let transaction = self.begin()?;
            let mut changed = Vec::with_capacity(accounts.len());
            {
                let mut statement = transaction.prepare_cached(
                    "INSERT INTO hl_watch_addresses (player_id, address, nickname)
                     VALUES (?1, ?2, ?3)
                     ON CONFLICT (player_id, address) DO UPDATE SET deleted_at = NULL,
                         nickname = CASE excluded.nickname WHEN '' THEN nickname
                                    ELSE excluded.nickname END,
                         updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
                     WHERE deleted_at IS NOT NULL OR excluded.nickname NOT IN ('', nickname)",
                )?;
                for (address, nickname) in accounts {
                    changed.push(statement.execute(params![PLAYER, address, nickname])? > 0);
                }
            }
            transaction.commit()?;
            Ok(changed)
        })();
        written.map_err(|source| classify(&self.path, "add addresses", source))
    }

    /// Marks accounts in [`WATCHED`] as deleted, in whatever case they stand there; rows of other players are not ours and
    /// stay. For each whether there was one. All or none; durable when it returns.
    pub fn remove(&mut self, addresses: &[String]) -> Result<Vec<bool>, StoreError> {
        let written = (|| {
            let transaction = self.begin()?;
            let mut found = Vec::with_capacity(addresses.len());
            {
                let mut statement = transaction.prepare_cached(
                    "UPDATE hl_watch_addresses
                     SET deleted_at = strftime('%Y-%m-%d %H:%M:%f', 'now'),
                         updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
                     WHERE player_id = ?1 AND lower(address) = ?2 AND deleted_at IS NULL",
                )?;
                for address in addresses {
                    found.push(statement.execute(params![PLAYER, address])? > 0);
                }
            }
            transaction.commit()?;
            Ok(found)
        })();
        written.map_err(|source| classify(&self.path, "remove addresses", source))
    }

    fn begin(&mut self) -> rusqlite::Result<rusqlite::Transaction<'_>> {
        // What an answer says was written has been: as durable as the rows of signals.
        self.connection.execute_batch("PRAGMA synchronous = FULL")?;
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate)
    }
}

/// A value as text; what is not text is shown as what it is.
fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => format!("({} bytes)", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;

    fn database() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("corelane.db");
        Sqlite::open(&path).expect("a new database");
        (dir, path)
    }

    fn watched(lists: &Lists) -> Vec<(String, String)> {
        let rows = lists.addresses(WATCHED).expect("read").expect("the table is there");
        rows.into_iter().map(|row| (row.address, row.nickname)).collect()
    }

    fn pair(address: &str, name: &str) -> (String, String) {
        (address.to_owned(), name.to_owned())
    }

    #[test]
    fn accounts_come_go_and_come_back_with_their_names() {
        let (_dir, path) = database();
        let mut lists = Lists::open(&path).expect("open");
        lists.add(&[pair("0xa", "anna"), pair("0xb", "")]).expect("added");
        let changed = lists.add(&[pair("0xa", ""), pair("0xb", "bert")]).expect("added again");
        assert_eq!(changed, [false, true]);
        assert_eq!(watched(&lists), [pair("0xa", "anna"), pair("0xb", "bert")]);
        let removed = lists.remove(&["0xb".to_owned(), "0xc".to_owned()]).expect("removed");
        assert_eq!(removed, [true, false]);
        assert_eq!(watched(&lists), [pair("0xa", "anna")]);
        lists.add(&[pair("0xb", "")]).expect("back");
        assert_eq!(watched(&lists), [pair("0xa", "anna"), pair("0xb", "bert")]);
    }

    #[test]
    fn rows_of_others_are_read_but_not_removed_and_case_does_not_matter() {
        let (_dir, path) = database();
        let mut lists = Lists::open(&path).expect("open");
        lists
            .connection
            .execute_batch(
                "INSERT INTO hl_watch_addresses (player_id, address) VALUES (0, '0xAB'), (7, '0xab');
                 INSERT INTO hl_watch_addresses (address, deleted_at) VALUES ('0xcd', 'x');
                 INSERT INTO hl_active_addresses (address) VALUES ('0xEF');",
            )
            .expect("rows");
        assert_eq!(lists.remove(&["0xab".to_owned()]).expect("removed"), [true]);
        assert_eq!(watched(&lists), [pair("0xab", "")]);
        assert_eq!(lists.remove(&["0xab".to_owned()]).expect("nothing"), [false]);
        let active = lists.addresses(ACTIVE).expect("read").expect("the table is there");
        assert_eq!((active[0].address.as_str(), active[0].id), ("0xEF", 1));
    }

    #[test]
    fn what_is_not_there_is_told_apart_from_what_is_empty() {
        let (dir, path) = database();
        assert!(matches!(Lists::open(&dir.path().join("no.db")), Err(StoreError::Sql { .. })));
        let lists = Lists::open(&path).expect("open");
        assert_eq!(lists.pairs().expect("read"), Some(Vec::new()));
        lists.connection.execute_batch("DROP TABLE pair_configs").expect("dropped");
        assert_eq!(lists.pairs().expect("read"), None);
    }

    #[test]
    fn a_category_that_is_none_is_shown_as_it_stands() {
        let (_dir, path) = database();
        let lists = Lists::open(&path).expect("open");
        lists
            .connection
            .execute_batch(
                "INSERT INTO pair_configs (symbol, category)
                 VALUES ('BTC', 1), ('ETH', 300), ('SOL', 'two')",
            )
            .expect("rows");
        let pairs = lists.pairs().expect("read").expect("the table is there");
        let found: Vec<_> = pairs.into_iter().map(|pair| pair.category).collect();
        assert_eq!(found, [Ok(1), Err("300".to_owned()), Err("two".to_owned())]);
    }

    #[test]
    fn a_database_that_another_holds_is_busy() {
        let (_dir, path) = database();
        let mut lists = Lists::open(&path).expect("open");
        lists.connection.busy_timeout(Duration::ZERO).expect("no patience");
        let other = Connection::open(&path).expect("another");
        other.execute_batch("BEGIN IMMEDIATE").expect("held");
        assert!(matches!(lists.add(&[pair("0xa", "")]), Err(StoreError::Busy { .. })));
        assert_eq!(watched(&lists), []);
    }
}
