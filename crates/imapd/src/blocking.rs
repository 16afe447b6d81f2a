//! Work that reads files or takes processor time, off the executor.

use congvu_store::{Error, Result};

/// Runs it on a thread for blocking work. A panic there is the caller's panic.
pub(crate) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is being shut down.
        Err(_) => Err(Error::Closed),
    }
}
