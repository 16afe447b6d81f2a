//! Ports on 127.0.0.1 that nobody uses.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// One port a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) mx: u16,
    pub(super) submission: u16,
    pub(super) submissions: u16,
    pub(super) lmtp: u16,
    pub(super) imap: u16,
    pub(super) imaps: u16,
    pub(super) web: u16,
}

/// Above 1024, and recognisable: the usual ports with 2 before them (2,424 for LMTP's 24, 2,443 for the
/// pages' 443).
const USUAL: [u16; 7] = [2525, 2587, 2465, 2424, 2143, 2993, 2443];

impl Ports {
    /// The usual ports, or seven from `base` on; a free one in place of each that is taken.
    pub(super) fn choose(base: Option<u16>) -> io::Result<Self> {
        let wanted = match base {
            None => USUAL,
            Some(base) => [0, 1, 2, 3, 4, 5, 6].map(|offset| base.saturating_add(offset)),
        };
        // All are held until the last is chosen, so that none is given twice.
        let mut held = Vec::new();
        for port in wanted {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
            held.push((listener.local_addr()?.port(), listener));
        }
        let mut ports = held.iter().map(|(port, _)| *port);
        let mut next = || {
            ports
                .next()
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        Ok(Self {
            mx: next()?,
            submission: next()?,
            submissions: next()?,
            lmtp: next()?,
            imap: next()?,
            imaps: next()?,
            web: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let base = taken.local_addr().unwrap().port();
        let ports = Ports::choose(Some(base)).unwrap();
        assert_ne!(ports.mx, base);
        let mut all = vec![
            ports.mx,
            ports.submission,
            ports.submissions,
            ports.lmtp,
            ports.imap,
            ports.imaps,
            ports.web,
        ];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7);
    }
}
