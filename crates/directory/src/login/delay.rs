//! Delays for failed logins, keyed by client network *and* account name.
//!
//! Whoever guesses waits longer and longer; others behind the same address translator, and the same person
//! elsewhere, do not. A program that repeats the same wrong password (Apple Mail and phones do so for hours
//! after a password change) waits, but not longer each time. All of it is soft state in memory.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest delay: clients give up on a silent server after 30 to 60 seconds.
pub(super) const LONGEST: Duration = Duration::from_secs(30);
/// A failure is half forgotten after this time without another.
const HALF_LIFE: Duration = Duration::from_mins(5);
/// Failures are counted up to here: enough for [`LONGEST`], and forgotten in half an hour.
const COUNTED: u32 = 8;
/// Different wrong passwords remembered for a pair.
const REMEMBERED: usize = 8;
/// Logins that may wait at once for a pair; more are refused, or many connections would guess in parallel.
const WAITING: u32 = 8;
/// Pairs kept: some 200 octets each, 10 MB at most. When full, the oldest half goes.
const PAIRS: usize = 50_000;

/// A client network (IPv4 address, IPv6 /64) with a folded account name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    network: IpAddr,
    name: String,
}

impl Pair {
    pub(super) fn new(remote: IpAddr, name: String) -> Self {
        Self {
            network: network(remote),
            name,
        }
    }
}

/// An IPv6 customer has a /64 at least, so single addresses say nothing.
fn network(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    let [a, b, c, d, ..] = v6.segments();
    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
}

#[derive(Debug)]
struct Failures {
    count: u32,
    seen: Vec<[u8; 16]>,
    waiting: u32,
    last: Instant,
}

impl Failures {
    fn new(now: Instant) -> Self {
        Self {
            count: 0,
            seen: Vec::new(),
            waiting: 0,
            last: now,
        }
    }
    fn decay(&mut self, now: Instant) {
        let halves = now.saturating_duration_since(self.last).as_secs() / HALF_LIFE.as_secs();
        if halves > 0 {
            self.count = self
                .count
                .checked_shr(u32::try_from(halves).unwrap_or(u32::MAX))
                .unwrap_or(0);
            self.last = now;
            if self.count == 0 {
                self.seen.clear();
            }
        }
    }
    fn delay(&self) -> Duration {
        match self.count {
            0 => Duration::ZERO,
            n => Duration::from_secs(1 << (n - 1).min(5)).min(LONGEST),
        }
    }
}

/// All pairs with recent failures.
#[derive(Debug, Default)]
pub(super) struct Delays(Mutex<HashMap<Pair, Failures>>);

/// Too many logins of a pair wait already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Crowded;

impl Delays {
    /// Waits as long as earlier failures of the pair demand; returns how long that was. Cancel-safe.
    pub(super) async fn wait(&self, pair: &Pair) -> Result<Duration, Crowded> {
        let delay = {
            let mut pairs = self.pairs();
            let Some(failures) = pairs.get_mut(pair) else {
                return Ok(Duration::ZERO);
            };
            failures.decay(Instant::now());
            let delay = failures.delay();
            if delay.is_zero() {
                return Ok(delay);
            }
            if failures.waiting >= WAITING {
                return Err(Crowded);
            }
            failures.waiting += 1;
            delay
        };
        let _waiting = Waiting { delays: self, pair };
        tokio::time::sleep(delay).await;
        Ok(delay)
    }

