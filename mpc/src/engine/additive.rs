//! Additive sharing among two parties or more, with Beaver's products (1991); over bits with two
//! parties this is GMW (1987).
//!
//! A value is `x = sum of x_p` over the compute parties `p`; bits the same with exclusive or.
//!
//! | instruction | what happens | sent |
//! | --- | --- | --- |
//! | product | with a triple `(a, b, c)`, `d = x - a` and `e = y - b` are opened among the compute parties; `z_p = c_p + d b_p + e a_p`, party 0 adds `d e` | two words to each other party |
//! | enter by a compute party | its own share is the value, all others are 0 | nothing |
//! | enter by anybody else | `x_p` from the seed shared with `p`, for party 0 the rest | one word to party 0 |
//! | addend `p` | party `p`'s own share, entered by party `p` | nothing |
//! | mask | every party but 0 draws its share from a seed of its own; that of party 0 is 0 | nothing |
//! | open masked | party 0 is sent the planes and keeps the number as its share, all others 0 | the planes to party 0 |
//! | random | every party draws its share from a seed of its own | nothing |
//! | reveal | every compute party sends `x_p + r_p`, where the `r_p` sum to 0 | one word per party |
//!
//! Triples come from a [`TripleSource`]; its message goes with the first round of the run.
//!
//! # Security
//! Semi-honest, all compute parties but one (with any number of other parties but the dealer).
//!
//! A column entered by a compute party is not randomised: its share *is* the value. That is sound
//! because a share leaves its party in two ways only. An opening `x_p - a_p` carries the mask `a_p`,
//! used once and known to no other party but the dealer, who does not see the opening. A reveal
//! carries `r_p`, a zero sharing from seeds between each pair of compute parties, so that the
//! receiver learns the sum and nothing else as long as two of them are honest; if one is, the sum
//! less what the others hold is its share anyway. What party 0 is sent to open what was masked is
//! covered by the masks themselves: every other party's share of the sum has that party's own mask
//! in it.

use std::collections::BTreeMap;

use rayon::prelude::*;
use tacit_net::{Arena, Buffer, Link, Seed};
use zeroize::{Zeroize, Zeroizing};

use super::{
    Client, Demand, Engine, Inbox, Job, Outbox, Price, Scheme, Ticket, TripleSource, Wire, cross,
    input, no_addend, total,
    triples::{Dealer, Dealt, TILE},
    unknown,
};
use crate::{
    Circuit, Error, Kind, Op, Result, Roster, Shape,
    linear::{self, PIECE, Ring, SPLIT, with_ring},
    mask::Prg,
    wide::wide,
    words,
};

pub(super) struct Additive {
    compute: Vec<usize>,
    dealer: usize,
}

impl Additive {
    pub(super) fn new(roster: &Roster) -> Result<Self> {
        let dealer = roster.dealer.ok_or_else(|| Error::Engine("no dealer".into()))?;
        Ok(Self { compute: roster.compute.clone(), dealer })
    }
}

