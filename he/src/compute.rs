//! One task on ciphertexts: the operation behind each node of a program.

use tfhe::{
    integer::{BooleanBlock, IntegerCiphertext, RadixCiphertext, prelude::ServerKeyDefaultCMux},
    shortint::Ciphertext,
};

use crate::{
    Error, EvaluationKeys, Result,
    digits::{Digits, lookup},
    evaluate::{Cipher, Entered},
    program::{Form, Gate, Item, Kind, Program, Ref, Work},
};

/// Bits that are added before one lookup: with more, the noise would exceed what a lookup bears
/// (five times a fresh ciphertext's in this parameter set).
const FAN_IN: usize = 5;

pub(crate) struct Computer<'a> {
    pub(crate) keys: &'a EvaluationKeys,
    pub(crate) program: &'a Program,
    pub(crate) entered: &'a [Option<Entered>],
}

impl Computer<'_> {
    /// Runs a task on the results of what it needs.
    pub(crate) fn run<C: AsRef<Cipher>>(&self, work: &Work, needs: &[C]) -> Result<Cipher> {
        let key = &self.keys.key;
        let need = |at: usize| needs.get(at).map(AsRef::as_ref).ok_or_else(wrong);
        Ok(match *work {
            Work::Atom(atom) => Cipher::Number(self.atom(atom, needs)?),
            Work::Gate(gate) => Cipher::Bit(self.gate(gate, needs)?),
            Work::Value { form, blocks } => Cipher::Number(self.value(form, blocks, needs)?),
            Work::Between { equal, .. } => {
                let (x, y) = (number(need(0)?)?, number(need(1)?)?);
                Cipher::Bit(if equal {
                    key.eq_parallelized(x, y)
                } else {
                    key.lt_parallelized(x, y)
                })
            }
            Work::Digits(form) => {
                let numbers =
                    needs.iter().map(|need| number(need.as_ref()).map(IntegerCiphertext::blocks));
                let numbers: Vec<&[Ciphertext]> = numbers.collect::<Result<_>>()?;
                let blocks = self.program.form_blocks(&self.program.forms[form as usize]);
                Cipher::Digits(Digits::add(key.as_ref(), &numbers, blocks))
            }
            Work::High { from, digits, .. } => {
                let Cipher::Digits(own) = need(0)? else { return Err(wrong()) };
                Cipher::Bit(BooleanBlock::new_unchecked(own.high(key.as_ref(), from, digits)))
            }
            Work::Against { form, constant, equal, not } => {
                let mut bit = match need(0)? {
                    Cipher::Digits(own) => {
                        let (_, digits) = self.program.digits(form).ok_or_else(wrong)?;
                        let high = needs.get(1).map(|high| bit(high.as_ref())).transpose()?;
                        let high = high.map(|high| high.clone().into_raw_parts());
                        let constant = if equal { 1 } else { constant };
                        let less = own.below(key.as_ref(), digits, constant, high.as_ref());
                        BooleanBlock::new_unchecked(less)
                    }
                    x if equal => key.scalar_eq_parallelized(number(x)?, constant),
                    x => key.scalar_lt_parallelized(number(x)?, constant),
                };
                if not {
                    key.boolean_bitnot_assign(&mut bit);
                }
                Cipher::Bit(bit)
            }
            Work::Item(item) => match &self.program.outputs.items[item] {
                Item::Number { .. } => need(0)?.clone(),
                Item::Bit(of) => Cipher::Bit(self.signed(*of, bit(need(0)?)?)),
            },
        })
    }

    fn entered(&self, party: usize) -> Result<&Entered> {
        self.entered.get(party).and_then(Option::as_ref).ok_or_else(wrong)
    }

    fn atom<C: AsRef<Cipher>>(&self, atom: u32, needs: &[C]) -> Result<RadixCiphertext> {
        let info = &self.program.atoms[atom as usize];
        let key = &self.keys.key;
        let need = |at: usize| needs.get(at).map(AsRef::as_ref).ok_or_else(wrong);
        match info.kind {
            Kind::Input { party, index } => {
                Ok(RadixCiphertext::from(self.entered(party)?.row(index)?.to_vec()))
            }
            Kind::Product(..) => Ok(key.mul_parallelized(number(need(0)?)?, number(need(1)?)?)),
            Kind::Reduced(_, width) => {
                let mut value = number(need(0)?)?.clone();
                if !width.is_multiple_of(crate::BLOCK_BITS) {
                    let low = key.as_ref().generate_lookup_table(|x| x & 1);
                    if let Some(top) = value.blocks_mut().last_mut() {
                        key.as_ref().apply_lookup_table_assign(top, &low);
                    }
                }
                Ok(value)
            }
            Kind::Choose(c, x, y) => {
                let condition = self.signed(c, bit(need(0)?)?);
                let nil = |form: u32| self.program.forms[form as usize] == Form::default();
                Ok(if nil(y) {
                    self.masked(&condition, need(1)?, x, info.blocks())?
                } else if nil(x) {
                    self.masked(&key.boolean_bitnot(&condition), need(1)?, y, info.blocks())?
                } else {
                    let (x, y) = (number(need(1)?)?, number(need(2)?)?);
                    key.if_then_else_parallelized(&condition, x, y)
                })
            }
            Kind::Bit(_) => Err(wrong()),
        }
    }

    fn gate<C: AsRef<Cipher>>(&self, gate: u32, needs: &[C]) -> Result<BooleanBlock> {
        let key = self.keys.key.as_ref();
        match &self.program.gates[gate as usize] {
            Gate::Input { party, index } => {
                // A digit is proved to be below 4; what is above the bit is dropped.
                let row = self.entered(*party)?.row(*index)?;
                let digit = row.first().ok_or_else(wrong)?;
                Ok(BooleanBlock::new_unchecked(lookup(key, digit, |x| x & 1)))
            }
            Gate::Plane { index, .. } => {
                let bits = crate::BLOCK_BITS;
                let blocks = match needs.first().ok_or_else(wrong)?.as_ref() {
                    Cipher::Digits(own) => &own.blocks,
                    other => number(other)?.blocks(),
                };
                let block = blocks.get((index / bits) as usize).ok_or_else(wrong)?;
                let shift = index % bits;
                let table = key.generate_lookup_table(|x| (x >> shift) & 1);
                Ok(BooleanBlock::new_unchecked(key.apply_lookup_table(block, &table)))
            }
            Gate::And(parts) => {
                let mut bits = Vec::with_capacity(parts.len());
                for (part, need) in parts.iter().zip(needs) {
                    bits.push(self.signed(*part, bit(need.as_ref())?));
                }
                Ok(self.counted(bits, |count, of| count == of))
            }
            Gate::Xor(_) => {
                let bits = needs.iter().map(|need| bit(need.as_ref()).cloned());
                Ok(self.counted(bits.collect::<Result<_>>()?, |count, _| count % 2 == 1))
            }
            Gate::False | Gate::Negative(_) | Gate::Zero(_) => Err(wrong()),
        }
    }

    /// Folds bits, a few at a time: their sum, then a lookup of `whether(sum, how many)`.
    fn counted(&self, mut bits: Vec<BooleanBlock>, whether: fn(u64, u64) -> bool) -> BooleanBlock {
        let key = self.keys.key.as_ref();
        while bits.len() > 1 {
            let next = bits.chunks(FAN_IN).map(|some| {
                let mut parts = some.iter().cloned().map(BooleanBlock::into_raw_parts);
                let Some(mut sum) = parts.next() else { return some[0].clone() };
                parts.for_each(|part| key.unchecked_add_assign(&mut sum, &part));
                if some.len() > 1 {
                    let of = some.len() as u64;
                    let table = key.generate_lookup_table(|x| u64::from(whether(x, of)));
                    key.apply_lookup_table_assign(&mut sum, &table);
                }
                BooleanBlock::new_unchecked(sum)
            });
            bits = next.collect();
        }
        bits.pop().unwrap_or_else(|| self.keys.key.create_trivial_boolean_block(false))
    }

    /// A gate's result or its negation, which is `1 - x` and costs nothing.
    fn signed(&self, of: Ref, bit: &BooleanBlock) -> BooleanBlock {
        if of.not { self.keys.key.boolean_bitnot(bit) } else { bit.clone() }
    }

    /// One block of one or two bits, the first lowest.
    fn pair(&self, bits: &[BooleanBlock]) -> Ciphertext {
        let key = self.keys.key.as_ref();
        let mut parts = bits.iter().cloned().map(BooleanBlock::into_raw_parts);
        let Some(low) = parts.next() else { return key.create_trivial(0) };
        let Some(high) = parts.next() else { return low };
        let mut pair = key.unchecked_scalar_mul(&high, 2);
        key.unchecked_add_assign(&mut pair, &low);
        // Clean again, so that two of them can be packed.
        key.message_extract(&pair)
    }

    /// `c` times a number: one lookup of a block and the bit.
    fn masked(
        &self,
        condition: &BooleanBlock,
        number: &Cipher,
        form: u32,
        blocks: usize,
    ) -> Result<RadixCiphertext> {
        let key = self.keys.key.as_ref();
        let condition = condition.clone().into_raw_parts();
        let masked = match number {
            Cipher::Digits(own) => {
                let (_, digits) = self.program.digits(form).ok_or_else(wrong)?;
                own.masked(key, &condition, digits, blocks)
            }
            Cipher::Number(number) => {
                let table = key.generate_lookup_table_bivariate(|c, x| if c == 1 { x } else { 0 });
                let lookup =
                    |block| key.unchecked_apply_lookup_table_bivariate(&condition, block, &table);
                number.blocks().iter().map(lookup).collect()
            }
            Cipher::Bit(_) => return Err(wrong()),
        };
        Ok(RadixCiphertext::from(masked))
    }

    /// An integer modulo `4^blocks`.
    fn value<C: AsRef<Cipher>>(
        &self,
        form: u32,
        blocks: usize,
        needs: &[C],
    ) -> Result<RadixCiphertext> {
        let key = &self.keys.key;
        if let Some((_, digits)) = self.program.digits(form) {
            let Some(Cipher::Digits(own)) = needs.first().map(AsRef::as_ref) else {
                return Err(wrong());
            };
            return Ok(RadixCiphertext::from(own.refreshed(key.as_ref(), digits, blocks)));
        }
        let form = &self.program.forms[form as usize];
        // Summands, and what is to be taken away.
        let mut sums: [Vec<RadixCiphertext>; 2] = [vec![], vec![]];
        let mut layers: [Vec<Vec<Option<BooleanBlock>>>; 2] = [vec![], vec![]];
        for ((&atom, &c), need) in form.terms.iter().zip(needs) {
            let side = usize::from(c < 0);
            let factor = c.unsigned_abs();
            match need.as_ref() {
                Cipher::Bit(bit) => {
                    let Kind::Bit(of) = self.program.atoms[atom as usize].kind else {
                        return Err(wrong());
                    };
                    let bit = self.signed(of, bit);
                    // Every bit of the factor puts the bit at a place.
                    let places = (0..128.min(blocks * 2)).filter(|i| factor >> i & 1 == 1);
                    places.for_each(|place| put(&mut layers[side], place, blocks * 2, &bit));
                }
                Cipher::Digits(_) => return Err(wrong()),
                Cipher::Number(number) => {
                    let number = self.resized(number, blocks);
                    sums[side].push(match factor {
                        1 => number,
                        factor => key.scalar_mul_parallelized(&number, factor),
                    });
                }
            }
        }
        for (sum, layers) in sums.iter_mut().zip(&layers) {
            for layer in layers {
                let pairs = layer.chunks(2).map(|pair| match pair {
                    [Some(low), Some(high)] => self.pair(&[low.clone(), high.clone()]),
                    [Some(low), None] => low.clone().into_raw_parts(),
                    [None, Some(high)] => {
                        let zero = key.create_trivial_boolean_block(false);
                        self.pair(&[zero, high.clone()])
                    }
                    _ => key.as_ref().create_trivial(0),
                });
                sum.push(RadixCiphertext::from(pairs.collect::<Vec<_>>()));
            }
        }
        let [plus, minus] = sums.map(|sum| match sum.len() {
            0 => None,
            1 => sum.into_iter().next(),
            _ => key.sum_ciphertexts_parallelized(&sum),
        });
        let constant = form.constant;
        let value = match (plus, minus) {
            (None, None) => None,
            (Some(plus), None) => Some(plus),
            (Some(plus), Some(minus)) => Some(key.sub_parallelized(&plus, &minus)),
            (None, Some(minus)) => Some(key.neg_parallelized(&minus)),
        };
        // Modulo 2^128, which 4^blocks divides.
        let constant = constant as u128;
        Ok(match value {
            None => key.create_trivial_radix(constant, blocks),
            Some(value) if constant == 0 => value,
            Some(value) => key.scalar_add_parallelized(&value, constant),
        })
    }

    fn resized(&self, number: &RadixCiphertext, blocks: usize) -> RadixCiphertext {
        let key = &self.keys.key;
        let has = number.blocks().len();
        if has > blocks {
            RadixCiphertext::from(number.blocks()[..blocks].to_vec())
        } else {
            key.extend_radix_with_trivial_zero_blocks_msb(number, blocks - has)
        }
    }
}

/// Puts a bit at a place of the first layer where that is free.
fn put(
    layers: &mut Vec<Vec<Option<BooleanBlock>>>,
    place: usize,
    width: usize,
    bit: &BooleanBlock,
) {
    let free = layers.iter().position(|layer| layer[place].is_none());
    let free = free.unwrap_or_else(|| {
        layers.push(vec![None; width]);
        layers.len() - 1
    });
    layers[free][place] = Some(bit.clone());
}

fn number(cipher: &Cipher) -> Result<&RadixCiphertext> {
    match cipher {
        Cipher::Number(number) => Ok(number),
        Cipher::Bit(_) | Cipher::Digits(_) => Err(wrong()),
    }
}

fn bit(cipher: &Cipher) -> Result<&BooleanBlock> {
    match cipher {
        Cipher::Bit(bit) => Ok(bit),
        Cipher::Number(_) | Cipher::Digits(_) => Err(wrong()),
    }
}

fn wrong() -> Error {
    Error::Input("a program whose tasks do not fit each other".into())
}
