//! Creating, renaming, deleting and subscribing mailboxes.

use crate::codec::{self, RemovedMailbox};
use crate::error::{Error, Result};
use crate::feed::{ChangeKind, Topic};
use crate::id::{AccountId, MailboxId, Uid, UidValidity};
use crate::keys;
use crate::mailbox::{Mailbox, SpecialUse};
use crate::name;
use crate::ops::home::Sums;
use crate::tx::{Read, Tx, home, mailbox_ids};

/// Most mailboxes an account: LIST of all of them stays under a second.
pub(super) const MAILBOXES: u32 = 10_000;

/// The sequence that UIDVALIDITY comes from. Seeded with the time of the store's creation; every
/// mailbox of the store, also one created again under an old name, gets a new and larger one.
pub(crate) const UIDVALIDITY: &str = "uidvalidity";

impl Tx<'_> {
    /// Creates a mailbox and its missing parents, subscribed. Name rules: at most 512 octets, 32 levels,
    /// no empty level, no controls; compared in NFC. At most 10,000 mailboxes an account.
    /// `Error::SpecialUseTaken` when another mailbox has the special use.
    pub fn create_mailbox(
        &mut self,
        account: AccountId,
        name: &str,
        special: Option<SpecialUse>,
    ) -> Result<Mailbox> {
        let name = name::canonical(name)?;
        self.whole(|tx| {
            if tx.raw_id(account, &name)?.is_some() {
                return Err(Error::MailboxExists);
            }
            if special.is_some()
                && tx
                    .mailboxes(account)?
                    .iter()
                    .any(|mailbox| mailbox.special_use == special)
            {
                return Err(Error::SpecialUseTaken);
            }
            tx.create_parents(account, &name)?;
            tx.create_one(account, name, special)
        })
    }

    /// Renames a mailbox and its children; ids, UIDs and UIDVALIDITY stay. Renaming INBOX moves its
    /// messages into a new mailbox (RFC 9051 section 6.3.6). The new names are subscribed where the
    /// old ones were; the old subscriptions stay (RFC 9051 section 6.3.6, at its end).
    pub fn rename_mailbox(&mut self, account: AccountId, from: &str, to: &str) -> Result<()> {
        let (from, to) = (name::canonical(from)?, name::canonical(to)?);
        self.whole(|tx| {
            let id = tx.raw_id(account, &from)?.ok_or(Error::NoMailbox)?;
            if tx.raw_id(account, &to)?.is_some() {
                return Err(Error::MailboxExists);
            }
            tx.create_parents(account, &to)?;
            if from == "INBOX" {
                let target = tx.create_one(account, to, None)?;
                let uids = tx.uids(id)?;
                tx.relocate(id, &uids, target.id)?;
                return Ok(());
            }
            if to
                .strip_prefix(&from)
                .is_some_and(|rest| rest.starts_with('/'))
            {
                return Err(Error::MailboxName("inside itself"));
            }
            let mut ids = mailbox_ids(tx, &keys::children(account, &from))?;
            ids.push(id);
            for id in ids {
                tx.rename_one(id, &from, &to)?;
            }
            tx.touch(Topic::Account(account));
            Ok(())
        })
    }

    /// Deletes a mailbox without children; its messages go to the undelete window. One that never held a
    /// message leaves nothing behind.
    pub fn delete_mailbox(&mut self, account: AccountId, name: &str) -> Result<()> {
        let name = name::canonical(name)?;
        self.whole(|tx| {
            let mailbox = tx.mailbox_named(account, &name)?.ok_or(Error::NoMailbox)?;
            if name == "INBOX" {
                return Err(Error::Inbox);
            }
            if !mailbox_ids(tx, &keys::children(account, &name))?.is_empty() {
                return Err(Error::HasChildren);
            }
            let mut home = home(tx, account)?.ok_or(Error::NoAccount)?;
            tx.discharge(
                &home.ledgers,
                Sums {
                    octets: mailbox.size,
                    messages: u64::from(mailbox.messages),
                },
            )?;
            home.mailboxes = home.mailboxes.saturating_sub(1);
            tx.put_home(account, &home)?;
            let (id, used) = (mailbox.id, mailbox.uidnext > Uid(1));
            tx.remove_mailbox(mailbox)?;
            if !used {
                tx.erase(keys::removed(account, tx.number, id));
            }
            tx.touch(Topic::Account(account));
            Ok(())
        })
    }

    /// Subscribes or unsubscribes; absent is fine.
    pub fn set_subscribed(
        &mut self,
        account: AccountId,
        name: &str,
        subscribed: bool,
    ) -> Result<()> {
        let name = name::canonical(name)?;
        let key = keys::subscription(account, &name);
        if self.raw_has(&key)? == subscribed {
            return Ok(());
        }
        if subscribed {
            if home(self, account)?.is_none() {
                return Err(Error::NoAccount);
            }
            self.store(key, &codec::encode(&name))?;
        } else {
            self.erase(key);
        }
        self.touch(Topic::Account(account));
        Ok(())
    }

    /// A read-write session claims `\Recent`: returns the first UID that is recent to it, and no
    /// later session sees those as recent again.
    pub fn claim_recent(&mut self, mailbox: MailboxId) -> Result<Uid> {
        let mut mailbox = self.mailbox(mailbox)?.ok_or(Error::NoMailbox)?;
        let first = mailbox.recent_from;
        if first != mailbox.uidnext {
            mailbox.recent_from = mailbox.uidnext;
            self.put_counters(&mailbox)?;
        }
        Ok(first)
    }

    pub(super) fn create_parents(&mut self, account: AccountId, name: &str) -> Result<()> {
        for parent in name::parents(name) {
            if self.raw_id(account, parent)?.is_none() {
                self.create_one(account, parent.to_owned(), None)?;
            }
        }
        Ok(())
    }

    fn create_one(
        &mut self,
        account: AccountId,
        name: String,
        special: Option<SpecialUse>,
    ) -> Result<Mailbox> {
        let mut home = home(self, account)?.ok_or(Error::NoAccount)?;
        if home.mailboxes >= MAILBOXES {
            return Err(Error::Limit("10,000 mailboxes"));
        }
        home.mailboxes += 1;
        self.put_home(account, &home)?;
        let uidvalidity =
            u32::try_from(self.next(UIDVALIDITY)?).map_err(|_| Error::Exhausted("UIDVALIDITY"))?;
        let mailbox = Mailbox {
            id: MailboxId(self.next("mailbox")?),
            account,
            name,
            uidvalidity: UidValidity(uidvalidity),
            uidnext: Uid(1),
            modseq: self.number,
            messages: 0,
            unseen: 0,
            deleted: 0,
            size: 0,
            recent_from: Uid(1),
            special_use: special,
            keywords: Vec::new(),
            created: self.now,
        };
        self.put_identity(&mailbox)?;
        self.put_counters(&mailbox)?;
        self.store(
            keys::name(account, &mailbox.name),
            &codec::encode(&mailbox.id),
        )?;
        self.store(
            keys::subscription(account, &mailbox.name),
            &codec::encode(&mailbox.name),
        )?;
        self.touch(Topic::Account(account));
        Ok(mailbox)
    }

    /// Gives one mailbox of a renamed branch its new name.
    fn rename_one(&mut self, id: MailboxId, from: &str, to: &str) -> Result<()> {
        let mut mailbox = self.mailbox(id)?.ok_or(Error::NoMailbox)?;
        let rest = mailbox.name.strip_prefix(from).unwrap_or_default();
        let name = name::canonical(&format!("{to}{rest}"))?;
        self.erase(keys::name(mailbox.account, &mailbox.name));
        self.store(keys::name(mailbox.account, &name), &codec::encode(&id))?;
        if self.raw_has(&keys::subscription(mailbox.account, &mailbox.name))? {
            self.store(
                keys::subscription(mailbox.account, &name),
                &codec::encode(&name),
            )?;
        }
        mailbox.name = name;
        self.put_identity(&mailbox)
    }

    /// Takes a mailbox out of sight. Its messages stay under its id, which nobody reaches any more,
    /// so that deleting a mailbox of any size is a small transaction; ledgers and home are the caller's.
    pub(crate) fn remove_mailbox(&mut self, mailbox: Mailbox) -> Result<()> {
        let (account, id) = (mailbox.account, mailbox.id);
        self.erase(keys::name(account, &mailbox.name));
        self.erase(keys::mailbox(id));
        self.erase(keys::counters(id));
        let removed = RemovedMailbox {
            mailbox,
            at: self.now,
        };
        self.store(
            keys::removed(account, self.number, id),
            &codec::encode(&removed),
        )?;
        self.changed(Topic::Mailbox(id), ChangeKind::Removed);
        Ok(())
    }

    pub(crate) fn put_identity(&mut self, mailbox: &Mailbox) -> Result<()> {
        self.store(
            keys::mailbox(mailbox.id),
            &codec::encode(&codec::split(mailbox).0),
        )
    }

    pub(crate) fn put_counters(&mut self, mailbox: &Mailbox) -> Result<()> {
        self.store(
            keys::counters(mailbox.id),
            &codec::encode(&codec::counters(mailbox)),
        )
    }

    fn raw_id(&self, account: AccountId, canonical: &str) -> Result<Option<MailboxId>> {
        use crate::source::Source;
        self.raw(&keys::name(account, canonical))?
            .map(|value| codec::decode("mailbox name", &value))
            .transpose()
    }

    fn raw_has(&self, key: &[u8]) -> Result<bool> {
        use crate::source::Source;
        Ok(self.raw(key)?.is_some())
    }
}
