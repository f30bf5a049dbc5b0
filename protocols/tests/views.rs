//! What a party of `rep3` is sent does not tell what the others entered.
//!
//! One party's seeds are the same in all runs, and so is what it enters; the seeds that the others
//! share vary. Of each frame that it receives the low bits of every byte are counted, and those of
//! neighbouring bytes added up, for two inputs of the others. If the frames are independent of them,
//! the counts differ by chance alone: a chi-square with a bound far above what chance does decides.
//! All seeds are fixed. That these bits are alike does not prove that the frames are. Where senders put
//! a bit of what they entered in place of a masked one, the counts are told apart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tacit_mpc::testing::{Inputs, Session, parties, session};
use tacit_mpc::{Bit, Builder, Circuit, Column, EngineKind, Num};
use tacit_net::{Arena, Frames, Link, Memory, Result, Round, Seed};
use tacit_protocols::{Order, apply, apply_inverse, compact, lower, shuffle, sort, to_num_by_sum};

const RUNS: u64 = 600;

/// With one degree of freedom, chance is above it less than once in 3 million counts.
const BOUND: f64 = 26.0;

/// How often a bit was 1, by sender, round of the receiver and place.
type Ones = BTreeMap<(usize, u64, usize), u32>;

/// A link that counts what `whose` receives and gives it the same seeds in every run.
struct Watched {
    inner: Memory,
    whose: usize,
    round: u64,
    ones: Arc<Mutex<Ones>>,
    /// The bit that a broken sender puts in place of a masked one.
    leak: Option<u8>,
}

