//! The words of a message: attachment names and the texts of all parts, decoded, for searching.
//!
//! They are read from the octets whenever somebody asks and not stored: decoding them takes about as long as
//! unpacking a stored copy, which would take half as much room as the message again. Reading and memory are bounded.

use std::convert::Infallible;
use std::ops::Range;

use crate::charset;
use crate::fold::TEXT_MAX;
use crate::html;
use crate::summary::Part;
use crate::transfer::{self, Encoding};

/// Octets read of one part: markup and encodings are at most some eight times their text.
const PART_MAX: u64 = 8 * TEXT_MAX as u64;
/// Octets read of one message: as many as its text can need when half of it is markup without words.
const READ_MAX: u64 = 2 * PART_MAX;

/// The words of a message that is in memory.
pub fn words_in(raw: &[u8], root: &Part) -> String {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(raw.len());
    let read = &mut |range: Range<u64>| {
        let octets = raw.get(place(range.start)..place(range.end));
        Ok::<_, Infallible>(octets.unwrap_or_default().to_vec())
    };
    match words(root, read) {
        Ok(words) => words,
    }
}

/// The words of a message whose octets `read` brings, at most twice [`TEXT_MAX`] octets of them and as they are
/// written: [`crate::fold`] compares them.
pub fn words<E>(
    root: &Part,
    read: &mut dyn FnMut(Range<u64>) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let mut reader = Reader {
        read,
        left: READ_MAX,
        out: String::new(),
    };
    reader.part(root)?;
    Ok(reader.out)
}

struct Reader<'a, E> {
    read: &'a mut dyn FnMut(Range<u64>) -> Result<Vec<u8>, E>,
    /// Octets that may still be read.
    left: u64,
    out: String,
}

impl<E> Reader<'_, E> {
    /// Adds the words of a part and its children. The depth of recursion is bounded by `guard::DEPTH_MAX`.
    fn part(&mut self, part: &Part) -> Result<(), E> {
        if self.out.len() >= 2 * TEXT_MAX {
            return Ok(());
        }
        self.push(part.file_name().unwrap_or_default());
        let is_text = part.kind == "text"
            && matches!(part.subtype.as_str(), "plain" | "html" | "calendar" | "csv");
        if is_text && let Some(encoding) = Encoding::named(&part.encoding) {
            let octets = part.size().min(PART_MAX).min(self.left);
            self.left -= octets;
            let octets = (self.read)(part.body_at..part.body_at + octets)?;
            let octets = match encoding {
                Encoding::Identity => octets,
                encoding => transfer::decode(encoding, &octets),
            };
            let text = charset::decode(part.param("charset").unwrap_or_default(), &octets);
            if part.subtype == "html" {
                self.push(&html::text(&text));
            } else {
                self.push(&text);
            }
        }
        for child in &part.parts {
            self.part(child)?;
        }
        if let Some(message) = &part.message {
            self.push(message.0.subject.as_deref().unwrap_or_default());
            self.part(&message.1)?;
        }
        Ok(())
    }

    /// Appends a blank and a text, up to the bound.
    fn push(&mut self, text: &str) {
        self.out.push(' ');
        let room = (2 * TEXT_MAX).saturating_sub(self.out.len());
        self.out.push_str(&text[..text.floor_char_boundary(room)]);
    }
}
