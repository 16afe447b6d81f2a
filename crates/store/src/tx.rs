//! Transactions: what closures given to the store may do.
//!
//! Closures are short, repeatable and free of side effects: a remote engine runs them again after a
//! conflict. A scan is a page of at most 1,024 records.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::body::NewBody;
use crate::codec;
use crate::committer::Applied;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::feed::{ChangeKind, Topic};
use crate::id::{AccountId, BodyId, LedgerId, Lsn, MailboxId, ModSeq, Timestamp, Uid};
use crate::keys;
use crate::leaf;
use crate::log::writer::Piece;
use crate::mailbox::Mailbox;
use crate::message::Message;
use crate::name;
use crate::overlay::Overlay;
use crate::record::Record;
use crate::source::Source;

/// Most records of one page.
pub const PAGE: usize = 1_024;
/// Largest value of a record, octets: what a distributed engine takes in one value.
pub const RECORD: usize = 64 * 1024;

/// Sums and limits of an account, domain or agency. 0 = no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Ledger {
    /// Octets used.
    pub octets: u64,
    /// Messages used.
    pub messages: u64,
    /// Most octets.
    pub octets_limit: u64,
    /// Most messages.
    pub messages_limit: u64,
}

/// Whether limits bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Refuse with `OverQuota`.
    Enforce,
    /// Count only (DSNs to the sender, administrators, moves within one account).
    Ignore,
}

/// A consistent view: all reads of one closure see the same state. [`Tx`] has the same methods and
/// sees its own writes as well.
pub trait Read: Source {
    /// One record.
    fn get<R: Record>(&self, key: &R::Key) -> Result<Option<R>> {
        let key = R::key_octets(key);
        self.raw(&of_table::<R>(&key))?
            .map(|value| R::decode(&key, &value))
            .transpose()
    }

    /// At most `limit` (≤ 1,024) records whose key octets start with `prefix` and are ≥ `from`
    /// (`from` is a whole key without table octet; empty = from the beginning), in key order.
    fn scan<R: Record>(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<R>> {
        let (start, end) = (
            of_table::<R>(prefix.max(from)),
            keys::after(&of_table::<R>(prefix)),
        );
        let limit = limit.min(PAGE);
        let mut records = Vec::new();
        if limit > 0 {
            self.visit(&start, &end, &mut |key, value| {
                records.push(R::decode(key.get(1..).unwrap_or_default(), value)?);
                Ok(until(records.len() >= limit))
            })?;
        }
        Ok(records)
    }

    /// Time of the last transaction. It never goes back, whatever the clock does, and so may be ahead of the
    /// clock when that was set back.
    fn last_time(&self) -> Result<Timestamp> {
        let applied = self.raw(keys::APPLIED)?;
        applied.map_or(Ok(Timestamp(0)), |value| {
            codec::decode("applied", &value).map(|applied: Applied| applied.time)
        })
    }

    /// Mailboxes of an account in name order, children after their parent.
    fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        let ids = mailbox_ids(self, &keys::names(account))?;
        let mut mailboxes = Vec::with_capacity(ids.len());
        for id in ids {
            mailboxes.extend(self.mailbox(id)?);
        }
        Ok(mailboxes)
    }

    /// By name: NFC, `INBOX` in any case. `None` when there is none.
    fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<Mailbox>> {
        let Ok(name) = name::canonical(name) else {
            return Ok(None);
        };
        match self.raw(&keys::name(account, &name))? {
            Some(id) => self.mailbox(codec::decode("mailbox name", &id)?),
            None => Ok(None),
        }
    }

    /// By id.
    fn mailbox(&self, id: MailboxId) -> Result<Option<Mailbox>> {
        let Some(identity) = self.raw(&keys::mailbox(id))? else {
            return Ok(None);
        };
        let counters = self
            .raw(&keys::counters(id))?
            .ok_or_else(|| Error::Damaged(format!("mailbox {id} has no counters")))?;
        Ok(Some(codec::join(
            id,
            codec::decode("mailbox", &identity)?,
            codec::decode("mailbox counters", &counters)?,
        )))
    }

