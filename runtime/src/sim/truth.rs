//! What a perfect monitor must emit, kept by the simulator from its own knowledge.
//!
//! A second, independent statement of how fills become legs (spec/monitor.md section 1): it shares
//! no code with the shard core, so that a mistake there cannot hide here. A leg is (address, oid,
//! direction); a fill that crosses zero counts once in each of its two legs. Nothing is ever
//! forgotten: memory grows with every order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use shards::fill::is_perp;
use shards::{Address, Decimal, Fill, Side};

/// One leg. Sizes and notionals are exact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TruthLeg {
    /// The account.
    pub address: Address,
    /// The order.
    pub oid: u64,
    /// Name of the direction: `Open Long`, `Sell`, or the venue's label where that says neither.
    pub direction: String,
    /// Size since the first subscription.
    pub size: Decimal,
    /// Sum of price x size since the first subscription.
    pub notional: Decimal,
    /// Fills since the first subscription. A leg that ended before has none.
    pub fills: u64,
    /// Whether the order had fills before the first subscription, in whatever direction.
    pub partial_history: bool,
    /// Size in the first snapshot.
    pub snapshot_size: Decimal,
    /// Sum of price x size in the first snapshot.
    pub snapshot_notional: Decimal,
    /// Fills in the first snapshot.
    pub snapshot_fills: u64,
    /// Whether fills of it are in a gap that cannot be filled: a monitor may have less.
    pub lossy: bool,
}

/// Fills that nobody can get any more, on any way: a monitor must say so.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TruthGap {
    /// The account.
    pub gap: String,
    /// The coin.
    pub coin: String,
    /// Time of the first fill that may be missing, Unix milliseconds.
    pub from_ms: u64,
    /// Time of the last one.
    pub to_ms: u64,
    /// How many.
    pub fills: u64,
}

/// All legs of the accounts that were subscribed, in the order (address, oid, direction).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Truth {
    /// The legs.
    pub legs: Vec<TruthLeg>,
    /// What is lost for good, by account and coin.
    pub gaps: Vec<TruthGap>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    address: String,
    oid: u64,
    direction: String,
    size: String,
    notional: String,
    fills: u64,
    partial_history: bool,
    snapshot_size: String,
    snapshot_notional: String,
    snapshot_fills: u64,
    #[serde(default)]
    lossy: bool,
}

impl Truth {
    /// One JSON object a line, decimals as strings.
    pub fn to_json_lines(&self) -> String {
        let mut text = String::new();
        for leg in &self.legs {
            let line = Line {
                address: leg.address.to_string(),
                oid: leg.oid,
                direction: leg.direction.clone(),
                size: leg.size.to_string(),
                notional: leg.notional.to_string(),
                fills: leg.fills,
                partial_history: leg.partial_history,
                snapshot_size: leg.snapshot_size.to_string(),
                snapshot_notional: leg.snapshot_notional.to_string(),
                snapshot_fills: leg.snapshot_fills,
                lossy: leg.lossy,
            };
            text.push_str(&serde_json::to_string(&line).expect("texts and numbers serialise"));
            text.push('\n');
        }
        for gap in &self.gaps {
            text.push_str(&serde_json::to_string(gap).expect("texts and numbers serialise"));
            text.push('\n');
        }
        text
    }

    /// Reads what [`Truth::to_json_lines`] wrote; an error names the line.
    pub fn from_json_lines(text: &str) -> Result<Truth, String> {
        let mut truth = Truth::default();
        for (i, line) in text.lines().enumerate() {
            match TruthLine::parse(line).map_err(|why| format!("line {}: {why}", i + 1))? {
                TruthLine::Leg(leg) => truth.legs.push(leg),
                TruthLine::Gap(gap) => truth.gaps.push(gap),
            }
        }
        Ok(truth)
    }

    /// Writes the file whole or not at all: a temporary file beside it, then a rename.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".tmp");
        let mut file = fs::File::create(&partial)?;
        file.write_all(self.to_json_lines().as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    }
}

