//! Whether a mailbox has room.
//!
//! The rules, from the most to the least strict:
//! - At RCPT an account that is named directly must have room for the declared size (or for one octet).
//!   Submission hears the same refusal, so that the sender knows at once.
//! - LMTP: asked again for each recipient when the message is there, since each has a reply of its own.
//! - Port 25 and submission, when the message is there: a recipient was accepted already, and the reply
//!   stands for all of them. A tenth above the limit is granted then; the message is refused only if nobody of its
//!   recipients has even that room, so nothing accepted is ever lost.
//! - Members of groups get what the group gets. The body is stored once, whatever their number, and a circular
//!   must reach everybody; usage is counted, so that direct mail is refused to those who are full.

use congvu_directory::{Result, find};
use congvu_store::{AccountId, Read};

/// Share of the limit granted to a message that was accepted at RCPT: 1/10.
const GRACE: u64 = 10;

/// How exactly limits are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// As set.
    Exact,
    /// With the grace of a tenth, whatever the message's size.
    Grace,
}

/// Whether an account and the domain and agencies above it have room for a message.
pub(crate) fn room<R: Read>(tx: &R, account: AccountId, octets: u64, limit: Limit) -> Result<bool> {
    let account = find::account_by_id(tx, account)?;
    for id in find::ledgers(tx, &account)? {
        let ledger = tx.ledger(id)?;
        let fits = |used: u64, more: u64, most: u64| match limit {
            _ if most == 0 => true,
            Limit::Exact => used.saturating_add(more) <= most,
            Limit::Grace => used <= most.saturating_add(most / GRACE),
        };
        if !fits(ledger.octets, octets, ledger.octets_limit)
            || !fits(ledger.messages, 1, ledger.messages_limit)
        {
            return Ok(false);
        }
    }
    Ok(true)
}
