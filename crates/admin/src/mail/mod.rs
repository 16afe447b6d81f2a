//! Moving messages in and out of accounts: export, import, restore from a backup, migration.
//!
//! All of them are one conversation with whoever has the store open ([`desk`]): `Begin` names the account and
//! is audited, then mailboxes are listed and opened, octets read or messages put, `End` closes it. Putting skips
//! what is there already ([`known`]), so that every act can be repeated. Files, backups and other servers are
//! read by the process of the administrator, never by the server.

pub(crate) mod desk;
pub mod export;
pub(crate) mod feeder;
pub mod files;
pub(crate) mod known;
pub mod ledger;
pub mod migrate;
pub mod names;
pub mod restore;
pub(crate) mod source;
mod target;

use congvu_store::{BodyId, MailboxId, SpecialUse, Timestamp, Uid, UidValidity};
use serde::{Deserialize, Serialize};

use ledger::{Origin, Seen};

/// Largest message that is moved, octets: more than any mail system accepts, and held in memory once.
pub const LARGEST: u64 = 256 << 20;
/// Most messages of one [`Put`]: one transaction, some ten milliseconds of the store's time.
pub const MOST: usize = 128;
/// Octets of a [`Put`] past which the next message goes into another one.
pub const BATCH: u64 = 8 << 20;
/// Octets of one answer to [`MailRequest::Octets`].
pub const PIECE: u64 = 1 << 20;

/// What is done with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Messages are read.
    Export,
    /// Messages come from files.
    Import,
    /// Messages come from a backup.
    Restore,
    /// Messages come from another server.
    Migrate,
}

impl Act {
    /// As audit records call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Import => "import",
            Self::Restore => "restore",
            Self::Migrate => "migrate",
        }
    }
}

/// A request about messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailRequest {
    /// Begins an act; audited.
    Begin {
        /// Which.
        act: Act,
        /// With which account.
        address: String,
        /// From where or whereto, in words.
        detail: String,
    },
    /// The account's mailboxes.
    Mailboxes,
    /// Creates a mailbox unless it is there.
    Open {
        /// Its name, levels separated by `/`.
        name: String,
        /// Special use of a new one, if no other mailbox has it.
        special: Option<SpecialUse>,
    },
    /// Messages of a mailbox.
    Messages {
        /// Which.
        mailbox: MailboxId,
        /// From this UID on.
        from: Uid,
    },
    /// Octets of a message, at most [`PIECE`].
    Octets {
        /// Where it is.
        mailbox: MailboxId,
        /// Which.
        uid: Uid,
        /// The first octet.
        from: u64,
    },
    /// Puts messages into a mailbox.
    Put(Put),
    /// Opens the ledger of a mailbox of another server.
    Ledger(Origin),
    /// What a ledger holds.
    Moved {
        /// Which.
        number: u64,
        /// From this UID there on.
        from: u32,
    },
    /// Brings flags that changed there to messages here.
    Follow {
        /// Which ledger.
        number: u64,
        /// Where the messages are.
        mailbox: MailboxId,
        /// How they are there now.
        changes: Vec<Seen>,
    },
    /// Ends the act; audited with what was done.
    End,
}

impl MailRequest {
    /// How many octets follow.
    pub(crate) fn payload(&self) -> u64 {
        match self {
            Self::Put(put) => put
                .letters
                .iter()
                .fold(0_u64, |sum, letter| sum.saturating_add(letter.octets)),
            _ => 0,
        }
    }
}

