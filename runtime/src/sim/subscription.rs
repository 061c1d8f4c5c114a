//! What can be subscribed, and its canonical form.

use serde_json::Value;
use shards::Address;

use super::coins::is_dex;

/// A subscription. Equal ones are the same however they were written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subscription {
    UserFills(Address),
    OrderUpdates(Address),
    AllDexsClearinghouseState(Address),
    ClearinghouseState(Address, String),
    SpotState(Address),
    AllMids(String),
    Trades(String),
}

/// A request that came in.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Request {
    Ping,
    Subscribe(Subscription),
    Unsubscribe(Subscription),
    /// An info request by socket: its id and payload.
    Post(u64, Value),
}

/// Why a message is no request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Not in the venue's grammar: the whole message is echoed.
    Unparseable,
    /// In the grammar, but of something that is not there.
    Invalid(String),
}

impl Subscription {
    /// The user whose budget it counts in.
    pub(crate) fn user(&self) -> Option<Address> {
        match self {
            Subscription::UserFills(user)
            | Subscription::OrderUpdates(user)
            | Subscription::AllDexsClearinghouseState(user)
            | Subscription::ClearinghouseState(user, _)
            | Subscription::SpotState(user) => Some(*user),
            Subscription::AllMids(_) | Subscription::Trades(_) => None,
        }
    }

