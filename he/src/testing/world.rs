//! [`World`]: three key holders, and a run from columns to opened columns.

use std::{collections::BTreeMap, fs, path::Path};

use tacit_mpc::{Circuit, Column};

use crate::{
    Accepted, Decryption, EncryptionKeys, EvaluationKeys, Field, Forgetful, Guard, KeyShare,
    Partial, Program, PublicKeys, Session, Squashed, Verify, accept, combine, encrypt, evaluate,
    fields,
    flooding::SCALE_BITS,
    keys::{Dealer, KeySource, Origin, Scope, open, seal},
    plan_digest,
    squash::place,
    statement,
};

/// All keys of a study in one place.
pub struct World {
    /// The public keys as they travel.
    pub public: PublicKeys,
    /// Expanded for encryption.
    pub encryption: EncryptionKeys,
    /// Expanded for evaluation.
    pub evaluation: EvaluationKeys,
    /// Every holder's share.
    pub shares: Vec<KeyShare>,
}

/// The study of the tests.
const STUDY: [u8; 32] = [0x5a; 32];
const HOLDERS: usize = 3;

/// What the dealer and a key holder of the tests agree on.
fn secret(holder: usize) -> [u8; 32] {
    [holder as u8 + 1; 32]
}

impl World {
    /// Reads the keys from a folder, or makes them and stores them there.
    ///
    /// # Panics
    /// If they cannot be made.
    pub fn load(folder: &Path) -> Self {
        let (public, shares) = keys(folder);
        let (encryption, evaluation) = (public.encryption(), public.evaluation().unwrap());
        Self { public, encryption, evaluation, shares }
    }

    /// A session of the test study.
    pub fn session(plan: [u8; 32]) -> Session {
        Session { study: STUDY, plan, session: [1; 32] }
    }

    /// Encrypts and accepts what every party enters.
    ///
    /// # Panics
    /// If an upload is refused.
    pub fn uploads(
        &self,
        session: &Session,
        fields: &[Vec<Field>],
        inputs: &BTreeMap<usize, Vec<Column>>,
    ) -> Vec<Accepted> {
        let entering = fields.iter().enumerate().filter(|(_, fields)| !fields.is_empty());
        let upload = |(party, fields): (usize, &Vec<Field>)| {
            let bytes = encrypt(&self.encryption, session, party, fields, &inputs[&party]).unwrap();
            assert!(bytes.len() as u64 <= crate::limit(fields));
            accept(&self.encryption, session, party, fields, &bytes).unwrap()
        };
        entering.map(upload).collect()
    }

    /// The whole way: what the receiver opens.
    ///
    /// # Panics
    /// If a phase fails, if the noise is beyond its bound, or if more is opened than the plan lists.
    pub fn run(
        &self,
        circuit: &Circuit,
        parties: usize,
        width: u32,
        inputs: &BTreeMap<usize, Vec<Column>>,
    ) -> Vec<(usize, String, Column)> {
        let fields = fields(circuit, parties, |_, _| width).unwrap();
        let program = Program::new(circuit, &fields).unwrap();
        let plan = circuit.digest();
        let uploads = self.uploads(&Self::session(plan), &fields, inputs);
        let squashed = evaluate(&self.evaluation, &program, &uploads, 0, &|_, _| true).unwrap();
        assert_eq!(squashed.len(), program.released());
        let blocks = self.decrypt(&program, &uploads, &squashed);
        for noise in self.noise(&squashed, &blocks) {
            assert!(noise.unsigned_abs() < 1 << crate::flooding::SQUASHED_NOISE_BITS);
        }
        // No place of a ciphertext that nothing of the plan lies in holds anything.
        let layout = program.outputs.layout();
        let (digits, bits) = layout.read(&blocks);
        assert_eq!(layout.write(&digits, &bits), blocks);
        program.decode(&blocks).unwrap()
    }

