//! Random commands of every operation, as the fields of `clb_command`; some of them are none.

use crate::layout::Command;

/// Ids that are drawn are below this.
pub(crate) const IDS: u64 = 120;

/// A xorshift generator: the same commands for the same seed.
pub(crate) struct Draw {
    state: u64,
    now: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw { state: 0x9e37_79b9_7f4a_7c15 ^ (seed << 7), now: 1 }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// The bytes of a command, one in 60 with a byte of anything somewhere.
    pub(crate) fn record(&mut self) -> Vec<u8> {
        let mut record = self.command().bytes();
        if self.one_in(60) {
            let at = self.below(64) as usize;
            record[at] = self.below(256) as u8;
        }
        record
    }

    /// The bytes of a short record: mostly of the operations that it has.
    pub(crate) fn short_record(&mut self) -> Vec<u8> {
        let mut record = self.record();
        record.truncate(32);
        // Flags of terms are no flags of a short record.
        record[3] &= if self.one_in(30) { 255 } else { 1 };
        record
    }

    fn command(&mut self) -> Command {
        let id = self.below(IDS);
        match self.below(1000) {
            0..550 => self.new_order(id),
            550..680 => Command { op: 2, id, ..Command::default() },
            680..770 => Command { op: 3, id, qty: self.below(12), ..Command::default() },
            770..890 => {
                let (price, qty, self_trade) = (self.price(), self.below(40), self.self_trade());
                Command { op: 4, id, price, qty, self_trade, ..Command::default() }
            }
            890..910 => {
                let side = [0, 1, 255][self.below(3) as usize];
                Command { op: 5, user: self.below(4) as u32, side, ..Command::default() }
            }
            910..950 => {
                self.now += self.below(8);
                Command { op: 6, expires: self.now, ..Command::default() }
            }
            950..975 => Command { op: 7, phase: self.below(3) as u8, ..Command::default() },
            _ => Command { op: 8, phase: self.below(3) as u8, ..Command::default() },
        }
    }

    fn new_order(&mut self, id: u64) -> Command {
        let mut new = Command {
            op: 1,
            side: self.below(2) as u8,
            tif: [0, 0, 0, 0, 0, 1, 2, 3][self.below(8) as usize],
            user: self.below(4) as u32,
            id,
            price: self.price(),
            qty: self.below(40),
            self_trade: self.self_trade(),
            ..Command::default()
        };
        if self.one_in(8) {
            (new.flags, new.price) = (1, 0);
        }
        if self.one_in(5) {
            new.flags |= 2;
            new.display = self.below(6);
        }
        if self.one_in(5) {
            new.flags |= 4;
            new.stop = self.price();
        }
        if self.one_in(5) {
            new.flags |= 8;
            new.expires = self.now + self.below(30);
        }
        new
    }

    fn price(&mut self) -> i64 {
        match self.below(100) {
            0 => 0,
            1 => (1 << 52) + 1,
            _ => 90 + self.below(20) as i64,
        }
    }

    /// Mostly the book's own.
    fn self_trade(&mut self) -> u8 {
        if self.one_in(4) { self.below(6) as u8 } else { 0 }
    }
}
