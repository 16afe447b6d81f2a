//! After transactions were lost to damage of the log: numbers that they may have given out are
//! skipped, so that no UID, id or mod-sequence that a client may have seen is given to another thing.
//!
//! How many there may have been is bounded by the octets lost. The skip is written to the index only:
//! a later rebuild meets the same damage and comes to the same numbers, or higher ones.

use std::ops::ControlFlow;

use crate::codec::{self, Counters, RemovedMailbox};
use crate::committer::{Applied, Committer};
use crate::engine::{Engine, Op};
use crate::error::Result;
use crate::id::ModSeq;
use crate::keys;
use crate::record::Table;
use crate::source::Source as _;

/// Fewest octets of a commit frame for one number given out: a message in a leaf has ten fields of at
/// least one octet; records of other kinds have keys alone longer than that.
const SMALLEST: u64 = 10;
/// Writes of one batch.
const BATCH: usize = 4_096;

/// What a store may have given out between a backup and the day it was brought back: UIDs of a mailbox and
/// numbers of a sequence. More than a million are no life of a mailbox between two backups, and four thousand
/// restores fit in the 32 bits of a UID.
const AFTER_BACKUP: u32 = 1 << 20;
/// The same for transactions: a thousand a second for a month and more fit.
const TRANSACTIONS_AFTER_BACKUP: u64 = 1 << 32;
/// Mailboxes of one transaction: its frame stays below 100 KiB.
const MAILBOXES: usize = 1_000;

/// Skips, in the log, what the store that a backup was taken of may have given out since. May be repeated.
pub(crate) fn after_restore(committer: &mut Committer) -> Result<()> {
    let number = &mut committer.number.0;
    *number = number.saturating_add(TRANSACTIONS_AFTER_BACKUP);
    committer.alone(|tx| {
        let sequences = keys::sequence("");
        let mut used: Vec<(Vec<u8>, u64)> = Vec::new();
        tx.visit(&sequences, &keys::after(&sequences), &mut |key, value| {
            used.push((key.to_vec(), codec::decode("sequence", value)?));
            Ok(ControlFlow::Continue(()))
        })?;
        for (key, used) in used {
            let skipped = used.saturating_add(u64::from(AFTER_BACKUP));
            tx.store(key, &codec::encode(&skipped))?;
        }
        Ok(())
    })?;
    for table in COUNTED {
        let mut next = Some(vec![table as u8]);
        while let Some(from) = next {
            next = committer.alone(move |tx| {
                let (mut page, mut next) = (Vec::new(), None);
                let (end, number) = (keys::after(&[table as u8]), tx.modseq());
                tx.visit(&from, &end, &mut |key, value| {
                    if page.len() >= MAILBOXES {
                        next = Some(key.to_vec());
                        return Ok(ControlFlow::Break(()));
                    }
                    let skipped = skipped(key, value, AFTER_BACKUP, number)?;
                    page.extend(skipped.map(|value| (key.to_vec(), value)));
                    Ok(ControlFlow::Continue(()))
                })?;
                for (key, value) in page {
                    tx.store(key, &value)?;
                }
                Ok(next)
            })?;
        }
    }
    Ok(())
}

/// Tables with counters of mailboxes: of those that are there, and of deleted ones, which may come back.
const COUNTED: [Table; 2] = [Table::Mailbox, Table::Removed];

/// A record with UIDs left out, if it counts them.
fn skipped(key: &[u8], value: &[u8], uids: u32, number: ModSeq) -> Result<Option<Vec<u8>>> {
    if keys::is_counters(key) {
        let counters: Counters = codec::decode("mailbox counters", value)?;
        return Ok(Some(codec::encode(&counters.skipped(uids, number))));
    }
    if keys::is_removed_mailbox(key) {
        let mut removed: RemovedMailbox = codec::decode("removed mailbox", value)?;
        let next = &mut removed.mailbox.uidnext.0;
        *next = next.saturating_add(uids);
        removed.mailbox.modseq = number;
        return Ok(Some(codec::encode(&removed)));
    }
    Ok(None)
}

/// Skips what `lost` octets of transactions may have given out.
pub(crate) fn skip(engine: &dyn Engine, lost: u64, applied: &mut Applied) -> Result<()> {
    let by = lost / SMALLEST + 1;
    applied.number.0 = applied.number.0.saturating_add(by);
    let mut ops: Vec<Op> = Vec::new();
    let sequences = keys::sequence("");
    engine.visit(&sequences, &keys::after(&sequences), &mut |key, sealed| {
        let used: u64 = codec::decode("sequence", keys::unseal(key, sealed)?)?;
        let value = codec::encode(&used.saturating_add(by));
        ops.push((key.to_vec(), Some(keys::seal(key, &value))));
        Ok(ControlFlow::Continue(()))
    })?;
    let uids = u32::try_from(by).unwrap_or(u32::MAX);
    for table in COUNTED {
        let table = [table as u8];
        engine.visit(&table, &keys::after(&table), &mut |key, sealed| {
            let skipped = skipped(key, keys::unseal(key, sealed)?, uids, applied.number)?;
            ops.extend(skipped.map(|value| (key.to_vec(), Some(keys::seal(key, &value)))));
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let mut ops = ops.into_iter().peekable();
    while ops.peek().is_some() {
        engine.apply(&mut ops.by_ref().take(BATCH))?;
    }
    Ok(())
}
