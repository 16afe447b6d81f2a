//! What the client machine asks whoever sends (the queue), the answers, and what came of a transaction.

use std::time::Duration;

use congvu_wire::{Secret, TlsInfo};

use crate::ask::{Mail, Rcpt};

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033: LHLO, and one reply a recipient after the message.
    Lmtp,
}

/// When to encrypt. On an implicit-TLS port the driver calls `secured` before the first step, which
/// satisfies every policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsPolicy {
    /// In the clear.
    Never,
    /// STARTTLS when offered and accepted; otherwise in the clear.
    Opportunistic,
    /// STARTTLS or nothing is sent.
    Required,
    /// As `Required`, and the peer's certificate must have been verified ([`TlsInfo::verified`]).
    Verified,
}

/// How a session is to be held.
#[derive(Debug, Clone)]
pub struct Config {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Our name in EHLO: a host name or an address literal, ASCII.
    pub hello: String,
    /// When to encrypt.
    pub tls: TlsPolicy,
    /// Log in with these; sent only inside TLS.
    pub credentials: Option<Credentials>,
    /// How long the peer may take.
    pub waits: Waits,
}

/// How long the peer may take for a reply. A part of a reply gains it no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT.
    pub reply: Duration,
    /// DATA, and while the message goes out.
    pub data: Duration,
    /// The reply to the whole message: giving up too early there doubles mail (RFC 1047).
    pub end: Duration,
    /// The reply to QUIT.
    pub quit: Duration,
}

impl Default for Waits {
    /// RFC 5321 section 4.5.3.2.
    fn default() -> Self {
        Self {
            reply: Duration::from_mins(5),
            data: Duration::from_mins(3),
            end: Duration::from_mins(10),
            quit: Duration::from_mins(1),
        }
    }
}

/// A login at a smart host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Login name.
    pub name: String,
    /// Password.
    pub password: Secret,
}

/// A question of the client machine.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// The session is ready for a (further) transaction. Answered with `Transaction` or `Quit`.
    Next(Session),
    /// More of the message. Answered with `Chunk`, `End` or `Abort`.
    Body,
    /// What came of the transaction, one outcome for each recipient in order. Answered with `Noted`.
    /// Comes exactly once for each transaction, whatever happens to the connection.
    Done(Vec<Outcome>),
    /// The session never became ready, or broke between transactions. Answered with `Noted`; then the
    /// connection closes.
    Failed(SessionError),
}

/// What the sender answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send this.
    Transaction(Transaction),
    /// Nothing more: say QUIT.
    Quit,
    /// The next octets of the message, lines ended by CRLF, of any length; dots as they are in the
    /// message.
    Chunk(Vec<u8>),
    /// The message is complete.
    End,
    /// The message cannot be read to its end: the connection is cut before the final dot, so that the
    /// peer drops what it got.
    Abort,
    /// Go on.
    Noted,
}

/// One message for some recipients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// Reverse-path and the message's properties. `size`, `body`, `ret`, `envid` are told to servers
    /// that know them; `utf8` and `BodyKind::Binary` need a server that knows them.
    pub mail: Mail,
    /// Recipients, at least one. More than [`Extensions::rcpt_max`] are better split by the sender.
    pub rcpts: Vec<Rcpt>,
}

/// Facts about the session, for choosing a transaction and for the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// Its name, as in its EHLO reply (first word, printable ASCII).
    pub name: String,
    /// The handshake, if there was one.
    pub tls: Option<TlsInfo>,
    /// Extensions it offered after the last EHLO.
    pub extensions: Extensions,
    /// Transactions done in this session so far.
    pub transactions: u32,
}

/// What a server offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent keywords"
)]
pub struct Extensions {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// BINARYMIME (RFC 3030).
    pub binary: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// SIZE (RFC 1870): offered, with its limit in octets unless unlimited.
    pub size: Option<Option<u64>>,
    /// AUTH mechanisms (RFC 4954), upper case.
    pub auth: Vec<String>,
    /// LIMITS RCPTMAX (RFC 9422): recipients in a transaction.
    pub rcpt_max: Option<u32>,
    /// LIMITS MAILMAX (RFC 9422): transactions in a session.
    pub mail_max: Option<u32>,
}

/// A reply of the peer, or one that we give ourselves in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReply {
    /// 200–599.
    pub code: u16,
    /// Enhanced status code (RFC 3463), if it gave one whose class fits the code.
    pub enhanced: Option<(u8, u16, u16)>,
    /// Its text without codes: printable ASCII or UTF-8, lines joined by a space, bounded.
    pub text: String,
}

impl ServerReply {
    /// 2xx.
    pub fn is_success(&self) -> bool {
        self.code / 100 == 2
    }
    /// 5xx: trying again is useless.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

/// Where in a session something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The greeting.
    Banner,
    /// EHLO, HELO, LHLO.
    Hello,
    /// STARTTLS and the handshake.
    Tls,
    /// AUTH.
    Auth,
    /// RSET, or between transactions.
    Idle,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA or BDAT, and the message itself, before its end.
    Data,
    /// The reply to the whole message.
    End,
}

/// What came of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The peer took responsibility.
    Delivered(ServerReply),
    /// The peer refused; for good if the reply is permanent, for now otherwise.
    Refused(Stage, ServerReply),
    /// The server lacks what this message needs: for good, with the reply to report (`550 5.6.7` …).
    Unsupported(ServerReply),
    /// The connection broke before the final dot: certainly not delivered.
    Unsent(Stage, Break),
    /// The connection broke after the final dot: perhaps delivered. Trying again may double it, giving
    /// up may lose it; so try again.
    Unknown(Break),
}

/// How a connection broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Break {
    /// The peer closed it.
    Closed,
    /// Patience ran out.
    Timeout,
    /// It sent something that is no SMTP reply, or no reply to what was asked.
    Garbage,
    /// `421` with its text.
    Said(ServerReply),
    /// We cut it: the sender gave `Answer::Abort`, or the server stops.
    Aborted,
}

/// Why a session never became ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionError {
    /// The peer refused at this stage.
    Refused(Stage, ServerReply),
    /// The connection broke at this stage. At [`Stage::Tls`] an opportunistic sender tries again with
    /// [`TlsPolicy::Never`].
    Broken(Stage, Break),
    /// TLS is required, but not offered.
    NoTls,
    /// The certificate was not verified, but must be.
    Unverified,
    /// Credentials are given, but no common mechanism is offered inside TLS.
    NoAuth,
    /// The server could not prove that it knows the password (SCRAM).
    FalseServer,
}
