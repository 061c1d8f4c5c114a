//! Which pages of `userFillsByTime` to ask for, until all fills since a time are there.
//!
//! Both ends of a range are inclusive and a page is cut at a number of fills, so the next page begins at the time of
//! the last fill: its millisecond may have been cut. What two pages have in common is known by key.
//!
//! A page that is full and lies inside the one millisecond that it began with would be asked for for ever. Its
//! millisecond is then read from its other end (`reversed`, which the venue has and does not document): if the two
//! pages meet, they are all of it; if they do not, more than two pages happened in one millisecond, and that is an
//! error, for nobody can say what is missing.
//!
//! How long a full page is, is the server's affair (the venue's 2000): one as long as the longest so far may have
//! been cut. A short one has not been, whoever sent it: no server is known to cut below `CUT_MIN`. A server that
//! does not know `reversed` is believed that it did not cut a page below 2000, unless it has cut another there.

use super::rest::{FILLS_KEPT_MAX, FILLS_PER_PAGE_MAX};
use shards::{Address, Coin, Fill};
use std::fmt::Write;

/// Pages with fewer fills were not cut. The venue cuts other lists at 500; asking on after every page of a few fills
/// would double the weight of nearly every back-fill.
const CUT_MIN: usize = 100;

/// Fills after which a back-fill is given up: what the venue keeps, and as much again for what happens meanwhile.
const FILLS_MAX: usize = 2 * FILLS_KEPT_MAX;

/// Why not all fills can be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PagesError {
    /// The two ends of a millisecond do not meet.
    #[error("more than {fills} fills in the millisecond {at_ms}: its middle cannot be asked for")]
    MillisecondTooFull {
        /// The millisecond.
        at_ms: u64,
        /// What can be had of it.
        fills: usize,
    },
    /// The server gives a millisecond from the same end however it is asked.
    #[error(
        "a page of {fills} fills lies in the one millisecond {at_ms}, and the server does not \
         know `reversed`: what follows it there cannot be asked for"
    )]
    NotReversed {
        /// The millisecond.
        at_ms: u64,
        /// What can be had of it.
        fills: usize,
    },
    /// A page brings fills from before the time that was asked for, or none end.
    #[error(
        "{fills} fills and no end: the server keeps {FILLS_KEPT_MAX}, or does not keep to the range"
    )]
    NoEnd {
        /// How many came.
        fills: usize,
    },
}

/// What tells the fills of one account and millisecond apart.
type Id = (Coin, u64, u64);

fn id_of(fill: &Fill) -> Id {
    (fill.coin, fill.tid, fill.oid)
}

#[derive(Clone, Debug)]
enum Stage {
    /// From this time on.
    From { start_ms: u64 },
    /// This millisecond from its other end; the first one is here.
    Reversed { at_ms: u64, forward: Vec<Id> },
    /// All that there was is there, up to this time.
    Done { newest_ms: u64 },
}

/// The pages of one back-fill.
#[derive(Clone, Debug)]
pub struct Pages {
    stage: Stage,
    longest: usize,
    /// Length of the last page that had a next one.
    before: usize,
    /// Where the server surely cuts: two pages of different times had this length.
    cut_at: usize,
    fills: usize,
}

impl Pages {
    /// All fills since a time, that time included.
    pub fn new(from_ms: u64) -> Pages {
        let stage = Stage::From { start_ms: from_ms };
        Pages { stage, longest: 0, before: 0, cut_at: FILLS_PER_PAGE_MAX, fills: 0 }
    }

