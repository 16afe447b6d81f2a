//! The links of a message: from plain text and from HTML attributes, as a browser would follow them.
//!
//! One pass over each text, at most [`LINKS_MAX`] links, [`TARGET_MAX`] octets of each: linear for any input.

use std::borrow::Cow;

use congvu_message::html;
use memchr::memmem;

use crate::bounds::{LINK_TEXT_MAX, LINKS_MAX, LINKS_TRIED_MAX, TARGET_MAX};
use crate::letter::Letter;
use crate::names::{HOST_MAX, Host};

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The host that a browser asks.
    pub(crate) host: Host,
    /// What stands before `@`, with which people mistake it for the host.
    pub(crate) user: Option<String>,
    /// The host that the text of the link shows, if it shows one.
    pub(crate) shown: Option<Host>,
    /// The host on whose behalf the other one forwards: `u=https://b.example` in its query.
    pub(crate) through: Option<Host>,
}

/// Everything of a message that leads somewhere.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The links, each once.
    pub(crate) links: Vec<Link>,
    /// A host that was written so that programs do not see it, as it was written.
    pub(crate) defanged: Option<String>,
    /// A link that is a page or a program itself: the beginning of it.
    pub(crate) program: Option<String>,
    /// Hosts of the web to which forms send what is typed in, and whether the form is in an attached page.
    pub(crate) forms: Vec<(Host, bool)>,
    /// A field for a password.
    pub(crate) password: bool,
    /// What is read is an attached page.
    attached: bool,
    tried: usize,
}

/// Forms of a message that are looked at.
const FORMS_MAX: usize = 20;
/// Ways to write a dot that no program reads as one.
const DOTS: [&str; 4] = ["[.]", "(.)", "(dot)", "[dot]"];

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
    read(letter).links
}

/// Reads all texts.
pub(crate) fn read(letter: &Letter<'_>) -> Found {
    let mut out = Found::default();
    for text in &letter.texts {
        out.attached = text.part.file_name().is_some();
        if text.html {
            in_html(&text.text, &mut out);
        }
        in_text(text.visible(), &mut out);
        defanged(text.visible(), &mut out);
    }
    out
}

/// `hxxp://a[.]example`, `a(dot)example`: people are to read them, programs are not.
fn defanged(text: &str, out: &mut Found) {
    let bytes = text.as_bytes();
    for at in memmem::find_iter(bytes, b"hxxp") {
        if !out.goes_on() {
            return;
        }
        defanged_at(text, at, false, out);
    }
    for at in memchr::memchr2_iter(b'[', b'(', bytes) {
        let Some(dot) = DOTS
            .iter()
            .find(|dot| bytes[at..].starts_with(dot.as_bytes()))
        else {
            continue;
        };
        if !out.goes_on() {
            return;
        }
        defanged_at(text, at, dot.contains("dot"), out);
    }
}

/// The word around a mark. Warnings of the state write `[.]` too; who is to type a host is told where the dots are, in words.
fn defanged_at(text: &str, at: usize, is_told: bool, out: &mut Found) {
    let (before, after) = text.split_at(at);
    let before = &before[before.ceil_char_boundary(at.saturating_sub(HOST_MAX))..];
    let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let start = before.ceil_char_boundary(start);
    let after = &after[..after.floor_char_boundary(HOST_MAX)];
    let end = after.find(char::is_whitespace).unwrap_or(after.len());
    let written = [&before[start..], &after[..end]].concat();
    let mut plain = written.replace("hxxp", "http");
    for dot in DOTS {
        plain = plain.replace(dot, ".");
    }
    let rest = plain
        .split_once("://")
        .map_or(plain.as_str(), |(_, rest)| rest);
    // "(dot)" alone is a word; a host has two labels and an ending of letters.
    let is_host = |link: &Link| {
        let ending = link.host.ascii.rsplit('.').next().unwrap_or_default();
        link.host.address.is_none()
            && ending.len() > 1
            && !ending.contains(|c: char| c.is_ascii_digit())
    };
    let Some(link) = authority(rest).filter(is_host) else {
        return;
    };
    if is_told {
        out.push(link);
    }
    out.defanged.get_or_insert(written);
}

/// The target in the query of a link, in plain or percent-encoded form.
fn embedded(target: &str) -> Option<Host> {
    let (_, query) = target.split_once('?')?;
    let query = &query[..query.floor_char_boundary(TARGET_MAX)];
    let value = query.split(['=', '&', ';']).find_map(|value| {
        let start = value.get(..4)?;
        start.eq_ignore_ascii_case("http").then_some(value)
    })?;
    let decoded = percent_decoded(value);
    let (_, rest) = decoded.split_once("://")?;
    authority(rest).map(|link| link.host)
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
        let rest = &text[at + 3..];
        if let Some(mut link) = authority(rest) {
            let most = &rest[..rest.floor_char_boundary(TARGET_MAX)];
            let end = most.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"'));
            link.through = embedded(&most[..end.unwrap_or(most.len())]);
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
        through: None,
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
        } else if !out.password && name.eq_ignore_ascii_case(b"input") {
            let (value, end) = attribute(source, name_end, b"type");
            out.password = value.is_some_and(|value| value.trim().eq_ignore_ascii_case("password"));
            at = end;
            continue;
        } else {
            at = name_end.max(start);
            continue;
        };
        if !out.goes_on() {
            return;
        }
        let (value, end) = attribute(source, name_end, wanted);
        at = end;
        let Some(value) = value else {
            continue;
        };
        let value = plain(value);
        if out.program.is_none() && is_program(&value) {
            let end = value.floor_char_boundary(40);
            out.program = Some(value[..end].to_owned());
        }
        let Some(mut link) = target(&value) else {
            continue;
        };
        if wanted == b"action" && out.forms.len() < FORMS_MAX {
            out.forms.push((link.host.clone(), out.attached));
        }
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

/// The value of an attribute: entities decoded, blanks within taken out as browsers do.
fn plain(value: &str) -> String {
    let most = &value[..value.floor_char_boundary(TARGET_MAX)];
    let decoded = if most.contains('&') {
        Cow::Owned(html::text(most))
    } else {
        Cow::Borrowed(most)
    };
    decoded
        .trim()
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
        .map(|c| if c == '\\' { '/' } else { c })
        .collect()
}

/// A page within the link, or a script that does more than nothing.
fn is_program(plain: &str) -> bool {
    let Some((scheme, rest)) = plain.split_once(':') else {
        return false;
    };
    let lower = rest[..rest.floor_char_boundary(512)].to_ascii_lowercase();
    if scheme.eq_ignore_ascii_case("data") {
        let kind = lower.split([';', ',']).next().unwrap_or_default();
        return [
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
        ]
        .contains(&kind);
    }
    let scripts = ["javascript", "vbscript"];
    scripts
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
        && [
            "location",
            "document",
            "eval",
            "atob",
            "unescape",
            "fromcharcode",
        ]
        .iter()
        .any(|word| lower.contains(word))
}

/// The link of an attribute's plain value.
fn target(plain: &str) -> Option<Link> {
    let rest = match plain.split_once(':') {
        Some((scheme, rest))
            if ["http", "https", "ftp"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            rest
        }
        _ if plain.starts_with("//") => plain,
        _ => return None,
    };
    let rest = rest.trim_start_matches('/');
    let mut link = authority(rest)?;
    link.through = embedded(rest);
    Some(link)
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
