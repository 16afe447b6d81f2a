//! Queue records: what waits to be sent elsewhere, typed, in three tables.
//!
//! An [`Entry`] is one envelope of one stored body; an [`Rcpt`] is one of its recipients; an [`Order`]
//! record says when a task is due. A *task* is what one attempt tries: the recipients of one entry in
//! one domain that wait for the same instant.
//!
//! Invariant: for every (entry, domain, instant) with a waiting recipient of an entry that is not held
//! there is exactly one order record, and there are no others. An entry goes, with its recipients, in
//! the transaction that makes its last recipient final. So what is in the tables is what is owed.
//!
//! When to try again, where to connect and what to bounce is the queue crate's business, not decided here.
//! Reading and changing the tables: [`schedule`].

pub mod schedule;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};
use crate::id::{AccountId, BodyId, Timestamp};
use crate::record::{Record, Table};

pub use schedule::{Counts, Outcome, QueueRead, QueueWrite, Settled};

/// Version octet of the values below. A change of a struct below makes a new version; older ones stay readable.
const VERSION: u8 = 1;
/// Longest reply text kept, octets: a whole multi-line reply of usual servers; keeps records far below 64 KiB.
const REPLY_MOST: usize = 1_000;

/// An entry of the queue; never reused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct QueueId(pub u64);

impl std::fmt::Display for QueueId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How urgent, the most urgent first: the first octet of the order. The three marks are those of
/// Vietnamese official letters; only `Normal` is given today. Variants keep their places for ever.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum Lane {
    /// Hỏa tốc.
    HoaToc = 0,
    /// Thượng khẩn.
    ThuongKhan = 1,
    /// Khẩn.
    Khan = 2,
    /// No mark.
    #[default]
    Normal = 3,
}

impl Lane {
    /// All, the most urgent first.
    pub const ALL: [Self; 4] = [Self::HoaToc, Self::ThuongKhan, Self::Khan, Self::Normal];
}

/// RET= (RFC 3461 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ret {
    /// Return the whole message.
    Full,
    /// Return its header.
    Headers,
}

/// BODY= (RFC 6152, RFC 3030).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BodyKind {
    /// Nothing or 7BIT was said.
    #[default]
    SevenBit,
    /// 8BITMIME.
    EightBit,
    /// BINARYMIME.
    Binary,
}

/// NOTIFY= (RFC 3461 section 4.1). All false is NEVER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the parameter's three independent keywords"
)]
pub struct Notify {
    /// SUCCESS.
    pub success: bool,
    /// FAILURE.
    pub failure: bool,
    /// DELAY.
    pub delay: bool,
}

/// An envelope to be sent, without its recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub id: QueueId,
    /// How urgent.
    pub lane: Lane,
    /// Reverse-path without angle brackets; empty for `<>`.
    pub sender: String,
    /// The stored octets.
    pub body: BodyId,
    /// Length of the body's frame in the log, for [`crate::Store::body`]; 0 = not known.
    pub frame: u32,
    /// Octets at the beginning of the body that are not sent: the Return-Path line of local copies.
    pub skip: u32,
    /// Octets that are sent, without `skip`.
    pub size: u64,
    /// When it was accepted.
    pub arrived: Timestamp,
    /// Whose submission it was; `None` for relayed mail and our own notices.
    pub account: Option<AccountId>,
    /// ENVID=, decoded.
    pub envid: Option<String>,
    /// RET=.
    pub ret: Option<Ret>,
    /// Must be sent with SMTPUTF8.
    pub utf8: bool,
    /// What its octets need.
    pub body_kind: BodyKind,
    /// Why an administrator holds it, if so: nothing of it is due.
    pub hold: Option<String>,
    /// Id that the sender was told and that the logs carry.
    pub trace: String,
    /// Number of recipients, whatever their state.
    pub rcpts: u32,
    /// Number of recipients that still wait.
    pub waiting: u32,
}

