//! How many IMAP sessions an account has open.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use congvu_store::AccountId;

/// Sessions of one account at once, unless its agency says otherwise: Thunderbird keeps five for each
/// device, two phones and a few computers behind it, and mail programs open more while searching.
const SESSIONS: u32 = 60;

type Counts = Mutex<HashMap<AccountId, u32>>;

/// Open sessions by account.
#[derive(Debug)]
pub(super) struct Sessions {
    counts: Arc<Counts>,
    limit: AtomicU32,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            counts: Arc::default(),
            limit: AtomicU32::new(SESSIONS),
        }
    }
}

impl Sessions {
    /// What holds where no agency prescribes anything.
    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }
    /// Sets that.
    pub(super) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }
    /// Takes a place if there is one.
    pub(super) fn open(&self, account: AccountId, limit: u32) -> Option<Session> {
        let mut counts = lock(&self.counts);
        let count = counts.entry(account).or_insert(0);
        if *count >= limit {
            if *count == 0 {
                counts.remove(&account);
            }
            return None;
        }
        *count += 1;
        Some(Session(Some(Arc::new(Place {
            counts: Arc::clone(&self.counts),
            account,
        }))))
    }
    /// How many an account has.
    pub(super) fn count(&self, account: AccountId) -> u32 {
        lock(&self.counts).get(&account).copied().unwrap_or(0)
    }
}

fn lock(counts: &Counts) -> MutexGuard<'_, HashMap<AccountId, u32>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place among the account's sessions; given back when the last clone is dropped. `default()` holds none.
#[derive(Debug, Clone, Default)]
pub struct Session(#[expect(dead_code, reason = "held for its drop")] Option<Arc<Place>>);

/// All sessions are alike: what distinguishes logins stands beside.
impl PartialEq for Session {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Session {}

#[derive(Debug)]
struct Place {
    counts: Arc<Counts>,
    account: AccountId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&self.account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let sessions = Sessions::default();
        let first = sessions.open(AccountId(1), 2).unwrap();
        let second = sessions.open(AccountId(1), 2).unwrap();
        assert!(sessions.open(AccountId(1), 2).is_none());
        assert!(sessions.open(AccountId(2), 2).is_some());
        let copy = second.clone();
        drop(second);
        assert!(sessions.open(AccountId(1), 2).is_none());
        drop(copy);
        assert_eq!(sessions.count(AccountId(1)), 1);
        drop(first);
        assert!(lock(&sessions.counts).is_empty());
        assert!(sessions.open(AccountId(1), 0).is_none());
        assert!(lock(&sessions.counts).is_empty());
    }
}
