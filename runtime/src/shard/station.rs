//! What a shard owns besides its connections: core, journal, outbox, caches. Every input goes through
//! [`Station::apply`], and nowhere else.

use std::collections::VecDeque;
use std::io;

use foldhash::{HashMap, HashMapExt};
use net::hyperliquid::AccountState;
use net::hyperliquid::frame::Scratch;
use net::hyperliquid::provider;
use persist::Position;
use persist::journal::{Intake, Journal};
use shards::codec::{encode_event, encode_input, event_kind, input_kind};
use shards::input::FILLS_PER_INPUT_MAX;
use shards::{
    Address, Admission, Admitted, Core, Effects, Event, Fill, Input, OrderStatus, Origin, Request,
    SymbolEntry,
};

use super::CacheSizes;
use super::by_account::ByAccount;
use super::message::{LinkNews, Reply, Report};
use super::names::{Name, Names};
use super::outbox::Outbox;
use super::positions::{PositionRow, Positions, Worth};
use crate::diag::reason;
use crate::lane::channel::Sender;
use crate::lane::clock::Clock;

/// Most replies that wait for room in the ring to control before news is dropped that only the log wants.
const REPLIES_MAX: usize = 4096;
/// Most that wait before orders are not asked about any more: their time-outs end them, as when REST does not answer.
const STATUSES_WAITING_MAX: usize = 1 << 16;

/// After this long without input the journal is sealed.
const SEAL_AFTER_NS: u64 = 10_000_000;

/// One shard's state and its way out.
pub(super) struct Station {
    pub(super) core: Core,
    pub(super) journal: Journal,
    pub(super) outbox: Outbox,
    pub(super) clock: Clock,
    pub(super) scratch: Scratch,
    /// Of providers' frames.
    pub(super) provided: provider::Scratch,
    pub(super) by_account: ByAccount,
    pub(super) report: Report,
    pub(super) positions: Positions,
    names: Names,
    /// Inputs between two journaled digests of the state.
    pub(super) check_every: u64,
    /// Whether there is space for segments, as far as control knows.
    pub(super) space: bool,
    /// Inputs since the last digest.
    unchecked: u64,
    admitted: Admitted,
    replies: Sender<Reply>,
    waiting: VecDeque<Reply>,
    /// What control has ordered of accounts.
    watches: HashMap<Address, Watch>,
    /// Accounts that are followed as soon as this seq is durable, if nothing has happened to them by then: their baselines
    /// must not be lost.
    followed: VecDeque<(u64, Address, Watch)>,
    event_body: Vec<u8>,
    row_body: Vec<u8>,
    /// When the last input came; 0 when the journal is sealed behind it.
    unsealed_since_ns: u64,
}

/// An order to watch an account.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Watch {
    /// Control's, of the order.
    ticket: u64,
    /// How often the account's connection was lost since.
    losses: u32,
}

/// The effects of one input, on their way into batch and outbox.
struct Out<'a> {
    journal: &'a mut Journal,
    outbox: &'a mut Outbox,
    waiting: &'a mut VecDeque<Reply>,
    body: &'a mut Vec<u8>,
    seq: u64,
    now_ns: u64,
    received_ns: u64,
}

impl Effects for Out<'_> {
    fn event(&mut self, event: &Event) {
        if let Event::Gap(gap) = event {
            self.waiting.push_back(Reply::Link(LinkNews::Gap(*gap)));
        }
        self.body.clear();
        encode_event(event, self.body);
        let kind = event_kind(event);
        let body = &*self.body;
        let index =
            self.journal.push_event(kind, self.now_ns, |batch| batch.extend_from_slice(body));
        self.outbox.hold(kind, Position { seq: self.seq, index }, self.received_ns, body);
    }

    fn request(&mut self, request: Request) {
        self.waiting.push_back(Reply::Request(request));
    }
}

impl Station {
    /// A shard behind its replayed journal.
    pub(super) fn new(
        core: Core,
        journal: Journal,
        outbox: Outbox,
        clock: Clock,
        replies: Sender<Reply>,
        caches: CacheSizes,
    ) -> Station {
        Station {
            core,
            journal,
            outbox,
            clock,
            scratch: Scratch::default(),
            provided: provider::Scratch::default(),
            by_account: ByAccount::default(),
            report: Report::default(),
            positions: Positions::new(caches.prices),
            names: Names::new(caches.symbols),
            check_every: u64::MAX,
            space: true,
            unchecked: 0,
            admitted: Admitted::default(),
            replies,
            waiting: VecDeque::new(),
            watches: HashMap::new(),
            followed: VecDeque::new(),
            event_body: Vec::new(),
            row_body: Vec::new(),
            unsealed_since_ns: 0,
        }
    }

