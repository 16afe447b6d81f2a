//! A message on its way into the store: octets go in as they arrive, a [`NewBody`] comes out.
//!
//! Each 256 KiB are compressed at once; what is compressed stays in memory up to 1 MiB and goes to a
//! nameless temporary file after that, so that a hundred large messages arriving together do not
//! fill the memory. Nothing here is durable; a draft that is dropped was never there.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::body::{CHUNK, Chunks, Front, HEADER, NewBody, Prepared, Slot, cover};
use crate::error::{Error, Result};
use crate::log::segment::read;

/// Compressed octets kept in memory before a temporary file is used.
pub const IN_MEMORY: usize = 1024 * 1024;
/// Most octets of a message: RFC822.SIZE is a 32-bit number.
const LARGEST: u64 = u32::MAX as u64;

/// A message being written. Methods compress (about a millisecond a chunk) and past 1 MiB write to a
/// file in the page cache.
#[derive(Debug)]
pub struct Draft {
    folder: PathBuf,
    seed: u64,
    /// Octets that came first of all, given last.
    front: Vec<u8>,
    /// The header of what was written, once that has been cut from the first chunk.
    header: Option<Vec<u8>>,
    table: Vec<Slot>,
    chunks: Chunks,
    /// Octets that are not yet a chunk.
    pending: Vec<u8>,
    octets: u64,
}

impl Draft {
    pub(crate) fn new(folder: &Path, seed: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            seed,
            front: Vec::new(),
            header: None,
            table: Vec::new(),
            chunks: Chunks::Memory(Vec::new()),
            pending: Vec::new(),
            octets: 0,
        }
    }

    /// Octets written so far.
    pub fn len(&self) -> u64 {
        self.octets
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.octets == 0
    }

    /// Adds octets at the end. `Error::NoSpace` when the temporary file finds no room,
    /// `Error::TooLarge` past 4 GiB.
    pub fn write(&mut self, octets: &[u8]) -> Result<()> {
        self.grow(octets.len())?;
        let mut rest = octets;
        while self.pending.len() + rest.len() >= CHUNK {
            let (now, later) = rest.split_at(CHUNK - self.pending.len());
            self.pending.extend_from_slice(now);
            rest = later;
            let full = std::mem::take(&mut self.pending);
            self.pack(&full)?;
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    /// Adds octets before everything written so far: header fields that are known only after the
    /// message was read (Return-Path, Authentication-Results). At most 256 KiB in all.
    pub fn prepend(&mut self, octets: &[u8]) -> Result<()> {
        if self.front.len() + octets.len() > CHUNK {
            return Err(Error::TooLarge(self.front.len() + octets.len()));
        }
        self.grow(octets.len())?;
        self.front.splice(..0, octets.iter().copied());
        Ok(())
    }

    /// All octets as they will be served, to parse and summarise them. Borrowed while they are
    /// shorter than a chunk.
    pub fn raw(&self) -> Result<Cow<'_, [u8]>> {
        if self.front.is_empty() && self.header.is_none() {
            return Ok(Cow::Borrowed(&self.pending));
        }
        let mut all = Vec::with_capacity(usize::try_from(self.octets).unwrap_or(0));
        all.extend_from_slice(&self.front);
        all.extend_from_slice(self.header.as_deref().unwrap_or_default());
        let mut at = 0;
        for slot in &self.table {
            let length = slot.stored as usize;
            let octets = match &self.chunks {
                Chunks::Memory(stored) => {
                    slot.unpack(stored.get(at..at + length).unwrap_or_default(), self.seed)?
                }
                Chunks::File(file, _) => slot.unpack(&read(file, at as u64, length)?, self.seed)?,
            };
            all.extend_from_slice(&octets);
            at += length;
        }
        all.extend_from_slice(&self.pending);
        Ok(Cow::Owned(all))
    }

    /// Ends the message. `summary` (at most 16 MiB) comes back from [`crate::Body::summary`].
    pub fn finish(mut self, summary: &[u8]) -> Result<NewBody> {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.pack(&pending)?;
        }
        let mut header = std::mem::take(&mut self.front);
        header.extend_from_slice(self.header.as_deref().unwrap_or_default());
        let mut front = Vec::new();
        if header.len() > HEADER {
            for (place, chunk) in header.chunks(CHUNK).enumerate() {
                let slot = Slot::pack(chunk, self.seed, &mut front)?;
                self.table.insert(place, slot);
            }
            header.clear();
        }
        let whole = Front {
            header: &header,
            summary,
        };
        let covered = cover(self.octets, &self.table, &whole)?;
        let stored = self.table.iter().map(|slot| u64::from(slot.stored)).sum();
        let body = NewBody(Arc::new(Prepared {
            octets: self.octets,
            covered,
            front,
            chunks: self.chunks,
            stored,
        }));
        body.frame()?;
        Ok(body)
    }

    fn grow(&mut self, by: usize) -> Result<()> {
        self.octets = self
            .octets
            .checked_add(by as u64)
            .filter(|octets| *octets <= LARGEST)
            .ok_or(Error::TooLarge(by))?;
        Ok(())
    }

    /// Packs the next chunk; of the first one, what stands after the header.
    fn pack(&mut self, octets: &[u8]) -> Result<()> {
        let octets = if self.header.is_none() {
            let (header, rest) = octets.split_at(header_end(octets));
            self.header = Some(header.to_owned());
            rest
        } else {
            octets
        };
        if octets.is_empty() {
            return Ok(());
        }
        match &mut self.chunks {
            Chunks::Memory(stored) => {
                self.table.push(Slot::pack(octets, self.seed, stored)?);
                if stored.len() > IN_MEMORY {
                    let stored = std::mem::take(stored);
                    let file = nameless(&self.folder)?;
                    append(&file, &stored, 0)?;
                    self.chunks = Chunks::File(file, stored.len() as u64);
                }
            }
            Chunks::File(file, length) => {
                let mut stored = Vec::new();
                let slot = Slot::pack(octets, self.seed, &mut stored)?;
                append(file, &stored, *length)?;
                *length += stored.len() as u64;
                self.table.push(slot);
            }
        }
        Ok(())
    }
}

/// Where the header ends, after its empty line. 0 when that is further than a front takes: then all of it is in
/// chunks.
fn header_end(octets: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = memchr::memchr(b'\n', &octets[at..]) {
        let line = &octets[at..at + end];
        at += end + 1;
        if at > HEADER {
            return 0;
        }
        if line.is_empty() || line == b"\r" {
            return at;
        }
    }
    if octets.len() > HEADER {
        0
    } else {
        octets.len()
    }
}

fn append(file: &File, octets: &[u8], at: u64) -> Result<()> {
    file.write_all_at(octets, at)
        .map_err(|error| Error::io("writing a temporary file", &error))
}

/// A file whose name is removed at once: whatever happens to the process, it is gone with it.
fn nameless(folder: &Path) -> Result<File> {
    loop {
        let path = folder.join(format!("{:016x}.tmp", fastrand::u64(..)));
        let failed =
            |error: &std::io::Error| Error::io(format!("creating {}", path.display()), error);
        match File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
        {
            Ok(file) => {
                std::fs::remove_file(&path).map_err(|error| failed(&error))?;
                return Ok(file);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&error)),
        }
    }
}
