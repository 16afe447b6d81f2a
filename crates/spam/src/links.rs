//! The hosts that a letter links to, for whoever asks lists about them.

use crate::letter::Letter;
use crate::names;
use crate::stage::url::extract;

/// A host that a link leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LinkHost {
    /// The whole name, A-labels in lower case.
    pub name: String,
    /// What people can register: `a.com.vn` of `www.a.com.vn`. An address is itself.
    pub registered: String,
    /// It is an IP address in whatever notation.
    pub is_address: bool,
}

/// The first hosts that a letter links to, each once, at most `max`.
pub fn hosts(letter: &Letter<'_>, max: usize) -> Vec<LinkHost> {
    let mut found: Vec<LinkHost> = Vec::new();
    for link in extract::links(letter) {
        if found.len() == max {
            break;
        }
        let name = link.host.ascii;
        if name.is_empty() || found.iter().any(|other| other.name == name) {
            continue;
        }
        let is_address = link.host.address.is_some();
        let registered = if is_address {
            name.clone()
        } else {
            registered(&name).to_owned()
        };
        found.push(LinkHost {
            name,
            registered,
            is_address,
        });
    }
    found
}

/// What people can register below an ending: `a.com.vn` of `www.a.com.vn`, `a.example` of `b.a.example`.
pub fn registered(host: &str) -> &str {
    names::registered(host)
}

/// Whether two domains belong to the same owner, as far as names tell: what is registered is the same.
pub fn same_owner(a: &str, b: &str) -> bool {
    !a.is_empty() && registered(a).eq_ignore_ascii_case(registered(b))
}

#[cfg(test)]
mod tests {
    use congvu_message::summarize;

    use super::*;

    #[test]
    fn each_host_once_and_bounded() {
        let raw = b"Content-Type: text/plain\r\n\r\nhttp://www.a.com.vn/1 http://www.a.com.vn/2 https://b.example http://192.0.2.9/x\r\n";
        let summary = summarize(raw);
        let letter = Letter::read(raw, &summary);
        let names = |max| -> Vec<String> {
            let found = hosts(&letter, max).into_iter();
            found.map(|host| host.registered).collect()
        };
        assert_eq!(names(9), ["a.com.vn", "b.example", "192.0.2.9"]);
        assert_eq!(names(2), ["a.com.vn", "b.example"]);
    }

    #[test]
    fn owners() {
        assert!(same_owner("mail.a.com.vn", "A.com.vn"));
        assert!(!same_owner("a.com.vn", "b.com.vn"));
        assert!(!same_owner("", ""));
    }
}
