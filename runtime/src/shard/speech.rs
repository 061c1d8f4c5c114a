//! What a connection speaks: the public WebSocket's subscriptions, or a provider's groups of accounts.

use net::hyperliquid::frame::{self, DecodeError, Frame};
use net::hyperliquid::provider;
use net::hyperliquid::session::{Action, Policy, Session};
use net::hyperliquid::subscription::Subscription;
use shards::Address;

use super::station::Station;
use crate::config::SourceKind;

/// The subscriptions of one connection. It outlives the connection.
pub(super) enum Speech {
    /// One subscription for each thing that is followed of an account.
    Public(Session),
    /// One subscription for the fills of many accounts.
    Provider(provider::Session),
}

impl Speech {
    /// Nothing is wanted yet.
    pub(super) fn new(kind: SourceKind, policy: Policy) -> Speech {
        match kind {
            SourceKind::HyperliquidProvider => Speech::Provider(provider::Session::new(policy)),
            SourceKind::HyperliquidWs | SourceKind::HyperliquidNode => {
                Speech::Public(Session::new(policy))
            }
        }
    }

    /// Whether it is what a source of this kind speaks.
    pub(super) fn fits(&self, kind: SourceKind) -> bool {
        matches!(self, Speech::Provider(_)) == (kind == SourceKind::HyperliquidProvider)
    }

    /// Follows an account.
    pub(super) fn follow(&mut self, user: Address) {
        match self {
            Speech::Public(session) => {
                user_subscriptions(user).into_iter().for_each(|wanted| session.want(wanted));
            }
            Speech::Provider(session) => session.want(user),
        }
    }

    /// Follows an account no longer.
    pub(super) fn let_go(&mut self, user: Address) {
        match self {
            Speech::Public(session) => {
                user_subscriptions(user).into_iter().for_each(|wanted| session.unwant(wanted));
            }
            Speech::Provider(session) => session.unwant(user),
        }
    }

    /// Follows what belongs to no account; a provider has nothing of that kind.
    pub(super) fn want(&mut self, subscription: Subscription) {
        if let Speech::Public(session) = self {
            session.want(subscription);
        }
    }

    /// Follows it no longer.
    pub(super) fn unwant(&mut self, subscription: Subscription) {
        if let Speech::Public(session) = self {
            session.unwant(subscription);
        }
    }

    /// Messages that may be sent in a minute.
    pub(super) fn allow(&mut self, messages_per_minute: u32) {
        match self {
            Speech::Public(session) => session.set_messages_per_minute(messages_per_minute),
            Speech::Provider(session) => session.set_messages_per_minute(messages_per_minute),
        }
    }

    pub(super) fn on_open(&mut self, now_ms: u64) {
        match self {
            Speech::Public(session) => session.on_open(now_ms),
            Speech::Provider(session) => session.on_open(now_ms),
        }
    }

    pub(super) fn on_closed(&mut self, now_ms: u64) {
        match self {
            Speech::Public(session) => session.on_closed(now_ms),
            Speech::Provider(session) => session.on_closed(now_ms),
        }
    }

    pub(super) fn on_traffic(&mut self, now_ms: u64) {
        match self {
            Speech::Public(session) => session.on_traffic(now_ms),
            Speech::Provider(session) => session.on_traffic(now_ms),
        }
    }

    /// Bytes were received. Those of a provider need not be a message to show that it is there: it may ping by WebSocket
    /// alone, and answer no ping of ours.
    pub(super) fn on_bytes(&mut self, now_ms: u64) {
        if let Speech::Provider(session) = self {
            session.on_traffic(now_ms);
        }
    }

    pub(super) fn poll(&mut self, now_ms: u64) -> Option<Action<'_>> {
        match self {
            Speech::Public(session) => session.poll(now_ms),
            Speech::Provider(session) => session.poll(now_ms),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        match self {
            Speech::Public(session) => session.next_deadline(),
            Speech::Provider(session) => session.next_deadline(),
        }
    }

    /// Whether nothing is wanted, and nothing of what was is still on the wire.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Speech::Public(session) => session.is_empty(),
            Speech::Provider(session) => session.is_empty(),
        }
    }
}

/// What is followed of an account, all on one connection. Statuses come before fills: they have no snapshot, so those
/// of the account's first live fills must not be missed.
fn user_subscriptions(user: Address) -> [Subscription; 4] {
    [
        Subscription::OrderUpdates { user },
        Subscription::AllDexsClearinghouseState { user },
        Subscription::SpotState { user },
        Subscription::UserFills { user },
    ]
}

/// Takes a frame of the public WebSocket.
pub(super) fn public_frame(
    session: &mut Session,
    text: &str,
    station: &mut Station,
    received_ns: u64,
    now_ms: u64,
) -> Result<(), DecodeError> {
    let frame = frame::decode(text, &mut station.scratch)?;
    match &frame {
        Frame::UserFills { user, snapshot } => station.frame_fills(*user, *snapshot, received_ns),
        Frame::OrderUpdates => station.frame_statuses(received_ns),
        Frame::Account(state) => station.account(state),
        Frame::Spot { user, is_unified } => station.spot(*user, *is_unified),
        Frame::Mids { dex } => station.positions.mids(dex, &station.scratch.mids),
        _ => {}
    }
    session.on_frame(&frame, now_ms);
    Ok(())
}

/// Takes a frame of a provider. Its fills are taken before it counts as an acknowledgement. Gives the block time of the
/// newest.
pub(super) fn provider_frame(
    session: &mut provider::Session,
    text: &str,
    station: &mut Station,
    received_ns: u64,
    now_ms: u64,
) -> Result<Option<u64>, DecodeError> {
    let mut scratch = std::mem::take(&mut station.provided);
    let decoded = provider::decode(text, &mut scratch);
    let mut newest_ms = None;
    if let Ok(provider::Frame::Fills { .. }) = &decoded {
        let sound = scratch.fills.iter().filter(|(_, fill)| fill.is_sound());
        newest_ms = sound.map(|(_, fill)| fill.time_ms).max();
        let mut fills = std::mem::take(&mut station.by_account);
        scratch.fills.iter().for_each(|(address, fill)| fills.push(*address, *fill));
        fills.apply(station, received_ns);
        station.by_account = fills;
    }
    station.provided = scratch;
    session.on_frame(&decoded?, now_ms);
    Ok(newest_ms)
}
