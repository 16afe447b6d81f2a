//! Messages in files that other programs wrote: Maildir, mbox, local folders of Thunderbird and Apple Mail.
//!
//! The files may be anybody's: symbolic links are not followed, what is no regular file is not opened, sizes are
//! bounded, and what cannot be read is told and left where it is.

mod maildir;
mod mbox;

pub(crate) use maildir::Own;

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::names::{from_maildir, from_utf7};
use super::{Bad, Letter};
use crate::error::{Error, Result};

/// Deepest nesting of folders that is looked into: more than a mailbox name can have levels.
const DEEPEST: usize = 64;
/// Most mailboxes that are looked for: as many as an account can have.
const FOLDERS: usize = 10_000;

/// How messages lie in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One file a message.
    Maildir,
    /// One file a mailbox.
    Mbox,
}

/// A mailbox in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) levels: Vec<String>,
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// Octets of its files, as far as known cheaply.
    pub(crate) octets: u64,
}

/// What comes out of a folder.
pub(crate) enum Item {
    /// A message, and where it was.
    Message(Letter, Vec<u8>, String),
    /// What could not be taken.
    Bad(Bad),
}

/// Told each item; `false` ends reading.
pub(crate) type Each<'a> = &'a mut dyn FnMut(Item) -> bool;

/// Reads a folder from its beginning to its end. Blocking.
pub(crate) fn read(folder: &Folder, each: Each<'_>) {
    let outcome = match folder.format {
        Format::Maildir => maildir::read(&folder.path, each),
        Format::Mbox => mbox::read(&folder.path, each),
    };
    if let Err(error) = outcome {
        each(Item::Bad(bad(&folder.path, &error)));
    }
}

pub(super) fn bad(path: &Path, why: &dyn std::fmt::Display) -> Bad {
    Bad {
        place: path.display().to_string(),
        why: why.to_string(),
    }
}

/// Opens a regular file, and nothing else, without following a link.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    Ok((file, metadata))
}

/// Finds the mailboxes at a path; also what was passed over.
pub(crate) fn folders(root: &Path, format: Option<Format>) -> Result<(Vec<Folder>, Vec<Bad>)> {
    let unreadable =
        |e: &dyn std::fmt::Display| Error::Invalid(format!("cannot read {}: {e}", root.display()));
    let root = std::fs::canonicalize(root).map_err(|e| unreadable(&e))?;
    let metadata = std::fs::metadata(&root).map_err(|e| unreadable(&e))?;
    let mut walk = Walk {
        format,
        found: Vec::new(),
        bad: Vec::new(),
    };
    if metadata.is_file() {
        let name = stem(&root);
        if !mbox::is_mbox(&root).map_err(|e| unreadable(&e))? {
            return Err(Error::Invalid(format!(
                "{} is not an mbox file: it does not begin with a From line",
                root.display()
            )));
        }
        walk.push(vec![name], &root, Format::Mbox, metadata.len());
    } else {
        // An exported folder of Apple Mail named itself.
        let levels = match root.extension() {
            Some(extension) if extension == "mbox" => vec![stem(&root)],
            _ => Vec::new(),
        };
        walk.folder(&root, &levels, 0);
    }
    if walk.found.is_empty() {
        return Err(Error::Invalid(format!(
            "there is no Maildir folder and no mbox file in {}",
            root.display()
        )));
    }
    walk.found.sort_by_key(|folder| {
        let first = folder.levels.first().map_or("INBOX", String::as_str);
        (!first.eq_ignore_ascii_case("INBOX"), folder.levels.clone())
    });
    Ok((walk.found, walk.bad))
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".mbox").unwrap_or(&name);
    unescape(&from_utf7(name))
}

struct Walk {
    format: Option<Format>,
    found: Vec<Folder>,
    bad: Vec<Bad>,
}