impl Link for Watched {
    fn me(&self) -> usize {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn exchange(&mut self, mut round: Round) -> Result<Frames> {
        if let Some(leak) = self.leak.filter(|_| self.me() != self.whose) {
            for (_, frame) in &mut round.send {
                *frame = frame.iter().map(|byte| byte & 0xfe | leak).collect();
            }
        }
        let senders: Vec<usize> = round.expect.iter().map(|(from, _)| *from).collect();
        let frames = self.inner.exchange(round)?;
        if self.me() == self.whose {
            let mut ones = self.ones.lock().unwrap();
            for (from, frame) in senders.into_iter().zip(&frames) {
                let mut before = 0;
                for (at, &byte) in frame.iter().enumerate() {
                    for (k, byte) in [byte, byte ^ before].into_iter().enumerate() {
                        for bit in 0..3 {
                            let place = (from, self.round, at * 6 + k * 3 + bit);
                            *ones.entry(place).or_default() += u32::from(byte >> bit & 1);
                        }
                    }
                    before = byte;
                }
            }
        }
        self.round += 1;
        Ok(frames)
    }

    fn seed(&mut self, peer: usize) -> Result<Seed> {
        let mut seed = self.inner.seed(peer)?;
        if self.me() == self.whose || peer == self.whose {
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

/// Counts of what `whose` receives over all runs.
fn view(
    (circuit, session): &(Circuit, Session),
    inputs: &Inputs,
    whose: usize,
    first: u64,
    leak: Option<u8>,
) -> Ones {
    let ones = Arc::new(Mutex::new(Ones::new()));
    for seed in first..first + RUNS {
        let wrap = |inner| Watched { inner, whose, round: 0, ones: Arc::clone(&ones), leak };
        for party in parties(circuit, EngineKind::Rep3, &session.roster, inputs, seed, wrap) {
            party.result.unwrap();
        }
    }
    Arc::into_inner(ones).unwrap().into_inner().unwrap()
}

/// The largest chi-square of any place, and the number of places that are not always the same.
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

/// Four sites, of which three compute, enter three rows of numbers and of bits each.
fn instructions() -> (Circuit, Session) {
    let session = session(EngineKind::Rep3, 4, 3);
    let mut b = Builder::new();
    let mut entered: Vec<(Num, Bit)> = Vec::new();
    for holder in 0..4 {
        entered.push((b.enter(holder, 3), b.enter(holder, 3)));
    }
    let (mut number, mut bit) = entered[0];
    for &(x, y) in &entered[1..] {
        number = b.mul(number, x);
        bit = b.and(bit, y);
    }
    let sum = b.add(entered[1].0, entered[3].0);
    let planes = b.to_bits(sum, 5);
    let counted = b.to_num(&[bit]);
    let back = to_num_by_sum(&mut b, &planes, 2);
    let (nums, bits) = shuffle(&mut b, &[number, counted, back], &planes);
    for x in nums {
        b.reveal(x, session.analyst, "number");
    }
    for x in bits {
        b.reveal(x, session.analyst, "bit");
    }
    (lower(&b.finish(), 2), session)
}

/// One holder enters a permutation of four rows, another a number for each, which go there.
fn permuting() -> (Circuit, Session) {
    let session = session(EngineKind::Rep3, 4, 3);
    let mut b = Builder::new();
    let order: Vec<Bit> = (0..2).map(|_| b.enter(3, 4)).collect();
    let x: Num = b.enter(0, 4);
    let order = Order::Planes(order);
    let (nums, _) = apply(&mut b, &order, &[x], &[]);
    let (nums, _) = apply_inverse(&mut b, &order, &nums, &[]);
    b.reveal(nums[0], session.analyst, "number");
    (b.finish(), session)
}

/// Rows that count go to the front.
fn compacting() -> (Circuit, Session) {
    let session = session(EngineKind::Rep3, 4, 3);
    let mut b = Builder::new();
    let (valid, x): (Bit, Num) = (b.enter(3, 4), b.enter(0, 4));
    let compacted = compact(&mut b, valid, &[x], &[]);
    b.reveal(compacted.nums[0], session.analyst, "number");
    (lower(&b.finish(), 2), session)
}

fn sorting() -> (Circuit, Session) {
    let session = session(EngineKind::Rep3, 4, 3);
    let mut b = Builder::new();
    let key: Vec<Bit> = (0..2).map(|_| b.enter(3, 4)).collect();
    let sorted = sort(&mut b, &[key], &[], &[]);
    for x in sorted.keys.concat() {
        b.reveal(x, session.analyst, "key");
    }
    (lower(&b.finish(), 2), session)
}

/// What everybody enters: `x`, but 1 if it is `whose`.
fn entered(whose: usize, x: u64) -> Inputs {
    let columns = |holder| {
        let x = if holder == whose { 1 } else { x };
        (holder, vec![Column::Num(vec![x; 3]), Column::bits([x & 1 == 1; 3])])
    };
    (0..4).map(columns).collect()
}

/// What one holder enters as keys of two bits.
fn keys(key: [u64; 4]) -> Inputs {
    let plane = |i: usize| Column::bits(key.map(|x| x >> i & 1 == 1));
    Inputs::from([(3, vec![plane(0), plane(1)])])
}

#[test]
fn what_a_compute_party_is_sent_does_not_depend_on_what_others_enter() {
    let run = instructions();
    for whose in 0..3 {
        let zero = view(&run, &entered(whose, 0), whose, 0, None);
        let ones = view(&run, &entered(whose, u64::MAX), whose, RUNS, None);
        let (chi, places) = distance(&zero, &ones);
        assert!(places > 100, "{places} bits vary at party {whose}");
        assert!(chi < BOUND, "party {whose}: {chi}");
    }
}

#[test]
fn what_a_sort_opens_does_not_depend_on_the_order_of_its_rows() {
    independent(&sorting(), &[[0, 1, 2, 3], [3, 2, 1, 0], [2; 4]].map(keys));
}

/// No compute party can tell the first inputs from the others, which differ in what others enter.
fn independent(run: &(Circuit, Session), inputs: &[Inputs]) {
    for whose in 0..3 {
        let first = view(run, &inputs[0], whose, 0, None);
        for (i, other) in inputs.iter().enumerate().skip(1) {
            let other = view(run, other, whose, RUNS * i as u64, None);
            let (chi, places) = distance(&first, &other);
            assert!(places > 20, "{places} bits vary at party {whose}");
            assert!(chi < BOUND, "party {whose}: {chi}");
        }
    }
}

#[test]
fn what_a_permutation_opens_does_not_depend_on_it() {
    let run = permuting();
    let inputs = |order| {
        let mut inputs = keys(order);
        inputs.insert(0, vec![Column::Num(vec![5; 4])]);
        inputs
    };
    independent(&run, &[[0, 1, 2, 3], [1, 3, 0, 2]].map(inputs));
}

#[test]
fn what_a_compaction_opens_does_not_depend_on_which_rows_count() {
    let run = compacting();
    let inputs = |valid: [bool; 4]| {
        Inputs::from([(0, vec![Column::Num(vec![5; 4])]), (3, vec![Column::bits(valid)])])
    };
    independent(&run, &[[false; 4], [false, true, true, false]].map(inputs));
}

#[test]
fn an_opening_tells_its_receiver_the_sum_alone() {
    let session = session(EngineKind::Rep3, 4, 3);
    let mut b = Builder::new();
    let (x, y): (Num, Num) = (b.enter(0, 3), b.enter(3, 3));
    let sum = b.add(x, y);
    b.reveal(sum, session.analyst, "sum");
    let run = (b.finish(), session);
    let inputs = |x: u64, y: u64| {
        Inputs::from([(0, vec![Column::Num(vec![x; 3])]), (3, vec![Column::Num(vec![y; 3])])])
    };
    let analyst = run.1.analyst;
    let one = view(&run, &inputs(0, 9), analyst, 0, None);
    let other = view(&run, &inputs(9, 0), analyst, RUNS, None);
    let (chi, places) = distance(&one, &other);
    assert!(places > 100, "{places} bits vary");
    assert!(chi < BOUND, "{chi}");
}

#[test]
fn a_bit_that_is_sent_in_place_of_a_masked_one_is_seen() {
    let run = instructions();
    for whose in 0..3 {
        let zero = view(&run, &entered(whose, 0), whose, 0, Some(0));
        let ones = view(&run, &entered(whose, u64::MAX), whose, RUNS, Some(1));
        assert!(distance(&zero, &ones).0 > BOUND, "party {whose}");
    }
}
