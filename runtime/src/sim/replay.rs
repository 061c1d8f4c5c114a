//! Recorded material as an account's source: files of frames with receive times, or of fills.
//!
//! Fills go out as the recorded text, unknown fields and all. A recording's first snapshot is the
//! account's past; fills that a later snapshot or a repeated frame brings again are taken once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shards::{Address, Decimal, Dir, Fill};

use super::options::{ReplayFile, SimError};
use super::recorded_fill::read_fill;
use super::tape::{Block, OrderFace, TapeFill, TapeUpdate, cloid_text};

/// One recorded account.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) address: Address,
    /// The past, shown by the first snapshot.
    past: Vec<Rc<TapeFill>>,
    /// What is to come, with its time on the recorder's clock.
    blocks: VecDeque<(u64, Block)>,
    /// Time on the recorder's clock at which the live part began.
    begin_ms: u64,
    /// The fills that have gone out, by order.
    played: OrderSums,
}

#[derive(Deserialize)]
struct Line<'a> {
    recv_ms: u64,
    #[serde(borrow)]
    frame: Frame<'a>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FillsFrame<'a> {
    #[serde(default, rename = "isSnapshot")]
    is_snapshot: bool,
    user: String,
    #[serde(borrow)]
    fills: Vec<&'a RawValue>,
}

/// What makes two recorded fills the same one.
type FillKey = (String, u64, u64, Option<(u64, Dir)>);

fn key_of(fill: &Fill) -> FillKey {
    let dust = (fill.tid == 0).then_some((fill.oid, fill.dir));
    (fill.coin.as_str().to_owned(), fill.time_ms, fill.tid, dust)
}

impl Recorded {
    /// Reads a file. With `order_updates`, each order's last fill brings the state that ends it.
    pub(crate) fn load(file: &ReplayFile, order_updates: bool) -> Result<Recorded, SimError> {
        let path = &file.path;
        let text = fs::read_to_string(path)
            .map_err(|source| SimError::Read { path: path.clone(), source })?;
        let mut reader = Reader { file, seen: BTreeSet::new(), total: Decimal::ZERO };
        let mut recorded = if text.trim_start().starts_with('[') {
            reader.read_array(&text)?
        } else {
            reader.read_lines(&text)?
        };
        if order_updates {
            recorded.end_orders();
        }
        Ok(recorded)
    }

    /// The perpetuals it trades.
    pub(crate) fn perps(&self) -> impl Iterator<Item = &str> {
        let live = self.blocks.iter().flat_map(|(_, block)| &block.fills);
        let fills = self.past.iter().chain(live).map(|tape| &tape.fill);
        fills.filter(|fill| fill.is_perp()).map(|fill| fill.coin.as_str())
    }

    /// Takes the past, once.
    pub(crate) fn take_past(&mut self) -> Vec<Rc<TapeFill>> {
        self.past.iter().for_each(|fill| self.played.add(&fill.fill));
        std::mem::take(&mut self.past)
    }

    /// Time of the first snapshot on the recorder's clock.
    pub(crate) fn begin_ms(&self) -> u64 {
        self.begin_ms
    }

