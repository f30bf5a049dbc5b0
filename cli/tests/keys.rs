//! The keys of `fhe`: who may make them, where they lie, and what is told where they are missing or
//! not what they should be.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use support::{both, data, fails, ok, path, run};
use tacit_governance::{KeyPair, KeySet, Study, Timestamp, keyset};
use tacit_plan::Digest;

const SITES: [&str; 3] = ["alpha", "beta", "gamma"];

/// A study of three sites, a dealer and an analyst, whose keys lie beside it.
struct World {
    home: tempfile::TempDir,
}

impl World {
    fn new(engines: &[&str]) -> Self {
        let world = Self { home: tempfile::tempdir().unwrap() };
        let made = run(world.order(engines));
        assert!(made.status.success(), "{}", both(&made));
        world
    }

    /// The arguments of `tacit study new`.
    fn order(&self, engines: &[&str]) -> Vec<String> {
        let file = self.at("visits.csv");
        fs::write(&file, data::csv(&data::rows(60), ',')).unwrap();
        let dictionary = self.at("visits.toml");
        if !dictionary.exists() {
            ok(["dictionary", "infer", path(&file), "--null", "NA", "--output", path(&dictionary)]);
        }
        let public = |name: &str| {
            let key = self.key(name);
            if !key.exists() {
                ok(["key", "new", path(&key)]);
            }
            format!("{name}={}.pub", key.display())
        };
        let study = self.study();
        let new = ["study", "new", "--name", "Visits", "--force", "--output", path(&study)];
        let mut new: Vec<String> = new.map(str::to_owned).to_vec();
        for (number, site) in SITES.into_iter().enumerate() {
            let address = format!("127.0.0.1:{}", 1000 + number);
            let site = format!("{},{address},{}", public(site), dictionary.display());
            new.extend(["--site".into(), site]);
        }
        new.extend(["--analyst".into(), public("ana")]);
        new.extend(["--dealer".into(), format!("{},127.0.0.1:1009", public("dana"))]);
        new.extend(engines.iter().map(|argument| (*argument).to_owned()));
        new
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn study(&self) -> PathBuf {
        self.at("study.toml")
    }

    fn key(&self, name: &str) -> PathBuf {
        self.at(&format!("{name}.key"))
    }

    fn keys(&self, dealer: &str, more: &[&str]) -> Vec<String> {
        let (study, key) = (self.study(), self.key(dealer));
        let base = ["study", "keys", "--study", path(&study), "--key", path(&key)];
        base.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    /// Puts a folder of keys that the dealer has signed, and that hold no keys.
    fn hollow_keys(&self) -> KeySet {
        let study = Study::open(&self.study()).unwrap();
        let keys = Digest([7; 32]);
        let mut draft =
            KeySet::draft(&study, &self.study(), keys, "none", Timestamp::now()).unwrap();
        for part in [keyset::SERVER, keyset::PUBLIC, keyset::CRS, keyset::CALIBRATION] {
            draft.part(part, b"hollow").unwrap();
        }
        for holder in &study.engines().fhe.as_ref().unwrap().holders {
            draft.share(holder, b"hollow").unwrap();
        }
        draft.finish(&KeyPair::load(&self.key("dana")).unwrap(), true).unwrap()
    }
}

/// What `tacit doctor` found for one check.
fn found(study: &Path, key: Option<&Path>, check: &str) -> Option<(bool, String)> {
    let mut arguments = vec!["doctor", "--format", "json", "--study", path(study)];
    arguments.extend(key.into_iter().flat_map(|key| ["--key", path(key)]));
    let output = run(arguments);
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).expect("findings");
    let finding = findings.iter().find(|finding| finding["check"] == check)?;
    let words = ["what", "fix"].map(|field| finding[field].as_str().unwrap_or_default());
    Some((finding["ok"] == true, words.join("\n")))
}

#[test]
fn a_study_names_its_key_holders_evaluator_and_dealer() {
    let world = World::new(&["--engines", "rep3,fhe", "--key-holders", "3", "--wait-days", "7"]);
    let study = Study::open(&world.study()).unwrap();
    let terms = study.engines().fhe.clone().unwrap();
    assert_eq!(
        (terms.holders.as_slice(), terms.evaluator.as_str()),
        (&SITES.map(str::to_owned)[..], "alpha")
    );
    assert_eq!(terms.wait_days(), 7);
    let shown = ok(["study", "show", path(&world.study())]);
    for word in [
        "alpha evaluates",
        "every key holder evaluates again",
        "alpha, beta, gamma hold the key",
        "keys: trusted dealer, CRS: trusted dealer",
        "waits 7 days",
        "no keys yet",
        "tacit study keys",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let trusting = World::new(&["--engines", "fhe", "--verify", "trust"]);
    let shown = ok(["study", "show", path(&trusting.study())]);
    assert!(shown.contains("evaluator: semi-honest"), "{shown}");
}

#[test]
fn a_study_on_fhe_without_a_dealer_or_with_wrong_terms_is_not_written() {
    let world = World { home: tempfile::tempdir().unwrap() };
    let mut without = world.order(&["--engines", "rep3,fhe"]);
    let dealer = without.iter().position(|word| word == "--dealer").unwrap();
    without.drain(dealer..dealer + 2);
    let said = fails(2, "usage", &without);
    assert!(said.contains("fhe needs a dealer"), "{said}");
    let said = fails(2, "usage", world.order(&["--engines", "fhe", "--key-holders", "1"]));
    assert!(said.contains("from 2 to 3"), "{said}");
    let said = fails(2, "usage", world.order(&["--engines", "rep3", "--key-holders", "2"]));
    assert!(said.contains("not among the engines"), "{said}");
    let said = fails(4, "study", world.order(&["--engines", "fhe", "--wait-days", "0"]));
    assert!(said.contains("wait_days is 0"), "{said}");
    assert!(!world.study().exists());
}

#[test]
fn only_the_dealer_of_a_study_that_allows_fhe_makes_keys() {
    let world = World::new(&["--engines", "rep3,fhe"]);
    for other in ["alpha", "ana"] {
        let said = fails(4, "party", world.keys(other, &[]));
        assert!(said.contains("role dealer is needed"), "{said}");
    }
    fails(4, "key_missing", world.keys("nobody", &[]));
    let without = World::new(&["--engines", "rep3"]);
    let said = fails(4, "not_allowed", without.keys("dana", &[]));
    assert!(said.contains("[engines.fhe]"), "{said}");
    assert!(!world.at("study.keys").exists() && !without.at("study.keys").exists());
}

#[test]
fn keys_that_are_there_are_not_replaced_unless_it_is_said_what_is_lost() {
    let world = World::new(&["--engines", "rep3,fhe"]);
    let set = world.hollow_keys();
    let said = fails(4, "file_exists", world.keys("dana", &[]));
    assert!(said.contains("--force") && said.contains("can never be decrypted"), "{said}");
    let study = Study::open(&world.study()).unwrap();
    assert_eq!(KeySet::open(&study, &world.study()).unwrap(), set);
}

#[cfg(not(feature = "fhe"))]
#[test]
fn a_build_without_fhe_says_how_to_get_one_and_makes_nothing() {
    let world = World::new(&["--engines", "rep3,fhe"]);
    let said = fails(2, "usage", world.keys("dana", &[]));
    assert!(said.contains("cargo build --features fhe"), "{said}");
    assert!(!world.at("study.keys").exists());
    let (file, folder) = (world.at("visits.csv"), world.at("sandbox"));
    let table = format!("visits={}", file.display());
    let arguments = ["sandbox", "new", path(&folder), "--table", &table, "--engines", "rep3,fhe"];
    let said = fails(2, "usage", arguments);
    assert!(said.contains("cargo build --features fhe"), "{said}");
    assert!(!folder.exists(), "nothing is left behind");
}

#[test]
fn a_sandbox_has_no_fhe_unless_it_is_named_and_its_options_need_it() {
    let world = World::new(&["--engines", "rep3"]);
    let table = format!("visits={}", world.at("visits.csv").display());
    let folder = world.at("sandbox");
    let new = ["sandbox", "new", path(&folder), "--table", &table, "--null", "NA"];
    let said = fails(2, "usage", [&new[..], &["--verify", "trust"]].concat());
    assert!(said.contains("--engines rep3,fhe"), "{said}");
    let said = fails(2, "usage", [&new[..], &["--engines", "fhf"]].concat());
    assert!(said.contains("did you mean \"fhe\""), "{said}");
    ok(new);
    let study = Study::open(&folder.join("study.toml")).unwrap();
    assert_eq!(study.engines().names(), ["rep3", "additive"]);
    assert!(!folder.join("study.keys").exists());
}

#[test]
fn doctor_says_where_keys_are_missing_altered_or_of_another_study() {
    let world = World::new(&["--engines", "rep3,fhe"]);
    let study = world.study();
    let (fine, said) = found(&study, None, "keys").unwrap();
    assert!(!fine && said.contains("there are no keys") && said.contains("dana"), "{said}");
    let set = world.hollow_keys();
    fs::write(set.server(), b"hollov").unwrap();
    let (fine, said) = found(&study, None, "keys").unwrap();
    assert!(!fine && said.contains("server.key was altered"), "{said}");

    let set = world.hollow_keys();
    let (fine, said) = found(&study, None, "keys").unwrap();
    if cfg!(feature = "fhe") {
        assert!(!fine && said.contains("the public keys have digest"), "{said}");
    } else {
        assert!(fine && said.contains("cargo build --features fhe"), "{said}");
    }
    let alpha = world.key("alpha");
    let (fine, said) = found(&study, Some(&alpha), "share").unwrap();
    if cfg!(feature = "fhe") {
        assert!(!fine && said.contains("no sealed share"), "{said}");
    } else {
        assert!(fine && said.contains("cannot open"), "{said}");
    }
    fs::remove_file(set.share("alpha")).unwrap();
    let (fine, said) = found(&study, Some(&alpha), "share").unwrap();
    assert!(!fine && said.contains("alpha.share is missing"), "{said}");
    assert_eq!(found(&study, Some(&world.key("gamma")), "share"), None, "it holds no key");
    assert_eq!(found(&study, Some(&alpha), "reach dana"), None, "it serves nobody");

    fs::write(&study, fs::read_to_string(&study).unwrap() + "\n").unwrap();
    let (fine, said) = found(&study, None, "keys").unwrap();
    assert!(!fine && said.contains("made for another study"), "{said}");
    let shown = ok(["study", "show", path(&study)]);
    assert!(shown.contains("UNUSABLE") && shown.contains("another study"), "{shown}");

    let without = World::new(&["--engines", "rep3"]);
    assert_eq!(found(&without.study(), None, "keys"), None);
}

#[cfg(feature = "fhe")]
#[test]
#[ignore = "slow: real keys"]
fn a_sandbox_makes_its_keys_and_every_holder_opens_its_own_share_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("visits.csv");
    fs::write(&file, data::csv(&data::rows(300), ',')).unwrap();
    let arguments = ["--null", "NA", "--engines", "rep3,fhe"];
    let sandbox = support::Sandbox::new("visits", &file, &arguments);
    let study = Study::open(&sandbox.study()).unwrap();
    let set = KeySet::open(&study, &sandbox.study()).unwrap();
    assert_eq!(set.holders, ["north", "south"]);
    let measured: tacit_he::Calibration =
        serde_json::from_slice(&set.read(keyset::CALIBRATION).unwrap()).unwrap();
    assert!(measured.looked_up > 0.0 && measured.squashed > 0.0, "{measured:?}");
    let mode = fs::metadata(set.share("north")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Doctor opens it as a site, and an analyst has none.
    let key = |name: &str| sandbox.party(name).join("key");
    for (name, holds) in [("north", true), ("south", true), ("east", false)] {
        let (fine, said) = found(&sandbox.study(), Some(&key(name)), "keys").unwrap();
        assert!(fine && said.contains("signed by dealer"), "{said}");
        let share = found(&sandbox.study(), Some(&key(name)), "share");
        assert_eq!(share.is_some(), holds, "{name}");
        assert!(share.is_none_or(|(fine, said)| fine && said.contains("opens with this key")));
        assert_eq!(found(&sandbox.study(), Some(&key(name)), "memory").is_some(), holds, "{name}");
    }
    let shown = ok(["study", "show", path(&sandbox.study())]);
    assert!(shown.contains(&set.keys.short()) && !shown.contains("no keys yet"), "{shown}");

    let started = sandbox.start();
    assert!(!started.contains("dealer"), "no dealer is needed: {started}");
    assert_eq!(started.matches("started").count(), 3, "{started}");
    let state = ok(["sandbox", "status", path(&sandbox.folder)]);
    assert!(!state.contains("dealer"), "{state}");
    sandbox.stop();

    // Other keys: only with --force, which says what is lost.
    let dealer = key("dealer");
    let order = ["study", "keys", "--study", path(&sandbox.study()), "--key", path(&dealer)]
        .map(str::to_owned);
    fails(4, "file_exists", &order);
    let forced = run(order.iter().map(String::as_str).chain(["--force"]));
    assert!(forced.status.success(), "{}", both(&forced));
    let (said, noted) = (support::text(&forced.stdout), support::text(&forced.stderr));
    for part in ["server.key", "public.key", "crs", "north.share", "calibration.json"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(noted.contains("can never be decrypted") && noted.contains("trusted"), "{noted}");
    let other = KeySet::open(&study, &sandbox.study()).unwrap();
    assert_ne!(other.keys, set.keys);
    assert!(said.contains(&other.keys.to_string()), "{said}");
    let (fine, said) = found(&sandbox.study(), Some(&key("south")), "share").unwrap();
    assert!(fine, "{said}");
}
