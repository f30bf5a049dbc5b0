//! What the mesh asks of a transport, and which one it is.
//!
//! A *connection* is what two endpoints keep between them: it shows that the peer is alive, and
//! carries abort notices. A *stream* carries one session or conversation. Over QUIC the streams of
//! a connection share it; over TCP each is a TLS connection of its own beside the one that stands
//! for the pair.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use quinn::{ConnectionError, ReadError, RecvStream, SendStream};

use super::pipe::{End, Parts};
use super::wire::{ACK, DONE};
use crate::tcp;

/// The port of an endpoint.
#[derive(Clone)]
pub(crate) enum Port {
    Quic(quinn::Endpoint),
    Tcp(Arc<tcp::Port>),
}

impl Port {
    pub(crate) fn connections(&self) -> usize {
        match self {
            Self::Quic(quinn) => quinn.open_connections(),
            Self::Tcp(port) => port.connections(),
        }
    }

    /// Closes every connection, and gives the word of it some time to leave.
    pub(crate) async fn close(&self) {
        const LEAVE: Duration = Duration::from_millis(200);
        match self {
            Self::Quic(quinn) => {
                quinn.close(DONE.into(), b"done");
                // Peers that miss it notice by the idle time.
                let _ = tokio::time::timeout(LEAVE, quinn.wait_idle()).await;
            }
            Self::Tcp(port) => {
                let _ = tokio::time::timeout(LEAVE, port.close()).await;
            }
        }
    }
}

/// A connection to a peer.
#[derive(Clone)]
pub(crate) enum Connection {
    Quic(quinn::Connection),
    Tcp(Arc<tcp::Control>),
}

impl Connection {
    /// A number that no other connection of this endpoint has.
    pub(crate) fn id(&self) -> usize {
        match self {
            Self::Quic(connection) => connection.stable_id(),
            Self::Tcp(control) => control.id(),
        }
    }

    pub(crate) fn live(&self) -> bool {
        match self {
            Self::Quic(connection) => connection.close_reason().is_none(),
            Self::Tcp(control) => control.live(),
        }
    }

    pub(crate) fn close(&self, reason: &str) {
        match self {
            Self::Quic(connection) => connection.close(DONE.into(), reason.as_bytes()),
            Self::Tcp(control) => control.close(),
        }
    }

    /// Sends an abort notice, and waits until the peer has it.
    pub(crate) async fn tell(&self, message: Bytes) -> Option<()> {
        match self {
            Self::Quic(connection) => {
                let mut stream = connection.open_uni().await.ok()?;
                stream.write_chunk(message).await.ok()?;
                stream.finish().ok()?;
                stream.stopped().await.ok().map(drop)
            }
            Self::Tcp(control) => control.tell(&message).await,
        }
    }

    /// Round-trip time; `None` if the connection ends meanwhile.
    pub(crate) async fn round_trip(&self) -> Option<Duration> {
        match self {
            Self::Quic(connection) => Some(connection.rtt()),
            Self::Tcp(control) => control.ping().await,
        }
    }
}

/// Where the seeds of a stream come from.
pub(crate) enum Exporter {
    Quic(quinn::Connection),
    Tcp(Arc<tcp::Wire>),
}

impl Exporter {
    /// Draws a secret from the TLS exporter (RFC 8446, section 7.5); false if that is not possible.
    pub(crate) fn draw(&self, secret: &mut [u8; 32], label: &[u8], context: &[u8]) -> bool {
        match self {
            Self::Quic(connection) => {
                connection.export_keying_material(secret, label, context).is_ok()
            }
            Self::Tcp(wire) => wire.export(secret, label, context),
        }
    }
}

/// How a connection was lost.
pub(crate) enum Loss {
    Quic(ConnectionError),
    /// The stream broke off; its connection may know why.
    Tcp(Arc<tcp::Control>),
    /// The connection itself broke off.
    Cut(String),
}

