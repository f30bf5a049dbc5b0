//! What a compute party's columns and frames take, and where they come from.
//!
//! The memory is the link's [`Arena`]: frames that the transport is done with and columns that
//! died are used again. A pool counts what is alive and lets no more lie idle than fits its budget
//! beside that, the peak that the bill states.

use tacit_net::{Arena, Buffer};

use crate::share::Component;

/// Memory of one compute party.
pub(crate) struct Pool {
    arena: Arena,
    budget: u64,
    /// Bytes of columns and frames in use.
    live: u64,
    peak: u64,
}

impl Pool {
    pub(crate) fn new(arena: Arena, budget: u64) -> Self {
        arena.keep(budget);
        Self { arena, budget, live: 0, peak: 0 }
    }

    /// A buffer of `words` words with anything in it.
    pub(crate) fn take(&mut self, words: usize) -> Buffer {
        self.frame(8 * words)
    }

    /// Takes components back.
    pub(crate) fn give(&mut self, components: Vec<Component>) {
        let words: usize = components.iter().map(|component| component.len()).sum();
        self.release(8 * words as u64);
        drop(components);
    }

    /// A frame of `bytes` bytes with anything in it.
    pub(crate) fn frame(&mut self, bytes: usize) -> Buffer {
        let buffer = self.arena.take(bytes);
        self.hold(bytes as u64);
        buffer
    }

    /// Counts bytes, of which somebody else may hold the buffers (a frame that comes in).
    pub(crate) fn hold(&mut self, bytes: u64) {
        self.live += bytes;
        self.peak = self.peak.max(self.live);
        self.arena.keep(self.budget.saturating_sub(self.live));
    }

    /// Stops counting bytes.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.live -= bytes;
        self.arena.keep(self.budget.saturating_sub(self.live));
    }

    /// Most bytes in use at once.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_reuses_and_keeps_to_its_budget() {
        let arena = Arena::default();
        let mut pool = Pool::new(arena.clone(), 800);
        let a = pool.take(50);
        let place = a.as_ptr();
        pool.give(vec![Component::Own(a)]);
        let b = pool.take(50);
        assert_eq!(b.as_ptr(), place);
        pool.give(vec![Component::Own(b)]);
        assert_eq!(arena.idle(), 400);
        let c = pool.take(100);
        assert_eq!(arena.idle(), 0, "the idle buffer had to go");
        assert_eq!(pool.peak(), 800);
        pool.give(vec![Component::Own(c)]);
    }

    #[test]
    fn a_frame_is_used_again_when_its_last_reader_is_gone() {
        let mut pool = Pool::new(Arena::default(), 1000);
        let frame = pool.frame(100);
        let place = frame.as_ptr();
        let frame = frame.freeze();
        pool.release(100);
        assert_ne!(pool.frame(100).as_ptr(), place);
        drop(frame);
        assert_eq!(pool.take(13).as_ptr(), place);
    }
}
