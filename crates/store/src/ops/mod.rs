//! What transactions do to homes, mailboxes and messages. Every operation keeps counters, ledgers
//! and the change feed right, and is all or nothing.

mod flags;
mod home;
mod mailbox;
mod message;
mod purge;
mod quarantine;
mod undelete;

pub(crate) use mailbox::UIDVALIDITY;
pub(crate) use message::Expunged;
pub use purge::Purged;
pub use undelete::Undeleted;