/// Messages for one mailbox; their octets follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// Where to; `None` with `dry_run` when there is no such mailbox yet.
    pub mailbox: Option<MailboxId>,
    /// In this order.
    pub letters: Vec<Letter>,
    /// Only says what would become of them.
    pub dry_run: bool,
    /// Limits of the account do not bind.
    pub ignore_quota: bool,
    /// Note each message in this ledger, under its UID there.
    pub ledger: Option<u64>,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Letter {
    /// System flags as bits, as in [`congvu_store::Flags`].
    pub flags: u8,
    /// Keyword names.
    pub keywords: Vec<String>,
    /// INTERNALDATE, seconds since 1970.
    pub date: i64,
    /// Zone of INTERNALDATE, minutes east of UTC.
    pub zone: i16,
    /// Save date of an earlier life, milliseconds since 1970.
    pub saved: Option<Timestamp>,
    /// How long it is.
    pub octets: u64,
    /// UID on the server that it comes from; 0 = none.
    pub remote: u32,
}

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is there now.
    Placed(Uid),
    /// It is there now, without keywords that the mailbox has no room for.
    Stripped(Uid),
    /// It was there.
    Present(Uid),
    /// It would have been put there.
    Would,
    /// A limit of the account, its domain or agency stands against it.
    OverQuota,
}

/// An answer about messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailReply {
    /// The act has begun.
    Begun {
        /// The account's primary address.
        address: String,
    },
    /// Mailboxes in name order.
    Mailboxes(Vec<Place>),
    /// One mailbox.
    Mailbox(Place),
    /// Messages, ascending.
    Messages {
        /// A page of them.
        entries: Vec<Entry>,
        /// Where the next page begins.
        next: Option<Uid>,
    },
    /// So many octets follow.
    Octets(u64),
    /// What became of each message.
    Put(Vec<Fate>),
    /// The ledger's number.
    Ledger(u64),
    /// A part of a ledger.
    Moved {
        /// Messages there.
        entries: Vec<Seen>,
        /// Where the next part begins.
        next: Option<u32>,
    },
    /// So many messages were changed.
    Followed(u64),
    /// What was done.
    Ended(Tally),
}

/// A mailbox as acts see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its id.
    pub id: MailboxId,
    /// Its name.
    pub name: String,
    /// Its UIDVALIDITY.
    pub uidvalidity: UidValidity,
    /// Messages in it.
    pub messages: u32,
    /// Their octets.
    pub size: u64,
    /// Its special use.
    pub special: Option<SpecialUse>,
    /// What keyword indexes mean.
    pub keywords: Vec<String>,
    /// Whether it was made just now.
    pub created: bool,
}

/// A message as acts see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its UID.
    pub uid: Uid,
    /// System flags as bits.
    pub flags: u8,
    /// Indexes of keywords.
    pub keywords: Vec<u16>,
    /// INTERNALDATE, seconds since 1970.
    pub date: i64,
    /// Zone of INTERNALDATE, minutes east of UTC.
    pub zone: i16,
    /// Octets.
    pub size: u32,
    /// The stored octets.
    pub body: BodyId,
    /// Save date.
    pub saved: Timestamp,
}

/// Sums of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Messages read.
    pub read: u64,
    /// Messages put into mailboxes.
    pub placed: u64,
    /// Messages that were there already.
    pub present: u64,
    /// Messages that a limit stood against.
    pub over_quota: u64,
    /// Messages put there without some of their keywords.
    pub stripped: u64,
    /// Octets read or put.
    pub octets: u64,
}

impl Tally {
    /// Counts one message that was to be put.
    pub(crate) fn count(&mut self, fate: Fate, octets: u64) {
        match fate {
            Fate::Placed(_) | Fate::Would => self.placed += 1,
            Fate::Stripped(_) => {
                self.placed += 1;
                self.stripped += 1;
            }
            Fate::Present(_) => self.present += 1,
            Fate::OverQuota => self.over_quota += 1,
        }
        if matches!(fate, Fate::Placed(_) | Fate::Would | Fate::Stripped(_)) {
            self.octets += octets;
        }
    }

    /// Adds another's sums.
    pub(crate) fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.placed += other.placed;
        self.present += other.present;
        self.over_quota += other.over_quota;
        self.stripped += other.stripped;
        self.octets += other.octets;
    }
}

/// What could not be taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bad {
    /// A file, a place in it, or a message of a server.
    pub place: String,
    /// What is wrong.
    pub why: String,
}
