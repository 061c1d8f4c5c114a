//! Rows and worths from states, in whatever order they come.

use std::path::Path;

use net::hyperliquid::{Frame, Scratch, SymbolTable, decode};

use super::*;
use crate::shard::prices::tests::tokens;

const ME: Address = Address([7; 20]);

fn number(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn balance(coin: &str, token: u32, total: &str) -> Balance {
    let zero = Decimal::ZERO;
    let (coin, token) = (Coin::new(coin), Some(token));
    Balance { coin, token, total: number(total), hold: zero, entry_ntl: zero }
}

fn dex(name: &str, value: &str) -> DexState {
    DexState {
        dex: Coin::new(name),
        account_value: number(value),
        total_margin_used: number("1"),
        total_ntl_pos: number("2"),
        withdrawable: number("3"),
    }
}

/// With a table, and HYPE at 40.
fn positions() -> Positions {
    let mut positions = Positions::new(10);
    positions.tokens(tokens());
    positions.mids(&Coin::EMPTY, &[(Coin::new("@107"), number("40"))]);
    positions
}

fn worth(account_value: Option<&str>, spot_total: Option<&str>) -> Worth {
    Worth { account_value: account_value.map(number), spot_total: spot_total.map(number) }
}

#[test]
fn a_row_comes_with_each_change_of_either_half() {
    let mut positions = positions();
    let main = [dex("", "-100.5")];
    let row = positions.perps(&ME, &main, "[1]").expect("it is new");
    assert_eq!((&*row.spot_balances, &*row.futures_positions), ("[]", "[1]"));
    assert_eq!(positions.worth(&ME), worth(Some("-100.5"), None));
    let balances = [balance("USDC", 0, "14.5"), balance("HYPE", 150, "2")];
    let row = positions.spot(&ME, false, &balances, "[2]").expect("it changed").clone();
    assert_eq!((row.spot_total, row.account_value), (number("94.5"), number("-100.5")));
    assert_eq!((&*row.spot_balances, &*row.futures_positions), ("[2]", "[1]"));
    assert_eq!(positions.worth(&ME), worth(Some("-100.5"), Some("94.5")));
    assert!(positions.perps(&ME, &main, "[1]").is_none());
    assert!(positions.spot(&ME, false, &balances, "[2]").is_none());
    assert!(positions.perps(&ME, &main, "[]").is_some());
    assert!(positions.perps(&ME, &[dex("", "1")], "[]").is_some());
    positions.mids(&Coin::EMPTY, &[(Coin::new("@107"), number("41"))]);
    assert!(positions.spot(&ME, false, &balances, "[2]").is_some());

    let mut bytes = Vec::new();
    row.encode(&mut bytes);
    assert_eq!(PositionRow::decode(&bytes), Some(row));
    for cut in 0..bytes.len() {
        assert_eq!(PositionRow::decode(&bytes[..cut]), None);
    }
}

#[test]
fn dexes_are_added_up_in_dollars() {
    let mut positions = positions();
    positions.spot(&ME, false, &[], "[]");
    let dexs = [dex("", "100"), dex("flx", "50"), dex("hyp", "0.5")];
    let row = positions.perps(&ME, &dexs, "[]").expect("it is new");
    // USDC and USDH at one, HYPE at 40.
    assert_eq!(row.account_value, number("170"));
    let others = [row.total_margin_used, row.total_ntl_pos, row.withdrawable];
    assert_eq!(others, [number("42"), number("84"), number("126")]);
    assert_eq!(positions.worth(&ME), worth(Some("170"), Some("0")));
    // A dex that the table does not know: the row says what is known, the worth nothing.
    let dexs = [dex("", "100"), dex("new", "50")];
    assert_eq!(positions.perps(&ME, &dexs, "[]").expect("changed").account_value, number("100"));
    assert_eq!(positions.worth(&ME), worth(None, Some("0")));
    // Unless there is nothing on it.
    let dexs = [dex("", "100"), DexState { dex: Coin::new("new"), ..DexState::default() }];
    positions.perps(&ME, &dexs, "[]");
    assert_eq!(positions.worth(&ME), worth(Some("100"), Some("0")));
}

#[test]
fn what_backs_a_unified_account_is_its_spot() {
    let mut positions = positions();
    positions.perps(&ME, &[dex("", "25.9264")], "[]");
    let balances = [balance("USDC", 0, "977.58"), balance("USDH", 360, "10")];
    let row = positions.spot(&ME, true, &balances, "[]").expect("it is new");
    assert_eq!((row.account_value, row.spot_total), (number("987.58"), number("987.58")));
    assert_eq!(positions.worth(&ME), worth(Some("987.58"), Some("987.58")));
    // It goes back to two accounts.
    let row = positions.spot(&ME, false, &balances, "[]").expect("it changed");
    assert_eq!(row.account_value, number("25.9264"));
    assert_eq!(positions.worth(&ME), worth(Some("25.9264"), Some("987.58")));
}

#[test]
fn nothing_is_said_of_a_worth_before_its_prices_came() {
    let mut positions = Positions::new(10);
    let balances = [balance("USDC", 0, "5"), balance("HYPE", 150, "2")];
    let spot = |positions: &mut Positions| {
        positions.spot(&ME, false, &balances, "[]");
        positions.worth(&ME).spot_total
    };
    assert_eq!(spot(&mut positions), None, "no table");
    positions.tokens(tokens());
    assert_eq!(spot(&mut positions), None, "no price");
    positions.mids(&Coin::EMPTY, &[(Coin::new("@107"), number("40"))]);
    assert_eq!(spot(&mut positions), Some(number("85")));
    // Dollars alone need neither.
    let mut positions = Positions::new(10);
    positions.spot(&ME, false, &balances[..1], "[]");
    assert_eq!(positions.worth(&ME).spot_total, Some(number("5")));
}

#[test]
fn what_is_forgotten_weighs_nothing() {
    let mut positions = positions();
    positions.perps(&ME, &[], "[1,2]");
    positions.spot(&ME, false, &[], "[3]");
    let counts = positions.counts();
    assert_eq!((counts.hits, counts.misses, counts.entries, counts.weight), (1, 1, 1, 8));
    positions.forget(&ME);
    positions.forget(&ME);
    let counts = positions.counts();
    assert_eq!((counts.entries, counts.weight), (0, 0));
    assert_eq!(positions.worth(&ME), Worth::default());
}

#[test]
fn a_token_without_a_number_has_no_price() {
    let mut positions = positions();
    let nameless = Balance { token: None, ..balance("USDH", 0, "1000") };
    positions.spot(&ME, false, &[nameless, balance("USDC", 0, "5")], "[]");
    assert_eq!(positions.worth(&ME).spot_total, Some(number("5")));
}

/// What the recorded table and prices make of a recorded spot account, where they are at hand.
#[test]
fn a_recorded_account_is_worth_what_its_tokens_are() {
    let shared = std::env::var_os("CORELANE_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        std::path::PathBuf::from,
    );
    let folder = shared.join("data/hyperliquid");
    if !folder.is_dir() {
        eprintln!("skipped: no recorded material at {} (set CORELANE_SHARED)", folder.display());
        return;
    }
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("in the manifest");
    let mut table = SymbolTable::new([]);
    table.read_spot_meta(read("rest_sonirico/SpotMeta.json").as_bytes()).expect("spot meta");
    let mut positions = Positions::new(1000);
    positions.tokens(table.tokens());
    let mut scratch = Scratch::default();
    let mids = read("rest_sonirico/AllMids_WithDex__0_allMids.json");
    let mids = format!(r#"{{"channel":"allMids","data":{{"mids":{mids}}}}}"#);
    decode(&mids, &mut scratch).expect("prices");
    positions.mids(&Coin::EMPTY, &scratch.mids);
    let price = |coin: &str| {
        let found = scratch.mids.iter().find(|(known, _)| known.as_str() == coin);
        found.expect("a price").1
    };
    // 14.625485 USDC, 2000 PURR, 5.2 HYPE, and 25 of an outcome that has no price there.
    let dollars = [
        number("14.625485"),
        price("PURR/USDC").checked_mul(number("2000")).expect("it fits"),
        price("@107").checked_mul(number("5.2")).expect("it fits"),
    ];
    let wanted =
        dollars.into_iter().fold(Decimal::ZERO, |sum, part| sum.checked_add(part).expect("fits"));
    let state = read("nautilus/http_spot_clearinghouse_state.json");
    let frame =
        format!(r#"{{"channel":"spotState","data":{{"user":"{ME}","spotState":{state}}}}}"#);
    let mut scratch = Scratch::default();
    let frame = decode(&frame, &mut scratch).expect("balances");
    assert_eq!(frame, Frame::Spot { user: ME, is_unified: false });
    positions.spot(&ME, false, &scratch.balances, &scratch.text);
    assert_eq!(positions.worth(&ME).spot_total, None, "the outcome's price might still come");
    positions.mids(&Coin::EMPTY, &[]);
    positions.spot(&ME, false, &scratch.balances, &scratch.text);
    assert_eq!(positions.worth(&ME).spot_total, Some(wanted));
}
