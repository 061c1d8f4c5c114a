//! Reads a node's files and hands what is wanted to the shards. Sans thread: [`Reader::turn`] does one pass.
//!
//! * An account is fed from its [`Fed::Join`] on. Whether that continues what it had before is known from the position:
//!   the place up to which everything had been durable, and who was followed then.
//! * Whatever may have been missed makes a new join of every account, before the next fill: the core asks for the rest.
//! * The position never passes what the shards have acknowledged, nor a loss that they have not been told of.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use net::hyperliquid::DecodeError;
use net::hyperliquid::node::{self, Events, Head, Kind};
use shards::Address;

use super::continuity::{Continuity, Verdict};
use super::marks::{Mark, Marks};
use super::outlet::Outlet;
use super::position::{self, Position};
use super::said;
use super::stream::{Lost, Step, Stream};
use crate::diag::Problem;
use crate::lane::channel::Sender;
use crate::shard::fed::Fed;

/// Bytes of lines in one turn: after a millisecond or two orders are heard again.
const TURN_BYTES_MAX: usize = 1 << 20;
/// How often the position is written.
const POSITION_EVERY: Duration = Duration::from_secs(2);
/// A node writes a block about every 70 ms: after this without a line it is told that it does not.
const QUIET: Duration = Duration::from_secs(30);
/// How often is asked for what a node may have left out that leaves out blocks by habit. Each time every account asks REST
/// for its fills, which a thousand accounts take a quarter of an hour for within one budget.
const LEFT_OUT_EVERY: Duration = Duration::from_secs(3600);
/// A newest block that is older than this is told of, and one that is younger than a sixth of it is again up to date.
const BEHIND_MS: u64 = 60_000;
/// A block that is younger than this is of now: an account joins at its time. Else the clock says where it begins, for
/// what is older is not news.
const RECENT_MS: u64 = 10_000;

/// What a reader is made for.
#[derive(Clone, Debug)]
pub struct ReaderOptions {
    /// Index of the source.
    pub source: u16,
    /// The node's data directory.
    pub node_dir: PathBuf,
    /// Where the position is kept.
    pub data_dir: PathBuf,
}

/// The time of a turn.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Unix milliseconds.
    pub unix_ms: u64,
    /// For waiting.
    pub instant: Instant,
}

/// How a turn ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// There is more to read.
    Busy,
    /// A shard's ring is full.
    Full,
    /// Everything that is there was read.
    Idle,
}

struct Followed {
    shard: usize,
    /// Of the watch.
    ticket: u64,
    /// The block at which the account joined; `None` while nothing is read.
    joined: Option<u64>,
}

/// Reads for all shards. See the module.
pub struct Reader {
    options: ReaderOptions,
    fills: Stream,
    statuses: Stream,
    outlets: Vec<Outlet>,
    followed: HashMap<Address, Followed, foldhash::fast::RandomState>,
    /// Accounts whose fills up to the place where reading goes on had all been given.
    resumed: BTreeSet<Address>,
    stage: Stage,
    events: Events,
    marks: Marks,
    /// How far each shard's journal reached at the start.
    journals: Vec<u64>,
    /// The position as it is on the disk, as far as it is still true.
    written: Option<Position>,
    /// Whether that has become less than what is on the disk.
    is_stale: bool,
    /// Number of the last block, as the shards know it: rises always.
    number: u64,
    /// Whether some shard has been given the end of that block.
    is_closed: bool,
    block_time_ms: u64,
    /// What the position may become when all shards have that block.
    candidate: Option<Mark>,
    /// Fills may have been missed that the shards have not been told of.
    is_gap: bool,
    /// Blocks were left out, as is this node's habit: whether fills were among them is still to be asked.
    is_left_out: bool,
    /// When all accounts were last given a join that asks.
    asked_at: Option<Instant>,
    /// The blocks that were missing last among the fills.
    last_hole: (u64, u64),
    position_at: Option<Instant>,
    last_line_at: Option<Instant>,
    lines: u64,
    said: Said,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Who is followed is not yet known: nothing is read.
    Waiting,
    /// Reading may begin.
    Begun,
    /// A turn was made: the streams stand somewhere, or wait for files.
    Reading,
}

