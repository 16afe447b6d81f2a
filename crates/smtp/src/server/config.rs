//! How a listener's sessions behave: limits, patience, what is offered.

use std::time::Duration;

use crate::ask::Kind;

/// Settings of one listener's server machines; shared by all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// MX, submission or LMTP.
    pub kind: Kind,
    /// Our name in the banner and EHLO.
    pub hostname: String,
    /// Largest message in octets (SIZE).
    pub size_max: u64,
    /// Recipients of one transaction; the next one gets 452 4.5.3.
    pub rcpt_max: u32,
    /// Transactions of one connection; the next one gets 421.
    pub mail_max: u32,
    /// Whether STARTTLS can be offered: a certificate is configured.
    pub tls: bool,
    /// Allow AUTH, and on submission mail, without TLS: for loopback listeners only.
    pub allow_plaintext: bool,
    /// How long a client may take for a command (RFC 5321 section 4.5.3.2.7: at least 5 minutes).
    pub command_patience: Duration,
    /// How long a client may take for each [`super::PROGRESS`] octets of a message.
    pub data_patience: Duration,
}

impl Config {
    /// Usual limits for a listener of this kind.
    pub fn new(kind: Kind, hostname: impl Into<String>) -> Self {
        Self {
            kind,
            hostname: hostname.into(),
            // The common limit of large providers, with base64's growth on top of 50 MB attachments.
            size_max: 70 << 20,
            // A circular goes to thousands; strangers get ten times the 100 that RFC 5321 section
            // 4.5.3.1.8 asks for.
            rcpt_max: if kind == Kind::Mx { 1_000 } else { 5_000 },
            mail_max: 1_000,
            tls: false,
            allow_plaintext: false,
            command_patience: Duration::from_mins(5),
            data_patience: Duration::from_mins(5),
        }
    }
}
