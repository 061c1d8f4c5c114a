//! The walk: batch by batch along the chain, over damage, to the end and beyond it.

use std::io;
use std::path::{Path, PathBuf};

use super::{Batch, Damage, End, Piece, Standing, Why};
use crate::batch::{self, BadBatch, Header, Place, Records};
use crate::block::{BLOCK_BYTES, ZERO_BLOCK};
use crate::chain::Chain;
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, OsDisk, failed};
use crate::reader::Reader;
use crate::recover::{TornTail, epoch_floor, is_next};
use crate::segment;
use crate::snapshot;
use crate::superblock::{self, Superblock, SuperblockError};

/// As recovery reads.
const AHEAD_BYTES: usize = 1 << 20;

/// A walk through the files of one journal.
pub struct Walk<D: Disk = OsDisk> {
    disk: D,
    dir: PathBuf,
    /// What recovery holds the journal against. Guessed where the file is damaged or missing.
    superblock: Superblock,
    /// Index and length of each segment, ascending.
    segments: Vec<(u64, u64)>,
    reader: Reader<D::File>,
    chain: Chain,
    /// Whether the chain's seq is known: not so where a recycled journal begins with damage.
    anchored: bool,
    standing: Standing,
    phase: Phase,
    durable_seq: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Chain,
    /// Behind damage that nothing follows.
    Ended,
    Remains(Place),
    Done,
}

/// What comes next, without the bytes.
enum Next {
    Batch(Place, Header, u32, Standing),
    Damaged(Damage),
    Gone { seq: u64, first: u64 },
    End(End),
    Remains { place: Place, bytes: u64 },
    Nothing,
}

/// What stands at a place, by itself.
type Judged = Result<(Header, u32), BadBatch>;

impl Walk {
    /// A walk through the journal in `dir`, from its first batch.
    pub fn new(dir: &Path) -> Result<Walk, DiskError> {
        Walk::on(OsDisk, dir)
    }
}

impl<D: Disk> Walk<D> {
    /// [`Walk::new`] on any disk.
    pub(crate) fn on(disk: D, dir: &Path) -> Result<Walk<D>, DiskError> {
        let loaded = match superblock::load(&disk, dir) {
            Ok(loaded) => loaded.map(|loaded| loaded.superblock),
            Err(SuperblockError::Disk(error)) => return Err(error),
            Err(SuperblockError::Damaged { .. } | SuperblockError::Newer { .. }) => None,
        };
        let mut walk = Walk {
            disk,
            dir: dir.to_owned(),
            superblock: loaded.unwrap_or(unknown()),
            segments: Vec::new(),
            reader: Reader::new(dir.to_owned(), Mode::Read, AHEAD_BYTES),
            chain: Chain::start(0),
            anchored: true,
            standing: Standing::Live,
            phase: Phase::Chain,
            durable_seq: 0,
        };
        walk.list()?;
        if loaded.is_none() {
            walk.guess()?;
        }
        let first = walk.segments.first().map_or(1, |(index, _)| *index);
        walk.start_at(first)?;
        Ok(walk)
    }

    /// Goes to where the input `seq` is, or some way before it.
    pub fn seek(&mut self, seq: u64) -> Result<(), DiskError> {
        self.list()?;
        self.chain = Chain::start(self.superblock.shard);
        let (mut begin, mut last) = (None, None);
        for (index, _) in self.segments.clone() {
            let place = Place { segment: index, offset: 0 };
            let Some(Ok((header, _))) = self.judge(place)? else { continue };
            if !self.fits_at(&header, place) || header.first_seq > seq {
                continue;
            }
            // One segment more than needed: what begins the last one may be no part of the journal,
            // which is only known to who comes from before it.
            begin = last.replace(index);
        }
        let first = self.segments.first().map_or(1, |(index, _)| *index);
        self.start_at(begin.unwrap_or(first))
    }

