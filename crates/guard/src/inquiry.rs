//! Everything that is to be found out about a letter's sender, put together: what was asked early, what the letter itself
//! names, what memory and records know; and afterwards what is to be remembered.
//!
//! `judge` calls this in four places: reading the letter, gathering, judging, and ruling. Each source has its own file.

use std::collections::HashMap;
use std::sync::Arc;

use congvu_message::{Summary, header};
use congvu_spam::facts::{
    Authentication, Correspondence, Listing, Login, Policy, Ptr, Resolves, Side, Standing,
};
use congvu_spam::links::{self, LinkHost};
use congvu_spam::simhash::Fingerprint;
use congvu_spam::{Judgement, Letter, Verdict};
use congvu_store::AccountId;
use tokio::time::Instant;
use tracing::warn;

use crate::Guard;
use crate::correspondence::{self, Learned};
use crate::judge::{Arrival, Ruling};
use crate::lookup::{ClientFacts, HOSTS_MOST, Pending, SenderFacts, WAIT};
use crate::origin::{Origin, domain};
use crate::standing::{Seen, author_of};

/// Words by which a subject says that the letter is urgent, folded: Hỏa tốc, Thượng khẩn, Khẩn.
const URGENT: [&str; 3] = ["hoa toc", "thuong khan", "khan"];

/// What was asked of the DNS before the letter was there.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// About the client.
    pub client: Option<Arc<Pending<ClientFacts>>>,
    /// About the domain in MAIL FROM.
    pub sender: Option<Arc<Pending<SenderFacts>>>,
}

/// What the letter itself says of its sender, read once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    /// The address in From.
    from: String,
    /// Message-IDs that it answers.
    named: Vec<String>,
    /// Hosts of its links, if lists are asked about them.
    hosts: Vec<LinkHost>,
    urgent: bool,
}

/// What was found out.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) ptr: Ptr,
    pub(crate) resolves: Resolves,
    /// Listings, reputation, rate.
    pub(crate) standing: Standing,
    pub(crate) trail: Trail,
    /// By account: what passed before, and which advertisement of today this would be.
    personal: HashMap<AccountId, (Correspondence, Option<u32>)>,
}

/// What must still be known of the sender while the letter is judged and afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    guard: Guard,
    origin: Origin,
    learned: Learned,
    accounts: Vec<AccountId>,
    to: Vec<String>,
    urgent: bool,
    now: i64,
}

/// What a judged letter leaves behind when it is placed.
#[derive(Debug, Clone)]
pub(crate) struct Footprint {
    pub(crate) seen: Seen,
    pub(crate) learned: Learned,
    pub(crate) advertising: bool,
}

/// What decides whether a letter is asked to come again, for one class of recipients.
#[derive(Debug)]
pub(crate) struct Doubt<'a> {
    pub(crate) judgement: &'a Judgement,
    pub(crate) correspondence: Correspondence,
    pub(crate) listings: &'a [Listing],
}

impl Claims {
    /// Hosts of links, A-labels; none if nobody has a list of any.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| host.name.as_str())
    }
}

impl Guard {
    /// Reads what a letter says of its sender.
    pub(crate) fn claims(&self, raw: &[u8], summary: &Summary) -> Claims {
        let head = &raw[..header::body_start(raw)];
        let hosts = if self.asks_hosts() || self.wants_hosts() {
            // Ours and those twice named come off afterwards, so a few more are read.
            links::hosts(&Letter::read(raw, summary), 2 * HOSTS_MOST)
        } else {
            Vec::new()
        };
        Claims {
            from: author_of(&summary.envelope.from).unwrap_or_default(),
            named: correspondence::named(head),
            hosts,
            urgent: is_urgent(summary.envelope.subject.as_deref().unwrap_or_default()),
        }
    }

    /// Finds out what can be found out, within [`WAIT`]. Nobody is asked about domains and hosts of this house.
    pub(crate) async fn inquire(
        &self,
        arrival: &Arrival,
        claims: &Claims,
        authentication: &Authentication,
        policy: &Policy,
    ) -> Found {
        let deadline = Instant::now() + WAIT;
        let is_ours = |name: &str| {
            let mut ours = policy.our_domains.iter().chain(policy.our_hosts.iter());
            ours.any(|own| links::same_owner(own, name))
        };
        let hosts: Vec<LinkHost> = claims
            .hosts
            .iter()
            .filter(|host| !is_ours(&host.name))
            .take(HOSTS_MOST)
            .cloned()
            .collect();
        let asks = !self.settings().dns_lists.is_empty();
        let from_domain = Some(domain(&claims.from)).filter(|name| asks && !is_ours(name));
        let client = async {
            let pending = arrival.asked.client.as_ref()?;
            pending.until(deadline).await
        };
        let sender = async {
            let pending = arrival.asked.sender.as_ref()?;
            pending.until(deadline).await
        };
        let (client, sender, listings) = tokio::join!(
            client,
            sender,
            self.ask_letter(&hosts, from_domain.unwrap_or_default(), deadline)
        );
        let client = client.unwrap_or_default();
        let sender = sender.unwrap_or_default();
        let origin = Origin::new(
            arrival.client,
            &client.ptr,
            &claims.from,
            &arrival.sender,
            authentication,
        );
        let mut standing = self.remembered(&origin, arrival.at);
        standing.listings = [client.listings, sender.listings, listings].concat();
        let (personal, learned) = self.personal(arrival, claims, &origin).await;
        Found {
            ptr: client.ptr,
            resolves: sender.resolves,
            standing,
            personal,
            trail: Trail {
                guard: self.clone(),
                origin,
                learned,
                accounts: arrival.accounts.clone(),
                to: arrival.to.clone(),
                urgent: claims.urgent,
                now: arrival.at,
            },
        }
    }

