//! The truth check: what the database holds against what the simulator knows, leg by leg, exactly.
//!
//! A leg that has less than it should has lost fills, one that has more has taken some twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use persist::store::Sqlite;
use serde::Serialize;
use shards::{Address, Decimal};

use super::exchange::Exchange;
use crate::diag::Problem;
use crate::sim::TruthLeg;

/// Differences that are told in words.
const DIFFERENCES_MAX: usize = 20;

/// What was compared, and how it went.
#[derive(Clone, PartialEq, Eq, Serialize, Default, Debug)]
pub(super) struct Comparison {
    pub(super) legs_expected: u64,
    pub(super) legs_seen: u64,
    pub(super) signals: u64,
    /// Legs with less than the truth.
    pub(super) lost: u64,
    /// Legs with more than the truth.
    pub(super) more: u64,
    /// Legs with less, whose fills nobody can get any more: the venue has forgotten them.
    pub(super) beyond_recovery: u64,
    /// The first of them.
    pub(super) differences: Vec<String>,
}

/// Compares the signals of the exchange's accounts in a database with the exchange's truth.
pub(super) fn compare(exchange: &Exchange, database: &Path) -> Result<Comparison, Problem> {
    let addresses = exchange.place.addresses.iter();
    let mut sums = Sums::of(addresses.filter_map(|address| address.parse().ok()));
    exchange.each_leg(&mut |leg| sums.expect(&leg))?;
    let refused = |why: String| Problem::error("DB001", format!("{}: {why}", database.display()));
    let store = Sqlite::open(database).map_err(|error| refused(error.to_string()))?;
    let mut bad = None;
    let read = store.each_signal(&mut |signal_id, size, notional| {
        if sums.see(signal_id, size, notional).is_none() && bad.is_none() {
            bad = Some(signal_id.to_owned());
        }
    });
    read.map_err(|error| refused(error.to_string()))?;
    match bad {
        Some(signal_id) => Err(refused(format!("signal {signal_id} cannot be read"))),
        None => Ok(sums.comparison()),
    }
}

/// Size and notional.
type Sum = (Decimal, Decimal);

/// What is expected of each leg, and what was seen of it. Compact: a long run has millions of legs.
struct Sums {
    addresses: BTreeSet<Address>,
    /// By account, order, and the direction's place.
    legs: BTreeMap<(Address, u64, u16), (Sum, Sum)>,
    lossy: BTreeSet<(Address, u64, u16)>,
    directions: Vec<String>,
    places: HashMap<String, u16>,
    signals: u64,
}

impl Sums {
    fn of(addresses: impl Iterator<Item = Address>) -> Sums {
        Sums {
            addresses: addresses.collect(),
            legs: BTreeMap::new(),
            lossy: BTreeSet::new(),
            directions: Vec::new(),
            places: HashMap::new(),
            signals: 0,
        }
    }

    fn direction(&mut self, name: &str) -> u16 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = u16::try_from(self.directions.len()).expect("labels are counted in dozens");
        self.directions.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }

    fn expect(&mut self, leg: &TruthLeg) {
        if leg.fills > 0 {
            let key = (leg.address, leg.oid, self.direction(&leg.direction));
            self.legs.entry(key).or_default().0 = (leg.size, leg.notional);
            if leg.lossy {
                self.lossy.insert(key);
            }
        }
    }

    /// `None` if it cannot be read.
    fn see(&mut self, signal_id: &str, size: &str, notional: &str) -> Option<()> {
        // address-oid-leg-revision; a leg may contain a dash, the others cannot.
        let (address, rest) = signal_id.split_once('-')?;
        let (oid, rest) = rest.split_once('-')?;
        let (leg, _revision) = rest.rsplit_once('-')?;
        let (address, oid) = (address.parse::<Address>().ok()?, oid.parse().ok()?);
        let (size, notional): Sum = (size.parse().ok()?, notional.parse().ok()?);
        if self.addresses.contains(&address) {
            self.signals += 1;
            let key = (address, oid, self.direction(leg));
            let (_, seen) = self.legs.entry(key).or_default();
            *seen = (seen.0.checked_add(size)?, seen.1.checked_add(notional)?);
        }
        Some(())
    }

    fn comparison(&self) -> Comparison {
        let mut found = Comparison { signals: self.signals, ..Comparison::default() };
        for (key, (wanted, seen)) in &self.legs {
            let (address, oid, direction) = key;
            found.legs_expected += u64::from(*wanted != Sum::default());
            found.legs_seen += u64::from(*seen != Sum::default());
            if wanted == seen {
                continue;
            }
            let is_less = seen.0 < wanted.0;
            if is_less && self.lossy.contains(key) {
                found.beyond_recovery += 1;
                continue;
            }
            found.lost += u64::from(is_less);
            found.more += u64::from(!is_less);
            if found.differences.len() < DIFFERENCES_MAX {
                let leg = &self.directions[usize::from(*direction)];
                found.differences.push(format!(
                    "{address} order {oid} {leg}: size {} notional {}, expected {} and {}",
                    seen.0, seen.1, wanted.0, wanted.1
                ));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Address = Address([7; 20]);

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal in a test")
    }

    fn leg(oid: u64, direction: &str, size: &str, notional: &str) -> TruthLeg {
        TruthLeg {
            address: USER,
            oid,
            direction: direction.to_owned(),
            size: dec(size),
            notional: dec(notional),
            fills: 1,
            partial_history: false,
            snapshot_size: Decimal::ZERO,
            snapshot_notional: Decimal::ZERO,
            snapshot_fills: 0,
            lossy: false,
        }
    }

    #[test]
    fn sums_over_revisions_are_compared_and_each_difference_is_told() {
        let mut sums = Sums::of([USER].into_iter());
        for (oid, size) in [(1, "2"), (2, "2"), (3, "2"), (4, "2")] {
            sums.expect(&leg(oid, "Auto-Deleveraging", size, "20"));
        }
        sums.expect(&TruthLeg { fills: 0, ..leg(9, "Open Long", "0", "0") });
        sums.expect(&TruthLeg { lossy: true, ..leg(6, "Open Long", "2", "20") });
        let mut see = |oid: u64, revision: u64, size: &str, notional: &str| {
            let id = format!("{USER}-{oid}-Auto-Deleveraging-{revision}");
            assert_eq!(sums.see(&id, size, notional), Some(()), "{id}");
        };
        see(1, 1, "0.5", "5");
        see(1, 2, "1.5", "15");
        see(2, 1, "1.9", "19");
        see(3, 1, "2.5", "20");
        see(5, 1, "1", "10");
        // Another market's, on the same data directory.
        let other = format!("{}-1-Open Long-1", Address([8; 20]));
        assert_eq!(sums.see(&other, "1", "1"), Some(()));
        for bad in ["", "0x07-1-Open Long-1", &format!("{USER}-x-Open Long-1")] {
            assert_eq!(sums.see(bad, "1", "1"), None, "{bad}");
        }
        let found = sums.comparison();
        assert_eq!((found.legs_expected, found.legs_seen, found.signals), (5, 4, 5));
        assert_eq!((found.lost, found.more, found.beyond_recovery), (2, 2, 1), "{found:?}");
        let said =
            format!("{USER} order 2 Auto-Deleveraging: size 1.9 notional 19, expected 2 and 20");
        assert_eq!(found.differences[0], said);
    }
}
