//! The engines that a study allows, and who computes with them.

use tacit_governance::{AdditiveTerms, EngineTerms, Engines};
use tacit_mpc::EngineKind;

use crate::error::{Exit, Failure, Result};

/// Terms for the engines that were named, or for every engine that fits the number of sites;
/// `clear` is there only when it is named. `compute` sites compute with `additive`; by default
/// the first three, or both of two.
///
/// # Errors
/// If an engine does not fit the sites, or the number of compute parties does not.
pub fn terms(
    sites: &[String],
    named: Option<&[EngineKind]>,
    compute: Option<usize>,
) -> Result<Engines> {
    let count = sites.len();
    let first = |n: usize| sites[..n.min(count)].to_vec();
    let compute = compute.unwrap_or(count.min(3));
    if compute < 2 || compute > count {
        let message = format!("--compute {compute}: with {count} sites it is from 2 to {count}");
        return Err(Failure::new(Exit::Usage, "usage", message));
    }
    let fitting = match count {
        0..3 => vec![EngineKind::Additive],
        _ => vec![EngineKind::Rep3, EngineKind::Additive],
    };
    let mut engines = Engines::default();
    for engine in named.unwrap_or(&fitting) {
        match engine {
            EngineKind::Rep3 if count < 3 => {
                let message = format!("rep3 needs three sites to compute, and here are {count}");
                return Err(Failure::setup("engine", message)
                    .help("use three sites or more, or --engines additive"));
            }
            EngineKind::Rep3 => engines.rep3 = Some(EngineTerms { compute: first(3) }),
            EngineKind::Additive => {
                engines.additive =
                    Some(AdditiveTerms { compute: first(compute), triples: "dealer".into() });
            }
            EngineKind::Clear => engines.clear = Some(EngineTerms { compute: first(3) }),
        }
    }
    Ok(engines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(count: usize) -> Vec<String> {
        crate::sandbox::site_names(count)
    }

    #[test]
    fn every_engine_that_fits_is_allowed_but_clear() {
        let three = terms(&sites(3), None, None).unwrap();
        assert_eq!(three.names(), ["rep3", "additive"]);
        let two = terms(&sites(2), None, None).unwrap();
        assert_eq!(two.names(), ["additive"]);
        let five = terms(&sites(5), None, Some(5)).unwrap();
        assert_eq!(five.compute("rep3").unwrap().len(), 3);
        assert_eq!(five.compute("additive").unwrap().len(), 5);
        let clear = terms(&sites(2), Some(&[EngineKind::Clear]), None).unwrap();
        assert_eq!(clear.names(), ["clear"]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let rep3 = terms(&sites(2), Some(&[EngineKind::Rep3]), None).unwrap_err();
        assert_eq!(rep3.stable_code(), "engine");
        assert_eq!(terms(&sites(3), None, Some(4)).unwrap_err().exit(), Exit::Usage);
    }
}
