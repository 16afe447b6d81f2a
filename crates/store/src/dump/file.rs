//! The octets of a snapshot file: a head, pages of pairs in key order, an end.
//!
//! Each part carries its own checksum, seeded with the store's number and bound to its place, so a
//! snapshot that is torn, damaged, cut, put together from two or of another store is never taken for a
//! whole one. `docs/format.md` has the layout.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::committer::Applied;
use crate::engine::Op;
use crate::error::{Error, Result};
use crate::id::{Lsn, ModSeq, Timestamp};
use crate::zip;

/// First octets of the file.
const MAGIC: [u8; 4] = *b"CvX1";
/// The newest version this program writes and knows.
const VERSION: u8 = 1;
/// Octets of the head.
const HEAD: usize = 64;
/// Octets before the content of a page.
const PAGE_HEAD: usize = 20;
/// Bit of the stored length that says "not compressed".
const AS_IS: u32 = 1 << 31;
/// Most octets of a page: what [`super::PAGE`] collects, and the pair that exceeded it.
const LARGEST: usize = 512 * 1024;

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dumped {
    /// How far the log was applied when the first page was read: replay goes on from here.
    pub(crate) begin: Applied,
    /// How far it was applied when the last page was read: replay must come at least this far.
    pub(crate) end: Lsn,
    /// Pairs.
    pub(crate) pairs: u64,
}

/// Octets of keys and values in a snapshot, about, as the heads of its pages tell. Nothing is checked.
pub(super) fn weight(file: &File) -> std::io::Result<u64> {
    let (mut at, mut sum) = (HEAD as u64, 0_u64);
    loop {
        let mut head = [0; PAGE_HEAD];
        file.read_exact_at(&mut head, at)?;
        let word = |at: usize| {
            let word = head.get(at..).and_then(|rest| rest.first_chunk());
            word.map_or(0, |word| u32::from_be_bytes(*word))
        };
        if word(8) == 0 {
            return Ok(sum);
        }
        sum = sum.saturating_add(u64::from(word(4)));
        at = at.saturating_add(PAGE_HEAD as u64 + u64::from(word(0) & !AS_IS));
    }
}

/// The head of a file.
pub(super) fn head(seed: u64, begin: &Applied) -> [u8; HEAD] {
    let mut octets = [0; HEAD];
    octets[..4].copy_from_slice(&MAGIC);
    octets[4] = VERSION;
    octets[8..16].copy_from_slice(&seed.to_be_bytes());
    octets[16..24].copy_from_slice(&begin.lsn.to_be_bytes());
    octets[24..32].copy_from_slice(&begin.group.to_be_bytes());
    octets[32..40].copy_from_slice(&begin.number.0.to_be_bytes());
    octets[40..48].copy_from_slice(&begin.time.0.to_be_bytes());
    let sum = checksum(seed, 0, &octets[..56], &[]);
    octets[56..].copy_from_slice(&sum.to_be_bytes());
    octets
}

/// Page `number` (1, 2, 3 …) with some pairs.
pub(super) fn page(seed: u64, number: u64, pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    for (key, value) in pairs {
        let length = u16::try_from(key.len()).map_err(|_| Error::TooLarge(key.len()))?;
        content.extend_from_slice(&length.to_be_bytes());
        let length = u32::try_from(value.len()).map_err(|_| Error::TooLarge(value.len()))?;
        content.extend_from_slice(&length.to_be_bytes());
        content.extend_from_slice(key);
        content.extend_from_slice(value);
    }
    framed(seed, number, pairs.len(), &content)
}

/// The end of a file: a page without pairs.
pub(super) fn end(seed: u64, number: u64, end: Lsn, pairs: u64) -> Result<Vec<u8>> {
    let mut content = Vec::with_capacity(16);
    content.extend_from_slice(&end.0.to_be_bytes());
    content.extend_from_slice(&pairs.to_be_bytes());
    framed(seed, number, 0, &content)
}

fn framed(seed: u64, number: u64, pairs: usize, content: &[u8]) -> Result<Vec<u8>> {
    let mut octets = vec![0; PAGE_HEAD];
    let as_is = zip::pack(content, &mut octets)?;
    let stored = octets.len() - PAGE_HEAD;
    let word = |length: usize| u32::try_from(length).map_err(|_| Error::TooLarge(length));
    let stored = word(stored)? | if as_is { AS_IS } else { 0 };
    octets[..4].copy_from_slice(&stored.to_be_bytes());
    octets[4..8].copy_from_slice(&word(content.len())?.to_be_bytes());
    octets[8..12].copy_from_slice(&word(pairs)?.to_be_bytes());
    let sum = checksum(seed, number, &octets[..12], &octets[PAGE_HEAD..]);
    octets[12..PAGE_HEAD].copy_from_slice(&sum.to_be_bytes());
    Ok(octets)
}

