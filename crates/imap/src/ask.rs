//! What the server machine asks its service, and the answers: the seam between `imap` and `imapd`.
//!
//! The machine has checked syntax, the session state and literal sizes; names are decoded to Unicode
//! (modified UTF-7 or UTF-8) and normalised to NFC. One `Ask` a command, named like the command.
//! Every command is answered by one or more [`Answer::Reply`]: as long as `done` is `None`, the machine
//! writes the untagged responses out and asks [`Ask::More`]. Thus results are pulled as the socket drains.

use congvu_wire::sasl::{SaslAnswer, SaslAsk};

use crate::response::{Done, Untagged};

/// A question of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The connection is open; answered with `Reply` (OK → greeting, BYE → refused).
    Open,
    /// AUTHENTICATE or LOGIN. Answered with `Sasl`.
    Sasl(SaslAsk),
    /// The client's ID (RFC 2971) for the log, at most 30 pairs; the answer's untagged carries ours.
    Id(Vec<(String, Option<String>)>),
    /// The next part of an unfinished answer.
    More,
    /// The next octets of a literal that the last answer left open ([`crate::response::Octets::Later`]).
    Octets,
    /// NOOP, CHECK: deliver what is new.
    Noop,
    /// IDLE: resolves with `Reply { done: None, .. }` when something is new; asked as `Step::Wait`.
    Idle,
    /// ENABLE took effect (UTF8=ACCEPT, IMAP4rev2, CONDSTORE later), so that views can follow.
    Enabled(Vec<String>),
    /// SELECT or EXAMINE. While it is answered no mailbox is selected (the old one was closed).
    Select {
        /// Mailbox name.
        mailbox: String,
        /// EXAMINE.
        read_only: bool,
        /// The name as the client wrote it, if that was not the normal form (for OLDNAME).
        as_written: Option<String>,
    },
    /// UNSELECT, or CLOSE without its expunge.
    Unselect,
    /// CLOSE: expunge silently, then unselect.
    Close,
    /// CREATE, with the RFC 6154 USE attributes if given.
    Create {
        /// Name without trailing separator.
        mailbox: String,
        /// `\Drafts` …
        special_use: Vec<String>,
        /// The name as the client wrote it, if that was not the normal form (for OLDNAME).
        as_written: Option<String>,
    },
    /// DELETE.
    Delete(String),
    /// RENAME.
    Rename {
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// SUBSCRIBE (true) or UNSUBSCRIBE.
    Subscribe(String, bool),
    /// LIST and LSUB in all forms.
    List(List),
    /// NAMESPACE.
    Namespace,
    /// STATUS.
    Status {
        /// Mailbox name.
        mailbox: String,
        /// Items asked for.
        items: Vec<StatusItem>,
    },
    /// GETQUOTA with a root.
    GetQuota(String),
    /// GETQUOTAROOT with a mailbox.
    GetQuotaRoot(String),
    /// APPEND begins: before the literal is accepted. Answered with `Reply` whose `done` is OK to go on
    /// (nothing is written) or a refusal.
    AppendStart(Append),
    /// Octets of the literal. Answered with `Accept`, or a refusal that ends the command after the
    /// literal was swallowed.
    AppendData(Vec<u8>),
    /// The last message's literal is complete: commit. Answered like any command.
    AppendEnd,
    /// The command broke off (syntax error after the literal, lost connection). Answered with `Accept`.
    AppendAbort,
    /// EXPUNGE (`None`) or UID EXPUNGE.
    Expunge(Option<SequenceSet>),
    /// SEARCH.
    Search(Search),
    /// FETCH.
    Fetch(Fetch),
    /// STORE.
    Store(StoreFlags),
    /// COPY or MOVE.
    Copy {
        /// Which messages.
        set: SequenceSet,
        /// UID command.
        uid: bool,
        /// Destination.
        mailbox: String,
        /// MOVE.
        remove: bool,
    },
    /// The session ends (LOGOUT, lost connection, shutdown). Answered with `Accept`.
    End,
}

/// What the service answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Untagged responses, and the end of the command if it is finished.
    Reply {
        /// In the order in which they are written.
        untagged: Vec<Untagged>,
        /// Tagged result; `None`: ask `More`.
        done: Option<Done>,
    },
    /// The next octets of an open literal; never empty.
    Octets(Vec<u8>),
    /// Go on.
    Accept,
    /// To `Sasl`.
    Sasl(SaslAnswer),
}

/// A set of sequence numbers or UIDs as written: `2:4,7,*`. `*` is `u32::MAX` with `star` semantics:
/// it means the highest number in the mailbox. Ranges are never expanded; `from` may exceed `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SequenceSet {
    /// Ranges in the order written, at most 10,000. A bound of `None` is `*`.
    Ranges(Vec<(Option<u32>, Option<u32>)>),
    /// `$`, the saved search result (RFC 5182; part of IMAP4rev2).
    Saved,
}

/// STATUS items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusItem {
    /// MESSAGES
    Messages,
    /// RECENT (IMAP4rev1)
    Recent,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN
    Unseen,
    /// DELETED
    Deleted,
    /// SIZE
    Size,
    /// MAILBOXID (RFC 8474)
    MailboxId,
}

