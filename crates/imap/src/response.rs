//! What the service answers with: typed responses. The machine encodes them for the session's revision
//! and enabled extensions (modified UTF-7 or UTF-8, `* SEARCH` or `* ESEARCH`, quoted or literal).

use congvu_message::{Envelope, Part};

use crate::ask::{Section, SequenceSet, StatusItem};

/// The end of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// OK, NO or BAD (BYE only to `Open`).
    pub status: Status,
    /// Response code in brackets.
    pub code: Option<Code>,
    /// Human text, ASCII; never echoes input.
    pub text: String,
}

impl Done {
    /// `OK text`
    pub fn ok(text: impl Into<String>) -> Self {
        Self {
            status: Status::Ok,
            code: None,
            text: text.into(),
        }
    }
    /// `NO [code] text`
    pub fn no(code: Option<Code>, text: impl Into<String>) -> Self {
        Self {
            status: Status::No,
            code,
            text: text.into(),
        }
    }
    /// With a response code.
    #[must_use]
    pub fn with(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }
}

/// Status of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// OK
    Ok,
    /// NO
    No,
    /// BAD
    Bad,
    /// BYE
    Bye,
}

/// Response codes (RFC 9051 section 7.1, RFC 5530).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// ALERT
    Alert,
    /// ALREADYEXISTS
    AlreadyExists,
    /// APPENDUID
    AppendUid {
        /// UIDVALIDITY of the destination.
        uidvalidity: u32,
        /// UIDs given, in order.
        uids: Vec<u32>,
    },
    /// AUTHENTICATIONFAILED
    AuthenticationFailed,
    /// AUTHORIZATIONFAILED
    AuthorizationFailed,
    /// BADCHARSET
    BadCharset,
    /// CANNOT
    Cannot,
    /// CLIENTBUG
    ClientBug,
    /// CLOSED
    Closed,
    /// COPYUID
    CopyUid {
        /// UIDVALIDITY of the destination.
        uidvalidity: u32,
        /// Source UIDs, in order.
        from: Vec<u32>,
        /// Their new UIDs.
        to: Vec<u32>,
    },
    /// CORRUPTION: stored data is damaged.
    Corruption,
    /// EXPUNGEISSUED
    ExpungeIssued,
    /// HASCHILDREN
    HasChildren,
    /// INUSE
    InUse,
    /// LIMIT
    Limit,
    /// MAILBOXID (RFC 8474)
    MailboxId(String),
    /// NONEXISTENT
    NonExistent,
    /// NOPERM
    NoPerm,
    /// NOTSAVED
    NotSaved,
    /// OVERQUOTA
    OverQuota,
    /// PARSE
    Parse,
    /// PERMANENTFLAGS
    PermanentFlags(Vec<String>),
    /// PRIVACYREQUIRED
    PrivacyRequired,
    /// READ-ONLY
    ReadOnly,
    /// READ-WRITE
    ReadWrite,
    /// SERVERBUG
    ServerBug,
    /// TOOBIG
    TooBig,
    /// TRYCREATE
    TryCreate,
    /// UIDNEXT
    UidNext(u32),
    /// UIDNOTSTICKY
    UidNotSticky,
    /// UIDVALIDITY
    UidValidity(u32),
    /// UNAVAILABLE
    Unavailable,
    /// UNKNOWN-CTE
    UnknownCte,
    /// USEATTR (RFC 6154): a special use that CREATE cannot give.
    UseAttr,
    /// UNSEEN (IMAP4rev1): first unseen sequence number
    Unseen(u32),
    /// HIGHESTMODSEQ / NOMODSEQ come with CONDSTORE.
    HighestModSeq(u64),
}

