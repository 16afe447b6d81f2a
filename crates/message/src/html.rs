//! The words of an HTML part, for searching: tags out, entities decoded. No layout, no links.

use mail_parser::decoders::html::add_html_token;

/// Elements inside a word or line: taking them out leaves no blank (`<b>C</b>ông`).
const INLINE: [&[u8]; 22] = [
    b"a", b"abbr", b"acronym", b"b", b"bdi", b"bdo", b"big", b"cite", b"code", b"em", b"font",
    b"i", b"mark", b"o:p", b"s", b"small", b"span", b"strike", b"strong", b"tt", b"u", b"wbr",
];
/// Elements whose content is no text.
const HIDDEN: [&[u8]; 4] = [b"script", b"style", b"head", b"template"];
/// The longest entity name, `&CounterClockwiseContourIntegral;`, with some room.
const ENTITY_MAX: usize = 36;

/// The text of `html`; linear, any input.
pub fn text(html: &str) -> String {
    let bytes = html.as_bytes();
    let mut out = String::with_capacity(html.len() / 2);
    let mut at = 0;
    while at < bytes.len() {
        let plain = bytes[at..]
            .iter()
            .position(|b| matches!(b, b'<' | b'&'))
            .map_or(bytes.len(), |found| at + found);
        // Both ends stand before ASCII octets, so they are character boundaries.
        out.push_str(html.get(at..plain).unwrap_or_default());
        at = plain;
        match bytes.get(at) {
            Some(b'<') => at = tag(html, at, &mut out),
            Some(_) => at = entity(html, at, &mut out),
            None => {}
        }
    }
    out
}

/// At `<`; where to go on.
fn tag(html: &str, at: usize, out: &mut String) -> usize {
    let bytes = html.as_bytes();
    let rest = &bytes[at + 1..];
    if rest.starts_with(b"!--") {
        return find(bytes, at + 4, b"-->").map_or(bytes.len(), |end| end + 3);
    }
    let closing = rest.first() == Some(&b'/');
    let name_at = at + 1 + usize::from(closing);
    let name_length = bytes[name_at..]
        .iter()
        .take(32)
        .position(|b| !(b.is_ascii_alphanumeric() || *b == b':'))
        .unwrap_or_else(|| bytes.len().min(name_at + 32) - name_at);
    let name = bytes[name_at..name_at + name_length].to_ascii_lowercase();
    if name.is_empty() && !matches!(rest.first(), Some(b'!' | b'?' | b'/')) {
        out.push('<');
        return at + 1;
    }
    let mut end = tag_end(bytes, name_at + name_length);
    if !INLINE.contains(&name.as_slice()) {
        out.push(' ');
    }
    if !closing && HIDDEN.contains(&name.as_slice()) {
        let mut close = b"</".to_vec();
        close.extend_from_slice(&name);
        end =
            find(bytes, end, &close).map_or(bytes.len(), |from| tag_end(bytes, from + close.len()));
    }
    end
}

/// After the `>` that ends a tag; one inside an attribute's quotes does not.
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

/// At `&`; where to go on.
fn entity(html: &str, at: usize, out: &mut String) -> usize {
    let bytes = html.as_bytes();
    let end = bytes[at..]
        .iter()
        .take(ENTITY_MAX)
        .position(|&b| b == b';')
        .map(|found| at + found + 1);
    if let Some(end) = end
        && bytes[at + 1..end - 1]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'#')
    {
        add_html_token(out, &bytes[at..end], false);
        return end;
    }
    out.push('&');
    at + 1
}

/// Where `needle` (lower case ASCII) is next, in any case.
fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(needle.len())
        .position(|window| window.eq_ignore_ascii_case(needle))
        .map(|found| from + found)
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::fold::normalize;

    #[test]
    fn strips() {
        let check =
            |html: &str, expected: &str| assert_eq!(normalize(&text(html)), expected, "{html:?}");
        check(
            "<p><b>C</b>&ocirc;ng v&#259;n</p><p>s&#x1ED1; 1</p>",
            "công văn số 1",
        );
        check("<table><tr><td>a</td><td>b</td></tr></table>", "a b");
        check(
            "<style>p{}</style>a<script>x()</script>b<!-- c -->d",
            "a bd",
        );
        check("<head><title>t</title></head><BODY onload='a>b'>c", "c");
        check("1 < 2 & 3 &nope; x", "1 < 2 & 3 &nope; x");
        check("a&nbsp;b&amp;lt;", "a b&lt;");
        check("<a href=\"x\">vào</a> nhà", "vào nhà");
        check("<", "<");
        check("</", "");
        check("<!--", "");
        check("<script", "");
        check("&", "&");
        check("<p", "");
        check("đ<đ>", "đ<đ>");
    }

    #[test]
    fn linear() {
        for piece in ["<", "&", "<!--", "<script>", "<a '", "&#", "</"] {
            text(&piece.repeat(100_000));
        }
    }
}
