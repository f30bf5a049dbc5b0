//! The figures to reach, and how far a folder of records gets.
//!
//! [`BARS`] is the list; [`rows`] sets a folder of records beside it. A row whose task or link does
//! not exist in this program says so and fills itself in as soon as one of that name does.

use crate::{LinkKind, Record, Task, record::LinkRecord};

/// Where the figures of [`Bar::elsewhere`] come from.
pub const ELSEWHERE: &str = "MP-SPDZ 0.4, three-party replicated secret sharing, measured elsewhere: \
    two cores with AVX-512 and VAES, all parties on one machine, TLS on loopback, bytes sent per \
    party. It did not run beside the records here.";

/// A figure to reach on `rep3`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// What is measured, in words.
    pub what: &'static str,
    /// Name of its task.
    pub task: &'static str,
    /// Rows.
    pub n: u64,
    /// Its link, as on the command line.
    pub link: &'static str,
    /// The time or rate.
    pub goal: Goal,
    /// Bytes that a party may send for each row.
    pub bytes: Option<f64>,
    /// Rounds that it may take, openings not counted.
    pub rounds: Option<u64>,
    /// Bytes of memory that a party may take.
    pub memory: Option<u64>,
    /// What another system reached; see [`ELSEWHERE`].
    pub elsewhere: Option<&'static str>,
}

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// So many in a second.
    Rate(f64),
    /// All rows within these seconds.
    Seconds(f64),
    /// Each within these seconds.
    Each(f64),
    /// This part of what the same library moves in a second without anything around it.
    Transfer(f64),
}

const NONE: Bar = Bar {
    what: "",
    task: "",
    n: 0,
    link: "memory",
    goal: Goal::Rate(0.0),
    bytes: None,
    rounds: None,
    memory: None,
    elsewhere: None,
};

/// All of them.
pub const BARS: [Bar; 12] = [
    Bar {
        what: "product modulo 2^64",
        task: "mul",
        n: 10_000_000,
        goal: Goal::Rate(140e6),
        ..NONE
    },
    Bar {
        what: "product modulo 2^64 over QUIC",
        task: "mul",
        n: 10_000_000,
        link: "quic",
        goal: Goal::Transfer(0.75),
        elsewhere: Some("20 to 33 M/s"),
        ..NONE
    },
    Bar {
        what: "product modulo 2^64 over TCP with TLS",
        task: "mul",
        n: 10_000_000,
        link: "tcp",
        goal: Goal::Transfer(0.75),
        elsewhere: Some("20 to 33 M/s"),
        ..NONE
    },
    Bar { what: "AND of bits", task: "and", n: 640_000_000, goal: Goal::Rate(8.5e9), ..NONE },
    Bar {
        what: "64-bit less-than-zero",
        task: "ltz",
        n: 1_000_000,
        goal: Goal::Rate(25e6),
        bytes: Some(31.0),
        rounds: Some(8),
        elsewhere: Some("3.1 M/s, 38 B, 9 rounds"),
        ..NONE
    },
    Bar {
        what: "64-bit less-than-zero over QUIC",
        task: "ltz",
        n: 1_000_000,
        link: "quic",
        goal: Goal::Rate(5e6),
        bytes: Some(31.0),
        rounds: Some(8),
        elsewhere: Some("3.1 M/s, 38 B, 9 rounds"),
        ..NONE
    },
    Bar {
        what: "64-bit equality to zero",
        task: "eqz",
        n: 1_000_000,
        goal: Goal::Rate(25e6),
        elsewhere: Some("0.72 M/s"),
        ..NONE
    },
    Bar {
        what: "20-bit comparison",
        task: "less-20",
        n: 1_000_000,
        goal: Goal::Rate(75e6),
        bytes: Some(9.0),
        rounds: Some(7),
        ..NONE
    },
    Bar {
        what: "stable sort, 32-bit keys, one payload column",
        task: "sort",
        n: 1_000_000,
        goal: Goal::Seconds(4.0),
        bytes: Some(600.0),
        rounds: Some(300),
        memory: Some(1_000_000_000),
        elsewhere: Some("38.5 s, 3,344 B, 74,480 rounds, 2.8 GB"),
        ..NONE
    },
    Bar {
        what: "shuffle of rows of 64 bits",
        task: "shuffle",
        n: 10_000_000,
        goal: Goal::Seconds(2.0),
        ..NONE
    },
    Bar {
        what: "AES-128 from its Bristol circuit",
        task: "aes",
        n: 1000,
        goal: Goal::Seconds(0.1),
        ..NONE
    },
    Bar {
        what: "dispatch of one instruction on one word",
        task: "dispatch",
        n: 1,
        goal: Goal::Each(1.3e-6),
        ..NONE
    },
];

