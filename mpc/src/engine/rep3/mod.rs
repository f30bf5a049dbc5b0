//! Replicated sharing among three (Araki, Furukawa, Lindell, Nof, Ohara, ePrint 2016/768).
//!
//! A value is `x = x_0 + x_1 + x_2`; compute party `p` holds `(x_p, x_{p+1})`, indices modulo 3,
//! so that every component is missing at exactly one party. Bits are the same with exclusive or.
//!
//! | instruction | what happens | sent |
//! | --- | --- | --- |
//! | product | `z_p = x_p y_p + x_p y_{p+1} + x_{p+1} y_p + a_p`, where `a_0 + a_1 + a_2 = 0`; `z_p` goes to `p - 1` | one word per party |
//! | enter by compute party `p` | `x_p` from a mask shared with `p - 1`, `x_{p+1} = x - x_p` goes to `p + 1`, `x_{p+2} = 0` | one word |
//! | enter by anybody else | `x_0`, `x_1` from two keys, `x_2` sent to the two parties that hold it | two words; once per holder, 16 bytes of key with each |
//! | addend 0 | `x_0 + x_1` is known to party 0, which enters it | one word from party 0 |
//! | addend 1 | `x_2` is known to the two parties that hold it: a sharing as it stands | nothing |
//! | random | `x_p` from a mask shared with `p - 1` | nothing |
//! | open | `x_p` goes to `p + 1`, which is missing it | one bit per party |
//! | permute | the order is opened, the rest is local | one word or the planes of the order per party |
//! | mask | `x_2` from the key of the two parties that hold it; `x_0 = x_1 = 0` | nothing |
//! | open masked | party 2 sends its `x_2` of the planes to party 0, which enters the number | the planes from party 2, one word from party 0, two rounds |
//! | shuffle | in turn every two parties permute by an order that they alone know and share anew: [`shuffle`] | two words per party, three rounds |
//! | reveal | every compute party sends `x_p + a_p` to the receiver | one word per party |
//!
//! The zero sharing is `a_p = F(k_p) - F(k_{p+1})`, where `p` and `p - 1` share the key `k_p`.
//!
//! # Security
//! Semi-honest, at most one compute party (with any number of other parties). `Reveal` adds a zero
//! sharing: entered columns are shared with as little randomness as will do (one component is zero),
//! and the three components of a linear function of several parties' columns would tell a receiver
//! more than their sum. That every compute party takes part in an opening also lets each of them
//! prevent it. An outside holder's two keys come from the seed that it shares with compute party 0,
//! which therefore needs no message; party 1 is sent the key of `x_1`, party 2 that of `x_0`.

mod holder;
mod shuffle;

use std::collections::BTreeMap;

use rayon::prelude::*;
use tacit_net::{Arena, Buffer, Link};
use zeroize::{Zeroize, Zeroizing};

use super::{
    Client, Demand, Engine, FrameLengths, Inbox, Job, Outbox, Price, Scheme, addend_shape, cross,
    input, no_addend, total, unknown,
};
use crate::{
    Circuit, Column, Error, Kind, Op, Result, Roster, Shape,
    linear::{self, PIECE, Ring, SPLIT, with_ring},
    mask::{self, Batch, Prg},
    order::row_numbers,
    share::Component,
    wide::wide,
    words,
};

/// Bytes of a key on the wire.
const KEY: usize = 16;

pub(super) struct Rep3 {
    compute: [usize; 3],
}

impl Rep3 {
    /// The roster was checked: there are three compute parties.
    pub(super) fn new(roster: &Roster) -> Self {
        Self { compute: [roster.compute[0], roster.compute[1], roster.compute[2]] }
    }

    fn place(&self, party: usize) -> Option<usize> {
        self.compute.iter().position(|&p| p == party)
    }
}

