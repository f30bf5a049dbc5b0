//! [`Asker`]: the conversation with the analyst's program while a query runs.
//!
//! A thread reads it, so that whoever works on the query can look at any time whether the analyst
//! still wants it. An analyst's program that is gone has cancelled its query.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tacit_governance::session::{self, Code, Failure, Reply, Request};
use tacit_net::quic::Conversation;

use crate::Shutdown;

/// How long the reading thread waits before it looks whether it is still needed.
const TICK: Duration = Duration::from_millis(200);

/// The conversation with the analyst's program while a query runs.
pub(crate) struct Asker {
    conversation: Arc<Conversation>,
    inbox: Arc<Inbox>,
    shutdown: Shutdown,
}

#[derive(Default)]
struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    epochs: Option<Vec<u64>>,
    over: Option<Failure>,
    closed: bool,
}

impl Asker {
    /// Watches `conversation` until dropped.
    pub fn new(conversation: Conversation, shutdown: Shutdown) -> Self {
        let conversation = Arc::new(conversation);
        let inbox = Arc::<Inbox>::default();
        let (source, target) = (conversation.clone(), inbox.clone());
        std::thread::spawn(move || watch(&source, &target));
        Self { conversation, inbox, shutdown }
    }

    /// Posts a reply. That the analyst is gone shows in [`Asker::wanted`].
    pub fn tell(&self, reply: &Reply) {
        match session::encode(reply) {
            Ok(bytes) => {
                let _ = self.conversation.send(bytes);
            }
            Err(error) => tracing::error!(%error, "a reply could not be written"),
        }
    }

    /// Whether the query is still wanted.
    ///
    /// # Errors
    /// Cancelled, or this service is stopping.
    pub fn wanted(&self) -> Result<(), Failure> {
        if self.shutdown.is_stopped() {
            return Err(Failure::new(Code::Stopping, "the service is being stopped"));
        }
        self.inbox.lock().over.clone().map_or(Ok(()), Err)
    }

    /// Waits until the analyst's program says that every party has accepted.
    ///
    /// # Errors
    /// As [`Asker::wanted`]; late after `patience`.
    pub fn start(&self, patience: Duration) -> Result<Vec<u64>, Failure> {
        let end = Instant::now() + patience;
        loop {
            self.wanted()?;
            let mut state = self.inbox.lock();
            if let Some(epochs) = state.epochs.take() {
                return Ok(epochs);
            }
            if Instant::now() >= end {
                let what = format!("the analyst did not start within {} s", patience.as_secs());
                return Err(Failure::new(Code::Cancelled, what));
            }
            let _ = self.inbox.changed.wait_timeout(state, TICK);
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.inbox.lock().closed = true;
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watch(conversation: &Conversation, inbox: &Inbox) {
    let over = |failure: Failure| {
        inbox.lock().over.get_or_insert(failure);
        inbox.changed.notify_all();
    };
    let cancelled = |what: &str| over(Failure::new(Code::Cancelled, what));
    loop {
        match conversation.receive(TICK) {
            Ok(None) if inbox.lock().closed => return,
            Ok(None) => {}
            Ok(Some(bytes)) => match session::decode::<Request>(&bytes) {
                Ok(Request::Start { epochs }) => {
                    inbox.lock().epochs.get_or_insert(epochs);
                    inbox.changed.notify_all();
                }
                Ok(Request::Cancel) => return cancelled("the analyst called the query off"),
                Ok(_) => return over(Failure::new(Code::Message, "one question at a time")),
                Err(error) => return over(Failure::new(Code::Message, error.to_string())),
            },
            Err(_) => return cancelled("the analyst's program is gone"),
        }
    }
}
