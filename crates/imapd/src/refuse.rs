//! How the store's errors are said to a client: a code for the program, a plain sentence for the person.
//!
//! Texts are fixed: nothing of a client's input, of a path or of an operating system's message is echoed;
//! those go to the log.

use congvu_imap::response::{Code, Done, Status};
use congvu_store::Error;

/// NO with the code that fits.
pub(crate) fn store(error: &Error) -> Done {
    let (code, text) = match error {
        Error::NoSpace(_) => (
            Code::Unavailable,
            "The server has no space left; tell your administrator",
        ),
        Error::ReadOnly(_) => (
            Code::Unavailable,
            "The server cannot write at the moment; try again later",
        ),
        Error::Io { .. } | Error::Locked(_) | Error::Backup(_) | Error::Compaction(_) => (
            Code::Unavailable,
            "The server cannot do this now; try again later",
        ),
        Error::Closed => (Code::Unavailable, "The server is stopping; try again later"),
        Error::SpecialUseTaken => (
            Code::UseAttr,
            "Another mailbox has this special use already",
        ),
        Error::Panicked(_) => (
            Code::ServerBug,
            "The server made a mistake; tell your administrator",
        ),
        Error::Damaged(_) | Error::NoBody | Error::Newer { .. } => (
            Code::Corruption,
            "Stored data cannot be read; tell your administrator",
        ),
        Error::NoAccount => (Code::NonExistent, "This account has no mailboxes"),
        Error::NoMailbox => (Code::NonExistent, "There is no such mailbox"),
        Error::MailboxExists => (Code::AlreadyExists, "A mailbox of this name exists already"),
        Error::MailboxName(why) => {
            return Done::no(
                Some(Code::Cannot),
                format!("This mailbox name is not allowed: {why}"),
            );
        }
        Error::HasChildren => (
            Code::HasChildren,
            "The mailbox contains other mailboxes; remove them first",
        ),
        Error::Inbox => (Code::Cannot, "INBOX cannot be removed"),
        Error::Limit(what) => {
            return Done::no(Some(Code::Limit), format!("A limit is reached: {what}"));
        }
        Error::NoMessage(..) => (Code::ExpungeIssued, "Some of the messages no longer exist"),
        Error::OverQuota(_) => return over_quota(),
        Error::Exhausted(_) => (Code::Limit, "The mailbox can take no more messages"),
        Error::TooLarge(_) => (Code::Limit, "The request is too large"),
    };
    if let Code::Unavailable | Code::ServerBug | Code::Corruption = code {
        tracing::error!(%error, "imap command failed");
    }
    Done::no(Some(code), text)
}

/// The same where the client names a destination: a missing one can be created
/// (RFC 9051 sections 6.3.12 and 6.4.7).
pub(crate) fn destination(error: &Error) -> Done {
    match error {
        Error::NoMailbox => Done::no(
            Some(Code::TryCreate),
            "There is no such mailbox; create it first",
        ),
        other => store(other),
    }
}

/// NO to an error of the directory.
pub(crate) fn directory(error: &congvu_directory::Error) -> Done {
    tracing::error!(%error, "imap command failed");
    Done::no(
        Some(Code::Unavailable),
        "The account cannot be looked up now; try again later",
    )
}

/// NO to what would exceed a limit.
pub(crate) fn over_quota() -> Done {
    Done::no(
        Some(Code::OverQuota),
        "The mailbox quota is exceeded; remove some messages",
    )
}

/// BAD: the client broke a rule that only the service can see.
pub(crate) fn bad(text: &str) -> Done {
    Done {
        status: Status::Bad,
        code: None,
        text: text.to_owned(),
    }
}

/// BAD to a sequence number beyond the mailbox.
pub(crate) fn out_of_range() -> Done {
    bad("A message number is beyond the end of the mailbox")
}
