//! Who may be meant by a login name, with all that decides about the login; and the false keys of nobody.

use aws_lc_rs::hmac;
use congvu_message::Address;
use congvu_store::{AccountId, Read};
use congvu_wire::Secret;
use congvu_wire::sasl::{ScramKey, ScramKeys};

use crate::edit::credential;
use crate::error::{Error, Result};
use crate::find;
use crate::password::{self, array};
use crate::record::{Account, Credential, CredentialId, Keyring, MAIN};
use crate::resolve::operates;

/// An account that somebody tries to log in to.
pub(super) struct Candidate {
    pub(super) account: Account,
    pub(super) acting_for: AccountId,
    /// Whether the post, if any, is operated by the account.
    pub(super) allowed: bool,
    pub(super) enabled: bool,
    /// What its agency prescribes.
    pub(super) sessions: Option<u32>,
    pub(super) ring: Option<Keyring>,
    pub(super) credentials: Vec<Credential>,
}

impl Candidate {
    pub(super) fn credential(&self, id: CredentialId) -> Option<&Credential> {
        self.credentials.iter().find(|c| c.id == id)
    }
    /// The one credential worth an Argon2 run: the app password with this mark, else the main password.
    pub(super) fn to_check(&self, password: &Secret) -> Option<&Credential> {
        let tag = self
            .ring
            .as_ref()
            .map(|ring| password::tag(&ring.salt, password));
        let app = self
            .credentials
            .iter()
            .find(|c| c.tag.is_some() && c.tag == tag);
        app.or_else(|| self.credentials.iter().find(|c| c.name == MAIN))
    }
}

pub(super) fn candidate<R: Read>(
    r: &R,
    person: &Address,
    post: Option<&Address>,
) -> Result<Option<Candidate>> {
    let account = |address: &Address| match find::account(r, address) {
        Ok(account) => Ok(Some(account)),
        Err(Error::Missing(..)) => Ok(None),
        Err(other) => Err(other),
    };
    let Some(person) = account(person)? else {
        return Ok(None);
    };
    let mut enabled = find::account_enabled(r, &person)?;
    let (acting_for, allowed) = match post.map(account).transpose()? {
        None => (person.id, true),
        Some(None) => (person.id, false),
        Some(Some(post)) => {
            enabled &= find::account_enabled(r, &post)?;
            (post.id, operates(r, post.id, person.id)?)
        }
    };
    Ok(Some(Candidate {
        acting_for,
        allowed,
        enabled,
        sessions: find::policy(r, person.agency)?.sessions,
        ring: r.get::<Keyring>(&person.id)?,
        credentials: credential::list(r, person.id)?,
        account: person,
    }))
}

/// Keys for a name without any: always the same for the same name, and nothing matches them.
pub(super) fn false_keys(pepper: &[u8; 32], name: &str) -> ScramKeys {
    let key = hmac::Key::new(hmac::HMAC_SHA256, pepper);
    let derive = |what: &str| -> [u8; 32] {
        let mut context = hmac::Context::with_key(&key);
        context.update(what.as_bytes());
        context.update(&[0]);
        context.update(name.as_bytes());
        array(context.sign().as_ref())
    };
    let [salt, stored_key, server_key] = ["salt", "stored", "server"].map(derive);
    let salt: [u8; 16] = array(&salt);
    ScramKeys {
        salt: salt.to_vec(),
        iterations: password::ITERATIONS,
        keys: vec![ScramKey {
            stored_key,
            server_key,
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_keys_are_stable_and_differ_by_name() {
        let (a, b) = (
            false_keys(&[1; 32], "a@x.test"),
            false_keys(&[1; 32], "b@x.test"),
        );
        assert_eq!(a, false_keys(&[1; 32], "a@x.test"));
        assert_ne!(a.salt, b.salt);
        assert_ne!(a, false_keys(&[2; 32], "a@x.test"));
        assert_eq!((a.salt.len(), a.iterations), (16, password::ITERATIONS));
    }
}
