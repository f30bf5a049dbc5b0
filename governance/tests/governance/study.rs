use proptest::prelude::*;
use tacit_governance::{
    Document, FheTerms, Role, SessionParties, Study, Timestamp, Transport, Verify,
};

use crate::{document, homomorphic, key, study, text};

fn refusal(change: impl FnOnce(String) -> String) -> String {
    match Study::parse(change(text()).as_bytes()) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn refused(change: impl FnOnce(&mut Document)) -> String {
    let mut changed = document();
    change(&mut changed);
    refusal(|_| changed.to_toml().unwrap())
}

#[test]
fn a_study_says_what_is_written() {
    let study = study();
    assert_eq!(study.name(), "Readmissions");
    assert_eq!(study.rows_at_most(), 1_000_000);
    assert_eq!(study.max_cells(), 100_000);
    assert_eq!(study.disclosure().threshold, 11);
    assert_eq!(study.disclosure().site_floor, Some(3));
    assert_eq!(study.engines().names(), ["rep3", "additive"]);
    assert_eq!(study.sites().count(), 3);
    assert_eq!(study.dealer().unwrap().name, "dealer");
    assert_eq!(study.party_of(&key(5).public()).unwrap().name, "analyst");
    assert_eq!(study.dictionary().tables["encounters"].columns.len(), 5);
    assert_eq!(study.bytes(), text().as_bytes());
}

#[test]
fn a_written_document_reads_back_the_same() {
    let mut document = document();
    document.description = Some("Two lines,\nwith \"quotes\"".into());
    document.max_cells = Some(500);
    document.disclosure.rounding = Some(5);
    let table = document.tables["encounters"].clone();
    document.tables.insert("second table \"x\"".into(), table);
    let written = document.to_toml().unwrap();
    let read = Study::parse(written.as_bytes()).unwrap();
    assert_eq!(*read.document(), document, "{written}");
    assert!(written.contains("  { name = \"sex\", type = \"category\""), "{written}");
}

#[test]
fn a_study_names_its_transport_or_means_quic() {
    assert_eq!(study().transport(), Transport::Quic);
    let tcp = Document { transport: Transport::Tcp, ..document() };
    let written = tcp.to_toml().unwrap();
    assert!(written.contains("transport = \"tcp\""), "{written}");
    assert_eq!(Study::parse(written.as_bytes()).unwrap().transport(), Transport::Tcp);
    let pigeons = written.replace("\"tcp\"", "\"pigeons\"");
    let error = Study::parse(pigeons.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("pigeons"), "{error}");
    assert_eq!("tcp".parse(), Ok(Transport::Tcp));
    assert!("TCP".parse::<Transport>().is_err());
}

#[test]
fn any_changed_byte_changes_the_digest() {
    let digest = study().digest();
    let spaced = text() + "\n";
    assert_ne!(Study::parse(spaced.as_bytes()).unwrap().digest(), digest);
}

#[test]
fn unknown_fields_are_refused_with_their_line_wherever_they_stand() {
    for (after, at) in [
        ("version = 1\n", "line 2"),
        ("profile = \"default\"\n", "line 9"),
        ("[engines.rep3]\n", "line 12"),
        ("role = \"analyst\"\n", "line"),
        ("[tables.encounters]\n", "line"),
    ] {
        let message = refusal(|text| text.replacen(after, &format!("{after}canary = 1\n"), 1));
        assert!(message.contains("unknown field `canary`"), "{message}");
        assert!(message.contains(at), "{message}");
    }
    let message =
        refusal(|text| text.replacen("type = \"text\"", "type = \"text\", canary = 1", 1));
    assert!(message.contains("canary"), "{message}");
    let message =
        refusal(|text| text.replacen("type = \"text\"", "type = \"text\", range = [0, 1]", 1));
    assert!(message.contains("has no range"), "{message}");
    let message = refusal(|text| text.replacen("type = \"text\"", "type = \"txt\"", 1));
    assert!(message.contains("did you mean \"text\""), "{message}");
    let message = refusal(|text| text.replacen("[engines.rep3]", "[engines.rep4]", 1));
    assert!(message.contains("rep4"), "{message}");
}

#[test]
fn names_keys_and_addresses_are_unique_and_well_formed() {
    for name in ["", "North", "a b", "a/b", "ä", &"x".repeat(33)] {
        let message = refused(|document| document.parties[0].name = name.into());
        assert!(message.contains("1 to 32"), "{name}: {message}");
    }
    let message = refused(|document| document.parties[4].name = "south".into());
    assert!(message.contains("two parties"), "{message}");
    let message = refused(|document| document.parties[4].key = document.parties[0].key);
    assert!(message.contains("the key of \"north\""), "{message}");
    let same =
        refused(|document| document.parties[4].address = document.parties[0].address.clone());
    assert!(same.contains("another party has the address"), "{same}");
    for address in ["host", "host:0", "host:70000", ":70", "::1:70", "a b:70", "host:+7", "h:"] {
        let message = refused(|document| document.parties[0].address = Some(address.into()));
        assert!(message.contains("address"), "{address}: {message}");
    }
    for address in ["[::1]:7000", "site-1.example.org:7000", "10.0.0.1:65535"] {
        let message = refused(|document| document.parties[0].address = Some(address.into()));
        assert_eq!(message, "fine", "{address}");
    }
    let message = refused(|document| document.parties[0].address = None);
    assert!(message.contains("needs an address"), "{message}");
    let message = refused(|document| document.parties.retain(|party| party.role != Role::Analyst));
    assert!(message.contains("no analyst"), "{message}");
}

#[test]
fn engines_fit_their_compute_parties() {
    let message = refused(|document| document.engines.rep3.as_mut().unwrap().compute.truncate(2));
    assert!(message.contains("exactly 3"), "{message}");
    let message =
        refused(|document| document.engines.additive.as_mut().unwrap().compute.truncate(1));
    assert!(message.contains("at least 2"), "{message}");
    let message = refused(|document| document.parties.retain(|party| party.role != Role::Dealer));
    assert!(message.contains("dealer"), "{message}");
    let message =
        refused(|document| document.engines.additive.as_mut().unwrap().triples = "ot".into());
    assert!(message.contains("\"ot\""), "{message}");
    let compute = |names: [&str; 3]| {
        let names = names.map(str::to_owned).into();
        refused(|document| document.engines.rep3.as_mut().unwrap().compute = names)
    };
    assert!(compute(["north", "north", "south"]).contains("twice"));
    assert!(compute(["north", "suoth", "west"]).contains("did you mean \"south\""));
    assert!(compute(["north", "dealer", "west"]).contains("only sites compute"));
    let message = refused(|document| document.engines = tacit_governance::Engines::default());
    assert!(message.contains("none is allowed"), "{message}");
}

fn fhe_refused(change: impl FnOnce(&mut FheTerms)) -> String {
    let mut changed = Study::parse(homomorphic().as_bytes()).unwrap().document().clone();
    change(changed.engines.fhe.as_mut().unwrap());
    refusal(|_| changed.to_toml().unwrap())
}

#[test]
fn the_terms_of_fhe_are_written_and_read_with_their_defaults() {
    let study = Study::parse(homomorphic().as_bytes()).unwrap();
    let terms = study.engines().fhe.clone().unwrap();
    assert_eq!((terms.verify, terms.wait_days()), (Verify::Reevaluate, 30));
    assert_eq!(study.engines().names(), ["rep3", "additive", "fhe"]);
    assert_eq!(study.engines().compute("fhe").unwrap(), ["north"]);
    for (verify, wait_days) in [(Verify::Reevaluate, None), (Verify::Trust, Some(7))] {
        let mut document = study.document().clone();
        document.engines.fhe = Some(FheTerms { verify, wait_days, ..terms.clone() });
        let written = document.to_toml().unwrap();
        let read = Study::parse(written.as_bytes()).unwrap();
        assert_eq!(*read.document(), document, "{written}");
        document.engines.rep3 = None;
        document.engines.additive = None;
        let alone = document.to_toml().unwrap();
        assert_eq!(*Study::parse(alone.as_bytes()).unwrap().document(), document, "{alone}");
    }
}

#[test]
fn the_terms_of_fhe_name_sites_a_dealer_and_a_time() {
    assert_eq!(fhe_refused(|_| {}), "fine");
    let holders = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        fhe_refused(|terms| terms.holders = names)
    };
    let unknown = holders(&["suoth", "west"]);
    assert!(unknown.contains("key holder \"suoth\" is no party"), "{unknown}");
    assert!(unknown.contains("did you mean \"south\""), "{unknown}");
    let one = holders(&["south"]);
    assert!(one.contains("1 key holders") && one.contains("at least 2"), "{one}");
    assert!(holders(&[]).contains("0 key holders"));
    assert!(holders(&["south", "west", "south"]).contains("named twice"));
    for (name, role) in [("analyst", "analyst"), ("dealer", "dealer")] {
        let other = holders(&["south", name]);
        assert!(other.contains(&format!("has the role {role}; only sites hold keys")), "{other}");
    }
    let unknown = fhe_refused(|terms| terms.evaluator = "nroth".into());
    assert!(unknown.contains("engines.fhe") && unknown.contains("\"north\""), "{unknown}");
    let dealer = fhe_refused(|terms| terms.evaluator = "dealer".into());
    assert!(dealer.contains("only sites compute"), "{dealer}");
    let source = fhe_refused(|terms| terms.keys = "sites".into());
    assert!(source.contains("keys = \"sites\" is not known"), "{source}");
    for days in [0, 3651, u32::MAX] {
        let message = fhe_refused(|terms| terms.wait_days = Some(days));
        assert!(message.contains(&format!("wait_days is {days}")), "{message}");
    }
    for days in [1, 3650] {
        assert_eq!(fhe_refused(|terms| terms.wait_days = Some(days)), "fine");
    }
    let mut without = Study::parse(homomorphic().as_bytes()).unwrap().document().clone();
    without.engines.additive = None;
    without.parties.retain(|party| party.role != Role::Dealer);
    let message = refusal(|_| without.to_toml().unwrap());
    assert!(message.contains("engines.fhe: its keys come from a dealer"), "{message}");
    let verify = refusal(|_| homomorphic().replace("keys = \"d", "verify = \"hope\"\nkeys = \"d"));
    assert!(verify.contains("hope") && verify.contains("reevaluate"), "{verify}");
}