/// What was said, so that it is not said again and again.
#[derive(Default)]
struct Said {
    waiting: VecDeque<Problem>,
    no_files: bool,
    no_statuses: bool,
    no_numbers: bool,
    /// Of fills and of statuses.
    unreadable: [Option<String>; 2],
    position_failed: bool,
    /// That the node writes nothing, while that is so.
    is_silent: bool,
    /// That its blocks are old, until they are not.
    is_behind: bool,
    /// One of them, and not yet that it is well again.
    is_late: bool,
    broken: u64,
    holes: u64,
}

/// Of a thing that may happen often the first ten are told, then ever fewer.
fn is_told(count: &mut u64) -> bool {
    *count += 1;
    *count <= 10 || count.is_power_of_two()
}

impl Reader {
    /// A reader with one ring for each shard. Nothing is read before [`Reader::begin`].
    pub fn new(options: ReaderOptions, rings: Vec<Sender<Fed>>) -> Reader {
        let (marks, journals) = (Marks::new(rings.len()), vec![0; rings.len()]);
        Reader {
            fills: Stream::new(&options.node_dir, [Kind::FillsByBlock, Kind::Fills]),
            statuses: Stream::new(&options.node_dir, [Kind::StatusesByBlock, Kind::Statuses]),
            outlets: rings.into_iter().map(Outlet::new).collect(),
            followed: HashMap::default(),
            resumed: BTreeSet::new(),
            stage: Stage::Waiting,
            events: Events::default(),
            marks,
            journals,
            written: None,
            is_stale: false,
            number: 0,
            // Whatever comes first is of a new block to the shards.
            is_closed: true,
            block_time_ms: 0,
            candidate: None,
            is_gap: false,
            is_left_out: false,
            asked_at: None,
            last_hole: (0, 0),
            position_at: None,
            last_line_at: None,
            lines: 0,
            said: Said::default(),
            options,
        }
    }

