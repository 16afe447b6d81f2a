//! What was deleted and is kept for undelete, as it can be seen: expunged messages, deleted mailboxes,
//! removed homes. Bringing them back is in `ops/undelete.rs`, ending their time in `ops/purge.rs`.
//!
//! An expunged message is a record of its own in its mailbox. A deleted mailbox is one record; its
//! messages stay where they were. When a message has been brought back, its record stays without the
//! message until the window ends, because the UID is gone for good.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::{self, RemovedHome, RemovedMailbox};
use crate::error::Result;
use crate::id::{AccountId, MailboxId, ModSeq, Timestamp, Uid};
use crate::mailbox::Mailbox;
use crate::message::Message;
use crate::ops::Expunged;
use crate::tx::{PAGE, Read};
use crate::{keys, leaf};

/// Records looked at for one page: those of messages that were brought back are passed over.
const LOOKED_AT: usize = 4 * PAGE;

/// Names a deleted message for ever: a UID is deleted once. Written `mailbox-uid-modseq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeletedId {
    /// The mailbox it was in.
    pub mailbox: MailboxId,
    /// The transaction that expunged it; 0 for a message of a deleted mailbox.
    pub modseq: ModSeq,
    /// Its UID there.
    pub uid: Uid,
}

impl fmt::Display for DeletedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.mailbox, self.uid, self.modseq)
    }
}

impl FromStr for DeletedId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().ok_or(());
        Ok(Self {
            mailbox: MailboxId(part()?.parse().map_err(|_| ())?),
            uid: Uid(part()?.parse().map_err(|_| ())?),
            modseq: ModSeq(part()?.parse().map_err(|_| ())?),
        })
    }
}

/// A deleted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedMessage {
    /// Its name.
    pub id: DeletedId,
    /// When it was deleted, or its mailbox.
    pub at: Timestamp,
    /// The transaction that deleted it, or its mailbox.
    pub since: ModSeq,
    /// As it was.
    pub message: Message,
}

/// A page of deleted messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeletedPage {
    /// In the order in which they went; those of a deleted mailbox last, by UID.
    pub messages: Vec<DeletedMessage>,
    /// Behind which the next page begins; `None` at the end.
    pub next: Option<DeletedId>,
}

/// A deleted mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedMailbox {
    /// As it was.
    pub mailbox: Mailbox,
    /// When it was deleted.
    pub at: Timestamp,
    /// The transaction that deleted it.
    pub modseq: ModSeq,
}

impl DeletedMailbox {
    /// The record of its deletion.
    pub fn removal(&self) -> Removal {
        Removal {
            account: self.mailbox.account,
            modseq: self.modseq,
            mailbox: self.mailbox.id,
        }
    }
}

/// A record of something that was removed as a whole: a mailbox, or the home of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Removal {
    /// Whose.
    pub account: AccountId,
    /// The transaction that removed it.
    pub modseq: ModSeq,
    /// Which mailbox; 0 for the home.
    pub mailbox: MailboxId,
}

impl Removal {
    /// Whether it is the home, not a mailbox.
    pub fn is_home(self) -> bool {
        self.mailbox.0 == 0
    }

    fn of_key(key: &[u8]) -> Self {
        Self {
            account: AccountId(keys::number_at(key, 1)),
            modseq: ModSeq(keys::number_at(key, 9)),
            mailbox: MailboxId(keys::number_at(key, 17)),
        }
    }

    pub(crate) fn key(self) -> Vec<u8> {
        keys::removed(self.account, self.modseq, self.mailbox)
    }
}

/// Views of what is kept for undelete, for every reader.
pub trait DeletedRead: Read {
    /// At most `limit` removals behind `after`, by account and time.
    fn removals(&self, after: Option<Removal>, limit: usize) -> Result<Vec<Removal>> {
        let start = match after {
            Some(after) => past(after.key()),
            None => keys::removed_all(),
        };
        let mut found = Vec::new();
        self.visit(&start, &keys::after(&keys::removed_all()), &mut |key, _| {
            found.push(Removal::of_key(key));
            Ok(go_on(found.len() < limit))
        })?;
        Ok(found)
    }

