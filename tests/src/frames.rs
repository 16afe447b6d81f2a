//! The frames of a store's log as `docs/format.md` describes them: for tests that damage one of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Octets before the payload.
pub const HEADER: usize = 32;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first of a file.
    Segment,
    /// What one sync made durable.
    Group,
    /// A message.
    Body,
    /// A transaction.
    Commit,
}

/// Where a frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its file.
    pub path: PathBuf,
    /// Where it begins in the file.
    pub at: usize,
    /// What it is.
    pub kind: Kind,
    /// Its length with the header.
    pub total: usize,
    /// How much of the payload the frame's own checksum covers.
    pub covered: usize,
}

/// All frames of the log in a data folder, in order.
///
/// # Errors
/// When a file cannot be read, or is not what the description says.
pub fn frames(data: &Path) -> io::Result<Vec<Frame>> {
    let mut frames = Vec::new();
    for path in segments(data)? {
        let octets = fs::read(&path)?;
        let mut at = 0;
        while at < octets.len() {
            let frame = frame(&path, &octets, at)
                .ok_or_else(|| io::Error::other(format!("{}: no frame at {at}", path.display())))?;
            at += frame.total;
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// The files of the log, in order.
///
/// # Errors
/// When the folder cannot be read.
pub fn segments(data: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(data.join("log"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "log") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn frame(path: &Path, octets: &[u8], at: usize) -> Option<Frame> {
    let header = octets.get(at..at + HEADER)?;
    let word = |from: usize| {
        let four = header.get(from..from + 4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(four)).ok()
    };
    let kind = match header[5] {
        1 => Kind::Segment,
        2 => Kind::Group,
        3 => Kind::Body,
        4 => Kind::Commit,
        _ => return None,
    };
    let frame = Frame {
        path: path.to_owned(),
        at,
        kind,
        total: HEADER + word(8)?,
        covered: word(12)?,
    };
    (header.starts_with(b"CvL1") && at + frame.total <= octets.len()).then_some(frame)
}