/// What is given to [`QueueWrite::enqueue`]; the rest of [`Entry`] is filled there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// How urgent.
    pub lane: Lane,
    /// Reverse-path without angle brackets; empty for `<>`.
    pub sender: String,
    /// The stored octets; attach the body in the same transaction.
    pub body: BodyId,
    /// Length of the body's frame in the log; 0 = not known.
    pub frame: u32,
    /// Octets at the beginning of the body that are not sent.
    pub skip: u32,
    /// Octets that are sent.
    pub size: u64,
    /// Whose submission it is.
    pub account: Option<AccountId>,
    /// ENVID=.
    pub envid: Option<String>,
    /// RET=.
    pub ret: Option<Ret>,
    /// Must be sent with SMTPUTF8.
    pub utf8: bool,
    /// What its octets need.
    pub body_kind: BodyKind,
    /// Hold it at once, with this reason.
    pub hold: Option<String>,
    /// Id in replies and logs.
    pub trace: String,
}

/// A recipient given to [`QueueWrite::enqueue`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRcpt {
    /// Forward-path without angle brackets.
    pub address: String,
    /// Route key: its domain, lower case, A-labels. Never empty.
    pub domain: String,
    /// NOTIFY=; `None` when the client gave none.
    pub notify: Option<Notify>,
    /// ORCPT= as `type;address`, decoded.
    pub orcpt: Option<String>,
}

/// What has become of a recipient. Variants keep their places for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RcptStatus {
    /// To be tried at [`Rcpt::next`].
    Waiting,
    /// The next server took it over.
    Delivered,
    /// Given up; the sender was told if he wanted to be.
    Failed,
}

/// One recipient of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rcpt {
    /// Its entry.
    pub entry: QueueId,
    /// Its number in the entry, from 0, in the order of RCPT.
    pub index: u32,
    /// Forward-path without angle brackets.
    pub address: String,
    /// Route key: the domain, lower case.
    pub domain: String,
    /// What has become of it.
    pub status: RcptStatus,
    /// Finished attempts.
    pub attempts: u32,
    /// End of the first attempt.
    pub first: Option<Timestamp>,
    /// When it is due.
    pub next: Timestamp,
    /// The last answer, or why there was none; at most 1,000 octets.
    pub reply: Option<String>,
    /// Name of the server that gave `reply`.
    pub remote: Option<String>,
    /// Whether the sender was told of the delay.
    pub warned: bool,
    /// NOTIFY=.
    pub notify: Option<Notify>,
    /// ORCPT=.
    pub orcpt: Option<String>,
}

/// Key of a recipient. A whole domain of an entry is one range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RcptKey {
    /// The entry.
    pub entry: QueueId,
    /// Route key.
    pub domain: String,
    /// Number in the entry.
    pub index: u32,
}

/// One task, in the order in which tasks are due: lane, instant, entry, domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// How urgent.
    pub lane: Lane,
    /// When it is due.
    pub next: Timestamp,
    /// The entry.
    pub entry: QueueId,
    /// Route key.
    pub domain: String,
}

/// The record that makes a task due. It holds nothing but its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(pub TaskKey);

impl Record for Entry {
    const TABLE: Table = Table::QueueEntry;
    type Key = QueueId;
    fn key(&self) -> QueueId {
        self.id
    }
    fn key_octets(key: &QueueId) -> Vec<u8> {
        key.0.to_be_bytes().to_vec()
    }
    fn encode(&self) -> Vec<u8> {
        pack(self)
    }
    fn decode(_key: &[u8], value: &[u8]) -> Result<Self> {
        unpack("queue entry", value)
    }
}

impl Record for Rcpt {
    const TABLE: Table = Table::QueueRcpt;
    type Key = RcptKey;
    fn key(&self) -> RcptKey {
        RcptKey {
            entry: self.entry,
            domain: self.domain.clone(),
            index: self.index,
        }
    }
    fn key_octets(key: &RcptKey) -> Vec<u8> {
        let mut octets = domain_prefix(key.entry, &key.domain);
        octets.extend(key.index.to_be_bytes());
        octets
    }
    fn encode(&self) -> Vec<u8> {
        pack(self)
    }
    fn decode(_key: &[u8], value: &[u8]) -> Result<Self> {
        unpack("queue recipient", value)
    }
}

