//! What is written on streams, and the two ends of a stream.
//!
//! Only the side that dialed a connection opens bidirectional streams on it. Such a stream starts
//! with a fixed [`Header`]; the accepting side answers with one byte ([`ACK`]) once it has found or
//! kept a place for it. Then come frames: of a session `round u32, kind u8, length u32`, of a
//! conversation `length u32`, little endian. `round` is the number of the frame in its direction.
//!
//! An abort travels on a unidirectional stream of its own, so that neither a full window nor a
//! large frame can hold it up.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::Arena;
use crate::link::REASON;

const MAGIC: [u8; 4] = *b"TCT1";

/// Bytes of a [`Header`].
pub(super) const HEADER: usize = 4 + 1 + 32 + 8;

/// Bytes before a session's frame.
pub(super) const FRAME: usize = 4 + 1 + 4;

/// The accepting side has a place for the stream.
pub(super) const ACK: u8 = 6;

/// Code of a stream that was turned away because a table is full.
pub(super) const BUSY: u32 = 1;

/// Code of a stream whose header makes no sense.
pub(super) const MALFORMED: u32 = 2;

/// Code of a connection that one side closed in order.
pub(super) const DONE: u32 = 0;

/// Largest abort notice after its header.
pub(super) const NOTICE: usize = REASON + 64;

/// How long the end of a stream is awaited until the peer has it all.
const FLUSH: Duration = Duration::from_secs(5);

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Frames of a session.
    Session,
    /// Messages outside any session.
    Conversation,
    /// An abort of a session; unidirectional.
    Abort,
    /// The accepting side lets the dialing side know that its key was accepted; unidirectional.
    Welcome,
}

/// First bytes of every stream. Session and epoch are zero where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) purpose: Purpose,
    pub(super) session: [u8; 32],
    pub(super) epoch: u64,
}

impl Header {
    pub(super) fn plain(purpose: Purpose) -> Self {
        Self { purpose, session: [0; 32], epoch: 0 }
    }

    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.purpose as u8;
        bytes[5..37].copy_from_slice(&self.session);
        bytes[37..].copy_from_slice(&self.epoch.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&MAGIC)?;
        let purpose = match rest.get_u8() {
            0 => Purpose::Session,
            1 => Purpose::Conversation,
            2 => Purpose::Abort,
            3 => Purpose::Welcome,
            _ => return None,
        };
        let mut session = [0; 32];
        rest.copy_to_slice(&mut session);
        Some(Self { purpose, session, epoch: rest.get_u64_le() })
    }
}

/// Kind of a session's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Payload of a round.
    Data,
    /// A message of the agreement before the first round.
    Hello,
}

/// What stands before a session's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) round: u32,
    pub(super) kind: Kind,
    pub(super) length: u32,
}

impl FrameHead {
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(FRAME);
        bytes.put_u32_le(self.round);
        bytes.put_u8(self.kind as u8);
        bytes.put_u32_le(self.length);
        bytes.freeze()
    }

    /// `None` for an unknown kind.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let round = bytes.get_u32_le();
        let kind = match bytes.get_u8() {
            0 => Kind::Data,
            1 => Kind::Hello,
            _ => return None,
        };
        Some(Self { round, kind, length: bytes.get_u32_le() })
    }
}

/// Body of an abort.
#[derive(Serialize, Deserialize)]
pub(super) struct Notice {
    pub(super) culprit: Option<u64>,
    pub(super) reason: String,
}

/// What the loss of a connection means, in words.
pub(super) fn cause(error: &ConnectionError, idle: Duration) -> String {
    match error {
        ConnectionError::TimedOut => format!("no sign of life for {} s", idle.as_secs_f32()),
        ConnectionError::Reset => "its process was restarted".into(),
        ConnectionError::ApplicationClosed(_) => "it closed the connection".into(),
        ConnectionError::LocallyClosed => "this side closed the connection".into(),
        other => other.to_string(),
    }
}

/// Why nothing more can be read.
pub(super) enum End {
    /// The peer finished the stream here.
    Finished,
    /// The peer gave the stream up.
    Reset(u64),
    /// The connection is gone.
    Lost(ConnectionError),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::Reset(code.into_inner()),
            ReadError::ConnectionLost(error) => Self::Lost(error),
            _ => Self::Finished,
        }
    }
}

impl End {
    pub(super) fn cause(&self, idle: Duration) -> String {
        match self {
            Self::Finished => "it left the session".into(),
            Self::Reset(code) if *code == u64::from(BUSY) => "it is busy".into(),
            Self::Reset(_) => "it gave the session up".into(),
            Self::Lost(error) => cause(error, idle),
        }
    }
}

/// The receiving end of a stream: cuts frames out of the chunks that quinn hands over, without
/// copying where a frame lies in one chunk.
pub(super) struct Inlet {
    stream: RecvStream,
    chunks: VecDeque<Bytes>,
}

