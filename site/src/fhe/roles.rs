//! Who takes what from whom: looked at before any byte of a parcel is.

use tacit_governance::{
    SessionParties,
    phases::{Kind, Parcel, Scope},
    session::{Code, Failure},
};

/// Checks that the party `me` of the session takes such a parcel of that maker, and that the maker
/// signed it for this question.
///
/// # Errors
/// Why it is not taken.
pub(super) fn takes(
    session: &SessionParties,
    me: usize,
    parcel: &Parcel,
    scope: &Scope,
) -> Result<(), Failure> {
    let (from, name) = (parcel.from as usize, session.name(me));
    let no = |what: String| Err(Failure::new(Code::Policy, what));
    let evaluates = session.compute.first() == Some(&me);
    let holds = session.key_holders.contains(&me);
    let right_maker = match parcel.kind {
        Kind::Upload if !evaluates && !holds => {
            return no(format!("{name} neither evaluates nor holds a key: it takes no upload"));
        }
        Kind::Upload => session.holders.contains(&from),
        Kind::Result if !holds => {
            return no(format!("{name} holds no key: it takes no result"));
        }
        Kind::Result => session.compute.first() == Some(&from),
        Kind::Part => return no("parts are for the analyst alone: no party takes one".to_owned()),
    };
    let maker = session.parties.get(from).filter(|_| right_maker);
    let Some(maker) = maker else {
        let who = session.name(from);
        return no(format!("{who} makes no {} of this question", parcel.kind));
    };
    parcel.check(&maker.key, scope).map_err(|error| {
        let what = format!(
            "{error}: it is not what {} made for this study, its keys, this circuit and this session",
            maker.name
        );
        Failure::new(Code::Abort, what)
    })
}

#[cfg(test)]
mod tests {
    use tacit_governance::{KeyPair, Role, SessionParty};
    use tacit_plan::Digest;

    use super::*;

    fn scope() -> Scope {
        let digest = |byte| Digest([byte; 32]);
        Scope { study: digest(1), keys: digest(2), question: digest(3), session: [4; 32] }
    }

    fn key(index: usize) -> KeyPair {
        KeyPair::from_seed(&[index as u8 + 1; 32])
    }

    /// Four sites, of which 1 evaluates, and 1 and 2 hold keys; then the analyst.
    fn session() -> SessionParties {
        let party = |index: usize| SessionParty {
            name: format!("p{index}"),
            role: if index < 4 { Role::Site } else { Role::Analyst },
            key: key(index).public(),
            address: None,
        };
        SessionParties {
            engine: "fhe".into(),
            parties: (0..5).map(party).collect(),
            compute: vec![1],
            key_holders: vec![1, 2],
            holders: vec![0, 1, 2, 3],
            dealer: None,
            analyst: 4,
        }
    }

    fn asked(me: usize, kind: Kind, from: usize) -> Result<(), Failure> {
        let parcel = Parcel::sign(&key(from), &scope(), kind, from, b"bytes");
        takes(&session(), me, &parcel, &scope())
    }

    fn said(me: usize, kind: Kind, from: usize) -> String {
        asked(me, kind, from).unwrap_err().message
    }

    #[test]
    fn only_evaluator_and_key_holders_take_uploads_and_only_key_holders_results() {
        for me in [1, 2] {
            for from in 0..4 {
                asked(me, Kind::Upload, from).unwrap();
            }
            asked(me, Kind::Result, 1).unwrap();
        }
        for me in [0, 3] {
            assert!(said(me, Kind::Upload, 1).contains("takes no upload"));
            assert!(said(me, Kind::Result, 1).contains("takes no result"));
        }
        for me in 0..4 {
            assert!(said(me, Kind::Part, 2).contains("analyst alone"));
        }
    }

    #[test]
    fn a_parcel_of_somebody_who_makes_none_is_refused() {
        for from in [4, 5, 9000] {
            assert!(said(2, Kind::Upload, from).contains("makes no upload"), "{from}");
        }
        for from in [0, 2, 3, 4] {
            assert!(said(2, Kind::Result, from).contains("makes no result"), "{from}");
        }
    }

    #[test]
    fn a_parcel_that_its_maker_did_not_sign_for_this_question_is_refused() {
        let good = Parcel::sign(&key(0), &scope(), Kind::Upload, 0, b"bytes");
        let other = Scope { session: [5; 32], ..scope() };
        let elsewhere = [
            Scope { study: Digest([9; 32]), ..scope() },
            Scope { keys: Digest([9; 32]), ..scope() },
            Scope { question: Digest([9; 32]), ..scope() },
            other,
        ];
        for scope in elsewhere {
            let failure = takes(&session(), 2, &good, &scope).unwrap_err();
            assert_eq!(failure.code, Code::Abort);
            assert!(failure.message.contains("not what p0 made"), "{}", failure.message);
        }
        // Another's, copied: signed by one party and said to be of another.
        let copied = Parcel { from: 3, ..good.clone() };
        assert!(takes(&session(), 2, &copied, &scope()).is_err());
        let longer = Parcel { length: 1 << 40, ..good };
        assert!(takes(&session(), 2, &longer, &scope()).is_err());
    }
}
