//! Names to hosts: MX with its fallbacks, addresses, reverse names, TXT.
//!
//! Invariant: "does not exist" and "cannot be told now" are never mixed up, since the first returns
//! a letter to its sender and the second keeps it in the queue. No search domains, no hosts file:
//! a mail domain means the same on every machine.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    NameServerConfig, ResolveHosts, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

/// Time for one question to one server. Resolvers of large networks answer in well under a second,
/// and recursion behind them may take a few.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Questions after the first without an answer.
const RETRIES: usize = 2;

/// MX hosts considered. A domain has a handful; more is a mistake or an attack on our patience.
pub const HOSTS_TRIED: usize = 20;

/// Answers without what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// NXDOMAIN.
    #[error("the name {0} does not exist")]
    NoName(String),
    /// The name exists, without such a record.
    #[error("the name {0} has no such record")]
    NoData(String),
    /// The text cannot be a name in the DNS.
    #[error("{0:?} is not a domain name")]
    Malformed(String),
    /// No answer, or one that says the server failed: try later.
    #[error("no answer about {0}: {1}")]
    Temporary(String, String),
}

/// Where a domain takes its mail (RFC 5321 section 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MxAnswer {
    /// Hosts in the order to try, those of equal preference shuffled. A-labels, without final dot.
    Hosts(Vec<MxHost>),
    /// No MX record, but an address: the domain itself is the host.
    Implicit,
    /// The domain says that it takes no mail (RFC 7505).
    NullMx,
    /// The domain does not exist, or has neither MX nor address.
    NoDomain,
    /// Cannot be told now; the reason.
    Temporary(String),
}

/// One MX record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MxHost {
    /// Lower comes first.
    pub preference: u16,
    /// The host's name.
    pub host: String,
}

/// Asks the DNS, or a fixed zone in tests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Resolver(Inner);

#[derive(Debug, Clone)]
enum Inner {
    Live(Arc<TokioResolver>),
    Fixed(Arc<Zone>),
}

/// A fixed answer to every question: for tests, and for machines without DNS. Names in lower case,
/// without final dot.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    /// MX records; `"."` as the host is the null MX.
    pub mx: HashMap<String, Vec<(u16, String)>>,
    /// A and AAAA records.
    pub addresses: HashMap<String, Vec<IpAddr>>,
    /// PTR records.
    pub ptr: HashMap<IpAddr, Vec<String>>,
    /// TXT records.
    pub txt: HashMap<String, Vec<String>>,
    /// Names whose servers do not answer.
    pub broken: Vec<String>,
}

impl Resolver {
    /// With the servers of `/etc/resolv.conf`. Needs a tokio runtime.
    pub fn system() -> Result<Self, DnsFailure> {
        let (config, _) = hickory_resolver::system_conf::read_system_conf()
            .map_err(|error| DnsFailure::Temporary("/etc/resolv.conf".into(), error.to_string()))?;
        Self::live(config.name_servers().to_vec())
    }

