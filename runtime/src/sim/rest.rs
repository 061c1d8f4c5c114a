//! `POST /info`, and the same by socket (`post`).

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use shards::Address;

use super::account::{Account, PAGE_FILLS};
use super::coins::{all_perp_metas, is_dex, meta, perp_dexs, spot_meta};
use super::faults::{Fault, Occasion};
use super::holdings::Holdings;
use super::tape::TapeFill;
use super::trader::GENESIS_MS;
use super::venue::Venue;

/// An answer over HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) ending: Ending,
}

/// How much of an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of it.
    Whole,
    /// Half of it; then the connection ends.
    Half,
    /// Nothing, for a long time; then the connection ends.
    Never,
}

impl Reply {
    fn whole(status: u16, body: String) -> Reply {
        Reply { status, body, ending: Ending::Whole }
    }
}

const NO_REQUEST: &str = "Failed to deserialize the JSON body into the target type";

/// A request that is understood.
enum Question {
    Meta(String),
    AllPerpMetas,
    PerpDexs,
    SpotMeta,
    AllMids(String),
    UserFills(Address),
    /// From and to, both included; whether the newest come first.
    UserFillsByTime(Address, u64, u64, bool),
    ClearinghouseState(Address, String),
    SpotClearinghouseState(Address),
    OrderStatus(Address, OrderName),
}

enum OrderName {
    Oid(u64),
    Cloid(String),
}

impl Question {
    fn parse(request: &Value) -> Option<Question> {
        let text = |name: &str| request.get(name).and_then(Value::as_str);
        let user = || text("user").and_then(|user| user.parse().ok());
        let dex = || match request.get("dex") {
            None | Some(Value::Null) => Some(String::new()),
            Some(dex) => dex.as_str().filter(|dex| is_dex(dex)).map(str::to_owned),
        };
        Some(match text("type")? {
            "meta" => Question::Meta(dex()?),
            "allPerpMetas" => Question::AllPerpMetas,
            "perpDexs" => Question::PerpDexs,
            "spotMeta" => Question::SpotMeta,
            "allMids" => Question::AllMids(dex()?),
            "userFills" => Question::UserFills(user()?),
            "userFillsByTime" => {
                let end = match request.get("endTime") {
                    None | Some(Value::Null) => u64::MAX,
                    Some(end) => end.as_u64()?,
                };
                let start = request.get("startTime")?.as_u64()?;
                let reversed = request.get("reversed").and_then(Value::as_bool).unwrap_or(false);
                Question::UserFillsByTime(user()?, start, end, reversed)
            }
            "clearinghouseState" => Question::ClearinghouseState(user()?, dex()?),
            "spotClearinghouseState" => Question::SpotClearinghouseState(user()?),
            "orderStatus" => {
                let name = match request.get("oid")? {
                    Value::String(cloid) => OrderName::Cloid(cloid.to_lowercase()),
                    oid => OrderName::Oid(oid.as_u64()?),
                };
                Question::OrderStatus(user()?, name)
            }
            _ => return None,
        })
    }

    /// Weight before the items are counted.
    fn weight(&self) -> u32 {
        match self {
            Question::AllMids(_)
            | Question::ClearinghouseState(..)
            | Question::SpotClearinghouseState(_)
            | Question::OrderStatus(..) => 2,
            _ => 20,
        }
    }
}

/// An answer and the number of items that weigh.
struct Answer {
    body: String,
    items: usize,
}

impl From<Value> for Answer {
    fn from(value: Value) -> Answer {
        Answer { body: value.to_string(), items: 0 }
    }
}

fn fill_list<'a>(fills: impl Iterator<Item = &'a Rc<TapeFill>>) -> Answer {
    let list: Vec<&str> = fills.map(|fill| &*fill.json).collect();
    Answer { body: format!("[{}]", list.join(",")), items: list.len() }
}

