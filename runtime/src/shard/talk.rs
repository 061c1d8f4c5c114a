//! What is said on a connection: as the public server wants it, or as a provider does.

use net::hyperliquid::frame::{self, DecodeError, Frame};
use net::hyperliquid::provider;
use net::hyperliquid::session::{Action, Policy, Session};
use net::hyperliquid::subscription::Subscription;
use shards::{Address, Fill};

use super::station::Station;
use crate::config::SourceKind;

/// The conversation of one connection, and of those after it.
pub(super) enum Talk {
    /// One account by one subscription, with a snapshot; and whatever else there is of it.
    Public(Session),
    /// Fills of many accounts by one subscription, without a snapshot.
    Provider(Box<Provided>),
}

/// A provider's, with the room that its frames need.
pub(super) struct Provided {
    session: provider::Session,
    scratch: provider::Scratch,
    /// Accounts of a frame, and the places of their fills.
    order: Vec<(Address, u32)>,
    /// Of one account.
    fills: Vec<Fill>,
}

impl Talk {
    /// As this kind of source talks.
    pub(super) fn new(kind: SourceKind, policy: Policy) -> Talk {
        match kind {
            SourceKind::HyperliquidProvider => Talk::Provider(Box::new(Provided {
                session: provider::Session::new(policy),
                scratch: provider::Scratch::default(),
                order: Vec::new(),
                fills: Vec::new(),
            })),
            // A node has no connections.
            SourceKind::HyperliquidWs | SourceKind::HyperliquidNode => {
                Talk::Public(Session::new(policy))
            }
        }
    }

    /// Whether this is how a kind of source talks.
    pub(super) fn suits(&self, kind: SourceKind) -> bool {
        matches!(self, Talk::Provider(_)) == (kind == SourceKind::HyperliquidProvider)
    }

    /// Whether an account that is followed brought no snapshot: the core must be told where it begins.
    pub(super) fn is_without_snapshots(&self) -> bool {
        matches!(self, Talk::Provider(_))
    }

    /// Another budget of messages.
    pub(super) fn set_messages_per_minute(&mut self, messages: u32) {
        match self {
            Talk::Public(session) => session.set_messages_per_minute(messages),
            Talk::Provider(provided) => provided.session.set_messages_per_minute(messages),
        }
    }

    /// Whether nothing is wanted, and nothing that was is to be ended.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Talk::Public(session) => session.is_empty(),
            Talk::Provider(provided) => provided.session.is_empty(),
        }
    }

    /// Wants all that there is of an account.
    pub(super) fn add(&mut self, user: Address) {
        match self {
            Talk::Public(session) => {
                user_subscriptions(user).into_iter().for_each(|s| session.want(s));
            }
            Talk::Provider(provided) => provided.session.want(user),
        }
    }

    /// Wants an account no longer.
    pub(super) fn remove(&mut self, user: Address) {
        match self {
            Talk::Public(session) => {
                user_subscriptions(user).into_iter().for_each(|s| session.unwant(s));
            }
            Talk::Provider(provided) => provided.session.unwant(user),
        }
    }

    /// Wants something that belongs to no account. Providers have only accounts.
    pub(super) fn want(&mut self, subscription: Subscription) {
        if let Talk::Public(session) = self {
            session.want(subscription);
        }
    }

    /// Wants something that belongs to no account no longer.
    pub(super) fn unwant(&mut self, subscription: Subscription) {
        if let Talk::Public(session) = self {
            session.unwant(subscription);
        }
    }

    /// A new connection is open.
    pub(super) fn on_open(&mut self, now_ms: u64) {
        match self {
            Talk::Public(session) => session.on_open(now_ms),
            Talk::Provider(provided) => provided.session.on_open(now_ms),
        }
    }

    /// The connection is gone.
    pub(super) fn on_closed(&mut self, now_ms: u64) {
        match self {
            Talk::Public(session) => session.on_closed(now_ms),
            Talk::Provider(provided) => provided.session.on_closed(now_ms),
        }
    }

    /// Something was received.
    pub(super) fn on_traffic(&mut self, now_ms: u64) {
        match self {
            Talk::Public(session) => session.on_traffic(now_ms),
            Talk::Provider(provided) => provided.session.on_traffic(now_ms),
        }
    }

    /// Bytes were received. They need not be a message: a provider may ask only by WebSocket whether we are there.
    pub(super) fn on_bytes(&mut self, now_ms: u64) {
        if let Talk::Provider(provided) = self {
            provided.session.on_traffic(now_ms);
        }
    }

    /// The next thing to do.
    pub(super) fn poll(&mut self, now_ms: u64) -> Option<Action<'_>> {
        match self {
            Talk::Public(session) => session.poll(now_ms),
            Talk::Provider(provided) => provided.session.poll(now_ms),
        }
    }

    /// When [`Talk::poll`] must be called again.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        match self {
            Talk::Public(session) => session.next_deadline(),
            Talk::Provider(provided) => provided.session.next_deadline(),
        }
    }

    /// A text message: what it says is applied.
    pub(super) fn hear(
        &mut self,
        text: &str,
        station: &mut Station,
        received_ns: u64,
        now_ms: u64,
    ) -> Result<(), DecodeError> {
        let session = match self {
            Talk::Public(session) => session,
            Talk::Provider(provided) => return provided.hear(text, station, received_ns, now_ms),
        };
        let frame = frame::decode(text, &mut station.scratch)?;
        match &frame {
            Frame::UserFills { user, snapshot } => {
                station.frame_fills(*user, *snapshot, received_ns);
            }
            Frame::OrderUpdates => station.frame_statuses(received_ns),
            Frame::Account(state) => station.account(state),
            Frame::Spot { user, is_unified } => station.spot(*user, *is_unified),
            Frame::Mids { dex } => station.positions.mids(dex, &station.scratch.mids),
            _ => {}
        }
        session.on_frame(&frame, now_ms);
        Ok(())
    }
}

impl Provided {
    fn hear(
        &mut self,
        text: &str,
        station: &mut Station,
        received_ns: u64,
        now_ms: u64,
    ) -> Result<(), DecodeError> {
        let frame = provider::decode(text, &mut self.scratch)?;
        let fills = &self.scratch.fills;
        self.order.clear();
        self.order.extend((0u32..).zip(fills).map(|(at, (user, _))| (*user, at)));
        self.order.sort_unstable();
        let mut rest = &self.order[..];
        // Fills of one account in one frame are one input, in the order of the frame.
        while let Some((user, _)) = rest.first() {
            let (own, after) = rest.split_at(rest.partition_point(|(other, _)| other <= user));
            self.fills.clear();
            self.fills.extend(own.iter().map(|(_, at)| fills[*at as usize].1));
            // Past fills of a provider are no snapshot of an account: they may begin anywhere.
            station.fills(*user, false, &self.fills, received_ns);
            rest = after;
        }
        self.session.on_frame(&frame, now_ms);
        Ok(())
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
