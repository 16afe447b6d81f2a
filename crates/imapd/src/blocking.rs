//! Work that reads files or takes processor time, off the executor.

use congvu_store::{Error, Result};
use tokio::task::JoinHandle;

/// Runs it on a thread for blocking work.
pub(crate) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    Task::start(run).end().await
}

/// Such work under way; it goes on when this is dropped, and its result is lost.
pub(crate) struct Task<T>(JoinHandle<Result<T>>);

impl<T: Send + 'static> Task<T> {
    pub(crate) fn start(run: impl FnOnce() -> Result<T> + Send + 'static) -> Self {
        Self(tokio::task::spawn_blocking(run))
    }

    /// Waits for the result. A panic there is the caller's panic.
    pub(crate) async fn end(self) -> Result<T> {
        match self.0.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is being shut down.
            Err(_) => Err(Error::Closed),
        }
    }
}
