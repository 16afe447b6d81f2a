//! Records of messages for numbers of a view: one range scan a stretch of neighbours.

use congvu_store::{MailboxId, Message, Read, Result, Store, Uid};

use crate::set::Pick;

/// Records a page: what one short read moves (about 40 KiB), and a quarter of the store's page.
pub(crate) const PAGE: usize = 256;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Sequence number and record, ascending.
    pub(crate) found: Vec<(u32, Message)>,
    /// How many of those asked for are no longer there.
    pub(crate) missing: usize,
    /// The mailbox's keywords, when a message carries one that the view does not know yet.
    pub(crate) keywords: Option<Vec<String>>,
}

/// Reads the records of `picks` (ascending, at most 1,024). `known` is the number of keywords that the
/// view knows.
pub(crate) async fn read(
    store: &Store,
    mailbox: MailboxId,
    picks: Vec<Pick>,
    known: usize,
) -> Result<Records> {
    store
        .read(move |snapshot| collect(snapshot, mailbox, &picks, known))
        .await
}

/// The same inside a closure of the store.
pub(crate) fn collect(
    read: &impl Read,
    mailbox: MailboxId,
    picks: &[Pick],
    known: usize,
) -> Result<Records> {
    let mut records = Records {
        found: Vec::with_capacity(picks.len()),
        ..Records::default()
    };
    for stretch in picks.chunk_by(|left, right| left.seq + 1 == right.seq) {
        let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else {
            continue;
        };
        let messages = read.messages(mailbox, Uid(first.uid), Uid(last.uid), stretch.len())?;
        let mut messages = messages.into_iter().peekable();
        for pick in stretch {
            // A record without a place in the view cannot be: UIDs only grow. Skipped all the same.
            while messages
                .next_if(|message| message.uid.0 < pick.uid)
                .is_some()
            {}
            match messages.next_if(|message| message.uid.0 == pick.uid) {
                Some(message) => records.found.push((pick.seq, message)),
                None => records.missing += 1,
            }
        }
    }
    let unknown = |message: &Message| {
        message
            .keywords
            .iter()
            .any(|&index| usize::from(index) >= known)
    };
    if records.found.iter().any(|(_, message)| unknown(message)) {
        records.keywords = read.mailbox(mailbox)?.map(|mailbox| mailbox.keywords);
    }
    Ok(records)
}