#[test]
fn a_session_of_fhe_names_its_key_holders_and_needs_no_dealer() {
    let study = Study::parse(homomorphic().as_bytes()).unwrap();
    let session = SessionParties::of(&study, "fhe", "analyst").unwrap();
    assert_eq!(session.names(), ["north", "south", "west", "analyst"]);
    assert_eq!((session.compute, session.key_holders), (vec![0], vec![1, 2]));
    assert_eq!((session.holders, session.dealer), (vec![0, 1, 2], None));
    let session = SessionParties::of(&study, "rep3", "analyst").unwrap();
    assert!(session.key_holders.is_empty());
}

#[test]
fn bounds_dates_rules_and_tables_are_checked() {
    for rows in [0, 5, 20, 10_u64.pow(13)] {
        let message = refused(|document| document.rows_at_most = rows);
        assert!(message.contains("power of ten"), "{message}");
    }
    let message = refused(|document| document.valid_until = "2025-12-31".into());
    assert!(message.contains("before valid_from"), "{message}");
    let message = refused(|document| document.valid_from = "2026-02-30".into());
    assert!(message.contains("neither a day"), "{message}");
    let message = refused(|document| document.version = 2);
    assert!(message.contains("reads version 1"), "{message}");
    let message = refused(|document| document.disclosure.profile = "ohdsy".into());
    assert!(message.contains("did you mean \"ohdsi\""), "{message}");
    let message = refused(|document| document.tables.clear());
    assert!(message.contains("tables"), "{message}");
    let message = refused(|document| {
        document.tables.get_mut("encounters").unwrap().person = Some("patients".into());
    });
    assert!(message.contains("did you mean \"patient\""), "{message}");
    let message = refused(|document| document.max_cells = Some(0));
    assert!(message.contains("max_cells"), "{message}");
}

