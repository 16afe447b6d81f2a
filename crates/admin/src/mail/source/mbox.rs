//! mbox files: messages one after another, each after a line that begins with `From `.
//!
//! Read as mboxrd: a line `>From ` loses one `>`. What programs keep about a message in its header (Status,
//! X-Status, X-Keywords, X-Mozilla-Status …) becomes flags and is taken out, because it changes without the
//! message changing. Messages that [`super::super::target`] wrote begin with `X-Congvu`, which tells everything
//! exactly. Lines are read in bounded pieces; a message past the limit is told and passed over.

use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use congvu_message::date;
use congvu_message::header::{self, Field};
use congvu_store::{Flags, Timestamp};

use super::super::{Bad, LARGEST, Letter};
use super::{Each, Item, open, with_crlf};

/// Octets of a line that are read at once; the rest of a longer line follows as if it were another.
const LINE: u64 = 1 << 20;

/// Fields in which mail programs keep their own state.
const STATE: [&str; 10] = [
    "Status",
    "X-Status",
    "X-Keywords",
    "X-UID",
    "X-IMAP",
    "X-IMAPbase",
    "X-Mozilla-Status",
    "X-Mozilla-Status2",
    "X-Mozilla-Keys",
    "Content-Length",
];

/// Whether a file begins as mbox does.
pub(super) fn is_mbox(path: &Path) -> io::Result<bool> {
    let (file, _) = open(path)?;
    let mut begin = Vec::new();
    file.take(5).read_to_end(&mut begin)?;
    Ok(begin == b"From ")
}

pub(super) fn read(path: &Path, each: Each<'_>) -> io::Result<()> {
    let (file, _) = open(path)?;
    split(BufReader::with_capacity(256 * 1024, file), path, each)
}

/// A message that is being collected.
struct Open {
    /// Its From line.
    from: Vec<u8>,
    /// Where that line begins.
    at: u64,
    octets: Vec<u8>,
    too_large: bool,
}

fn split(mut reader: impl BufRead, path: &Path, each: Each<'_>) -> io::Result<()> {
    let (mut at, mut line) = (0_u64, Vec::new());
    let (mut begins, mut blank) = (true, true);
    let mut now: Option<Open> = None;
    loop {
        line.clear();
        let count = (&mut reader).take(LINE).read_until(b'\n', &mut line)?;
        if count == 0 {
            break;
        }
        let place = at;
        at += count as u64;
        if begins && separates(&line, blank) {
            if let Some(done) = now.take()
                && !give(done, path, each)
            {
                return Ok(());
            }
            now = Some(Open {
                from: line.clone(),
                at: place,
                octets: Vec::new(),
                too_large: false,
            });
            (begins, blank) = (line.ends_with(b"\n"), false);
            continue;
        }
        if let Some(open) = &mut now {
            let text = if begins { unquoted(&line) } else { &line };
            // Room for the line ends that may be added.
            if open.octets.len() as u64 + text.len() as u64 > LARGEST {
                open.too_large = true;
            } else if !open.too_large {
                open.octets.extend_from_slice(text);
            }
        }
        blank = begins && matches!(line.as_slice(), b"\n" | b"\r\n");
        begins = line.ends_with(b"\n");
    }
    if let Some(done) = now {
        give(done, path, each);
    }
    Ok(())
}

/// `From sender Thu Jan  1 00:00:00 1970` after an empty line. Some programs leave the date out, some the empty
/// line, none both.
fn separates(line: &[u8], blank: bool) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else {
        return false;
    };
    blank || dated(rest)
}

/// Has a time and a year.
fn dated(rest: &[u8]) -> bool {
    let text = String::from_utf8_lossy(rest);
    let mut words = text.split_ascii_whitespace();
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|octet| octet.is_ascii_digit())
    };
    let clock = words.clone().any(|word| {
        let mut parts = word.split(':');
        parts.clone().count() >= 2 && parts.all(|part| digits(part, 2))
    });
    clock && words.any(|word| digits(word, 4))
}

/// A line without one level of quoting.
fn unquoted(line: &[u8]) -> &[u8] {
    let marks = line.iter().take_while(|octet| **octet == b'>').count();
    match line.get(marks..) {
        Some(rest) if marks > 0 && rest.starts_with(b"From ") => &line[1..],
        _ => line,
    }
}

