//! The SQL store: signals, aggregations and positions in SQLite, in the tables that readers know.
//!
//! It is a sink like any other: rows come at least once and in order, and a row that comes again
//! changes nothing. Blocking; its thread is the caller's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use thiserror::Error;

pub mod lists;

mod rows;
mod schema;

pub use rows::{AggregationRow, PositionRow, Row, SignalRow, WatchAddress};

/// Rows that one call of [`Sqlite::retain`] deletes from each table at most: bounds how long it
/// holds up rows.
pub const RETAIN_ROWS_MAX: usize = 1000;

/// How long another process may hold the database before a batch fails with [`StoreError::Busy`].
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the store did not do as asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Made by a later version of this program.
    #[error("{} has schema {found}, known is {known}", .path.display())]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// Another process has it locked for longer than we wait. Try again.
    #[error("{} is locked by another process, while trying to {op}", .path.display())]
    Busy {
        /// The database.
        path: PathBuf,
        /// What was being done.
        op: &'static str,
    },
    /// The disk is full.
    #[error("no space to {op} in {}", .path.display())]
    NoSpace {
        /// The database.
        path: PathBuf,
        /// What was being done.
        op: &'static str,
    },
    /// SQLite said no.
    #[error("cannot {op} in {}: {source}", .path.display())]
    Sql {
        /// The database.
        path: PathBuf,
        /// What was being done.
        op: &'static str,
        /// Its reason.
        source: rusqlite::Error,
    },
}

/// What became of a batch of rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// Signals that are new.
    pub inserted: usize,
    /// Signals that were there already, with the same content: a delivery repeated after a crash.
    pub repeated: usize,
    /// Ids of signals that were there already with *other* content. The stored one was kept. This
    /// must never happen; report it.
    pub conflicts: Vec<String>,
    /// Aggregations and positions written.
    pub upserted: usize,
}

/// What [`Sqlite::retain`] deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retained {
    /// Aggregations deleted.
    pub aggregations: usize,
    /// Signals deleted.
    pub signals: usize,
    /// Whether there may be more to delete: call again, after other work.
    pub more: bool,
}

/// A SQLite database.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    connection: Connection,
}

impl Sqlite {
    /// Opens the database at `path`, creating it and bringing its schema up to date.
    pub fn open(path: &Path) -> Result<Sqlite, StoreError> {
        Sqlite::open_with(path, BUSY_TIMEOUT)
    }

    fn open_with(path: &Path, busy_timeout: Duration) -> Result<Sqlite, StoreError> {
        let failed = |op| move |source| classify(path, op, source);
        let mut connection = Connection::open(path).map_err(failed("open"))?;
        connection.busy_timeout(busy_timeout).map_err(failed("open"))?;
        // A commit is durable when it returns: a cursor is moved on the strength of it.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            .map_err(failed("set WAL mode"))?;
        connection.set_prepared_statement_cache_capacity(32);
        schema::migrate(&mut connection).map_err(|error| match error {
            schema::MigrateError::Newer { found } => {
                StoreError::NewerSchema { path: path.to_owned(), found, known: schema::known() }
            }
            schema::MigrateError::Sql(source) => {
                classify(path, "bring the schema up to date", source)
            }
        })?;
        Ok(Sqlite { path: path.to_owned(), connection })
    }

    /// Writes rows in one transaction: all of them, or none. Durable when it returns.
    pub fn apply(&mut self, rows: &[Row]) -> Result<Applied, StoreError> {
        let written = write(&mut self.connection, rows);
        written.map_err(|source| classify(&self.path, "write rows", source))
    }

    /// Calls `f` with (signal_id, size_exact, notional_exact) of every signal, in the order they were written.
    pub fn each_signal(&self, f: &mut dyn FnMut(&str, &str, &str)) -> Result<(), StoreError> {
        let read = rows::each_signal(&self.connection, f);
        read.map_err(|source| classify(&self.path, "read signals", source))
    }

    /// Addresses of `hl_watch_addresses` that are not deleted, in the order of their ids.
    pub fn read_watch_addresses(&self) -> Result<Vec<WatchAddress>, StoreError> {
        let read = rows::watch_addresses(&self.connection);
        read.map_err(|source| classify(&self.path, "read addresses", source))
    }

    /// Deletes a bounded number of aggregations that were signalled and last changed
    /// `aggregations_ms` ago or earlier, and of signals created `signals_ms` ago or earlier. Times
    /// in milliseconds.
    pub fn retain(
        &mut self,
        now_ms: u64,
        aggregations_ms: u64,
        signals_ms: u64,
    ) -> Result<Retained, StoreError> {
        let retained = delete(
            &mut self.connection,
            now_ms.saturating_sub(aggregations_ms),
            now_ms.saturating_sub(signals_ms),
        );
        retained.map_err(|source| classify(&self.path, "delete old rows", source))
    }
}

fn write(connection: &mut Connection, rows: &[Row]) -> rusqlite::Result<Applied> {
    // Immediate: a batch waits for the lock at its start, never fails for it in the middle.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut applied = Applied::default();
    for row in rows {
        match row {
            Row::Signal(signal) => match rows::insert_signal(&transaction, signal)? {
                rows::Inserted::New => applied.inserted += 1,
                rows::Inserted::Repeated => applied.repeated += 1,
                rows::Inserted::Conflict => applied.conflicts.push(signal.signal_id.clone()),
            },
            Row::Aggregation(aggregation) => {
                rows::upsert_aggregation(&transaction, aggregation)?;
                applied.upserted += 1;
            }
            Row::Position(position) => {
                rows::upsert_position(&transaction, position)?;
                applied.upserted += 1;
            }
        }
    }
    transaction.commit()?;
    Ok(applied)
}

fn delete(
    connection: &mut Connection,
    aggregations_before_ms: u64,
    signals_before_ms: u64,
) -> rusqlite::Result<Retained> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let aggregations = transaction
        .prepare_cached(
            "DELETE FROM hl_order_aggregation WHERE id IN (SELECT id FROM hl_order_aggregation
             WHERE signal_sent = 1 AND updated_at <= ?1 ORDER BY updated_at LIMIT ?2)",
        )?
        .execute(params![rows::utc_text(aggregations_before_ms), RETAIN_ROWS_MAX])?;
    let signals = transaction
        .prepare_cached(
            "DELETE FROM hl_address_signals WHERE id IN (SELECT id FROM hl_address_signals
             WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)",
        )?
        .execute(params![rows::utc_text(signals_before_ms), RETAIN_ROWS_MAX])?;
    transaction.commit()?;
    let more = aggregations == RETAIN_ROWS_MAX || signals == RETAIN_ROWS_MAX;
    Ok(Retained { aggregations, signals, more })
}

fn classify(path: &Path, op: &'static str, source: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path, op },
        Some(ErrorCode::DiskFull) => StoreError::NoSpace { path, op },
        _ => StoreError::Sql { path, op, source },
    }
}

#[cfg(test)]
mod tests;