impl Scheme for Rep3 {
    fn name(&self) -> &'static str {
        "rep3"
    }

    fn components(&self, kind: Kind) -> usize {
        match kind {
            Kind::Num | Kind::Bit => 2,
            Kind::Field => 0,
        }
    }

    fn price(&self, circuit: &Circuit, at: usize, price: &mut Price) -> Result<()> {
        let instruction = &circuit.instructions()[at];
        let c = &self.compute;
        match &instruction.op {
            Op::Enter { holder, slot, shape } => {
                price.rounds = 1;
                if let Some(p) = self.place(*holder) {
                    price.wire(0, *holder, c[(p + 1) % 3], shape.bytes());
                } else {
                    let key = if *slot == 0 { KEY } else { 0 };
                    price.wire(0, *holder, c[1], key + shape.bytes());
                    price.wire(0, *holder, c[2], key + shape.bytes());
                }
            }
            Op::Mul => {
                price.rounds = 1;
                let bytes = circuit.shape(instruction.first).bytes();
                for p in 0..3 {
                    price.wire(0, c[p], c[(p + 2) % 3], bytes);
                }
            }
            Op::Addend { index: 0, width } => {
                price.rounds = 1;
                price.wire(0, c[0], c[1], width * circuit.shape(instruction.first).bytes());
            }
            Op::Addend { index: 1, .. } | Op::Random { .. } | Op::Mask { .. } => {}
            Op::OpenMasked => {
                price.rounds = 2;
                let planes = instruction.args.iter().map(|&id| circuit.shape(id).bytes()).sum();
                price.wire(0, c[2], c[0], planes);
                price.wire(1, c[0], c[1], circuit.shape(instruction.first).bytes());
            }
            Op::Permute { order, .. } => {
                price.rounds = 1;
                let by = &instruction.args[..*order];
                let bytes = by.iter().map(|&id| circuit.shape(id).bytes()).sum();
                for p in 0..3 {
                    price.wire(0, c[p], c[(p + 1) % 3], bytes);
                }
            }
            Op::Addend { index, .. } => return Err(no_addend(at, *index)),
            Op::Open => {
                price.rounds = 1;
                let bytes = circuit.shape(instruction.args[0]).bytes();
                for p in 0..3 {
                    price.wire(0, c[p], c[(p + 1) % 3], bytes);
                }
            }
            Op::Shuffle { .. } => {
                price.rounds = 3;
                let bytes = instruction.args.iter().map(|&id| circuit.shape(id).bytes()).sum();
                for step in 0..3 {
                    let [a, b] = shuffle::pair(&instruction.op, step);
                    price.wire(step, c[a], c[b], bytes);
                    price.wire(step, c[b], c[a], bytes);
                }
            }
            Op::Reveal { to, .. } => {
                price.rounds = 1;
                for &from in c {
                    price.wire(0, from, *to, circuit.shape(instruction.args[0]).bytes());
                }
            }
            op if op.is_macro() => return Err(unknown(at, op)),
            _ => {}
        }
        Ok(())
    }

    fn engine(&self, demand: &Demand, link: &mut dyn Link) -> Result<Box<dyn Engine>> {
        let me = link.me();
        let place = self.place(me).unwrap_or_default();
        let (prev, next) = (self.compute[(place + 2) % 3], self.compute[(place + 1) % 3]);
        let (before, after) = (link.seed(prev)?, link.seed(next)?);
        let mut outside = BTreeMap::new();
        for &holder in demand.holders.iter().filter(|&&h| self.place(h).is_none()) {
            let keys = if place == 0 {
                let seed = link.seed(holder)?;
                [0, 1].map(|component| Some(Prg::new(*outside_key(&seed, holder, component))))
            } else {
                [None, None]
            };
            outside.insert(holder, keys);
        }
        let pair = |label: &str| {
            [Prg::derive(&before, label, prev, me), Prg::derive(&after, label, me, next)]
        };
        Ok(Box::new(Party {
            me,
            place,
            compute: self.compute,
            one: [u64::from(place == 0), u64::from(place == 2)],
            zero: pair("rep3 zero"),
            random: pair("rep3 random"),
            enter: pair("rep3 enter"),
            order: pair("rep3 order"),
            outside,
            scratch: Zeroizing::default(),
        }))
    }

    fn client(&self, demand: &Demand, link: &mut dyn Link) -> Result<Box<dyn Client>> {
        let me = link.me();
        let mut keys = Vec::new();
        if demand.holders.contains(&me) {
            let seed = link.seed(self.compute[0])?;
            keys.extend([0, 1].map(|component| outside_key(&seed, me, component)));
        }
        Ok(Box::new(holder::Holder { compute: self.compute, keys }))
    }
}

