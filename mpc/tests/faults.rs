//! What goes wrong on the way: peers that leave, lie or send nonsense, owners that stop a run,
//! circuits and parties that do not fit.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tacit_mpc::{
    Bit, Builder, Circuit, Column, EngineKind, Error, Num, bill, run, schedule,
    testing::{Inputs, Session, parties, session},
};
use tacit_net::{Cut, Link, Memory, Tampered, memory};

const ROWS: usize = 70;

/// Sums, products, ANDs and both crossings; every site enters something.
fn sample(engine: EngineKind, sites: usize, compute: usize) -> (Circuit, Session, Inputs) {
    let session = session(engine, sites, compute);
    let mut b = Builder::new();
    let mut inputs = Inputs::new();
    let (mut nums, mut bits): (Vec<Num>, Vec<Bit>) = (Vec::new(), Vec::new());
    for site in 0..sites {
        let number = |row: usize| (row * 31 + site) as u64;
        nums.push(b.enter(site, ROWS));
        bits.push(b.enter(site, ROWS));
        inputs.insert(
            site,
            vec![
                Column::Num((0..ROWS).map(number).collect()),
                Column::bits((0..ROWS).map(|row| number(row) % 3 == 0)),
            ],
        );
    }
    let sum = nums.iter().copied().reduce(|x, y| b.add(x, y)).unwrap();
    let any = bits.iter().copied().reduce(|x, y| b.or(x, y)).unwrap();
    let addends = engine.addends(compute);
    let parity: Vec<Bit> = (0..addends).map(|i| b.addend_bits(sum, i, 1)[0]).collect();
    let parity = parity.into_iter().reduce(|x, y| b.xor(x, y)).unwrap();
    let both = b.and(parity, any);
    let first = b.addend_num(both, 0);
    let product = b.mul(sum, sum);
    b.reveal(product, session.analyst, "product");
    b.reveal(both, session.analyst, "both");
    // An addend alone means nothing; that it is computed is enough.
    let unused = b.mul(first, product);
    let _ = b.sum(unused);
    (b.finish(), session, inputs)
}

const SETTINGS: [(EngineKind, usize, usize); 5] = [
    (EngineKind::Clear, 3, 2),
    (EngineKind::Rep3, 3, 3),
    (EngineKind::Rep3, 5, 3),
    (EngineKind::Additive, 2, 2),
    (EngineKind::Additive, 5, 3),
];

