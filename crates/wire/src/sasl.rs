//! SASL server side: PLAIN, LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as one pure exchange that
//! `smtp` and `imap` embed. Passwords and keys are looked up by the service through [`SaslAsk`].
//!
//! Invariant: no mechanism begins without TLS unless [`Policy::allow_plaintext`] says so, and whatever a
//! client sends, only its own exchange can fail. How long a refusal is delayed is the service's business.

pub mod client;
mod exchange;
mod prepare;
pub mod scram;

pub use exchange::{
    Exchange, Failure, MAX_PASSWORD, MAX_RESPONSE, Mechanism, Policy, SaslStep, Unavailable,
    mechanisms,
};
pub use prepare::{MAX_NAME, name, prepare};

use crate::Secret;

/// What an exchange asks the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslAsk {
    /// PLAIN, LOGIN or IMAP LOGIN: check this password.
    Password {
        /// Who logs in (`user@domain`), already checked for length, controls and UTF-8.
        authcid: String,
        /// The password as sent.
        password: Secret,
    },
    /// SCRAM: the keys of this account. Unknown accounts get stable false keys from the service, so
    /// that nobody learns who exists.
    Keys {
        /// Who logs in.
        authcid: String,
    },
    /// SCRAM: the exchange is decided; `matched` is the index into [`ScramKeys::keys`].
    Decided {
        /// Who logs in.
        authcid: String,
        /// Which key the proof matched, if any.
        matched: Option<usize>,
    },
}

/// What the service answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslAnswer {
    /// Logged in.
    Granted,
    /// Not logged in. The same for wrong password and unknown account.
    Denied(Denial),
    /// To [`SaslAsk::Keys`].
    Keys(ScramKeys),
}

/// Why a login was refused; what the client may learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Wrong name or password (SMTP 535 5.7.8, IMAP AUTHENTICATIONFAILED).
    Credentials,
    /// Right password, but the account is disabled (SMTP 535 5.7.13, IMAP AUTHORIZATIONFAILED).
    Disabled,
    /// Too many sessions of this account (SMTP 454 4.7.0, IMAP `[LIMIT]`).
    TooMany,
    /// The directory could not answer (SMTP 454 4.7.0, IMAP `[UNAVAILABLE]`).
    Unavailable,
}

/// RFC 5802 keys of one account. All its passwords (main and app) share salt and iteration count,
/// so one challenge serves them all and the proof is tried against each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// Salt, 16 octets or more.
    pub salt: Vec<u8>,
    /// PBKDF2 iterations, at least 4,096.
    pub iterations: u32,
    /// One entry a password.
    pub keys: Vec<ScramKey>,
}

/// StoredKey and ServerKey of one password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramKey {
    /// H(ClientKey).
    pub stored_key: [u8; 32],
    /// HMAC(SaltedPassword, "Server Key").
    pub server_key: [u8; 32],
}
