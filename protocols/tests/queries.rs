//! The circuit of a plan opens what the rules, written plainly, say, and nothing else.

mod common;

use std::collections::BTreeMap;

use common::cost;
use common::plans::{Case, Draw, case, data, grouped, input, number, plan, pool, test};
use proptest::prelude::*;
use tacit_mpc::{Circuit, Column, Op, clear};
use tacit_plan::{InputColumns, Opened, Plan, Role, Rows, Rule, Status, Test};
use tacit_protocols::{Error, Parties, circuit, decode, inputs, lower};

fn parties(sites: usize) -> Parties {
    Parties { holders: (0..sites).collect(), analyst: sites }
}

fn open(plan: &Plan, circuit: &Circuit, sites: &[InputColumns]) -> Opened {
    let entered: BTreeMap<usize, Vec<Column>> =
        sites.iter().map(|own| inputs(plan, own).unwrap()).enumerate().collect();
    let opened = clear(circuit, &entered).unwrap();
    let opened: Vec<_> = opened.into_iter().map(|(_, name, column)| (name, column)).collect();
    decode(plan, &opened).unwrap()
}

fn open_all(plan: &Plan, sites: &[InputColumns]) -> Opened {
    open(plan, &circuit(plan, &parties(sites.len())).unwrap(), sites)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_plans_open_what_the_rules_say(seed in any::<u64>(), sites in 1..6usize) {
        let Case { plan, sites } = &case(seed, sites);
        let expected = plan.open_pooled(&pool(sites));
        let circuit = circuit(plan, &parties(sites.len())).unwrap();
        prop_assert_eq!(&open(plan, &circuit, sites), &expected);
        for addends in [1, 2, 3, 5] {
            prop_assert_eq!(&open(plan, &lower(&circuit, addends), sites), &expected);
        }
    }

    #[test]
    fn openings_go_to_the_analyst_and_have_the_plans_shape(seed in any::<u64>()) {
        let Case { plan, sites } = &case(seed, 3);
        let macros = circuit(plan, &parties(sites.len())).unwrap();
        let bits: usize = plan.numbers.iter().map(|number| {
            let Some(value) = number.value else { return 0 };
            let bits = plan.inputs[value].bits;
            number.rounding.map_or(bits, |r| {
                let quotient = ((1u64 << bits) - 1 + r / 2) / r;
                (64 - quotient.leading_zeros()).max(1)
            }) as usize
        }).sum();
        let cells = plan.cells();
        let mut due = vec![
            ("hidden", plan.numbers.len() * cells),
            ("zero", plan.numbers.len() * cells),
        ];
        if bits > 0 {
            due.push(("values", bits * cells));
        }
        for circuit in [&macros, &lower(&macros, 2)] {
            let mut found = Vec::new();
            for instruction in circuit.instructions() {
                if let Op::Reveal { to, name } = &instruction.op {
                    prop_assert_eq!(*to, 3);
                    found.push((name.as_str(), circuit.shape(instruction.args[0]).rows));
                }
            }
            prop_assert_eq!(&found, &due);
        }
    }

    #[test]
    fn a_hidden_number_opens_as_zeros(seed in any::<u64>()) {
        let Case { plan, sites } = &case(seed, 2);
        let circuit = circuit(plan, &parties(2)).unwrap();
        let entered = (0..2).map(|i| (i, inputs(plan, &sites[i]).unwrap())).collect();
        let opened = clear(&circuit, &entered).unwrap();
        let mut start = 0;
        let cells = plan.cells();
        for (j, number) in plan.numbers.iter().enumerate() {
            let planes = match (number.value, number.rounding) {
                (Some(_), Some(r)) if r > 1 => break,
                (Some(value), _) => plan.inputs[value].bits as usize,
                (None, _) => 0,
            };
            for cell in (0..cells).filter(|cell| opened[0].2.row(j * cells + cell) == 1) {
                prop_assert_eq!(opened[1].2.row(j * cells + cell), 0);
                for plane in 0..planes {
                    prop_assert_eq!(opened[2].2.row(start + plane * cells + cell), 0);
                }
            }
            start += planes * cells;
        }
    }

    #[test]
    fn rounds_are_the_same_for_every_plan(seed in any::<u64>()) {
        let Case { plan, .. } = &case(seed, 3);
        prop_assume!(plan.cells() > 0);
        let circuit = circuit(plan, &parties(3)).unwrap();
        // Chain 6, rules 4, mask 1; for five addends two more.
        prop_assert_eq!(cost(&lower(&circuit, 2)).0, 11);
        prop_assert_eq!(cost(&lower(&circuit, 5)).0, 13);
    }
}

