//! The contract between a protocol machine and its driver.
//!
//! Invariant: the driver calls `step` until it returns `Read`, `Wait` or `Close`, and calls `input`
//! only after `Read` or `Wait`. So a machine that has work left never grows its input buffer, and a
//! slow reader stops the machine (back pressure) because `Write` is finished before the next `step`.

use std::net::SocketAddr;
use std::time::Duration;

/// What a machine wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<A> {
    /// More octets from the peer.
    Read,
    /// Send these octets; `step` again once the socket took them all.
    Write(Vec<u8>),
    /// Do the TLS handshake now. The driver throws away every octet it has buffered from before
    /// the handshake, as the machine does (RFC 3207 section 5), then calls [`Machine::secured`].
    StartTls,
    /// Ask the service, then call [`Machine::answer`].
    Ask(A),
    /// Ask the service and read at the same time; whichever is ready first wins. If octets come
    /// first, the question's future is dropped, so services answer these in a cancel-safe way
    /// (IMAP IDLE).
    Wait(A),
    /// Close the connection; nothing follows.
    Close,
}

/// How long the driver waits before it calls [`Machine::expire`].
///
/// The clock restarts only when `marker` changes, never per read: a peer that drips one octet a
/// minute does not gain time (slow-loris).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Changes when the peer completes something: a command, a chunk of a body of a stated size.
    pub marker: u64,
    /// Time allowed from that change to the next one.
    pub limit: Duration,
}

/// Who is at the other end, known before the first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Remote address and port (the port is kept for evidence logs).
    pub remote: SocketAddr,
    /// Local address and port that accepted or opened the connection.
    pub local: SocketAddr,
}

/// Facts of a finished TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsInfo {
    /// `TLSv1.3`, as in a Received header.
    pub version: String,
    /// IANA name of the cipher suite.
    pub cipher: String,
    /// Server name the client asked for, without a trailing dot.
    pub sni: Option<String>,
    /// `tls-exporter` value; `None` when the session cannot export safely.
    pub binding: Option<Vec<u8>>,
    /// `tls-server-end-point` value (RFC 5929): hash of the server's certificate.
    pub end_point: Option<Vec<u8>>,
    /// Client side only: whether the peer's certificate was verified.
    pub verified: bool,
}

/// One side of one protocol as a pure value.
pub trait Machine: Send {
    /// What it asks its service.
    type Ask: Send;
    /// What the service answers.
    type Answer: Send;

    /// Octets from the peer. Any octets at all: never panics, bounded memory.
    fn input(&mut self, bytes: &[u8]);
    /// The answer to the last `Ask` or `Wait`.
    fn answer(&mut self, answer: Self::Answer);
    /// What to do next.
    fn step(&mut self) -> Step<Self::Ask>;
    /// The handshake after `Step::StartTls`, or of an implicit-TLS listener, is done.
    fn secured(&mut self, tls: TlsInfo);
    /// The peer closed its side.
    fn end_of_input(&mut self);
    /// The server stops: finish or refuse what is under way, say 421 / BYE, then `Close`.
    fn shutdown(&mut self);
    /// The time of [`Machine::patience`] ran out: say so, then `Close`.
    fn expire(&mut self);
    /// How long to wait for the peer in the present state.
    fn patience(&self) -> Patience;
}
