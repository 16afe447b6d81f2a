//! Listening sockets: who is let in, and a task for each connection.
//!
//! Invariant: accepting never ends because of one connection or of a passing shortage (no file
//! descriptors left, a peer that vanished); it ends when the server stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use congvu_wire::{Machine, Peer};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::channel::HANDSHAKE_LIMIT;
use crate::driver::{Ending, Link, drive};
use crate::gate::Gate;
use crate::service::Service;
use crate::shutdown::Shutdown;
use crate::tls::{ServerTls, Tls, TlsError};

/// Connections the kernel keeps until we accept them; Linux caps it at `net.core.somaxconn`
/// (4,096 since 5.4), and a burst after a restart is every client of an agency at once.
const BACKLOG: i32 = 4096;

/// Pause after a failed `accept`: long enough not to spin while descriptors are short, short
/// enough that nobody notices once some are free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Idle time before the kernel asks whether the peer is still there. NAT boxes forget after
/// 5 minutes or more, so this also keeps IDLE connections open through them.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(2);
/// Time between such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// Unanswered questions until the connection counts as lost: about four minutes in all.
const KEEPALIVE_RETRIES: u32 = 4;

/// An encrypted connection, for services that are no machines: reads and writes as tokio's streams do.
pub type Stream = tokio_rustls::TlsStream<TcpStream>;

/// A set of bound addresses of one kind of service.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", remedy(source))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program has it",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE, as in deploy/congvu.service"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

/// How one listener treats its connections.
#[derive(Debug, Clone)]
pub struct Door {
    /// Name in log lines.
    pub name: String,
    /// Certificates; without them there is no STARTTLS.
    pub tls: Option<ServerTls>,
    /// TLS from the first octet.
    pub implicit: bool,
    /// The limits of the server.
    pub gate: Arc<Gate>,
    /// Connections of one source here.
    pub per_source: usize,
    /// What a client hears when there is no room: a whole line of its protocol. On an implicit-TLS
    /// port nothing is said, since a handshake for every refused connection would be the load that
    /// the limit keeps away.
    pub refusal: &'static [u8],
}

