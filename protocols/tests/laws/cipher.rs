//! AES-128, beside the plain cipher as FIPS 197 defines it.

use tacit_protocols::aes128;

use super::common::family::{Given, Value};
use super::registry::{Case, Data, Operator, operator};

pub const OPERATORS: &[Operator] = &[operator("aes128", &[128], cipher).in_forms(1).up_to(65)];

/// Keys and blocks in the form of the case, of two words each.
fn cipher(d: &mut Data) -> Case {
    let words: Vec<Vec<u64>> = (0..4).map(|_| d.column(64)).collect();
    let join = |high: usize, row: usize| {
        (u128::from(words[high][row]) << 64 | u128::from(words[high + 1][row])).to_be_bytes()
    };
    let encrypt = |row: usize| encrypt(join(0, row), join(2, row));
    let ciphers: Vec<[u8; 16]> = (0..d.rows).map(encrypt).collect();
    let text = |high: usize| (0..d.rows).map(|row| join(high, row)).collect::<Vec<_>>();
    let given = [text(0), text(2)].map(|text| planes(&text)).concat();
    let due = planes(&ciphers).into_iter().map(|plane| match plane {
        Given::Bits(_, bits) => bits,
        Given::Num(x) => x,
    });
    Case::new(given, due.collect(), |b, x, _| {
        let bits: Vec<_> = x.iter().map(|plane| plane.bits()[0]).collect();
        aes128(b, &bits[..128], &bits[128..]).into_iter().map(Value::from).collect()
    })
}

/// Bit `i` of every text, in the order of the bytes and from the lowest bit of each.
fn planes(texts: &[[u8; 16]]) -> Vec<Given> {
    let bit = |text: &[u8; 16], i: usize| u64::from(text[i / 8] >> (i % 8) & 1);
    (0..128).map(|i| Given::Bits(1, texts.iter().map(|text| bit(text, i)).collect())).collect()
}

/// `x` times `y` in the field of AES.
fn times(mut x: u8, y: u8) -> u8 {
    let mut product = 0;
    for i in 0..8 {
        product ^= if y >> i & 1 == 1 { x } else { 0 };
        x = x << 1 ^ if x >> 7 == 1 { 0x1b } else { 0 };
    }
    product
}

/// The inverse, then the affine map (section 5.1.1).
fn substitute(x: u8) -> u8 {
    let inverse = (0..=255).find(|&y| times(x, y) == 1).unwrap_or(0);
    (0..5).fold(0x63, |sum, by| sum ^ inverse.rotate_left(by))
}

/// Section 5.1, with the key schedule of section 5.2.
fn encrypt(key: [u8; 16], block: [u8; 16]) -> [u8; 16] {
    let table: Vec<u8> = (0..=255).map(substitute).collect();
    let sub = |x: u8| table[x as usize];
    let (mut key, mut state) = (key, block);
    let mut constant = 1;
    for round in 0..=10 {
        if round > 0 {
            let mut shifted = [0; 16];
            for (i, byte) in shifted.iter_mut().enumerate() {
                *byte = sub(state[5 * i % 16]);
            }
            state = shifted;
            if round < 10 {
                for column in state.chunks_mut(4) {
                    let old = [column[0], column[1], column[2], column[3]];
                    for i in 0..4 {
                        let next = |by: usize| old[(i + by) % 4];
                        column[i] = times(old[i], 2) ^ times(next(1), 3) ^ next(2) ^ next(3);
                    }
                }
            }
            let mut last = [key[13], key[14], key[15], key[12]].map(sub);
            last[0] ^= constant;
            for i in 0..16 {
                key[i] ^= if i < 4 { last[i] } else { key[i - 4] };
            }
            constant = times(constant, 2);
        }
        for (byte, key) in state.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    state
}

#[test]
fn the_plain_cipher_meets_fips_197() {
    let block = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
    let key = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128.to_be_bytes();
    let due = 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128.to_be_bytes();
    assert_eq!(encrypt(key, block), due);
}
