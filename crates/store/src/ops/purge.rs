//! Forgetting what was deleted, for good: in pages, each a transaction of bounded size. Whether its time
//! is over, and whether a hold forbids it, the caller has looked up in the same transaction.

use std::ops::ControlFlow;

use crate::codec;
use crate::deleted::Removal;
use crate::error::Result;
use crate::id::{AccountId, LedgerId, MailboxId, ModSeq, Uid};
use crate::ops::message::Expunged;
use crate::source::Source as _;
use crate::tx::{Read as _, Tx};
use crate::{keys, leaf};

/// What a page forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// Messages that can no longer be brought back.
    pub messages: u64,
    /// Records removed: what the page cost.
    pub records: usize,
    /// Nothing is left to be done.
    pub done: bool,
}

impl Tx<'_> {
    /// Forgets messages of a mailbox that were expunged up to a transaction, at most `most` records.
    pub fn purge_expunged(
        &mut self,
        mailbox: MailboxId,
        upto: ModSeq,
        most: usize,
    ) -> Result<Purged> {
        self.whole(|tx| {
            let end = keys::after(&keys::expunged(mailbox, upto, Uid(u32::MAX)));
            let (purged, marks, last) = tx.forget_expunged(mailbox, &end, most)?;
            if let Some(last) = last {
                // From now on the list of what was expunged is complete only behind this place.
                for mark in marks {
                    tx.erase(mark);
                }
                let mark = Expunged {
                    at: tx.now.0,
                    message: leaf::encode(&[]),
                };
                tx.store(keys::expunged(mailbox, last, Uid(0)), &codec::encode(&mark))?;
            }
            Ok(purged)
        })
    }

    /// Forgets a deleted mailbox with all its messages, at most `most` messages at once; the record of its
    /// deletion goes last.
    pub fn purge_mailbox(&mut self, removal: Removal, most: usize) -> Result<Purged> {
        if removal.is_home() || self.raw(&removal.key())?.is_none() {
            return Ok(Purged {
                done: true,
                ..Purged::default()
            });
        }
        self.whole(|tx| {
            let id = removal.mailbox;
            let (mut purged, mut old) = (Purged::default(), Vec::new());
            let end = keys::after(&keys::leaf(id, Uid(u32::MAX)));
            tx.visit(&keys::leaf(id, Uid(0)), &end, &mut |key, value| {
                if purged.records >= most {
                    return Ok(ControlFlow::Break(()));
                }
                let held = leaf::uids(keys::first_of(key), value)?.count();
                purged.records += held.max(1);
                purged.messages += held as u64;
                old.push(key.to_vec());
                Ok(ControlFlow::Continue(()))
            })?;
            for key in old {
                tx.erase(key);
            }
            if purged.records >= most {
                return Ok(purged);
            }
            let end = keys::after(&keys::expunged(id, ModSeq(u64::MAX), Uid(u32::MAX)));
            let (expunged, marks, _) = tx.forget_expunged(id, &end, most - purged.records)?;
            purged.messages += expunged.messages;
            purged.records += expunged.records;
            if expunged.done {
                for mark in marks {
                    tx.erase(mark);
                }
                tx.erase(removal.key());
                purged.records += 1;
                purged.done = true;
            }
            Ok(purged)
        })
    }

    /// Forgets a removed home once none of its account's mailboxes is kept; says whether it did.
    pub fn purge_home(&mut self, account: AccountId) -> Result<bool> {
        let prefix = keys::removed_of(account);
        let mut all = Vec::new();
        let mut mailboxes = false;
        self.visit(&prefix, &keys::after(&prefix), &mut |key, _| {
            mailboxes = keys::number_at(key, 17) != 0;
            all.push(key.to_vec());
            Ok(if mailboxes {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        if mailboxes || all.is_empty() {
            return Ok(false);
        }
        for key in all {
            self.erase(key);
        }
        Ok(true)
    }

    /// Forgets a ledger that nothing is charged to any more; one that is in use stays.
    pub fn forget_ledger(&mut self, ledger: LedgerId) -> Result<()> {
        let sums = self.ledger(ledger)?;
        if (sums.octets, sums.messages) == (0, 0) {
            self.erase(keys::ledger(ledger));
        }
        Ok(())
    }

    /// Removes records of expunged messages before a key: what went, marks met, and the last transaction of
    /// which something went.
    fn forget_expunged(
        &mut self,
        mailbox: MailboxId,
        end: &[u8],
        most: usize,
    ) -> Result<(Purged, Vec<Vec<u8>>, Option<ModSeq>)> {
        let (mut purged, mut old, mut marks) = (Purged::default(), Vec::new(), Vec::new());
        let start = keys::expunged(mailbox, ModSeq(0), Uid(0));
        purged.done = true;
        self.visit(&start, end, &mut |key, value| {
            if keys::uid_of(key).0 == 0 {
                marks.push(key.to_vec());
                return Ok(ControlFlow::Continue(()));
            }
            if purged.records >= most {
                purged.done = false;
                return Ok(ControlFlow::Break(()));
            }
            let record: Expunged = codec::decode("expunged message", value)?;
            let first = leaf::first(keys::uid_of(key));
            purged.messages += leaf::uids(first, &record.message)?.count() as u64;
            purged.records += 1;
            old.push(key.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        let last = old.last().map(|key| ModSeq(keys::number_at(key, 9)));
        for key in old {
            self.erase(key);
        }
        Ok((purged, marks, last))
    }
}
