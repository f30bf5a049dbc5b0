//! Tasks: what is computed on ciphertexts, in an order in which everything comes after what it needs.

use std::collections::HashMap;

use super::{
    Atom, FormId, Kind, Program,
    bits::{Gate, Ref},
    blocks,
    form::Form,
    reveal::Item,
};

/// What one task computes. Numbers are radix ciphertexts of clean blocks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// An atom that is not a bit.
    Atom(Atom),
    /// The result of a gate.
    Gate(u32),
    /// The digits of a sum of what some parties entered, with carries taken over but not refreshed.
    Digits(FormId),
    /// Whether a digit from `from` on, and below `digits`, is not 0, at the place where a comparison wants
    /// it.
    High { form: FormId, from: usize, digits: usize },
    /// A comparison of an integer with a public one.
    Against { form: FormId, constant: u128, equal: bool, not: bool },
    /// A comparison of two integers.
    Between { left: FormId, right: FormId, blocks: usize, equal: bool },
    /// An integer modulo `4^blocks`.
    Value { form: FormId, blocks: usize },
    /// An item of the outputs.
    Item(usize),
}

/// A task and the tasks that it needs.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) work: Work,
    pub(crate) needs: Vec<usize>,
}

/// The tasks behind all items of the outputs.
pub(super) fn tasks(program: &mut Program) -> Vec<Task> {
    let mut order: Vec<Task> = Vec::new();
    let mut done: HashMap<Work, usize> = HashMap::new();
    // Depth first, with a stack of our own: a circuit can be deep.
    let mut stack: Vec<(Work, Option<Vec<Work>>)> = Vec::new();
    for item in 0..program.outputs.items.len() {
        stack.push((Work::Item(item), None));
        while let Some((work, needs)) = stack.pop() {
            if done.contains_key(&work) {
                continue;
            }
            let Some(needs) = needs else {
                let needs = program.needs(&work);
                let open = needs.iter().filter(|need| !done.contains_key(need)).cloned();
                let open: Vec<Work> = open.collect();
                stack.push((work, Some(needs)));
                stack.extend(open.into_iter().map(|need| (need, None)));
                continue;
            };
            let needs = needs.iter().map(|need| done[need]).collect();
            done.insert(work.clone(), order.len());
            order.push(Task { work, needs });
        }
    }
    order
}

/// Parties whose digits are added before carries are taken over: `4 * 3 + 3 = 15` is what a block holds.
pub(crate) const TOGETHER: usize = 4;

impl Program {
    /// If the number is a sum of what a few parties entered, perhaps modulo a power of 4: that sum, and how
    /// many of its digits the number has.
    pub(crate) fn digits(&self, form: FormId) -> Option<(FormId, usize)> {
        let own = &self.forms[form as usize];
        if own.constant != 0 || own.terms.values().any(|&c| c != 1) {
            return None;
        }
        let kind = |atom: &Atom| &self.atoms[*atom as usize].kind;
        if own.terms.len() == 1
            && let Some(Kind::Reduced(inner, width)) = own.terms.keys().next().map(kind)
            && width.is_multiple_of(crate::BLOCK_BITS)
        {
            let (sum, digits) = self.digits(*inner)?;
            return Some((sum, digits.min((width / crate::BLOCK_BITS) as usize)));
        }
        let entered = own.terms.keys().all(|atom| matches!(kind(atom), Kind::Input { .. }));
        let few = (1..=TOGETHER).contains(&own.terms.len());
        (entered && few).then(|| (form, self.form_blocks(own)))
    }

    /// Digits that a comparison with this constant looks at one by one; of those above it asks only
    /// whether all are 0. An even number, so that comparisons with several small constants ask that once.
    pub(crate) fn low_digits(constant: u128) -> usize {
        let bits = 128 - constant.leading_zeros();
        bits.div_ceil(2 * crate::BLOCK_BITS) as usize * 2
    }

    /// What computes a gate: itself, or the comparison that it is.
    pub(crate) fn gate_work(&mut self, gate: u32) -> Work {
        match self.gates[gate as usize] {
            Gate::Negative(form) => self.comparison(form, false),
            Gate::Zero(form) => self.comparison(form, true),
            _ => Work::Gate(gate),
        }
    }

