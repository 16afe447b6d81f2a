//! The message as the stages see it: octets, structure, and its texts decoded once.
//!
//! Decoding is bounded ([`crate::bounds`]): what lies beyond is not seen by any stage, and [`Letter::cut`] says so. The
//! octets of the message are never changed.

use std::borrow::Cow;
use std::cell::OnceCell;

use congvu_message::transfer::Encoding;
use congvu_message::{Part, Summary, charset, header, html, transfer};

use crate::bounds::{ENCODED_MAX, HEADER_MAX, PARTS_MAX, TEXT_MAX};
use crate::phrases::Phrases;
use crate::statistics::features::folded;
use crate::statistics::folded::Folded;
use crate::statistics::{Features, features};

/// A parsed message.
#[derive(Debug)]
pub struct Letter<'a> {
    /// The octets as they came.
    pub raw: &'a [u8],
    /// What was derived from them.
    pub summary: &'a Summary,
    /// All text parts in their order, decoded; embedded messages' and attached pages of the web too.
    pub texts: Vec<Text<'a>>,
    /// Some text or some part is beyond the bounds.
    pub cut: bool,
    header: &'a [u8],
    folded: OnceCell<Folded>,
    phrases: OnceCell<Phrases>,
    features: OnceCell<Features>,
}

/// A text part.
#[derive(Debug)]
pub struct Text<'a> {
    /// Its place and headers.
    pub part: &'a Part,
    /// It is HTML: the text below is the source, with its tags.
    pub html: bool,
    /// The text, transfer encoding and charset decoded.
    pub text: Cow<'a, str>,
    visible: OnceCell<String>,
}

impl Text<'_> {
    /// What a reader sees of it: HTML without its tags.
    pub fn visible(&self) -> &str {
        if self.html {
            self.visible.get_or_init(|| html::text(&self.text))
        } else {
            &self.text
        }
    }
}

impl<'a> Letter<'a> {
    /// Decodes the text parts of a message.
    pub fn read(raw: &'a [u8], summary: &'a Summary) -> Self {
        let mut letter = Self {
            raw,
            summary,
            texts: Vec::new(),
            cut: false,
            header: &raw[..header::body_start(&raw[..raw.len().min(HEADER_MAX)])],
            folded: OnceCell::new(),
            phrases: OnceCell::new(),
            features: OnceCell::new(),
        };
        let mut room = TEXT_MAX;
        let (parts, whole) = parts(&summary.root);
        letter.cut = !whole || letter.header.len() == HEADER_MAX;
        for part in parts {
            if part.kind != "text" && !is_page(part) {
                continue;
            }
            if room == 0 {
                letter.cut = true;
                break;
            }
            letter.decode(part, &mut room);
        }
        letter
    }

    fn decode(&mut self, part: &'a Part, room: &mut usize) {
        // Undecodable: the search text has nothing of it either.
        let Some(encoding) = Encoding::named(&part.encoding) else {
            return;
        };
        let octets = self.octets(part);
        let most = octets.len().min(ENCODED_MAX);
        let decoded = match encoding {
            Encoding::Identity => Cow::Borrowed(&octets[..most]),
            _ => Cow::Owned(transfer::decode(encoding, &octets[..most])),
        };
        let label = part.param("charset").unwrap_or_default();
        let mut text = match decoded {
            Cow::Borrowed(octets) => charset::decode(label, octets),
            Cow::Owned(octets) => Cow::Owned(charset::decode(label, &octets).into_owned()),
        };
        if text.len() > *room {
            let end = text.floor_char_boundary(*room);
            text = Cow::Owned(text[..end].to_owned());
            self.cut = true;
        }
        self.cut |= most < octets.len();
        *room -= text.len();
        self.texts.push(Text {
            part,
            html: part.subtype == "html" || is_page(part),
            text,
            visible: OnceCell::new(),
        });
    }

    /// Subject and beginning of the visible text without any disguise.
    pub(crate) fn folded(&self) -> &Folded {
        self.folded.get_or_init(|| folded(self))
    }

