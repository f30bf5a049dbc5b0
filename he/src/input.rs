//! Entering: a site encrypts its columns and proves that it did so properly.
//!
//! All columns of a site travel in one *upload*: compact lists of digits with zero-knowledge
//! proofs of correct encryption (the second scheme of `tfhe`'s `zk-pok`). A digit has two bits and room
//! for carries above, so that the digits of up to four sites are added before anything is looked up;
//! packing two to a ciphertext would halve the bytes and cost a lookup for each. A proof holds for one
//! message alone: its metadata binds keys, study, plan, session and site, so that nobody can
//! send another's ciphertexts as its own, nor its own from another question.
//!
//! What is proved is that every digit is below 4 and its noise within its bound, not that
//! the values are true. A value may use all bits of its blocks, so it is below `4^blocks`, and the
//! evaluator reckons with that bound rather than with the site's word.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tacit_mpc::{Circuit, Column, Kind, Op, Shape};
use tfhe::{
    conformance::ParameterSetConformant,
    core_crypto::prelude::verify_lwe_compact_ciphertext_list,
    integer::{
        CompactPublicKey,
        ciphertext::{
            CompactCiphertextList, DataKind, IntegerProvenCompactCiphertextListConformanceParams,
            ProvenCompactCiphertextList,
        },
    },
    named::Named,
    zk::{ZkComputeLoad, ZkPkeV2SupportedHashConfig},
};
use tfhe_versionable::NotVersioned;

use crate::{BLOCK_BITS, EncryptionKeys, Error, Result, parameters::ENCRYPT, wire};

/// Digits that one proof covers; a longer upload carries several.
pub(crate) const PROOF_MESSAGES: usize = 256;
/// Most digits of an upload: 200 thousand bits of data.
const MAX_DIGITS: usize = 100_000;

/// What an upload belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Digest of the study.
    pub study: [u8; 32],
    /// Digest of the plan or circuit.
    pub plan: [u8; 32],
    /// Identifier of this run.
    pub session: [u8; 32],
}

impl Session {
    /// What the proofs of `site` are bound to.
    fn metadata(&self, keys: &[u8; 32], site: usize) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"tacit homomorphic upload v1");
        for part in [keys, &self.study, &self.plan, &self.session] {
            hash.update(part);
        }
        hash.update((site as u64).to_le_bytes());
        hash.finalize().into()
    }
}

/// One column that a site enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Kind and rows.
    pub shape: Shape,
    /// Bits of a row, 1 to 64; 1 for bits.
    pub width: u32,
}

impl Field {
    /// Digits that are encrypted for all rows.
    pub(crate) fn blocks(self) -> usize {
        self.shape.rows * self.row_blocks()
    }

    /// Blocks of a row.
    pub(crate) fn row_blocks(self) -> usize {
        self.width.div_ceil(BLOCK_BITS) as usize
    }

    fn kind(self) -> DataKind {
        match (self.shape.kind, std::num::NonZero::new(self.row_blocks())) {
            (Kind::Num, Some(blocks)) => DataKind::Unsigned(blocks),
            _ => DataKind::Boolean,
        }
    }
}

