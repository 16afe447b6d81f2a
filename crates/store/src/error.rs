//! What can go wrong in the store: one cause a variant.

use crate::id::{LedgerId, MailboxId, Uid};

/// Errors of the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The disk is full or out of inodes; nothing was acknowledged. Temporary.
    #[error("no space left in {0}")]
    NoSpace(String),
    /// A write or sync failed; the store takes no more writes until restarted.
    #[error("the store accepts no writes: {0}")]
    ReadOnly(String),
    /// Any other input/output error.
    #[error("{context}: {message}")]
    Io {
        /// What was being done, with the path.
        context: String,
        /// The operating system's words.
        message: String,
    },
    /// Another process holds the store.
    #[error("another process uses the store in {0}")]
    Locked(String),
    /// Written by a newer congvu.
    #[error("{what} has format {found}, newer than {known}; use the congvu that wrote it")]
    Newer {
        /// Which file or record.
        what: String,
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// A frame or record does not match its checksum.
    #[error("damaged: {0}")]
    Damaged(String),
    /// No such account home.
    #[error("no such account")]
    NoAccount,
    /// No such mailbox.
    #[error("no such mailbox")]
    NoMailbox,
    /// The name is taken.
    #[error("mailbox exists")]
    MailboxExists,
    /// The name is not allowed; the text says why.
    #[error("mailbox name not allowed: {0}")]
    MailboxName(&'static str),
    /// The mailbox has children and cannot be removed.
    #[error("mailbox has children")]
    HasChildren,
    /// INBOX cannot be deleted.
    #[error("INBOX cannot be removed")]
    Inbox,
    /// Too many mailboxes or keywords; the text says which.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// The message is not in the mailbox.
    #[error("no message {1} in mailbox {0}")]
    NoMessage(MailboxId, Uid),
    /// The body is gone or was never there.
    #[error("no such body")]
    NoBody,
    /// A ledger's limit would be exceeded.
    #[error("over quota in ledger {0}")]
    OverQuota(LedgerId),
    /// A UID or counter reached its end.
    #[error("numbers exhausted: {0}")]
    Exhausted(&'static str),
    /// A record is larger than 64 KiB.
    #[error("record too large: {0} octets")]
    TooLarge(usize),
    /// Another mailbox of the account has this special use (RFC 6154 USEATTR).
    #[error("another mailbox has this special use")]
    SpecialUseTaken,
    /// A closure given to the store panicked; it left no trace. A fault of the program.
    #[error("a transaction failed inside: {0}")]
    Panicked(String),
    /// A backup cannot be made into, or restored from or to, this folder; the text says why.
    #[error("{0}")]
    Backup(String),
    /// Nothing is compacted now; the text says why.
    #[error("no compaction: {0}")]
    Compaction(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an error of the operating system; a full disk or an exhausted quota becomes `NoSpace`.
    pub(crate) fn io(context: impl Into<String>, error: &std::io::Error) -> Self {
        let context = context.into();
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::NoSpace(context)
            }
            _ => Self::Io {
                context,
                message: error.to_string(),
            },
        }
    }
}