    /// The phrases of the book in it.
    pub(crate) fn phrases(&self) -> &Phrases {
        self.phrases
            .get_or_init(|| Phrases::of(&self.folded().squeezed))
    }

    /// The features for the statistics, read once.
    pub fn features(&self) -> &Features {
        self.features.get_or_init(|| features(self))
    }

    /// The octets of a part's body as transferred.
    pub fn octets(&self, part: &Part) -> &'a [u8] {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        self.raw
            .get(place(part.body_at)..place(part.end_at))
            .unwrap_or_default()
    }

    /// The header block of the message itself, at most [`HEADER_MAX`] octets of it.
    pub fn header(&self) -> &'a [u8] {
        self.header
    }

    /// The leaves of the structure, in their order: attachments and texts, those of embedded messages too. At most
    /// [`PARTS_MAX`].
    pub fn parts(&self) -> Vec<&'a Part> {
        parts(&self.summary.root).0
    }

    /// The domain of the (first) From address, lower case.
    pub fn from_domain(&self) -> Option<String> {
        let from = self.summary.envelope.from.iter();
        from.filter_map(|mailbox| mailbox.host.as_deref())
            .find(|host| !host.is_empty())
            .map(str::to_ascii_lowercase)
    }
}

/// A page of the web as a file, whatever it is declared as.
fn is_page(part: &Part) -> bool {
    let name = part
        .file_name()
        .unwrap_or_default()
        .trim_end_matches([' ', '.']);
    let (_, ending) = name.rsplit_once('.').unwrap_or_default();
    ["htm", "html", "shtml", "xhtml", "xht"]
        .iter()
        .any(|page| ending.eq_ignore_ascii_case(page))
}

/// Leaves in the order of the message, and whether these are all.
fn parts(root: &Part) -> (Vec<&Part>, bool) {
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(part) = waiting.pop() {
        if let Some(message) = &part.message {
            waiting.push(&message.1);
        } else if part.parts.is_empty() {
            if found.len() == PARTS_MAX {
                return (found, false);
            }
            found.push(part);
        } else {
            waiting.extend(part.parts.iter().rev());
        }
    }
    (found, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use congvu_message::summarize;

    #[track_caller]
    fn check(raw: &[u8], expected: &[&str], cut: bool) {
        let summary = summarize(raw);
        let letter = Letter::read(raw, &summary);
        let texts: Vec<&str> = letter.texts.iter().map(|text| text.text.as_ref()).collect();
        assert_eq!((texts.as_slice(), letter.cut), (expected, cut));
    }

    #[test]
    fn texts_are_decoded() {
        check(b"Subject: a\r\n\r\nxin ch\xc3\xa0o", &["xin chào"], false);
        check(
            b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+xJFpPC9iPg==",
            &["<b>đi</b>"],
            false,
        );
        let raw = b"Content-Type: text/html\r\n\r\n<b>\xc4\x91</b>i";
        let summary = summarize(raw);
        assert_eq!(Letter::read(raw, &summary).texts[0].visible(), "đi");
        check(
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nm\xe1\xbb\x99t\r\n--b\r\nContent-Type: \
              image/png\r\n\r\nx\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nhai\r\n--b--\r\n",
            &["một", "hai"],
            false,
        );
        check(
            b"Content-Transfer-Encoding: x-unknown\r\n\r\nabc",
            &[],
            false,
        );
    }

    #[test]
    fn texts_are_bounded() {
        let mut raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
        for _ in 0..2000 {
            raw.extend_from_slice(b"--b\r\n\r\nabc\r\n");
        }
        let summary = summarize(&raw);
        let letter = Letter::read(&raw, &summary);
        assert!(letter.cut);
        assert_eq!(letter.texts.len(), PARTS_MAX);
        let raw = [b"\r\n".as_slice(), "ế".repeat(TEXT_MAX).as_bytes()].concat();
        let summary = summarize(&raw);
        let letter = Letter::read(&raw, &summary);
        assert!(letter.cut && letter.texts[0].text.len() <= TEXT_MAX);
    }
}
