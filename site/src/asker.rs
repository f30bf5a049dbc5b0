//! [`Asker`]: the conversation with the analyst's program while a query runs.
//!
//! A thread reads it, so that whoever works on the query can look at any time whether the analyst
//! still wants it. An analyst's program that is gone has cancelled its query; on `fhe`, whose phases may
//! lie days apart, it has merely left.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tacit_governance::{
    phases::Step,
    session::{self, Code, Failure, Reply, Request},
};
use tacit_net::mesh::Conversation;

use crate::Shutdown;

/// How long the reading thread waits before it looks whether it is still needed.
const TICK: Duration = Duration::from_millis(200);

/// Steps that may lie here unread; more are not read from the network.
const STEPS: usize = 4;

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
    /// The analyst said so, rather than being gone.
    #[cfg_attr(not(feature = "fhe"), allow(dead_code, reason = "only steps can be left off"))]
    called_off: bool,
    closed: bool,
    /// Steps of a query on `fhe`, which alone has them.
    steps: Option<VecDeque<Step>>,
}

impl Asker {
    /// Watches `conversation` until dropped.
    pub fn new(conversation: Conversation, shutdown: Shutdown) -> Self {
        Self::watching(conversation, shutdown, None)
    }

    /// The same, of a query that has steps.
    #[cfg(feature = "fhe")]
    pub fn with_steps(conversation: Conversation, shutdown: Shutdown) -> Self {
        Self::watching(conversation, shutdown, Some(VecDeque::new()))
    }

    fn watching(
        conversation: Conversation,
        shutdown: Shutdown,
        steps: Option<VecDeque<Step>>,
    ) -> Self {
        let conversation = Arc::new(conversation);
        let inbox = Arc::<Inbox>::default();
        inbox.lock().steps = steps;
        let (source, target) = (conversation.clone(), inbox.clone());
        std::thread::spawn(move || watch(&source, &target));
        Self { conversation, inbox, shutdown }
    }

    /// The switch that stops this service.
    #[cfg(feature = "fhe")]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
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
        let state = self.inbox.lock();
        if let Some(over) = &state.over {
            return Err(over.clone());
        }
        // Whoever reads waits while steps lie unread, and would not see the end.
        let stuck = state.steps.as_ref().is_some_and(|steps| steps.len() >= STEPS);
        if stuck && self.conversation.ended() {
            return Err(gone());
        }
        Ok(())
    }

    /// Whether the analyst called the query off, rather than leaving.
    #[cfg(feature = "fhe")]
    pub fn called_off(&self) -> bool {
        self.inbox.lock().called_off
    }

    /// The next step of a query on `fhe`.
    ///
    /// # Errors
    /// As [`Asker::wanted`]; after a `silence`.
    #[cfg(feature = "fhe")]
    pub fn step(&self, silence: Duration) -> Result<Step, Failure> {
        let begin = Instant::now();
        loop {
            let mut state = self.inbox.lock();
            if let Some(step) = state.steps.as_mut().and_then(VecDeque::pop_front) {
                self.inbox.changed.notify_all();
                return Ok(step);
            }
            drop(state);
            self.wanted()?;
            self.listened(begin, silence)?;
            let state = self.inbox.lock();
            if state.steps.as_ref().is_none_or(VecDeque::is_empty) {
                let _ = self.inbox.changed.wait_timeout(state, TICK);
            }
        }
    }

    /// Whether anything was heard within a `silence`, or since `begin`.
    ///
    /// # Errors
    /// That nothing was.
    #[cfg(feature = "fhe")]
    pub fn listened(&self, begin: Instant, silence: Duration) -> Result<(), Failure> {
        let heard = self.inbox.lock().heard;
        match late(begin, heard, Duration::MAX, silence) {
            Some(what) => Err(Failure::new(Code::Cancelled, what)),
            None => Ok(()),
        }
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

    /// Queues a step, once there is room; `false` if this query has none.
    fn take(&self, step: Step) -> bool {
        let mut state = self.lock();
        state.heard = Some(Instant::now());
        loop {
            if state.closed {
                return true;
            }
            match &mut state.steps {
                None => return false,
                Some(steps) if steps.len() < STEPS => {
                    steps.push_back(step);
                    self.changed.notify_all();
                    return true;
                }
                Some(_) => {}
            }
            let waited = self.changed.wait_timeout(state, TICK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
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
                Ok(Request::Cancel) => {
                    inbox.lock().called_off = true;
                    let what = "the analyst called the query off";
                    return over(Failure::new(Code::Cancelled, what));
                }
                Ok(Request::Step(step)) => {
                    if !inbox.take(step) {
                        return over(Failure::new(Code::Message, "one question at a time"));
                    }
                }
                Ok(_) => return over(Failure::new(Code::Message, "one question at a time")),
                Err(error) => return over(Failure::new(Code::Message, error.to_string())),
            },
            Err(_) => return over(gone()),
        }
    }
}

fn gone() -> Failure {
    Failure::new(Code::Cancelled, "the analyst's program is gone")
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
