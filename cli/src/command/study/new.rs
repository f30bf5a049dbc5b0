//! `tacit study new`: merges the sites' dictionaries.

use std::path::{Path, PathBuf};

use clap::Args;
use tacit_governance::{Document, Party, PublicKey, Role, STUDY_VERSION, Study, Timestamp};
use tacit_plan::{Dictionary, DisclosureTerms};

use crate::{
    context::Context,
    engines::{self, FheOptions},
    error::{Exit, Failure, Result},
    sandbox::{day, power_of_ten},
};

/// Arguments of `tacit study new`.
#[derive(Debug, Args)]
#[command(after_help = "\
KEY is a public key (ed25519:...) or the file that holds one (tacit key new writes FILE.pub).
DICTIONARY is what tacit dictionary infer wrote at the site; a site may give several, joined by +.
Categories and ranges of the sites are united.

Example:
  tacit study new --name \"Diabetes 2026\" \\
      --site north=north.pub,north.example.org:4433,north.toml \\
      --site south=south.pub,south.example.org:4433,south.toml \\
      --site east=east.pub,east.example.org:4433,east.toml \\
      --analyst ana=ana.pub --engines rep3 --valid-until 2027-12-31 --output study.toml")]
pub struct Arguments {
    /// Its name, for people
    #[arg(long)]
    name: String,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// A site; may be given several times, and the order is kept
    #[arg(long, value_name = "NAME=KEY,ADDRESS,DICTIONARY", required = true)]
    site: Vec<String>,
    /// Who may ask; may be given several times
    #[arg(long, value_name = "NAME=KEY", required = true)]
    analyst: Vec<String>,
    /// Who deals the triples of the engine additive and makes the keys of fhe; it must not work
    /// together with a site
    #[arg(long, value_name = "NAME=KEY,ADDRESS")]
    dealer: Option<String>,
    /// rep3, additive, fhe, clear [default: rep3 with three sites or more, additive with a dealer]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    engines: Vec<String>,
    /// How many sites compute with additive [default: the first three, or both of two]
    #[arg(long, value_name = "NUMBER")]
    compute: Option<usize>,
    #[command(flatten)]
    fhe: FheOptions,
    /// What carries the frames between the parties: quic, or tcp where UDP is blocked
    #[arg(long, value_name = "quic|tcp", default_value_t)]
    transport: tacit_governance::Transport,
    /// Disclosure profile
    #[arg(long, value_name = "PROFILE", default_value = "default")]
    disclosure: String,
    /// The first count that is shown [default: the profile's]
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<u64>,
    /// A site that holds some but fewer hides the number [default: none]
    #[arg(long, value_name = "NUMBER")]
    site_floor: Option<u64>,
    /// Upper bound on the rows of a table at one site; rounded up to a power of ten
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000)]
    rows_at_most: u64,
    /// First day [default: today]
    #[arg(long, value_name = "DAY")]
    valid_from: Option<String>,
    /// Last day [default: a year from now]
    #[arg(long, value_name = "DAY")]
    valid_until: Option<String>,
    /// Where to write it
    #[arg(long, short, value_name = "FILE", default_value = "study.toml")]
    output: PathBuf,
    /// Replace a study that is there
    #[arg(long)]
    force: bool,
}

