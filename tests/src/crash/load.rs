//! What all clients of the load share: the ledgers outside the server, counts, and the sign to stop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::ledger::Ledger;

/// Shared by all threads of the load.
#[derive(Debug, Default)]
pub(super) struct Load {
    ledgers: Mutex<BTreeMap<(&'static str, &'static str), Ledger>>,
    counts: Mutex<BTreeMap<String, u64>>,
    faults: Mutex<Vec<String>>,
    token: AtomicU64,
    stop: AtomicBool,
    /// The server was told to end: refusals are its right from now on.
    ending: AtomicBool,
}

impl Load {
    /// The number of a new message.
    pub(super) fn token(&self) -> u64 {
        self.token.fetch_add(1, Ordering::Relaxed)
    }

    /// Does something with the ledger of a mailbox.
    pub(super) fn ledger<T>(
        &self,
        account: &'static str,
        mailbox: &'static str,
        run: impl FnOnce(&mut Ledger) -> T,
    ) -> T {
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        run(ledgers.entry((account, mailbox)).or_default())
    }

    /// Mailboxes with a ledger.
    pub(super) fn mailboxes(&self) -> Vec<(&'static str, &'static str)> {
        let ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        ledgers.keys().copied().collect()
    }

    /// Something was acknowledged.
    pub(super) fn count(&self, what: &str) {
        self.add(what, 1);
    }

    /// The same, several times.
    pub(super) fn add(&self, what: &str, times: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.to_owned()).or_default() += times;
    }

    /// All counts.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The server refused something. While nobody told it to end, that is a fault.
    pub(super) fn refused(&self, what: &str, why: &str) {
        if self.ending.load(Ordering::Relaxed) {
            self.count("refused while ending");
        } else {
            self.fault(format!("{what} was refused: {why}"));
        }
    }

    /// Something that must not be.
    pub(super) fn fault(&self, what: String) {
        self.faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
    }

    /// Faults noted since the last call.
    pub(super) fn faults(&self) -> Vec<String> {
        std::mem::take(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new round.
    pub(super) fn begin(&self) {
        self.stop.store(false, Ordering::Relaxed);
        self.ending.store(false, Ordering::Relaxed);
    }

    /// The server is being ended.
    pub(super) fn ending(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Everybody ends.
    pub(super) fn stop(&self) {
        self.ending();
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether to end.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
