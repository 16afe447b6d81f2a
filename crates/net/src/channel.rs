//! A connection's stream, plain or encrypted, with the few acts the driver needs.
//!
//! Invariant: octets go from the socket straight into the machine. Nothing is kept here, so an
//! idle connection holds no read buffer, and nothing read before a handshake can survive it.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use congvu_wire::TlsInfo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsStream;

use crate::tls::{Tls, TlsError};

/// Octets read at once: one TLS record (RFC 8446 section 5.1), on the stack of the poll.
const READ_SIZE: usize = 16 * 1024;

/// Octets written under one deadline.
const WRITE_SLICE: usize = 64 * 1024;

/// Time for a peer to take one [`WRITE_SLICE`]: some 4.4 kbit/s, slower than any line in use,
/// while a peer that stops reading holds its memory for two minutes at most.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_mins(2);

/// Time for a TLS handshake: two round trips and a signature; 30 s also covers a satellite line.
pub(crate) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

/// Time to say goodbye: close_notify, and the peer's own end, so that unread octets do not make the
/// kernel reset the connection and destroy our last reply on its way.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);

/// Octets thrown away while saying goodbye.
const FAREWELL_SIZE: usize = 256 * 1024;

/// The stream of a connection.
pub(crate) enum Channel<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
    /// A handshake took the stream and failed.
    Gone,
}

/// What may happen to a write.
#[derive(Debug)]
pub(crate) enum WriteError {
    Io(io::Error),
    Stalled,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Channel<S> {
    /// Reads once and gives what came to `take`; returns how many octets, 0 at the end.
    pub(crate) async fn read(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        let read: io::Result<usize> = poll_fn(|context| {
            let mut space = [MaybeUninit::<u8>::uninit(); READ_SIZE];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(match self {
                Self::Plain(stream) => Pin::new(stream).poll_read(context, &mut buffer),
                Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, &mut buffer),
                Self::Gone => Poll::Ready(Ok(())),
            })?;
            let octets = buffer.filled();
            if !octets.is_empty() {
                take(octets);
            }
            Poll::Ready(Ok(octets.len()))
        })
        .await;
        match read {
            // Many clients close TCP without close_notify; lines and literals have their own ends,
            // so nothing is cut silently by taking it as an end.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }

    /// Writes everything, or says why not.
    pub(crate) async fn write(&mut self, octets: &[u8]) -> Result<(), WriteError> {
        for slice in octets.chunks(WRITE_SLICE) {
            let written = tokio::time::timeout(WRITE_LIMIT, async {
                match self {
                    Self::Plain(stream) => stream.write_all(slice).await,
                    Self::Tls(stream) => {
                        stream.write_all(slice).await?;
                        stream.flush().await
                    }
                    Self::Gone => Err(io::ErrorKind::NotConnected.into()),
                }
            });
            match written.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(WriteError::Io(error)),
                Err(_) => return Err(WriteError::Stalled),
            }
        }
        Ok(())
    }

    /// Encrypts the channel.
    pub(crate) async fn secure(&mut self, tls: &Tls) -> Result<TlsInfo, TlsError> {
        let Self::Plain(stream) = std::mem::replace(self, Self::Gone) else {
            return Err(TlsError::Twice);
        };
        // On the heap: the handshake's state is large and short-lived, the connection's task is not.
        let handshake = Box::pin(tls.handshake(stream));
        let (stream, info) = tokio::time::timeout(HANDSHAKE_LIMIT, handshake)
            .await
            .map_err(|_| TlsError::Slow)??;
        *self = Self::Tls(Box::new(stream));
        Ok(info)
    }

    /// Ends our side and waits a moment for the peer's end.
    pub(crate) async fn farewell(&mut self) {
        let _ = tokio::time::timeout(FAREWELL_LIMIT, async {
            let ended = match self {
                Self::Plain(stream) => stream.shutdown().await,
                Self::Tls(stream) => stream.shutdown().await,
                Self::Gone => return,
            };
            if ended.is_err() {
                return;
            }
            let mut rest = FAREWELL_SIZE;
            while let Ok(1..) = self
                .read(|octets| rest = rest.saturating_sub(octets.len()))
                .await
            {
                if rest == 0 {
                    break;
                }
            }
        })
        .await;
    }
}