fn checksum(seed: u64, number: u64, head: &[u8], stored: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(&number.to_be_bytes());
    hash.update(head);
    hash.update(stored);
    hash.digest()
}

/// Reads a whole snapshot and hands over its pairs, page by page in key order. `Error::Damaged` when
/// anything is not as it was written; what was handed over until then is worth nothing.
pub(super) fn read(
    path: &Path,
    seed: u64,
    take: &mut dyn FnMut(Vec<Op>) -> Result<()>,
) -> Result<Dumped> {
    let file = File::open(path)
        .map_err(|error| Error::io(format!("opening {}", path.display()), &error))?;
    let mut reader = Reader {
        file: BufReader::new(file),
        path,
    };
    let head = reader.octets(HEAD)?;
    let version = head.get(4).copied().unwrap_or_default();
    let known = head.starts_with(&MAGIC)
        && long(&head, 8) == seed
        && long(&head, 56) == checksum(seed, 0, &head[..56], &[]);
    if !known {
        return Err(reader.damaged("head"));
    }
    if version > VERSION {
        return Err(Error::Newer {
            what: path.display().to_string(),
            found: u32::from(version),
            known: u32::from(VERSION),
        });
    }
    let begin = Applied {
        lsn: long(&head, 16),
        group: long(&head, 24),
        number: ModSeq(long(&head, 32)),
        time: Timestamp(long(&head, 40).cast_signed()),
    };
    let (mut total, mut last) = (0_u64, Vec::new());
    for number in 1.. {
        let (pairs, content) = reader.page(seed, number)?;
        if pairs == 0 {
            let (end, counted) = (long(&content, 0), long(&content, 8));
            if content.len() != 16 || counted != total || end < begin.lsn || !reader.at_end()? {
                return Err(reader.damaged("end"));
            }
            return Ok(Dumped {
                begin,
                end: Lsn(end),
                pairs: total,
            });
        }
        let ops = pairs_of(&content)
            .filter(|ops| ops.len() == pairs)
            .ok_or_else(|| reader.damaged("page"))?;
        let ascending = ops.is_sorted_by(|(one, _), (two, _)| one < two);
        if !ascending || ops.first().is_some_and(|(first, _)| *first <= last) {
            return Err(reader.damaged("order"));
        }
        total += pairs as u64;
        if let Some((key, _)) = ops.last() {
            last.clone_from(key);
        }
        take(ops)?;
    }
    Err(reader.damaged("end"))
}

struct Reader<'a> {
    file: BufReader<File>,
    path: &'a Path,
}

impl Reader<'_> {
    fn octets(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut octets = vec![0; count];
        match self.file.read_exact(&mut octets) {
            Ok(()) => Ok(octets),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("length"))
            }
            Err(error) => Err(Error::io(
                format!("reading {}", self.path.display()),
                &error,
            )),
        }
    }

    /// How many pairs a page has, and its content.
    fn page(&mut self, seed: u64, number: u64) -> Result<(usize, Vec<u8>)> {
        let head = self.octets(PAGE_HEAD)?;
        let (stored, octets, pairs) = (word(&head, 0), word(&head, 4), word(&head, 8));
        let length = (stored & !AS_IS) as usize;
        if length > LARGEST || octets as usize > LARGEST {
            return Err(self.damaged("page"));
        }
        let content = self.octets(length)?;
        if checksum(seed, number, &head[..12], &content) != long(&head, 12) {
            return Err(self.damaged("page"));
        }
        let content = zip::unpack(&content, stored & AS_IS != 0, octets as usize)?;
        Ok((pairs as usize, content))
    }

    fn at_end(&mut self) -> Result<bool> {
        let mut one = [0];
        match self.file.read(&mut one) {
            Ok(count) => Ok(count == 0),
            Err(error) => Err(Error::io(
                format!("reading {}", self.path.display()),
                &error,
            )),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Damaged(format!("{}: {what}", self.path.display()))
    }
}

fn pairs_of(content: &[u8]) -> Option<Vec<Op>> {
    let mut ops = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let (lengths, after) = rest.split_at_checked(6)?;
        let key = usize::from(u16::from_be_bytes(*lengths.first_chunk()?));
        let (key, after) = after.split_at_checked(key)?;
        let (value, after) = after.split_at_checked(word(lengths, 2) as usize)?;
        ops.push((key.to_vec(), Some(value.to_vec())));
        rest = after;
    }
    Some(ops)
}

fn word(octets: &[u8], at: usize) -> u32 {
    octets
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u32::from_be_bytes(*chunk))
}

fn long(octets: &[u8], at: usize) -> u64 {
    octets
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u64::from_be_bytes(*chunk))
}
