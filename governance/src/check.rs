//! What a study must say so that it can be kept: names, keys, addresses, engines, bounds, dates.

use std::collections::{BTreeSet, HashSet};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tacit_plan::{Dictionary, Disclosure};

use crate::{
    Error, Result,
    document::{Document, FheTerms, Party, Role, STUDY_VERSION},
};

/// Most parties of a study: a session is a full mesh.
const MOST_PARTIES: usize = 64;
/// Largest bound on rows; sums and counts keep to 63 bits.
const MOST_ROWS: u64 = 1_000_000_000_000;
/// Longest that a question on `fhe` may wait, in days.
const MOST_WAIT_DAYS: u32 = 3650;
/// Largest result.
const MOST_CELLS: u64 = 10_000_000;

/// What follows from a sound document.
pub(crate) struct Checked {
    pub disclosure: Disclosure,
    pub from: Timestamp,
    pub until: Timestamp,
}

pub(crate) fn check(document: &Document) -> Result<Checked> {
    if document.version != STUDY_VERSION {
        return Err(version(document.version));
    }
    if document.name.trim().is_empty() || document.name.chars().count() > 200 {
        return refuse("name: give it one, of at most 200 letters");
    }
    parties(&document.parties)?;
    engines(document)?;
    bounds(document)?;
    let from = start(&document.valid_from, "valid_from")?;
    let until = end(&document.valid_until, "valid_until")?;
    if until < from {
        return refuse(format!(
            "valid_until {} lies before valid_from {}",
            document.valid_until, document.valid_from
        ));
    }
    let disclosure = document.disclosure.resolve()?;
    if document.tables.is_empty() {
        return refuse("tables: there is none; add at least one");
    }
    let dictionary = Dictionary { tables: document.tables.clone() };
    dictionary.validate()?;
    Ok(Checked { disclosure, from, until })
}

pub(crate) fn version(version: u32) -> Error {
    Error::study(format!("version {version} of the form; this build reads version {STUDY_VERSION}"))
}

fn refuse<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::study(what))
}

fn parties(parties: &[Party]) -> Result<()> {
    if parties.len() > MOST_PARTIES {
        return refuse(format!("{} parties; at most {MOST_PARTIES}", parties.len()));
    }
    let mut names = HashSet::new();
    let mut keys = HashSet::new();
    let mut addresses = HashSet::new();
    for party in parties {
        let name = &party.name;
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(legal) {
            return refuse(format!(
                "party {name:?}: a name is 1 to 32 of the letters a to z, 0 to 9 and -"
            ));
        }
        if !names.insert(name) {
            return refuse(format!("party {name:?}: two parties have this name"));
        }
        if !keys.insert(party.key) {
            let other = parties.iter().find(|other| other.key == party.key);
            return refuse(format!(
                "party {name:?}: it has the key of {:?}; every party has a key of its own",
                other.map_or("another", |other| &other.name)
            ));
        }
        match &party.address {
            Some(address) => {
                if let Some(what) = wrong_address(address) {
                    return refuse(format!("party {name:?}: address {address:?}: {what}"));
                }
                if !addresses.insert(address.to_ascii_lowercase()) {
                    return refuse(format!(
                        "party {name:?}: another party has the address {address:?}"
                    ));
                }
            }
            None if party.role != Role::Analyst => {
                return refuse(format!(
                    "party {name:?}: a {} needs an address, host:port",
                    party.role
                ));
            }
            None => {}
        }
    }
    let count = |role| parties.iter().filter(|party| party.role == role).count();
    if count(Role::Site) == 0 {
        return refuse("there is no site; add a [[party]] with role = \"site\"");
    }
    if count(Role::Analyst) == 0 {
        return refuse("there is no analyst; add a [[party]] with role = \"analyst\"");
    }
    if count(Role::Dealer) > 1 {
        return refuse("there is more than one dealer; name one");
    }
    Ok(())
}

/// What is wrong with `host:port`, if anything.
fn wrong_address(address: &str) -> Option<&'static str> {
    if address.parse::<std::net::SocketAddr>().is_ok_and(|address| address.port() != 0) {
        return None;
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Some("it has no port; write host:port");
    };
    if !port.parse::<u16>().is_ok_and(|number| number != 0) || port.starts_with('+') {
        return Some("its port is no number from 1 to 65535");
    }
    if host.contains(':') {
        return Some("write an IPv6 address in brackets, [::1]:port");
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    if host.is_empty() || host.len() > 253 || !host.chars().all(legal) {
        return Some("its host is no name or address");
    }
    None
}

