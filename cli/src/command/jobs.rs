//! Questions on `fhe` that are still open: `tacit query --jobs`, `--resume` and `--give-up`.

use tacit_client::{Backend, Client};

#[cfg(feature = "fhe")]
use crate::error::Exit;
use crate::{
    context::Context,
    error::{Failure, Result},
    render::Format,
};

/// Letters of a session that people are shown; fewer will do where they are enough.
pub const SHORT: usize = 8;

/// The start of a session's identifier.
pub fn short(session: &str) -> &str {
    session.get(..SHORT).unwrap_or(session)
}

/// Lists the open questions, for people or as JSON.
///
/// # Errors
/// If one cannot be read; that there is no such list in this format.
#[cfg(feature = "fhe")]
pub fn list(client: &Client, format: Format, context: &Context) -> Result<()> {
    let jobs = client.open_jobs()?;
    match format {
        Format::Table => context.print(&text(&jobs))?,
        Format::Json => context.write(|out| {
            serde_json::to_writer_pretty(&mut *out, &jobs)?;
            writeln!(out)
        })?,
        Format::Csv | Format::Ndjson | Format::Md => {
            let message = "--jobs is written as table or as json";
            return Err(Failure::new(Exit::Usage, "usage", message));
        }
    }
    if jobs.is_empty() {
        context.note("no question on fhe is open");
    }
    Ok(())
}

/// Ends an open question at all parties.
///
/// # Errors
/// If there is none, or its folder cannot be removed.
#[cfg(feature = "fhe")]
pub fn give_up(client: &Client, session: &str, context: &Context) -> Result<()> {
    use std::fmt::Write as _;

    let given_up = client.give_up(session)?;
    let mut text = format!("gave up {}\n", short(&given_up.session));
    if !given_up.told.is_empty() {
        let _ = writeln!(text, "  told: {}", given_up.told.join(", "));
    }
    for (party, why) in &given_up.not_told {
        let _ = writeln!(
            text,
            "  not told: {party} ({}); it forgets the question when the study's days of waiting are \
             over",
            crate::render::value::printable(why)
        );
    }
    context.print(&text)
}

#[cfg(feature = "fhe")]
fn text(jobs: &[tacit_client::OpenJob]) -> String {
    use std::fmt::Write as _;

    use crate::render::value::printable;

    let mut text = String::new();
    for job in jobs {
        let words = job.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "{}  {}  {}", short(&job.session), job.asked, printable(&words));
        let _ = writeln!(text, "          study {}", printable(&job.study.display().to_string()));
        let state = match (&job.missing[..], job.overdue) {
            ([], _) => "everything is there: --resume puts the answer together".to_owned(),
            (missing, false) => format!("waits for {}", missing.join(", ")),
            (missing, true) => format!(
                "has ended after {} days; what was missing: {}",
                job.wait_days,
                missing.join(", ")
            ),
        };
        let _ = writeln!(text, "          {}", printable(&state));
    }
    text
}

/// Without homomorphic evaluation there are none.
///
/// # Errors
/// Always: how to build it.
#[cfg(not(feature = "fhe"))]
pub fn list(_: &Client, _: Format, _: &Context) -> Result<()> {
    lacking()
}

/// As [`list`].
///
/// # Errors
/// Always: how to build it.
#[cfg(not(feature = "fhe"))]
pub fn give_up(_: &Client, _: &str, _: &Context) -> Result<()> {
    lacking()
}

/// Says that this binary has no homomorphic evaluation, if it has none.
///
/// # Errors
/// How to build it.
pub fn lacking() -> Result<()> {
    Backend::Fhe.require_built().map_err(Failure::from)
}

#[cfg(all(test, feature = "fhe"))]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_each_question_waits_for() {
        let job = tacit_client::OpenJob {
            session: "ab".repeat(32),
            sql: "SELECT COUNT(*)\n  FROM visits".into(),
            study: "study.toml".into(),
            asked: "2026-01-02T03:04:05Z".into(),
            wait_days: 30,
            missing: vec!["the upload of north".into(), "the part of south".into()],
            overdue: false,
        };
        let over = tacit_client::OpenJob { overdue: true, ..job.clone() };
        let done = tacit_client::OpenJob { missing: vec![], ..job.clone() };
        let text = text(&[job, over, done]);
        assert!(text.starts_with("abababab  2026-01-02T03:04:05Z  SELECT COUNT(*) FROM visits\n"));
        assert!(text.contains("waits for the upload of north, the part of south"), "{text}");
        assert!(text.contains("has ended after 30 days"), "{text}");
        assert!(text.contains("everything is there"), "{text}");
    }
}
