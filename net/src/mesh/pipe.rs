//! The two ends of a stream.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::carrier::{Loss, Sink, Source};
use super::wire::BUSY;
use crate::Arena;
use crate::tcp::Control;

/// What a transport may hand over in one piece. A frame that is longer has a buffer of its own, and
/// what comes for it goes there without a stop.
const CHUNK: usize = 64 << 10;

/// How long the end of a stream is awaited until the peer has it all.
const FLUSH: Duration = Duration::from_secs(5);

/// Why nothing more can be read.
pub(crate) enum End {
    /// The peer finished the stream here.
    Finished,
    /// The peer gave the stream up.
    Reset(u64),
    /// The connection is gone.
    Lost(Loss),
}

impl End {
    pub(crate) fn cause(&self, idle: Duration) -> String {
        match self {
            Self::Finished => "it left the session".into(),
            Self::Reset(code) if *code == u64::from(BUSY) => "it is busy".into(),
            Self::Reset(_) => "it gave the session up".into(),
            Self::Lost(loss) => loss.cause(idle),
        }
    }

    /// Whether the peer may have said beside the stream why it ended.
    pub(crate) fn may_be_told(&self) -> bool {
        matches!(self, Self::Reset(_) | Self::Lost(Loss::Tcp(_)))
    }
}

/// The receiving end of a stream: cuts frames out of the chunks that the transport hands over,
/// without copying where a frame lies in one chunk.
pub(crate) struct Inlet {
    source: Source,
    chunks: VecDeque<Bytes>,
}

impl Inlet {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, chunks: VecDeque::new() }
    }

    /// With bytes that have been read already.
    pub(crate) fn with(source: Source, chunks: VecDeque<Bytes>) -> Self {
        Self { source, chunks }
    }

    /// From now on its stream is one of that connection.
    pub(crate) fn belong(&mut self, control: &Arc<Control>) {
        if let Source::Tcp(source) = &mut self.source {
            source.belong(control.clone());
        }
    }

    async fn fill(&mut self) -> Result<(), End> {
        self.source.read(&mut self.chunks).await
    }

    /// Takes up to `most` bytes of what is there.
    fn pull(&mut self, most: usize) -> Option<Bytes> {
        let front = self.chunks.front_mut()?;
        if front.len() <= most { self.chunks.pop_front() } else { Some(front.split_to(most)) }
    }

    /// Reads exactly `N` bytes.
    pub(crate) async fn array<const N: usize>(&mut self) -> Result<[u8; N], End> {
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
    pub(crate) async fn bytes(&mut self, length: usize, arena: &Arena) -> Result<Bytes, End> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        while self.chunks.is_empty() && length <= CHUNK {
            self.fill().await?;
        }
        if self.chunks.front().is_some_and(|chunk| chunk.len() >= length) {
            return Ok(self.pull(length).unwrap_or_default());
        }
        let mut buffer = arena.take(length);
        let mut filled = 0;
        while filled < length {
            if let Some(part) = self.pull(length - filled) {
                buffer.bytes_mut()[filled..filled + part.len()].copy_from_slice(&part);
                filled += part.len();
            } else {
                let rest = &mut buffer.bytes_mut()[filled..];
                filled += self.source.read_into(rest, &mut self.chunks).await?;
            }
        }
        Ok(buffer.freeze())
    }
}

/// Counts what must still reach a peer, for a close that loses nothing.
#[derive(Clone, Default)]
pub(crate) struct Flushing(Arc<AtomicUsize>);

impl Flushing {
    pub(crate) fn begin(&self) -> FlushGuard {
        self.0.fetch_add(1, Ordering::AcqRel);
        FlushGuard(self.0.clone())
    }

    pub(crate) fn idle(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// One entry of [`Flushing`].
pub(crate) struct FlushGuard(Arc<AtomicUsize>);

impl Drop for FlushGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(crate) type Parts = [Bytes; 2];

enum Task {
    Write(Parts),
    /// Nothing more will be written.
    Finish(FlushGuard),
}

/// The sending end of a stream, for a blocking party.
///
/// A frame that fits the window is written by the caller itself, which saves a hop to another
/// thread; only what is left goes to a task. Dropping it sends what is queued and ends the stream.
pub(crate) struct Outlet {
    stream: Arc<Mutex<Option<Sink>>>,
    queue: mpsc::UnboundedSender<Task>,
    pending: Arc<AtomicUsize>,
    flushing: Flushing,
    cancel: Option<oneshot::Sender<()>>,
}

impl Outlet {
    /// Must be called on the endpoint's runtime.
    pub(crate) fn new(stream: Sink, flushing: Flushing) -> Self {
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
    pub(crate) fn send(&self, head: Bytes, body: Bytes) {
        let mut parts = [head, body];
        if self.pending.load(Ordering::Acquire) == 0
            && let Some(stream) = &mut *self.stream.lock().unwrap_or_else(PoisonError::into_inner)
            && stream.write_now(&mut parts)
        {
            return;
        }
        self.pending.fetch_add(1, Ordering::AcqRel);
        let _ = self.queue.send(Task::Write(parts));
    }

    /// Drops what is queued.
    pub(crate) fn cancel(&mut self) {
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

async fn write(
    shared: Arc<Mutex<Option<Sink>>>,
    mut queue: mpsc::UnboundedReceiver<Task>,
    pending: Arc<AtomicUsize>,
) {
    let take = || shared.lock().unwrap_or_else(PoisonError::into_inner).take();
    while let Some(task) = queue.recv().await {
        let Some(mut stream) = take() else { return };
        let mut parts = match task {
            Task::Write(parts) => parts,
            Task::Finish(guard) => {
                let _ = tokio::time::timeout(FLUSH, stream.finish()).await;
                drop(guard);
                return;
            }
        };
        let written = stream.write_all(&mut parts).await;
        *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        if !written {
            return;
        }
        pending.fetch_sub(1, Ordering::AcqRel);
    }
}
