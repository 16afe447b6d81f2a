//! What an administrator can see and do with the queue. Works on the store alone, so also without a
//! running server; a running one sees the change through the feed.

use congvu_store::queue::{Counts, Entry, QueueId, QueueRead, QueueWrite, Rcpt};
use congvu_store::{Result, Store};

/// Entries or recipients of one read (the store's page).
const PAGE: usize = 1_024;

/// An entry with all its recipients.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// The envelope.
    pub entry: Entry,
    /// Its recipients, by domain.
    pub rcpts: Vec<Rcpt>,
}

/// At most `limit` entries from `from` on, oldest first. For the next page: the last id plus one.
pub async fn list(store: &Store, from: QueueId, limit: usize) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut from = from;
    while entries.len() < limit {
        let want = (limit - entries.len()).min(PAGE);
        let page = store.read(move |r| r.queue_entries(from, want)).await?;
        let whole = page.len() == want;
        entries.extend(page);
        match entries.last().and_then(|last| last.id.0.checked_add(1)) {
            Some(next) if whole => from = QueueId(next),
            _ => break,
        }
    }
    Ok(entries)
}

/// One entry with its recipients; `None` when it is gone.
pub async fn show(store: &Store, id: QueueId) -> Result<Option<Shown>> {
    let Some(entry) = store.read(move |r| r.queue_entry(id)).await? else {
        return Ok(None);
    };
    let mut rcpts: Vec<Rcpt> = Vec::new();
    loop {
        let after = rcpts.last().cloned();
        let page = store
            .read(move |r| r.queue_rcpts(id, after.as_ref(), PAGE))
            .await?;
        let whole = page.len() == PAGE;
        rcpts.extend(page);
        if !whole {
            return Ok(Some(Shown { entry, rcpts }));
        }
    }
}

/// Sums over the queue.
pub async fn counts(store: &Store) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut from = Some(QueueId(0));
    while let Some(id) = from {
        (counts, from) = store
            .read(move |r| {
                let mut counts = counts;
                let next = r.queue_count(id, &mut counts)?;
                Ok::<_, congvu_store::Error>((counts, next))
            })
            .await?;
    }
    Ok(counts)
}

/// Makes an entry due now, in one domain if given; `false` when nothing waits there.
pub async fn retry(store: &Store, id: QueueId, domain: Option<String>) -> Result<bool> {
    store
        .transact(move |tx| tx.retry(id, domain.as_deref()))
        .await
}

/// Makes everything due now, in one domain if given; how many entries.
pub async fn retry_all(store: &Store, domain: Option<String>) -> Result<u64> {
    let mut retried = 0;
    let mut from = Some(QueueId(0));
    while let Some(place) = from {
        let wanted = domain.clone();
        let (some, next) = store
            .transact(move |tx| tx.retry_page(place, wanted.as_deref()))
            .await?;
        retried += some;
        from = next;
    }
    Ok(retried)
}

/// Keeps an entry from being sent; `false` when it is gone. An attempt under way finishes.
pub async fn hold(store: &Store, id: QueueId, reason: String) -> Result<bool> {
    store.transact(move |tx| tx.hold(id, &reason)).await
}

/// Lets a held entry go on; `false` when it is gone or was not held.
pub async fn release(store: &Store, id: QueueId) -> Result<bool> {
    store.transact(move |tx| tx.release(id)).await
}

/// Forgets an entry without telling anybody; `None` when it is gone.
pub async fn drop_entry(store: &Store, id: QueueId) -> Result<Option<Entry>> {
    store.transact(move |tx| tx.drop_entry(id)).await
}