/// The key of component `component` of everything that an outside holder enters.
fn outside_key(seed: &tacit_net::Seed, holder: usize, component: usize) -> Zeroizing<[u8; 16]> {
    mask::key(seed, "rep3 outside", holder, component)
}

/// A compute party. Of each pair of streams the first is shared with the party before, as is the
/// first component, and the second with the party after.
struct Party {
    me: usize,
    place: usize,
    compute: [usize; 3],
    one: [u64; 2],
    zero: [Prg; 2],
    random: [Prg; 2],
    enter: [Prg; 2],
    /// The random orders of shuffles.
    order: [Prg; 2],
    outside: BTreeMap<usize, [Option<Prg>; 2]>,
    /// Memory that is used again; empty and wiped between uses.
    scratch: Zeroizing<Vec<u64>>,
}

impl Party {
    fn next(&self) -> usize {
        self.compute[(self.place + 1) % 3]
    }

    fn prev(&self) -> usize {
        self.compute[(self.place + 2) % 3]
    }

    /// First half of an entry by this party, which knows `value`.
    fn give(
        &self,
        shape: Shape,
        block: u64,
        value: &[u64],
        z: &mut super::Share,
        out: &mut Outbox,
    ) -> Result<()> {
        let [x, y] = components(z);
        self.enter[0].fill(block, x);
        words::clean(shape, x);
        linear::sub(shape.kind, value, x, y);
        words::put(y, out.section(self.next(), shape.bytes())?);
        Ok(())
    }

    /// Enters the sum of the two components that party 0 knows in the other world.
    fn give_addend(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        let [x, y] = [&job.args[0].0[0], &job.args[0].0[1]];
        self.scratch.clear();
        self.scratch.extend_from_slice(x);
        linear::add_to(job.shape.kind, y, &mut self.scratch);
        // The planes first lie where what is sent will.
        let mut planes: Vec<&mut [u64]> =
            job.results.iter_mut().map(|share| share.0[1].as_mut()).collect();
        cross(job.shape, &self.scratch, &mut planes);
        self.scratch.zeroize();
        let shape = addend_shape(job.shape);
        let mut block = job.masks;
        for share in job.results.iter_mut() {
            let [x, y] = components(share);
            self.enter[0].fill(block, x);
            words::clean(shape, x);
            linear::sub_from(shape.kind, x, y);
            words::put(y, out.section(self.next(), shape.bytes())?);
            block += shape.words().div_ceil(2) as u64;
        }
        Ok(())
    }

    /// Second half of an entry by the compute party at `from`.
    fn take(
        &self,
        shape: Shape,
        block: u64,
        from: usize,
        z: &mut super::Share,
        inbox: &Inbox,
    ) -> Result<()> {
        let [x, y] = components(z);
        if (from + 1) % 3 == self.place {
            words::get(inbox.section(self.compute[from], shape.bytes())?, x);
            words::clean(shape, x);
            y.fill(0);
        } else if from != self.place {
            x.fill(0);
            self.enter[1].fill(block, y);
            words::clean(shape, y);
        }
        Ok(())
    }