/// One line of the truth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TruthLine {
    /// A leg.
    Leg(TruthLeg),
    /// What is lost for good.
    Gap(TruthGap),
}

impl TruthLine {
    /// Reads one line of what [`Truth::to_json_lines`] wrote.
    pub fn parse(line: &str) -> Result<TruthLine, String> {
        // The field that only a gap has comes first: of legs there are millions.
        if line.starts_with(r#"{"gap":"#) {
            return serde_json::from_str(line).map(TruthLine::Gap).map_err(|e| e.to_string());
        }
        let line: Line = serde_json::from_str(line).map_err(|e| e.to_string())?;
        let decimal = |text: &str| text.parse::<Decimal>().map_err(|e| format!("{text:?}: {e}"));
        Ok(TruthLine::Leg(TruthLeg {
            address: line.address.parse().map_err(|e| format!("address: {e}"))?,
            oid: line.oid,
            size: decimal(&line.size)?,
            notional: decimal(&line.notional)?,
            fills: line.fills,
            partial_history: line.partial_history,
            snapshot_size: decimal(&line.snapshot_size)?,
            snapshot_notional: decimal(&line.snapshot_notional)?,
            snapshot_fills: line.snapshot_fills,
            lossy: line.lossy,
            direction: line.direction,
        }))
    }
}

#[derive(Clone, Copy, Default)]
struct Sum {
    size: Decimal,
    notional: Decimal,
    fills: u64,
}

impl Sum {
    fn add(&mut self, size: Decimal, px: Decimal) {
        self.size = self.size.checked_add(size).expect(SUMS_FIT);
        self.notional = px
            .checked_mul(size)
            .and_then(|notional| self.notional.checked_add(notional))
            .expect(SUMS_FIT);
        self.fills += 1;
    }
}

const SUMS_FIT: &str =
    "generated numbers have at most 64 bits, recorded ones were added up on loading";

/// A direction, by its place in [`TruthBook::directions`].
type Direction = u16;

/// Collects legs as fills are made. Small: an hour of a thousand accounts has millions of them.
#[derive(Default)]
pub(crate) struct TruthBook {
    /// The live part, by leg.
    legs: BTreeMap<(Address, u64, Direction), Sum>,
    /// What the first snapshot showed.
    shown: BTreeMap<(Address, u64, Direction), Sum>,
    /// Every direction so far.
    directions: Vec<String>,
    /// Orders with fills before the first subscription.
    begun: BTreeSet<(Address, u64)>,
    /// Legs of which fills are lost.
    lossy: BTreeSet<(Address, u64, Direction)>,
    gaps: Vec<TruthGap>,
}

impl TruthBook {
    /// A fill from before the first subscription; `shown` if the first snapshot had room for it.
    pub(crate) fn before(&mut self, user: Address, fill: &Fill, shown: bool) {
        self.begun.insert((user, fill.oid));
        if shown {
            for (direction, size) in legs_of(fill).into_iter().flatten() {
                let leg = (user, fill.oid, self.direction(direction));
                self.shown.entry(leg).or_default().add(size, fill.px);
            }
        }
    }

    /// A fill since the first subscription.
    pub(crate) fn live(&mut self, user: Address, fill: &Fill) {
        for (direction, size) in legs_of(fill).into_iter().flatten() {
            let leg = (user, fill.oid, self.direction(direction));
            self.legs.entry(leg).or_default().add(size, fill.px);
        }
    }

