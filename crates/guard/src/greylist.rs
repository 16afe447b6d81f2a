//! Greylisting: a doubtful letter is asked to come again in a while. Programs that send spam rarely do, mail servers always.
//!
//! Only the doubtful middle is asked, after the whole letter was judged. Who comes again after a minute, within a day and
//! from the same place (network or confirmed domain) is taken and known for five weeks. State is soft: losing it delays
//! a doubtful letter once more and loses none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::soft::Soft;

/// Time before which the same letter is not taken: the first retry of mail servers comes after one to fifteen minutes,
/// that of a program which simply tries twice at once.
const WAIT: Duration = Duration::from_mins(1);
/// Seconds within which it must have come again. Servers try for days, the first times within the hour.
const WINDOW: i64 = 86_400;
/// Seconds for which who passed is known: a monthly circular stays known.
const KNOWN: i64 = 36 * 86_400;
/// Most triplets: some 6 MB.
pub(crate) const MOST: usize = 100_000;

/// Between which probabilities letters are doubtful, and whether they are asked to come again at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Greylist {
    /// Off unless an administrator says so: letters of strangers are delayed by what their servers think fit, minutes or
    /// hours, and programs that never come again lose them on their side. That is worth it only where doubt is rare.
    pub enabled: bool,
    /// From this probability of spam on.
    pub from: f32,
    /// Below this one: what is surely spam goes where it belongs at once.
    pub below: f32,
    /// Time before which the same letter is not taken.
    pub wait: Duration,
}

impl Default for Greylist {
    fn default() -> Self {
        Self {
            enabled: false,
            from: 0.6,
            below: 0.98,
            wait: WAIT,
        }
    }
}

impl Greylist {
    /// Whether a probability lies in the doubtful middle, and greylisting is on.
    pub fn doubts(&self, probability: f32) -> bool {
        self.enabled && probability >= self.from && probability < self.below
    }
}

/// One triplet of place, sender and recipient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tried {
    /// First attempt, seconds since 1970; 0 = none.
    first: i64,
    /// When it passed last; 0 = never.
    passed: i64,
}

/// Whether the letter may pass; remembers the attempt. `keys` are its triplets, one for each place and recipient: one
/// that passes is enough. No keys (nothing to recognise it by) pass.
pub(crate) fn pass(book: &Soft<Tried>, keys: &[u64], wait: Duration, now: i64) -> bool {
    let wait = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    let found = |key: &u64| book.find(*key).unwrap_or_default();
    let passes = keys.is_empty() || keys.iter().map(found).any(|tried| tried.passes(wait, now));
    for key in keys {
        book.change(*key, |tried| {
            if passes {
                tried.passed = now;
            } else if !tried.waits(now) {
                tried.first = now;
            }
        });
    }
    passes
}

impl Tried {
    fn passes(self, wait: i64, now: i64) -> bool {
        let known = self.passed > 0 && now - self.passed < KNOWN;
        // A clock that went back delays nobody.
        let ahead = self.first > now;
        known || ahead || self.waits(now) && now - self.first >= wait
    }

    fn waits(self, now: i64) -> bool {
        self.first > 0 && now - self.first <= WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_800_000_000;

    fn try_at(book: &Soft<Tried>, keys: &[u64], now: i64) -> bool {
        pass(book, keys, WAIT, now)
    }

    #[test]
    fn the_second_attempt_passes_after_a_minute() {
        let book = Soft::new(MOST);
        assert!(!try_at(&book, &[1, 2], START));
        assert!(!try_at(&book, &[1, 2], START + 59));
        // From another place of the two.
        assert!(try_at(&book, &[3, 2], START + 60));
        // Known from now on, from all of them.
        assert!(try_at(&book, &[3], START + 61));
        assert!(try_at(&book, &[1], START + 61));
        assert!(try_at(&book, &[3], START + 61 + KNOWN - 1));
        assert!(!try_at(&book, &[2], START + 3 * KNOWN));
    }

    #[test]
    fn a_day_later_it_is_a_first_attempt() {
        let book = Soft::new(MOST);
        assert!(!try_at(&book, &[1], START));
        assert!(!try_at(&book, &[1], START + WINDOW + 1));
        assert!(try_at(&book, &[1], START + WINDOW + 1 + 60));
    }

    #[test]
    fn a_broken_clock_delays_nobody() {
        let book = Soft::new(MOST);
        assert!(!try_at(&book, &[1], START));
        assert!(try_at(&book, &[1], START - 100));
        assert!(try_at(&book, &[], START));
    }

    #[test]
    fn only_the_middle_is_doubtful() {
        let on = Greylist {
            enabled: true,
            ..Greylist::default()
        };
        assert!(!on.doubts(0.5) && on.doubts(0.6) && on.doubts(0.9) && !on.doubts(0.98));
        assert!(!Greylist::default().doubts(0.8));
    }
}
