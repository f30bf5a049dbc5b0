use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use tacit_governance::{Draft, Error, KeySet, KeySetFault, Study, Timestamp, keyset};
use tacit_plan::Digest;
use tempfile::TempDir;

use crate::{homomorphic, key, text};

const PARTS: [&str; 4] = [keyset::SERVER, keyset::PUBLIC, keyset::CRS, keyset::CALIBRATION];

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn written(text: &str) -> (TempDir, PathBuf, Study) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    fs::write(&path, text).unwrap();
    let study = Study::open(&path).unwrap();
    (folder, path, study)
}

fn draft(study: &Study, path: &Path, keys: u8) -> Draft {
    let mut draft =
        KeySet::draft(study, path, Digest([keys; 32]), "parameters of a test", now()).unwrap();
    for part in PARTS {
        draft.part(part, format!("{part} {keys}").as_bytes()).unwrap();
    }
    for holder in ["south", "west"] {
        draft.share(holder, format!("sealed for {holder}").as_bytes()).unwrap();
    }
    draft
}

/// The keys of the study of these tests, made by its dealer.
fn made() -> (TempDir, PathBuf, Study) {
    let (folder, path, study) = written(&homomorphic());
    draft(&study, &path, 7).finish(&key(4), false).unwrap();
    (folder, path, study)
}

fn fault(study: &Study, path: &Path) -> KeySetFault {
    match KeySet::open(study, path) {
        Err(error @ Error::KeySet { .. }) => {
            assert!(error.to_string().contains("study.keys"), "it says where: {error}");
            let Error::KeySet { fault, .. } = error else { unreachable!() };
            *fault
        }
        other => panic!("no fault: {other:?}"),
    }
}

/// Changes the manifest, and has it signed by that key if one is given.
fn rewrite(path: &Path, signer: Option<u8>, change: impl Fn(&str) -> String) {
    let manifest = KeySet::folder(path).join("keys.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let changed = change(&text);
    assert_ne!(changed, text);
    fs::write(&manifest, &changed).unwrap();
    if let Some(signer) = signer {
        resign(path, signer);
    }
}

/// Signs the manifest as it is, in the form that the module documents.
fn resign(path: &Path, signer: u8) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let folder = KeySet::folder(path);
    let manifest = fs::read(folder.join("keys.toml")).unwrap();
    let message = [b"tacit keys signature 1\0", &*manifest].concat();
    let signature = STANDARD.encode(key(signer).sign(&message));
    let text = format!(
        "tacit-keys-signature-1\ndealer: dealer\nkey: {}\nkeys: {}\nsignature: {signature}\n",
        key(signer).public(),
        Digest::of_bytes(&manifest),
    );
    fs::write(folder.join("keys.sig"), text).unwrap();
}

#[test]
fn keys_that_the_dealer_made_open_with_all_their_parts() {
    let (folder, path, study) = made();
    let set = KeySet::open(&study, &path).unwrap();
    assert_eq!(set.path(), folder.path().join("study.keys"));
    assert_eq!((set.keys, set.study), (Digest([7; 32]), study.digest()));
    assert_eq!((set.origin.as_str(), set.dealer.as_str()), ("dealer", "dealer"));
    assert_eq!(set.made, "2026-06-01T12:00:00Z");
    assert_eq!(set.parameters, "parameters of a test");
    assert_eq!(set.holders, ["south", "west"]);
    assert_eq!((set.holder("west"), set.holder("north")), (Some(1), None));
    let parts = set.parts().unwrap();
    assert_eq!(parts[0], b"server.key 7");
    assert_eq!((parts[1].as_slice(), parts[2].as_slice()), (&b"public.key 7"[..], &b"crs 7"[..]));
    assert_eq!(set.sealed("south").unwrap(), b"sealed for south");
    assert_eq!(set.read(keyset::CALIBRATION).unwrap(), b"calibration.json 7");
    for path in [set.server(), set.public(), set.crs(), set.calibration(), set.share("west")] {
        assert!(path.exists(), "{path:?}");
    }
    let listed: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(listed.len(), 2, "nothing else is left beside the study: {listed:?}");
    resign(&path, 4);
    assert_eq!(KeySet::open(&study, &path).unwrap(), set, "the signature is the documented one");
}

