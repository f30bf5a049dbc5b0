//! The laws, the prices, and what a coalition of `t` parties sees.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use tacit_mpc::{
    Builder, Field, Num, bill,
    testing::{self, Inputs, assert_laws, random_circuit},
    tile,
};
use tacit_net::{Arena, Frames, Memory, Round, Seed};

use super::*;

/// `n` compute parties, one more holder, and a receiver.
fn roster(n: usize) -> Roster {
    Roster { parties: n + 2, compute: (0..n).collect(), dealer: None }
}

#[test]
fn random_circuits_keep_the_laws_for_every_number_of_parties() {
    for n in [3, 4, 5, 7] {
        for (rows, seed) in [0, 1, 2, 65, 200].into_iter().zip(100 * n as u64..) {
            let (circuit, inputs) = random_circuit::<Field>(&[0, n, n - 1], n + 1, rows, seed);
            assert_laws(&circuit, Shamir, &roster(n), &inputs, seed);
            assert_laws(&tile(&circuit, 64).unwrap(), Shamir, &roster(n), &inputs, seed);
        }
    }
}

#[test]
fn compute_parties_may_stand_anywhere_in_the_session() {
    let roster = Roster { parties: 6, compute: vec![5, 0, 3, 2], dealer: None };
    let (circuit, inputs) = random_circuit::<Field>(&[1, 3, 5], 4, 10, 9);
    assert_laws(&circuit, Shamir, &roster, &inputs, 9);
}

#[test]
fn bytes_are_those_of_the_table() {
    let product = |n: usize| {
        let mut b = Builder::new();
        let (x, y): (Field, Field) = (b.enter(0, 100), b.enter(n, 100));
        let z = b.mul(x, y);
        let r = b.random(100);
        let z = b.add(z, r);
        b.reveal(z, n + 1, "z");
        let bill = bill(&b.finish(), Shamir, &roster(n)).unwrap();
        (bill.rounds, bill.parties.iter().map(|party| party.sent / 800).collect::<Vec<_>>())
    };
    // By each: entered, product, random, reveal; then the holder's.
    assert_eq!(product(3), (3, vec![1 + 1 + 1, 1 + 1, 1, 2, 0]));
    assert_eq!(product(4), (3, vec![2 + 2 + 1 + 1, 2 + 1 + 1, 2, 0, 3, 0]));
    assert_eq!(product(5).1[..4], [2 + 2 + 1 + 1, 2 + 1 + 1, 2 + 1 + 1, 2]);
}

#[test]
fn what_the_protocol_does_not_do_is_refused_with_a_reason() {
    let mut b = Builder::new();
    let x: Num = b.enter(0, 3);
    b.reveal(x, 4, "x");
    let error = bill(&b.finish(), Shamir, &roster(3)).unwrap_err().to_string();
    assert!(error.contains("shamir has no columns of numbers"), "{error}");
    for compute in [vec![0, 1], vec![0, 1, 1], vec![0, 1, 9]] {
        let roster = Roster { parties: 4, compute, dealer: None };
        assert!(matches!(Shamir.scheme(&roster), Err(Error::Engine(_))));
    }
}

/// Rank over the field.
fn rank(mut rows: Vec<Vec<u64>>) -> usize {
    let mut rank = 0;
    for column in 0..rows.first().map_or(0, Vec::len) {
        let Some(at) = (rank..rows.len()).find(|&at| rows[at][column] != 0) else { continue };
        rows.swap(rank, at);
        let pivot = rows[rank].clone();
        for row in &mut rows[rank + 1..] {
            let factor = field::mul(row[column], field::invert(pivot[column]));
            for (x, p) in row.iter_mut().zip(&pivot) {
                *x = field::sub(*x, field::mul(factor, *p));
            }
        }
        rank += 1;
    }
    rank
}

/// The points of a dealing as linear functions of the value at 0 (if it is given) and of what is
/// drawn, found by dealing unit vectors.
fn functions(n: usize, dealing: &Dealing, given: bool) -> BTreeMap<usize, Vec<u64>> {
    let unknowns = usize::from(given) + dealing.drawn.len();
    let unit = |at: usize| (0..unknowns).map(|k| u64::from(k == at)).collect::<Vec<u64>>();
    let drawn = dealing.drawn.iter().zip(usize::from(given)..).map(|(&place, k)| (place, unit(k)));
    let all: BTreeMap<usize, Vec<u64>> = drawn.chain(dealing.rest.iter().cloned()).collect();
    assert_eq!(all.len(), n, "everybody has a point");
    all
}