/// Writes the study.
///
/// # Errors
/// If a key or dictionary cannot be read, the dictionaries contradict each other, or the study
/// would be unsound.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    if arguments.output.exists() && !arguments.force {
        let message = format!("{} is there already", arguments.output.display());
        return Err(Failure::setup("file_exists", message)
            .help("choose another --output, or --force (every site must then sign again)"));
    }
    let mut parties = Vec::new();
    let mut dictionaries = Vec::new();
    for site in &arguments.site {
        let form = "NAME=KEY,ADDRESS,DICTIONARY";
        let (name, [key, address, dictionary]) = parts("--site", form, site)?;
        parties.push(party(name, Role::Site, key, Some(address))?);
        let mut whole = Dictionary::default();
        for file in dictionary.split('+') {
            whole.tables.extend(read_dictionary(Path::new(file))?.tables);
        }
        dictionaries.push((name.to_owned(), whole));
    }
    let sites: Vec<String> = parties.iter().map(|party| party.name.clone()).collect();
    if let Some(dealer) = &arguments.dealer {
        let (name, [key, address]) = parts("--dealer", "NAME=KEY,ADDRESS", dealer)?;
        parties.push(party(name, Role::Dealer, key, Some(address))?);
    }
    for analyst in &arguments.analyst {
        let (name, [key]) = parts("--analyst", "NAME=KEY", analyst)?;
        parties.push(party(name, Role::Analyst, key, None)?);
    }
    let merged = Dictionary::merge(&dictionaries)?;
    for note in &merged.notes {
        context.note(&format!("note: {note}"));
    }
    let now = Timestamp::now();
    let document = Document {
        version: STUDY_VERSION,
        name: arguments.name.clone(),
        description: arguments.description.clone(),
        valid_from: arguments.valid_from.clone().unwrap_or_else(|| day(now, 0)),
        valid_until: arguments.valid_until.clone().unwrap_or_else(|| day(now, 365)),
        rows_at_most: power_of_ten(arguments.rows_at_most),
        max_cells: None,
        transport: arguments.transport,
        disclosure: DisclosureTerms {
            profile: arguments.disclosure.clone(),
            threshold: arguments.threshold,
            site_floor: arguments.site_floor,
            ..DisclosureTerms::default()
        },
        engines: allowed(arguments, &sites)?,
        parties,
        tables: merged.dictionary.tables,
    };
    let text = document.to_toml()?;
    let study = Study::parse(text.as_bytes())?;
    let path = &arguments.output;
    std::fs::write(path, text).map_err(|error| Failure::file(path, &error))?;
    context.print(&format!("wrote {} (digest {})\n", path.display(), study.digest()))?;
    context.note(&format!(
        "next: let every site look at it (tacit study show {path}), check its data (tacit \
         dictionary check FILE --study {path}) and sign it (tacit study sign {path} --key KEY); \
         any change afterwards needs new signatures",
        path = path.display()
    ));
    if study.engines().fhe.is_some() {
        context.note(&format!(
            "and for the engine fhe: the dealer makes its keys (tacit study keys --study {} --key \
             KEY) and gives the folder to every party",
            path.display()
        ));
    }
    Ok(())
}

fn allowed(arguments: &Arguments, sites: &[String]) -> Result<tacit_governance::Engines> {
    let named = engines::named("--engines", &arguments.engines)?;
    let mut engines = engines::terms(sites, named.as_deref(), arguments.compute, arguments.fhe)?;
    if arguments.dealer.is_none() {
        if named.is_none() && engines.rep3.is_some() {
            engines.additive = None;
        } else if engines.additive.is_some() {
            return Err(usage("additive needs a dealer: --dealer NAME=KEY,ADDRESS"));
        }
        if engines.fhe.is_some() {
            return Err(usage(
                "fhe needs a dealer, which makes its keys: --dealer NAME=KEY,ADDRESS",
            ));
        }
    }
    Ok(engines)
}

fn read_dictionary(path: &Path) -> Result<Dictionary> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let failure =
            Failure::setup("dictionary", format!("{}: {}", path.display(), error.message()));
        match error.span() {
            Some(span) => failure.at(&text, span.start, span.len(), "here"),
            None => failure,
        }
    })
}

fn party(name: &str, role: Role, key: &str, address: Option<&str>) -> Result<Party> {
    Ok(Party {
        name: name.to_owned(),
        role,
        key: public_key(key)?,
        address: address.map(str::to_owned),
    })
}

/// A public key, written out or in a file.
fn public_key(text: &str) -> Result<PublicKey> {
    if text.starts_with("ed25519:") {
        return Ok(text.parse()?);
    }
    let path = Path::new(text);
    let read = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    Ok(read.parse()?)
}

fn parts<'a, const N: usize>(
    argument: &str,
    form: &str,
    text: &'a str,
) -> Result<(&'a str, [&'a str; N])> {
    let bad = || usage(&format!("{argument} {text}: write {form}"));
    let (name, rest) = text.split_once('=').ok_or_else(bad)?;
    let parts: Vec<&str> = rest.splitn(N, ',').map(str::trim).collect();
    let parts: [&str; N] = parts.try_into().map_err(|_| bad())?;
    if name.is_empty() || parts.iter().any(|part| part.is_empty()) {
        return Err(bad());
    }
    Ok((name, parts))
}

fn usage(message: &str) -> Failure {
    Failure::new(Exit::Usage, "usage", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_is_read_from_its_parts() {
        let (name, [key, address, file]) = parts("--site", "", "north=a.pub, h:1 ,d.toml").unwrap();
        assert_eq!((name, key, address, file), ("north", "a.pub", "h:1", "d.toml"));
        for bad in ["north", "north=a", "north=a,b", "=a,b,c", "north=a,,c"] {
            assert!(parts::<3>("--site", "", bad).is_err(), "{bad}");
        }
    }
}