    /// Deleted mailboxes of an account behind `after`, oldest deletion first, at most `limit`.
    fn deleted_mailboxes(
        &self,
        account: AccountId,
        after: Option<Removal>,
        limit: usize,
    ) -> Result<Vec<DeletedMailbox>> {
        let prefix = keys::removed_of(account);
        let start = after.map_or_else(|| prefix.clone(), |after| past(after.key()));
        let mut found = Vec::new();
        self.visit(&start, &keys::after(&prefix), &mut |key, value| {
            let removal = Removal::of_key(key);
            if !removal.is_home() {
                let removed: RemovedMailbox = codec::decode("removed mailbox", value)?;
                found.push(DeletedMailbox {
                    mailbox: removed.mailbox,
                    at: removed.at,
                    modseq: removal.modseq,
                });
            }
            Ok(go_on(found.len() < limit))
        })?;
        Ok(found)
    }

    /// A deleted mailbox of an account by its id.
    fn deleted_mailbox(&self, account: AccountId, id: MailboxId) -> Result<Option<DeletedMailbox>> {
        let prefix = keys::removed_of(account);
        let mut found = None;
        self.visit(&prefix, &keys::after(&prefix), &mut |key, value| {
            let removal = Removal::of_key(key);
            if removal.mailbox == id && !removal.is_home() {
                let removed: RemovedMailbox = codec::decode("removed mailbox", value)?;
                found = Some(DeletedMailbox {
                    mailbox: removed.mailbox,
                    at: removed.at,
                    modseq: removal.modseq,
                });
            }
            Ok(go_on(found.is_none()))
        })?;
        Ok(found)
    }