    /// Follows an account for a shard, from the next line on. The ticket is the watch's: its joins carry it. To follow it
    /// again under another one joins it anew.
    pub fn follow(&mut self, shard: usize, address: Address, ticket: u64) {
        assert!(shard < self.outlets.len(), "a ring for each shard");
        let new = Followed { shard, ticket, joined: None };
        match self.followed.entry(address) {
            Entry::Vacant(entry) => {
                entry.insert(new);
            }
            Entry::Occupied(mut entry) if entry.get().ticket != ticket => {
                entry.insert(new);
                // The shard has forgotten what it had before.
                self.resumed.remove(&address);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// Lets go of an account.
    pub fn unfollow(&mut self, address: &Address) {
        self.followed.remove(address);
        // Once let go it has a hole, whatever the position says.
        self.resumed.remove(address);
        self.keep_written(|followed| followed != address);
    }

    /// What is on the disk is true of these accounts only; it is written again at once.
    fn keep_written(&mut self, is_true: impl Fn(&Address) -> bool) {
        let Some(written) = &mut self.written else { return };
        let before = written.followed.len();
        written.followed.retain(is_true);
        if written.followed.len() < before {
            (self.is_stale, self.position_at) = (true, None);
        }
    }

    /// How far a shard's journal reached at the start.
    pub fn journal(&mut self, shard: usize, seq: u64) {
        self.journals[shard] = seq;
    }

    /// Everything up to this block is durable on a shard, whose journal is up to `seq`.
    pub fn acknowledge(&mut self, shard: usize, number: u64, seq: u64) {
        self.marks.acknowledge(shard, number, seq);
    }

    /// All accounts of the start have been given: reading may begin. Who comes later has missed something.
    pub fn begin(&mut self) {
        if self.stage == Stage::Waiting {
            self.stage = Stage::Begun;
        }
    }

    /// The next thing that a person should read.
    pub fn said(&mut self) -> Option<Problem> {
        self.said.waiting.pop_front()
    }

    /// Lines read since the start.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The directories in which a change is news.
    pub fn dirs(&self) -> Vec<PathBuf> {
        let mut dirs = self.fills.dirs();
        dirs.extend(self.statuses.dirs());
        dirs
    }

    /// A file appeared, or went.
    pub fn hint(&mut self) {
        self.fills.hint();
        self.statuses.hint();
    }

    /// One pass over what is there.
    pub fn turn(&mut self, now: Now) -> Progress {
        if self.stage == Stage::Waiting {
            return Progress::Idle;
        }
        if self.stage == Stage::Begun {
            self.open();
            self.stage = Stage::Reading;
            self.last_line_at = Some(now.instant);
        }
        let progress = self.pass(now);
        if progress != Progress::Full {
            self.close_all();
        }
        self.outlets.iter_mut().for_each(Outlet::ring_bell);
        if self.position_at.is_none_or(|at| at <= now.instant) {
            self.position_at = Some(now.instant + POSITION_EVERY);
            self.save();
        }
        if progress == Progress::Idle {
            self.judge_age(now);
        }
        progress
    }

    /// Writes the position if there is a newer one, or if less of it is true.
    pub fn save(&mut self) {
        if let Some(mark) = self.marks.take_passed() {
            // Who joined at that block or later may lack something before.
            let is_whole = |followed: &Followed| {
                !self.is_left_out && followed.joined.is_some_and(|at| at < mark.number)
            };
            let whole = self.followed.iter().filter(|(_, followed)| is_whole(followed));
            let mut followed: Vec<Address> = whole.map(|(address, _)| *address).collect();
            followed.sort_unstable();
            let journals = self.marks.journals().to_vec();
            self.written = Some(Position { mark, journals, followed });
            self.is_stale = true;
        }
        let Some(position) = self.written.as_ref().filter(|_| self.is_stale) else { return };
        let path = position::path_of(&self.options.data_dir, self.options.source);
        let written = position::write(&path, position);
        let failed = written.is_err();
        if let Err(error) = written
            && !self.said.position_failed
        {
            self.say(said::position_not_written(&path, &error));
        }
        (self.said.position_failed, self.is_stale) = (failed, failed);
    }

    fn say(&mut self, problem: Problem) {
        self.said.waiting.push_back(problem);
    }

    /// Goes to where the position says, or to the end of what is there.
    fn open(&mut self) {
        let path = position::path_of(&self.options.data_dir, self.options.source);
        let position = position::read(&path).unwrap_or_else(|error| {
            self.say(said::position_unusable(&error));
            None
        });
        let Some(position) = position else { return self.open_at_end() };
        let is_of_them = position.journals.len() == self.journals.len()
            && position.journals.iter().zip(&self.journals).all(|(seq, end)| seq <= end);
        if !is_of_them {
            self.say(said::other_journals(&path, self.options.source));
            // The journals may come to reach as far, and it would look like theirs.
            if let Err(error) = position::remove(&path) {
                self.say(said::position_not_written(&path, &error));
            }
            return self.open_at_end();
        }
        let Position { mark, followed, .. } = position.clone();
        self.written = Some(position);
        // Who is followed no longer, and is again later, will have missed something.
        let now_followed: BTreeSet<Address> = self.followed.keys().copied().collect();
        self.keep_written(|address| now_followed.contains(address));
        self.number = mark.number;
        let [of_fills, of_statuses] = mark.habits;
        let continuity = Continuity::new(mark.block, of_fills);
        if let Err(error) = self.fills.resume(&mark.fills, mark.time_ms, continuity) {
            self.say(said::not_resumed(&error, &mark.fills, mark.time_ms));
            return self.open_at_end();
        }
        let goes_on = |address: &Address| now_followed.contains(address);
        self.resumed = followed.into_iter().filter(goes_on).collect();
        let continuity = Continuity::new(mark.status_block, of_statuses);
        let resumed = mark.statuses.map(|place| {
            let resumed = self.statuses.resume(&place, mark.time_ms, continuity);
            resumed.map_err(|error| said::not_resumed(&error, &place, mark.time_ms))
        });
        match resumed {
            Some(Ok(())) => return,
            // The end of an order may be among what was missed.
            Some(Err(problem)) => {
                self.say(problem);
                self.resumed.clear();
            }
            None => {}
        }
        let begun = self.statuses.begin();
        self.note(Which::Statuses, begun);
    }

    fn open_at_end(&mut self) {
        let begun = self.fills.begin();
        self.note(Which::Fills, begun);
        let begun = self.statuses.begin();
        self.note(Which::Statuses, begun);
    }

    fn stream(&mut self, which: Which) -> &mut Stream {
        match which {
            Which::Fills => &mut self.fills,
            Which::Statuses => &mut self.statuses,
        }
    }

    /// Tells of an error once; what was read, if it could be.
    fn note<T>(&mut self, which: Which, read: io::Result<T>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                let why = error.to_string();
                let before = &mut self.said.unreadable[which as usize];
                if before.as_ref() != Some(&why) {
                    *before = Some(why);
                    let path = self.stream(which).path();
                    self.say(said::unreadable(&path, &error));
                }
                None
            }
        }
    }

    fn pass(&mut self, now: Now) -> Progress {
        let mut bytes = 0;
        // Streams that have nothing more in this pass.
        let mut dry = [false; 2];
        self.join_new(now);
        loop {
            // One shard that does not take holds up the others: what waits for it must not grow.
            let full = self.outlets.iter_mut().filter_map(|outlet| (!outlet.drain()).then_some(()));
            if full.count() > 0 {
                return Progress::Full;
            }
            if dry == [true; 2] {
                return Progress::Idle;
            }
            if bytes >= TURN_BYTES_MAX {
                return Progress::Busy;
            }
            // The one that is behind, so that the statuses of a block are near its fills.
            let behind = self.statuses.last_time_ms() < self.fills.last_time_ms();
            let which = match dry {
                [_, true] => Which::Fills,
                [true, _] => Which::Statuses,
                _ if behind => Which::Statuses,
                _ => Which::Fills,
            };
            let step = self.stream(which).find(now.instant);
            let step = self.note(which, step);
            // What was lost is said before what follows from it.
            if let Some(Step::Lost(lost)) = &step {
                self.lost(which, lost, now);
            }
            // The first file may just have been found: who is fed from it joins before its first line.
            self.join_new(now);
            match step {
                Some(Step::Line) => {
                    self.lines += 1;
                    bytes += match which {
                        Which::Fills => self.fills_line(now),
                        Which::Statuses => self.statuses_line(now),
                    };
                }
                Some(Step::Lost(_)) => {}
                Some(Step::Nothing) | None => dry[which as usize] = true,
            }
            if !dry[which as usize] {
                self.said.unreadable[which as usize] = None;
            }
        }
    }

    /// Joins the accounts that are new, once there is a file that is read.
    fn join_new(&mut self, now: Now) {
        let Some(kind) = self.fills.kind() else {
            if !std::mem::replace(&mut self.said.no_files, true) {
                self.say(said::no_files(&self.options.node_dir, self.options.source));
            }
            return;
        };
        self.said.no_files = false;
        if !kind.is_by_block() && !std::mem::replace(&mut self.said.no_numbers, true) {
            self.say(said::no_numbers(kind));
        }
        if self.statuses.kind().is_none() && !std::mem::replace(&mut self.said.no_statuses, true) {
            self.say(said::no_statuses(&self.options.node_dir));
        }
        if self.followed.values().any(|followed| followed.joined.is_none()) {
            let last_ms = self.fills.last_time_ms();
            let is_recent = now.unix_ms.saturating_sub(last_ms) < RECENT_MS;
            let at_ms = if is_recent { last_ms } else { now.unix_ms };
            self.join(at_ms, |followed| followed.joined.is_none());
        }
    }

    /// Gives a join of the accounts that `which` says, in the order of their addresses.
    fn join(&mut self, at_ms: u64, which: impl Fn(&Followed) -> bool) {
        let mut addresses: Vec<Address> =
            self.followed.iter().filter(|(_, f)| which(f)).map(|(address, _)| *address).collect();
        addresses.sort_unstable();
        for address in addresses {
            let followed = self.followed.get_mut(&address).expect("it was just there");
            let continues = followed.joined.is_none() && self.resumed.remove(&address);
            followed.joined = Some(self.number);
            let at_ms = if continues { self.fills.last_time_ms() } else { at_ms };
            let ticket = followed.ticket;
            self.outlets[followed.shard].give(Fed::Join { address, at_ms, continues, ticket });
        }
    }
}

/// One of the two streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    Fills = 0,
    Statuses = 1,
}

