//! What instruments are called, what coins they are of, and what accounts are worth: through the real binary, at an
//! exchange that the test directs.

mod common;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use common::exchange::Exchange;
use common::exchange::words::{fill, status};
use common::node::{Home, follow_at};
use common::program::Program;
use rusqlite::Connection;
use serde_json::{Value, json};

const A: &str = "0xabcdef00000000000000000000000000000000a1";

/// Nothing here waits for a time-out.
const LONG: &str = "timeout = \"10m\"\nstatus_grace = \"60s\"";

/// A node that follows one account, and its exchange.
struct Scene {
    exchange: Exchange,
    home: Home,
    node: Program,
    cursor: usize,
    /// Orders made so far.
    orders: u64,
    /// What they bought.
    positions: BTreeMap<String, u64>,
}

impl Scene {
    /// With an exchange that answers like this before it answers as it does.
    #[track_caller]
    fn new(answer: impl Fn(&Value) -> Option<Value> + Send + 'static) -> Scene {
        let exchange = Exchange::open();
        exchange.on_request(answer);
        let config = follow_at(&[A.to_owned()], &exchange.source(), "", LONG);
        let home = Home::new(1, &config);
        let node = home.run();
        node.err.wait_for(&format!("followed address={A}"));
        Scene { exchange, home, node, cursor: 0, orders: 0, positions: BTreeMap::new() }
    }

    /// The one fill of an order of two; its number.
    fn begin(&mut self, coin: &str) -> u64 {
        self.orders += 1;
        let n = self.orders;
        let position = self.positions.entry(coin.to_owned()).or_default();
        let label = if coin.starts_with(['@', '#']) { "Buy" } else { "Open Long" };
        self.exchange.fills(A, &[fill(n, n, &format!("{coin} B 2.0 5.0 {position} {label}"))]);
        *position += 2;
        n
    }

    /// The order is done; its signal.
    #[track_caller]
    fn end(&mut self, oid: u64) -> Value {
        self.exchange.statuses(A, &status(oid, "filled", "0.0", "2.0"));
        let mut signal = Value::Null;
        self.node.out.wait(&mut self.cursor, "signal", |line| {
            signal = serde_json::from_str(line).expect("a line is JSON");
            true
        });
        assert_eq!(signal["oid"], oid, "{signal}");
        signal
    }

    /// What a coin is called, in a signal of its own.
    #[track_caller]
    fn symbol(&mut self, coin: &str) -> String {
        let oid = self.begin(coin);
        self.end(oid)["symbol"].as_str().expect("a symbol").to_owned()
    }

    /// Orders of a coin until their signals say this.
    #[track_caller]
    fn until(&mut self, coin: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..2000 {
            let oid = self.begin(coin);
            let signal = self.end(oid);
            if wanted(&signal) {
                return signal;
            }
        }
        panic!("2000 signals of {coin}, and none says so");
    }

    /// Coins of the symbols in the journal, in order.
    fn journaled(&self) -> Vec<String> {
        let dump = Command::new(env!("CARGO_BIN_EXE_corelane"))
            .args(["journal", "dump"])
            .arg(self.home.data().join("shard-0"))
            .output()
            .expect("corelane runs");
        let text = String::from_utf8(dump.stdout).expect("text");
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let symbols = records.filter_map(|record| record["symbols"].as_array().cloned());
        let coin = |entry: &Value| entry["coin"].as_str().expect("a coin").to_owned();
        symbols.flatten().map(|entry| coin(&entry)).collect()
    }
}

/// Answers to what makes the symbol table.
fn table(request: &Value, perps: &[&str]) -> Option<Value> {
    let names = |coins: &[&str]| coins.iter().map(|coin| json!({"name": coin})).collect::<Vec<_>>();
    match request["type"].as_str()? {
        "spotMeta" => Some(json!({
            "tokens": [{"name": "USDC", "index": 0}, {"name": "HYPE", "index": 150}, {"name": "USDH", "index": 360}],
            "universe": [{"name": "@107", "index": 107, "tokens": [150, 0]}],
        })),
        "allPerpMetas" => Some(json!([
            {"universe": names(perps), "collateralToken": 0},
            {"universe": names(&["flx:TSLA"]), "collateralToken": 360},
        ])),
        _ => None,
    }
}

