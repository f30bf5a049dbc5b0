//! Bristol Fashion: boolean circuits as researchers exchange them.
//!
//! A file lists gates over numbered wires; the first wires are the inputs, the last the outputs.
//! A wire becomes a column of bits, so that one file runs on as many rows as one likes. Two forms
//! are read and written: the new one (any number of input and output values, gates `XOR`, `AND`,
//! `INV`, `EQ`, `EQW`, `MAND`) and the old one (two inputs, one output, `XOR`, `AND`, `INV`).
//! See <https://nigelsmart.github.io/MPC-Circuits/>.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{Bit, Builder, Circuit, Error, Kind, Op, Result};

/// Most wires of a file that is read: a wire takes a column.
const MOST_WIRES: usize = 1 << 24;

/// The two forms of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Two inputs, one output.
    Old,
    /// Any number of values.
    New,
}

#[derive(Clone, Debug)]
enum Gate {
    Xor(usize, usize, usize),
    And(usize, usize, usize),
    Inv(usize, usize),
    /// A constant.
    Eq(bool, usize),
    /// A copy.
    Eqw(usize, usize),
}

/// A boolean circuit that was read from a file.
#[derive(Clone, Debug)]
pub struct Bristol {
    /// Width of every input value, in bits.
    pub inputs: Vec<usize>,
    /// Width of every output value, in bits.
    pub outputs: Vec<usize>,
    wires: usize,
    gates: Vec<Gate>,
}

/// Line 0 is the whole file.
fn wrong(line: usize, what: impl Into<String>) -> Error {
    let place = if line == 0 { String::new() } else { format!(", line {line}") };
    Error::Input(format!("Bristol Fashion{place}: {}", what.into()))
}

fn numbers(line: usize, text: &str) -> Result<Vec<usize>> {
    text.split_whitespace()
        .map(|word| word.parse().map_err(|_| wrong(line, format!("{word:?} is not a number"))))
        .collect()
}

/// A count and as many widths.
fn widths(line: usize, text: &str) -> Result<Vec<usize>> {
    let all = numbers(line, text)?;
    match all.split_first() {
        Some((count, widths)) if *count == widths.len() => Ok(widths.to_vec()),
        _ => Err(wrong(line, "a count and as many widths are due")),
    }
}

