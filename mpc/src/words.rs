//! Words, bits and bytes: the packing that every engine shares.
//!
//! A column of bits keeps 64 rows to a word, row `i` at bit `i % 64` of word `i / 64`. Bits beyond
//! the last row are zero wherever a column is stored; what comes from a mask or from a peer is
//! cut to size with [`clean`]. On the wire a column of bits takes whole bytes and a number eight,
//! least significant first.

use rayon::prelude::*;

use crate::{
    Kind, Shape,
    linear::{PIECE, SPLIT},
    wide::wide,
};

/// The valid bits of the last word of a column of `rows` bits.
pub(crate) fn tail(rows: usize) -> u64 {
    match rows % 64 {
        0 => u64::MAX,
        n => (1 << n) - 1,
    }
}

/// Clears the bits beyond the last row.
pub fn clean(shape: Shape, words: &mut [u64]) {
    if shape.kind == Kind::Bit
        && let Some(last) = words.last_mut()
    {
        *last &= tail(shape.rows);
    }
}

/// Keeps the lowest `width` bits of numbers, 1 to 64 of them.
pub(crate) fn narrow(width: usize, numbers: &mut [u64]) {
    for number in numbers {
        *number &= u64::MAX >> (64 - width);
    }
}

/// Bit `row` of packed words.
pub(crate) fn bit(words: &[u64], row: usize) -> u64 {
    words[row / 64] >> (row % 64) & 1
}

/// Writes words as little-endian bytes; the last word may be cut short.
///
/// # Panics
/// If there are fewer words than the bytes take.
pub fn put(words: &[u64], bytes: &mut [u8]) {
    let whole = bytes.len() / 8;
    let (head, rest) = bytes.split_at_mut(8 * whole);
    let piece = |(chunk, words): (&mut [u8], &[u64])| {
        for (chunk, word) in chunk.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
    };
    if whole < SPLIT {
        piece((head, words));
    } else {
        head.par_chunks_mut(8 * PIECE).zip(words.par_chunks(PIECE)).for_each(piece);
    }
    if !rest.is_empty() {
        let n = rest.len();
        rest.copy_from_slice(&words[whole].to_le_bytes()[..n]);
    }
}

/// Reads words from little-endian bytes; what the last word lacks is zero. Combines each word
/// with what is there.
pub(crate) fn get_with(bytes: &[u8], words: &mut [u64], combine: impl Fn(u64, u64) -> u64 + Sync) {
    let whole = bytes.len() / 8;
    let (head, rest) = bytes.split_at(8 * whole);
    let piece = |(words, bytes): (&mut [u64], &[u8])| {
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(chunk);
            *word = combine(*word, u64::from_le_bytes(eight));
        }
    };
    if whole < SPLIT {
        piece((words, head));
    } else {
        words.par_chunks_mut(PIECE).zip(head.par_chunks(8 * PIECE)).for_each(piece);
    }
    if !rest.is_empty() {
        let mut eight = [0; 8];
        eight[..rest.len()].copy_from_slice(rest);
        words[whole] = combine(words[whole], u64::from_le_bytes(eight));
    }
}

/// Reads words from little-endian bytes; what the last word lacks is zero.
///
/// # Panics
/// If there are fewer words than bytes for them.
pub fn get(bytes: &[u8], words: &mut [u64]) {
    get_with(bytes, words, |_, new| new);
}

/// Transposes a 64 by 64 matrix of bits in place: bit `j` of word `i` becomes bit `i` of word `j`
/// (Warren, Hacker's Delight, 7-3).
#[inline(always)]
pub(crate) fn transpose(m: &mut [u64; 64]) {
    swap::<32>(m, 0x0000_0000_ffff_ffff);
    swap::<16>(m, 0x0000_ffff_0000_ffff);
    swap::<8>(m, 0x00ff_00ff_00ff_00ff);
    swap::<4>(m, 0x0f0f_0f0f_0f0f_0f0f);
    swap::<2>(m, 0x3333_3333_3333_3333);
    swap::<1>(m, 0x5555_5555_5555_5555);
}

