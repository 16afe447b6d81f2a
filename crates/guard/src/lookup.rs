//! What the DNS says of a sender: the name of its address, whether its domain takes mail, public lists.
//!
//! Questions are asked as early as their subject is known (the address when it connects, the domain at MAIL FROM, hosts of
//! links when the letter is there) and waited for at the verdict, all together at most [`WAIT`]. What has not been answered
//! by then is not known, and nothing follows from it. Answers are cached by the resolver for as long as they say.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use congvu_net::dns::{DnsFailure, MxAnswer, Resolver};
use congvu_spam::facts::{Listing, Ptr, Resolves, Side, Source, Subject};
use congvu_spam::links::{LinkHost, registered};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::Guard;
use crate::origin::is_public;

/// How long a letter waits for the DNS after its last octet. Clients wait ten minutes for that answer (RFC 5321 section
/// 4.5.3.2.6); people wait too, and what is cached takes no time.
pub const WAIT: Duration = Duration::from_secs(3);
/// How long a question runs that nobody waits for yet.
const PATIENCE: Duration = Duration::from_secs(20);
/// Names of an address that are followed: RFC 7208 section 4.6.4 allows ten; honest machines have one.
const NAMES_MOST: usize = 5;
/// Hosts of links asked about: letters with links to more than twenty owners are rare, and the first ones are seen first.
pub(crate) const HOSTS_MOST: usize = 20;
/// Seconds between two log lines about one list that refuses to answer.
const TOLD_AGAIN: i64 = 3_600;

/// A public list in the DNS (RFC 5782).
#[derive(Debug, Clone, PartialEq)]
pub struct DnsList {
    /// Its zone, without a final dot.
    pub zone: String,
    /// What is asked about.
    pub kind: ListKind,
    /// Log-odds of an entry; the sign follows from the kind.
    pub weight: f32,
    /// Answers that mean an entry; empty: any from 127.0.0.2 to 127.0.255.254 but those by which lists refuse.
    pub codes: Vec<RangeInclusive<Ipv4Addr>>,
    /// Hosts and domains are asked about in full rather than what is registered of them.
    pub whole_name: bool,
}

/// What a list has entries of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Addresses that are not wanted.
    Address,
    /// Addresses that are.
    Allow,
    /// Hosts of links that are not wanted.
    Host,
    /// Domains of senders that are not wanted.
    Domain,
}

/// What the DNS says of a client.
#[derive(Debug, Clone, Default)]
pub struct ClientFacts {
    /// The name of its address.
    pub ptr: Ptr,
    /// Lists that have its address.
    pub listings: Vec<Listing>,
}

/// What the DNS says of the domain in MAIL FROM.
#[derive(Debug, Clone, Default)]
pub struct SenderFacts {
    /// Whether it takes mail.
    pub resolves: Resolves,
    /// Lists that have it.
    pub listings: Vec<Listing>,
}

/// Questions that were asked. Dropping them ends them.
#[derive(Debug)]
pub struct Pending<T> {
    answer: watch::Receiver<Option<T>>,
    task: AbortHandle,
}