impl Bristol {
    /// Reads either form.
    ///
    /// # Errors
    /// [`Error::Input`] with the line: anything that is not the format, a wire that is out of
    /// range, used before it is set or set twice, more than 2^24 wires.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty())
            .peekable();
        let mut next = || lines.next().ok_or_else(|| wrong(0, "the file ends too early"));
        let (at, head) = next()?;
        let [count, wires] = numbers(at, head)?[..] else {
            return Err(wrong(at, "the numbers of gates and wires are due"));
        };
        if wires > MOST_WIRES || count > wires {
            return Err(wrong(at, format!("{count} gates and {wires} wires are too many")));
        }
        let (at, second) = next()?;
        let old = lines.peek().is_none_or(|(_, line)| line.ends_with(char::is_alphabetic));
        let (inputs, outputs) = if old {
            let [a, b, out] = numbers(at, second)?[..] else {
                return Err(wrong(at, "the widths of two inputs and one output are due"));
            };
            (vec![a, b], vec![out])
        } else {
            let (line, third) = lines.next().ok_or_else(|| wrong(at, "the file ends too early"))?;
            (widths(at, second)?, widths(line, third)?)
        };
        let total = |widths: &[usize]| widths.iter().try_fold(0_usize, |a, b| a.checked_add(*b));
        let entered = total(&inputs).filter(|n| *n <= wires);
        let entered = entered.ok_or_else(|| wrong(at, "there are more inputs than wires"))?;
        if total(&outputs).is_none_or(|n| n > wires) {
            return Err(wrong(at, "there are more outputs than wires"));
        }
        if entered == 0 || total(&outputs) == Some(0) {
            return Err(wrong(at, "there is no bit that goes in, or none that comes out"));
        }
        let mut set = vec![false; wires];
        set[..entered].fill(true);
        let mut gates = Vec::with_capacity(count);
        for done in 0..count {
            let Some((at, line)) = lines.next() else {
                return Err(wrong(0, format!("the file ends after {done} of {count} gates")));
            };
            gate(at, line, &mut set, &mut gates)?;
        }
        if let Some((at, _)) = lines.next() {
            return Err(wrong(at, format!("more than {count} gates")));
        }
        if let Some(wire) = set.iter().position(|set| !set) {
            return Err(wrong(0, format!("wire {wire} is never set")));
        }
        Ok(Self { inputs, outputs, wires, gates })
    }

    /// Writes the gates into a circuit; `inputs` are the bit planes of every input value, the
    /// result those of every output value.
    ///
    /// # Errors
    /// [`Error::Input`] if there are other inputs than the file says.
    ///
    /// # Panics
    /// If the planes differ in their rows.
    pub fn apply(&self, b: &mut Builder, inputs: &[Vec<Bit>]) -> Result<Vec<Vec<Bit>>> {
        let given: Vec<usize> = inputs.iter().map(Vec::len).collect();
        if given != self.inputs {
            let due = &self.inputs;
            return Err(Error::Input(format!("widths of inputs are {given:?}, not {due:?}")));
        }
        let rows = inputs.iter().flatten().next().map_or(0, |&bit| b.rows(bit));
        let mut wires: Vec<Option<Bit>> = inputs.iter().flatten().copied().map(Some).collect();
        wires.resize(self.wires, None);
        let get = |wires: &[Option<Bit>], at: usize| {
            wires[at].ok_or_else(|| wrong(0, format!("wire {at} is used before it is set")))
        };
        for gate in &self.gates {
            let (out, bit) = match *gate {
                Gate::Xor(x, y, out) => (out, b.xor(get(&wires, x)?, get(&wires, y)?)),
                Gate::And(x, y, out) => (out, b.and(get(&wires, x)?, get(&wires, y)?)),
                Gate::Inv(x, out) => (out, b.not(get(&wires, x)?)),
                Gate::Eq(value, out) => (out, b.constant(u64::from(value), rows)),
                Gate::Eqw(x, out) => (out, get(&wires, x)?),
            };
            wires[out] = Some(bit);
        }
        let mut at = self.wires - self.outputs.iter().sum::<usize>();
        let mut outputs = Vec::new();
        for width in &self.outputs {
            outputs.push((at..at + width).map(|at| get(&wires, at)).collect::<Result<_>>()?);
            at += width;
        }
        Ok(outputs)
    }

    /// The whole file as a circuit on `rows` rows: input value `i` is entered by `holders[i]`, bit
    /// by bit, and every output bit is opened to `to`, named `VALUE.BIT`.
    ///
    /// # Errors
    /// [`Error::Input`] if there are not as many holders as inputs.
    pub fn circuit(&self, rows: usize, holders: &[usize], to: usize) -> Result<Circuit> {
        if holders.len() != self.inputs.len() {
            return Err(Error::Input(format!(
                "{} inputs need as many holders, not {}",
                self.inputs.len(),
                holders.len()
            )));
        }
        let mut b = Builder::new();
        let inputs: Vec<Vec<Bit>> = holders
            .iter()
            .zip(&self.inputs)
            .map(|(&holder, &width)| (0..width).map(|_| b.enter(holder, rows)).collect())
            .collect();
        for (value, planes) in self.apply(&mut b, &inputs)?.into_iter().enumerate() {
            for (bit, plane) in planes.into_iter().enumerate() {
                b.reveal(plane, to, format!("{value}.{bit}"));
            }
        }
        Ok(b.finish())
    }
}

