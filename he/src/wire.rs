//! Bytes from other parties: a limit on length before anything is read, then the library's own
//! limited reader, then a check that the object is of our parameters.

use serde::{Serialize, de::DeserializeOwned};
use tfhe::{
    Unversionize, Versionize,
    conformance::ParameterSetConformant,
    named::Named,
    safe_serialization::{safe_deserialize_conformant, safe_serialize},
};

use crate::{Error, Result};

/// Writes an object of at most `limit` bytes.
pub(crate) fn write<T: Serialize + Versionize + Named>(object: &T, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    safe_serialize(object, &mut bytes, limit)
        .map_err(|error| Error::Input(format!("{} cannot be written: {error}", T::NAME)))?;
    Ok(bytes)
}

/// Reads an object of at most `limit` bytes that fits `parameters`, and nothing behind it.
pub(crate) fn read<T>(
    bytes: &[u8],
    limit: u64,
    parameters: &T::ParameterSet,
    party: &str,
) -> Result<T>
where
    T: DeserializeOwned + Unversionize + Named + ParameterSetConformant,
{
    if bytes.len() as u64 > limit {
        let what = format!("{} bytes where at most {limit} can be", bytes.len());
        return Err(Error::rejected(party, what));
    }
    let mut rest = bytes;
    let object = safe_deserialize_conformant(&mut rest, limit, parameters)
        .map_err(|error| Error::rejected(party, format!("not readable: {error}")))?;
    if !rest.is_empty() {
        return Err(Error::rejected(party, format!("{} bytes behind its end", rest.len())));
    }
    Ok(object)
}
