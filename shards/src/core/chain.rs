//! Order inside one millisecond, and breaks in an account's chain of positions.
//!
//! Per account and perpetual, `startPosition` plus the signed size is the next `startPosition`. The venue gives no
//! sequence number; this chain is its only proof that nothing is missing. Fills of one millisecond are put in chain
//! order, because they have been seen in reverse (spec/monitor.md section 2).

use crate::decimal::Decimal;
use crate::fill::Fill;
use crate::text::Coin;

/// Where the chain of one perpetual stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stand {
    pub(super) coin: Coin,
    /// The position after the newest fill.
    pub(super) end: Decimal,
    /// Block time of the newest fill; 0 at a baseline.
    pub(super) run_ms: u64,
    /// The position before the first fill of that time.
    pub(super) run_start: Decimal,
    /// Whether the chain led to `run_start`; otherwise the coin was new, and earlier fills of `run_ms` may still come.
    pub(super) run_known: bool,
}

/// The chains of one account. Few entries: a sorted list.
#[derive(Default)]
pub(super) struct Chain {
    stands: Vec<Stand>,
}

impl Chain {
    fn find(&self, coin: &Coin) -> Result<usize, usize> {
        self.stands.binary_search_by(|stand| stand.coin.cmp(coin))
    }

    pub(super) fn get(&self, coin: &Coin) -> Option<Decimal> {
        self.find(coin).ok().map(|at| self.stands[at].end)
    }

    /// The chain stands here: a baseline.
    pub(super) fn set(&mut self, coin: Coin, end: Decimal) {
        let stand = Stand { coin, end, run_ms: 0, run_start: end, run_known: true };
        match self.find(&coin) {
            Ok(at) => self.stands[at] = stand,
            Err(at) => self.stands.insert(at, stand),
        }
    }

    /// The chain goes on with a fill, which ends at `end`. Gives where it stands then.
    pub(super) fn append(&mut self, fill: &Fill, end: Decimal) -> &Stand {
        let coin = fill.coin;
        let (run_ms, run_start) = (fill.time_ms, fill.start_position);
        let at = match self.find(&coin) {
            Ok(at) => {
                let stand = &mut self.stands[at];
                stand.end = end;
                if stand.run_ms != run_ms {
                    *stand = Stand { coin, end, run_ms, run_start, run_known: true };
                }
                at
            }
            Err(at) => {
                let stand = Stand { coin, end, run_ms, run_start, run_known: false };
                self.stands.insert(at, stand);
                at
            }
        };
        &self.stands[at]
    }

    /// Puts back a stand that comes after all others; whether it does.
    pub(super) fn restore(&mut self, stand: Stand) -> bool {
        let follows = self.stands.last().is_none_or(|last| last.coin < stand.coin);
        self.stands.push(stand);
        follows
    }

    /// Whether the fills of `rest` that are of the first one's coin and time lead to where the newest millisecond of the
    /// chain begins: they happened before it and came after it, two halves of one block in swapped frames.
    pub(super) fn is_preceded_by(&self, rest: &[Fill]) -> bool {
        let first = &rest[0];
        let Ok(at) = self.find(&first.coin) else { return false };
        let stand = &self.stands[at];
        let same = |fill: &&Fill| fill.coin == first.coin && fill.time_ms == first.time_ms;
        stand.run_ms == first.time_ms
            && (!stand.run_known || stand.run_start == first.start_position)
            && walk_end(rest.iter().filter(same), None) == Some(stand.run_start)
    }

    /// The fills that [precede](Chain::is_preceded_by) the newest millisecond are taken: it begins where they do.
    pub(super) fn prepend(&mut self, coin: &Coin, start: Decimal) {
        let at = self.find(coin).expect("the caller asked is_preceded_by");
        self.stands[at].run_start = start;
    }

    pub(super) fn clear(&mut self) {
        self.stands.clear();
    }

    pub(super) fn stands(&self) -> &[Stand] {
        &self.stands
    }

