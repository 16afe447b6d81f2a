//! The queue's time: the wall clock, but it never goes back, nor stays behind the store's.
//!
//! A wall clock set back would keep due tasks waiting; set forward it only makes them due early, which
//! costs an attempt. Neither returns a letter: see [`crate::schedule`].
//!
//! The time of transactions, which makes a new letter due, never goes back either, also over a restart. After
//! a jump forward and back it stands still far ahead; the queue's goes on from there, or new letters would
//! wait until the wall clock has caught up.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use congvu_store::Timestamp;

#[derive(Debug)]
pub(crate) struct Clock(Mutex<Base>);

/// An instant that both clocks know.
#[derive(Debug, Clone, Copy)]
struct Base {
    time: Timestamp,
    since: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Mutex::new(Base {
            time: Timestamp::now(),
            since: Instant::now(),
        }))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.reading(Timestamp::now())
    }

    /// It was this time already: goes on from there, if that is ahead.
    pub(crate) fn not_before(&self, time: Timestamp) {
        if time > self.now() {
            let mut base = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *base = Base {
                time,
                since: Instant::now(),
            };
        }
    }

    /// With a wall clock that shows this. What it has shown before it never falls behind.
    fn reading(&self, wall: Timestamp) -> Timestamp {
        let mut base = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = i64::try_from(base.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        let steady = Timestamp(base.time.0.saturating_add(elapsed));
        if wall <= steady {
            return steady;
        }
        *base = Base {
            time: wall,
            since: Instant::now(),
        };
        wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn does_not_go_back() {
        let clock = Clock::start();
        let begun = clock.now();
        assert!(clock.reading(Timestamp(0)) >= begun);
        let ahead = Timestamp(begun.0 + DAY);
        assert_eq!(clock.reading(ahead), ahead);
        // What was put off while it was ahead comes due all the same.
        assert!(clock.reading(begun) >= ahead);
    }

    #[test]
    fn goes_on_from_the_time_of_the_store() {
        let clock = Clock::start();
        let ahead = Timestamp(clock.now().0 + DAY);
        clock.not_before(ahead);
        assert!(clock.now() >= ahead);
        assert!(clock.now().0 < ahead.0 + DAY);
        let begun = clock.now();
        clock.not_before(Timestamp(0));
        assert!(clock.now() >= begun);
    }
}
