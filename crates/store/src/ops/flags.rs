//! Changing flags: of many messages a leaf at a time, so that neighbours are read and written once.

use crate::error::{Error, Result};
use crate::feed::{ChangeKind, Topic};
use crate::id::{MailboxId, Uid};
use crate::keys;
use crate::leaf;
use crate::mailbox::Mailbox;
use crate::message::{FlagChange, Flags, Message};
use crate::ops::message::{count, keyword_index, uncount};
use crate::tx::{Read, Tx};

/// A change with its keywords as indexes of the mailbox.
enum Indexed {
    Replace(Flags, Vec<u16>),
    Add(Flags, Vec<u16>),
    Remove(Flags, Vec<u16>),
}

impl Indexed {
    /// Changes a message; whether it is another one now.
    fn apply(&self, message: &mut Message) -> bool {
        let (flags, keywords) = match self {
            Self::Replace(flags, keywords) => (*flags, keywords.clone()),
            Self::Add(flags, more) => {
                let mut keywords = message.keywords.clone();
                keywords.extend(more);
                keywords.sort_unstable();
                keywords.dedup();
                (message.flags.union(*flags), keywords)
            }
            Self::Remove(flags, gone) => {
                let mut keywords = message.keywords.clone();
                keywords.retain(|index| !gone.contains(index));
                (message.flags.without(*flags), keywords)
            }
        };
        let differs = (flags, &keywords) != (message.flags, &message.keywords);
        (message.flags, message.keywords) = (flags, keywords);
        differs
    }
}

impl Tx<'_> {
    /// Changes flags of a message; it as it is now, and whether anything changed.
    pub fn change_flags(
        &mut self,
        mailbox: MailboxId,
        uid: Uid,
        change: &FlagChange,
    ) -> Result<(Message, bool)> {
        self.whole(|tx| {
            let mut changed = tx.change_each(mailbox, &[uid], change)?;
            changed.pop().ok_or(Error::NoMessage(mailbox, uid))
        })
    }

    /// Changes flags of messages, whose UIDs ascend; those of them that exist, as they are now.
    pub fn change_flags_of(
        &mut self,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
    ) -> Result<Vec<Message>> {
        let changed = self.whole(|tx| tx.change_each(mailbox, uids, change))?;
        Ok(changed.into_iter().map(|(message, _)| message).collect())
    }

    fn change_each(
        &mut self,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
    ) -> Result<Vec<(Message, bool)>> {
        let mut mailbox = self.mailbox(mailbox)?.ok_or(Error::NoMailbox)?;
        let mut indexed = None;
        let mut all = Vec::with_capacity(uids.len());
        for neighbours in uids.chunk_by(|left, right| leaf::first(*left) == leaf::first(*right)) {
            let Some(&uid) = neighbours.first() else {
                continue;
            };
            let key = keys::leaf(mailbox.id, uid);
            let mut messages = self.leaf(&key)?;
            let mut written = false;
            for &uid in neighbours {
                let Ok(at) = messages.binary_search_by_key(&uid, |message| message.uid) else {
                    continue;
                };
                // Only now: what changes no message makes no keyword known.
                let change = match &indexed {
                    Some(change) => change,
                    None => indexed.insert(self.indexed(&mut mailbox, change)?),
                };
                let message = &mut messages[at];
                let before = message.clone();
                let differs = change.apply(message);
                if differs {
                    message.modseq = self.number;
                    uncount(&mut mailbox, &before);
                    count(&mut mailbox, message);
                    written = true;
                }
                all.push((message.clone(), differs));
            }
            if written {
                self.store(key, &leaf::encode(&messages))?;
            }
        }
        if all.iter().any(|(_, differs)| *differs) {
            mailbox.modseq = self.number;
            self.put_counters(&mailbox)?;
            for (message, _) in all.iter().filter(|(_, differs)| *differs) {
                let kind = ChangeKind::Flagged(message.uid);
                self.changed(Topic::Mailbox(mailbox.id), kind);
            }
        }
        Ok(all)
    }

    fn indexed(&mut self, mailbox: &mut Mailbox, change: &FlagChange) -> Result<Indexed> {
        Ok(match change {
            FlagChange::Replace(flags, names) => {
                Indexed::Replace(*flags, self.keyword_indexes(mailbox, names)?)
            }
            FlagChange::Add(flags, names) => {
                Indexed::Add(*flags, self.keyword_indexes(mailbox, names)?)
            }
            FlagChange::Remove(flags, names) => {
                let known = names.iter().filter_map(|name| keyword_index(mailbox, name));
                Indexed::Remove(*flags, known.collect())
            }
        })
    }
}
