//! Whose host a host is: agencies and banks of Viet Nam (`data/names.txt`), and what looks like one of them.
//!
//! Names are compared by *skeleton* (after UTS #39): look-alike letters of other scripts become Latin ones, digits the
//! letters that they resemble, marks and hyphens go. Everything here is linear in a host name of at most 253 octets.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use congvu_message::{address, fold};
use memchr::memmem;

use crate::statistics::folded::{Folded, latin};

/// Longest name of a host in the DNS.
pub(crate) const HOST_MAX: usize = 253;
/// Shortest name whose mere appearance in a foreign host means something: `shb` and `acb` are many things.
const NAME_MIN: usize = 6;
/// Shortest name that is looked for inside other words.
const INSIDE_MIN: usize = 8;
/// Shortest name for which one letter more, less or other is a look-alike.
const ONE_OFF_MIN: usize = 9;
/// Shortest name for which two are.
const TWO_OFF_MIN: usize = 12;
/// Shortest folded name that is looked for without regard to spaces between the letters.
const SQUEEZED_MIN: usize = 8;

/// An agency or bank.
#[derive(Debug)]
pub(crate) struct Body {
    /// An agency of the state: gov.vn may bear its names.
    pub(crate) agency: bool,
    /// Its hosts, with everything below them.
    pub(crate) hosts: Vec<&'static str>,
    /// The names that it is known by.
    names: Vec<(&'static str, Name)>,
}

/// A name of people or agencies, ready to be found in display names.
#[derive(Debug)]
pub(crate) struct Name {
    spaced: Vec<u8>,
    squeezed: Vec<u8>,
}

impl Name {
    /// Folds a name.
    pub(crate) fn new(text: &str) -> Self {
        let mut folded = Folded::default();
        folded.push(text, 512);
        folded.spaced.push(b' ');
        Self {
            spaced: folded.spaced,
            squeezed: folded.squeezed,
        }
    }

    /// Whether the other name stands in this one, whatever the accents, the script and, in longer names, the spaces.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        if other.squeezed.len() >= SQUEEZED_MIN {
            memmem::find(&self.squeezed, &other.squeezed).is_some()
        } else {
            !other.squeezed.is_empty() && memmem::find(&self.spaced, &other.spaced).is_some()
        }
    }
}

/// What a host name looks like without being it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Likeness<'a> {
    /// Almost or exactly the name of this host, under other letters or another ending.
    LooksLike(&'a str),
    /// The name of this host stands in it.
    Borrows(&'a str),
}

/// A registered name that may be imitated.
struct Mark<'a> {
    skeleton: String,
    /// Its characters.
    length: usize,
    name: &'a str,
    host: &'a str,
}

impl<'a> Mark<'a> {
    /// Of a host; `None` if its name is too short to mean anything elsewhere.
    fn of(host: &'a str) -> Option<Self> {
        let name = registered_name(host);
        let skeleton = skeleton(name);
        (name.len() >= NAME_MIN).then(|| Self {
            length: skeleton.chars().count(),
            skeleton,
            name,
            host,
        })
    }

    /// Almost or exactly this name, as a skeleton of so many characters.
    fn is_like(&self, own: &str, length: usize) -> bool {
        let allowed = match self.name.len() {
            TWO_OFF_MIN.. => 2,
            ONE_OFF_MIN.. => 1,
            _ => 0,
        };
        own == self.skeleton
            || (allowed > 0
                && length.abs_diff(self.length) <= allowed
                && is_near(own, &self.skeleton, allowed))
    }

    /// This name among the labels of a host, as skeletons; longer ones within them too.
    fn is_in(&self, labels: &[String]) -> bool {
        let long = self.name.len() >= INSIDE_MIN;
        labels.iter().any(|label| {
            *label == self.skeleton || (long && label.contains(self.skeleton.as_str()))
        })
    }
}

