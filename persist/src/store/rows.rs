//! The rows, and the one statement that writes each kind.

use rusqlite::{Connection, ToSql, Transaction, params};

/// A row for one of the tables.
#[derive(Clone, PartialEq, Debug)]
pub enum Row {
    /// For `hl_address_signals`: inserted once.
    Signal(SignalRow),
    /// For `hl_order_aggregation`: the last one of an order and direction wins.
    Aggregation(AggregationRow),
    /// For `hl_position_cache`: the last one of an address wins.
    Position(PositionRow),
}

/// A signal.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SignalRow {
    /// Unique: `address-oid-direction-revision`.
    pub signal_id: String,
    /// The account, lower case.
    pub address: String,
    /// Percent of the account's value; `None` while that is unknown.
    pub position_rate: Option<f64>,
    /// Part of the position that was closed, 0 to 1.
    pub close_rate: f64,
    /// The instrument.
    pub symbol: String,
    /// `A` to `D`.
    pub coin_type: String,
    /// `futures` or `spot`.
    pub asset_type: String,
    /// `open`, `close` or `other`.
    pub direction: String,
    /// `LONG` or `SHORT`.
    pub side: String,
    /// Average price, as the old readers take it.
    pub price: f64,
    /// Size, as the old readers take it.
    pub size: f64,
    /// Unix milliseconds of its making. Not part of its identity.
    pub created_ms: u64,
    /// Unix milliseconds after which it is of no use. Not part of its identity.
    pub expired_ms: u64,
    /// The order.
    pub oid: i64,
    /// Counts from 1 within the leg.
    pub revision: u32,
    /// Whether nothing is expected to follow.
    pub is_final: bool,
    /// Unix milliseconds of its first fill.
    pub timestamp_ms: u64,
    /// Size, exact decimal text.
    pub size_exact: String,
    /// Average price, exact decimal text.
    pub price_exact: String,
    /// Notional, exact decimal text.
    pub notional_exact: String,
    /// Fills in it.
    pub fills: u32,
    /// Why it was emitted.
    pub trigger: String,
    /// The order's terminal status, if it came.
    pub status: Option<String>,
    /// The event's shard,
    pub shard: u16,
    /// seq
    pub seq: u64,
    /// and index.
    pub index: u32,
}

/// The state of one direction of an order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AggregationRow {
    /// The order.
    pub oid: i64,
    /// The account, lower case.
    pub address: String,
    /// The instrument.
    pub symbol: String,
    /// The leg's name, as long as it may be.
    pub direction: String,
    /// Its fills, JSON.
    pub fills: String,
    /// Exact decimal text.
    pub total_size: String,
    /// Exact decimal text.
    pub weighted_avg_px: String,
    /// The order's status.
    pub order_status: String,
    /// Unix milliseconds.
    pub last_fill_ms: u64,
    /// Whether all of it was signalled: it may be deleted after a while.
    pub signal_sent: bool,
    /// Unix milliseconds of this state.
    pub updated_ms: u64,
}

/// What an account holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PositionRow {
    /// The account, lower case.
    pub address: String,
    /// JSON.
    pub spot_balances: String,
    /// Exact decimal text.
    pub spot_total_usd: String,
    /// JSON.
    pub futures_positions: String,
    /// Exact decimal text.
    pub account_value: String,
    /// Exact decimal text.
    pub total_margin_used: String,
    /// Exact decimal text.
    pub total_ntl_pos: String,
    /// Exact decimal text.
    pub withdrawable: String,
    /// Unix milliseconds of this state.
    pub updated_ms: u64,
}

/// An address to be watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchAddress {
    /// Whose it is.
    pub player_id: i64,
    /// As someone wrote it: any case, perhaps wrong.
    pub address: String,
    /// A name for people.
    pub nickname: String,
    /// Whether it was put there by the system.
    pub is_system: bool,
}

pub(super) enum Inserted {
    New,
    Repeated,
    Conflict,
}

/// Inserts a signal, unless its id is there; then compares.
pub(super) fn insert_signal(
    transaction: &Transaction<'_>,
    row: &SignalRow,
) -> rusqlite::Result<Inserted> {
    let (created_at, expired_at) = (utc_text(row.created_ms), utc_text(row.expired_ms));
    let mut params = content(row).to_vec();
    params.extend([&created_at as &dyn ToSql, &expired_at]);
    let inserted = transaction
        .prepare_cached(
            r#"INSERT INTO hl_address_signals (signal_id, address, position_rate, close_rate,
                   symbol, coin_type, asset_type, direction, side, price, size, oid, revision,
                   final, timestamp, size_exact, price_exact, notional_exact, fills, "trigger",
                   status, shard, seq, idx, created_at, expired_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                   ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)
               ON CONFLICT (signal_id) DO NOTHING"#,
        )?
        .execute(&params[..])?;
    if inserted == 1 {
        return Ok(Inserted::New);
    }
    Ok(if is_stored(transaction, row)? { Inserted::Repeated } else { Inserted::Conflict })
}

