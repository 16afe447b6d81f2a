//! The queue's time: the wall clock, but it never goes back while the process runs.
//!
//! A wall clock set back would keep due tasks waiting; set forward it only makes them due early, which
//! costs an attempt. Neither returns a letter: see [`crate::schedule`].

use std::time::Instant;

use congvu_store::Timestamp;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    wall: Timestamp,
    since: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            wall: Timestamp::now(),
            since: Instant::now(),
        }
    }

    pub(crate) fn now(self) -> Timestamp {
        self.reading(Timestamp::now())
    }

    fn reading(self, wall: Timestamp) -> Timestamp {
        let elapsed = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.wall.0.saturating_add(elapsed).max(wall.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_not_go_back() {
        let clock = Clock::start();
        assert!(clock.reading(Timestamp(0)) >= clock.wall);
        let ahead = Timestamp(clock.wall.0 + 86_400_000);
        assert_eq!(clock.reading(ahead), ahead);
    }
}
