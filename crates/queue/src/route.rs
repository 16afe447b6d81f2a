//! Where mail of a domain goes: the administrator's routes, else the DNS (RFC 5321 section 5).

use std::net::{IpAddr, SocketAddr};

use congvu_net::dns::{DnsFailure, MxAnswer};
use congvu_smtp::client::{Credentials, TlsPolicy};

use crate::settings::Settings;
use crate::verdict::{Reason, Verdict};

/// A port where TLS begins with the connection (RFC 8314 section 3.3).
const SUBMISSIONS: u16 = 465;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// A domain in lower case A-labels, `.domain` for all below it, or `*` for all others.
    pub domain: String,
    /// How it goes on.
    pub to: Way,
    /// Which port; 465 means TLS from the first octet.
    pub port: u16,
    /// When to encrypt.
    pub tls: TlsPolicy,
    /// A login, sent only inside TLS.
    pub credentials: Option<Credentials>,
}

/// The way of a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Way {
    /// To the hosts that the DNS names.
    Direct,
    /// To a smart host (name or address), whatever the DNS says.
    Relay(String),
    /// To an LMTP server (name or address).
    Lmtp(String),
}

/// What tasks have in common that can share a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Destination {
    /// The servers of a domain.
    Domain(String),
    /// A server of ours.
    Server(Peer),
}

/// A server that routes name, and how it is spoken to. Tasks of routes that differ in this never share a
/// connection: what one route demands (a verified certificate) the session of another has not checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Peer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) lmtp: bool,
    pub(crate) tls: TlsPolicy,
    /// The login name.
    pub(crate) login: Option<String>,
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Server(peer) => write!(f, "{}:{}", peer.host, peer.port),
        }
    }
}

/// A host to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) host: String,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Settings {
    /// The route of a domain: the exact one, else that of the nearest domain above, else `*`, else the DNS.
    pub(crate) fn route(&self, domain: &str) -> Route {
        let find = |wanted: &str| self.routes.iter().find(|route| route.domain == wanted);
        let above = || {
            domain
                .match_indices('.')
                .find_map(|(at, _)| find(domain.get(at..)?))
        };
        find(domain)
            .or_else(above)
            .or_else(|| find("*"))
            .cloned()
            .unwrap_or_else(|| Route {
                domain: "*".to_owned(),
                to: Way::Direct,
                port: self.port,
                tls: TlsPolicy::Opportunistic,
                credentials: None,
            })
    }
}

impl Route {
    /// Where tasks of `domain` stand in line.
    pub(crate) fn destination(&self, domain: &str) -> Destination {
        match &self.to {
            Way::Direct => Destination::Domain(domain.to_owned()),
            Way::Relay(host) | Way::Lmtp(host) => Destination::Server(Peer {
                host: host.clone(),
                port: self.port,
                lmtp: matches!(self.to, Way::Lmtp(_)),
                tls: self.tls,
                login: self.credentials.as_ref().map(|login| login.name.clone()),
            }),
        }
    }

    /// Whether TLS begins with the connection.
    pub(crate) fn implicit_tls(&self) -> bool {
        self.port == SUBMISSIONS
    }

    /// The hosts to try, in order. `Err`: nothing can be tried, and what that means. `home`: the domain has
    /// become ours since the letter was queued, so being led to ourselves is right.
    pub(crate) async fn hops(
        &self,
        domain: &str,
        settings: &Settings,
        home: bool,
    ) -> Result<Vec<Hop>, Verdict> {
        match &self.to {
            Way::Relay(host) | Way::Lmtp(host) => {
                let hop = self.hop(host, settings).await.map_err(|failure| {
                    Verdict::Later(Reason::own((4, 4, 3), format!("relay {host}: {failure}")))
                })?;
                Ok(vec![hop])
            }
            Way::Direct => match literal(domain) {
                Some(address) => Ok(vec![Hop {
                    host: address.to_string(),
                    addresses: vec![SocketAddr::new(address, self.port)],
                }]),
                None => self.exchangers(domain, settings, home).await,
            },
        }
    }

