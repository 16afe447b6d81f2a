//! Judging a letter on its way in: facts are gathered, the letter is scanned once, and each account gets its verdict.
//!
//! Three steps, so that octets are read off the executor if they are many, and no octet is held while names are looked
//! up: [`Guard::glance`] reads what the look-ups need, [`Guard::gather`] asks DNS, memory and store, [`Gathered::judge`]
//! scans. **Where facts are filled**: what is the same for all recipients in `common`, once a letter; what belongs to an
//! agency or an account in `own`, once for each [`Class`] of recipients who have the same. A letter to five thousand
//! people is scanned once, and of the stages only those run again that read what a class has of its own.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use congvu_directory::AgencyId;
use congvu_directory::record::Account;
use congvu_message::{Address, Summary};
use congvu_spam::facts::{
    Authentication, Connection, Correspondence, Envelope, Learned as Taught, Listing, Login,
    Personal, Policy, Protected, Side, Standing,
};
use congvu_spam::statistics::{Delta, Model};
use congvu_spam::{Facts, Judgement, Letter, Scan, Thresholds, Verdict};
use congvu_store::{AccountId, Read};
use tracing::warn;

use crate::correspondence::Learned;
use crate::inquiry::{Asked, Claims, Doubt, Footprint, Found, Trail};
use crate::lists::{Sender, look};
use crate::{Guard, Scope};

/// Words of a suspicious letter that are named in its header.
const WORDS_NAMED: usize = 8;

/// Classes of recipients judged in place: some 0.1 ms each, two milliseconds together.
const CLASSES_FEW: usize = 20;

/// What reception knows of a letter that is complete.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Who connected; `None` over LMTP, where only the server in front of us is known.
    pub client: Option<IpAddr>,
    /// What the client called itself; `None` over LMTP.
    pub helo: Option<String>,
    /// The client talked before its turn.
    pub early_talk: bool,
    /// The connection was encrypted.
    pub tls: bool,
    /// Who proved to be whom.
    pub login: Login,
    /// MAIL FROM; empty for the null reverse-path.
    pub sender: String,
    /// RCPT TO, as named.
    pub to: Vec<String>,
    /// Our accounts that get it, each once.
    pub accounts: Vec<AccountId>,
    /// It may be refused: the client still waits and tells its sender (SMTP, not LMTP), and nobody elsewhere gets it.
    pub refusable: bool,
    /// When it arrived, seconds since 1970.
    pub at: i64,
    /// Its size, octets.
    pub octets: u64,
    /// What was asked of the DNS before the letter was there.
    pub asked: Asked,
}

/// What the look-ups need to know of a letter's text, read once.
#[derive(Debug, Clone, Default)]
pub struct Glance {
    claims: Claims,
}

/// Facts that hold for all recipients.
#[derive(Debug, Default)]
struct Common {
    connection: Connection,
    envelope: Envelope,
    authentication: Authentication,
    standing: Standing,
    policy: Policy,
    /// What the house learned.
    model: Option<Arc<Model>>,
    now: i64,
}

/// Facts of an agency or account.
#[derive(Debug, Clone, Default)]
struct Own {
    thresholds: Thresholds,
    listings: Vec<Listing>,
    correspondence: Correspondence,
    advertisements_today: Option<u32>,
    protected: Arc<Vec<Protected>>,
    attachments: Arc<Vec<String>>,
    /// What the agency's people taught, and what the account's owner taught.
    taught: [Option<Arc<Delta>>; 2],
}

/// What one account has that others of its agency have not.
#[derive(Debug, Default)]
struct Private {
    listings: Vec<Listing>,
    /// What the account's owner taught.
    taught: Option<Arc<Delta>>,
}

/// Recipients who have the same facts of their own.
#[derive(Debug)]
struct Class {
    own: Own,
    accounts: Vec<AccountId>,
}

/// All facts about a letter but its octets.
#[derive(Debug)]
pub struct Gathered {
    common: Common,
    classes: Vec<Class>,
    refusable: bool,
    trail: Trail,
}

/// What happens to a letter.
#[derive(Debug, Clone)]
pub struct Ruling {
    /// What is said of it in its header, the log and the trace: of a letter to one account its own judgement, otherwise
    /// the one that holds for all, so that nobody reads what another allows or blocks.
    pub judgement: Judgement,
    /// Header fields that tell it, ASCII, with their line ends.
    pub header: String,
    /// What is remembered of it once it is placed.
    pub(crate) footprint: Option<Footprint>,
    defers: bool,
    verdicts: HashMap<AccountId, Verdict>,
}