    /// Time of the next block on the recorder's clock.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.blocks.front().map(|(at_ms, _)| *at_ms)
    }

    /// The next block.
    pub(crate) fn next_block(&mut self) -> Block {
        let (_, block) = self.blocks.pop_front().expect("next_ms says whether there is one");
        block.fills.iter().for_each(|fill| self.played.add(&fill.fill));
        block
    }

    /// Ends the recording here: what is left of orders with fills so far is cancelled.
    pub(crate) fn close(&mut self) -> Block {
        let mut rest = OrderSums::default();
        let mut time_ms = 0;
        for (_, block) in self.blocks.drain(..).rev() {
            block.fills.iter().for_each(|fill| rest.add(&fill.fill));
            time_ms = block.time_ms;
        }
        let mut updates = Vec::new();
        for (oid, rest) in &rest.0 {
            if let Some(played) = self.played.0.get(oid) {
                let total = played.size.checked_add(rest.size).expect(ADDED_UP);
                updates.push(played.update("canceled", total, rest.size, time_ms));
            }
        }
        Block { time_ms, fills: Vec::new(), updates }
    }

    /// Adds `filled` to the block with each order's last fill.
    fn end_orders(&mut self) {
        let mut sums = OrderSums::default();
        let mut last: BTreeMap<u64, usize> = BTreeMap::new();
        self.past.iter().for_each(|fill| sums.add(&fill.fill));
        for (i, (_, block)) in self.blocks.iter().enumerate() {
            for fill in &block.fills {
                sums.add(&fill.fill);
                last.insert(fill.fill.oid, i);
            }
        }
        for (oid, i) in last {
            let block = &mut self.blocks[i].1;
            let sum = &sums.0[&oid];
            let update = sum.update("filled", sum.size, Decimal::ZERO, block.time_ms);
            block.updates.push(update);
        }
    }
}

const ADDED_UP: &str = "Reader::take added all of them up";

/// The fills of an order, added up.
#[derive(Debug)]
struct OrderSum {
    size: Decimal,
    last: Fill,
}

#[derive(Default, Debug)]
struct OrderSums(BTreeMap<u64, OrderSum>);

impl OrderSums {
    fn add(&mut self, fill: &Fill) {
        let sum = self.0.entry(fill.oid).or_insert(OrderSum { size: Decimal::ZERO, last: *fill });
        sum.size = sum.size.checked_add(fill.sz).expect(ADDED_UP);
        sum.last = *fill;
    }
}

impl OrderSum {
    fn update(
        &self,
        status: &'static str,
        orig: Decimal,
        left: Decimal,
        time_ms: u64,
    ) -> TapeUpdate {
        let cloid = self.last.cloid.as_ref().map(cloid_text);
        let face = OrderFace {
            coin: self.last.coin.as_str(),
            side: self.last.side,
            limit_px: self.last.px,
            left,
            orig,
            oid: self.last.oid,
            placed_ms: time_ms,
            cloid: cloid.as_deref(),
            reduce_only: false,
        };
        face.update(status, time_ms)
    }
}

struct Reader<'a> {
    file: &'a ReplayFile,
    seen: BTreeSet<FillKey>,
    /// Everything added up: if this fits, so does each part of it.
    total: Decimal,
}

