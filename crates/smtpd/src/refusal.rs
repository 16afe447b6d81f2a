//! Every refusal that a client can hear from this crate, with its reply: one place for codes and texts.
//!
//! Texts are ASCII and say why, and to our own accounts also what helps. Causes of failures on our side
//! go to the log, never to the client. Syntax errors of commands are the machine's.

use congvu_message::header::HeaderError;
use congvu_message::{Address, AddressError};
use congvu_smtp::ask::Reply;

use crate::rate::Over;

/// Why a command or a message is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// LMTP from a network that may not.
    Stranger,
    /// Submission without a login.
    NoLogin,
    /// The login was withdrawn while the session went on: disabled, password changed.
    LoginGone,
    /// The reverse-path is no address.
    Sender(AddressError),
    /// The account may not send under this reverse-path.
    SenderNotYours {
        /// Who is logged in.
        login: Address,
        /// What he gave.
        sender: Address,
    },
    /// The account may not write under a mailbox of the From field.
    FromNotYours {
        /// Who is logged in.
        login: Address,
        /// The mailbox.
        from: String,
    },
    /// The From field names no address.
    NoAuthor,
    /// The From field names more addresses than are looked at.
    TooManyAuthors,
    /// Larger than our limit, in octets.
    TooLarge(u64),
    /// More RCPT commands than our limit.
    TooManyRcpts(usize),
    /// The forward-path is no address.
    Rcpt(AddressError),
    /// A foreign domain, and the client may not relay.
    Relaying(Address),
    /// `user%host@relay`, `host!user@relay` or a quoted `user@host` in front of another domain.
    Routed(Address),
    /// A foreign address literal.
    Literal(Address),
    /// Nobody here has this address.
    NoUser(Address),
    /// Too many unknown recipients: somebody is guessing addresses.
    Guessing,
    /// The account or group is disabled.
    Disabled(Address),
    /// The group reaches more accounts than a message may.
    GroupTooLarge(Address),
    /// The mailbox is full.
    OverQuota(Address),
    /// Too much in an hour or a day.
    Rate(&'static str, Over),
    /// Our disk is full.
    NoSpace,
    /// The filter is sure, and the agencies of all recipients refuse such mail. Whom to write to.
    Spam(String),
    /// The filter doubts, and wants to see whether the client comes again.
    ComeAgain,
    /// Something failed here.
    Failed,
    /// The header section is larger than our limit, in octets.
    HeaderTooLarge(usize),
    /// The header section breaks a rule that we insist on.
    Header(HeaderError),
    /// A bare CR or LF in the header section.
    BareLineEnd,
    /// Too many Received fields, or too many of our own.
    Loop,
}

