//! Random circuits of the instructions that there is an evaluation of.

use std::collections::BTreeMap;

use tacit_mpc::{Bit, Builder, Circuit, Column, Num};

/// SplitMix64: repeatable, and good enough to choose tests.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.word() % end as u64) as usize
    }
}

/// A circuit of some `steps`, on columns of `rows` rows and numbers of `width` bits from three parties;
/// party 3 receives. With it the inputs.
pub fn circuit(
    seed: u64,
    steps: usize,
    rows: usize,
    width: u32,
) -> (Circuit, BTreeMap<usize, Vec<Column>>) {
    let mut random = Random(seed);
    let mut b = Builder::new();
    let mut nums: Vec<Num> = Vec::new();
    let mut bits: Vec<Bit> = Vec::new();
    let mut inputs = BTreeMap::new();
    for party in 0..3 {
        nums.push(b.enter(party, rows));
        bits.push(b.enter(party, rows));
        // Ends of the range are likelier than by chance.
        let number = |random: &mut Random| match random.below(4) {
            0 => 0,
            1 => u64::MAX >> (64 - width),
            _ => random.word() >> (64 - width),
        };
        let numbers = (0..rows).map(|_| number(&mut random)).collect();
        let flags = (0..rows).map(|_| random.below(2) == 1);
        inputs.insert(party, vec![Column::Num(numbers), Column::bits(flags)]);
    }
    for _ in 0..steps {
        step(&mut b, &mut random, &mut nums, &mut bits, rows, width);
    }
    for (i, &num) in nums.iter().rev().take(2).enumerate() {
        b.reveal(num, 3, format!("number {i}"));
    }
    for (i, &bit) in bits.iter().rev().take(3).enumerate() {
        b.reveal(bit, 3, format!("bit {i}"));
    }
    (b.finish(), inputs)
}

fn step(
    b: &mut Builder,
    random: &mut Random,
    nums: &mut Vec<Num>,
    bits: &mut Vec<Bit>,
    rows: usize,
    width: u32,
) {
    // Recent values are likelier, so that chains get long.
    let recent = |random: &mut Random, len: usize| len - 1 - random.below(len.min(4));
    let (x, y) = (nums[recent(random, nums.len())], nums[recent(random, nums.len())]);
    let (p, q) = (bits[recent(random, bits.len())], bits[recent(random, bits.len())]);
    let wide = (width as usize + random.below(3)).min(60);
    match random.below(21) {
        0 => nums.push(b.add(x, y)),
        1 => nums.push(b.sub(x, y)),
        2 => {
            let c = [2, 3, 5, u64::MAX, u64::MAX - 2][random.below(5)];
            nums.push(b.scale(x, c));
        }
        3 => {
            let sum = b.sum(x);
            nums.push(b.broadcast(sum, rows));
        }
        4 => {
            let (x, y) = (b.to_bits(x, wide), b.to_bits(y, wide));
            bits.push(b.less(&x, &y));
        }
        5 => {
            let (x, y) = (b.to_bits(x, wide), b.to_bits(y, wide));
            bits.push(b.equal(&x, &y));
        }
        6 => {
            let (x, y) = (b.to_bits(x, wide), b.to_bits(y, wide));
            let z = b.select(p, &x, &y);
            nums.push(b.to_num(&z));
            bits.push(z[random.below(wide)]);
        }
        // Least and most.
        7 => {
            let (x, y) = (b.to_bits(x, wide), b.to_bits(y, wide));
            let less = b.less(&x, &y);
            let least = b.select(less, &x, &y);
            let most = b.select(less, &y, &x);
            nums.push(b.to_num(&least));
            nums.push(b.to_num(&most));
        }
        8 => bits.push(b.is_zero(x, wide)),
        // Smaller than a public number, by the sign of the difference.
        9 => {
            let c = b.constant(random.below(1 << width.min(6)) as u64, rows);
            let x = b.sub(x, c);
            let planes = b.to_bits(x, wide + 4);
            bits.push(planes[wide + 3]);
        }
        10 => {
            let (x, y) = (b.to_bits(x, 3), b.to_bits(y, 3));
            let (x, y) = (b.to_num(&x), b.to_num(&y));
            nums.push(b.mul(x, y));
        }
        11 => bits.push(b.and(p, q)),
        12 => bits.push(b.xor(p, q)),
        13 => bits.push(b.or(p, q)),
        14 => bits.push(b.not(p)),
        15 => nums.push(b.to_num(&[p, q])),
        16 => nums.push(b.prefix_sum(x)),
        17 => {
            let both = b.concat(&[p, q]);
            let index = (0..rows).map(|_| random.below(2 * rows) as u32).collect();
            bits.push(b.gather(both, index));
        }
        18 => {
            let both = b.concat(&[x, y]);
            let both = b.transpose(both, 2);
            nums.push(b.slice(both, random.below(rows + 1), rows));
        }
        // All planes masked by a bit: a number that is hidden.
        19 => {
            let planes = b.to_bits(x, wide);
            let masked: Vec<Bit> = planes.iter().map(|&plane| b.and(plane, p)).collect();
            nums.push(b.to_num(&masked));
            bits.extend(masked);
        }
        _ => {
            let parity = b.sum(p);
            bits.push(b.broadcast(parity, rows));
        }
    }
}