impl Inlet {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self { stream, chunks: VecDeque::new() }
    }

    async fn fill(&mut self) -> Result<(), End> {
        const EMPTY: Bytes = Bytes::new();
        let mut chunks = [EMPTY; 32];
        let count = self.stream.read_chunks(&mut chunks).await?.ok_or(End::Finished)?;
        self.chunks.extend(chunks.into_iter().take(count).filter(|chunk| !chunk.is_empty()));
        Ok(())
    }

    /// Takes up to `most` bytes of what is there.
    fn pull(&mut self, most: usize) -> Option<Bytes> {
        let front = self.chunks.front_mut()?;
        if front.len() <= most { self.chunks.pop_front() } else { Some(front.split_to(most)) }
    }

    /// Reads exactly `N` bytes.
    pub(super) async fn array<const N: usize>(&mut self) -> Result<[u8; N], End> {
        let mut bytes = [0; N];
        let mut filled = 0;
        while filled < N {
            match self.pull(N - filled) {
                Some(part) => {
                    bytes[filled..filled + part.len()].copy_from_slice(&part);
                    filled += part.len();
                }
                None => self.fill().await?,
            }
        }
        Ok(bytes)
    }

    /// Reads exactly `length` bytes; the caller has checked that this much may be stored.
    pub(super) async fn bytes(&mut self, length: usize, arena: &Arena) -> Result<Bytes, End> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        while self.chunks.is_empty() {
            self.fill().await?;
        }
        if self.chunks.front().is_some_and(|chunk| chunk.len() >= length) {
            return Ok(self.pull(length).unwrap_or_default());
        }
        let mut buffer = arena.take(length);
        let mut filled = 0;
        while filled < length {
            match self.pull(length - filled) {
                Some(part) => {
                    buffer.bytes_mut()[filled..filled + part.len()].copy_from_slice(&part);
                    filled += part.len();
                }
                None => self.fill().await?,
            }
        }
        Ok(buffer.freeze())
    }
}

/// Counts what must still reach a peer, for a close that loses nothing.
#[derive(Clone, Default)]
pub(super) struct Flushing(Arc<AtomicUsize>);

impl Flushing {
    pub(super) fn begin(&self) -> FlushGuard {
        self.0.fetch_add(1, Ordering::AcqRel);
        FlushGuard(self.0.clone())
    }

    pub(super) fn idle(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// One entry of [`Flushing`].
pub(super) struct FlushGuard(Arc<AtomicUsize>);

impl Drop for FlushGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

type Parts = [Bytes; 2];

enum Task {
    Write(Parts),
    /// Nothing more will be written.
    Finish(FlushGuard),
}

/// The sending end of a stream, for a blocking party.
///
/// A frame that fits quinn's window is written by the caller itself, which saves a hop to another
/// thread; only what is left goes to a task. Dropping it sends what is queued and ends the stream.
pub(super) struct Outlet {
    stream: Arc<Mutex<Option<SendStream>>>,
    queue: mpsc::UnboundedSender<Task>,
    pending: Arc<AtomicUsize>,
    flushing: Flushing,
    cancel: Option<oneshot::Sender<()>>,
}

impl Outlet {
    /// Must be called on the endpoint's runtime.
    pub(super) fn new(stream: SendStream, flushing: Flushing) -> Self {
        let stream = Arc::new(Mutex::new(Some(stream)));
        let pending = Arc::new(AtomicUsize::new(0));
        let (queue, tasks) = mpsc::unbounded_channel();
        let (cancel, cancelled) = oneshot::channel();
        let writer = write(stream.clone(), tasks, pending.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = writer => {}
                Ok(()) = cancelled => {}
            }
        });
        Self { stream, queue, pending, flushing, cancel: Some(cancel) }
    }

    /// Posts a frame. That the peer is gone shows at the receiving end.
    pub(super) fn send(&self, head: Bytes, body: Bytes) {
        let mut parts = [head, body];
        if self.pending.load(Ordering::Acquire) == 0
            && let Some(stream) = &mut *self.stream.lock().unwrap_or_else(PoisonError::into_inner)
            && write_now(stream, &mut parts)
        {
            return;
        }
        self.pending.fetch_add(1, Ordering::AcqRel);
        let _ = self.queue.send(Task::Write(parts));
    }

    /// Drops what is queued.
    pub(super) fn cancel(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            let _ = cancel.send(());
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        if self.cancel.is_some() {
            let _ = self.queue.send(Task::Finish(self.flushing.begin()));
        }
    }
}

/// Writes as much as fits; true if nothing is left to do.
fn write_now(stream: &mut SendStream, parts: &mut Parts) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    while let Some(first) = parts.iter().position(|part| !part.is_empty()) {
        match pin!(stream.write_chunks(&mut parts[first..])).poll(&mut context) {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(_)) => return true,
            Poll::Pending => return false,
        }
    }
    true
}

async fn write(
    shared: Arc<Mutex<Option<SendStream>>>,
    mut queue: mpsc::UnboundedReceiver<Task>,
    pending: Arc<AtomicUsize>,
) {
    let take = || shared.lock().unwrap_or_else(PoisonError::into_inner).take();
    while let Some(task) = queue.recv().await {
        let Some(mut stream) = take() else { return };
        let mut parts = match task {
            Task::Write(parts) => parts,
            Task::Finish(guard) => {
                if stream.finish().is_ok() {
                    let _ = tokio::time::timeout(FLUSH, stream.stopped()).await;
                }
                drop(guard);
                return;
            }
        };
        let left = parts.iter().position(|part| !part.is_empty()).unwrap_or(parts.len());
        let written = stream.write_all_chunks(&mut parts[left..]).await;
        *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        if written.is_err() {
            return;
        }
        pending.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_and_bad_ones_are_refused() {
        let header = Header { purpose: Purpose::Abort, session: [5; 32], epoch: 1 << 40 };
        let mut bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header));
        bytes[4] = 9;
        assert_eq!(Header::decode(&bytes), None);
        bytes[4] = 0;
        bytes[0] = 0;
        assert_eq!(Header::decode(&bytes), None);
    }

    #[test]
    fn frame_heads_survive_and_unknown_kinds_are_refused() {
        let head = FrameHead { round: 7, kind: Kind::Hello, length: u32::MAX };
        let bytes = head.encode();
        assert_eq!(FrameHead::decode(&bytes), Some(head));
        let mut bytes = bytes.to_vec();
        bytes[4] = 2;
        assert_eq!(FrameHead::decode(&bytes), None);
    }
}