impl Reader {
    fn fills_line(&mut self, now: Now) -> usize {
        // Who is not followed by now has a hole.
        self.resumed.clear();
        self.last_line_at = Some(now.instant);
        let head = match self.decode(Which::Fills) {
            Ok(head) => head,
            Err(error) => return self.broken(Which::Fills, &error, now),
        };
        let before_ms = self.fills.last_time_ms();
        if let Some(number) = head.number {
            let verdict = self.fills.continuity().block(number, head.events);
            self.judge(Which::Fills, verdict, (number, head.time_ms), before_ms, now);
        }
        let is_due = || self.asked_at.is_none_or(|at| now.instant >= at + LEFT_OUT_EVERY);
        self.is_gap |= self.is_left_out && is_due();
        let bytes = self.fills.pass(now.instant, Some(head));
        if std::mem::take(&mut self.is_gap) {
            self.rejoin(head.time_ms, now);
        }
        let is_new = head.number.is_some() || self.is_closed || head.time_ms != before_ms;
        if is_new {
            self.close();
            let next = self.number + 1;
            self.number = head.number.map_or(next, |number| number.max(next));
            self.is_closed = false;
        }
        self.block_time_ms = head.time_ms;
        for (address, fill) in self.events.fills.drain(..) {
            let shard = self.followed.get(&address).expect("only these are wanted").shard;
            self.outlets[shard].give(Fed::Fill { address, fill });
        }
        self.candidate = self.mark();
        // A block by itself is whole; single fills are of one block while their time is the same.
        if head.number.is_some() {
            self.close();
        }
        bytes
    }