#[test]
fn only_what_is_traded_is_journaled() {
    let mut scene = Scene::new(|request| table(request, &["BTC", "ETH"]));
    assert_eq!(scene.symbol("BTC"), "BTCUSDC");
    assert_eq!(scene.symbol("@107"), "HYPEUSDC");
    assert_eq!(scene.symbol("flx:TSLA"), "flx:TSLAUSDH");
    // An outcome is called by its coin, and that is no news.
    assert_eq!(scene.symbol("#14880"), "#14880");
    assert_eq!(scene.symbol("BTC"), "BTCUSDC");
    let said = scene.node.ends_well();
    assert!(!said.contains("UPS041"), "{said}");
    assert_eq!(scene.journaled(), ["BTC", "@107", "flx:TSLA"]);
    // They are known without any table after that.
    scene.exchange.on_request(|_| Some(json!("closed")));
    scene.node = scene.home.run();
    scene.node.err.wait_for(&format!("followed address={A}"));
    scene.cursor = 0;
    assert_eq!(scene.symbol("flx:TSLA"), "flx:TSLAUSDH");
    scene.node.ends_well();
}

#[test]
fn a_table_that_comes_late_names_what_was_traded_before_it() {
    let state = Arc::new(AtomicU8::new(0));
    let seen = Arc::clone(&state);
    let mut scene = Scene::new(move |request| match seen.load(Ordering::SeqCst) {
        0 if request["type"] == "spotMeta" => Some(json!("closed")),
        _ => table(request, &["BTC", "ETH"]),
    });
    let early = scene.begin("ETH");
    assert_eq!(scene.symbol("BTC"), "BTC");
    state.store(1, Ordering::SeqCst);
    scene.until("BTC", |signal| signal["symbol"] == "BTCUSDC");
    // Its fill was applied before there was a table.
    assert_eq!(scene.end(early)["symbol"], "ETHUSDC");
    let said = scene.node.ends_well();
    assert!(said.contains("the symbol table cannot be read") && !said.contains("UPS041"), "{said}");
}

#[test]
fn a_coin_that_the_table_does_not_have_is_told_once_and_read_again() {
    let state = Arc::new(AtomicU8::new(0));
    let seen = Arc::clone(&state);
    let mut scene = Scene::new(move |request| match seen.load(Ordering::SeqCst) {
        0 => table(request, &["BTC"]),
        _ => table(request, &["BTC", "NEW"]),
    });
    assert_eq!(scene.symbol("NEW"), "NEW");
    assert_eq!(scene.symbol("NEW"), "NEW");
    let said = scene.node.err.wait_for("UPS041");
    assert!(said.contains("coin=NEW"), "{said}");
    state.store(1, Ordering::SeqCst);
    let open = scene.begin("NEW");
    scene.exchange.wait("table that is read again", |state| {
        state.asked.iter().filter(|request| request["type"] == "allPerpMetas").count() > 1
    });
    scene.until("BTC", |_| true);
    scene.until("NEW", |signal| signal["symbol"] == "NEWUSDC");
    assert_eq!(scene.end(open)["symbol"], "NEWUSDC");
    let said = scene.node.ends_well();
    assert_eq!(said.matches("UPS041").count(), 1, "{said}");
}

/// A dex of `allDexsClearinghouseState`.
fn dex(name: &str, value: &str) -> Value {
    let margins = json!({"accountValue": value, "totalNtlPos": "0.0", "totalMarginUsed": "0.0"});
    json!([name, {"marginSummary": margins, "withdrawable": "0.0", "assetPositions": []}])
}

impl Scene {
    fn perps(&self, dexs: &[Value]) {
        let data = json!({"user": A, "clearinghouseStates": dexs});
        self.exchange.tell("allDexsClearinghouseState", A, "allDexsClearinghouseState", &data);
    }