    /// Subscribed names of an account, also of mailboxes that are gone.
    fn subscriptions(&self, account: AccountId) -> Result<Vec<String>> {
        let prefix = keys::subscriptions(account);
        let mut names = Vec::new();
        self.visit(&prefix, &keys::after(&prefix), &mut |_, value| {
            names.push(codec::decode("subscription", value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(names)
    }

    /// One message.
    fn message(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        if self.raw(&keys::mailbox(mailbox))?.is_none() {
            return Ok(None);
        }
        message(self, mailbox, uid)
    }

    /// Messages with `from <= uid <= to`, ascending, at most `limit` (≤ 1,024).
    fn messages(
        &self,
        mailbox: MailboxId,
        from: Uid,
        to: Uid,
        limit: usize,
    ) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        let limit = limit.min(PAGE);
        if from > to || limit == 0 || self.raw(&keys::mailbox(mailbox))?.is_none() {
            return Ok(messages);
        }
        let end = keys::after(&keys::leaf(mailbox, to));
        self.visit(&keys::leaf(mailbox, from), &end, &mut |key, value| {
            for message in leaf::decode(keys::first_of(key), value)? {
                if message.uid >= from && message.uid <= to && messages.len() < limit {
                    messages.push(message);
                }
            }
            Ok(until(messages.len() >= limit))
        })?;
        Ok(messages)
    }

    /// UIDs of a mailbox, all of them, ascending (a session's frozen view).
    fn uids(&self, mailbox: MailboxId) -> Result<Vec<Uid>> {
        let Some(counters) = self.mailbox(mailbox)? else {
            return Ok(Vec::new());
        };
        let mut uids = Vec::with_capacity(counters.messages as usize);
        let end = keys::after(&keys::leaf(mailbox, Uid(u32::MAX)));
        self.visit(&keys::leaf(mailbox, Uid(0)), &end, &mut |key, value| {
            uids.extend(leaf::uids(keys::first_of(key), value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(uids)
    }

    /// UIDs expunged after `since`, in the order in which they went; complete from
    /// [`crate::deleted::DeletedRead::expunges_known_since`] on.
    fn expunged_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Vec<Uid>> {
        let mut uids = Vec::new();
        let Some(first) = since.0.checked_add(1) else {
            return Ok(uids);
        };
        let start = keys::expunged(mailbox, ModSeq(first), Uid(0));
        let end = keys::after(&keys::expunged(mailbox, ModSeq(u64::MAX), Uid(u32::MAX)));
        self.visit(&start, &end, &mut |key, _| {
            // UID 0 marks what was purged.
            uids.extend(Some(keys::uid_of(key)).filter(|uid| uid.0 > 0));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(uids)
    }

    /// A ledger; all zero when unknown.
    fn ledger(&self, id: LedgerId) -> Result<Ledger> {
        self.raw(&keys::ledger(id))?
            .map_or(Ok(Ledger::default()), |value| {
                codec::decode("ledger", &value)
            })
    }

    /// The ledgers that an account is charged to, its own first; `None` when it has no home.
    fn ledgers(&self, account: AccountId) -> Result<Option<Vec<LedgerId>>> {
        Ok(home(self, account)?.map(|home| home.ledgers))
    }
}

fn of_table<R: Record>(key: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(1 + key.len());
    octets.push(R::TABLE as u8);
    octets.extend_from_slice(key);
    octets
}

fn until(done: bool) -> ControlFlow<()> {
    if done {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// Ids of the mailboxes whose name keys start with `prefix`, in name order.
pub(crate) fn mailbox_ids<S: Source + ?Sized>(source: &S, prefix: &[u8]) -> Result<Vec<MailboxId>> {
    let mut ids = Vec::new();
    source.visit(prefix, &keys::after(prefix), &mut |_, value| {
        ids.push(codec::decode("mailbox name", value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ids)
}

/// One message of a mailbox that exists.
pub(crate) fn message<S: Source + ?Sized>(
    source: &S,
    mailbox: MailboxId,
    uid: Uid,
) -> Result<Option<Message>> {
    let Some(value) = source.raw(&keys::leaf(mailbox, uid))? else {
        return Ok(None);
    };
    let mut leaf = leaf::decode(leaf::first(uid), &value)?;
    Ok(leaf
        .iter()
        .position(|message| message.uid == uid)
        .map(|at| leaf.swap_remove(at)))
}

/// An account's home.
pub(crate) fn home<S: Source + ?Sized>(
    source: &S,
    account: AccountId,
) -> Result<Option<codec::Home>> {
    source
        .raw(&keys::home(account))?
        .map(|value| codec::decode("home", &value))
        .transpose()
}

/// The read side handed to `Store::read`.
pub struct Snapshot<'a> {
    pub(crate) engine: &'a dyn Engine,
}

impl Read for Snapshot<'_> {}

/// The writes of a group of transactions that are not yet in log and index.
pub(crate) struct Group {
    pub(crate) overlay: Overlay,
    /// Frames in the order of the log.
    pub(crate) pieces: Vec<Piece>,
    /// Where the next frame will stand.
    pub(crate) next: Lsn,
    /// The store's number.
    pub(crate) seed: u64,
    /// The disk has no room for bodies.
    pub(crate) tight: bool,
}

impl Group {
    pub(crate) fn push(&mut self, piece: Piece) {
        self.next = Lsn(self.next.0 + piece.total());
        self.pieces.push(piece);
    }

    /// Drops pieces after the first `count`; `next` is where the first dropped one stood.
    pub(crate) fn drop_pieces(&mut self, count: usize, next: Lsn) {
        self.pieces.truncate(count);
        self.next = next;
    }
}

/// The write side handed to `Store::transact`.
///
/// An operation that returns an error has changed nothing, so a closure may go on after one (an
/// account over quota among many recipients).
pub struct Tx<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) group: &'a mut Group,
    pub(crate) number: ModSeq,
    pub(crate) now: Timestamp,
    pub(crate) changes: Vec<(Topic, ChangeKind)>,
    pub(crate) attached: Vec<(NewBody, BodyId)>,
    /// Trace records written so far.
    pub(crate) traced: u16,
}

impl Read for Tx<'_> {}

impl Tx<'_> {
    /// This transaction's number: the mod-sequence of everything it changes.
    pub fn modseq(&self) -> ModSeq {
        self.number
    }

    /// The time of the transaction; the same in every repetition.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Writes a record. `Error::TooLarge` past 64 KiB.
    pub fn put<R: Record>(&mut self, record: &R) -> Result<()> {
        let key = of_table::<R>(&R::key_octets(&record.key()));
        let value = record.encode();
        self.store(key, &value)
    }

    /// Removes a record; absent is fine.
    pub fn delete<R: Record>(&mut self, key: &R::Key) -> Result<()> {
        self.erase(of_table::<R>(&R::key_octets(key)));
        Ok(())
    }

    /// The next number of a named sequence: 1, 2, 3 … Never reused, also after a crash.
    pub fn next(&mut self, sequence: &'static str) -> Result<u64> {
        let key = keys::sequence(sequence);
        let last: u64 = self
            .raw(&key)?
            .map_or(Ok(0), |value| codec::decode("sequence", &value))?;
        let next = last.checked_add(1).ok_or(Error::Exhausted("sequence"))?;
        self.store(key, &codec::encode(&next))?;
        Ok(next)
    }

    /// Tells watchers of this topic when the transaction is visible. Message and mailbox
    /// operations below do so themselves.
    pub fn touch(&mut self, topic: Topic) {
        self.changed(topic, ChangeKind::Touched);
    }

    /// Puts the body into the log with this transaction. Once a transaction, whatever the number of
    /// mailboxes and queue entries that refer to it. `Error::NoSpace` when the disk is nearly full.
    pub fn attach(&mut self, body: &NewBody) -> Result<BodyId> {
        if let Some((_, id)) = self
            .attached
            .iter()
            .find(|(known, _)| Arc::ptr_eq(&known.0, &body.0))
        {
            return Ok(*id);
        }
        if self.group.tight {
            // Here, so that its neighbours in the group, which delete, are not refused with it.
            return Err(Error::NoSpace("the log".to_owned()));
        }
        let id = BodyId(self.group.next.0);
        let head = body.head(id, self.group.seed)?;
        self.group.push(Piece::Body(head, body.clone()));
        self.attached.push((body.clone(), id));
        Ok(id)
    }

    /// Writes one of the store's own values, or another's within its limit.
    pub(crate) fn store(&mut self, key: Vec<u8>, value: &[u8]) -> Result<()> {
        if value.len() > RECORD {
            return Err(Error::TooLarge(value.len()));
        }
        let sealed = keys::seal(&key, value);
        self.group.overlay.write(key, Some(sealed));
        Ok(())
    }

    pub(crate) fn erase(&mut self, key: Vec<u8>) {
        self.group.overlay.write(key, None);
    }

    pub(crate) fn changed(&mut self, topic: Topic, kind: ChangeKind) {
        // A record touched many times in a row is one change.
        if self.changes.last() != Some(&(topic, kind)) {
            self.changes.push((topic, kind));
        }
    }

    /// Runs an operation of several steps: all of them or none.
    pub(crate) fn whole<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let (pieces, next) = (self.group.pieces.len(), self.group.next);
        let (changes, attached) = (self.changes.len(), self.attached.len());
        self.group.overlay.enter();
        let result = run(self);
        if result.is_ok() {
            self.group.overlay.keep();
        } else {
            self.group.overlay.undo();
            self.group.drop_pieces(pieces, next);
            self.changes.truncate(changes);
            self.attached.truncate(attached);
        }
        result
    }
}