impl Venue {
    /// Answers `POST /info`, or does not.
    pub(crate) fn request(&mut self, ip: IpAddr, body: &[u8], now: Duration) -> Reply {
        let fault = self.faults.draw(Occasion::Request, now, |_| true);
        fault.into_iter().for_each(|fault| self.faults.count(fault));
        let ending = match fault {
            Some(Fault::RestLimit) => return Reply::whole(429, "null".into()),
            Some(Fault::RestError) => return Reply::whole(500, "null".into()),
            Some(Fault::RestHang) => Ending::Never,
            Some(_) => Ending::Half,
            None => Ending::Whole,
        };
        Reply { ending, ..self.info(ip, body, now) }
    }

    /// Answers a question.
    pub(crate) fn info(&mut self, ip: IpAddr, body: &[u8], now: Duration) -> Reply {
        let request = serde_json::from_slice::<Value>(body).ok();
        let Some(info) = request.as_ref().and_then(Question::parse) else {
            return Reply::whole(422, Value::from(NO_REQUEST).to_string());
        };
        // What an answer will weigh is known only when it is there: its items are charged
        // afterwards, and where they no longer fit, the answer is not given.
        if !self.limits.request(ip, info.weight(), now) {
            return Reply::whole(429, "null".into());
        }
        let answer = self.answer(&info);
        let more = u32::try_from(answer.items / 20).unwrap_or(u32::MAX);
        if more > 0 && !self.limits.request(ip, more, now) {
            return Reply::whole(429, "null".into());
        }
        self.stats.rest_requests += 1;
        Reply::whole(200, answer.body)
    }

    /// Answers a `post` by socket.
    pub(crate) fn post(&mut self, ip: IpAddr, id: u64, payload: &Value, now: Duration) -> String {
        let reply = self.info(ip, payload.to_string().as_bytes(), now);
        let response = if reply.status == 200 {
            let kind = &payload["type"];
            format!(r#"{{"type":"info","payload":{{"type":{kind},"data":{}}}}}"#, reply.body)
        } else {
            let name = match reply.status {
                429 => "429 Too Many Requests".to_owned(),
                status => format!("{status} Unprocessable Entity: {NO_REQUEST}"),
            };
            json!({"type": "error", "payload": name}).to_string()
        };
        format!(r#"{{"channel":"post","data":{{"id":{id},"response":{response}}}}}"#)
    }

    fn answer(&mut self, info: &Question) -> Answer {
        match info {
            Question::Meta(dex) => meta(dex, &self.recorded_perps).into(),
            Question::AllPerpMetas => all_perp_metas(&self.recorded_perps).into(),
            Question::PerpDexs => perp_dexs().into(),
            Question::SpotMeta => spot_meta().into(),
            Question::AllMids(dex) => Answer { body: self.public.mids(dex), items: 0 },
            Question::UserFills(user) => {
                fill_list(self.account(user).into_iter().flat_map(|a| a.newest(PAGE_FILLS).rev()))
            }
            Question::UserFillsByTime(user, start, end, true) => {
                fill_list(self.account(user).into_iter().flat_map(|a| a.page_back(*start, *end)))
            }
            Question::UserFillsByTime(user, start, end, false) => {
                fill_list(self.account(user).into_iter().flat_map(|a| a.page(*start, *end)))
            }
            Question::ClearinghouseState(user, dex) => {
                let account = self.account(user);
                let time_ms = account.map_or(GENESIS_MS, Account::newest_ms);
                let none = Holdings::default();
                account.map_or(&none, |a| &a.holdings).clearinghouse(dex, time_ms).into()
            }
            Question::SpotClearinghouseState(user) => {
                let none = Holdings::default();
                self.account(user).map_or(&none, |a| &a.holdings).spot().into()
            }
            Question::OrderStatus(user, name) => self.order_status(user, name),
        }
    }

    fn order_status(&mut self, user: &Address, name: &OrderName) -> Answer {
        let account = self.account(user);
        let update = account.and_then(|account| match name {
            OrderName::Oid(oid) => account.order(*oid),
            OrderName::Cloid(cloid) => account.order_by_cloid(cloid),
        });
        let body = match update {
            Some(update) => format!(r#"{{"status":"order","order":{}}}"#, update.json()),
            None => r#"{"status":"unknownOid"}"#.to_owned(),
        };
        Answer { body, items: 0 }
    }
}