/// What a signal says, in the order of parameters 1 to 24 of both queries: what is compared is what was inserted.
fn content(row: &SignalRow) -> [&dyn ToSql; 24] {
    [
        &row.signal_id,
        &row.address,
        &row.position_rate,
        &row.close_rate,
        &row.symbol,
        &row.coin_type,
        &row.asset_type,
        &row.direction,
        &row.side,
        &row.price,
        &row.size,
        &row.oid,
        &row.revision,
        &row.is_final,
        &row.timestamp_ms,
        &row.size_exact,
        &row.price_exact,
        &row.notional_exact,
        &row.fills,
        &row.trigger,
        &row.status,
        &row.shard,
        &row.seq,
        &row.index,
    ]
}

/// Whether the signal is stored as it is. Its time of making is left out: a replay makes it again,
/// later.
fn is_stored(transaction: &Transaction<'_>, row: &SignalRow) -> rusqlite::Result<bool> {
    transaction
        .prepare_cached(
            r#"SELECT 1 FROM hl_address_signals
               WHERE signal_id = ?1 AND address = ?2 AND position_rate IS ?3 AND close_rate = ?4
                   AND symbol = ?5 AND coin_type = ?6 AND asset_type = ?7 AND direction = ?8
                   AND side = ?9 AND price = ?10 AND size = ?11 AND oid = ?12 AND revision = ?13
                   AND final = ?14 AND timestamp = ?15 AND size_exact = ?16 AND price_exact = ?17
                   AND notional_exact = ?18 AND fills = ?19 AND "trigger" = ?20 AND status IS ?21
                   AND shard = ?22 AND seq = ?23 AND idx = ?24"#,
        )?
        .exists(&content(row)[..])
}

pub(super) fn upsert_aggregation(
    transaction: &Transaction<'_>,
    row: &AggregationRow,
) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "INSERT INTO hl_order_aggregation (oid, address, symbol, direction, fills, total_size,
                 weighted_avg_px, order_status, last_fill_time, signal_sent, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)
             ON CONFLICT (oid, address, direction) DO UPDATE SET symbol = excluded.symbol,
                 fills = excluded.fills, total_size = excluded.total_size,
                 weighted_avg_px = excluded.weighted_avg_px, order_status = excluded.order_status,
                 last_fill_time = excluded.last_fill_time, signal_sent = excluded.signal_sent,
                 updated_at = excluded.updated_at",
        )?
        .execute(params![
            row.oid,
            row.address,
            row.symbol,
            row.direction,
            row.fills,
            row.total_size,
            row.weighted_avg_px,
            row.order_status,
            row.last_fill_ms,
            row.signal_sent,
            utc_text(row.updated_ms),
        ])
}

pub(super) fn upsert_position(
    transaction: &Transaction<'_>,
    row: &PositionRow,
) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "INSERT INTO hl_position_cache (address, spot_balances, spot_total_usd,
                 futures_positions, account_value, total_margin_used, total_ntl_pos, withdrawable,
                 updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (address) DO UPDATE SET spot_balances = excluded.spot_balances,
                 spot_total_usd = excluded.spot_total_usd,
                 futures_positions = excluded.futures_positions,
                 account_value = excluded.account_value,
                 total_margin_used = excluded.total_margin_used,
                 total_ntl_pos = excluded.total_ntl_pos, withdrawable = excluded.withdrawable,
                 updated_at = excluded.updated_at",
        )?
        .execute(params![
            row.address,
            row.spot_balances,
            row.spot_total_usd,
            row.futures_positions,
            row.account_value,
            row.total_margin_used,
            row.total_ntl_pos,
            row.withdrawable,
            utc_text(row.updated_ms),
        ])
}

pub(super) fn each_signal(
    connection: &Connection,
    f: &mut dyn FnMut(&str, &str, &str),
) -> rusqlite::Result<()> {
    let mut query = connection.prepare(
        "SELECT signal_id, size_exact, notional_exact FROM hl_address_signals ORDER BY id",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?));
        f(text(0)?, text(1)?, text(2)?);
    }
    Ok(())
}

pub(super) fn watch_addresses(connection: &Connection) -> rusqlite::Result<Vec<WatchAddress>> {
    connection
        .prepare_cached(
            "SELECT player_id, address, nickname, is_system FROM hl_watch_addresses
             WHERE deleted_at IS NULL ORDER BY id",
        )?
        .query_map([], |row| {
            Ok(WatchAddress {
                player_id: row.get(0)?,
                address: row.get(1)?,
                nickname: row.get(2)?,
                is_system: row.get(3)?,
            })
        })?
        .collect()
}

/// Unix milliseconds as `YYYY-MM-DD HH:MM:SS.sss`, UTC. Text of this form sorts as time does, to
/// the year 9999.
pub(super) fn utc_text(unix_ms: u64) -> String {
    let (unix_s, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (mut days, second) = (unix_s / 86_400, unix_s % 86_400);
    let mut year = 1970;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    // Whole Gregorian cycles of 400 years first, so that the loop below is short for any input.
    year += days / 146_097 * 400;
    days %= 146_097;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02}.{ms:03}", days + 1)
}
