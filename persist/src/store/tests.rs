//! The store, on real files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::rows::utc_text;
use super::{
    AggregationRow, Applied, PositionRow, RETAIN_ROWS_MAX, Retained, Row, SignalRow, Sqlite,
    StoreError,
};

const MINUTE_MS: u64 = 60_000;
const NOW_MS: u64 = 1_700_000_000_123;

fn database(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("corelane.db")
}

fn signal(revision: u32) -> SignalRow {
    SignalRow {
        signal_id: format!("0xab-7-Open Long-{revision}"),
        address: "0xab".into(),
        position_rate: (revision > 1).then_some(12.5),
        close_rate: 0.25,
        symbol: "BTCUSDC".into(),
        coin_type: "A".into(),
        asset_type: "futures".into(),
        direction: "open".into(),
        side: "LONG".into(),
        price: 50_000.1,
        size: 1.5,
        created_ms: NOW_MS,
        expired_ms: NOW_MS + MINUTE_MS,
        oid: 498_888_530_740,
        revision,
        is_final: true,
        timestamp_ms: NOW_MS - 5,
        size_exact: "1.5".into(),
        price_exact: "50000.1".into(),
        notional_exact: "75000.15".into(),
        fills: 3,
        trigger: "status".into(),
        status: (revision > 1).then(|| "filled".into()),
        shard: 1,
        seq: 123,
        index: 0,
    }
}

fn aggregation(oid: i64, direction: &str, size: &str, updated_ms: u64) -> Row {
    Row::Aggregation(AggregationRow {
        oid,
        address: "0xab".into(),
        symbol: "BTCUSDC".into(),
        direction: direction.into(),
        fills: "[]".into(),
        total_size: size.into(),
        weighted_avg_px: "1".into(),
        order_status: "filled".into(),
        last_fill_ms: updated_ms,
        signal_sent: true,
        updated_ms,
    })
}

fn position(address: &str, account_value: &str) -> Row {
    Row::Position(PositionRow {
        address: address.into(),
        spot_balances: "{}".into(),
        spot_total_usd: "0".into(),
        futures_positions: "[]".into(),
        account_value: account_value.into(),
        total_margin_used: "0".into(),
        total_ntl_pos: "0".into(),
        withdrawable: "0".into(),
        updated_ms: NOW_MS,
    })
}

/// The one text that a query gives, with `|` between columns.
fn text(path: &Path, query: &str) -> String {
    let reader = Connection::open(path).expect("a second connection");
    let mut statement = reader.prepare(query).expect("a query");
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells = (0..columns).map(|column| {
            Ok(match row.get_ref(column)? {
                rusqlite::types::ValueRef::Null => "null".to_owned(),
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                rusqlite::types::ValueRef::Real(value) => value.to_string(),
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                rusqlite::types::ValueRef::Blob(_) => "blob".to_owned(),
            })
        });
        Ok(cells.collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
    });
    let rows: rusqlite::Result<Vec<_>> = rows.expect("rows").collect();
    rows.expect("texts").join("\n")
}

#[test]
fn the_schema_is_made_once_and_has_the_tables_that_readers_know() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = database(&dir);
    drop(Sqlite::open(&path).expect("created"));
    drop(Sqlite::open(&path).expect("opened again"));
    assert_eq!(text(&path, "SELECT version FROM corelane_schema"), "1");
    assert_eq!(text(&path, "PRAGMA journal_mode"), "wal");
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    assert_eq!(
        text(&path, tables).replace('\n', " "),
        "corelane_schema hl_active_addresses hl_address_signals hl_order_aggregation \
         hl_position_cache hl_watch_addresses pair_configs"
    );
    let columns = "SELECT group_concat(name, ' ') FROM pragma_table_info('hl_address_signals')";
    assert_eq!(
        text(&path, columns),
        "id address position_rate close_rate symbol coin_type asset_type direction side price size \
         created_at expired_at signal_id oid revision final timestamp size_exact price_exact \
         notional_exact fills trigger status shard seq idx"
    );
}

