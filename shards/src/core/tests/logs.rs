//! Random journals, by seed: a few traders on a few coins, heard through a network that repeats, reverses, drops and
//! delays, with every kind of input, also such as no healthy runtime would write.

use super::*;
use crate::fill::Liquidation;
use crate::input::Baseline;

/// Numbers from a seed (SplitMix64, public domain).
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// One record of a journal.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) now_ns: u64,
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

impl Record {
    pub(super) fn new(now_ns: u64, input: &Input<'_>) -> Record {
        let mut body = Vec::new();
        codec::encode_input(input, &mut body);
        Record { now_ns, kind: codec::input_kind(input), body }
    }

    /// Steps `core` with this record; the bytes of the events.
    pub(super) fn apply(&self, core: &mut Core, scratch: &mut Scratch) -> Vec<Vec<u8>> {
        let input = codec::decode_input(self.kind, &self.body, scratch).expect("our own record");
        let mut taken = Taken::default();
        core.step(self.now_ns, &input, &mut taken);
        taken.events
    }
}

/// A trader: what happened to it, whether or not anybody heard.
struct Trader {
    address: Address,
    history: Vec<Fill>,
    positions: [i64; 3],
    /// Fills of the history that were sent.
    sent: usize,
}

/// What makes a journal.
pub(super) struct Market {
    rng: Rng,
    traders: Vec<Trader>,
    now_ns: u64,
    block_ms: u64,
    trades: u64,
    /// Whether an order id belongs to one trader, as at the venue.
    pub(super) own_oids: bool,
}

const COINS: [&str; 3] = ["BTC", "xyz:CL", "@7"];

impl Market {
    /// With one to four traders.
    pub(super) fn new(seed: u64) -> Market {
        let mut rng = Rng::new(seed);
        let count = 1 + rng.below(4);
        let traders = (0..count).map(|n| Trader {
            address: Address([7 + 31 * n as u8; 20]),
            history: Vec::new(),
            positions: [0; 3],
            sent: 0,
        });
        let traders = traders.collect();
        let start_ns = 1_000_000 * SECOND;
        Market { rng, traders, now_ns: start_ns, block_ms: 1_000_000, trades: 0, own_oids: false }
    }

    /// Its traders.
    pub(super) fn addresses(&self) -> Vec<Address> {
        self.traders.iter().map(|trader| trader.address).collect()
    }

    /// Fills happen to a trader.
    fn trade(&mut self, who: usize) {
        for _ in 0..1 + self.rng.below(4) {
            let rng = &mut self.rng;
            self.block_ms += [0, 0, 1, 2, 700][rng.below(5)];
            self.trades += 1;
            let trader = &mut self.traders[who];
            let coin = rng.below(COINS.len());
            let lots = 1 + rng.below(9) as i64;
            let is_buy = rng.one_in(2);
            let (start, side) = (trader.positions[coin], if is_buy { "B" } else { "A" });
            trader.positions[coin] += if is_buy { lots } else { -lots };
            let base = fill(COINS[coin], side, &lots.to_string(), "3.5", &start.to_string());
            let shared = !self.own_oids && rng.one_in(4);
            let oid = if shared { 5 } else { 10 + 10 * who as u64 + rng.below(5) as u64 };
            let mut fill = Fill { oid, tid: self.trades, time_ms: self.block_ms, ..base };
            match rng.below(12) {
                0 => fill.dir = Dir::new("Settlement"),
                1 => fill.dir = Dir::new("Merge Question of a very long name"),
                2 => fill.cloid = Some([self.trades as u8; 16]),
                3 => fill.fee_token = "USDH".into(),
                4 => {
                    let user = self.traders[rng.below(self.traders.len())].address;
                    fill.liquidation = Some(Liquidation { user, method: "market".into() });
                }
                5 if coin == 2 => {
                    fill = Fill { tid: 0, dir: Dir::new("Spot Dust Conversion"), ..fill };
                }
                6 => fill.closed_pnl = Decimal::new(-17, 1),
                _ => {}
            }
            self.traders[who].history.push(fill);
        }
    }