    /// Journals one input and applies it; now and then, the digest of the state behind it, for replays to compare.
    pub(super) fn apply(&mut self, input: &Input<'_>, received_ns: u64) {
        self.take(input, received_ns);
        self.unchecked += 1;
        if self.unchecked >= self.check_every {
            self.unchecked = 0;
            self.take(&Input::Check { digest: self.core.digest() }, 0);
        }
    }

    fn take(&mut self, input: &Input<'_>, received_ns: u64) {
        match input {
            Input::Unwatch { address } => drop(self.watches.remove(address)),
            Input::Disconnected { address } => {
                if let Some(watch) = self.watches.get_mut(address) {
                    watch.losses = watch.losses.wrapping_add(1);
                }
            }
            _ => {}
        }
        let now_ns = self.clock.wall_ns();
        self.unsealed_since_ns = now_ns;
        let seq =
            self.journal.push_input(input_kind(input), now_ns, |body| encode_input(input, body));
        let mut out = Out {
            journal: &mut self.journal,
            outbox: &mut self.outbox,
            waiting: &mut self.waiting,
            body: &mut self.event_body,
            seq,
            now_ns,
            received_ns,
        };
        self.core.step(now_ns, input, &mut out);
    }

    /// Whether new accounts may be followed. When the disk is full the segments at hand are for those that are.
    pub(super) fn takes_new_work(&self) -> bool {
        self.space || self.journal.intake() == Intake::Open
    }

    /// The fills of a frame, from [`Station::scratch`].
    pub(super) fn frame_fills(&mut self, user: Address, snapshot: bool, received_ns: u64) {
        self.report.fill_frames += u64::from(!snapshot);
        let fills = std::mem::take(&mut self.scratch.fills);
        self.fills(user, snapshot, &fills, received_ns);
        self.scratch.fills = fills;
    }

    /// Fills of an account, from a frame or from a feeder.
    pub(super) fn fills(
        &mut self,
        address: Address,
        snapshot: bool,
        fills: &[Fill],
        received_ns: u64,
    ) {
        let mut admitted = std::mem::take(&mut self.admitted);
        let admission = self.core.admit(&address, snapshot, fills, &mut admitted);
        self.report.duplicates += admitted.known;
        self.report.unsound += admitted.unsound;
        if admitted.unsound > 0
            && let Some(bad) = fills.iter().find(|fill| !fill.is_sound())
        {
            let fill = format!("{} size {} price {}", bad.coin, bad.sz, bad.px);
            self.news(LinkNews::Unsound { address, fill, count: admitted.unsound });
        }
        match admission {
            Admission::NotWatched | Admission::Nothing => {}
            Admission::Baseline => {
                let baseline = admitted.baseline();
                self.apply(&Input::Baseline { address, baseline }, received_ns);
            }
            Admission::Fills { reaches } => {
                let origin = |last| match snapshot {
                    true => Origin::Snapshot { last, reaches },
                    false => Origin::Live,
                };
                self.split(address, &admitted.fills, origin, received_ns);
            }
        }
        self.admitted = admitted;
    }

    /// Before fills are applied the core is told what their coins are called, if it knows that not or otherwise. What is
    /// not at hand is asked for; the answer comes in time unless the order ends before it.
    fn name_coins(&mut self, fills: &[Fill]) {
        let mut before = None;
        for fill in fills {
            // Fills of an order, which have one coin, come together.
            if before.replace(fill.coin) == Some(fill.coin) {
                continue;
            }
            match self.names.of(&fill.coin) {
                Name::Known(entry) if self.core.symbol(&fill.coin) != Some(&entry) => {
                    self.apply(&Input::Symbols(&[entry]), 0);
                }
                Name::Ask => self.reply(Reply::SymbolWanted { coin: fill.coin }),
                Name::Known(_) | Name::None => {}
            }
        }
    }

