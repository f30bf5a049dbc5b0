//! A protocol in one file: Shamir's sharing over the prime field of 2^61 - 1 among `n >= 3` parties.
//!
//! A value is `f(0)` of a random polynomial of degree `t < n / 2`; the compute party at place `j`
//! holds `f(j + 1)` (Shamir 1979). Whatever `t` of them hold is uniformly random.
//!
//! | instruction | what happens | sent |
//! | --- | --- | --- |
//! | linear ones, constants | the same with every point | nothing |
//! | enter by a compute party | it deals its value | `n - 1 - t` words |
//! | enter by anybody else | it deals its value | `n - t` words |
//! | product | `f g` has degree `2 t`, so its value at 0 is a sum of `2 t + 1` points with public weights; each of their holders deals its summand, and everybody adds what it was dealt | `n - 1 - t` words by each of `2 t + 1` parties |
//! | random | `t + 1` parties deal values that they do not choose; everybody adds up | `max(n - 2 - t, 0)` words by each of `t + 1` parties |
//! | reveal | `t + 1` points determine the polynomial | one word by each of `t + 1` parties, or of `t` others |
//!
//! Products are those of Ben-Or, Goldwasser and Wigderson (STOC 1988), their degree reduced as by
//! Gennaro, Rabin and Rabin ("Simplified VSS and fast-track multiparty computations", PODC 1998).
//!
//! To **deal** is to choose a polynomial of degree `t` with a given value at 0. Its values at any `t`
//! other points may be drawn freely: they come from keys that the dealer shares with `t` parties,
//! which therefore need no message. The others are sent theirs, which follow by interpolation. A
//! value that nobody chooses leaves `t + 1` points to be drawn.
//!
//! # Security
//! Semi-honest, at most `t` compute parties, `t = (n - 1) / 2` rounded down, with any number of other
//! parties. Of one dealing they see at most `t` points, which are uniform and independent of the
//! value. An opened polynomial follows from the opened value and `t` points, so that it tells a
//! receiver who pools with them nothing more.

use std::{collections::BTreeMap, fmt};

use tacit_mpc::{
    Circuit, Column, Error, Kind, Op, Result, Roster, Shape,
    engine::{Client, Demand, Engine, Inbox, Job, Outbox, Prg, Price, Protocol, Scheme},
    field,
};
use tacit_net::Link;
use zeroize::Zeroizing;

/// The protocol, whoever takes part.
#[derive(Clone, Copy, Debug)]
pub struct Shamir;

impl fmt::Display for Shamir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("shamir")
    }
}

impl Protocol for Shamir {
    fn scheme(&self, roster: &Roster) -> Result<Box<dyn Scheme>> {
        let compute = &roster.compute;
        if compute.len() < 3 {
            let n = compute.len();
            return Err(Error::Engine(format!("shamir needs three compute parties, not {n}")));
        }
        let twice = |&p: &usize| compute.iter().filter(|&&q| p == q).count() > 1;
        if let Some(p) = compute.iter().copied().find(|p| *p >= roster.parties || twice(p)) {
            return Err(Error::Engine(format!("compute party {p} is listed twice or not there")));
        }
        Ok(Box::new(Sharing { compute: compute.clone() }))
    }
}

/// The point at which a place has its share.
fn point(place: usize) -> u64 {
    place as u64 + 1
}

/// The weights by which values at the points `from` give the value at `at` of the polynomial through
/// them (Lagrange).
fn weights(from: &[u64], at: u64) -> Vec<u64> {
    let weight = |x: &u64| {
        from.iter().filter(|other| *other != x).fold(1, |product, other| {
            let over = field::invert(field::sub(*x, *other));
            field::mul(product, field::mul(field::sub(at, *other), over))
        })
    };
    from.iter().map(weight).collect()
}

/// `z += weight x`.
fn add_scaled(weight: u64, x: &[u64], z: &mut [u64]) {
    for (z, x) in z.iter_mut().zip(x) {
        *z = field::add(*z, field::mul(weight, *x));
    }
}

/// A column for the time of an instruction, wiped after it.
fn column(rows: usize) -> Zeroizing<Vec<u64>> {
    Zeroizing::new(vec![0; rows])
}

/// How one dealer's polynomial is chosen.
struct Dealing {
    /// Places whose points are drawn from keys.
    drawn: Vec<usize>,
    /// All other places, with the weights of the value at 0 (if it is given) and of what is drawn.
    rest: Vec<(usize, Vec<u64>)>,
}

impl Dealing {
    /// By the party at place `dealer`, or one that does not compute. Without a `given` value at 0
    /// one more point is drawn.
    fn new(n: usize, dealer: Option<usize>, given: bool) -> Self {
        let t = (n - 1) / 2;
        let first = dealer.map_or(0, |place| place + 1);
        let mut places = (first..first + n).map(|place| place % n);
        let drawn: Vec<usize> = places.by_ref().take(t + usize::from(!given)).collect();
        let value = given.then_some(0);
        let base: Vec<u64> = value.into_iter().chain(drawn.iter().map(|&p| point(p))).collect();
        let rest = places.map(|place| (place, weights(&base, point(place)))).collect();
        Self { drawn, rest }
    }

