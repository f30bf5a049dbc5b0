//! Readings of a circuit for people and for agreement: JSON, digest, a picture, its size.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Circuit, Kind, Op};

/// Size of a circuit, counted in instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// All instructions.
    pub instructions: usize,
    /// Those that are not linear.
    pub interactive: usize,
    /// Most instructions that are not linear on a path from an input to an opening.
    pub depth: usize,
    /// Instructions that are not linear, by their place on such a path.
    pub widths: Vec<usize>,
}

impl Op {
    /// Whether it is more than a linear map of shares: it enters, opens, multiplies or crosses
    /// between numbers and bits. An engine may still need no message for it.
    pub fn is_interactive(&self) -> bool {
        self.is_macro()
            || matches!(
                self,
                Self::Enter { .. }
                    | Self::Mul
                    | Self::Addend { .. }
                    | Self::Reveal { .. }
                    | Self::Block(_)
                    | Self::Sort(_)
                    | Self::Shuffle { .. }
                    | Self::Permute { .. }
                    | Self::OpenMasked
                    | Self::Open
            )
    }

    /// Name for people, with the parameters that are short.
    fn label(&self) -> String {
        match self {
            Self::Enter { holder, slot, .. } => format!("enter {slot} of party {holder}"),
            Self::Constant { value, .. } => format!("constant {value}"),
            Self::Random { .. } => "random".into(),
            Self::Add => "+".into(),
            Self::Sub => "-".into(),
            Self::Mul => "*".into(),
            Self::Scale(c) => format!("* {}", *c as i64),
            Self::Sum => "sum".into(),
            Self::PrefixSum => "prefix sum".into(),
            Self::Transpose { columns } => format!("transpose {columns} columns"),
            Self::Slice { start, rows } => format!("rows {start}..{}", start + rows),
            Self::Concat => "concat".into(),
            Self::Broadcast { .. } => "broadcast".into(),
            Self::Gather { .. } => "gather".into(),
            Self::Addend { index, .. } => format!("addend {index}"),
            Self::Reveal { to, name } => format!("reveal {name} to party {to}"),
            Self::Block(block) => format!("block in tiles of {} rows", block.tile),
            Self::Shuffle { permutation, inverse: false } => format!("shuffle {permutation}"),
            Self::Shuffle { permutation, .. } => format!("unshuffle {permutation}"),
            Self::Permute { inverse: false, .. } => "rows from an opened order".into(),
            Self::Permute { .. } => "rows to an opened order".into(),
            Self::Mask { width, .. } => format!("mask of {width} bits"),
            Self::OpenMasked => "open masked".into(),
            Self::Sort(sort) => format!("sort by {} bits", sort.width),
            Self::RowNumber { .. } => "row number".into(),
            Self::Open => "open".into(),
            Self::Argument { index, .. } => format!("argument {index}"),
            Self::ToBits { width } => format!("to {width} bits"),
            Self::ToNum => "to number".into(),
            Self::IsZero { width } => format!("{width} bits = 0"),
            Self::Less => "<".into(),
            Self::Equal => "=".into(),
            Self::Select => "select".into(),
        }
    }
}

impl Circuit {
    /// Canonical JSON (RFC 8785). Words are hexadecimal strings.
    pub fn json(&self) -> String {
        // Neither maps with odd keys nor floating numbers occur, so this cannot fail.
        serde_json_canonicalizer::to_string(self).unwrap_or_default()
    }

    /// SHA-256 of [`Circuit::json`]: what parties compare before they run it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.json()).into()
    }

    /// A picture for Graphviz: a node per instruction, boxes for those that are not linear.
    pub fn dot(&self) -> String {
        let mut text = String::from("digraph circuit {\n  rankdir=LR;\n  node [fontname=sans];\n");
        let mut maker = vec![0; self.shapes().len()];
        for (at, instruction) in self.instructions().iter().enumerate() {
            for id in crate::schedule::results(self, at) {
                maker[id] = at;
            }
            let label = instruction.op.label().replace('\\', "\\\\").replace('"', "\\\"");
            let shape = if instruction.op.is_interactive() { "box" } else { "ellipse" };
            let shown = instruction.args.first().copied().unwrap_or(instruction.first);
            let size = self.shapes().get(shown as usize).map_or(String::new(), |shape| {
                let kind = match shape.kind {
                    Kind::Num => "num",
                    Kind::Bit => "bit",
                    Kind::Field => "field",
                };
                format!("\\n{} {kind}", shape.rows)
            });
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  i{at} [shape={shape}, label=\"{label}{size}\"];");
            let mut from: Vec<usize> =
                instruction.args.iter().map(|&id| maker[id as usize]).collect();
            from.dedup();
            for from in from {
                let _ = writeln!(text, "  i{from} -> i{at};");
            }
        }
        text.push_str("}\n");
        text
    }

    /// Counts instructions, their longest chain and how many share a place on it.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { instructions: self.instructions().len(), ..Stats::default() };
        let mut depth = vec![0; self.shapes().len()];
        for (at, instruction) in self.instructions().iter().enumerate() {
            let mut own = instruction.args.iter().map(|&id| depth[id as usize]).max().unwrap_or(0);
            if instruction.op.is_interactive() {
                own += 1;
                stats.interactive += 1;
                if stats.widths.len() < own {
                    stats.widths.resize(own, 0);
                }
                stats.widths[own - 1] += 1;
            }
            depth[crate::schedule::results(self, at)].fill(own);
        }
        stats.depth = stats.widths.len();
        stats
    }
}

#[cfg(test)]
mod tests {
    use crate::{Builder, Circuit, Num};

    fn product(scale: u64) -> Circuit {
        let mut b = Builder::new();
        let (x, y): (Num, Num) = (b.enter(0, 3), b.enter(1, 3));
        let z = b.mul(x, y);
        let z = b.scale(z, scale);
        b.reveal(z, 2, "the \"product\"");
        b.finish()
    }

    #[test]
    fn digests_tell_large_words_apart() {
        let (a, b) = (product(1 << 60), product((1 << 60) + 1));
        assert_ne!(a.digest(), b.digest());
        assert_eq!(a.digest(), product(1 << 60).digest());
    }

    #[test]
    fn json_is_read_back_and_checked() {
        let circuit = product(5);
        let json = circuit.json();
        assert_eq!(serde_json::from_str::<Circuit>(&json).unwrap(), circuit);
        for (from, to) in [
            ("\"args\":[0,1]", "\"args\":[0,7]"),
            ("\"first\":1", "\"first\":0"),
            ("\"rows\":3", "\"rows\":4"),
            ("\"shapes\"", "\"unknown\""),
        ] {
            assert!(json.contains(from), "{json}");
            let altered = json.replacen(from, to, 1);
            assert!(serde_json::from_str::<Circuit>(&altered).is_err(), "{to}");
        }
    }

    #[test]
    fn stats_count_what_is_not_linear() {
        let stats = product(5).stats();
        assert_eq!((stats.instructions, stats.interactive, stats.depth), (5, 4, 3));
        assert_eq!(stats.widths, [2, 1, 1]);
    }

    #[test]
    fn a_picture_has_a_node_for_every_instruction() {
        let dot = product(5).dot();
        assert!(dot.starts_with("digraph circuit {"));
        assert_eq!(dot.matches("label=").count(), 5);
        assert_eq!(dot.matches("->").count(), 4);
        assert!(dot.contains("the \\\"product\\\""));
    }
}
