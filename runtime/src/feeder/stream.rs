//! The files of one kind of a node, hour after hour, as one stream of lines.
//!
//! The next hour's file can appear late, and the old one can still grow when it is there. So the stream goes on only
//! when the old file has no whole line left, and the next one's first block follows the old one's last; where numbers
//! do not say that, when both have been so for [`GRACE`].

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use net::hyperliquid::node::{self, Head, Kind};

use super::continuity::Continuity;
use super::hours::{self, Hour};
use super::place::{Place, line_hash};
use super::tail::{Found, Tail};

/// How long an old file may still get lines that the next one's do not tell of.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How often it is asked whether a next file is there, and whether this one is still the same.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// How often directories that are not there, and those of the other kind, are asked for.
const SEARCH: Duration = Duration::from_secs(1);

/// What [`Stream::find`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A whole line: [`Stream::line`].
    Line,
    /// Nothing more, for now.
    Nothing,
    /// Something was lost.
    Lost(Lost),
}

/// What was lost in the files themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Lost {
    /// A line that is too long.
    TooLong {
        /// The file.
        path: PathBuf,
        /// Where it began.
        offset: u64,
        /// Its length.
        bytes: u64,
    },
    /// The end of a file that the node has left: a line without an end.
    Cut {
        /// The file.
        path: PathBuf,
        /// Where it began.
        offset: u64,
        /// Its length.
        bytes: u64,
    },
    /// A file became shorter than what had been read of it.
    Truncated {
        /// The file.
        path: PathBuf,
        /// How far it had been read.
        read_to: u64,
        /// How long it is.
        bytes: u64,
    },
    /// Another file has the name.
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The node writes files of another kind now.
    Kind {
        /// The kind before.
        from: Kind,
        /// The kind now.
        to: Kind,
    },
}

/// Why a place could not be returned to.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotResumed {
    /// The file is gone.
    #[error("{} is not there any more", .0.display())]
    Gone(PathBuf),
    /// It is another one, or was changed.
    #[error("{} is not the file that was read", .0.display())]
    Other(PathBuf),
    /// It cannot be read.
    #[error("{}: {}", .0.display(), crate::diag::reason(.1))]
    Io(PathBuf, io::Error),
}

/// The files of a kind, or of two of which one is there.
pub(super) struct Stream {
    root: PathBuf,
    kinds: [Kind; 2],
    open: Option<Open>,
    next: Option<Next>,
    /// Whether a file that appears is read from its beginning: nothing was there when reading began.
    from_beginning: bool,
    continuity: Continuity,
    look_at: Option<Instant>,
    search_at: Option<Instant>,
    last_line_at: Option<Instant>,
    last_time_ms: u64,
}

/// The file that is read.
struct Open {
    kind: Kind,
    hour: Hour,
    tail: Tail,
    line_bytes: u64,
    line_hash: u64,
}

/// The file that follows, with its beginning.
struct Next {
    hour: Hour,
    tail: Tail,
    since: Instant,
}

impl Stream {
    /// Of a node's data directory. Of two kinds with files of the same hour the first wins.
    pub(super) fn new(root: &Path, kinds: [Kind; 2]) -> Stream {
        Stream {
            root: root.to_owned(),
            kinds,
            open: None,
            next: None,
            from_beginning: false,
            continuity: Continuity::default(),
            look_at: None,
            search_at: None,
            last_line_at: None,
            last_time_ms: 0,
        }
    }

