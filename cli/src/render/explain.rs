//! `tacit explain` for people.

use std::fmt::Write as _;

use tacit_client::{Encrypted, EngineExplanation, Explanation, Learns, Stats};
use tacit_plan::{Plan, Rows};

use super::{number, table, value::printable};
use crate::terminal::Terminal;

/// Everything about a question, in sections.
pub fn text(explanation: &Explanation, terminal: &Terminal) -> String {
    let mut text = String::new();
    let plan = &explanation.plan;
    section(&mut text, "Question", terminal);
    indented(&mut text, plan.sql.trim());

    section(&mut text, "Plan", terminal);
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<14}{value}");
    };
    line("digest", &explanation.plan_digest.to_string());
    line("study", &explanation.study.to_string());
    line("transport", &explanation.transport.to_string());
    line("reads", &plan.columns.join(", "));
    line("keys", &keys(plan));
    line("result cells", &number::grouped(explanation.cells as u64));
    let counted = if plan.persons { "distinct persons of each site, summed" } else { "records" };
    line("counts", counted);

    section(&mut text, "Each site runs on its own rows", terminal);
    for query in &explanation.local {
        let rows = match query.rows {
            Rows::Cells => "-- one row for each group",
            Rows::Total => "-- one row",
        };
        indented(&mut text, &format!("{rows}\n{}", query.sql));
    }

    section(&mut text, "Circuit", terminal);
    let _ = writeln!(text, "  {}", stats(&explanation.circuit));

    let alike = explanation.engines.iter().all(|engine| engine.learns == explanation.learns);
    if alike {
        learns(&mut text, "Who learns what", &explanation.learns, terminal);
    } else {
        for engine in &explanation.engines {
            let title = format!("Who learns what on {}", engine.engine);
            learns(&mut text, &title, &engine.learns, terminal);
        }
    }

    for engine in &explanation.engines {
        section(&mut text, &format!("Cost on {}", engine.engine), terminal);
        text += &of_engine(engine, terminal);
    }
    for engine in &explanation.unpriced {
        section(&mut text, &format!("Cost on {}", engine.engine), terminal);
        indented(&mut text, &engine.reason);
    }
    list(&mut text, "What may be hidden", &explanation.may_be_hidden, terminal);
    list(&mut text, "What may surprise", &explanation.notes, terminal);
    text
}

fn learns(text: &mut String, title: &str, learns: &[Learns], terminal: &Terminal) {
    if learns.is_empty() {
        return;
    }
    section(text, title, terminal);
    for (who, what) in audiences(learns) {
        let _ = writeln!(text, "  {}", printable(&who));
        for what in what {
            let _ = writeln!(text, "    - {}", printable(what));
        }
    }
}

/// Those who learn the same, together.
pub fn audiences(learns: &[Learns]) -> Vec<(String, &[String])> {
    let mut together: Vec<(String, &[String])> = Vec::new();
    for one in learns {
        match together.iter_mut().find(|(_, what)| *what == one.what) {
            Some((who, _)) => *who = format!("{who}; {}", one.who),
            None => together.push((one.who.clone(), &one.what)),
        }
    }
    together
}

fn of_engine(engine: &EngineExplanation, terminal: &Terminal) -> String {
    let mut text = String::new();
    if let Some(encrypted) = &engine.encrypted {
        of_encrypted(&mut text, engine, encrypted, terminal);
        return text;
    }
    let _ = writeln!(text, "  security      {}", engine.security);
    if let Some(triples) = &engine.triples {
        let _ = writeln!(text, "  triples       {triples}");
    }
    let _ = writeln!(text, "  rounds        {}", number::grouped(engine.bill.rounds));
    let _ = writeln!(text, "  circuit       {}", engine.circuit);
    let _ = writeln!(text, "                {}", stats(&engine.stats));
    if engine.triples.is_some() {
        let _ = writeln!(
            text,
            "  material      {} of numbers, {} of bits",
            number::plural(engine.number_triples, "triple", "triples"),
            number::grouped(engine.bit_triples),
        );
    }
    let _ = writeln!(
        text,
        "  peak memory   {} of columns at a compute party",
        number::bytes(engine.peak_bytes)
    );
    expected(&mut text, engine);
    let rows: Vec<Vec<String>> = engine
        .bill
        .parties
        .iter()
        .map(|party| {
            vec![
                party.party.clone(),
                number::grouped(party.rounds),
                number::grouped(party.sent),
                number::grouped(party.received),
            ]
        })
        .collect();
    let header = ["party", "rounds", "bytes sent", "bytes received"];
    let parties = table::words(&header, &rows, &[1, 2, 3], terminal);
    text.push('\n');
    indented(&mut text, &parties);
    text
}

