//! Placing, copying, moving and expunging messages.

use crate::body::NewBody;
use crate::codec;
use crate::error::{Error, Result};
use crate::feed::{ChangeKind, Topic};
use crate::id::{MailboxId, Timestamp, Uid};
use crate::keys;
use crate::leaf;
use crate::mailbox::Mailbox;
use crate::message::{Flags, Message, NewMessage};
use crate::ops::home::Sums;
use crate::source::Source as _;
use crate::tx::{Quota, Read, Tx, home, message as message_of};

/// Most keyword names a mailbox: the bitmap in a message record is 32 octets.
const KEYWORDS: usize = 256;
/// Longest keyword, octets. The longest registered one has 20.
const KEYWORD: usize = 128;

/// An expunged message as it is kept for the undelete window.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Expunged {
    /// When it went, milliseconds.
    pub(crate) at: i64,
    /// It alone, as a leaf; an empty leaf when it was brought back. Under UID 0 always empty: a mark that
    /// records of this transaction and of older ones were purged.
    pub(crate) message: Vec<u8>,
}

impl Tx<'_> {
    /// Places a body into a mailbox.
    pub fn append(
        &mut self,
        mailbox: MailboxId,
        body: &NewBody,
        message: &NewMessage,
        quota: Quota,
    ) -> Result<Message> {
        let saved = self.now;
        self.append_saved(mailbox, body, message, saved, quota)
    }

    /// The same with the save date (RFC 8514) of an earlier life: of a backup, or of an export.
    pub fn append_saved(
        &mut self,
        mailbox: MailboxId,
        body: &NewBody,
        message: &NewMessage,
        saved: Timestamp,
        quota: Quota,
    ) -> Result<Message> {
        self.whole(|tx| {
            let mut mailbox = tx.mailbox(mailbox)?.ok_or(Error::NoMailbox)?;
            let size = u32::try_from(body.len()).map_err(|_| Error::TooLarge(usize::MAX))?;
            let home = home(tx, mailbox.account)?.ok_or(Error::NoAccount)?;
            tx.charge(
                &home.ledgers,
                Sums {
                    octets: u64::from(size),
                    messages: 1,
                },
                quota,
            )?;
            let keywords = tx.keyword_indexes(&mut mailbox, &message.keywords)?;
            let id = tx.attach(body)?;
            let message = Message {
                uid: Uid(0),
                flags: message.flags,
                keywords,
                modseq: tx.number,
                date: message.date,
                zone: message.zone,
                size,
                body: id,
                frame: body.frame()?,
                thread: 0,
                saved,
            };
            let placed = tx.place(&mut mailbox, message)?;
            tx.put_counters(&mailbox)?;
            Ok(placed)
        })
    }

    /// Copies messages in the given order, flags, keywords and INTERNALDATE kept; absent UIDs are
    /// skipped. Returns pairs (old, new). All or nothing on quota.
    pub fn copy(
        &mut self,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
        quota: Quota,
    ) -> Result<Vec<(Uid, Uid)>> {
        self.whole(|tx| {
            let source = tx.mailbox(from)?.ok_or(Error::NoMailbox)?;
            let mut target = tx.mailbox(to)?.ok_or(Error::NoMailbox)?;
            let messages = tx.existing(&source, uids)?;
            let home = home(tx, target.account)?.ok_or(Error::NoAccount)?;
            tx.charge(&home.ledgers, sums(&messages), quota)?;
            let mut pairs = Vec::with_capacity(messages.len());
            for mut message in messages {
                let old = message.uid;
                if source.id != target.id {
                    let names = keyword_names(&source, &message);
                    message.keywords = tx.keyword_indexes(&mut target, &names)?;
                }
                message.modseq = tx.number;
                message.saved = tx.now;
                let placed = tx.place(&mut target, message)?;
                pairs.push((old, placed.uid));
            }
            if !pairs.is_empty() {
                tx.put_counters(&target)?;
            }
            Ok(pairs)
        })
    }

    /// Moves messages: copy and expunge in one transaction. Between mailboxes of one account no quota
    /// is asked; into another account the quota is enforced.
    pub fn relocate(
        &mut self,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Uid)>> {
        self.whole(|tx| {
            let source = tx.mailbox(from)?.ok_or(Error::NoMailbox)?;
            let target = tx.mailbox(to)?.ok_or(Error::NoMailbox)?;
            let quota = if source.account == target.account {
                Quota::Ignore
            } else {
                Quota::Enforce
            };
            let pairs = tx.copy(from, uids, to, quota)?;
            let moved: Vec<Uid> = pairs.iter().map(|(old, _)| *old).collect();
            tx.expunge(from, &moved)?;
            Ok(pairs)
        })
    }

    /// Expunges those of `uids` that exist; they stay for the undelete window. Returns what went.
    pub fn expunge(&mut self, mailbox: MailboxId, uids: &[Uid]) -> Result<Vec<Uid>> {
        self.whole(|tx| {
            let mut mailbox = tx.mailbox(mailbox)?.ok_or(Error::NoMailbox)?;
            let messages = tx.existing(&mailbox, uids)?;
            if messages.is_empty() {
                return Ok(Vec::new());
            }
            let home = home(tx, mailbox.account)?.ok_or(Error::NoAccount)?;
            tx.discharge(&home.ledgers, sums(&messages))?;
            let mut gone = Vec::with_capacity(messages.len());
            for message in messages {
                let kept = Expunged {
                    at: tx.now.0,
                    message: leaf::encode(std::slice::from_ref(&message)),
                };
                tx.store(
                    keys::expunged(mailbox.id, tx.number, message.uid),
                    &codec::encode(&kept),
                )?;
                tx.erase_message(&mailbox, message.uid)?;
                uncount(&mut mailbox, &message);
                mailbox.messages = mailbox.messages.saturating_sub(1);
                mailbox.size = mailbox.size.saturating_sub(u64::from(message.size));
                tx.changed(
                    Topic::Mailbox(mailbox.id),
                    ChangeKind::Expunged(message.uid),
                );
                gone.push(message.uid);
            }
            mailbox.modseq = tx.number;
            tx.put_counters(&mailbox)?;
            Ok(gone)
        })
    }

    /// Gives a message its UID and writes it; the mailbox's counters are written by the caller.
    pub(super) fn place(&mut self, mailbox: &mut Mailbox, mut message: Message) -> Result<Message> {
        message.uid = mailbox.uidnext;
        mailbox.uidnext = Uid(mailbox
            .uidnext
            .0
            .checked_add(1)
            .ok_or(Error::Exhausted("UIDs of the mailbox"))?);
        mailbox.modseq = self.number;
        mailbox.messages = mailbox
            .messages
            .checked_add(1)
            .ok_or(Error::Exhausted("messages of the mailbox"))?;
        mailbox.size = mailbox.size.saturating_add(u64::from(message.size));
        count(mailbox, &message);
        self.put_message(mailbox, &message)?;
        self.changed(Topic::Mailbox(mailbox.id), ChangeKind::Added(message.uid));
        Ok(message)
    }

    /// Writes a message into its leaf.
    fn put_message(&mut self, mailbox: &Mailbox, message: &Message) -> Result<()> {
        let key = keys::leaf(mailbox.id, message.uid);
        let mut messages = self.leaf(&key)?;
        match messages.binary_search_by_key(&message.uid, |other| other.uid) {
            Ok(at) => messages[at] = message.clone(),
            Err(at) => messages.insert(at, message.clone()),
        }
        self.store(key, &leaf::encode(&messages))
    }

    /// Takes a message out of its leaf.
    pub(super) fn erase_message(&mut self, mailbox: &Mailbox, uid: Uid) -> Result<()> {
        let key = keys::leaf(mailbox.id, uid);
        let mut messages = self.leaf(&key)?;
        messages.retain(|message| message.uid != uid);
        if messages.is_empty() {
            self.erase(key);
            return Ok(());
        }
        self.store(key, &leaf::encode(&messages))
    }

    pub(super) fn leaf(&self, key: &[u8]) -> Result<Vec<Message>> {
        let value = self.raw(key)?;
        value.map_or(Ok(Vec::new()), |value| {
            leaf::decode(keys::first_of(key), &value)
        })
    }

    /// The messages that exist, in the given order, each once.
    fn existing(&self, mailbox: &Mailbox, uids: &[Uid]) -> Result<Vec<Message>> {
        let mut seen = std::collections::HashSet::with_capacity(uids.len());
        let mut messages = Vec::with_capacity(uids.len());
        for &uid in uids {
            if seen.insert(uid) {
                messages.extend(message_of(self, mailbox.id, uid)?);
            }
        }
        Ok(messages)
    }

    /// Indexes of keyword names, ascending; new names get the next index.
    pub(super) fn keyword_indexes(
        &mut self,
        mailbox: &mut Mailbox,
        names: &[String],
    ) -> Result<Vec<u16>> {
        let known = mailbox.keywords.len();
        let mut indexes = Vec::with_capacity(names.len());
        for name in names {
            let index = match keyword_index(mailbox, name) {
                Some(index) => index,
                None if mailbox.keywords.len() >= KEYWORDS => {
                    return Err(Error::Limit("256 keywords in a mailbox"));
                }
                None if name.len() > KEYWORD => {
                    return Err(Error::Limit("128 octets in a keyword"));
                }
                None => {
                    mailbox.keywords.push(name.clone());
                    u16::try_from(mailbox.keywords.len() - 1)
                        .map_err(|_| Error::Limit("256 keywords in a mailbox"))?
                }
            };
            indexes.push(index);
        }
        if mailbox.keywords.len() > known {
            self.put_identity(mailbox)?;
        }
        indexes.sort_unstable();
        indexes.dedup();
        Ok(indexes)
    }
}

