//! Reads one recorded fill, keeping its text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use shards::address::parse_hex;
use shards::fill::Liquidation;
use shards::{Decimal, Dir, Fill, Side};

use super::tape::TapeFill;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedFill<'a> {
    #[serde(borrow)]
    coin: Cow<'a, str>,
    px: Cow<'a, str>,
    sz: Cow<'a, str>,
    side: Cow<'a, str>,
    time: u64,
    start_position: Cow<'a, str>,
    dir: Cow<'a, str>,
    closed_pnl: Option<Cow<'a, str>>,
    hash: Option<Cow<'a, str>>,
    oid: u64,
    #[serde(default)]
    crossed: bool,
    fee: Option<Cow<'a, str>>,
    tid: u64,
    cloid: Option<Cow<'a, str>>,
    fee_token: Option<Cow<'a, str>>,
    liquidation: Option<RecordedLiquidation<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedLiquidation<'a> {
    #[serde(borrow)]
    liquidated_user: Cow<'a, str>,
    method: Option<Cow<'a, str>>,
}

/// Reads a fill object; the error says what is wrong with it.
pub(crate) fn read_fill(raw: &RawValue) -> Result<TapeFill, String> {
    let f: RecordedFill = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let number = |name: &str, text: &str| {
        text.parse::<Decimal>().map_err(|e| format!("{name} {text:?}: {e}"))
    };
    let or_zero = |name: &str, text: &Option<Cow<str>>| match text {
        Some(text) => number(name, text),
        None => Ok(Decimal::ZERO),
    };
    let side = match &*f.side {
        "B" => Side::Buy,
        "A" => Side::Sell,
        other => return Err(format!("side {other:?} is neither B nor A")),
    };
    let cloid = match &f.cloid {
        Some(text) => Some(parse_hex::<16>(text).map_err(|e| format!("cloid {text:?}: {e}"))?),
        None => None,
    };
    let liquidation = match &f.liquidation {
        Some(l) => Some(Liquidation {
            user: l.liquidated_user.parse().map_err(|e| format!("liquidatedUser: {e}"))?,
            method: l.method.as_deref().unwrap_or("market").into(),
        }),
        None => None,
    };
    let sz = number("sz", &f.sz)?;
    if sz.is_zero() || sz.is_negative() {
        return Err(format!("sz {sz} is not above zero"));
    }
    let fill = Fill {
        coin: (&*f.coin).into(),
        px: number("px", &f.px)?,
        sz,
        side,
        time_ms: f.time,
        start_position: number("startPosition", &f.start_position)?,
        dir: Dir::new(&f.dir),
        closed_pnl: or_zero("closedPnl", &f.closed_pnl)?,
        oid: f.oid,
        crossed: f.crossed,
        fee: or_zero("fee", &f.fee)?,
        fee_token: f.fee_token.as_deref().unwrap_or("USDC").into(),
        tid: f.tid,
        cloid,
        liquidation,
    };
    let hash = f.hash.as_deref().unwrap_or(super::tape::ZERO_HASH).into();
    Ok(TapeFill { fill, json: raw.get().into(), hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"coin":"BTC","px":"86006.0","sz":"0.07905","side":"B","time":1791280942711,"startPosition":"-0.14136","dir":"Close Short","closedPnl":"-2.600745","hash":"0x0da3","oid":566617233807,"crossed":true,"fee":"-0.067987","tid":669583051366496,"cloid":"0x000000000000000000065d2917ff6969","feeToken":"USDC","twapId":2288616,"builderFee":"0.0001","liquidation":{"liquidatedUser":"0x000000000000000000000000000000000000000b","markPx":"86010.0","method":"backstop"}}"#;

    fn read(text: &str) -> Result<TapeFill, String> {
        let raw: &RawValue = serde_json::from_str(text).expect("JSON");
        read_fill(raw)
    }

    #[test]
    fn every_field_is_read_and_the_text_is_kept() {
        let tape = read(FULL).expect("a fill");
        let f = &tape.fill;
        assert_eq!(&*tape.json, FULL);
        assert_eq!((f.coin.as_str(), f.px.to_string().as_str()), ("BTC", "86006"));
        assert_eq!((f.side, f.time_ms, f.oid), (Side::Buy, 1_791_280_942_711, 566_617_233_807));
        assert_eq!(f.start_position.to_string(), "-0.14136");
        assert_eq!((f.dir, f.crossed, f.tid), (Dir::CloseShort, true, 669_583_051_366_496));
        assert_eq!((f.fee.to_string().as_str(), f.fee_token.as_str()), ("-0.067987", "USDC"));
        assert_eq!(f.cloid.map(|c| c[15]), Some(0x69));
        let liquidation = f.liquidation.expect("there is one");
        assert_eq!((liquidation.user.0[19], liquidation.method.as_str()), (0x0b, "backstop"));
    }

    #[test]
    fn what_is_no_fill_is_refused_with_the_field() {
        let check = |from: &str, to: &str, wanted: &str| {
            let error = read(&FULL.replace(from, to)).expect_err("refused");
            assert!(error.contains(wanted), "{error}");
        };
        check(r#""side":"B""#, r#""side":"X""#, "side");
        check(r#""px":"86006.0""#, r#""px":"1e5""#, "px");
        check(r#""sz":"0.07905""#, r#""sz":"0.0""#, "above zero");
        check("17ff6969", "17ff69", "cloid");
        check("000b\"", "00b\"", "liquidatedUser");
        check(r#""tid":669583051366496,"#, "", "tid");
    }
}
