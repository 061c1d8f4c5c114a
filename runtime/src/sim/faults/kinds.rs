//! Every kind of fault: its name, and at what occasion it is made. One table.

/// Kinds of faults.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "the table below says what each is")]
pub enum Fault {
    Duplicate,
    ReorderFills,
    SwapFrames,
    StatusFirst,
    StatusLate,
    NoStatus,
    Delay,
    PlainText,
    UnknownChannel,
    NoData,
    UnknownFields,
    HugeFrame,
    BrokenFrame,
    ErrorText,
    ClockSkew,
    Drop,
    Expire,
    HalfFrame,
    AllDropped,
    Silent,
    SilentStart,
    RefuseSubscription,
    RefuseInOtherWords,
    AlreadySubscribed,
    NoAck,
    NoSnapshot,
    OverlapSnapshot,
    EmptySnapshot,
    ShortSnapshot,
    Gap,
    PageInMillisecond,
    FullMillisecond,
    BeyondHistory,
    OthersUsers,
    OthersConnections,
    OthersSubscriptions,
    OthersMessages,
    RestLimit,
    RestError,
    RestHang,
    RestCut,
    LateUnsubscribed,
    NodeSkip,
    NodePart,
    NodeLag,
    NodeReplace,
    ProviderCut,
    ProviderDuplicate,
}

/// When a kind of fault can be made: each occasion has its own count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Occasion {
    /// A live frame of fills that goes out all the same.
    Frame,
    /// A live frame of fills with which the connection ends, or falls silent.
    Cut,
    /// A REST request.
    Request,
    /// An `unsubscribe`.
    Unsubscribe,
    /// A block with fills in a node's files.
    NodeBlock,
    /// A frame of the provider.
    Tuples,
}

impl Occasion {
    pub(crate) const COUNT: usize = 6;
}

/// How often a fault of the mix may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Share {
    /// Whenever it is drawn.
    Usual,
    /// It costs its reader ten seconds or more: not in the first minute, and of each
    /// occasion one in a minute.
    Rare,
    /// Never in the mix, only when it is asked for: it makes gaps that cannot be filled.
    OnRequest,
}

use Fault as F;
use Occasion as O;
use Share::{OnRequest, Rare, Usual};

/// A row of the table: kind, name, occasion, share, what happens.
pub(crate) type Row = (Fault, &'static str, Occasion, Share, &'static str);