    /// What comes next. `None` when everything was looked at; see [`Walk::again`].
    #[expect(clippy::should_implement_trait, reason = "what it gives borrows from the walk")]
    pub fn next(&mut self) -> Result<Option<Piece<'_>>, DiskError> {
        let next = match self.phase {
            Phase::Chain => self.next_of_chain()?,
            Phase::Ended => {
                self.phase = Phase::Done;
                Next::End(self.end(None))
            }
            Phase::Remains(from) => self.next_of_remains(from)?,
            Phase::Done => Next::Nothing,
        };
        Ok(Some(match next {
            Next::Batch(place, header, crc, standing) => {
                let bytes = self.reader.read(&self.disk, place, header.padded_bytes())?;
                Piece::Batch(Batch { place, header, crc, standing, bytes })
            }
            Next::Damaged(damage) => Piece::Damaged(damage),
            Next::Gone { seq, first } => Piece::Gone { seq, first },
            Next::End(end) => Piece::End(end),
            Next::Remains { place, bytes } => Piece::Remains { place, bytes },
            Next::Nothing => return Ok(None),
        }))
    }

    /// The next batch, if the writer has come to it by now: no verdict where there is none, so it
    /// can be asked many times a second.
    pub fn poll(&mut self) -> Result<Option<Batch<'_>>, DiskError> {
        let mut next = self.take()?;
        if next.is_none() {
            self.reader.forget();
            if self.length(self.chain.place.segment + 1).is_none() {
                self.list()?;
            }
            next = self.take()?;
        }
        let Some(Next::Batch(place, header, crc, standing)) = next else { return Ok(None) };
        let bytes = self.reader.read(&self.disk, place, header.padded_bytes())?;
        Ok(Some(Batch { place, header, crc, standing, bytes }))
    }

    /// Goes on from the journal's end: a writer may have written more.
    pub fn again(&mut self) {
        self.reader.forget();
        self.phase = Phase::Chain;
    }

    /// Whose journal this is, and the size of its segments: from the superblock, or from the files
    /// where that cannot be read.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Index and length of each segment, ascending.
    pub fn segments(&self) -> &[(u64, u64)] {
        &self.segments
    }

    /// The last input that what was walked proves to be durable.
    pub fn durable_seq(&self) -> u64 {
        self.durable_seq
    }

    /// Bytes of all segments, and the bytes of those before `place` and of its own before it.
    pub fn bytes_done(&self, place: Place) -> (u64, u64) {
        let total = self.segments.iter().map(|(_, length)| length).sum();
        let before = self.segments.iter().filter(|(index, _)| *index < place.segment);
        (before.map(|(_, length)| length).sum::<u64>() + place.offset, total)
    }

    /// The next batch of the chain; or the verdict on why there is none.
    fn next_of_chain(&mut self) -> Result<Next, DiskError> {
        if let Some(next) = self.take()? {
            return Ok(next);
        }
        // Before the verdict, look again: a writer at work may have gone on since this was read.
        if let Some(next) = self.take_afresh()? {
            return Ok(next);
        }
        let first = self.segments.first().map_or(0, |(index, _)| *index);
        if first > self.chain.place.segment && self.chain.last.is_some() {
            let seq = self.chain.next_seq;
            self.start_at(first)?;
            return Ok(Next::Gone { seq, first });
        }
        if self.is_damaged()? {
            // And again: the proof may have been written after the place was read.
            return match self.take_afresh()? {
                Some(next) => Ok(next),
                None => self.step_over(),
            };
        }
        self.phase = Phase::Remains(self.chain.place);
        let torn = self.torn()?;
        Ok(Next::End(self.end(torn)))
    }

    /// As [`Walk::take`], from the disk as it is now.
    fn take_afresh(&mut self) -> Result<Option<Next>, DiskError> {
        self.reader.forget();
        self.list()?;
        self.take()
    }

    fn end(&self, torn: Option<TornTail>) -> End {
        let Chain { place, next_seq, sealed, .. } = self.chain;
        End { place, last_seq: next_seq - 1, sealed, torn }
    }

    /// Takes the batch that continues the chain.
    fn take(&mut self) -> Result<Option<Next>, DiskError> {
        let here = self.chain.place;
        for place in [here, here.next_segment()] {
            let Some(Ok((header, crc))) = self.judge(place)? else { continue };
            if !is_next(&self.chain, &self.superblock, &header, place) {
                continue;
            }
            let bytes = self.reader.read(&self.disk, place, header.padded_bytes())?;
            let mut records = Records::new(&header, bytes);
            records.by_ref().for_each(drop);
            let next_seq = records.next_seq();
            let known = if header.settled { header.first_seq - 1 } else { header.durable_seq };
            self.durable_seq = self.durable_seq.max(known);
            self.chain.advance(&header, crc, place, next_seq);
            if self.chain.place <= self.superblock.end {
                self.durable_seq = self.durable_seq.max(next_seq - 1);
            }
            self.anchored = true;
            return Ok(Some(Next::Batch(place, header, crc, self.standing)));
        }
        Ok(None)
    }

    /// Whether recovery refuses here: something that was acknowledged is missing.
    fn is_damaged(&mut self) -> Result<bool, DiskError> {
        let here = self.chain.place;
        if here < self.superblock.end {
            return Ok(true);
        }
        let mut at = here;
        while let Some((place, judged)) = self.beyond(at)? {
            match judged {
                Ok((header, _)) => {
                    let is_stranger = header.shard != self.chain.shard;
                    let is_current = header.epoch >= self.floor(place);
                    let proves = header.settled || header.durable_seq >= self.chain.next_seq;
                    if is_stranger || (is_current && proves) {
                        return Ok(true);
                    }
                }
                // Intact, so written as they are: not torn.
                Err(BadBatch::Records | BadBatch::Newer { .. }) => return Ok(true),
                Err(BadBatch::Magic | BadBatch::Length { .. } | BadBatch::Checksum) => {}
            }
            at = behind(place, &judged);
        }
        Ok(false)
    }

    /// Steps over damage, to the next batch that can be of this journal.
    fn step_over(&mut self) -> Result<Next, DiskError> {
        let (place, why) = self.damaged_at()?;
        let seq = self.anchored.then_some(self.chain.next_seq);
        let (mut at, mut until, mut next) = (self.chain.place, self.chain.place, None);
        while let Some((place, judged)) = self.beyond(at)? {
            if let Ok((header, _)) = judged
                && self.fits_at(&header, place)
                && header.first_seq >= self.chain.next_seq
            {
                next = Some((place, header));
                break;
            }
            at = behind(place, &judged);
            until = at;
        }
        match next {
            Some((place, header)) => {
                self.chain = chain_before(&header, place);
                until = place;
            }
            None => {
                until = until.max(self.superblock.end).max(place);
                self.chain.place = until;
                // What stands there was looked at, and is no batch of this journal.
                self.phase = Phase::Ended;
            }
        }
        self.standing = Standing::AfterDamage;
        let (from, to) = (self.bytes_done(place).0, self.bytes_done(until).0);
        let next_seq = next.map(|(_, header)| header.first_seq);
        let bytes = to.saturating_sub(from);
        Ok(Next::Damaged(Damage { place, until, bytes, why, seq, next_seq }))
    }

    /// Where the batch that is missing should be, and what stands there. It is at the chain's
    /// place, unless nothing but zeros follows there and something is wrong with the next segment.
    fn damaged_at(&mut self) -> Result<(Place, Why), DiskError> {
        let here = self.chain.place;
        let mut why = self.why(here)?;
        let next = here.next_segment();
        let rest_is_empty = match self.beyond(here)? {
            Some((place, _)) => place.segment > here.segment,
            None => true,
        };
        let has_next = self.segments.iter().any(|(index, _)| *index > here.segment);
        let full = here.offset >= self.superblock.segment_bytes;
        if full || (has_next && rest_is_empty && why == Why::Zeros) {
            let there = self.why(next)?;
            if full || !matches!(there, Why::Other { .. }) {
                why = there;
                return Ok((next, why));
            }
        }
        Ok((here, why))
    }

    fn why(&mut self, place: Place) -> Result<Why, DiskError> {
        Ok(match self.judge(place)? {
            None => {
                if self.length(place.segment).is_some() {
                    Why::Cut
                } else {
                    Why::Missing
                }
            }
            Some(Ok((header, _))) => {
                Why::Other { shard: header.shard, epoch: header.epoch, first_seq: header.first_seq }
            }
            Some(Err(bad)) => {
                let block = self.reader.read(&self.disk, place, BLOCK_BYTES)?;
                if *block == ZERO_BLOCK.0 { Why::Zeros } else { Why::Bad(bad) }
            }
        })
    }

    /// An unfinished write at the end, as recovery reports it.
    fn torn(&mut self) -> Result<Option<TornTail>, DiskError> {
        let end = self.chain.place;
        for place in [end, end.next_segment()] {
            let block = self.reader.read(&self.disk, place, BLOCK_BYTES)?;
            if block.is_empty() || *block == ZERO_BLOCK.0 {
                continue;
            }
            let next = batch::peek(block)
                .ok()
                .filter(|(header, _)| is_next(&self.chain, &self.superblock, header, place));
            if next.is_none() && place < self.superblock.remains {
                continue;
            }
            return Ok(Some(TornTail {
                segment: segment::path_of(&self.dir, place.segment),
                offset: place.offset,
                batch_bytes: next.map(|(header, _)| header.padded_bytes() as u64),
                last_seq: self.chain.next_seq - 1,
            }));
        }
        Ok(None)
    }

    /// What lies beyond the end, one batch or one stretch at a time.
    fn next_of_remains(&mut self, from: Place) -> Result<Next, DiskError> {
        let Some((place, judged)) = self.beyond(from)? else {
            self.phase = Phase::Done;
            return Ok(Next::Nothing);
        };
        if let Ok((header, crc)) = judged {
            self.phase = Phase::Remains(behind(place, &judged));
            return Ok(Next::Batch(place, header, crc, Standing::Stale));
        }
        let (mut at, mut bytes) = (behind(place, &judged), BLOCK_BYTES as u64);
        while let Some((next, Err(_))) = self.beyond(at)? {
            if next != at {
                break;
            }
            (at, bytes) = (behind(at, &Err(BadBatch::Magic)), bytes + BLOCK_BYTES as u64);
        }
        self.phase = Phase::Remains(at);
        Ok(Next::Remains { place, bytes })
    }

    /// The first block at or beyond `from` that is not zeros, and what stands there.
    fn beyond(&mut self, from: Place) -> Result<Option<(Place, Judged)>, DiskError> {
        for nth in 0..self.segments.len() {
            let (segment, length) = self.segments[nth];
            if segment < from.segment {
                continue;
            }
            let mut offset = if segment == from.segment { from.offset } else { 0 };
            while offset < length.min(self.superblock.segment_bytes) {
                let place = Place { segment, offset };
                let block = self.reader.read(&self.disk, place, BLOCK_BYTES)?;
                if *block != ZERO_BLOCK.0 {
                    let judged = self.judge(place)?.unwrap_or(Err(BadBatch::Magic));
                    return Ok(Some((place, judged)));
                }
                offset += BLOCK_BYTES as u64;
            }
        }
        Ok(None)
    }

    /// What stands at a place; `None` where there is no file, or where it has ended.
    fn judge(&mut self, place: Place) -> Result<Option<Judged>, DiskError> {
        if self.length(place.segment).is_none_or(|length| place.offset >= length) {
            return Ok(None);
        }
        if self.reader.read(&self.disk, place, BLOCK_BYTES)?.is_empty() {
            return Ok(None);
        }
        let found = self.reader.batch(&self.disk, place)?;
        Ok(Some(found.map(|found| (found.header, found.crc))))
    }

    fn length(&self, segment: u64) -> Option<u64> {
        let found = self.segments.binary_search_by_key(&segment, |(index, _)| *index);
        found.ok().map(|nth| self.segments[nth].1)
    }

    /// Whether a batch can be of this journal, where it stands.
    fn fits_at(&self, header: &Header, place: Place) -> bool {
        header.shard == self.chain.shard && header.epoch >= self.floor(place)
    }

    fn floor(&self, place: Place) -> u64 {
        epoch_floor(&self.chain, &self.superblock, place)
    }

    /// Puts the chain at the start of a segment.
    fn start_at(&mut self, segment: u64) -> Result<(), DiskError> {
        let place = Place { segment, offset: 0 };
        self.chain = Chain { place, ..Chain::start(self.superblock.shard) };
        (self.phase, self.standing) = (Phase::Chain, Standing::Live);
        // A journal begins in segment 1 with seq 1; or elsewhere, with what its first batch says:
        // segments were recycled, or a tool wrote it behind a snapshot.
        let fits = match self.judge(place)? {
            Some(Ok((header, _))) if self.fits_at(&header, place) => Some(header),
            _ => None,
        };
        match fits.filter(|header| segment > 1 || header.parent_crc == 0) {
            Some(header) => self.chain = chain_before(&header, place),
            None if segment == 1 => {
                let founded =
                    snapshot::list_on(&self.disk, &self.dir)?.into_iter().find_map(|seq| {
                        let header = snapshot::header_on(&self.disk, &self.dir, seq).ok()?;
                        header.mark.0.last.is_none().then_some(seq)
                    });
                self.chain.next_seq = founded.unwrap_or(0) + 1;
            }
            None => {
                self.anchored = false;
                return Ok(());
            }
        }
        self.anchored = true;
        Ok(())
    }

    /// Lists the segments and asks for their lengths.
    fn list(&mut self) -> Result<(), DiskError> {
        self.segments.clear();
        for index in segment::list(&self.disk, &self.dir)?.segments {
            let path = segment::path_of(&self.dir, index);
            match self.disk.open(&path, Mode::Read) {
                Ok(file) => {
                    let length = file.length().map_err(failed(Op::Length, &path))?;
                    self.segments.push((index, length));
                }
                // Recycled since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(Op::Open, &path)(error)),
            }
        }
        Ok(())
    }

    /// What the superblock must have said, from the segments: their size, and whose they are.
    fn guess(&mut self) -> Result<(), DiskError> {
        let longest = self.segments.iter().map(|(_, length)| *length).max().unwrap_or(0);
        self.superblock.segment_bytes = longest.next_multiple_of(BLOCK_BYTES as u64);
        let mut at = Place { segment: 0, offset: 0 };
        while let Some((place, judged)) = self.beyond(at)? {
            if let Ok((header, _)) = judged {
                self.superblock.shard = u16::try_from(header.shard).unwrap_or(0);
                return Ok(());
            }
            at = behind(place, &judged);
        }
        Ok(())
    }
}

/// A superblock that says nothing.
fn unknown() -> Superblock {
    let nowhere = Place { segment: 0, offset: 0 };
    Superblock {
        shard: 0,
        shard_count: 0,
        segment_bytes: 0,
        epoch: 0,
        end: nowhere,
        remains: nowhere,
    }
}

/// The place behind what stands at `place`.
fn behind(place: Place, judged: &Judged) -> Place {
    let bytes = judged.as_ref().map_or(BLOCK_BYTES, |(header, _)| header.padded_bytes());
    Place { offset: place.offset + bytes as u64, ..place }
}

/// The chain that a batch at `place` continues, as far as it says.
fn chain_before(header: &Header, place: Place) -> Chain {
    Chain {
        shard: header.shard,
        place,
        last: None,
        next_seq: header.first_seq,
        crc: header.parent_crc,
        epoch: header.epoch,
        sealed: false,
    }
}
