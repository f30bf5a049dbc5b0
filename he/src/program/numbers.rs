//! Numbers: forms, and the atoms that they are made of.

use super::{
    AtomInfo, FormId, Kind, Program,
    bits::{FALSE, Gate, Ref, TRUE},
    blocks,
    form::{Atom, Form},
};

impl Program {
    pub(crate) fn form(&mut self, form: Form) -> FormId {
        let next = self.forms.len() as FormId;
        let id = *self.form_ids.entry(form.clone()).or_insert(next);
        if id == next {
            self.forms.push(form);
        }
        id
    }

    pub(crate) fn atom(&mut self, kind: Kind, most: u64) -> Atom {
        let next = self.atoms.len() as Atom;
        let id = *self.atom_ids.entry(kind.clone()).or_insert(next);
        if id == next {
            self.atoms.push(AtomInfo { kind, most });
        }
        id
    }

    pub(crate) fn range(&self, form: &Form) -> (i128, i128) {
        form.range(|atom| self.atoms[atom as usize].most)
    }

    /// The number modulo `2^width`, as an integer in `0 .. 2^width`.
    pub(crate) fn reduced(&mut self, form: &Form, width: u32) -> Form {
        let (least, most) = self.range(form);
        if least >= 0 && most < 1 << width {
            return form.clone();
        }
        if form.terms.is_empty() {
            return Form::constant(form.constant.rem_euclid(1 << width));
        }
        let id = self.form(form.clone());
        let most = u64::MAX >> (64 - width);
        Form::atom(self.atom(Kind::Reduced(id, width), most))
    }

    /// A bit as a number.
    pub(crate) fn bit(&mut self, bit: Ref) -> Form {
        if bit.gate == 0 {
            return Form::constant(i128::from(bit.not));
        }
        // The negation is 1 - x, so that both share an atom.
        let atom = self.atom(Kind::Bit(Ref { not: false, ..bit }), 1);
        let form = Form::atom(atom);
        if bit.not { Form::constant(1).plus(-1, &form) } else { form }
    }

    /// Product modulo 2^64.
    pub(crate) fn product(&mut self, x: &Form, y: &Form) -> Form {
        for (x, y) in [(x, y), (y, x)] {
            if x.terms.is_empty() {
                return Form::default().plus(x.constant, y);
            }
            // A bit times a number is a choice.
            if let Some(bit) = self.as_bit(x) {
                return self.choose(bit, y, &Form::default());
            }
        }
        // (x' - a)(y' - b) = x'y' - b x' - a y' + ab, with x' and y' not negative.
        let (x, a) = self.raised(x);
        let (y, b) = self.raised(y);
        let most = self.range(&x).1.saturating_mul(self.range(&y).1);
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let (p, q) = (self.form(x.clone()), self.form(y.clone()));
        let atom = self.atom(Kind::Product(p.min(q), p.max(q)), most);
        let product = Form::atom(atom).plus(-b, &x).plus(-a, &y);
        product.plus(a, &Form::constant(b))
    }

    /// `(x + a, a)` such that the first is never negative and below 2^64.
    fn raised(&mut self, x: &Form) -> (Form, i128) {
        let (least, most) = self.range(x);
        let a = (-least).max(0);
        if least > -(1 << 64) && most.saturating_add(a) < 1 << 64 {
            (x.plus(1, &Form::constant(a)), a)
        } else {
            (self.reduced(x, 64), 0)
        }
    }

    /// `if c { x } else { y }`.
    pub(crate) fn choose(&mut self, c: Ref, x: &Form, y: &Form) -> Form {
        if c == TRUE || x == y {
            return x.clone();
        }
        if c == FALSE {
            return y.clone();
        }
        if c.not {
            return self.choose(!c, y, x);
        }
        if x.terms.is_empty() && y.terms.is_empty() {
            let bit = self.bit(c);
            return y.plus(x.constant - y.constant, &bit);
        }
        // The same offset on both keeps them from being negative.
        let a = (-self.range(x).0.min(self.range(y).0)).max(0);
        let most = self.range(x).1.max(self.range(y).1).saturating_add(a);
        let offset = Form::constant(a);
        let (x, y, a) = if a < 1 << 64 && most < 1 << 64 {
            (x.plus(1, &offset), y.plus(1, &offset), a)
        } else {
            (self.reduced(x, 64), self.reduced(y, 64), 0)
        };
        let most = self.range(&x).1.max(self.range(&y).1) as u64;
        let (x, y) = (self.form(x), self.form(y));
        let atom = self.atom(Kind::Choose(c, x, y), most);
        Form::atom(atom).plus(-a, &Form::constant(1))
    }

    /// The number whose planes these are, lowest first, as an integer that is not negative.
    pub(crate) fn number_of(&mut self, planes: &[Ref]) -> Form {
        if let Some(form) = self.whole(planes) {
            return form;
        }
        // All planes masked by the same bits?
        if let Some((mask, inner)) = self.unmasked(planes)
            && let Some(form) = self.whole(&inner)
        {
            return self.choose(mask, &form, &Form::default());
        }
        let mut sum = Form::default();
        for (i, &plane) in planes.iter().enumerate() {
            let bit = self.bit(plane);
            sum = sum.plus(1 << i, &bit);
        }
        sum
    }

    /// The number of which these are all planes.
    fn whole(&mut self, planes: &[Ref]) -> Option<Form> {
        let &Gate::Plane { of, width, index: 0 } = &self.gates[planes.first()?.gate as usize]
        else {
            return None;
        };
        let form = self.forms[of as usize].clone();
        let (least, most) = self.range(&form);
        let count = planes.len() as u32;
        // Reduced to fewer planes than it has, it is another number.
        let form = if least >= 0 && most < 1 << count { form } else { self.reduced(&form, count) };
        // Its planes, taken anew, must be these.
        let original = self.forms[of as usize].clone();
        let alike = (0..count).all(|i| {
            let plane = self.plane(&original, width.max(count), i);
            let narrow = self.plane(&original, count, i);
            [plane, narrow].contains(&planes[i as usize])
        });
        alike.then_some(form)
    }

    /// `(m, p)` such that every plane is `m and p`, with as large an `m` as there is.
    fn unmasked(&mut self, planes: &[Ref]) -> Option<(Ref, Vec<Ref>)> {
        let parts = |program: &Self, bit: Ref| match &program.gates[bit.gate as usize] {
            Gate::And(parts) if !bit.not => parts.clone(),
            _ => vec![bit],
        };
        let all: Vec<Vec<Ref>> = planes.iter().map(|&plane| parts(self, plane)).collect();
        let live = all.iter().filter(|parts| parts[..] != [FALSE]);
        let mut common = live.clone().next()?.clone();
        for parts in live.clone() {
            common.retain(|bit| parts.contains(bit));
        }
        // A plane that consists of the mask alone is the mask; a single plane has no mask.
        if common.is_empty() || live.clone().any(|parts| parts.len() == common.len()) {
            return None;
        }
        let inner = all.iter().map(|parts| {
            if parts[..] == [FALSE] {
                return FALSE;
            }
            let rest = parts.iter().filter(|bit| !common.contains(bit));
            rest.fold(TRUE, |all, &bit| self.and(all, bit))
        });
        let inner = inner.collect();
        let mask = common.iter().fold(TRUE, |all, &bit| self.and(all, bit));
        Some((mask, inner))
    }

    /// Blocks of the integer, which is not negative.
    pub(crate) fn form_blocks(&self, form: &Form) -> usize {
        blocks(self.range(form).1)
    }
}
