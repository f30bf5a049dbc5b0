//! Multiplication triples: shares of random `a`, `b` and of `c = a b` (Beaver 1991).
//!
//! An engine takes them from a [`TripleSource`] and does not care who made them. Here a **dealer**
//! does: a party that holds no data. It shares a seed with every compute party `p`; from it both
//! draw `a_p`, `b_p`, and `c_p` for every `p` but the first. The one thing left to tell is
//! `c_0 = a b - sum of the other c_p`, which the dealer sends to compute party 0, all of it in one
//! message in the first round of the run.
//!
//! # Security
//! The dealer knows every triple, so it must not see what they mask: it receives nothing, and the
//! openings of masked values go between compute parties alone. A dealer that colludes with a
//! compute party, or sends a wrong correction, breaks the run; results say that it was trusted.

use std::collections::BTreeMap;

use bytes::Bytes;
use rayon::prelude::*;
use tacit_net::{Link, Seed};
use zeroize::Zeroize;

use super::{Client, Demand, Inbox, Job, Outbox, Product, unknown};
use crate::{
    Result,
    linear::{PIECE, Ring, SPLIT, with_ring},
    mask::Prg,
    words,
};

/// Words of a tile: three streams and what they mask fit in L1.
pub(super) const TILE: usize = 512;

/// Which triples: those of one product.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    /// First counter block of its masks, of which no two products have the same.
    pub masks: u64,
}

/// This party's shares of multiplication triples.
pub trait TripleSource: Send + Sync {
    /// Takes what the makers of the triples sent ahead.
    ///
    /// # Errors
    /// If it is not what was priced.
    fn receive(&mut self, inbox: &Inbox) -> Result<()>;

    /// Shares of `a` and `b`, from word `start` (even) of the product on.
    fn factors(&self, ticket: Ticket, start: usize, a: &mut [u64], b: &mut [u64]);

    /// Shares of `c`, from word `start` (even) of the product on.
    fn product(&self, ticket: Ticket, start: usize, c: &mut [u64]);
}

/// The three streams that the dealer shares with one compute party.
struct Streams {
    a: Prg,
    b: Prg,
    c: Prg,
}

impl Streams {
    fn new(seed: &Seed, dealer: usize, party: usize) -> Self {
        let stream = |label| Prg::derive(seed, label, dealer, party);
        Self { a: stream("triple a"), b: stream("triple b"), c: stream("triple c") }
    }
}

/// Triples from a dealer, at a compute party.
pub(super) struct Dealt {
    dealer: usize,
    streams: Streams,
    /// At compute party 0 alone.
    corrections: Option<Corrections>,
}

/// What the dealer sent.
struct Corrections {
    /// First byte and the byte past the last of each product's, by instruction.
    places: BTreeMap<u64, (usize, usize)>,
    length: usize,
    bytes: Bytes,
}

impl Dealt {
    pub(super) fn new(
        dealer: usize,
        first: bool,
        demand: &Demand,
        link: &mut dyn Link,
    ) -> Result<Self> {
        let seed = link.seed(dealer)?;
        let corrections = first.then(|| {
            let mut end = 0;
            let mut places = BTreeMap::new();
            for product in &demand.products {
                places.insert(product.masks, (end, end + product.shape.bytes()));
                end += product.shape.bytes();
            }
            Corrections { places, length: end, bytes: Bytes::new() }
        });
        Ok(Self { dealer, streams: Streams::new(&seed, dealer, link.me()), corrections })
    }
}

impl TripleSource for Dealt {
    fn receive(&mut self, inbox: &Inbox) -> Result<()> {
        if let Some(corrections) = &mut self.corrections {
            corrections.bytes = inbox.keep(self.dealer, corrections.length)?;
        }
        Ok(())
    }

    fn factors(&self, ticket: Ticket, start: usize, a: &mut [u64], b: &mut [u64]) {
        let block = ticket.masks + start as u64 / 2;
        self.streams.a.fill(block, a);
        self.streams.b.fill(block, b);
    }

    fn product(&self, ticket: Ticket, start: usize, c: &mut [u64]) {
        match &self.corrections {
            None => self.streams.c.fill(ticket.masks + start as u64 / 2, c),
            Some(Corrections { places, bytes, .. }) => {
                let (from, to) = places.get(&ticket.masks).copied().unwrap_or_default();
                let from = (from + 8 * start).min(to);
                let to = to.min(from + 8 * c.len());
                words::get(bytes.get(from..to).unwrap_or_default(), c);
            }
        }
    }
}

/// The dealer.
pub(super) struct Dealer {
    first: usize,
    parties: Vec<Streams>,
    products: Vec<Product>,
}

impl Dealer {
    pub(super) fn new(compute: &[usize], demand: &Demand, link: &mut dyn Link) -> Result<Self> {
        let me = link.me();
        let parties = compute
            .iter()
            .map(|&p| Ok(Streams::new(&link.seed(p)?, me, p)))
            .collect::<Result<_>>()?;
        Ok(Self { first: compute[0], parties, products: demand.products.clone() })
    }

    /// `c_0` from word `start` of a product on.
    fn correct(&self, product: &Product, start: usize, frame: &mut [u8]) {
        let [mut a, mut b, mut c] = [[0; TILE]; 3];
        for (i, frame) in frame.chunks_mut(8 * TILE).enumerate() {
            let start = start + i * TILE;
            let n = frame.len().div_ceil(8);
            let (a, b, c) = (&mut a[..n], &mut b[..n], &mut c[..n]);
            let block = product.masks + start as u64 / 2;
            with_ring!(product.shape.kind, R => {
                self.parties[0].a.fill(block, a);
                self.parties[0].b.fill(block, b);
                for streams in &self.parties[1..] {
                    streams.a.with(block, a, R::add);
                    streams.b.with(block, b, R::add);
                }
                for ((c, a), b) in c.iter_mut().zip(&*a).zip(&*b) {
                    *c = R::mul(*a, *b);
                }
                for streams in &self.parties[1..] {
                    streams.c.with(block, c, R::sub);
                }
            });
            if start + n == product.shape.words() {
                words::clean(product.shape, c);
            }
            words::put(c, frame);
        }
        a.zeroize();
        b.zeroize();
        c.zeroize();
    }
}

impl Client for Dealer {
    fn ahead(&mut self, out: &mut Outbox) -> Result<()> {
        for product in &self.products {
            let frame = out.section(self.first, product.shape.bytes())?;
            if frame.len() < 8 * SPLIT {
                self.correct(product, 0, frame);
            } else {
                frame
                    .par_chunks_mut(8 * PIECE)
                    .enumerate()
                    .for_each(|(i, frame)| self.correct(product, i * PIECE, frame));
            }
        }
        Ok(())
    }

    fn enter(&mut self, job: &mut Job<'_>, _: &mut Outbox) -> Result<()> {
        Err(unknown(job.at, job.op))
    }

    fn open(&mut self, job: &mut Job<'_>, _: &Inbox) -> Result<()> {
        Err(unknown(job.at, job.op))
    }
}