impl Reader<'_> {
    fn fail(&self, line: usize, why: impl ToString) -> SimError {
        SimError::Replay { path: self.file.path.clone(), line, why: why.to_string() }
    }

    /// Reads one fill; `None` when it came before.
    fn take(&mut self, line: usize, raw: &RawValue) -> Result<Option<Rc<TapeFill>>, SimError> {
        let tape = read_fill(raw).map_err(|why| self.fail(line, why))?;
        let fill = &tape.fill;
        if !self.seen.insert(key_of(fill)) {
            return Ok(None);
        }
        let total = fill.px.checked_mul(fill.sz).and_then(|n| self.total.checked_add(n));
        let total = total.and_then(|n| n.checked_add(fill.sz));
        self.total = total.ok_or_else(|| self.fail(line, "numbers too large to add up exactly"))?;
        Ok(Some(Rc::new(tape)))
    }

    fn read_array(&mut self, text: &str) -> Result<Recorded, SimError> {
        let raw: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|e| self.fail(e.line(), e.to_string()))?;
        let mut fills = Vec::with_capacity(raw.len());
        for (i, raw) in raw.into_iter().enumerate() {
            fills.extend(self.take(i + 1, raw)?);
        }
        // A stable sort: inside one millisecond the recorded order is that of the positions.
        fills.sort_by_key(|fill| fill.fill.time_ms);
        let mut blocks: VecDeque<(u64, Block)> = VecDeque::new();
        for fill in fills {
            let time_ms = fill.fill.time_ms;
            match blocks.back_mut() {
                Some((at_ms, block)) if *at_ms == time_ms => block.fills.push(fill),
                _ => blocks.push_back((
                    time_ms,
                    Block { time_ms, fills: vec![fill], updates: Vec::new() },
                )),
            }
        }
        let begin_ms = blocks.front().map_or(0, |(at_ms, _)| *at_ms);
        let address = self.file.address.unwrap_or_else(|| self.address_of_name());
        let played = OrderSums::default();
        Ok(Recorded { address, past: Vec::new(), blocks, begin_ms, played })
    }

    /// The address that stands for a nameless account: from the last part of the file's stem.
    fn address_of_name(&self) -> Address {
        let stem = self.file.path.file_stem().unwrap_or_default().to_string_lossy();
        let name = stem.rsplit('_').next().unwrap_or_default();
        let mut address = Address::default();
        address.0.copy_from_slice(&Sha256::digest(name)[..20]);
        address
    }

    fn read_lines(&mut self, text: &str) -> Result<Recorded, SimError> {
        let mut user: Option<Address> = None;
        let mut past = None;
        let mut begin_ms = None;
        let mut blocks = VecDeque::new();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let at = i + 1;
            let line: Line = serde_json::from_str(line).map_err(|e| self.fail(at, e))?;
            let Some(data) = line.frame.data.filter(|_| line.frame.channel == "userFills") else {
                continue;
            };
            let frame: FillsFrame =
                serde_json::from_str(data.get()).map_err(|e| self.fail(at, e))?;
            let address: Address = frame.user.parse().map_err(|e| self.fail(at, e))?;
            if user.is_some_and(|known| known != address) {
                return Err(self.fail(at, "a second account; one file is one account"));
            }
            user = Some(address);
            begin_ms.get_or_insert(line.recv_ms);
            let mut fills = Vec::new();
            for raw in frame.fills {
                fills.extend(self.take(at, raw)?);
            }
            if frame.is_snapshot && past.is_none() && blocks.is_empty() {
                past = Some(fills);
            } else if let Some(newest) = fills.last() {
                let time_ms = newest.fill.time_ms;
                let at_ms = line.recv_ms.max(blocks.back().map_or(0, |(last, _)| *last));
                blocks.push_back((at_ms, Block { time_ms, fills, updates: Vec::new() }));
            }
        }
        let found = user.ok_or_else(|| self.fail(1, "no userFills frame in it"))?;
        Ok(Recorded {
            address: self.file.address.unwrap_or(found),
            past: past.unwrap_or_default(),
            blocks,
            begin_ms: begin_ms.unwrap_or_default(),
            played: OrderSums::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const USER: &str = "0xed8b24ccef33fdbcef848e5beec2fd453896b590";

    fn fill(time: u64, oid: u64, tid: u64, sz: &str) -> String {
        format!(
            r#"{{"closedPnl":"0.0","coin":"ENA","crossed":true,"dir":"Open Long","fee":"0.1","feeToken":"USDC","hash":"0x01","oid":{oid},"px":"0.08","side":"B","startPosition":"0.0","sz":"{sz}","tid":{tid},"time":{time},"twapId":null,"unknownField":[1]}}"#
        )
    }

    fn frame(recv: u64, snapshot: bool, fills: &[String]) -> String {
        format!(
            r#"{{"recv_ms":{recv},"frame":{{"channel":"userFills","data":{{"isSnapshot":{snapshot},"user":"{USER}","fills":[{}]}}}}}}"#,
            fills.join(",")
        )
    }

    fn load(name: &str, text: &str) -> Result<Recorded, SimError> {
        let dir = tempfile::tempdir().expect("a directory");
        let path: PathBuf = dir.path().join(name);
        fs::write(&path, text).expect("written");
        Recorded::load(&ReplayFile { path, address: None }, true)
    }

    #[test]
    fn lines_give_a_past_and_blocks_and_repeats_are_taken_once() {
        let lines = [
            r#"{"recv_ms":1,"frame":{"channel":"subscriptionResponse","data":{}}}"#.to_owned(),
            r#"{"recv_ms":2,"frame":{"channel":"pong"}}"#.to_owned(),
            frame(5, true, &[fill(1, 10, 1, "2"), fill(1, 10, 2, "3")]),
            frame(9, false, &[fill(8, 10, 3, "4.5")]),
            frame(9, false, &[fill(8, 10, 3, "4.5")]),
            frame(20, true, &[fill(8, 10, 3, "4.5"), fill(9, 11, 4, "1")]),
        ];
        let mut recorded = load("x.jsonl", &lines.join("\n")).expect("loaded");
        assert_eq!((recorded.address.to_string().as_str(), recorded.begin_ms()), (USER, 5));
        assert_eq!(recorded.take_past().len(), 2);
        assert_eq!(recorded.next_ms(), Some(9));
        let block = recorded.next_block();
        assert_eq!(&*block.fills[0].json, fill(8, 10, 3, "4.5"));
        assert_eq!(block.updates.len(), 1);
        let update = block.updates[0].json();
        assert!(update.contains(r#""sz":"0.0""#) && update.contains(r#""origSz":"9.5""#));
        assert!(update.contains(r#""status":"filled""#), "{update}");
        assert_eq!(recorded.next_ms(), Some(20));
        assert_eq!(recorded.next_block().fills.len(), 1);
        assert_eq!(recorded.next_ms(), None);
    }

    #[test]
    fn an_array_becomes_one_block_for_each_time() {
        let fills = [fill(7, 1, 1, "1"), fill(5, 1, 2, "1"), fill(7, 2, 3, "1")];
        let mut recorded =
            load("leader_acc10.json", &format!("[{}]", fills.join(","))).expect("loaded");
        assert_eq!(recorded.address.to_string(), USER, "sha256 of acc10");
        assert!(recorded.take_past().is_empty());
        assert_eq!((recorded.begin_ms(), recorded.next_ms()), (5, Some(5)));
        assert_eq!(recorded.next_block().fills.len(), 1);
        assert_eq!(recorded.next_block().fills.len(), 2);
        assert_eq!(recorded.next_ms(), None);
    }

    #[test]
    fn closing_early_cancels_only_what_had_begun() {
        let fills = [fill(5, 1, 1, "1"), fill(6, 1, 2, "2"), fill(7, 2, 3, "1")];
        let mut recorded = load("a.json", &format!("[{}]", fills.join(","))).expect("loaded");
        recorded.next_block();
        let block = recorded.close();
        assert_eq!((block.updates.len(), block.fills.len(), block.time_ms), (1, 0, 6));
        let update = block.updates[0].json();
        assert!(update.contains(r#""sz":"2.0""#) && update.contains(r#""origSz":"3.0""#));
        assert_eq!((block.updates[0].oid, block.updates[0].status), (1, "canceled"));
        assert_eq!(recorded.next_ms(), None);
    }

    #[test]
    fn errors_name_the_line() {
        let error = |name: &str, text: &str| load(name, text).expect_err("refused").to_string();
        assert!(error("x.json", "[{}]").contains("x.json:1: "));
        let good = frame(1, true, &[]);
        assert!(error("x.jsonl", &format!("{good}\nnonsense")).contains("x.jsonl:2: "));
        let other = good.replace("0xed", "0xee");
        assert!(error("x.jsonl", &format!("{good}\n{other}")).contains("second account"));
        assert!(error("x.jsonl", "").contains("no userFills frame"));
        let huge = fill(1, 1, 1, &"9".repeat(38));
        assert!(error("x.json", &format!("[{huge}]")).contains("too large"));
        let missing = Recorded::load(&ReplayFile::parse("/nowhere/x.json"), true);
        assert!(matches!(missing, Err(SimError::Read { .. })));
    }
}
