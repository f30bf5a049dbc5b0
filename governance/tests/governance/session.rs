use proptest::prelude::*;
use tacit_governance::{
    Error,
    session::{
        Agreement, Ask, Clock, ClockRequest, Code, Failure, LARGEST_MESSAGE, PROTOCOL_VERSION,
        PeerTraffic, Phase, Reply, Request, SiteReport, decode, encode, encode_as,
    },
};
use tacit_plan::Digest;

fn agreement(me: u32) -> Agreement {
    Agreement {
        version: PROTOCOL_VERSION,
        study: Digest([1; 32]),
        session: [2; 32],
        plan: Digest([3; 32]),
        circuit: Digest([4; 32]),
        engine: "rep3".into(),
        keys: Digest([0; 32]),
        parties: ["a", "b", "c", "analyst"].map(str::to_owned).into(),
        me,
        epoch: u64::from(me),
    }
}

fn ask() -> Request {
    Request::Ask(Ask {
        version: PROTOCOL_VERSION,
        study: Digest([1; 32]),
        session: [2; 32],
        engine: "rep3".into(),
        sql: "SELECT COUNT(*) FROM t".into(),
        dry_run: false,
    })
}

#[test]
fn messages_come_back() {
    let requests = [
        ask(),
        Request::Start { epochs: vec![1, u64::MAX] },
        Request::Cancel,
        Request::Clock(ClockRequest { study: Digest([9; 32]) }),
    ];
    for request in requests {
        assert_eq!(decode::<Request>(&encode(&request).unwrap()).unwrap(), request);
    }
    let report = SiteReport {
        rounds: 14,
        peers: vec![PeerTraffic { sent: 3, received: 4 }; 4],
        receipt: Digest([5; 32]),
        local_seconds: 0.25,
        joint_seconds: 1.5,
    };
    assert_eq!((report.sent(), report.received()), (12, 16));
    let mismatch =
        agreement(0).compare(&Agreement { engine: "clear".into(), ..agreement(1) }).unwrap_err();
    let replies = [
        Reply::Accepted { agreement: agreement(0), bill: Digest([6; 32]) },
        Reply::Queued { position: 2 },
        Reply::Progress { phase: Phase::Joint, round: 1, rounds: 14 },
        Reply::Done { report },
        Reply::Refused(Failure::new(Code::Policy, "no averages")),
        Reply::Failed(Failure::new(Code::Network, "north is gone").by("north")),
        Reply::Failed(mismatch.into()),
        Reply::Clock(Clock {
            microseconds: -1,
            study: Digest([9; 32]),
            release: "0.1.0".into(),
            ready: Err("loading".into()),
        }),
    ];
    for reply in replies {
        assert_eq!(decode::<Reply>(&encode(&reply).unwrap()).unwrap(), reply);
    }
}

type Change = fn(&mut Agreement);

#[test]
fn agreements_differ_in_any_compared_field_with_both_values() {
    let ours = agreement(0);
    assert_eq!(ours.compare(&agreement(1)), Ok(()));
    let differing: [(&str, Change); 8] = [
        ("protocol version", |a| a.version += 1),
        ("study", |a| a.study.0[31] ^= 1),
        ("session", |a| a.session[0] ^= 1),
        ("engine", |a| a.engine = "additive".into()),
        ("parties", |a| a.parties.swap(0, 1)),
        ("plan", |a| a.plan.0[0] ^= 1),
        ("circuit", |a| a.circuit.0[0] ^= 1),
        ("party index", |a| a.me = 0),
    ];
    for (what, change) in differing {
        let mut theirs = agreement(1);
        change(&mut theirs);
        let mismatch = ours.compare(&theirs).unwrap_err();
        assert_eq!(mismatch.what, what);
        let text = mismatch.to_string();
        assert!(text.contains(&mismatch.ours) && text.contains(&mismatch.theirs), "{text}");
    }
    assert!(ours.compare(&agreement(4)).is_err());
}

#[test]
fn another_version_of_the_protocol_is_a_mismatch_even_if_its_form_is_unknown() {
    for bytes in [encode_as(7, &ask()).unwrap(), encode_as(7, &"another form").unwrap()] {
        let Err(Error::ConfigMismatch(mismatch)) = decode::<Request>(&bytes) else {
            panic!("no mismatch");
        };
        assert_eq!(
            (mismatch.ours.as_str(), mismatch.theirs.as_str()),
            (PROTOCOL_VERSION.to_string().as_str(), "7")
        );
    }
}

#[test]
fn oversize_cut_and_trailing_bytes_are_refused() {
    let bytes = encode(&ask()).unwrap();
    for length in 0..bytes.len() {
        assert!(decode::<Request>(&bytes[..length]).is_err(), "{length}");
    }
    assert!(decode::<Request>(&[bytes, vec![0]].concat()).is_err());
    assert!(decode::<Request>(&vec![0; LARGEST_MESSAGE + 1]).is_err());
    let huge = Reply::Refused(Failure {
        message: "x".repeat(LARGEST_MESSAGE),
        ..Failure::new(Code::Query, "")
    });
    assert!(encode(&huge).is_err());
    assert!(Failure::new(Code::Query, "ä".repeat(LARGEST_MESSAGE)).message.len() < 5000);
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [PROTOCOL_VERSION.to_le_bytes().to_vec(), body].concat();
        let _ = (decode::<Request>(&bytes), decode::<Reply>(&bytes), decode::<Agreement>(&bytes));
    }

    #[test]
    fn a_flipped_bit_is_another_message_or_an_error(at in 0_usize..200, bit in 0..8) {
        let mut bytes = encode(&agreement(1)).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1_u8 << bit;
        if let Ok(theirs) = decode::<Agreement>(&bytes) {
            prop_assert_ne!(theirs, agreement(1));
        }
    }
}
