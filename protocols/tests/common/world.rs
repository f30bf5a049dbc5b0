//! All parties of a session in memory, one thread each.

use std::collections::BTreeMap;

use tacit_mpc::{Bill, Circuit, Column, EngineKind, Roster, bill, clear, run};
use tacit_net::{Counted, memory};
use tacit_protocols::lower;

/// Who computes: sites first, then the dealer if the engine has one, then the analyst.
#[derive(Clone, Debug)]
pub struct World {
    pub engine: EngineKind,
    pub sites: usize,
    pub roster: Roster,
}

impl World {
    pub fn new(engine: EngineKind, sites: usize) -> Self {
        let dealer = matches!(engine, EngineKind::Additive).then_some(sites);
        let compute = match engine {
            EngineKind::Rep3 => 3,
            _ => sites,
        };
        let roster = Roster {
            parties: sites + usize::from(dealer.is_some()) + 1,
            compute: (0..compute).collect(),
            dealer,
        };
        Self { engine, sites, roster }
    }

    /// Every engine in the sizes that matter.
    pub fn all() -> Vec<Self> {
        vec![
            Self::new(EngineKind::Clear, 3),
            Self::new(EngineKind::Rep3, 3),
            Self::new(EngineKind::Rep3, 5),
            Self::new(EngineKind::Additive, 2),
            Self::new(EngineKind::Additive, 3),
            Self::new(EngineKind::Additive, 5),
        ]
    }

    pub fn analyst(&self) -> usize {
        self.roster.parties - 1
    }

    pub fn lowered(&self, circuit: &Circuit) -> Circuit {
        lower(circuit, self.engine.addends(self.roster.compute.len()))
    }

    pub fn bill(&self, circuit: &Circuit) -> Bill {
        bill(&self.lowered(circuit), self.engine, &self.roster).unwrap()
    }

    /// Runs a circuit and checks the laws: what is opened is what the clear interpreter opens, to
    /// the same parties, and every ledger is the bill, to the byte. Returns what the analyst saw.
    pub fn check(
        &self,
        circuit: &Circuit,
        inputs: &BTreeMap<usize, Vec<Column>>,
    ) -> Vec<(String, Column)> {
        let lowered = self.lowered(circuit);
        let bill = bill(&lowered, self.engine, &self.roster).unwrap();
        let links = memory::mesh(self.roster.parties, [7; 32]);
        let results: Vec<_> = std::thread::scope(|scope| {
            let parties: Vec<_> = links
                .into_iter()
                .enumerate()
                .map(|(me, link)| {
                    let own = inputs.get(&me).cloned().unwrap_or_default();
                    let lowered = &lowered;
                    scope.spawn(move || {
                        let mut link = Counted::new(link);
                        let roster = &self.roster;
                        let go = &mut |_: &_| Ok(());
                        let opened = run(lowered, self.engine, roster, &mut link, own, go);
                        (opened.unwrap(), link.ledger().clone())
                    })
                })
                .collect();
            parties.into_iter().map(|party| party.join().unwrap()).collect()
        });
        let expected = clear(circuit, inputs).unwrap();
        let mut seen = Vec::new();
        for (me, (opened, ledger)) in results.into_iter().enumerate() {
            let due: Vec<(String, Column)> = expected
                .iter()
                .filter(|(to, _, _)| *to == me)
                .map(|(_, name, column)| (name.clone(), column.clone()))
                .collect();
            assert!(opened == due, "{self:?}: party {me} sees something else");
            let billed = &bill.parties[me];
            assert_eq!(
                (ledger.rounds, ledger.sent(), ledger.received()),
                (billed.rounds, billed.sent, billed.received),
                "{self:?}: ledger and bill of party {me}"
            );
            seen = opened;
        }
        seen
    }
}