    fn spot(&self, balances: &[(&str, u32, &str)], unified: bool) {
        let balance = |(coin, token, total): &(&str, u32, &str)| json!({"coin": coin, "token": token, "total": total});
        let mut state = json!({"balances": balances.iter().map(balance).collect::<Vec<_>>()});
        if unified {
            state["tokenToAvailableAfterMaintenance"] = json!([[0, "1.0"]]);
        }
        self.exchange.tell("spotState", A, "spotState", &json!({"user": A, "spotState": state}));
    }

    /// The rate of a perpetual order of 10 dollars: of what, and whether it is known.
    #[track_caller]
    fn rate(&mut self) -> (f64, bool) {
        let oid = self.begin("BTC");
        let signal = self.end(oid);
        let rate = signal["position_rate"].as_f64().expect("a number");
        (rate, signal["position_rate_known"] != false)
    }
}

#[test]
fn rates_are_of_dollars_whatever_the_collateral() {
    let mut scene = Scene::new(|request| table(request, &["BTC"]));
    assert_eq!(scene.rate(), (100.0, false));
    // USDC on the one dex, USDH on the other; a dex that is not known says nothing until there is something on it.
    scene.perps(&[dex("", "100.0"), dex("flx", "100.0"), dex("new", "0.0")]);
    assert_eq!(scene.rate(), (5.0, true));
    scene.spot(&[("USDC", 0, "500.0"), ("USDH", 360, "500.0")], false);
    assert_eq!(scene.rate(), (5.0, true));
    scene.spot(&[("USDC", 0, "500.0"), ("USDH", 360, "500.0")], true);
    assert_eq!(scene.rate(), (1.0, true), "a unified account is backed by its spot");
    // HYPE has no price yet: what was known stands.
    scene.spot(&[("USDC", 0, "500.0"), ("HYPE", 150, "10.0")], true);
    assert_eq!(scene.rate(), (1.0, true));
    let mids = json!({"channel": "allMids", "data": {"mids": {"BTC": "90000.0", "@107": "150.0"}}});
    let line = scene.exchange.line_of(A);
    scene.exchange.say(line, &mids.to_string());
    scene.spot(&[("USDC", 0, "500.0"), ("HYPE", 150, "10.0")], true);
    assert_eq!(scene.rate(), (0.5, true));
    // Prices are followed once a dex, on one connection.
    let followed = scene.exchange.look(|state| state.count("allMids"));
    assert_eq!(followed, 2);
    scene.node.ends_well();
}

#[test]
fn coin_types_are_those_of_the_database_and_rows_are_in_dollars() {
    let mut scene = Scene::new(|request| table(request, &["BTC"]));
    let oid = scene.begin("BTC");
    assert_eq!(scene.end(oid)["coin_type"], "D");
    // An order that is open when the types come: its end brings them.
    let open = scene.begin("BTC");
    scene.perps(&[dex("", "100.0"), dex("flx", "50.0")]);
    scene.spot(&[("USDC", 0, "500.0"), ("USDH", 360, "1.5")], false);
    // What was sent before it was taken before.
    assert_eq!(scene.symbol("@107"), "HYPEUSDC");
    scene.node.ends_well();
    let database = Connection::open(scene.home.database()).expect("the database");
    database
        .execute_batch("INSERT INTO pair_configs (symbol, category) VALUES ('BTCUSDC', 2)")
        .expect("a row");
    scene.node = scene.home.run();
    scene.cursor = 0;
    scene.node.err.wait_for(&format!("followed address={A}"));
    let signal = scene.until("BTC", |signal| signal["coin_type"] == "B");
    assert_eq!(signal["symbol"], "BTCUSDC");
    assert_eq!(scene.end(open)["coin_type"], "B");
    scene.node.ends_well();
    let row: (String, String, String) = database
        .query_row(
            "SELECT account_value, spot_total_usd, address FROM hl_position_cache",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .expect("one row");
    assert_eq!(row, ("150".to_owned(), "501.5".to_owned(), A.to_owned()));
}
