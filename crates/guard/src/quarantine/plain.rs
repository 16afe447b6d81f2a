//! What strangers wrote, made fit to be shown beside our own words: no controls, nothing invisible or turned around,
//! no address that a mail program would make into a link, and for HTML no markup.

use congvu_message::date::Civil;

/// Longest text shown, characters: two lines of a listing.
const SHOWN: usize = 160;

/// One line without controls, invisible characters and marks that turn the direction of writing; cut.
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut blank = false;
    let mut count = 0;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            blank = !out.is_empty();
            continue;
        }
        if is_hidden(c) {
            continue;
        }
        if count >= SHOWN {
            out.push('…');
            break;
        }
        if std::mem::take(&mut blank) {
            out.push(' ');
            count += 1;
        }
        out.push(c);
        count += 1;
    }
    out
}

/// Characters that are not seen, or change how others are.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// The same, so that no program finds a link in it: `http[:]//a[.]b`, as the filter's reasons are written.
pub fn unlinked(text: &str) -> String {
    let text = shown(text);
    let mut out = String::with_capacity(text.len() + 16);
    let mut before: Option<char> = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        let inside =
            before.is_some_and(char::is_alphanumeric) && next.is_some_and(char::is_alphanumeric);
        match c {
            '.' | '。' | '．' | '｡' if inside => out.push_str("[.]"),
            ':' if next == Some('/') => out.push_str("[:]"),
            c => out.push(c),
        }
        before = Some(c);
    }
    out
}

/// A day as people write it here: 22/11/2026.
pub fn day(at: &Civil) -> String {
    format!("{:02}/{:02}/{}", at.day, at.month, at.year)
}

/// A minute: 08:30 22/11/2026.
pub fn time(at: &Civil) -> String {
    format!("{:02}:{:02} {}", at.hour, at.minute, day(at))
}

/// Text as HTML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_and_nothing_is_a_link() {
        for (text, expected) in [
            ("vào nhà nước", "vào nhà nước"),
            ("a\r\nBcc: x", "a Bcc: x"),
            ("\u{202e}gpj.exe\u{200b}", "gpj[.]exe"),
            ("https://evil.test/a.b?c", "https[:]//evil[.]test/a[.]b?c"),
            ("An <an@evil.test>", "An <an@evil[.]test>"),
            ("www.evil.test", "www[.]evil[.]test"),
            ("12.500.000 đ. Xin gửi.", "12[.]500[.]000 đ. Xin gửi."),
            ("mailto:an", "mailto:an"),
            ("\u{1b}[31mred", "[31mred"),
            ("evil。test", "evil[.]test"),
        ] {
            assert_eq!(unlinked(text), expected, "{text:?}");
        }
        assert_eq!(shown(&"ế".repeat(500)).chars().count(), SHOWN + 1);
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(
            escaped("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"
        );
    }
}