    /// Applies fills in inputs of bounded size; only the last one is marked as the last.
    fn split(
        &mut self,
        address: Address,
        fills: &[Fill],
        origin: impl Fn(bool) -> Origin,
        received_ns: u64,
    ) {
        self.name_coins(fills);
        let mut rest = fills;
        loop {
            let (fills, after) = rest.split_at(rest.len().min(FILLS_PER_INPUT_MAX));
            let origin = origin(after.is_empty());
            self.apply(&Input::Fills { address, origin, fills }, received_ns);
            if after.is_empty() {
                return;
            }
            rest = after;
        }
    }

    /// A page of a back-fill.
    pub(super) fn backfill(&mut self, address: Address, fills: &[Fill], last: bool) {
        let mut admitted = std::mem::take(&mut self.admitted);
        self.core.admit(&address, false, fills, &mut admitted);
        self.report.duplicates += admitted.known;
        self.report.unsound += admitted.unsound;
        // The end of a back-fill matters even when it brought nothing.
        let origin = |end| Origin::Backfill { last: last && end };
        self.split(address, &admitted.fills, origin, 0);
        self.admitted = admitted;
    }

    /// The statuses of a frame, from [`Station::scratch`].
    pub(super) fn frame_statuses(&mut self, received_ns: u64) {
        let statuses = std::mem::take(&mut self.scratch.statuses);
        self.statuses(&statuses, received_ns);
        self.scratch.statuses = statuses;
    }

    /// Order statuses, from a frame or from REST.
    pub(super) fn statuses(&mut self, statuses: &[OrderStatus], received_ns: u64) {
        let mut admitted = std::mem::take(&mut self.admitted);
        if self.core.admit_statuses(statuses, &mut admitted) {
            // As with fills, one input and its events fit a batch.
            for part in admitted.statuses.chunks(FILLS_PER_INPUT_MAX) {
                self.apply(&Input::Statuses(part), received_ns);
            }
        }
        self.admitted = admitted;
    }

    /// The perpetual state of an account, from [`Station::scratch`].
    pub(super) fn account(&mut self, state: &AccountState) {
        // A frame that was under way when the account was let go must not bring it back.
        if !self.core.is_watched(&state.user) {
            return;
        }
        let (dexs, text) = (&self.scratch.dexs, &self.scratch.text);
        if let Some(row) = self.positions.perps(&state.user, dexs, text) {
            send_row(row, &mut self.row_body, &mut self.outbox);
        }
        self.tell_worth(state.user);
    }

    /// The spot state of an account, from [`Station::scratch`].
    pub(super) fn spot(&mut self, user: Address, is_unified: bool) {
        if !self.core.is_watched(&user) {
            return;
        }
        let (balances, text) = (&self.scratch.balances, &self.scratch.text);
        if let Some(row) = self.positions.spot(&user, is_unified, balances, text) {
            send_row(row, &mut self.row_body, &mut self.outbox);
        }
        self.tell_worth(user);
    }

    /// Tells the core what an account is worth, if it knows otherwise. What is not known leaves it with what it had.
    fn tell_worth(&mut self, address: Address) {
        let Worth { account_value, spot_total } = self.positions.worth(&address);
        if self.core.admits_worth(&address, account_value, spot_total) {
            self.apply(&Input::Worth { address, account_value, spot_total }, 0);
        }
    }

    /// What the symbol table says. It is kept at hand. To the core it is told when a coin is traded; but of a coin that was
    /// traded before, at once: its next signal may come without another fill.
    pub(super) fn symbols(&mut self, entries: &[SymbolEntry]) {
        /// Entries in one input: some 100 bytes each.
        const ENTRIES_PER_INPUT_MAX: usize = 1000;
        let mut news: Vec<SymbolEntry> = Vec::new();
        for entry in entries {
            let was_wanted = self.names.take(entry);
            match self.core.symbol(&entry.coin) {
                Some(known) if known != entry => news.push(*entry),
                None if was_wanted => news.push(*entry),
                _ => {}
            }
        }
        news.chunks(ENTRIES_PER_INPUT_MAX).for_each(|part| self.apply(&Input::Symbols(part), 0));
    }

    /// Lets time pass: time-outs that are due, and the seal of a journal that has come to rest.
    pub(super) fn tick(&mut self) {
        let now_ns = self.clock.wall_ns();
        if self.core.next_deadline_ns().is_some_and(|deadline_ns| deadline_ns <= now_ns) {
            self.apply(&Input::Tick, 0);
        }
        if self.unsealed_since_ns != 0 && now_ns >= self.unsealed_since_ns + SEAL_AFTER_NS {
            self.seal();
        }
    }