impl Loss {
    /// The same in words.
    pub(crate) fn cause(&self, idle: Duration) -> String {
        let silent = || format!("no sign of life for {} s", idle.as_secs_f32());
        match self {
            Self::Quic(ConnectionError::TimedOut) => silent(),
            Self::Quic(ConnectionError::Reset) => "its process was restarted".into(),
            Self::Quic(ConnectionError::ApplicationClosed(_)) => "it closed the connection".into(),
            Self::Quic(ConnectionError::LocallyClosed) => "this side closed the connection".into(),
            Self::Quic(other) => other.to_string(),
            Self::Tcp(control) => match control.ending() {
                Some(tcp::Ending::Silent) => silent(),
                Some(tcp::Ending::Closed) => "it closed the connection".into(),
                Some(tcp::Ending::Broken) => "the connection broke off".into(),
                Some(tcp::Ending::Here) => "this side closed the connection".into(),
                None => "it gave the session up".into(),
            },
            Self::Cut(cause) => cause.clone(),
        }
    }
}

/// The sending end of a stream.
pub(crate) enum Sink {
    Quic(SendStream),
    Tcp(Arc<tcp::Wire>),
}

impl Sink {
    /// Writes as much as fits; true if nothing is left to do.
    pub(crate) fn write_now(&mut self, parts: &mut Parts) -> bool {
        match self {
            Self::Quic(stream) => {
                let mut context = Context::from_waker(Waker::noop());
                while let Some(first) = first(parts) {
                    match pin!(stream.write_chunks(&mut parts[first..])).poll(&mut context) {
                        Poll::Ready(Ok(_)) => {}
                        Poll::Ready(Err(_)) => return true,
                        Poll::Pending => return false,
                    }
                }
                true
            }
            // That the peer is gone shows at the receiving end.
            Self::Tcp(wire) => wire.write_now(parts).unwrap_or(true),
        }
    }

    /// Writes everything; false if the stream is gone.
    pub(crate) async fn write_all(&mut self, parts: &mut Parts) -> bool {
        match self {
            Self::Quic(stream) => match first(parts) {
                Some(first) => stream.write_all_chunks(&mut parts[first..]).await.is_ok(),
                None => true,
            },
            Self::Tcp(wire) => wire.write_all(parts).await.is_ok(),
        }
    }

    /// Ends the stream, and waits until the peer has it all.
    pub(crate) async fn finish(&mut self) {
        match self {
            Self::Quic(stream) => {
                if stream.finish().is_ok() {
                    let _ = stream.stopped().await;
                }
            }
            Self::Tcp(wire) => wire.end().await,
        }
    }

    /// Lets the peer know that there is a place for its stream.
    pub(crate) async fn accept(&mut self) {
        self.write_all(&mut [Bytes::from_static(&[ACK]), Bytes::new()]).await;
    }

    /// Turns the stream away.
    pub(crate) fn refuse(self, code: u32) {
        match self {
            Self::Quic(mut stream) => drop(stream.reset(code.into())),
            Self::Tcp(wire) => drop(tokio::spawn(async move { wire.refuse(code).await })),
        }
    }
}

fn first(parts: &Parts) -> Option<usize> {
    parts.iter().position(|part| !part.is_empty())
}

/// The receiving end of a stream.
pub(crate) enum Source {
    Quic(RecvStream),
    Tcp(tcp::Source),
}

impl Source {
    /// Waits for bytes, and appends them in the pieces in which they came.
    pub(crate) async fn read(&mut self, chunks: &mut VecDeque<Bytes>) -> Result<(), End> {
        match self {
            Self::Quic(stream) => {
                const EMPTY: Bytes = Bytes::new();
                let mut read = [EMPTY; 32];
                let count = stream.read_chunks(&mut read).await?.ok_or(End::Finished)?;
                chunks.extend(read.into_iter().take(count).filter(|chunk| !chunk.is_empty()));
                Ok(())
            }
            Self::Tcp(source) => source.read(&mut [], chunks).await.map(drop),
        }
    }

    /// Waits for bytes, and puts them into `buffer` as far as the transport can do so without
    /// handing them over first; gives their number. What it does hand over is appended, in order.
    pub(crate) async fn read_into(
        &mut self,
        buffer: &mut [u8],
        chunks: &mut VecDeque<Bytes>,
    ) -> Result<usize, End> {
        match self {
            Self::Quic(_) => self.read(chunks).await.map(|()| 0),
            Self::Tcp(source) => source.read(buffer, chunks).await,
        }
    }
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::Reset(code.into_inner()),
            ReadError::ConnectionLost(error) => Self::Lost(Loss::Quic(error)),
            _ => Self::Finished,
        }
    }
}
