//! What the table says, and what its changes are.

use super::*;

const SPOT: &str = r#"{"universe":[{"tokens":[7,0],"name":"@107","index":107},{"tokens":[5,0],"name":"@20","index":20},
    {"tokens":[6,0],"name":"@188","index":188}],"tokens":[{"name":"USDC","index":0},{"name":"HYPE","index":7},
    {"name":"PUMP","index":5},{"name":"UPUMP","index":6},{"name":"USDH","index":360}]}"#;
const MAIN: &str = r#"{"universe":[{"name":"BTC"},{"name":"ETH"}]}"#;
const FLX: &str = r#"{"universe":[{"name":"flx:TSLA"}],"collateralToken":360}"#;

/// A server that has these answers, by the type that is asked for and the dex.
fn table(answers: &[(&str, &str)]) -> Result<Table, String> {
    let mut asked = Vec::new();
    read(&[], |body| {
        let json: serde_json::Value = serde_json::from_str(body).expect("a body is JSON");
        let dex = json["dex"].as_str().map(|dex| format!(" {dex}")).unwrap_or_default();
        let key = format!("{}{dex}", json["type"].as_str().expect("a type"));
        assert!(!asked.contains(&key), "{key} is asked twice");
        let answer = answers.iter().find(|(name, _)| *name == key);
        asked.push(key.clone());
        answer.map(|(_, body)| body.as_bytes().to_vec()).ok_or(format!("no {key}"))
    })
}

fn at_once() -> Table {
    let metas = format!("[{MAIN},{FLX}]");
    table(&[("spotMeta", SPOT), ("allPerpMetas", &metas)]).expect("a table")
}

fn names(entries: &[SymbolEntry]) -> Vec<String> {
    let name = |e: &SymbolEntry| format!("{} {} {}", e.coin, e.symbol, char::from(e.coin_type));
    entries.iter().map(name).collect()
}

#[test]
fn a_server_that_does_not_know_all_dexes_at_once_is_asked_one_by_one() {
    let answers = [
        ("spotMeta", SPOT),
        ("perpDexs", r#"[null,{"name":"flx"}]"#),
        ("meta", MAIN),
        ("meta flx", FLX),
    ];
    let (one_by_one, at_once) = (table(&answers).expect("a table"), at_once());
    assert_eq!(one_by_one.entries, at_once.entries);
    assert_eq!(one_by_one.tokens, at_once.tokens);
    assert_eq!(table(&answers[1..]).expect_err("no spot"), "no spotMeta");
    assert_eq!(table(&answers[..3]).expect_err("no flx"), "no meta flx");
}

#[test]
fn the_first_table_is_told_whole_and_then_what_changes() {
    let mut symbols = Symbols::default();
    let changes = symbols.take(at_once());
    let wanted = [
        "BTC BTCUSDC D",
        "ETH ETHUSDC D",
        "flx:TSLA flx:TSLAUSDH D",
        "@20 @20 D",
        "@107 HYPEUSDC D",
        "@188 PUMPUSDC D",
    ];
    assert_eq!(names(&changes.entries), wanted);
    assert!(changes.tokens.is_some_and(|tokens| tokens.is_read()));
    assert_eq!(changes.clashes, [(Coin::new("@20"), "PUMPUSDC".to_owned())]);
    let changes = symbols.take(at_once());
    assert!(changes.entries.is_empty() && changes.tokens.is_none() && changes.clashes.is_empty());
    // One is new, one was renamed, one has gone and keeps its name.
    let spot = SPOT.replace("\"HYPE\"", "\"HYPER\"");
    let metas = r#"[{"universe":[{"name":"BTC"},{"name":"NEW"}]}]"#;
    let next = table(&[("spotMeta", &spot), ("allPerpMetas", metas)]).expect("a table");
    let changes = symbols.take(next);
    assert_eq!(names(&changes.entries), ["NEW NEWUSDC D", "@107 HYPERUSDC D"]);
    assert!(matches!(symbols.of(&"ETH".into()), Known::Yes(_)));
}

#[test]
fn types_go_out_with_the_table_or_after_it() {
    let mut symbols = Symbols::default();
    let rows = |rows: &[(&str, u8)]| -> Vec<(String, u8)> {
        rows.iter().map(|(symbol, category)| ((*symbol).to_owned(), *category)).collect()
    };
    assert!(symbols.take_types(rows(&[("BTCUSDC", 1)])).is_empty());
    let changes = symbols.take(at_once());
    assert_eq!(names(&changes.entries)[..2], ["BTC BTCUSDC A", "ETH ETHUSDC D"]);
    let changed = symbols.take_types(rows(&[("BTCUSDC", 1), ("ETHUSDC", 4)]));
    assert_eq!(names(&changed), ["ETH ETHUSDC C"]);
    // The table of types is gone.
    let changed = symbols.take_types(Vec::new());
    assert_eq!(names(&changed), ["BTC BTCUSDC D", "ETH ETHUSDC D"]);
    assert!(symbols.take(at_once()).entries.is_empty());
}

#[test]
fn an_unknown_coin_is_told_once_and_only_when_there_is_a_table() {
    let mut symbols = Symbols::default();
    assert_eq!(symbols.of(&"NEW".into()), Known::NotYet);
    symbols.take(at_once());
    assert_eq!(symbols.of(&"NEW".into()), Known::No { first: true });
    assert_eq!(symbols.of(&"NEW".into()), Known::No { first: false });
    assert!(matches!(symbols.of(&"BTC".into()), Known::Yes(_)));
    let told = (0..5_000)
        .filter(|n| symbols.of(&format!("X{n}").as_str().into()) == Known::No { first: true });
    assert_eq!(told.count(), TOLD_MAX - 1);
}

#[test]
fn every_shard_follows_spot_and_each_other_dex_is_followed_once() {
    let mut symbols = Symbols::default();
    assert_eq!(symbols.price_dexs(0, 1), [Coin::EMPTY]);
    let dex = |n| format!(r#"{{"universe":[{{"name":"d{n}:X"}}]}}"#);
    let metas = format!("[{MAIN},{},{},{}]", dex(0), dex(1), dex(2));
    symbols.take(table(&[("spotMeta", SPOT), ("allPerpMetas", &metas)]).expect("a table"));
    let list = |dexs: Vec<Coin>| dexs.iter().map(Coin::to_string).collect::<Vec<_>>().join(",");
    assert_eq!(list(symbols.price_dexs(0, 2)), ",d0,d2");
    assert_eq!(list(symbols.price_dexs(1, 2)), ",d1");
    assert_eq!(list(symbols.price_dexs(0, 1)), ",d0,d1,d2");
}
