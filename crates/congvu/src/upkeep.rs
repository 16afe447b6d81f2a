//! What the running server does for its store by itself: compaction, once a day and when the disk is nearly full;
//! the reserve for the day on which it is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use congvu_store::Store;
use congvu_store::compact::Pacing;
use tracing::{debug, error, info};

/// How often it is looked whether something is to be done.
const LOOK: Duration = Duration::from_mins(10);
/// After the start others come first.
const FIRST: Duration = Duration::from_hours(1);
/// From one compaction to the next: what expires in a day is not worth reading the index for more often.
const EVERY: Duration = Duration::from_hours(24);
/// The same when the disk is nearly full.
const EVERY_TIGHT: Duration = Duration::from_hours(1);

/// Looks after the store until aborted. `rate` is in octets a second and may change; 0 = not at all.
pub(crate) async fn run(store: Store, rate: Arc<AtomicU64>) {
    let started = Instant::now();
    let mut last: Option<Instant> = None;
    loop {
        let worker = store.clone();
        let reserved = tokio::task::spawn_blocking(move || worker.keep_reserve()).await;
        if let Ok(Err(error)) = reserved {
            debug!(%error, "no reserve");
        }
        tokio::time::sleep(LOOK).await;
        let rate = rate.load(Ordering::Relaxed);
        let tight = store.nearly_full();
        let due = match last {
            None => tight || started.elapsed() >= FIRST,
            Some(last) => last.elapsed() >= if tight { EVERY_TIGHT } else { EVERY },
        };
        if rate == 0 || !due {
            continue;
        }
        let worker = store.clone();
        let pacing = Pacing {
            rate: Some(rate),
            asked: false,
        };
        let done = tokio::task::spawn_blocking(move || worker.compact(pacing)).await;
        match done {
            Ok(Ok(done)) => {
                let given_back = done.before.saturating_sub(done.after);
                let (rewritten, dropped) = (done.rewritten, done.dropped);
                info!(rewritten, dropped, given_back, "store compacted");
            }
            Ok(Err(error)) => error!(%error, "store not compacted"),
            Err(error) => error!(%error, "compaction broken off"),
        }
        last = Some(Instant::now());
    }
}
