//! Messages between two parties outside any session.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::endpoint::{Endpoint, Shared};
use super::key::PublicKey;
use super::pipe::{End, Inlet, Outlet};
use crate::{Arena, Error, Result};

/// Longest message, in bytes.
pub const MESSAGE: usize = 256 << 10;

/// Messages that may lie here unread; the peer waits beyond that.
const UNREAD: usize = 2;

/// A conversation that a peer began.
#[derive(Debug)]
pub struct Incoming {
    /// Key that the peer proved to hold.
    pub from: PublicKey,
    /// Name that goes with the key, as of [`Endpoint::allow`].
    pub name: String,
    /// Messages in both directions.
    pub conversation: Conversation,
}

/// Ordered messages of at most [`MESSAGE`] bytes in both directions. Dropping it ends it, after
/// what was sent has arrived; the other side sees that at once.
pub struct Conversation {
    name: String,
    outlet: Outlet,
    messages: Mutex<Receiver<Vec<u8>>>,
    unread: Arc<Semaphore>,
    ended: Arc<AtomicBool>,
    cause: Arc<Mutex<Option<String>>>,
    reader: JoinHandle<()>,
    /// Keeps the runtime of a dialing side up; the accepting side's endpoint outlives it anyway.
    pub(crate) endpoint: Option<Endpoint>,
}

impl Conversation {
    /// Must be called on the endpoint's runtime.
    pub(crate) fn new(shared: &Shared, name: String, outlet: Outlet, inlet: Inlet) -> Self {
        let (sender, messages) = channel();
        let unread = Arc::new(Semaphore::new(UNREAD));
        let ended = Arc::new(AtomicBool::new(false));
        let cause = Arc::new(Mutex::new(None));
        let idle = shared.options.idle;
        let reader = {
            let (unread, ended, cause) = (unread.clone(), ended.clone(), cause.clone());
            tokio::spawn(async move {
                // Held until the cause is noted, so that who sees the end also sees why.
                let sender = sender;
                let text = read(inlet, &sender, &unread, idle).await;
                *cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
                ended.store(true, Ordering::Release);
            })
        };
        let messages = Mutex::new(messages);
        Self { name, outlet, messages, unread, ended, cause, reader, endpoint: None }
    }

    /// Name of the other side.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Posts a message; does not wait for the other side.
    ///
    /// # Errors
    /// [`Error::Setup`] if it is longer than [`MESSAGE`], [`Error::Ended`] if the other side left.
    pub fn send(&self, message: Vec<u8>) -> Result<()> {
        let length = u32::try_from(message.len()).ok().filter(|&length| length as usize <= MESSAGE);
        let Some(length) = length else {
            let length = message.len();
            return Err(Error::Setup(format!("a message of {length} bytes exceeds {MESSAGE}")));
        };
        if self.ended() {
            return Err(self.end());
        }
        let head = Bytes::copy_from_slice(&length.to_le_bytes());
        self.outlet.send(head, Bytes::from(message));
        Ok(())
    }

    /// The next message; `None` if none came within `timeout`.
    ///
    /// # Errors
    /// [`Error::Ended`] once the other side has left and everything it sent is read.
    pub fn receive(&self, timeout: Duration) -> Result<Option<Vec<u8>>> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        match messages.recv_timeout(timeout) {
            Ok(message) => {
                self.unread.add_permits(1);
                Ok(Some(message))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.end()),
        }
    }

    /// Whether the other side has left (its last messages may still be unread).
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn end(&self) -> Error {
        let cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Error::Ended { name: self.name.clone(), cause: cause.unwrap_or_else(|| "it left".into()) }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Queues messages until the stream ends; gives the reason.
async fn read(
    mut inlet: Inlet,
    messages: &Sender<Vec<u8>>,
    unread: &Semaphore,
    idle: Duration,
) -> String {
    loop {
        let message = async {
            let length = u32::from_le_bytes(inlet.array().await?) as usize;
            if length > MESSAGE {
                return Ok(None);
            }
            Ok(Some(inlet.bytes(length, &Arena::default()).await?))
        };
        match message.await {
            Ok(Some(message)) => {
                if let Ok(permit) = unread.acquire().await {
                    permit.forget();
                }
                let _ = messages.send(Vec::from(message));
            }
            Ok(None) => return "it sent a message that is too long".into(),
            Err(End::Finished) => return "it left".into(),
            Err(end) => return end.cause(idle),
        }
    }
}