impl Walk {
    fn push(&mut self, levels: Vec<String>, path: &Path, format: Format, octets: u64) {
        if self.format.is_some_and(|wanted| wanted != format) {
            return;
        }
        if self.found.len() >= FOLDERS {
            self.bad.push(bad(path, &"more than 10,000 mailboxes"));
            return;
        }
        self.found.push(Folder {
            levels,
            path: path.to_owned(),
            format,
            octets,
        });
    }

    fn folder(&mut self, path: &Path, levels: &[String], depth: usize) {
        if depth > DEEPEST {
            self.bad.push(bad(path, &"nested too deep"));
            return;
        }
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => {
                self.bad.push(bad(path, &error));
                return;
            }
        };
        let is_folder = |name: &str| {
            std::fs::symlink_metadata(path.join(name)).is_ok_and(|found| found.is_dir())
        };
        let maildir = is_folder("cur") && is_folder("new");
        if maildir {
            let own = if levels.is_empty() {
                vec!["INBOX".to_owned()]
            } else {
                levels.to_vec()
            };
            self.push(own, path, Format::Maildir, maildir::octets(path));
        }
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            let path = path.join(&name);
            let name = name.to_string_lossy();
            if maildir && ["cur", "new", "tmp"].contains(&&*name) {
                continue;
            }
            match std::fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => {
                    let mut below = levels.to_vec();
                    below.extend(below_folder(&name, maildir));
                    self.folder(&path, &below, depth + 1);
                }
                Ok(found) if found.is_file() && !maildir => {
                    self.file(&path, &name, levels, found.len());
                }
                Ok(found) if found.is_symlink() => {
                    self.bad
                        .push(bad(&path, &"a symbolic link, which is not followed"));
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, path: &Path, name: &str, levels: &[String], octets: u64) {
        // Beside its mailboxes a program keeps indexes and settings.
        let other = name.starts_with('.')
            || Path::new(name).extension().is_some_and(|extension| {
                let extension = extension.to_string_lossy().to_lowercase();
                ["msf", "dat", "html", "ini", "json", "sqlite", "plist"]
                    .contains(&extension.as_str())
            });
        if other {
            return;
        }
        let mut own = levels.to_vec();
        // Apple Mail: NAME.mbox/mbox.
        if name != "mbox" || levels.is_empty() {
            own.push(stem(path));
        }
        match mbox::is_mbox(path) {
            Ok(true) => self.push(own, path, Format::Mbox, octets),
            Ok(false) if octets == 0 => self.push(own, path, Format::Mbox, 0),
            Ok(false) => {}
            Err(error) => self.bad.push(bad(path, &error)),
        }
    }
}

/// Levels that a folder adds to those above it.
fn below_folder(name: &str, maildir: bool) -> Vec<String> {
    if maildir && name.starts_with('.') {
        return from_maildir(name);
    }
    let name = name
        .strip_suffix(".sbd")
        .or_else(|| name.strip_suffix(".mbox"))
        .unwrap_or(name);
    vec![unescape(&from_utf7(name))]
}

/// Takes back what our own folder names escape.
fn unescape(name: &str) -> String {
    let name = name.strip_prefix("%_").unwrap_or(name);
    let mut octets = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| {
            let upper = |o: &u8| o.is_ascii_digit() || (b'A'..=b'F').contains(o);
            let text = std::str::from_utf8(two).ok()?;
            two.iter()
                .all(upper)
                .then(|| u8::from_str_radix(text, 16).ok())?
        });
        match digits {
            Some(octet) if first == b'%' => {
                octets.push(octet);
                rest = &tail[2..];
            }
            _ => {
                octets.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(octets).unwrap_or_else(|_| name.to_owned())
}

/// Lines that end in LF alone get the CRLF that mail has.
pub(super) fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let bare = octets
        .iter()
        .enumerate()
        .filter(|(at, octet)| {
            **octet == b'\n' && at.checked_sub(1).and_then(|at| octets.get(at)) != Some(&b'\r')
        })
        .count();
    let mut out = Vec::with_capacity(octets.len() + bare);
    let mut last = 0;
    for &octet in octets {
        if octet == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(octet);
        last = octet;
    }
    out
}
