//! The stop signal: one [`Stopper`] for whoever decides, a [`Shutdown`] for everybody who must end.
//!
//! Invariant: every listener, connection and worker holds a `Shutdown` as long as it lives, so
//! "no `Shutdown` left" means "everything has ended"; nobody needs a list of tasks.

use std::time::Duration;

use tokio::sync::watch;

/// How far the stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// Finish what is under way, take nothing new.
    Draining,
    /// Let go of everything now.
    Over,
}

/// The side that decides when to stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Phase>);

impl Stopper {
    /// A stopper nobody listens to yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }

    /// A signal to hand to a listener, a connection or a worker.
    pub fn signal(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }

    /// Asks everybody to finish.
    pub fn drain(&self) {
        self.0.send_if_modified(|phase| {
            let first = *phase < Phase::Draining;
            *phase = (*phase).max(Phase::Draining);
            first
        });
    }

    /// Asks everybody to finish, waits at most `patience`, then makes the rest let go.
    /// Returns whether all ended by themselves.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.drain();
        let done = tokio::time::timeout(patience, self.0.closed())
            .await
            .is_ok();
        self.0.send_replace(Phase::Over);
        if !done {
            // Letting go takes a poll of each task; a second is ample and bounds a stuck one.
            let _ = tokio::time::timeout(Duration::from_secs(1), self.0.closed()).await;
        }
        done
    }
}

impl Default for Stopper {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells connections to finish: given to the driver by whoever listens.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Phase>);

impl Shutdown {
    /// A signal that never comes, for a connection that nothing stops.
    pub fn never() -> Self {
        Self(watch::Sender::new(Phase::Running).subscribe())
    }

    /// Whether the stop has begun.
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    /// Ready once the stop has begun.
    pub async fn stopping(&mut self) {
        self.reached(Phase::Draining).await;
    }

    /// Ready once patience has ended: let go at once.
    pub async fn over(&mut self) {
        self.reached(Phase::Over).await;
    }

    async fn reached(&mut self, phase: Phase) {
        if self.0.wait_for(|now| *now >= phase).await.is_err() {
            // The stopper is gone without having stopped anybody: nothing will come.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everybody_ends_in_time() {
        let stopper = Stopper::new();
        let mut signal = stopper.signal();
        assert!(!signal.is_stopping());
        let worker = tokio::spawn(async move { signal.stopping().await });
        assert!(stopper.stop(Duration::from_secs(8)).await);
        worker.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_stubborn_are_told_to_let_go() {
        let stopper = Stopper::new();
        let mut signal = stopper.signal();
        let worker = tokio::spawn(async move { signal.over().await });
        assert!(!stopper.stop(Duration::from_secs(8)).await);
        worker.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_stopper_stops_nobody() {
        let mut signal = Shutdown::never();
        let waited = tokio::time::timeout(Duration::from_mins(1), signal.stopping()).await;
        assert!(waited.is_err());
    }
}