/// Keywords are compared without case (RFC 9051 section 9) and shown as first used.
pub(super) fn keyword_index(mailbox: &Mailbox, name: &str) -> Option<u16> {
    let index = mailbox
        .keywords
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name))?;
    u16::try_from(index).ok()
}

pub(super) fn keyword_names(mailbox: &Mailbox, message: &Message) -> Vec<String> {
    message
        .keywords
        .iter()
        .filter_map(|&index| mailbox.keywords.get(usize::from(index)).cloned())
        .collect()
}

fn sums(messages: &[Message]) -> Sums {
    Sums {
        octets: messages.iter().map(|message| u64::from(message.size)).sum(),
        messages: messages.len() as u64,
    }
}

/// Adds a message's flags to the counters.
pub(super) fn count(mailbox: &mut Mailbox, message: &Message) {
    mailbox.unseen += u32::from(!message.flags.contains(Flags::SEEN));
    mailbox.deleted += u32::from(message.flags.contains(Flags::DELETED));
}

/// Takes a message's flags from the counters.
pub(super) fn uncount(mailbox: &mut Mailbox, message: &Message) {
    mailbox.unseen = mailbox
        .unseen
        .saturating_sub(u32::from(!message.flags.contains(Flags::SEEN)));
    mailbox.deleted = mailbox
        .deleted
        .saturating_sub(u32::from(message.flags.contains(Flags::DELETED)));
}