impl Listener {
    /// Binds all addresses, or none. An IPv6 address takes IPv6 alone, so `[::]:25` and `0.0.0.0:25`
    /// live beside each other. Needs a tokio runtime.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let sockets = addresses
            .iter()
            .map(|&address| bind(address).map_err(|source| BindError { address, source }))
            .collect::<Result<_, _>>()?;
        Ok(Self { sockets })
    }

    /// Where it listens, with the ports the kernel chose for port 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets
            .iter()
            .filter_map(|socket| socket.local_addr().ok())
            .collect()
    }

    /// Accepts until the server stops. `make` builds machine and service of a connection.
    pub async fn serve<F, M, V>(self, door: Door, make: F, shutdown: Shutdown)
    where
        F: Fn(Peer) -> (M, V) + Send + Sync + 'static,
        M: Machine + 'static,
        V: Service<M> + 'static,
    {
        let start = move |door: Arc<Door>, stream, peer, shutdown| {
            let (mut machine, mut service) = make(peer);
            async move {
                let link = Link {
                    stream,
                    tls: door.tls.clone().map(Tls::Server),
                    implicit: door.implicit,
                };
                let ending = drive(link, &mut machine, &mut service, shutdown).await;
                report(&door.name, peer, &ending);
            }
        };
        self.accept_all(door, start, shutdown).await;
    }

    /// Accepts until the server stops; `run` gets each connection after its TLS handshake, with its TCP stream
    /// inside: for protocols whose library keeps the state itself and is no [`Machine`] (HTTP). It ends by
    /// itself when the stop begins; one that does not is cut when patience ends.
    pub async fn serve_streams<F, R>(self, door: Door, run: F, shutdown: Shutdown)
    where
        F: Fn(Peer, Stream, Shutdown) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let run = Arc::new(run);
        let start = move |door: Arc<Door>, stream, peer: Peer, shutdown: Shutdown| {
            let run = Arc::clone(&run);
            async move {
                let mut over = shutdown.clone();
                let serve = async {
                    match secure(&door, stream).await {
                        Ok(stream) => run(peer, stream, shutdown).await,
                        Err(error) => report(&door.name, peer, &Ending::Handshake(error)),
                    }
                };
                tokio::select! {
                    biased;
                    () = over.over() => report(&door.name, peer, &Ending::Cut),
                    () = serve => {}
                }
            }
        };
        self.accept_all(door, start, shutdown).await;
    }

    async fn accept_all<F, R>(self, door: Door, start: F, shutdown: Shutdown)
    where
        F: Fn(Arc<Door>, TcpStream, Peer, Shutdown) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let door = Arc::new(door);
        let start = Arc::new(start);
        let mut loops = tokio::task::JoinSet::new();
        for socket in self.sockets {
            let (door, start) = (Arc::clone(&door), Arc::clone(&start));
            let shutdown = shutdown.clone();
            loops.spawn(accept(socket, door, start, shutdown));
        }
        drop(shutdown);
        while loops.join_next().await.is_some() {}
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for connections of the last run that linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // What is accepted has the options of this socket (tcp(7)), so they are not set for each connection.
    tune(&SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The handshake of a connection that is encrypted from its first octet.
async fn secure(door: &Door, stream: TcpStream) -> Result<Stream, TlsError> {
    let tls = door.tls.clone().map(Tls::Server).ok_or(TlsError::Unset)?;
    let handshake = Box::pin(tls.handshake(stream));
    let (stream, _) = tokio::time::timeout(HANDSHAKE_LIMIT, handshake)
        .await
        .map_err(|_| TlsError::Slow)??;
    Ok(stream)
}

async fn accept<F, R>(socket: TcpListener, door: Arc<Door>, start: Arc<F>, mut shutdown: Shutdown)
where
    F: Fn(Arc<Door>, TcpStream, Peer, Shutdown) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let port = socket.local_addr().map_or(0, |address| address.port());
    let mut short = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.stopping() => return,
            accepted = socket.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => {
                short = false;
                accepted
            }
            Err(error) if of_the_peer(&error) => continue,
            Err(error) => {
                if !short {
                    warn!(listener = door.name, %error, "accept failed; trying on");
                    short = true;
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let pass = match door.gate.admit(port, remote.ip(), door.per_source) {
            Ok(pass) => pass,
            Err(full) => {
                debug!(listener = door.name, %remote, reason = %full, "connection refused");
                if !door.implicit {
                    // A new connection's send buffer is empty: a line always fits. If not, silence.
                    let _ = stream.try_write(door.refusal);
                }
                continue;
            }
        };
        let Some(peer) = ends(&stream, remote) else {
            continue;
        };
        let (door, start, shutdown) = (Arc::clone(&door), Arc::clone(&start), shutdown.clone());
        tokio::spawn(async move {
            let _pass = pass;
            start(door, stream, peer, shutdown).await;
        });
    }
}

/// Whether it was this one connection that failed, not our resources (accept(2)).
fn of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
    )
}

/// Both ends; `None` when the peer has gone already.
fn ends(stream: &TcpStream, remote: SocketAddr) -> Option<Peer> {
    let local = stream.local_addr().ok()?;
    Some(Peer { remote, local })
}

/// Options of every connection, inbound and outbound.
pub(crate) fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    // Replies are written whole; waiting to fill a packet only adds delay.
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)
}

fn report(listener: &str, peer: Peer, ending: &Ending) {
    let remote = peer.remote;
    match ending {
        Ending::Closed | Ending::Peer => debug!(listener, %remote, "connection ended"),
        other => debug!(listener, %remote, reason = %other, "connection broken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_connections_have_the_options_of_the_listener() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, _client) = tokio::join!(listener.accept(), client);
        let (stream, _) = accepted.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_RETRIES);
    }
}
