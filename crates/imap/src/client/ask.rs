//! What the client machine asks whoever moves messages, the answers, and what a server tells.

use congvu_wire::{Secret, TlsInfo};

/// When to encrypt. On an implicit-TLS port the driver calls `secured` before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPolicy {
    /// TLS, with a certificate that was verified.
    Verified,
    /// TLS with whoever answers.
    Unverified,
    /// In the clear: the password too.
    Clear,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who logs in.
    pub name: String,
    /// Whose mailboxes are to be seen, when that is somebody else (a master user's login, SASL PLAIN).
    pub acting_as: Option<String>,
    /// Password.
    pub password: Secret,
}

/// How a session is to be held.
#[derive(Debug, Clone)]
pub struct Config {
    /// When to encrypt.
    pub tls: TlsPolicy,
    /// Login.
    pub credentials: Credentials,
    /// Largest message that is kept, octets; of a larger one everything else is told.
    pub largest: u64,
}

/// A question of the client machine.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// The session is ready for a (further) command. Answered with `Command` or `Logout`.
    Next(Session),
    /// A mailbox of LIST. Answered with `Noted`.
    Listed(Listed),
    /// What a FETCH response told. Answered with `Noted`.
    Fetched(Fetched),
    /// The command has ended. Answered with `Noted`.
    Done(Outcome),
    /// The session never became ready, or broke. Answered with `Noted`; then the connection closes.
    Failed(SessionError),
}

/// What the service answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Say this.
    Command(Command),
    /// Nothing more.
    Logout,
    /// Go on.
    Noted,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// All mailboxes.
    List,
    /// Opens a mailbox, so that nothing there is changed.
    Examine(Vec<u8>),
    /// UID and flags of messages from this UID to that one.
    Flags(u32, u32),
    /// UID, flags, INTERNALDATE and size of messages from this UID to that one; labels where the server has them.
    Records(u32, u32),
    /// The same with all octets, of these messages.
    Messages(Vec<u32>),
}

/// Facts about the session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// The handshake, if there was one.
    pub tls: Option<TlsInfo>,
    /// What the server offers, in capitals.
    pub capabilities: Vec<String>,
    /// What the names of the user's own mailboxes begin with (`INBOX.` of Courier).
    pub prefix: Vec<u8>,
    /// What the names of mailboxes of others begin with, and of shared ones.
    pub others: Vec<Vec<u8>>,
}

/// A mailbox of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Its name as written, in modified UTF-7 (or UTF-8).
    pub name: Vec<u8>,
    /// What separates levels; `None` = there are none.
    pub delimiter: Option<u8>,
    /// `\Noselect`, `\Sent` …, as written.
    pub attributes: Vec<String>,
}

impl Listed {
    /// Whether it has an attribute.
    pub fn has(&self, attribute: &str) -> bool {
        let mut all = self.attributes.iter();
        all.any(|known| known.eq_ignore_ascii_case(attribute))
    }
}

/// What the server told about a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    /// UID, if told.
    pub uid: Option<u32>,
    /// Flags and keywords, if told.
    pub flags: Option<Vec<String>>,
    /// INTERNALDATE, seconds since 1970 and minutes east of UTC.
    pub date: Option<(i64, i16)>,
    /// RFC822.SIZE.
    pub size: Option<u64>,
    /// Its octets.
    pub body: Option<Body>,
    /// Gmail's labels, in modified UTF-7.
    pub labels: Option<Vec<String>>,
}

/// Octets of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// All of them.
    Whole(Vec<u8>),
    /// More than are kept: so many.
    TooLarge(u64),
    /// The server has none (NIL).
    Missing,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// OK, not NO or BAD.
    pub ok: bool,
    /// What the server said, printable.
    pub text: String,
    /// After EXAMINE.
    pub selected: Selected,
}

/// What EXAMINE told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selected {
    /// UIDVALIDITY; 0 when the server told none.
    pub uidvalidity: u32,
    /// UIDNEXT, if told.
    pub uidnext: Option<u32>,
    /// Number of messages.
    pub exists: u32,
}

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The server sent its goodbye, or refused a step of the set-up.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The login was refused.
    #[error("the login was refused: {0}")]
    Login(String),
    /// The server offers no STARTTLS, and the password must not go in the clear.
    #[error("the server offers no TLS here")]
    NoTls,
    /// The certificate was not verified.
    #[error("the server's certificate cannot be verified")]
    Unverified,
    /// No way to log in that we know.
    #[error("the server offers no way to log in that is known (PLAIN, LOGIN, SCRAM-SHA-256)")]
    NoAuth,
    /// The server does not know the password, either.
    #[error("the server could not prove that it knows the password")]
    FalseServer,
    /// What came is no IMAP, or beyond every bound.
    #[error("the server sent what is not IMAP")]
    Garbage,
    /// The connection was closed.
    #[error("the server closed the connection")]
    Closed,
    /// The server was silent too long.
    #[error("the server did not answer in time")]
    Timeout,
}

impl SessionError {
    /// Whether trying again later may help.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::Closed | Self::Timeout | Self::Garbage
        )
    }
}
