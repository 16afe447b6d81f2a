//! Mailboxes as files that other programs read: Maildir++ and mbox.

mod maildir;
mod mbox;

use std::io;
use std::path::Path;

use super::source::Format;
use super::{Entry, Place};

/// A mailbox that is being written.
pub(crate) enum Target {
    Maildir(maildir::Target),
    Mbox(mbox::Target),
}

/// A piece of a message.
pub(crate) struct Piece {
    /// Which message; its pieces follow one another.
    pub(crate) entry: Entry,
    /// Where the piece begins.
    pub(crate) from: u64,
    /// Its octets; the last piece ends where the message ends.
    pub(crate) octets: Vec<u8>,
}

impl Piece {
    fn is_last(&self) -> bool {
        self.from + self.octets.len() as u64 >= u64::from(self.entry.size)
    }
}

impl Target {
    /// Begins a mailbox below `root`.
    pub(crate) fn create(root: &Path, format: Format, mailbox: &Place) -> io::Result<Self> {
        Ok(match format {
            Format::Maildir => Self::Maildir(maildir::Target::create(root, mailbox)?),
            Format::Mbox => Self::Mbox(mbox::Target::create(root, mailbox)?),
        })
    }

    pub(crate) fn write(&mut self, piece: &Piece) -> io::Result<()> {
        match self {
            Self::Maildir(target) => target.write(piece),
            Self::Mbox(target) => target.write(piece),
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Maildir(_) => Ok(()),
            Self::Mbox(target) => target.finish(),
        }
    }
}
