use std::{fs, path::PathBuf};

use proptest::prelude::*;
use tacit_governance::{Error, SignatureState, Study, Timestamp, sign, signature_path, verify_all};
use tempfile::TempDir;

use crate::{key, text};

fn written() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    fs::write(&path, text()).unwrap();
    (folder, path)
}

fn signed() -> (TempDir, PathBuf) {
    let (folder, path) = written();
    for number in 1..=3 {
        sign(&path, &key(number)).unwrap();
    }
    (folder, path)
}

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

#[test]
fn a_study_that_every_site_signed_opens() {
    let (folder, path) = signed();
    let study = Study::open_signed(&path, now()).unwrap();
    assert_eq!(study.name(), "Readmissions");
    assert!(folder.path().join("study.toml.north.sig").exists());
    let states = verify_all(&path).unwrap();
    assert_eq!(states.len(), 3);
    assert!(states.iter().all(|(_, state)| *state == SignatureState::Valid));
}

#[test]
fn missing_signatures_are_named() {
    let (_folder, path) = written();
    let (site, file) = sign(&path, &key(2)).unwrap();
    assert_eq!((site.as_str(), file), ("south", signature_path(&path, "south")));
    let error = Study::open_signed(&path, now()).unwrap_err();
    assert!(matches!(error, Error::Unsigned { .. }));
    assert!(error.to_string().contains("not signed by north, west"), "{error}");
}

#[test]
fn any_altered_byte_fails_and_names_whose_signature() {
    let (_folder, path) = signed();
    let altered = text().replace("[0, 200000000]", "[0, 200000001]");
    fs::write(&path, &altered).unwrap();
    sign(&path, &key(1)).unwrap();
    let error = Study::open_signed(&path, now()).unwrap_err();
    assert!(matches!(&error, Error::Altered { sites } if sites == &["south", "west"]));
    assert!(error.to_string().contains("altered"), "{error}");
    let states = verify_all(&path).unwrap();
    assert_eq!(states[0].1, SignatureState::Valid);
    assert!(matches!(states[1].1, SignatureState::Altered { .. }));
}

#[test]
fn a_signature_serves_one_site_and_one_key() {
    let (_folder, path) = signed();
    fs::copy(signature_path(&path, "north"), signature_path(&path, "south")).unwrap();
    assert_eq!(verify_all(&path).unwrap()[1].1, SignatureState::OtherKey);
    let file = signature_path(&path, "west");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("signature: ", "signature: A")).unwrap();
    assert_eq!(verify_all(&path).unwrap()[2].1, SignatureState::Damaged);
    fs::write(&file, vec![0xff; 100_000]).unwrap();
    assert!(verify_all(&path).is_err());
    assert!(Study::open_signed(&path, now()).is_err());
}

#[test]
fn only_a_site_of_the_study_signs() {
    let (_folder, path) = written();
    for number in [4, 5, 9] {
        assert!(matches!(sign(&path, &key(number)), Err(Error::Party(_))), "{number}");
    }
    assert!(verify_all(&path).unwrap().iter().all(|(_, state)| *state == SignatureState::Missing));
}

#[test]
fn a_study_out_of_date_is_refused_after_its_signatures_pass() {
    let (_folder, path) = signed();
    let late = "2027-06-01T12:00:00Z".parse().unwrap();
    let error = Study::open_signed(&path, late).unwrap_err();
    assert!(matches!(error, Error::Validity { what: "expired", .. }));
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Study::open(&folder.path().join("nowhere.toml")).unwrap_err();
    assert!(error.to_string().contains("nowhere.toml"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]
    #[test]
    fn a_hostile_signature_file_is_never_valid(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_folder, path) = written();
        fs::write(signature_path(&path, "north"), bytes).unwrap();
        prop_assert_eq!(&verify_all(&path).unwrap()[0].1, &SignatureState::Damaged);
    }

    #[test]
    fn a_signature_with_a_changed_letter_is_valid_only_if_the_signature_line_is_untouched(
        at in 0_usize..400, with in b'!'..b'~',
    ) {
        let (_folder, path) = written();
        let (_, file) = sign(&path, &key(1)).unwrap();
        let mut bytes = fs::read(&file).unwrap();
        let at = at % bytes.len();
        let line = bytes.windows(10).position(|window| window == b"signature:").unwrap();
        let changed = bytes[at] != with;
        bytes[at] = with;
        fs::write(&file, &bytes).unwrap();
        let valid = verify_all(&path).unwrap()[0].1 == SignatureState::Valid;
        prop_assert!(!valid || !changed || at < line);
    }
}
