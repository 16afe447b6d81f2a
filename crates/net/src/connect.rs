//! Outbound connections: the addresses of a host one after another.
//!
//! Which host to try next is the queue's business, not ours.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use congvu_wire::Peer;
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::listener::tune;

/// Time to reach one address. RFC 5321 section 4.5.3.2 leaves it open; Postfix uses 30 s as well.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Addresses tried of one host. More is either a mistake or a way to keep us busy; Postfix tries 5.
pub const ADDRESSES_TRIED: usize = 5;

/// Our own addresses to send from, so that they fit reverse DNS and SPF.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source {
    /// For IPv4 destinations; `None` lets the kernel choose.
    pub v4: Option<std::net::Ipv4Addr>,
    /// For IPv6 destinations.
    pub v6: Option<std::net::Ipv6Addr>,
}

/// Why no address could be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host has no address.
    #[error("no address to connect to")]
    NoAddress,
    /// The last failure, with the address it belongs to.
    #[error("cannot connect to {address}: {source}")]
    Unreachable {
        /// The address tried last.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// The addresses of a host as the machine itself finds them: its hosts file too, which an administrator uses for
/// servers that the DNS does not know.
pub async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::time::timeout(CONNECT_LIMIT, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(found.collect())
}

/// Connects to the first address that answers. Families alternate, IPv6 first, so that a broken
/// family costs one attempt and not all of them.
pub async fn connect(
    addresses: &[SocketAddr],
    source: Source,
) -> Result<(TcpStream, Peer), ConnectError> {
    let mut failure = ConnectError::NoAddress;
    for address in interleave(addresses).into_iter().take(ADDRESSES_TRIED) {
        match attempt(address, source).await {
            Ok(connected) => return Ok(connected),
            Err(source) => failure = ConnectError::Unreachable { address, source },
        }
    }
    Err(failure)
}

async fn attempt(address: SocketAddr, source: Source) -> io::Result<(TcpStream, Peer)> {
    let (socket, own) = match address {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, source.v4.map(IpAddr::V4)),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, source.v6.map(IpAddr::V6)),
    };
    if let Some(own) = own {
        socket.bind(SocketAddr::new(own, 0))?;
    }
    let stream = tokio::time::timeout(CONNECT_LIMIT, socket.connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    tune(&SockRef::from(&stream))?;
    let peer = Peer {
        remote: stream.peer_addr()?,
        local: stream.local_addr()?,
    };
    Ok((stream, peer))
}

/// IPv6 and IPv4 in turn, each in its given order.
pub fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut v6 = addresses.iter().filter(|address| address.is_ipv6());
    let mut v4 = addresses.iter().filter(|address| address.is_ipv4());
    let mut mixed = Vec::with_capacity(addresses.len());
    while mixed.len() < addresses.len() {
        mixed.extend(v6.next());
        mixed.extend(v4.next());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate() {
        let check = |given: &[&str], expected: &[&str]| {
            let parse = |list: &[&str]| -> Vec<SocketAddr> {
                list.iter().map(|text| text.parse().unwrap()).collect()
            };
            assert_eq!(interleave(&parse(given)), parse(expected));
        };
        check(&[], &[]);
        check(
            &["192.0.2.1:25", "192.0.2.2:25"],
            &["192.0.2.1:25", "192.0.2.2:25"],
        );
        check(
            &["192.0.2.1:25", "192.0.2.2:25", "[2001:db8::1]:25"],
            &["[2001:db8::1]:25", "192.0.2.1:25", "192.0.2.2:25"],
        );
    }

    #[tokio::test]
    async fn goes_on_to_the_address_that_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        // Bound but not listening: refused at once, and nobody else can take the port meanwhile.
        let shut = TcpSocket::new_v4().unwrap();
        shut.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let closed = shut.local_addr().unwrap();
        let source = Source {
            v4: Some("127.0.0.2".parse().unwrap()),
            v6: None,
        };
        let (_stream, peer) = connect(&[closed, open], source).await.unwrap();
        assert_eq!(peer.remote, open);
        assert_eq!(peer.local.ip().to_string(), "127.0.0.2");

        let error = connect(&[closed], Source::default()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { address, .. } if address == closed));
        assert!(matches!(
            connect(&[], Source::default()).await,
            Err(ConnectError::NoAddress)
        ));
    }
}
