//! Reads the recorded material of the venue, where it is at hand: `../shared/data/hyperliquid` beside the
//! workspace, or the folder that `CORELANE_SHARED` names. It is not part of the project; without it these tests
//! say loudly that they are skipped.

use net::hyperliquid::node::{self, Events, Kind};
use net::hyperliquid::rest::{parse_fills, parse_order_status, parse_perp_dexs};
use net::hyperliquid::symbols::{ALIASES, Priced};
use net::hyperliquid::{Frame, Scratch, SymbolTable, decode};
use serde_json::Value;
use shards::event::AssetType;
use shards::{Coin, Fill, Side};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("CORELANE_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let folder = shared.join("data/hyperliquid");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no recorded material at {} (set CORELANE_SHARED)", folder.display());
    None
}

fn read(path: &str) -> Option<String> {
    let path = folder()?.join(path);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// The files of a sub-folder whose names end so.
fn files(sub: &str, end: &str) -> Vec<(String, String)> {
    let Some(folder) = folder() else { return Vec::new() };
    let listing =
        std::fs::read_dir(folder.join(sub)).expect("the folder is listed in the manifest");
    listing
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.to_string_lossy().ends_with(end))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            (path.display().to_string(), text)
        })
        .collect()
}

/// Compares a fill with the JSON it was read from, by a way of its own.
#[track_caller]
fn compare(fill: &Fill, json: &Value) {
    let text = |key: &str| json[key].as_str().unwrap_or_else(|| panic!("{key} of {json}"));
    let number = |key: &str| json[key].as_str().and_then(|text| text.parse::<f64>().ok());
    assert_eq!(fill.coin.as_str(), text("coin"));
    assert_eq!(Some(fill.px.to_f64()), number("px"));
    assert_eq!(Some(fill.sz.to_f64()), number("sz"));
    assert_eq!(fill.side == Side::Buy, text("side") == "B");
    assert_eq!(Some(fill.time_ms), json["time"].as_u64());
    assert_eq!(Some(fill.start_position.to_f64()), number("startPosition"));
    assert_eq!(fill.dir.as_str(), text("dir"));
    assert_eq!(Some(fill.closed_pnl.to_f64()), number("closedPnl"));
    assert_eq!(Some(fill.oid), json["oid"].as_u64());
    assert_eq!(Some(fill.crossed), json["crossed"].as_bool());
    assert_eq!(Some(fill.fee.to_f64()), number("fee"));
    assert_eq!(fill.fee_token.as_str(), json["feeToken"].as_str().unwrap_or("USDC"));
    match json["tid"].as_u64() {
        Some(tid) => assert_eq!(fill.tid, tid),
        None => assert_ne!(fill.tid, 0),
    }
    let cloid = fill.cloid.map(|cloid| {
        let mut text = String::new();
        shards::address::write_hex(&cloid, &mut text).expect("a string takes all");
        text
    });
    assert_eq!(cloid.as_deref(), json["cloid"].as_str());
    match (&fill.liquidation, json["liquidation"]["liquidatedUser"].as_str()) {
        (Some(liquidation), Some(user)) => assert_eq!(liquidation.user.to_string(), user),
        (None, None) => {}
        other => panic!("{other:?}"),
    }
}

fn list<'a>(json: &'a Value, what: &str) -> &'a Vec<Value> {
    json.as_array().unwrap_or_else(|| panic!("{what} is no list"))
}