/// The columns that each party enters, by slot, with the width that `width` says of a number.
///
/// # Errors
/// [`Error::Unsupported`] names a column of the prime field; [`Error::Input`] if slots have gaps or
/// repeat, or a width is not 1 to 64.
pub fn fields(
    circuit: &Circuit,
    parties: usize,
    width: impl Fn(usize, usize) -> u32,
) -> Result<Vec<Vec<Field>>> {
    let mut fields: Vec<Vec<Option<Field>>> = vec![vec![]; parties];
    for (at, instruction) in circuit.instructions().iter().enumerate() {
        let Op::Enter { holder, slot, shape } = instruction.op else { continue };
        let wrong = |what: &str| Error::Input(format!("column {slot} of party {holder} {what}"));
        let of = fields.get_mut(holder).ok_or_else(|| wrong("is of nobody"))?;
        if slot >= of.len() {
            if slot > circuit.instructions().len() {
                return Err(wrong("leaves a gap"));
            }
            of.resize(slot + 1, None);
        }
        if shape.kind == Kind::Field {
            return Err(Error::Unsupported { at, what: "columns of a prime field".into() });
        }
        let width = if shape.kind == Kind::Num { width(holder, slot) } else { 1 };
        if !(1..=64).contains(&width) {
            return Err(wrong(&format!("is {width} bits wide")));
        }
        if of[slot].replace(Field { shape, width }).is_some() {
            return Err(wrong("is entered twice"));
        }
    }
    let complete = |(party, of): (usize, Vec<Option<Field>>)| {
        let all: Option<Vec<Field>> = of.into_iter().collect();
        all.ok_or_else(|| Error::Input(format!("a column of party {party} is never entered")))
    };
    fields.into_iter().enumerate().map(complete).collect()
}

/// Encrypts a site's columns with proofs: the bytes that it sends.
///
/// # Errors
/// [`Error::Input`] if a column is not of its field's shape or a row does not fit its width;
/// [`Error::Setup`] if the library refuses.
///
/// # Security
/// The row that does not fit is not shown.
pub fn encrypt(
    keys: &EncryptionKeys,
    session: &Session,
    site: usize,
    fields: &[Field],
    columns: &[Column],
) -> Result<Vec<u8>> {
    check_size(fields)?;
    if fields.len() != columns.len() {
        return Err(Error::Input(format!("{} columns for {} fields", columns.len(), fields.len())));
    }
    let mut builder = CompactCiphertextList::builder(&keys.key);
    for (slot, (field, column)) in fields.iter().zip(columns).enumerate() {
        if column.shape() != field.shape {
            let (got, due) = (column.shape(), field.shape);
            return Err(Error::Input(format!("column {slot} is {got:?}, due is {due:?}")));
        }
        for row in 0..column.rows() {
            let value = column.row(row);
            if field.width < 64 && value >> field.width != 0 {
                let width = field.width;
                return Err(Error::Input(format!("a row of column {slot} exceeds {width} bits")));
            }
            match field.shape.kind {
                Kind::Num => builder.push_with_num_blocks(value, field.row_blocks()),
                Kind::Bit | Kind::Field => builder.push(value == 1),
            };
        }
    }
    let metadata = session.metadata(&keys.digest, site);
    let list = builder
        .build_with_proof(&keys.crs, &metadata, ZkComputeLoad::Verify)
        .map_err(|error| Error::Setup(error.to_string()))?;
    wire::write(&Upload(list), limit(fields))
}

/// An upload whose proofs were checked.
pub struct Accepted {
    pub(crate) site: usize,
    pub(crate) keys: [u8; 32],
    pub(crate) session: Session,
    pub(crate) fields: Vec<Field>,
    pub(crate) list: ProvenCompactCiphertextList,
    digest: [u8; 32],
}

impl Accepted {
    /// SHA-256 of the upload's bytes: names it in lists and logs.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Whose it is.
    pub fn site(&self) -> usize {
        self.site
    }
}

