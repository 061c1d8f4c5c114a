//! What can be subscribed to, and how it is asked for and acknowledged.
//!
//! The venue echoes a subscription in canonical form: the user lower-cased, defaults written out. So two texts
//! are never compared; what they mean is. Two [`Subscription`]s are equal when the venue takes them for one.

use super::wire::{Addr, CoinName, Words};
use crate::json;
use serde::Deserialize;
use shards::{Address, Coin};
use std::fmt::{self, Write};

/// One subscription.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subscription {
    /// Fills of an account, not aggregated by time: aggregation would destroy the trade ids.
    UserFills {
        /// The account.
        user: Address,
    },
    /// Statuses of an account's orders. Its frames do not name the account.
    OrderUpdates {
        /// The account.
        user: Address,
    },
    /// Positions of an account on all perpetual dexes.
    AllDexsClearinghouseState {
        /// The account.
        user: Address,
    },
    /// Spot balances of an account.
    SpotState {
        /// The account.
        user: Address,
    },
    /// Mid prices of a dex.
    AllMids {
        /// The dex; empty for the venue's own, which brings spot too.
        dex: Coin,
    },
    /// Trades of a coin. Each subscription begins with 30 past ones.
    Trades {
        /// The coin.
        coin: Coin,
    },
}

/// The fields of the echoes that matter here. Other types have other fields; they are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow, rename = "type")]
    kind: Words<'a>,
    user: Option<Addr>,
    dex: Option<CoinName>,
    coin: Option<CoinName>,
    aggregate_by_time: Option<bool>,
    ignore_portfolio_margin: Option<bool>,
    is_portfolio_margin: Option<bool>,
}

impl Subscription {
    /// The account, for the subscriptions of one.
    pub fn user(&self) -> Option<Address> {
        match *self {
            Subscription::UserFills { user }
            | Subscription::OrderUpdates { user }
            | Subscription::AllDexsClearinghouseState { user }
            | Subscription::SpotState { user } => Some(user),
            Subscription::AllMids { .. } | Subscription::Trades { .. } => None,
        }
    }

    /// The venue's word for the type.
    pub fn kind(&self) -> &'static str {
        match self {
            Subscription::UserFills { .. } => "userFills",
            Subscription::OrderUpdates { .. } => "orderUpdates",
            Subscription::AllDexsClearinghouseState { .. } => "allDexsClearinghouseState",
            Subscription::SpotState { .. } => "spotState",
            Subscription::AllMids { .. } => "allMids",
            Subscription::Trades { .. } => "trades",
        }
    }

    /// Appends the message that begins this subscription.
    pub fn write_subscribe(&self, into: &mut String) {
        self.write_request("subscribe", into);
    }

    /// Appends the message that ends this subscription.
    pub fn write_unsubscribe(&self, into: &mut String) {
        self.write_request("unsubscribe", into);
    }

    fn write_request(&self, method: &str, into: &mut String) {
        write!(into, "{{\"method\":\"{method}\",\"subscription\":{self}}}")
            .expect("a string takes every write");
    }

    /// Reads a subscription object, in any form that means the same. `None` for types that are not followed here,
    /// and for variants of the followed ones that are never asked for.
    pub fn parse(json: &str) -> Option<Subscription> {
        let wire: Wire = serde_json::from_str(json).ok()?;
        wire.into_subscription()
    }

    /// Finds the subscription in an error text: `Already subscribed: {"type":..}`, or a whole request.
    pub fn find_in(text: &str) -> Option<Subscription> {
        #[derive(Deserialize)]
        struct Request<'a> {
            #[serde(borrow)]
            subscription: &'a serde_json::value::RawValue,
        }
        let (from, to) = (text.find('{')?, text.rfind('}')?);
        let json = text.get(from..=to)?;
        match serde_json::from_str::<Request>(json) {
            Ok(request) => Subscription::parse(request.subscription.get()),
            Err(_) => Subscription::parse(json),
        }
    }
}

impl Wire<'_> {
    fn into_subscription(self) -> Option<Subscription> {
        let user = self.user.map(|Addr(user)| user);
        let coin = self.coin.map(|CoinName(coin)| coin);
        Some(match self.kind.0.as_ref() {
            "userFills" if self.aggregate_by_time != Some(true) => {
                Subscription::UserFills { user: user? }
            }
            "orderUpdates" => Subscription::OrderUpdates { user: user? },
            "allDexsClearinghouseState" => Subscription::AllDexsClearinghouseState { user: user? },
            "spotState"
                if self.ignore_portfolio_margin != Some(true)
                    && self.is_portfolio_margin != Some(true) =>
            {
                Subscription::SpotState { user: user? }
            }
            "allMids" => {
                Subscription::AllMids { dex: self.dex.map_or(Coin::EMPTY, |CoinName(dex)| dex) }
            }
            "trades" => Subscription::Trades { coin: coin? },
            _ => return None,
        })
    }
}

