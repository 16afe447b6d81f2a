//! The links of a message: from plain text and from HTML attributes, as a browser would follow them.
//!
//! One pass over each text, at most [`LINKS_MAX`] links, [`TARGET_MAX`] octets of each: linear for any input.

use std::borrow::Cow;

use congvu_message::html;
use memchr::memmem;

use crate::bounds::{LINK_TEXT_MAX, LINKS_MAX, LINKS_TRIED_MAX, TARGET_MAX};
use crate::letter::Letter;
use crate::names::Host;

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The host that a browser asks.
    pub(crate) host: Host,
    /// What stands before `@`, with which people mistake it for the host.
    pub(crate) user: Option<String>,
    /// The host that the text of the link shows, if it shows one.
    pub(crate) shown: Option<Host>,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    links: Vec<Link>,
    tried: usize,
}

impl Found {
    /// Whether to go on; counts what is tried, so that one link ten thousand times is not read ten thousand times.
    fn goes_on(&mut self) -> bool {
        self.tried += 1;
        self.links.len() < LINKS_MAX && self.tried <= LINKS_TRIED_MAX
    }

    fn push(&mut self, link: Link) {
        if self.links.len() < LINKS_MAX && !self.links.contains(&link) {
            self.links.push(link);
        }
    }
}

/// The links of all texts, each once.
pub(crate) fn links(letter: &Letter<'_>) -> Vec<Link> {
    let mut out = Found::default();
    for text in &letter.texts {
        if text.html {
            in_html(&text.text, &mut out);
        }
        in_text(text.visible(), &mut out);
    }
    out.links
}

/// `http://…`, and `www.…` where it begins a word, which mail programs make links of.
fn in_text(text: &str, out: &mut Found) {
    for at in memmem::find_iter(text.as_bytes(), b"://") {
        let before = &text.as_bytes()[..at];
        let is_scheme = ["http", "https", "ftp"].iter().any(|scheme| {
            before.len() >= scheme.len()
                && before[before.len() - scheme.len()..].eq_ignore_ascii_case(scheme.as_bytes())
        });
        if !is_scheme {
            continue;
        }
        if !out.goes_on() {
            return;
        }
        if let Some(link) = authority(&text[at + 3..]) {
            out.push(link);
        }
    }
    for at in memmem::find_iter(text.as_bytes(), b"www.") {
        let begins = text[..at]
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '<' | '"' | ':'));
        if !begins {
            continue;
        }
        if !out.goes_on() {
            return;
        }
        if let Some(link) = authority(&text[at..]) {
            out.push(link);
        }
    }
}

/// The host after `//`, with what stands before it.
fn authority(text: &str) -> Option<Link> {
    let is_end = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(
                c,
                '/' | '\\' | '?' | '#' | '<' | '>' | '"' | '\'' | '`' | '(' | ')' | ',' | ';' | '|'
            )
    };
    let most = &text[..text.floor_char_boundary(TARGET_MAX)];
    let end = most.find(is_end).unwrap_or(most.len());
    let (user, host) = match most[..end].rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, &most[..end]),
    };
    let host = percent_decoded(host);
    // An address in brackets has colons; everything else has them before the port alone.
    let host = match host.find(']') {
        Some(close) if host.starts_with('[') => &host[..=close],
        _ => host.split(':').next().unwrap_or_default(),
    };
    let host = host.trim_end_matches(['.', '!', '*', '_', ']', '}', '-']);
    let host = if host.starts_with('[') {
        Cow::Owned(format!("{host}]"))
    } else {
        Cow::Borrowed(host)
    };
    Some(Link {
        host: Host::read(&host)?,
        user,
        shown: None,
    })
}

fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let digit = |n: usize| bytes.get(at + n).and_then(|&b| char::from(b).to_digit(16));
        if b == b'%'
            && let (Some(high), Some(low)) = (digit(1), digit(2))
        {
            out.extend(u8::try_from(16 * high + low));
            at += 3;
        } else {
            out.push(b);
            at += 1;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Targets of `a`, `area`, `form` and `base`.
fn in_html(source: &str, out: &mut Found) {
    let bytes = source.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'<', &bytes[at..]) {
        let start = at + found + 1;
        if bytes[start..].starts_with(b"!--") {
            let Some(end) = memmem::find(&bytes[start + 3..], b"-->") else {
                return;
            };
            at = start + 3 + end + 3;
            continue;
        }
        let name_end = bytes[start..]
            .iter()
            .position(|b| !b.is_ascii_alphanumeric())
            .map_or(bytes.len(), |length| start + length);
        let name = &bytes[start..name_end];
        let wanted: &[u8] = if name.eq_ignore_ascii_case(b"form") {
            b"action"
        } else if ["a", "area", "base"]
            .iter()
            .any(|tag| name.eq_ignore_ascii_case(tag.as_bytes()))
        {
            b"href"
        } else {
            at = name_end.max(start);
            continue;
        };
        if !out.goes_on() {
            return;
        }
        let (value, end) = attribute(source, name_end, wanted);
        at = end;
        let Some(mut link) = value.and_then(target) else {
            continue;
        };
        if name.eq_ignore_ascii_case(b"a") {
            link.shown = shown_host(source, end);
        }
        out.push(link);
    }
}

/// The value of an attribute of the tag whose attributes begin at `at`, and where the tag ends.
fn attribute<'a>(source: &'a str, mut at: usize, wanted: &[u8]) -> (Option<&'a str>, usize) {
    let bytes = source.as_bytes();
    let mut value = None;
    loop {
        while matches!(bytes.get(at), Some(b) if b.is_ascii_whitespace() || matches!(b, b'/' | b'"' | b'\'' | b'='))
        {
            at += 1;
        }
        match bytes.get(at) {
            None => return (value, bytes.len()),
            Some(b'>') => return (value, at + 1),
            // The tag was never closed; browsers go on, and what is hidden so is found as its own link.
            Some(b'<') => return (value, at),
            Some(_) => {}
        }
        let name_at = at;
        while matches!(bytes.get(at), Some(b) if !b.is_ascii_whitespace() && !matches!(b, b'=' | b'>' | b'<' | b'/'))
        {
            at += 1;
        }
        let name = &bytes[name_at..at];
        while matches!(bytes.get(at), Some(b) if b.is_ascii_whitespace()) {
            at += 1;
        }
        if bytes.get(at) != Some(&b'=') {
            continue;
        }
        at += 1;
        while matches!(bytes.get(at), Some(b) if b.is_ascii_whitespace()) {
            at += 1;
        }
        let (from, to, next) = if let Some(&quote @ (b'"' | b'\'')) = bytes.get(at) {
            let length = memchr::memchr(quote, &bytes[at + 1..]);
            let end = length.map_or(bytes.len(), |length| at + 1 + length);
            (at + 1, end, (end + 1).min(bytes.len()))
        } else {
            let length = bytes[at..]
                .iter()
                .position(|b| b.is_ascii_whitespace() || *b == b'>');
            let end = length.map_or(bytes.len(), |length| at + length);
            (at, end, end)
        };
        // All ends stand beside ASCII octets, so they are character boundaries.
        if value.is_none() && name.eq_ignore_ascii_case(wanted) {
            value = source.get(from..to);
        }
        at = next;
    }
}

/// The link of an attribute's value: entities decoded, blanks within taken out as browsers do.
fn target(value: &str) -> Option<Link> {
    let most = &value[..value.floor_char_boundary(TARGET_MAX)];
    let decoded = if most.contains('&') {
        Cow::Owned(html::text(most))
    } else {
        Cow::Borrowed(most)
    };
    let plain: String = decoded
        .trim()
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
        .map(|c| if c == '\\' { '/' } else { c })
        .collect();
    let rest = match plain.split_once(':') {
        Some((scheme, rest))
            if ["http", "https", "ftp"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            rest
        }
        _ if plain.starts_with("//") => plain.as_str(),
        _ => return None,
    };
    authority(rest.trim_start_matches('/'))
}