/// All sets of `size` places out of `n`.
fn sets(n: usize, size: usize) -> Vec<BTreeSet<usize>> {
    let all = (0..1_usize << n).filter(|set| set.count_ones() as usize == size);
    all.map(|set| (0..n).filter(|place| set >> place & 1 == 1).collect()).collect()
}

#[test]
fn t_points_of_every_dealing_are_uniform_whatever_the_value_and_one_more_gives_it() {
    for n in [3, 4, 5, 7] {
        let t = (n - 1) / 2;
        for dealer in (0..n).map(Some).chain([None]) {
            let dealing = Dealing::new(n, dealer, true);
            let points = functions(n, &dealing, true);
            for coalition in sets(n, t) {
                // As functions of what is drawn: a bijection, for every value.
                let rows = coalition.iter().map(|place| points[place][1..].to_vec()).collect();
                assert_eq!(rank(rows), t, "{n} parties, {coalition:?}");
            }
            for more in sets(n, t + 1) {
                // The value is a function of these points: it adds nothing to them.
                let mut rows: Vec<_> = more.iter().map(|place| points[place].clone()).collect();
                assert_eq!(rank(rows.clone()), t + 1);
                rows.push((0..=t).map(|k| u64::from(k == 0)).collect());
                assert_eq!(rank(rows), t + 1);
            }
        }
    }
}

#[test]
fn a_value_that_nobody_chooses_is_uniform_for_t_parties() {
    for n in [3, 4, 5, 7] {
        let t = (n - 1) / 2;
        for dealer in 0..n {
            let dealing = Dealing::new(n, Some(dealer), false);
            let points = functions(n, &dealing, false);
            let base: Vec<u64> = dealing.drawn.iter().map(|&place| point(place)).collect();
            for coalition in sets(n, t).into_iter().filter(|set| !set.contains(&dealer)) {
                let mut rows: Vec<_> = coalition.iter().map(|p| points[p].clone()).collect();
                rows.push(weights(&base, 0));
                assert_eq!(rank(rows), t + 1, "{n} parties, dealer {dealer}, {coalition:?}");
            }
        }
    }
}

/// How often a bit was 1, by receiver, sender, round and place.
type Ones = BTreeMap<[usize; 4], u32>;

/// Runs of each input.
const RUNS: u64 = 250;

/// With one degree of freedom, chance is above it less than once in 3 million counts.
const BOUND: f64 = 26.0;

/// A link that counts the low bits of what a coalition receives, gives it the same seeds in every
/// run, and can put one bit into all that is sent (a broken sender) or send what is not canonical.
struct Watched {
    inner: Memory,
    coalition: BTreeSet<usize>,
    round: usize,
    ones: Arc<Mutex<Ones>>,
    leak: Option<u8>,
    above: bool,
}

impl Watched {
    fn plain(inner: Memory) -> Self {
        let (coalition, ones) = (BTreeSet::new(), Arc::default());
        Self { inner, coalition, round: 0, ones, leak: None, above: false }
    }
}

impl Link for Watched {
    fn me(&self) -> usize {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn exchange(&mut self, mut round: Round) -> tacit_net::Result<Frames> {
        let inside = self.coalition.contains(&self.me());
        for (_, frame) in &mut round.send {
            let mut bytes = frame.to_vec();
            if let Some(leak) = self.leak.filter(|_| !inside) {
                bytes.iter_mut().step_by(8).for_each(|byte| *byte = *byte & 0xfe | leak);
            }
            if self.above {
                bytes.fill(0xff);
            }
            *frame = bytes.into();
        }
        let senders: Vec<usize> = round.expect.iter().map(|(from, _)| *from).collect();
        let frames = self.inner.exchange(round)?;
        let mut ones = self.ones.lock().unwrap();
        for (&from, frame) in senders.iter().zip(&frames).filter(|_| inside) {
            for (at, word) in frame.as_chunks::<8>().0.iter().enumerate() {
                for bit in [0, 1, 2, 59] {
                    let one = u64::from_le_bytes(*word) >> bit & 1;
                    let place = [self.me(), from, self.round, 64 * at + bit];
                    *ones.entry(place).or_default() += one as u32;
                }
            }
        }
        self.round += 1;
        Ok(frames)
    }

    fn seed(&mut self, peer: usize) -> tacit_net::Result<Seed> {
        let mut seed = self.inner.seed(peer)?;
        if self.coalition.contains(&self.me()) || self.coalition.contains(&peer) {
            seed.0.fill(7 + (self.me() + peer) as u8);
        }
        Ok(seed)
    }

    fn arena(&self) -> Arena {
        self.inner.arena()
    }

    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        self.inner.abort(culprit, reason);
    }
}

