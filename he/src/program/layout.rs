//! How what is opened is put into ciphertexts of five bits.
//!
//! A ciphertext that is squashed holds two digits of two bits, and a fifth bit above them. What is
//! opened are digits of numbers and bits of their own. Where there are more digits than bits, some
//! digits are taken apart, each into two fifth bits; where there are more bits, some are put
//! together, two to a digit.

/// So many digits and bits of their own, in as few ciphertexts as hold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    digits: usize,
    bits: usize,
    /// Ciphertexts.
    groups: usize,
    /// Digits, the last ones, that are taken apart.
    apart: usize,
    /// Pairs of bits, the first ones, that are put together.
    pairs: usize,
}

/// A digit of a ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digit {
    /// Of a number.
    Own(usize),
    /// Made of this bit and the one after it, which is the high one.
    Pair(usize),
}

/// The bit above the digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fifth {
    /// A bit of its own.
    Own(usize),
    /// The low or the high bit of a digit.
    Of { digit: usize, high: bool },
}

/// What one ciphertext holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) digits: [Option<Digit>; 2],
    pub(crate) fifth: Option<Fifth>,
}

impl Layout {
    pub(crate) fn new(digits: usize, bits: usize) -> Self {
        let mut groups = (2 * digits + bits).div_ceil(5);
        loop {
            // What does not find a place among the digits, or above them.
            let apart = digits.saturating_sub(2 * groups);
            let pairs = bits.saturating_sub(groups).div_ceil(2);
            if bits + 2 * apart <= groups + 2 * pairs && digits + pairs <= 2 * groups + apart {
                return Self { digits, bits, groups, apart, pairs };
            }
            groups += 1;
        }
    }

    /// Number of ciphertexts.
    pub(crate) fn len(&self) -> usize {
        self.groups
    }

    /// Lookups that it takes to put everything into its place.
    pub(crate) fn lookups(&self) -> usize {
        2 * self.apart + self.pairs + (self.bits - self.both())
    }

    /// Bits that are in a digit.
    fn both(&self) -> usize {
        2 * self.pairs
    }

    pub(crate) fn group(&self, at: usize) -> Group {
        let whole = self.digits - self.apart;
        let digit = |at: usize| match at.checked_sub(whole) {
            None => Some(Digit::Own(at)),
            Some(pair) => (pair < self.pairs).then_some(Digit::Pair(2 * pair)),
        };
        let alone = self.bits - self.both();
        let fifth = match at.checked_sub(alone) {
            None => Some(Fifth::Own(self.both() + at)),
            Some(half) => (half < 2 * self.apart)
                .then_some(Fifth::Of { digit: whole + half / 2, high: half % 2 == 1 }),
        };
        Group { digits: [digit(2 * at), digit(2 * at + 1)], fifth }
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = Group> {
        (0..self.groups).map(|at| self.group(at))
    }

    /// The digits and the bits that these values of five bits, one a ciphertext, hold.
    pub(crate) fn read(&self, values: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut digits, mut bits) = (vec![0; self.digits], vec![0; self.bits]);
        for (group, value) in self.groups().zip(values) {
            for (digit, value) in group.digits.iter().zip([value & 3, value >> 2 & 3]) {
                match *digit {
                    Some(Digit::Own(at)) => digits[at] = value,
                    Some(Digit::Pair(at)) => [bits[at], bits[at + 1]] = [value & 1, value >> 1],
                    None => {}
                }
            }
            match group.fifth {
                Some(Fifth::Own(at)) => bits[at] = value >> 4,
                Some(Fifth::Of { digit, high }) => digits[digit] |= (value >> 4) << u8::from(high),
                None => {}
            }
        }
        (digits, bits)
    }

    /// What the ciphertexts hold, for tests: what [`Layout::read`] reads, and zeros.
    pub(crate) fn write(&self, digits: &[u8], bits: &[u8]) -> Vec<u8> {
        let value = |group: Group| {
            let digit = |digit: Option<Digit>| match digit {
                Some(Digit::Own(at)) => digits[at],
                Some(Digit::Pair(at)) => bits[at] | bits[at + 1] << 1,
                None => 0,
            };
            let fifth = match group.fifth {
                Some(Fifth::Own(at)) => bits[at],
                Some(Fifth::Of { digit, high }) => digits[digit] >> u8::from(high) & 1,
                None => 0,
            };
            digit(group.digits[0]) | digit(group.digits[1]) << 2 | fifth << 4
        };
        self.groups().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_back_from_as_few_ciphertexts_as_hold_it() {
        let mut random = crate::testing::Random(3);
        for digits in 0..70 {
            for bits in 0..70 {
                let layout = Layout::new(digits, bits);
                // Five bits each; one more where an odd one is left over.
                let least = (2 * digits + bits).div_ceil(5);
                assert!((least..=least + 1).contains(&layout.len()), "{layout:?}");
                let mut draw = |below: u64| (random.word() % below) as u8;
                let own: Vec<u8> = (0..digits).map(|_| draw(4)).collect();
                let alone: Vec<u8> = (0..bits).map(|_| draw(2)).collect();
                let values = layout.write(&own, &alone);
                assert!(values.iter().all(|&value| value < 32));
                assert_eq!(layout.read(&values), (own, alone), "{layout:?}");
            }
        }
    }

    #[test]
    fn cells_of_24_bits_with_two_bits_of_status_fill_their_ciphertexts() {
        assert_eq!(Layout::new(600, 100).len(), 260);
        // 80 digits in two halves each, and 100 bits above digits.
        assert_eq!(Layout::new(600, 100).lookups(), 260);
        assert_eq!(Layout::new(0, 0).len(), 0);
        assert_eq!(Layout::new(0, 1).group(0).fifth, Some(Fifth::Own(0)));
        assert_eq!(Layout::new(0, 5).len(), 1);
        assert_eq!(Layout::new(2, 1).len(), 1);
    }
}
