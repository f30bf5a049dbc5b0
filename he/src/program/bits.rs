//! Bits: gates with shared results, written so that equal bits are the same gate.

use std::collections::BTreeSet;

use super::{FormId, Kind, Program, blocks, form::Form};

/// A bit: a gate's result or its negation. Gate 0 is the constant `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ref {
    pub(crate) gate: u32,
    pub(crate) not: bool,
}

pub(crate) const FALSE: Ref = Ref { gate: 0, not: false };
pub(crate) const TRUE: Ref = Ref { gate: 0, not: true };

impl std::ops::Not for Ref {
    type Output = Self;

    fn not(self) -> Self {
        Self { not: !self.not, ..self }
    }
}

/// How a bit comes about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Gate {
    False,
    /// A row that a party entered, among all its rows.
    Input {
        party: usize,
        index: usize,
    },
    /// Whether the integer is below 0.
    Negative(FormId),
    /// Whether the integer is 0.
    Zero(FormId),
    /// Bit `index` of a number that is taken modulo `2^width`.
    Plane {
        of: FormId,
        width: u32,
        index: u32,
    },
    /// All of them; sorted, at least two.
    And(Vec<Ref>),
    /// An odd number of them; sorted, at least two.
    Xor(Vec<u32>),
}

impl Program {
    pub(crate) fn gate(&mut self, gate: Gate) -> Ref {
        let next = self.gates.len() as u32;
        let id = *self.gate_ids.entry(gate.clone()).or_insert(next);
        if id == next {
            self.gates.push(gate);
        }
        Ref { gate: id, not: false }
    }

    pub(crate) fn and(&mut self, x: Ref, y: Ref) -> Ref {
        let mut all = Vec::new();
        for bit in [x, y] {
            match &self.gates[bit.gate as usize] {
                Gate::And(parts) if !bit.not => all.extend_from_slice(parts),
                _ => all.push(bit),
            }
        }
        all.sort_unstable();
        all.dedup();
        all.retain(|&bit| bit != TRUE);
        if all.contains(&FALSE) || all.windows(2).any(|pair| pair[0] == !pair[1]) {
            return FALSE;
        }
        match all[..] {
            [] => TRUE,
            [bit] => bit,
            _ => self.gate(Gate::And(all)),
        }
    }

    pub(crate) fn or(&mut self, x: Ref, y: Ref) -> Ref {
        !self.and(!x, !y)
    }

    /// `x xor y`, where `x xor y xor (x and y)` becomes `x or y`.
    pub(crate) fn xor(&mut self, x: Ref, y: Ref) -> Ref {
        let mut odd: BTreeSet<u32> = BTreeSet::new();
        for bit in [x, y] {
            let parts = match &self.gates[bit.gate as usize] {
                Gate::Xor(parts) => parts.clone(),
                _ => vec![bit.gate],
            };
            for part in parts {
                if part != 0 && !odd.remove(&part) {
                    odd.insert(part);
                }
            }
        }
        let mut not = x.not ^ y.not;
        let both = odd.iter().find_map(|&gate| match &self.gates[gate as usize] {
            Gate::And(parts) => match parts[..] {
                [a, b] if odd.contains(&a.gate) && odd.contains(&b.gate) => Some((gate, a, b)),
                _ => None,
            },
            _ => None,
        });
        if let Some((gate, a, b)) = both {
            // a xor b xor ab, where a and b may be negated gates.
            not ^= a.not ^ b.not;
            for part in [gate, a.gate, b.gate] {
                odd.remove(&part);
            }
            let either = self.or(a, b);
            let rest = self.parity(&odd);
            let result = if rest == FALSE { either } else { self.xor(either, rest) };
            return if not { !result } else { result };
        }
        let result = self.parity(&odd);
        if not { !result } else { result }
    }

    fn parity(&mut self, odd: &BTreeSet<u32>) -> Ref {
        let parts: Vec<u32> = odd.iter().copied().collect();
        match parts[..] {
            [] => FALSE,
            [gate] => Ref { gate, not: false },
            _ => self.gate(Gate::Xor(parts)),
        }
    }

    /// Whether the integer is below 0.
    pub(crate) fn negative(&mut self, form: &Form) -> Ref {
        let (least, most) = self.range(form);
        if least >= 0 {
            FALSE
        } else if most < 0 {
            TRUE
        } else {
            let id = self.form(form.clone());
            self.gate(Gate::Negative(id))
        }
    }

    /// Whether the integer is 0.
    pub(crate) fn zero(&mut self, form: &Form) -> Ref {
        let (least, most) = self.range(form);
        if least > 0 || most < 0 {
            return FALSE;
        }
        if least == most {
            return TRUE;
        }
        // The same question about the negated number is the same gate.
        let first = form.terms.values().next().copied().unwrap_or(1);
        let form = if first < 0 { Form::default().plus(-1, form) } else { form.clone() };
        let id = self.form(form);
        self.gate(Gate::Zero(id))
    }

    /// Bit `index` of the number, in two's complement.
    pub(crate) fn plane(&mut self, form: &Form, width: u32, index: u32) -> Ref {
        if form.terms.is_empty() {
            return if (form.constant >> index) & 1 == 1 { TRUE } else { FALSE };
        }
        let (least, most) = self.range(form);
        let weight = 1i128 << index;
        if -weight <= least && most < weight {
            // The bits from here on are all the sign.
            return self.negative(form);
        }
        if let Some(bit) = self.as_bit(form)
            && index == 0
        {
            return bit;
        }
        if index > 0 && index + 1 == width && form.constant != 0 {
            return self.carried(form, width);
        }
        // A number that fits needs no more blocks than it has; one that does not is reduced.
        let fits = least >= 0 && most < 1 << width;
        let width = if fits { blocks(most) as u32 * crate::BLOCK_BITS } else { width };
        let of = self.form(form.clone());
        self.gate(Gate::Plane { of, width, index })
    }

    /// The top plane `i` of `x + c`, which is bit `i` of x, of c, and the carry into it, added up. Whoever asks
    /// for the top plane alone asks whether something is below a constant, modulo `2^width` since what
    /// sites enter may exceed what a plan reckons with. This way all such questions share the
    /// number `x`, and two of them that are compared with each other share its bit.
    fn carried(&mut self, form: &Form, width: u32) -> Ref {
        let index = width - 1;
        let x = form.plus(-form.constant, &Form::constant(1));
        let own = self.plane(&x, width, index);
        let bit = if (form.constant >> index) & 1 == 1 { !own } else { own };
        let low = form.constant.rem_euclid(1 << index);
        if low == 0 {
            return bit;
        }
        // x mod 2^i + c mod 2^i reaches 2^i unless the first is below what is missing.
        let rest = self.reduced(&x, index);
        let short = self.negative(&rest.plus(-1, &Form::constant((1 << index) - low)));
        self.xor(bit, !short)
    }

    /// The bit that this number is, if it is one.
    pub(crate) fn as_bit(&self, form: &Form) -> Option<Ref> {
        let (&atom, &c) = form.terms.iter().next()?;
        let Kind::Bit(bit) = self.atoms[atom as usize].kind else { return None };
        match (form.terms.len(), c, form.constant) {
            (1, 1, 0) => Some(bit),
            (1, -1, 1) => Some(!bit),
            _ => None,
        }
    }
}