    /// RFC 5321 section 5.1.
    async fn exchangers(
        &self,
        domain: &str,
        settings: &Settings,
        home: bool,
    ) -> Result<Vec<Hop>, Verdict> {
        let failed = |status, text: String| Err(Verdict::Failed(Reason::own(status, text)));
        let hosts = match settings.resolver.mx(domain).await {
            MxAnswer::Hosts(hosts) => hosts,
            MxAnswer::Implicit => vec![congvu_net::dns::MxHost {
                preference: 0,
                host: domain.to_owned(),
            }],
            MxAnswer::NullMx => {
                return failed(
                    (5, 1, 10),
                    format!("556 5.1.10 the domain {domain} takes no mail (null MX)"),
                );
            }
            MxAnswer::NoDomain => {
                return failed(
                    (5, 1, 2),
                    format!("550 5.1.2 the domain {domain} does not exist or takes no mail"),
                );
            }
            MxAnswer::Temporary(reason) => {
                return Err(Verdict::Later(Reason::own(
                    (4, 4, 3),
                    format!("DNS of {domain}: {reason}"),
                )));
            }
        };
        // Hosts as good as ourselves or worse would send it back to us.
        let ours = hosts
            .iter()
            .find(|mx| {
                mx.host
                    .trim_end_matches('.')
                    .eq_ignore_ascii_case(&settings.hello)
            })
            .map(|mx| mx.preference);
        let usable: Vec<_> = hosts
            .iter()
            .filter(|mx| home || ours.is_none_or(|own| mx.preference < own))
            .collect();
        if usable.is_empty() {
            return failed(
                (5, 4, 6),
                format!(
                    "550 5.4.6 mail for {domain} comes back to this server, which does not know the domain"
                ),
            );
        }
        let mut hops = Vec::new();
        let mut failure = None;
        for mx in usable {
            match self.hop(&mx.host, settings).await {
                Ok(hop) => hops.push(hop),
                Err(found) => failure = Some((mx.host.clone(), found)),
            }
        }
        match failure {
            // A host that does not exist may be a slip of the other administrator: it is kept until time is over.
            Some((host, failure)) if hops.is_empty() => Err(Verdict::Later(Reason::own(
                (4, 4, 3),
                format!("mail server {host} of {domain}: {failure}"),
            ))),
            _ => Ok(hops),
        }
    }

    async fn hop(&self, host: &str, settings: &Settings) -> Result<Hop, DnsFailure> {
        let addresses = settings.resolver.addresses(host).await?;
        let addresses = addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, self.port))
            .collect();
        Ok(Hop {
            host: host.to_owned(),
            addresses,
        })
    }
}

