//! Sizes and notionals by leg: from standard output, from the database, from the simulator's truth, from recorded
//! fills. All four must agree, exactly.

use std::collections::BTreeMap;
use std::path::Path;

use runtime::sim::Truth;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use shards::Decimal;

use super::decimal;

/// An address, an order, a direction.
type Leg = (String, u64, String);

/// Size and notional of each leg.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct LegSums(BTreeMap<Leg, (Decimal, Decimal)>);

impl LegSums {
    /// What the simulator says, of legs with fills since the first subscription.
    pub fn of_truth(truth: &Truth) -> LegSums {
        let mut sums = LegSums::default();
        for leg in truth.legs.iter().filter(|leg| leg.fills > 0) {
            let key = (leg.address.to_string(), leg.oid, leg.direction.clone());
            sums.add(key, leg.size, leg.notional);
        }
        sums
    }

    /// What the table of signals holds.
    pub fn of_database(path: &Path) -> LegSums {
        let database = open(path);
        let mut query = database
            .prepare("SELECT signal_id, size_exact, notional_exact FROM hl_address_signals")
            .expect("the table");
        let mut rows = query.query([]).expect("a readable table");
        let mut sums = LegSums::default();
        while let Some(row) = rows.next().expect("a row") {
            let text = |at| row.get::<_, String>(at).expect("text");
            let number = |at| text(at).parse::<Decimal>().expect("a decimal");
            sums.add(leg_of(&text(0)), number(1), number(2));
        }
        sums
    }

    /// Adds a recorded fill: one leg, or two when it crosses zero. Written from spec/monitor.md section 1 alone.
    pub fn add_fill(&mut self, user: &str, fill: &Value) {
        let (px, sz, start) =
            (decimal(fill, "px"), decimal(fill, "sz"), decimal(fill, "startPosition"));
        let (buys, dir) = (fill["side"] == "B", fill["dir"].as_str().expect("a direction"));
        let (opens, closes) =
            if buys { ("Open Long", "Close Short") } else { ("Open Short", "Close Long") };
        let coin = fill["coin"].as_str().expect("a coin");
        let mut parts = Vec::new();
        if coin.starts_with('@') || coin.contains('/') {
            parts.push((dir, sz));
        } else if start.is_zero() || start.is_negative() != buys {
            parts.push((opens, sz));
        } else {
            let closing = sz.min(start.abs());
            let opening = sz.checked_sub(closing).expect("the smaller of both");
            parts.push((closes, closing));
            parts.extend((!opening.is_zero()).then_some((opens, opening)));
        }
        for (direction, size) in parts {
            let oid = fill["oid"].as_u64().expect("an order");
            let notional = px.checked_mul(size).expect("it fits");
            self.add((user.to_owned(), oid, direction.to_owned()), size, notional);
        }
    }

    fn add(&mut self, leg: Leg, size: Decimal, notional: Decimal) {
        let sum = self.0.entry(leg).or_default();
        sum.0 = sum.0.checked_add(size).expect("it fits");
        sum.1 = sum.1.checked_add(notional).expect("it fits");
    }

    /// Keeps the legs of some accounts.
    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.0.retain(|leg, _| keeps(&leg.0));
    }

    /// Number of legs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Size and notional of one leg.
    pub fn of(&self, user: &str, oid: u64, direction: &str) -> Option<(String, String)> {
        let sum = self.0.get(&(user.to_owned(), oid, direction.to_owned()));
        sum.map(|(size, notional)| (size.to_string(), notional.to_string()))
    }

    /// Fails with the legs that differ.
    #[track_caller]
    pub fn assert_equals(&self, wanted: &LegSums, what: &str) {
        let differences = self.differences(wanted);
        let shown = &differences[..differences.len().min(10)];
        assert!(
            differences.is_empty(),
            "{what}: {} legs of {} differ\n{}",
            differences.len(),
            wanted.len(),
            shown.join("\n")
        );
    }

    fn differences(&self, wanted: &LegSums) -> Vec<String> {
        let text = |sum: Option<&(Decimal, Decimal)>| {
            sum.map_or("nothing".to_owned(), |(size, notional)| format!("{size} for {notional}"))
        };
        let legs = self.0.keys().chain(wanted.0.keys().filter(|leg| !self.0.contains_key(*leg)));
        legs.filter(|leg| self.0.get(leg) != wanted.0.get(leg))
            .map(|leg| {
                format!("{leg:?}: {}, not {}", text(self.0.get(leg)), text(wanted.0.get(leg)))
            })
            .collect()
    }
}

/// Opens a database that nobody writes to any more.
pub fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database")
}

/// `address-oid-direction-revision`: a direction may hold a dash, the others cannot.
fn leg_of(signal_id: &str) -> Leg {
    let parts = signal_id.split_once('-').and_then(|(address, rest)| {
        let (oid, rest) = rest.split_once('-')?;
        let (direction, _) = rest.rsplit_once('-')?;
        Some((address.to_owned(), oid.parse().ok()?, direction.to_owned()))
    });
    parts.unwrap_or_else(|| panic!("a signal id: {signal_id}"))
}

/// Everything that standard output has brought, over all incarnations of a node.
#[derive(Default)]
pub struct Signals {
    by_id: BTreeMap<String, String>,
    /// Each id once.
    pub sums: LegSums,
    /// Lines whose id had come before.
    pub repeated: u64,
    /// Lines that say that something is missing.
    pub gaps: Vec<String>,
}

impl Signals {
    /// Takes one line. Fails when an id comes again with another content.
    #[track_caller]
    pub fn take(&mut self, line: &str) {
        let signal: Value = serde_json::from_str(line).expect("a line is a JSON object");
        let Some(id) = signal["signal_id"].as_str() else {
            assert_eq!(signal["type"], "gap", "{line}");
            self.gaps.push(line.to_owned());
            return;
        };
        if let Some(earlier) = self.by_id.get(id) {
            assert_eq!(earlier, line, "one id, two contents");
            self.repeated += 1;
            return;
        }
        self.by_id.insert(id.to_owned(), line.to_owned());
        let (size, notional) = (decimal(&signal, "size_exact"), decimal(&signal, "notional_exact"));
        self.sums.add(leg_of(id), size, notional);
    }

    /// Signals with different ids.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// All signals, in the order of their ids.
    pub fn all(&self) -> impl Iterator<Item = Value> {
        self.by_id.values().map(|line| serde_json::from_str(line).expect("taken as JSON"))
    }
}
