//! Compression of chunks and summaries: zstd at its fastest level, one context a thread, and octets
//! as they are when compression does not help.

use std::cell::RefCell;

use crate::error::{Error, Result};

/// zstd level: mail text shrinks to about a third at 300 MB/s; higher levels cost much and gain little.
const LEVEL: i32 = 1;

thread_local! {
    static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Appends the packed octets to `out`; `true` when they are stored as they are.
pub(crate) fn pack(octets: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let failed = |error: std::io::Error| Error::io("compressing", &error);
    let packed = PACKER.with_borrow_mut(|packer| {
        let packer = match packer {
            Some(packer) => packer,
            None => packer.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        packer.compress(octets)
    });
    let packed = packed.map_err(failed)?;
    if packed.len() < octets.len() {
        out.extend_from_slice(&packed);
        Ok(false)
    } else {
        out.extend_from_slice(octets);
        Ok(true)
    }
}

/// Back from packed octets, which must give exactly `octets` octets.
pub(crate) fn unpack(packed: &[u8], as_is: bool, octets: usize) -> Result<Vec<u8>> {
    let unpacked = if as_is {
        packed.to_vec()
    } else {
        UNPACKER
            .with_borrow_mut(|unpacker| {
                let unpacker = match unpacker {
                    Some(unpacker) => unpacker,
                    None => unpacker.insert(zstd::bulk::Decompressor::new()?),
                };
                unpacker.decompress(packed, octets)
            })
            .map_err(|error| Error::Damaged(format!("compressed octets: {error}")))?
    };
    if unpacked.len() == octets {
        Ok(unpacked)
    } else {
        Err(Error::Damaged(format!(
            "{} octets where {octets} were announced",
            unpacked.len()
        )))
    }
}