impl Guard {
    /// Reads what the look-ups need; does not fail.
    pub fn glance(&self, raw: &[u8], summary: &Summary) -> Glance {
        Glance {
            claims: self.claims(raw, summary),
        }
    }

    /// Asks DNS, memory and store. What cannot be found out is not known, and nothing follows from it. `None`: no
    /// recipient wants letters to be judged.
    pub async fn gather(
        &self,
        arrival: &Arrival,
        summary: &Summary,
        glance: &Glance,
    ) -> Option<Gathered> {
        let settings = self.settings();
        if !settings.enabled || arrival.accounts.is_empty() {
            return None;
        }
        let mut common = common(arrival);
        common.policy.genuine = Arc::clone(&settings.official_hosts);
        common.model = Some(self.house());
        let sender = sender(arrival, summary, glance);
        let (domains, classes) = self.classes(arrival, &sender).await;
        if classes.is_empty() {
            return None;
        }
        common.standing.listings = self.listed(Scope::House, &sender).await;
        let from = summary.envelope.from.iter();
        let mut hosts = from.filter_map(|mailbox| mailbox.host.as_deref());
        common.authentication.from_is_ours =
            hosts.any(|host| domains.iter().any(|own| own.eq_ignore_ascii_case(host)));
        common.policy.our_domains = domains;
        common.policy.our_hosts = Arc::new(vec![settings.hostname.clone()]);
        let found = self.inquire(
            arrival,
            &glance.claims,
            &common.authentication,
            &common.policy,
        );
        let found = found.await;
        let classes = classes.into_iter().flat_map(|class| class.divided(&found));
        let classes = classes.collect();
        common.connection.ptr = found.ptr;
        common.envelope.from_domain = found.resolves;
        common.standing.reputation = found.standing.reputation;
        common.standing.rate = found.standing.rate;
        common.standing.listings.extend(found.standing.listings);
        Some(Gathered {
            common,
            classes,
            refusable: arrival.refusable,
            trail: found.trail,
        })
    }

    /// Our domains; and the recipients in classes, first of all one for each agency that wants letters to be judged.
    async fn classes(&self, arrival: &Arrival, sender: &Sender) -> (Arc<Vec<String>>, Vec<Class>) {
        let accounts = arrival.accounts.clone();
        let by_agency = self.store().read(move |r| by_agency(r, &accounts)).await;
        let by_agency = by_agency.unwrap_or_else(|error| {
            warn!(%error, "agencies not known, the filter's defaults hold");
            BTreeMap::new()
        });
        let members: Vec<(AccountId, AgencyId)> = by_agency
            .iter()
            .flat_map(|(agency, accounts)| accounts.iter().map(|account| (*account, *agency)))
            .collect();
        let agencies = by_agency.keys().copied().collect();
        let (domains, wishes) = self.wishes(agencies).await.unwrap_or_else(|error| {
            warn!(%error, "wishes of agencies not known, the filter's defaults hold");
            Default::default()
        });
        if wishes.is_empty() {
            let everybody = Class {
                own: Own::default(),
                accounts: arrival.accounts.clone(),
            };
            return (domains, vec![everybody]);
        }
        let taught = self.taught(&members).await;
        // What single accounts have of their own is filled here; who has nothing is judged with his agency.
        let mut private: HashMap<AccountId, Private> = HashMap::new();
        for (account, _) in &members {
            if let Some(delta) = taught.account(*account) {
                private.entry(*account).or_default().taught = Some(delta);
            }
        }
        for (account, listings) in self.listed_by_accounts(&arrival.accounts, sender).await {
            private.entry(account).or_default().listings = listings;
        }
        let mut classes = Vec::new();
        for ((agency, accounts), wishes) in by_agency.into_iter().zip(wishes) {
            if !wishes.enabled {
                continue;
            }
            let mut listings = Vec::new();
            for agency in &wishes.line {
                listings.extend(self.listed(Scope::Agency(*agency), sender).await);
            }
            let common = Own {
                listings,
                thresholds: wishes.thresholds,
                protected: Arc::clone(&wishes.protected),
                attachments: Arc::clone(&wishes.attachments),
                taught: [taught.agency(agency), None],
                ..Own::default()
            };
            classes.extend(split(common, accounts, &mut private));
        }
        (domains, classes)
    }
}

