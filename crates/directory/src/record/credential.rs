//! Credentials: an account's main password and app passwords, each as Argon2id hash and SCRAM keys.

use std::fmt;

use congvu_store::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{id, numbers, record};

id!(/// A credential, for ever. A changed password is a new credential, so whatever remembers the old one
    /// (a verified login, an unfinished SCRAM exchange) finds it gone.
    CredentialId);

/// Name of the main password.
pub const MAIN: &str = "main";

/// What all SCRAM keys of an account share (one challenge serves every password).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring {
    /// Whose.
    pub account: AccountId,
    /// Salt, 16 octets.
    pub salt: [u8; 16],
    /// PBKDF2 iterations.
    pub iterations: u32,
}

record!(
    Keyring,
    "keyring",
    Credential,
    AccountId,
    |this| this.account,
    |key| numbers(b'k', &[key.0])
);

/// One password of one account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub id: CredentialId,
    /// [`MAIN`], or the name of the device or program an app password was made for.
    pub name: String,
    /// Argon2id in PHC form.
    pub phc: String,
    /// RFC 5802 H(ClientKey).
    pub stored_key: [u8; 32],
    /// RFC 5802 HMAC(SaltedPassword, "Server Key").
    pub server_key: [u8; 32],
    /// App passwords only: first octets of a keyed hash, so that a login runs Argon2 once however many app
    /// passwords there are. Tells nothing useful about 100 random bits.
    pub tag: Option<[u8; 8]>,
    /// When it was set.
    pub created: Timestamp,
    /// When it was used last, to the hour.
    pub last_used: Option<Timestamp>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("account", &self.account)
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Credential {
    pub(crate) fn prefix(account: AccountId) -> Vec<u8> {
        numbers(b'c', &[account.0])
    }
}

record!(
    Credential,
    "credential",
    Credential,
    (AccountId, CredentialId),
    |this| (this.account, this.id),
    |key| numbers(b'c', &[key.0.0, key.1.0])
);

/// Random octets of this store, made once: stable false SCRAM keys come from it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pepper {
    pub(crate) octets: [u8; 32],
}

record!(Pepper, "pepper", Credential, (), |_this| (), |_key| vec![
    b's'
]);