    fn statuses_line(&mut self, now: Now) -> usize {
        let head = match self.decode(Which::Statuses) {
            Ok(head) => head,
            Err(error) => return self.broken(Which::Statuses, &error, now),
        };
        let before_ms = self.statuses.last_time_ms();
        if let Some(number) = head.number {
            let verdict = self.statuses.continuity().block(number, head.events);
            self.judge(Which::Statuses, verdict, (number, head.time_ms), before_ms, now);
        }
        for (address, status) in self.events.statuses.drain(..) {
            let shard = self.followed.get(&address).expect("only these are wanted").shard;
            self.outlets[shard].give(Fed::Status(status));
        }
        self.statuses.pass(now.instant, Some(head))
    }

    fn decode(&mut self, which: Which) -> Result<Head, DecodeError> {
        let stream = match which {
            Which::Fills => &self.fills,
            Which::Statuses => &self.statuses,
        };
        let kind = stream.kind().expect("a line was found");
        let followed = &self.followed;
        node::read(kind, stream.line(), |address| followed.contains_key(address), &mut self.events)
    }

    /// A line that cannot be read is left out.
    fn broken(&mut self, which: Which, error: &DecodeError, now: Now) -> usize {
        if is_told(&mut self.said.broken) {
            let stream = self.stream(which);
            let (path, offset) = (stream.path(), stream.offset());
            self.say(said::broken(&path, offset, error, which == Which::Fills));
        }
        // Statuses that cannot be read end no order: time does. Asking for all fills would not bring them.
        self.is_gap |= which == Which::Fills;
        let stream = self.stream(which);
        stream.continuity().skip();
        stream.pass(now.instant, None)
    }

