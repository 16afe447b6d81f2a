//! Typed records: what `get`, `scan`, `put` and `delete` move.

use crate::error::Result;

/// The first octet of a key. All prefixes stand here, so that none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Store's own: counters, format, applied_lsn.
    Meta = b'0',
    /// Store's own: account homes.
    Home = b'1',
    /// Store's own: mailboxes by id, names and counters apart.
    Mailbox = b'2',
    /// Store's own: mailbox ids by account and folded name.
    MailboxName = b'3',
    /// Store's own: messages by mailbox and UID, sixteen in a value.
    Message = b'4',
    /// Store's own: expunged messages by mailbox, mod-sequence and UID.
    Expunged = b'5',
    /// Store's own: subscriptions by account and name.
    Subscription = b'6',
    /// Store's own: ledgers.
    Ledger = b'7',
    /// Store's own: deleted mailboxes and removed homes, by account and mod-sequence.
    Removed = b'8',
    /// Queue: entries (envelopes of messages to be sent).
    QueueEntry = b'A',
    /// Queue: recipients of an entry.
    QueueRcpt = b'B',
    /// Queue: order of tasks, lane first.
    QueueOrder = b'C',
    /// Store's own: what happened to letters.
    Trace = b'D',
    /// Store's own: pages of fingerprints of trace records.
    TracePage = b'E',
    /// Store's own: how far those pages go.
    TraceState = b'F',
    /// Store's own: letters in quarantine, by account and number.
    Quarantine = b'G',
    /// Store's own: what is in quarantine in sum, and what became of what was.
    QuarantineState = b'H',
    /// Directory: agencies.
    Agency = b'a',
    /// Directory: domains.
    Domain = b'b',
    /// Directory: accounts.
    Account = b'c',
    /// Directory: addresses (account, alias, group) by domain and local part.
    Address = b'd',
    /// Directory: group members.
    GroupMember = b'e',
    /// Directory: credentials.
    Credential = b'f',
    /// Directory: who operates which post.
    Operator = b'g',
    /// Directory: secondary index, name to id.
    Name = b'h',
    /// Directory: removed accounts, as long as their messages are kept.
    Departed = b'i',
    /// Directory: holds, which keep what was deleted.
    Hold = b'j',
    /// Guard: senders that are allowed or blocked, by whom and for whom.
    SenderList = b'k',
    /// Guard: what people called spam or not, in the order in which they did.
    Label = b'l',
    /// Admin: what was brought from other servers, by account and mailbox there.
    Moved = b'm',
    /// Guard: what was learned: weights of the models.
    Weights = b'n',
    /// Guard: whom an account wrote to.
    Correspondent = b'o',
    /// Admin: audit records by time.
    Audit = b'p',
    /// Guard: its own small states: how far labels were learned, when a digest was sent.
    GuardState = b'q',
}

impl Table {
    /// All of them. What is missing here keeps everything from being compacted as soon as it has a record.
    const ALL: [Self; 34] = [
        Self::Meta,
        Self::Home,
        Self::Mailbox,
        Self::MailboxName,
        Self::Message,
        Self::Expunged,
        Self::Subscription,
        Self::Ledger,
        Self::Removed,
        Self::QueueEntry,
        Self::QueueRcpt,
        Self::QueueOrder,
        Self::Trace,
        Self::TracePage,
        Self::TraceState,
        Self::Quarantine,
        Self::QuarantineState,
        Self::Agency,
        Self::Domain,
        Self::Account,
        Self::Address,
        Self::GroupMember,
        Self::Credential,
        Self::Operator,
        Self::Name,
        Self::Departed,
        Self::Hold,
        Self::SenderList,
        Self::Label,
        Self::Moved,
        Self::Weights,
        Self::Correspondent,
        Self::Audit,
        Self::GuardState,
    ];

    /// The table that a key's first octet names.
    pub(crate) fn of(octet: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| *table as u8 == octet)
    }
}

/// A typed record under one key of one table.
///
/// `encode` writes a version octet first, so that old records stay readable for ever; at most 64 KiB.
/// Keys are big-endian, so that the order of octets is the order of scans.
pub trait Record: Sized {
    /// Which table.
    const TABLE: Table;
    /// Typed key.
    type Key;
    /// The key of this record.
    fn key(&self) -> Self::Key;
    /// Octets of a key, without the table prefix.
    fn key_octets(key: &Self::Key) -> Vec<u8>;
    /// Octets of the value.
    fn encode(&self) -> Vec<u8>;
    /// Back from octets; `Error::Newer` or `Error::Damaged` otherwise.
    fn decode(key: &[u8], value: &[u8]) -> Result<Self>;
}