/// An untagged response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untagged {
    /// `* OK [code] text` and the like.
    Status(Done),
    /// `* n EXISTS`
    Exists(u32),
    /// `* n RECENT` (dropped by the encoder for IMAP4rev2)
    Recent(u32),
    /// `* n EXPUNGE`
    Expunge(u32),
    /// `* FLAGS (…)`
    Flags(Vec<String>),
    /// `* LIST`, or `* LSUB` to an LSUB
    List(ListEntry),
    /// `* STATUS`
    MailboxStatus(MailboxStatus),
    /// `* NAMESPACE` with the personal namespace `(("" "/"))`, others NIL
    Namespace,
    /// `* SEARCH` or `* ESEARCH`
    Search(SearchResult),
    /// `* n FETCH (…)`
    Fetch {
        /// Sequence number.
        seq: u32,
        /// Items in the order asked for.
        items: Vec<FetchData>,
    },
    /// `* QUOTA root (…)`
    Quota {
        /// Root name.
        root: String,
        /// Resource name, usage, limit; STORAGE is in units of 1024 octets.
        resources: Vec<(String, u64, u64)>,
    },
    /// `* QUOTAROOT mailbox root…`
    QuotaRoot {
        /// Mailbox name.
        mailbox: String,
        /// Roots.
        roots: Vec<String>,
    },
    /// `* ID (…)`
    Id(Vec<(String, String)>),
}

/// One LIST line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListEntry {
    /// `\HasChildren`, `\Sent`, `\Subscribed` … with their backslash.
    pub attributes: Vec<String>,
    /// Name; `/` is the separator. Empty with `root`: the answer to `LIST "" ""`.
    pub name: String,
    /// CHILDINFO (RFC 5258): `SUBSCRIBED` …
    pub child_info: Vec<String>,
    /// OLDNAME (RFC 9051 section 6.3.9.7), when the client's name was not the normal form.
    pub old_name: Option<String>,
}

/// One STATUS line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxStatus {
    /// Name.
    pub mailbox: String,
    /// Items with numbers (MAILBOXID is a string in `id`).
    pub items: Vec<(StatusItem, u64)>,
    /// MAILBOXID if asked for.
    pub id: Option<String>,
}

/// A search result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchResult {
    /// The numbers are UIDs.
    pub uid: bool,
    /// Ascending numbers for `* SEARCH` (no RETURN, IMAP4rev1).
    pub numbers: Option<Vec<u32>>,
    /// MIN
    pub min: Option<u32>,
    /// MAX
    pub max: Option<u32>,
    /// ALL as ranges, ascending; left out when empty.
    pub all: Option<SequenceSet>,
    /// COUNT
    pub count: Option<u32>,
}

/// One item of a FETCH response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchData {
    /// UID
    Uid(u32),
    /// FLAGS, `\Recent` included where it applies
    Flags(Vec<String>),
    /// INTERNALDATE: seconds since 1970, minutes east of UTC
    InternalDate(i64, i16),
    /// RFC822.SIZE
    Size(u64),
    /// ENVELOPE
    Envelope(Box<Envelope>),
    /// BODY
    Body(Box<Part>),
    /// BODYSTRUCTURE
    BodyStructure(Box<Part>),
    /// RFC822, RFC822.HEADER, RFC822.TEXT
    Rfc822(crate::ask::Rfc822, Octets),
    /// `BODY[section]<origin>`
    Section(Section, Option<u32>, Octets),
    /// `BINARY[part]<origin>`
    Binary(Vec<u32>, Option<u32>, Octets),
    /// `BINARY.SIZE[part]`
    BinarySize(Vec<u32>, u64),
    /// EMAILID
    EmailId(String),
    /// MODSEQ
    ModSeq(u64),
}

/// The octets of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Octets {
    /// There is no such part: `NIL`.
    Nil,
    /// All of them.
    Whole(Vec<u8>),
    /// A long literal: its length, and the first octets; the rest follows by `Ask::Octets`.
    /// Only as the last item of the last untagged response of an answer.
    Later {
        /// Length of the whole literal.
        len: u64,
        /// What is there already; shorter than `len`.
        first: Vec<u8>,
    },
}