impl<T: Clone + Send + Sync + 'static> Pending<T> {
    /// Asks now. Needs a tokio runtime.
    fn ask(question: impl Future<Output = T> + Send + 'static) -> Self {
        let (sender, answer) = watch::channel(None);
        let task = tokio::spawn(async move {
            if let Ok(answer) = tokio::time::timeout(PATIENCE, question).await {
                // Nobody waits any more: the connection is gone.
                let _ = sender.send(Some(answer));
            }
        });
        Self {
            answer,
            task: task.abort_handle(),
        }
    }

    /// The answer, if it is there by then. Can be asked again and again.
    pub async fn until(&self, deadline: Instant) -> Option<T> {
        let mut answer = self.answer.clone();
        let found = timeout_at(deadline, answer.wait_for(Option::is_some)).await;
        found.ok()?.ok()?.clone()
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Guard {
    /// Begins to ask about a client that has connected; `None` if there is nothing to ask: private addresses are no
    /// business of public lists. Needs a tokio runtime.
    pub fn ask_client(&self, client: IpAddr) -> Option<Pending<ClientFacts>> {
        let settings = self.settings();
        let resolver = settings.resolver.clone().filter(|_| settings.enabled)?;
        let client = client.to_canonical();
        if !is_public(client) {
            return None;
        }
        let guard = self.clone();
        Some(Pending::ask(async move {
            let by_list = |list: &DnsList| match list.kind {
                ListKind::Address | ListKind::Allow => Some(reversed(client)),
                ListKind::Host | ListKind::Domain => None,
            };
            let asked = questions(&settings.dns_lists, by_list);
            let shown = client.to_string();
            let (ptr, listings) = tokio::join!(
                iprev(&resolver, client),
                guard.ask_lists(&resolver, asked, Subject::Network, &shown)
            );
            ClientFacts { ptr, listings }
        }))
    }

    /// Begins to ask about the domain in MAIL FROM (A-labels); `None` if there is nothing to ask. Whether it takes mail
    /// is asked for clients with public addresses alone: inside, names are what people make them. Needs a tokio runtime.
    pub fn ask_sender(&self, domain: &str, client: IpAddr) -> Option<Pending<SenderFacts>> {
        let settings = self.settings();
        let resolver = settings.resolver.clone().filter(|_| settings.enabled)?;
        let domain = domain.to_ascii_lowercase();
        if domain.is_empty() || domain.starts_with('[') {
            return None;
        }
        let listed = questions(&settings.dns_lists, |list| of_domain(list, &domain));
        let public = is_public(client);
        if !public && listed.is_empty() {
            return None;
        }
        let guard = self.clone();
        Some(Pending::ask(async move {
            let takes_mail = async {
                if public {
                    resolves(&resolver, &domain).await
                } else {
                    Resolves::Unknown
                }
            };
            let (answer, listings) = tokio::join!(
                takes_mail,
                guard.ask_lists(&resolver, listed, Subject::Domain, &domain)
            );
            SenderFacts {
                resolves: answer,
                listings,
            }
        }))
    }

    /// Whether lists of hosts are asked at all: only then the hosts of a letter need to be known.
    pub fn asks_hosts(&self) -> bool {
        let settings = self.settings();
        settings.resolver.is_some()
            && settings
                .dns_lists
                .iter()
                .any(|list| list.kind == ListKind::Host)
    }

    /// What lists say of the hosts of links and of the From domain (A-labels; empty: none), by the deadline.
    pub async fn ask_letter(
        &self,
        hosts: &[LinkHost],
        from_domain: &str,
        deadline: Instant,
    ) -> Vec<Listing> {
        let settings = self.settings();
        let Some(resolver) = settings.resolver.clone() else {
            return Vec::new();
        };
        let from_domain = from_domain.to_ascii_lowercase();
        let mut asking = JoinSet::new();
        let mut names: Vec<(String, Vec<Question>, Subject)> = Vec::new();
        let of_from = questions(&settings.dns_lists, |list| of_domain(list, &from_domain));
        if !from_domain.is_empty() {
            names.push((from_domain, of_from, Subject::Domain));
        }
        for host in hosts.iter().take(HOSTS_MOST) {
            let asked = questions(&settings.dns_lists, |list| of_host(list, host));
            names.push((host.name.clone(), asked, Subject::Link));
        }
        for (name, asked, what) in names.into_iter().filter(|(_, asked, _)| !asked.is_empty()) {
            let (guard, resolver) = (self.clone(), resolver.clone());
            asking.spawn(async move { guard.ask_lists(&resolver, asked, what, &name).await });
        }
        let mut found = Vec::new();
        while let Ok(Some(answered)) = timeout_at(deadline, asking.join_next()).await {
            found.extend(answered.unwrap_or_default());
        }
        found
    }

    async fn ask_lists(
        &self,
        resolver: &Resolver,
        asked: Vec<Question>,
        what: Subject,
        entry: &str,
    ) -> Vec<Listing> {
        let mut asking = JoinSet::new();
        for question in asked {
            let resolver = resolver.clone();
            asking.spawn(async move {
                let answer = resolver.ipv4(&question.name).await;
                (question, answer)
            });
        }
        let mut found = Vec::new();
        while let Some(Ok((question, answer))) = asking.join_next().await {
            let Ok(answer) = answer else {
                continue;
            };
            for list in question.lists {
                match meaning(&list, &answer) {
                    Meaning::Listed => found.push(listing(&list, what, entry)),
                    Meaning::Nothing => {}
                    Meaning::Refused(code) => self.tell_refusal(&list.zone, code),
                }
            }
        }
        found
    }

    fn tell_refusal(&self, zone: &str, code: Ipv4Addr) {
        let now = congvu_store::Timestamp::now().seconds();
        if self.standing().tell(zone, now, TOLD_AGAIN) {
            warn!(
                zone,
                %code,
                "DNS list refuses to answer; ask its operator, or another resolver, or remove it"
            );
        }
    }
}

/// One name to ask for, and the lists that its answer is read by.
#[derive(Debug)]
struct Question {
    name: String,
    lists: Vec<DnsList>,
}

/// Each name once, although a zone may stand several times, with other codes.
fn questions(lists: &[DnsList], subject: impl Fn(&DnsList) -> Option<String>) -> Vec<Question> {
    let mut all: Vec<Question> = Vec::new();
    for list in lists {
        let Some(subject) = subject(list) else {
            continue;
        };
        let name = format!("{subject}.{}", list.zone);
        match all.iter_mut().find(|question| question.name == name) {
            Some(question) => question.lists.push(list.clone()),
            None => all.push(Question {
                name,
                lists: vec![list.clone()],
            }),
        }
    }
    all
}

fn of_domain(list: &DnsList, domain: &str) -> Option<String> {
    (list.kind == ListKind::Domain && !domain.is_empty()).then(|| {
        if list.whole_name {
            domain.to_owned()
        } else {
            registered(domain).to_owned()
        }
    })
}

fn of_host(list: &DnsList, host: &LinkHost) -> Option<String> {
    if list.kind != ListKind::Host {
        return None;
    }
    if host.is_address {
        // RFC 5782 section 2.1: reversed, as for the addresses of clients.
        return Some(reversed(host.name.parse().ok()?));
    }
    Some(if list.whole_name {
        host.name.clone()
    } else {
        host.registered.clone()
    })
}

/// An address as lists in the DNS name it: RFC 5782 sections 2.1 and 2.4.
fn reversed(address: IpAddr) -> String {
    let mut labels: Vec<String> = match address {
        IpAddr::V4(four) => four.octets().iter().map(u8::to_string).collect(),
        IpAddr::V6(six) => six
            .octets()
            .iter()
            .flat_map(|octet| [octet >> 4, octet & 15])
            .map(|half| format!("{half:x}"))
            .collect(),
    };
    labels.reverse();
    labels.join(".")
}

#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Listed,
    Nothing,
    Refused(Ipv4Addr),
}

