//! AES-128 on secret key and secret block, as FIPS 197 defines it.
//!
//! The S-box is the only part that multiplies. It is the inverse in GF(2^8) and an affine map; the
//! field is taken apart as a tower of quadratic extensions, GF(2) < GF(2^2) < GF(2^4) < GF(2^8)
//! (Satoh, Morioka, Takano, Munetoh, "A Compact Rijndael Hardware Architecture with S-Box
//! Optimization", ASIACRYPT 2001), in normal bases (Canright, "A Very Compact S-Box for AES", CHES
//! 2005). Inversion in GF(2^4) takes 7 ANDs in 2 levels, so that an S-box takes 34 ANDs in 4, as
//! that of Boyar and Peralta ("A Small Depth-16 Circuit for the AES S-Box", SEC 2012), whose
//! polynomials for that inversion these are. The linear maps follow from the three numbers that
//! choose the bases; they are written with few exclusive ors by Paar's method of common pairs.

mod linear;
mod sbox;

use tacit_mpc::{Bit, Builder};

use sbox::Sbox;

/// Planes of a key and of a block.
const BITS: usize = 128;

/// Rounds of AES-128.
const ROUNDS: usize = 10;

/// `block` encrypted under `key`: every row is one block with a key of its own.
///
/// Plane `8 i + j` is bit `j`, least significant first, of byte `i` in the order of FIPS 197.
/// 40 rounds, 6,800 ANDs; the key schedule runs beside the rounds of the cipher.
///
/// # Panics
/// If there are not 128 planes of each, all of as many rows.
pub fn aes128(b: &mut Builder, key: &[Bit], block: &[Bit]) -> Vec<Bit> {
    assert!(key.len() == BITS && block.len() == BITS, "aes128: key and block are 128 planes");
    let sbox = Sbox::new();
    let one: Bit = b.constant(1, b.rows(block[0]));
    let mut key = bytes(key);
    let mut state = add(b, &bytes(block), &key);
    let mut constant = 1;
    for round in 1..=ROUNDS {
        key = next_key(b, &sbox, one, &key, constant);
        constant = sbox::double(constant);
        let substituted: Vec<Byte> = state.iter().map(|byte| sbox.apply(b, one, byte)).collect();
        // Row r of the state moves r columns to the left; columns are four bytes each.
        let shifted: Vec<Byte> = (0..16).map(|i| substituted[(i + 4 * (i % 4)) % 16]).collect();
        let mixed = if round == ROUNDS { shifted } else { mix_columns(b, &shifted) };
        state = add(b, &mixed, &key);
    }
    state.concat()
}

/// Eight planes, least significant first.
type Byte = [Bit; 8];

fn bytes(planes: &[Bit]) -> Vec<Byte> {
    planes.as_chunks().0.to_vec()
}

fn xor(b: &mut Builder, x: &Byte, y: &Byte) -> Byte {
    std::array::from_fn(|i| b.xor(x[i], y[i]))
}

fn add(b: &mut Builder, x: &[Byte], y: &[Byte]) -> Vec<Byte> {
    x.iter().zip(y).map(|(x, y)| xor(b, x, y)).collect()
}

/// The key of the next round: FIPS 197, section 5.2.
fn next_key(b: &mut Builder, sbox: &Sbox, one: Bit, key: &[Byte], constant: u8) -> Vec<Byte> {
    let mut next = Vec::with_capacity(16);
    for i in 0..16 {
        let added = match i {
            0..4 => {
                let mut byte = sbox.apply(b, one, &key[12 + (i + 1) % 4]);
                for (j, bit) in byte.iter_mut().enumerate() {
                    if i == 0 && constant >> j & 1 == 1 {
                        *bit = b.xor(*bit, one);
                    }
                }
                byte
            }
            _ => next[i - 4],
        };
        next.push(xor(b, &key[i], &added));
    }
    next
}

/// FIPS 197, section 5.1.3: byte `i` of a column becomes `2 (x + y) + y + z + w` of the bytes
/// from `i` on. 108 exclusive ors a column.
fn mix_columns(b: &mut Builder, state: &[Byte]) -> Vec<Byte> {
    let mut mixed = Vec::with_capacity(16);
    for column in state.chunks(4) {
        let pairs: Vec<Byte> = (0..4).map(|i| xor(b, &column[i], &column[(i + 1) % 4])).collect();
        for i in 0..4 {
            let doubled = double(b, &pairs[i]);
            let rest = xor(b, &column[(i + 1) % 4], &pairs[(i + 2) % 4]);
            mixed.push(xor(b, &doubled, &rest));
        }
    }
    mixed
}

/// A byte times 2 in the field of AES.
fn double(b: &mut Builder, x: &Byte) -> Byte {
    let mut doubled = *x;
    doubled.rotate_right(1);
    for i in [1, 3, 4] {
        doubled[i] = b.xor(doubled[i], x[7]);
    }
    doubled
}