    /// Deals a column: `give` gets the place and the points of everybody whose points are not drawn.
    fn deal(
        &self,
        value: Option<Zeroizing<Vec<u64>>>,
        rows: usize,
        key: impl Fn(usize) -> Result<Prg>,
        masks: u64,
        mut give: impl FnMut(usize, &[u64]) -> Result<()>,
    ) -> Result<()> {
        let mut base: Vec<Zeroizing<Vec<u64>>> = value.into_iter().collect();
        for &place in &self.drawn {
            let mut points = column(rows);
            key(place)?.draw(Kind::Field, masks, &mut points);
            base.push(points);
        }
        for (place, weights) in &self.rest {
            let mut points = column(rows);
            for (weight, base) in weights.iter().zip(&base) {
                add_scaled(*weight, base, &mut points);
            }
            give(*place, &points)?;
        }
        Ok(())
    }
}

/// The protocol among these parties.
struct Sharing {
    compute: Vec<usize>,
}

impl Sharing {
    fn n(&self) -> usize {
        self.compute.len()
    }

    fn t(&self) -> usize {
        (self.n() - 1) / 2
    }

    fn place(&self, party: usize) -> Option<usize> {
        self.compute.iter().position(|&p| p == party)
    }

    /// Who deals in an instruction, and whether values that are given.
    fn dealers(&self, op: &Op) -> (Vec<Dealer>, bool) {
        let first = |count: usize| (0..count).map(Dealer::Place).collect();
        match op {
            Op::Enter { holder, .. } => {
                let dealer = self.place(*holder).map_or(Dealer::Outside(*holder), Dealer::Place);
                (vec![dealer], true)
            }
            Op::Mul => (first(2 * self.t() + 1), true),
            Op::Random { .. } => (first(self.t() + 1), false),
            _ => (vec![], true),
        }
    }

    /// The places whose points are opened to a party: its own is among them if it has one.
    fn openers(&self, to: usize) -> Vec<usize> {
        let first = self.place(to).unwrap_or(0);
        (first..=first + self.t()).map(|place| place % self.n()).collect()
    }

    /// What the openers' points say.
    fn open(&self, to: usize, own: Option<&[u64]>, shape: Shape, inbox: &Inbox) -> Result<Column> {
        let openers = self.openers(to);
        let points: Vec<u64> = openers.iter().map(|&place| point(place)).collect();
        let mut z = column(shape.rows);
        for (&place, weight) in openers.iter().zip(weights(&points, 0)) {
            let mut points = column(shape.rows);
            match own {
                Some(own) if self.compute[place] == to => points.copy_from_slice(own),
                _ => inbox.column(self.compute[place], shape, &mut points)?,
            }
            add_scaled(weight, &points, &mut z);
        }
        Ok(Column::Field(z.to_vec()))
    }

    /// Key of the points that `from` deals to `to`, at either end.
    fn key(link: &mut dyn Link, from: usize, to: usize) -> Result<Prg> {
        let peer = if link.me() == from { to } else { from };
        Ok(Prg::derive(&link.seed(peer)?, "shamir point", from, to))
    }
}

/// Somebody who deals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Dealer {
    /// The compute party at this place.
    Place(usize),
    /// The party of this session index, which does not compute.
    Outside(usize),
}

impl Dealer {
    fn place(self) -> Option<usize> {
        match self {
            Self::Place(place) => Some(place),
            Self::Outside(_) => None,
        }
    }
}

impl Scheme for Sharing {
    fn name(&self) -> &'static str {
        "shamir"
    }

    fn components(&self, kind: Kind) -> usize {
        usize::from(kind == Kind::Field)
    }

    fn price(&self, circuit: &Circuit, at: usize, price: &mut Price) -> Result<()> {
        let instruction = &circuit.instructions()[at];
        let (dealers, given) = self.dealers(&instruction.op);
        for dealer in dealers {
            let from = match dealer {
                Dealer::Place(place) => self.compute[place],
                Dealer::Outside(party) => party,
            };
            for (place, _) in Dealing::new(self.n(), dealer.place(), given).rest {
                let bytes = circuit.shape(instruction.first).bytes();
                price.wire(0, from, self.compute[place], bytes);
            }
        }
        if let Op::Reveal { to, .. } = &instruction.op {
            for place in self.openers(*to) {
                let bytes = circuit.shape(instruction.args[0]).bytes();
                price.wire(0, self.compute[place], *to, bytes);
            }
        }
        price.rounds = usize::from(!price.wires.is_empty());
        Ok(())
    }

    fn engine(&self, demand: &Demand, link: &mut dyn Link) -> Result<Box<dyn Engine>> {
        let me = link.me();
        let missing = || Error::Engine(format!("party {me} does not compute"));
        let place = self.place(me).ok_or_else(missing)?;
        let (mut from, mut to) = (BTreeMap::new(), BTreeMap::new());
        for (other, &peer) in self.compute.iter().enumerate().filter(|(other, _)| *other != place) {
            from.insert(Dealer::Place(other), Self::key(link, peer, me)?);
            to.insert(other, Self::key(link, me, peer)?);
        }
        for &holder in demand.holders.iter().filter(|holder| self.place(**holder).is_none()) {
            from.insert(Dealer::Outside(holder), Self::key(link, holder, me)?);
        }
        let odd: Vec<u64> = (0..=2 * self.t()).map(point).collect();
        let sharing = Self { compute: self.compute.clone() };
        Ok(Box::new(Party { me, place, sharing, from, to, product: weights(&odd, 0) }))
    }

    fn client(&self, demand: &Demand, link: &mut dyn Link) -> Result<Box<dyn Client>> {
        let me = link.me();
        let mut to = BTreeMap::new();
        if demand.holders.contains(&me) {
            for (place, &party) in self.compute.iter().enumerate() {
                to.insert(place, Self::key(link, me, party)?);
            }
        }
        Ok(Box::new(Holder { me, sharing: Self { compute: self.compute.clone() }, to }))
    }
}