#[test]
fn a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = database(&dir);
    drop(Sqlite::open(&path).expect("created"));
    let other = Connection::open(&path).expect("opened");
    other.execute("INSERT INTO corelane_schema (version) VALUES (9)", []).expect("inserted");
    let error = Sqlite::open(&path).expect_err("schema 9");
    assert!(matches!(error, StoreError::NewerSchema { found: 9, known: 1, .. }), "{error}");
}

#[test]
fn a_signal_is_stored_once_and_a_repeat_with_other_content_is_reported() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = database(&dir);
    let mut store = Sqlite::open(&path).expect("created");
    let first = [Row::Signal(signal(1)), Row::Signal(signal(2)), Row::Signal(signal(1))];
    let applied = store.apply(&first).expect("applied");
    assert_eq!(applied, Applied { inserted: 2, repeated: 1, ..Applied::default() });

    // Made again by a replay, later: the same signal.
    let later = SignalRow { created_ms: NOW_MS + 9, expired_ms: NOW_MS + 99, ..signal(2) };
    let applied = store.apply(&[Row::Signal(later)]).expect("applied");
    assert_eq!(applied, Applied { repeated: 1, ..Applied::default() });

    type Change = fn(&mut SignalRow);
    let changes: [Change; 23] = [
        |row| row.address.push('x'),
        |row| row.position_rate = None,
        |row| row.position_rate = Some(12.6),
        |row| row.close_rate = 0.5,
        |row| row.symbol.push('x'),
        |row| row.coin_type.push('x'),
        |row| row.asset_type.push('x'),
        |row| row.direction.push('x'),
        |row| row.side.push('x'),
        |row| row.price += 1.0,
        |row| row.size += 1.0,
        |row| row.oid += 1,
        |row| row.revision += 1,
        |row| row.is_final = false,
        |row| row.timestamp_ms += 1,
        |row| row.size_exact.push('0'),
        |row| row.price_exact.push('0'),
        |row| row.notional_exact.push('0'),
        |row| row.fills += 1,
        |row| row.trigger.push('x'),
        |row| row.status = None,
        |row| row.shard += 1,
        |row| (row.seq, row.index) = (row.seq + 1, 1),
    ];
    for change in changes {
        let mut row = signal(2);
        change(&mut row);
        let applied = store.apply(&[Row::Signal(row)]).expect("applied");
        let conflicts = vec![signal(2).signal_id];
        assert_eq!(applied, Applied { conflicts, ..Applied::default() });
    }
    let stored = "SELECT signal_id, position_rate, price, created_at, expired_at, final, timestamp,
        notional_exact, \"trigger\", status, shard, seq, idx FROM hl_address_signals ORDER BY id";
    assert_eq!(
        text(&path, stored),
        "0xab-7-Open Long-1|null|50000.1|2023-11-14 22:13:20.123|2023-11-14 22:14:20.123|1|\
         1700000000118|75000.15|status|null|1|123|0\n\
         0xab-7-Open Long-2|12.5|50000.1|2023-11-14 22:13:20.123|2023-11-14 22:14:20.123|1|\
         1700000000118|75000.15|status|filled|1|123|0"
    );
}

#[test]
fn the_last_aggregation_and_position_win() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = database(&dir);
    let mut store = Sqlite::open(&path).expect("created");
    let long_direction = "x".repeat(5000);
    let rows = [
        aggregation(1, "Open Long", "1", NOW_MS),
        position("0xab", "5"),
        aggregation(1, &long_direction, "2", NOW_MS),
        aggregation(1, "Open Long", "3", NOW_MS + 1),
        position("0xcd", "6"),
        position("0xab", "7"),
    ];
    assert_eq!(store.apply(&rows).expect("applied").upserted, 6);
    let aggregations = "SELECT total_size, length(direction), created_at, updated_at
        FROM hl_order_aggregation ORDER BY id";
    assert_eq!(
        text(&path, aggregations),
        "3|9|2023-11-14 22:13:20.123|2023-11-14 22:13:20.124\n\
         2|5000|2023-11-14 22:13:20.123|2023-11-14 22:13:20.123"
    );
    let positions = "SELECT address, account_value FROM hl_position_cache ORDER BY id";
    assert_eq!(text(&path, positions), "0xab|7\n0xcd|6");
}

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = database(&dir);
    let mut store = Sqlite::open(&path).expect("created");
    // SQLite has no integer for this one.
    let bad = SignalRow { seq: u64::MAX, ..signal(2) };
    let error = store.apply(&[Row::Signal(signal(1)), Row::Signal(bad)]).expect_err("refused");
    assert!(matches!(error, StoreError::Sql { op: "write rows", .. }), "{error}");
    assert_eq!(text(&path, "SELECT count(*) FROM hl_address_signals"), "0");
    assert_eq!(store.apply(&[Row::Signal(signal(1))]).expect("applied").inserted, 1);
}

