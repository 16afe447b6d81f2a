//! Maildir++: INBOX is the folder itself, others are `.Name.Child` in it, in modified UTF-7, as Dovecot and
//! Courier keep them. Octets are exact; names tell flags, keywords, and what a Maildir does not keep.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Piece;
use crate::mail::Place;
use crate::mail::names::to_maildir;
use crate::mail::source::Own;
use crate::maildir::{create_folder, letters, time};

/// Longest name of a folder, octets: what file systems take.
const LONGEST: usize = 255;
/// Keywords that have letters.
const LETTERS: usize = 26;

pub(crate) struct Target {
    folder: PathBuf,
    mailbox: u64,
    now: Option<File>,
}

impl Target {
    pub(super) fn create(root: &Path, mailbox: &Place) -> io::Result<Self> {
        let folder = if mailbox.name == "INBOX" {
            root.to_owned()
        } else {
            let name = to_maildir(&mailbox.name);
            if name.len() > LONGEST {
                let why = format!(
                    "the name of mailbox {} is too long for a Maildir folder; export as mbox",
                    mailbox.name
                );
                return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
            }
            root.join(name)
        };
        for part in ["cur", "new", "tmp"] {
            create_folder(&folder.join(part))?;
        }
        if folder != root {
            // Marks a folder of Maildir++ below another.
            File::create(folder.join("maildirfolder"))?;
        }
        let (with, without) = mailbox
            .keywords
            .split_at(mailbox.keywords.len().min(LETTERS));
        let lines = |keywords: &[String], from: usize| {
            let numbered = keywords.iter().enumerate();
            let lines: Vec<String> = numbered
                .map(|(index, keyword)| format!("{} {keyword}\n", from + index))
                .collect();
            lines.concat()
        };
        if !with.is_empty() {
            std::fs::write(folder.join("dovecot-keywords"), lines(with, 0))?;
        }
        if !without.is_empty() {
            std::fs::write(folder.join("congvu-keywords"), lines(without, LETTERS))?;
        }
        Ok(Self {
            folder,
            mailbox: mailbox.id.0,
            now: None,
        })
    }

    pub(super) fn write(&mut self, piece: &Piece) -> io::Result<()> {
        let entry = &piece.entry;
        let own = Own {
            uid: entry.uid.0,
            date: entry.date,
            zone: entry.zone,
            saved: entry.saved.0,
            keywords: entry
                .keywords
                .iter()
                .filter(|index| usize::from(**index) >= LETTERS)
                .copied()
                .collect(),
        };
        let unique = own.name(self.mailbox, entry.size);
        let temporary = self.folder.join("tmp").join(&unique);
        if piece.from == 0 {
            self.now = Some(File::create(&temporary)?);
        }
        let Some(file) = &mut self.now else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        file.write_all(&piece.octets)?;
        if piece.is_last() {
            file.set_modified(time(entry.date))?;
            self.now = None;
            let letters = letters(congvu_store::Flags(entry.flags), &entry.keywords);
            let name = self
                .folder
                .join("cur")
                .join(format!("{unique}:2,{letters}"));
            std::fs::rename(temporary, name)?;
        }
        Ok(())
    }
}