fn expected(text: &mut String, engine: &EngineExplanation) {
    for estimate in &engine.seconds {
        let _ = writeln!(
            text,
            "  expected      {:<9} on {} ({} ms one way, {} Mbit/s)",
            number::seconds(estimate.seconds),
            printable(&estimate.profile),
            estimate.latency_ms,
            estimate.mbit_per_s,
        );
    }
}

/// What is done on encrypted columns, which has phases instead of rounds.
fn of_encrypted(
    text: &mut String,
    engine: &EngineExplanation,
    encrypted: &Encrypted,
    terminal: &Terminal,
) {
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<14}{value}");
    };
    line("security", &engine.security);
    for (at, sentence) in encrypted.trust.iter().enumerate() {
        line(if at == 0 { "trusted" } else { "" }, &printable(sentence));
    }
    line("circuit", &engine.circuit.to_string());
    line("", &stats(&engine.stats));
    line(
        "phases",
        &format!(
            "enter, evaluate, decrypt: each waits for those before, up to {} in all, and parties \
             need not be there at the same time",
            number::plural(u64::from(encrypted.wait_days), "day", "days")
        ),
    );
    line(
        "squashed",
        &format!(
            "{} of five bits; what their decryption tells of the key is bounded by a statistical \
             distance of 2^{}",
            number::plural(encrypted.squashed as u64, "ciphertext", "ciphertexts"),
            encrypted.distance_bits
        ),
    );
    line("peak memory", &format!("{} where it is evaluated", number::bytes(engine.peak_bytes)));
    if let Some(time) = &encrypted.time {
        line(
            "expected",
            &format!(
                "{} at each site, {} at {}, {} at each key holder",
                number::seconds(time.enter),
                number::seconds(time.evaluator),
                encrypted.evaluator,
                number::seconds(time.holder)
            ),
        );
        for assumption in &time.assumptions {
            line("", &format!("- {}", printable(assumption)));
        }
    }
    expected(text, engine);
    let mut rows = Vec::new();
    for phase in &encrypted.phases {
        for (at, party) in phase.parties.iter().enumerate() {
            let bytes = |all: &[u64]| number::grouped(all.get(at).copied().unwrap_or(0));
            rows.push(vec![
                phase.phase.clone(),
                party.clone(),
                bytes(&phase.made),
                bytes(&phase.given),
            ]);
        }
    }
    // The analyst's program carries all of it.
    if let Some(analyst) = engine.bill.parties.last() {
        let bytes = [analyst.sent, analyst.received].map(number::grouped);
        rows.push([vec!["carry".to_owned(), analyst.party.clone()], bytes.to_vec()].concat());
    }
    let header = ["phase", "party", "bytes sent", "bytes received"];
    text.push('\n');
    indented(text, &table::words(&header, &rows, &[2, 3], terminal));
}

fn keys(plan: &Plan) -> String {
    if plan.keys.is_empty() {
        return "none: one row".into();
    }
    let keys = plan.keys.iter().map(|key| {
        format!("{} ({} values)", key.expression, number::grouped(key.domain.len() as u64))
    });
    keys.collect::<Vec<_>>().join(", ")
}

fn stats(stats: &Stats) -> String {
    let widths = stats.widths.iter().map(|width| {
        format!(
            "{} {} of {}",
            number::grouped(width.columns as u64),
            width.kind,
            number::plural(width.rows as u64, "row", "rows")
        )
    });
    format!(
        "{} instructions, depth {}; columns: {}",
        number::grouped(stats.instructions as u64),
        stats.depth,
        widths.collect::<Vec<_>>().join(", "),
    )
}

fn section(text: &mut String, title: &str, terminal: &Terminal) {
    if !text.is_empty() {
        text.push('\n');
    }
    if terminal.color {
        let _ = writeln!(text, "\u{1b}[1m{title}\u{1b}[0m");
    } else {
        let _ = writeln!(text, "{title}");
    }
}

fn list(text: &mut String, title: &str, lines: &[String], terminal: &Terminal) {
    if lines.is_empty() {
        return;
    }
    section(text, title, terminal);
    for line in lines {
        let _ = writeln!(text, "  - {}", printable(line));
    }
}

fn indented(text: &mut String, block: &str) {
    for line in block.lines() {
        let line = line.replace('\t', "    ");
        let _ = writeln!(text, "{}", format!("  {}", printable(&line)).trim_end());
    }
}