impl Bar {
    /// Whether this program has the task and the link.
    pub fn built(&self) -> bool {
        Task::named(self.task).is_ok() && self.link.parse::<LinkKind>().is_ok()
    }

    /// Whether a record measures this.
    fn fits(&self, record: &Record) -> bool {
        if record.peers.is_some() {
            return false;
        }
        let link = match record.link {
            LinkRecord::Memory => "memory",
            LinkRecord::Quic => "quic",
            LinkRecord::Tcp => "tcp",
            LinkRecord::Simulated { .. } => return false,
        };
        (record.engine.as_str(), record.task.as_str(), record.n, link)
            == ("rep3", self.task, self.n, self.link)
    }
}

/// One bar and what became of it.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The bar.
    pub bar: &'static Bar,
    /// What became of it.
    pub state: State<'a>,
}

/// What became of a bar.
#[derive(Clone, Debug)]
pub enum State<'a> {
    /// This program has no such task or link.
    NotBuilt,
    /// There is no record.
    NotMeasured,
    /// There is one.
    Measured(Reached<'a>),
}

impl State<'_> {
    /// In a word or two.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotBuilt => "not built yet",
            Self::NotMeasured => "not measured",
            Self::Measured(reached) if reached.record.build.profile != "release" => "debug build",
            Self::Measured(reached) if reached.met() => "met",
            Self::Measured(_) => "missed",
        }
    }
}

/// A measured figure beside its bar.
#[derive(Clone, Copy, Debug)]
pub struct Reached<'a> {
    bar: &'static Bar,
    /// Its record.
    pub record: &'a Record,
}

impl Reached<'_> {
    /// What it is measured against.
    pub fn bar(&self) -> &'static Bar {
        self.bar
    }

    /// In the unit of the bar; nothing where the record lacks the reference.
    pub fn value(&self) -> Option<f64> {
        let record = self.record;
        Some(match self.bar.goal {
            Goal::Rate(_) => record.per_second(),
            Goal::Seconds(_) => record.online.seconds.median,
            Goal::Each(_) => 1.0 / record.per_second(),
            Goal::Transfer(_) => {
                let bytes: u64 = record.online.bytes_sent.iter().sum();
                let bare = record.reference(&format!("{}-transfer", self.bar.link))?;
                bytes as f64 / record.online.seconds.median / 1e9 / bare.value
            }
        })
    }

    /// How far it gets: 1 and more is the bar or better.
    pub fn ratio(&self) -> Option<f64> {
        let value = self.value()?;
        Some(match self.bar.goal {
            Goal::Rate(due) | Goal::Transfer(due) => value / due,
            Goal::Seconds(due) | Goal::Each(due) => due / value,
        })
    }

    /// Bytes that the busiest party sends for each row.
    pub fn bytes(&self) -> f64 {
        self.record.busiest() as f64 / self.record.done()
    }

    /// Online rounds without openings, in whole columns.
    pub fn rounds(&self) -> u64 {
        self.record.whole_rounds
    }

    /// Whether time, bytes, rounds and memory all are at the bar or better. Half a byte for a
    /// thousand rows is left for the check values that are opened.
    pub fn met(&self) -> bool {
        let bar = self.bar;
        self.ratio().is_some_and(|ratio| ratio >= 1.0)
            && bar.bytes.is_none_or(|due| self.bytes() <= due + 5e-4)
            && bar.rounds.is_none_or(|due| self.rounds() <= due)
            && bar.memory.is_none_or(|due| self.record.peak_bytes.measured <= due)
    }
}

