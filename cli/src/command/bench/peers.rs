//! Measuring with parties on machines of their own: `tacit bench run --peers FILE --as NAME`.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use serde::Deserialize;
use tacit_bench::{Apart, References, Setting, apart::MEET, summary};
use tacit_governance::{KeyPair, PublicKey, Role, Study, Transport};
use tacit_mpc::EngineKind;
use tacit_net::mesh::{self, Peer, SecretKey};

use super::{Run, failure, folder::Folder, settings};
use crate::{
    context::Context,
    error::{Exit, Failure, Result},
};

/// Parties of a bench, at most.
const MOST: usize = 64;

/// Arguments that say who this party is.
#[derive(Debug, Args)]
pub struct Together {
    /// Measure with the parties in this file, each a process of its own that runs the same command
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        conflicts_with_all = ["link", "parties", "minutes"]
    )]
    pub peers: Option<PathBuf>,
    /// Measure with the compute sites of this study (and its dealer), whose services are stopped
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        conflicts_with_all = ["peers", "link", "parties", "minutes"]
    )]
    pub study: Option<PathBuf>,
    /// Which of the parties this is; the one with the key by default
    #[arg(long = "as", id = "me", value_name = "NAME")]
    me: Option<String>,
    /// Its secret key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where to listen, if not at its own address in the file
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// The file: all parties in the same order at every party.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What carries the frames, as in a study.
    #[serde(default)]
    transport: Transport,
    party: Vec<Party>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Party {
    name: String,
    key: String,
    address: String,
}

impl Together {
    /// Whether the parties are processes of their own.
    pub fn apart(&self) -> bool {
        self.peers.is_some() || self.study.is_some()
    }

    /// Refuses what says who this party is where nothing says among whom.
    ///
    /// # Errors
    /// With the option that would be without effect.
    pub fn check(&self) -> Result<()> {
        let options = [
            ("--as", self.me.is_some()),
            ("--key", self.key.is_some()),
            ("--listen", self.listen.is_some()),
        ];
        match options.iter().find(|(_, given)| *given && !self.apart()) {
            None => Ok(()),
            Some((option, _)) => Err(Failure::new(
                Exit::Usage,
                "usage",
                format!("{option} is for parties on machines of their own, and none are named"),
            )
            .help("name them with --peers FILE or --study FILE, or leave the option out")),
        }
    }
}

/// Runs this party's part.
///
/// # Errors
/// Files that do not fit, parties that do not come or would measure something else, and what can go
/// wrong with a measurement.
pub fn run(arguments: &Run, context: &Context) -> Result<()> {
    let together = &arguments.together;
    let mut settings = settings(arguments)?;
    let (file, found) = match (&together.peers, &together.study) {
        (Some(file), _) => {
            let text =
                std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
            (file, read(&text))
        }
        (None, Some(file)) => (file, of_study(&Study::open(file)?, &settings)),
        (None, None) => return Ok(()),
    };
    let wrong = |what: String| Failure::setup("peers", format!("{}: {what}", file.display()));
    let (transport, peers) = found.map_err(wrong)?;
    let over = match transport {
        Transport::Quic => mesh::Transport::Quic,
        Transport::Tcp => mesh::Transport::Tcp,
    };
    let Some(key) = &together.key else {
        return Err(Failure::new(Exit::Usage, "usage", "--key FILE is due: whose part is this?"));
    };
    let pair = KeyPair::load(key)?;
    let at = place(&peers, together.me.as_deref(), &pair.public()).map_err(wrong)?;
    let listen = match together.listen {
        Some(listen) => listen,
        None => listen_at(&peers[at]).map_err(wrong)?,
    };
    for setting in &mut settings {
        adapt(setting, over, peers.len());
    }
    // What the suite measures over several links is one measurement here.
    let mut seen = BTreeSet::new();
    settings.retain(|setting| seen.insert(setting.name()));
    let secret = SecretKey::from_seed(*pair.seed());
    let mut apart = Apart::new(secret, over, listen, peers, at).map_err(|error| {
        let failed = failure(error);
        if together.study.is_none() {
            return failed;
        }
        failed.help("if the service of this site runs, it has the port: stop it while you measure")
    })?;
    let files = settings.iter().map(Apart::file_name);
    let mut folder = Folder::prepare(arguments.out.as_deref(), files, context)?;
    let references = References::alone();
    context.note(&format!("waiting up to {} s for the other parties", MEET.as_secs()));
    apart.agree(&settings).map_err(|error| {
        let differs = matches!(error, tacit_bench::Error::Differs { .. });
        let failed = failure(error);
        let list = if together.study.is_some() { "--study" } else { "--peers" };
        let same = "all parties run the same program with the same options and the same";
        if differs { failed.help(format!("{same} {list}")) } else { failed }
    })?;
    for (i, setting) in settings.iter().enumerate() {
        context.note(&format!("{} of {}: {}", i + 1, settings.len(), setting.name()));
        let record = apart.measure(setting, &references).map_err(failure)?;
        context.print(&(summary(&record) + "\n"))?;
        folder.write(&record)?;
    }
    folder.tell(context);
    Ok(())
}