/// Checks an upload: its size, its form, its layout and its proofs.
///
/// # Errors
/// [`Error::Rejected`] with the site and the reason.
pub fn accept(
    keys: &EncryptionKeys,
    session: &Session,
    site: usize,
    fields: &[Field],
    bytes: &[u8],
) -> Result<Accepted> {
    check_size(fields)?;
    let party = format!("site {site}");
    let parameters = IntegerProvenCompactCiphertextListConformanceParams::from_crs_and_parameters(
        ENCRYPT, &keys.crs,
    )
    .forbid_compute_load(ZkComputeLoad::Proof)
    // Older transcripts of the proofs hash less; nothing here was ever made with them.
    .forbid_hash_config(ZkPkeV2SupportedHashConfig::V0_4_0)
    .forbid_hash_config(ZkPkeV2SupportedHashConfig::V0_7_0)
    .allow_unpacked();
    let Upload(list) = wire::read(bytes, limit(fields), &parameters, &party)?;
    let due: Vec<DataKind> =
        fields.iter().flat_map(|field| vec![field.kind(); field.shape.rows]).collect();
    let found = (0..list.len()).map_while(|i| list.get_kind_of(i));
    if list.len() != due.len() || !found.eq(due.iter().copied()) || list.is_packed() {
        return Err(Error::rejected(party, "its columns are not those of the plan"));
    }
    let metadata = session.metadata(&keys.digest, site);
    if !proved(keys, &list, &metadata) {
        let what =
            "a proof of encryption does not hold for these keys, study, plan, session and site";
        return Err(Error::rejected(party, what));
    }
    let digest = Sha256::digest(bytes).into();
    Ok(Accepted {
        site,
        keys: keys.digest,
        session: *session,
        fields: fields.to_vec(),
        list,
        digest,
    })
}

/// Whether every proof of an upload holds. They are checked one after the other, each on all cores. The
/// library checks them side by side, each in a pool of its own; a thread that waits for that pool begins
/// with the next proof meanwhile, on top of the one that waits, until forty of them overflow its stack.
fn proved(keys: &EncryptionKeys, list: &ProvenCompactCiphertextList, metadata: &[u8]) -> bool {
    let (key, _) = CompactPublicKey::clone(&keys.key).into_raw_parts().into_raw_parts();
    let (lists, _) = list.clone().into_raw_parts();
    lists.into_raw_parts().iter().all(|(list, proof)| {
        verify_lwe_compact_ciphertext_list(&list.ct_list, &key, proof, &keys.crs, metadata)
            .is_valid()
    })
}

pub(crate) fn digits(fields: &[Field]) -> usize {
    fields.iter().fold(0usize, |sum, field| sum.saturating_add(field.blocks()))
}

/// Proofs that an upload with these fields carries: one for each 256 digits.
pub fn proofs(fields: &[Field]) -> usize {
    digits(fields).div_ceil(PROOF_MESSAGES)
}

fn check_size(fields: &[Field]) -> Result<()> {
    let digits = digits(fields);
    if digits > MAX_DIGITS {
        let what = format!("{digits} digits of two bits in an upload; at most {MAX_DIGITS} can be");
        return Err(Error::Input(what));
    }
    Ok(())
}

/// Most bytes of an upload with these fields: a mask of 2048 words and a proof for each
/// 256 digits, a word for each of them, and the list of kinds.
pub fn limit(fields: &[Field]) -> u64 {
    let (digits, lists) = (digits(fields) as u64, proofs(fields) as u64);
    let rows: u64 = fields.iter().map(|field| field.shape.rows as u64).sum();
    (4 << 10) + lists * ((16 << 10) + (16 << 10)) + digits * 9 + rows * 16
}

/// Bytes of an upload with these fields, exactly.
pub(crate) fn bytes(fields: &[Field]) -> u64 {
    let (digits, lists) = (digits(fields) as u64, proofs(fields) as u64);
    let kind = |field: &Field| match field.shape.kind {
        Kind::Num => 12,
        Kind::Bit | Kind::Field => 4,
    };
    let kinds: u64 = fields.iter().map(|field| field.shape.rows as u64 * kind(field)).sum();
    UPLOAD_BYTES + lists * LIST_BYTES + digits * 8 + kinds
}

/// Bytes of an upload without lists: the reader's header and two lengths.
const UPLOAD_BYTES: u64 = 63;
/// Bytes of a list without its blocks: a mask of 2048 words, parameters and the proof.
const LIST_BYTES: u64 = 18_313;

/// A proven list with a name of ours, so that the library's reader takes it.
#[derive(Clone, Serialize, Deserialize, NotVersioned)]
struct Upload(ProvenCompactCiphertextList);

impl Named for Upload {
    const NAME: &'static str = "tacit::Upload";
}