    /// When an account's home was removed, if it was and is kept.
    fn deleted_home(&self, account: AccountId) -> Result<Option<(Removal, Timestamp)>> {
        let prefix = keys::removed_of(account);
        let mut found = None;
        self.visit(&prefix, &keys::after(&prefix), &mut |key, value| {
            let removal = Removal::of_key(key);
            if removal.is_home() {
                let removed: RemovedHome = codec::decode("removed home", value)?;
                found = Some((removal, removed.at));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Deleted messages of a mailbox behind `after`, at most `limit`. `removed`: it is a deleted one, and
    /// all its messages count.
    fn deleted_messages(
        &self,
        mailbox: MailboxId,
        removed: Option<&DeletedMailbox>,
        after: Option<DeletedId>,
        limit: usize,
    ) -> Result<DeletedPage> {
        let mut page = DeletedPage::default();
        if after.is_none_or(|after| after.modseq.0 > 0) {
            expunged(self, mailbox, after, limit, &mut page)?;
        }
        let Some(removed) = removed else {
            return Ok(page);
        };
        if page.next.is_some() {
            return Ok(page);
        }
        let from = match after {
            Some(after) if after.modseq.0 == 0 => match after.uid.0.checked_add(1) {
                Some(next) => Uid(next),
                None => return Ok(page),
            },
            _ => Uid(0),
        };
        let end = keys::after(&keys::leaf(mailbox, Uid(u32::MAX)));
        self.visit(&keys::leaf(mailbox, from), &end, &mut |key, value| {
            for message in leaf::decode(keys::first_of(key), value)? {
                if message.uid < from {
                    continue;
                }
                let id = DeletedId {
                    mailbox,
                    modseq: ModSeq(0),
                    uid: message.uid,
                };
                if page.messages.len() >= limit {
                    page.next = page.messages.last().map(|last| last.id);
                    return Ok(ControlFlow::Break(()));
                }
                page.messages.push(DeletedMessage {
                    id,
                    at: removed.at,
                    since: removed.modseq,
                    message,
                });
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }

    /// Mailboxes from `from` on that have expunged messages, each with the transaction that expunged the
    /// oldest; at most `limit`.
    fn expunged_mailboxes(
        &self,
        from: MailboxId,
        limit: usize,
    ) -> Result<Vec<(MailboxId, ModSeq)>> {
        let end = keys::after(&keys::expunged_all());
        let mut found: Vec<(MailboxId, ModSeq)> = Vec::new();
        let mut start = Some(keys::expunged(from, ModSeq(0), Uid(0)));
        while let Some(from) = start.take() {
            let mut seen = None;
            self.visit(&from, &end, &mut |key, _| {
                let mailbox = MailboxId(keys::number_at(key, 1));
                if *seen.get_or_insert(mailbox) != mailbox {
                    // Only a mark of what was purged: go on with the next mailbox.
                    return Ok(ControlFlow::Break(()));
                }
                if keys::uid_of(key).0 == 0 {
                    return Ok(ControlFlow::Continue(()));
                }
                found.push((mailbox, ModSeq(keys::number_at(key, 9))));
                Ok(ControlFlow::Break(()))
            })?;
            if found.len() < limit
                && let Some(next) = seen.and_then(|mailbox| mailbox.0.checked_add(1))
            {
                start = Some(keys::expunged(MailboxId(next), ModSeq(0), Uid(0)));
            }
        }
        Ok(found)
    }

    /// Expunges up to this transaction may have been forgotten: [`Read::expunged_since`] is complete from
    /// here on (RFC 7162 section 3.2.5.2 lets a server forget them).
    fn expunges_known_since(&self, mailbox: MailboxId) -> Result<ModSeq> {
        let start = keys::expunged(mailbox, ModSeq(0), Uid(0));
        let end = keys::after(&keys::expunged(mailbox, ModSeq(u64::MAX), Uid(u32::MAX)));
        let mut since = ModSeq(0);
        self.visit(&start, &end, &mut |key, _| {
            if keys::uid_of(key).0 == 0 {
                since = ModSeq(keys::number_at(key, 9));
            }
            Ok(ControlFlow::Break(()))
        })?;
        Ok(since)
    }
}

impl<T: Read + ?Sized> DeletedRead for T {}

/// Expunged messages behind `after`.
fn expunged<R: DeletedRead + ?Sized>(
    read: &R,
    mailbox: MailboxId,
    after: Option<DeletedId>,
    limit: usize,
    page: &mut DeletedPage,
) -> Result<()> {
    let start = match after {
        Some(after) => past(keys::expunged(mailbox, after.modseq, after.uid)),
        None => keys::expunged(mailbox, ModSeq(0), Uid(0)),
    };
    let end = keys::after(&keys::expunged(mailbox, ModSeq(u64::MAX), Uid(u32::MAX)));
    let (mut looked, mut last) = (0, None);
    read.visit(&start, &end, &mut |key, value| {
        if page.messages.len() >= limit || looked >= LOOKED_AT {
            page.next = last;
            return Ok(ControlFlow::Break(()));
        }
        looked += 1;
        let (uid, modseq) = (keys::uid_of(key), ModSeq(keys::number_at(key, 9)));
        let id = DeletedId {
            mailbox,
            modseq,
            uid,
        };
        last = Some(id);
        let record: Expunged = codec::decode("expunged message", value)?;
        for message in leaf::decode(leaf::first(uid), &record.message)? {
            page.messages.push(DeletedMessage {
                id,
                at: Timestamp(record.at),
                since: modseq,
                message,
            });
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// The first key behind a key.
fn past(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

fn go_on(more: bool) -> ControlFlow<()> {
    if more {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_deleted_messages_both_ways() {
        let id = DeletedId {
            mailbox: MailboxId(12),
            modseq: ModSeq(880),
            uid: Uid(345),
        };
        assert_eq!(id.to_string(), "12-345-880");
        assert_eq!("12-345-880".parse(), Ok(id));
        for wrong in ["", "12", "12-345", "a-1-2", "1-2-3-4", "1--2", "-1-2-3"] {
            assert_eq!(wrong.parse::<DeletedId>(), Err(()), "{wrong}");
        }
    }
}
