//! Policy: where an accepted message goes for one recipient. Marks of urgency, classes of networks and
//! Sieve scripts will decide here, between verdict and placement.
//!
//! Today: INBOX, or the mailbox that the plus detail names (`an+hop@bo.test` → `Hop`), if the account has
//! a mailbox of that name, letter case aside. Mailboxes with a special use are left out: the address is known to
//! strangers, and a stranger must not be able to put letters among the sent or the deleted ones.

use congvu_store::{AccountId, Error, Mailbox, Read, Result};

/// The mailbox for a new message.
pub(crate) fn mailbox<R: Read>(
    tx: &R,
    account: AccountId,
    detail: Option<&str>,
) -> Result<Mailbox> {
    if let Some(wanted) = detail.map(str::to_lowercase) {
        let named = |mailbox: &Mailbox| {
            mailbox.special_use.is_none() && mailbox.name.to_lowercase() == wanted
        };
        if let Some(found) = tx.mailboxes(account)?.into_iter().find(named) {
            return Ok(found);
        }
    }
    tx.mailbox_named(account, "INBOX")?.ok_or(Error::NoMailbox)
}