    /// Asks for the seal.
    pub(super) fn seal(&mut self) {
        self.unsealed_since_ns = 0;
        self.journal.seal();
    }

    /// Nanoseconds until [`Station::tick`] has something to do.
    pub(super) fn due_in_ns(&mut self) -> Option<u64> {
        let now_ns = self.clock.wall_ns();
        let seal_ns =
            (self.unsealed_since_ns != 0).then_some(self.unsealed_since_ns + SEAL_AFTER_NS);
        let deadline_ns = self.core.next_deadline_ns();
        let first_ns = [seal_ns, deadline_ns].into_iter().flatten().min()?;
        Some(first_ns.saturating_sub(now_ns))
    }

    /// Says something to control. By what a connection does control knows who is followed: that is never dropped.
    pub(super) fn reply(&mut self, reply: Reply) {
        let waiting_max = match &reply {
            Reply::Link(
                LinkNews::Up { .. }
                | LinkNews::Down { .. }
                | LinkNews::Left { .. }
                | LinkNews::Gap(_),
            ) => usize::MAX,
            Reply::Link(_) => REPLIES_MAX,
            Reply::StatusWanted { .. } => STATUSES_WAITING_MAX,
            _ => usize::MAX,
        };
        if self.waiting.len() < waiting_max {
            self.waiting.push_back(reply);
        }
    }

    /// Control has ordered an account to be watched.
    pub(super) fn watches(&mut self, address: Address, ticket: u64) {
        self.watches.insert(address, Watch { ticket, losses: 0 });
    }

    /// The ticket of the order that an account is watched by.
    pub(super) fn ticket(&self, address: &Address) -> Option<u64> {
        self.watches.get(address).map(|watch| watch.ticket)
    }

    /// Says that an account is followed, once what made it so is durable.
    pub(super) fn follows(&mut self, address: Address) {
        if let Some(watch) = self.watches.get(&address) {
            self.followed.push_back((self.journal.next_seq() - 1, address, *watch));
        }
    }

    /// Says that an account is followed no longer, though its connection lives.
    pub(super) fn unfollows(&mut self, address: Address) {
        self.followed.retain(|(_, followed, _)| *followed != address);
        self.reply(Reply::Unfollowed(address));
    }

    /// Says what happened to a connection.
    pub(super) fn news(&mut self, news: LinkNews) {
        self.reply(Reply::Link(news));
    }

    /// Sends the replies that wait.
    pub(super) fn send_replies(&mut self) {
        while let Some(order) = self.journal.segment_wanted() {
            self.waiting.push_back(Reply::SegmentWanted(order));
        }
        let durable_seq = self.journal.durable_seq();
        while let Some((seq, address, watch)) = self.followed.front().copied() {
            if seq > durable_seq {
                break;
            }
            self.followed.pop_front();
            // Let go, or its connection lost: that was said already, and it must not be followed again after it.
            if self.watches.get(&address) == Some(&watch) {
                let ticket = watch.ticket;
                self.waiting.push_back(Reply::Followed { address, ticket });
            }
        }
        while self.replies.room() > 0 {
            let Some(reply) = self.waiting.pop_front() else { return };
            if let Err(reply) = self.replies.send(reply) {
                self.waiting.push_front(reply);
                return;
            }
        }
    }

    /// Whether replies wait for room.
    pub(super) fn has_replies(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The counters now.
    pub(super) fn report(&mut self) -> Report {
        self.report.counts = self.core.counts();
        self.report.orders = self.core.orders() as u64;
        self.report.unsignalled = self.core.unsignalled() as u64;
        self.report.symbols = self.names.counts();
        self.report.prices = self.positions.price_counts();
        self.report.positions = self.positions.counts();
        self.report.durable_seq = self.journal.durable_seq();
        self.report.spares = self.journal.spare_segments() as u64;
        self.report.ring_full = self.outbox.ring_full();
        self.report
    }
}

fn send_row(row: &PositionRow, body: &mut Vec<u8>, outbox: &mut Outbox) {
    body.clear();
    row.encode(body);
    // No room: the next state of this account brings another row.
    let _ = outbox.row(body);
}

/// A system call's failure, in words that name what was tried.
pub(super) fn failed(what: &str, error: &io::Error) -> String {
    format!("{what}: {}", reason(error))
}

#[cfg(test)]
mod tests;
