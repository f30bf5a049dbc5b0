//! [`Arena`]: memory for columns and frames, used again and again.
//!
//! A fresh page costs several times what the work on it does: the system finds it, clears it and
//! maps it. So buffers go back to the arena they came from when their last user is gone, on
//! whatever thread that is (a frame's last user is often the transport).

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use memmap2::MmapMut;
use zerocopy::{FromBytes, IntoBytes};
use zeroize::Zeroize;

/// Buffers of this many bytes and more are mapped, smaller ones come from the heap.
const MAPPED: usize = 4 << 20;

/// Idle bytes that an arena keeps unless it is told otherwise.
const KEPT: u64 = 64 << 20;

/// A store of idle buffers. Cheap to clone: clones share the store.
#[derive(Clone, Default)]
pub struct Arena(Arc<Mutex<Idle>>);

struct Idle {
    /// By capacity in words.
    buffers: BTreeMap<usize, Vec<Memory>>,
    bytes: u64,
    limit: u64,
}

impl Default for Idle {
    fn default() -> Self {
        Self { buffers: BTreeMap::new(), bytes: 0, limit: KEPT }
    }
}

impl Idle {
    /// Removes the buffer whose capacity is the nearest that is not much too large.
    fn find(&mut self, words: usize) -> Option<Memory> {
        let (&capacity, list) = self.buffers.range_mut(words..=words + words / 4).next()?;
        let found = list.pop();
        if list.is_empty() {
            self.buffers.remove(&capacity);
        }
        self.bytes -= 8 * capacity as u64;
        found
    }

    /// Removes the largest buffers until no more than `bytes` lie idle.
    fn cut(&mut self, bytes: u64) -> Vec<Memory> {
        let mut cut = Vec::new();
        while self.bytes > bytes {
            let Some(mut last) = self.buffers.last_entry() else { break };
            let capacity = *last.key();
            cut.extend(last.get_mut().pop());
            if last.get().is_empty() {
                last.remove();
            }
            self.bytes -= 8 * capacity as u64;
        }
        cut
    }
}

impl Arena {
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of `bytes` bytes with anything in it.
    pub fn take(&self, bytes: usize) -> Buffer {
        let words = bytes.div_ceil(8);
        let found = if words == 0 { None } else { self.lock().find(words) };
        let memory = found.unwrap_or_else(|| Memory::new(words));
        Buffer { memory, bytes, home: Arc::downgrade(&self.0) }
    }

    /// Keeps at most `bytes` bytes idle from now on; what is more is wiped and given back to the
    /// system.
    pub fn keep(&self, bytes: u64) {
        let mut idle = self.lock();
        idle.limit = bytes;
        let cut = if idle.bytes > bytes { idle.cut(bytes) } else { Vec::new() };
        drop(idle);
        drop(cut);
    }

    /// Bytes that lie idle.
    pub fn idle(&self) -> u64 {
        self.lock().bytes
    }
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arena").field("idle", &self.idle()).finish_non_exhaustive()
    }
}

/// Memory of whole words.
enum Memory {
    Heap(Vec<u64>),
    /// Unmapped when it is dropped: no process sees these pages again before they are cleared.
    Mapped(MmapMut, usize),
}

impl Memory {
    fn new(words: usize) -> Self {
        if 8 * words >= MAPPED
            && let Ok(map) = MmapMut::map_anon(8 * words)
        {
            return Self::Mapped(map, words);
        }
        Self::Heap(vec![0; words])
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Heap(words) => words.len(),
            Self::Mapped(_, words) => *words,
        }
    }

    fn words(&self) -> &[u64] {
        match self {
            Self::Heap(words) => words,
            // A mapping begins with a page, and is whole words long.
            Self::Mapped(map, _) => <[u64]>::ref_from_bytes(map).unwrap_or_default(),
        }
    }

    fn words_mut(&mut self) -> &mut [u64] {
        match self {
            Self::Heap(words) => words,
            Self::Mapped(map, _) => <[u64]>::mut_from_bytes(map).unwrap_or_default(),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Self::Heap(words) = self {
            words.zeroize();
        }
    }
}

/// Memory on loan from an [`Arena`], to which it goes back when it is dropped. Seen as words; as
/// bytes by [`Buffer::bytes`].
///
/// # Security
/// No `Debug`. It is wiped when the arena gives it back to the system, not when it is dropped.
pub struct Buffer {
    memory: Memory,
    bytes: usize,
    home: Weak<Mutex<Idle>>,
}

impl Buffer {
    /// Its bytes, in the order of this machine.
    pub fn bytes(&self) -> &[u8] {
        &self.memory.words().as_bytes()[..self.bytes]
    }

    /// Its bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory.words_mut().as_mut_bytes()[..self.bytes]
    }

    /// The same memory as a frame, without a copy.
    pub fn freeze(self) -> Bytes {
        if self.bytes == 0 { Bytes::new() } else { Bytes::from_owner(self) }
    }
}

impl Deref for Buffer {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.memory.words()[..self.bytes.div_ceil(8)]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.memory.words_mut()[..self.bytes.div_ceil(8)]
    }
}

impl AsMut<[u64]> for Buffer {
    fn as_mut(&mut self) -> &mut [u64] {
        self
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let capacity = self.memory.capacity();
        let (Some(home), true) = (self.home.upgrade(), capacity > 0) else { return };
        let memory = std::mem::replace(&mut self.memory, Memory::Heap(Vec::new()));
        let mut idle = home.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = 8 * capacity as u64;
        if idle.bytes + bytes <= idle.limit {
            idle.bytes += bytes;
            idle.buffers.entry(capacity).or_default().push(memory);
        } else {
            drop(idle);
            drop(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_and_is_used_again() {
        let arena = Arena::default();
        for bytes in [100, MAPPED, MAPPED + 3] {
            let mut buffer = arena.take(bytes);
            assert_eq!((buffer.bytes().len(), buffer.len()), (bytes, bytes.div_ceil(8)));
            buffer[0] = 0x0102_0304_0506_0708;
            assert_eq!(buffer.bytes()[0], if cfg!(target_endian = "little") { 8 } else { 1 });
            let place = buffer.as_ptr();
            let frame = buffer.freeze();
            let slice = frame.slice(1..4);
            drop(frame);
            assert_eq!(arena.idle(), 0, "a slice is still in use");
            std::thread::spawn(|| drop(slice)).join().unwrap();
            assert_eq!(arena.idle(), 8 * bytes.div_ceil(8) as u64);
            assert_eq!(arena.take(bytes).as_ptr(), place);
            arena.keep(0);
            arena.keep(KEPT);
        }
    }

    #[test]
    fn an_arena_keeps_no_more_than_it_may() {
        let arena = Arena::default();
        arena.keep(1000);
        let [a, b] = [arena.take(600), arena.take(600)];
        drop(a);
        drop(b);
        assert_eq!(arena.idle(), 600);
        arena.keep(599);
        assert_eq!(arena.idle(), 0);
        let c = arena.take(8);
        drop(arena);
        drop(c);
    }

    #[test]
    fn a_buffer_that_is_much_too_large_is_not_given() {
        let arena = Arena::default();
        drop(arena.take(8000));
        assert_eq!(arena.take(6000).memory.capacity(), 750);
        assert_eq!(arena.take(6500).memory.capacity(), 1000);
        assert!(arena.take(0).is_empty());
    }
}
