//! Who runs an endpoint's I/O: its own thread, or the party that waits for a round.
//!
//! A thread that hands a frame over to an I/O thread and is woken by it pays two context switches
//! a round; on few cores they cost more than the round itself. So the runtime is a *current-thread*
//! one, which runs on whichever thread is in `block_on`, and a party that waits for small frames
//! is that thread ([`Driver::run`]).
//!
//! The I/O thread steps aside when a party comes. It is not woken when the party leaves, since the
//! next round is likely to follow at once: it looks by itself after [`QUIET`], and takes over if
//! there was no round meanwhile. Up to then, at most twice that time, datagrams lie in the socket.
//! Of several parties that wait at once (sessions of one endpoint) one drives, and tokio hands over
//! to another one when it leaves.

use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::yield_now;

/// Without a round for this long the I/O thread takes over. Twice this is less than the 5 ms for
/// which an acknowledgement may wait, and what a gigabit line brings meanwhile fits any socket's
/// buffer; and a party that computes for less between its rounds pays for no hand-over.
const QUIET: Duration = Duration::from_millis(1);

/// How long name lookups under way may keep a runtime from ending.
const STOP: Duration = Duration::from_secs(1);

/// A runtime and the threads behind it. Dropping it ends them, on a thread of its own, so that it
/// may be dropped anywhere; only not by a task that it runs.
pub(crate) struct Engine(Option<Kind>);

enum Kind {
    /// One thread at a time does all I/O.
    Turns { driver: Arc<Driver>, thread: JoinHandle<()> },
    /// Threads of the runtime do it.
    Workers(Runtime),
}

impl Engine {
    /// Starts a runtime that parties may drive, or one with `threads` threads if that is several.
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        const NAME: &str = "tacit-net";
        if threads > 1 {
            let mut builder = Builder::new_multi_thread();
            let runtime = builder.worker_threads(threads).thread_name(NAME).enable_all().build()?;
            return Ok(Self(Some(Kind::Workers(runtime))));
        }
        let runtime = Builder::new_current_thread().thread_name(NAME).enable_all().build()?;
        let driver = Arc::new(Driver {
            runtime,
            turns: Mutex::default(),
            changed: Condvar::new(),
            aside: Notify::new(),
        });
        let own = driver.clone();
        let thread = thread::Builder::new().name(NAME.into()).spawn(move || own.serve())?;
        Ok(Self(Some(Kind::Turns { driver, thread })))
    }

    fn kind(&self) -> &Kind {
        self.0.as_ref().expect("taken by the drop alone")
    }

    pub(crate) fn handle(&self) -> &Handle {
        match self.kind() {
            Kind::Turns { driver, .. } => driver.runtime.handle(),
            Kind::Workers(runtime) => runtime.handle(),
        }
    }

    /// For a party that would drive: `None` if that is not possible here and now. A thread that is
    /// inside a runtime already cannot.
    pub(crate) fn driver(&self) -> Option<&Driver> {
        match self.kind() {
            Kind::Turns { driver, .. } if Handle::try_current().is_err() => Some(driver),
            _ => None,
        }
    }

    /// Lets the I/O thread take over without waiting, once no party drives.
    pub(crate) fn urge(&self) {
        if let Kind::Turns { driver, .. } = self.kind() {
            driver.urge();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let runtime = match self.0.take() {
            Some(Kind::Turns { driver, thread }) => {
                driver.stop();
                let _ = thread.join();
                Arc::into_inner(driver).map(|driver| driver.runtime)
            }
            Some(Kind::Workers(runtime)) => Some(runtime),
            None => None,
        };
        if let Some(runtime) = runtime {
            let _ = thread::spawn(move || runtime.shutdown_timeout(STOP)).join();
        }
    }
}

/// A runtime that is driven in turns.
pub(crate) struct Driver {
    runtime: Runtime,
    turns: Mutex<Turns>,
    changed: Condvar,
    /// Asks the I/O thread to step aside.
    aside: Notify,
}

#[derive(Default)]
struct Turns {
    /// Parties that drive, or wait to.
    parties: usize,
    /// Rounds begun so far.
    rounds: u64,
    io: Io,
    /// The I/O thread is needed without delay.
    urgent: bool,
    stop: bool,
}

/// What the I/O thread does.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Io {
    /// It drives, and was not asked to step aside.
    #[default]
    Drives,
    /// It looks now and then whether it is needed.
    Watches,
    /// It sleeps until the parties have left.
    Sleeps,
}

impl Driver {
    /// Runs a future to its end, and the endpoint's tasks meanwhile. The future calls
    /// [`Driver::step_in`] when it has posted its frames.
    pub(crate) fn run<F: Future>(&self, round: F) -> F::Output {
        self.runtime.block_on(round)
    }