struct Book {
    bodies: Vec<Body>,
    marks: Vec<Mark<'static>>,
    real: Vec<&'static str>,
    short: Vec<&'static str>,
    redirect: Vec<&'static str>,
    free: Vec<&'static str>,
}

static BOOK: LazyLock<Book> = LazyLock::new(|| read(include_str!("../data/names.txt")));

fn read(text: &'static str) -> Book {
    let mut book = Book {
        bodies: Vec::new(),
        marks: Vec::new(),
        real: Vec::new(),
        short: Vec::new(),
        redirect: Vec::new(),
        free: Vec::new(),
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('|').map(str::trim);
        let kind = columns.next().unwrap_or_default();
        let hosts = columns.next().unwrap_or_default().split_whitespace();
        let names = columns.next().unwrap_or_default().split(';').map(str::trim);
        match kind {
            "real" => book.real.extend(hosts),
            "short" => book.short.extend(hosts),
            "redirect" => book.redirect.extend(hosts),
            "free" => book.free.extend(hosts),
            "agency" | "bank" => book.bodies.push(Body {
                agency: kind == "agency",
                hosts: hosts.collect(),
                names: names
                    .filter(|name| !name.is_empty())
                    .map(|name| (name, Name::new(name)))
                    .collect(),
            }),
            _ => {}
        }
    }
    for &host in book.bodies.iter().flat_map(|body| &body.hosts) {
        if let Some(mark) = Mark::of(host)
            && !book.marks.iter().any(|other| other.name == mark.name)
        {
            book.marks.push(mark);
        }
    }
    book
}

/// One is the other, or below it.
pub(crate) fn is_below(host: &str, above: &str) -> bool {
    host.strip_suffix(above)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The agency or bank whose host it is.
pub(crate) fn owner(host: &str) -> Option<&'static Body> {
    let mut bodies = BOOK.bodies.iter();
    bodies.find(|body| body.hosts.iter().any(|own| is_below(host, own)))
}

/// The host belongs to the state, to a bank of the list, or is known to be no imitation.
pub(crate) fn is_genuine(host: &str) -> bool {
    is_below(host, "gov.vn")
        || owner(host).is_some()
        || BOOK.real.iter().any(|real| is_below(host, real))
}

/// A service that hides where a link leads.
pub(crate) fn is_shortener(host: &str) -> bool {
    let host = host.strip_prefix("www.").unwrap_or(host);
    BOOK.short.contains(&host)
}

/// A service that forwards to the address in its query.
pub(crate) fn is_redirector(host: &str) -> bool {
    BOOK.redirect.iter().any(|own| is_below(host, own))
}

/// A domain where everybody can have a mailbox.
pub(crate) fn is_free_mail(domain: &str) -> bool {
    BOOK.free.contains(&domain)
}

/// The agency or bank whose name stands in a display name, with that name.
pub(crate) fn named_in(display: &Name) -> Option<(&'static Body, &'static str)> {
    BOOK.bodies.iter().find_map(|body| {
        let mut names = body.names.iter();
        let (text, _) = names.find(|(_, name)| display.contains(name))?;
        Some((body, *text))
    })
}

/// What people can register below an ending, `a.com.vn` of `www.a.com.vn`.
pub(crate) fn registered(host: &str) -> &str {
    const SHARED: [&str; 13] = [
        "com", "net", "org", "gov", "edu", "ac", "co", "info", "biz", "int", "health", "name",
        "pro",
    ];
    let mut ends = host.rsplit('.');
    let last = ends.next().unwrap_or_default();
    let second = ends.next().unwrap_or_default();
    let mut kept = last.len() + 1 + second.len();
    if last.len() == 2 && SHARED.contains(&second) {
        kept += ends.next().map_or(0, |third| 1 + third.len());
    }
    &host[host.len().saturating_sub(kept)..]
}

/// The first label of [`registered`].
fn registered_name(host: &str) -> &str {
    registered(host).split('.').next().unwrap_or_default()
}

