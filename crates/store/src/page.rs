//! The index as it stands, pair by pair, in pages: for checks and statistics in a process that cannot
//! open it, because the server has it open. What a pair means stays in this crate.

use std::ops::ControlFlow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::committer::Applied;
use crate::error::{Error, Result};
use crate::id::Lsn;
use crate::source::Source as _;
use crate::tx::Snapshot;
use crate::{codec, keys};

/// Octets of a page, beyond which it ends: some milliseconds of reading.
const PAGE: usize = 512 * 1024;

/// Octets that travel as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hex(pub(crate) Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: [char; 16] = [
            '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
        ];
        let mut text = String::with_capacity(self.0.len() * 2);
        for octet in &self.0 {
            text.push(DIGITS[usize::from(octet >> 4)]);
            text.push(DIGITS[usize::from(octet & 15)]);
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |octet: u8| char::from(octet).to_digit(16);
        let mut octets = Vec::with_capacity(text.len() / 2);
        for pair in text.as_bytes().chunks(2) {
            let &[high, low] = pair else {
                return Err(serde::de::Error::custom("an odd number of digits"));
            };
            let octet = digit(high)
                .zip(digit(low))
                .and_then(|(high, low)| u8::try_from(high << 4 | low).ok())
                .ok_or_else(|| serde::de::Error::custom("not a hexadecimal digit"))?;
            octets.push(octet);
        }
        Ok(Self(octets))
    }
}

/// A part of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPage {
    pub(crate) pairs: Vec<(Hex, Hex)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Hex>,
}

impl IndexPage {
    /// Octets of its pairs.
    pub(crate) fn octets(&self) -> u64 {
        let octets = |(key, value): &(Hex, Hex)| (key.0.len() + value.0.len()) as u64;
        self.pairs.iter().map(octets).sum()
    }
}

/// Up to where everything is durable and visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The store's number.
    pub store: u64,
    /// The end of the log.
    pub lsn: Lsn,
}

impl Snapshot<'_> {
    /// The pairs from a place on; from the beginning when that is empty.
    pub fn index_page(&self, from: &Hex) -> Result<IndexPage> {
        let mut page = IndexPage {
            pairs: Vec::new(),
            next: None,
        };
        let mut octets = 0;
        // No table has a prefix of 255.
        self.engine.visit(&from.0, &[u8::MAX], &mut |key, value| {
            if octets > PAGE {
                page.next = Some(Hex(key.to_vec()));
                return Ok(ControlFlow::Break(()));
            }
            octets += key.len() + value.len();
            page.pairs.push((Hex(key.to_vec()), Hex(value.to_vec())));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }

    /// The durable end of the log.
    pub fn position(&self) -> Result<Position> {
        let missing = || Error::Damaged("the index does not tell whose it is".to_owned());
        let applied = Applied::read(self.engine)?.ok_or_else(missing)?;
        let store = self.raw(keys::STORE)?.ok_or_else(missing)?;
        Ok(Position {
            store: codec::decode("store", &store)?,
            lsn: Lsn(applied.lsn),
        })
    }
}
