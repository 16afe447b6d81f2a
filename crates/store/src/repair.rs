//! After transactions were lost to damage of the log: numbers that they may have given out are
//! skipped, so that no UID, id or mod-sequence that a client may have seen is given to another thing.
//!
//! How many there may have been is bounded by the octets lost. The skip is written to the index only:
//! a later rebuild meets the same damage and comes to the same numbers, or higher ones.

use std::ops::ControlFlow;

use crate::codec::{self, Counters};
use crate::committer::Applied;
use crate::engine::{Engine, Op};
use crate::error::Result;
use crate::keys;
use crate::record::Table;

/// Fewest octets of a commit frame for one number given out: a message in a leaf has ten fields of at
/// least one octet; records of other kinds have keys alone longer than that.
const SMALLEST: u64 = 10;
/// Writes of one batch.
const BATCH: usize = 4_096;

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
    let mailboxes = [Table::Mailbox as u8];
    engine.visit(&mailboxes, &keys::after(&mailboxes), &mut |key, sealed| {
        if keys::is_counters(key) {
            let counters: Counters = codec::decode("mailbox counters", keys::unseal(key, sealed)?)?;
            let value = codec::encode(&counters.skipped(uids, applied.number));
            ops.push((key.to_vec(), Some(keys::seal(key, &value))));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut ops = ops.into_iter().peekable();
    while ops.peek().is_some() {
        engine.apply(&mut ops.by_ref().take(BATCH))?;
    }
    Ok(())
}
