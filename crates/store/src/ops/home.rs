//! Account homes and the ledgers they are charged to.

use crate::codec::{self, Home, RemovedHome};
use crate::error::{Error, Result};
use crate::feed::{ChangeKind, Topic};
use crate::id::{AccountId, LedgerId, MailboxId};
use crate::keys;
use crate::mailbox::SpecialUse;
use crate::tx::{Ledger, Quota, Read, Tx, home};

/// Most ledgers an account: its own, its domain's, and agencies up the tree.
const LEDGERS: usize = 8;

/// Mailboxes of a new home. Apple Mail and Outlook create their own English ones when these are
/// missing or unmarked.
const STANDARD: [(&str, Option<SpecialUse>); 6] = [
    ("INBOX", None),
    ("Drafts", Some(SpecialUse::Drafts)),
    ("Sent", Some(SpecialUse::Sent)),
    ("Junk", Some(SpecialUse::Junk)),
    ("Trash", Some(SpecialUse::Trash)),
    ("Archive", Some(SpecialUse::Archive)),
];

/// What is added to or taken from ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    pub(crate) octets: u64,
    pub(crate) messages: u64,
}

impl Tx<'_> {
    /// An account's home: its INBOX and the standard mailboxes (Drafts, Sent, Junk, Trash, Archive,
    /// with special use, subscribed). `ledgers` are charged for every message; its own first. At most 8.
    /// `Error::MailboxExists` when the account has a home.
    pub fn create_home(&mut self, account: AccountId, ledgers: &[LedgerId]) -> Result<()> {
        check_ledgers(ledgers)?;
        self.whole(|tx| {
            if home(tx, account)?.is_some() {
                return Err(Error::MailboxExists);
            }
            tx.put_home(
                account,
                &Home {
                    ledgers: ledgers.to_vec(),
                    mailboxes: 0,
                },
            )?;
            for (name, special) in STANDARD {
                tx.create_mailbox(account, name, special)?;
            }
            Ok(())
        })
    }

    /// Charges other ledgers from now on and moves the sums (an account changes agency).
    pub fn set_ledgers(&mut self, account: AccountId, ledgers: &[LedgerId]) -> Result<()> {
        check_ledgers(ledgers)?;
        self.whole(|tx| {
            let mut home = home(tx, account)?.ok_or(Error::NoAccount)?;
            let sums = tx.sums(account)?;
            tx.discharge(&home.ledgers, sums)?;
            tx.charge(ledgers, sums, Quota::Ignore)?;
            home.ledgers = ledgers.to_vec();
            tx.put_home(account, &home)
        })
    }

    /// Sets limits, keeps sums.
    pub fn set_limits(&mut self, ledger: LedgerId, octets: u64, messages: u64) -> Result<()> {
        let sums = self.ledger(ledger)?;
        let ledger_now = Ledger {
            octets_limit: octets,
            messages_limit: messages,
            ..sums
        };
        self.store(keys::ledger(ledger), &codec::encode(&ledger_now))
    }

    /// Removes an account's mailboxes (expunged, for the undelete window) and home.
    pub fn remove_home(&mut self, account: AccountId) -> Result<()> {
        self.whole(|tx| {
            let home = home(tx, account)?.ok_or(Error::NoAccount)?;
            let sums = tx.sums(account)?;
            tx.discharge(&home.ledgers, sums)?;
            for mailbox in tx.mailboxes(account)? {
                tx.remove_mailbox(mailbox)?;
            }
            let subscriptions = tx.subscriptions(account)?;
            for name in &subscriptions {
                tx.erase(keys::subscription(account, name));
            }
            tx.erase(keys::home(account));
            let mut removed = RemovedHome {
                home,
                subscriptions,
                at: tx.now,
            };
            let mut value = codec::encode(&removed);
            if value.len() > crate::tx::RECORD {
                // Ten thousand long names do not fit a record; undelete subscribes to all instead.
                removed.subscriptions.clear();
                value = codec::encode(&removed);
            }
            tx.store(keys::removed(account, tx.number, MailboxId(0)), &value)?;
            tx.changed(Topic::Account(account), ChangeKind::Removed);
            Ok(())
        })
    }

    pub(crate) fn put_home(&mut self, account: AccountId, home: &Home) -> Result<()> {
        self.store(keys::home(account), &codec::encode(home))
    }

    /// Adds to ledgers: all of them, or none when one would pass its limit.
    pub(crate) fn charge(&mut self, ledgers: &[LedgerId], by: Sums, quota: Quota) -> Result<()> {
        let mut charged = Vec::with_capacity(ledgers.len());
        for &id in ledgers {
            let mut ledger = self.ledger(id)?;
            ledger.octets = ledger.octets.saturating_add(by.octets);
            ledger.messages = ledger.messages.saturating_add(by.messages);
            let over = |used: u64, limit: u64| limit != 0 && used > limit;
            let past = over(ledger.octets, ledger.octets_limit)
                || over(ledger.messages, ledger.messages_limit);
            if past && quota == Quota::Enforce {
                return Err(Error::OverQuota(id));
            }
            charged.push((id, ledger));
        }
        self.put_ledgers(&charged)
    }

    /// Takes from ledgers.
    pub(crate) fn discharge(&mut self, ledgers: &[LedgerId], by: Sums) -> Result<()> {
        let mut charged = Vec::with_capacity(ledgers.len());
        for &id in ledgers {
            let mut ledger = self.ledger(id)?;
            ledger.octets = ledger.octets.saturating_sub(by.octets);
            ledger.messages = ledger.messages.saturating_sub(by.messages);
            charged.push((id, ledger));
        }
        self.put_ledgers(&charged)
    }

    fn put_ledgers(&mut self, ledgers: &[(LedgerId, Ledger)]) -> Result<()> {
        for (id, ledger) in ledgers {
            self.store(keys::ledger(*id), &codec::encode(ledger))?;
        }
        Ok(())
    }

    /// What an account's mailboxes hold.
    fn sums(&self, account: AccountId) -> Result<Sums> {
        let mailboxes = self.mailboxes(account)?;
        Ok(Sums {
            octets: mailboxes.iter().map(|mailbox| mailbox.size).sum(),
            messages: mailboxes
                .iter()
                .map(|mailbox| u64::from(mailbox.messages))
                .sum(),
        })
    }
}

/// A ledger charged twice would count double.
pub(super) fn check_ledgers(ledgers: &[LedgerId]) -> Result<()> {
    let twice = ledgers
        .iter()
        .enumerate()
        .any(|(at, id)| ledgers[..at].contains(id));
    if ledgers.len() > LEDGERS || twice {
        Err(Error::Limit("ledgers of an account"))
    } else {
        Ok(())
    }
}
