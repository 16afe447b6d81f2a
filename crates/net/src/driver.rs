//! The one async driver of machines, over plain and TLS streams, server and client side.
//!
//! Invariants: a `Write` is finished before the next `step`, so a peer that does not read stops
//! its machine; the peer's time runs only while we wait for the peer, and starts anew only when
//! the machine's marker changes; after the end of input the machine may still ask and write, but
//! not read. A panic of a machine or a service ends its own task, nothing else.

use std::io;
use std::time::Duration;

use congvu_wire::{Machine, Step};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::channel::{Channel, WriteError};
use crate::service::Service;
use crate::shutdown::Shutdown;
use crate::tls::{Tls, TlsError};

/// A stream and how it may be encrypted.
pub struct Link<S> {
    /// TCP, or anything like it in tests.
    pub stream: S,
    /// What a handshake needs; `None` where the machine never says `StartTls`.
    pub tls: Option<Tls>,
    /// Handshake before the first octet (ports 465 and 993), not on `StartTls`.
    pub implicit: bool,
}

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Ending {
    /// The machine said `Close`.
    #[error("closed")]
    Closed,
    /// The peer closed its side and the machine had nothing more to do.
    #[error("closed by the peer")]
    Peer,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(#[source] io::Error),
    /// The peer stopped reading.
    #[error("the peer does not read what it is sent")]
    Stalled,
    /// The handshake failed; the connection cannot be used further.
    #[error("TLS handshake failed: {0}")]
    Handshake(#[source] TlsError),
    /// The server had no more patience while stopping.
    #[error("cut off by the stop of the server")]
    Cut,
}

/// Runs one connection to its end.
///
/// After [`Ending::Lost`], [`Ending::Stalled`], [`Ending::Handshake`] and [`Ending::Cut`] the
/// machine may have questions it never asked; the caller still holds machine and service and
/// settles what is open (the queue takes it as a temporary failure).
pub async fn drive<S, M, V>(
    link: Link<S>,
    machine: &mut M,
    service: &mut V,
    shutdown: Shutdown,
) -> Ending
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    M: Machine,
    V: Service<M>,
{
    let mut over = shutdown.clone();
    let mut connection = Connection {
        channel: Channel::Plain(link.stream),
        tls: link.tls,
        machine,
        service,
        shutdown,
        clock: Clock {
            marker: None,
            spent: Duration::ZERO,
        },
        phase: Phase::Open,
    };
    let ending = tokio::select! {
        biased;
        () = over.over() => Ending::Cut,
        ending = connection.run(link.implicit) => ending,
    };
    if matches!(ending, Ending::Closed | Ending::Peer) {
        tokio::select! {
            biased;
            () = over.over() => {}
            () = connection.channel.farewell() => {}
        }
    }
    ending
}

/// What the machine has been told about the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// `shutdown` was called.
    Stopping,
    /// `end_of_input` or `expire` was called: the machine may not read again.
    Finished,
}

/// The peer's time.
struct Clock {
    marker: Option<u64>,
    spent: Duration,
}

/// What ended a wait.
enum Event<A> {
    Came(usize),
    Lost,
    Answered(A),
    Expired,
    Stopping,
}

struct Connection<'a, S, M, V> {
    channel: Channel<S>,
    tls: Option<Tls>,
    machine: &'a mut M,
    service: &'a mut V,
    shutdown: Shutdown,
    clock: Clock,
    phase: Phase,
}

impl<S, M, V> Connection<'_, S, M, V>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    M: Machine,
    V: Service<M>,
{
    async fn run(&mut self, implicit: bool) -> Ending {
        if implicit && let Err(error) = self.secure().await {
            return Ending::Handshake(error);
        }
        loop {
            match self.machine.step() {
                Step::Write(octets) => match self.channel.write(&octets).await {
                    Ok(()) => {}
                    Err(WriteError::Stalled) => return Ending::Stalled,
                    Err(WriteError::Io(error)) => return Ending::Lost(error),
                },
                Step::Ask(ask) => {
                    // On the heap: the answer's future is the largest thing a connection has, and an
                    // idle connection does not answer.
                    let answer = Box::pin(self.service.answer(ask)).await;
                    self.machine.answer(answer);
                }
                Step::StartTls => {
                    if let Err(error) = self.secure().await {
                        return Ending::Handshake(error);
                    }
                }
                Step::Close => return Ending::Closed,
                Step::Read | Step::Wait(_) if self.phase == Phase::Finished => return Ending::Peer,
                Step::Read => {
                    let event = self.wait(std::future::pending()).await;
                    self.tell(event);
                }
                Step::Wait(ask) => {
                    let event = self.wait_asking(ask).await;
                    self.tell(event);
                }
            }
        }
    }

    /// Tells the machine what happened (what was read it has already).
    fn tell(&mut self, event: Event<M::Answer>) {
        match event {
            Event::Came(1..) => {}
            Event::Came(0) | Event::Lost => {
                self.phase = Phase::Finished;
                self.machine.end_of_input();
            }
            Event::Answered(answer) => self.machine.answer(answer),
            Event::Expired => {
                self.phase = Phase::Finished;
                self.machine.expire();
            }
            Event::Stopping => {
                self.phase = Phase::Stopping;
                self.machine.shutdown();
            }
        }
    }

    /// Reads until something comes, the peer's time ends or the server stops.
    async fn wait(&mut self, answer: impl Future<Output = M::Answer>) -> Event<M::Answer> {
        let Self {
            channel,
            machine,
            shutdown,
            clock,
            phase,
            ..
        } = self;
        listen(channel, *machine, shutdown, clock, *phase, answer).await
    }

    async fn wait_asking(&mut self, ask: M::Ask) -> Event<M::Answer> {
        let Self {
            channel,
            machine,
            service,
            shutdown,
            clock,
            phase,
            ..
        } = self;
        let answer = Box::pin(service.answer(ask));
        listen(channel, *machine, shutdown, clock, *phase, answer).await
    }

    async fn secure(&mut self) -> Result<(), TlsError> {
        let tls = self.tls.as_ref().ok_or(TlsError::Unset)?;
        let info = self.channel.secure(tls).await?;
        self.service.secured(&info);
        self.machine.secured(info);
        Ok(())
    }
}

async fn listen<S, M>(
    channel: &mut Channel<S>,
    machine: &mut M,
    shutdown: &mut Shutdown,
    clock: &mut Clock,
    phase: Phase,
    answer: impl Future<Output = M::Answer>,
) -> Event<M::Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    M: Machine,
{
    let patience = machine.patience();
    if clock.marker != Some(patience.marker) {
        *clock = Clock {
            marker: Some(patience.marker),
            spent: Duration::ZERO,
        };
    }
    let begin = Instant::now();
    let deadline = begin + patience.limit.saturating_sub(clock.spent);
    let event = tokio::select! {
        biased;
        () = shutdown.stopping(), if phase == Phase::Open => Event::Stopping,
        // Before reading, or a flood that never completes anything would never be late.
        () = tokio::time::sleep_until(deadline) => Event::Expired,
        read = channel.read(|octets| machine.input(octets)) => match read {
            Ok(octets) => Event::Came(octets),
            Err(_) => Event::Lost,
        },
        answer = answer => Event::Answered(answer),
    };
    clock.spent += begin.elapsed();
    event
}