    /// These fills are lost for good.
    pub(crate) fn lose<'a>(&mut self, user: Address, fills: impl Iterator<Item = &'a Fill>) {
        let mut coins: BTreeMap<String, TruthGap> = BTreeMap::new();
        for fill in fills {
            for (direction, _) in legs_of(fill).into_iter().flatten() {
                let leg = (user, fill.oid, self.direction(direction));
                self.lossy.insert(leg);
            }
            let (coin, time_ms) = (fill.coin.as_str().to_owned(), fill.time_ms);
            let gap = coins.entry(coin.clone()).or_insert_with(|| TruthGap {
                gap: user.to_string(),
                coin,
                from_ms: time_ms,
                to_ms: time_ms,
                fills: 0,
            });
            gap.from_ms = gap.from_ms.min(time_ms);
            gap.to_ms = gap.to_ms.max(time_ms);
            gap.fills += 1;
        }
        self.gaps.extend(coins.into_values());
    }

    fn direction(&mut self, text: &str) -> Direction {
        let place = self.directions.iter().position(|known| known == text);
        let place = place.unwrap_or_else(|| {
            self.directions.push(text.to_owned());
            self.directions.len() - 1
        });
        Direction::try_from(place).expect("the venue has a few dozen labels")
    }

    /// All legs so far.
    pub(crate) fn truth(&self) -> Truth {
        let only_shown = self.shown.keys().filter(|leg| !self.legs.contains_key(leg));
        let mut legs: Vec<TruthLeg> = self
            .legs
            .keys()
            .chain(only_shown)
            .map(|leg| {
                let (address, oid, direction) = *leg;
                let live = self.legs.get(leg).copied().unwrap_or_default();
                let shown = self.shown.get(leg).copied().unwrap_or_default();
                TruthLeg {
                    address,
                    oid,
                    direction: self.directions[usize::from(direction)].clone(),
                    size: live.size,
                    notional: live.notional,
                    fills: live.fills,
                    partial_history: self.begun.contains(&(address, oid)),
                    snapshot_size: shown.size,
                    snapshot_notional: shown.notional,
                    snapshot_fills: shown.fills,
                    lossy: self.lossy.contains(leg),
                }
            })
            .collect();
        let key = |leg: &TruthLeg| (leg.address, leg.oid);
        legs.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.direction.cmp(&b.direction)));
        Truth { legs, gaps: self.gaps.clone() }
    }
}

/// Labels under which a perpetual's fill is what it does to the position.
const BY_POSITION: [&str; 14] = [
    "Open Long",
    "Open Short",
    "Close Long",
    "Close Short",
    "Long > Short",
    "Short > Long",
    "Liquidated Cross Long",
    "Liquidated Cross Short",
    "Liquidated Isolated Long",
    "Liquidated Isolated Short",
    "Auto-Deleveraging",
    "Backstop Borrow Liquidation",
    "Partial Borrow Liquidation",
    "Settlement",
];

