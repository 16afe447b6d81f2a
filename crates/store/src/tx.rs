//! Transactions: what closures given to the store may do.
//!
//! Closures are short, repeatable and free of side effects: a remote engine runs them again after a
//! conflict. A scan is a page of at most 1,024 records.

use crate::body::NewBody;
use crate::error::Result;
use crate::feed::Topic;
use crate::id::{AccountId, BodyId, LedgerId, MailboxId, ModSeq, Timestamp, Uid};
use crate::mailbox::{Mailbox, SpecialUse};
use crate::message::{FlagChange, Message, NewMessage};
use crate::record::Record;

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
pub trait Read {
    /// One record.
    fn get<R: Record>(&self, key: &R::Key) -> Result<Option<R>>;
    /// At most `limit` (≤ 1,024) records whose key octets start with `prefix` and are ≥ `from`
    /// (`from` is a whole key without table octet; empty = from the beginning), in key order.
    fn scan<R: Record>(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<R>>;

    /// Mailboxes of an account in name order.
    fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>>;
    /// By name: NFC, `INBOX` in any case. `None` when there is none.
    fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<Mailbox>>;
    /// By id.
    fn mailbox(&self, id: MailboxId) -> Result<Option<Mailbox>>;
    /// Subscribed names of an account, also of mailboxes that are gone.
    fn subscriptions(&self, account: AccountId) -> Result<Vec<String>>;
    /// One message.
    fn message(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>>;
    /// Messages with `from <= uid <= to`, ascending, at most `limit` (≤ 1,024).
    fn messages(
        &self,
        mailbox: MailboxId,
        from: Uid,
        to: Uid,
        limit: usize,
    ) -> Result<Vec<Message>>;
    /// UIDs of a mailbox, all of them, ascending (a session's frozen view).
    fn uids(&self, mailbox: MailboxId) -> Result<Vec<Uid>>;
    /// UIDs expunged after `since`.
    fn expunged_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Vec<Uid>>;
    /// A ledger; all zero when unknown.
    fn ledger(&self, id: LedgerId) -> Result<Ledger>;
}

/// The read side handed to `Store::read`.
pub struct Snapshot<'a>(std::marker::PhantomData<&'a ()>);

#[allow(unused_variables, reason = "signatures first")]
impl Read for Snapshot<'_> {
    fn get<R: Record>(&self, key: &R::Key) -> Result<Option<R>> {
        todo!()
    }
    fn scan<R: Record>(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<R>> {
        todo!()
    }
    fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        todo!()
    }
    fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<Mailbox>> {
        todo!()
    }
    fn mailbox(&self, id: MailboxId) -> Result<Option<Mailbox>> {
        todo!()
    }
    fn subscriptions(&self, account: AccountId) -> Result<Vec<String>> {
        todo!()
    }
    fn message(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        todo!()
    }
    fn messages(
        &self,
        mailbox: MailboxId,
        from: Uid,
        to: Uid,
        limit: usize,
    ) -> Result<Vec<Message>> {
        todo!()
    }
    fn uids(&self, mailbox: MailboxId) -> Result<Vec<Uid>> {
        todo!()
    }
    fn expunged_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Vec<Uid>> {
        todo!()
    }
    fn ledger(&self, id: LedgerId) -> Result<Ledger> {
        todo!()
    }
}

/// The write side handed to `Store::transact`.
pub struct Tx<'a>(std::marker::PhantomData<&'a ()>);

#[allow(unused_variables, reason = "signatures first")]
impl Read for Tx<'_> {
    fn get<R: Record>(&self, key: &R::Key) -> Result<Option<R>> {
        todo!()
    }
    fn scan<R: Record>(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<R>> {
        todo!()
    }
    fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        todo!()
    }
    fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<Mailbox>> {
        todo!()
    }
    fn mailbox(&self, id: MailboxId) -> Result<Option<Mailbox>> {
        todo!()
    }
    fn subscriptions(&self, account: AccountId) -> Result<Vec<String>> {
        todo!()
    }
    fn message(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        todo!()
    }
    fn messages(
        &self,
        mailbox: MailboxId,
        from: Uid,
        to: Uid,
        limit: usize,
    ) -> Result<Vec<Message>> {
        todo!()
    }
    fn uids(&self, mailbox: MailboxId) -> Result<Vec<Uid>> {
        todo!()
    }
    fn expunged_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Vec<Uid>> {
        todo!()
    }
    fn ledger(&self, id: LedgerId) -> Result<Ledger> {
        todo!()
    }
}