/// What a label looks like.
fn skeleton(label: &str) -> String {
    let mut plain = String::with_capacity(label.len());
    for c in label.chars().flat_map(char::to_lowercase) {
        let Some(c) = latin(c).or_else(|| fold::base(c)) else {
            continue;
        };
        match c {
            '-' | '_' => {}
            '0' => plain.push('o'),
            '1' | 'i' | 'j' => plain.push('l'),
            '3' => plain.push('e'),
            '4' => plain.push('a'),
            '5' => plain.push('s'),
            c => plain.push(c),
        }
    }
    plain.replace("rn", "m").replace("vv", "w")
}

/// Which agency or bank a host (in U-labels) imitates, those that the house adds (`more`) included; `None` for genuine ones.
pub(crate) fn likeness<'a>(host: &str, more: &'a [String]) -> Option<Likeness<'a>> {
    if is_genuine(host) || more.iter().any(|own| is_below(host, own)) {
        return None;
    }
    let added: Vec<Mark<'a>> = more.iter().filter_map(|host| Mark::of(host)).collect();
    let marks = || BOOK.marks.iter().chain(&added);
    let own = skeleton(registered_name(host));
    let length = own.chars().count();
    if let Some(mark) = marks().find(|mark| mark.is_like(&own, length)) {
        return Some(Likeness::LooksLike(mark.host));
    }
    let labels: Vec<String> = host.split(['.', '-']).map(skeleton).collect();
    marks()
        .find(|mark| mark.is_in(&labels))
        .map(|mark| Likeness::Borrows(mark.host))
}

/// Whether at most `most` letters were added, left out, changed or swapped with a neighbour.
fn is_near(a: &str, b: &str, most: usize) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return false;
    }
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = last[j] + usize::from(x != y);
            let mut best = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()] <= most
}

/// A word of the state in a host outside gov.vn, as it stands there.
pub(crate) fn state_word(host: &str) -> Option<&'static str> {
    const ANYWHERE: [&str; 7] = [
        "dichvucong",
        "chinhphu",
        "vneid",
        "bocongan",
        "tongcucthue",
        "baohiemxahoi",
        "vssid",
    ];
    const WORDS: [&str; 2] = ["bhxh", "congan"];
    if is_genuine(host) {
        return None;
    }
    let squeezed: String = host.chars().filter(|&c| c != '-').collect();
    if let Some(found) = ANYWHERE.iter().find(|word| squeezed.contains(**word)) {
        return Some(found);
    }
    let words: Vec<&str> = host.split(['.', '-']).collect();
    if let Some(found) = WORDS.iter().find(|word| words.contains(word)) {
        return Some(found);
    }
    let has = |word: &str| words.contains(&word);
    // gov.uk and the like are other states; "gov" beside "vn" that is not gov.vn is none.
    if has("govvn") || (has("gov") && has("vn")) {
        return Some("gov.vn");
    }
    // "thue" alone is also hiring and renting.
    (has("thue") && (has("gov") || has("etax") || has("gdt"))).then_some("thue")
}

/// A letter of another script among Latin ones within a label, which no language has.
pub(crate) fn mixes_scripts(host: &str) -> bool {
    host.split('.').any(|label| {
        let mut latin = false;
        let mut other = false;
        for c in label.chars().filter(|c| c.is_alphabetic()) {
            match c {
                '\0'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => latin = true,
                '\u{370}'..='\u{58F}' | '\u{13A0}'..='\u{13FF}' | '\u{1F00}'..='\u{1FFF}' => {
                    other = true;
                }
                _ => {}
            }
        }
        latin && other
    })
}

/// A host as browsers read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// Lower case A-labels, as it is asked for in the DNS, or an address.
    pub(crate) ascii: String,
    /// In U-labels, as people see it.
    pub(crate) unicode: String,
    /// It is an address, and whether everybody on the Internet can reach it.
    pub(crate) address: Option<bool>,
}