    /// The form that acknowledgements echo: user in lower case, defaults filled in.
    pub(crate) fn canonical(&self) -> String {
        match self {
            Subscription::UserFills(user) => {
                format!(r#"{{"type":"userFills","user":"{user}","aggregateByTime":false}}"#)
            }
            Subscription::OrderUpdates(user) => {
                format!(r#"{{"type":"orderUpdates","user":"{user}"}}"#)
            }
            Subscription::AllDexsClearinghouseState(user) => {
                format!(r#"{{"type":"allDexsClearinghouseState","user":"{user}"}}"#)
            }
            Subscription::ClearinghouseState(user, dex) => {
                format!(r#"{{"type":"clearinghouseState","user":"{user}","dex":"{dex}"}}"#)
            }
            Subscription::SpotState(user) => {
                format!(r#"{{"type":"spotState","user":"{user}","ignorePortfolioMargin":false}}"#)
            }
            Subscription::AllMids(dex) if dex.is_empty() => r#"{"type":"allMids"}"#.into(),
            Subscription::AllMids(dex) => format!(r#"{{"type":"allMids","dex":"{dex}"}}"#),
            Subscription::Trades(coin) => format!(r#"{{"type":"trades","coin":"{coin}"}}"#),
        }
    }

    fn parse(value: &Value, is_coin: impl Fn(&str) -> bool) -> Result<Subscription, Refusal> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let user = || text("user").and_then(|user| user.parse().ok()).ok_or(Refusal::Unparseable);
        let invalid = || Refusal::Invalid(value.to_string());
        let dex = || match value.get("dex") {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(dex)) if is_dex(dex) => Ok(dex.clone()),
            Some(Value::String(_)) => Err(invalid()),
            Some(_) => Err(Refusal::Unparseable),
        };
        match text("type").ok_or(Refusal::Unparseable)? {
            // Merged fills have no trade ids; what needs them must not be given something else in
            // silence.
            "userFills" => match value.get("aggregateByTime") {
                None | Some(Value::Null | Value::Bool(false)) => {
                    Ok(Subscription::UserFills(user()?))
                }
                Some(_) => Err(invalid()),
            },
            "orderUpdates" => Ok(Subscription::OrderUpdates(user()?)),
            "allDexsClearinghouseState" => Ok(Subscription::AllDexsClearinghouseState(user()?)),
            "clearinghouseState" => Ok(Subscription::ClearinghouseState(user()?, dex()?)),
            "spotState" => Ok(Subscription::SpotState(user()?)),
            "allMids" => Ok(Subscription::AllMids(dex()?)),
            "trades" => match text("coin") {
                Some(coin) if is_coin(coin) => Ok(Subscription::Trades(coin.to_owned())),
                Some(_) => Err(invalid()),
                None => Err(Refusal::Unparseable),
            },
            _ => Err(Refusal::Unparseable),
        }
    }
}

impl Request {
    /// Reads a message.
    pub(crate) fn parse(text: &str, is_coin: impl Fn(&str) -> bool) -> Result<Request, Refusal> {
        let message: Value = serde_json::from_str(text).map_err(|_| Refusal::Unparseable)?;
        let subscription = || {
            let wanted = message.get("subscription").ok_or(Refusal::Unparseable)?;
            Subscription::parse(wanted, &is_coin)
        };
        match message.get("method").and_then(Value::as_str) {
            Some("ping") => Ok(Request::Ping),
            Some("subscribe") => subscription().map(Request::Subscribe),
            Some("unsubscribe") => subscription().map(Request::Unsubscribe),
            Some("post") => {
                let id = message.get("id").and_then(Value::as_u64);
                let payload = message.pointer("/request/payload");
                let info = message.pointer("/request/type").and_then(Value::as_str) == Some("info");
                match (id, payload) {
                    (Some(id), Some(payload)) if info => Ok(Request::Post(id, payload.clone())),
                    _ => Err(Refusal::Unparseable),
                }
            }
            _ => Err(Refusal::Unparseable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "0xed8b24ccef33fdbcef848e5beec2fd453896b590";

    #[track_caller]
    fn check(subscription: &str, canonical: Result<&str, Refusal>) {
        let text = format!(r#"{{"method":"subscribe","subscription":{subscription}}}"#);
        let found = Request::parse(&text, |coin| coin == "BTC").map(|request| match request {
            Request::Subscribe(subscription) => subscription.canonical(),
            other => panic!("{other:?}"),
        });
        assert_eq!(found, canonical.map(|text| text.replace("USER", USER)));
    }

    #[test]
    fn canonical_forms_have_lower_case_users_and_defaults() {
        let upper = USER.to_uppercase();
        check(
            &format!(r#"{{"user":"{upper}","type":"userFills"}}"#),
            Ok(r#"{"type":"userFills","user":"USER","aggregateByTime":false}"#),
        );
        check(
            &format!(r#"{{"type":"orderUpdates","user":"{USER}"}}"#),
            Ok(r#"{"type":"orderUpdates","user":"USER"}"#),
        );
        check(
            &format!(r#"{{"type":"clearinghouseState","user":"{USER}"}}"#),
            Ok(r#"{"type":"clearinghouseState","user":"USER","dex":""}"#),
        );
        check(
            &format!(r#"{{"type":"spotState","user":"{USER}"}}"#),
            Ok(r#"{"type":"spotState","user":"USER","ignorePortfolioMargin":false}"#),
        );
        check(
            &format!(r#"{{"type":"allDexsClearinghouseState","user":"{USER}"}}"#),
            Ok(r#"{"type":"allDexsClearinghouseState","user":"USER"}"#),
        );
        check(r#"{"type":"allMids"}"#, Ok(r#"{"type":"allMids"}"#));
        check(r#"{"type":"allMids","dex":"xyz"}"#, Ok(r#"{"type":"allMids","dex":"xyz"}"#));
        check(r#"{"type":"trades","coin":"BTC"}"#, Ok(r#"{"type":"trades","coin":"BTC"}"#));
    }

    #[test]
    fn what_is_not_there_is_invalid_and_what_is_not_known_unparseable() {
        let invalid = |text: &str| Err(Refusal::Invalid(text.to_owned()));
        let coin = r#"{"coin":"NOPE","type":"trades"}"#;
        check(coin, invalid(coin));
        let dex = r#"{"dex":"abc","type":"allMids"}"#;
        check(dex, invalid(dex));
        let merged = format!(r#"{{"aggregateByTime":true,"type":"userFills","user":"{USER}"}}"#);
        check(&merged, invalid(&merged));
        for text in [
            r#"{"type":"noSuchType"}"#,
            r#"{"type":"userFills","user":"0x12"}"#,
            r#"{"type":"userFills"}"#,
            r#"{"type":"trades"}"#,
            r#"{"type":"allMids","dex":7}"#,
            "7",
        ] {
            check(text, Err(Refusal::Unparseable));
        }
    }

    #[test]
    fn the_other_methods_are_read() {
        let parse = |text: &str| Request::parse(text, |_| true);
        assert_eq!(parse(r#"{"method":"ping"}"#), Ok(Request::Ping));
        let post =
            r#"{"method":"post","id":7,"request":{"type":"info","payload":{"type":"meta"}}}"#;
        assert!(matches!(parse(post), Ok(Request::Post(7, _))));
        let leave = r#"{"method":"unsubscribe","subscription":{"type":"allMids"}}"#;
        assert_eq!(parse(leave), Ok(Request::Unsubscribe(Subscription::AllMids(String::new()))));
        for text in ["", "{", r#"{"method":"dance"}"#, r#"{"method":"post","id":7}"#, "[]"] {
            assert_eq!(parse(text), Err(Refusal::Unparseable), "{text}");
        }
    }
}