    fn wait(&mut self) {
        let waits = [0, 0, 1, MS, MS, 20 * MS, 150 * MS, SECOND, 3 * SECOND, 31 * SECOND];
        self.now_ns += match self.rng.below(40) {
            0 => 310 * SECOND,
            1 => 700 * SECOND,
            2 => 26 * 3600 * SECOND,
            _ => self.rng.pick(&waits),
        };
        self.block_ms = self.block_ms.max(self.now_ns / 1_000_000 - 1_000);
    }

    /// The journal's next record; `core` is the state before it.
    pub(super) fn next(&mut self, core: &Core) -> Record {
        self.wait();
        let who = self.rng.below(self.traders.len());
        let address = self.traders[who].address;
        let now_ns = self.now_ns;
        let record = |input: &Input<'_>| Record::new(now_ns, input);
        match self.rng.below(40) {
            0..=13 => self.live(who),
            14..=17 => self.snapshot(who, core),
            18..=19 => self.backfill(who),
            20..=24 => self.statuses(who),
            25..=27 => {
                let start = self.rng.pick(&[StartFrom::Now, StartFrom::Snapshot]);
                record(&Input::Watch { address, start })
            }
            28 => record(&Input::Unwatch { address }),
            29 if self.rng.one_in(2) => self.joined(address),
            29 => record(&Input::Disconnected { address }),
            30 => record(&Input::Started),
            31 => record(&Input::BackfillFailed { address }),
            32 => self.worth(address),
            33 => self.symbols(),
            34 => record(&Input::Policy(self.policy())),
            35..=36 => record(&Input::Check { digest: core.digest() }),
            _ => record(&Input::Tick),
        }
    }

    fn fills(&self, who: usize, origin: Origin, fills: &[Fill]) -> Record {
        let address = self.traders[who].address;
        Record::new(self.now_ns, &Input::Fills { address, origin, fills })
    }

    fn live(&mut self, who: usize) -> Record {
        self.trade(who);
        let trader = &mut self.traders[who];
        let mut frame = trader.history[trader.sent..].to_vec();
        trader.sent = trader.history.len();
        match self.rng.below(12) {
            0 => frame.reverse(),
            1 => frame.clear(),
            2 => frame.truncate(1),
            3 => frame.extend(frame.clone()),
            4 => {
                let at = self.rng.below(self.traders[who].history.len());
                frame.push(self.traders[who].history[at]);
            }
            5 => frame[0].sz = self.rng.pick(&[Decimal::ZERO, Decimal::new(i128::MAX, 0)]),
            _ => {}
        }
        self.fills(who, Origin::Live, &frame)
    }

    fn snapshot(&mut self, who: usize, core: &Core) -> Record {
        let trader = &self.traders[who];
        let from = trader.history.len() - self.rng.below(trader.history.len() + 1);
        let page = trader.history[if self.rng.one_in(3) { from } else { 0 }..].to_vec();
        let address = trader.address;
        let mut admitted = Admitted::default();
        match core.admit(&address, true, &page, &mut admitted) {
            Admission::Baseline => {
                let baseline = admitted.baseline();
                let none = Baseline { newest_ms: 0, newest: &[], chain: &[], orders: &[] };
                let baseline = if self.rng.one_in(8) { none } else { baseline };
                Record::new(self.now_ns, &Input::Baseline { address, baseline })
            }
            _ => {
                let last = !self.rng.one_in(6);
                let reaches = !self.rng.one_in(3);
                self.fills(who, Origin::Snapshot { last, reaches }, &page)
            }
        }
    }

    fn backfill(&mut self, who: usize) -> Record {
        let history = &self.traders[who].history;
        let from = self.rng.below(history.len() + 1);
        let page = history[from..].to_vec();
        let last = !self.rng.one_in(4);
        self.fills(who, Origin::Backfill { last }, &page)
    }

