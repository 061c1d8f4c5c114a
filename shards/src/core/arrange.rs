//! The order of fills: by time, and inside one millisecond by their chains of positions.
//!
//! Fills of one millisecond have been seen in reverse (spec/monitor.md section 2). Positions are nodes, fills are the
//! edges between them: the order is a walk that uses each once (Hierholzer's algorithm; a position may be passed several
//! times inside one millisecond, so taking the first fill that fits can lead into a dead end).
//!
//! Whatever a frame has, it costs what sorting it costs.

use std::cmp::Ordering;

use super::chain::{Chain, Detour};
use crate::decimal::Decimal;
use crate::fill::Fill;

/// Puts fills in order. Keeps its room, so that this does not allocate after warm-up.
#[derive(Default)]
pub(super) struct Arranger {
    /// Places of fills, in the order at hand.
    places: Vec<u32>,
    repeated: Vec<u32>,
    millisecond: Millisecond,
    /// What may go before the newest millisecond of its chain.
    pub(super) detours: Vec<Found>,
    /// Places of the fills of detours, ascending, and the number of the detour.
    pub(super) marks: Vec<(u32, u32)>,
}

/// A detour among the fills that were put in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) detour: Detour,
    /// Place of its last fill. Fills of other coins may lie between.
    pub(super) last: usize,
    /// Whether it goes before; `None` while that is not decided.
    pub(super) goes_before: Option<bool>,
}

impl Arranger {
    /// Leaves out of `fills` what it has twice, the later one; puts the rest in order of time.
    pub(super) fn leave_out_repeated(&mut self, fills: &mut Vec<Fill>) {
        order_by_time(fills);
        if fills.len() < 2 {
            return;
        }
        let compare = |one: &u32, other: &u32| {
            let (a, b) = (&fills[*one as usize], &fills[*other as usize]);
            let by_trade = a.time_ms.cmp(&b.time_ms).then(a.tid.cmp(&b.tid));
            let by_name = by_trade.then_with(|| a.coin.cmp(&b.coin)).then_with(|| match a.tid {
                // Without a trade id, order and label tell.
                0 => a.oid.cmp(&b.oid).then_with(|| a.dir.cmp(&b.dir)),
                _ => Ordering::Equal,
            });
            by_name.then(one.cmp(other))
        };
        self.places.clear();
        self.places.extend(0..fills.len() as u32);
        self.places.sort_unstable_by(compare);
        let repeated = self.places.windows(2).filter(|pair| {
            let [one, other] = [pair[0], pair[1]].map(|at| &fills[at as usize]);
            one.is_same(other)
        });
        self.repeated.clear();
        self.repeated.extend(repeated.map(|pair| pair[1]));
        if self.repeated.is_empty() {
            return;
        }
        self.repeated.sort_unstable();
        let (mut at, mut repeated) = (0, self.repeated.iter().peekable());
        fills.retain(|_| {
            let is_repeated = repeated.next_if(|place| **place == at).is_some();
            at += 1;
            !is_repeated
        });
    }

    /// Puts `fills` in order of time, and inside one millisecond in order of their chains. `chain` is where the account
    /// stands before them. Fills behind a hole come after the others, in walks of their own.
    pub(super) fn order(&mut self, fills: &mut [Fill], chain: &Chain) {
        order_by_time(fills);
        self.detours.clear();
        self.marks.clear();
        self.places.clear();
        self.places.extend((0..fills.len() as u32).filter(|&at| fills[at as usize].is_perp()));
        self.places.sort_unstable_by(|one, other| {
            let [a, b] = [one, other].map(|at| &fills[*at as usize].coin);
            a.cmp(b).then(one.cmp(other))
        });
        let places = std::mem::take(&mut self.places);
        let mut rest = &places[..];
        while let Some(&first) = rest.first() {
            let coin = fills[first as usize].coin;
            let of_coin = |at: &&u32| fills[**at as usize].coin == coin;
            let (places, others) = rest.split_at(rest.iter().take_while(of_coin).count());
            self.order_coin(places, fills, chain);
            rest = others;
        }
        self.places = places;
        self.marks.sort_unstable();
    }

    /// Puts the fills at `places`, which are of one coin, in order.
    fn order_coin(&mut self, places: &[u32], fills: &mut [Fill], chain: &Chain) {
        let mut end = chain.get(&fills[places[0] as usize].coin);
        let mut rest = places;
        while let Some(&first) = rest.first() {
            let time_ms = fills[first as usize].time_ms;
            let of_time = |at: &&u32| fills[**at as usize].time_ms == time_ms;
            let (run, later) = rest.split_at(rest.iter().take_while(of_time).count());
            end = match walk_end(run.iter().map(|&at| &fills[at as usize]), end) {
                Some(end) => Some(end),
                None => {
                    self.millisecond.arrange(run, fills, end, chain);
                    self.end_of_run(run, fills, end, chain)
                }
            };
            rest = later;
        }
    }