    /// With these servers, asked in order, over UDP and TCP. Needs a tokio runtime.
    pub fn with_servers(servers: &[SocketAddr]) -> Result<Self, DnsFailure> {
        let servers = servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            config
        });
        Self::live(servers.collect())
    }

    /// With fixed answers.
    pub fn fixed(zone: Zone) -> Self {
        Self(Inner::Fixed(Arc::new(zone)))
    }

    fn live(servers: Vec<NameServerConfig>) -> Result<Self, DnsFailure> {
        let config = ResolverConfig::from_parts(None, vec![], servers);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        options.timeout = QUERY_TIMEOUT;
        options.attempts = RETRIES;
        options.edns0 = true;
        options.use_hosts_file = ResolveHosts::Never;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        let resolver = builder
            .build()
            .map_err(|error| DnsFailure::Temporary("resolver".into(), error.to_string()))?;
        Ok(Self(Inner::Live(Arc::new(resolver))))
    }

    /// Where `domain` (A-labels) takes its mail.
    pub async fn mx(&self, domain: &str) -> MxAnswer {
        let records = match &self.0 {
            Inner::Live(resolver) => live_mx(resolver, domain).await,
            Inner::Fixed(zone) => zone.find(&zone.mx, domain),
        };
        match records {
            Ok(records) => order(records),
            Err(DnsFailure::NoName(_) | DnsFailure::Malformed(_)) => MxAnswer::NoDomain,
            Err(DnsFailure::Temporary(_, reason)) => MxAnswer::Temporary(reason),
            Err(DnsFailure::NoData(_)) => match self.addresses(domain).await {
                Ok(_) => MxAnswer::Implicit,
                Err(DnsFailure::Temporary(_, reason)) => MxAnswer::Temporary(reason),
                // An alias that ends nowhere is a slip of its administrator, and may be mended.
                Err(_) if self.is_alias(domain).await => {
                    MxAnswer::Temporary("its name is an alias that leads nowhere".to_owned())
                }
                Err(_) => MxAnswer::NoDomain,
            },
        }
    }

    /// Whether the name is an alias (CNAME), wherever that leads. Fixed zones have none.
    async fn is_alias(&self, name: &str) -> bool {
        let Inner::Live(resolver) = &self.0 else {
            return false;
        };
        let records = lookup(resolver, name, RecordType::CNAME).await;
        records.is_ok_and(|found| found.iter().any(|data| matches!(data, RData::CNAME(_))))
    }

    /// The addresses of a host, IPv6 first; an address in text form is itself. Aliases (CNAME) are
    /// followed by the resolver. One family's failure is forgiven when the other has an answer.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFailure> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let resolver = match &self.0 {
            Inner::Live(resolver) => resolver,
            Inner::Fixed(zone) => return zone.find(&zone.addresses, host),
        };
        let (v6, v4) = tokio::join!(
            lookup(resolver, host, RecordType::AAAA),
            lookup(resolver, host, RecordType::A)
        );
        let mut addresses = Vec::new();
        for data in [&v6, &v4].into_iter().flatten().flatten() {
            match data {
                RData::A(address) => addresses.push(IpAddr::V4(address.0)),
                RData::AAAA(address) => addresses.push(IpAddr::V6(address.0)),
                _ => {}
            }
        }
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        Err(match (v6, v4) {
            (Err(failure @ DnsFailure::Temporary(..)), _) | (_, Err(failure)) => failure,
            _ => DnsFailure::NoData(host.to_owned()),
        })
    }

    /// The IPv4 addresses of a name alone: what lists in the DNS answer with (RFC 5782 section 2.1).
    pub async fn ipv4(&self, name: &str) -> Result<Vec<Ipv4Addr>, DnsFailure> {
        let resolver = match &self.0 {
            Inner::Live(resolver) => resolver,
            Inner::Fixed(zone) => {
                let found = zone.find(&zone.addresses, name)?;
                let of_v4 = found.into_iter().filter_map(|address| match address {
                    IpAddr::V4(v4) => Some(v4),
                    IpAddr::V6(_) => None,
                });
                return some(of_v4.collect(), name);
            }
        };
        let records = lookup(resolver, name, RecordType::A).await?;
        let addresses = records.iter().filter_map(|data| match data {
            RData::A(address) => Some(address.0),
            _ => None,
        });
        some(addresses.collect(), name)
    }

    /// Names of an address, as it claims them.
    pub async fn ptr(&self, address: IpAddr) -> Result<Vec<String>, DnsFailure> {
        let resolver = match &self.0 {
            Inner::Live(resolver) => resolver,
            Inner::Fixed(zone) => {
                return zone
                    .ptr
                    .get(&address)
                    .cloned()
                    .ok_or_else(|| DnsFailure::NoName(address.to_string()));
            }
        };
        let name = Name::from(address).to_ascii();
        let records = lookup(resolver, &name, RecordType::PTR).await?;
        let names: Vec<_> = records
            .iter()
            .filter_map(|data| match data {
                RData::PTR(ptr) => Some(text(&ptr.0)),
                _ => None,
            })
            .collect();
        some(names, &name)
    }

    /// TXT records, the strings of each joined.
    pub async fn txt(&self, name: &str) -> Result<Vec<String>, DnsFailure> {
        let resolver = match &self.0 {
            Inner::Live(resolver) => resolver,
            Inner::Fixed(zone) => return zone.find(&zone.txt, name),
        };
        let records = lookup(resolver, name, RecordType::TXT).await?;
        let texts: Vec<_> = records
            .iter()
            .filter_map(|data| match data {
                RData::TXT(txt) => {
                    Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned())
                }
                _ => None,
            })
            .collect();
        some(texts, name)
    }
}

impl Zone {
    fn find<T: Clone>(
        &self,
        records: &HashMap<String, Vec<T>>,
        name: &str,
    ) -> Result<Vec<T>, DnsFailure> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if self.broken.contains(&name) {
            return Err(DnsFailure::Temporary(name, "the zone says so".to_owned()));
        }
        if let Some(found) = records.get(&name) {
            return Ok(found.clone());
        }
        let exists = self.mx.contains_key(&name)
            || self.addresses.contains_key(&name)
            || self.txt.contains_key(&name);
        Err(if exists {
            DnsFailure::NoData(name)
        } else {
            DnsFailure::NoName(name)
        })
    }
}

/// Sorts and shuffles MX records (RFC 5321 section 5.1), and knows the null MX (RFC 7505): a single
/// record with the root as its host. Beside others a root is a mistake and is left out.
fn order(mut records: Vec<(u16, String)>) -> MxAnswer {
    if let [(_, host)] = records.as_slice()
        && is_root(host)
    {
        return MxAnswer::NullMx;
    }
    records.retain(|(_, host)| !is_root(host));
    if records.is_empty() {
        return MxAnswer::NullMx;
    }
    fastrand::shuffle(&mut records);
    // Stable: equal preferences keep their shuffled order.
    records.sort_by_key(|(preference, _)| *preference);
    records.truncate(HOSTS_TRIED);
    let hosts = records
        .into_iter()
        .map(|(preference, host)| MxHost { preference, host });
    MxAnswer::Hosts(hosts.collect())
}