impl Scheme for Additive {
    fn name(&self) -> &'static str {
        "additive"
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
            Op::Enter { holder, .. } if *holder == self.dealer => {
                return Err(Error::Engine("the dealer holds no data".into()));
            }
            Op::Reveal { to, .. } if *to == self.dealer => {
                return Err(Error::Engine("nothing is opened to the dealer".into()));
            }
            Op::Enter { holder, shape, .. } if !self.compute.contains(holder) => {
                price.rounds = 1;
                price.wire(0, *holder, self.compute[0], shape.bytes());
            }
            Op::Mul => {
                price.rounds = 1;
                let shape = circuit.shape(instruction.first);
                for &from in &self.compute {
                    for &to in &self.compute {
                        price.wire(0, from, to, 2 * shape.bytes());
                    }
                }
                price.ahead.push(Wire {
                    step: 0,
                    from: self.dealer,
                    to: self.compute[0],
                    bytes: shape.bytes(),
                });
                match shape.kind {
                    Kind::Num | Kind::Field => price.triples = shape.rows as u64,
                    Kind::Bit => price.bit_triples = shape.rows as u64,
                }
            }
            Op::Addend { index, .. } if *index >= self.compute.len() => {
                return Err(no_addend(at, *index));
            }
            Op::Reveal { to, .. } => {
                price.rounds = 1;
                for &from in &self.compute {
                    price.wire(0, from, *to, circuit.shape(instruction.args[0]).bytes());
                }
            }
            Op::OpenMasked => {
                price.rounds = 1;
                let planes = instruction.args.iter().map(|&id| circuit.shape(id).bytes()).sum();
                for &from in &self.compute[1..] {
                    price.wire(0, from, self.compute[0], planes);
                }
            }
            Op::Shuffle { .. } | Op::Permute { .. } | Op::Open => {
                return Err(Error::Engine(format!(
                    "instruction {at} shuffles or sorts rows, which the engine additive cannot do; \
                     rep3 can"
                )));
            }
            op if op.is_macro() => return Err(unknown(at, op)),
            _ => {}
        }
        Ok(())
    }

    fn engine(&self, demand: &Demand, link: &mut dyn Link) -> Result<Box<dyn Engine>> {
        let me = link.me();
        let place = self.compute.iter().position(|&p| p == me).unwrap_or_default();
        let peers: Vec<usize> = self.compute.iter().copied().filter(|&p| p != me).collect();
        let mut zero = Vec::new();
        for &peer in &peers {
            let seed = link.seed(peer)?;
            zero.push((me < peer, Prg::derive(&seed, "additive zero", me.min(peer), me.max(peer))));
        }
        let mut holders = BTreeMap::new();
        if place > 0 {
            for &holder in demand.holders.iter().filter(|h| !self.compute.contains(h)) {
                let seed = link.seed(holder)?;
                holders.insert(holder, Prg::derive(&seed, "additive enter", holder, me));
            }
        }
        let mut own = Seed([0; 32]);
        getrandom::fill(&mut own.0)
            .map_err(|e| Error::Engine(format!("the system gives no randomness: {e}")))?;
        Ok(Box::new(Party {
            me,
            place,
            peers,
            compute: self.compute.clone(),
            one: [u64::from(place == 0)],
            zero,
            holders,
            random: Prg::derive(&own, "additive random", me, me),
            triples: Box::new(Dealt::new(self.dealer, place == 0, demand, link)?),
        }))
    }

    fn client(&self, demand: &Demand, link: &mut dyn Link) -> Result<Box<dyn Client>> {
        let me = link.me();
        if me == self.dealer {
            return Ok(Box::new(Dealer::new(&self.compute, demand, link)?));
        }
        let mut masks = Vec::new();
        if demand.holders.contains(&me) {
            for &party in &self.compute[1..] {
                masks.push(Prg::derive(&link.seed(party)?, "additive enter", me, party));
            }
        }
        Ok(Box::new(Holder { compute: self.compute.clone(), masks }))
    }
}

/// A compute party.
struct Party {
    me: usize,
    place: usize,
    peers: Vec<usize>,
    compute: Vec<usize>,
    one: [u64; 1],
    /// Per peer: whether this party adds (else subtracts), and the stream.
    zero: Vec<(bool, Prg)>,
    /// Streams shared with holders that do not compute; none at party 0.
    holders: BTreeMap<usize, Prg>,
    random: Prg,
    triples: Box<dyn TripleSource>,
}

impl Party {
    /// `x_p + r_p`.
    fn masked(&self, job: &Job<'_>) -> Zeroizing<Vec<u64>> {
        let mut z = Zeroizing::new(job.args[0].0[0].to_vec());
        with_ring!(job.shape.kind, R => {
            for (adds, prg) in &self.zero {
                if *adds {
                    prg.with(job.masks, &mut z, R::add);
                } else {
                    prg.with(job.masks, &mut z, R::sub);
                }
            }
        });
        words::clean(job.shape, &mut z);
        z
    }

    /// `d_p` and `e_p` from word `start` on, as bytes.
    fn open(&self, job: &Operands<'_>, start: usize, d: &mut [u8], e: &mut [u8]) {
        let [mut a, mut b] = [[0; TILE]; 2];
        for (i, (d, e)) in d.chunks_mut(8 * TILE).zip(e.chunks_mut(8 * TILE)).enumerate() {
            let n = d.len().div_ceil(8);
            let start = start + i * TILE;
            let (a, b) = (&mut a[..n], &mut b[..n]);
            self.differences(job, start, a, b);
            words::put(a, d);
            words::put(b, e);
        }
        a.zeroize();
        b.zeroize();
    }