#[rustfmt::skip]
pub(crate) const TABLE: [Row; 48] = [
    (F::Duplicate, "duplicated_frame", O::Frame, Usual, "a frame of fills comes twice"),
    (F::ReorderFills, "reordered_fills", O::Frame, Usual, "the fills of one block come in another order"),
    (F::SwapFrames, "swapped_frames", O::Frame, Usual, "a block comes in two frames, the second one first"),
    (F::StatusFirst, "status_before_fills", O::Frame, Usual, "the states of orders come before their fills"),
    (F::StatusLate, "fills_before_status", O::Frame, Usual, "the states of orders come late"),
    (F::NoStatus, "missing_status", O::Frame, Usual, "the states of orders never come"),
    (F::Delay, "delayed", O::Frame, Usual, "an account's frames come late"),
    (F::PlainText, "plain_text", O::Frame, Usual, "the greeting, which is no JSON, comes once more"),
    (F::UnknownChannel, "unknown_channel", O::Frame, Usual, "a frame of a channel that nobody knows"),
    (F::NoData, "frame_without_data", O::Frame, Usual, "frames of known channels without data"),
    (F::UnknownFields, "unknown_fields", O::Frame, Usual, "fields and enum values that nobody knows"),
    (F::HugeFrame, "huge_frame", O::Frame, Usual, "a frame of fills has several MiB"),
    (F::BrokenFrame, "broken_frame", O::Frame, Usual, "a text frame ends inside its JSON; the whole one follows"),
    (F::ErrorText, "error_without_echo", O::Frame, Usual, "an error, each of the venue's texts in turn, that names no request"),
    (F::ClockSkew, "clock_skew", O::Frame, Usual, "the account's block times jump ahead"),
    (F::Drop, "dropped_connection", O::Cut, Usual, "the connection ends without a close frame"),
    (F::Expire, "expired_connection", O::Cut, Usual, "the connection is closed with code 1000, Expired"),
    (F::HalfFrame, "half_frame", O::Cut, Usual, "the connection ends inside a frame"),
    (F::AllDropped, "all_connections_dropped", O::Cut, Rare, "all connections end at once"),
    (F::Silent, "silent_connection", O::Cut, Rare, "the connection stays open and says nothing more"),
    (F::SilentStart, "silent_from_the_start", O::Cut, Rare, "the next connection is accepted and says nothing, ever"),
    (F::RefuseSubscription, "refused_subscription", O::Cut, Usual, "the next subscription is refused: too many users"),
    (F::RefuseInOtherWords, "refused_in_other_words", O::Cut, Usual, "the next subscription is refused, by another limit's text in turn"),
    (F::AlreadySubscribed, "already_subscribed", O::Cut, Usual, "the next subscription is made, and answered by Already subscribed"),
    (F::NoAck, "no_acknowledgement", O::Cut, Rare, "the next subscription is never answered, nor made"),
    (F::NoSnapshot, "no_snapshot", O::Cut, Rare, "the next subscription is acknowledged, and nothing follows"),
    (F::OverlapSnapshot, "overlapping_snapshot", O::Cut, Usual, "the newest fills of the next snapshot come again after it"),
    (F::EmptySnapshot, "empty_snapshot", O::Cut, Usual, "the next snapshot is empty"),
    (F::ShortSnapshot, "short_snapshot", O::Cut, Usual, "the next snapshot has only a few of the newest fills"),
    (F::Gap, "gap_for_info", O::Cut, Usual, "fills are kept back, the connection ends, the next snapshot does not reach back"),
    (F::PageInMillisecond, "page_ends_in_a_millisecond", O::Cut, Rare, "a gap of more than a page, whose first page ends inside one millisecond"),
    (F::FullMillisecond, "millisecond_beyond_a_page", O::Cut, Rare, "a gap with more fills in one millisecond than a page holds"),
    (F::BeyondHistory, "beyond_history", O::Cut, OnRequest, "a gap of more fills than the venue remembers"),
    (F::OthersUsers, "others_hold_users", O::Cut, Usual, "for a moment another program on the address holds all users"),
    (F::OthersConnections, "others_hold_connections", O::Cut, Usual, "for a moment another program on the address holds all connections"),
    (F::OthersSubscriptions, "others_hold_subscriptions", O::Cut, Usual, "for a moment another program on the address holds all subscriptions"),
    (F::OthersMessages, "others_hold_messages", O::Cut, Usual, "for a moment another program on the address uses up all messages"),
    (F::RestLimit, "rest_429", O::Request, Usual, "a request is refused: 429"),
    (F::RestError, "rest_500", O::Request, Usual, "a request fails: 500"),
    (F::RestHang, "rest_hang", O::Request, Rare, "a request is not answered for half a minute, and then not at all"),
    (F::RestCut, "rest_cut_body", O::Request, Usual, "the connection ends inside an answer"),
    (F::LateUnsubscribed, "late_unsubscribed", O::Unsubscribe, Usual, "an unsubscribe is acknowledged after the next subscribe"),
    (F::NodeSkip, "node_skipped_block", O::NodeBlock, Usual, "a block is never written"),
    (F::NodePart, "node_partial_line", O::NodeBlock, Usual, "half a line is written, the rest later"),
    (F::NodeLag, "node_lag", O::NodeBlock, Usual, "nothing is written for a moment"),
    (F::NodeReplace, "node_replaced_file", O::NodeBlock, Usual, "the file is replaced by a copy of itself"),
    (F::ProviderCut, "provider_cut", O::Tuples, Usual, "a frame of the provider is lost, and with it the connection"),
    (F::ProviderDuplicate, "provider_duplicated_frame", O::Tuples, Usual, "a frame of the provider comes twice"),
];

impl Fault {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Fault> {
        TABLE.iter().map(|row| row.0)
    }

    pub(crate) fn row(self) -> &'static Row {
        let row = &TABLE[self as usize];
        assert_eq!(row.0, self, "the table is in the order of the kinds");
        row
    }

    /// The name on the command line and in the statistics.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What happens.
    pub fn meaning(self) -> &'static str {
        self.row().4
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Fault> {
        Fault::all().find(|fault| fault.name() == name)
    }

    /// When it can be made.
    pub fn occasion(self) -> Occasion {
        self.row().2
    }

    pub(crate) fn share(self) -> Share {
        self.row().3
    }

    /// Whether it is made, and counted, only when something comes that it waits for.
    pub(crate) fn waits(self) -> bool {
        use Fault::*;
        matches!(
            self,
            SilentStart
                | RefuseSubscription
                | RefuseInOtherWords
                | AlreadySubscribed
                | NoAck
                | NoSnapshot
                | OverlapSnapshot
                | EmptySnapshot
                | ShortSnapshot
                | Gap
                | PageInMillisecond
                | FullMillisecond
                | BeyondHistory
                | LateUnsubscribed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_total_and_names_are_unique() {
        let names: BTreeSet<&str> = Fault::all().map(Fault::name).collect();
        assert_eq!(names.len(), TABLE.len());
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, place, "{}", row.1);
            assert_eq!(Fault::named(row.1), Some(row.0));
            assert!((row.2 as usize) < Occasion::COUNT && !row.4.is_empty());
        }
        assert_eq!(Fault::ProviderDuplicate as usize + 1, TABLE.len(), "the last kind");
        assert_eq!(Fault::named("sunshine"), None);
    }
}
