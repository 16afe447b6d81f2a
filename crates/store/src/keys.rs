//! Keys of the store's own records, and the seal on every value.
//!
//! All numbers are big-endian, so that the order of octets is the order of scans.

use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::id::{AccountId, LedgerId, MailboxId, ModSeq, Uid};
use crate::record::Table;

/// How far the log is applied; written with every batch, never through the log.
pub(crate) const APPLIED: &[u8] = b"0applied";
/// The number of the store that this index belongs to; never through the log.
pub(crate) const STORE: &[u8] = b"0store";
/// Layout of keys.
pub(crate) const FORMAT: &[u8] = b"0format";

/// How much time has surely passed: `calendar.rs`.
pub(crate) const CALENDAR: &[u8] = b"0calendar";

/// Octets of a seal.
const SEAL: usize = 4;

/// The value with four octets of checksum over key and value before it. sled checks its pages; this
/// also finds a value that stands under a wrong key.
pub(crate) fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(SEAL + value.len());
    sealed.extend_from_slice(&checksum(key, value));
    sealed.extend_from_slice(value);
    sealed
}

/// The value without its seal.
pub(crate) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8]> {
    match sealed.split_at_checked(SEAL) {
        Some((seal, value)) if seal == checksum(key, value) => Ok(value),
        _ => Err(Error::Damaged(format!(
            "index record {}",
            key.escape_ascii()
        ))),
    }
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; SEAL] {
    let mut hash = Xxh3::new();
    hash.update(key);
    hash.update(value);
    let [a, b, c, d, ..] = hash.digest().to_be_bytes();
    [a, b, c, d]
}

/// The first key after all keys with this prefix. A table octet is never 255, so there is one.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

fn key(table: Table, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(table as u8);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(crate) fn sequence(name: &str) -> Vec<u8> {
    key(Table::Meta, &[b"s:", name.as_bytes()])
}

pub(crate) fn home(account: AccountId) -> Vec<u8> {
    key(Table::Home, &[&account.0.to_be_bytes()])
}

/// Name, identity, keywords of a mailbox: what changes rarely.
pub(crate) fn mailbox(id: MailboxId) -> Vec<u8> {
    key(Table::Mailbox, &[&id.0.to_be_bytes(), b"n"])
}

/// Counters of a mailbox: what changes with every message.
pub(crate) fn counters(id: MailboxId) -> Vec<u8> {
    key(Table::Mailbox, &[&id.0.to_be_bytes(), b"c"])
}

/// Whether a key of the mailbox table is one of counters.
pub(crate) fn is_counters(key: &[u8]) -> bool {
    key.len() == 10 && key.ends_with(b"c")
}

/// `/` sorts before everything else in names, so that children follow their parent.
fn folded(name: &str) -> Vec<u8> {
    name.bytes()
        .map(|octet| if octet == b'/' { 1 } else { octet })
        .collect()
}

pub(crate) fn name(account: AccountId, name: &str) -> Vec<u8> {
    key(
        Table::MailboxName,
        &[&account.0.to_be_bytes(), &folded(name)],
    )
}

/// Prefix of the names below `name`.
pub(crate) fn children(account: AccountId, name: &str) -> Vec<u8> {
    key(
        Table::MailboxName,
        &[&account.0.to_be_bytes(), &folded(name), &[1]],
    )
}

pub(crate) fn names(account: AccountId) -> Vec<u8> {
    key(Table::MailboxName, &[&account.0.to_be_bytes()])
}

/// The leaf that holds a message: the UID without its lowest bits.
pub(crate) fn leaf(mailbox: MailboxId, uid: Uid) -> Vec<u8> {
    let first = crate::leaf::first(uid);
    key(
        Table::Message,
        &[&mailbox.0.to_be_bytes(), &first.0.to_be_bytes()],
    )
}

pub(crate) fn expunged(mailbox: MailboxId, modseq: ModSeq, uid: Uid) -> Vec<u8> {
    key(
        Table::Expunged,
        &[
            &mailbox.0.to_be_bytes(),
            &modseq.0.to_be_bytes(),
            &uid.0.to_be_bytes(),
        ],
    )
}

pub(crate) fn subscription(account: AccountId, name: &str) -> Vec<u8> {
    key(
        Table::Subscription,
        &[&account.0.to_be_bytes(), &folded(name)],
    )
}

pub(crate) fn subscriptions(account: AccountId) -> Vec<u8> {
    key(Table::Subscription, &[&account.0.to_be_bytes()])
}

pub(crate) fn ledger(id: LedgerId) -> Vec<u8> {
    key(Table::Ledger, &[&id.0.to_be_bytes()])
}

/// A mailbox that was deleted, or with mailbox 0 the home of an account that was removed.
pub(crate) fn removed(account: AccountId, modseq: ModSeq, mailbox: MailboxId) -> Vec<u8> {
    key(
        Table::Removed,
        &[
            &account.0.to_be_bytes(),
            &modseq.0.to_be_bytes(),
            &mailbox.0.to_be_bytes(),
        ],
    )
}

/// Prefix of all removals of an account.
pub(crate) fn removed_of(account: AccountId) -> Vec<u8> {
    key(Table::Removed, &[&account.0.to_be_bytes()])
}

/// Prefix of all removals.
pub(crate) fn removed_all() -> Vec<u8> {
    key(Table::Removed, &[])
}

/// Prefix of all expunged messages.
pub(crate) fn expunged_all() -> Vec<u8> {
    key(Table::Expunged, &[])
}

/// The transaction with which a day of the calendar began.
pub(crate) fn day(day: u32) -> Vec<u8> {
    key(Table::Meta, &[b"d:", &day.to_be_bytes()])
}

/// Whether a key is the record of a deleted mailbox.
pub(crate) fn is_removed_mailbox(key: &[u8]) -> bool {
    key.first() == Some(&(Table::Removed as u8)) && number_at(key, 17) != 0
}

/// The UID at the end of a leaf's key.
pub(crate) fn first_of(key: &[u8]) -> Uid {
    uid_of(key)
}

/// The UID at the end of an expunged message's key.
pub(crate) fn uid_of(key: &[u8]) -> Uid {
    Uid(key
        .last_chunk()
        .map_or(0, |octets| u32::from_be_bytes(*octets)))
}

/// Eight octets of a key as a number; 0 when it is shorter.
pub(crate) fn number_at(key: &[u8], at: usize) -> u64 {
    key.get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |octets| u64::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_hold_value_and_key() {
        let sealed = seal(b"key", b"value");
        assert_eq!(unseal(b"key", &sealed).unwrap(), b"value");
        assert!(unseal(b"kez", &sealed).is_err());
        assert!(unseal(b"key", b"abc").is_err());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(unseal(b"key", &bad).is_err(), "octet {at}");
        }
    }

    #[test]
    fn after_is_past_every_key_of_the_prefix() {
        assert_eq!(after(b"4ab"), b"4ac");
        assert_eq!(after(b"4\xff\xff"), b"5");
        assert!(after(b"4a").as_slice() > b"4a\xff\xff\xff".as_slice());
    }

    #[test]
    fn children_follow_their_parent() {
        let account = AccountId(1);
        let mut names = ["a-b", "a/b", "a", "a/b/c", "a b"];
        names.sort_by_key(|one| name(account, one));
        assert_eq!(names, ["a", "a/b", "a/b/c", "a b", "a-b"]);
        assert!(name(account, "a/b").starts_with(&children(account, "a")));
        assert!(!name(account, "ab").starts_with(&children(account, "a")));
    }
}
