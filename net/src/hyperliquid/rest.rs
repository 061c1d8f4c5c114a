//! The bodies of `POST /info` and what the answers say. No I/O: who sends them is the control thread.
//!
//! What these requests weigh is in [`super::weight`], which pages to ask for in [`super::pages`].

use super::fill::{WireStatus, into_fills};
use super::frame::DecodeError;
use super::wire::Words;
use crate::json;
use serde::de::DeserializeSeed;
use serde::{Deserialize, de::Error as _};
use shards::{Address, Fill, OrderStatus};
use std::fmt::Write;

/// Fills that one answer to `userFillsByTime` holds at most. A full page may have a next one, from its last
/// fill's time on: both ends of the range are inclusive.
pub const FILLS_PER_PAGE_MAX: usize = 2000;

/// Newest fills of an account that the venue keeps: what is older cannot be recovered.
pub const FILLS_KEPT_MAX: usize = 10_000;

/// Asks for the fills of an account from `start_ms` to `end_ms`, both inclusive; to now without an end.
pub fn user_fills_by_time(user: &Address, start_ms: u64, end_ms: Option<u64>) -> String {
    let end = end_ms.map_or(String::new(), |end_ms| format!(",\"endTime\":{end_ms}"));
    format!("{{\"type\":\"userFillsByTime\",\"user\":\"{user}\",\"startTime\":{start_ms}{end}}}")
}

/// Asks for the status of one order.
pub fn order_status(user: &Address, oid: u64) -> String {
    format!("{{\"type\":\"orderStatus\",\"user\":\"{user}\",\"oid\":{oid}}}")
}

/// Asks for the perpetuals of a dex; the empty name is the venue's own dex.
pub fn meta(dex: &str) -> String {
    if dex.is_empty() {
        return "{\"type\":\"meta\"}".to_owned();
    }
    let mut body = "{\"type\":\"meta\",\"dex\":".to_owned();
    json::write_string(&mut body, dex)
        .and_then(|()| body.write_char('}'))
        .expect("a string takes every write");
    body
}

/// Asks for the perpetuals of all dexes at once, in the order of [`perp_dexs`].
pub fn all_perp_metas() -> &'static str {
    "{\"type\":\"allPerpMetas\"}"
}

/// Asks for the list of perpetual dexes.
pub fn perp_dexs() -> &'static str {
    "{\"type\":\"perpDexs\"}"
}

/// Asks for spot tokens and pairs.
pub fn spot_meta() -> &'static str {
    "{\"type\":\"spotMeta\"}"
}

/// Appends the fills of an answer to `userFills` or `userFillsByTime`; says how many. On an error nothing is
/// appended.
pub fn parse_fills(body: &[u8], fills: &mut Vec<Fill>) -> Result<usize, DecodeError> {
    let text = text_of(body)?;
    let before = fills.len();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = into_fills(fills).deserialize(&mut json).and_then(|()| json.end());
    match read {
        Ok(()) => Ok(fills.len() - before),
        Err(error) => {
            fills.truncate(before);
            Err(DecodeError::new(text, 0, &error))
        }
    }
}

/// The status in an answer to `orderStatus`; `None` when the venue does not know the order.
pub fn parse_order_status(body: &[u8]) -> Result<Option<OrderStatus>, DecodeError> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        status: Words<'a>,
        order: Option<WireStatus>,
    }
    let text = text_of(body)?;
    let answer: Answer =
        serde_json::from_str(text).map_err(|error| DecodeError::new(text, 0, &error))?;
    match (answer.status.0.as_ref(), answer.order) {
        ("order", Some(order)) => Ok(Some(order.into_status())),
        ("order", None) => {
            let error = serde_json::Error::custom("status \"order\" without an order");
            Err(DecodeError::new(text, 0, &error))
        }
        _ => Ok(None),
    }
}

/// The names of the dexes in an answer to `perpDexs`, in its order; the empty name for the venue's own.
pub fn parse_perp_dexs(body: &[u8]) -> Result<Vec<String>, DecodeError> {
    #[derive(Deserialize)]
    struct Dex {
        name: String,
    }
    let text = text_of(body)?;
    let dexs: Vec<Option<Dex>> =
        serde_json::from_str(text).map_err(|error| DecodeError::new(text, 0, &error))?;
    Ok(dexs.into_iter().map(|dex| dex.map_or(String::new(), |dex| dex.name)).collect())
}

