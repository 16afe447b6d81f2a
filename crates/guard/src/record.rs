//! How records of this crate are written: a version octet, then postcard.

use congvu_store::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Octets of a value in a version.
pub(crate) fn pack<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![version]).expect("plain data into memory cannot fail")
}

/// Back from octets of a known version. `what` names the record in the error.
pub(crate) fn unpack<T: DeserializeOwned>(what: &str, known: u8, octets: &[u8]) -> Result<T> {
    match octets.split_first() {
        Some((&version, rest)) if version == known => {
            postcard::from_bytes(rest).map_err(|error| Error::Damaged(format!("{what}: {error}")))
        }
        Some((&version, _)) if version > known => Err(Error::Newer {
            what: what.to_owned(),
            found: u32::from(version),
            known: u32::from(known),
        }),
        _ => Err(Error::Damaged(format!("{what}: no version"))),
    }
}