/// The subscription object, as it is sent.
impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"type\":\"{}\"", self.kind())?;
        match self {
            Subscription::UserFills { user }
            | Subscription::OrderUpdates { user }
            | Subscription::AllDexsClearinghouseState { user }
            | Subscription::SpotState { user } => write!(f, ",\"user\":\"{user}\"")?,
            Subscription::AllMids { dex } if dex.is_empty() => {}
            Subscription::AllMids { dex: name } | Subscription::Trades { coin: name } => {
                let key = if matches!(self, Subscription::Trades { .. }) { "coin" } else { "dex" };
                write!(f, ",\"{key}\":")?;
                json::write_string(f, name.as_str())?;
            }
        }
        f.write_char('}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Address = Address([0xab; 20]);

    fn all() -> [Subscription; 7] {
        [
            Subscription::UserFills { user: USER },
            Subscription::OrderUpdates { user: USER },
            Subscription::AllDexsClearinghouseState { user: USER },
            Subscription::SpotState { user: USER },
            Subscription::AllMids { dex: Coin::EMPTY },
            Subscription::AllMids { dex: Coin::new("xyz") },
            Subscription::Trades { coin: Coin::new("PURR/USDC") },
        ]
    }

    #[test]
    fn what_is_sent_is_read_back_as_the_same() {
        for subscription in all() {
            assert_eq!(Subscription::parse(&subscription.to_string()), Some(subscription));
            let mut text = String::new();
            subscription.write_unsubscribe(&mut text);
            assert_eq!(Subscription::find_in(&text), Some(subscription), "{text}");
        }
        let mut text = String::new();
        all()[0].write_subscribe(&mut text);
        let user = "ab".repeat(20);
        assert_eq!(
            text,
            format!(
                r#"{{"method":"subscribe","subscription":{{"type":"userFills","user":"0x{user}"}}}}"#
            )
        );
    }

    #[test]
    fn the_canonical_echo_means_the_same() {
        let user = "0x".to_owned() + &"AB".repeat(20);
        for (echo, wanted) in [
            (format!(r#"{{"user":"{user}","aggregateByTime":false,"type":"userFills"}}"#), 0),
            (format!(r#"{{"type":"spotState","user":"{user}","ignorePortfolioMargin":false}}"#), 3),
            (format!(r#"{{"type":"spotState","user":"{user}","isPortfolioMargin":null}}"#), 3),
            (r#"{"type":"allMids","dex":""}"#.to_owned(), 4),
            (r#"{"type":"allMids","dex":null}"#.to_owned(), 4),
            (r#"{"type":"allMids","dex":"xyz"}"#.to_owned(), 5),
            (r#"{"type":"trades","coin":"PURR\/USDC","new":[1]}"#.to_owned(), 6),
        ] {
            assert_eq!(Subscription::parse(&echo), Some(all()[wanted]), "{echo}");
        }
    }

    #[test]
    fn what_was_never_asked_for_is_no_subscription() {
        let user = "0x".to_owned() + &"ab".repeat(20);
        for echo in [
            format!(r#"{{"type":"userFills","user":"{user}","aggregateByTime":true}}"#),
            format!(r#"{{"type":"spotState","user":"{user}","ignorePortfolioMargin":true}}"#),
            r#"{"type":"userFills"}"#.to_owned(),
            r#"{"type":"userFills","user":"0x12"}"#.to_owned(),
            r#"{"type":"bbo","coin":"BTC"}"#.to_owned(),
            r#"{"type":"trades"}"#.to_owned(),
            "[]".to_owned(),
        ] {
            assert_eq!(Subscription::parse(&echo), None, "{echo}");
        }
    }

    #[test]
    fn error_texts_give_up_their_echo() {
        let user = "0x".to_owned() + &"ab".repeat(20);
        let already = format!(r#"Already subscribed: {{"type":"orderUpdates","user":"{user}"}}"#);
        assert_eq!(Subscription::find_in(&already), Some(all()[1]));
        let invalid = r#"Invalid subscription {"type":"trades","coin":"PURR/USDC"}"#;
        assert_eq!(Subscription::find_in(invalid), Some(all()[6]));
        assert_eq!(Subscription::find_in("Cannot track more than 15 total users."), None);
        assert_eq!(Subscription::find_in("} {"), None);
    }
}
