//! Bringing back what was deleted: messages with new UIDs, mailboxes and homes as they were.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::codec::{self, Home, RemovedHome, RemovedMailbox};
use crate::deleted::{DeletedId, DeletedMailbox, DeletedRead as _, Removal};
use crate::error::{Error, Result};
use crate::feed::{ChangeKind, Topic};
use crate::id::{AccountId, LedgerId, MailboxId, ModSeq, Uid, UidValidity};
use crate::mailbox::Mailbox;
use crate::message::{Flags, Message};
use crate::name;
use crate::ops::home::{Sums, check_ledgers};
use crate::ops::mailbox::{MAILBOXES, UIDVALIDITY};
use crate::ops::message::{Expunged, keyword_names, uncount};
use crate::source::Source as _;
use crate::tx::{PAGE, Quota, Read, Tx, home, message as message_of};
use crate::{keys, leaf};

/// What became of messages that were to be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undeleted {
    /// Which, and where it is now.
    pub placed: Vec<(DeletedId, MailboxId, Uid)>,
    /// Those that are not there to be brought back: never deleted, back already, or past their window.
    pub missing: Vec<DeletedId>,
}

/// Where deleted messages come from.
struct Origin {
    /// As it is, or was.
    mailbox: Mailbox,
    /// Set when it was deleted itself.
    removed: Option<(Removal, RemovedMailbox)>,
    /// Where its messages go; found when the first one goes.
    target: Option<MailboxId>,
}