/// The body as text, or where it stops being UTF-8.
pub(crate) fn text_of(body: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(body).map_err(|error| DecodeError {
        at: error.valid_up_to(),
        why: "the body is not UTF-8".to_owned(),
        sample: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Address = Address([0x1a; 20]);

    #[test]
    fn bodies_are_what_the_venue_expects() {
        let user = "0x".to_owned() + &"1a".repeat(20);
        for (body, wanted) in [
            (
                user_fills_by_time(&USER, 5, Some(9)),
                format!(
                    r#"{{"type":"userFillsByTime","user":"{user}","startTime":5,"endTime":9}}"#
                ),
            ),
            (
                user_fills_by_time(&USER, 5, None),
                format!(r#"{{"type":"userFillsByTime","user":"{user}","startTime":5}}"#),
            ),
            (
                order_status(&USER, 7),
                format!(r#"{{"type":"orderStatus","user":"{user}","oid":7}}"#),
            ),
            (meta(""), r#"{"type":"meta"}"#.to_owned()),
            (meta("xyz"), r#"{"type":"meta","dex":"xyz"}"#.to_owned()),
        ] {
            assert_eq!(body, wanted);
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
        }
        for body in [all_perp_metas(), perp_dexs(), spot_meta()] {
            assert!(serde_json::from_str::<serde_json::Value>(body).is_ok(), "{body}");
        }
    }

    const FILL: &str = r#"{"coin":"ETH","px":"4307.4","sz":"0.0025","side":"B","time":1755857898644,
        "startPosition":"0.0","dir":"Open Long","closedPnl":"0.0","hash":"0x7d","oid":37907159219,"crossed":true,
        "fee":"0.004845","tid":1070455675927460,"feeToken":"USDC","twapId":null}"#;

    #[test]
    fn a_bad_fill_spoils_its_page_and_no_other() {
        let mut fills = Vec::new();
        assert_eq!(parse_fills(format!("[{FILL},{FILL}]").as_bytes(), &mut fills), Ok(2));
        let bad = FILL.replace("\"B\"", "\"X\"");
        let error = parse_fills(format!("[{FILL},{bad}]").as_bytes(), &mut fills).expect_err("bad");
        assert!(error.why.contains("neither B nor A"), "{error}");
        assert_eq!(fills.len(), 2);
        assert_eq!(parse_fills(b"[]", &mut fills), Ok(0));
        assert!(parse_fills(b"[] x", &mut fills).is_err());
        assert!(parse_fills(b"{}", &mut fills).is_err());
        assert!(parse_fills(b"[\xff]", &mut fills).is_err());
        assert!(parse_fills(b"", &mut fills).is_err());
    }

    #[test]
    fn an_order_status_is_read_or_unknown() {
        let known =
            br#"{"status":"order","order":{"order":{"coin":"ETH","side":"B","sz":"0.5","oid":37,
            "origSz":"2.5","cloid":null},"status":"canceled","statusTimestamp":1755857898644}}"#;
        let status = parse_order_status(known).expect("reads").expect("known");
        assert_eq!((status.oid, status.time_ms), (37, 1_755_857_898_644));
        assert_eq!(status.filled(), Some("2".parse().expect("a decimal")));
        assert!(status.is_terminal());
        assert_eq!(parse_order_status(br#"{"status":"unknownOid"}"#), Ok(None));
        assert!(parse_order_status(br#"{"status":"order"}"#).is_err());
        assert!(parse_order_status(b"[]").is_err());
    }

    #[test]
    fn dexes_keep_their_place() {
        let body = br#"[null,{"name":"xyz","fullName":"XYZ"},{"name":"flx"}]"#;
        assert_eq!(parse_perp_dexs(body).expect("reads"), ["", "xyz", "flx"]);
        assert!(parse_perp_dexs(b"{}").is_err());
    }
}