/// The host that the text after the tag of a link shows, if the text is an address of the web and nothing else.
fn shown_host(source: &str, at: usize) -> Option<Host> {
    let rest = &source[at..source.floor_char_boundary(at + LINK_TEXT_MAX)];
    let end =
        memmem::find(rest.as_bytes(), b"</a").or_else(|| memmem::find(rest.as_bytes(), b"</A"));
    let text = html::text(&rest[..end.unwrap_or(rest.len())]);
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_whitespace) || text.contains('@') {
        return None;
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return scheme
            .chars()
            .all(|c| c.is_ascii_alphabetic())
            .then(|| authority(rest).map(|link| link.host))
            .flatten();
    }
    // "README.txt" has a dot too: without scheme it is a host if it says so or if we know its owner.
    let host = authority(text)?.host;
    let known = host.ascii.starts_with("www.") || crate::names::is_genuine(&host.ascii);
    (known && host.address.is_none()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str, html: bool) -> Vec<String> {
        let mut out = Found::default();
        if html {
            in_html(text, &mut out);
        } else {
            in_text(text, &mut out);
        }
        let shown = |link: &Link| {
            let shown = link
                .shown
                .as_ref()
                .map(|host| format!(" as {}", host.ascii));
            let user = link.user.as_ref().map(|user| format!("{user}@"));
            format!(
                "{}{}{}",
                user.unwrap_or_default(),
                link.host.ascii,
                shown.unwrap_or_default()
            )
        };
        out.links.iter().map(shown).collect()
    }

    #[track_caller]
    fn check(text: &str, html: bool, expected: &[&str]) {
        assert_eq!(hosts(text, html), expected, "{text}");
    }

    #[test]
    fn in_plain_text() {
        check(
            "xem https://A.example/x?y, (www.b.example). HTTP://c.example:8080",
            false,
            &["a.example", "c.example", "www.b.example"],
        );
        check(
            "http://bank.example@evil.example/",
            false,
            &["bank.example@evil.example"],
        );
        check(
            "http://[2001:db8::1]:80/ x://b.example",
            false,
            &["[2001:db8::1]"],
        );
        check("http://%61.example", false, &["a.example"]);
        check("www.www.www http:// ://", false, &["www.www.www"]);
        check("http://a.example http://a.example", false, &["a.example"]);
    }

    #[test]
    fn in_tags() {
        check(
            "<A class=x HREF = 'https://a.example/'>https://www.b.example/</A>",
            true,
            &["a.example as www.b.example"],
        );
        check("<a href=http://a.example>vào đây</a>", true, &["a.example"]);
        check(
            "<a href=\"ht\ntp:/\\a.example\\x\">x</a>",
            true,
            &["a.example"],
        );
        check(
            "<a href=\"http&#58;//a&#46;example\">x</a>",
            true,
            &["a.example"],
        );
        check("<a href='mailto:a@b.example'>x</a><a href='#x'>", true, &[]);
        check(
            "<a href=//a.example><form action='https://b.example'>",
            true,
            &["a.example", "b.example"],
        );
        check("<base href='https://a.example/'>", true, &["a.example"]);
        check(
            "<!-- <a href='http://a.example'> --><abbr href='http://b.example'>",
            true,
            &[],
        );
        check(
            "<a title='<a href=http://x.example>' href='http://a.example'>",
            true,
            &["a.example"],
        );
        check("<a <a href='http://a.example'", true, &["a.example"]);
    }

    #[test]
    fn bounded() {
        for piece in [
            "<a href='",
            "<a ",
            "<",
            "<!--",
            "http://",
            "www.",
            "<a href=",
            "<a href='http://a.b'>",
            "<a =",
            "<a x='",
        ] {
            let text = piece.repeat(30_000);
            assert!(hosts(&text, true).len() <= LINKS_MAX);
            assert!(hosts(&text, false).len() <= LINKS_MAX);
        }
        let many: Vec<String> = (0..10_000)
            .map(|n| format!("http://a{n}.example"))
            .collect();
        let many = many.join(" ");
        assert_eq!(hosts(&many, false).len(), LINKS_MAX);
    }
}
