//! [`Evaluations`]: what is evaluated here, one at a time.
//!
//! An evaluation takes all cores and the expanded keys, so there is a queue. It runs on a thread of its
//! own and goes on when the analyst's program leaves; a conversation about the same session joins it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tacit_governance::session::{Code, Failure, Phase, Reply};

use crate::{Shutdown, asker::Asker, places::Places, query::no_place};

/// How often a conversation looks at what it follows.
const TICK: Duration = Duration::from_millis(100);
/// How often the analyst's program hears how far an evaluation is.
const REPORT: Duration = Duration::from_secs(1);
/// How long an evaluation that is called off may take to end.
const END: Duration = Duration::from_secs(30);

/// What is evaluated here.
pub(crate) struct Evaluations {
    running: Mutex<HashMap<[u8; 32], Arc<Run>>>,
    /// One at a time.
    places: Places,
}

/// One evaluation, while it waits or runs.
pub(crate) struct Run {
    state: Mutex<State>,
    done: AtomicUsize,
    total: AtomicUsize,
    stop: AtomicBool,
    shutdown: Shutdown,
}

#[derive(Default)]
struct State {
    /// Evaluations before this one, if it waits.
    ahead: Option<u64>,
    over: Option<Result<(), Failure>>,
}

impl Evaluations {
    pub fn new(queue: usize) -> Self {
        Self { running: Mutex::default(), places: Places::new(1, queue) }
    }

    /// The evaluation of a session, if one is under way.
    pub fn running(&self, session: &[u8; 32]) -> Option<Arc<Run>> {
        self.lock().get(session).cloned()
    }

    /// Runs `work` of a session in the background, or joins what runs already. `owner` gives what the
    /// thread keeps alive and where these evaluations are in it.
    pub fn begin<O: Send + 'static>(
        &self,
        session: [u8; 32],
        shutdown: Shutdown,
        owner: O,
        of: fn(&O) -> &Self,
        work: impl FnOnce(&O, &Run) -> Result<(), Failure> + Send + 'static,
    ) -> Result<Arc<Run>, Failure> {
        let mut running = self.lock();
        if let Some(run) = running.get(&session) {
            return Ok(run.clone());
        }
        let run = Arc::new(Run {
            state: Mutex::default(),
            done: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            shutdown,
        });
        let mine = run.clone();
        let spawned = std::thread::Builder::new().name("tacit-evaluate".into()).spawn(move || {
            // Even a panic ends it for those who follow.
            let end = End { session, run: &mine, all: of(&owner) };
            let place = end.all.places.take(|ahead| {
                mine.lock().ahead = Some(ahead);
                mine.wanted()
            });
            let over = place.map_err(no_place).and_then(|_place| {
                mine.lock().ahead = None;
                work(&owner, &mine)
            });
            mine.lock().over = Some(over);
        });
        let failed =
            |error| Failure::new(Code::Busy, format!("no thread for an evaluation: {error}"));
        spawned.map_err(failed)?;
        running.insert(session, run.clone());
        Ok(run)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Run>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends an evaluation, however its thread ends.
struct End<'a> {
    session: [u8; 32],
    run: &'a Run,
    all: &'a Evaluations,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.run.lock().over.get_or_insert_with(|| {
            Err(Failure::new(Code::Internal, "the evaluation ended unexpectedly"))
        });
        self.all.lock().remove(&self.session);
    }
}

impl Run {
    /// Whether it is still wanted.
    ///
    /// # Errors
    /// Called off, or this service is stopping.
    pub fn wanted(&self) -> Result<(), Failure> {
        if self.shutdown.is_stopped() {
            return Err(Failure::new(Code::Stopping, "the service is being stopped"));
        }
        if self.stop.load(Ordering::Acquire) {
            return Err(Failure::new(Code::Cancelled, "the analyst called the query off"));
        }
        Ok(())
    }

    /// Says how far it is; whether it should go on.
    pub fn went(&self, done: usize, total: usize) -> bool {
        self.done.fetch_max(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.wanted().is_ok()
    }

    /// Waits until it is over, and tells the analyst's program how far it is. If that is gone, it goes
    /// on; if the query is called off, it ends.
    ///
    /// # Errors
    /// What it failed with, or why it is not waited for any longer.
    pub fn follow(&self, asker: &Asker, phase: Phase, silence: Duration) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut told: Option<Instant> = None;
        loop {
            if let Some(over) = self.over() {
                return over;
            }
            let wanted = asker.wanted().and_then(|()| asker.listened(begin, silence));
            if let Err(gone) = wanted {
                if asker.called_off() {
                    self.end();
                }
                return Err(gone);
            }
            let ahead = self.lock().ahead;
            let reply = match ahead {
                Some(ahead) => Reply::Queued { position: ahead as u32 },
                None => Reply::Progress {
                    phase,
                    round: self.done.load(Ordering::Relaxed) as u64,
                    rounds: self.total.load(Ordering::Relaxed) as u64,
                },
            };
            if told.is_none_or(|told| told.elapsed() >= REPORT) {
                asker.tell(&reply);
                told = Some(Instant::now());
            }
            std::thread::sleep(TICK);
        }
    }

    /// How it ended, once it has.
    pub fn over(&self) -> Option<Result<(), Failure>> {
        self.lock().over.clone()
    }

    /// Stops it, and waits until it has ended.
    pub fn end(&self) {
        self.stop.store(true, Ordering::Release);
        let begin = Instant::now();
        while self.lock().over.is_none() && begin.elapsed() < END {
            std::thread::sleep(TICK);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
