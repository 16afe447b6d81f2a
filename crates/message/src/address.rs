//! Mail addresses: `local@domain`, IDN domains, SMTPUTF8 local parts.
//!
//! Invariant: an [`Address`] made by [`Address::parse`] can be written on the wire as it is; it holds no
//! controls, its domain is lower case A-labels or a canonical address literal. Whether anybody lives
//! there is the directory's question. Address *lists* of header fields are in `list`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use idna::uts46::{AsciiDenyList, DnsLength, ErrorPolicy, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

/// Octets of a local part: RFC 5321 section 4.5.3.1.1.
pub const LOCAL_MAX: usize = 64;
/// Octets of a domain: RFC 5321 section 4.5.3.1.2.
pub const DOMAIN_MAX: usize = 255;
/// Octets of a whole address: a path has 256 with its angle brackets (RFC 5321 section 4.5.3.1.3).
pub const ADDRESS_MAX: usize = 254;

/// A syntactically valid address (RFC 5321 section 4.1.2, RFC 6531). The domain is lower case in
/// A-label (ASCII) form; the local part is as written, unquoted, NFC.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Unquoted local part, at most 64 octets.
    pub local: String,
    /// A-label domain, lower case, at most 255 octets; or an address literal `[192.0.2.1]`.
    pub domain: String,
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("the address is empty")]
    Empty,
    /// NUL, CR, LF or another control character.
    #[error("the address contains a control character")]
    Control,
    /// `@a,@b:user@c` (RFC 5321 section 4.1.2 lets servers refuse it).
    #[error("source routes are not accepted")]
    Route,
    /// No `@`, or nothing after it.
    #[error("the address has no domain")]
    NoDomain,
    /// The part before `@` is missing or breaks the grammar.
    #[error("the local part is not valid")]
    Local,
    /// The domain is not a host name, an internationalized name or an address literal.
    #[error("the domain is not valid")]
    Domain,
    /// Longer than [`LOCAL_MAX`], [`DOMAIN_MAX`] or [`ADDRESS_MAX`].
    #[error("the address is too long")]
    TooLong,
}

impl Address {
    /// Parses an address without angle brackets.
    ///
    /// ```text
    /// Mailbox      = Local-part "@" ( Domain / address-literal )      ; RFC 5321 section 4.1.2
    /// Local-part   = Dot-string / Quoted-string
    /// atext       =/ UTF8-non-ascii                                   ; RFC 6531 section 3.3
    /// sub-domain  =/ U-label
    /// ```
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        // Longer than any address even if every octet were quoted: not worth normalizing.
        if text.len() > 4 * ADDRESS_MAX {
            return Err(AddressError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::Control);
        }
        if text.starts_with('@') {
            return Err(AddressError::Route);
        }
        let (local, domain) = if text.starts_with('"') {
            quoted_local(text)?
        } else {
            dotted_local(text)?
        };
        let local: String = local.nfc().collect();
        if local.len() > LOCAL_MAX {
            return Err(AddressError::TooLong);
        }
        let domain = domain_to_ascii(domain)?;
        if local.len() + 1 + domain.len() > ADDRESS_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(Self { local, domain })
    }

    /// As written on the wire, without angle brackets: the local part quoted when it must be.
    pub fn to_wire(&self) -> String {
        self.to_string()
    }

    /// Whether it can be sent without SMTPUTF8. The domain always can.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }

    /// The domain in U-labels, for people; an address literal stays as it is.
    pub fn domain_unicode(&self) -> String {
        domain_to_unicode(&self.domain)
    }

    /// `user+detail` → (`user`, `detail`) at the first `+` that has something before it.
    pub fn split_detail(&self) -> (&str, Option<&str>) {
        match self.local.split_once('+') {
            Some((base, detail)) if !base.is_empty() => (base, Some(detail)),
            _ => (&self.local, None),
        }
    }

    /// The local part for lookups: NFC, lower case.
    pub fn local_key(&self) -> String {
        local_key(&self.local)
    }

    /// The whole address for lookups: [`Address::local_key`], `@`, domain.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local_key(), self.domain)
    }
}