    fn statuses(&mut self, who: usize) -> Record {
        let mut list = Vec::new();
        for _ in 0..1 + self.rng.below(3) {
            let oid = match self.rng.below(5) {
                0 if !self.own_oids => 5,
                n => 10 + 10 * who as u64 + n as u64,
            };
            let of_order = self.traders[who].history.iter().filter(|fill| fill.oid == oid);
            let filled = of_order.fold(Decimal::ZERO, |sum, fill| {
                sum.checked_add(fill.sz).expect("a few small sizes")
            });
            let more = Decimal::from(self.rng.below(3) as u64);
            let status = self.rng.pick(&["filled", "canceled", "marginCanceled", "open"]);
            let orig_sz = filled.checked_add(more).expect("small");
            let sz = if self.rng.one_in(2) { more } else { Decimal::ZERO };
            list.push(OrderStatus { oid, status: Label::new(status), orig_sz, sz, time_ms: 1 });
        }
        Record::new(self.now_ns, &Input::Statuses(&list))
    }

    /// A source without snapshots feeds the trader, from some time on or as if nothing had been missed.
    fn joined(&mut self, address: Address) -> Record {
        let at_ms = self.block_ms.saturating_sub([0, 1, 5_000][self.rng.below(3)]);
        let continues = self.rng.one_in(2);
        Record::new(self.now_ns, &Input::Joined { address, at_ms, continues })
    }

    fn worth(&mut self, address: Address) -> Record {
        let value = |rng: &mut Rng| match rng.below(4) {
            0 => None,
            1 => Some(Decimal::new(-5, 1)),
            _ => Some(Decimal::new(1_000 + rng.below(9_000) as i128, 1)),
        };
        let (account_value, spot_total) = (value(&mut self.rng), value(&mut self.rng));
        Record::new(self.now_ns, &Input::Worth { address, account_value, spot_total })
    }

    fn symbols(&mut self) -> Record {
        let coin = self.rng.pick(&COINS);
        let entry = SymbolEntry {
            coin: coin.into(),
            symbol: self.rng.pick(&["AUSDC", "BUSDC", "a symbol with a long name"]).into(),
            asset_type: self.rng.pick(&[AssetType::Futures, AssetType::Spot]),
            coin_type: self.rng.pick(b"ABCD"),
        };
        Record::new(self.now_ns, &Input::Symbols(&[entry]))
    }

    fn policy(&mut self) -> Policy {
        let rng = &mut self.rng;
        Policy {
            emit: rng.pick(&[Emit::Order, Emit::Frame]),
            emit_final: rng.one_in(2),
            timeout_ns: rng.pick(&[0, 40 * SECOND, 300 * SECOND]),
            status_grace_ns: rng.pick(&[0, 2 * SECOND]),
            status_ttl_ns: rng.pick(&[0, 10 * SECOND, 600 * SECOND]),
            dedup_window_ms: rng.pick(&[0, 5, 10_000, 1_800_000]),
        }
    }
}

/// The journal of `seed`: it begins with watching, and has `len` records.
pub(super) fn log(seed: u64, len: usize) -> Vec<Record> {
    log_of(Market::new(seed), len)
}

/// The journal of a market.
pub(super) fn log_of(mut market: Market, len: usize) -> Vec<Record> {
    let mut core = Core::new();
    let mut scratch = Scratch::default();
    let mut log = Vec::new();
    for who in 0..market.traders.len() {
        let address = market.traders[who].address;
        let start = market.rng.pick(&[StartFrom::Now, StartFrom::Snapshot]);
        let watch = Record::new(market.now_ns, &Input::Watch { address, start });
        watch.apply(&mut core, &mut scratch);
        let snapshot = market.snapshot(who, &core);
        snapshot.apply(&mut core, &mut scratch);
        log.extend([watch, snapshot]);
    }
    while log.len() < len {
        let record = market.next(&core);
        record.apply(&mut core, &mut scratch);
        log.push(record);
    }
    log
}