#[test]
fn rounds_depend_neither_on_groups_nor_aggregates_nor_rows() {
    let rounds =
        |plan: &Plan, addends| cost(&lower(&circuit(plan, &parties(3)).unwrap(), addends)).0;
    for cells in [1, 10, 1000] {
        for aggregates in [0, 1, 5] {
            for bits in [4, 10, 20, 31, 32] {
                for rounding in [None, Some(5)] {
                    let mut plan = grouped(cells, aggregates, bits);
                    for number in &mut plan.numbers {
                        if number.value == Some(number.count) {
                            number.rounding = rounding;
                        }
                    }
                    assert_eq!(rounds(&plan, 2), 11);
                    assert_eq!(rounds(&plan, 5), 13);
                }
            }
        }
    }
}

#[test]
fn sixteen_rules_take_no_more_rounds_than_one() {
    let mut plan = grouped(3, 0, 32);
    for least in 0..14 {
        plan.tests.push(Test { least: 20 + least, below: None, ..plan.tests[1].clone() });
    }
    plan.numbers[0].hidden_by = (0..16).collect();
    let rounds = cost(&lower(&circuit(&plan, &parties(3)).unwrap(), 2)).0;
    assert_eq!(rounds, 11);
    let sites = data(&mut Draw(7), &plan, 3);
    assert_eq!(open_all(&plan, &sites), plan.open_pooled(&pool(&sites)));
}

/// One cell; what the plan shows of number `of` with all its rules, and without test `without`.
fn shown(plan: &Plan, values: &[i64], of: usize, without: usize) -> [(Status, i64); 2] {
    let one = InputColumns { columns: values.iter().map(|&v| vec![v]).collect() };
    let nothing = InputColumns { columns: values.iter().map(|_| vec![0]).collect() };
    let mut lax = plan.clone();
    for number in &mut lax.numbers {
        number.hidden_by.retain(|&test| test != without);
    }
    [plan, &lax].map(|plan| {
        let sites = [one.clone(), nothing.clone()];
        let opened = open_all(plan, &sites);
        assert_eq!(opened, plan.open_pooled(&pool(&sites)));
        (opened.numbers[of][0].status, opened.numbers[of][0].value)
    })
}

/// Inputs of `grouped(1, 1, 20)`: total, COUNT(*), COUNT(x), SUM(x), count of x = 1. Numbers:
/// COUNT(*), COUNT(x), SUM(x). Tests: total, group, contribution, nested, indicator 1, indicator 0.
fn one_cell() -> Plan {
    grouped(1, 1, 20)
}

const HIDDEN: (Status, i64) = (Status::Hidden, 0);

#[test]
fn few_that_pass_the_where_hide_the_whole_result() {
    for few in [1, 10] {
        let [strict, lax] = shown(&one_cell(), &[few, 50, 50, 0, 25], 0, 0);
        assert_eq!((strict, lax), (HIDDEN, (Status::Shown, 50)));
    }
    assert_eq!(shown(&one_cell(), &[11, 50, 50, 0, 25], 0, 0)[0], (Status::Shown, 50));
}

#[test]
fn a_small_group_hides_every_number_in_it() {
    for few in [1, 10] {
        // The sum's own count and the difference pass.
        let [strict, lax] = shown(&one_cell(), &[90, few, few, -70, 0], 0, 1);
        assert_eq!((strict, lax), (HIDDEN, (Status::Shown, few)));
    }
    assert_eq!(shown(&one_cell(), &[90, 11, 11, -70, 0], 0, 1)[0], (Status::Shown, 11));
    let [strict, lax] = shown(&one_cell(), &[90, 5, 0, 0, 0], 1, 1);
    assert_eq!(strict, HIDDEN);
    assert_eq!(lax, HIDDEN, "the difference of 5 and 0 is hidden too");
}