/// Reads one gate.
fn gate(at: usize, line: &str, set: &mut [bool], gates: &mut Vec<Gate>) -> Result<()> {
    let (wires, name) =
        line.rsplit_once(char::is_whitespace).ok_or_else(|| wrong(at, "a gate is due"))?;
    let all = numbers(at, wires)?;
    let [ins, outs, ref wires @ ..] = all[..] else {
        return Err(wrong(at, "the numbers of inputs and outputs are due"));
    };
    let name = name.to_ascii_uppercase();
    if wires.len().checked_sub(ins) != Some(outs) {
        return Err(wrong(at, "there are other wires than the gate says"));
    }
    let (from, to) = wires.split_at(ins);
    let read = if name == "EQ" { &[] } else { from };
    if let Some(wire) = read.iter().chain(to).find(|&&wire| wire >= set.len()) {
        let (most, last) = (set.len(), set.len().saturating_sub(1));
        let range = format!("there are {most} wires, 0 to {last}");
        return Err(wrong(at, format!("wire {wire} is out of range: {range}")));
    }
    if let Some(wire) = read.iter().find(|&&wire| set.get(wire) != Some(&true)) {
        return Err(wrong(at, format!("wire {wire} is used before it is set")));
    }
    for &wire in to {
        match set.get_mut(wire) {
            Some(set) if !*set => *set = true,
            _ => return Err(wrong(at, format!("wire {wire} is set already"))),
        }
    }
    match (name.as_str(), from, to) {
        ("XOR", &[x, y], &[z]) => gates.push(Gate::Xor(x, y, z)),
        ("AND", &[x, y], &[z]) => gates.push(Gate::And(x, y, z)),
        ("INV" | "NOT", &[x], &[z]) => gates.push(Gate::Inv(x, z)),
        ("EQ", &[value @ (0 | 1)], &[z]) => gates.push(Gate::Eq(value == 1, z)),
        ("EQW", &[x], &[z]) => gates.push(Gate::Eqw(x, z)),
        ("MAND", _, _) if ins == 2 * outs => {
            let (x, y) = from.split_at(outs);
            gates.extend(x.iter().zip(y).zip(to).map(|((&x, &y), &z)| Gate::And(x, y, z)));
        }
        _ => return Err(wrong(at, format!("there is no gate {name} of this shape"))),
    }
    Ok(())
}