fn no_key<T>() -> Result<T> {
    Err(Error::Engine("shamir has no key for a point that is drawn".into()))
}

/// The column that a job enters.
fn input(job: &Job<'_>) -> Result<Zeroizing<Vec<u64>>> {
    let given = job.input.map(|column| Zeroizing::new(column.words().to_vec()));
    given.ok_or_else(|| Error::Input(format!("instruction {} has no input", job.at)))
}

/// A compute party.
struct Party {
    me: usize,
    place: usize,
    sharing: Sharing,
    /// Keys of what is dealt to this party.
    from: BTreeMap<Dealer, Prg>,
    /// Keys of what this party deals, by place.
    to: BTreeMap<usize, Prg>,
    /// Weights of the points that give a product.
    product: Vec<u64>,
}

impl Engine for Party {
    fn one(&self) -> &[u64] {
        // The polynomial that is 1 everywhere.
        &[1]
    }

    fn prepare(&mut self, _: &Inbox) -> Result<()> {
        Ok(())
    }

    fn start(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        if let Op::Reveal { to, .. } = job.op {
            if *to != self.me && self.sharing.openers(*to).contains(&self.place) {
                out.column(*to, job.shape, job.args[0].component(0))?;
            }
            return Ok(());
        }
        let share = job.results[0].component_mut(0);
        share.fill(0);
        let (dealers, given) = self.sharing.dealers(job.op);
        if !dealers.contains(&Dealer::Place(self.place)) {
            return Ok(());
        }
        let value = match job.op {
            Op::Enter { .. } => Some(input(job)?),
            Op::Mul => {
                let [x, y] = [0, 1].map(|k| job.args[k].component(0));
                let mut z = column(job.shape.rows);
                for (z, (x, y)) in z.iter_mut().zip(x.iter().zip(y)) {
                    *z = field::mul(field::mul(*x, *y), self.product[self.place]);
                }
                Some(z)
            }
            _ => None,
        };
        let share = job.results[0].component_mut(0);
        let key = |place| self.to.get(&place).cloned().map_or_else(no_key, Ok);
        let dealing = Dealing::new(self.sharing.n(), Some(self.place), given);
        dealing.deal(value, job.shape.rows, key, job.masks, |place, points| {
            if place == self.place {
                share.copy_from_slice(points);
                return Ok(());
            }
            out.column(self.sharing.compute[place], job.shape, points)
        })
    }

    fn finish(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        if let Op::Reveal { to, .. } = job.op {
            if *to == self.me {
                let own = Some(job.args[0].component(0));
                job.opened = Some(self.sharing.open(*to, own, job.shape, inbox)?);
            }
            return Ok(());
        }
        let (dealers, given) = self.sharing.dealers(job.op);
        let share = job.results[0].component_mut(0);
        for dealer in dealers.into_iter().filter(|d| *d != Dealer::Place(self.place)) {
            let dealing = Dealing::new(self.sharing.n(), dealer.place(), given);
            if dealing.drawn.contains(&self.place) {
                let Some(key) = self.from.get(&dealer) else { return no_key() };
                let mut points = column(job.shape.rows);
                key.draw(Kind::Field, job.masks, &mut points);
                add_scaled(1, &points, share);
            } else {
                let party = match dealer {
                    Dealer::Place(place) => self.sharing.compute[place],
                    Dealer::Outside(party) => party,
                };
                inbox.add(party, job.shape, share)?;
            }
        }
        Ok(())
    }
}

/// A party that does not compute.
struct Holder {
    me: usize,
    sharing: Sharing,
    to: BTreeMap<usize, Prg>,
}

impl Client for Holder {
    fn enter(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        let key = |place| self.to.get(&place).cloned().map_or_else(no_key, Ok);
        let dealing = Dealing::new(self.sharing.n(), None, true);
        dealing.deal(Some(input(job)?), job.shape.rows, key, job.masks, |place, points| {
            out.column(self.sharing.compute[place], job.shape, points)
        })
    }

    fn open(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        job.opened = Some(self.sharing.open(self.me, None, job.shape, inbox)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
