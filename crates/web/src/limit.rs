//! How often one source may be wrong. Links cannot be guessed; this keeps who tries from costing us anything, and
//! from filling the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use congvu_net::Network;

/// Wrong links of a source in [`SPAN`]: more than an office finds among its old letters.
const MOST: u32 = 30;
/// Then it is begun anew.
const SPAN: Duration = Duration::from_mins(10);
/// Sources remembered; beyond, all are forgotten, which is to the good of whoever was wrong.
const SOURCES: usize = 10_000;
/// Bits of an IPv6 address that make one source, as for connections (`net::gate`).
const IPV6_BITS: u8 = 64;

/// Counts wrong links.
#[derive(Debug, Default)]
pub(crate) struct Limit(Mutex<HashMap<Network, (u32, Instant)>>);

impl Limit {
    /// Whether a source was wrong too often.
    pub(crate) fn is_over(&self, source: IpAddr, now: Instant) -> bool {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .get(&network(source))
            .is_some_and(|(count, since)| *count >= MOST && now.duration_since(*since) < SPAN)
    }

    /// A source was wrong.
    pub(crate) fn note(&self, source: IpAddr, now: Instant) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= SOURCES {
            counts.retain(|_, (_, since)| now.duration_since(*since) < SPAN);
        }
        if counts.len() >= SOURCES {
            counts.clear();
        }
        let (count, since) = counts.entry(network(source)).or_insert((0, now));
        if now.duration_since(*since) >= SPAN {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
    }
}

fn network(source: IpAddr) -> Network {
    let bits = if source.is_ipv4() { 32 } else { IPV6_BITS };
    Network::of(source, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_too_often_waits() {
        let limit = Limit::default();
        let begin = Instant::now();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..MOST {
            assert!(!limit.is_over(one, begin));
            limit.note(one, begin);
        }
        assert!(limit.is_over(one, begin) && !limit.is_over(other, begin));
        assert!(!limit.is_over(one, begin + SPAN));
        limit.note(one, begin + SPAN);
        assert!(!limit.is_over(one, begin + SPAN));
        for number in 0..2 * u32::try_from(SOURCES).unwrap() {
            limit.note(IpAddr::V4(number.into()), begin);
        }
        assert!(limit.0.lock().unwrap().len() <= SOURCES);
        let (near, far) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8::ffff".parse().unwrap(),
        );
        for _ in 0..MOST {
            limit.note(near, begin);
        }
        assert!(limit.is_over(far, begin));
    }
}