impl Host {
    /// Reads a host; `None` for what no browser asks for.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('.');
        if text.is_empty() || text.len() > HOST_MAX {
            return None;
        }
        let lower = text.to_ascii_lowercase();
        let address = address_of(&lower);
        let (ascii, unicode) = if address.is_some() {
            (lower.clone(), lower)
        } else if !lower.is_ascii() {
            let ascii = address::domain_to_ascii(&lower).ok()?;
            let unicode = address::domain_to_unicode(&ascii);
            (ascii, unicode)
        } else if !is_name(&lower) {
            return None;
        } else if lower.contains("xn--") {
            let unicode = address::domain_to_unicode(&lower);
            (lower, unicode)
        } else {
            (lower.clone(), lower)
        };
        Some(Self {
            ascii,
            unicode,
            address,
        })
    }
}

/// Two labels or more, of what the DNS is asked for.
fn is_name(lower: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    lower.contains('.')
        && lower
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(allowed))
}

/// Whether it is an address, written in any way that browsers understand, and whether a public one.
fn address_of(text: &str) -> Option<bool> {
    if let Some(inner) = text.strip_prefix('[') {
        let six: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(!(six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local()));
    }
    let mut numbers = Vec::new();
    for label in text.split('.') {
        let number = match label.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None if label.len() > 1 && label.starts_with('0') => {
                u32::from_str_radix(label, 8).ok()?
            }
            None => label.parse().ok()?,
        };
        numbers.push(number);
    }
    let mut value = numbers.pop()?;
    if numbers.len() > 3 || numbers.iter().any(|&number| number > 255) {
        return None;
    }
    for (at, number) in (0_u32..).zip(&numbers) {
        value |= number << (24 - 8 * at);
    }
    let four = Ipv4Addr::from(value);
    let inside = four.is_private() || four.is_loopback() || four.is_link_local();
    Some(!(inside || four.is_unspecified()))
}

