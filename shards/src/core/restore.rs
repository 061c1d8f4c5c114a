//! From bytes to the state of a shard. The table of the bytes is in `snapshot.rs`.
//!
//! What is accepted is a state that steps can go on from: every link leads somewhere, every list has its order and no
//! item twice, every sum has room, every time that is subtracted from the present is past. What is not the one form of a
//! state is refused. Room grows with what is really there, never with what a count claims; checks for repeats sort,
//! so that no bytes make them slow.

use super::account::{Account, FillKey, Names};
use super::chain::Stand;
use super::hold::Hold;
use super::leg::{Leg, LegKey, LegKind, Open, is_sum};
use super::order::{Order, Terminal};
use super::snapshot::VERSION;
use super::timers::Owner;
use super::{Core, Counts, WAITING_STATUSES_MAX, Waiting};
use crate::codec::{ASSETS, CodecError, DIRECTIONS, REASONS, Reader, SIDES};
use crate::decimal::Decimal;
use crate::fill::TIME_MS_MAX;
use crate::input::StartFrom;
use crate::text::Label;

/// Why bytes are not the state of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StateError {
    /// The bytes are of another version of the program.
    #[error("the state has format {version}; this program reads format {VERSION}")]
    Version {
        /// The format found.
        version: u8,
    },
    /// The bytes end before the state does.
    #[error("the state ends early, at byte {at}")]
    Short {
        /// Offset in the bytes.
        at: usize,
    },
    /// Something that no shard's state has.
    #[error("byte {at} of the state is not a valid {what}")]
    Invalid {
        /// Offset of the last byte of what was read.
        at: usize,
        /// What was expected there.
        what: &'static str,
    },
}

impl From<CodecError> for StateError {
    fn from(error: CodecError) -> StateError {
        match error {
            CodecError::Short { at } => StateError::Short { at },
            CodecError::Invalid { at, what } => StateError::Invalid { at, what },
            CodecError::Kind { .. } => unreachable!("a state has no record kinds"),
        }
    }
}

/// Counts only grow by one: half of their room is for ever.
const COUNT_MAX: u64 = u64::MAX / 2;
const COUNT32_MAX: u32 = u32::MAX / 2;

type Read<T> = Result<T, CodecError>;

impl Core {
    /// The state that [`Core::encode`] wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are not the one form of a state, of this version. Nothing that they contain makes this panic, or take
    /// more memory than some 64 times their length.
    pub fn decode(bytes: &[u8]) -> Result<Core, StateError> {
        let mut r = Reader::new(bytes);
        let version = r.byte()?;
        if version != VERSION {
            return Err(StateError::Version { version });
        }
        let mut core = Core::new();
        core.read_head(&mut r)?;
        core.read_names(&mut r)?;
        core.read_symbols(&mut r)?;
        core.read_waiting(&mut r)?;
        core.read_accounts(&mut r)?;
        core.read_orders(&mut r)?;
        r.end()?;
        core.arm();
        Ok(core)
    }

    fn read_head(&mut self, r: &mut Reader<'_>) -> Read<()> {
        self.now_ns = r.varint()?;
        self.generation = count(r)?;
        self.digest = u64::from_le_bytes(r.array()?);
        self.counts =
            Counts { fills: count(r)?, signals: count(r)?, gaps: count(r)?, backfills: count(r)? };
        self.policy = r.policy()?;
        Ok(())
    }

    fn read_names(&mut self, r: &mut Reader<'_>) -> Read<()> {
        for _ in 0..r.varint()? {
            let name: Label = r.text()?;
            check(r, self.names.add(name), "name that is new")?;
        }
        Ok(())
    }

    fn read_symbols(&mut self, r: &mut Reader<'_>) -> Read<()> {
        let mut last = None;
        for _ in 0..r.varint()? {
            let entry = r.symbol()?;
            check(r, last.is_none_or(|last| last < entry.coin), "coin that follows")?;
            last = Some(entry.coin);
            self.symbols.insert(entry.coin, entry);
        }
        Ok(())
    }