    /// Whether `fill` begins where the chain ends. Coins without a chain, and spot, always do.
    pub(super) fn accepts(&self, fill: &Fill) -> bool {
        !fill.is_perp() || self.get(&fill.coin).is_none_or(|end| end == fill.start_position)
    }
}

/// Puts `fills` in order of time; those of one time keep their order of arrival.
pub(super) fn order_by_time(fills: &mut [Fill]) {
    // Stable. Input that is sorted already, which is nearly all of it, costs a pass and no allocation.
    if !fills.is_sorted_by_key(|fill| fill.time_ms) {
        fills.sort_by_key(|fill| fill.time_ms);
    }
}

/// Puts `fills` in order of time, and inside one millisecond in order of their chains. `chain` is where the account
/// stands before them; `ends` is scratch. Fills that fit no chain keep their order of arrival.
pub(super) fn order(fills: &mut [Fill], chain: &Chain, ends: &mut Vec<(Coin, Decimal)>) {
    order_by_time(fills);
    ends.clear();
    let mut start = 0;
    while start < fills.len() {
        let time = fills[start].time_ms;
        let len = fills[start..].iter().take_while(|fill| fill.time_ms == time).count();
        order_millisecond(&mut fills[start..start + len], chain, ends);
        start += len;
    }
}

fn end_of(ends: &[(Coin, Decimal)], chain: &Chain, coin: &Coin) -> Option<Decimal> {
    ends.iter().find(|(c, _)| c == coin).map(|(_, end)| *end).or_else(|| chain.get(coin))
}

fn order_millisecond(fills: &mut [Fill], chain: &Chain, ends: &mut Vec<(Coin, Decimal)>) {
    for first in 0..fills.len() {
        let coin = fills[first].coin;
        let seen = fills[..first].iter().any(|fill| fill.coin == coin);
        if seen || !fills[first].is_perp() {
            continue;
        }
        let end = end_of(ends, chain, &coin);
        let arrival = || fills[first..].iter().filter(|fill| fill.coin == coin);
        let end = match walk_end(arrival(), end) {
            Some(end) => Some(end),
            None => reorder(&mut fills[first..], coin, end),
        };
        if let Some(end) = end {
            match ends.iter_mut().find(|(c, _)| *c == coin) {
                Some(entry) => entry.1 = end,
                None => ends.push((coin, end)),
            }
        }
    }
}

/// Where a walk over `fills`, from `from` or from the first one's start, ends; `None` when it breaks.
fn walk_end<'a>(fills: impl Iterator<Item = &'a Fill>, from: Option<Decimal>) -> Option<Decimal> {
    let mut at = from;
    for fill in fills {
        if at.is_some_and(|at| at != fill.start_position) {
            return None;
        }
        at = fill.end_position();
    }
    at
}

/// Puts the fills of `coin` into the order of a walk that uses each once (Hierholzer's algorithm: positions are the
/// nodes, fills the edges; a position may be passed several times inside one millisecond, so taking the first that
/// fits can lead into a dead end). Other coins keep their places. Gives the end of the walk.
fn reorder(fills: &mut [Fill], coin: Coin, from: Option<Decimal>) -> Option<Decimal> {
    let places: Vec<usize> = (0..fills.len()).filter(|&at| fills[at].coin == coin).collect();
    let edges: Vec<Fill> = places.iter().map(|&at| fills[at]).collect();
    // Where nothing begins at the end of the chain, the fills are put in order among themselves.
    let from = from.filter(|from| edges.iter().any(|fill| fill.start_position == *from));
    let start = from.or_else(|| head(&edges))?;
    let mut used = vec![false; edges.len()];
    let mut stack: Vec<(Decimal, Option<usize>)> = vec![(start, None)];
    let mut walk: Vec<usize> = Vec::with_capacity(edges.len());
    while let Some(&(node, came_by)) = stack.last() {
        let next = (0..edges.len()).find(|&e| !used[e] && edges[e].start_position == node);
        match next.and_then(|edge| Some((edge, edges[edge].end_position()?))) {
            Some((edge, end)) => {
                used[edge] = true;
                stack.push((end, Some(edge)));
            }
            None => {
                stack.pop();
                walk.extend(came_by);
            }
        }
    }
    walk.reverse();
    // Fills behind a hole come after the walk, in order of arrival.
    walk.extend((0..edges.len()).filter(|&edge| !used[edge]));
    for (place, edge) in places.into_iter().zip(&walk) {
        fills[place] = edges[*edge];
    }
    walk.last().and_then(|&edge| edges[edge].end_position())
}