    /// `d_p` and `e_p` from word `start` on, in place of the masks.
    fn differences(&self, job: &Operands<'_>, start: usize, a: &mut [u64], b: &mut [u64]) {
        self.triples.factors(job.ticket, start, a, b);
        let rows = start..start + a.len();
        with_ring!(job.shape.kind, R => {
            for (a, x) in a.iter_mut().zip(&job.x[rows.clone()]) {
                *a = R::sub(*x, *a);
            }
            for (b, y) in b.iter_mut().zip(&job.y[rows.clone()]) {
                *b = R::sub(*y, *b);
            }
        });
        if rows.end == job.shape.words() {
            words::clean(job.shape, a);
            words::clean(job.shape, b);
        }
    }

    /// The product's share from word `start` on; `opened` are the peers' differences.
    fn close(&self, job: &Operands<'_>, opened: &[[&[u8]; 2]], start: usize, z: &mut [u64]) {
        let [mut d, mut e, mut a, mut b] = [[0; TILE]; 4];
        for (i, z) in z.chunks_mut(TILE).enumerate() {
            let n = z.len();
            let start = start + i * TILE;
            let (d, e, a, b) = (&mut d[..n], &mut e[..n], &mut a[..n], &mut b[..n]);
            self.triples.factors(job.ticket, start, a, b);
            self.triples.product(job.ticket, start, z);
            let rows = start..start + n;
            let bytes = 8 * start..(8 * rows.end).min(job.shape.bytes());
            with_ring!(job.shape.kind, R => {
                linear::sub(job.shape.kind, &job.x[rows.clone()], a, d);
                linear::sub(job.shape.kind, &job.y[rows.clone()], b, e);
                for [their_d, their_e] in opened {
                    words::get_with(&their_d[bytes.clone()], d, R::add);
                    words::get_with(&their_e[bytes.clone()], e, R::add);
                }
                if self.place == 0 {
                    linear::add_to(job.shape.kind, e, b);
                }
                wide!(combine::<R>([d, e], [a, b], z));
            });
            if rows.end == job.shape.words() {
                words::clean(job.shape, z);
            }
        }
        for secret in [&mut a, &mut b] {
            secret.zeroize();
        }
    }
}

/// Adds `d b + e a` to `z`.
#[inline(always)]
fn combine<R: Ring>([d, e]: [&[u64]; 2], [a, b]: [&[u64]; 2], z: &mut [u64]) {
    for ((z, (d, e)), (a, b)) in z.iter_mut().zip(d.iter().zip(e)).zip(a.iter().zip(b)) {
        *z = R::add(*z, R::add(R::mul(*d, *b), R::mul(*e, *a)));
    }
}

/// What a product works on.
struct Operands<'a> {
    shape: Shape,
    ticket: Ticket,
    x: &'a [u64],
    y: &'a [u64],
}

impl<'a> Operands<'a> {
    fn new(job: &Job<'a>) -> Self {
        Self {
            shape: job.shape,
            ticket: Ticket { masks: job.masks },
            x: &job.args[0].0[0],
            y: &job.args[1].0[0],
        }
    }
}

impl Engine for Party {
    fn one(&self) -> &[u64] {
        &self.one
    }

    fn prepare(&mut self, inbox: &Inbox) -> Result<()> {
        self.triples.receive(inbox)
    }