    fn read_waiting(&mut self, r: &mut Reader<'_>) -> Read<()> {
        let mut last_ns = 0;
        for _ in 0..r.varint()? {
            let (oid, queued_ns, heard_ns) = (r.varint()?, r.varint()?, r.varint()?);
            let in_turn = last_ns <= queued_ns && queued_ns <= heard_ns && heard_ns <= self.now_ns;
            check(r, in_turn, "time of a waiting status")?;
            last_ns = queued_ns;
            let waiting = Waiting { terminal: terminal(r)?, heard_ns };
            let is_new = self.waiting.insert(oid, waiting).is_none();
            check(r, is_new && self.waiting.len() <= WAITING_STATUSES_MAX, "waiting status")?;
            self.waiting_order.push_back((queued_ns, oid));
        }
        Ok(())
    }

    fn read_accounts(&mut self, r: &mut Reader<'_>) -> Read<()> {
        for _ in 0..r.varint()? {
            let account = account(r, &self.names)?;
            let address = account.address;
            let key = self.accounts.insert(account);
            let is_new = self.by_address.insert(address, key).is_none();
            check(r, is_new, "account that is new")?;
        }
        Ok(())
    }

    fn read_orders(&mut self, r: &mut Reader<'_>) -> Read<()> {
        let mut generation = 0u64;
        let mut kinds = Vec::new();
        let mut owners = Vec::new();
        for _ in 0..r.varint()? {
            let since = r.varint()?;
            generation = generation.saturating_add(since);
            check(r, since > 0 && generation <= self.generation, "generation")?;
            let mut order = self.read_order(r, generation)?;
            let has_unsignalled = self.read_legs(r, &mut order, &mut kinds)?;
            check(r, has_unsignalled == (order.unsignalled_ns != 0), "time of unsignalled fills")?;
            self.unsignalled += usize::from(has_unsignalled);
            owners.push((order.oid, order.account));
            // The newest stands first in the list of those that share an oid.
            order.same_oid = self.by_oid.get(&order.oid).copied();
            let oid = order.oid;
            let key = self.orders.insert(order);
            self.by_oid.insert(oid, key);
        }
        owners.sort_unstable();
        let is_once = owners.windows(2).all(|pair| pair[0] != pair[1]);
        check(r, is_once, "list of orders, each of them once")
    }

    fn read_order(&self, r: &mut Reader<'_>, generation: u64) -> Read<Order> {
        let account = r.varint()?;
        check(r, account < self.accounts.len() as u64, "account of an order")?;
        let account = account as usize;
        let oid = r.varint()?;
        let flags = r.flags(7, "order flags")?;
        let (coin, filled) = (r.text()?, sum(r)?);
        let [unsignalled_ns, grace_from_ns, touched_ns, armed_ns] =
            [r.varint()?, r.varint()?, r.varint()?, r.varint()?];
        // Time 0 counts as 1 where 0 says that there is none.
        let is_past = unsignalled_ns <= self.now_ns.max(1) && touched_ns <= self.now_ns;
        check(r, is_past && armed_ns != 0, "time of an order")?;
        let cloid = if flags & 2 != 0 { Some(r.array()?) } else { None };
        let terminal = if flags & 4 != 0 { Some(terminal(r)?) } else { None };
        Ok(Order {
            account,
            oid,
            generation,
            coin,
            cloid,
            same_oid: None,
            first_leg: None,
            filled,
            partial_history: flags & 1 != 0,
            terminal,
            unsignalled_ns,
            grace_from_ns,
            touched_ns,
            armed_ns,
            is_touched: false,
        })
    }

