use std::os::unix::fs::PermissionsExt;

use tacit_governance::{Error, KeyPair, PublicKey};

use crate::key;

#[test]
fn a_key_comes_back_from_its_file_which_only_the_owner_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let key = KeyPair::generate().unwrap();
    key.save(&path, false).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let loaded = KeyPair::load(&path).unwrap();
    assert_eq!(loaded.public(), key.public());
    assert_eq!(loaded.seed(), key.seed());
}

#[test]
fn a_key_is_not_overwritten_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    key(1).save(&path, false).unwrap();
    assert!(matches!(key(2).save(&path, false), Err(Error::Exists(_))));
    assert_eq!(KeyPair::load(&path).unwrap().public(), key(1).public());
    key(2).save(&path, true).unwrap();
    assert_eq!(KeyPair::load(&path).unwrap().public(), key(2).public());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_key_that_others_can_read_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    key(1).save(&path, false).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o620] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyPair::load(&path).unwrap_err();
        assert!(matches!(error, Error::OpenKey { .. }), "{mode:o}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert!(KeyPair::load(&path).is_ok());
}

#[test]
fn what_is_no_key_file_is_refused_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let missing = KeyPair::load(&folder.path().join("none")).unwrap_err();
    assert!(missing.to_string().contains("tacit key new"), "{missing}");
    let path = folder.path().join("key");
    for content in [
        "",
        "tacit-key-1\n",
        "tacit-key-1\ned25519-seed:canary\n",
        "tacit-key-2\ned25519-seed:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "tacit-key-1\ned25519-seed:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\ncanary\n",
        "tacit-key-1\ned25519-seed:AAAA\n",
    ] {
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = KeyPair::load(&path).unwrap_err();
        assert!(matches!(error, Error::Key(_)), "{content}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    let error = KeyPair::load(folder.path()).unwrap_err();
    assert!(!error.to_string().is_empty());
}

#[test]
fn debug_shows_the_public_half_alone() {
    let key = key(7);
    let text = format!("{key:?}");
    assert!(text.contains(&key.public().to_string()));
    assert!(!text.contains("7, 7") && !text.contains("BwcH"), "{text}");
}

#[test]
fn a_public_key_has_one_text_form() {
    let public = key(1).public();
    let text = public.to_string();
    assert_eq!(text.parse::<PublicKey>().unwrap(), public);
    assert_eq!(public.fingerprint().len(), 19);
    let body = text.strip_prefix("ed25519:").unwrap();
    for wrong in [
        body.to_owned(),
        format!("Ed25519:{body}"),
        text.trim_end_matches('=').to_owned(),
        format!("{text}AAAA"),
        format!("ed25519-seed:{body}"),
        String::new(),
    ] {
        assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
    }
}

#[test]
fn points_that_are_low_order_mixed_or_not_canonical_are_refused() {
    let hex = |text: &str| -> [u8; 32] {
        let bytes: Vec<u8> =
            (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect();
        bytes.try_into().unwrap()
    };
    // The points of small order and their forms that are not canonical: the list of RFC 7748's
    // and libsodium's `ge25519_has_small_order`.
    for low in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        assert!(PublicKey::from_bytes(&hex(low)).is_err(), "{low}");
    }
    // About half of all strings are no point at all.
    let points =
        (0..=255_u8).filter(|number| PublicKey::from_bytes(&[*number; 32]).is_ok()).count();
    // Of those that are, seven in eight lie outside the prime-order group.
    assert!(points < 64, "{points}");
}

#[test]
fn keys_and_signatures_are_those_of_rfc_8032() {
    // Section 7.1, TEST 2.
    let hex = |text: &str| -> Vec<u8> {
        let digits = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
        digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    };
    let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let key = KeyPair::from_seed(&seed.try_into().unwrap());
    let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_eq!(key.public().as_bytes().as_slice(), public);
    let signature = hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    assert_eq!(key.sign(&[0x72]).as_slice(), signature);
}

#[test]
fn a_signature_fits_one_key_and_one_message() {
    let signature = key(1).sign(b"message");
    assert!(key(1).public().verifies(b"message", &signature));
    assert!(!key(1).public().verifies(b"massage", &signature));
    assert!(!key(2).public().verifies(b"message", &signature));
    let mut other = signature;
    other[63] ^= 0x80;
    assert!(!key(1).public().verifies(b"message", &other));
}
