//! Which sessions have seen which new messages as `\Recent` (RFC 3501 section 2.3.2).
//!
//! SELECT claims durably, in a transaction. What arrives while a mailbox stays open is claimed here, in
//! memory, and written down when the mailbox is closed: one synced write a session, not one a letter.
//! A crash in between shows those messages as recent once more, which harms nobody.

use std::collections::HashMap;
use std::sync::Mutex;

use congvu_store::MailboxId;

/// The first UID of each mailbox that no open session has claimed. At most one entry an open mailbox.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    unclaimed: Mutex<HashMap<MailboxId, u32>>,
}

impl Recent {
    /// The first UID that no session has claimed here; 0 when none did.
    pub(crate) fn unclaimed(&self, mailbox: MailboxId) -> u32 {
        self.lock().get(&mailbox).copied().unwrap_or(0)
    }

    /// Claims all UIDs below `end`; returns the first one that was still unclaimed.
    pub(crate) fn claim(&self, mailbox: MailboxId, end: u32) -> u32 {
        let mut unclaimed = self.lock();
        let entry = unclaimed.entry(mailbox).or_insert(0);
        let first = *entry;
        *entry = first.max(end);
        first
    }

    /// All UIDs below `end` are claimed durably: forgets what is no longer needed.
    pub(crate) fn settled(&self, mailbox: MailboxId, end: u32) {
        let mut unclaimed = self.lock();
        if unclaimed
            .get(&mailbox)
            .is_some_and(|&claimed| claimed <= end)
        {
            unclaimed.remove(&mailbox);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MailboxId, u32>> {
        self.unclaimed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use congvu_store::MailboxId;

    use super::Recent;

    #[test]
    fn each_message_is_recent_once() {
        let (recent, mailbox) = (Recent::default(), MailboxId(1));
        assert_eq!(recent.claim(mailbox, 5), 0);
        assert_eq!(recent.claim(mailbox, 7), 5);
        assert_eq!(recent.claim(mailbox, 6), 7);
        assert_eq!(recent.unclaimed(mailbox), 7);
        recent.settled(mailbox, 6);
        assert_eq!(recent.unclaimed(mailbox), 7);
        recent.settled(mailbox, 7);
        assert_eq!(recent.unclaimed(mailbox), 0);
    }
}
