//! The engines that a study allows, and who does what with them.

use tacit_client::Backend;
use tacit_governance::{AdditiveTerms, EngineTerms, Engines, FheTerms, Verify};
use tacit_mpc::EngineKind;

use crate::error::{Exit, Failure, Result};

/// Heading of options in help; one of the whole struct would hold for all options after it, too.
const FHE: &str = "Options of the engine fhe";

/// Who does what on `fhe`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct FheOptions {
    /// How many sites hold keys; all of them together decrypt [default: the first two]
    #[arg(long, value_name = "NUMBER", help_heading = FHE)]
    pub key_holders: Option<usize>,
    /// Whether key holders evaluate again before they decrypt, or trust the evaluator [default: reevaluate]
    #[arg(long, value_name = "reevaluate|trust", value_parser = verify, help_heading = FHE)]
    pub verify: Option<Verify>,
    /// How many days a question may wait for absent sites [default: 30]
    #[arg(long, value_name = "DAYS", help_heading = FHE)]
    pub wait_days: Option<u32>,
}

fn verify(text: &str) -> Result<Verify, String> {
    match text {
        "reevaluate" => Ok(Verify::Reevaluate),
        "trust" => Ok(Verify::Trust),
        _ => Err("it is reevaluate or trust".to_owned()),
    }
}

/// Engines by their names, as `flag` gave them; `None` if there are none.
///
/// # Errors
/// With the flag, the nearest name and all there are.
pub fn named(flag: &str, names: &[String]) -> Result<Option<Vec<Backend>>> {
    let backend = |name: &String| {
        let name = name.trim().to_ascii_lowercase();
        name.parse::<Backend>().map_err(|_| {
            let known = ["rep3", "additive", "fhe", "clear"];
            let near = tacit_plan::suggest::did_you_mean(&name, known);
            usage(format!("{flag} {name}: there is none of that name{near}"))
                .help(format!("engines: {}", known.join(", ")))
        })
    };
    let backends = names.iter().map(backend).collect::<Result<Vec<_>>>()?;
    Ok((!backends.is_empty()).then_some(backends))
}

/// Terms for the engines that were named, or for every engine of multi-party computation that fits
/// the number of sites; `clear` and `fhe` are there only when they are named. `compute` sites compute
/// with `additive`; by default the first three, or both of two. On `fhe` the first sites hold keys,
/// and the first one evaluates.
///
/// # Errors
/// If an engine does not fit the sites, or the number of compute parties or key holders does not.
pub fn terms(
    sites: &[String],
    named: Option<&[Backend]>,
    compute: Option<usize>,
    fhe: FheOptions,
) -> Result<Engines> {
    let count = sites.len();
    let first = |n: usize| sites[..n.min(count)].to_vec();
    let compute = compute.unwrap_or(count.min(3));
    if compute < 2 || compute > count {
        return Err(usage(format!(
            "--compute {compute}: with {count} sites it is from 2 to {count}"
        )));
    }
    let fitting: &[Backend] = match count {
        0..3 => &[Backend::Mpc(EngineKind::Additive)],
        _ => &[Backend::Mpc(EngineKind::Rep3), Backend::Mpc(EngineKind::Additive)],
    };
    let mut engines = Engines::default();
    for backend in named.unwrap_or(fitting) {
        match backend {
            Backend::Mpc(EngineKind::Rep3) if count < 3 => {
                let message = format!("rep3 needs three sites to compute, and here are {count}");
                return Err(Failure::setup("engine", message)
                    .help("use three sites or more, or --engines additive"));
            }
            Backend::Mpc(EngineKind::Rep3) => {
                engines.rep3 = Some(EngineTerms { compute: first(3) });
            }
            Backend::Mpc(EngineKind::Additive) => {
                engines.additive =
                    Some(AdditiveTerms { compute: first(compute), triples: "dealer".into() });
            }
            Backend::Mpc(EngineKind::Clear) => {
                engines.clear = Some(EngineTerms { compute: first(3) });
            }
            Backend::Fhe => engines.fhe = Some(homomorphic(sites, fhe)?),
        }
    }
    if engines.fhe.is_none() && fhe != FheOptions::default() {
        let message = "--key-holders, --verify and --wait-days are for the engine fhe, which is not \
                       among the engines";
        return Err(usage(message).help("name it: --engines rep3,fhe"));
    }
    Ok(engines)
}