/// What an answer says. Lists refuse with addresses as well (too many questions, a public resolver, a typing error): taken
/// for entries, they would make all mail look bad at once. So is an answer from outside 127/8, which is a resolver that
/// lies or a zone that somebody else bought.
fn meaning(list: &DnsList, answer: &[Ipv4Addr]) -> Meaning {
    let refused = answer.iter().find(|&code| {
        let [net, a, b, c] = code.octets();
        let named = list.codes.iter().any(|range| range.contains(code));
        net != 127
            || a == 255
            || (!named && (*code == Ipv4Addr::LOCALHOST || (a, b, c) == (0, 1, 255)))
    });
    if let Some(code) = refused {
        return Meaning::Refused(*code);
    }
    let is_entry = |code: &Ipv4Addr| {
        if list.codes.is_empty() {
            code.octets()[1] == 0
        } else {
            list.codes.iter().any(|range| range.contains(code))
        }
    };
    if answer.iter().any(is_entry) {
        Meaning::Listed
    } else {
        Meaning::Nothing
    }
}

fn listing(list: &DnsList, what: Subject, entry: &str) -> Listing {
    Listing {
        list: list.zone.clone(),
        entry: entry.to_owned(),
        what,
        side: if list.kind == ListKind::Allow {
            Side::Allow
        } else {
            Side::Block
        },
        source: Source::Public,
        weight: list.weight,
        reason: None,
    }
}

/// RFC 8601 section 2.7.3 ("iprev"): the address has a name that leads back to it.
async fn iprev(resolver: &Resolver, client: IpAddr) -> Ptr {
    let names = match resolver.ptr(client).await {
        Ok(names) => names,
        Err(DnsFailure::NoName(_) | DnsFailure::NoData(_)) => return Ptr::Missing,
        Err(DnsFailure::Temporary(..) | DnsFailure::Malformed(_)) => return Ptr::Unknown,
    };
    let mut unsure = false;
    for name in names.iter().take(NAMES_MOST) {
        match resolver.addresses(name).await {
            Ok(addresses) => {
                if addresses.iter().any(|one| one.to_canonical() == client) {
                    return Ptr::Confirmed(name.clone());
                }
            }
            Err(DnsFailure::Temporary(..)) => unsure = true,
            Err(_) => {}
        }
    }
    match names.into_iter().next() {
        Some(name) if !unsure => Ptr::Unconfirmed(name),
        _ => Ptr::Unknown,
    }
}

async fn resolves(resolver: &Resolver, domain: &str) -> Resolves {
    match resolver.mx(domain).await {
        MxAnswer::Hosts(_) | MxAnswer::Implicit => Resolves::Yes,
        // RFC 7505 section 4.2: nothing honest comes from a domain that takes no mail.
        MxAnswer::NullMx | MxAnswer::NoDomain => Resolves::No,
        MxAnswer::Temporary(_) => Resolves::Unknown,
    }
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