    /// Reads the legs of `order`; whether any has unsignalled fills. `kinds` is scratch.
    fn read_legs<'b>(
        &mut self,
        r: &mut Reader<'b>,
        order: &mut Order,
        kinds: &mut Vec<&'b [u8]>,
    ) -> Read<bool> {
        kinds.clear();
        let mut last: Option<LegKey> = None;
        let mut has_unsignalled = false;
        for _ in 0..r.varint()? {
            let start = r.rest();
            let kind = leg_kind(r)?;
            kinds.push(r.since(start));
            let leg = leg(r, kind)?;
            has_unsignalled |= leg.open.fills > 0;
            let key = self.legs.insert(leg);
            match last {
                Some(last) => self.legs[last].next = Some(key),
                None => order.first_leg = Some(key),
            }
            last = Some(key);
        }
        kinds.sort_unstable();
        let is_once = kinds.windows(2).all(|pair| pair[0] != pair[1]);
        check(r, last.is_some() && is_once, "list of legs, each of them once")?;
        Ok(has_unsignalled)
    }

    /// Sets the timers that the owners say are set.
    pub(super) fn arm(&mut self) {
        let accounts = self.accounts.iter().map(|(key, a)| (a.armed_ns, Owner::Account(key)));
        let orders = self.orders.iter().map(|(key, order)| {
            (order.armed_ns, Owner::Order { generation: order.generation, key })
        });
        let armed = accounts.chain(orders).filter(|(deadline_ns, _)| *deadline_ns != 0);
        self.timers = armed.collect();
    }
}

fn check(r: &Reader<'_>, holds: bool, what: &'static str) -> Read<()> {
    if holds { Ok(()) } else { r.invalid(what) }
}

fn count(r: &mut Reader<'_>) -> Read<u64> {
    let count = r.varint()?;
    check(r, count <= COUNT_MAX, "count")?;
    Ok(count)
}

fn count32(r: &mut Reader<'_>) -> Read<u32> {
    let count = r.varint32()?;
    check(r, count <= COUNT32_MAX, "count")?;
    Ok(count)
}

fn sum(r: &mut Reader<'_>) -> Read<Decimal> {
    let sum = r.decimal()?;
    check(r, is_sum(sum), "sum")?;
    Ok(sum)
}

fn terminal(r: &mut Reader<'_>) -> Read<Terminal> {
    let says_filled = r.flags(1, "end of an order")? == 1;
    let status = r.text()?;
    let filled = if says_filled { Some(r.decimal()?) } else { None };
    check(r, filled.is_none_or(|filled| !filled.is_negative()), "filled size")?;
    Ok(Terminal { status, filled })
}

fn account(r: &mut Reader<'_>, names: &Names) -> Read<Account> {
    let address = r.address()?;
    let flags = r.flags(255, "account flags")?;
    let has = |bit: u8| flags & bit != 0;
    let start = if has(2) { StartFrom::Snapshot } else { StartFrom::Now };
    let mut account = Account::new(address, start);
    account.watched = has(1);
    account.baselined = has(4);
    account.synced = has(8);
    account.joined = has(16);
    account.fed = has(128);
    account.floor_ms = r.varint()?;
    account.last_ms = r.varint()?;
    account.armed_ns = r.varint()?;
    account.baselined_ns = r.varint()?;
    (account.hold, account.blind) = hold(r)?;
    // Without a timer it would never end.
    check(r, account.hold.is_none() || account.armed_ns != 0, "hold")?;
    account.account_value = if has(32) { Some(r.decimal()?) } else { None };
    account.spot_total = if has(64) { Some(r.decimal()?) } else { None };
    for _ in 0..r.varint()? {
        let stand = Stand {
            coin: r.text()?,
            end: r.decimal()?,
            run_ms: r.varint()?,
            run_start: r.decimal()?,
            run_known: r.flags(1, "run")? == 1,
        };
        check(r, account.chain.restore(stand), "coin that follows")?;
    }
    for _ in 0..r.varint()? {
        let (coin, position) = (r.text()?, r.decimal()?);
        check(r, account.chain.restore_passed(coin, position), "position that follows")?;
    }
    let mut last = None;
    for _ in 0..r.varint()? {
        let oid = r.varint()?;
        check(r, last.is_none_or(|last| last < oid), "order that follows")?;
        last = Some(oid);
        account.baseline_orders.push((oid, sum(r)?));
    }
    for _ in 0..r.varint()? {
        let fill = r.fill()?;
        check(r, fill.is_sound(), "fill that is sound")?;
        account.held.push(fill);
    }
    keys(r, names, &mut account)?;
    Ok(account)
}