impl Refusal {
    /// What the client hears.
    #[allow(clippy::too_many_lines, reason = "a table: one row a refusal")]
    pub(crate) fn reply(&self) -> Reply {
        let (code, enhanced, text) = match self {
            Self::Stranger => (
                554,
                (5, 7, 1),
                "LMTP is not offered to your network".to_owned(),
            ),
            Self::NoLogin => (
                530,
                (5, 7, 0),
                "Log in first: this port is for our own accounts".to_owned(),
            ),
            Self::LoginGone => (
                421,
                (4, 7, 0),
                "Your login is no longer valid: log in again".to_owned(),
            ),
            Self::Sender(error) => (501, (5, 1, 7), format!("Bad sender address: {error}")),
            Self::SenderNotYours { login, sender } => (
                550,
                (5, 7, 1),
                format!(
                    "{login} may not send as <{sender}>: neither its own address nor of a post it operates"
                ),
            ),
            Self::FromNotYours { login, from } => (
                550,
                (5, 7, 1),
                format!(
                    "{login} may not write as From <{from}>: neither its own address nor of a post it operates"
                ),
            ),
            Self::NoAuthor => (
                550,
                (5, 6, 0),
                "Malformed message: the From field names no address".to_owned(),
            ),
            Self::TooManyAuthors => (
                550,
                (5, 6, 0),
                "Malformed message: the From field names too many addresses".to_owned(),
            ),
            Self::TooLarge(limit) => (
                552,
                (5, 3, 4),
                format!("Message larger than {limit} octets"),
            ),
            Self::TooManyRcpts(limit) => (
                452,
                (4, 5, 3),
                format!(
                    "At most {limit} recipients in one transaction; send the others in another"
                ),
            ),
            Self::Rcpt(error) => (501, (5, 1, 3), format!("Bad recipient address: {error}")),
            Self::Relaying(address) => (
                550,
                (5, 7, 1),
                format!("<{address}>: relaying denied, the domain is not ours"),
            ),
            Self::Routed(address) => (
                553,
                (5, 1, 3),
                format!("<{address}>: routed addresses are not accepted"),
            ),
            Self::Literal(address) => (
                553,
                (5, 1, 2),
                format!("<{address}>: address literals are not accepted, use a domain"),
            ),
            Self::NoUser(address) => (550, (5, 1, 1), format!("<{address}>: no such address here")),
            Self::Guessing => (421, (4, 7, 0), "Too many unknown recipients".to_owned()),
            Self::Disabled(address) => (
                550,
                (5, 2, 1),
                format!("<{address}>: the mailbox is disabled"),
            ),
            Self::GroupTooLarge(address) => (
                550,
                (5, 2, 4),
                format!("<{address}>: the group has too many members"),
            ),
            Self::OverQuota(address) => {
                (452, (4, 2, 2), format!("<{address}>: the mailbox is full"))
            }
            Self::Rate(what, Over { limit, daily }) => {
                let period = if *daily { "a day" } else { "an hour" };
                (
                    450,
                    (4, 7, 1),
                    format!("At most {limit} {what} {period}; try again later"),
                )
            }
            Self::NoSpace => (452, (4, 3, 1), "No space left; try again later".to_owned()),
            Self::Spam(contact) => (
                550,
                (5, 7, 1),
                format!("Refused as spam. If this is a mistake, write to <{contact}>"),
            ),
            Self::ComeAgain => (
                451,
                (4, 7, 1),
                "Please try again in a few minutes; mail servers do so by themselves".to_owned(),
            ),
            Self::Failed => (451, (4, 3, 0), "Local error; try again later".to_owned()),
            Self::HeaderTooLarge(limit) => (
                552,
                (5, 3, 4),
                format!("Header section larger than {limit} octets"),
            ),
            Self::Header(error) => (550, (5, 6, 0), format!("Malformed message: {error}")),
            Self::BareLineEnd => (
                550,
                (5, 6, 11),
                "A bare CR or LF in the header section".to_owned(),
            ),
            Self::Loop => (
                554,
                (5, 4, 6),
                "Mail loop: the message passed too many servers".to_owned(),
            ),
        };
        Reply::new(code, enhanced, ascii(&text))
    }
}

impl From<congvu_store::Error> for Refusal {
    fn from(error: congvu_store::Error) -> Self {
        match error {
            congvu_store::Error::NoSpace(place) => {
                tracing::error!(place, "refuse mail: no space left");
                Self::NoSpace
            }
            error => {
                tracing::error!(%error, "refuse mail: the store failed");
                Self::Failed
            }
        }
    }
}

impl From<congvu_directory::Error> for Refusal {
    fn from(error: congvu_directory::Error) -> Self {
        match error {
            congvu_directory::Error::Store(error) => error.into(),
            error => {
                tracing::error!(%error, "refuse mail: the directory failed");
                Self::Failed
            }
        }
    }
}

/// Text as replies may carry it: internationalized addresses are shown with `?`.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii() && !c.is_ascii_control() {
                c
            } else {
                '?'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_ascii_and_agree_with_their_class() {
        let address = Address {
            local: "văn.thư".into(),
            domain: "xn--bnv.example".into(),
        };
        let all = [
            Refusal::NoUser(address.clone()),
            Refusal::OverQuota(address.clone()),
            Refusal::SenderNotYours {
                login: address.clone(),
                sender: address,
            },
            Refusal::Rate(
                "messages",
                Over {
                    limit: 3,
                    daily: true,
                },
            ),
            Refusal::Guessing,
            Refusal::Spam("postmaster@bo.test".into()),
            Refusal::NoSpace,
            Refusal::ComeAgain,
        ];
        for refusal in all {
            let reply = refusal.reply();
            assert!(reply.text.is_ascii(), "{reply:?}");
            assert_eq!(reply.code / 100, u16::from(reply.enhanced.0), "{reply:?}");
        }
    }

    #[test]
    fn causes_on_our_side_are_temporary() {
        let check = |error: congvu_store::Error, expected: (u16, (u8, u16, u16))| {
            let reply = Refusal::from(congvu_directory::Error::Store(error)).reply();
            assert_eq!((reply.code, reply.enhanced), expected);
        };
        check(
            congvu_store::Error::NoSpace("/var/lib/congvu".into()),
            (452, (4, 3, 1)),
        );
        check(
            congvu_store::Error::ReadOnly("sync failed".into()),
            (451, (4, 3, 0)),
        );
        check(congvu_store::Error::NoMailbox, (451, (4, 3, 0)));
    }
}
