//! No word of a mask is drawn twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

use tacit_net::{Link, Seed, memory};

use super::{Prg, recorded};
use crate::{
    Bit, Builder, Circuit, Column, EngineKind, Handle, Id, Kind, Num, Op, Shape, Sort,
    execute::run, stream, testing, tile,
};

/// Labels and directions of all streams, and how often a party may draw a block of them: the
/// factors of a triple are needed when a product opens and when it closes, and an order in every
/// shuffle by it.
fn streams(engine: EngineKind) -> Vec<(&'static str, usize)> {
    match engine {
        EngineKind::Rep3 => {
            vec![("rep3 zero", 1), ("rep3 random", 1), ("rep3 enter", 1), ("rep3 outside", 1)]
        }
        EngineKind::Additive => vec![
            ("additive zero", 1),
            ("additive enter", 1),
            ("triple a", 2),
            ("triple b", 2),
            ("triple c", 1),
        ],
        EngineKind::Clear => vec![],
    }
}

/// Opens the first of two planes: enough for what a sort draws.
fn comparison() -> Circuit {
    let mut b = Builder::new();
    let shape = Shape { kind: Kind::Bit, rows: 64 };
    let planes: Vec<Bit> = (0..16)
        .map(|index| Bit::from_id(b.push(Op::Argument { index, shape }, &[]).start))
        .collect();
    let less = (0..8).fold(b.constant(0, 64), |less: Bit, i| {
        let differ = b.xor(planes[i], planes[8 + i]);
        let other = b.xor(less, planes[8 + i]);
        let change = b.mul(differ, other);
        b.xor(less, change)
    });
    b.push(Op::Open, &[less.id()]);
    b.finish()
}

/// Every instruction that draws, more than once and beside each other, over `rows` rows.
fn circuit(engine: EngineKind, analyst: usize, rows: usize) -> Circuit {
    let mut b = Builder::new();
    let mut nums: Vec<Num> = vec![b.enter(0, rows), b.enter(analyst, rows), b.enter(1, rows)];
    let mut bits: Vec<Bit> = vec![b.enter(2, rows), b.enter(analyst, rows)];
    for i in 0..2 {
        let (x, y) = (nums[i], nums[i + 1]);
        nums.push(b.mul(x, y));
        let both = b.mul(bits[0], bits[1]);
        bits.push(both);
        let random: Num = b.random(rows);
        nums.push(b.add(random, x));
        let random: Bit = b.random(rows);
        bits.push(b.add(random, both));
        for addend in 0..engine.addends(3) {
            bits.extend(b.addend_bits(x, addend, 5));
            nums.push(b.addend_num(both, addend));
        }
        let mask = b.mask(rows, 9);
        let opened = b.open_masked(&bits[..3]);
        nums.push(b.sub(opened, mask));
        if engine == EngineKind::Rep3 {
            let by = b.permutation();
            let numbers = b.row_number(rows, 8);
            let (moved, planes) = b.shuffle(by, &nums, &[&numbers[..], &bits].concat());
            let sort = Sort { width: 8, less: comparison(), first: None, tile: 64 };
            let ids: Vec<Id> = planes.iter().map(|bit| bit.id()).collect();
            let sorted = b.push(Op::Sort(Box::new(sort)), &ids);
            bits.push(Bit::from_id(sorted.end - 1));
            let (moved, planes) = b.permute_by_opened(&planes[..8], i == 0, &moved, &planes[8..]);
            let (moved, planes) = b.unshuffle(by, &moved, &planes);
            nums.extend(moved);
            bits.extend(planes);
        }
    }
    for (i, &x) in nums.iter().enumerate() {
        b.reveal(x, [analyst, 1][i % 2], "number");
    }
    for (i, &x) in bits.iter().enumerate() {
        b.reveal(x, [analyst, 0][i % 2], "bit");
    }
    b.finish()
}

fn inputs(circuit: &Circuit, party: usize, rows: usize) -> Vec<Column> {
    let entries = circuit.instructions().iter().flat_map(|i| crate::block::entries(&i.op));
    let mut own: Vec<(usize, Shape)> = entries
        .filter(|e| e.holder == party)
        .map(|e| (e.slot, Shape { rows, ..e.shape }))
        .collect();
    own.sort_by_key(|(slot, _)| *slot);
    own.iter().map(|(_, shape)| Column::from_words(*shape, vec![5; shape.words()])).collect()
}

/// A party's seeds, and what it drew.
type Drawn = (Vec<(usize, Seed)>, Vec<recorded::Draw>);

/// Runs a circuit and counts how often each party draws each block of each stream.
fn assert_drawn_once(circuit: &Circuit, engine: EngineKind, rows: usize) {
    let session = testing::session(engine, 3, 3);
    let (roster, parties) = (&session.roster, session.roster.parties);
    let drawn: Vec<Drawn> = thread::scope(|scope| {
        let links = memory::mesh(parties, [3; 32]).into_iter();
        let start = |mut link: tacit_net::Memory| {
            scope.spawn(move || {
                let me = link.me();
                let others = (0..parties).filter(|&peer| peer != me);
                let seeds = others.map(|peer| (peer, link.seed(peer).unwrap())).collect();
                recorded::start();
                let columns = inputs(circuit, me, rows);
                run(circuit, engine, roster, &mut link, columns, &mut |_| Ok(())).unwrap();
                (seeds, recorded::stop())
            })
        };
        let threads: Vec<_> = links.map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut used = BTreeSet::new();
    for (me, (seeds, draws)) in drawn.iter().enumerate() {
        let mut named = BTreeMap::new();
        for (peer, seed) in seeds {
            for (label, most) in streams(engine) {
                for (from, to) in
                    [(me, *peer), (*peer, me), (me, 0), (me, 1), (*peer, 0), (*peer, 1)]
                {
                    let name = recorded::name(&Prg::derive(seed, label, from, to));
                    named.insert(name, (label, most));
                }
            }
        }
        let mut times: BTreeMap<([u8; 16], u64), usize> = BTreeMap::new();
        for &(name, first, blocks) in draws {
            for block in first..first + blocks {
                *times.entry((name, block)).or_default() += 1;
            }
        }
        assert!(!times.is_empty() || me == session.analyst, "party {me} draws nothing");
        for ((name, block), times) in times {
            // What is not named is a party's own (additive), or a part of the order of a shuffle, which
            // two shuffles use here: there and back.
            let own = 1 + usize::from(engine == EngineKind::Rep3);
            let (label, most) = named.get(&name).copied().unwrap_or(("own", own));
            used.insert(label);
            assert!(
                times <= most,
                "{engine}, {rows} rows: party {me} draws block {block} of {label} {times} times"
            );
        }
    }
    for (label, _) in streams(engine) {
        assert!(used.contains(label), "{engine}: nobody draws from {label}");
    }
}

#[test]
fn no_mask_is_drawn_twice_by_any_instruction_whole_or_in_tiles() {
    for engine in [EngineKind::Rep3, EngineKind::Additive] {
        let analyst = testing::session(engine, 3, 3).analyst;
        for rows in [1, 63, 64, 65, 130, 200] {
            let whole = circuit(engine, analyst, rows);
            let tiled = tile(&whole, 64).unwrap();
            let streamed = stream(&whole, 64).unwrap();
            for circuit in [whole, tiled, streamed] {
                assert_drawn_once(&circuit, engine, rows);
            }
        }
    }
}