#[test]
fn a_database_locked_by_another_is_told_as_such() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = database(&dir);
    let mut store = Sqlite::open_with(&path, Duration::ZERO).expect("created");
    let other = Connection::open(&path).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let error = store.apply(&[Row::Signal(signal(1))]).expect_err("locked");
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    other.execute_batch("COMMIT").expect("unlocked");
    assert_eq!(store.apply(&[Row::Signal(signal(1))]).expect("applied").inserted, 1);
    let error = Sqlite::open(dir.path()).expect_err("a directory");
    assert!(matches!(error, StoreError::Sql { op: "open", .. }), "{error}");
}

#[test]
fn old_rows_are_deleted_in_bounded_steps() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = database(&dir);
    let mut store = Sqlite::open(&path).expect("created");
    let old = NOW_MS - 10 * MINUTE_MS;
    let mut rows: Vec<_> = (0..1500).map(|oid| aggregation(oid, "Buy", "1", old)).collect();
    rows.push(aggregation(9000, "Buy", "1", NOW_MS));
    let Row::Aggregation(open) = aggregation(9001, "Buy", "1", old) else { unreachable!() };
    rows.push(Row::Aggregation(AggregationRow { signal_sent: false, ..open }));
    rows.push(Row::Signal(SignalRow { created_ms: old, ..signal(1) }));
    rows.push(Row::Signal(signal(2)));
    store.apply(&rows).expect("applied");
    let mut retain = || store.retain(NOW_MS, 10 * MINUTE_MS, 9 * MINUTE_MS).expect("retained");
    let first = Retained { aggregations: RETAIN_ROWS_MAX, signals: 1, more: true };
    assert_eq!(retain(), first);
    assert_eq!(retain(), Retained { aggregations: 500, signals: 0, more: false });
    assert_eq!(retain(), Retained::default());
    assert_eq!(text(&path, "SELECT oid FROM hl_order_aggregation ORDER BY oid"), "9000\n9001");
    assert_eq!(text(&path, "SELECT revision FROM hl_address_signals"), "2");
}

#[test]
fn addresses_that_are_not_deleted_are_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = database(&dir);
    let store = Sqlite::open(&path).expect("created");
    assert_eq!(store.read_watch_addresses().expect("read"), []);
    let other = Connection::open(&path).expect("opened");
    other
        .execute_batch(
            "INSERT INTO hl_watch_addresses (player_id, address, nickname, is_system, deleted_at)
             VALUES (1, '0xAB', 'whale', 0, NULL), (2, '0xab', '', 1, NULL),
                    (3, '0xcd', '', 0, '2024-01-01 00:00:00.000')",
        )
        .expect("inserted");
    let read = store.read_watch_addresses().expect("read");
    let read: Vec<_> = read
        .iter()
        .map(|row| (row.player_id, row.address.as_str(), row.nickname.as_str(), row.is_system))
        .collect();
    assert_eq!(read, [(1, "0xAB", "whale", false), (2, "0xab", "", true)]);
}

#[test]
fn times_are_as_sqlite_writes_them() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = database(&dir);
    drop(Sqlite::open(&path).expect("created"));
    let reader = Connection::open(&path).expect("opened");
    let mut query =
        reader.prepare("SELECT strftime('%Y-%m-%d %H:%M:%S', ?1, 'unixepoch')").expect("prepared");
    // Every 13 days and some, to beyond the year 2600, so over leap years and centuries; and ends
    // of days.
    let walk = (0..18_000u64).map(|step| step * 1_123_457).chain([0, 951_782_399, 951_868_800]);
    for unix_s in walk {
        let expected: String = query.query_row([unix_s], |row| row.get(0)).expect("a time");
        assert_eq!(utc_text(unix_s * 1000 + 7), format!("{expected}.007"));
    }
}
