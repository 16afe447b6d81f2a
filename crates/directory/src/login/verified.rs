//! Passwords that were verified lately, so that a client which reconnects every minute does not cost an
//! Argon2 run each time.
//!
//! Holds no passwords: only keyed hashes, under a key that this process made and never writes. An entry
//! names the credential it proved; the caller still looks whether that credential exists, and a changed
//! password is a new credential. So nothing here must be invalidated.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::hmac;
use congvu_store::AccountId;
use congvu_wire::Secret;
use tokio::time::Instant;

use crate::password::{array, random};
use crate::record::CredentialId;

/// Entries in each of two generations: 64 octets each. Twice this many active devices are remembered.
const GENERATION: usize = 16_384;
/// An entry not used for this long is forgotten: phones reconnect within a quarter of an hour.
const IDLE: Duration = Duration::from_hours(1);

#[derive(Debug)]
struct Proof {
    credential: CredentialId,
    used: Instant,
}

/// The cache: two generations, the older one is dropped when the younger is full.
pub(super) struct Verified {
    key: hmac::Key,
    young: HashMap<[u8; 32], Proof>,
    old: HashMap<[u8; 32], Proof>,
}

impl Default for Verified {
    fn default() -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::<32>());
        Self {
            key,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

impl Verified {
    /// The mark of a password of an account. Equal marks are equal passwords; without the key it tells nothing.
    pub(super) fn mark(&self, account: AccountId, password: &Secret) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&account.0.to_be_bytes());
        context.update(password.expose());
        array(context.sign().as_ref())
    }
    /// The mark of a password tried under a name, whether there is such an account or not.
    pub(super) fn attempt(&self, name: &str, password: &Secret) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(name.as_bytes());
        context.update(&[0]);
        context.update(password.expose());
        array(context.sign().as_ref())
    }
    /// Which credential this mark proved.
    pub(super) fn find(&mut self, mark: &[u8; 32]) -> Option<CredentialId> {
        let now = Instant::now();
        let proof = self.young.remove(mark).or_else(|| self.old.remove(mark))?;
        if now.saturating_duration_since(proof.used) > IDLE {
            return None;
        }
        self.remember(*mark, proof.credential);
        Some(proof.credential)
    }
    /// Remembers a proof.
    pub(super) fn remember(&mut self, mark: [u8; 32], credential: CredentialId) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(
            mark,
            Proof {
                credential,
                used: Instant::now(),
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn remembers_for_a_while() {
        let mut verified = Verified::default();
        let mark = verified.mark(AccountId(1), &Secret::new("x"));
        assert_ne!(mark, verified.mark(AccountId(2), &Secret::new("x")));
        assert_ne!(
            mark,
            Verified::default().mark(AccountId(1), &Secret::new("x"))
        );
        assert_eq!(verified.find(&mark), None);
        verified.remember(mark, CredentialId(5));
        tokio::time::advance(IDLE).await;
        assert_eq!(verified.find(&mark), Some(CredentialId(5)));
        tokio::time::advance(IDLE).await;
        assert_eq!(verified.find(&mark), Some(CredentialId(5)));
        tokio::time::advance(IDLE + Duration::from_secs(1)).await;
        assert_eq!(verified.find(&mark), None);
    }

    #[tokio::test]
    async fn stays_small_and_keeps_what_is_used() {
        let mut verified = Verified::default();
        let mark = verified.mark(AccountId(0), &Secret::new("x"));
        verified.remember(mark, CredentialId(0));
        for id in 1..(GENERATION as u64 * 3) {
            verified.remember(
                verified.mark(AccountId(id), &Secret::new("x")),
                CredentialId(id),
            );
            if id % 1000 == 0 {
                assert_eq!(verified.find(&mark), Some(CredentialId(0)), "{id}");
            }
        }
        assert!(verified.young.len() + verified.old.len() <= 2 * GENERATION);
    }
}