/// Everybody but the coalition enters `x`; the coalition enters 1.
fn view(n: usize, coalition: &BTreeSet<usize>, x: u64, first: u64, leak: Option<u8>) -> Ones {
    let mut b = Builder::new();
    let entered: Vec<Field> = (0..=n).map(|holder| b.enter(holder, 2)).collect();
    let product = entered.into_iter().reduce(|z, y| b.mul(z, y)).unwrap();
    let random = b.random(2);
    let z = b.add(product, random);
    b.reveal(z, n + 1, "z");
    let circuit = b.finish();
    let own = |holder| if coalition.contains(&holder) { 1 } else { x };
    let inputs: Inputs = (0..=n).map(|h| (h, vec![Column::Field(vec![own(h); 2])])).collect();
    let ones = Arc::new(Mutex::new(Ones::new()));
    for seed in first..first + RUNS {
        let wrap = |inner| Watched {
            coalition: coalition.clone(),
            ones: Arc::clone(&ones),
            leak,
            ..Watched::plain(inner)
        };
        for party in testing::parties(&circuit, Shamir, &roster(n), &inputs, seed, wrap) {
            party.result.unwrap();
        }
    }
    Arc::into_inner(ones).unwrap().into_inner().unwrap()
}

/// The largest chi-square of any place, and the number of places that vary.
fn distance(one: &Ones, other: &Ones) -> (f64, usize) {
    assert!(one.keys().eq(other.keys()), "frames of other lengths");
    let (mut largest, mut places) = (0.0_f64, 0);
    for (a, b) in one.values().zip(other.values()) {
        let (a, b, n) = (f64::from(*a), f64::from(*b), RUNS as f64);
        let share = (a + b) / (2.0 * n);
        if share > 0.0 && share < 1.0 {
            largest = largest.max((a - b).powi(2) / (2.0 * n * share * (1.0 - share)));
            places += 1;
        }
    }
    (largest, places)
}

#[test]
fn what_t_compute_parties_are_sent_does_not_depend_on_what_others_enter() {
    for (n, coalition) in [(3, vec![0]), (3, vec![2]), (5, vec![1, 3])] {
        let coalition = coalition.into_iter().collect();
        let zero = view(n, &coalition, 0, 0, None);
        let other = view(n, &coalition, field::MODULUS - 1, RUNS, None);
        let (chi, places) = distance(&zero, &other);
        assert!(places > 15, "{places} bits vary for {coalition:?}");
        assert!(chi < BOUND, "{coalition:?}: {chi}");
    }
}

#[test]
fn a_bit_that_is_sent_in_place_of_a_masked_one_is_seen() {
    let coalition = BTreeSet::from([1]);
    let zero = view(3, &coalition, 0, 0, Some(0));
    assert!(distance(&zero, &view(3, &coalition, 1, RUNS, Some(1))).0 > BOUND);
}

#[test]
fn an_input_that_is_no_element_ends_the_run_before_anything_is_sent() {
    let (circuit, mut inputs) = random_circuit::<Field>(&[0, 3], 4, 2, 3);
    for holder in [0, 3] {
        let sound = inputs.insert(holder, vec![Column::Field(vec![0, field::MODULUS])]);
        let parties = testing::parties(&circuit, Shamir, &roster(3), &inputs, 1, |link| link);
        let party = &parties[holder];
        assert!(matches!(party.result, Err(Error::Input(_))), "{:?}", party.result);
        assert_eq!(party.ledger.sent(), 0);
        inputs.extend(sound.map(|columns| (holder, columns)));
    }
}

#[test]
fn a_word_that_is_no_element_ends_the_run_and_names_its_sender() {
    let (circuit, inputs) = random_circuit::<Field>(&[0, 1, 2], 4, 5, 3);
    let wrap = |inner: Memory| Watched { above: inner.me() == 1, ..Watched::plain(inner) };
    let parties = testing::parties(&circuit, Shamir, &roster(3), &inputs, 1, wrap);
    let ends: Vec<_> = parties.into_iter().map(|party| party.result.err()).collect();
    // In the first round party 1 deals to the party that does not draw.
    assert!(matches!(&ends[0], Some(Error::Abort { culprit: Some(1), .. })), "{:?}", ends[0]);
    // Party 3 has nothing to do.
    for (party, end) in [1, 2, 4].map(|party| (party, &ends[party])) {
        let Some(Error::Net(error)) = end else { panic!("party {party}: {end:?}") };
        assert_eq!(error.culprit(), Some(1), "party {party}: {error}");
    }
}
