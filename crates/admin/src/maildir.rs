//! Messages as Maildir files, one folder a mailbox, levels as nested folders with readable names.
//!
//! Octets are written exactly as stored (lines end in CRLF), so that signatures stay valid. Flags are in the
//! file's name; keywords are letters that `dovecot-keywords` explains, as Dovecot reads them; the time of the
//! file is INTERNALDATE.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use congvu_store::{Body, Flags, MailboxId, Message};

/// Octets read and written at a time.
const PIECE: u64 = 1 << 20;
/// Longest name of a folder or file, octets: file systems take 255.
const LONGEST: usize = 200;
/// Farthest time of a file from 1970: what 32 bits with a sign hold.
const SECONDS: i64 = (1 << 31) - 1;
/// Keywords that have letters in file names.
const KEYWORDS: usize = 26;

/// One mailbox that is being written.
pub(crate) struct Maildir {
    folder: PathBuf,
    mailbox: MailboxId,
}

impl Maildir {
    /// Creates the folders of a mailbox below `root`. `name` has levels separated by `/`.
    pub(crate) fn create(
        root: &Path,
        name: &str,
        mailbox: MailboxId,
        keywords: &[String],
    ) -> io::Result<Self> {
        let mut folder = root.to_owned();
        for level in name.split('/') {
            folder.push(component(level));
        }
        for part in ["cur", "new", "tmp"] {
            create_folder(&folder.join(part))?;
        }
        if !keywords.is_empty() {
            let lines: Vec<String> = keywords
                .iter()
                .take(KEYWORDS)
                .enumerate()
                .map(|(index, keyword)| format!("{index} {keyword}\n"))
                .collect();
            std::fs::write(folder.join("dovecot-keywords"), lines.concat())?;
        }
        Ok(Self { folder, mailbox })
    }

    /// Writes one message; the file appears only when it is complete.
    pub(crate) fn write(&self, message: &Message, body: &Body) -> Result<(), Failed> {
        let unique = format!(
            "{}.M{}U{}.congvu,S={}",
            message.date.max(0),
            self.mailbox,
            message.uid,
            body.len()
        );
        let letters = letters(message.flags, &message.keywords);
        let target = self
            .folder
            .join("cur")
            .join(format!("{unique}:2,{letters}"));
        let temporary = self.folder.join("tmp").join(&unique);
        let written = write_body(&temporary, body, time(message.date))
            .and_then(|()| Ok(std::fs::rename(&temporary, target)?));
        if written.is_err() {
            // Best effort: an unfinished file in `tmp` is no message.
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }

    /// Writes a body of which nothing else is known.
    pub(crate) fn write_unknown(&self, body: &Body) -> Result<(), Failed> {
        let unique = format!("0.B{}.congvu,S={}", body.id(), body.len());
        let target = self.folder.join("cur").join(format!("{unique}:2,"));
        let temporary = self.folder.join("tmp").join(&unique);
        write_body(&temporary, body, SystemTime::now())?;
        Ok(std::fs::rename(temporary, target)?)
    }
}

/// Why a message was not written.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Its octets cannot be read.
    Unreadable,
    /// The target cannot be written.
    Target(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Target(error)
    }
}

fn write_body(path: &Path, body: &Body, time: SystemTime) -> Result<(), Failed> {
    let mut file = File::create(path)?;
    let mut at = 0;
    while at < body.len() {
        let octets = body.octets(at, PIECE).map_err(|_| Failed::Unreadable)?;
        file.write_all(&octets)?;
        at += PIECE;
    }
    Ok(file.set_modified(time)?)
}

/// A folder with its parents, for its owner only.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Seconds since 1970 as the time of a file, within what every file system takes.
pub(crate) fn time(seconds: i64) -> SystemTime {
    let seconds = seconds.clamp(-SECONDS, SECONDS);
    let by = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(by)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(by)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Flags as letters, ascending as Maildir asks, then keywords.
pub(crate) fn letters(flags: Flags, keywords: &[u16]) -> String {
    let mut letters = String::new();
    for (flag, letter) in [
        (Flags::DRAFT, 'D'),
        (Flags::FLAGGED, 'F'),
        (Flags::ANSWERED, 'R'),
        (Flags::SEEN, 'S'),
        (Flags::DELETED, 'T'),
    ] {
        if flags.contains(flag) {
            letters.push(letter);
        }
    }
    let keywords = keywords.iter().filter_map(|index| {
        let letter = u8::try_from(*index).ok().filter(|index| *index < 26)?;
        Some(char::from(b'a' + letter))
    });
    letters.extend(keywords);
    letters
}

/// One level of a mailbox name as the name of a folder: nothing that leads elsewhere, nothing that Maildir
/// itself uses.
pub(crate) fn component(level: &str) -> String {
    let mut name = String::new();
    for (at, c) in level.chars().enumerate() {
        if c == '%' || c == '/' || c.is_control() || (at == 0 && c == '.') {
            let mut octets = [0; 4];
            for octet in c.encode_utf8(&mut octets).bytes() {
                let _ = write!(name, "%{octet:02X}");
            }
        } else {
            name.push(c);
        }
    }
    if ["cur", "new", "tmp", ""].contains(&name.as_str()) {
        name.insert_str(0, "%_");
    }
    if name.len() > LONGEST {
        // Names that begin alike stay apart.
        let sum = level.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, octet| {
            (sum ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3)
        });
        let cut = (0..=LONGEST - 20)
            .rev()
            .find(|at| name.is_char_boundary(*at))
            .unwrap_or(0);
        name.truncate(cut);
        let _ = write!(name, "%{sum:016x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for (level, expected) in [
            ("Công văn đến", "Công văn đến"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("a.b", "a.b"),
            ("50%", "50%25"),
            ("a\u{0}b", "a%00b"),
            ("cur", "%_cur"),
            ("", "%_"),
        ] {
            assert_eq!(component(level), expected);
        }
        let (one, two) = (component(&"ấ".repeat(170)), component(&"ấ".repeat(169)));
        assert!(one.len() <= LONGEST && two.len() <= LONGEST && one != two);
    }

    #[test]
    fn times_before_1970_are_times_too() {
        assert!(time(-5) < time(0) && time(0) < time(5));
        assert!(time(i64::MIN) < time(-5) && time(5) < time(i64::MAX));
    }
}
