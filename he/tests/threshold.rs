//! The whole way on real ciphertexts, from columns to opened columns. The keys are made once and kept
//! in the target folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{LazyLock, Mutex, MutexGuard},
};

use tacit_he::{
    Calibration, Decryption, Error, Forgetful, Guard, Program, Squashed, Verify, accept, bill,
    combine, encrypt, evaluate, fields,
    testing::{self, World},
};
use tacit_mpc::{Bit, Builder, Circuit, Column, Id, Num, Op, clear};
use tacit_protocols::Parties;

#[path = "../../protocols/tests/common/plans.rs"]
#[allow(dead_code, reason = "the tests of protocols use all of it")]
mod plans;

/// Nobody stops an evaluation.
const ON: &(dyn Fn(usize, usize) -> bool + Sync) = &|_, _| true;

/// The world, for one test at a time: each uses all cores and much memory.
fn world() -> MutexGuard<'static, World> {
    static WORLD: LazyLock<Mutex<World>> =
        LazyLock::new(|| Mutex::new(World::load(Path::new(env!("CARGO_TARGET_TMPDIR")))));
    // A test that failed has changed nothing in it.
    WORLD.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn columns(rows: &[Vec<u64>]) -> BTreeMap<usize, Vec<Column>> {
    rows.iter().enumerate().map(|(party, rows)| (party, vec![Column::Num(rows.clone())])).collect()
}

/// Counts of three parties per cell: the sum is shown from 11 on, else its status alone.
fn count(cells: usize, width: usize) -> Circuit {
    let mut b = Builder::new();
    let own: Vec<Num> = (0..3).map(|party| b.enter(party, cells)).collect();
    let sum = b.add(own[0], own[1]);
    let sum = b.add(sum, own[2]);
    let least = b.constant(11, cells);
    let difference = b.sub(sum, least);
    let sign = b.to_bits(difference, width + 3)[width + 2];
    let shown = b.not(sign);
    let planes = b.to_bits(sum, width + 2);
    for (i, &plane) in planes.iter().enumerate() {
        let opened = b.and(plane, shown);
        b.reveal(opened, 3, format!("plane {i}"));
    }
    b.reveal(shown, 3, "shown");
    b.finish()
}