#[test]
fn validity_ends_with_the_last_moment_of_a_day() {
    let study = study();
    let at = |text: &str| {
        let now: Timestamp = text.parse().unwrap();
        study.valid_at(now).map_err(|error| error.to_string())
    };
    assert_eq!(at("2026-01-01T00:00:00Z"), Ok(()));
    assert_eq!(at("2026-12-31T23:59:59.9Z"), Ok(()));
    let early = at("2025-12-31T23:59:59Z").unwrap_err();
    assert!(early.contains("not yet valid") && early.contains("2026-01-01"), "{early}");
    let late = at("2027-01-01T00:00:00Z").unwrap_err();
    assert!(late.contains("expired") && late.contains("2026-12-31"), "{late}");
}

#[test]
fn a_session_has_sites_then_the_dealer_then_the_analyst() {
    let study = study();
    let session = SessionParties::of(&study, "additive", "analyst").unwrap();
    assert_eq!(session.names(), ["north", "south", "west", "dealer", "analyst"]);
    assert_eq!(session.compute, [1, 0]);
    assert_eq!(session.holders, [0, 1, 2]);
    assert_eq!((session.dealer, session.analyst), (Some(3), 4));
    let session = SessionParties::of(&study, "rep3", "analyst").unwrap();
    assert_eq!(session.names(), ["north", "south", "west", "analyst"]);
    assert_eq!((session.dealer, session.analyst), (None, 3));
    assert_eq!(session.name(1), "south");
    assert_eq!(session.name(9), "party 9");

    let message =
        |engine, analyst| SessionParties::of(&study, engine, analyst).unwrap_err().to_string();
    assert!(message("clear", "analyst").contains("does not allow"));
    assert!(message("rep3", "north").contains("only an analyst asks"));
    assert!(message("rep3", "analist").contains("did you mean \"analyst\""));
}

