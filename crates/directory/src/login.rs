//! Logins: passwords, app passwords, SCRAM keys, delays for failures.

use std::net::IpAddr;

use congvu_message::Address;
use congvu_store::AccountId;
use congvu_wire::sasl::{SaslAnswer, SaslAsk};

use crate::Directory;

/// Which service asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// IMAP.
    Imap,
    /// Submission.
    Submission,
}

/// Where a login comes from: for delays keyed by address *and* account, and for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginContext {
    /// Client's address.
    pub remote: IpAddr,
    /// Client's port.
    pub port: u16,
    /// Which service.
    pub service: Service,
}

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub account: AccountId,
    /// Its primary address.
    pub address: Address,
    /// Which credential: `main` or the app password's name.
    pub credential: String,
    /// Whose mailboxes are shown: itself, or a post when the name was `post@domain*person@domain`…
    pub acting_for: AccountId,
}

impl Directory {
    /// Answers one SASL question. A grant comes with the login. Failed attempts delay the answer
    /// (grows from 1 s to 30 s for the same pair of client network and account name) without holding
    /// up anybody else; Argon2 runs off the executor, at most 4 at once.
    #[allow(unused_variables, clippy::unused_async, reason = "signatures first")]
    pub async fn sasl(&self, context: LoginContext, ask: SaslAsk) -> (SaslAnswer, Option<Login>) {
        todo!()
    }
}