#[test]
fn every_captured_frame_decodes() {
    let Some(text) = read("ws_frames/frames.jsonl") else { return };
    let mut scratch = Scratch::default();
    let mut kinds = BTreeSet::new();
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).expect("a line of JSON");
        let frame = match entry["raw"].as_str() {
            Some(raw) => raw.to_owned(),
            None => entry["frame"].to_string(),
        };
        let decoded =
            decode(&frame, &mut scratch).unwrap_or_else(|e| panic!("{}: {e}", entry["name"]));
        let data = &entry["frame"]["data"];
        kinds.insert(match decoded {
            Frame::Greeting => "greeting",
            Frame::Pong => "pong",
            Frame::Subscribed { .. } => "subscribed",
            Frame::Refused { .. } => "refused",
            Frame::UserFills { user, snapshot } => {
                assert_eq!(user.to_string(), data["user"]);
                assert_eq!(snapshot, data["isSnapshot"].as_bool().unwrap_or(false));
                let fills = list(&data["fills"], "fills");
                assert_eq!(scratch.fills.len(), fills.len());
                scratch.fills.iter().zip(fills).for_each(|(fill, json)| compare(fill, json));
                "fills"
            }
            Frame::OrderUpdates => {
                for (status, json) in scratch.statuses.iter().zip(list(data, "updates")) {
                    assert_eq!(status.status.as_str(), json["status"]);
                    assert_eq!(Some(status.oid), json["order"]["oid"].as_u64());
                    assert_eq!(Some(status.time_ms), json["statusTimestamp"].as_u64());
                }
                "statuses"
            }
            Frame::Account(state) => {
                let text: Value = serde_json::from_str(&scratch.text).expect("JSON text");
                assert_eq!(state.positions as usize, list(&text, "positions").len());
                let dexs = scratch.dexs.iter().map(|dex| dex.account_value.to_f64());
                assert!(dexs.sum::<f64>() > 3e6, "{:?}", scratch.dexs);
                "account"
            }
            Frame::Spot { is_unified, .. } => {
                assert!(is_unified, "its balances are its collateral");
                let text: Value = serde_json::from_str(&scratch.text).expect("JSON text");
                assert_eq!(scratch.balances.len(), list(&text, "balances").len());
                "spot"
            }
            Frame::Mids { .. } => {
                let mids = data["mids"].as_object().expect("mids are an object");
                assert_eq!(scratch.mids.len(), mids.len());
                "mids"
            }
            Frame::Trades { count } => {
                assert_eq!(count, list(data, "trades").len());
                "trades"
            }
            Frame::Other { .. } => "other",
            Frame::Unsubscribed { .. } => "unsubscribed",
        });
    }
    let wanted = [
        "account",
        "fills",
        "greeting",
        "mids",
        "other",
        "pong",
        "refused",
        "spot",
        "statuses",
        "subscribed",
        "trades",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
}

#[test]
fn every_recorded_fill_is_read_exactly() {
    let mut scratch = Scratch::default();
    let (mut frames, mut fills) = (0, 0);
    for (name, text) in files("derived_ws", ".jsonl") {
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line).expect("a line of JSON");
            let frame = entry["frame"].to_string();
            let decoded = decode(&frame, &mut scratch).unwrap_or_else(|e| panic!("{name}: {e}"));
            frames += 1;
            if !matches!(decoded, Frame::UserFills { .. }) {
                assert!(matches!(decoded, Frame::Subscribed { .. }), "{name}: {decoded:?}");
                continue;
            }
            let wanted = list(&entry["frame"]["data"]["fills"], "fills");
            assert_eq!(scratch.fills.len(), wanted.len(), "{name}");
            scratch.fills.iter().zip(wanted).for_each(|(fill, json)| compare(fill, json));
            fills += wanted.len();
        }
    }
    if folder().is_some() {
        assert_eq!((frames, fills), (954, 1796));
    }
}

#[test]
fn every_recorded_page_of_fills_is_read_exactly() {
    let mut pages = files("rest_userFillsByTime", ".json");
    pages.extend(files("rest_python_sdk", "user_fills_by_time.json"));
    pages.extend(files("rest_sonirico", "userFillsByTime.json"));
    let mut keys = BTreeSet::new();
    let mut count = 0;
    for (name, text) in pages {
        let mut fills = Vec::new();
        let read =
            parse_fills(text.as_bytes(), &mut fills).unwrap_or_else(|e| panic!("{name}: {e}"));
        let json: Value = serde_json::from_str(&text).expect("JSON");
        let wanted = list(&json, "fills");
        assert_eq!(read, wanted.len(), "{name}");
        fills.iter().zip(wanted).for_each(|(fill, json)| compare(fill, json));
        for fill in &fills {
            // Also where the trade id is derived (2023): no two fills of an account share a key.
            assert!(
                keys.insert((name.clone(), fill.coin, fill.time_ms, fill.tid)),
                "{name}: {fill:?} has another's key"
            );
        }
        count += read;
    }
    if folder().is_some() {
        assert_eq!(count, 1796 + 500 + 2);
    }
}

#[test]
fn other_recorded_frames_decode() {
    let mut scratch = Scratch::default();
    for (name, text) in files("nautilus", ".json") {
        // One of the files holds the data of a frame without its envelope.
        if text.contains("\"channel\"") {
            decode(&text, &mut scratch).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
    let Some(text) = read("ws_stream/live_books_5m.jsonl") else { return };
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).expect("a line of JSON");
        // Here the channel stands after the data.
        let frame = format!("{{\"data\":{},\"channel\":{}}}", entry["data"], entry["channel"]);
        let decoded = decode(&frame, &mut scratch).unwrap_or_else(|e| panic!("{e}"));
        match entry["channel"].as_str() {
            Some("trades") => {
                assert_eq!(decoded, Frame::Trades { count: list(&entry["data"], "trades").len() });
            }
            _ => assert_eq!(decoded, Frame::Other { channel: "l2Book".into() }),
        }
    }
}

