//! Names: how they are compared, and which are allowed for what is created here.
//!
//! Two names that look the same to a Vietnamese reader are the same: compared in NFC, without case.
//! What strangers may write in an address is decided in `congvu_message`, not here.

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// Most octets of a local part (RFC 5321 section 4.5.3.1.1).
const LOCAL_OCTETS: usize = 64;
/// Most characters of an agency's code: it is a column of every listing.
const CODE_CHARS: usize = 64;
/// Most characters of a display name: the longest official agency names have about 150.
const DISPLAY_CHARS: usize = 250;

/// The form in which names are compared: NFC, lower case. Idempotent.
pub use congvu_message::address::local_key as fold;

/// NFC, without white space around it.
fn tidy(name: &str) -> String {
    name.trim().nfc().collect()
}

/// A local part for an account, alias or group of ours: letters and digits of any script, and `.` `-` `_`
/// between them.
///
/// `+` begins a detail and `*` a login on behalf of a post; the rest (quotes, `%`, `!`, `/` …) is legal in
/// an address but is read as a route or command by some program on the way.
pub fn local(name: &str) -> Result<String> {
    let name = tidy(name);
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_') || is_mark(c);
    let bad = |why: String| {
        Err(Error::Invalid(format!(
            "the local part {name:?} is not allowed: {why}"
        )))
    };
    if name.is_empty() || name.len() > LOCAL_OCTETS {
        return bad(format!("it must have 1 to {LOCAL_OCTETS} octets"));
    }
    if let Some(c) = name.chars().find(|&c| !allowed(c)) {
        return bad(format!(
            "{c:?} cannot be used; use letters, digits, '.', '-' and '_'"
        ));
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return bad("a dot stands only between other characters".to_owned());
    }
    Ok(name)
}

/// Combining marks, which NFC leaves where no composed letter exists.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// A domain in A-label form: at least two labels of letters, digits and hyphens (RFC 1034 section 3.5).
/// Takes U-labels and any case.
pub fn domain(name: &str) -> Result<String> {
    let bad = |why: &str| Error::Invalid(format!("{name:?} is not a mail domain: {why}"));
    let ascii = congvu_message::address::domain_to_ascii(name.trim())
        .map_err(|_| bad("it has characters or labels that no domain can have"))?;
    if ascii.starts_with('[') {
        return Err(bad("an address literal cannot be provisioned"));
    }
    if !ascii.contains('.') {
        return Err(bad("it needs at least two labels, such as xa.gov.vn"));
    }
    Ok(ascii)
}

/// An agency's code: what administrators type.
pub fn code(name: &str) -> Result<String> {
    let name = tidy(name);
    let chars = name.chars().count();
    if chars == 0 || chars > CODE_CHARS || name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "the agency code {name:?} is not allowed: 1 to {CODE_CHARS} characters without control characters"
        )));
    }
    Ok(name)
}

/// A display name.
pub fn display(name: &str) -> Result<String> {
    let name = tidy(name);
    if name.chars().count() > DISPLAY_CHARS || name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "the name {name:?} is not allowed: at most {DISPLAY_CHARS} characters without control characters"
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_joins_what_looks_the_same() {
        for (a, b) in [
            ("Văn.Thư", "văn.thư"),
            ("Va\u{306}n", "VĂN"),
            ("ĐINH", "đinh"),
            ("a", "A"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("dinh"), fold("đinh"));
        for s in ["İ", "ẞ", "Ǆ", "ﬁ", "Ω\u{345}", "K"] {
            assert_eq!(fold(&fold(s)), fold(s), "{s}");
        }
    }

    #[test]
    fn local_parts() {
        for ok in ["vanthu", "nguyen.van-an_2", "văn.thư", " an "] {
            assert!(local(ok).is_ok(), "{ok}");
        }
        for bad in [
            "", ".a", "a.", "a..b", "a+b", "a*b", "a b", "a@b", "a%b", "a\"b", "a/b", "a\u{0}b",
            "\u{200b}",
        ] {
            assert!(local(bad).is_err(), "{bad:?}");
        }
        assert!(local(&"a".repeat(64)).is_ok());
        assert!(local(&"a".repeat(65)).is_err());
    }

    #[test]
    fn domains() {
        assert_eq!(domain(" XA.Gov.Test ").unwrap(), "xa.gov.test");
        assert!(domain("bình-minh.test").unwrap().starts_with("xn--"));
        for bad in [
            "",
            "test",
            "a..test",
            "[192.0.2.1]",
            "a b.test",
            "-a.test",
            "a_b.test",
        ] {
            assert!(domain(bad).is_err(), "{bad:?}");
        }
    }
}
