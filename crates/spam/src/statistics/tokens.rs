//! Tokens of header and structure: words with the field they stand in, which fields there are and in which order, types
//! and encodings of the parts, hosts of the links.
//!
//! Dates and message numbers are left out: they say when a message was written, which tells corpora apart and not letters.

use congvu_message::{Part, header, words};

use super::features::{is_of_filter, is_trace, number};
use super::folded::Folded;
use crate::Letter;

/// Fields looked at; a header of a list has forty.
const FIELDS_MAX: usize = 100;
/// Octets of a field whose words are taken.
const FIELD_MAX: usize = 1_000;
/// Octets of a word; longer ones are random.
const WORD_MAX: usize = 40;
/// Links whose hosts are taken.
const LINKS_MAX: usize = 100;
/// Parts whose types are taken.
const PARTS_MAX: usize = 50;

/// A token: what kind of thing it is said of, and the word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    /// Field name, or what the word is.
    pub(crate) of: &'a [u8],
    /// The word.
    pub(crate) word: &'a [u8],
}

impl Token<'_> {
    /// Its number; case does not matter.
    pub(crate) fn hash(self) -> u32 {
        // FNV-1a, which is good enough in 32 bits when `number` spreads it.
        let step = |hash: u32, &b: &u8| {
            (hash ^ u32::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
        };
        let hash = self.of.iter().fold(0x811C_9DC5, step);
        let hash = step(hash, &b':');
        number(self.word.iter().fold(hash, step))
    }
}

/// Gives all tokens of a letter, some of them more than once.
pub(crate) fn visit(letter: &Letter<'_>, mut visit: impl FnMut(Token<'_>)) {
    let mut before: &[u8] = b"";
    for field in header::fields(letter.header()).take(FIELDS_MAX) {
        if is_of_filter(field.name) {
            continue;
        }
        visit(Token {
            of: b"field",
            word: field.name,
        });
        let mut pair = before.to_vec();
        pair.push(b'|');
        pair.extend_from_slice(field.name);
        visit(Token {
            of: b"order",
            word: &pair,
        });
        before = field.name;
        if !is_trace(field.name) {
            values(field, &mut visit);
        } else if field.is("Date") {
            zone(field.value, &mut visit);
        } else if field.is("Received") {
            received(field.value, &mut visit);
        }
    }
    for part in letter.parts().into_iter().take(PARTS_MAX) {
        structure(part, &mut visit);
    }
    links(letter, &mut visit);
}

fn values(field: header::Field<'_>, visit: &mut impl FnMut(Token<'_>)) {
    let value = words::decode(&field.value[..field.value.len().min(FIELD_MAX)]);
    if field.is("Subject") || field.is("Thread-Topic") {
        disguised(field.name, &value, visit);
        return;
    }
    let mut value = value.as_bytes();
    if field.is("From")
        && let Some(at) = value.iter().position(|&b| b == b'<')
        && let Ok(name) = str::from_utf8(&value[..at])
    {
        disguised(field.name, name, visit);
        value = &value[at..];
    }
    if field.is("Message-ID") || field.is("In-Reply-To") || field.is("References") {
        // Only who numbered it.
        let at = value.iter().position(|&b| b == b'@');
        value = at.map_or(&[][..], |at| &value[at..]);
    }
    for word in value.split(|b| !is_of_word(*b)) {
        if word.is_ascii() {
            if word.len() > 1 && word.len() <= WORD_MAX {
                visit(Token {
                    of: field.name,
                    word,
                });
            }
        } else if let Ok(word) = str::from_utf8(word) {
            disguised(field.name, word, visit);
        }
    }
}

/// Words of a subject or a name: as they stand if they are ASCII, and all of them folded, because a disguise that the
/// text wears these wear too. A word that folding does not change counts once.
fn disguised(name: &[u8], value: &str, visit: &mut impl FnMut(Token<'_>)) {
    let mut folded = Folded::default();
    folded.push(value, FIELD_MAX);
    let plain = value.as_bytes().split(|b| !is_of_word(*b));
    let plain = plain.filter(|word| word.is_ascii());
    for word in plain.chain(folded.spaced.split(|&b| b == b' ')) {
        if word.len() > 1 && word.len() <= WORD_MAX {
            visit(Token { of: name, word });
        }
    }
}

fn is_of_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b >= 0x80 || matches!(b, b'.' | b'-' | b'$' | b'!')
}