#[test]
fn a_small_contributing_count_hides_its_number() {
    let mut plan = one_cell();
    plan.numbers[2].hidden_by.truncate(4); // no indicator
    let [strict, lax] = shown(&plan, &[90, 90, 10, -70, 0], 2, 2);
    assert_eq!((strict, lax), (HIDDEN, (Status::Shown, -70)));
    assert_eq!(shown(&plan, &[90, 90, 11, -70, 0], 2, 2)[0], (Status::Shown, -70));
    assert_eq!(shown(&plan, &[90, 90, 0, 0, 0], 2, 2)[0], (Status::Zero, 0));
}

#[test]
fn a_rare_value_of_an_indicator_hides_its_sum() {
    let [strict, lax] = shown(&one_cell(), &[90, 90, 90, 4, 4], 2, 4);
    assert_eq!((strict, lax), (HIDDEN, (Status::Shown, 4)));
    let [strict, lax] = shown(&one_cell(), &[90, 90, 90, 86, 86], 2, 5);
    assert_eq!((strict, lax), (HIDDEN, (Status::Shown, 86)));
    assert_eq!(shown(&one_cell(), &[90, 90, 90, 90, 90], 2, 5)[0], (Status::Shown, 90));
}

#[test]
fn of_nested_counts_that_hardly_differ_the_narrower_is_hidden() {
    let plan = one_cell();
    let [strict, lax] = shown(&plan, &[90, 90, 85, 0, 40], 1, 3);
    assert_eq!((strict, lax), (HIDDEN, (Status::Shown, 85)));
    assert_eq!(shown(&plan, &[90, 90, 85, 0, 40], 0, 3)[0], (Status::Shown, 90));
    assert_eq!(shown(&plan, &[90, 90, 90, 0, 40], 1, 3)[0], (Status::Shown, 90));
}

#[test]
fn a_site_below_its_floor_hides_the_number() {
    let mut plan = one_cell();
    let flag = plan.inputs.len();
    plan.inputs.push(input(Rows::Cells, Role::BelowFloor { of: 1, floor: 5 }, 2));
    let floor = test(Rule::SiteFloor, Rows::Cells, flag, None);
    plan.tests.push(Test { below: None, ..floor });
    plan.numbers[0].hidden_by.push(6);
    let [strict, lax] = shown(&plan, &[90, 90, 90, 0, 45, 1], 0, 6);
    assert_eq!((strict, lax), (HIDDEN, (Status::Shown, 90)));
    assert_eq!(shown(&plan, &[90, 90, 90, 0, 45, 0], 0, 6)[0], (Status::Shown, 90));
}

#[test]
fn a_filter_on_text_hides_zeros() {
    let mut plan = one_cell();
    plan.tests[1].least = 0;
    let [strict, lax] = shown(&plan, &[90, 0, 0, 0, 0], 0, 1);
    assert_eq!((strict, lax), (HIDDEN, (Status::Zero, 0)));
}

#[test]
fn rounded_counts_are_rounded_inside() {
    let mut plan = one_cell();
    plan.numbers[0].rounding = Some(5);
    for (count, rounded) in [(11, 10), (12, 10), (13, 15), (1_048_575, 1_048_575)] {
        let values = [90, count, 0, 0, 0];
        assert_eq!(shown(&plan, &values, 0, 3)[0], (Status::Shown, rounded));
    }
    let circuit = circuit(&plan, &parties(2)).unwrap();
    let values = circuit.instructions().iter().find_map(|i| match &i.op {
        Op::Reveal { name, .. } if name == "values" => Some(circuit.shape(i.args[0]).rows),
        _ => None,
    });
    // 18 bits of the quotient, 20 of COUNT(x), 32 of SUM(x): the low bits are never opened.
    assert_eq!(values, Some(18 + 20 + 32));
}