/// Every bar beside the records.
pub fn rows(records: &[Record]) -> Vec<Row<'_>> {
    let row = |bar: &'static Bar| {
        let state = match records.iter().find(|record| bar.fits(record)) {
            Some(record) => State::Measured(Reached { bar, record }),
            None if bar.built() => State::NotMeasured,
            None => State::NotBuilt,
        };
        Row { bar, state }
    };
    BARS.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use tacit_mpc::EngineKind;

    use super::*;
    use crate::{Plain, References, Setting, Work, csv, html, markdown, record::Spread};

    fn record(task: &str, link: &str) -> Record {
        let references = References {
            aes: 1e9,
            copy: 1e9,
            quic: Plain { transfer: 1e9, round: 1e-4 },
            tcp: Plain { transfer: 1e9, round: 1e-4 },
            parties: 3,
        };
        let work = Work::Task(Task::named(task).unwrap());
        let link = link.parse().unwrap();
        let setting = Setting {
            work,
            n: 10_000,
            engine: EngineKind::Rep3,
            parties: 3,
            link,
            repeat: 1,
            time: None,
        };
        setting.measure(&references).unwrap()
    }

    /// The record, as if it had been so many rows in such a time.
    fn scaled(mut record: Record, n: u64, seconds: f64) -> Record {
        let factor = n / record.n;
        record.n = n;
        record.online.seconds = Spread::of(vec![seconds]);
        record.build.profile = "release".into();
        record.online.bytes_sent.iter_mut().for_each(|bytes| *bytes *= factor);
        record
    }

    fn state<'a>(rows: &'a [Row<'_>], task: &str, link: &str) -> &'a State<'a> {
        &rows.iter().find(|row| (row.bar.task, row.bar.link) == (task, link)).unwrap().state
    }

    #[test]
    fn a_bar_says_whether_it_is_met_missed_not_measured_or_not_built() {
        let fast = scaled(record("mul", "memory"), 10_000_000, 0.1);
        let slow = scaled(record("and", "memory"), 640_000_000, 10.0);
        let small = record("eqz", "memory");
        let additive = Record { engine: "additive".into(), ..record("less-20", "memory") };
        let records = [fast, slow, small, scaled(additive, 1_000_000, 1e-6)];
        let rows = rows(&records);
        assert_eq!(rows.len(), BARS.len());
        assert_eq!(state(&rows, "mul", "memory").word(), "met");
        let mut debug = records[0].clone();
        debug.build.profile = "debug".into();
        let of_debug = super::rows(std::slice::from_ref(&debug));
        assert_eq!(state(&of_debug, "mul", "memory").word(), "debug build");
        assert_eq!(state(&rows, "and", "memory").word(), "missed");
        assert_eq!(state(&rows, "eqz", "memory").word(), "not measured", "other rows");
        assert_eq!(state(&rows, "less-20", "memory").word(), "not measured", "another engine");
        assert_eq!(state(&rows, "mul", "quic").word(), "not measured", "another link");
        for row in &rows {
            let built = row.bar.built();
            assert_eq!(matches!(row.state, State::NotBuilt), !built, "{}", row.bar.task);
        }
        let other = Bar { task: "no such task", ..BARS[0] };
        assert!(!other.built() && !Bar { link: "pigeons", ..BARS[0] }.built());
    }

    #[test]
    fn a_transfer_is_set_beside_the_bare_one_of_the_same_run() {
        // Four products of 8 bytes at three parties: 960 MB in a second, beside 1 GB/s.
        let record = scaled(record("mul", "quic"), 10_000_000, 1.0);
        let rows = rows(std::slice::from_ref(&record));
        let State::Measured(reached) = state(&rows, "mul", "quic") else { panic!("not measured") };
        assert!((reached.value().unwrap() - 0.96).abs() < 1e-3, "{:?}", reached.value());
        assert!((reached.ratio().unwrap() - 0.96 / 0.75).abs() < 1e-3);
    }

    #[test]
    fn bytes_rounds_and_memory_above_the_bar_miss_it_however_fast_it_is() {
        let good = scaled(record("ltz", "memory"), 1_000_000, 0.001);
        let met = |record: &Record| {
            let rows = rows(std::slice::from_ref(record));
            state(&rows, "ltz", "memory").word() == "met"
        };
        assert!(met(&good), "{good:?}");
        let mut many = good.clone();
        many.online.bytes_sent[0] = 32_000_000;
        let mut long = good.clone();
        long.whole_rounds = 9;
        assert!(!met(&many) && !met(&long));
    }

    #[test]
    fn every_bar_is_in_every_report_whatever_was_measured() {
        let measured = scaled(record("mul", "memory"), 10_000_000, 0.1);
        let records = [record("mul", "memory"), measured];
        for text in [html(&records), markdown(&records)] {
            for bar in BARS {
                assert!(text.contains(&format!("{}: {}", bar.task, bar.what)), "{}", bar.what);
            }
            assert!(text.contains("not measured") && text.contains("measured elsewhere"));
            assert!(text.contains("aes 1.0 GB/s, copy 1.0 GB/s, quic-transfer 1.0 GB/s"), "{text}");
        }
        let table = csv(&records);
        // A heading, two records, and every bar but the one that has a record.
        assert_eq!(table.lines().count(), 1 + 2 + BARS.len() - 1);
        let columns = table.lines().map(|line| line.split('"').step_by(2).collect::<String>());
        let columns: Vec<usize> = columns.map(|line| line.matches(',').count()).collect();
        assert!(columns.iter().all(|count| *count == columns[0]), "{table}");
        assert!(table.contains(",met,140000000,1/s,"), "{table}");
    }
}
