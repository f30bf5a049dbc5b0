//! [`SessionParties`]: who is on the link of one query, and in which order.

use crate::{
    Error, PublicKey, Result, Study,
    document::{Party, Role},
};

/// One party of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionParty {
    /// Its name in the study.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Its pinned key.
    pub key: PublicKey,
    /// Where it serves; an analyst need not.
    pub address: Option<String>,
}

/// The parties of a session in link order: all sites in study order, the dealer (if the engine
/// needs one), and the asking analyst last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionParties {
    /// The engine's name.
    pub engine: String,
    /// Everybody on the link; the position is the session index.
    pub parties: Vec<SessionParty>,
    /// Session indices of the compute parties, in the study's order of `compute`.
    pub compute: Vec<usize>,
    /// Session indices of the key holders, in the study's order of `holders`; none but on `fhe`.
    pub key_holders: Vec<usize>,
    /// Session indices of the data holders: every site.
    pub holders: Vec<usize>,
    /// Session index of the dealer.
    pub dealer: Option<usize>,
    /// Session index of the analyst.
    pub analyst: usize,
}

impl SessionParties {
    /// The session that `analyst` (a name) has with an engine of the study.
    ///
    /// # Errors
    /// [`Error::Engine`] if the study does not allow it, [`Error::Party`] if the analyst is none.
    pub fn of(study: &Study, engine: &str, analyst: &str) -> Result<Self> {
        let Some(compute) = study.engines().compute(engine) else {
            let allowed = study.engines().names();
            return Err(Error::Engine(format!(
                "the study {:?} does not allow the engine {engine:?}{}; it allows {}",
                study.name(),
                tacit_plan::suggest::did_you_mean(engine, allowed.iter().copied()),
                allowed.join(", ")
            )));
        };
        let asking = study.party(analyst)?;
        if asking.role != Role::Analyst {
            return Err(Error::Party(format!(
                "{analyst:?} is a {} of the study; only an analyst asks",
                asking.role
            )));
        }
        let mut parties: Vec<SessionParty> = study.sites().map(SessionParty::of).collect();
        let holders: Vec<usize> = (0..parties.len()).collect();
        let compute = compute
            .iter()
            .filter_map(|name| parties.iter().position(|party| party.name == *name))
            .collect();
        let key_holders = match study.engines().fhe.as_ref().filter(|_| engine == "fhe") {
            Some(terms) => terms
                .holders
                .iter()
                .filter_map(|name| parties.iter().position(|party| party.name == *name))
                .collect(),
            None => Vec::new(),
        };
        let dealer = study.dealer().filter(|_| engine == "additive").map(|dealer| {
            parties.push(SessionParty::of(dealer));
            parties.len() - 1
        });
        parties.push(SessionParty::of(asking));
        Ok(Self {
            engine: engine.to_owned(),
            analyst: parties.len() - 1,
            parties,
            compute,
            key_holders,
            holders,
            dealer,
        })
    }

    /// Names in link order.
    pub fn names(&self) -> Vec<String> {
        self.parties.iter().map(|party| party.name.clone()).collect()
    }

    /// Session index of a name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.parties.iter().position(|party| party.name == name)
    }

    /// Name of a session index, for messages: `party 9` if there is none.
    pub fn name(&self, index: usize) -> String {
        self.parties.get(index).map_or_else(|| format!("party {index}"), |party| party.name.clone())
    }
}

impl SessionParty {
    fn of(party: &Party) -> Self {
        Self {
            name: party.name.clone(),
            role: party.role,
            key: party.key,
            address: party.address.clone(),
        }
    }
}