impl Tx<'_> {
    /// Puts deleted messages of an account back, into the mailbox they were in or into the one named
    /// `into`, which is created if it is missing: with new UIDs, the old INTERNALDATE and flags, without
    /// `\Deleted`. All or nothing on quota.
    pub fn undelete(
        &mut self,
        account: AccountId,
        ids: &[DeletedId],
        into: Option<&str>,
        quota: Quota,
    ) -> Result<Undeleted> {
        self.whole(|tx| {
            let ledgers = home(tx, account)?.ok_or(Error::NoAccount)?.ledgers;
            let mut into = match into {
                None => None,
                Some(name) => Some((name::canonical(name)?, None)),
            };
            let mut done = Undeleted::default();
            let mut origins: HashMap<MailboxId, Option<Origin>> = HashMap::new();
            for id in ids {
                let origin = match origins.entry(id.mailbox) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => place.insert(tx.origin(account, id.mailbox)?),
                };
                let Some(origin) = origin else {
                    done.missing.push(*id);
                    continue;
                };
                let Some(mut message) = tx.take_deleted(origin, *id)? else {
                    done.missing.push(*id);
                    continue;
                };
                let (name, target) = match &mut into {
                    Some((name, target)) => (name.as_str(), target),
                    None => (origin.mailbox.name.as_str(), &mut origin.target),
                };
                let target = match target {
                    Some(target) => *target,
                    None => *target.insert(tx.mailbox_or_new(account, name)?),
                };
                let sums = Sums {
                    octets: u64::from(message.size),
                    messages: 1,
                };
                tx.charge(&ledgers, sums, quota)?;
                let mut target = tx.mailbox(target)?.ok_or(Error::NoMailbox)?;
                let names = keyword_names(&origin.mailbox, &message);
                message.keywords = tx.keyword_indexes(&mut target, &names)?;
                message.flags = message.flags.without(Flags::DELETED);
                message.modseq = tx.number;
                message.saved = tx.now;
                let placed = tx.place(&mut target, message)?;
                tx.put_counters(&target)?;
                done.placed.push((*id, target.id, placed.uid));
            }
            for origin in origins.into_values().flatten() {
                if let Some((removal, mut record)) = origin.removed {
                    record.mailbox = origin.mailbox;
                    tx.store(removal.key(), &codec::encode(&record))?;
                }
            }
            Ok(done)
        })
    }

    /// Brings a deleted mailbox back with its messages: under its old name, or under `into`, or when its
    /// name is taken under the name with a number. Its id stays; UIDs and UIDVALIDITY too, unless the
    /// account has made a mailbox since that may have borne the name (RFC 9051 section 2.3.1.1).
    /// `Error::NoMailbox` when it is not there, `Error::MailboxExists` when `into` is taken.
    pub fn undelete_mailbox(
        &mut self,
        account: AccountId,
        id: MailboxId,
        into: Option<&str>,
        quota: Quota,
    ) -> Result<Mailbox> {
        self.whole(|tx| {
            home(tx, account)?.ok_or(Error::NoAccount)?;
            let deleted = tx.deleted_mailbox(account, id)?.ok_or(Error::NoMailbox)?;
            let name = match into {
                None => tx.free_name(account, &deleted.mailbox.name)?,
                Some(name) => {
                    let name = name::canonical(name)?;
                    if tx.mailbox_named(account, &name)?.is_some() {
                        return Err(Error::MailboxExists);
                    }
                    name
                }
            };
            let mut mailbox = Mailbox {
                name,
                ..deleted.mailbox.clone()
            };
            if tx.may_be_confused(account, &deleted)? {
                let number = tx.next(UIDVALIDITY)?;
                let number = u32::try_from(number).map_err(|_| Error::Exhausted("UIDVALIDITY"))?;
                mailbox.uidvalidity = UidValidity(number);
            }
            if mailbox.special_use.is_some()
                && tx
                    .mailboxes(account)?
                    .iter()
                    .any(|other| other.special_use == mailbox.special_use)
            {
                mailbox.special_use = None;
            }
            tx.create_parents(account, &mailbox.name)?;
            tx.revive(&mut mailbox, deleted.modseq, quota)?;
            tx.subscribe(account, &mailbox.name)?;
            tx.touch(Topic::Account(account));
            Ok(mailbox)
        })
    }

    /// Brings back an account's removed home with the mailboxes that went with it, as they were.
    /// `Error::NoAccount` when none is kept, `Error::MailboxExists` when the account has a home.
    pub fn undelete_home(
        &mut self,
        account: AccountId,
        ledgers: &[LedgerId],
        quota: Quota,
    ) -> Result<()> {
        check_ledgers(ledgers)?;
        self.whole(|tx| {
            if home(tx, account)?.is_some() {
                return Err(Error::MailboxExists);
            }
            let (removal, _) = tx.deleted_home(account)?.ok_or(Error::NoAccount)?;
            let record = tx.raw(&removal.key())?.ok_or(Error::NoAccount)?;
            let record: RemovedHome = codec::decode("removed home", &record)?;
            let fresh = Home {
                ledgers: ledgers.to_vec(),
                mailboxes: 0,
            };
            tx.put_home(account, &fresh)?;
            let mut deleted = Vec::new();
            let mut after = None;
            loop {
                let page = tx.deleted_mailboxes(account, after, PAGE)?;
                after = page.last().map(DeletedMailbox::removal);
                let full = page.len() == PAGE;
                deleted.extend(page.into_iter().filter(|m| m.modseq == removal.modseq));
                if !full {
                    break;
                }
            }
            for one in &mut deleted {
                tx.revive(&mut one.mailbox, removal.modseq, quota)?;
                if record.subscriptions.is_empty() {
                    tx.subscribe(account, &one.mailbox.name)?;
                }
            }
            for name in &record.subscriptions {
                tx.subscribe(account, name)?;
            }
            if tx.mailbox_named(account, "INBOX")?.is_none() {
                // Forgotten already, while a hold kept another mailbox.
                tx.create_mailbox(account, "INBOX", None)?;
            }
            tx.erase(removal.key());
            tx.touch(Topic::Account(account));
            Ok(())
        })
    }

    /// A mailbox of the account that messages were deleted from.
    fn origin(&self, account: AccountId, id: MailboxId) -> Result<Option<Origin>> {
        if let Some(mailbox) = self.mailbox(id)? {
            let target = Some(mailbox.id);
            return Ok((mailbox.account == account).then_some(Origin {
                mailbox,
                removed: None,
                target,
            }));
        }
        let Some(deleted) = self.deleted_mailbox(account, id)? else {
            return Ok(None);
        };
        let removal = deleted.removal();
        let record = RemovedMailbox {
            mailbox: deleted.mailbox.clone(),
            at: deleted.at,
        };
        Ok(Some(Origin {
            mailbox: deleted.mailbox,
            removed: Some((removal, record)),
            target: None,
        }))
    }

    /// Takes a deleted message from where it is kept. That its UID is gone stays on record.
    fn take_deleted(&mut self, origin: &mut Origin, id: DeletedId) -> Result<Option<Message>> {
        let gone = |at: i64| {
            codec::encode(&Expunged {
                at,
                message: leaf::encode(&[]),
            })
        };
        if id.modseq.0 > 0 {
            let key = keys::expunged(id.mailbox, id.modseq, id.uid);
            let Some(value) = self.raw(&key)? else {
                return Ok(None);
            };
            let record: Expunged = codec::decode("expunged message", &value)?;
            let message = leaf::decode(leaf::first(id.uid), &record.message)?.pop();
            if message.is_some() {
                self.store(key, &gone(record.at))?;
            }
            return Ok(message);
        }
        if origin.removed.is_none() {
            return Ok(None);
        }
        let Some(message) = message_of(self, id.mailbox, id.uid)? else {
            return Ok(None);
        };
        self.erase_message(&origin.mailbox, id.uid)?;
        self.store(
            keys::expunged(id.mailbox, self.number, id.uid),
            &gone(self.now.0),
        )?;
        let mailbox = &mut origin.mailbox;
        uncount(mailbox, &message);
        mailbox.messages = mailbox.messages.saturating_sub(1);
        mailbox.size = mailbox.size.saturating_sub(u64::from(message.size));
        mailbox.modseq = self.number;
        Ok(Some(message))
    }

    /// The mailbox of this canonical name, made if there is none.
    fn mailbox_or_new(&mut self, account: AccountId, name: &str) -> Result<MailboxId> {
        match self.mailbox_named(account, name)? {
            Some(mailbox) => Ok(mailbox.id),
            None => Ok(self.create_mailbox(account, name, None)?.id),
        }
    }

    /// The name, or the name with the first number that makes it free.
    fn free_name(&self, account: AccountId, wanted: &str) -> Result<String> {
        if self.mailbox_named(account, wanted)?.is_none() {
            return Ok(wanted.to_owned());
        }
        for number in 2..=MAILBOXES + 1 {
            let tail = format!(" ({number})");
            let mut stem = wanted.to_owned();
            while stem.len() + tail.len() > name::LONGEST {
                stem.pop();
            }
            let name = name::canonical(&(stem + &tail))?;
            if self.mailbox_named(account, &name)?.is_none() {
                return Ok(name);
            }
        }
        Err(Error::MailboxExists)
    }

    /// Whether the account has made a mailbox after this one was deleted: it may have borne the name, and a
    /// client that saw it there must not take this one for it.
    fn may_be_confused(&self, account: AccountId, deleted: &DeletedMailbox) -> Result<bool> {
        let later = |other: &Mailbox| {
            other.id != deleted.mailbox.id
                && other.created >= deleted.at
                && other.uidvalidity > deleted.mailbox.uidvalidity
        };
        if self.mailboxes(account)?.iter().any(later) {
            return Ok(true);
        }
        let mut after = None;
        loop {
            let page = self.deleted_mailboxes(account, after, PAGE)?;
            if page.iter().any(|other| later(&other.mailbox)) {
                return Ok(true);
            }
            after = page.last().map(DeletedMailbox::removal);
            if page.len() < PAGE {
                return Ok(false);
            }
        }
    }

    /// Puts a deleted mailbox back in sight, under its name, which is free.
    fn revive(&mut self, mailbox: &mut Mailbox, removed: ModSeq, quota: Quota) -> Result<()> {
        let account = mailbox.account;
        let mut home = home(self, account)?.ok_or(Error::NoAccount)?;
        if home.mailboxes >= MAILBOXES {
            return Err(Error::Limit("10,000 mailboxes"));
        }
        let sums = Sums {
            octets: mailbox.size,
            messages: u64::from(mailbox.messages),
        };
        self.charge(&home.ledgers, sums, quota)?;
        home.mailboxes += 1;
        self.put_home(account, &home)?;
        mailbox.modseq = self.number;
        self.put_identity(mailbox)?;
        self.put_counters(mailbox)?;
        self.store(
            keys::name(account, &mailbox.name),
            &codec::encode(&mailbox.id),
        )?;
        self.erase(keys::removed(account, removed, mailbox.id));
        self.changed(Topic::Mailbox(mailbox.id), ChangeKind::Touched);
        Ok(())
    }

    fn subscribe(&mut self, account: AccountId, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.store(keys::subscription(account, &name), &codec::encode(&name))
    }
}