    /// An entry by a holder that does not compute.
    fn take_outside(&mut self, holder: usize, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        let Op::Enter { slot, .. } = job.op else { return Err(unknown(job.at, job.op)) };
        let [x, y] = components(&mut job.results[0]);
        let keys = self.outside.entry(holder).or_default();
        if self.place > 0 && *slot == 0 {
            let mut key = Zeroizing::new([0; KEY]);
            key.copy_from_slice(inbox.section(holder, KEY)?);
            // Party 1 is missing x_0, party 2 is missing x_1.
            keys[2 - self.place] = Some(Prg::new(*key));
        }
        let explicit = if self.place > 0 { inbox.section(holder, job.shape.bytes())? } else { &[] };
        for (z, component) in [(x, self.place), (y, (self.place + 1) % 3)] {
            if component == 2 {
                words::get(explicit, z);
            } else {
                let what = "a holder's first column comes after another one";
                let key = keys[component].as_ref().ok_or_else(|| Error::Engine(what.into()))?;
                key.fill(job.masks, z);
            }
            words::clean(job.shape, z);
        }
        Ok(())
    }

    /// `x_p + a_p`.
    fn masked(&self, job: &Job<'_>) -> Zeroizing<Vec<u64>> {
        let mut z = Zeroizing::new(job.args[0].0[0].to_vec());
        with_ring!(job.shape.kind, R => {
            self.zero[0].with(job.masks, &mut z, R::add);
            self.zero[1].with(job.masks, &mut z, R::sub);
        });
        words::clean(job.shape, &mut z);
        z
    }

    fn multiply(&self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        let (shape, block) = (job.shape, job.masks);
        let [x, y] = [job.args[0], job.args[1]].map(|s| [&*s.0[0], &*s.0[1]]);
        let tiles = |z: &mut [u64]| {
            if z.len() < SPLIT {
                self.tiles(shape, block, 0, x, y, z);
            } else {
                let pieces = z.par_chunks_mut(PIECE).enumerate();
                pieces.for_each(|(i, z)| self.tiles(shape, block, i * PIECE, x, y, z));
            }
        };
        match job.results[0].0.first_mut() {
            None => tiles(out.whole(self.prev())?),
            Some(z) => {
                tiles(z);
                words::put(z, out.section(self.prev(), shape.bytes())?);
            }
        }
        Ok(())
    }

    /// The product's words from `start` on.
    fn tiles(
        &self,
        shape: Shape,
        block: u64,
        start: usize,
        x: [&[u64]; 2],
        y: [&[u64]; 2],
        z: &mut [u64],
    ) {
        let [mut plus, mut minus] = [Batch::default(), Batch::default()];
        for (i, z) in z.chunks_mut(Batch::WORDS).enumerate() {
            let start = start + i * Batch::WORDS;
            let rows = start..start + z.len();
            let [x0, x1] = x.map(|x| &x[rows.clone()]);
            let [y0, y1] = y.map(|y| &y[rows.clone()]);
            plus.draw(&self.zero[0], block, start, z.len());
            minus.draw(&self.zero[1], block, start, z.len());
            with_ring!(shape.kind, R => {
                wide!(product::<R>([x0, x1], [y0, y1], &plus, &minus, z));
            });
            if rows.end == shape.words() {
                words::clean(shape, z);
            }
        }
    }
}

/// A column of which `from` sent the component that this party lacks.
fn opened(shape: Shape, x: &super::Share, from: usize, inbox: &Inbox) -> Result<Buffer> {
    let mut z = Arena::default().take(8 * shape.words());
    linear::add(shape.kind, &x.0[0], &x.0[1], &mut z);
    let bytes = inbox.section(from, shape.bytes())?;
    with_ring!(shape.kind, R => words::get_with(bytes, &mut z, R::add));
    words::clean(shape, &mut z);
    Ok(z)
}

