//! Keeps the store's trace records in order while the server runs: pages of fingerprints, and the end of what is
//! older than `trace.keep-days`. What a step does is in `congvu_store::trace`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use congvu_net::Shutdown;
use congvu_store::Store;
use congvu_store::trace::Keeper;
use tracing::warn;

/// Between two looks: at a hundred letters a second some six pages.
const EVERY: Duration = Duration::from_mins(1);
/// Between two steps when there is more to do, so that mail is not kept waiting.
const BREATH: Duration = Duration::from_millis(20);

/// Works until the stop. `days` can change meanwhile.
pub(crate) async fn keep(store: Store, days: Arc<AtomicU32>, mut shutdown: Shutdown) {
    let mut keeper = Keeper::default();
    loop {
        let keep = Duration::from_hours(24 * u64::from(days.load(Ordering::Relaxed)));
        let pause = match keeper.step(&store, keep).await {
            Ok(true) => BREATH,
            Ok(false) => EVERY,
            Err(error) => {
                warn!(%error, "trace records not kept in order");
                EVERY
            }
        };
        tokio::select! {
            () = shutdown.stopping() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