impl Guard {
    /// What a scope's list says of a letter; nothing if that cannot be read.
    async fn listed(&self, scope: Scope, sender: &Sender) -> Vec<Listing> {
        let sender = sender.clone();
        let found = self.store().read(move |r| look(r, scope, &sender)).await;
        found.unwrap_or_else(|error: congvu_store::Error| {
            warn!(%error, "list of senders not read");
            Vec::new()
        })
    }

    /// What the lists of accounts say; those with nothing to say are left out.
    async fn listed_by_accounts(
        &self,
        accounts: &[AccountId],
        sender: &Sender,
    ) -> Vec<(AccountId, Vec<Listing>)> {
        let mut found = Vec::new();
        for some in accounts.chunks(ACCOUNTS_AT_ONCE) {
            let (some, sender) = (some.to_vec(), sender.clone());
            let read = self.store().read(move |r| {
                let mut found = Vec::new();
                for account in &some {
                    let listings = look(r, Scope::Account(*account), &sender)?;
                    if !listings.is_empty() {
                        found.push((*account, listings));
                    }
                }
                Ok::<_, congvu_store::Error>(found)
            });
            match read.await {
                Ok(some) => found.extend(some),
                Err(error) => warn!(%error, "lists of senders not read"),
            }
        }
        found
    }
}

/// Accounts whose lists are read in one closure: a millisecond.
const ACCOUNTS_AT_ONCE: usize = 500;

/// The accounts of an agency: each that has something private in a class of its own, the others together.
fn split(
    common: Own,
    accounts: Vec<AccountId>,
    private: &mut HashMap<AccountId, Private>,
) -> Vec<Class> {
    let (mut classes, mut others) = (Vec::new(), Vec::new());
    for account in accounts {
        let Some(private) = private.remove(&account) else {
            others.push(account);
            continue;
        };
        let mut own = common.clone();
        own.listings.extend(private.listings);
        own.taught[1] = private.taught;
        classes.push(Class {
            own,
            accounts: vec![account],
        });
    }
    if !others.is_empty() {
        classes.push(Class {
            own: common,
            accounts: others,
        });
    }
    classes
}

/// What holds for all recipients.
fn common(arrival: &Arrival) -> Common {
    Common {
        connection: Connection {
            ip: arrival.client,
            helo: arrival.helo.clone(),
            early_talk: arrival.early_talk,
            tls: arrival.tls,
            login: arrival.login.clone(),
            ..Connection::default()
        },
        envelope: Envelope {
            from: Some(arrival.sender.clone()),
            to: arrival.to.clone(),
            ..Envelope::default()
        },
        now: arrival.at,
        ..Common::default()
    }
}

/// Accounts by their agency. Those that are gone meanwhile are in none.
fn by_agency<R: Read>(
    r: &R,
    accounts: &[AccountId],
) -> Result<BTreeMap<AgencyId, Vec<AccountId>>, congvu_store::Error> {
    let mut found: BTreeMap<_, Vec<AccountId>> = BTreeMap::new();
    for id in accounts {
        if let Some(account) = r.get::<Account>(id)? {
            found.entry(account.agency).or_default().push(*id);
        }
    }
    Ok(found)
}

/// What of a letter can stand on a list.
fn sender(arrival: &Arrival, summary: &Summary, glance: &Glance) -> Sender {
    let author = summary.envelope.from.iter().find_map(|mailbox| {
        let (local, host) = (mailbox.mailbox.as_deref()?, mailbox.host.as_deref()?);
        Address::parse(&format!("{local}@{host}")).ok()
    });
    let mail_from = Address::parse(&arrival.sender).ok();
    let mut addresses: Vec<String> = [author, mail_from]
        .into_iter()
        .flatten()
        .map(|address| address.to_string().to_lowercase())
        .collect();
    addresses.dedup();
    Sender {
        addresses,
        client: arrival.client,
        hosts: glance.claims.hosts().map(str::to_owned).collect(),
        now: arrival.at,
    }
}

impl Gathered {
    /// Whether judging is more than a scan, as many recipients have something of their own.
    pub fn takes_long(&self) -> bool {
        self.classes.len() > CLASSES_FEW
    }