#[test]
fn shares_are_their_holders_alone_and_the_rest_is_everybodys() {
    let (_folder, path, study) = made();
    let set = KeySet::open(&study, &path).unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(set.share("south")), 0o600);
    for name in ["server.key", "public.key", "crs", "calibration.json", "keys.toml", "keys.sig"] {
        assert_eq!(mode(set.path().join(name)), 0o644, "{name}");
    }
}

#[test]
fn without_keys_the_message_says_who_makes_them_and_how() {
    let (_folder, path, study) = written(&homomorphic());
    let told = KeySet::open(&study, &path).unwrap_err().to_string();
    assert!(matches!(fault(&study, &path), KeySetFault::Missing { .. }));
    for word in ["\"dealer\"", "tacit study keys --study", "study.toml", "study.keys"] {
        assert!(told.contains(word), "{told}");
    }
    let (_folder, path, study) = written(&text());
    assert_eq!(fault(&study, &path), KeySetFault::NotAllowed);
    assert!(KeySet::draft(&study, &path, Digest([0; 32]), "p", now()).is_err());
}

#[test]
fn keys_of_another_study_or_another_text_of_it_are_refused() {
    let (_folder, path, _) = made();
    fs::write(&path, homomorphic() + "\n").unwrap();
    let other = Study::open(&path).unwrap();
    let found = fault(&other, &path);
    assert!(matches!(&found, KeySetFault::Study { due, .. } if *due == other.digest()));
    assert!(found.to_string().contains("makes keys anew"), "{found}");
}

#[test]
fn an_altered_manifest_is_told_from_one_that_another_signed() {
    let (_folder, path, study) = made();
    rewrite(&path, None, |text| text.replace("parameters of", "parameters off"));
    let altered = fault(&study, &path);
    assert!(altered.to_string().contains("one of the two was altered"), "{altered}");
    resign(&path, 1);
    assert_eq!(fault(&study, &path), KeySetFault::Signer { dealer: "dealer".into() });
    assert!(fault(&study, &path).to_string().contains("do not use them"));

    let (_folder, path, study) = made();
    let signature = KeySet::folder(&path).join("keys.sig");
    let text = fs::read_to_string(&signature).unwrap();
    let line = text.lines().last().unwrap();
    let other = if line.as_bytes()[11] == b'A' { "signature: B" } else { "signature: A" };
    fs::write(&signature, text.replace(&line[..12], other)).unwrap();
    assert!(fault(&study, &path).to_string().contains("does not hold"));
    fs::write(&signature, "tacit-study-signature-1\n").unwrap();
    assert!(fault(&study, &path).to_string().contains("is damaged"));
    fs::remove_file(&signature).unwrap();
    assert!(fault(&study, &path).to_string().contains("is missing"));
}

#[test]
fn what_the_dealer_signed_must_also_be_what_the_study_says() {
    for (from, to, what) in [
        ("[\"south\", \"west\"]", "[\"west\", \"south\"]", "key holders"),
        ("origin = \"dealer\"", "origin = \"sites\"", "origin"),
        ("dealer = \"dealer\"", "dealer = \"north\"", "dealer"),
        ("[files.\"south.share\"]", "[files.\"../south.share\"]", "other files"),
        ("bytes = ", "bytes = 99999999", "more than"),
    ] {
        let (_folder, path, study) = made();
        rewrite(&path, Some(4), |text| text.replace(from, to));
        let told = fault(&study, &path).to_string();
        assert!(told.contains(what), "{what}: {told}");
    }
}

#[test]
fn a_later_form_is_refused_by_its_version_and_an_unknown_field_by_its_name() {
    let (_folder, path, study) = made();
    rewrite(&path, Some(4), |text| text.replace("version = 1", "version = 2\nnew = true"));
    assert_eq!(fault(&study, &path), KeySetFault::Version(2));
    let (_folder, path, study) = made();
    rewrite(&path, Some(4), |text| text.replace("version = 1", "version = 1\ncanary = true"));
    assert!(fault(&study, &path).to_string().contains("canary"));
    let manifest = KeySet::folder(&path).join("keys.toml");
    fs::write(&manifest, vec![b' '; 300 << 10]).unwrap();
    assert!(KeySet::open(&study, &path).is_err());
}