fn zone(value: &[u8], visit: &mut impl FnMut(Token<'_>)) {
    let mut words = value.split(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
    if let Some(zone) = words.rfind(|word| matches!(word, [b'+' | b'-', ..])) {
        visit(Token {
            of: b"date",
            word: zone,
        });
    }
}

/// Names of machines, without numbers and dates.
fn received(value: &[u8], visit: &mut impl FnMut(Token<'_>)) {
    let value = &value[..value.len().min(FIELD_MAX)];
    let end = value.iter().position(|&b| b == b';');
    for word in value[..end.unwrap_or(value.len())].split(|b| !is_of_word(*b)) {
        let named = word.iter().any(u8::is_ascii_alphabetic);
        if named && word.len() > 2 && word.len() <= WORD_MAX {
            visit(Token {
                of: b"received",
                word,
            });
        }
    }
}

fn structure(part: &Part, visit: &mut impl FnMut(Token<'_>)) {
    let charset = part.param("charset").unwrap_or_default();
    let what = [
        &part.kind,
        "/",
        &part.subtype,
        " ",
        &part.encoding,
        " ",
        charset,
    ]
    .concat();
    visit(Token {
        of: b"part",
        word: what.as_bytes(),
    });
    let ending = part.file_name().and_then(|name| name.rsplit_once('.'));
    if let Some((_, ending)) = ending
        && ending.len() <= WORD_MAX
    {
        visit(Token {
            of: b"file",
            word: ending.as_bytes(),
        });
    }
}

/// The hosts behind `//` in the texts, and the names above them.
fn links(letter: &Letter<'_>, visit: &mut impl FnMut(Token<'_>)) {
    let mut left = LINKS_MAX;
    for text in &letter.texts {
        let text = text.text.as_bytes();
        for at in memchr::memmem::find_iter(text, b"://") {
            if left == 0 {
                return;
            }
            left -= 1;
            let rest = &text[at + 3..];
            let ends = |b: &u8| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
            let end = rest.iter().take(100).position(ends);
            let mut host = &rest[..end.unwrap_or(rest.len().min(100))];
            while host.len() > 3 {
                visit(Token {
                    of: b"link",
                    word: host,
                });
                let Some(dot) = host.iter().position(|&b| b == b'.') else {
                    break;
                };
                host = &host[dot + 1..];
                if !host.contains(&b'.') {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use congvu_message::summarize;

    fn tokens(raw: &str) -> Vec<String> {
        let summary = summarize(raw.as_bytes());
        let mut found = Vec::new();
        visit(&Letter::read(raw.as_bytes(), &summary), |token| {
            found.push(format!(
                "{}:{}",
                String::from_utf8_lossy(token.of),
                String::from_utf8_lossy(token.word)
            ));
        });
        found
    }

    #[test]
    fn tokens_of_a_letter() {
        assert_eq!(
            tokens(
                "Received: from mx.a.example (1.2.3.4) by b; Mon, 1 Jan 2024\r\n\
                 Subject: Vào sổ =?utf-8?q?c=C3=B4ng?= văn 20!\r\nMessage-ID: <77@so.example>\r\n\
                 Date: Mon, 1 Jan 2024 10:00:00 +0700\r\nX-Spam: yes\r\n\r\nhttp://www.x.so.example/a?b"
            ),
            [
                "field:Received",
                "order:|Received",
                "received:from",
                "received:mx.a.example",
                "field:Subject",
                "order:Received|Subject",
                "Subject:20!",
                "Subject:vao",
                "Subject:so",
                "Subject:cong",
                "Subject:van",
                "Subject:20",
                "field:Message-ID",
                "order:Subject|Message-ID",
                "Message-ID:so.example",
                "field:Date",
                "order:Message-ID|Date",
                "date:+0700",
                "part:text/plain 7bit us-ascii",
                "link:www.x.so.example",
                "link:x.so.example",
                "link:so.example",
            ]
        );
    }

    #[test]
    fn bounded() {
        let raw = format!(
            "{}\r\n{}",
            "A: b\r\n".repeat(5000),
            "http://a.example ".repeat(50_000)
        );
        assert!(tokens(&raw).len() < 1000);
    }

    #[test]
    fn case_does_not_matter() {
        let token = |word: &'static str| Token {
            of: b"a",
            word: word.as_bytes(),
        };
        assert_eq!(token("WORD").hash(), token("word").hash());
        assert_ne!(token("word").hash(), token("ward").hash());
    }
}