    /// Scans a letter and judges it for everybody. Takes some 0.2 ms, at most [`congvu_spam::bounds::TIME`] and
    /// [`congvu_spam::bounds::PERSONAL_TIME`] together.
    pub fn judge(&self, raw: &[u8], summary: &Summary) -> Ruling {
        let common = &self.common;
        let letter = Letter::read(raw, summary);
        let mut standing = common.standing.clone();
        let fingerprint = self.trail.copies(&letter, &mut standing);
        let facts = Facts {
            connection: common.connection.clone(),
            envelope: common.envelope.clone(),
            authentication: common.authentication.clone(),
            standing,
            policy: common.policy.clone(),
            learned: common.model.as_deref().map(|model| Taught {
                model,
                agency: None,
                account: None,
            }),
            now: Some(common.now),
            ..Facts::new(&letter)
        };
        let mut scan = Scan::new(facts);
        let mut verdicts = HashMap::new();
        let mut judgements = Vec::with_capacity(self.classes.len());
        for class in &self.classes {
            let judgement = scan.judge_for(&class.own.personal());
            for account in &class.accounts {
                verdicts.insert(*account, judgement.verdict);
            }
            judgements.push(judgement);
        }
        let defers = self.refusable && self.defers(&judgements);
        let alone = judgements.pop().filter(|_| verdicts.len() == 1);
        let refused = self.refusable && verdicts.values().all(|one| *one == Verdict::Reject);
        if !refused {
            // Somebody takes it, or nobody waits for the answer: held for those who would refuse it.
            for verdict in verdicts.values_mut() {
                *verdict = (*verdict).min(Verdict::Quarantine);
            }
        }
        let mut judgement = alone.unwrap_or_else(|| scan.judgement());
        if !refused {
            judgement.verdict = judgement.verdict.min(Verdict::Quarantine);
        }
        let words = if judgement.verdict == Verdict::Inbox {
            Vec::new()
        } else {
            scan.words(WORDS_NAMED)
        };
        Ruling {
            header: judgement.header(&words),
            judgement,
            footprint: Some(self.trail.footprint(fingerprint, &letter)),
            defers,
            verdicts,
        }
    }

    /// Whether the letter is asked to come again.
    fn defers(&self, judgements: &[Judgement]) -> bool {
        let doubt = |(class, judgement)| {
            let class: &Class = class;
            Doubt {
                judgement,
                correspondence: class.own.correspondence,
                listings: &class.own.listings,
            }
        };
        let doubts: Vec<Doubt<'_>> = self.classes.iter().zip(judgements).map(doubt).collect();
        let allows = |listing: &Listing| listing.side == Side::Allow;
        if self.common.standing.listings.iter().any(allows) {
            return false;
        }
        self.trail.defers(&self.common.connection.login, &doubts)
    }
}

impl Class {
    /// The same recipients by what passed between each of them and the sender.
    fn divided(self, found: &Found) -> Vec<Class> {
        let mut all: Vec<Class> = Vec::new();
        for account in self.accounts {
            let (correspondence, advertisements_today) = found.of(account);
            let same = |class: &&mut Class| {
                class.own.correspondence == correspondence
                    && class.own.advertisements_today == advertisements_today
            };
            match all.iter_mut().find(same) {
                Some(class) => class.accounts.push(account),
                None => all.push(Class {
                    own: Own {
                        correspondence,
                        advertisements_today,
                        ..self.own.clone()
                    },
                    accounts: vec![account],
                }),
            }
        }
        all
    }
}

impl Own {
    fn personal(&self) -> Personal<'_> {
        let [agency, account] = &self.taught;
        Personal {
            thresholds: self.thresholds,
            listings: self.listings.clone(),
            correspondence: self.correspondence,
            advertisements_today: self.advertisements_today,
            protected: Arc::clone(&self.protected),
            attachments: Arc::clone(&self.attachments),
            agency: agency.as_deref(),
            account: account.as_deref(),
        }
    }
}

impl Ruling {
    /// What happens to an account's copy.
    pub fn verdict(&self, account: AccountId) -> Verdict {
        self.verdicts
            .get(&account)
            .copied()
            .unwrap_or(Verdict::Inbox)
    }

    /// Whether the client is asked to come again later.
    pub fn defers(&self) -> bool {
        self.defers
    }

    /// Where correspondents of the recipients turned out to write from; belongs into the transaction that places it.
    pub fn learned(&self) -> Option<&Learned> {
        let learned = self.footprint.as_ref().map(|footprint| &footprint.learned);
        learned.filter(|learned| !learned.accounts.is_empty())
    }

    /// Whether the letter is refused: everybody's agency wants that, and the client still waits for the answer.
    pub fn refuses(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.values().all(|one| *one == Verdict::Reject)
    }
}
