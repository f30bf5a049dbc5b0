//! Sums of what parties entered, digit by digit, and what is asked of them, with as few lookups as there
//! are.
//!
//! A lookup (a key switch and a bootstrapping) is what costs; additions are free, as long as what is
//! looked up is below 16 and not too noisy. Noise is counted in variances of a bootstrapping's output.
//! The parameters are made for 25 of them in front of a lookup (`(4 x + y)` with independent x and y,
//! written as norm 5), with a failure below 2^-129.5. Before a lookup the key switch adds as much as
//! 90, and rounding to 4096 steps as much as 470, so that up to 30 leave it below 2^-128. Every lookup here states what
//! it is given. What a site encrypted has a noise of its own that is 2^-20 of a bootstrapping's: it
//! counts as none.
//!
//! With `s_i` the sum of the parties' digits i, at most 12 for four parties:
//!
//! ```text
//! u_i = s_i + k_{i-1}      at most 15; noise 1
//! k_i = u_i div 4          a lookup
//! d_i = u_i - 4 k_i        the digit; noise 1 + 16 = 17, no lookup
//! ```
//!
//! So a sum costs one lookup a digit, whatever the number of parties.

use tfhe::{
    core_crypto::prelude::{
        Cleartext, lwe_ciphertext_cleartext_mul_assign, lwe_ciphertext_sub_assign,
    },
    shortint::{Ciphertext, ServerKey, ciphertext::Degree},
};

/// Digits below 4, of a noise of 17, or without any if `fresh`.
#[derive(Clone)]
pub(crate) struct Digits {
    pub(crate) blocks: Vec<Ciphertext>,
    /// Nothing was carried: every digit is what one party entered.
    pub(crate) fresh: bool,
}

/// What one lookup of a table makes of a block that is below 16. The table's largest value, whether it can
/// come about or not, is what the library takes the result to be below.
pub(crate) fn lookup(
    key: &ServerKey,
    block: &Ciphertext,
    table: impl Fn(u64) -> u64,
) -> Ciphertext {
    key.apply_lookup_table(block, &key.generate_lookup_table(table))
}

/// Sum of blocks, without a lookup.
fn sum<'a>(key: &ServerKey, blocks: impl Iterator<Item = &'a Ciphertext>) -> Option<Ciphertext> {
    blocks.fold(None, |sum, block| match sum {
        None => Some(block.clone()),
        Some(mut sum) => {
            key.unchecked_add_assign(&mut sum, block);
            Some(sum)
        }
    })
}

impl Digits {
    /// The sum of up to four numbers of fresh digits, as `digits` digits, which
    /// hold it. A lookup for each of them that has a carry to give.
    pub(crate) fn add(key: &ServerKey, numbers: &[&[Ciphertext]], digits: usize) -> Self {
        if let [number] = numbers {
            return Self { blocks: number.to_vec(), fresh: true };
        }
        let mut blocks = Vec::with_capacity(digits);
        // The carry into the next digit, and how large it can be.
        let mut carry: Option<Ciphertext> = None;
        let mut most = 0;
        for at in 0..digits {
            let own = numbers.iter().filter_map(|number| number.get(at));
            most += 3 * own.clone().count();
            let Some(mut digit) = sum(key, own.chain(carry.take().as_ref())) else {
                blocks.push(key.create_trivial(0));
                continue;
            };
            most /= 4;
            if most > 0 && at + 1 < digits {
                // Noise 1, from the carry before.
                let over = lookup(key, &digit, |u| u / 4);
                let mut four = over.clone();
                lwe_ciphertext_cleartext_mul_assign(&mut four.ct, Cleartext(4));
                lwe_ciphertext_sub_assign(&mut digit.ct, &four.ct);
                carry = Some(over);
            }
            digit.degree = Degree::new(3);
            blocks.push(digit);
        }
        Self { blocks, fresh: false }
    }

    /// The first `blocks` digits for operations that expect a noise of 1, padded with 0: a lookup each.
    pub(crate) fn refreshed(
        &self,
        key: &ServerKey,
        digits: usize,
        blocks: usize,
    ) -> Vec<Ciphertext> {
        let own = self.blocks.iter().take(digits.min(blocks));
        let mut refreshed: Vec<Ciphertext> = own
            .map(|digit| if self.fresh { digit.clone() } else { lookup(key, digit, |x| x % 4) })
            .collect();
        refreshed.resize_with(blocks, || key.create_trivial(0));
        refreshed
    }

    /// 8 if one of the digits `from .. digits` is not 0, else 0: a lookup for two of them, and one.
    pub(crate) fn high(&self, key: &ServerKey, from: usize, digits: usize) -> Ciphertext {
        let own = self.blocks.get(from..digits.min(self.blocks.len())).unwrap_or(&[]);
        // d_i + d_{i+1} = s_i + s_{i+1} + k_{i-1} - 3 k_i - 4 k_{i+1}: noise 1 + 9 + 16 = 26, at most 6.
        let pairs: Vec<Ciphertext> = own
            .chunks(2)
            .filter_map(|pair| sum(key, pair.iter()))
            .map(|pair| lookup(key, &pair, |x| u64::from(x > 0)))
            .collect();
        // At most 15 pairs, since a number has at most 32 digits, two of them low.
        match sum(key, pairs.iter()) {
            None => key.create_trivial(0),
            Some(all) => lookup(key, &all, |x| if x > 0 { 8 } else { 0 }),
        }
    }

    /// Whether the first `digits` digits are a number below `constant`; `high` is what [`Digits::high`]
    /// says of those that are not looked at one by one. One lookup a low digit.
    pub(crate) fn below(
        &self,
        key: &ServerKey,
        digits: usize,
        constant: u128,
        high: Option<&Ciphertext>,
    ) -> Ciphertext {
        let low = crate::Program::low_digits(constant).min(digits);
        let first = (constant.trailing_zeros() / 2) as usize;
        // 4 if the digits so far are below the constant's.
        let mut less: Option<Ciphertext> = None;
        for at in first..low {
            let Some(digit) = self.blocks.get(at) else { break };
            let due = ((constant >> (2 * at)) & 3) as u64;
            let last = at + 1 == low;
            let high = high.filter(|_| last);
            // x + 4 less + 8 high, below 16: noise 17 + 1 + 1.
            let all = sum(key, [digit].into_iter().chain(&less).chain(high));
            let yes = if last { 1 } else { 4 };
            let table = |v: u64| {
                let (x, less, high) = (v & 3, v >> 2 & 1 == 1, v >> 3 == 1);
                if !high && (x < due || (x == due && less)) { yes } else { 0 }
            };
            less = all.map(|all| lookup(key, &all, table));
        }
        less.unwrap_or_else(|| key.create_trivial(0))
    }

    /// The first `blocks` digits, or 0 where `shown` is 0: one lookup each, and one for the bit.
    pub(crate) fn masked(
        &self,
        key: &ServerKey,
        shown: &Ciphertext,
        digits: usize,
        blocks: usize,
    ) -> Vec<Ciphertext> {
        let four = lookup(key, shown, |bit| 4 * (bit & 1));
        let own = self.blocks.iter().take(digits.min(blocks));
        // x + 4 shown: noise 17 + 1.
        let mut masked: Vec<Ciphertext> = own
            .filter_map(|digit| sum(key, [digit, &four].into_iter()))
            .map(|v| lookup(key, &v, |v| if v < 4 { 0 } else { v % 4 }))
            .collect();
        masked.resize_with(blocks, || key.create_trivial(0));
        masked
    }
}
