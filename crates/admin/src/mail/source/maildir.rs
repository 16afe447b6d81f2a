//! Maildir folders: a file a message, flags in its name, keywords as letters that `dovecot-keywords` explains,
//! the file's time as INTERNALDATE.
//!
//! Names that [`super::super::target`] wrote also tell zone, exact date and save date, and that the octets are
//! exact; in others' files lines may end in LF alone.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use congvu_store::{Flags, Timestamp};

use super::super::{LARGEST, Letter};
use super::{Each, Item, bad, open, with_crlf};

/// Largest file that explains keywords.
const EXPLAINED: u64 = 64 * 1024;

/// What our own names say after the first dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) uid: u32,
    pub(crate) date: i64,
    pub(crate) zone: i16,
    pub(crate) saved: i64,
    /// Keywords without a letter, by index.
    pub(crate) keywords: Vec<u16>,
}

impl Own {
    /// `M5U7D1790000000Z420T1790000000000K1a.1b.congvu,S=123`, as written.
    pub(crate) fn name(&self, mailbox: u64, size: u32) -> String {
        let keywords: Vec<String> = self.keywords.iter().map(|k| format!("{k:x}")).collect();
        let keywords = if keywords.is_empty() {
            String::new()
        } else {
            format!("K{}", keywords.join("-"))
        };
        format!(
            "{}.M{mailbox}U{}D{}Z{}T{}{keywords}.congvu,S={size}",
            self.date.max(0),
            self.uid,
            self.date,
            self.zone,
            self.saved
        )
    }

    fn parse(unique: &str) -> Option<Self> {
        let mut parts = unique.split('.');
        let (_, middle, host) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || host.split(',').next()? != "congvu" {
            return None;
        }
        let (_, rest) = middle.strip_prefix('M')?.split_once('U')?;
        let (uid, rest) = rest.split_once('D')?;
        let (date, rest) = rest.split_once('Z')?;
        let (zone, rest) = rest.split_once('T')?;
        let (saved, keywords) = match rest.split_once('K') {
            Some((saved, list)) => {
                let indexes = list.split('-').map(|k| u16::from_str_radix(k, 16));
                (saved, indexes.collect::<Result<Vec<u16>, _>>().ok()?)
            }
            None => (rest, Vec::new()),
        };
        Some(Self {
            uid: uid.parse().ok()?,
            date: date.parse().ok()?,
            zone: zone.parse().ok()?,
            saved: saved.parse().ok()?,
            keywords,
        })
    }
}

struct Found {
    path: PathBuf,
    own: Option<Own>,
    letters: String,
}

/// Octets of all files, roughly: links and folders are not looked at twice.
pub(super) fn octets(folder: &Path) -> u64 {
    let mut sum = 0_u64;
    for part in ["cur", "new"] {
        for entry in std::fs::read_dir(folder.join(part)).into_iter().flatten() {
            let size = entry.and_then(|entry| entry.metadata());
            sum = sum.saturating_add(size.map_or(0, |found| found.len()));
        }
    }
    sum
}

pub(super) fn read(folder: &Path, each: Each<'_>) -> io::Result<()> {
    let keywords = explained(folder);
    let mut found = Vec::new();
    for part in ["cur", "new"] {
        for entry in std::fs::read_dir(folder.join(part))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') {
                continue;
            }
            // `:` cannot stand in names on some file systems; programs there write `!` or `;`.
            let split = [":2,", "!2,", ";2,"]
                .into_iter()
                .find_map(|mark| name.rsplit_once(mark));
            let (unique, letters) = split.unwrap_or((&name, ""));
            let own = Own::parse(unique);
            let letters = letters.to_owned();
            found.push(Found { path, own, letters });
        }
    }
    // In the order in which they came; ours in the order of their UIDs.
    found.sort_by_cached_key(|found| {
        let name = found.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let seconds = name
            .split('.')
            .next()
            .and_then(|digits| digits.parse::<u64>().ok());
        let uid = found.own.as_ref().map(|own| own.uid);
        (uid.is_none(), uid, seconds, name)
    });
    for found in found {
        let item = match message(&found, &keywords) {
            Ok((letter, octets)) => Item::Message(letter, octets, found.path.display().to_string()),
            Err(error) => Item::Bad(bad(&found.path, &error)),
        };
        if !each(item) {
            break;
        }
    }
    Ok(())
}

fn message(found: &Found, keywords: &[(u16, String)]) -> io::Result<(Letter, Vec<u8>)> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let (file, metadata) = open(&found.path)?;
    if metadata.len() > LARGEST {
        return Err(invalid("larger than 256 MiB"));
    }
    let mut octets = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(LARGEST + 1).read_to_end(&mut octets)?;
    if found.own.is_none() {
        octets = with_crlf(&octets);
    }
    if octets.is_empty() {
        return Err(invalid("empty"));
    }
    if octets.len() as u64 > LARGEST {
        return Err(invalid("larger than 256 MiB"));
    }
    let name_of = |wanted: u16| {
        let found = keywords.iter().find(|(index, _)| *index == wanted);
        found.map(|(_, name)| name.clone())
    };
    let mut letter = Letter {
        date: metadata.mtime(),
        ..Letter::default()
    };
    let mut flags = Flags::default();
    for c in found.letters.chars() {
        match c {
            'D' => flags = flags.union(Flags::DRAFT),
            'F' => flags = flags.union(Flags::FLAGGED),
            'R' => flags = flags.union(Flags::ANSWERED),
            'S' => flags = flags.union(Flags::SEEN),
            'T' => flags = flags.union(Flags::DELETED),
            'P' => letter.keywords.push("$Forwarded".to_owned()),
            'a'..='z' => {
                let index = u16::try_from(u32::from(c) - u32::from('a')).unwrap_or(0);
                letter.keywords.extend(name_of(index));
            }
            _ => {}
        }
    }
    letter.flags = flags.0;
    if let Some(own) = &found.own {
        (letter.date, letter.zone) = (own.date, own.zone);
        letter.saved = Some(Timestamp(own.saved));
        letter
            .keywords
            .extend(own.keywords.iter().filter_map(|index| name_of(*index)));
    }
    Ok((letter, octets))
}

/// Lines `0 $Forwarded` of the files that explain keywords.
fn explained(folder: &Path) -> Vec<(u16, String)> {
    let mut keywords = Vec::new();
    for name in ["dovecot-keywords", "congvu-keywords"] {
        let mut text = String::new();
        let Ok((file, _)) = open(&folder.join(name)) else {
            continue;
        };
        if file.take(EXPLAINED).read_to_string(&mut text).is_err() {
            continue;
        }
        for line in text.lines() {
            let Some((index, keyword)) = line.split_once(' ') else {
                continue;
            };
            let atom = !keyword.is_empty()
                && keyword
                    .bytes()
                    .all(|o| o.is_ascii_graphic() && !b"(){%*\"\\]".contains(&o));
            if let Ok(index) = index.parse()
                && atom
            {
                keywords.push((index, keyword.to_owned()));
            }
        }
    }
    keywords
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_come_back() {
        for keywords in [vec![], vec![26, 255]] {
            let own = Own {
                uid: 7,
                date: -5,
                zone: -420,
                saved: 1_790_000_000_123,
                keywords,
            };
            let name = own.name(3, 99);
            assert_eq!(Own::parse(&name), Some(own), "{name}");
        }
        for other in [
            "1790000000.M5P7.host",
            "1790000000.M5U7.congvu,S=5",
            "",
            "a.b.congvu",
        ] {
            assert_eq!(Own::parse(other), None);
        }
    }
}
