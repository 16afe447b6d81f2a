//! The change feed: who waits is told what changed, after it is durable and visible.
//!
//! Soft: a watcher that falls behind by more than 4,096 changes gets `rescan` instead of a list.

use crate::id::{AccountId, MailboxId, ModSeq, Uid};

/// What one can watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Messages of one mailbox.
    Mailbox(MailboxId),
    /// Mailbox list, names and subscriptions of one account.
    Account(AccountId),
    /// Queue records.
    Queue,
    /// Directory records.
    Directory,
    /// Everything (push, tracing).
    All,
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub topic: Topic,
    /// What.
    pub kind: ChangeKind,
    /// When, as the transaction's number.
    pub modseq: ModSeq,
}

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A message came.
    Added(Uid),
    /// Flags or keywords changed.
    Flagged(Uid),
    /// A message went.
    Expunged(Uid),
    /// The mailbox itself was deleted.
    Removed,
    /// A record of the topic changed (mailbox list, queue, directory).
    Touched,
}

/// What a watcher collected since it was last asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Changes in order.
    pub changes: Vec<Change>,
    /// Too many were missed: read the state anew.
    pub rescan: bool,
}

/// A subscription to one topic; dropped = unsubscribed.
#[derive(Debug)]
pub struct Watcher(());

impl Watcher {
    /// Waits until something is there. Cancel-safe: nothing is taken.
    pub async fn changed(&mut self) {
        todo!()
    }
    /// Takes what is there, without waiting.
    pub fn take(&mut self) -> Batch {
        todo!()
    }
}