fn engines(document: &Document) -> Result<()> {
    let engines = &document.engines;
    if engines.names().is_empty() {
        return refuse("engines: none is allowed; add [engines.rep3] or [engines.additive]");
    }
    for engine in engines.names() {
        let compute = engines.compute(engine).unwrap_or_default();
        let mut seen = BTreeSet::new();
        for name in compute {
            let at = format!("engines.{engine}: compute party {name:?}");
            let Some(party) = document.parties.iter().find(|party| party.name == *name) else {
                let names = document.parties.iter().map(|party| party.name.as_str());
                return refuse(format!(
                    "{at} is no party of the study{}",
                    tacit_plan::suggest::did_you_mean(name, names)
                ));
            };
            if party.role != Role::Site {
                return refuse(format!("{at} has the role {}; only sites compute", party.role));
            }
            if !seen.insert(name) {
                return refuse(format!("{at} is named twice"));
            }
        }
        let count = compute.len();
        match engine {
            "rep3" if count != 3 => {
                return refuse(format!(
                    "engines.rep3: {count} compute parties; it needs exactly 3"
                ));
            }
            "additive" if count < 2 => {
                return refuse(format!(
                    "engines.additive: {count} compute parties; it needs at least 2"
                ));
            }
            "clear" if count == 0 => {
                return refuse("engines.clear: no compute party; it needs at least 1");
            }
            _ => {}
        }
    }
    let dealer = document.parties.iter().any(|party| party.role == Role::Dealer);
    if let Some(fhe) = &engines.fhe {
        homomorphic(document, fhe, dealer)?;
    }
    if let Some(additive) = &engines.additive {
        if additive.triples != "dealer" {
            return refuse(format!(
                "engines.additive: triples = {:?} is not known; \"dealer\" is the one source there is",
                additive.triples
            ));
        }
        if !dealer {
            return refuse(
                "engines.additive: its triples come from a dealer, and no party has the role \
                 \"dealer\"; add one that holds no data",
            );
        }
    }
    Ok(())
}

/// The terms of `fhe`; its evaluator was looked at among the compute parties.
fn homomorphic(document: &Document, terms: &FheTerms, dealer: bool) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in &terms.holders {
        let at = format!("engines.fhe: key holder {name:?}");
        let party = document.parties.iter().find(|party| party.name == *name);
        let Some(party) = party else {
            let names = document.parties.iter().map(|party| party.name.as_str());
            let near = tacit_plan::suggest::did_you_mean(name, names);
            return refuse(format!("{at} is no party of the study{near}"));
        };
        if party.role != Role::Site {
            return refuse(format!("{at} has the role {}; only sites hold keys", party.role));
        }
        if !seen.insert(name) {
            return refuse(format!("{at} is named twice"));
        }
    }
    if terms.holders.len() < 2 {
        return refuse(format!(
            "engines.fhe: {} key holders; it needs at least 2, since one alone could decrypt \
             everything",
            terms.holders.len()
        ));
    }
    if terms.keys != "dealer" {
        return refuse(format!(
            "engines.fhe: keys = {:?} is not known; \"dealer\" is the one source there is",
            terms.keys
        ));
    }
    if !dealer {
        return refuse(
            "engines.fhe: its keys come from a dealer, and no party has the role \"dealer\"; add \
             one that holds no data",
        );
    }
    if !(1..=MOST_WAIT_DAYS).contains(&terms.wait_days()) {
        return refuse(format!(
            "engines.fhe: wait_days is {}; it is between 1 and {MOST_WAIT_DAYS}",
            terms.wait_days()
        ));
    }
    Ok(())
}

fn bounds(document: &Document) -> Result<()> {
    let rows = document.rows_at_most;
    let power = (0..=12).any(|power| 10_u64.pow(power) == rows);
    if !power {
        return refuse(format!(
            "rows_at_most is {rows}; it is a power of ten from 1 to {MOST_ROWS}, and no site has \
             more rows in a table"
        ));
    }
    if let Some(cells) = document.max_cells
        && (cells == 0 || cells > MOST_CELLS)
    {
        return refuse(format!("max_cells is {cells}; it is between 1 and {MOST_CELLS}"));
    }
    Ok(())
}

/// The moment, or the start of the day.
fn start(text: &str, field: &str) -> Result<Timestamp> {
    moment(text, field, |day| day.at(0, 0, 0, 0))
}

/// The moment, or the end of the day.
fn end(text: &str, field: &str) -> Result<Timestamp> {
    moment(text, field, |day| day.at(23, 59, 59, 999_999_999))
}

fn moment(text: &str, field: &str, of_day: fn(Date) -> jiff::civil::DateTime) -> Result<Timestamp> {
    let bare = text.len() == 10;
    let day = bare.then(|| text.parse::<Date>().ok()).flatten();
    let moment = match day {
        Some(day) => of_day(day).to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp()),
        None => text.parse::<Timestamp>().ok(),
    };
    moment.ok_or_else(|| {
        Error::study(format!(
            "{field} = {text:?} is neither a day (\"2027-12-31\") nor an RFC 3339 time with its \
             zone (\"2027-12-31T18:00:00Z\")"
        ))
    })
}