/// The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn literal(domain: &str) -> Option<IpAddr> {
    let inside = domain.strip_prefix('[')?.strip_suffix(']')?;
    inside.strip_prefix("IPv6:").unwrap_or(inside).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use congvu_net::dns::{Resolver, Zone};
    use congvu_net::tls::TlsClient;
    use std::collections::HashMap;

    fn settings(routes: Vec<Route>) -> Settings {
        let mx = |list: &[(u16, &str)]| {
            list.iter()
                .map(|(p, h)| (*p, (*h).to_owned()))
                .collect::<Vec<_>>()
        };
        let address: IpAddr = "192.0.2.9".parse().unwrap();
        let zone = Zone {
            mx: HashMap::from([
                (
                    "two.test".into(),
                    mx(&[(10, "one.two.test"), (20, "gone.two.test")]),
                ),
                ("null.test".into(), mx(&[(0, ".")])),
                ("loop.test".into(), mx(&[(10, "us.test")])),
                (
                    "backup.test".into(),
                    mx(&[(5, "one.two.test"), (10, "us.test"), (20, "plain.test")]),
                ),
                ("dangling.test".into(), mx(&[(10, "gone.two.test")])),
            ]),
            addresses: ["one.two.test", "plain.test", "us.test"]
                .map(|n| (n.to_owned(), vec![address]))
                .into(),
            broken: vec!["broken.test".into()],
            ..Zone::default()
        };
        Settings {
            hello: "us.test".into(),
            zone: 420,
            schedule: crate::Schedule::default(),
            connections: 10,
            per_destination: 2,
            routes,
            source: congvu_net::connect::Source::default(),
            port: 2525,
            waits: congvu_smtp::client::Waits::default(),
            resolver: Resolver::fixed(zone),
            tls: TlsClient::new(None).unwrap(),
        }
    }

    fn route(domain: &str, host: &str) -> Route {
        Route {
            domain: domain.into(),
            to: Way::Relay(host.into()),
            port: 587,
            tls: TlsPolicy::Required,
            credentials: None,
        }
    }

    #[test]
    fn the_nearest_route_counts() {
        let settings = settings(vec![
            route("*", "all"),
            route(".gov.test", "gov"),
            route(".a.gov.test", "a"),
            route("x.a.gov.test", "x"),
        ]);
        let check = |domain: &str, expected: &str| {
            let found = settings.route(domain).to;
            assert_eq!(found, Way::Relay(expected.into()), "{domain}");
        };
        check("x.a.gov.test", "x");
        check("y.a.gov.test", "a");
        check("a.gov.test", "gov");
        check("gov.test", "all");
        check("mygov.test", "all");
    }

    #[tokio::test]
    async fn hosts_of_a_domain() {
        let settings = settings(vec![]);
        let check = async |domain: &str, expected: &str| {
            let shown = match settings.route(domain).hops(domain, &settings, false).await {
                Ok(hops) => hops
                    .iter()
                    .map(|hop| format!("{} {}", hop.host, hop.addresses[0]))
                    .collect::<Vec<_>>()
                    .join(", "),
                Err(Verdict::Failed(reason)) => format!("failed {:?}", reason.status),
                Err(Verdict::Later(reason)) => format!("later {:?}", reason.status),
                Err(Verdict::Delivered(_)) => unreachable!(),
            };
            assert_eq!(shown, expected, "{domain}");
        };
        check("two.test", "one.two.test 192.0.2.9:2525").await;
        check("plain.test", "plain.test 192.0.2.9:2525").await;
        check("null.test", "failed (5, 1, 10)").await;
        check("nowhere.test", "failed (5, 1, 2)").await;
        check("broken.test", "later (4, 4, 3)").await;
        check("loop.test", "failed (5, 4, 6)").await;
        check("backup.test", "one.two.test 192.0.2.9:2525").await;
        check("dangling.test", "later (4, 4, 3)").await;
        check("[192.0.2.7]", "192.0.2.7 192.0.2.7:2525").await;
        check("[IPv6:2001:db8::7]", "2001:db8::7 [2001:db8::7]:2525").await;
    }

    #[tokio::test]
    async fn relays_need_no_mx() {
        let settings = settings(vec![
            route("*", "plain.test"),
            route("b.test", "192.0.2.3"),
            route("c.test", "gone.test"),
        ]);
        let hops = settings
            .route("a.test")
            .hops("a.test", &settings, false)
            .await
            .unwrap();
        assert_eq!(hops[0].addresses[0].to_string(), "192.0.2.9:587");
        let hops = settings
            .route("b.test")
            .hops("b.test", &settings, false)
            .await
            .unwrap();
        assert_eq!(hops[0].addresses[0].to_string(), "192.0.2.3:587");
        assert!(matches!(
            settings
                .route("c.test")
                .hops("c.test", &settings, false)
                .await,
            Err(Verdict::Later(_))
        ));
        assert_eq!(
            settings.route("a.test").destination("a.test").to_string(),
            "plain.test:587"
        );
    }
}
