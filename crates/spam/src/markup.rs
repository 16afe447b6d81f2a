//! HTML as a sequence of texts and tags, for stages that ask what a browser would do with it. One pass, linear for any
//! input, nothing is copied.
//!
//! What the words of an HTML part are is `congvu_message::html`; where its links lead is `stage/url/extract.rs`.

use memchr::{memchr, memmem};

/// Text or a tag.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// Text between tags, entities as they stand.
    Text(&'a str),
    /// A tag.
    Tag(Tag<'a>),
    /// What stands in `script` or `style`.
    Raw(&'a str),
}

/// A tag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag<'a> {
    /// `div`, in any case.
    pub(crate) name: &'a str,
    /// `</div>`
    pub(crate) closing: bool,
    /// What stands between the name and `>`.
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    /// Whether it is an element of that name (lower case).
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Its attributes in their order: names in any case, values without quotes, entities as they stand.
    pub(crate) fn attributes(&self) -> Attributes<'a> {
        Attributes {
            rest: self.attributes,
        }
    }

    /// The first attribute of that name (lower case).
    pub(crate) fn attribute(&self, wanted: &str) -> Option<&'a str> {
        self.attributes()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    }
}

/// The attributes of a tag.
#[derive(Debug, Clone)]
pub(crate) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let skipped = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '"' | '\'' | '=');
        let rest = self.rest.trim_start_matches(skipped);
        if rest.is_empty() {
            self.rest = rest;
            return None;
        }
        let end = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/' | '"' | '\'');
        let (name, rest) = rest.split_at(rest.find(end).unwrap_or(rest.len()));
        let Some(value) = rest.trim_ascii_start().strip_prefix('=') else {
            self.rest = rest;
            return Some((name, ""));
        };
        let value = value.trim_ascii_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, rest) = if let Some(quote) = quote {
            value[1..].split_once(quote).unwrap_or((&value[1..], ""))
        } else {
            let end = value.find(|c: char| c.is_ascii_whitespace());
            value.split_at(end.unwrap_or(value.len()))
        };
        self.rest = rest;
        Some((name, value))
    }
}

/// The pieces of a source.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    source: &'a str,
    at: usize,
    /// The content of `script` or `style` begins here.
    raw: Option<&'a str>,
}

/// Reads HTML.
pub(crate) fn pieces(source: &str) -> Pieces<'_> {
    Pieces {
        source,
        at: 0,
        raw: None,
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(name) = self.raw.take() {
            return Some(Piece::Raw(self.raw_text(name)));
        }
        let bytes = self.source.as_bytes();
        loop {
            let from = self.at;
            if from >= bytes.len() {
                return None;
            }
            // All ends stand beside ASCII octets, so they are character boundaries.
            if bytes[from] != b'<' {
                let end = memchr(b'<', &bytes[from..]).map_or(bytes.len(), |found| from + found);
                self.at = end;
                return Some(Piece::Text(&self.source[from..end]));
            }
            let rest = &bytes[from + 1..];
            if rest.starts_with(b"!--") {
                let end = memmem::find(&bytes[from + 4..], b"-->");
                self.at = end.map_or(bytes.len(), |end| from + 4 + end + 3);
                continue;
            }
            let closing = rest.first() == Some(&b'/');
            let name_at = from + 1 + usize::from(closing);
            let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-');
            let length = bytes[name_at..].iter().take_while(|b| is_name(b)).count();
            if length == 0 && !matches!(rest.first(), Some(b'!' | b'?' | b'/')) {
                // A lone "<" is text.
                let end = memchr(b'<', rest).map_or(bytes.len(), |found| from + 1 + found);
                self.at = end;
                return Some(Piece::Text(&self.source[from..end]));
            }
            let end = tag_end(bytes, name_at + length);
            self.at = end;
            let inner = end - usize::from(bytes[..end].ends_with(b">"));
            let name = &self.source[name_at..name_at + length];
            if !closing
                && ["script", "style"]
                    .iter()
                    .any(|raw| name.eq_ignore_ascii_case(raw))
            {
                self.raw = Some(name);
            }
            return Some(Piece::Tag(Tag {
                name,
                closing,
                attributes: &self.source[name_at + length..inner.max(name_at + length)],
            }));
        }
    }
}

impl<'a> Pieces<'a> {
    /// Up to the closing tag, which comes next.
    fn raw_text(&mut self, name: &str) -> &'a str {
        let bytes = self.source.as_bytes();
        let from = self.at;
        let mut at = from;
        while let Some(found) = memmem::find(&bytes[at..], b"</") {
            let name_at = at + found + 2;
            let closes = bytes
                .get(name_at..name_at + name.len())
                .is_some_and(|tag| tag.eq_ignore_ascii_case(name.as_bytes()));
            if closes {
                self.at = at + found;
                return &self.source[from..self.at];
            }
            at = name_at;
        }
        self.at = bytes.len();
        &self.source[from..]
    }
}

/// After the `>` that ends a tag; one inside the quotes of an attribute does not.
fn tag_end(bytes: &[u8], mut at: usize) -> usize {
    let mut quote = None;
    while let Some(&b) = bytes.get(at) {
        at += 1;
        match (quote, b) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(open), _) if open == b => quote = None,
            _ => {}
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let mut out = String::new();
        for piece in pieces(source) {
            match piece {
                Piece::Text(text) => out.extend(["[", text, "]"]),
                Piece::Raw(text) => out.extend(["{", text, "}"]),
                Piece::Tag(tag) => {
                    out.push_str(if tag.closing { "/" } else { "" });
                    out.push_str(tag.name);
                    for (name, value) in tag.attributes() {
                        out.extend([" ", name, "=", value]);
                    }
                    out.push(';');
                }
            }
        }
        assert_eq!(out, expected, "{source}");
    }

    #[test]
    fn read_as_browsers_do() {
        check("a<b>c</b>d", "[a]b;[c]/b;[d]");
        check(
            "<P Class=x  id = 'y z' hidden>",
            "P Class=x id=y z hidden=;",
        );
        check("<a href=\"x>y\">z", "a href=x>y;[z]");
        check("<br/><img src=a/b >", "br;img src=a/b;");
        check("1 < 2<!-- <b> -->3", "[1 ][< 2][3]");
        check("<style>.a{}</b></STYLE>x", "style;{.a{}</b>}/STYLE;[x]");
        check("<script>x", "script;{x}");
        check("<", "[<]");
        check("</", "/;");
        check("<a b=", "a b=;");
        check("<a b='đ", "a b=đ;");
        check("<!doctype html><o:p>", " !doctype= html=;o:p;");
    }

    #[test]
    fn linear() {
        for piece in [
            "<",
            "<a ",
            "<a b='",
            "<style>",
            "</",
            "<!--",
            "<x =",
            "<script></",
            "đ<",
        ] {
            let source = piece.repeat(50_000);
            let tags = pieces(&source).filter_map(|piece| match piece {
                Piece::Tag(tag) => Some(tag.attributes().count()),
                _ => None,
            });
            assert!(tags.sum::<usize>() <= source.len());
        }
    }
}