/// Swaps the upper bits of each row with the lower ones of the row `WIDTH` further down.
#[inline(always)]
fn swap<const WIDTH: usize>(m: &mut [u64; 64], low: u64) {
    for both in m.chunks_exact_mut(2 * WIDTH) {
        let (upper, lower) = both.split_at_mut(WIDTH);
        for (x, y) in upper.iter_mut().zip(lower) {
            let moved = (*x >> WIDTH ^ *y) & low;
            *x ^= moved << WIDTH;
            *y ^= moved;
        }
    }
}

/// The lowest `planes.len()` bits of numbers as bit planes.
pub(crate) fn to_planes(numbers: &[u64], planes: &mut [&mut [u64]]) {
    wide!(numbers_to_planes(numbers, planes));
}

#[inline(always)]
fn numbers_to_planes(numbers: &[u64], planes: &mut [&mut [u64]]) {
    let mut block = [0; 64];
    for (at, rows) in numbers.chunks(64).enumerate() {
        block[..rows.len()].copy_from_slice(rows);
        block[rows.len()..].fill(0);
        transpose(&mut block);
        for (plane, word) in planes.iter_mut().zip(block) {
            plane[at] = word;
        }
    }
}

/// The numbers of which bit planes are given, least significant first.
pub(crate) fn from_planes(planes: &[&[u64]], numbers: &mut [u64]) {
    wide!(planes_to_numbers(planes, numbers));
}

#[inline(always)]
fn planes_to_numbers(planes: &[&[u64]], numbers: &mut [u64]) {
    let mut block = [0; 64];
    for (at, rows) in numbers.chunks_mut(64).enumerate() {
        block.fill(0);
        for (word, plane) in block.iter_mut().zip(planes) {
            *word = plane[at];
        }
        transpose(&mut block);
        rows.copy_from_slice(&block[..rows.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_numbers_are_inverse() {
        let numbers: Vec<u64> =
            (0..130_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let mut planes = vec![vec![0; 3]; 64];
        let mut slices: Vec<&mut [u64]> = planes.iter_mut().map(Vec::as_mut_slice).collect();
        to_planes(&numbers, &mut slices);
        for (i, &number) in numbers.iter().enumerate() {
            for (j, plane) in planes.iter().enumerate() {
                assert_eq!(bit(plane, i), number >> j & 1);
            }
        }
        let planes: Vec<&[u64]> = planes.iter().map(Vec::as_slice).collect();
        let mut back = vec![0; 130];
        from_planes(&planes, &mut back);
        assert_eq!(back, numbers);
    }

    #[test]
    fn planes_have_equal_bits_with_all_instructions() {
        let numbers = crate::wide::testing::words(200, 3);
        let slow = |j: usize| -> Vec<u64> {
            let bits = numbers.chunks(64).map(|rows| {
                rows.iter().enumerate().fold(0, |word, (i, number)| word | (number >> j & 1) << i)
            });
            bits.collect()
        };
        for level in crate::wide::testing::levels() {
            let mut planes = vec![vec![0; 4]; 64];
            let mut slices: Vec<&mut [u64]> = planes.iter_mut().map(Vec::as_mut_slice).collect();
            fearless_simd::dispatch!(level, _ => numbers_to_planes(&numbers, &mut slices));
            for (j, plane) in planes.iter().enumerate() {
                assert_eq!(*plane, slow(j), "{level:?}");
            }
            let planes: Vec<&[u64]> = planes.iter().map(Vec::as_slice).collect();
            let mut back = vec![0; 200];
            fearless_simd::dispatch!(level, _ => planes_to_numbers(&planes, &mut back));
            assert_eq!(back, numbers, "{level:?}");
        }
    }

    #[test]
    fn bytes_of_a_partial_word_come_back() {
        let words = [u64::MAX, 0x0000_00ab_cdef_0123];
        let mut bytes = [0; 13];
        put(&words, &mut bytes);
        let mut back = [7; 2];
        get(&bytes, &mut back);
        assert_eq!(back, words);
    }
}