/// LIST (RFC 9051 section 6.3.9, RFC 5258, 5819, 6154) or LSUB.
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent options of the grammar"
)]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// LSUB rather than LIST.
    pub lsub: bool,
    /// Reference name.
    pub reference: String,
    /// Patterns with `*` and `%`, joined to the reference by the service. At most 100.
    pub patterns: Vec<String>,
    /// Selection SUBSCRIBED.
    pub subscribed: bool,
    /// Selection REMOTE.
    pub remote: bool,
    /// Selection RECURSIVEMATCH.
    pub recursive_match: bool,
    /// Selection SPECIAL-USE.
    pub special_use: bool,
    /// RETURN SUBSCRIBED.
    pub return_subscribed: bool,
    /// RETURN CHILDREN.
    pub return_children: bool,
    /// RETURN SPECIAL-USE.
    pub return_special_use: bool,
    /// RETURN STATUS (…).
    pub return_status: Vec<StatusItem>,
    /// The extended syntax was used (a `""` pattern then has no special meaning).
    pub extended: bool,
}

/// The head of an APPEND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Mailbox name.
    pub mailbox: String,
    /// System flags (`\Seen`) and keywords as written; `\Recent` was refused.
    pub flags: Vec<String>,
    /// date-time as seconds since 1970 and minutes east of UTC.
    pub date: Option<(i64, i16)>,
    /// Literal length in octets.
    pub size: u64,
    /// literal8 (may contain NUL).
    pub binary: bool,
    /// `UTF8 (…)` was used (RFC 6855).
    pub utf8: bool,
}

/// SEARCH (RFC 9051 section 6.4.4, RFC 4731).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// UID SEARCH.
    pub uid: bool,
    /// RETURN options; `None` when there was no RETURN (then old `* SEARCH` for IMAP4rev1).
    pub returns: Option<SearchReturn>,
    /// What to find.
    pub key: SearchKey,
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "independent options of the grammar"
)]
/// RETURN options of SEARCH. All false = `RETURN ()`, which means ALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SearchReturn {
    /// MIN
    pub min: bool,
    /// MAX
    pub max: bool,
    /// ALL
    pub all: bool,
    /// COUNT
    pub count: bool,
    /// SAVE
    pub save: bool,
}

/// Search keys. Strings are decoded to Unicode and folded by the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// All of them (a parenthesised or top-level list). Nesting at most 32.
    And(Vec<SearchKey>),
    /// Either.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// Not.
    Not(Box<SearchKey>),
    /// ALL
    All,
    /// Sequence set.
    Sequence(SequenceSet),
    /// UID set.
    Uid(SequenceSet),
    /// A flag or keyword is set: `\Seen`, `$Junk` …; UNSEEN is `Not(Flag("\\Seen"))`.
    Flag(String),
    /// RECENT
    Recent,
    /// OLD
    Old,
    /// NEW
    New,
    /// FROM, TO, CC, BCC, SUBJECT and any HEADER: field name, text (empty = present).
    Header(String, String),
    /// BODY
    Body(String),
    /// TEXT
    Text(String),
    /// INTERNALDATE's day before this (days since 1970-01-01).
    Before(i64),
    /// On it.
    On(i64),
    /// On it or later.
    Since(i64),
    /// The same for the Date field.
    SentBefore(i64),
    /// On it.
    SentOn(i64),
    /// On it or later.
    SentSince(i64),
    /// LARGER
    Larger(u64),
    /// SMALLER
    Smaller(u64),
}

/// FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Which messages.
    pub set: SequenceSet,
    /// UID FETCH (UID is then among the items).
    pub uid: bool,
    /// Items; macros are expanded. At most 100.
    pub items: Vec<FetchItem>,
}

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// UID
    Uid,
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// RFC822.SIZE
    Size,
    /// ENVELOPE
    Envelope,
    /// BODY (without extension data)
    Body,
    /// BODYSTRUCTURE
    BodyStructure,
    /// RFC822, RFC822.HEADER, RFC822.TEXT (IMAP4rev1): like a section, answered under the old name.
    Rfc822(Rfc822),
    /// `BODY[…]<…>` and `BODY.PEEK[…]<…>`
    Section {
        /// What of the message.
        section: Section,
        /// Do not set `\Seen`.
        peek: bool,
        /// `<origin.length>`
        partial: Option<(u32, u32)>,
    },
    /// `BINARY[…]<…>` and `BINARY.PEEK[…]<…>` (RFC 3516)
    Binary {
        /// Part numbers.
        part: Vec<u32>,
        /// Do not set `\Seen`.
        peek: bool,
        /// `<origin.length>`
        partial: Option<(u32, u32)>,
    },
    /// `BINARY.SIZE[…]`
    BinarySize(Vec<u32>),
    /// EMAILID (RFC 8474), for when OBJECTID is offered.
    EmailId,
    /// MODSEQ (RFC 7162), for when CONDSTORE is offered.
    ModSeq,
}

/// The three old names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rfc822 {
    /// RFC822 = BODY[]
    All,
    /// RFC822.HEADER = BODY.PEEK[HEADER]
    Header,
    /// RFC822.TEXT = BODY[TEXT]
    Text,
}

/// A section: part numbers (at most 100 levels) and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// `1.2.3`; empty = the message itself.
    pub part: Vec<u32>,
    /// HEADER, TEXT, MIME …; `None` = all of it.
    pub text: Option<SectionText>,
}

/// section-text
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText {
    /// HEADER
    Header,
    /// HEADER.FIELDS (…), names as written
    HeaderFields(Vec<String>),
    /// HEADER.FIELDS.NOT (…)
    HeaderFieldsNot(Vec<String>),
    /// TEXT
    Text,
    /// MIME (only with part numbers)
    Mime,
}

/// STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFlags {
    /// Which messages.
    pub set: SequenceSet,
    /// UID STORE.
    pub uid: bool,
    /// How.
    pub action: StoreAction,
    /// `.SILENT`
    pub silent: bool,
    /// System flags and keywords as written.
    pub flags: Vec<String>,
}

/// FLAGS, +FLAGS, -FLAGS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAction {
    /// FLAGS
    Replace,
    /// +FLAGS
    Add,
    /// -FLAGS
    Remove,
}