/// The parties are those of the file, and so is what carries the frames.
fn adapt(setting: &mut Setting, over: mesh::Transport, parties: usize) {
    setting.link = over.into();
    setting.parties = Apart::compute(setting.engine, parties);
}

/// The compute sites of a study for the engine that is measured, then its dealer; and its transport.
fn of_study(study: &Study, settings: &[Setting]) -> Result<(Transport, Vec<Peer>), String> {
    let document = study.document();
    let engine = settings.first().map_or(EngineKind::Rep3, |setting| setting.engine);
    if settings.iter().any(|setting| setting.engine != engine) {
        return Err("engines have compute sites of their own: name one with --engine".into());
    }
    let sites = document.engines.compute(&engine.to_string()).ok_or_else(|| {
        format!("it does not allow {engine}; it allows {}", document.engines.names().join(", "))
    })?;
    let site = |name: &String| document.parties.iter().find(|party| party.name == *name);
    let dealer = document.parties.iter().find(|party| party.role == Role::Dealer);
    let dealer = dealer.filter(|_| engine.triples().is_some());
    let peer = |party: &tacit_governance::Party| Peer {
        name: party.name.clone(),
        key: mesh::PublicKey(*party.key.as_bytes()),
        address: party.address.clone(),
    };
    Ok((study.transport(), sites.iter().filter_map(site).chain(dealer).map(peer).collect()))
}

/// Which of the parties has this key, and the name if one is given.
fn place(peers: &[Peer], name: Option<&str>, key: &PublicKey) -> Result<usize, String> {
    let own = peers.iter().position(|peer| peer.key.0 == *key.as_bytes());
    let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
    let names = names.join(", ");
    match name {
        None => own.ok_or_else(|| format!("the key is of none of the parties {names}")),
        Some(name) => {
            let named = peers.iter().position(|peer| peer.name == name);
            let named =
                named.ok_or_else(|| format!("there is no party {name:?}; there are {names}"))?;
            let fits = own == Some(named);
            fits.then_some(named).ok_or_else(|| format!("the key is not that of {name}"))
        }
    }
}

fn read(text: &str) -> Result<(Transport, Vec<Peer>), String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let count = file.party.len();
    if !(2..=MOST).contains(&count) {
        return Err(format!("{count} parties: 2 to {MOST} are due"));
    }
    let mut peers: Vec<Peer> = Vec::new();
    for Party { name, key, address } in file.party {
        let key: PublicKey = key.parse().map_err(|error| format!("key of {name:?}: {error}"))?;
        let key = mesh::PublicKey(*key.as_bytes());
        if address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            return Err(format!("address of {name:?}: HOST:PORT is due, not {address:?}"));
        }
        if peers.iter().any(|other| other.name == name || other.key == key) {
            return Err(format!("{name:?}: another party has this name or key"));
        }
        peers.push(Peer { name, key, address: Some(address) });
    }
    Ok((file.transport, peers))
}

/// The address itself where it is a number, else its port on all interfaces.
fn listen_at(peer: &Peer) -> Result<SocketAddr, String> {
    let address = peer.address.as_deref().unwrap_or_default();
    let port = || address.rsplit_once(':')?.1.parse::<u16>().ok();
    let any = || Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port()?));
    let listen = address.parse().ok().or_else(any);
    listen.ok_or_else(|| format!("{address:?} is no address to listen at"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str, seed: u8, address: &str) -> String {
        let key = KeyPair::from_seed(&[seed; 32]).public();
        format!("[[party]]\nname = {name:?}\nkey = \"{key}\"\naddress = {address:?}\n")
    }

    #[test]
    fn a_file_of_peers_is_read_and_a_wrong_one_refused_with_the_reason() {
        let (a, b) = (party("a", 1, "127.0.0.1:7000"), party("b", 2, "bench-b.example:7000"));
        let (transport, peers) = read(&format!("{a}{b}")).unwrap();
        assert_eq!(transport, Transport::Quic);
        let over_tcp = read(&format!("transport = \"tcp\"\n{a}{b}")).unwrap();
        assert_eq!(over_tcp, (Transport::Tcp, peers.clone()));
        assert_eq!(listen_at(&peers[0]), Ok("127.0.0.1:7000".parse().unwrap()));
        assert_eq!(listen_at(&peers[1]), Ok("0.0.0.0:7000".parse().unwrap()));
        for (text, why) in [
            (a.clone(), "1 parties"),
            (format!("{a}{a}"), "another party"),
            (format!("{a}{}", party("b", 1, "x:1")), "another party"),
            (format!("{a}{}", party("b", 2, "nowhere")), "HOST:PORT"),
            (format!("{a}{}", b.replace("ed25519:", "")), "key of \"b\""),
            (format!("{a}{b}port = 7\n"), "port"),
            (format!("transport = \"udp\"\n{a}{b}"), "`quic` or `tcp`"),
            (String::new(), "party"),
        ] {
            let said = read(&text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