/// This party's part of the product, masked.
#[inline(always)]
fn product<R: Ring>(x: [&[u64]; 2], y: [&[u64]; 2], plus: &Batch, minus: &Batch, z: &mut [u64]) {
    let masks = plus.words().zip(minus.words());
    let terms = x[0].iter().zip(x[1]).zip(y[0]).zip(y[1]).zip(masks);
    for (z, ((((x0, x1), y0), y1), (plus, minus))) in z.iter_mut().zip(terms) {
        let own = R::add(R::mul(*x0, R::add(*y0, *y1)), R::mul(*x1, *y0));
        *z = R::add(own, R::sub(plus, minus));
    }
}

/// The two components of a share.
fn components(share: &mut super::Share) -> [&mut [u64]; 2] {
    let (x, y) = share.0.split_at_mut(1);
    [&mut x[0], &mut y[0]]
}

impl Engine for Party {
    fn one(&self) -> &[u64] {
        &self.one
    }

    fn prepare(&mut self, _: &Inbox) -> Result<()> {
        Ok(())
    }

    fn moves(&self, op: &Op, shape: Shape, frames: &FrameLengths) -> bool {
        cfg!(target_endian = "little")
            && matches!(op, Op::Mul)
            && shape.bytes() == 8 * shape.words()
            && frames.are(self.prev(), self.next(), shape.bytes())
    }