    /// `P - Q + k < 0` or `= 0` as a comparison of integers that are not negative.
    fn comparison(&mut self, form: FormId, equal: bool) -> Work {
        let form = self.forms[form as usize].clone();
        let (plus, minus, k) = (form.half(true), form.half(false), form.constant);
        if minus.terms.is_empty() {
            let form = self.form(plus);
            return Work::Against { form, constant: -k as u128, equal, not: false };
        }
        if plus.terms.is_empty() {
            // k < Q unless Q < k + 1
            let form = self.form(minus);
            let constant = if equal { k } else { k + 1 } as u128;
            return Work::Against { form, constant, equal, not: !equal };
        }
        let left = plus.plus(k.max(0), &Form::constant(1));
        let right = minus.plus((-k).max(0), &Form::constant(1));
        let blocks = self.form_blocks(&left).max(self.form_blocks(&right));
        Work::Between { left: self.form(left), right: self.form(right), blocks, equal }
    }

    fn bit_work(&mut self, bit: Ref) -> Work {
        self.gate_work(bit.gate)
    }

    /// The digits of a number if it is a sum of what few parties entered, else the number.
    fn value_or_digits(&mut self, form: FormId, blocks: usize) -> Work {
        match self.digits(form) {
            Some((sum, _)) => Work::Digits(sum),
            None => Work::Value { form, blocks },
        }
    }

    fn value(&mut self, form: FormId) -> Work {
        let blocks = blocks(self.range(&self.forms[form as usize]).1);
        Work::Value { form, blocks }
    }

    /// What a task needs, in the order in which its evaluation expects it.
    fn needs(&mut self, work: &Work) -> Vec<Work> {
        match *work {
            Work::Atom(atom) => {
                let info = self.atoms[atom as usize].clone();
                let blocks = info.blocks();
                match info.kind {
                    Kind::Input { .. } | Kind::Bit(_) => vec![],
                    Kind::Product(x, y) => {
                        vec![Work::Value { form: x, blocks }, Work::Value { form: y, blocks }]
                    }
                    Kind::Choose(c, x, y) => {
                        let mut needs = vec![self.bit_work(c)];
                        // 0 needs no ciphertext: the other one is masked.
                        let default = Form::default();
                        let nil = [x, y].map(|form| self.forms[form as usize] == default);
                        match nil {
                            [false, true] => needs.push(self.value_or_digits(x, blocks)),
                            [true, false] => needs.push(self.value_or_digits(y, blocks)),
                            _ => needs.extend([x, y].map(|form| Work::Value { form, blocks })),
                        }
                        needs
                    }
                    Kind::Reduced(form, width) => {
                        let blocks = width.div_ceil(crate::BLOCK_BITS) as usize;
                        vec![Work::Value { form, blocks }]
                    }
                }
            }
            Work::Gate(gate) => match self.gates[gate as usize].clone() {
                Gate::Plane { of, width, index } => {
                    let blocks = width.div_ceil(crate::BLOCK_BITS) as usize;
                    match self.digits(of) {
                        Some((sum, digits)) if (index / crate::BLOCK_BITS) < digits as u32 => {
                            vec![Work::Digits(sum)]
                        }
                        _ => vec![Work::Value { form: of, blocks }],
                    }
                }
                Gate::And(parts) => parts.iter().map(|part| self.gate_work(part.gate)).collect(),
                Gate::Xor(parts) => parts.iter().map(|&part| self.gate_work(part)).collect(),
                Gate::False | Gate::Input { .. } | Gate::Negative(_) | Gate::Zero(_) => vec![],
            },
            Work::Against { form, constant, equal, .. } => match self.digits(form) {
                Some((sum, digits)) if !equal || constant == 0 => {
                    let from = Self::low_digits(if equal { 1 } else { constant });
                    let mut needs = vec![Work::Digits(sum)];
                    if from < digits {
                        needs.push(Work::High { form: sum, from, digits });
                    }
                    needs
                }
                _ => vec![self.value(form)],
            },
            Work::High { form, .. } => vec![Work::Digits(form)],
            Work::Digits(form) => {
                self.forms[form as usize].terms.keys().map(|&atom| Work::Atom(atom)).collect()
            }
            Work::Between { left, right, blocks, .. } => {
                vec![Work::Value { form: left, blocks }, Work::Value { form: right, blocks }]
            }
            Work::Value { form, .. } => {
                if let Some((sum, _)) = self.digits(form) {
                    return vec![Work::Digits(sum)];
                }
                let form = self.forms[form as usize].clone();
                let of = |&atom: &Atom| match self.atoms[atom as usize].kind {
                    Kind::Bit(bit) => self.bit_work(bit),
                    _ => Work::Atom(atom),
                };
                form.terms.keys().map(of).collect()
            }
            Work::Item(item) => match self.outputs.items[item].clone() {
                Item::Number { form, blocks } => vec![Work::Value { form, blocks }],
                Item::Bit(bit) => vec![self.bit_work(bit)],
            },
        }
    }
}