/// Writes a circuit of bits down: every holder's columns are one input value, in order of holders;
/// every opening is one output value of one bit (new form), or all of them are one value (old).
///
/// # Errors
/// [`Error::Input`] if the circuit holds anything but entries, constants, sums, products and
/// openings of bits, all on the same number of rows (lower macros first), or more than two holders
/// in the old form.
pub fn export(circuit: &Circuit, form: Form) -> Result<String> {
    let mut holders: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for instruction in circuit.instructions() {
        if let Op::Enter { holder, .. } = instruction.op {
            holders.entry(holder).or_default().push(instruction.first as usize);
        }
    }
    if circuit.shapes().windows(2).any(|w| w[0] != w[1])
        || circuit.shapes().iter().any(|shape| shape.kind != Kind::Bit)
    {
        return Err(Error::Input("Bristol Fashion has bits alone, on equally many rows".into()));
    }
    if form == Form::Old && holders.len() > 2 {
        return Err(Error::Input("the old form has two inputs".into()));
    }
    let mut wire = vec![0; circuit.shapes().len()];
    let mut wires = 0;
    for id in holders.values().flatten() {
        wire[*id] = wires;
        wires += 1;
    }
    if wires == 0 {
        return Err(Error::Input("Bristol Fashion needs an input".into()));
    }
    let mut gates = Vec::new();
    let mut fresh = |text: String, name: &str| {
        gates.push(format!("{text} {wires} {name}"));
        wires += 1;
        wires - 1
    };
    let mut revealed = Vec::new();
    for (at, instruction) in circuit.instructions().iter().enumerate() {
        let x = instruction.args.first().map(|&id| wire[id as usize]);
        let y = instruction.args.get(1).map(|&id| wire[id as usize]);
        let out = match (&instruction.op, x, y) {
            (Op::Enter { .. }, ..) => continue,
            (Op::Reveal { .. }, Some(x), _) => {
                revealed.push(x);
                continue;
            }
            (Op::Constant { value, .. }, ..) if form == Form::New => {
                fresh(format!("1 1 {}", value & 1), "EQ")
            }
            (Op::Constant { value, .. }, ..) => {
                let zero = fresh("2 1 0 0".into(), "XOR");
                if value & 1 == 1 { fresh(format!("1 1 {zero}"), "INV") } else { zero }
            }
            (Op::Add | Op::Sub, Some(x), Some(y)) => fresh(format!("2 1 {x} {y}"), "XOR"),
            (Op::Mul, Some(x), Some(y)) => fresh(format!("2 1 {x} {y}"), "AND"),
            (op, ..) => {
                return Err(Error::Input(format!(
                    "instruction {at} ({op:?}) has no place in Bristol Fashion"
                )));
            }
        };
        wire[instruction.first as usize] = out;
    }
    // The outputs are the last wires, whatever else they are.
    let zero = if form == Form::Old { fresh("2 1 0 0".into(), "XOR") } else { 0 };
    for x in &revealed {
        match form {
            Form::New => fresh(format!("1 1 {x}"), "EQW"),
            Form::Old => fresh(format!("2 1 {x} {zero}"), "XOR"),
        };
    }
    let mut text = format!("{} {wires}\n", gates.len());
    let sizes: Vec<usize> = holders.values().map(Vec::len).collect();
    let list = |sizes: &[usize]| {
        sizes.iter().fold(String::new(), |text, size| text + " " + &size.to_string())
    };
    // Writing to a string cannot fail.
    let _ = match form {
        Form::New => writeln!(
            text,
            "{}{}\n{}{}",
            sizes.len(),
            list(&sizes),
            revealed.len(),
            list(&vec![1; revealed.len()])
        ),
        Form::Old => {
            let second = sizes.get(1).copied().unwrap_or(0);
            writeln!(text, "{} {second} {}", sizes[0], revealed.len())
        }
    };
    text.push('\n');
    for gate in gates {
        text.push_str(&gate);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Column, clear};

    /// One-bit full adder of a, b and a carry: sum and carry.
    const NEW: &str = "5 8\n2 2 1\n2 1 1\n\n2 1 0 1 3 XOR\n2 1 3 2 6 XOR\n2 1 0 1 4 AND\n\
                       2 1 3 2 5 AND\n2 1 4 5 7 XOR\n";
    const OLD: &str = "5 8\n2 1 2\n\n2 1 0 1 3 XOR\n2 1 3 2 6 XOR\n2 1 0 1 4 AND\n\
                       2 1 3 2 5 AND\n2 1 4 5 7 XOR\n";

    fn truth(circuit: &Circuit) -> Vec<Vec<u64>> {
        let column = |bit: usize| Column::bits((0..8).map(|row| row >> bit & 1 == 1));
        let inputs = BTreeMap::from([(0, vec![column(0), column(1)]), (1, vec![column(2)])]);
        clear(circuit, &inputs).unwrap().into_iter().map(|(_, _, c)| c.to_numbers()).collect()
    }

    #[test]
    fn both_forms_are_read_and_written() {
        let expected: Vec<Vec<u64>> = vec![
            (0..8_u64).map(|row| u64::from(row.count_ones() % 2)).collect(),
            (0..8_u64).map(|row| u64::from(row.count_ones() > 1)).collect(),
        ];
        for text in [NEW, OLD] {
            let circuit = Bristol::parse(text).unwrap().circuit(8, &[0, 1], 2).unwrap();
            assert_eq!(truth(&circuit), expected);
            for form in [Form::New, Form::Old] {
                let written = export(&circuit, form).unwrap();
                let again = Bristol::parse(&written).unwrap().circuit(8, &[0, 1], 2).unwrap();
                assert_eq!(truth(&again), expected, "{written}");
            }
        }
    }

    #[test]
    fn every_gate_of_the_new_form_is_read() {
        let text = "5 8\n2 2 1\n1 5\n\n1 1 1 3 EQ\n4 2 0 1 2 3 4 5 MAND\n1 1 4 6 INV\n\
                    1 1 5 7 EQW\n";
        // MAND sets two wires, so there is one line less than there are gates.
        let text = text.replacen("5 8", "4 8", 1);
        let circuit = Bristol::parse(&text).unwrap().circuit(8, &[0, 1], 2).unwrap();
        let opened = truth(&circuit);
        let and: Vec<u64> = (0..8).map(|row| row & (row >> 2) & 1).collect();
        assert_eq!(opened[0], [1; 8]);
        assert_eq!(opened[1], and);
        assert_eq!(opened[3], and.iter().map(|bit| 1 - bit).collect::<Vec<_>>());
        assert_eq!(opened[4], opened[2]);
    }

    #[test]
    fn files_that_contradict_themselves_are_refused_with_the_line_and_the_reason() {
        let most = "18446744073709551615";
        let old = "1 3\n1 1 1\n\n2 1 0 1 2 XOR\n";
        let new = "1 3\n1 2\n1 1\n\n2 1 0 1 2 XOR\n";
        assert!(Bristol::parse(old).is_ok() && Bristol::parse(new).is_ok());
        let gate = "2 1 0 1 2 XOR";
        let both = |from: &str, to: &str| [old.replace(from, to), new.replace(from, to)];
        for (texts, why) in [
            // Cut.
            (["1 3\n"; 2].map(str::to_owned), "ends too early"),
            (both(gate, ""), "ends"),
            (both("1 3\n", "2 4\n"), "1 of 2 gates"),
            (both("1 3\n", "1\n"), "line 1: the numbers of gates and wires"),
            // More than any machine has.
            (
                both("1 3\n", "1 99999999999\n"),
                "line 1: 1 gates and 99999999999 wires are too many",
            ),
            (both("1 3\n", &format!("{most} {most}\n")), "too many"),
            (both("1 3\n", "1 99999999999999999999999\n"), "not a number"),
            (both("1 3\n", "3 3\n"), "of 3 gates"),
            // Wires.
            (both(gate, "2 1 0 5 2 XOR"), "wire 5 is out of range: there are 3 wires, 0 to 2"),
            (both(gate, "2 1 0 2 2 XOR"), "wire 2 is used before"),
            (both(gate, &format!("2 1 0 {most} 2 XOR")), "is out of range"),
            (both(gate, "2 1 0 1 1 XOR"), "wire 1 is set already"),
            (both(gate, "2 1 0 1 3 XOR"), "wire 3 is out of range: there are 3 wires, 0 to 2"),
            (both("1 3\n", "1 4\n"), "wire 3 is never set"),
            // Gates.
            (both(gate, "2 1 0 1 2 NOR"), "no gate NOR"),
            (both(gate, "1 1 0 2 AND"), "no gate AND of this shape"),
            (both(gate, "3 1 0 1 2 XOR"), "other wires than the gate says"),
            (both(gate, &format!("{most} 1 0 1 2 XOR")), "other wires"),
            (both(gate, "2 1 0 x 2 XOR"), "\"x\" is not a number"),
            (both(gate, "2 1 0 1 2 XOR\n2 1 0 1 2 XOR"), "more than 1 gates"),
            (both(gate, "1 1 2 2 EQ"), "no gate EQ"),
            // Inputs and outputs.
            ([old.replace("1 1 1\n", "3 2 1\n"), new.replace("1 2\n", "1 9\n")], "more inputs"),
            ([old.replace("1 1 1\n", "1 1 9\n"), new.replace("1 1\n", "1 9\n")], "more outputs"),
            ([old.replace("1 1 1\n", "0 0 1\n"), new.replace("1 2\n", "0\n")], "goes in"),
            ([old.replace("1 1 1\n", "1 1 0\n"), new.replace("1 1\n", "0\n")], "comes out"),
            (
                [
                    old.replace("1 1 1\n", &format!("{most} {most} 1\n")),
                    new.replace("1 2\n", &format!("2 {most} {most}\n")),
                ],
                "more inputs",
            ),
            ([old.replace("1 1 1\n", "1 1\n"), new.replace("1 2\n", "3 2\n")], "due"),
        ] {
            for text in texts {
                let error = Bristol::parse(&text).unwrap_err().to_string();
                assert!(error.contains(why), "{text:?}: {error}, not {why}");
            }
        }
    }

    #[test]
    fn what_is_not_boolean_is_not_exported() {
        let mut b = Builder::new();
        let x: crate::Num = b.enter(0, 4);
        b.reveal(x, 1, "x");
        assert!(export(&b.finish(), Form::New).is_err());
    }
}
