//! How much somebody sent lately: sliding windows of an hour and a day, in memory only.
//!
//! Soft state: a restart forgets it. A window is estimated from two counters (this period's and the
//! share of the last one's that still lies inside), which errs by at most a few percent and costs 32 octets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use congvu_net::Network;
use congvu_store::AccountId;

use crate::settings::Rate;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// Subjects remembered before idle ones are swept out: about 8 MB, more than the accounts of a ministry.
const SUBJECTS_MOST: usize = 100_000;

/// Whose what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// Messages of an account.
    Messages(AccountId),
    /// Recipients of an account.
    Rcpts(AccountId),
    /// Messages of a client network.
    Network(Network),
}

impl Subject {
    /// The network that counts as one client: what one office or line usually has.
    pub(crate) fn network(client: IpAddr) -> Self {
        let client = client.to_canonical();
        Self::Network(Network::of(client, if client.is_ipv4() { 24 } else { 64 }))
    }
}

/// The counters of all subjects.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<HashMap<Subject, [Window; 2]>>);

/// Over the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Over {
    /// The number that was reached.
    pub limit: u32,
    /// Whether it is the day's number rather than the hour's.
    pub daily: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// Which period since 1970.
    period: u64,
    current: u32,
    previous: u32,
}

impl Book {
    /// Takes one, if both windows have room. `now` is in seconds since 1970.
    pub(crate) fn take(&self, subject: Subject, rate: Rate, now: u64) -> Result<(), Over> {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if book.len() >= SUBJECTS_MOST && !book.contains_key(&subject) {
            book.retain(|_, windows| windows[1].estimate(now, DAY) > 0);
        }
        let windows = book.entry(subject).or_default();
        for (window, length, limit) in [(windows[0], HOUR, rate.hour), (windows[1], DAY, rate.day)]
        {
            if limit > 0 && window.estimate(now, length) >= u64::from(limit) {
                return Err(Over {
                    limit,
                    daily: length == DAY,
                });
            }
        }
        windows[0].add(now, HOUR);
        windows[1].add(now, DAY);
        Ok(())
    }
}

impl Window {
    /// Counters as seen from the period of `now`. A clock that went back counts as the same period.
    fn rolled(self, now: u64, length: u64) -> Self {
        let period = now / length;
        match period.saturating_sub(self.period) {
            0 => self,
            1 => Self {
                period,
                current: 0,
                previous: self.current,
            },
            _ => Self {
                period,
                current: 0,
                previous: 0,
            },
        }
    }

    fn estimate(self, now: u64, length: u64) -> u64 {
        let rolled = self.rolled(now, length);
        let left = length - now % length;
        u64::from(rolled.current) + u64::from(rolled.previous) * left / length
    }

    fn add(&mut self, now: u64, length: u64) {
        *self = self.rolled(now, length);
        self.current = self.current.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Subject = Subject::Messages(AccountId(1));

    #[test]
    fn takes_until_the_limit_and_again_when_time_passed() {
        let book = Book::default();
        let rate = Rate { hour: 3, day: 100 };
        for _ in 0..3 {
            assert_eq!(book.take(WHO, rate, 10 * DAY), Ok(()));
        }
        assert_eq!(
            book.take(WHO, rate, 10 * DAY + 5),
            Err(Over {
                limit: 3,
                daily: false
            })
        );
        assert_eq!(
            book.take(Subject::Messages(AccountId(2)), rate, 10 * DAY + 5),
            Ok(())
        );
        // Half an hour into the next hour, half of the three still counts.
        assert_eq!(book.take(WHO, rate, 10 * DAY + HOUR + HOUR / 2), Ok(()));
        assert_eq!(book.take(WHO, rate, 10 * DAY + HOUR + HOUR / 2), Ok(()));
        assert!(book.take(WHO, rate, 10 * DAY + HOUR + HOUR / 2).is_err());
        assert_eq!(book.take(WHO, rate, 10 * DAY + 4 * HOUR), Ok(()));
    }

    #[test]
    fn the_day_binds_too_and_zero_does_not() {
        let book = Book::default();
        let rate = Rate { hour: 0, day: 4 };
        for hour in 0..4 {
            assert_eq!(book.take(WHO, rate, 10 * DAY + hour * 2 * HOUR), Ok(()));
        }
        assert_eq!(
            book.take(WHO, rate, 10 * DAY + 9 * HOUR),
            Err(Over {
                limit: 4,
                daily: true
            })
        );
        assert_eq!(
            book.take(WHO, Rate { hour: 0, day: 0 }, 10 * DAY + 9 * HOUR),
            Ok(())
        );
    }

    #[test]
    fn a_clock_that_goes_back_frees_nobody() {
        let book = Book::default();
        let rate = Rate { hour: 1, day: 10 };
        assert_eq!(book.take(WHO, rate, 10 * DAY), Ok(()));
        assert!(book.take(WHO, rate, 9 * DAY).is_err());
    }

    #[test]
    fn neighbours_are_one_network() {
        let subject = |text: &str| Subject::network(text.parse().expect("an address"));
        assert_eq!(subject("192.0.2.1"), subject("::ffff:192.0.2.250"));
        assert_ne!(subject("192.0.2.1"), subject("192.0.3.1"));
        assert_eq!(subject("2001:db8::1"), subject("2001:db8::ffff:1"));
    }
}