fn hold(r: &mut Reader<'_>) -> Read<(Option<Hold>, bool)> {
    let byte = r.byte()?;
    let kind = byte & 127;
    let hold = match kind {
        0 => None,
        1 => Some(Hold::Break { since_ns: r.varint()? }),
        2 | 5 => {
            let (since_ns, asked_ns, from_ms) = (r.varint()?, r.varint()?, r.varint()?);
            Some(Hold::Asked { since_ns, asked_ns, from_ms, joins: kind == 5 })
        }
        3 | 4 => Some(Hold::Rest { since_ns: r.varint()?, force: kind == 4 }),
        6 => Some(Hold::Snapshot { since_ns: r.varint()? }),
        7 => {
            let [since_ns, asked_ns, from_ms] = [r.varint()?, r.varint()?, r.varint()?];
            Some(Hold::Owed { since_ns, asked_ns, from_ms })
        }
        _ => return r.invalid("hold"),
    };
    Ok((hold, byte != kind))
}

fn keys(r: &mut Reader<'_>, names: &Names, account: &mut Account) -> Read<()> {
    /// Bytes of the shortest key.
    const KEY_BYTES_MIN: usize = 3;
    let (count, names) = (r.varint()?, names.len() as u64);
    let room = usize::try_from(count).unwrap_or(usize::MAX).min(r.rest() / KEY_BYTES_MIN);
    account.keys.reserve_exact(room);
    let mut last = FillKey { time_ms: 0, id: 0, coin: 0, dir: 0 };
    for at in 0..count {
        let time_ms = last.time_ms.saturating_add(r.varint()?);
        let zigzag = r.varint()?;
        let id = last.id.wrapping_add(zigzag >> 1 ^ (zigzag & 1).wrapping_neg());
        let coin = r.varint()?;
        let dir = if coin & 1 != 0 { r.varint()? } else { 0 };
        let is_named = coin >> 1 < names && (coin & 1 == 0 || dir < names);
        check(r, is_named && time_ms < TIME_MS_MAX, "key of a fill")?;
        let dir = if coin & 1 != 0 { dir as u32 + 1 } else { 0 };
        let key = FillKey { time_ms, id, coin: (coin >> 1) as u32, dir };
        check(r, at == 0 || last < key, "key that follows")?;
        account.keys.push_back(key);
        last = key;
    }
    Ok(())
}

fn leg_kind(r: &mut Reader<'_>) -> Read<LegKind> {
    Ok(LegKind {
        name: r.dir()?,
        direction: r.pick(&DIRECTIONS, "direction")?,
        side: r.pick(&SIDES, "side")?,
        asset_type: r.pick(&ASSETS, "asset type")?,
    })
}

fn leg(r: &mut Reader<'_>, kind: LegKind) -> Read<Leg> {
    let is_final = r.flags(1, "final")? == 1;
    let mut leg = Leg::new(kind, r.decimal()?);
    leg.is_final = is_final;
    (leg.size, leg.notional) = (sum(r)?, sum(r)?);
    leg.last_ms = r.varint()?;
    leg.revision = count32(r)?;
    let fills = count32(r)?;
    if fills > 0 {
        let reason = r.pick(&REASONS, "reason")?;
        let [size, notional, closed_pnl, fee] = [sum(r)?, sum(r)?, sum(r)?, sum(r)?];
        let (fee_token, first_ms) = (r.text()?, r.varint()?);
        leg.open = Open { fills, size, notional, first_ms, closed_pnl, fee, fee_token, reason };
    }
    Ok(leg)
}
