//! When a recipient is tried again, when its sender is warned, and when it is given up.
//!
//! A letter is returned only on two witnesses: the wall clock says that its time is over, *and* at least
//! half of the attempts that belong to that time were made. So neither a clock that jumps forward nor a
//! machine that was off for a week returns anything. A clock that was set back cannot keep a letter for
//! ever either: twice the expected attempts end it whatever the clock says.

use std::time::Duration;

use congvu_store::Timestamp;

/// The retry schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Waiting times between attempts, growing; the last one is repeated. Not empty.
    pub delays: Vec<Duration>,
    /// When the sender is told of a delay.
    pub warn_after: Duration,
    /// When a recipient is given up.
    pub give_up_after: Duration,
}

impl Default for Schedule {
    /// RFC 5321 section 4.5.4.1: half an hour between attempts in general, four or five days in all; the
    /// first ones sooner, since most failures are greylisting and restarts.
    fn default() -> Self {
        Self {
            delays: [5, 10, 20, 40, 60, 120, 240]
                .map(Duration::from_mins)
                .to_vec(),
            warn_after: Duration::from_hours(4),
            give_up_after: Duration::from_hours(5 * 24),
        }
    }
}

/// What follows from an attempt that failed for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again then; the sender is to be told if `warn`.
    Again { at: Timestamp, warn: bool },
    /// Return it.
    GiveUp,
}

/// Shortest waiting time: a schedule of zeros must not make a busy loop.
const DELAY_LEAST: Duration = Duration::from_millis(10);
/// Attempts looked at when counting those that belong to a time.
const ATTEMPTS_MOST: u32 = 100_000;

impl Schedule {
    /// Decides after `attempts` finished attempts (at least 1) of something that arrived at `arrived`.
    pub(crate) fn decide(&self, attempts: u32, arrived: Timestamp, now: Timestamp) -> Next {
        let age =
            Duration::from_millis(u64::try_from(now.0.saturating_sub(arrived.0)).unwrap_or(0));
        let expected = self.expected(self.give_up_after);
        let enough = attempts >= expected.div_ceil(2);
        if (age >= self.give_up_after && enough) || attempts >= expected.saturating_mul(2) {
            return Next::GiveUp;
        }
        let warned_by = self.expected(self.warn_after).div_ceil(2);
        let warn = age >= self.warn_after && attempts >= warned_by;
        let at = Timestamp(now.0.saturating_add(millis(scatter(self.delay(attempts)))));
        Next::Again { at, warn }
    }

    /// The instant at which something is given up, for telling people.
    pub(crate) fn until(&self, arrived: Timestamp) -> Timestamp {
        Timestamp(arrived.0.saturating_add(millis(self.give_up_after)))
    }

    /// The longest waiting time: nothing that is due later than this from now was scheduled by this clock.
    pub(crate) fn longest(&self) -> Duration {
        self.delays
            .iter()
            .copied()
            .max()
            .unwrap_or(DELAY_LEAST)
            .max(DELAY_LEAST)
            * 2
    }

    fn delay(&self, attempts: u32) -> Duration {
        let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let delay = self
            .delays
            .get(at)
            .or(self.delays.last())
            .copied()
            .unwrap_or(DELAY_LEAST);
        delay.max(DELAY_LEAST)
    }

    /// Attempts that are made within a time; at least 2, so that one failure never returns a letter.
    fn expected(&self, within: Duration) -> u32 {
        let mut spent = Duration::ZERO;
        let mut attempts = 1;
        while attempts < ATTEMPTS_MOST {
            spent = spent.saturating_add(self.delay(attempts));
            if spent > within {
                break;
            }
            attempts += 1;
        }
        attempts.max(2)
    }
}

/// Up to a tenth more, so that what failed together does not come back together.
fn scatter(delay: Duration) -> Duration {
    delay + delay.mul_f64(fastrand::f64() / 10.0)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn decide(attempts: u32, age: i64) -> Next {
        Schedule::default().decide(
            attempts,
            Timestamp(1_000 * HOUR),
            Timestamp(1_000 * HOUR + age),
        )
    }

    #[test]
    fn waits_longer_and_longer() {
        let check = |attempts, least: i64| {
            let Next::Again { at, warn } = decide(attempts, 0) else {
                panic!("given up")
            };
            let waited = at.0 - 1_000 * HOUR;
            assert!(
                (least..=least + least / 10).contains(&waited),
                "{attempts}: {waited}"
            );
            assert!(!warn);
        };
        check(1, 5 * 60_000);
        check(2, 10 * 60_000);
        check(7, 4 * HOUR);
        check(20, 4 * HOUR);
    }

    #[test]
    fn gives_up_on_two_witnesses() {
        // Of five days some 34 attempts.
        assert_eq!(Schedule::default().expected(Duration::from_hours(120)), 35);
        assert_eq!(decide(35, 121 * HOUR), Next::GiveUp);
        assert_eq!(decide(18, 121 * HOUR), Next::GiveUp);
        assert!(matches!(decide(35, 119 * HOUR), Next::Again { .. }));
        // The clock jumped, or the machine was off: few attempts.
        assert!(matches!(
            decide(3, 10_000 * HOUR),
            Next::Again { warn: true, .. }
        ));
        // The clock was set back: attempts alone end it.
        assert!(matches!(decide(69, -500 * HOUR), Next::Again { .. }));
        assert_eq!(decide(70, -500 * HOUR), Next::GiveUp);
    }

    #[test]
    fn warns_after_hours() {
        assert!(matches!(
            decide(6, 5 * HOUR),
            Next::Again { warn: true, .. }
        ));
        assert!(matches!(
            decide(6, 3 * HOUR),
            Next::Again { warn: false, .. }
        ));
        assert!(matches!(
            decide(1, 5 * HOUR),
            Next::Again { warn: false, .. }
        ));
    }

    #[test]
    fn odd_schedules() {
        let schedule = |delays: &[u64], give_up| Schedule {
            delays: delays.iter().map(|&ms| Duration::from_millis(ms)).collect(),
            warn_after: Duration::ZERO,
            give_up_after: Duration::from_millis(give_up),
        };
        let now = Timestamp(0);
        assert!(matches!(schedule(&[], 0).decide(1, now, now), Next::GiveUp));
        assert!(matches!(
            schedule(&[0], u64::MAX).decide(1, now, now),
            Next::Again { .. }
        ));
        assert!(schedule(&[], 0).longest() > Duration::ZERO);
        assert_eq!(schedule(&[u64::MAX], 0).until(now), now);
    }
}
