//! Reads the recorded material of the venue, where it is at hand: `../shared/data/hyperliquid` beside the
//! workspace, or the folder that `CORELANE_SHARED` names. It is not part of the project; without it these tests
//! say loudly that they are skipped.

use net::hyperliquid::rest::{parse_fills, parse_order_status, parse_perp_dexs};
use net::hyperliquid::symbols::ALIASES;
use net::hyperliquid::{Frame, Scratch, SymbolTable, decode};
use serde_json::Value;
use shards::event::AssetType;
use shards::{Fill, Side};
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
                assert!(state.account_value.to_f64() > 3e6, "{state:?}");
                "account"
            }
            Frame::Spot { .. } => {
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

#[test]
fn recorded_metas_make_a_table_without_shared_symbols() {
    let Some(spot) = read("rest_sonirico/SpotMeta.json") else { return };
    let mut table = SymbolTable::new(ALIASES);
    table.read_spot_meta(spot.as_bytes()).expect("spot meta");
    for meta in ["rest_sonirico/Meta.json", "rest_sonirico/Meta_WithDex__0_meta.json"] {
        table.read_meta(read(meta).expect("beside the other").as_bytes()).expect("meta");
    }
    let entries = table.entries();
    let symbols: BTreeMap<(bool, String), String> = entries
        .iter()
        .map(|e| ((e.asset_type == AssetType::Spot, e.symbol.to_string()), e.coin.to_string()))
        .collect();
    assert_eq!(symbols.len(), entries.len(), "a symbol stands for two instruments");
    let coin =
        |spot: bool, symbol: &str| symbols.get(&(spot, symbol.to_owned())).map(String::as_str);
    assert_eq!(coin(false, "BTCUSDC"), Some("BTC"));
    assert_eq!(coin(true, "PURRUSDC"), Some("PURR/USDC"));
    assert_eq!(coin(true, "HYPEUSDC"), Some("@107"));
    assert_eq!(coin(true, "BTCUSDC"), Some("@142"));
    assert_eq!(coin(false, "PUMPUSDC"), Some("PUMP"));
    assert_eq!(entries.iter().filter(|e| e.asset_type == AssetType::Spot).count(), 199);

    let testnet = read("rest_sonirico/UserFillsByTime__1_spotMeta.json").expect("beside the other");
    table.read_spot_meta(testnet.as_bytes()).expect("spot meta");
    let dexs = read("rest_sonirico/PerpDexs_ForLimits__0_perpDexs.json").expect("beside the other");
    let dexs = parse_perp_dexs(dexs.as_bytes()).expect("dexes");
    assert_eq!(dexs[..2], ["", "xyz"]);
}
