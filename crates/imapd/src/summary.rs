//! The summary of a stored body.

use congvu_message::{Summary, SummaryError, summarize};
use congvu_store::{Body, Result};

/// Reads the summary that was stored beside the body. Blocking.
pub(crate) fn of(body: &Body) -> Result<Summary> {
    read(body, Summary::decode)
}

/// The same without the search text.
pub(crate) fn structure(body: &Body) -> Result<Summary> {
    read(body, Summary::decode_structure)
}

/// If the summary cannot be read (or a newer congvu wrote it), the message is parsed again: the octets are
/// the truth.
fn read(body: &Body, decode: fn(&[u8]) -> Result<Summary, SummaryError>) -> Result<Summary> {
    match decode(body.summary()) {
        Ok(summary) => Ok(summary),
        Err(error) => {
            tracing::warn!(body = %body.id(), %error, "summary unreadable, parsing again");
            Ok(summarize(&body.octets(0, body.len())?))
        }
    }
}