#[test]
fn a_peer_that_leaves_in_any_round_is_named_by_everybody_it_leaves_waiting() {
    for (engine, sites, compute) in SETTINGS {
        let (circuit, session, inputs) = sample(engine, sites, compute);
        let bill = bill(&circuit, engine, &session.roster).unwrap();
        let plan = schedule(&circuit, engine, &session.roster).unwrap();
        for leaver in 0..session.roster.parties {
            for round in 0..bill.parties[leaver].rounds {
                let wrap = |link: Memory| -> Box<dyn Link> {
                    if link.me() == leaver {
                        Box::new(Cut::new(link, round))
                    } else {
                        Box::new(link)
                    }
                };
                let ends = parties(&circuit, engine, &session.roster, &inputs, 3, wrap);
                // The layers from the one that the leaver left in.
                let left = (0..plan.layers.len())
                    .filter(|&layer| plan.layers[layer].involves(leaver))
                    .nth(round as usize)
                    .map(|first| plan.layers[first..].iter())
                    .unwrap();
                for (party, end) in ends.iter().enumerate().filter(|(p, _)| *p != leaver) {
                    let case = format!("{engine}, {leaver} leaves in {round}, seen by {party}");
                    match &end.result {
                        Err(Error::Net(error)) => {
                            assert_eq!(error.culprit(), Some(leaver), "{case}: {error}");
                        }
                        Err(error) => panic!("{case}: {error}"),
                        // Who was done with the leaver may have ended before anybody knew.
                        Ok(_) => {
                            let waits =
                                left.clone().any(|l| l.bytes.contains_key(&(leaver, party)));
                            assert!(!waits, "{case}: ended well");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_frame_of_another_length_is_refused_and_its_sender_named() {
    for (engine, sites, compute) in SETTINGS {
        let (circuit, session, inputs) = sample(engine, sites, compute);
        let bill = bill(&circuit, engine, &session.roster).unwrap();
        for liar in (0..session.roster.parties).filter(|&p| bill.parties[p].sent > 0) {
            for longer in [false, true] {
                let wrap = |link: Memory| -> Box<dyn Link> {
                    if link.me() != liar {
                        return Box::new(link);
                    }
                    Box::new(Tampered::new(link, move |_, _, frame| {
                        if longer {
                            frame.push(0);
                        } else {
                            frame.pop();
                        }
                    }))
                };
                let ends = parties(&circuit, engine, &session.roster, &inputs, 3, wrap);
                let named = ends.iter().filter_map(|end| match &end.result {
                    Err(Error::Net(error)) => error.culprit(),
                    _ => None,
                });
                assert!(named.clone().count() > 0, "{engine}, {liar}");
                assert!(named.clone().all(|culprit| culprit == liar), "{engine}, {liar}");
                assert!(ends[session.analyst].result.is_err(), "{engine}, {liar}");
            }
        }
    }
}

/// Semi-honest engines promise nothing against a party that lies: this says so.
#[test]
fn a_flipped_bit_changes_the_result_and_is_not_noticed() {
    for (engine, sites, compute) in SETTINGS {
        let (circuit, session, inputs) = sample(engine, sites, compute);
        let open = |flip: bool| {
            let wrap = |link: Memory| -> Box<dyn Link> {
                let (me, analyst) = (link.me(), session.analyst);
                Box::new(Tampered::new(link, move |_, to, frame| {
                    if flip && me == 0 && to == analyst {
                        frame[0] ^= 1;
                    }
                }))
            };
            let mut ends = parties(&circuit, engine, &session.roster, &inputs, 3, wrap);
            ends.remove(session.analyst).result.unwrap()
        };
        let (honest, lied) = (open(false), open(true));
        let change = lied[0].1.row(0).wrapping_sub(honest[0].1.row(0));
        assert!(change == 1 || change == u64::MAX, "{engine}: {change}");
        assert_eq!(honest[0].1.row(1), lied[0].1.row(1), "{engine}");
    }
}

#[test]
fn garbage_beyond_the_last_row_changes_nothing() {
    for (engine, sites, compute) in SETTINGS {
        let session = session(engine, sites, compute);
        let mut b = Builder::new();
        let bits: Vec<Bit> = (0..sites).map(|site| b.enter(site, 3)).collect();
        let all = bits.iter().copied().reduce(|x, y| b.or(x, y)).unwrap();
        let parity = b.sum(all);
        b.reveal(all, session.analyst, "all");
        b.reveal(parity, session.analyst, "parity");
        let circuit = b.finish();
        let column =
            |site| Column::Bit { words: vec![u64::MAX << 3 | u64::from(site == 0)], rows: 3 };
        let inputs: Inputs = (0..sites).map(|site| (site, vec![column(site)])).collect();
        // Every bit column is a byte; its upper five bits are nobody's row.
        let wrap = |link: Memory| {
            let compute = session.roster.compute.clone();
            let inside = move |party| compute.contains(&party);
            let me = link.me();
            Tampered::new(link, move |round, to, frame| {
                if round > 0 && inside(me) && inside(to) {
                    for byte in frame.iter_mut() {
                        *byte ^= 0xf8;
                    }
                }
            })
        };
        let mut ends = parties(&circuit, engine, &session.roster, &inputs, 3, wrap);
        let opened = ends.remove(session.analyst).result.unwrap();
        assert_eq!(opened[0].1.to_numbers(), [1, 0, 0], "{engine}");
        assert_eq!(opened[1].1.to_numbers(), [1], "{engine}");
    }
}

#[test]
fn an_owner_who_stops_before_the_opening_keeps_the_result_from_everybody() {
    for (engine, sites, compute) in &SETTINGS[1..] {
        let (circuit, session, inputs) = sample(*engine, *sites, *compute);
        for stopper in 0..*compute {
            let links = memory::mesh(session.roster.parties, [5; 32]);
            let opened_rounds = Arc::new(AtomicUsize::new(0));
            let results: Vec<_> = std::thread::scope(|scope| {
                let party = |(me, mut link): (usize, Memory)| {
                    let columns = inputs.get(&me).cloned().unwrap_or_default();
                    let (circuit, roster) = (&circuit, &session.roster);
                    let opened_rounds = opened_rounds.clone();
                    scope.spawn(move || {
                        run(circuit, *engine, roster, &mut link, columns, &mut |step| {
                            if step.opens && me == stopper {
                                opened_rounds.fetch_add(1, Ordering::Relaxed);
                                return Err(Error::Stopped("the receipt cannot be written".into()));
                            }
                            Ok(())
                        })
                    })
                };
                let threads: Vec<_> = links.into_iter().enumerate().map(party).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(opened_rounds.load(Ordering::Relaxed), 1, "asked once about the opening");
            assert!(matches!(results[stopper], Err(Error::Stopped(_))));
            match &results[session.analyst] {
                Err(Error::Net(error)) => assert_eq!(error.culprit(), Some(stopper), "{error}"),
                other => panic!("{engine}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_sent() {
    let session = session(EngineKind::Rep3, 3, 3);
    let refuse = |circuit: &Circuit, engine: EngineKind, columns: Vec<Column>| -> String {
        let mut links = memory::mesh(session.roster.parties, [5; 32]);
        run(circuit, engine, &session.roster, &mut links[0], columns, &mut |_| {
            panic!("a round was begun")
        })
        .unwrap_err()
        .to_string()
    };
    let circuit = |build: &dyn Fn(&mut Builder, Num)| {
        let mut b = Builder::new();
        let x: Num = b.enter(0, 2);
        build(&mut b, x);
        b.finish()
    };
    let column = || vec![Column::Num(vec![1, 2])];
    let macros = circuit(&|b, x| {
        b.to_bits(x, 4);
    });
    for engine in EngineKind::ALL.into_iter().filter(|engine| engine.triples().is_none()) {
        assert!(refuse(&macros, engine, column()).contains("lower the circuit"));
    }
    let plain = circuit(&|b, x| b.reveal(x, 3, "x"));
    assert!(refuse(&plain, EngineKind::Additive, column()).contains("dealer"));
    assert!(refuse(&plain, EngineKind::Rep3, vec![]).contains("missing"));
    assert!(refuse(&plain, EngineKind::Rep3, vec![Column::Num(vec![1])]).contains("asks for"));
    assert!(refuse(&plain, EngineKind::Rep3, vec![column()[0].clone(); 2]).contains("2 are given"));
    let addend = circuit(&|b, x| {
        b.addend_bits(x, 2, 4);
    });
    assert!(refuse(&addend, EngineKind::Rep3, column()).contains("another engine"));
    let nobody = circuit(&|b, x| b.reveal(x, 4, "x"));
    assert!(refuse(&nobody, EngineKind::Rep3, column()).contains("no party 4"));
}