fn is_root(host: &str) -> bool {
    host.is_empty() || host == "."
}

async fn live_mx(resolver: &TokioResolver, domain: &str) -> Result<Vec<(u16, String)>, DnsFailure> {
    let records = lookup(resolver, domain, RecordType::MX).await?;
    let records: Vec<_> = records
        .iter()
        .filter_map(|data| match data {
            RData::MX(mx) => Some((mx.preference, text(&mx.exchange))),
            _ => None,
        })
        .collect();
    some(records, domain)
}

async fn lookup(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
) -> Result<Vec<RData>, DnsFailure> {
    let mut query = Name::from_ascii(name).map_err(|_| DnsFailure::Malformed(name.to_owned()))?;
    query.set_fqdn(true);
    match resolver.lookup(query, kind).await {
        Ok(found) => Ok(found
            .answers()
            .iter()
            .map(|record| record.data.clone())
            .collect()),
        Err(error) => Err(failure(name, &error)),
    }
}

fn failure(name: &str, error: &NetError) -> DnsFailure {
    let name = name.to_owned();
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => DnsFailure::NoName(name),
            ResponseCode::NoError => DnsFailure::NoData(name),
            other => DnsFailure::Temporary(name, other.to_string()),
        },
        NetError::Dns(DnsError::ResponseCode(ResponseCode::NXDomain)) => DnsFailure::NoName(name),
        other => DnsFailure::Temporary(name, other.to_string()),
    }
}

fn some<T>(found: Vec<T>, name: &str) -> Result<Vec<T>, DnsFailure> {
    if found.is_empty() {
        Err(DnsFailure::NoData(name.to_owned()))
    } else {
        Ok(found)
    }
}

/// A name without its final dot; the root is empty.
fn text(name: &Name) -> String {
    let ascii = name.to_ascii();
    ascii
        .strip_suffix('.')
        .map_or_else(|| ascii.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        let mx = |list: &[(u16, &str)]| -> Vec<(u16, String)> {
            list.iter()
                .map(|(preference, host)| (*preference, (*host).to_owned()))
                .collect()
        };
        let address = vec!["192.0.2.5".parse().unwrap()];
        Zone {
            mx: HashMap::from([
                (
                    "a.test".into(),
                    mx(&[(20, "two.a.test"), (10, "one.a.test"), (20, "zwei.a.test")]),
                ),
                ("null.test".into(), mx(&[(0, ".")])),
                ("odd.test".into(), mx(&[(0, "."), (5, "mx.odd.test")])),
            ]),
            addresses: HashMap::from([("plain.test".into(), address)]),
            txt: HashMap::from([("texts.test".into(), vec!["v=spf1 -all".to_owned()])]),
            broken: vec!["broken.test".into()],
            ..Zone::default()
        }
    }

    #[tokio::test]
    async fn finds_where_a_domain_takes_its_mail() {
        let resolver = Resolver::fixed(zone());
        let check = async |domain: &str, expected: &str| {
            let shown = match resolver.mx(domain).await {
                MxAnswer::Hosts(hosts) => {
                    let mut hosts: Vec<_> = hosts
                        .iter()
                        .map(|h| format!("{} {}", h.preference, h.host))
                        .collect();
                    let ordered = hosts.is_sorted_by_key(|h| h.split(' ').next().unwrap().len());
                    assert!(ordered);
                    hosts.sort();
                    hosts.join(", ")
                }
                other => format!("{other:?}"),
            };
            assert_eq!(shown, expected, "{domain}");
        };
        check("A.test.", "10 one.a.test, 20 two.a.test, 20 zwei.a.test").await;
        check("null.test", "NullMx").await;
        check("odd.test", "5 mx.odd.test").await;
        check("plain.test", "Implicit").await;
        check("texts.test", "NoDomain").await;
        check("nowhere.test", "NoDomain").await;
        check("broken.test", "Temporary(\"the zone says so\")").await;
    }

    #[test]
    fn equal_preferences_are_shuffled_and_sorted() {
        let records: Vec<_> = (0..60)
            .map(|n: u16| (n / 30, format!("mx{n}.test")))
            .rev()
            .collect();
        let firsts: std::collections::HashSet<_> = (0..50)
            .map(|_| match order(records.clone()) {
                MxAnswer::Hosts(hosts) => {
                    assert!(hosts.is_sorted_by_key(|host| host.preference));
                    assert_eq!(hosts.len(), HOSTS_TRIED);
                    hosts[0].host.clone()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(firsts.len() > 1);
    }

    #[tokio::test]
    async fn an_address_is_its_own_host() {
        let resolver = Resolver::fixed(Zone::default());
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(resolver.addresses("2001:db8::1").await, Ok(vec![address]));
        let missing = resolver.ipv4("x.test").await;
        assert_eq!(missing, Err(DnsFailure::NoName("x.test".to_owned())));
        let missing = resolver.addresses("x.test").await;
        assert_eq!(missing, Err(DnsFailure::NoName("x.test".to_owned())));
    }
}
