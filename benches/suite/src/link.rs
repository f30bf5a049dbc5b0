//! [`LinkKind`]: what carries the frames.

use std::{str::FromStr, time::Duration};

use tacit_net::{Profile, mesh::Transport};

use crate::{Error, Result, record::LinkRecord};

/// What carries the frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkKind {
    /// Threads of one process.
    Memory,
    /// QUIC on loopback.
    Quic,
    /// TLS over TCP on loopback.
    Tcp,
    /// In memory, with the time that a network would take added.
    Simulated(Profile),
}

impl LinkKind {
    /// As it stands in names of records.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Memory => "memory".into(),
            Self::Quic => "quic".into(),
            Self::Tcp => "tcp".into(),
            Self::Simulated(profile) if profile == Profile::LAN => "simulated-lan".into(),
            Self::Simulated(profile) if profile == Profile::WAN => "simulated-wan".into(),
            Self::Simulated(profile) => {
                let (ms, mbit) = numbers(profile);
                format!("simulated-{ms}ms-{mbit}mbit")
            }
        }
    }

    /// What carries the frames where they leave the process.
    pub(crate) fn transport(self) -> Option<Transport> {
        match self {
            Self::Quic => Some(Transport::Quic),
            Self::Tcp => Some(Transport::Tcp),
            Self::Memory | Self::Simulated(_) => None,
        }
    }

    /// As it stands in records.
    pub(crate) fn record(self) -> LinkRecord {
        match self {
            Self::Memory => LinkRecord::Memory,
            Self::Quic => LinkRecord::Quic,
            Self::Tcp => LinkRecord::Tcp,
            Self::Simulated(profile) => {
                let (one_way_ms, mbit_per_s) = numbers(profile);
                LinkRecord::Simulated { one_way_ms, mbit_per_s }
            }
        }
    }
}

impl From<Transport> for LinkKind {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Quic => Self::Quic,
            Transport::Tcp => Self::Tcp,
        }
    }
}

fn numbers(profile: Profile) -> (f64, f64) {
    (profile.one_way.as_secs_f64() * 1e3, profile.bits_per_second / 1e6)
}

impl LinkKind {
    /// Several, separated by commas; a network by its figures may have a comma of its own, as in
    /// `memory,35,50,wan`, which are three.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn list(text: &str) -> Result<Vec<Self>> {
        let number = |word: &str| word.trim().parse::<f64>().is_ok();
        let mut words = text.split(',').peekable();
        let mut links = Vec::new();
        while let Some(word) = words.next() {
            let rest = if number(word) { words.next_if(|next| number(next)) } else { None };
            links.push(match rest {
                Some(rest) => format!("{word},{rest}").parse()?,
                None => word.trim().parse()?,
            });
        }
        Ok(links)
    }
}

/// `memory`, `quic`, `tcp`, `lan`, `wan`, or `ONE-WAY-MS,MBIT`, also written with a slash.
impl FromStr for LinkKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let own = || {
            let (ms, mbit) = text.split_once([',', '/'])?;
            let [ms, mbit] = [ms, mbit].map(|word| word.trim().parse::<f64>().ok());
            let (ms, mbit) = (ms?, mbit?);
            let sound = (0.0..=60_000.0).contains(&ms) && (1e-3..=1e9).contains(&mbit);
            sound.then(|| Profile {
                one_way: Duration::from_secs_f64(ms / 1e3),
                bits_per_second: mbit * 1e6,
            })
        };
        match text {
            "memory" => Ok(Self::Memory),
            "quic" => Ok(Self::Quic),
            "tcp" => Ok(Self::Tcp),
            "lan" => Ok(Self::Simulated(Profile::LAN)),
            "wan" => Ok(Self::Simulated(Profile::WAN)),
            _ => own().map(Self::Simulated).ok_or_else(|| Error::Unknown {
                what: "link",
                name: text.to_owned(),
                known: "memory, quic, tcp, lan, wan, and ONE-WAY-MS,MBIT such as 35,50 or 35/50"
                    .into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_by_name_or_by_figures() {
        assert_eq!("quic".parse::<LinkKind>().unwrap(), LinkKind::Quic);
        assert_eq!("tcp".parse::<LinkKind>().unwrap(), LinkKind::Tcp);
        for text in ["35, 50", "35/50", "35,50"] {
            let own = text.parse::<LinkKind>().unwrap();
            assert_eq!(own.name(), "simulated-35ms-50mbit", "{text}");
        }
        for bad in ["", "quick", "1", "-1,5", "1,0", "nan,5", "1/2/3"] {
            assert!(bad.parse::<LinkKind>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_of_links_may_hold_figures_with_either_mark() {
        let names = |text: &str| -> Vec<String> {
            LinkKind::list(text).unwrap().into_iter().map(LinkKind::name).collect()
        };
        let all = ["memory", "simulated-35ms-50mbit", "simulated-1ms-2mbit", "simulated-wan"];
        assert_eq!(names("memory,35,50,1/2, wan"), all);
        assert_eq!(names("35,50,1,2").len(), 2);
        for bad in ["", "memory,", "35", "35,50,7", "memory,35", "35,quic"] {
            assert!(LinkKind::list(bad).is_err(), "{bad}");
        }
    }
}
