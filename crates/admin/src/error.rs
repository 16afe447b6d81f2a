//! Why an act is refused, as the process knows it and as the command line shows it.

use serde::{Deserialize, Serialize};

/// Errors of administrative acts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From the directory.
    #[error(transparent)]
    Directory(#[from] congvu_directory::Error),
    /// From the store.
    #[error(transparent)]
    Store(#[from] congvu_store::Error),
    /// From the lists of senders.
    #[error(transparent)]
    List(#[from] congvu_guard::lists::Error),
    /// A value is not allowed; the text says why and what is.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing; kind and name.
    #[error("no such {0}: {1}")]
    Missing(&'static str, String),
    /// A file of accounts has errors; nothing was imported.
    #[error("errors in the file: {}; nothing was imported", .0.len())]
    Import(Vec<LineError>),
    /// Only a running server can do it.
    #[error("no server is running")]
    NoServer,
    /// The server refused new settings; each with place and remedy. The old ones stay in force.
    #[error("the configuration was not taken over: {}", .0.join("; "))]
    Configuration(Vec<String>),
    /// The other side cannot be reached or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// Refused by the server at the other end of the socket.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error in one line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineError {
    /// Line number, from 1; 0 concerns the whole file.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

/// Kinds of refusals, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// There is no such thing.
    Missing,
    /// The name is taken.
    Exists,
    /// A value is not allowed.
    Invalid,
    /// It is still used.
    InUse,
    /// Somebody else changed it at the same time.
    Conflict,
    /// Server or store cannot be reached, or failed.
    Unavailable,
}

/// A refusal on its way to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Kind.
    pub reason: Reason,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it, if that is not said already.
    pub remedy: Option<String>,
    /// Errors by line, for files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineError>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        use congvu_directory::Error as D;
        use congvu_guard::lists::Error as L;
        let message = error.to_string();
        let (reason, remedy) = match &error {
            Error::Refused(refusal) => return refusal.clone(),
            Error::Missing(kind, _) | Error::Directory(D::Missing(kind, _)) => {
                (Reason::Missing, listing(kind))
            }
            Error::List(L::Missing(_)) => {
                (Reason::Missing, Some("see: congvu list show".to_owned()))
            }
            Error::Directory(D::Exists(..)) => (Reason::Exists, None),
            Error::Directory(D::Invalid(_) | D::TooMany(_))
            | Error::List(L::Invalid(_))
            | Error::Invalid(_)
            | Error::Import(_) => (Reason::Invalid, None),
            Error::Directory(D::InUse(_)) => (Reason::InUse, None),
            Error::Directory(D::Conflict(_)) => (Reason::Conflict, None),
            Error::Configuration(_) => (
                Reason::Invalid,
                Some("correct the file; the running configuration is unchanged".to_owned()),
            ),
            Error::NoServer => (
                Reason::Unavailable,
                Some("start it with: congvu serve".to_owned()),
            ),
            Error::Store(_)
            | Error::Directory(D::Store(_))
            | Error::List(L::Store(_))
            | Error::Unreachable(_) => (Reason::Unavailable, None),
        };
        let lines = if let Error::Import(lines) = error {
            lines
        } else {
            Vec::new()
        };
        Self {
            reason,
            message,
            remedy,
            lines,
        }
    }
}

/// Where the names of a kind of thing can be seen.
fn listing(kind: &str) -> Option<String> {
    let noun = match kind {
        "agency" | "domain" | "account" | "alias" | "group" | "hold" => kind,
        "queue entry" => "queue",
        "letter in quarantine" => return Some("see: congvu quarantine list".to_owned()),
        "removed account" => return Some("see: congvu account list-removed".to_owned()),
        "deleted mailbox" => return Some("see: congvu mailbox list-deleted ADDRESS".to_owned()),
        _ => return None,
    };
    Some(format!("see: congvu {noun} list"))
}
