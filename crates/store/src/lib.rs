//! The mailstore: a message log that is the truth, a sled index over it, transactions, mailboxes,
//! messages, queue records and the change feed. Knows no protocol.
//!
//! Only `engine/sled.rs` knows sled; nothing outside this crate knows keys, frames or files.

pub mod body;
mod codec;
mod committer;
pub mod draft;
mod dump;
mod engine;
pub mod error;
#[cfg(test)]
mod faults;
pub mod feed;
pub mod id;
mod keys;
mod leaf;
mod log;
pub mod mailbox;
pub mod message;
pub mod name;
mod ops;
mod overlay;
pub mod queue;
pub mod record;
mod recover;
mod repair;
mod source;
mod space;
mod state;
pub mod store;
pub mod tx;
mod zip;

pub use body::{Body, NewBody};
pub use draft::Draft;
pub use error::{Error, Result};
pub use feed::{Change, ChangeKind, Topic, Watcher};
pub use id::{AccountId, BodyId, LedgerId, Lsn, MailboxId, ModSeq, Timestamp, Uid, UidValidity};
pub use mailbox::{Mailbox, SpecialUse};
pub use message::{FlagChange, Flags, Message, NewMessage};
pub use record::{Record, Table};
pub use store::{Options, Report, Store};
pub use tx::{Read, Tx};
