//! No sharing: every compute party holds every value.
//!
//! It runs over links like the others, so that a study may compare its answers and its traffic
//! with those of a real engine. Holders send their columns to all compute parties; the first
//! compute party tells receivers that do not compute.
//!
//! # Security
//! None. [`crate::Op::Random`] and [`crate::Op::Shuffle`] draw from a public key, so that all compute parties agree.

use tacit_net::Link;

use super::{
    Client, Demand, Engine, Inbox, Job, Outbox, Price, Scheme, cross, input, no_addend, unknown,
};
use crate::{
    Circuit, Column, Kind, Op, Result, Roster,
    linear::{Ring, with_ring},
    mask,
    order::{arrange, order, row_numbers},
    words,
};

pub(super) struct Clear {
    compute: Vec<usize>,
}

impl Clear {
    pub(super) fn new(roster: &Roster) -> Self {
        Self { compute: roster.compute.clone() }
    }
}

impl Scheme for Clear {
    fn name(&self) -> &'static str {
        "clear"
    }

    fn components(&self, kind: Kind) -> usize {
        match kind {
            Kind::Num | Kind::Bit => 1,
            Kind::Field => 0,
        }
    }

    fn price(&self, circuit: &Circuit, at: usize, price: &mut Price) -> Result<()> {
        let instruction = &circuit.instructions()[at];
        match &instruction.op {
            Op::Enter { holder, shape, .. } => {
                for &to in &self.compute {
                    price.wire(0, *holder, to, shape.bytes());
                }
            }
            Op::Reveal { to, .. } if !self.compute.contains(to) => {
                let bytes = circuit.shape(instruction.args[0]).bytes();
                price.wire(0, self.compute[0], *to, bytes);
            }
            Op::Addend { index, .. } if *index > 0 => return Err(no_addend(at, *index)),
            op if op.is_macro() => return Err(unknown(at, op)),
            _ => {}
        }
        price.rounds = usize::from(!price.wires.is_empty());
        Ok(())
    }

    fn engine(&self, _: &Demand, link: &mut dyn Link) -> Result<Box<dyn Engine>> {
        Ok(Box::new(Party { me: link.me(), compute: self.compute.clone() }))
    }

    fn client(&self, _: &Demand, link: &mut dyn Link) -> Result<Box<dyn Client>> {
        Ok(Box::new(Party { me: link.me(), compute: self.compute.clone() }))
    }
}

struct Party {
    me: usize,
    compute: Vec<usize>,
}

impl Engine for Party {
    fn one(&self) -> &[u64] {
        &[1]
    }

    fn prepare(&mut self, _: &Inbox) -> Result<()> {
        Ok(())
    }

    fn start(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        match job.op {
            Op::Enter { holder, .. } if *holder == self.me => Client::enter(self, job, out),
            Op::Reveal { to, .. } if !self.compute.contains(to) && self.me == self.compute[0] => {
                words::put(&job.args[0].0[0], out.section(*to, job.shape.bytes())?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        match job.op {
            Op::Enter { holder, .. } => {
                if *holder == self.me {
                    let own = input(job)?;
                    let z = &mut job.results[0].0[0];
                    z.copy_from_slice(&own.words()[..job.shape.words()]);
                } else {
                    let z = &mut job.results[0].0[0];
                    words::get(inbox.section(*holder, job.shape.bytes())?, z);
                }
                let z = &mut job.results[0].0[0];
                words::clean(job.shape, z);
            }
            Op::Random { .. } => {
                let z = &mut job.results[0].0[0];
                mask::public().fill(job.masks, z);
                words::clean(job.shape, z);
            }
            Op::Mul => {
                let (x, y) = (&*job.args[0].0[0], &*job.args[1].0[0]);
                let z = &mut job.results[0].0[0];
                with_ring!(job.shape.kind, R => {
                    for ((z, x), y) in z.iter_mut().zip(x).zip(y) {
                        *z = R::mul(*x, *y);
                    }
                });
            }
            Op::Addend { .. } => {
                let mut results: Vec<&mut [u64]> =
                    job.results.iter_mut().map(|share| share.0[0].as_mut()).collect();
                cross(job.shape, &job.args[0].0[0], &mut results);
            }
            Op::Reveal { to, .. } if *to == self.me => {
                job.opened = Some(Column::from_words(job.shape, job.args[0].0[0].to_vec()));
            }
            Op::Reveal { .. } => {}
            Op::Open => {
                job.opened = Some(Column::from_words(job.shape, job.args[0].0[0].to_vec()));
            }
            // Nothing is secret here: everybody draws the same order.
            Op::Shuffle { permutation, inverse } => {
                let order = order(&mask::public(), *permutation, job.shape.rows);
                let columns: Vec<&[u64]> = job.args.iter().map(|x| &*x.0[0]).collect();
                let mut moved: Vec<&mut [u64]> =
                    job.results.iter_mut().map(|z| z.0[0].as_mut()).collect();
                arrange(job.shapes, &columns, &order, *inverse, &mut moved);
            }
            Op::Permute { order, .. } => {
                let columns: Vec<&[u64]> = job.args[..*order].iter().map(|x| &*x.0[0]).collect();
                job.opened = Some(Column::Num(row_numbers(job.shape, &columns)));
            }
            // There is one addend, which masks nothing.
            Op::Mask { .. } => job.results[0].0[0].fill(0),
            Op::OpenMasked => {
                let planes: Vec<&[u64]> = job.args.iter().map(|x| &*x.0[0]).collect();
                words::from_planes(&planes, &mut job.results[0].0[0]);
            }
            op => return Err(unknown(job.at, op)),
        }
        Ok(())
    }
}

impl Client for Party {
    fn enter(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        let column = input(job)?;
        let others: Vec<usize> = self.compute.iter().copied().filter(|&p| p != self.me).collect();
        let mut clean = column.words()[..job.shape.words()].to_vec();
        words::clean(job.shape, &mut clean);
        out.to_all(&others, job.shape.bytes(), |bytes| words::put(&clean, bytes))
    }

    fn open(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        let mut z = vec![0; job.shape.words()];
        words::get(inbox.section(self.compute[0], job.shape.bytes())?, &mut z);
        job.opened = Some(Column::from_words(job.shape, z));
        Ok(())
    }
}
