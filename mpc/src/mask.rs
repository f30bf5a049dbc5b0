//! Masks: AES-128 in counter mode, read at an offset.
//!
//! A [`Prg`] is a key; word `i` of its stream is known to everybody who has the key, without any
//! state, so that loops over masks split over threads and tiles. Keys come from a pairwise seed
//! by SHA-256 over a label that names the use and its direction; one seed serves every use.
//!
//! # Security
//! A mask must be used once. Two facts see to that: a label belongs to one use, and every
//! instruction owns a range of counters of its own, [`blocks`] long, laid out one after the other
//! in circuit order. Both are functions of the circuit alone, so parties agree without talking.
//! The seed itself is bound to a session and its restart epoch; a session carries one run.

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use sha2::{Digest, Sha256};
use tacit_net::Seed;
use zeroize::{Zeroize, Zeroizing};

use crate::{Circuit, Instruction, Kind, Op, Shape, field};

/// Blocks encrypted at a time: 4 kB, which hides what a call costs (the vector unit spreads the
/// round keys anew in each) and is cheap to clear for a short column.
const BATCH: usize = 256;

/// Counter blocks (two words each) that an instruction owns, each column on a block of its own.
pub(crate) fn blocks(circuit: &Circuit, instruction: &Instruction) -> u64 {
    let column = |id: u32| column(circuit.shape(id));
    match &instruction.op {
        Op::Enter { .. } | Op::Random { .. } | Op::Mul | Op::Mask { .. } | Op::OpenMasked => {
            column(instruction.first)
        }
        Op::Addend { width, .. } => column(instruction.first) * *width as u64,
        Op::Reveal { .. } => column(instruction.args[0]),
        Op::Block(block) => per_tile(&block.body) * block.tiles() as u64,
        Op::Sort(sort) => {
            let rows = circuit.shape(instruction.args[0]).rows;
            per_tile(&sort.less) * sort.tiles(rows) as u64
        }
        Op::Shuffle { .. } => 3 * instruction.args.iter().map(|&id| column(id)).sum::<u64>(),
        _ => 0,
    }
}

/// Counter blocks of one column of masks. An element of the field takes a whole block.
pub(crate) fn column(shape: Shape) -> u64 {
    let words = shape.words() as u64;
    match shape.kind {
        Kind::Num | Kind::Bit => words.div_ceil(2),
        Kind::Field => words,
    }
}

/// Counter blocks that a tile of a block owns, the last one as many as the others.
pub(crate) fn per_tile(body: &Circuit) -> u64 {
    body.instructions().iter().map(|instruction| blocks(body, instruction)).sum()
}

/// A stream of words that depends on a key alone.
///
/// # Security
/// Whoever has the key knows the stream. There is no `Debug`.
#[derive(Clone)]
pub struct Prg(Aes128);

impl Prg {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self(Aes128::new(&key.into()))
    }

    /// The stream for one use of a pairwise seed; `from` and `to` are session indices where the
    /// use has a direction. A label belongs to one use of one protocol.
    pub fn derive(seed: &Seed, label: &str, from: usize, to: usize) -> Self {
        Self::new(*key(seed, label, from, to))
    }

    /// A stream of its own for two numbers, under the key that block cipher gives for them: no counter
    /// of this stream, whose upper half is 0, meets it.
    pub(crate) fn part(&self, low: u64, high: u64) -> Self {
        let mut block = aes::Block::default();
        let (first, last) = block.0.split_at_mut(8);
        first.copy_from_slice(&low.to_le_bytes());
        last.copy_from_slice(&(high + 1).to_le_bytes());
        self.0.encrypt_block(&mut block);
        let key = Zeroizing::new(block.0);
        block.0.zeroize();
        Self::new(*key)
    }

    /// Words from counter block `block` on.
    pub(crate) fn fill(&self, block: u64, words: &mut [u64]) {
        self.with(block, words, |_, mask| mask);
    }

    /// Uniform masks of this kind from counter block `block` on. Bits beyond the last row are
    /// drawn as well. Elements of the field are uniform but for 2^-122.
    pub fn draw(&self, kind: Kind, block: u64, words: &mut [u64]) {
        if kind != Kind::Field {
            return self.fill(block, words);
        }
        let mut batch = Batch::default();
        for (i, words) in words.chunks_mut(BATCH).enumerate() {
            batch.draw(self, block, i * Batch::WORDS, 2 * words.len());
            let mut drawn = batch.words();
            for word in words {
                let (low, high) = (drawn.next().unwrap_or(0), drawn.next().unwrap_or(0));
                *word = field::reduce_wide(low, high);
            }
        }
    }

    /// Combines every word with its mask.
    pub(crate) fn with(&self, block: u64, words: &mut [u64], combine: impl Fn(u64, u64) -> u64) {
        let mut batch = Batch::default();
        for (i, words) in words.chunks_mut(Batch::WORDS).enumerate() {
            batch.draw(self, block, i * Batch::WORDS, words.len());
            for (word, mask) in words.iter_mut().zip(batch.words()) {
                *word = combine(*word, mask);
            }
        }
    }
}

