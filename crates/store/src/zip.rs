//! Compression of chunks and fronts: zstd at its fastest level, one context a thread, and octets as they are when
//! compression does not help. Fronts (headers and summaries, which are alike) have a dictionary.

use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::error::{Error, Result};

/// zstd level of chunks: after their coding, higher levels cost much and gain little.
const LEVEL: i32 = 1;

/// The dictionaries that were ever used. Their octets are part of the store's format and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dictionary {
    /// Headers of letters and their summaries, trained on generated ones.
    Front1,
}

const FRONT_1: &[u8] = include_bytes!("dictionary/front-1.zdict");

thread_local! {
    static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    static FRONT_PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static FRONT_UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Digested once for all threads.
static FRONT_1_PACKING: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(FRONT_1, FRONT_LEVEL));
static FRONT_1_UNPACKING: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(FRONT_1));

/// zstd level of fronts: they are short, and most of what is found is in the dictionary.
const FRONT_LEVEL: i32 = 3;

impl Dictionary {
    /// The greatest number given out.
    pub(crate) const NEWEST: u8 = 1;

    /// Its number in frames.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Front1 => 1,
        }
    }

    /// By its number.
    pub(crate) fn numbered(number: u8) -> Option<Self> {
        (number == 1).then_some(Self::Front1)
    }
}

/// Appends the packed octets to `out`; `true` when they are stored as they are.
pub(crate) fn pack(octets: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let packed = PACKER.with_borrow_mut(|packer| {
        let packer = match packer {
            Some(packer) => packer,
            None => packer.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        packer.compress(octets)
    });
    shorter(octets, packed, out)
}

/// The same with a dictionary.
pub(crate) fn pack_with(dictionary: Dictionary, octets: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let packed = FRONT_PACKER.with_borrow_mut(|packer| {
        let packer = match (dictionary, packer) {
            (Dictionary::Front1, Some(packer)) => packer,
            (Dictionary::Front1, packer) => {
                let mut new = zstd::bulk::Compressor::with_prepared_dictionary(&FRONT_1_PACKING)?;
                new.include_dictid(false)?;
                packer.insert(new)
            }
        };
        packer.compress(octets)
    });
    shorter(octets, packed, out)
}

fn shorter(octets: &[u8], packed: std::io::Result<Vec<u8>>, out: &mut Vec<u8>) -> Result<bool> {
    let packed = packed.map_err(|error| Error::io("compressing", &error))?;
    let as_is = packed.len() >= octets.len();
    out.extend_from_slice(if as_is { octets } else { &packed });
    Ok(as_is)
}

/// Back from packed octets, which must give exactly `octets` octets.
pub(crate) fn unpack(packed: &[u8], as_is: bool, octets: usize) -> Result<Vec<u8>> {
    exactly(octets, unpack_most(packed, as_is, octets)?)
}

/// Back from packed octets, which must give at most `most` octets.
pub(crate) fn unpack_most(packed: &[u8], as_is: bool, most: usize) -> Result<Vec<u8>> {
    if as_is {
        return Ok(packed.to_vec());
    }
    UNPACKER
        .with_borrow_mut(|unpacker| {
            let unpacker = match unpacker {
                Some(unpacker) => unpacker,
                None => unpacker.insert(zstd::bulk::Decompressor::new()?),
            };
            unpacker.decompress(packed, most)
        })
        .map_err(|error| Error::Damaged(format!("compressed octets: {error}")))
}

/// Back from octets that were packed with a dictionary, which must give exactly `octets` octets.
pub(crate) fn unpack_with(dictionary: Dictionary, packed: &[u8], octets: usize) -> Result<Vec<u8>> {
    let unpacked = FRONT_UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match (dictionary, unpacker) {
            (Dictionary::Front1, Some(unpacker)) => unpacker,
            (Dictionary::Front1, unpacker) => unpacker.insert(
                zstd::bulk::Decompressor::with_prepared_dictionary(&FRONT_1_UNPACKING)?,
            ),
        };
        unpacker.decompress(packed, octets)
    });
    let unpacked =
        unpacked.map_err(|error| Error::Damaged(format!("compressed octets: {error}")))?;
    exactly(octets, unpacked)
}

fn exactly(octets: usize, unpacked: Vec<u8>) -> Result<Vec<u8>> {
    if unpacked.len() == octets {
        Ok(unpacked)
    } else {
        Err(Error::Damaged(format!(
            "{} octets where {octets} were announced",
            unpacked.len()
        )))
    }
}
