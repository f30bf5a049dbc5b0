//! Errors of the layers below as failures that the analyst can be told.

use tacit_governance::{
    SessionParties,
    session::{Code, Failure},
};

/// A failure of the network or of the engine, with the culprit's name.
pub(crate) fn of_mpc(error: &tacit_mpc::Error, session: &SessionParties) -> Failure {
    match error {
        tacit_mpc::Error::Net(error) => of_net(error, session),
        tacit_mpc::Error::Abort { culprit, what } => {
            let failure = Failure::new(Code::Abort, what);
            match culprit {
                Some(culprit) => failure.by(session.name(*culprit)),
                None => failure,
            }
        }
        other => Failure::new(Code::Internal, other.to_string()),
    }
}

/// A failure of the network, with the culprit's name.
pub(crate) fn of_net(error: &tacit_net::Error, session: &SessionParties) -> Failure {
    use tacit_net::Error as Net;
    let named = |culprit: usize, code: Code, what: String| {
        let name = session.name(culprit);
        Failure::new(code, format!("{name} {what}")).by(name)
    };
    match error {
        Net::Lost { peer, cause } => named(*peer, Code::Network, format!("is gone: {cause}")),
        Net::Deadline { peer, seconds } => {
            named(*peer, Code::Network, format!("did not answer within {seconds} s"))
        }
        Net::Frame { peer, expected, got } => {
            named(*peer, Code::Message, format!("sent {got}, expected {expected}"))
        }
        Net::Aborted { by, culprit, reason } => {
            let blamed = session.name(culprit.unwrap_or(*by));
            if let Some(failure) = Failure::of_reason(reason) {
                return failure.by(blamed);
            }
            let what = format!("{blamed} was lost, says {}: {reason}", session.name(*by));
            Failure::new(Code::Network, what).by(blamed)
        }
        Net::Unreachable { peer, name, fault, .. } => {
            let culprit = peer.map_or_else(|| name.clone(), |peer| session.name(peer));
            Failure::new(Code::Network, format!("{culprit} cannot be reached: {fault}")).by(culprit)
        }
        other => Failure::new(Code::Network, other.to_string()),
    }
}