/// The legs of a fill and the size in each: one, or two when it crosses zero.
fn legs_of(fill: &Fill) -> [Option<(&str, Decimal)>; 2] {
    let label = fill.dir.as_str();
    if !is_perp(fill.coin.as_str()) || !BY_POSITION.contains(&label) {
        return [Some((label, fill.sz)), None];
    }
    let start = fill.start_position;
    let (open, close) = match fill.side {
        Side::Buy => ("Open Long", "Close Short"),
        Side::Sell => ("Open Short", "Close Long"),
    };
    let opposes = !start.is_zero() && start.is_negative() == (fill.side == Side::Buy);
    if !opposes {
        return [Some((open, fill.sz)), None];
    }
    match fill.sz.checked_sub(start.abs()) {
        Some(beyond) if !beyond.is_zero() && !beyond.is_negative() => {
            [Some((close, start.abs())), Some((open, beyond))]
        }
        _ => [Some((close, fill.sz)), None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::Dir;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal in a test")
    }

    fn fill(coin: &str, dir: &str, side: Side, start: &str, sz: &str) -> Fill {
        Fill {
            coin: coin.into(),
            px: dec("10.5"),
            sz: dec(sz),
            side,
            time_ms: 1,
            start_position: dec(start),
            dir: Dir::new(dir),
            closed_pnl: Decimal::ZERO,
            oid: 7,
            crossed: true,
            fee: Decimal::ZERO,
            fee_token: "USDC".into(),
            tid: 1,
            cloid: None,
            liquidation: None,
        }
    }

    #[track_caller]
    fn check(fill: Fill, wanted: &[(&str, &str)]) {
        let found: Vec<(String, String)> = legs_of(&fill)
            .into_iter()
            .flatten()
            .map(|(leg, size)| (leg.into(), size.to_string()))
            .collect();
        let wanted: Vec<(String, String)> =
            wanted.iter().map(|(leg, size)| ((*leg).into(), (*size).into())).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn the_position_decides_and_the_label_only_where_it_must() {
        use Side::{Buy, Sell};
        check(fill("BTC", "Open Long", Buy, "0", "2"), &[("Open Long", "2")]);
        check(fill("BTC", "Open Short", Sell, "-1", "2"), &[("Open Short", "2")]);
        check(fill("BTC", "Close Long", Sell, "2", "2"), &[("Close Long", "2")]);
        check(
            fill("xyz:CL", "Long > Short", Sell, "1.5", "2"),
            &[("Close Long", "1.5"), ("Open Short", "0.5")],
        );
        check(
            fill("BTC", "Short > Long", Buy, "-1.5", "2"),
            &[("Close Short", "1.5"), ("Open Long", "0.5")],
        );
        check(fill("BTC", "Auto-Deleveraging", Buy, "-3", "2"), &[("Close Short", "2")]);
        check(fill("BTC", "Liquidated Cross Long", Sell, "3", "3"), &[("Close Long", "3")]);
        check(fill("BTC", "Settlement", Sell, "3", "3"), &[("Close Long", "3")]);
        check(fill("@107", "Sell", Sell, "1", "3"), &[("Sell", "3")]);
        check(
            fill("@107", "Spot Dust Conversion", Sell, "1", "1"),
            &[("Spot Dust Conversion", "1")],
        );
        check(fill("BTC", "Vault Rebalance", Sell, "1", "3"), &[("Vault Rebalance", "3")]);
    }

    #[test]
    fn the_snapshot_is_kept_apart_and_the_file_comes_back() {
        let user = Address([9; 20]);
        let mut book = TruthBook::default();
        book.before(user, &fill("BTC", "Open Long", Side::Buy, "0", "1"), false);
        book.before(user, &fill("BTC", "Open Long", Side::Buy, "1", "1"), true);
        book.live(user, &fill("BTC", "Open Long", Side::Buy, "2", "0.5"));
        book.live(user, &Fill { oid: 8, ..fill("BTC", "Close Long", Side::Sell, "2.5", "3") });
        let lost = fill("ETH", "Open Long", Side::Buy, "0", "1");
        book.live(user, &Fill { oid: 9, time_ms: 4, ..lost });
        book.lose(user, [Fill { oid: 9, time_ms: 4, ..lost }].iter());
        let truth = book.truth();
        assert_eq!((truth.gaps[0].coin.as_str(), truth.gaps[0].from_ms), ("ETH", 4));
        let found: Vec<String> = truth
            .legs
            .iter()
            .map(|l| {
                format!(
                    "{} {} {} {} {} {} | {} {} {} {}",
                    l.oid,
                    l.direction,
                    l.size,
                    l.notional,
                    l.fills,
                    l.partial_history,
                    l.snapshot_size,
                    l.snapshot_notional,
                    l.snapshot_fills,
                    l.lossy
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                "7 Open Long 0.5 5.25 1 true | 1 10.5 1 false",
                "8 Close Long 2.5 26.25 1 false | 0 0 0 false",
                "8 Open Short 0.5 5.25 1 false | 0 0 0 false",
                "9 Open Long 1 10.5 1 false | 0 0 0 true",
            ]
        );
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("truth.jsonl");
        truth.write(&path).expect("written");
        let text = fs::read_to_string(&path).expect("read");
        assert_eq!(Truth::from_json_lines(&text), Ok(truth));
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_damaged_line_is_named() {
        let error = Truth::from_json_lines("{}\n").expect_err("no leg");
        assert!(error.starts_with("line 1: "), "{error}");
    }
}
