//! [`Places`]: a number of places and a queue in order of arrival.
//!
//! Two things are limited with it: joint computations at the lead, and local parts at every site.
//! A waiter is asked from time to time whether it still wants its place, so that a cancelled query
//! leaves the queue at once.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often a waiter looks whether it is still wanted.
const TICK: Duration = Duration::from_millis(100);

/// A number of places and a queue.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    queue: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    next: u64,
    waiting: VecDeque<u64>,
}

/// A place taken; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place<'a>(&'a Places);

/// Why no place was given.
#[derive(Debug, PartialEq, Eq)]
pub enum NoPlace<E> {
    /// As many wait as may.
    Full,
    /// The waiter gave up.
    GaveUp(E),
}

impl Places {
    /// `limit` places, and at most `queue` waiting for one.
    pub fn new(limit: usize, queue: usize) -> Self {
        Self { limit, queue, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits for a place, first come first served. `waiting` is called with the number of those
    /// ahead, at once and then about ten times a second, if it has to wait at all.
    ///
    /// # Errors
    /// [`NoPlace::Full`] at once; [`NoPlace::GaveUp`] with what `waiting` returned.
    pub fn take<E>(
        &self,
        mut waiting: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Place<'_>, NoPlace<E>> {
        let mut state = self.lock();
        if state.taken < self.limit && state.waiting.is_empty() {
            state.taken += 1;
            return Ok(Place(self));
        }
        if state.waiting.len() >= self.queue {
            return Err(NoPlace::Full);
        }
        let me = state.next;
        state.next += 1;
        state.waiting.push_back(me);
        loop {
            let ahead = state.waiting.iter().position(|&w| w == me).unwrap_or(0);
            if ahead == 0 && state.taken < self.limit {
                state.waiting.pop_front();
                state.taken += 1;
                self.changed.notify_all();
                return Ok(Place(self));
            }
            drop(state);
            let wanted = waiting(ahead as u64);
            state = self.lock();
            if let Err(error) = wanted {
                state.waiting.retain(|&w| w != me);
                self.changed.notify_all();
                return Err(NoPlace::GaveUp(error));
            }
            let front = state.waiting.front() == Some(&me) && state.taken < self.limit;
            if !front {
                let waited = self.changed.wait_timeout(state, TICK);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn never_more_than_the_limit_are_inside() {
        let places = Places::new(3, 100);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let _place = places.take(|_| Ok::<(), ()>(())).unwrap();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert_eq!(places.lock().taken, 0);
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let places = Places::new(1, 0);
        let _held = places.take(|_| Ok::<(), ()>(())).unwrap();
        assert_eq!(places.take(|_| Ok::<(), ()>(())).unwrap_err(), NoPlace::Full);
    }

    #[test]
    fn a_waiter_that_gives_up_leaves_the_queue() {
        let places = Places::new(1, 5);
        let held = places.take(|_| Ok::<(), ()>(())).unwrap();
        assert_eq!(places.take(Err::<(), u64>).unwrap_err(), NoPlace::GaveUp(0));
        drop(held);
        places.take(|_| Ok::<(), ()>(())).unwrap();
    }
}
