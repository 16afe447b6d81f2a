//! ESMTP grammar: command lines into values (server side), reply lines into values (client side).
//!
//! Strict where two readers could disagree, tolerant only for named clients. Whether a command is
//! allowed now is in `server::legality`; what it does is in `server`.

pub mod command;
pub mod param;
pub mod path;
pub mod reply;
pub mod xtext;

use congvu_message::address::AddressError;

use crate::ask::Reply;

/// Why a command line cannot be obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// No such verb.
    #[error("command not recognized")]
    Unknown,
    /// Controls, or octets that are no UTF-8.
    #[error("the command contains octets that are not allowed")]
    Octets,
    /// Longer than the line buffer.
    #[error("line too long")]
    TooLong,
    /// LF without CR, or CR without LF.
    #[error("commands end with CR LF")]
    BareLineEnd,
    /// Missing, bad or superfluous arguments; what is right.
    #[error("syntax: {0}")]
    Arguments(&'static str),
    /// MAIL's address.
    #[error("bad sender address: {0}")]
    Sender(AddressError),
    /// RCPT's address.
    #[error("bad recipient address: {0}")]
    Recipient(AddressError),
    /// A non-ASCII address without SMTPUTF8.
    #[error("this address needs the SMTPUTF8 parameter")]
    NeedsUtf8,
    /// A parameter that was not offered.
    #[error("parameter not recognized or not offered")]
    Parameter,
    /// A parameter's value, or a parameter given twice.
    #[error("bad or repeated parameter: {0}")]
    Value(&'static str),
}

impl SyntaxError {
    /// The reply, by RFC 5321 section 4.2 and RFC 3463.
    pub fn reply(self) -> Reply {
        let (code, enhanced) = match self {
            Self::Unknown => (500, (5, 5, 1)),
            Self::Octets | Self::TooLong | Self::BareLineEnd => (500, (5, 5, 2)),
            Self::Arguments(_) | Self::Value(_) => (501, (5, 5, 4)),
            Self::Sender(_) => (501, (5, 1, 7)),
            Self::Recipient(_) => (501, (5, 1, 3)),
            Self::NeedsUtf8 => (553, (5, 6, 7)),
            Self::Parameter => (555, (5, 5, 4)),
        };
        Reply::new(code, enhanced, self.to_string())
    }
}
