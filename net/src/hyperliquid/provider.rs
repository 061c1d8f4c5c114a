//! A provider's WebSocket: fills of many accounts by one subscription.
//!
//! Providers that keep nodes of their own sell what the public server limits to ten users. Two of them were read about
//! in November 2026 (docs.hydromancer.xyz, goldrush.dev); both take the requests and send the frames below. Others may
//! differ: this is, byte for byte, what is sent and what is understood, to be compared with a provider's own
//! documents. The key goes where the provider wants it, into the query of `source.ws_url`.
//!
//! Sent (lower case, no blanks; up to [`ADDRESSES_MAX`] addresses in a request):
//!
//! ```text
//! {"method":"subscribe","subscription":{"type":"userFills","addresses":["0x…","0x…"]}}
//! {"method":"unsubscribe","subscription":{"type":"userFills","addresses":["0x…","0x…"]}}
//! {"method":"ping"}
//! {"method":"pong"}        the answer to {"type":"ping"}
//! ```
//!
//! Understood, with the fills in the form of the public API (any more fields are passed over):
//!
//! ```text
//! {"channel":"userFills","fills":[["0x…",{fill}],["0x…",{fill}]]}                      GoldRush
//! {"type":"userFills","channel":"userFills","seq":7,"cursor":"500:1704067200000:3","fills":[["0x…",{fill}]]}   Hydromancer
//! {"channel":"userFills","data":[["0x…",{fill}]]}
//! {"channel":"userFills","data":{"isSnapshot":false,"block_number":500,"fills":[["0x…",{fill}]]}}   or "events"
//! {"channel":"userFills","data":{"user":"0x…","fills":[{fill}]}}                        as the public server
//! {"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{…}}}  acknowledgement
//! {"type":"subscriptionUpdate",…}                                                      acknowledgement
//! {"channel":"error","data":"…"}    {"type":"error","message":"…"}    {"error":"…"}     refusal
//! {"channel":"pong"}    {"type":"pong"}    {"type":"ping"}
//! ```
//!
//! A group of addresses is the unit on the wire: it is ended by the very body that began it, which every provider
//! understands, whether it matches bodies (GoldRush) or takes addresses away (Hydromancer). Only one request is under
//! way at a time, so an answer that names nothing has one meaning. There is no snapshot: what was missed before an
//! acknowledgement must be asked for elsewhere, so an account is [`Action::Followed`] with every acknowledgement of
//! its group, and the caller fetches from there.
//!
//! A jump of `seq`, which counts a connection's frames, says that one was lost: [`Action::Missed`], and all accounts are
//! told as followed again. Order statuses and balances do not come this way.
//!
//! [`Action::Followed`]: super::session::Action::Followed
//! [`Action::Missed`]: super::session::Action::Missed

mod frame;
mod group;
mod session;

pub use frame::{Frame, Position, Scratch, decode};
pub use session::Session;

/// Addresses of one subscription. GoldRush takes no more.
pub const ADDRESSES_MAX: usize = 1000;

/// The answer to a server that asks whether we are there.
pub const PONG_TEXT: &str = "{\"method\":\"pong\"}";