    /// Something in the files themselves was lost.
    fn lost(&mut self, which: Which, lost: &Lost, now: Now) {
        self.say(said::lost(lost));
        let by_block = self.stream(which).kind().is_some_and(Kind::is_by_block);
        // Where blocks have numbers, the next one says whether the end of a line was the end of a block.
        let is_judged = by_block && matches!(lost, Lost::Cut { .. });
        if is_judged {
            return;
        }
        match which {
            Which::Fills => self.is_gap = true,
            Which::Statuses => self.rejoin(now.unix_ms, now),
        }
    }

    fn judge(&mut self, which: Which, verdict: Verdict, to: (u64, u64), before_ms: u64, now: Now) {
        let from = match verdict {
            Verdict::Follows => return,
            Verdict::LeftOut => return self.is_left_out = true,
            Verdict::Missing { from, .. } | Verdict::Back { from } => from,
        };
        let path = self.stream(which).path();
        if is_told(&mut self.said.holes) {
            self.say(said::missing(&path, (from, before_ms), to));
        }
        if let Verdict::Missing { habit: Some(habit), .. } = verdict {
            self.say(said::leaves_out(&path, habit, LEFT_OUT_EVERY.as_secs()));
        }
        let hole = (from, to.0);
        match which {
            Which::Fills => (self.is_gap, self.last_hole) = (true, hole),
            // The same hole in both files is one.
            Which::Statuses if hole == self.last_hole => {}
            Which::Statuses => self.rejoin(to.1, now),
        }
    }

    /// Tells the shards now that something may have been missed.
    fn rejoin(&mut self, at_ms: u64, now: Now) {
        (self.is_left_out, self.asked_at) = (false, Some(now.instant));
        self.join(at_ms, |followed| followed.joined.is_some());
    }

    /// Where everything stands, now that a block was given and all losses before it were told.
    fn mark(&mut self) -> Option<Mark> {
        assert!(!self.is_gap, "a loss is told before the next fill");
        let fills = self.fills.place()?;
        Some(Mark {
            number: self.number,
            block: self.fills.continuity().last(),
            status_block: self.statuses.continuity().last(),
            time_ms: self.block_time_ms,
            fills,
            statuses: self.statuses.place(),
            habits: [self.fills.habit(), self.statuses.habit()],
        })
    }

    /// Gives the end of the block to the shards that have something of it.
    fn close(&mut self) {
        for at in 0..self.outlets.len() {
            if self.outlets[at].is_open() {
                self.give_block(at);
            }
        }
    }

    /// Gives the end of the block to all shards, and remembers where that is.
    fn close_all(&mut self) {
        let Some(mark) = self.candidate.take() else { return };
        for at in 0..self.outlets.len() {
            if self.outlets[at].number() < self.number {
                self.give_block(at);
            }
        }
        self.marks.push(mark);
    }

    fn give_block(&mut self, at: usize) {
        let (source, number, time_ms) = (self.options.source, self.number, self.block_time_ms);
        self.outlets[at].give(Fed::Block { source, number, time_ms });
        self.is_closed = true;
    }

    /// Tells when the node falls silent or behind, and when it is well again.
    fn judge_age(&mut self, now: Now) {
        if self.fills.kind().is_none() {
            return;
        }
        let quiet = self.last_line_at.map_or(Duration::ZERO, |at| now.instant.duration_since(at));
        let last_ms = self.fills.last_time_ms();
        let behind_ms = if last_ms == 0 { 0 } else { now.unix_ms.saturating_sub(last_ms) };
        let path = self.fills.path();
        if quiet >= QUIET && !std::mem::replace(&mut self.said.is_silent, true) {
            self.said.is_late = true;
            self.say(said::quiet(&path, quiet.as_secs()));
        }
        if quiet >= LINES_COME {
            return;
        }
        self.said.is_silent = false;
        if behind_ms >= BEHIND_MS && !std::mem::replace(&mut self.said.is_behind, true) {
            self.said.is_late = true;
            self.say(said::behind(&path, behind_ms / 1000));
        }
        if behind_ms < BEHIND_MS / 6 {
            self.said.is_behind = false;
            if std::mem::take(&mut self.said.is_late) {
                self.say(said::current(&path));
            }
        }
    }
}

/// A line within this time: the node writes.
const LINES_COME: Duration = Duration::from_secs(1);
