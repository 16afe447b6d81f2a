//! Reputation: decayed counts of wanted and unwanted letters by address, network and domain.
//!
//! No loop: what the filter itself concluded is never counted. Counted is what *people* said of a letter, and what was
//! *seen* on it by stages that know neither words nor reputation nor copies. What was seen weighs half, and all of it
//! together never more than [`SEEN_MOST`], so that a fault that every letter of an origin has (a machine without a name)
//! is not counted again with every letter.

use congvu_spam::statistics::Class;
use congvu_spam::{Evidence, Family};
use serde::{Deserialize, Serialize};

use crate::soft::Soft;

/// Seconds in which counts fade to a half: two weeks. Addresses change hands, machines are cleaned.
const HALF_LIFE: f64 = 14.0 * 86_400.0;
/// Most things counted: some 6 MB. A ministry hears from a few ten thousand networks and domains in two weeks.
pub(crate) const MOST: usize = 100_000;
/// Weight of what was seen on one letter.
const SEEN: f32 = 0.5;
/// Most that was seen may count for or against: like two people.
const SEEN_MOST: f32 = 2.0;
/// Log-odds of what was seen from which a letter counts as unwanted.
const AGAINST: f32 = 2.0;
/// And below which as wanted.
const FOR: f32 = -1.5;

/// The counts of one thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    told_ham: f32,
    told_spam: f32,
    seen_ham: f32,
    seen_spam: f32,
    /// Seconds since 1970 of what stands here.
    at: i64,
}

impl Counts {
    /// Wanted letters.
    pub(crate) fn ham(self) -> f32 {
        self.told_ham + self.seen_ham
    }

    /// Unwanted letters.
    pub(crate) fn spam(self) -> f32 {
        self.told_spam + self.seen_spam
    }

    /// As they are at another time. A clock that went back fades nothing.
    pub(crate) fn at(self, now: i64) -> Self {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "seconds of some months; a factor between 0 and 1"
        )]
        let left = (-(now.saturating_sub(self.at).max(0) as f64) / HALF_LIFE).exp2() as f32;
        Self {
            told_ham: self.told_ham * left,
            told_spam: self.told_spam * left,
            seen_ham: self.seen_ham * left,
            seen_spam: self.seen_spam * left,
            at: now.max(self.at),
        }
    }
}

/// A person said so of a letter.
pub(crate) fn tell(book: &Soft<Counts>, keys: &[u64], class: Class, now: i64) {
    for key in keys {
        book.change(*key, |counts| {
            *counts = counts.at(now);
            match class {
                Class::Ham => counts.told_ham += 1.0,
                Class::Spam => counts.told_spam += 1.0,
            }
        });
    }
}

/// A letter was judged: counts what was seen on it.
pub(crate) fn see(book: &Soft<Counts>, keys: &[u64], evidence: &[Evidence], now: i64) {
    let Some(class) = seen(evidence) else {
        return;
    };
    for key in keys {
        book.change(*key, |counts| {
            *counts = counts.at(now);
            let count = match class {
                Class::Ham => &mut counts.seen_ham,
                Class::Spam => &mut counts.seen_spam,
            };
            *count = (*count + SEEN).min(SEEN_MOST);
        });
    }
}

/// What the stages that do not rest on learning and memory say, if they say it clearly.
fn seen(evidence: &[Evidence]) -> Option<Class> {
    let rests_on_memory = |family| {
        matches!(
            family,
            Family::Statistics | Family::Reputation | Family::Bulk | Family::Scan
        )
    };
    let independent = evidence.iter().filter(|one| !rests_on_memory(one.family));
    let sum: f32 = independent.map(|one| one.weight).sum();
    if sum >= AGAINST {
        Some(Class::Spam)
    } else if sum <= FOR {
        Some(Class::Ham)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use congvu_spam::Reason;

    use super::*;

    const DAY: i64 = 86_400;

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() < 0.01
    }

    fn found(family: Family, weight: f32) -> Evidence {
        Evidence {
            name: "RULE",
            family,
            weight,
            reason: Reason::new("", ""),
        }
    }

    #[test]
    fn counts_fade() {
        let book = Soft::new(MOST);
        tell(&book, &[1], Class::Spam, 100 * DAY);
        tell(&book, &[1], Class::Spam, 100 * DAY);
        let counts = book.find(1).unwrap();
        assert!(near(counts.at(100 * DAY).spam(), 2.0));
        assert!(near(counts.at(114 * DAY).spam(), 1.0));
        assert!(near(counts.at(128 * DAY).spam(), 0.5));
        // The clock went back.
        assert!(near(counts.at(50 * DAY).spam(), 2.0));
    }

    #[test]
    fn its_own_verdict_is_never_counted() {
        let book = Soft::new(MOST);
        let own = [
            found(Family::Statistics, 8.0),
            found(Family::Reputation, 1.5),
            found(Family::Bulk, 1.5),
            found(Family::Header, 0.5),
        ];
        see(&book, &[1], &own, DAY);
        assert_eq!(book.find(1), None);
        let seen = [
            found(Family::Link, 1.5),
            found(Family::Connection, 1.0),
            found(Family::Statistics, -9.0),
        ];
        for _ in 0..100 {
            see(&book, &[1], &seen, DAY);
        }
        assert!(near(book.find(1).unwrap().spam(), SEEN_MOST));
    }
}