#[test]
fn a_key_with_another_role_is_told_apart_from_a_stranger() {
    let study = study();
    let message = |number, role| {
        study
            .require(&key(number).public(), role)
            .map(|party| party.name.clone())
            .map_err(|error| error.to_string())
    };
    assert_eq!(message(5, Role::Analyst), Ok("analyst".to_owned()));
    assert!(message(1, Role::Analyst).unwrap_err().contains("that of site \"north\""));
    assert!(message(9, Role::Analyst).unwrap_err().contains("no party's"));
}

#[test]
fn a_later_form_is_refused_by_its_version_not_by_its_new_fields() {
    let later = refusal(|text| text.replacen("version = 1", "version = 2\nconsent = true", 1));
    assert!(later.contains("reads version 1"), "{later}");
}

#[test]
fn deep_nesting_is_refused() {
    for deep in
        ["a = ".to_owned() + &"[".repeat(200_000), "{a=".repeat(100_000), "a.".repeat(200_000)]
    {
        assert!(Study::parse(deep.as_bytes()).is_err());
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_by_line() {
    let message = Study::parse(b"version = 1\nname = \"\xff\"").unwrap_err().to_string();
    assert!(message.contains("line 2") && message.contains("UTF-8"), "{message}");
    let huge = vec![b' '; tacit_governance::LARGEST_STUDY as usize + 1];
    assert!(Study::parse(&huge).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn hostile_bytes_never_panic(at in 0_usize..2000, with in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = text().into_bytes();
        let at = at % bytes.len();
        bytes[at] = with;
        if cut {
            bytes.truncate(at);
        }
        let _ = Study::parse(&bytes);
    }

    #[test]
    fn any_text_is_a_study_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Study::parse(&bytes).is_err());
    }
}
