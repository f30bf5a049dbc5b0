//! Made-up plans and data that fit them, from a seed.

use tacit_mpc::Column;
use tacit_plan::{
    Digest, Disclosure, Input, InputColumns, Key, Number, Plan, Release, Role, Rows, Rule, Test,
    Type, VERSION, Value,
};

/// SplitMix64: small, repeatable, good enough for test data.
pub struct Draw(pub u64);

impl Draw {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// Below `n`; 0 for 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.word() % n }
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A plan and what each of several sites holds.
pub struct Case {
    pub plan: Plan,
    pub sites: Vec<InputColumns>,
}

impl Case {
    pub fn pooled(&self) -> InputColumns {
        pool(&self.sites)
    }

    pub fn entered(&self) -> Vec<Vec<Column>> {
        let enter = |own| tacit_protocols::inputs(&self.plan, own).unwrap();
        self.sites.iter().map(enter).collect()
    }
}

pub fn pool(sites: &[InputColumns]) -> InputColumns {
    let mut columns = sites[0].columns.clone();
    for site in &sites[1..] {
        for (sum, own) in columns.iter_mut().zip(&site.columns) {
            for (sum, own) in sum.iter_mut().zip(own) {
                *sum += own;
            }
        }
    }
    InputColumns { columns }
}

pub fn input(rows: Rows, role: Role, bits: u32) -> Input {
    Input { name: String::new(), expression: format!("{role:?}"), rows, role, bits }
}

pub fn number(value: Option<usize>, count: usize, hidden_by: &[usize]) -> Number {
    Number {
        expression: "COUNT(*)".into(),
        value,
        count,
        hidden_by: hidden_by.to_vec(),
        rounding: None,
    }
}

pub fn test(rule: Rule, rows: Rows, plus: usize, minus: Option<usize>) -> Test {
    Test { rule, rows, plus, minus, least: 1, below: Some(11) }
}

/// A plan over so many cells that has no inputs, tests and numbers yet.
pub fn plan(cells: usize) -> Plan {
    let domain = (0..cells).map(|i| Value::Integer(i as i64)).collect();
    Plan {
        version: VERSION,
        study: Digest::of_bytes(b"study"),
        sql: "SELECT".into(),
        tables: vec!["t".into()],
        columns: vec![],
        persons: false,
        text_filter: false,
        keys: vec![Key { expression: "k".into(), r#type: Type::Integer, domain }],
        local: vec![],
        inputs: vec![],
        tests: vec![],
        numbers: vec![],
        presence: Some(0),
        disclosure: Disclosure::profile("default").unwrap(),
        release: Release::default(),
        notes: vec![],
    }
}

/// COUNT(*), and COUNT, SUM and the count of one value of so many columns, with every rule: the
/// form that a grouped query has.
pub fn grouped(cells: usize, aggregates: usize, bits: u32) -> Plan {
    let mut plan = plan(cells);
    plan.inputs.push(input(Rows::Total, Role::Count, bits));
    plan.inputs.push(input(Rows::Cells, Role::Count, bits));
    plan.tests.push(test(Rule::Total, Rows::Total, 0, None));
    plan.tests.push(test(Rule::Group, Rows::Cells, 1, None));
    plan.numbers.push(number(Some(1), 1, &[0, 1]));
    for _ in 0..aggregates {
        let count = plan.inputs.len();
        plan.inputs.push(input(Rows::Cells, Role::Count, bits));
        plan.inputs.push(input(Rows::Cells, Role::Sum, (bits + 12).min(63)));
        plan.inputs.push(input(Rows::Cells, Role::Count, bits));
        let first = plan.tests.len();
        plan.tests.push(test(Rule::Contribution, Rows::Cells, count, None));
        plan.tests.push(test(Rule::Nested, Rows::Cells, 1, Some(count)));
        plan.tests.push(test(Rule::Indicator, Rows::Cells, count + 2, None));
        plan.tests.push(test(Rule::Indicator, Rows::Cells, count, Some(count + 2)));
        plan.numbers.push(number(Some(count), count, &[0, 1, first, first + 1]));
        let all = [0, 1, first, first + 1, first + 2, first + 3];
        plan.numbers.push(number(Some(count + 1), count, &all));
    }
    plan
}

/// Data for a plan in the form of [`grouped`]: small, zero and large counts, all nested.
pub fn data(draw: &mut Draw, plan: &Plan, sites: usize) -> Vec<InputColumns> {
    let cells = plan.cells();
    let most = ((1u64 << plan.inputs[0].bits) - 1) / sites as u64;
    (0..sites)
        .map(|_| {
            let mut columns: Vec<Vec<i64>> =
                plan.inputs.iter().map(|i| Vec::with_capacity(plan.rows(i.rows))).collect();
            for (i, input) in plan.inputs.iter().enumerate() {
                for row in 0..plan.rows(input.rows) {
                    let value = match (input.role, i) {
                        (Role::Sum, _) => {
                            let half = (1u64 << (input.bits - 1)) / sites as u64;
                            draw.below(2 * half) as i64 - half as i64
                        }
                        (Role::BelowFloor { .. }, _) => i64::from(draw.one_in(6)),
                        (Role::Count, 0 | 1) => amount(draw, most),
                        // Every further count is nested in the one of its group.
                        (Role::Count, _) => {
                            let within = if (i - 2) % 3 == 2 { i - 2 } else { 1 };
                            let whole = columns[within][row];
                            match draw.below(3) {
                                0 => whole,
                                1 => (whole - draw.below(12) as i64).max(0),
                                _ => amount(draw, whole as u64),
                            }
                        }
                    };
                    columns[i].push(value);
                }
            }
            assert!(columns.iter().all(|c| c.len() == cells || c.len() == 1));
            InputColumns { columns }
        })
        .collect()
}

fn amount(draw: &mut Draw, most: u64) -> i64 {
    let value = match draw.below(5) {
        0 => 0,
        1 | 2 => draw.below(8),
        3 => draw.below(40),
        _ => draw.below(most + 1),
    };
    value.min(most) as i64
}

/// A random plan with data: further tests with odd bounds, floors, rounding, statuses without
/// values, rules for zeros.
pub fn case(seed: u64, sites: usize) -> Case {
    let draw = &mut Draw(seed);
    let cells = [0, 1, 2, 5, 63, 64, 65, 100][draw.below(8) as usize];
    let bits = 4 + draw.below(29) as u32;
    let aggregates = draw.below(4) as usize;
    let mut plan = grouped(cells, aggregates, bits);
    let flags = plan.inputs.len();
    let floor = Role::BelowFloor { of: 1, floor: 3 };
    plan.inputs.push(input(Rows::Cells, floor, 3));
    plan.inputs.push(input(Rows::Total, floor, 4));
    let odd = |draw: &mut Draw, mut test: Test| {
        test.least = draw.below(3);
        test.below = match draw.below(4) {
            0 => None,
            1 => Some(draw.below(4)),
            2 => Some(u64::MAX - draw.below(2)),
            _ => Some(draw.below(30)),
        };
        test
    };
    for _ in 0..draw.below(5) {
        let new = match draw.below(4) {
            0 => {
                let flag = test(Rule::SiteFloor, Rows::Cells, flags, None);
                Test { below: None, ..flag }
            }
            1 => {
                let flag = test(Rule::SiteFloor, Rows::Total, flags + 1, None);
                Test { below: None, ..flag }
            }
            2 => odd(draw, test(Rule::Total, Rows::Total, 0, None)),
            _ => odd(draw, test(Rule::Group, Rows::Cells, 1, None)),
        };
        plan.tests.push(new);
    }
    let tests = plan.tests.len() as u64;
    for number in &mut plan.numbers {
        if draw.one_in(3) {
            number.hidden_by.retain(|_| !draw.one_in(2));
            for _ in 0..draw.below(8) {
                number.hidden_by.push(draw.below(tests) as usize);
            }
        }
        if draw.one_in(8) {
            number.value = None;
        }
        if number.value == Some(number.count) && draw.one_in(3) {
            number.rounding = Some([1, 2, 3, 5, 10, 16, 100][draw.below(7) as usize]);
        }
    }
    if draw.one_in(3) {
        // A number over all cells: every row of a total is the same.
        plan.numbers.push(number(Some(0), 0, &[0]));
    }
    let sites = data(draw, &plan, sites);
    Case { plan, sites }
}