fn homomorphic(sites: &[String], options: FheOptions) -> Result<FheTerms> {
    let count = sites.len();
    let holders = options.key_holders.unwrap_or(2);
    if !(2..=count).contains(&holders) {
        return Err(usage(format!(
            "--key-holders {holders}: with {count} sites it is from 2 to {count}"
        )));
    }
    Ok(FheTerms {
        holders: sites[..holders].to_vec(),
        evaluator: sites[0].clone(),
        keys: "dealer".to_owned(),
        verify: options.verify.unwrap_or_default(),
        wait_days: options.wait_days,
    })
}

fn usage(message: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, "usage", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAR: Backend = Backend::Mpc(EngineKind::Clear);
    const REP3: Backend = Backend::Mpc(EngineKind::Rep3);

    fn sites(count: usize) -> Vec<String> {
        crate::sandbox::site_names(count)
    }

    fn of(count: usize, named: Option<&[Backend]>, compute: Option<usize>) -> Result<Engines> {
        terms(&sites(count), named, compute, FheOptions::default())
    }

    #[test]
    fn every_engine_that_fits_is_allowed_but_clear_and_fhe() {
        let three = of(3, None, None).unwrap();
        assert_eq!(three.names(), ["rep3", "additive"]);
        let two = of(2, None, None).unwrap();
        assert_eq!(two.names(), ["additive"]);
        let five = of(5, None, Some(5)).unwrap();
        assert_eq!(five.compute("rep3").unwrap().len(), 3);
        assert_eq!(five.compute("additive").unwrap().len(), 5);
        let clear = of(2, Some(&[CLEAR]), None).unwrap();
        assert_eq!(clear.names(), ["clear"]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let rep3 = of(2, Some(&[REP3]), None).unwrap_err();
        assert_eq!(rep3.stable_code(), "engine");
        assert_eq!(of(3, None, Some(4)).unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn the_first_sites_hold_keys_and_the_first_evaluates() {
        let sites = sites(3);
        let fhe = |options| terms(&sites, Some(&[REP3, Backend::Fhe]), None, options);
        let engines = fhe(FheOptions::default()).unwrap();
        assert_eq!(engines.names(), ["rep3", "fhe"]);
        let by_default = engines.fhe.unwrap();
        assert_eq!((&*by_default.holders, &by_default.evaluator), (&sites[..2], &sites[0]));
        assert_eq!((by_default.verify, by_default.wait_days()), (Verify::Reevaluate, 30));
        let options =
            FheOptions { key_holders: Some(3), verify: Some(Verify::Trust), wait_days: Some(7) };
        let asked = fhe(options).unwrap().fhe.unwrap();
        assert_eq!((asked.holders.len(), asked.verify, asked.wait_days()), (3, Verify::Trust, 7));
        for wrong in [0, 1, 4] {
            let options = FheOptions { key_holders: Some(wrong), ..FheOptions::default() };
            let refused = fhe(options).unwrap_err();
            assert!(refused.to_string().contains("from 2 to 3"), "{refused}");
        }
    }

    #[test]
    fn options_of_fhe_without_fhe_are_refused() {
        let options = FheOptions { verify: Some(Verify::Trust), ..FheOptions::default() };
        let refused = terms(&sites(3), None, None, options).unwrap_err();
        assert_eq!(refused.exit(), Exit::Usage);
        assert_eq!(verify("trust"), Ok(Verify::Trust));
        assert!(verify("hope").is_err());
    }

    #[test]
    fn names_are_read_in_any_case_and_a_slip_is_told_with_the_nearest() {
        let names = |names: &[&str]| {
            named("--engines", &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), None);
        assert_eq!(names(&["Rep3", " fhe"]).unwrap(), Some(vec![REP3, Backend::Fhe]));
        let refused = names(&["rep4"]).unwrap_err();
        assert!(refused.to_string().contains("did you mean \"rep3\""), "{refused}");
    }
}