/// Where a walk over all of `edges` begins: the position that is left once more often than it is reached.
fn head(edges: &[Fill]) -> Option<Decimal> {
    let surplus = |node: Decimal| {
        let leaves = edges.iter().filter(|fill| fill.start_position == node).count();
        let reaches = edges.iter().filter(|fill| fill.end_position() == Some(node)).count();
        leaves > reaches
    };
    let starts = || edges.iter().map(|fill| fill.start_position);
    // A closed walk may begin anywhere: arrival decides.
    starts().find(|&node| surplus(node)).or_else(|| starts().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::fill;

    /// `fills` is `coin start size time` separated by `;`; a negative size is a sale.
    #[track_caller]
    fn check(known: &[(&str, &str)], fills: &str, wanted: &str) {
        let mut chain = Chain::default();
        for (coin, end) in known {
            chain.set(Coin::new(coin), end.parse().expect("a decimal"));
        }
        let mut list: Vec<Fill> = fills
            .split(';')
            .map(|text| {
                let part: Vec<&str> = text.split_whitespace().collect();
                let time = part[3].parse().expect("a time");
                let (side, size) = match part[2].strip_prefix('-') {
                    Some(size) => ("A", size),
                    None => ("B", part[2]),
                };
                Fill { time_ms: time, ..fill(part[0], side, size, "1", part[1]) }
            })
            .collect();
        order(&mut list, &chain, &mut Vec::new());
        let found: Vec<String> =
            list.iter().map(|f| format!("{}{}", f.coin, f.start_position)).collect();
        assert_eq!(found.join(" "), wanted);
    }

    #[test]
    fn one_millisecond_is_put_in_chain_order() {
        check(&[("BTC", "0")], "BTC 3 1 7; BTC 1 2 7; BTC 0 1 7", "BTC0 BTC1 BTC3");
        check(&[], "BTC 3 1 7; BTC 1 2 7; BTC 0 1 7", "BTC0 BTC1 BTC3");
        check(&[], "BTC 5 1 7; ETH 9 1 7; BTC 4 1 7; ETH 8 1 7", "BTC4 ETH8 BTC5 ETH9");
    }

    #[test]
    fn a_position_may_be_passed_twice_in_a_millisecond() {
        // From 6: away by -7 and back, then by -1. Taking the first that fits would strand the other two.
        check(&[("BTC", "6")], "BTC 6 -1 7; BTC -1 7 7; BTC 6 -7 7", "BTC6 BTC-1 BTC6");
        check(&[], "BTC 6 -1 7; BTC -1 7 7; BTC 6 -7 7", "BTC6 BTC-1 BTC6");
    }

    #[test]
    fn time_comes_before_the_chain_and_arrival_after_it() {
        check(&[], "BTC 1 1 8; BTC 0 1 7", "BTC0 BTC1");
        // A hole: nothing begins at 0 or where another ends, so arrival decides.
        check(&[("BTC", "0")], "BTC 5 1 7; BTC 3 1 7", "BTC5 BTC3");
        check(&[("BTC", "0")], "BTC 5 1 7; BTC 4 1 7", "BTC4 BTC5");
        // Spot has no chain: transfers move the balance between fills.
        check(&[("@1", "0")], "@1 5 1 7; @1 3 1 7", "@15 @13");
    }
}