/// Masks that were just drawn, in the nearest cache.
pub(crate) struct Batch([aes::Block; BATCH]);

impl Default for Batch {
    fn default() -> Self {
        Self([aes::Block::default(); BATCH])
    }
}

impl Batch {
    /// The most words that can be drawn at a time.
    pub(crate) const WORDS: usize = 2 * BATCH;

    /// Draws `words` words of a stream, from word `start` (even) after counter block `block` on.
    pub(crate) fn draw(&mut self, prg: &Prg, block: u64, start: usize, words: usize) {
        let used = &mut self.0[..words.div_ceil(2)];
        let first = block + start as u64 / 2;
        #[cfg(test)]
        recorded::note(prg, first, used.len() as u64);
        for (block, counter) in used.iter_mut().zip(first..) {
            let (low, high) = block.0.split_at_mut(8);
            low.copy_from_slice(&counter.to_le_bytes());
            high.fill(0);
        }
        prg.0.encrypt_blocks(used);
    }

    /// What was drawn last, and then what was drawn before.
    pub(crate) fn words(&self) -> impl Iterator<Item = u64> {
        let (words, _) = aes::Block::slice_as_flattened(&self.0).as_chunks::<8>();
        words.iter().map(|word| u64::from_le_bytes(*word))
    }
}

/// The key for one use of a pairwise seed.
pub(crate) fn key(seed: &Seed, label: &str, from: usize, to: usize) -> Zeroizing<[u8; 16]> {
    let mut hash = Sha256::new();
    hash.update(b"tacit mask 1\0");
    hash.update(seed.0);
    hash.update((from as u64).to_le_bytes());
    hash.update((to as u64).to_le_bytes());
    hash.update(label.as_bytes());
    let digest = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
    let mut key = Zeroizing::new([0; 16]);
    key.copy_from_slice(&digest[..16]);
    key
}

/// A stream that everybody knows: "random" columns where nothing is secret anyway.
pub(crate) fn public() -> Prg {
    Prg::new(*b"tacit public key")
}

/// What this thread draws, for tests.
#[cfg(test)]
mod recorded {
    use std::cell::RefCell;

    use super::{Aes128, BlockCipherEncrypt, Prg};

    /// Name of a stream, its first block, and how many.
    pub(super) type Draw = ([u8; 16], u64, u64);

    thread_local!(static DRAWS: RefCell<Option<Vec<Draw>>> = const { RefCell::new(None) });

    /// What tells a stream from all others.
    pub(super) fn name(Prg(cipher): &Prg) -> [u8; 16] {
        let mut block = aes::Block::default();
        block.0.fill(0xff);
        Aes128::encrypt_block(cipher, &mut block);
        block.0
    }

    pub(super) fn start() {
        DRAWS.set(Some(Vec::new()));
    }

    pub(super) fn stop() -> Vec<Draw> {
        DRAWS.take().unwrap_or_default()
    }

    pub(super) fn note(prg: &Prg, first: u64, blocks: u64) {
        DRAWS.with_borrow_mut(|draws| {
            if let Some(draws) = draws {
                draws.push((name(prg), first, blocks));
            }
        });
    }
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod drawn;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_at_every_offset() {
        let prg = public();
        let mut whole = vec![0; 301];
        prg.fill(5, &mut whole);
        for (start, length) in [(0, 301), (2, 1), (64, 65), (130, 171)] {
            let mut part = vec![0; length];
            prg.fill(5 + start as u64 / 2, &mut part);
            assert_eq!(part, whole[start..start + length]);
        }
    }

    #[test]
    fn parts_of_a_stream_are_streams_of_their_own() {
        let words = |prg: &Prg| {
            let mut words = vec![0; 4];
            prg.fill(0, &mut words);
            words
        };
        let prg = public();
        let parts = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(low, high)| words(&prg.part(low, high)));
        for (i, part) in parts.iter().enumerate() {
            assert!(parts[..i].iter().all(|other| other != part) && *part != words(&prg));
        }
        assert_eq!(words(&prg.part(1, 1)), parts[3]);
    }

    #[test]
    fn labels_and_directions_give_different_keys() {
        let seed = Seed([7; 32]);
        let keys = [
            key(&seed, "a", 0, 1),
            key(&seed, "b", 0, 1),
            key(&seed, "a", 1, 0),
            key(&Seed([8; 32]), "a", 0, 1),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|b| a != b));
        }
    }
}