    /// Notes a failure and waits the rest of what it costs. `password` is a keyed hash of what was tried, if
    /// it is known.
    pub(super) async fn failed(&self, pair: &Pair, password: Option<[u8; 16]>, waited: Duration) {
        let delay = {
            let now = Instant::now();
            let mut pairs = self.pairs();
            if pairs.len() >= PAIRS && !pairs.contains_key(pair) {
                let mut times: Vec<Instant> = pairs.values().map(|f| f.last).collect();
                let middle = times.len() / 2;
                let (_, &mut median, _) = times.select_nth_unstable(middle);
                pairs.retain(|_, failures| failures.last > median || failures.waiting > 0);
            }
            let failures = pairs
                .entry(pair.clone())
                .or_insert_with(|| Failures::new(now));
            failures.decay(now);
            let known = password.is_some_and(|p| failures.seen.contains(&p));
            if !known || failures.count == 0 {
                failures.count = (failures.count + 1).min(COUNTED);
                failures.last = now;
            }
            if let (Some(password), false) = (password, known) {
                if failures.seen.len() >= REMEMBERED {
                    failures.seen.remove(0);
                }
                failures.seen.push(password);
            }
            failures.delay()
        };
        tokio::time::sleep(delay.saturating_sub(waited)).await;
    }

    /// The right password came: the pair starts anew.
    pub(super) fn succeeded(&self, pair: &Pair) {
        let mut pairs = self.pairs();
        if let Some(failures) = pairs.get_mut(pair) {
            failures.count = 0;
            if failures.waiting == 0 {
                pairs.remove(pair);
            }
        }
    }

    fn pairs(&self) -> MutexGuard<'_, HashMap<Pair, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one waiting login; counted off also when its client has gone.
struct Waiting<'a> {
    delays: &'a Delays,
    pair: &'a Pair,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(failures) = self.delays.pairs().get_mut(self.pair) {
            failures.waiting = failures.waiting.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn pair(last: u8, name: &str) -> Pair {
        Pair::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), name.to_owned())
    }

    /// Tries a wrong password; how many seconds until the answer, on a clock that only moves by waiting.
    async fn fail(delays: &Delays, pair: &Pair, password: u8) -> u64 {
        let start = Instant::now();
        let waited = delays.wait(pair).await.unwrap();
        delays.failed(pair, Some([password; 16]), waited).await;
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn different_passwords_wait_longer_and_longer() {
        let delays = Delays::default();
        let mut seconds = Vec::new();
        for password in 0..8 {
            seconds.push(fail(&delays, &pair(1, "an@xa.test"), password).await);
        }
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_wrong_password_waits_but_not_longer() {
        let delays = Delays::default();
        for _ in 0..20 {
            assert_eq!(fail(&delays, &pair(1, "an@xa.test"), 7).await, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn neighbours_and_other_names_do_not_wait() {
        let delays = Delays::default();
        for password in 0..6 {
            fail(&delays, &pair(1, "an@xa.test"), password).await;
        }
        assert_eq!(
            delays.wait(&pair(1, "binh@xa.test")).await,
            Ok(Duration::ZERO)
        );
        assert_eq!(
            delays.wait(&pair(2, "an@xa.test")).await,
            Ok(Duration::ZERO)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn time_and_success_forgive() {
        let delays = Delays::default();
        let pair = pair(1, "an@xa.test");
        for password in 0..4 {
            fail(&delays, &pair, password).await;
        }
        tokio::time::advance(HALF_LIFE).await;
        assert_eq!(delays.wait(&pair).await, Ok(Duration::from_secs(2)));
        delays.succeeded(&pair);
        assert_eq!(delays.wait(&pair).await, Ok(Duration::ZERO));
        assert!(delays.pairs().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_at_once() {
        let delays = Delays::default();
        let pair = pair(1, "an@xa.test");
        fail(&delays, &pair, 1).await;
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(delays.wait(&pair))).collect();
        for future in &mut waiting {
            assert!(tokio::time::timeout(Duration::ZERO, future).await.is_err());
        }
        assert_eq!(delays.wait(&pair).await, Err(Crowded));
        waiting.pop();
        assert_eq!(delays.wait(&pair).await, Ok(Duration::from_secs(1)));
    }

    #[test]
    fn networks() {
        let network = |s: &str| network(s.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.9"), "192.0.2.9");
        assert_eq!(network("::ffff:192.0.2.9"), "192.0.2.9");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
