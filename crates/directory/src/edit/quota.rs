//! Limits of accounts, domains and agencies. The sums are the store's.

use congvu_store::{LedgerId, Read, Tx};

use super::touch;
use crate::error::Result;

/// Sets limits; `None` leaves one as it is, 0 takes it away. What lies there already stays, also when it
/// is more than the new limit.
pub fn set(
    tx: &mut Tx<'_>,
    ledger: LedgerId,
    octets: Option<u64>,
    messages: Option<u64>,
) -> Result<()> {
    let now = tx.ledger(ledger)?;
    tx.set_limits(
        ledger,
        octets.unwrap_or(now.octets_limit),
        messages.unwrap_or(now.messages_limit),
    )?;
    touch(tx);
    Ok(())
}
