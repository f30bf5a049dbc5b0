//! What is opened: which blocks are decrypted, and how the opened columns are read from them.
//!
//! A number whose planes are all opened is decrypted as a number, digit by digit; a bit that is opened
//! alone is decrypted as a bit; [`Layout`] puts them into ciphertexts of five bits. What is public is not
//! decrypted.

use std::collections::BTreeMap;

use tacit_mpc::{Column, Kind as Columns, Shape};

use super::{
    FormId, Layout, Program,
    bits::{Gate, Ref, TRUE},
    build::Rows,
    form::Form,
};
use crate::{Error, Result};

/// What is decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// The integer modulo `4^blocks`.
    Number { form: FormId, blocks: usize },
    /// A bit that is opened alone.
    Bit(Ref),
}

/// Where the value of a row is found.
#[derive(Clone, Debug)]
enum Source {
    Public(u64),
    /// The integer of an item, which is at least `least`.
    Number {
        item: usize,
        least: i128,
    },
    /// A bit of an item.
    Bit {
        item: usize,
        index: usize,
        not: bool,
    },
}

/// All openings.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) to: usize,
    pub(crate) items: Vec<Item>,
    columns: Vec<(String, Shape, Vec<Source>)>,
}

pub(super) fn outputs(
    program: &mut Program,
    shown: Vec<(usize, String, Shape, Rows)>,
) -> Result<Outputs> {
    let to = shown.first().map_or(0, |(to, ..)| *to);
    if shown.iter().any(|(other, ..)| *other != to) {
        return Err(Error::Input("more than one party receives; decryption is to one".into()));
    }
    let mut outputs = Outputs { to, ..Outputs::default() };
    let mut found = whole_numbers(program, &shown, &mut outputs);
    lone_bits(&shown, &mut found, &mut outputs);
    for (_, name, shape, rows) in shown {
        let sources = match rows {
            Rows::Num(forms) => {
                forms.iter().map(|form| number(program, &mut outputs, form)).collect()
            }
            Rows::Bit(bits) => bits.into_iter().map(|bit| source(&found, bit)).collect(),
        };
        outputs.columns.push((name, shape, sources));
    }
    Ok(outputs)
}

fn source(found: &BTreeMap<Ref, Source>, bit: Ref) -> Source {
    if bit.gate == 0 {
        return Source::Public(u64::from(bit == TRUE));
    }
    match (found.get(&bit), found.get(&!bit)) {
        (Some(source), _) => source.clone(),
        (None, Some(Source::Bit { item, index, not })) => {
            Source::Bit { item: *item, index: *index, not: !not }
        }
        // Every bit that is shown was given an item.
        _ => Source::Public(0),
    }
}

fn number(program: &mut Program, outputs: &mut Outputs, form: &Form) -> Source {
    if form.terms.is_empty() {
        return Source::Public(form.constant as u64);
    }
    let (least, most) = program.range(form);
    // As many blocks as tell the integers of the range apart; 32 are the whole ring.
    let width = most.saturating_sub(least);
    let blocks = if width < 1 << 62 { super::blocks(width) } else { 32 };
    let least = if blocks == 32 { 0 } else { least };
    let form = program.form(form.plus(-least, &Form::constant(1)));
    let item = outputs.item(Item::Number { form, blocks });
    Source::Number { item, least }
}

/// Gives items to numbers of which all planes are shown, with or without a mask.
fn whole_numbers(
    program: &mut Program,
    shown: &[(usize, String, Shape, Rows)],
    outputs: &mut Outputs,
) -> BTreeMap<Ref, Source> {
    // By mask and number: the bits that are shown of it.
    let mut groups: BTreeMap<(Vec<Ref>, FormId), BTreeMap<u32, Ref>> = BTreeMap::new();
    for (.., rows) in shown {
        let Rows::Bit(bits) = rows else { continue };
        for &bit in bits {
            let parts = match &program.gates[bit.gate as usize] {
                Gate::And(parts) if !bit.not => parts.clone(),
                Gate::Plane { .. } if !bit.not => vec![bit],
                _ => continue,
            };
            for &plane in parts.iter().filter(|part| !part.not) {
                let Gate::Plane { of, index, .. } = program.gates[plane.gate as usize] else {
                    continue;
                };
                let mask = parts.iter().copied().filter(|part| *part != plane).collect();
                groups.entry((mask, of)).or_default().insert(index, bit);
            }
        }
    }
    // A bit that is of two numbers, as one's plane and in the other's mask, is opened with the larger one.
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, planes)| std::cmp::Reverse(planes.len()));
    let mut found = BTreeMap::new();
    for ((mask, of), planes) in groups {
        if planes.values().all(|bit| found.contains_key(bit)) {
            continue;
        }
        let form = program.forms[of as usize].clone();
        // All planes below some index are the number modulo a power of two.
        let width = planes.len() as u32;
        if planes.keys().next_back() != Some(&(width - 1)) {
            continue;
        }
        let form = program.reduced(&form, width);
        let mask = mask.iter().fold(TRUE, |all, &bit| program.and(all, bit));
        let masked = program.choose(mask, &form, &Form::default());
        let blocks = program.form_blocks(&masked);
        let form = program.form(masked);
        let item = outputs.item(Item::Number { form, blocks });
        for (index, bit) in planes {
            let index = index as usize;
            found.entry(bit).or_insert(Source::Bit { item, index, not: false });
        }
    }
    found
}

