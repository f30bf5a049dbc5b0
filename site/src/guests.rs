//! [`Guests`]: what each key may take of this process, whatever it asks.
//!
//! Two things are counted for each key: the conversations that it holds open, and the questions of
//! the last minute that ended without an answer. Each of those leaves a synced receipt with its
//! SQL, so that a flood of them would fill the disk: beyond a number they are turned away unread,
//! and one receipt says how many there were.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tacit_plan::Digest;

use crate::Limits;

/// Over what time refusals are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// What each key holds and has had.
pub(crate) struct Guests {
    limits: Limits,
    guests: Mutex<HashMap<[u8; 32], Guest>>,
}

struct Guest {
    open: usize,
    /// When the minute began in which refusals are counted.
    since: Instant,
    refused: u64,
    flood: Option<Flood>,
}

/// Questions that were turned away unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flood {
    /// Digest of the study.
    pub study: Digest,
    /// Name of the analyst.
    pub analyst: String,
    /// How many.
    pub questions: u64,
}

/// A conversation of a key; it is counted out when this is dropped.
pub(crate) struct Visit {
    guests: Arc<Guests>,
    key: [u8; 32],
}

impl Guests {
    pub fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self { limits: limits.clone(), guests: Mutex::default() })
    }

    /// The limits, also those that are not counted here.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts a conversation of `key` in; `None` if it has as many as it may.
    pub fn enter(self: &Arc<Self>, key: [u8; 32], now: Instant) -> Option<Visit> {
        let mut guests = self.guests();
        let guest = guests.entry(key).or_insert_with(|| Guest::new(now));
        if guest.open >= self.limits.conversations {
            return None;
        }
        guest.open += 1;
        Some(Visit { guests: self.clone(), key })
    }

    /// Whether a question of `key` is read; if it is not, it is counted for the receipt.
    pub fn listens(&self, key: [u8; 32], study: Digest, analyst: &str, now: Instant) -> bool {
        let mut guests = self.guests();
        let guest = guests.entry(key).or_insert_with(|| Guest::new(now));
        guest.turn(now);
        if guest.refused < self.limits.refusals_per_minute {
            return true;
        }
        let analyst = || analyst.to_owned();
        let flood =
            guest.flood.get_or_insert_with(|| Flood { study, analyst: analyst(), questions: 0 });
        flood.questions += 1;
        false
    }

    /// A question of `key` ended without an answer.
    pub fn refused(&self, key: [u8; 32], now: Instant) {
        let mut guests = self.guests();
        let guest = guests.entry(key).or_insert_with(|| Guest::new(now));
        guest.turn(now);
        guest.refused += 1;
    }

    /// The floods whose minute is over, or all of them, once each.
    pub fn floods(&self, now: Instant, all: bool) -> Vec<Flood> {
        let mut guests = self.guests();
        let over = |guest: &Guest| all || now.duration_since(guest.since) >= WINDOW;
        let ended: Vec<Flood> = guests
            .values_mut()
            .filter(|guest| over(guest))
            .filter_map(|g| g.flood.take())
            .collect();
        guests.retain(|_, guest| guest.open > 0 || !over(guest));
        ended
    }

    fn guests(&self) -> MutexGuard<'_, HashMap<[u8; 32], Guest>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    fn new(now: Instant) -> Self {
        Self { open: 0, since: now, refused: 0, flood: None }
    }

    /// Begins a new minute if the last one is over.
    fn turn(&mut self, now: Instant) {
        if now.duration_since(self.since) >= WINDOW {
            (self.since, self.refused) = (now, 0);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(guest) = self.guests.guests().get_mut(&self.key) {
            guest.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUDY: Digest = Digest([3; 32]);

    fn guests() -> Arc<Guests> {
        Guests::new(&Limits { conversations: 2, refusals_per_minute: 3, ..Limits::default() })
    }

    #[test]
    fn one_key_has_so_many_conversations_and_the_next_key_has_its_own() {
        let (guests, now) = (guests(), Instant::now());
        let first = guests.enter([1; 32], now);
        let second = guests.enter([1; 32], now);
        assert!(first.is_some() && second.is_some());
        assert!(guests.enter([1; 32], now).is_none());
        assert!(guests.enter([2; 32], now).is_some());
        drop(first);
        assert!(guests.enter([1; 32], now).is_some());
    }

    #[test]
    fn a_flood_of_refusals_is_turned_away_and_told_once() {
        let (guests, begin) = (guests(), Instant::now());
        for _ in 0..3 {
            assert!(guests.listens([1; 32], STUDY, "a", begin));
            guests.refused([1; 32], begin);
        }
        for _ in 0..500 {
            assert!(!guests.listens([1; 32], STUDY, "a", begin + WINDOW / 2));
        }
        assert!(guests.listens([2; 32], STUDY, "b", begin));
        assert!(guests.floods(begin + WINDOW / 2, false).is_empty());
        let later = begin + WINDOW;
        let told = vec![Flood { study: STUDY, analyst: "a".into(), questions: 500 }];
        assert_eq!(guests.floods(later, false), told);
        assert!(guests.floods(later, true).is_empty());
        assert!(guests.listens([1; 32], STUDY, "a", later), "the next minute is a new one");
    }

    #[test]
    fn a_flood_that_the_stop_cuts_off_is_told_as_well() {
        let (guests, now) = (guests(), Instant::now());
        (0..3).for_each(|_| guests.refused([1; 32], now));
        assert!(!guests.listens([1; 32], STUDY, "a", now));
        assert_eq!(guests.floods(now, true).len(), 1);
    }
}