    /// Whether no page is missing.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done { .. })
    }

    /// Goes on where it ended: more may have happened.
    pub fn go_on(&mut self) {
        if let Stage::Done { newest_ms } = self.stage {
            self.stage = Stage::From { start_ms: newest_ms };
        }
    }

    /// The body of the next request; `None` when no page is missing.
    pub fn request(&self, user: &Address) -> Option<String> {
        let mut body = format!("{{\"type\":\"userFillsByTime\",\"user\":\"{user}\"");
        let written = match &self.stage {
            Stage::From { start_ms } => write!(body, ",\"startTime\":{start_ms}}}"),
            Stage::Reversed { at_ms, .. } => {
                write!(body, ",\"startTime\":{at_ms},\"endTime\":{at_ms},\"reversed\":true}}")
            }
            Stage::Done { .. } => return None,
        };
        written.expect("a string takes every write");
        Some(body)
    }

    /// Takes the answer to [`Pages::request`], in the order of the server; puts it in order of time.
    pub fn take(&mut self, page: &mut [Fill]) -> Result<(), PagesError> {
        self.fills += page.len();
        self.longest = self.longest.max(page.len());
        match &self.stage {
            Stage::From { start_ms } => {
                let start_ms = *start_ms;
                self.stage = self.after_forward(start_ms, page);
                page.sort_by_key(|fill| fill.time_ms);
            }
            Stage::Reversed { at_ms, forward } => {
                let at_ms = *at_ms;
                self.check_meets(at_ms, forward, page)?;
                page.reverse();
                page.sort_by_key(|fill| fill.time_ms);
                self.stage = Stage::From { start_ms: at_ms + 1 };
            }
            Stage::Done { .. } => {}
        }
        if self.fills > FILLS_MAX && !self.is_done() {
            return Err(PagesError::NoEnd { fills: self.fills });
        }
        Ok(())
    }

    /// Whether a page may have been cut.
    fn is_full(&self, page: &[Fill]) -> bool {
        page.len() >= CUT_MIN && page.len() >= self.longest.min(FILLS_PER_PAGE_MAX)
    }

    fn after_forward(&mut self, start_ms: u64, page: &[Fill]) -> Stage {
        let newest_ms = page.iter().map(|fill| fill.time_ms).max().unwrap_or(start_ms);
        let newest_ms = newest_ms.max(start_ms);
        if !self.is_full(page) {
            return Stage::Done { newest_ms };
        }
        if newest_ms > start_ms {
            if self.before == page.len() {
                self.cut_at = self.cut_at.min(page.len());
            }
            self.before = page.len();
            return Stage::From { start_ms: newest_ms };
        }
        Stage::Reversed { at_ms: start_ms, forward: page.iter().map(id_of).collect() }
    }

    /// Whether what a millisecond gave from its two ends is all of it.
    fn check_meets(&self, at_ms: u64, forward: &[Id], page: &[Fill]) -> Result<(), PagesError> {
        if forward.iter().copied().eq(page.iter().map(id_of)) {
            return match forward.len() {
                fills if fills >= self.cut_at => Err(PagesError::NotReversed { at_ms, fills }),
                _ => Ok(()),
            };
        }
        let meets = page.iter().any(|fill| forward.contains(&id_of(fill)));
        if self.is_full(page) && !meets {
            let fills = forward.len() + page.len();
            return Err(PagesError::MillisecondTooFull { at_ms, fills });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shards::{Decimal, Dir, Side, Token};
    use std::collections::BTreeSet;

    fn fill(time_ms: u64, tid: u64) -> Fill {
        Fill {
            coin: Coin::new("BTC"),
            px: Decimal::from(1),
            sz: Decimal::from(1),
            side: Side::Buy,
            time_ms,
            start_position: Decimal::ZERO,
            dir: Dir::new("Open Long"),
            closed_pnl: Decimal::ZERO,
            oid: 1,
            crossed: true,
            fee: Decimal::ZERO,
            fee_token: Token::new("USDC"),
            tid,
            cloid: None,
            liquidation: None,
        }
    }

    /// A server with the fills of one account, in order of time.
    struct Server {
        fills: Vec<Fill>,
        page: usize,
        knows_reversed: bool,
    }

    impl Server {
        /// So many fills at each of these times.
        fn new(page: usize, times: &[(u64, usize)]) -> Server {
            let all = times.iter().flat_map(|(ms, count)| std::iter::repeat_n(*ms, *count));
            let fills = all.zip(1..).map(|(ms, tid)| fill(ms, tid)).collect();
            Server { fills, page, knows_reversed: true }
        }

        fn answer(&self, body: &str) -> Vec<Fill> {
            let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(body["type"], "userFillsByTime");
            let start = body["startTime"].as_u64().expect("a start");
            let end = body["endTime"].as_u64().unwrap_or(u64::MAX);
            let within = |fill: &&Fill| (start..=end).contains(&fill.time_ms);
            let reversed = self.knows_reversed && body["reversed"] == true;
            if reversed {
                return self.fills.iter().rev().filter(within).take(self.page).copied().collect();
            }
            self.fills.iter().filter(within).take(self.page).copied().collect()
        }
    }

    /// The trade ids of all that comes of a back-fill, and the number of requests.
    fn fetch(server: &Server, from_ms: u64) -> Result<(BTreeSet<u64>, usize), PagesError> {
        let (mut pages, mut all, mut requests) = (Pages::new(from_ms), BTreeSet::new(), 0);
        while let Some(body) = pages.request(&Address([7; 20])) {
            let mut page = server.answer(&body);
            pages.take(&mut page)?;
            all.extend(page.iter().map(|fill| fill.tid));
            requests += 1;
            assert!(requests < 1000, "no end");
        }
        Ok((all, requests))
    }

    #[track_caller]
    fn check(page: usize, times: &[(u64, usize)], requests: usize) {
        let server = Server::new(page, times);
        let (found, asked) = fetch(&server, 10).expect("all can be had");
        let wanted = server.fills.iter().filter(|fill| fill.time_ms >= 10);
        assert_eq!(found, wanted.map(|fill| fill.tid).collect(), "{times:?}");
        assert_eq!(asked, requests, "{times:?}");
    }

    #[test]
    fn a_short_page_is_the_last() {
        check(2000, &[], 1);
        check(2000, &[(5, 3), (10, 3), (11, 4)], 1);
        check(2000, &[(10, 99)], 1);
    }

    #[test]
    fn a_page_that_may_have_been_cut_has_a_next_one_from_its_last_millisecond() {
        check(2000, &[(10, 1500), (11, 1500)], 2);
        check(2000, &[(10, 1000), (11, 1000)], 2);
        check(500, &[(10, 300), (11, 300), (12, 300)], 3);
    }

    #[test]
    fn a_page_inside_one_millisecond_is_read_from_both_ends() {
        check(2000, &[(10, 3000)], 3);
        check(2000, &[(11, 3999)], 4);
        check(2000, &[(10, 2000)], 3);
        check(2000, &[(10, 2500), (11, 2500), (12, 5)], 5);
        check(200, &[(10, 50), (11, 300), (12, 50)], 4);
        check(2000, &[(11, 150)], 4);
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        let server = Server::new(2000, &[(10, 4001)]);
        let error = fetch(&server, 10).expect_err("the middle is missing");
        assert_eq!(error, PagesError::MillisecondTooFull { at_ms: 10, fills: 4000 });
        let server = Server { knows_reversed: false, ..Server::new(2000, &[(10, 2001)]) };
        let error = fetch(&server, 10).expect_err("one fill is missing");
        assert_eq!(error, PagesError::NotReversed { at_ms: 10, fills: 2000 });
        let server = Server {
            knows_reversed: false,
            ..Server::new(500, &[(10, 300), (11, 400), (12, 501)])
        };
        let error = fetch(&server, 9).expect_err("it has cut at 500 before");
        assert_eq!(error, PagesError::NotReversed { at_ms: 12, fills: 500 });
        let mut pages = Pages::new(0);
        let error = (1..).find_map(|ms| pages.take(&mut [fill(ms, 1); 2000]).err());
        assert_eq!(error, Some(PagesError::NoEnd { fills: 22_000 }));
    }

    #[test]
    fn a_server_without_reversed_is_believed_that_it_did_not_cut_below_a_full_page() {
        let server = Server { knows_reversed: false, ..Server::new(2000, &[(11, 150), (12, 3)]) };
        let (found, _) = fetch(&server, 10).expect("all of it is there");
        assert_eq!(found.len(), 153);
    }

    #[test]
    fn an_end_can_be_followed_by_more() {
        let mut server = Server::new(2000, &[(10, 5)]);
        let mut pages = Pages::new(10);
        pages.take(&mut server.fills.clone()).expect("a page");
        assert!(pages.is_done() && pages.request(&Address([7; 20])).is_none());
        pages.go_on();
        server.fills.push(fill(12, 6));
        let mut page = server.answer(&pages.request(&Address([7; 20])).expect("goes on"));
        assert_eq!(page.len(), 6, "from the newest time on, inclusive");
        pages.take(&mut page).expect("a page");
        assert!(pages.is_done());
    }

    proptest! {
        #[test]
        fn everything_comes_or_an_error_does(
            page in 100usize..300,
            counts in proptest::collection::vec((1u64..3, 0usize..420), 0..8),
        ) {
            let mut at_ms = 10;
            let times: Vec<(u64, usize)> = counts.iter().map(|(gap, count)| {
                at_ms += gap;
                (at_ms, *count)
            }).collect();
            match fetch(&Server::new(page, &times), 10) {
                Ok((found, _)) => {
                    prop_assert_eq!(found.len(), times.iter().map(|(_, count)| count).sum::<usize>());
                }
                Err(error) => {
                    let too_full = times.iter().any(|(_, count)| *count >= 2 * page);
                    prop_assert!(too_full, "{}: {:?} in pages of {}", error, times, page);
                }
            }
        }
    }
}