impl ParameterSetConformant for Upload {
    type ParameterSet = IntegerProvenCompactCiphertextListConformanceParams;

    fn is_conformant(&self, parameters: &Self::ParameterSet) -> bool {
        self.0.is_conformant(parameters)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tfhe::{
        core_crypto::{
            commons::math::random::{DefaultRandomGenerator, RandomGenerator, Seed},
            prelude::{LweCiphertextCount, LweDimension},
        },
        integer::{CompactPrivateKey, CompactPublicKey},
        shortint::parameters::CompactPublicKeyEncryptionParameters,
        zk::{CompactPkeCrs, ZkMSBZeroPaddingBitCount},
    };

    use super::*;
    use crate::{
        keys::reference_string,
        parameters::{DIGIT_ZERO_BITS, PLAINTEXTS},
    };

    const SESSION: Session = Session { study: [1; 32], plan: [2; 32], session: [3; 32] };

    fn public(parameters: CompactPublicKeyEncryptionParameters) -> CompactPublicKey {
        CompactPublicKey::new(&CompactPrivateKey::new(parameters))
    }

    fn keys() -> EncryptionKeys {
        let crs = Arc::new(reference_string().unwrap());
        EncryptionKeys { digest: [9; 32], key: Arc::new(public(ENCRYPT)), crs }
    }

    fn string(parameters: CompactPublicKeyEncryptionParameters, zeros: u64) -> CompactPkeCrs {
        CompactPkeCrs::new(
            parameters.encryption_lwe_dimension,
            LweCiphertextCount(PROOF_MESSAGES),
            parameters.encryption_noise_distribution,
            parameters.ciphertext_modulus,
            PLAINTEXTS,
            ZkMSBZeroPaddingBitCount(zeros),
            &mut RandomGenerator::<DefaultRandomGenerator>::new(Seed(7)),
        )
        .unwrap()
    }

    /// An upload of one number of 8 bits, made with whatever key and string.
    fn forged(key: &CompactPublicKey, crs: &CompactPkeCrs, packed: bool) -> Vec<u8> {
        let mut builder = CompactCiphertextList::builder(key);
        builder.push_with_num_blocks(200u64, 4);
        let metadata = SESSION.metadata(&[9; 32], 0);
        let load = ZkComputeLoad::Verify;
        let list = if packed {
            builder.build_with_proof_packed(crs, &metadata, load)
        } else {
            builder.build_with_proof(crs, &metadata, load)
        };
        wire::write(&Upload(list.unwrap()), 1 << 20).unwrap()
    }

    #[test]
    fn ciphertexts_of_foreign_parameters_or_larger_digits_are_refused() {
        let keys = keys();
        let shape = Shape { kind: Kind::Num, rows: 1 };
        let fields = [Field { shape, width: 8 }];
        let ask = |bytes: &[u8]| accept(&keys, &SESSION, 0, &fields, bytes);
        let reason = |bytes: &[u8]| ask(bytes).err().unwrap().to_string();
        let column = [Column::Num(vec![200])];
        let bytes = encrypt(&keys, &SESSION, 0, &fields, &column).unwrap();
        assert!(ask(&bytes).is_ok());
        // A smaller dimension.
        let small = CompactPublicKeyEncryptionParameters {
            encryption_lwe_dimension: LweDimension(1024),
            ..ENCRYPT
        };
        let text = reason(&forged(&public(small), &string(small, DIGIT_ZERO_BITS), false));
        assert!(text.contains("site 0") && text.contains("not readable"), "{text}");
        // Two digits to a ciphertext, proved with a string that allows it.
        let text = reason(&forged(&keys.key, &string(ENCRYPT, 1), true));
        assert!(text.contains("columns are not those"), "{text}");
        // Proved with another string, which somebody made who knows how to forge with it.
        let text = reason(&forged(&keys.key, &string(ENCRYPT, DIGIT_ZERO_BITS), false));
        assert!(text.contains("a proof of encryption does not hold"), "{text}");
    }
}
