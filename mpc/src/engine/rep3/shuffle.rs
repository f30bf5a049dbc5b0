//! Shuffles: rows in a random order that nobody knows.
//!
//! The order is the composition of three, of which each compute party knows two. In step `j` the
//! parties `a = j` and `b = j + 1` hold all three components between them: `a` takes
//! `u = x_j + x_{j+1}` and `b` takes `v = x_{j+2}`. Both permute their part by the order that
//! they draw from their common key, and share it anew with the third, `c`:
//!
//! ```text
//! y_j      = r       from the key of a and c
//! y_{j+2}  = s       from the key of b and c
//! y_{j+1}  = (order(u) - r) + (order(v) - s)      a and b send each other their part
//! ```
//!
//! So a step is one round, in which two parties send one word per row. Chida, Hamada, Ikarashi,
//! Kikuchi, Kiribuchi, Pinkas, "An efficient secure three-party sorting protocol with an honest
//! majority" (ePrint 2019/695), section 4.1. To put rows back the steps run in reverse, with the
//! inverse orders.
//!
//! Columns of bits travel as planes, and are permuted 64 at a time as words.

use tacit_net::{Arena, Buffer};

use super::{Component, Inbox, Job, Outbox, Party, words};
use crate::{
    Kind, Op, Result, Shape,
    engine::unknown,
    linear::{self, Ring, with_ring},
    order::{order, permute},
};

/// Places of the two parties that permute in a step.
pub(super) fn pair(op: &Op, step: usize) -> [usize; 2] {
    let first = if matches!(op, Op::Shuffle { inverse: true, .. }) { 2 - step } else { step };
    [first % 3, (first + 1) % 3]
}

/// First counter block of column `k` in this step.
fn block(job: &Job<'_>, shapes: &[Shape], k: usize) -> u64 {
    let blocks = |shape: &Shape| shape.words().div_ceil(2) as u64;
    let all: u64 = shapes.iter().map(blocks).sum();
    let before: u64 = shapes[..k].iter().map(blocks).sum();
    job.masks + job.step as u64 * all + before
}

impl Party {
    /// This party's part in a step: none, or that of the first or second of the pair.
    fn part(&self, job: &Job<'_>) -> Option<usize> {
        pair(job.op, job.step).iter().position(|&place| place == self.place)
    }

    pub(super) fn start_shuffle(&self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        let Op::Shuffle { permutation, inverse } = job.op else {
            return Err(unknown(job.at, job.op));
        };
        let (rows, shapes) = (job.shape.rows, job.shapes.to_vec());
        let Some(part) = self.part(job) else {
            // The third party of this step draws both of its components.
            for (k, &shape) in shapes.iter().enumerate() {
                let first = block(job, &shapes, k);
                for (z, prg) in job.results[k].0.iter_mut().zip(&self.zero) {
                    prg.fill(first, z);
                    words::clean(shape, z);
                }
            }
            return Ok(());
        };
        // The first of the pair knows its order with the next party, the second with the one before.
        let (partner, key) = [(self.next(), 1), (self.prev(), 0)][part];
        let order = order(&self.order[key], *permutation, rows);
        // What is permuted: the sum of both components, or the one that the other lacks.
        let current = |k: usize, job: &Job<'_>| -> Buffer {
            let share = if job.step == 0 { job.args[k] } else { &job.results[k] };
            let mut sum = Arena::default().take(8 * share.0[0].len());
            if part == 0 {
                linear::add(shapes[k].kind, &share.0[0], &share.0[1], &mut sum);
            } else {
                sum.copy_from_slice(&share.0[1]);
            }
            sum
        };
        let mut moved: Vec<Option<Buffer>> = shapes.iter().map(|_| None).collect();
        for (k, shape) in shapes.iter().enumerate().filter(|(_, s)| s.kind == Kind::Num) {
            let from = current(k, job);
            let mut to = Arena::default().take(shape.words() * 8);
            permute(&from, &order, *inverse, &mut to);
            moved[k] = Some(to);
        }
        let bits: Vec<usize> = (0..shapes.len()).filter(|&k| shapes[k].kind == Kind::Bit).collect();
        for group in bits.chunks(64) {
            let planes: Vec<Buffer> = group.iter().map(|&k| current(k, job)).collect();
            let planes: Vec<&[u64]> = planes.iter().map(|plane| &**plane).collect();
            let [mut from, mut to] = [0, 1].map(|_| Arena::default().take(8 * rows));
            words::from_planes(&planes, &mut from);
            permute(&from, &order, *inverse, &mut to);
            let mut planes: Vec<Buffer> =
                planes.iter().map(|plane| Arena::default().take(8 * plane.len())).collect();
            let mut slices: Vec<&mut [u64]> = planes.iter_mut().map(|plane| &mut **plane).collect();
            words::to_planes(&to, &mut slices);
            for (&k, plane) in group.iter().zip(planes) {
                moved[k] = Some(plane);
            }
        }
        for (k, (moved, &shape)) in moved.into_iter().zip(&shapes).enumerate() {
            let Some(mut moved) = moved else { continue };
            let first = block(job, &shapes, k);
            // The component that the pair shares, and the one shared with the third party.
            let share = &mut job.results[k].0;
            let (common, third) = (1 - part, part);
            self.zero[1 - key].fill(first, &mut share[third]);
            words::clean(shape, &mut share[third]);
            linear::sub_from(shape.kind, &share[third], &mut moved);
            words::clean(shape, &mut moved);
            words::put(&moved, out.section(partner, shape.bytes())?);
            share[common] = Component::Own(moved);
        }
        Ok(())
    }

    pub(super) fn finish_shuffle(&self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        let Some(part) = self.part(job) else { return Ok(()) };
        let partner = [self.next(), self.prev()][part];
        for (k, &shape) in job.shapes.iter().enumerate() {
            let bytes = inbox.section(partner, shape.bytes())?;
            let common = &mut job.results[k].0[1 - part];
            with_ring!(shape.kind, R => words::get_with(bytes, common, R::add));
            words::clean(shape, common);
        }
        Ok(())
    }
}