fn give(mut open: Open, path: &Path, each: Each<'_>) -> bool {
    let place = format!("{} at octet {}", path.display(), open.at);
    let bad = |why: &str, place: String| {
        let why = why.to_owned();
        Item::Bad(Bad { place, why })
    };
    if open.too_large {
        return each(bad("larger than 256 MiB", place));
    }
    // The empty line before the next From line belongs to neither.
    for end in [&b"\r\n\r\n"[..], b"\n\n"] {
        if open.octets.ends_with(end) {
            open.octets.truncate(open.octets.len() - end.len() / 2);
            break;
        }
    }
    if open.octets == b"\n" || open.octets == b"\r\n" {
        open.octets.clear();
    }
    let taken = match exact(&open.octets) {
        Some(taken) => Some(taken),
        None => foreign(&open),
    };
    match taken {
        // A program's note that the message was deleted and the file not yet written anew.
        None => true,
        Some((_, octets)) if octets.is_empty() => each(bad("empty", place)),
        Some((_, octets)) if octets.len() as u64 > LARGEST => {
            each(bad("larger than 256 MiB", place))
        }
        Some((letter, octets)) => each(Item::Message(letter, octets, place)),
    }
}

/// What our export wrote: four fields in this order, then the message.
fn exact(octets: &[u8]) -> Option<(Letter, Vec<u8>)> {
    let (mut lines, mut rest) = (Vec::with_capacity(4), octets);
    for name in ["X-Congvu: 1 ", "Status: ", "X-Status: ", "X-Keywords:"] {
        let end = rest.iter().position(|octet| *octet == b'\n')?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        lines.push(line.strip_prefix(name)?.trim());
        rest = &rest[end + 1..];
    }
    let field = |name: &str| {
        let mut words = lines[0].split(' ');
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let keywords = lines[3].split(' ').filter(|word| !word.is_empty());
    let letter = Letter {
        flags: status(lines[1], lines[2]).0,
        keywords: keywords.map(str::to_owned).collect(),
        date: field("date")?.parse().ok()?,
        zone: field("zone")?.parse().ok()?,
        saved: Some(Timestamp(field("saved")?.parse().ok()?)),
        octets: 0,
        remote: 0,
    };
    let mut octets = rest.to_vec();
    if field("end")? == "no" {
        octets.pop();
    }
    if field("lines")? == "crlf" {
        octets = with_crlf(&octets);
    }
    Some((letter, octets))
}

/// Flags of Status and X-Status.
fn status(status: &str, further: &str) -> Flags {
    let mut flags = Flags::default();
    for (letter, flag, text) in [
        ('R', Flags::SEEN, status),
        ('A', Flags::ANSWERED, further),
        ('F', Flags::FLAGGED, further),
        ('T', Flags::DRAFT, further),
        ('D', Flags::DELETED, further),
    ] {
        if text.contains(letter) {
            flags = flags.union(flag);
        }
    }
    flags
}

/// What another program wrote. `None` when it says that the message is deleted.
fn foreign(open: &Open) -> Option<(Letter, Vec<u8>)> {
    let octets = with_crlf(&open.octets);
    let mut letter = Letter::default();
    let (mut flags, mut states) = (Flags::default(), (String::new(), String::new()));
    let mut out = Vec::with_capacity(octets.len());
    let mut kept = 0;
    let add = |letter: &mut Letter, keyword: &str| {
        let atom = keyword
            .bytes()
            .all(|o| o.is_ascii_graphic() && !b"(){%*\"\\]".contains(&o));
        let known = letter
            .keywords
            .iter()
            .any(|k| k.eq_ignore_ascii_case(keyword));
        if atom && !keyword.is_empty() && !known {
            letter.keywords.push(keyword.to_owned());
        }
    };
    for field in header::fields(&octets) {
        let text = || field.text();
        if field.is("Status") {
            states.0 = text();
        } else if field.is("X-Status") {
            states.1 = text();
        } else if field.is("X-Keywords") || field.is("X-Mozilla-Keys") {
            for keyword in text().split([' ', ',']) {
                add(&mut letter, keyword);
            }
        } else if field.is("X-Mozilla-Status") {
            let bits = u32::from_str_radix(text().trim(), 16).unwrap_or(0);
            if bits & 0x8 != 0 {
                return None;
            }
            for (bit, flag) in [
                (0x1, Flags::SEEN),
                (0x2, Flags::ANSWERED),
                (0x4, Flags::FLAGGED),
            ] {
                if bits & bit != 0 {
                    flags = flags.union(flag);
                }
            }
            if bits & 0x1000 != 0 {
                add(&mut letter, "$Forwarded");
            }
        } else if field.is("X-Gmail-Labels") {
            // Google Takeout; the field stays, because it tells more than flags.
            let text = text();
            let has = |label: &str| {
                text.split(',')
                    .any(|l| l.trim().eq_ignore_ascii_case(label))
            };
            if !has("Unread") {
                flags = flags.union(Flags::SEEN);
            }
            if has("Starred") {
                flags = flags.union(Flags::FLAGGED);
            }
        }
        if STATE.iter().any(|name| field.is(name)) {
            out.extend_from_slice(&octets[kept..field.at]);
            kept = field.at + field.raw.len();
        }
    }
    out.extend_from_slice(&octets[kept..]);
    letter.flags = flags.union(status(&states.0, &states.1)).0;
    (letter.date, letter.zone) = arrived(&out, &open.from);
    Some((letter, out))
}

/// When a message arrived: what the last server wrote, else the From line, else the sender's date.
fn arrived(octets: &[u8], from: &[u8]) -> (i64, i16) {
    let of = |field: Option<Field<'_>>, last: bool| {
        let text = field?.text();
        let text = if last {
            text.rsplit(';').next().unwrap_or_default()
        } else {
            &text
        };
        date::parse(text)
    };
    let line = String::from_utf8_lossy(from);
    // Thunderbird writes `From - ` and when it filed the message.
    let by_line = || {
        let (_, rest) = line.strip_prefix("From ")?.trim_end().split_once(' ')?;
        if line.starts_with("From - ") {
            return None;
        }
        date::parse(rest.trim())
    };
    of(header::find(octets, "Received"), true)
        .or_else(by_line)
        .or_else(|| of(header::find(octets, "Date"), false))
        .or_else(|| date::parse(line.splitn(3, ' ').nth(2)?.trim()))
        .unwrap_or((0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(Letter, String)> {
        let mut found = Vec::new();
        split(text, Path::new("x"), &mut |item| {
            match item {
                Item::Message(letter, octets, _) => {
                    found.push((letter, String::from_utf8(octets).unwrap()));
                }
                Item::Bad(bad) => found.push((Letter::default(), bad.why)),
            }
            true
        })
        .unwrap();
        found
    }

    #[test]
    fn separators_and_quotes() {
        let text = b"From a@b Thu Nov 19 08:00:00 2026\nSubject: 1\n\n>From here\n>>From there\nFrom me\n\nFrom - \n\
                     Subject: 2\nStatus: RO\nX-Status: AF\nX-Keywords: $Label1 x\n\nb\n\n";
        let found = all(text);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0].1,
            "Subject: 1\r\n\r\nFrom here\r\n>From there\r\nFrom me\r\n"
        );
        assert_eq!(found[0].0.date, 1_795_075_200);
        assert_eq!(found[1].1, "Subject: 2\r\n\r\nb\r\n");
        assert_eq!(found[1].0.flags, 1 | 2 | 4);
        assert_eq!(found[1].0.keywords, ["$Label1", "x"]);
    }

    #[test]
    fn thunderbird_keeps_state_in_the_header() {
        let text = b"From - Thu Nov 19 08:00:00 2026\r\nX-Mozilla-Status: 1007\r\nX-Mozilla-Status2: 00000000\r\n\
                     X-Mozilla-Keys: $label2   \r\nDate: Wed, 18 Nov 2026 08:00:00 +0700\r\n\r\nb\r\n\r\n\
                     From - Thu Nov 19 08:00:00 2026\r\nX-Mozilla-Status: 0009\r\n\r\ndeleted\r\n";
        let found = all(text);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].1,
            "Date: Wed, 18 Nov 2026 08:00:00 +0700\r\n\r\nb\r\n"
        );
        assert_eq!(found[0].0.flags, 1 | 2 | 4);
        assert_eq!(found[0].0.keywords, ["$Forwarded", "$label2"]);
        assert_eq!((found[0].0.date, found[0].0.zone), (1_794_963_600, 420));
    }

    #[test]
    fn any_octets_are_something() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let words: [&[u8]; 10] = [
            b"From ",
            b"\n",
            b"\r\n",
            b">",
            b"X-Congvu: 1 ",
            b"Status: R\n",
            b"08:00 2026",
            b"\0",
            b":",
            b"\xff",
        ];
        for _ in 0..3_000 {
            let mut text = Vec::new();
            for _ in 0..random.usize(..30) {
                text.extend_from_slice(words[random.usize(..words.len())]);
            }
            split(text.as_slice(), Path::new("x"), &mut |item| {
                if let Item::Message(_, octets, _) = item {
                    assert!(!octets.is_empty());
                }
                true
            })
            .unwrap();
        }
    }
}