    /// What a holder of the test study is asked when `squashed` is the result of its own evaluation.
    pub fn asked<'a>(
        &self,
        program: &Program,
        uploads: &[Accepted],
        squashed: &'a Squashed,
    ) -> Decryption<'a> {
        let statement = statement(self.public.digest(), program, uploads);
        Decryption {
            plan: plan_digest(&program.circuit(), &Self::session([0; 32]).session),
            released: program.released(),
            approved: statement,
            statement,
            claimed: squashed.digest(),
            squashed,
            verify: Verify::Reevaluate,
        }
    }

    /// Every holder's part of what it is asked for the first time.
    ///
    /// # Panics
    /// If a holder refuses.
    pub fn parts(&self, asked: &Decryption) -> Vec<Partial> {
        let summary = asked.squashed.summary();
        let part = |share: &KeyShare| {
            let part = Guard::new(Forgetful::default()).decrypt(share, asked).unwrap();
            Partial::from_bytes(&part, share.holder(), &summary).unwrap()
        };
        self.shares.iter().map(part).collect()
    }

    /// What all holders together decrypt.
    ///
    /// # Panics
    /// If a holder refuses.
    pub fn decrypt(&self, program: &Program, uploads: &[Accepted], squashed: &Squashed) -> Vec<u8> {
        let parts = self.parts(&self.asked(program, uploads, squashed));
        combine(&squashed.summary(), HOLDERS, &parts).unwrap()
    }

    /// The noise of squashed ciphertexts, without flooding: what `b - <a, s>` is apart from a message's
    /// place.
    pub fn noise(&self, squashed: &Squashed, messages: &[u8]) -> Vec<i128> {
        let noise = |(block, &message): (&Vec<u128>, &u8)| {
            let mut left = block.last().copied().unwrap_or(0);
            for share in &self.shares {
                for (a, s) in block.iter().zip(share.words()) {
                    left = left.wrapping_sub(a.wrapping_mul(*s));
                }
            }
            left.wrapping_sub(u128::from(place(message)) << SCALE_BITS) as i128
        };
        squashed.blocks.iter().zip(messages).map(noise).collect()
    }
}

/// The keys of three holders, from a folder, or made and stored there.
fn keys(folder: &Path) -> (PublicKeys, Vec<KeyShare>) {
    let scope = Scope::new(STUDY, HOLDERS).unwrap();
    let folder = folder.join("tacit-he-keys-3");
    read(&folder, scope).unwrap_or_else(|| {
        let mut dealt = Dealer.deal(scope).unwrap();
        let shares: Vec<KeyShare> = (0..HOLDERS).map(|i| dealt.share(i).unwrap()).collect();
        write(&folder, dealt.public(), &shares);
        read(&folder, scope).expect("keys that were just written are read back")
    })
}

/// The same keys as if they had been made for the study with this digest.
///
/// # Panics
/// If they cannot be made.
pub fn keys_of(folder: &Path, study: [u8; 32]) -> (PublicKeys, Vec<KeyShare>) {
    let (public, shares) = keys(folder);
    let public = public.of_study(study).unwrap();
    let share = |share: &KeyShare| {
        let words = share.words().to_vec().into();
        KeyShare::new(public.scope(), public.digest(), share.holder(), words).unwrap()
    };
    let shares = shares.iter().map(share).collect();
    (public, shares)
}

/// The secret words of a share, to look for them where they must not be.
pub fn words(share: &KeyShare) -> &[u128] {
    share.words()
}

fn read(folder: &Path, scope: Scope) -> Option<(PublicKeys, Vec<KeyShare>)> {
    let part = |i: usize| fs::read(folder.join(format!("public-{i}"))).ok();
    let parts = [part(0)?, part(1)?, part(2)?];
    let digest: [u8; 32] = fs::read(folder.join("digest")).ok()?.try_into().ok()?;
    let public = PublicKeys::from_parts(scope, Origin::Dealer, digest, &parts).ok()?;
    let share = |holder| {
        let sealed = fs::read(folder.join(format!("share-{holder}"))).ok()?;
        open(&sealed, &secret(holder), scope, digest, holder).ok()
    };
    let shares: Option<Vec<KeyShare>> = (0..scope.holders).map(share).collect();
    Some((public, shares?))
}

fn write(folder: &Path, public: &PublicKeys, shares: &[KeyShare]) {
    fs::create_dir_all(folder).unwrap();
    for (i, part) in public.to_parts().unwrap().iter().enumerate() {
        fs::write(folder.join(format!("public-{i}")), part).unwrap();
    }
    for share in shares {
        let sealed = seal(share, [0; 32], &secret(share.holder())).unwrap();
        fs::write(folder.join(format!("share-{}", share.holder())), sealed).unwrap();
    }
    fs::write(folder.join("digest"), public.digest()).unwrap();
}