#[test]
fn recorded_order_statuses_are_read() {
    for (file, oid) in [("0", None), ("6", Some(37_907_159_219)), ("7", Some(37_907_165_748))] {
        let path = format!("rest_sonirico/QueryOrderByOid__{file}_orderStatus.json");
        let Some(text) = read(&path) else { return };
        let status = parse_order_status(text.as_bytes()).expect("reads");
        assert_eq!(status.map(|status| status.oid), oid);
        assert!(status.is_none_or(|status| status.is_terminal() && status.sz.is_zero()));
    }
}

/// The table of a recorded `spotMeta` and recorded `meta`s.
fn table(spot: &str, metas: &[&str]) -> Option<SymbolTable> {
    let mut table = SymbolTable::new(ALIASES);
    table.read_spot_meta(read(spot)?.as_bytes()).expect("spot meta");
    for meta in metas {
        table.read_meta(read(meta)?.as_bytes()).expect("meta");
    }
    Some(table)
}

/// Coins by kind and symbol; fails if two share one.
fn by_symbol(table: &SymbolTable) -> BTreeMap<(bool, String), String> {
    let entries = table.entries();
    let symbols: BTreeMap<(bool, String), String> = entries
        .iter()
        .map(|e| ((e.asset_type == AssetType::Spot, e.symbol.to_string()), e.coin.to_string()))
        .collect();
    assert_eq!(symbols.len(), entries.len(), "a symbol stands for two instruments");
    symbols
}

const MAINNET_SPOT: &str = "rest_sonirico/SpotMeta.json";
const TESTNET_SPOT: &str = "rest_sonirico/UserFillsByTime__1_spotMeta.json";
const METAS: [&str; 5] = [
    "rest_python_sdk/test_get_info.json",
    "nautilus/http_meta_perp_sample.json",
    "rest_sonirico/UserFillsByTime__0_meta.json",
    "rest_sonirico/Meta.json",
    "rest_sonirico/Meta_WithDex__0_meta.json",
];

#[test]
fn recorded_metas_make_a_table_without_shared_symbols() {
    let Some(table) = table(MAINNET_SPOT, &METAS) else { return };
    let symbols = by_symbol(&table);
    for (is_spot, symbol, wanted) in [
        (false, "BTCUSDC", "BTC"),
        (false, "kBONKUSDC", "kBONK"),
        (false, "kPEPEUSDC", "kPEPE"),
        // Delisted.
        (false, "MATICUSDC", "MATIC"),
        (true, "PURRUSDC", "PURR/USDC"),
        (true, "HYPEUSDC", "@107"),
        (true, "BTCUSDC", "@142"),
        // Two with one name: the alias is the operator's word, the other keeps its wire name.
        (false, "PUMPUSDC", "PUMP"),
        (true, "PUMPUSDC", "@188"),
        (true, "@20", "@20"),
    ] {
        let found = symbols.get(&(is_spot, symbol.to_owned())).map(String::as_str);
        assert_eq!(found, Some(wanted), "{symbol}");
    }
    assert_eq!(table.clashes(), [(Coin::new("@20"), "PUMPUSDC".to_owned())]);
    assert_eq!(symbols.keys().filter(|(is_spot, _)| *is_spot).count(), 199);
}

#[test]
fn every_recorded_dump_keeps_its_instruments_apart() {
    for (spot, clash) in
        [(MAINNET_SPOT, ("@20", "PUMPUSDC")), (TESTNET_SPOT, ("@1253", "BONKUSDC"))]
    {
        for meta in METAS {
            let Some(table) = table(spot, &[meta]) else { return };
            let wire: Value =
                serde_json::from_str(&read(spot).expect("read before")).expect("JSON");
            let perps: Value =
                serde_json::from_str(&read(meta).expect("read before")).expect("JSON");
            let all =
                list(&wire["universe"], "pairs").len() + list(&perps["universe"], "perps").len();
            assert_eq!(by_symbol(&table).len(), all, "{spot} {meta}");
            assert_eq!(table.clashes(), [(Coin::new(clash.0), clash.1.to_owned())], "{spot}");
            // No perpetual has a name that an alias made.
            let entries = table.entries();
            let perps = entries.iter().filter(|entry| entry.asset_type == AssetType::Futures);
            for perp in perps {
                assert_eq!(perp.symbol.as_str(), format!("{}USDC", perp.coin));
            }
        }
    }
    let Some(dexs) = read("rest_sonirico/PerpDexs_ForLimits__0_perpDexs.json") else { return };
    let dexs = parse_perp_dexs(dexs.as_bytes()).expect("dexes");
    assert_eq!(dexs[..2], ["", "xyz"]);
}

