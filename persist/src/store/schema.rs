//! The schema, as numbered steps. A step that was released is never changed: another one follows
//! it.
//!
//! Names and columns are those that readers of the old program's tables use. Times are UTC text
//! `YYYY-MM-DD HH:MM:SS.sss`; exact amounts are decimal text.

use rusqlite::{Connection, TransactionBehavior};

/// Step `n` is at index `n - 1`.
const STEPS: &[&str] = &[STEP_1];

const STEP_1: &str = r#"
CREATE TABLE hl_watch_addresses (
    id INTEGER PRIMARY KEY,
    player_id INTEGER NOT NULL DEFAULT 0,
    address TEXT NOT NULL,
    nickname TEXT NOT NULL DEFAULT '',
    is_system INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    deleted_at TEXT,
    UNIQUE (player_id, address)
);
CREATE TABLE hl_position_cache (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    spot_balances TEXT NOT NULL,
    spot_total_usd TEXT NOT NULL,
    futures_positions TEXT NOT NULL,
    account_value TEXT NOT NULL,
    total_margin_used TEXT NOT NULL,
    total_ntl_pos TEXT NOT NULL,
    withdrawable TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE hl_order_aggregation (
    id INTEGER PRIMARY KEY,
    oid INTEGER NOT NULL,
    address TEXT NOT NULL,
    symbol TEXT NOT NULL,
    direction TEXT NOT NULL,
    fills TEXT NOT NULL,
    total_size TEXT NOT NULL,
    weighted_avg_px TEXT NOT NULL,
    order_status TEXT NOT NULL,
    last_fill_time INTEGER NOT NULL,
    signal_sent INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (oid, address, direction)
);
CREATE INDEX hl_order_aggregation_retention ON hl_order_aggregation (signal_sent, updated_at);
CREATE TABLE hl_address_signals (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    position_rate REAL,
    close_rate REAL NOT NULL,
    symbol TEXT NOT NULL,
    coin_type TEXT NOT NULL,
    asset_type TEXT NOT NULL,
    direction TEXT NOT NULL,
    side TEXT NOT NULL,
    price REAL NOT NULL,
    size REAL NOT NULL,
    created_at TEXT NOT NULL,
    expired_at TEXT NOT NULL,
    signal_id TEXT NOT NULL UNIQUE,
    oid INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    final INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    size_exact TEXT NOT NULL,
    price_exact TEXT NOT NULL,
    notional_exact TEXT NOT NULL,
    fills INTEGER NOT NULL,
    "trigger" TEXT NOT NULL,
    status TEXT,
    shard INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    idx INTEGER NOT NULL
);
CREATE INDEX hl_address_signals_retention ON hl_address_signals (created_at);
CREATE INDEX hl_address_signals_address ON hl_address_signals (address, created_at);
CREATE TABLE pair_configs (
    id INTEGER PRIMARY KEY,
    symbol TEXT NOT NULL UNIQUE,
    category INTEGER NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
CREATE TABLE hl_active_addresses (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
"#;

pub(super) enum MigrateError {
    Newer { found: u32 },
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> MigrateError {
        MigrateError::Sql(error)
    }
}

/// The newest schema known.
pub(super) fn known() -> u32 {
    STEPS.len() as u32
}

/// Takes the steps that the database has not taken. All or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), MigrateError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS corelane_schema (
             version INTEGER PRIMARY KEY,
             applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
         )",
    )?;
    let found: u32 = transaction.query_row(
        "SELECT coalesce(max(version), 0) FROM corelane_schema",
        [],
        |row| row.get(0),
    )?;
    if found > known() {
        return Err(MigrateError::Newer { found });
    }
    for (version, step) in (1..=known()).zip(STEPS).skip(found as usize) {
        transaction.execute_batch(step)?;
        transaction.execute("INSERT INTO corelane_schema (version) VALUES (?1)", [version])?;
    }
    transaction.commit()?;
    Ok(())
}
