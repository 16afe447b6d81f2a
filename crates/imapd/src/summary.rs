//! The summary of a stored body.

use congvu_message::{Summary, summarize};
use congvu_store::{Body, Error, Result, Store};

/// Octets above which a message is parsed off the executor: some milliseconds.
pub(crate) const LARGE: u64 = 256 * 1024;

/// Reads the summary that was stored beside the body. If it cannot be read (or a newer congvu wrote it),
/// the message is parsed again: the octets are the truth.
pub(crate) async fn of(store: &Store, body: &Body) -> Result<Summary> {
    match Summary::decode(body.summary()) {
        Ok(summary) => Ok(summary),
        Err(error) => {
            tracing::warn!(body = %body.id(), %error, "summary unreadable, parsing again");
            let octets = store.octets(body, 0, body.len()).await?;
            parse(octets).await.map(|(_, summary)| summary)
        }
    }
}

/// Parses a message: in place when it is small, on a thread of its own when it is large.
pub(crate) async fn parse(octets: Vec<u8>) -> Result<(Vec<u8>, Summary)> {
    if octets.len() as u64 <= LARGE {
        let summary = summarize(&octets);
        return Ok((octets, summary));
    }
    let parsed = tokio::task::spawn_blocking(move || {
        let summary = summarize(&octets);
        (octets, summary)
    });
    parsed.await.map_err(|error| Error::Io {
        context: "parsing a message".to_owned(),
        message: error.to_string(),
    })
}