    fn start(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        match job.op {
            Op::Enter { holder, .. } if *holder == self.me => {
                let mut value = Zeroizing::new(input(job)?.words()[..job.shape.words()].to_vec());
                words::clean(job.shape, &mut value);
                self.give(job.shape, job.masks, &value, &mut job.results[0], out)
            }
            Op::Mul => self.multiply(job, out),
            Op::Open => {
                let bytes = job.shape.bytes();
                words::put(&job.args[0].0[0], out.section(self.next(), bytes)?);
                Ok(())
            }
            Op::Shuffle { .. } => self.start_shuffle(job, out),
            Op::Permute { order, .. } => {
                let bytes = job.shape.bytes();
                for by in &job.args[..*order] {
                    words::put(&by.0[0], out.section(self.next(), bytes)?);
                }
                Ok(())
            }
            Op::OpenMasked if job.step == 0 && self.place == 2 => {
                let bytes = job.shape.bytes();
                for plane in job.args {
                    words::put(&plane.0[0], out.section(self.next(), bytes)?);
                }
                Ok(())
            }
            Op::OpenMasked if job.step == 1 && self.place == 0 => {
                let [x, y] = components(&mut job.results[0]);
                self.enter[0].fill(job.masks, x);
                linear::sub_from(Kind::Num, x, y);
                words::put(y, out.section(self.next(), 8 * y.len())?);
                Ok(())
            }
            Op::Addend { index: 0, .. } if self.place == 0 => self.give_addend(job, out),
            Op::Reveal { to, .. } if *to != self.me => {
                words::put(&self.masked(job), out.section(*to, job.shape.bytes())?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        match job.op {
            Op::Enter { holder, .. } => {
                match self.compute.iter().position(|p| p == holder) {
                    Some(from) => self.take(job.shape, job.masks, from, &mut job.results[0], inbox),
                    None => self.take_outside(*holder, job, inbox),
                }?;
            }
            Op::Random { .. } => {
                for (z, prg) in components(&mut job.results[0]).into_iter().zip(&self.random) {
                    prg.fill(job.masks, z);
                    words::clean(job.shape, z);
                }
            }
            Op::Mul => {
                let next = self.next();
                let z = &mut job.results[0].0;
                if let Some(z) = z.get_mut(1) {
                    words::get(inbox.section(next, job.shape.bytes())?, z);
                    words::clean(job.shape, z);
                } else {
                    let frames = [inbox.sent(self.prev())?, inbox.keep(next, job.shape.bytes())?];
                    z.extend(frames.map(Component::frame));
                }
            }
            Op::Addend { index: 0, .. } => {
                let shape = addend_shape(job.shape);
                let mut block = job.masks;
                for z in job.results.iter_mut() {
                    self.take(shape, block, 0, z, inbox)?;
                    block += shape.words().div_ceil(2) as u64;
                }
            }
            Op::Addend { .. } => {
                // x_2 is the second component of party 1 and the first of party 2.
                for component in 0..2 {
                    let known = self.place + component == 2;
                    let mut planes: Vec<&mut [u64]> =
                        job.results.iter_mut().map(|z| z.0[component].as_mut()).collect();
                    if known {
                        cross(job.shape, &job.args[0].0[component], &mut planes);
                    } else {
                        for plane in planes {
                            plane.fill(0);
                        }
                    }
                }
            }
            Op::Reveal { to, .. } if *to == self.me => {
                let mut z = self.masked(job);
                let others = [self.prev(), self.next()];
                job.opened = Some(total(job.shape, &mut z, &others, inbox)?);
            }
            Op::Reveal { .. } => {}
            Op::Open => {
                let z = opened(job.shape, job.args[0], self.prev(), inbox)?;
                job.opened = Some(Column::from_words(job.shape, z.to_vec()));
            }
            Op::Permute { order, .. } => {
                let mut columns = Vec::with_capacity(*order);
                for by in &job.args[..*order] {
                    columns.push(opened(job.shape, by, self.prev(), inbox)?);
                }
                let columns: Vec<&[u64]> = columns.iter().map(|column| &**column).collect();
                job.opened = Some(Column::Num(row_numbers(job.shape, &columns)));
            }
            Op::Mask { width, .. } => {
                // Only x_2 is there: the second component of party 1 and the first of party 2.
                for (component, z) in components(&mut job.results[0]).into_iter().enumerate() {
                    if self.place + component == 2 {
                        self.random[component].fill(job.masks, z);
                        words::narrow(*width, z);
                    } else {
                        z.fill(0);
                    }
                }
            }
            Op::OpenMasked if job.step == 0 => {
                if self.place == 0 {
                    let mut planes = Vec::with_capacity(job.args.len());
                    for plane in job.args {
                        planes.push(opened(job.shape, plane, self.prev(), inbox)?);
                    }
                    let planes: Vec<&[u64]> = planes.iter().map(|plane| &**plane).collect();
                    words::from_planes(&planes, &mut job.results[0].0[1]);
                }
            }
            Op::OpenMasked => {
                let shape = Shape { kind: Kind::Num, ..job.shape };
                self.take(shape, job.masks, 0, &mut job.results[0], inbox)?;
            }
            Op::Shuffle { .. } => self.finish_shuffle(job, inbox)?,
            op => return Err(unknown(job.at, op)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wide::testing;

    #[test]
    fn products_have_equal_bits_with_all_instructions() {
        let [plus, minus] = [1, 2].map(|key| {
            let mut batch = Batch::default();
            batch.draw(&Prg::new([key; 16]), 3, 0, 131);
            batch
        });
        let columns: Vec<Vec<u64>> = (1..5).map(|by| testing::words(131, by)).collect();
        let [x, y] = [[&columns[0][..], &columns[1]], [&columns[2][..], &columns[3]]];
        for kind in [Kind::Num, Kind::Bit] {
            with_ring!(kind, R => {
                let masks = plus.words().zip(minus.words());
                let due = masks.enumerate().take(131).map(|(i, (plus, minus))| {
                    let z = R::add(R::mul(x[0][i], y[0][i]), R::mul(x[0][i], y[1][i]));
                    R::sub(R::add(R::add(z, R::mul(x[1][i], y[0][i])), plus), minus)
                });
                let due: Vec<u64> = due.collect();
                for level in testing::levels() {
                    let mut z = vec![0; 131];
                    fearless_simd::dispatch!(level, _ => product::<R>(x, y, &plus, &minus, &mut z));
                    assert_eq!(z, due, "{level:?}");
                }
            });
        }
    }
}
