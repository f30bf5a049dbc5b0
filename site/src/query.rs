//! One question at one party, from `Ask` to `Done`.

use std::time::{Duration, Instant};

use tacit_governance::{
    Outcome, Party,
    session::{Ask, Code, Failure, LARGEST_SQL, Mismatch, Phase, Reply, SiteReport},
};
use tacit_mpc::Column;
use tacit_plan::{Digest, Plan};

use crate::{
    asker::Asker,
    joint::Joint,
    places::NoPlace,
    record::Notes,
    served::{Job, Served},
    service::Shared,
};

/// How long a party that has accepted waits for the start at most: other sites may still run their
/// local part, and the query may wait at the lead.
const PATIENCE: Duration = Duration::from_hours(1);

/// How long it waits for a word of the analyst's program, which says that it still waits.
const SILENCE: Duration = Duration::from_mins(1);

/// Answers one question of `analyst` to the end.
pub(crate) fn answer(shared: &Shared, served: &Served, analyst: &Party, ask: &Ask, asker: &Asker) {
    let mut notes = Notes::new(&shared.book, served, ask, analyst);
    let session = Digest(ask.session).short();
    let considered = if ask.sql.len() > LARGEST_SQL {
        let what =
            format!("the question has {} bytes; at most {LARGEST_SQL} are read", ask.sql.len());
        Err(Failure::new(Code::Query, what))
    } else {
        // To compile takes a core, so it waits its turn.
        let place = shared.compiling.take(|_| asker.wanted()).map_err(no_place);
        place.and_then(|_place| {
            served.consider(ask, analyst, shared.epoch, shared.guests.limits(), &shared.book)
        })
    };
    let job = match considered {
        Ok((job, held)) => {
            notes.held = held;
            job
        }
        Err(failure) => {
            shared.guests.refused(*analyst.key.as_bytes(), Instant::now());
            tracing::info!(%session, analyst = %analyst.name, code = %failure.code, "refused");
            if !ask.dry_run {
                let reason = format!("{}: {}", failure.code, failure.message);
                if let Err(error) = notes.write(None, None, Outcome::Refused { reason }) {
                    tracing::error!(%error, "the receipt of a refusal could not be written");
                }
            }
            return asker.tell(&Reply::Refused(failure));
        }
    };
    tracing::info!(
        %session, analyst = %analyst.name, engine = %job.engine, plan = %job.plan_digest.short(),
        "takes part"
    );
    if ask.dry_run {
        return asker.tell(&accepted(&job));
    }
    match take_part(shared, served, &notes, &job, asker) {
        Ok(report) => {
            tracing::info!(%session, rounds = report.rounds, sent = report.sent(), "done");
            asker.tell(&Reply::Done { report });
        }
        Err(failure) => {
            tracing::warn!(%session, code = %failure.code, culprit = ?failure.culprit, "failed");
            let outcome = match failure.code {
                Code::Cancelled => {
                    shared.guests.refused(*analyst.key.as_bytes(), Instant::now());
                    Outcome::Cancelled
                }
                code => Outcome::Failed { reason: format!("{code}: {}", failure.message) },
            };
            if let Err(error) = notes.write(Some(&job), None, outcome) {
                tracing::error!(%error, "the receipt of a failure could not be written");
            }
            asker.tell(&Reply::Failed(failure));
        }
    }
}

fn accepted(job: &Job) -> Reply {
    Reply::Accepted { agreement: job.agreement.clone(), bill: Digest::of_json(&job.bill) }
}

fn take_part(
    shared: &Shared,
    served: &Served,
    notes: &Notes<'_>,
    job: &Job,
    asker: &Asker,
) -> Result<SiteReport, Failure> {
    let begin = Instant::now();
    let inputs = local(shared, served, &job.plan, rounds(job), asker)?;
    let local = begin.elapsed().as_secs_f64();
    asker.tell(&accepted(job));
    let epochs = asker.start(PATIENCE, SILENCE)?;
    if epochs.len() != job.session.parties.len() || epochs[job.me()] != shared.epoch {
        let told = epochs.get(job.me()).copied().unwrap_or_default();
        return Err(Failure::from(Mismatch {
            what: "restart epoch".to_owned(),
            ours: shared.epoch.to_string(),
            theirs: told.to_string(),
        }));
    }
    // The lead alone holds a place while others are awaited, and never for longer than they may
    // take to open the link.
    let _place = if job.is_lead() {
        let mut told = None;
        let place = shared.joint.take(|ahead| {
            if told.replace(ahead) != Some(ahead) {
                asker.tell(&Reply::Queued { position: ahead as u32 });
            }
            asker.wanted()
        });
        Some(place.map_err(no_place)?)
    } else {
        None
    };
    asker.tell(&Reply::Progress { phase: Phase::Joint, round: 0, rounds: rounds(job) });
    let joint = Joint { endpoint: &shared.endpoint, notes, asker, job, epochs: &epochs, local };
    joint.run(inputs)
}

/// Rounds that the bill states for this party.
fn rounds(job: &Job) -> u64 {
    job.bill.parties.get(job.me()).map_or(0, |cost| cost.rounds)
}

pub(crate) fn no_place(no: NoPlace<Failure>) -> Failure {
    match no {
        NoPlace::GaveUp(failure) => failure,
        NoPlace::Full => Failure::new(Code::Busy, "as many queries wait as may; ask again later"),
    }
}

/// Runs the local part on this site's rows. A dealer has none.
pub(crate) fn local(
    shared: &Shared,
    served: &Served,
    plan: &Plan,
    rounds: u64,
    asker: &Asker,
) -> Result<Vec<Column>, Failure> {
    let Some(tables) = &served.tables else { return Ok(Vec::new()) };
    let _place = shared.local.take(|_| asker.wanted()).map_err(no_place)?;
    asker.tell(&Reply::Progress { phase: Phase::Local, round: 0, rounds });
    // Local errors name files and may quote what lies in them: they stay here.
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(plan = %plan.digest().short(), %error, "the local part");
        let what = "the site's data could not be read; its operator's log says why";
        Failure::new(Code::Data, what).by(&served.me.name)
    };
    let gone = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            if let Err(failure) = asker.wanted() {
                return failure;
            }
        }
    };
    let own = shared.runtime.block_on(async {
        tokio::select! {
            own = tacit_sql::run_local(tables, plan) => own.map_err(|error| failed(&error)),
            failure = gone => Err(failure),
        }
    })?;
    tacit_protocols::inputs(plan, &own).map_err(|error| failed(&error))
}
