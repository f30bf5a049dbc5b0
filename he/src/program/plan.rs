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

impl Program {
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
                        for form in [x, y] {
                            if self.forms[form as usize] != Form::default() {
                                needs.push(Work::Value { form, blocks });
                            }
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
                Gate::Plane { of, width, .. } => {
                    let blocks = width.div_ceil(crate::BLOCK_BITS) as usize;
                    vec![Work::Value { form: of, blocks }]
                }
                Gate::And(parts) => parts.iter().map(|part| self.gate_work(part.gate)).collect(),
                Gate::Xor(parts) => parts.iter().map(|&part| self.gate_work(part)).collect(),
                Gate::False | Gate::Input { .. } | Gate::Negative(_) | Gate::Zero(_) => vec![],
            },
            Work::Against { form, .. } => vec![self.value(form)],
            Work::Between { left, right, blocks, .. } => {
                vec![Work::Value { form: left, blocks }, Work::Value { form: right, blocks }]
            }
            Work::Value { form, .. } => {
                let form = self.forms[form as usize].clone();
                let of = |&atom: &Atom| match self.atoms[atom as usize].kind {
                    Kind::Bit(bit) => self.bit_work(bit),
                    _ => Work::Atom(atom),
                };
                form.terms.keys().map(of).collect()
            }
            Work::Item(item) => match self.outputs.items[item].clone() {
                Item::Number { form, blocks } => vec![Work::Value { form, blocks }],
                Item::Bits(bits) => bits.iter().map(|&bit| self.bit_work(bit)).collect(),
            },
        }
    }
}
