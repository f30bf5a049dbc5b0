//! [`Sessions`]: one conversation at a time about each session.

use std::{
    collections::HashSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tacit_governance::session::{Code, Failure};

/// How often a waiter looks whether it is still wanted.
const TICK: Duration = Duration::from_millis(100);
/// How long a conversation waits for another one, whose other end may be gone unnoticed for a minute.
const PATIENCE: Duration = Duration::from_secs(75);

/// The sessions that somebody talks about.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<HashSet<[u8; 32]>>,
    changed: Condvar,
}

/// The right to talk about a session; it ends when this is dropped.
pub(crate) struct Turn<'a> {
    all: &'a Sessions,
    session: [u8; 32],
}

impl Sessions {
    /// Waits until nobody else talks about `session`.
    ///
    /// # Errors
    /// What `wanted` says meanwhile; that it took too long.
    pub fn turn(
        &self,
        session: [u8; 32],
        wanted: impl Fn() -> Result<(), Failure>,
    ) -> Result<Turn<'_>, Failure> {
        self.turn_within(session, wanted, PATIENCE)
    }

    fn turn_within(
        &self,
        session: [u8; 32],
        wanted: impl Fn() -> Result<(), Failure>,
        patience: Duration,
    ) -> Result<Turn<'_>, Failure> {
        let begin = Instant::now();
        let mut open = self.lock();
        while !open.insert(session) {
            wanted()?;
            if begin.elapsed() >= patience {
                let what = "another conversation about this session is open; end it, or wait";
                return Err(Failure::new(Code::Busy, what));
            }
            let waited = self.changed.wait_timeout(open, TICK);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(Turn { all: self, session })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.session);
        self.all.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_conversation_at_a_time_talks_about_a_session() {
        let sessions = Sessions::default();
        let first = sessions.turn([1; 32], || Ok(())).unwrap_or_else(|_| panic!());
        let _other = sessions.turn([2; 32], || Ok(())).unwrap_or_else(|_| panic!());
        let short = Duration::from_millis(50);
        let late = sessions.turn_within([1; 32], || Ok(()), short).err().unwrap();
        assert_eq!(late.code, Code::Busy);
        let gone = || Err(Failure::new(Code::Cancelled, "gone"));
        assert_eq!(sessions.turn([1; 32], gone).err().unwrap().code, Code::Cancelled);
        std::thread::scope(|scope| {
            let next = scope.spawn(|| sessions.turn([1; 32], || Ok(())).is_ok());
            std::thread::sleep(short);
            drop(first);
            assert!(next.join().unwrap());
        });
    }
}
