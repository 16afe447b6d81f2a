//! Where a letter comes from, as memory counts it: address, network, and the domains that it names, each only as far as it
//! is known to be theirs.
//!
//! Anybody can write any domain into From and MAIL FROM. A domain that is proven (SPF, DKIM, DMARC) is counted by its
//! name alone. One that is neither proven nor disproven is counted together with the network that the letter came
//! from: a forger elsewhere finds nothing there to use, and spoils nothing for the domain. One that is disproven is not
//! counted at all.

use std::net::IpAddr;

use congvu_net::Network;
use congvu_spam::facts::{Authentication, Outcome, Ptr, Subject};
use congvu_spam::links::registered;
use congvu_spam::proof::{Proof, proof};

use crate::soft::Keys;

/// DKIM domains counted of one letter: the author's, a provider's; more are decoration.
const SIGNERS_MOST: usize = 3;

/// Where a letter comes from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The address of the other side; `None` if a server in front of us took the letter.
    pub client: Option<IpAddr>,
    /// Its confirmed name, unless that is one of the names that providers give to all their lines and rented machines.
    pub name: Option<String>,
    /// The address in From, lower case; empty if there is none.
    pub from: String,
    /// MAIL FROM, lower case; empty for none.
    pub mail_from: String,
    /// Whether From is genuine.
    pub proof: Proof,
    spf: Outcome,
    signers: Vec<String>,
}

/// Something that counts are kept of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counted {
    /// What kind of thing.
    pub what: Subject,
    /// As people are told.
    pub entry: String,
    /// In memory.
    pub key: u64,
}

impl Origin {
    /// From what reception knows. `from` and `mail_from` are whole addresses.
    pub(crate) fn new(
        client: Option<IpAddr>,
        ptr: &Ptr,
        from: &str,
        mail_from: &str,
        authentication: &Authentication,
    ) -> Self {
        let (from, mail_from) = (from.to_lowercase(), mail_from.to_lowercase());
        let client = client.map(|client| client.to_canonical());
        let passed = authentication
            .dkim
            .iter()
            .filter(|signature| signature.outcome == Outcome::Pass);
        Self {
            name: match (ptr, client) {
                (Ptr::Confirmed(name), Some(client)) if !is_generic(name, client) => {
                    Some(name.to_lowercase())
                }
                _ => None,
            },
            client,
            proof: proof(authentication, domain(&from), domain(&mail_from)),
            spf: authentication.spf,
            signers: passed
                .map(|signature| signature.domain.to_lowercase())
                .take(SIGNERS_MOST)
                .collect(),
            from,
            mail_from,
        }
    }

    /// The domain of From; empty if there is none.
    pub(crate) fn author_domain(&self) -> &str {
        domain(&self.from)
    }

    /// The network that counts as one place: what one office or line usually has.
    pub(crate) fn network(&self) -> Option<Network> {
        let client = self.client?;
        Some(Network::of(client, if client.is_ipv4() { 24 } else { 64 }))
    }

    /// The places that it comes from: its network, and what is registered of its confirmed name. Either one is enough
    /// to be recognised, for large senders have many networks.
    pub(crate) fn places(&self) -> Vec<String> {
        let network = self.network().map(|network| network.to_string());
        let name = self.name.as_deref().map(registered).map(str::to_owned);
        network.into_iter().chain(name).collect()
    }

    /// What reputation is kept of.
    pub(crate) fn counted(&self, keys: Keys) -> Vec<Counted> {
        let mut all = Vec::new();
        let mut count = |what, kind: &str, entry: &str, place: &str| {
            all.push(Counted {
                what,
                entry: if place.is_empty() {
                    entry.to_owned()
                } else {
                    format!("{entry} ({place})")
                },
                key: keys.of(kind, &[entry, place]),
            });
        };
        let place = self
            .network()
            .map(|network| network.to_string())
            .unwrap_or_default();
        if let Some(client) = self.client {
            count(Subject::Network, "address", &client.to_string(), "");
            count(Subject::Network, "network", &place, "");
        }
        let from = registered(domain(&self.from));
        let mail_from = registered(domain(&self.mail_from));
        if !from.is_empty() {
            match self.proof {
                Proof::Proven => count(Subject::Domain, "from", from, ""),
                Proof::Open if !place.is_empty() => count(Subject::Domain, "from", from, &place),
                Proof::Open | Proof::Disproven => {}
            }
        }
        if !mail_from.is_empty() && mail_from != from {
            match self.spf {
                Outcome::Pass => count(Subject::Domain, "mail", mail_from, ""),
                Outcome::Fail | Outcome::SoftFail => {}
                _ if place.is_empty() => {}
                _ => count(Subject::Domain, "mail", mail_from, &place),
            }
        }
        for signer in &self.signers {
            let signer = registered(signer);
            if signer != from {
                count(Subject::Domain, "signer", signer, "");
            }
        }
        all
    }

