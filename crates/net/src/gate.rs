//! How many connections may stand at once: in all, and from one source at one listener.
//!
//! Invariant: what [`Gate::admit`] counted, dropping the [`Pass`] gives back, also when the
//! connection's task panics. Rates (messages, failed logins) are not here but in the services.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Network;

/// Bits of an IPv6 address that make one source: a /64 is what one subscriber line or office
/// segment gets, and who holds it can use any of its addresses (RFC 4291 section 2.5.4).
const IPV6_SOURCE_BITS: u8 = 64;

/// Counts connections of all listeners of a server.
#[derive(Debug)]
pub struct Gate {
    total: usize,
    exempt: Vec<Network>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_source: HashMap<(u16, Network), usize>,
}

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The server's own limit.
    #[error("too many connections")]
    Total,
    /// The limit of one source.
    #[error("too many connections from one address")]
    Source,
}

/// The right to one connection; dropped, it is free again.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    key: Option<(u16, Network)>,
}

impl Gate {
    /// At most `total` connections; sources in `exempt` have no limit of their own (a webmail
    /// server, a relay, the machine itself), yet count in the total.
    pub fn new(total: usize, exempt: Vec<Network>) -> Arc<Self> {
        Arc::new(Self {
            total,
            exempt,
            counts: Mutex::new(Counts::default()),
        })
    }

    /// Lets a connection in. `port` is the listener's, so that mail readers of an office do not
    /// use up the places of its mail server.
    pub fn admit(
        self: &Arc<Self>,
        port: u16,
        source: IpAddr,
        per_source: usize,
    ) -> Result<Pass, Full> {
        let source = source.to_canonical();
        let key = if self.exempt.iter().any(|network| network.contains(source)) {
            None
        } else {
            let bits = if source.is_ipv4() {
                32
            } else {
                IPV6_SOURCE_BITS
            };
            Some((port, Network::of(source, bits)))
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= self.total {
            return Err(Full::Total);
        }
        if let Some(key) = key {
            let count = counts.by_source.entry(key).or_default();
            if *count >= per_source {
                return Err(Full::Source);
            }
            *count += 1;
        }
        counts.total += 1;
        Ok(Pass {
            gate: Arc::clone(self),
            key,
        })
    }

    /// Connections standing now.
    pub fn standing(&self) -> usize {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .total
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self
            .gate
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        let Some(key) = self.key else { return };
        if let Some(count) = counts.by_source.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                counts.by_source.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn limits_by_source_and_listener() {
        let gate = Gate::new(10, vec![]);
        let first = gate.admit(25, ip("192.0.2.1"), 2).unwrap();
        let _second = gate.admit(25, ip("192.0.2.1"), 2).unwrap();
        assert_eq!(gate.admit(25, ip("192.0.2.1"), 2).err(), Some(Full::Source));
        assert!(gate.admit(993, ip("192.0.2.1"), 2).is_ok());
        assert!(gate.admit(25, ip("192.0.2.2"), 2).is_ok());
        drop(first);
        assert!(gate.admit(25, ip("192.0.2.1"), 2).is_ok());
    }

    #[test]
    fn an_ipv6_subnet_is_one_source() {
        let gate = Gate::new(10, vec![]);
        let _one = gate.admit(25, ip("2001:db8::1"), 1).unwrap();
        assert_eq!(
            gate.admit(25, ip("2001:db8::ffff:2"), 1).err(),
            Some(Full::Source)
        );
        assert!(gate.admit(25, ip("2001:db8:0:1::1"), 1).is_ok());
    }

    #[test]
    fn the_exempt_still_count_in_the_total() {
        let gate = Gate::new(2, vec!["127.0.0.0/8".parse().unwrap()]);
        let one = gate.admit(25, ip("127.0.0.1"), 0).unwrap();
        let _two = gate.admit(25, ip("127.0.0.1"), 0).unwrap();
        assert_eq!(gate.admit(25, ip("192.0.2.1"), 5).err(), Some(Full::Total));
        drop(one);
        assert_eq!(gate.standing(), 1);
        assert!(gate.admit(25, ip("192.0.2.1"), 5).is_ok());
        assert_eq!(gate.standing(), 1);
        assert!(gate.counts.lock().unwrap().by_source.is_empty());
    }
}