/// Gives items to the bits that are left.
fn lone_bits(
    shown: &[(usize, String, Shape, Rows)],
    found: &mut BTreeMap<Ref, Source>,
    outputs: &mut Outputs,
) {
    let mut lone: Vec<Ref> = Vec::new();
    for (.., rows) in shown {
        let Rows::Bit(bits) = rows else { continue };
        let missing =
            |bit: &&Ref| bit.gate != 0 && !found.contains_key(*bit) && !found.contains_key(&!**bit);
        lone.extend(bits.iter().filter(missing));
    }
    // One of a bit and its negation is enough.
    for bit in &mut lone {
        bit.not = false;
    }
    lone.sort_unstable();
    lone.dedup();
    for bit in lone {
        let item = outputs.items.len();
        outputs.items.push(Item::Bit(bit));
        found.insert(bit, Source::Bit { item, index: 0, not: false });
    }
}

impl Item {
    /// Digits of two bits; none of a bit.
    pub(crate) fn digits(&self) -> usize {
        match self {
            Self::Number { blocks, .. } => *blocks,
            Self::Bit(_) => 0,
        }
    }
}

impl Outputs {
    fn item(&mut self, item: Item) -> usize {
        let known = self.items.iter().position(|other| *other == item);
        known.unwrap_or_else(|| {
            self.items.push(item);
            self.items.len() - 1
        })
    }

    /// Where everything that is opened is found.
    pub(crate) fn layout(&self) -> Layout {
        let digits = self.items.iter().map(Item::digits).sum();
        let bits = self.items.iter().filter(|item| matches!(item, Item::Bit(_))).count();
        Layout::new(digits, bits)
    }

    /// For tests: of every item, the bits from which a column is read.
    #[cfg(test)]
    pub(super) fn read(&self) -> Vec<u64> {
        let mut read = vec![0; self.items.len()];
        for source in self.columns.iter().flat_map(|(.., sources)| sources) {
            match *source {
                Source::Public(_) => {}
                Source::Number { item, .. } => read[item] = u64::MAX,
                Source::Bit { item, index, .. } => read[item] |= 1 << index,
            }
        }
        read
    }

    pub(super) fn decode(&self, opened: &[u8]) -> Result<Vec<(usize, String, Column)>> {
        let layout = self.layout();
        let due = layout.len();
        if opened.len() != due || opened.iter().any(|&value| value > 31) {
            return Err(Error::Input(format!("{} decrypted values, due are {due}", opened.len())));
        }
        let (digits, bits) = layout.read(opened);
        let (mut digits, mut bits) = (digits.into_iter(), bits.into_iter());
        let value = |item: &Item| match item {
            Item::Number { blocks, .. } => {
                let own = digits.by_ref().take(*blocks).enumerate();
                own.fold(0u64, |sum, (i, digit)| sum | u64::from(digit) << (2 * i))
            }
            Item::Bit(_) => bits.next().map_or(0, u64::from),
        };
        let values: Vec<u64> = self.items.iter().map(value).collect();
        let value = |source: &Source| match *source {
            Source::Public(value) => value,
            Source::Number { item, least } => values[item].wrapping_add(least as u64),
            Source::Bit { item, index, not } => (values[item] >> index & 1) ^ u64::from(not),
        };
        let column = |(name, shape, sources): &(String, Shape, Vec<Source>)| {
            let rows = sources.iter().map(value);
            let column = match shape.kind {
                Columns::Num => Column::Num(rows.collect()),
                _ => Column::bits(rows.map(|row| row == 1)),
            };
            (self.to, name.clone(), column)
        };
        Ok(self.columns.iter().map(column).collect())
    }
}