#[allow(unused_variables, reason = "signatures first")]
impl Tx<'_> {
    /// This transaction's number: the mod-sequence of everything it changes.
    pub fn modseq(&self) -> ModSeq {
        todo!()
    }
    /// The time of the transaction; the same in every repetition.
    pub fn now(&self) -> Timestamp {
        todo!()
    }
    /// Writes a record.
    pub fn put<R: Record>(&mut self, record: &R) -> Result<()> {
        todo!()
    }
    /// Removes a record; absent is fine.
    pub fn delete<R: Record>(&mut self, key: &R::Key) -> Result<()> {
        todo!()
    }
    /// The next number of a named sequence: 1, 2, 3 … Never reused, also after a crash.
    pub fn next(&mut self, sequence: &'static str) -> Result<u64> {
        todo!()
    }
    /// Tells watchers of this topic when the transaction is visible. Message and mailbox
    /// operations below do so themselves.
    pub fn touch(&mut self, topic: Topic) {
        todo!()
    }
    /// Puts the body into the log with this transaction. Once a transaction, whatever the number of
    /// mailboxes and queue entries that refer to it.
    pub fn attach(&mut self, body: &NewBody) -> Result<BodyId> {
        todo!()
    }

    /// An account's home: its INBOX and the standard mailboxes (Drafts, Sent, Junk, Trash, Archive,
    /// with special use, subscribed). `ledgers` are charged for every message; its own first. At most 8.
    pub fn create_home(&mut self, account: AccountId, ledgers: &[LedgerId]) -> Result<()> {
        todo!()
    }
    /// Charges other ledgers from now on and moves the sums (an account changes agency).
    pub fn set_ledgers(&mut self, account: AccountId, ledgers: &[LedgerId]) -> Result<()> {
        todo!()
    }
    /// Sets limits, keeps sums.
    pub fn set_limits(&mut self, ledger: LedgerId, octets: u64, messages: u64) -> Result<()> {
        todo!()
    }
    /// Removes an account's mailboxes (expunged, for the undelete window) and home.
    pub fn remove_home(&mut self, account: AccountId) -> Result<()> {
        todo!()
    }

    /// Creates a mailbox and its missing parents, subscribed. Name rules: at most 512 octets, 32 levels,
    /// no empty level, no controls; compared in NFC. At most 10,000 mailboxes an account.
    pub fn create_mailbox(
        &mut self,
        account: AccountId,
        name: &str,
        special: Option<SpecialUse>,
    ) -> Result<Mailbox> {
        todo!()
    }
    /// Renames a mailbox and its children; ids, UIDs and UIDVALIDITY stay. Renaming INBOX moves its
    /// messages into a new mailbox (RFC 9051 section 6.3.6).
    pub fn rename_mailbox(&mut self, account: AccountId, from: &str, to: &str) -> Result<()> {
        todo!()
    }
    /// Deletes a mailbox without children; its messages go to the undelete window.
    pub fn delete_mailbox(&mut self, account: AccountId, name: &str) -> Result<()> {
        todo!()
    }
    /// Subscribes or unsubscribes; absent is fine.
    pub fn set_subscribed(
        &mut self,
        account: AccountId,
        name: &str,
        subscribed: bool,
    ) -> Result<()> {
        todo!()
    }
    /// A read-write session claims `\Recent`: returns the first UID that is recent to it, and no
    /// later session sees those as recent again.
    pub fn claim_recent(&mut self, mailbox: MailboxId) -> Result<Uid> {
        todo!()
    }

    /// Places a body into a mailbox.
    pub fn append(
        &mut self,
        mailbox: MailboxId,
        body: &NewBody,
        message: &NewMessage,
        quota: Quota,
    ) -> Result<Message> {
        todo!()
    }
    /// Changes flags; the message as it is now, and whether anything changed.
    pub fn change_flags(
        &mut self,
        mailbox: MailboxId,
        uid: Uid,
        change: &FlagChange,
    ) -> Result<(Message, bool)> {
        todo!()
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
        todo!()
    }
    /// Moves messages: copy and expunge in one transaction.
    pub fn relocate(
        &mut self,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Uid)>> {
        todo!()
    }
    /// Expunges those of `uids` that exist; they stay for the undelete window. Returns what went.
    pub fn expunge(&mut self, mailbox: MailboxId, uids: &[Uid]) -> Result<Vec<Uid>> {
        todo!()
    }
}
