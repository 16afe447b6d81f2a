//! The summary of a stored body.

use congvu_message::{Summary, summarize};
use congvu_store::{Body, Result};

/// Reads the summary that was stored beside the body. If it cannot be read (or a newer congvu wrote it), the message
/// is parsed again: the octets are the truth. Blocking.
pub(crate) fn of(body: &Body) -> Result<Summary> {
    match Summary::decode(body.summary()) {
        Ok(summary) => Ok(summary),
        Err(error) => {
            tracing::warn!(body = %body.id(), %error, "summary unreadable, parsing again");
            Ok(summarize(&body.octets(0, body.len())?))
        }
    }
}