    /// What "this sender" means to one who received from it before: the address, and what makes it this sender's: proof,
    /// else the place. `None` where neither is there.
    pub(crate) fn senders(&self) -> Vec<String> {
        if self.from.is_empty() {
            return Vec::new();
        }
        match self.proof {
            Proof::Proven => vec![self.from.clone()],
            Proof::Disproven => Vec::new(),
            Proof::Open => {
                let places = self.places().into_iter();
                places
                    .map(|place| format!("{} {place}", self.from))
                    .collect()
            }
        }
    }
}

/// Whether a name is made from the address: `ec2-203-0-113-5.…`, `static.5.113.0.203.…`. Whoever rents the next machine has
/// a name like it, so it says nothing about who writes.
fn is_generic(name: &str, client: IpAddr) -> bool {
    let first = registered(name).len();
    let own = &name[..name.len().saturating_sub(first)];
    match client {
        IpAddr::V4(four) => {
            let [.., third, last] = four.octets();
            let numbers = |text: &str| -> Vec<u32> {
                let pieces = text.split(|c: char| !c.is_ascii_digit());
                pieces.filter_map(|piece| piece.parse().ok()).collect()
            };
            let found = numbers(own);
            let joined = own.contains(&four.octets().map(|octet| format!("{octet:03}")).concat());
            let hex = own.contains(&format!("{:08x}", four.to_bits()));
            joined || hex || found.contains(&third.into()) && found.contains(&last.into())
        }
        IpAddr::V6(six) => {
            let [.., last] = six.segments();
            last != 0 && own.to_lowercase().contains(&format!("{last:x}")) && last > 0xFFF
        }
    }
}

/// What follows the last `@`; empty if there is none.
pub(crate) fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Whether an address is one that strangers have: neither loopback nor private nor of the link.
pub(crate) fn is_public(client: IpAddr) -> bool {
    match client.to_canonical() {
        IpAddr::V4(four) => {
            let shared = four.octets()[0] == 100 && four.octets()[1] & 0xC0 == 64;
            !(four.is_loopback()
                || four.is_private()
                || four.is_link_local()
                || four.is_unspecified()
                || four.is_broadcast()
                || four.is_multicast()
                || shared)
        }
        IpAddr::V6(six) => {
            !(six.is_loopback()
                || six.is_unique_local()
                || six.is_unicast_link_local()
                || six.is_unspecified()
                || six.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(from: &str, authentication: &Authentication) -> Origin {
        let client = Some("192.0.2.7".parse().unwrap());
        let ptr = Ptr::Confirmed("mx1.Partner.example".to_owned());
        Origin::new(client, &ptr, from, "bounce@lists.example", authentication)
    }

    fn entries(origin: &Origin) -> Vec<String> {
        let counted = origin.counted(Keys(1)).into_iter();
        counted.map(|one| one.entry).collect()
    }

    #[test]
    fn unproven_domains_are_counted_with_their_network() {
        let open = origin("An@mail.Partner.example", &Authentication::default());
        assert_eq!(
            entries(&open),
            [
                "192.0.2.7",
                "192.0.2.0/24",
                "partner.example (192.0.2.0/24)",
                "lists.example (192.0.2.0/24)"
            ]
        );
        assert_eq!(open.places(), ["192.0.2.0/24", "partner.example"]);
        assert_eq!(
            open.senders(),
            [
                "an@mail.partner.example 192.0.2.0/24",
                "an@mail.partner.example partner.example"
            ]
        );
    }

    #[test]
    fn proven_domains_are_counted_by_name_and_disproven_not_at_all() {
        let proven = Authentication {
            dmarc: Outcome::Pass,
            spf: Outcome::Pass,
            ..Authentication::default()
        };
        let proven = origin("an@partner.example", &proven);
        assert_eq!(entries(&proven)[2..], ["partner.example", "lists.example"]);
        assert_eq!(proven.senders(), ["an@partner.example"]);
        let forged = Authentication {
            dmarc: Outcome::Fail,
            spf: Outcome::Fail,
            ..Authentication::default()
        };
        let forged = origin("an@partner.example", &forged);
        assert_eq!(entries(&forged).len(), 2);
        assert!(forged.senders().is_empty());
    }

    #[test]
    fn names_made_from_addresses() {
        let check = |name: &str, expected| {
            let client = "203.0.113.5".parse().unwrap();
            assert_eq!(is_generic(name, client), expected, "{name}");
        };
        check("mx1.partner.example", false);
        check("mail5.partner.example", false);
        check("ec2-203-0-113-5.compute.cloud.example", true);
        check("static.5.113.0.203.line.example", true);
        check("203000113005.line.example", true);
        check("cb007105.line.example", true);
        let six = "2001:db8::a1b2".parse().unwrap();
        assert!(is_generic("2001-db8--a1b2.line.example", six));
        assert!(!is_generic("mx1.partner.example", six));
    }

    #[test]
    fn public_addresses() {
        let check = |text: &str, expected| {
            assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        };
        check("203.0.113.9", true);
        check("2001:db8::1", true);
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "100.64.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:192.168.1.1",
        ] {
            check(inside, false);
        }
    }
}