#[test]
fn what_does_not_fit_is_refused() {
    let plan = one_cell();
    let own = |values: [i64; 5]| InputColumns { columns: values.map(|v| vec![v]).to_vec() };
    assert!(inputs(&plan, &own([9, 9, 9, -9, 9])).is_ok());
    for (bad, at) in [([-1, 9, 9, 9, 9], 0), ([9, 1 << 20, 9, 9, 9], 1), ([9, 9, 9, 1 << 31, 9], 3)]
    {
        match inputs(&plan, &own(bad)) {
            Err(error @ Error::Input { input, .. }) => {
                assert_eq!(input, at);
                let value = bad[at].to_string();
                assert!(!error.to_string().contains(&value) || value.len() < 3, "{error}");
            }
            other => panic!("{at}: {}", other.is_ok()),
        }
    }
    let mut long = own([9; 5]);
    long.columns[1].push(0);
    assert!(matches!(inputs(&plan, &long), Err(Error::Input { input: 1, .. })));
    long.columns.pop();
    assert!(matches!(inputs(&plan, &long), Err(Error::Columns { found: 4, expected: 5 })));

    let mut flags = one_cell();
    flags.inputs[4].role = Role::BelowFloor { of: 1, floor: 5 };
    assert!(matches!(inputs(&flags, &own([9, 9, 9, 9, 2])), Err(Error::Input { input: 4, .. })));
}

#[test]
fn a_plan_that_contradicts_itself_is_refused() {
    type Spoil = fn(&mut Plan);
    let spoil: [Spoil; 9] = [
        |plan| plan.numbers[0].count = 99,
        |plan| plan.numbers[0].value = Some(99),
        |plan| plan.numbers[0].count = 3,
        |plan| plan.numbers[0].hidden_by.push(99),
        |plan| plan.tests[0].plus = 99,
        |plan| plan.tests[0].rows = Rows::Cells,
        |plan| plan.inputs[0].bits = 64,
        |plan| plan.inputs[0].bits = 0,
        |plan| plan.numbers[0].rounding = Some(0),
    ];
    for (i, spoil) in spoil.into_iter().enumerate() {
        let mut plan = one_cell();
        spoil(&mut plan);
        assert!(matches!(circuit(&plan, &parties(3)), Err(Error::Plan(_))), "{i}");
    }
    let mut sums = one_cell();
    sums.numbers[2].rounding = Some(5);
    assert!(matches!(circuit(&sums, &parties(3)), Err(Error::Plan(_))));
    for holders in [vec![], vec![0, 1, 0]] {
        let twice = Parties { holders, analyst: 3 };
        assert!(matches!(circuit(&one_cell(), &twice), Err(Error::Parties(_))));
    }
}

#[test]
fn only_what_the_plan_opens_is_decoded() {
    let plan = one_cell();
    let good = vec![
        ("hidden".to_owned(), Column::bits([false, true, false])),
        ("zero".to_owned(), Column::bits([false; 3])),
        ("values".to_owned(), Column::bits((0..72).map(|i| i < 4))),
    ];
    let opened = decode(&plan, &good).unwrap();
    assert_eq!(opened.numbers[0][0].value, 15);
    assert_eq!(opened.numbers[1][0].status, Status::Hidden);

    let mut bad = vec![good.clone(); 5];
    bad[0].pop();
    bad[1].swap(0, 1);
    bad[2][1].1 = Column::bits([false; 4]);
    bad[3][1].1 = Column::Num(vec![0; 3]);
    bad[4][1].1 = Column::bits([false, true, false]);
    for (i, opened) in bad.iter().enumerate() {
        assert!(matches!(decode(&plan, opened), Err(Error::Opened { .. })), "{i}");
    }
}

#[test]
fn a_plan_without_rules_or_values_still_opens_statuses() {
    let mut bare = plan(3);
    bare.inputs.push(input(Rows::Cells, Role::Count, 8));
    bare.numbers.push(number(None, 0, &[]));
    let sites = [InputColumns { columns: vec![vec![0, 1, 200]] }];
    let opened = open_all(&bare, &sites);
    assert_eq!(opened, bare.open_pooled(&pool(&sites)));
    let statuses: Vec<Status> = opened.numbers[0].iter().map(|cell| cell.status).collect();
    assert_eq!(statuses, [Status::Zero, Status::Shown, Status::Shown]);
    bare.numbers.clear();
    assert_eq!(open_all(&bare, &sites).numbers, Vec::<Vec<tacit_plan::Cell>>::new());
}

#[test]
fn instructions_do_not_grow_with_cells() {
    let count = |cells, addends| {
        let circuit = circuit(&grouped(cells, 5, 32), &parties(3)).unwrap();
        lower(&circuit, addends).instructions().len()
    };
    for addends in [1, 2, 5] {
        assert_eq!(count(2, addends), count(10_000, addends));
        assert!(count(2, addends) < 5000);
    }
}
