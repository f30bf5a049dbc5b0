//! What is measured when nobody says what: every bar, and every other task on fewer rows.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tacit_mpc::EngineKind;

use crate::{Error, LinkKind, Result, Setting, TASKS, Work, bars::BARS};

/// Rows of a task that no bar asks for.
const MODERATE: usize = 100_000;

/// How long a run of the suite may take: two minutes below the ten that are promised, since a
/// repetition that has begun is ended.
pub const BUDGET: Duration = Duration::from_mins(8);

/// A bar of at least so many rows, in memory, is measured on a tenth and a hundredth of them as
/// well, so that a report can draw time by rows.
const LONG: u64 = 1_000_000;

/// Every bar whose task and link exist, those in memory on fewer rows too, then the tasks that no
/// bar asks for, on `rep3`.
pub fn suite(repeat: usize) -> Vec<Setting> {
    let setting = |work: Work, n: usize, link: LinkKind| Setting {
        work,
        n,
        engine: EngineKind::Rep3,
        parties: 3,
        link,
        repeat,
        time: None,
    };
    let mut all = Vec::new();
    for bar in &BARS {
        if let (Ok(work), Ok(link)) = (Work::named(bar.task), bar.link.parse()) {
            if link == LinkKind::Memory && bar.n >= LONG {
                for part in [100, 10] {
                    all.push(setting(work.clone(), bar.n as usize / part, link));
                }
            }
            all.push(setting(work, bar.n as usize, link));
        }
    }
    for &task in TASKS {
        if BARS.iter().all(|bar| bar.task != task.name) {
            all.push(setting(Work::Task(task), task.n.min(MODERATE), LinkKind::Memory));
        }
    }
    all
}

/// Refuses settings of which one would overwrite the record of another.
///
/// # Errors
/// [`Error::Twice`] with the first such name.
pub fn distinct(settings: &[Setting]) -> Result<()> {
    let mut files = BTreeSet::new();
    match settings.iter().find(|setting| !files.insert(setting.file_name())) {
        Some(setting) => Err(Error::Twice { name: setting.name() }),
        None => Ok(()),
    }
}

/// Hands out the time of a run: each measurement gets an equal share of what is left, so that what
/// the quick ones leave over goes to the slow ones after them.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    until: Instant,
}

impl Budget {
    /// From now on.
    pub fn new(time: Duration) -> Self {
        Self { until: Instant::now() + time }
    }

    /// The time of the next measurement, when so many are left with it.
    pub fn share(&self, left: usize) -> Duration {
        let rest = self.until.saturating_duration_since(Instant::now());
        rest / u32::try_from(left.max(1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_has_every_bar_that_can_be_measured_and_every_task_once() {
        let names: Vec<String> = suite(3).iter().map(Setting::name).collect();
        for bar in BARS.iter().filter(|bar| bar.built()) {
            let name = format!("rep3/{}/{}/{}", bar.task, bar.n, bar.link);
            assert!(names.contains(&name), "{name}");
        }
        for task in TASKS {
            assert!(names.iter().any(|name| name.contains(&format!("/{}/", task.name))));
        }
        assert!(names.contains(&"rep3/ltz/10000/memory".to_owned()), "time by rows: {names:?}");
        distinct(&suite(3)).unwrap();
    }

    #[test]
    fn settings_of_which_one_would_overwrite_the_record_of_another_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = |path: &str, gate: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, format!("1 3\n1 1 1\n\n2 1 0 1 2 {gate}\n")).unwrap();
            Work::File(crate::File::read(&path).unwrap())
        };
        let setting = |work| Setting { work, n: 100, ..suite(1).remove(0) };
        let first = setting(file("a/c d.txt", "AND"));
        for other in ["b/c d.txt", "b/c_d.txt"] {
            let error = distinct(&[first.clone(), setting(file(other, "XOR"))]).unwrap_err();
            assert!(error.to_string().contains("rep3/circuit-c"), "{error}");
        }
        distinct(&[first.clone(), setting(file("b/d.txt", "XOR"))]).unwrap();
        distinct(&[first.clone(), Setting { n: 200, ..first.clone() }]).unwrap();
        assert!(distinct(&[first.clone(), first]).is_err());
    }

    #[test]
    fn what_is_left_of_the_time_is_shared_out() {
        let budget = Budget::new(Duration::from_mins(1));
        let share = budget.share(4);
        assert!(share <= Duration::from_secs(15) && share > Duration::from_secs(14), "{share:?}");
        assert!(budget.share(0) > Duration::from_secs(59));
        assert_eq!(Budget::new(Duration::ZERO).share(3), Duration::ZERO);
    }
}