    async fn personal(
        &self,
        arrival: &Arrival,
        claims: &Claims,
        origin: &Origin,
    ) -> (HashMap<AccountId, (Correspondence, Option<u32>)>, Learned) {
        let (accounts, from, named) = (
            arrival.accounts.clone(),
            origin.clone(),
            claims.named.clone(),
        );
        let found = self
            .store()
            .read(move |r| correspondence::find(r, &accounts, &from, &named))
            .await;
        let found = found.unwrap_or_else(|error| {
            warn!(%error, "correspondence not known");
            correspondence::Found::default()
        });
        let of = |account: &AccountId| {
            let written = found.by_account.get(account).copied().unwrap_or_default();
            let what = match written {
                Correspondence::None | Correspondence::Unknown => {
                    let received = self.received(*account, origin, arrival.at);
                    received.unwrap_or(written)
                }
                known => known,
            };
            let today = self.advertisements(*account, domain(&claims.from), arrival.at);
            // Only what is too many or nearly so is anybody's own: nothing follows from the first ones.
            (*account, (what, today.filter(|count| *count > 1)))
        };
        (arrival.accounts.iter().map(of).collect(), found.learned)
    }
}

impl Found {
    /// What belongs to one account: what passed before, and which advertisement of today this would be.
    pub(crate) fn of(&self, account: AccountId) -> (Correspondence, Option<u32>) {
        self.personal.get(&account).copied().unwrap_or_default()
    }
}

impl Trail {
    /// The text's fingerprint, with what is known of its copies entered into the facts.
    pub(crate) fn copies(
        &self,
        letter: &Letter<'_>,
        standing: &mut Standing,
    ) -> Option<Fingerprint> {
        let fingerprint = Fingerprint::of(letter)?;
        let copies = self.guard.copies(fingerprint, &self.accounts, self.now);
        standing.copies = Some(copies);
        Some(fingerprint)
    }

    /// Whether the letter is to come again: doubtful for everybody who gets it, and nothing that speaks against asking.
    /// Remembers the attempt.
    pub(crate) fn defers(&self, login: &Login, doubts: &[Doubt<'_>]) -> bool {
        let greylist = self.guard.settings().greylist;
        let exempt = self.urgent
            || *login != Login::Nobody
            || self.origin.mail_from.is_empty()
            || self.origin.client.is_none();
        if exempt || doubts.is_empty() {
            return false;
        }
        let doubtful = |doubt: &Doubt<'_>| {
            let stranger = matches!(
                doubt.correspondence,
                Correspondence::Unknown | Correspondence::None
            );
            let mut listings = doubt.listings.iter();
            stranger
                && greylist.doubts(doubt.judgement.probability)
                && !listings.any(|listing| listing.side == Side::Allow)
        };
        doubts.iter().all(doubtful) && !self.guard.passes(&self.origin, &self.to, self.now)
    }

    /// What is left when the letter is placed.
    pub(crate) fn footprint(
        &self,
        fingerprint: Option<Fingerprint>,
        letter: &Letter<'_>,
    ) -> Footprint {
        Footprint {
            seen: Seen {
                origin: self.origin.clone(),
                fingerprint,
            },
            learned: self.learned.clone(),
            advertising: congvu_spam::is_advertising(letter),
        }
    }
}

impl Guard {
    /// A letter was placed, under the id in its Received field, with these accounts: remembers it. `now`: when it arrived,
    /// seconds since 1970.
    pub fn settled(&self, ruling: &Ruling, id: &str, accounts: &[AccountId], now: i64) {
        let Some(footprint) = &ruling.footprint else {
            return;
        };
        let verdict = |account: &AccountId| (*account, ruling.verdict(*account));
        let verdicts: Vec<(AccountId, Verdict)> = accounts.iter().map(verdict).collect();
        self.placed(id, &footprint.seen, &ruling.judgement, &verdicts, now);
        if footprint.advertising {
            self.advertised(footprint.seen.origin.author_domain(), accounts, now);
        }
    }
}

/// Whether a subject begins with a mark of urgency, in brackets or not: `[HỎA TỐC] …`, `Khẩn: …`. Anybody can write so;
/// all it gains is not to be asked to come again.
fn is_urgent(subject: &str) -> bool {
    let subject = congvu_message::fold::fold(&congvu_message::fold::normalize(subject));
    let start = subject.trim_start_matches(|c: char| !c.is_alphanumeric());
    URGENT.iter().any(|mark| {
        start.strip_prefix(mark).is_some_and(|rest| {
            let next = rest.trim_start_matches(' ').chars().next();
            next.is_some_and(|c| matches!(c, ']' | ')' | ':' | '-' | '!' | '|' | '/'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_urgency() {
        for urgent in [
            "[HỎA TỐC] Báo cáo",
            "Hoả tốc: họp",
            "KHẨN - công văn",
            "(Thượng khẩn) về việc",
            "[khan] x",
        ] {
            assert!(is_urgent(urgent), "{urgent}");
        }
        for plain in [
            "Khẩn trương thực hiện",
            "Báo cáo khẩn",
            "",
            "Re: hỏa tốc",
            "khán giả: mời",
        ] {
            assert!(!is_urgent(plain), "{plain}");
        }
    }
}