/// The key of a local part (see [`Address::local_key`]).
pub fn local_key(local: &str) -> String {
    // Lower-casing can leave combining marks uncomposed ("İ"), so NFC comes last.
    local.nfc().flat_map(char::to_lowercase).nfc().collect()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        f.write_str("\"")?;
        for c in self.local.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// A domain name or address literal in its one canonical form: lower case A-labels (UTS 46), or
/// `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
pub fn domain_to_ascii(domain: &str) -> Result<String, AddressError> {
    if domain.is_empty() {
        return Err(AddressError::NoDomain);
    }
    if let Some(literal) = domain.strip_prefix('[') {
        return literal
            .strip_suffix(']')
            .and_then(address_literal)
            .ok_or(AddressError::Domain);
    }
    // Four octets of UTF-8 make at least one of an A-label: beyond this nothing can fit.
    if domain.len() > 4 * DOMAIN_MAX {
        return Err(AddressError::TooLong);
    }
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .map_err(|_| AddressError::Domain)?;
    // A name that looks like a number is an IPv4 address to half of the world's programs.
    if ascii
        .rsplit('.')
        .next()
        .is_none_or(|last| last.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(AddressError::Domain);
    }
    Ok(ascii.into_owned())
}

/// A domain in U-labels, for people. What cannot be shown stays in A-labels.
pub fn domain_to_unicode(domain: &str) -> String {
    let mut shown = String::new();
    let done = Uts46::new().process(
        domain.as_bytes(),
        AsciiDenyList::EMPTY,
        Hyphens::Allow,
        ErrorPolicy::FailFast,
        |_, _, _| true,
        &mut shown,
        None,
    );
    match done {
        Ok(idna::uts46::ProcessingSuccess::WroteToSink) => shown,
        _ => domain.to_owned(),
    }
}

/// Whether a local part needs no quotes (`Dot-string`).
pub fn is_dot_string(local: &str) -> bool {
    !local.is_empty()
        && local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// `atext` of RFC 5322 section 3.2.3, with UTF8-non-ascii.
pub fn is_atext(c: char) -> bool {
    !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

fn dotted_local(text: &str) -> Result<(String, &str), AddressError> {
    let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoDomain)?;
    if !is_dot_string(local) || local.chars().any(is_unwritable) {
        return Err(AddressError::Local);
    }
    Ok((local.to_owned(), domain))
}

/// `Quoted-string = DQUOTE *( qtextSMTP / quoted-pairSMTP ) DQUOTE`. An empty one names nobody.
fn quoted_local(text: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let domain = text
                    .get(at + 1..)
                    .and_then(|rest| rest.strip_prefix('@'))
                    .ok_or(AddressError::NoDomain)?;
                if local.is_empty() || local.chars().any(is_unwritable) {
                    return Err(AddressError::Local);
                }
                return Ok((local, domain));
            }
            '\\' => match chars.next() {
                Some((_, escaped)) if escaped.is_ascii() => local.push(escaped),
                _ => return Err(AddressError::Local),
            },
            _ => local.push(c),
        }
    }
    Err(AddressError::Local)
}

/// Line and paragraph separators, direction overrides and the replacement character: never part of an
/// address that a person could check by eye.
fn is_unwritable(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFD}')
}