#[test]
fn a_part_that_is_missing_altered_or_of_another_length_is_named() {
    let (_folder, path, study) = made();
    let set = KeySet::open(&study, &path).unwrap();
    let told = |set: &KeySet| set.parts().unwrap_err().to_string();
    fs::write(set.server(), b"server.key 8").unwrap();
    assert!(told(&set).contains("server.key was altered"), "{}", told(&set));
    fs::write(set.server(), b"server.key").unwrap();
    assert!(told(&set).contains("has 10 bytes instead of 12"), "{}", told(&set));
    fs::remove_file(set.server()).unwrap();
    assert!(told(&set).contains("server.key is missing"), "{}", told(&set));
    fs::write(set.share("west"), b"sealed for south").unwrap();
    assert!(set.sealed("west").is_err());
    let none = set.sealed("north").unwrap_err().to_string();
    assert!(none.contains("no share for \"north\""), "{none}");
    assert!(set.read("keys.toml").is_err(), "it is no part");
}

#[test]
fn keys_are_not_replaced_unless_asked_and_then_as_a_whole() {
    let (folder, path, study) = made();
    let refused = draft(&study, &path, 8).finish(&key(4), false).unwrap_err();
    assert!(matches!(refused, Error::Exists(_)), "{refused}");
    assert_eq!(KeySet::open(&study, &path).unwrap().keys, Digest([7; 32]));
    fs::write(KeySet::folder(&path).join("left over"), b"").unwrap();
    let set = draft(&study, &path, 8).finish(&key(4), true).unwrap();
    assert_eq!(KeySet::open(&study, &path).unwrap(), set);
    assert_eq!(set.keys, Digest([8; 32]));
    assert!(!set.path().join("left over").exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn an_unfinished_set_is_no_set_and_leaves_nothing() {
    let (folder, path, study) = written(&homomorphic());
    let mut unfinished =
        KeySet::draft(&study, &path, Digest([7; 32]), "parameters", now()).unwrap();
    unfinished.part(keyset::SERVER, b"bytes").unwrap();
    assert!(matches!(unfinished.part(keyset::SERVER, b"bytes"), Err(Error::Exists(_))));
    assert!(unfinished.part("../study.toml", b"bytes").is_err());
    assert!(unfinished.share("north", b"bytes").is_err(), "north holds no key");
    assert!(matches!(fault(&study, &path), KeySetFault::Missing { .. }));
    let lacking = unfinished.finish(&key(4), false).unwrap_err().to_string();
    assert!(lacking.contains("calibration.json was not made"), "{lacking}");
    let other = draft(&study, &path, 7).finish(&key(1), false).unwrap_err();
    assert!(other.to_string().contains("another key than that of \"dealer\""), "{other}");
    drop(draft(&study, &path, 7));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_manifest_with_any_changed_byte_never_opens(
        at in 0_usize..4000, with in any::<u8>(), cut in any::<bool>(),
    ) {
        let (_folder, path, study) = made();
        let manifest = KeySet::folder(&path).join("keys.toml");
        let mut bytes = fs::read(&manifest).unwrap();
        let at = at % bytes.len();
        let same = bytes[at] == with && !cut;
        bytes[at] = with;
        if cut {
            bytes.truncate(at);
        }
        fs::write(&manifest, &bytes).unwrap();
        prop_assert_eq!(KeySet::open(&study, &path).is_ok(), same);
    }

    #[test]
    fn hostile_files_never_panic(
        manifest in prop::collection::vec(any::<u8>(), 0..400),
        signature in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let (_folder, path, study) = made();
        let folder = KeySet::folder(&path);
        fs::write(folder.join("keys.sig"), signature).unwrap();
        prop_assert!(KeySet::open(&study, &path).is_err());
        fs::write(folder.join("keys.toml"), manifest).unwrap();
        prop_assert!(KeySet::open(&study, &path).is_err());
    }
}