impl Record for Order {
    const TABLE: Table = Table::QueueOrder;
    type Key = TaskKey;
    fn key(&self) -> TaskKey {
        self.0.clone()
    }
    fn key_octets(key: &TaskKey) -> Vec<u8> {
        let mut octets = vec![key.lane as u8];
        // Instants before 1970 do not occur; they would sort first.
        octets.extend(u64::try_from(key.next.0).unwrap_or(0).to_be_bytes());
        octets.extend(key.entry.0.to_be_bytes());
        octets.extend(key.domain.as_bytes());
        octets
    }
    fn encode(&self) -> Vec<u8> {
        vec![VERSION]
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        unpack::<()>("queue order", value)?;
        let damaged = || Error::Damaged("queue order: key".into());
        let (lane, rest) = key.split_first().ok_or_else(damaged)?;
        let lane = *Lane::ALL.get(usize::from(*lane)).ok_or_else(damaged)?;
        let (next, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (entry, domain) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let next = i64::try_from(u64::from_be_bytes(*next)).map_err(|_| damaged())?;
        let domain = std::str::from_utf8(domain)
            .map_err(|_| damaged())?
            .to_owned();
        Ok(Self(TaskKey {
            lane,
            next: Timestamp(next),
            entry: QueueId(u64::from_be_bytes(*entry)),
            domain,
        }))
    }
}

/// Key octets that all recipients of one domain of one entry share. The zero octet ends the domain, so
/// that `a.example` is no prefix of `a.example.org`.
fn domain_prefix(entry: QueueId, domain: &str) -> Vec<u8> {
    let mut octets = entry.0.to_be_bytes().to_vec();
    octets.extend(domain.as_bytes());
    octets.push(0);
    octets
}

fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("plain structs serialize into memory")
}

fn unpack<T: DeserializeOwned>(what: &'static str, value: &[u8]) -> Result<T> {
    let damaged = || Error::Damaged(what.into());
    match value.split_first().ok_or_else(damaged)? {
        (&VERSION, rest) => postcard::from_bytes(rest).map_err(|_| damaged()),
        (0, _) => Err(damaged()),
        (&found, _) => Err(Error::Newer {
            what: what.into(),
            found: found.into(),
            known: VERSION.into(),
        }),
    }
}

/// A reply as kept: cut at a character's end.
fn cut(mut reply: String) -> String {
    reply.truncate(reply.floor_char_boundary(REPLY_MOST));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(lane: Lane, next: i64, entry: u64, domain: &str) -> TaskKey {
        TaskKey {
            lane,
            next: Timestamp(next),
            entry: QueueId(entry),
            domain: domain.into(),
        }
    }

    #[test]
    fn order_keys_sort_as_tasks_do_and_come_back() {
        let tasks = [
            task(Lane::HoaToc, 900, 7, "z.example"),
            task(Lane::Khan, 1, 1, "a.example"),
            task(Lane::Normal, 1, 2, "a.example"),
            task(Lane::Normal, 1, 2, "a.example.org"),
            task(Lane::Normal, 1, 300, "a.example"),
            task(Lane::Normal, 256, 1, "a.example"),
        ];
        let keys: Vec<_> = tasks.iter().map(Order::key_octets).collect();
        assert!(keys.is_sorted());
        for (task, key) in tasks.iter().zip(&keys) {
            let order = Order(task.clone());
            assert_eq!(
                Order::decode(key, &order.encode()).expect("own encoding"),
                order
            );
        }
    }

    #[test]
    fn domains_do_not_share_ranges() {
        let key = Rcpt::key_octets(&RcptKey {
            entry: QueueId(1),
            domain: "a.example.org".into(),
            index: 0,
        });
        assert!(!key.starts_with(&domain_prefix(QueueId(1), "a.example")));
        assert!(key.starts_with(&domain_prefix(QueueId(1), "a.example.org")));
    }

    #[test]
    fn damaged_and_newer_values_are_told_apart() {
        assert!(matches!(Entry::decode(&[], &[]), Err(Error::Damaged(_))));
        assert!(matches!(
            Entry::decode(&[], &[VERSION, 0xff]),
            Err(Error::Damaged(_))
        ));
        assert!(matches!(
            Rcpt::decode(&[], &[9, 0]),
            Err(Error::Newer { found: 9, .. })
        ));
        assert!(matches!(
            Order::decode(&[9, 0], &[VERSION]),
            Err(Error::Damaged(_))
        ));
    }

    #[test]
    fn long_replies_are_cut_at_a_character() {
        let reply = cut("ế".repeat(1_000));
        assert!(reply.len() <= REPLY_MOST && reply.len() > REPLY_MOST - 3);
    }
}
