//! The folder of keys for a study of the tests, from keys that are made once and cached.

use std::path::Path;

use tacit_governance::{KeyPair, KeySet, Study, Timestamp, keyset};
use tacit_he::{Calibration, KeyShare, PARAMETERS};
use tacit_plan::Digest;

use crate::common::World;

/// Writes the keys of the study of `world`; gives the shares, to look for them where they must not be.
pub fn deal(world: &World) -> Vec<KeyShare> {
    let study = study(world);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (public, shares) = tacit_he::testing::keys_of(cache, study.digest().0);
    let digest = Digest(public.digest());
    let now = Timestamp::now();
    let mut draft = KeySet::draft(&study, &world.study(), digest, PARAMETERS, now).unwrap();
    let [server, encryption, crs] = public.to_parts().unwrap();
    draft.part(keyset::SERVER, &server).unwrap();
    draft.part(keyset::PUBLIC, &encryption).unwrap();
    draft.part(keyset::CRS, &crs).unwrap();
    let calibration = Calibration {
        summed: 0.03,
        compared: 0.03,
        looked_up: 0.03,
        multiplied: 0.03,
        squashed: 0.4,
    };
    draft.part(keyset::CALIBRATION, &serde_json::to_vec(&calibration).unwrap()).unwrap();
    let holders = study.engines().fhe.clone().unwrap().holders;
    for (name, share) in holders.iter().zip(&shares) {
        let (ephemeral, secret) = study.party(name).unwrap().key.agree().unwrap();
        let sealed = tacit_he::keys::seal(share, ephemeral, &secret).unwrap();
        draft.share(name, &sealed).unwrap();
    }
    draft.finish(&key(world, "dealer"), false).unwrap();
    shares
}

pub fn study(world: &World) -> Study {
    Study::open_signed(&world.study(), Timestamp::now()).unwrap()
}

pub fn key(world: &World, name: &str) -> KeyPair {
    KeyPair::load(&world.home(name).join("key")).unwrap()
}
