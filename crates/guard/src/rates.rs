//! How many letters an origin sends in an hour, and how many it usually does.
//!
//! The usual is an average over hours that fades within a week. Nothing is said before the memory itself is a day old:
//! to a memory that knows nothing everybody is unusual.

use congvu_spam::facts::Rate;
use serde::{Deserialize, Serialize};

use crate::soft::Soft;

const HOUR: i64 = 3_600;
/// Hours over which the usual is averaged: a week, for nights and Sundays are quiet everywhere.
const WEEK: f32 = 168.0;
/// Hours after which nothing of the average is left worth a number.
const FORGOTTEN: i64 = 8 * 168;
/// Age of the memory from which on it speaks, seconds.
pub(crate) const GROWN: i64 = 24 * HOUR;
/// Most origins counted: some 3 MB.
pub(crate) const MOST: usize = 50_000;

/// The pace of one origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pace {
    /// Hours since 1970.
    hour: i64,
    /// Messages in that hour so far.
    current: u32,
    /// In the hour before.
    previous: u32,
    /// In an ordinary hour before these.
    usual: f32,
}

impl Pace {
    /// As seen from the hour of `now`. A clock that went back counts as the same hour.
    fn rolled(self, now: i64) -> Self {
        let hour = now.div_euclid(HOUR);
        let passed = hour.saturating_sub(self.hour);
        if passed <= 0 {
            return self;
        }
        if self.hour == 0 || passed > FORGOTTEN {
            return Self {
                hour,
                ..Self::default()
            };
        }
        let after = |usual: f32, count: u32| usual + (as_float(count) - usual) / WEEK;
        // What was the hour before enters the average; the last hour does when it is the one before.
        let mut usual = after(self.usual, self.previous);
        if passed > 1 {
            usual = after(usual, self.current);
            let idle = i32::try_from(passed - 2).unwrap_or(i32::MAX);
            usual *= (1.0 - 1.0 / WEEK).powi(idle);
        }
        Self {
            hour,
            current: 0,
            previous: if passed == 1 { self.current } else { 0 },
            usual,
        }
    }
}

/// Counts a message.
pub(crate) fn count(book: &Soft<Pace>, key: u64, now: i64) {
    book.change(key, |pace| {
        *pace = pace.rolled(now);
        pace.current = pace.current.saturating_add(1);
    });
}

/// The pace now, the message that is being judged included.
pub(crate) fn rate(book: &Soft<Pace>, key: u64, now: i64) -> Rate {
    let pace = book.find(key).unwrap_or_default().rolled(now);
    let left = u32::try_from(HOUR - now.rem_euclid(HOUR)).unwrap_or(0);
    let of_before = u64::from(pace.previous) * u64::from(left) / 3_600;
    let messages = u64::from(pace.current) + of_before + 1;
    Rate {
        messages: u32::try_from(messages).unwrap_or(u32::MAX),
        usual: pace.usual,
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "messages of an hour, averaged roughly"
)]
fn as_float(count: u32) -> f32 {
    count as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn habit_and_haste() {
        let book = Soft::new(MOST);
        let start = 490_000 * HOUR;
        for hour in 0..336 {
            for _ in 0..20 {
                count(&book, 1, start + hour * HOUR);
            }
        }
        let now = start + 336 * HOUR;
        let usual = rate(&book, 1, now).usual;
        assert!(usual > 15.0 && usual < 20.0, "{usual}");
        for _ in 0..300 {
            count(&book, 1, now + HOUR / 2);
        }
        let found = rate(&book, 1, now + HOUR / 2);
        // Half of the hour before still lies within an hour.
        assert_eq!(found.messages, 300 + 10 + 1);
        assert!(found.usual < 21.0);
        let later = rate(&book, 1, now + 170 * HOUR);
        assert_eq!(later.messages, 1);
        assert!(later.usual < 10.0);
    }

    #[test]
    fn a_stranger_has_no_habit() {
        let book = Soft::new(MOST);
        let now = 490_000 * HOUR;
        count(&book, 1, now);
        let found = rate(&book, 1, now);
        assert_eq!(found.messages, 2);
        assert!(found.usual.abs() < f32::EPSILON);
        // A clock that goes back loses nothing.
        assert_eq!(rate(&book, 1, now - 5 * HOUR).messages, 2);
    }
}