/// A host that no mail program makes a link of: `a[.]b`.
pub(crate) fn defanged(host: &str) -> String {
    crate::evidence::shown(host).replace('.', "[.]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_is_whole() {
        for line in include_str!("../data/names.txt").lines() {
            let kind = line.split('|').next().unwrap().trim();
            assert!(
                line.is_empty()
                    || line.starts_with('#')
                    || ["agency", "bank", "real", "short", "redirect", "free"].contains(&kind),
                "{line}"
            );
        }
        let bodies = &BOOK.bodies;
        assert!(bodies.iter().all(|body| !body.hosts.is_empty()));
        for host in bodies.iter().flat_map(|body| &body.hosts) {
            assert_eq!(&Host::read(host).unwrap().ascii, host);
            assert_eq!(
                (likeness(host, &[]), state_word(host)),
                (None, None),
                "{host}"
            );
        }
    }

    #[test]
    fn the_book_is_in_order() {
        let mut last = String::new();
        let mut kind_before = "";
        let mut kinds = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for line in include_str!("../data/names.txt").lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut columns = line.split('|').map(str::trim);
            let kind = columns.next().unwrap();
            let hosts: Vec<&str> = columns.next().unwrap().split_whitespace().collect();
            let names = columns.next().unwrap_or_default();
            assert_eq!(columns.next(), None, "{line}");
            assert!(!hosts.is_empty(), "{line}");
            for host in &hosts {
                assert!(seen.insert((*host).to_owned()), "twice: {host}");
                assert_eq!(Host::read(host).unwrap().ascii, *host);
            }
            for name in names
                .split(';')
                .map(str::trim)
                .filter(|name| !name.is_empty())
            {
                assert!(seen.insert(name.to_owned()), "twice: {name}");
            }
            if kind != kind_before {
                assert!(!kinds.contains(&kind), "{kind} stands in two places");
                kinds.push(kind);
                last.clear();
            }
            assert!(last.as_str() < hosts[0], "{line}: not in order");
            last = hosts[0].to_owned();
            kind_before = kind;
        }
    }

    #[test]
    fn the_house_adds_hosts() {
        let more = ["hocviencanbo.edu.vn".to_owned()];
        assert_eq!(likeness("lms.hocviencanbo.edu.vn", &more), None);
        assert_eq!(
            likeness("hocviencanb0.com", &more),
            Some(Likeness::LooksLike("hocviencanbo.edu.vn"))
        );
        assert_eq!(
            likeness("login.hocviencanbo-edu.example", &more),
            Some(Likeness::Borrows("hocviencanbo.edu.vn"))
        );
        assert_eq!(likeness("hocviencanb0.com", &[]), None);
    }

    #[test]
    fn likenesses() {
        for host in [
            "vietcombank.xyz",
            "vietc0mbank.com",
            "www.vietcornbank.com.vn",
            "vietcom-bank.com",
            "vi\u{435}tcombank.com",
            "vietconbank.com",
            "vietcobmank.com",
        ] {
            let looks = Some(Likeness::LooksLike("vietcombank.com.vn"));
            assert_eq!(likeness(host, &[]), looks, "{host}");
        }
        for host in ["vietcombank.login.example", "vietcombank-khuyenmai.example"] {
            let borrows = Some(Likeness::Borrows("vietcombank.com.vn"));
            assert_eq!(likeness(host, &[]), borrows, "{host}");
        }
        for host in [
            "vietcombank.com.vn",
            "www.vietcombank.com.vn",
            "acb.example",
            "vietnamnet.vn",
            "commerzbank.com",
            "citibank.com",
            "postbank.de",
            "agribank.com",
            "example.com",
            "",
        ] {
            assert_eq!(likeness(host, &[]), None, "{host}");
        }
    }

    #[test]
    fn words_of_the_state() {
        for host in [
            "dichvucong-quocgia.com",
            "gov.vn.example.com",
            "sotaichinh-gov.vn.example",
            "thue-gov.example",
            "vneid-update.top",
            "tinh.congan.example",
        ] {
            assert!(state_word(host).is_some(), "{host}");
        }
        for host in [
            "dichvucong.gov.vn",
            "www.gov.uk",
            "usa.gov",
            "thue-xe.example",
            "baochinhphu.vn",
            "tuoitre.vn",
        ] {
            assert_eq!(state_word(host), None, "{host}");
        }
    }

    #[test]
    fn hosts() {
        let check = |text: &str, ascii: Option<&str>, address: Option<bool>| {
            let host = Host::read(text);
            let found = host.as_ref().map(|host| host.ascii.as_str());
            assert_eq!(found, ascii, "{text}");
            assert_eq!(host.and_then(|host| host.address), address, "{text}");
        };
        check("WWW.Example.com.", Some("www.example.com"), None);
        check("việt.example", Some("xn--vit-5kz.example"), None);
        check("203.0.113.9", Some("203.0.113.9"), Some(true));
        check("0xCB.0.113.9", Some("0xcb.0.113.9"), Some(true));
        check("3405803785", Some("3405803785"), Some(true));
        check("192.168.1.4", Some("192.168.1.4"), Some(false));
        check("[2001:db8::1]", Some("[2001:db8::1]"), Some(true));
        check("[fd00::1]", Some("[fd00::1]"), Some(false));
        check("localhost", None, None);
        check("a..b", None, None);
        check("a b.example", None, None);
        check(&"a.".repeat(200), None, None);
    }

    #[test]
    fn parts_of_hosts() {
        assert_eq!(registered("a.b.com.vn"), "b.com.vn");
        assert_eq!(registered("a.b.example"), "b.example");
        assert_eq!(registered("com.vn"), "com.vn");
        assert_eq!(registered("vn"), "vn");
        assert!(mixes_scripts("vi\u{435}tcombank.com"));
        assert!(!mixes_scripts("tiếng-việt.vn"));
        assert!(!mixes_scripts("яндекс.com"));
        assert!(is_below("a.gov.vn", "gov.vn") && !is_below("agov.vn", "gov.vn"));
    }
}