    /// Where the chain stands after `run`, which was arranged. What precedes it is marked.
    fn end_of_run(
        &mut self,
        run: &[u32],
        fills: &[Fill],
        mut end: Option<Decimal>,
        chain: &Chain,
    ) -> Option<Decimal> {
        let mut walks = self.millisecond.walks.iter().copied().peekable();
        while let Some(from) = walks.next() {
            let walk = &run[from..walks.peek().copied().unwrap_or(run.len())];
            let of_walk = || walk.iter().map(|&at| &fills[at as usize]);
            let (first, last) = (&fills[walk[0] as usize], &fills[walk[walk.len() - 1] as usize]);
            let detour = walk_end(of_walk(), None).map(|end| {
                let (coin, time_ms, start) = (first.coin, first.time_ms, first.start_position);
                Detour { coin, time_ms, start, end }
            });
            match detour {
                Some(detour) if end != Some(detour.start) && chain.is_preceded_by(&detour) => {
                    let number = self.detours.len() as u32;
                    self.marks.extend(walk.iter().map(|&at| (at, number)));
                    let last = walk[walk.len() - 1] as usize;
                    self.detours.push(Found { detour, last, goes_before: None });
                }
                _ => end = last.end_position(),
            }
        }
        end
    }
}

/// Puts `fills` in order of time; those of one time keep their order of arrival.
fn order_by_time(fills: &mut [Fill]) {
    // Stable. Input that is sorted already, which is nearly all of it, costs a pass and no allocation.
    if !fills.is_sorted_by_key(|fill| fill.time_ms) {
        fills.sort_by_key(|fill| fill.time_ms);
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

/// A position where fills begin. They are used in order of arrival.
struct Node {
    position: Decimal,
    /// Place in [`Millisecond::by_start`] of the next one that is not used, and of the end of them.
    next: usize,
    end: usize,
    /// Fills that lead here and are not used.
    reached: usize,
}

/// The fills of one coin and millisecond, while they are put in order.
#[derive(Default)]
struct Millisecond {
    /// In order of arrival.
    fills: Vec<Fill>,
    /// Where each begins, ascending, and its number.
    by_start: Vec<(Decimal, u32)>,
    nodes: Vec<Node>,
    /// By number: the nodes where a fill begins and, if others go on from there, ends.
    edges: Vec<(usize, Option<usize>)>,
    /// Numbers in the order found.
    order: Vec<u32>,
    /// Where each walk begins in it.
    walks: Vec<usize>,
    stack: Vec<(Option<usize>, Option<u32>)>,
}

impl Millisecond {
    /// Puts the fills at the places `run` in the order of a walk from `from`, or from where a walk over all of them begins;
    /// what that does not reach follows in walks of its own.
    fn arrange(&mut self, run: &[u32], fills: &mut [Fill], from: Option<Decimal>, chain: &Chain) {
        self.fills.clear();
        self.fills.extend(run.iter().map(|&at| fills[at as usize]));
        self.find_nodes();
        self.order.clear();
        self.walks.clear();
        if let Some(node) = from.and_then(|from| self.node_at(from)) {
            self.walk(node);
        }
        // A walk begins at a position that is left once more often than it is reached.
        for number in 0..self.edges.len() {
            let (node, _) = self.edges[number];
            if self.left(node) > self.nodes[node].reached {
                self.walk(node);
            }
        }
        // Closed walks may begin anywhere: where the chain may stand, or as they arrived.
        for anywhere in [false, true] {
            for number in 0..self.edges.len() {
                let (node, _) = self.edges[number];
                let fill = &self.fills[number];
                if self.left(node) > 0 && (anywhere || chain.may_begin(fill)) {
                    self.walk(node);
                }
            }
        }
        assert_eq!(self.order.len(), run.len(), "each fill is used once");
        for (place, number) in run.iter().zip(&self.order) {
            fills[*place as usize] = self.fills[*number as usize];
        }
    }

    fn find_nodes(&mut self) {
        self.by_start.clear();
        let starts = (0..).zip(&self.fills).map(|(number, fill)| (fill.start_position, number));
        self.by_start.extend(starts);
        self.by_start.sort_unstable();
        self.nodes.clear();
        for (at, (position, _)) in self.by_start.iter().enumerate() {
            match self.nodes.last_mut() {
                Some(node) if node.position == *position => node.end = at + 1,
                _ => {
                    let node = Node { position: *position, next: at, end: at + 1, reached: 0 };
                    self.nodes.push(node);
                }
            }
        }
        self.edges.clear();
        for fill in &self.fills {
            let find = |position: Decimal| {
                self.nodes.binary_search_by(|node| node.position.cmp(&position)).ok()
            };
            let from = find(fill.start_position).expect("each start is a node");
            self.edges.push((from, fill.end_position().and_then(find)));
        }
        for to in self.edges.iter().filter_map(|(_, to)| *to) {
            self.nodes[to].reached += 1;
        }
    }

    fn node_at(&self, position: Decimal) -> Option<usize> {
        self.nodes.binary_search_by(|node| node.position.cmp(&position)).ok()
    }

    /// Fills that begin at a node and are not used.
    fn left(&self, node: usize) -> usize {
        self.nodes[node].end - self.nodes[node].next
    }

    /// Appends a walk from `node` over what it reaches.
    fn walk(&mut self, node: usize) {
        let from = self.order.len();
        self.walks.push(from);
        self.stack.push((Some(node), None));
        while let Some(&(node, came_by)) = self.stack.last() {
            match node.filter(|&node| self.left(node) > 0) {
                Some(node) => {
                    let (_, number) = self.by_start[self.nodes[node].next];
                    self.nodes[node].next += 1;
                    let (_, to) = self.edges[number as usize];
                    if let Some(to) = to {
                        self.nodes[to].reached -= 1;
                    }
                    self.stack.push((to, Some(number)));
                }
                None => {
                    self.stack.pop();
                    self.order.extend(came_by);
                }
            }
        }
        self.order[from..].reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::fill;
    use crate::text::Coin;

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
        Arranger::default().order(&mut list, &chain);
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