#[test]
fn nearly_every_recorded_token_has_a_recorded_price() {
    let Some(table) = table(MAINNET_SPOT, &METAS) else { return };
    let mids: BTreeMap<String, String> = serde_json::from_str(
        &read("rest_sonirico/AllMids_WithDex__0_allMids.json").expect("beside the other"),
    )
    .expect("JSON");
    let tokens = table.tokens();
    // USDC, UBTC, HYPE; USDE, USDXL and USDT0, by their indexes in that dump.
    for (token, priced) in [
        (0, Priced::AtOne),
        (197, Priced::ByMid(Coin::new("@142"))),
        (150, Priced::ByMid(Coin::new("@107"))),
        (235, Priced::AtOne),
        (239, Priced::AtOne),
        (268, Priced::AtOne),
    ] {
        assert_eq!(tokens.price_of(token), Some(priced), "token {token}");
    }
    let by_mid: Vec<Coin> = (0..342)
        .filter_map(|token| match tokens.price_of(token)? {
            Priced::ByMid(coin) => Some(coin),
            Priced::AtOne => None,
        })
        .collect();
    let heard = by_mid.iter().filter(|coin| mids.contains_key(coin.as_str())).count();
    assert_eq!((by_mid.len(), heard), (by_mid.len(), by_mid.len()), "pairs without a price");
    assert!(by_mid.len() > 150, "{} tokens have a pair", by_mid.len());
}

#[test]
fn a_nodes_lines_as_the_documentation_has_them_are_read() {
    let Some(text) = read("node/node_samples.jsonl") else { return };
    let mut events = Events::default();
    for line in text.lines() {
        let sample: Value = serde_json::from_str(line).expect("JSON");
        let (name, frame) = (sample["name"].as_str().expect("a name"), &sample["frame"]);
        let kind = match name {
            "node_fills_by_block_excerpt" => Kind::FillsByBlock,
            "node_order_statuses_by_block_excerpt" => Kind::StatusesByBlock,
            "node_order_statuses_doc" => Kind::Statuses,
            _ => continue,
        };
        let mut line = frame.to_string();
        if kind.is_by_block() {
            let error = node::read(kind, line.as_bytes(), |_| true, &mut events);
            let error = error.expect_err("the documentation has its addresses abbreviated");
            assert!(error.why.contains("no address") && error.sample.contains("..."), "{error}");
            let whole = format!("0x{}", "ab".repeat(20));
            for short in ["0x638b9e1f...", "0x365e0c115f..."] {
                line = line.replace(short, &whole);
            }
        }
        let head = node::read(kind, line.as_bytes(), |_| true, &mut events).expect(name);
        assert_eq!(events.fills.len() + events.statuses.len(), 1, "{name}");
        for (_, fill) in &events.fills {
            assert_eq!(head.number, Some(807_847_463));
            assert_eq!(head.time_ms, fill.time_ms, "two forms of one time");
            compare(fill, &frame["events"][0][1]);
        }
        for (_, status) in &events.statuses {
            assert_eq!(status.time_ms, head.time_ms);
            assert!(["open", "canceled"].contains(&status.status.as_str()));
        }
    }
}

#[test]
fn real_fills_are_the_same_in_a_nodes_block() {
    let users = [
        "0x0123456789abcdef0123456789abcdef01234567",
        "0x76543210fedcba9876543210fedcba9876543210",
    ];
    let wanted = users[0].parse().expect("an address");
    let mut events = Events::default();
    for (path, text) in files("rest_userFillsByTime", ".json") {
        let all: Vec<Value> = serde_json::from_str(&text).expect("a list");
        let list: Vec<String> = all
            .iter()
            .zip(users.iter().cycle())
            .map(|(fill, user)| format!("[\"{user}\",{fill}]"))
            .collect();
        let line = format!(
            r#"{{"local_time":"x","block_time":"2026-07-20T08:33:18.1","block_number":1,"events":[{}]}}"#,
            list.join(",")
        );
        let head =
            node::read(Kind::FillsByBlock, line.as_bytes(), |user| *user == wanted, &mut events);
        assert_eq!(head.expect(&path).events, all.len());
        assert_eq!(events.fills.len(), all.len().div_ceil(2));
        for ((_, fill), json) in events.fills.iter().zip(all.iter().step_by(2)) {
            compare(fill, json);
        }
    }
}