/// `IPv4-address-literal / IPv6-address-literal` (RFC 5321 section 4.1.3), canonical.
fn address_literal(inside: &str) -> Option<String> {
    if let Some(prefix) = inside.get(..5)
        && prefix.eq_ignore_ascii_case("IPv6:")
    {
        let address: Ipv6Addr = inside.get(5..)?.parse().ok()?;
        return Some(format!("[IPv6:{address}]"));
    }
    let address: Ipv4Addr = inside.parse().ok()?;
    Some(format!("[{address}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str, &str), AddressError>) {
        let found = Address::parse(text);
        match (&found, expected) {
            (Ok(address), Ok((local, domain, wire))) => {
                assert_eq!(
                    (address.local.as_str(), address.domain.as_str()),
                    (local, domain),
                    "{text:?}"
                );
                assert_eq!(address.to_wire(), wire);
                assert_eq!(
                    &Address::parse(wire).unwrap(),
                    address,
                    "round trip of {wire:?}"
                );
            }
            (Err(found), Err(expected)) => assert_eq!(*found, expected, "{text:?}"),
            _ => panic!("{text:?}: {found:?}"),
        }
    }

    #[test]
    fn addresses() {
        check(
            "an@bo.gov.test",
            Ok(("an", "bo.gov.test", "an@bo.gov.test")),
        );
        check(
            "An.Nguyen+a@BO.gov.TEST",
            Ok(("An.Nguyen+a", "bo.gov.test", "An.Nguyen+a@bo.gov.test")),
        );
        check("\"a b\"@x.test", Ok(("a b", "x.test", "\"a b\"@x.test")));
        check("\"ab\"@x.test", Ok(("ab", "x.test", "ab@x.test")));
        check(
            "\"a\\\"b\\\\\"@x.test",
            Ok(("a\"b\\", "x.test", "\"a\\\"b\\\\\"@x.test")),
        );
        check("\"a@b\"@x.test", Ok(("a@b", "x.test", "\"a@b\"@x.test")));
        check(
            "văn.thư@bộ.test",
            Ok(("văn.thư", "xn--b-8xm.test", "văn.thư@xn--b-8xm.test")),
        );
        check("a@[192.0.2.1]", Ok(("a", "[192.0.2.1]", "a@[192.0.2.1]")));
        check(
            "a@[ipv6:2001:DB8:0::1]",
            Ok(("a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]")),
        );
        check("a@localhost", Ok(("a", "localhost", "a@localhost")));
        check("user%x@y.test", Ok(("user%x", "y.test", "user%x@y.test")));
    }

    #[test]
    fn refused() {
        for (text, error) in [
            ("", AddressError::Empty),
            ("a", AddressError::NoDomain),
            ("a@", AddressError::NoDomain),
            ("\"\"@x.test", AddressError::Local),
            ("\"a", AddressError::Local),
            ("\"a\"", AddressError::NoDomain),
            ("\"a\\", AddressError::Local),
            (".a@x.test", AddressError::Local),
            ("a..b@x.test", AddressError::Local),
            ("a b@x.test", AddressError::Local),
            ("a@b@x.test", AddressError::Local),
            ("@a.test:b@x.test", AddressError::Route),
            ("a\r\n@x.test", AddressError::Control),
            ("a\0@x.test", AddressError::Control),
            ("a\u{85}@x.test", AddressError::Control),
            ("a\u{202E}@x.test", AddressError::Local),
            ("a@x..test", AddressError::Domain),
            ("a@x.test.", AddressError::Domain),
            ("a@-x.test", AddressError::Domain),
            ("a@x_y.test", AddressError::Domain),
            ("a@192.0.2.1", AddressError::Domain),
            ("a@[192.0.2.1", AddressError::Domain),
            ("a@[x]", AddressError::Domain),
            ("a@[]", AddressError::Domain),
            ("a@[IPv6:]", AddressError::Domain),
        ] {
            check(text, Err(error));
        }
        let (local, whole) = ("a".repeat(64), format!("{}@x.test", "a".repeat(64)));
        check(&whole, Ok((&local, "x.test", &whole)));
        check(
            &format!("{}@x.test", "a".repeat(65)),
            Err(AddressError::TooLong),
        );
        check(
            &format!("a@{}.test", "x".repeat(64)),
            Err(AddressError::Domain),
        );
        check(
            &format!(
                "{}@{}",
                "a".repeat(60),
                ["x".repeat(60).as_str(); 4].join(".")
            ),
            Err(AddressError::TooLong),
        );
        check(&"a".repeat(5000), Err(AddressError::TooLong));
    }

    #[test]
    fn keys_and_details() {
        let address = Address::parse("Va\u{306}n.THƯ+Họp@x.test").unwrap();
        assert_eq!(address.local, "Văn.THƯ+Họp");
        assert_eq!(address.key(), "văn.thư+họp@x.test");
        assert_eq!(address.split_detail(), ("Văn.THƯ", Some("Họp")));
        assert!(!address.is_ascii());
        assert_eq!(
            Address::parse("+a@x.test").unwrap().split_detail(),
            ("+a", None)
        );
        assert_eq!(
            Address::parse("a@xn--b-8xm.test").unwrap().domain_unicode(),
            "bộ.test"
        );
        assert_eq!(
            Address::parse("a@[192.0.2.1]").unwrap().domain_unicode(),
            "[192.0.2.1]"
        );
    }

    #[test]
    fn any_text_is_survived() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let pieces = [
            "a", "@", "\"", "\\", ".", "[", "]", "IPv6:", "đ", "xn--", "\u{301}", " ", "\0", "1",
        ];
        for _ in 0..5000 {
            let text: String = (0..random.usize(..12))
                .map(|_| pieces[random.usize(..pieces.len())])
                .collect();
            if let Ok(address) = Address::parse(&text) {
                assert_eq!(Address::parse(&address.to_wire()), Ok(address));
            }
        }
    }
}
