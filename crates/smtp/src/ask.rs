//! What the server machine asks its service, and the answers.

use congvu_wire::sasl::{SaslAnswer, SaslAsk};

/// Which of the three server sides this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Port 25: anyone, for our own recipients only.
    Mx,
    /// Ports 587 and 465: our accounts (RFC 6409).
    Submission,
    /// RFC 2033: one reply a recipient after the data.
    Lmtp,
}

/// A question of the server machine.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// The connection is open, nothing was said yet. `Answer::Accept` → banner.
    Open,
    /// EHLO, HELO or LHLO with its argument, and which verb.
    Hello {
        /// The name or address literal as given.
        name: String,
        /// EHLO or LHLO rather than HELO.
        extended: bool,
        /// More had come behind the command before it could be answered: the client does not wait for answers, as it
        /// must here (RFC 2920 section 3.1).
        early: bool,
    },
    /// One step of AUTH. Answered with `Answer::Sasl`.
    Sasl(SaslAsk),
    /// MAIL FROM.
    Mail(Mail),
    /// RCPT TO.
    Rcpt(Rcpt),
    /// The next octets of the message: dots already removed, line ends CRLF only.
    Body(Vec<u8>),
    /// The message is complete. MX and submission: one `Reply`; LMTP: `Replies`, one a recipient.
    Deliver,
    /// RSET, a new EHLO, a broken body or a lost connection: forget the transaction.
    /// Answered with `Accept`.
    Reset,
}

/// What the service answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on; the machine knows the standard reply.
    Accept,
    /// This reply instead (refusals; the text of `Deliver`). A 421 closes the connection.
    Reply(Reply),
    /// LMTP after `Deliver`: one reply for each accepted recipient, in order.
    Replies(Vec<Reply>),
    /// To `Ask::Sasl`.
    Sasl(SaslAnswer),
}

/// An SMTP reply. The text is ASCII without line ends; long texts are split into lines by the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200–599.
    pub code: u16,
    /// Enhanced status (RFC 3463): class, subject, detail.
    pub enhanced: (u8, u16, u16),
    /// Human text.
    pub text: String,
}

impl Reply {
    /// A reply with an enhanced status code.
    pub fn new(code: u16, enhanced: (u8, u16, u16), text: impl Into<String>) -> Self {
        Self {
            code,
            enhanced,
            text: text.into(),
        }
    }
}

/// A parsed MAIL command. Paths are as sent, without angle brackets; addresses are validated
/// with `congvu_message::Address` by the grammar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mail {
    /// Reverse-path; empty for `<>`.
    pub from: String,
    /// SIZE= (RFC 1870), octets.
    pub size: Option<u64>,
    /// BODY= (RFC 6152, 3030).
    pub body: BodyKind,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// RET= (RFC 3461).
    pub ret: Option<Ret>,
    /// ENVID= (RFC 3461), xtext decoded, printable ASCII.
    pub envid: Option<String>,
    /// AUTH= (RFC 4954), xtext decoded; advisory only.
    pub auth: Option<String>,
}

/// BODY= values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyKind {
    /// No BODY= or 7BIT.
    #[default]
    SevenBit,
    /// 8BITMIME.
    EightBit,
    /// BINARYMIME; only with BDAT.
    Binary,
}

/// RET= values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ret {
    /// Return the whole message.
    Full,
    /// Return its headers.
    Headers,
}

/// A parsed RCPT command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rcpt {
    /// Forward-path without angle brackets; `postmaster` alone is legal (RFC 5321 section 4.1.1.3).
    pub to: String,
    /// NOTIFY= (RFC 3461).
    pub notify: Option<Notify>,
    /// ORCPT= as `type;address`, xtext decoded.
    pub orcpt: Option<String>,
}

/// NOTIFY= values. All false is NEVER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notify {
    /// SUCCESS.
    pub success: bool,
    /// FAILURE.
    pub failure: bool,
    /// DELAY.
    pub delay: bool,
}