    fn start(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        match job.op {
            Op::Mul => {
                let operands = Operands::new(job);
                let bytes = job.shape.bytes();
                out.to_all(&self.peers, 2 * bytes, |frame| {
                    let (d, e) = frame.split_at_mut(bytes);
                    if bytes < 8 * SPLIT {
                        self.open(&operands, 0, d, e);
                    } else {
                        d.par_chunks_mut(8 * PIECE)
                            .zip(e.par_chunks_mut(8 * PIECE))
                            .enumerate()
                            .for_each(|(i, (d, e))| self.open(&operands, i * PIECE, d, e));
                    }
                })
            }
            Op::Reveal { to, .. } if *to != self.me => {
                words::put(&self.masked(job), out.section(*to, job.shape.bytes())?);
                Ok(())
            }
            Op::OpenMasked if self.place > 0 => {
                let bytes = job.shape.bytes();
                for plane in job.args {
                    words::put(&plane.0[0], out.section(self.compute[0], bytes)?);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        match job.op {
            Op::Mask { width, .. } => {
                let z = &mut job.results[0].0[0];
                z.fill(0);
                if self.place > 0 {
                    self.random.fill(job.masks, z);
                    words::narrow(*width, z);
                }
            }
            Op::OpenMasked if self.place > 0 => job.results[0].0[0].fill(0),
            Op::OpenMasked => {
                let mut planes: Vec<Buffer> = Vec::with_capacity(job.args.len());
                for plane in job.args {
                    let mut z = Arena::default().take(8 * plane.0[0].len());
                    z.copy_from_slice(&plane.0[0]);
                    planes.push(z);
                }
                for &peer in &self.peers {
                    for z in &mut planes {
                        let bytes = inbox.section(peer, job.shape.bytes())?;
                        words::get_with(bytes, z, |x, y| x ^ y);
                        words::clean(job.shape, z);
                    }
                }
                let planes: Vec<&[u64]> = planes.iter().map(|plane| &**plane).collect();
                words::from_planes(&planes, &mut job.results[0].0[0]);
            }
            Op::Enter { holder, .. } => {
                let own = if *holder == self.me { Some(input(job)?) } else { None };
                let z = &mut job.results[0].0[0];
                if let Some(own) = own {
                    z.copy_from_slice(&own.words()[..job.shape.words()]);
                } else if self.compute.contains(holder) {
                    z.fill(0);
                } else if let Some(prg) = self.holders.get(holder) {
                    prg.fill(job.masks, z);
                } else {
                    words::get(inbox.section(*holder, job.shape.bytes())?, z);
                }
                words::clean(job.shape, z);
            }
            Op::Random { .. } => {
                let z = &mut job.results[0].0[0];
                self.random.fill(job.masks, z);
                words::clean(job.shape, z);
            }
            Op::Mul => {
                let bytes = job.shape.bytes();
                let mut opened = Vec::with_capacity(self.peers.len());
                for &peer in &self.peers {
                    opened.push([inbox.section(peer, bytes)?, inbox.section(peer, bytes)?]);
                }
                let operands = Operands::new(job);
                let z = &mut job.results[0].0[0];
                if z.len() < SPLIT {
                    self.close(&operands, &opened, 0, z);
                } else {
                    z.par_chunks_mut(PIECE)
                        .enumerate()
                        .for_each(|(i, z)| self.close(&operands, &opened, i * PIECE, z));
                }
            }
            Op::Addend { index, .. } => {
                let mut planes: Vec<&mut [u64]> =
                    job.results.iter_mut().map(|z| z.0[0].as_mut()).collect();
                if *index == self.place {
                    cross(job.shape, &job.args[0].0[0], &mut planes);
                } else {
                    for plane in planes {
                        plane.fill(0);
                    }
                }
            }
            Op::Reveal { to, .. } if *to == self.me => {
                let mut z = self.masked(job);
                job.opened = Some(total(job.shape, &mut z, &self.peers, inbox)?);
            }
            Op::Reveal { .. } => {}
            op => return Err(unknown(job.at, op)),
        }
        Ok(())
    }
}

/// A party that does not compute.
struct Holder {
    compute: Vec<usize>,
    masks: Vec<Prg>,
}

impl Client for Holder {
    fn enter(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        let mut z = Zeroizing::new(input(job)?.words()[..job.shape.words()].to_vec());
        with_ring!(job.shape.kind, R => {
            for prg in &self.masks {
                prg.with(job.masks, &mut z, R::sub);
            }
        });
        words::clean(job.shape, &mut z);
        words::put(&z, out.section(self.compute[0], job.shape.bytes())?);
        Ok(())
    }

    fn open(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        let mut z = Zeroizing::new(vec![0; job.shape.words()]);
        job.opened = Some(total(job.shape, &mut z, &self.compute, inbox)?);
        Ok(())
    }
}
