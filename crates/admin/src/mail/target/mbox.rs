//! mbox, one file a mailbox, children in a folder `Name.sbd` beside it as Thunderbird keeps them.
//!
//! mboxrd: every line `From `, `>From ` … gets another `>`. Lines end in LF, as mbox readers expect; a message
//! that has other line ends than CRLF keeps its own. Before each message stand four fields of ours, from which
//! an import gets back every octet, flag, keyword and date.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use congvu_message::date::Civil;
use congvu_store::Flags;

use super::Piece;
use crate::mail::{Entry, LARGEST, Place};
use crate::maildir::{component, create_folder};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAY: i64 = 86_400;
/// Dates that `asctime` can write: years 0 to 9999.
const YEARS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

pub(crate) struct Target {
    file: BufWriter<File>,
    keywords: Vec<String>,
    octets: Vec<u8>,
}

impl Target {
    pub(super) fn create(root: &Path, mailbox: &Place) -> io::Result<Self> {
        let mut folder = root.to_owned();
        let mut levels: Vec<String> = mailbox.name.split('/').map(file_name).collect();
        let name = levels.pop().unwrap_or_default();
        for level in levels {
            folder.push(format!("{level}.sbd"));
        }
        create_folder(&folder)?;
        Ok(Self {
            file: BufWriter::new(File::create_new(folder.join(name))?),
            keywords: mailbox.keywords.clone(),
            octets: Vec::new(),
        })
    }

    pub(super) fn write(&mut self, piece: &Piece) -> io::Result<()> {
        if u64::from(piece.entry.size) > LARGEST {
            let why = format!(
                "UID {} is larger than 256 MiB; export as maildir",
                piece.entry.uid
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        if piece.from == 0 {
            self.octets.clear();
        }
        self.octets.extend_from_slice(&piece.octets);
        if piece.is_last() {
            let octets = std::mem::take(&mut self.octets);
            self.message(&piece.entry, &octets)?;
        }
        Ok(())
    }

    fn message(&mut self, entry: &Entry, octets: &[u8]) -> io::Result<()> {
        let regular = regular(octets);
        let ended = octets.ends_with(b"\n");
        let flags = Flags(entry.flags);
        let letter = |flag: Flags, letter: &'static str| {
            if flags.contains(flag) { letter } else { "" }
        };
        let keywords = entry
            .keywords
            .iter()
            .filter_map(|index| self.keywords.get(usize::from(*index)))
            .fold(String::new(), |all, one| all + " " + one);
        write!(
            self.file,
            "From MAILER-DAEMON {}\nX-Congvu: 1 date={} zone={} saved={} lines={} end={}\nStatus: {}O\n\
             X-Status: {}{}{}{}\nX-Keywords:{keywords}\n",
            asctime(entry.date),
            entry.date,
            entry.zone,
            entry.saved,
            if regular { "crlf" } else { "as-is" },
            if ended { "yes" } else { "no" },
            letter(Flags::SEEN, "R"),
            letter(Flags::ANSWERED, "A"),
            letter(Flags::FLAGGED, "F"),
            letter(Flags::DRAFT, "T"),
            letter(Flags::DELETED, "D"),
        )?;
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            let marks = line.iter().take_while(|octet| **octet == b'>').count();
            if line[marks..].starts_with(b"From ") {
                self.file.write_all(b">")?;
            }
            match line.strip_suffix(b"\r\n") {
                Some(text) if regular => {
                    self.file.write_all(text)?;
                    self.file.write_all(b"\n")?;
                }
                _ => self.file.write_all(line)?,
            }
        }
        self.file.write_all(if ended { b"\n" } else { b"\n\n" })
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Every line ends in CRLF, and CR and LF stand nowhere else: then LF alone says the same.
fn regular(octets: &[u8]) -> bool {
    let mut last = 0;
    for &octet in octets {
        if (octet == b'\n') != (last == b'\r') {
            return false;
        }
        last = octet;
    }
    last != b'\r'
}

/// One level as the name of a file that is neither taken for a folder nor for an index.
fn file_name(level: &str) -> String {
    let name = component(level);
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}%2E{extension}"),
        None => name,
    }
}

/// `Thu Jan  1 00:00:00 1970`, in UTC.
fn asctime(seconds: i64) -> String {
    let seconds = seconds.clamp(*YEARS.start(), *YEARS.end());
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::at(seconds, 0);
    let weekday = DAYS[usize::try_from(seconds.div_euclid(DAY).rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::from(month.clamp(1, 12) - 1)];
    format!("{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year:04}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_lines() {
        assert_eq!(asctime(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(asctime(1_795_075_200), "Thu Nov 19 08:00:00 2026");
        for (octets, expected) in [
            (&b"a\r\nb\r\n"[..], true),
            (b"a\r\nb", true),
            (b"", true),
            (b"a\nb\r\n", false),
            (b"a\rb\r\n", false),
            (b"a\r", false),
            (b"a\r\r\n", false),
        ] {
            assert_eq!(regular(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn names_are_no_other_kind_of_file() {
        for (level, expected) in [
            ("Công văn", "Công văn"),
            ("a.msf", "a%2Emsf"),
            ("a.b.sbd", "a.b%2Esbd"),
            ("..", "%2E%2E"),
            ("mbox", "mbox"),
        ] {
            assert_eq!(file_name(level), expected);
        }
    }
}