fn assert_same(found: &[(usize, String, Column)], due: &[(usize, String, Column)]) {
    assert_eq!(found.len(), due.len());
    for (found, due) in found.iter().zip(due) {
        assert_eq!(found.1, due.1);
        assert_eq!(found.2.to_numbers(), due.2.to_numbers(), "{}", due.1);
    }
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn each_of_the_32_values_of_a_ciphertext_is_opened_as_it_is() {
    let world = world();
    let mut b = Builder::new();
    let number: Num = b.enter(0, 32);
    let bit: Bit = b.enter(1, 32);
    for (i, &plane) in b.to_bits(number, 4).iter().enumerate() {
        b.reveal(plane, 3, format!("plane {i}"));
    }
    b.reveal(bit, 3, "bit");
    let circuit = b.finish();
    let numbers = Column::Num((0..32).map(|row| row % 16).collect());
    let bits = Column::bits((0..32).map(|row| row >= 16));
    let inputs = BTreeMap::from([(0, vec![numbers]), (1, vec![bits])]);
    let program = Program::new(&circuit, &fields(&circuit, 4, |_, _| 4).unwrap()).unwrap();
    assert_eq!(program.released(), 32);
    let found = world.run(&circuit, 4, 4, &inputs);
    assert_same(&found, &clear(&circuit, &inputs).unwrap());
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn counts_are_summed_and_small_ones_hidden() {
    let world = world();
    let circuit = count(3, 8);
    let inputs = columns(&[vec![3, 100, 0], vec![4, 255, 0], vec![3, 255, 0]]);
    let found = world.run(&circuit, 4, 8, &inputs);
    assert_same(&found, &clear(&circuit, &inputs).unwrap());
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn a_grouped_count_with_its_rules_opens_what_the_clear_interpreter_opens() {
    let world = world();
    let plan = plans::grouped(3, 0, 6);
    let parties = Parties { holders: vec![0, 1, 2], analyst: 3 };
    let circuit = tacit_protocols::circuit(&plan, &parties).unwrap();
    // A total, and three cells: none, too few, and enough, with carries through every digit.
    let sites = [[27u64, 0, 3, 24], [17, 0, 4, 13], [19, 0, 2, 17]];
    let entered = |own: &[u64; 4]| [&own[..1], &own[1..]].map(|rows| Column::Num(rows.to_vec()));
    let inputs: BTreeMap<usize, Vec<Column>> =
        sites.iter().map(|own| entered(own).to_vec()).enumerate().collect();
    let found = world.run(&circuit, 4, 6, &inputs);
    assert_same(&found, &clear(&circuit, &inputs).unwrap());
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn least_most_products_choices_and_equality_are_right() {
    let world = world();
    let mut b = Builder::new();
    let (x, y): (Num, Num) = (b.enter(0, 2), b.enter(1, 2));
    let (p, q) = (b.to_bits(x, 4), b.to_bits(y, 4));
    let less = b.less(&p, &q);
    let equal = b.equal(&p, &q);
    let none = b.is_zero(x, 4);
    let least = b.select(less, &p, &q);
    let most = b.select(less, &q, &p);
    let (least, most) = (b.to_num(&least), b.to_num(&most));
    let (s, t) = (b.to_num(&p[..3]), b.to_num(&q[..3]));
    let product = b.mul(s, t);
    for (name, number) in [("least", least), ("most", most), ("product", product)] {
        b.reveal(number, 3, name);
    }
    for (name, bit) in [("less", less), ("equal", equal), ("none", none)] {
        b.reveal(bit, 3, name);
    }
    let circuit = b.finish();
    let inputs = columns(&[vec![5, 0], vec![5, 14]]);
    let found = world.run(&circuit, 4, 4, &inputs);
    assert_same(&found, &clear(&circuit, &inputs).unwrap());
}

/// Seeds of random circuits: what is opened of them together comes from every macro that there is.
const SEEDS: [u64; 3] = [99, 312, 585];

/// A random circuit with what is entered: few steps, two rows, numbers of 6 bits.
fn random(seed: u64) -> (Circuit, BTreeMap<usize, Vec<Column>>) {
    testing::circuit(seed, 7, 2, 6)
}

/// Names of the instructions from which something that is opened comes.
fn opened(circuit: &Circuit) -> BTreeSet<String> {
    let (mut live, mut names) = (BTreeSet::new(), BTreeSet::new());
    let mut end = circuit.shapes().len() as Id;
    for instruction in circuit.instructions().iter().rev() {
        let lives = (instruction.first..end).any(|id| live.contains(&id));
        end = instruction.first;
        if lives || matches!(instruction.op, Op::Reveal { .. }) {
            live.extend(instruction.args.iter().copied());
            let name = format!("{:?}", instruction.op);
            names.extend(name.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned));
        }
    }
    names
}

#[test]
fn random_programs_open_what_comes_from_every_macro() {
    for due in ["Add", "Mul", "ToBits", "ToNum", "IsZero", "Less", "Equal", "Select"] {
        let has = |&seed: &u64| opened(&random(seed).0).contains(due);
        assert!(SEEDS.iter().any(has), "{due}");
    }
    let work = |seed: u64| {
        let (circuit, _) = random(seed);
        let fields = fields(&circuit, 4, |_, _| 6).unwrap();
        bill(&Program::new(&circuit, &fields).unwrap(), 3).unwrap().work
    };
    let [summed, compared, chosen, multiplied] =
        SEEDS.map(work).iter().fold([0; 4], |all, work| {
            let own = [work.summed, work.compared, work.chosen, work.multiplied];
            [0, 1, 2, 3].map(|i| all[i] + own[i])
        });
    assert!(summed > 0 && compared > 0 && chosen > 0 && multiplied > 0);
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn random_programs_equal_the_clear_interpreter() {
    let world = world();
    for seed in SEEDS {
        let (circuit, inputs) = random(seed);
        let found = world.run(&circuit, 4, 6, &inputs);
        assert_same(&found, &clear(&circuit, &inputs).unwrap());
    }
}

/// Accepted uploads, program and result of a small plan.
fn evaluated(world: &World, circuit: &Circuit) -> (Vec<tacit_he::Accepted>, Program, Squashed) {
    let fields = fields(circuit, 4, |_, _| 8).unwrap();
    let program = Program::new(circuit, &fields).unwrap();
    let inputs = columns(&[vec![30], vec![4], vec![3]]);
    let uploads = world.uploads(&World::session(circuit.digest()), &fields, &inputs);
    let squashed = evaluate(&world.evaluation, &program, &uploads, 1, ON).unwrap();
    (uploads, program, squashed)
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn an_evaluation_on_other_threads_is_equal_to_the_bit() {
    let world = world();
    let (uploads, program, squashed) = evaluated(&world, &count(1, 8));
    for threads in [2, 3] {
        let again = evaluate(&world.evaluation, &program, &uploads, threads, ON).unwrap();
        assert!(again == squashed, "{threads} threads");
    }
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn an_evaluator_that_returns_something_else_is_refused() {
    let world = world();
    let circuit = count(1, 8);
    let (uploads, program, squashed) = evaluated(&world, &circuit);
    // The evaluator sends a site's input in the place of the result.
    let mut b = Builder::new();
    let x: Num = b.enter(0, 1);
    let y: Num = b.enter(1, 1);
    let _: Num = b.enter(2, 1);
    b.reveal(x, 3, "input");
    let bits = b.to_bits(y, 8);
    b.reveal(bits[0], 3, "bit");
    b.reveal(bits[2], 3, "another bit");
    b.reveal(bits[4], 3, "a third");
    let leak = b.finish();
    let leak = Program::new(&leak, &fields(&leak, 4, |_, _| 8).unwrap()).unwrap();
    let leaked = evaluate(&world.evaluation, &leak, &uploads, 0, ON).unwrap();
    assert_eq!(leaked.len(), squashed.len(), "their number does not tell them apart");
    // As many ciphertexts as are due, the input first.
    let mut forged = squashed.to_bytes();
    let (input, due) = (leaked.to_bytes(), forged.len());
    forged[8..input.len().min(due)].copy_from_slice(&input[8..input.len().min(due)]);
    let forged = Squashed::from_bytes(&forged, squashed.len(), "evaluator").unwrap();
    let asked = world.asked(&program, &uploads, &squashed);
    let guard = Guard::new(Forgetful::default());
    let decrypt = |asked: &Decryption| guard.decrypt(&world.shares[0], asked);
    // It claims the forged result; the holder has its own.
    let refused = decrypt(&Decryption { claimed: forged.digest(), ..asked });
    assert!(refused.unwrap_err().to_string().contains("not the plan's result"));
    let refused = decrypt(&Decryption { squashed: &forged, claimed: forged.digest(), ..asked });
    assert!(refused.unwrap_err().to_string().contains("not evaluated again"));
    // The leak was evaluated here, but from another circuit.
    let refused = decrypt(&Decryption { squashed: &leaked, claimed: leaked.digest(), ..asked });
    assert!(refused.unwrap_err().to_string().contains("not evaluated again"));
    assert!(decrypt(&asked).is_ok());
    // Who trusts the evaluator decrypts what it received, once.
    let trusting =
        Decryption { squashed: &forged, claimed: forged.digest(), verify: Verify::Trust, ..asked };
    assert!(guard.decrypt(&world.shares[0], &trusting).is_err());
    assert!(Guard::new(Forgetful::default()).decrypt(&world.shares[0], &trusting).is_ok());
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn what_no_holder_would_decrypt_ends_the_evaluation() {
    let world = world();
    // Four times 16 leave two digits below the number, and a ciphertext of nothing that was entered.
    let mut b = Builder::new();
    let x: Num = b.enter(0, 1);
    let scaled = b.scale(x, 16);
    b.reveal(scaled, 1, "scaled");
    let circuit = b.finish();
    let fields = fields(&circuit, 2, |_, _| 2).unwrap();
    let program = Program::new(&circuit, &fields).unwrap();
    let uploads = world.uploads(&World::session(circuit.digest()), &fields, &columns(&[vec![3]]));
    let ended = evaluate(&world.evaluation, &program, &uploads, 0, ON);
    let text = ended.err().unwrap().to_string();
    assert!(text.contains("no key holder would decrypt it"), "{text}");
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn parts_without_one_are_not_put_together() {
    let world = world();
    let (uploads, program, squashed) = evaluated(&world, &count(1, 8));
    let summary = squashed.summary();
    let mut parts = world.parts(&world.asked(&program, &uploads, &squashed));
    assert!(combine(&summary, 3, &parts).is_ok());
    parts.remove(1);
    let error = combine(&summary, 3, &parts).unwrap_err().to_string();
    assert!(error.contains("key holder 1 is missing"), "{error}");
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn an_evaluation_tells_how_far_it_is_and_can_be_stopped() {
    let world = world();
    let circuit = count(1, 8);
    let (uploads, program, _) = evaluated(&world, &circuit);
    let seen = Mutex::new(Vec::new());
    let watch = |done, total| {
        seen.lock().unwrap().push((done, total));
        true
    };
    evaluate(&world.evaluation, &program, &uploads, 1, &watch).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 == pair[1].1));
    assert!(seen[0].0 == 0 && seen.last().is_some_and(|(done, total)| done == total));
    // Before anything, in the middle, and during squashing.
    let total = seen[0].1;
    // Two threads may both have begun their last task when one task is done less.
    for stop in [0, 2, total - 2] {
        let watch = |done, _| done < stop;
        let stopped = evaluate(&world.evaluation, &program, &uploads, 2, &watch);
        assert!(matches!(stopped, Err(Error::Stopped)), "at {stop} of {total}");
    }
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn uploads_that_do_not_belong_are_refused() {
    let world = world();
    let circuit = count(1, 8);
    let fields = fields(&circuit, 4, |_, _| 8).unwrap();
    let session = World::session([7; 32]);
    let column = [Column::Num(vec![30])];
    let bytes = encrypt(&world.encryption, &session, 0, &fields[0], &column).unwrap();
    let ask = |session: &_, site: usize, fields: &[_], bytes: &[u8]| {
        accept(&world.encryption, session, site, fields, bytes)
    };
    assert!(ask(&session, 0, &fields[0], &bytes).is_ok());
    let reason = |result: tacit_he::Result<tacit_he::Accepted>| result.err().unwrap().to_string();
    // Another's, copied; another plan's; another session's.
    let text = reason(ask(&session, 1, &fields[1], &bytes));
    assert!(text.contains("site 1") && text.contains("proof"), "{text}");
    let text = reason(ask(&World::session([8; 32]), 0, &fields[0], &bytes));
    assert!(text.contains("proof"), "{text}");
    let mut other = session;
    other.session = [2; 32];
    assert!(reason(ask(&other, 0, &fields[0], &bytes)).contains("proof"));
    // Cut short, with something behind, too long, altered.
    let text = reason(ask(&session, 0, &fields[0], &bytes[..bytes.len() - 1]));
    assert!(text.contains("not readable"), "{text}");
    let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
    let text = reason(ask(&session, 0, &fields[0], &longer));
    assert!(text.contains("behind its end"), "{text}");
    let text = reason(ask(&session, 0, &fields[0], &vec![0; 1 << 20]));
    assert!(text.contains("at most"), "{text}");
    for at in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 40] {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(ask(&session, 0, &fields[0], &altered).is_err(), "byte {at}");
    }
    // Of other widths than the plan's.
    let narrow = tacit_he::fields(&circuit, 4, |_, _| 6).unwrap();
    let text = reason(ask(&session, 0, &narrow[0], &bytes));
    assert!(text.contains("columns are not those"), "{text}");
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn bytes_are_those_of_the_bill() {
    let world = world();
    // 0, 1 and 3 lists; both kinds of columns.
    for (rows, flags, width) in [(1, 1, 8), (3, 5, 24), (0, 0, 8), (100, 0, 24), (0, 9, 1)] {
        let mut b = Builder::new();
        let x: Num = b.enter(0, rows);
        let y: Bit = b.enter(0, flags);
        b.reveal(x, 3, "x");
        b.reveal(y, 3, "y");
        let circuit = b.finish();
        let fields = fields(&circuit, 4, |_, _| width).unwrap();
        let session = World::session(circuit.digest());
        let columns = [Column::Num(vec![1; rows]), Column::bits((0..flags).map(|i| i % 2 == 0))];
        let bytes = encrypt(&world.encryption, &session, 0, &fields[0], &columns).unwrap();
        accept(&world.encryption, &session, 0, &fields[0], &bytes).unwrap();
        let program = Program::new(&circuit, &fields).unwrap();
        let bill = bill(&program, 3).unwrap();
        assert_eq!(bytes.len() as u64, bill.uploads[0], "{rows} rows, {flags} flags, {width} bits");
        assert_eq!(bill.released, (rows * width as usize + flags).div_ceil(5));
    }
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn an_upload_of_forty_proofs_fits_the_stack() {
    // Once more with small stacks for all threads that ask for none, so that it overflows or not whatever
    // the threads happen to wait for.
    const SMALL: &str = "RUST_MIN_STACK";
    if std::env::var_os(SMALL).is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "an_upload_of_forty_proofs_fits_the_stack"])
            .env(SMALL, "786432")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let world = world();
    let mut b = Builder::new();
    let x: Num = b.enter(0, 1280);
    b.reveal(x, 3, "x");
    let circuit = b.finish();
    let fields = fields(&circuit, 4, |_, _| 16).unwrap();
    let session = World::session(circuit.digest());
    let columns = [Column::Num((0..1280).collect())];
    let bytes = encrypt(&world.encryption, &session, 0, &fields[0], &columns).unwrap();
    let accepted = accept(&world.encryption, &session, 0, &fields[0], &bytes).unwrap();
    assert_eq!(accepted.site(), 0);
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn a_calibration_prices_what_there_is_more_of_higher() {
    let world = world();
    let calibration = Calibration::measure(&world.encryption, &world.evaluation).unwrap();
    println!("{calibration:?}");
    assert!(calibration.squashed > calibration.looked_up, "{calibration:?}");
    let price = |cells: usize, cores: usize| {
        let circuit = count(cells, 24);
        let program = Program::new(&circuit, &fields(&circuit, 4, |_, _| 24).unwrap()).unwrap();
        calibration.time(&bill(&program, 3).unwrap().work, cores)
    };
    println!("50 cells of 24 bits on two cores: {:?}", price(50, 2));
    assert!(price(50, 2) > price(25, 2) && price(50, 2) < price(50, 1));
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn an_upload_that_is_missing_or_there_twice_is_named() {
    let world = world();
    let circuit = count(1, 8);
    let fields = fields(&circuit, 4, |_, _| 8).unwrap();
    let program = Program::new(&circuit, &fields).unwrap();
    let inputs = columns(&[vec![30], vec![4], vec![3]]);
    let session = World::session(circuit.digest());
    let mut uploads = world.uploads(&session, &fields, &inputs);
    let last = uploads.pop().unwrap();
    let text = evaluate(&world.evaluation, &program, &uploads, 0, ON).err().unwrap().to_string();
    assert!(text.contains("site 2 has not sent"), "{text}");
    let other = World::session([9; 32]);
    let mut mixed = world.uploads(&other, &fields, &inputs);
    mixed.splice(0..2, world.uploads(&session, &fields, &inputs).into_iter().take(2));
    let text = evaluate(&world.evaluation, &program, &mixed, 0, ON).err().unwrap().to_string();
    assert!(text.contains("site 2 is of another session"), "{text}");
    uploads.push(last);
    uploads.extend(world.uploads(&session, &fields, &inputs).pop());
    let text = evaluate(&world.evaluation, &program, &uploads, 0, ON).err().unwrap().to_string();
    assert!(text.contains("second upload"), "{text}");
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn the_noise_of_squashed_ciphertexts_is_what_the_bound_reckons_with() {
    let world = world();
    let circuit = count(4, 8);
    let fields = fields(&circuit, 4, |_, _| 8).unwrap();
    let program = Program::new(&circuit, &fields).unwrap();
    let inputs = columns(&[vec![30, 1, 200, 9], vec![4, 2, 100, 1], vec![3, 0, 255, 1]]);
    let uploads = world.uploads(&World::session(circuit.digest()), &fields, &inputs);
    let squashed = evaluate(&world.evaluation, &program, &uploads, 0, ON).unwrap();
    let blocks = world.decrypt(&program, &uploads, &squashed);
    let noise = world.noise(&squashed, &blocks);
    let square: f64 = noise.iter().map(|&e| (e as f64).powi(2)).sum();
    let deviation = (square / noise.len() as f64).sqrt().log2();
    let most = noise.iter().map(|e| e.unsigned_abs()).max().unwrap();
    println!(
        "{} ciphertexts: deviation 2^{deviation:.1}, most 2^{:.1}",
        noise.len(),
        (most as f64).log2()
    );
    // The estimate is 2^65; the bound has to be far, and the estimate not a fantasy.
    assert!((62.0..65.5).contains(&deviation), "2^{deviation}");
    assert!(most < 1 << (tacit_he::flooding::SQUASHED_NOISE_BITS - 2));
    // Parts of that many ciphertexts are so far from independent of the plaintext.
    let flooding = tacit_he::flooding::Flooding::new(3, noise.len()).unwrap();
    let shifts = noise.iter().map(|&e| e.unsigned_abs() as f64 / (2.0 * flooding.bound() as f64));
    let distance = shifts.sum::<f64>().log2();
    println!("statistical distance of the plan 2^{distance:.1}");
    assert!((-46.0..-42.0).contains(&distance), "2^{distance}");
}
