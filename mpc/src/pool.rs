//! Buffers for columns and frames, reused when a column dies.
//!
//! A pool never holds more than its budget, the peak that the bill states: before it takes more
//! from the system it gives back what lies idle. What a pool holds is wiped when it goes back to the
//! system; what the transport holds of a frame is not.

use std::collections::BTreeMap;

use bytes::Bytes;
use zeroize::Zeroize;

/// Buffers of one compute party.
pub(crate) struct Pool {
    budget: u64,
    /// Bytes of columns in use, and idle ones.
    live: u64,
    idle: u64,
    peak: u64,
    columns: BTreeMap<usize, Vec<Vec<u64>>>,
    frames: Vec<Vec<u8>>,
}

impl Pool {
    pub(crate) fn new(budget: u64) -> Self {
        Self { budget, live: 0, idle: 0, peak: 0, columns: BTreeMap::new(), frames: Vec::new() }
    }

    /// A buffer of `words` words with anything in it.
    pub(crate) fn take(&mut self, words: usize) -> Vec<u64> {
        let bytes = 8 * words as u64;
        self.hold(bytes);
        if let Some(buffer) = self.columns.get_mut(&words).and_then(Vec::pop) {
            self.idle -= bytes;
            return buffer;
        }
        self.trim(0);
        vec![0; words]
    }

    /// Takes a buffer back.
    pub(crate) fn give(&mut self, buffer: Vec<u64>) {
        let bytes = 8 * buffer.len() as u64;
        self.live -= bytes;
        self.idle += bytes;
        self.columns.entry(buffer.len()).or_default().push(buffer);
    }

    /// A frame of `bytes` bytes with anything in it.
    pub(crate) fn frame(&mut self, bytes: usize) -> Vec<u8> {
        self.hold(bytes as u64);
        let fits =
            self.frames.iter().position(|f| f.capacity() >= bytes && f.capacity() / 2 <= bytes);
        if let Some(at) = fits {
            let mut frame = self.frames.swap_remove(at);
            self.idle -= frame.capacity() as u64;
            frame.resize(bytes, 0);
            return frame;
        }
        self.trim(0);
        vec![0; bytes]
    }

    /// Counts bytes that somebody else made room for (a frame that comes in).
    pub(crate) fn hold(&mut self, bytes: u64) {
        self.live += bytes;
        self.peak = self.peak.max(self.live);
    }

    /// Stops counting bytes.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.live -= bytes;
    }

    /// Keeps a frame that came in for the next one that goes out, if nobody else holds it.
    pub(crate) fn recycle(&mut self, frame: Bytes) {
        if frame.is_unique() {
            let frame = Vec::from(frame);
            let bytes = frame.capacity() as u64;
            if self.live + self.idle + bytes <= self.budget {
                self.idle += bytes;
                self.frames.push(frame);
            }
        }
    }

    /// Most bytes in use at once.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Gives idle buffers back to the system until the budget holds.
    pub(crate) fn trim(&mut self, more: u64) {
        while self.live + self.idle + more > self.budget {
            if let Some(mut frame) = self.frames.pop() {
                self.idle -= frame.capacity() as u64;
                frame.zeroize();
            } else if let Some(mut columns) = self.columns.last_entry() {
                if let Some(mut buffer) = columns.get_mut().pop() {
                    self.idle -= 8 * buffer.len() as u64;
                    buffer.zeroize();
                } else {
                    columns.remove();
                }
            } else {
                return;
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for buffer in self.columns.values_mut().flatten() {
            buffer.zeroize();
        }
        self.frames.iter_mut().for_each(Zeroize::zeroize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_reuses_and_keeps_to_its_budget() {
        let mut pool = Pool::new(800);
        let a = pool.take(50);
        let place = a.as_ptr();
        pool.give(a);
        let b = pool.take(50);
        assert_eq!(b.as_ptr(), place);
        pool.give(b);
        let c = pool.take(100);
        assert_eq!(pool.idle, 0, "the idle buffer had to go");
        assert_eq!(pool.peak(), 800);
        pool.give(c);
    }

    #[test]
    fn a_frame_that_came_in_goes_out_again() {
        let mut pool = Pool::new(1000);
        let frame = Bytes::from(vec![1; 100]);
        let place = frame.as_ptr();
        pool.recycle(frame);
        let again = pool.frame(90);
        assert_eq!(again.as_ptr(), place);
        let shared = Bytes::from(vec![1; 100]);
        let _other = shared.clone();
        pool.recycle(shared);
        assert!(pool.frames.is_empty());
    }
}
