//! The mailstore: a message log that is the truth, a sled index over it, transactions, mailboxes,
//! messages, queue records and the change feed. Knows no protocol.
//!
//! Only `engine/sled.rs` knows sled; nothing outside this crate knows keys, frames or files.

pub mod backup;
pub mod body;
pub mod calendar;
pub mod check;
mod codec;
mod coding;
mod committer;
pub mod compact;
pub mod deleted;
pub mod draft;
mod dump;
mod engine;
pub mod error;
#[cfg(test)]
mod faults;
pub mod feed;
pub mod files;
pub mod id;
mod keys;
mod leaf;
mod log;
pub mod mailbox;
pub mod message;
pub mod name;
mod ops;
mod overlay;
pub mod page;
#[cfg(test)]
mod power;
pub mod quarantine;
pub mod queue;
pub mod record;
mod recover;
mod refs;
mod repair;
mod replay;
mod reserve;
pub mod salvage;
pub mod scrub;
mod source;
mod space;
mod state;
pub mod stats;
pub mod store;
mod sums;
pub mod trace;
pub mod tx;
mod zip;

pub use body::{Body, NewBody};
pub use draft::Draft;
pub use error::{Error, Result};
pub use feed::{Change, ChangeKind, Topic, Watcher};
pub use files::{LogFiles, SegmentFile};
pub use id::{AccountId, BodyId, LedgerId, Lsn, MailboxId, ModSeq, Timestamp, Uid, UidValidity};
pub use log::survey::Damage;
pub use mailbox::{Mailbox, SpecialUse};
pub use message::{FlagChange, Flags, Message, NewMessage};
pub use ops::{Purged, Undeleted};
pub use record::{Record, Table};
pub use store::{Options, Report, Store};
pub use tx::{Read, Tx};
