//! [`Asker`]: the conversation with the analyst's program while a query runs.
//!
//! A thread reads it, so that whoever works on the query can look at any time whether the analyst
//! still wants it. An analyst's program that is gone has cancelled its query.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tacit_governance::session::{self, Code, Failure, Reply, Request};
use tacit_net::mesh::Conversation;

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
    /// When the analyst's program last said anything.
    heard: Option<Instant>,
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
    /// As [`Asker::wanted`]; late after `patience`, or after a `silence`.
    pub fn start(&self, patience: Duration, silence: Duration) -> Result<Vec<u64>, Failure> {
        let begin = Instant::now();
        loop {
            self.wanted()?;
            let mut state = self.inbox.lock();
            if let Some(epochs) = state.epochs.take() {
                return Ok(epochs);
            }
            if let Some(what) = late(begin, state.heard, patience, silence) {
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

/// Whether a wait that began at `begin` is over, with what was last heard since.
fn late(
    begin: Instant,
    heard: Option<Instant>,
    patience: Duration,
    silence: Duration,
) -> Option<String> {
    let quiet = heard.map_or(begin, |heard| heard.max(begin)).elapsed();
    if quiet >= silence {
        return Some(format!("the analyst's program said nothing for {} s", silence.as_secs()));
    }
    let over = begin.elapsed() >= patience;
    over.then(|| format!("the analyst did not start within {} s", patience.as_secs()))
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
                Ok(Request::Waiting) => inbox.lock().heard = Some(Instant::now()),
                Ok(Request::Cancel) => return cancelled("the analyst called the query off"),
                Ok(_) => return over(Failure::new(Code::Message, "one question at a time")),
                Err(error) => return over(Failure::new(Code::Message, error.to_string())),
            },
            Err(_) => return cancelled("the analyst's program is gone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_analyst_has_given_up_long_before_a_waiting_one() {
        let now = Instant::now();
        let ago = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
        let (patience, silence) = (Duration::from_mins(5), Duration::from_mins(1));
        let over = |begin, heard| late(begin, heard, patience, silence);
        assert_eq!(over(ago(10), None), None);
        assert!(over(ago(61), None).unwrap().contains("said nothing for 60 s"));
        assert_eq!(over(ago(200), Some(ago(15))), None);
        assert!(over(ago(200), Some(ago(90))).is_some());
        assert!(over(ago(301), Some(now)).unwrap().contains("within 300 s"));
        assert_eq!(
            over(now, Some(ago(90))),
            None,
            "what was said before does not count against it"
        );
    }
}