    /// Begins at the end of what is there; nothing if nothing is there.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.from_beginning = true;
        let Some((kind, hour)) = self.choose()? else { return Ok(()) };
        let tail = Tail::open_at_end(&hour.path(&self.hourly(kind)))?;
        let line = tail.line_before()?;
        let head = line.as_deref().and_then(|line| node::head(kind, line).ok());
        self.continuity = Continuity::new(head.and_then(|head| head.number), false);
        self.last_time_ms = head.map_or(0, |head| head.time_ms);
        let (line_bytes, line_hash) =
            line.as_deref().map_or((0, 0), |line| (line.len() as u64 + 1, line_hash(line)));
        self.open = Some(Open { kind, hour, tail, line_bytes, line_hash });
        Ok(())
    }

    /// Begins behind a line that was read before, of a block of this number and time.
    pub(super) fn resume(
        &mut self,
        place: &Place,
        time_ms: u64,
        continuity: Continuity,
    ) -> Result<(), NotResumed> {
        let path = place.hour.path(&self.hourly(place.kind));
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => NotResumed::Gone(path.clone()),
            io::ErrorKind::UnexpectedEof => NotResumed::Other(path.clone()),
            _ => NotResumed::Io(path.clone(), error),
        };
        let tail = Tail::open(&path, place.offset).map_err(failed)?;
        if place.line_bytes > 0 {
            let begin = place.offset.checked_sub(place.line_bytes);
            let begin = begin.ok_or_else(|| NotResumed::Other(path.clone()))?;
            let line = tail.bytes(begin, place.line_bytes as usize).map_err(failed)?;
            let is_same =
                line.strip_suffix(b"\n").is_some_and(|line| line_hash(line) == place.line_hash);
            if !is_same {
                return Err(NotResumed::Other(path));
            }
        }
        let Place { kind, hour, line_bytes, line_hash, .. } = *place;
        self.open = Some(Open { kind, hour, tail, line_bytes, line_hash });
        (self.continuity, self.last_time_ms) = (continuity, time_ms);
        Ok(())
    }

    /// Where the stream stands.
    pub(super) fn place(&self) -> Option<Place> {
        let open = self.open.as_ref()?;
        Some(Place {
            kind: open.kind,
            hour: open.hour,
            offset: open.tail.offset(),
            line_bytes: open.line_bytes,
            line_hash: open.line_hash,
        })
    }

    /// What the lines are, once there is a file.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.open.as_ref().map(|open| open.kind)
    }

    /// The file that is read.
    pub(super) fn path(&self) -> PathBuf {
        match &self.open {
            Some(open) => open.hour.path(&self.hourly(open.kind)),
            None => self.root.join(self.kinds[0].dir()),
        }
    }

    /// The directories in which something can happen.
    pub(super) fn dirs(&self) -> Vec<PathBuf> {
        let Some(open) = &self.open else { return Vec::new() };
        let hourly = self.hourly(open.kind);
        let mut dirs = vec![open.hour.dir(&hourly)];
        dirs.extend(self.next.as_ref().map(|next| next.hour.dir(&hourly)));
        dirs.push(hourly);
        dirs.dedup();
        dirs
    }

    /// Numbers of the blocks.
    pub(super) fn continuity(&mut self) -> &mut Continuity {
        &mut self.continuity
    }

    /// Whether the node leaves out blocks without events, as far as these files show.
    pub(super) fn leaves_out_empty(&self) -> bool {
        self.continuity.leaves_out_empty()
    }

    /// Time of the last line, Unix milliseconds; 0 if none was read.
    pub(super) fn last_time_ms(&self) -> u64 {
        self.last_time_ms
    }

    /// Something may have changed in the directories: [`Stream::find`] looks without waiting.
    pub(super) fn hint(&mut self) {
        self.look_at = None;
    }

    /// Looks for the next whole line. The same again until [`Stream::pass`].
    pub(super) fn find(&mut self, now: Instant) -> io::Result<Step> {
        loop {
            let Some(open) = &mut self.open else {
                if !is_due(&mut self.search_at, now, SEARCH) || !self.open_first()? {
                    return Ok(Step::Nothing);
                }
                continue;
            };
            match open.tail.find()? {
                Found::Line => return Ok(Step::Line),
                Found::TooLong { offset, bytes } => {
                    (open.line_bytes, open.line_hash) = (0, 0);
                    self.continuity.skip();
                    return Ok(Step::Lost(Lost::TooLong { path: self.path(), offset, bytes }));
                }
                Found::Nothing => {}
            }
            if self.next.is_none() && !is_due(&mut self.look_at, now, LOOK) {
                return Ok(Step::Nothing);
            }
            match self.look(now)? {
                Looked::Stay => return Ok(Step::Nothing),
                Looked::Moved => {}
                Looked::Lost(lost) => return Ok(Step::Lost(lost)),
            }
        }
    }

    /// The line that was found.
    pub(super) fn line(&self) -> &[u8] {
        self.open.as_ref().map_or(&[], |open| open.tail.line())
    }

    /// Where that line begins.
    pub(super) fn offset(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.tail.offset())
    }

    /// Passes the line, which said this, if it could be read; its length.
    pub(super) fn pass(&mut self, now: Instant, head: Option<Head>) -> usize {
        let Some(open) = &mut self.open else { return 0 };
        open.line_hash = line_hash(open.tail.line());
        let bytes = open.tail.pass();
        open.line_bytes = bytes as u64;
        self.last_line_at = Some(now);
        if let Some(head) = head {
            self.last_time_ms = head.time_ms;
        }
        bytes
    }

    fn hourly(&self, kind: Kind) -> PathBuf {
        self.root.join(kind.dir()).join("hourly")
    }

    /// The kind with the newest file, and that file.
    fn choose(&self) -> io::Result<Option<(Kind, Hour)>> {
        let [first, second] = self.kinds;
        let newest = |kind| hours::newest(&self.hourly(kind)).map(|hour| hour.map(|h| (kind, h)));
        Ok(match (newest(first)?, newest(second)?) {
            (Some(a), Some(b)) if b.1 > a.1 => Some(b),
            (a, b) => a.or(b),
        })
    }

    /// Opens the first file, now that there is one.
    fn open_first(&mut self) -> io::Result<bool> {
        if !self.from_beginning {
            self.begin()?;
            return Ok(self.open.is_some());
        }
        let Some((kind, hour)) = self.choose()? else { return Ok(false) };
        self.open_at_beginning(kind, hour)?;
        Ok(true)
    }

    fn open_at_beginning(&mut self, kind: Kind, hour: Hour) -> io::Result<()> {
        let tail = Tail::open(&hour.path(&self.hourly(kind)), 0)?;
        self.open = Some(Open { kind, hour, tail, line_bytes: 0, line_hash: 0 });
        self.next = None;
        Ok(())
    }

    /// Asks whether the file is still the same, and for the one that follows. There is nothing more in this one.
    fn look(&mut self, now: Instant) -> io::Result<Looked> {
        let Some(open) = &self.open else { return Ok(Looked::Stay) };
        let (kind, hour) = (open.kind, open.hour);
        if let Some(lost) = self.changed()? {
            self.continuity.forget();
            // From its beginning: what is known already is found out by its keys.
            match self.path().exists() {
                true => self.open_at_beginning(kind, hour)?,
                false => (self.open, self.next, self.from_beginning) = (None, None, true),
            }
            return Ok(Looked::Lost(lost));
        }
        let hourly = self.hourly(kind);
        if self.next.is_none() {
            let Some(next) = hours::after(&hourly, hour)? else {
                return self.look_at_other_kind(now);
            };
            let tail = Tail::open(&next.path(&hourly), 0)?;
            self.next = Some(Next { hour: next, tail, since: now });
        }
        let Some(next) = &mut self.next else { return Ok(Looked::Stay) };
        let found = next.tail.find()?;
        let first = match found {
            Found::Line => node::head(kind, next.tail.line()).ok().and_then(|head| head.number),
            _ => None,
        };
        let follows = first.is_some_and(|number| {
            self.continuity.last().is_some() && self.continuity.would_follow(number)
        });
        let quiet_since = self.last_line_at.map_or(next.since, |at| at.max(next.since));
        let has_lines = found != Found::Nothing || hours::after(&hourly, next.hour)?.is_some();
        let waited = now.saturating_duration_since(quiet_since) >= GRACE;
        let may_leave = follows || has_lines && waited;
        if !may_leave {
            return Ok(Looked::Stay);
        }
        let lost = self.cut();
        if let Some(Next { hour, .. }) = self.next.take() {
            self.open_at_beginning(kind, hour)?;
        }
        Ok(lost.map_or(Looked::Moved, Looked::Lost))
    }

    /// The line without an end that is left in the file.
    fn cut(&self) -> Option<Lost> {
        let open = self.open.as_ref()?;
        let bytes = open.tail.partial_bytes();
        let offset = open.tail.read_to() - bytes;
        (bytes > 0).then(|| Lost::Cut { path: self.path(), offset, bytes })
    }

    /// Whether the file is not the one any more that was opened.
    fn changed(&self) -> io::Result<Option<Lost>> {
        let Some(open) = &self.open else { return Ok(None) };
        let path = self.path();
        let (is, read_to) = (open.tail.metadata()?, open.tail.read_to());
        if is.len() < read_to {
            return Ok(Some(Lost::Truncated { path, read_to, bytes: is.len() }));
        }
        match std::fs::metadata(&path) {
            Ok(named) if (named.ino(), named.dev()) != (is.ino(), is.dev()) => {
                Ok(Some(Lost::Replaced { path }))
            }
            // A file that was removed is read to its end; what follows it is found by its hour.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(None),
        }
    }

    /// A node that was started with other flags writes the other kind.
    fn look_at_other_kind(&mut self, now: Instant) -> io::Result<Looked> {
        if !is_due(&mut self.search_at, now, SEARCH) {
            return Ok(Looked::Stay);
        }
        let Some(from) = self.kind() else { return Ok(Looked::Stay) };
        match self.choose()? {
            Some((to, hour)) if to != from => {
                self.open_at_beginning(to, hour)?;
                self.continuity.forget();
                Ok(Looked::Lost(Lost::Kind { from, to }))
            }
            _ => Ok(Looked::Stay),
        }
    }
}

enum Looked {
    Stay,
    Moved,
    Lost(Lost),
}

/// Whether it is time; the next time is `every` later.
fn is_due(at: &mut Option<Instant>, now: Instant, every: Duration) -> bool {
    let due = at.is_none_or(|at| at <= now);
    if due {
        *at = Some(now + every);
    }
    due
}