    /// Takes the I/O thread's place for as long as the turn is held.
    pub(crate) fn step_in(&self) -> Turn<'_> {
        let mut turns = self.lock();
        turns.parties += 1;
        turns.rounds = turns.rounds.wrapping_add(1);
        let ask = turns.io == Io::Drives;
        if ask {
            turns.io = Io::Watches;
        }
        drop(turns);
        if ask {
            self.aside.notify_one();
        }
        Turn(self)
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn urge(&self) {
        let mut turns = self.lock();
        if turns.io != Io::Drives {
            turns.urgent = true;
            self.changed.notify_one();
        }
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_one();
        self.aside.notify_one();
    }

    /// The I/O thread.
    fn serve(&self) {
        loop {
            self.runtime.block_on(async {
                self.aside.notified().await;
                // What was posted before leaves before this thread does.
                yield_now().await;
            });
            if !self.watch() {
                return;
            }
        }
    }

    /// Waits until the I/O thread is needed; false if it must end.
    fn watch(&self) -> bool {
        let mut turns = self.lock();
        // Rounds begun at the last look.
        let mut seen = None;
        loop {
            if turns.stop {
                return false;
            }
            let same = seen == Some(turns.rounds);
            if turns.parties == 0 && (turns.urgent || same) {
                turns.io = Io::Drives;
                turns.urgent = false;
                return true;
            }
            if turns.parties > 0 && same {
                // A long round: its end wakes this thread.
                turns.io = Io::Sleeps;
                turns = self.changed.wait(turns).unwrap_or_else(PoisonError::into_inner);
                turns.io = Io::Watches;
                seen = None;
            } else {
                seen = Some(turns.rounds);
                let waited = self.changed.wait_timeout(turns, QUIET);
                turns = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

/// A party's turn at driving.
pub(crate) struct Turn<'a>(&'a Driver);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.0.lock();
        turns.parties -= 1;
        if turns.parties == 0 && (turns.io == Io::Sleeps || turns.urgent) {
            self.0.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Instant;

    use tokio::time::sleep;

    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    /// Hears of a task when the runtime has run it.
    fn task(handle: &Handle) -> Receiver<()> {
        let (sender, receiver) = channel();
        handle.spawn(async move { sender.send(()) });
        receiver
    }

    fn round(engine: &Engine, length: Duration) {
        let driver = engine.driver().unwrap();
        driver.run(async {
            let _turn = driver.step_in();
            sleep(length).await;
        });
    }

    #[test]
    fn tasks_run_before_during_and_after_a_round() {
        let engine = Engine::start(1).unwrap();
        task(engine.handle()).recv_timeout(LONG).unwrap();
        // Shorter than a look of the I/O thread, and so long that it goes to sleep.
        for length in [Duration::ZERO, QUIET / 2, 20 * QUIET] {
            for _ in 0..10 {
                let during = task(engine.handle());
                round(&engine, length);
                let after = task(engine.handle());
                during.recv_timeout(LONG).unwrap();
                after.recv_timeout(LONG).unwrap();
            }
        }
    }

    #[test]
    fn a_round_drives_when_the_io_thread_has_stepped_aside() {
        let engine = Engine::start(1).unwrap();
        let driver = engine.driver().unwrap();
        driver.run(async {
            let _turn = driver.step_in();
            sleep(10 * QUIET).await;
            let here = thread::current().id();
            let there = tokio::spawn(async { thread::current().id() }).await.unwrap();
            assert_eq!(here, there);
        });
    }

    #[test]
    fn rounds_of_many_threads_all_end() {
        let engine = Engine::start(1).unwrap();
        thread::scope(|scope| {
            for lane in 0..4 {
                let engine = &engine;
                scope.spawn(move || {
                    for number in 0..200 {
                        round(engine, QUIET * (number % 3) * lane / 4);
                        if number % 7 == lane {
                            engine.urge();
                        }
                    }
                });
            }
        });
        task(engine.handle()).recv_timeout(LONG).unwrap();
    }

    #[test]
    fn a_round_does_not_hold_up_the_end_of_the_threads() {
        for length in [Duration::ZERO, QUIET / 2, 3 * QUIET] {
            let engine = Engine::start(1).unwrap();
            round(&engine, length);
            let start = Instant::now();
            drop(engine);
            assert!(start.elapsed() < LONG);
        }
    }

    #[test]
    fn a_thread_inside_a_runtime_does_not_drive_and_may_drop_it() {
        for threads in [1, 2] {
            let engine = Engine::start(threads).unwrap();
            assert_eq!(engine.driver().is_some(), threads == 1);
            Runtime::new().unwrap().block_on(async {
                assert!(engine.driver().is_none());
                drop(engine);
            });
        }
    }
}
