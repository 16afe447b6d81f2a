//! What memory says of a sender, in one place: asked before a letter is judged, told after it was placed, and told again
//! when people say what they think of it.
//!
//! All of this is soft: bounded maps in memory, kept across restarts by `saved` where losing them would cost something.
//! Time is given by the caller, seconds since 1970.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use congvu_message::header;
use congvu_spam::facts::{Authentication, Correspondence, Ptr, Rate, Reputation, Standing};
use congvu_spam::simhash::Fingerprint;
use congvu_spam::statistics::Class;
use congvu_spam::{Judgement, Letter, Verdict};
use congvu_store::AccountId;
use serde::{Deserialize, Serialize};

use crate::Guard;
use crate::advertisers::{self, Letters};
use crate::copies;
use crate::greylist::{self, Tried};
use crate::origin::{Origin, domain};
use crate::rates::{self, Pace};
use crate::reputation::{self, Counts};
use crate::soft::{Keys, Soft};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Days for which a complaint takes away what letters without complaint had earned.
const COMPLAINT_DAYS: i64 = 90;
/// Most pairs of account and sender: some 6 MB.
const PAIRS_MOST: usize = 100_000;
/// Most letters whose origin is remembered for when somebody complains: some 8 MB; half of them are never forgotten before
/// as many came after them. For older ones the Received field tells the address.
const LETTERS_MOST: usize = 50_000;
/// Recipients of a letter that are counted one by one.
const ACCOUNTS_MOST: usize = 1_000;
/// Recipients of a letter of which triplets are remembered for greylisting.
const TRIPLETS_MOST: usize = 20;

/// All soft memory about senders.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) keys: Keys,
    /// Since when the memory is gathered.
    pub(crate) since: AtomicI64,
    pub(crate) reputation: Soft<Counts>,
    pub(crate) rates: Soft<Pace>,
    pub(crate) received: Soft<Received>,
    pub(crate) tried: Soft<Tried>,
    copies: copies::Book,
    advertisers: Soft<Letters>,
    letters: Soft<Memo>,
    told: Mutex<HashMap<String, i64>>,
}

/// Letters of one sender to one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Received {
    /// Days on which letters came that stayed in the inbox.
    days: u32,
    /// The last of them, days since 1970.
    last: i64,
    /// When somebody complained last, seconds since 1970; 0 = never.
    complaint: i64,
}

/// What is remembered of a letter until somebody says something about it.
#[derive(Debug, Clone, Default)]
struct Memo {
    counted: Vec<u64>,
    senders: Vec<String>,
    fingerprint: Option<Fingerprint>,
}

impl Memory {
    /// Nothing known, under a key of its own.
    pub(crate) fn new(seed: u64, since: i64) -> Self {
        Self {
            keys: Keys(seed),
            since: AtomicI64::new(since),
            reputation: Soft::new(reputation::MOST),
            rates: Soft::new(rates::MOST),
            received: Soft::new(PAIRS_MOST),
            tried: Soft::new(greylist::MOST),
            copies: copies::Book::default(),
            advertisers: Soft::new(advertisers::MOST),
            letters: Soft::new(LETTERS_MOST),
            told: Mutex::default(),
        }
    }

    /// Whether something is to be said in the log: at most once in `every` seconds about one subject.
    pub(crate) fn tell(&self, subject: &str, now: i64, every: i64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let last = told.entry(subject.to_owned()).or_insert(i64::MIN);
        let due = *last == i64::MIN || now - *last >= every;
        if due {
            *last = now;
        }
        due
    }

    fn pair(&self, account: AccountId, sender: &str) -> u64 {
        self.keys.of("received", &[&account.0.to_string(), sender])
    }

    fn advertiser(&self, account: AccountId, from_domain: &str) -> u64 {
        let advertiser = congvu_spam::links::registered(from_domain);
        let account = account.0.to_string();
        self.keys.of("advertiser", &[&account, advertiser])
    }
}

/// By what a stored letter's sender and text are known, for when a person says something about it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The id in the topmost Received field, which this server wrote.
    id: Option<String>,
    /// The client in that field.
    client: Option<IpAddr>,
    from: String,
    fingerprint: Option<Fingerprint>,
}

impl Told {
    /// Of a letter as it is stored.
    pub(crate) fn of(letter: &Letter<'_>) -> Self {
        let (id, client) = traced(letter.header());
        Self {
            id,
            client,
            from: author_of(&letter.summary.envelope.from).unwrap_or_default(),
            fingerprint: Fingerprint::of(letter),
        }
    }
}

impl Memory {
    /// A person (`None`: an administrator) said what a stored letter is: what the person received from its sender follows
    /// and, where the person is believed (the second of `said`), the reputation of its origin and its copies.
    pub(crate) fn reported(
        &self,
        told: &Told,
        account: Option<AccountId>,
        said: (Class, bool),
        now: i64,
    ) {
        let (class, believed) = said;
        let id = told.id.as_deref().map(|id| self.keys.of("letter", &[id]));
        let memo = id.and_then(|key| self.letters.find(key));
        let memo = memo.unwrap_or_else(|| {
            // Forgotten: the address that we wrote down ourselves, and the text.
            let nothing = Authentication::default();
            let origin = Origin::new(told.client, &Ptr::Unknown, &told.from, "", &nothing);
            let counted = origin.counted(self.keys).into_iter();
            Memo {
                counted: counted.map(|one| one.key).collect(),
                senders: origin.senders(),
                fingerprint: told.fingerprint,
            }
        });
        if believed {
            reputation::tell(&self.reputation, &memo.counted, class, now);
            if let (Some(fingerprint), Some(account)) = (memo.fingerprint, account) {
                let spam = class == Class::Spam;
                self.copies.told(fingerprint, account.0, spam, now);
            }
        }
        let Some(account) = account else {
            return;
        };
        for sender in &memo.senders {
            self.received.change(self.pair(account, sender), |pair| {
                if class == Class::Spam {
                    pair.complaint = now;
                    pair.days = 0;
                } else {
                    pair.complaint = 0;
                }
            });
        }
    }
}

/// What was found out about a letter's sender while it was judged, for after it was placed.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) origin: Origin,
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl Guard {
    /// What memory says of an origin, the same for all recipients: reputation and rate.
    pub(crate) fn remembered(&self, origin: &Origin, now: i64) -> Standing {
        let memory = self.standing();
        let counted = origin.counted(memory.keys).into_iter();
        let reputation = counted.filter_map(|one| {
            let counts = memory.reputation.find(one.key)?.at(now);
            Some(Reputation {
                what: one.what,
                entry: one.entry,
                ham: counts.ham(),
                spam: counts.spam(),
            })
        });
        Standing {
            reputation: reputation.collect(),
            rate: self.rate(origin, now),
            ..Standing::default()
        }
    }

    fn rate(&self, origin: &Origin, now: i64) -> Option<Rate> {
        let memory = self.standing();
        let age = now - memory.since.load(Ordering::Relaxed);
        let key = rate_key(memory.keys, origin)?;
        (age >= rates::GROWN).then(|| rates::rate(&memory.rates, key, now))
    }

    /// Near copies of a text, should it go to these accounts.
    pub(crate) fn copies(
        &self,
        fingerprint: Fingerprint,
        accounts: &[AccountId],
        now: i64,
    ) -> congvu_spam::facts::Copies {
        let people: Vec<u64> = accounts.iter().map(|account| account.0).collect();
        self.standing().copies.copies(fingerprint, &people, now)
    }

    /// Letters of this sender that came to an account before, for whom nothing stronger is known.
    pub(crate) fn received(
        &self,
        account: AccountId,
        origin: &Origin,
        now: i64,
    ) -> Option<Correspondence> {
        let memory = self.standing();
        let today = now.div_euclid(DAY);
        let of = |sender: String| {
            let found = memory.received.find(memory.pair(account, &sender))?;
            let complained = found.complaint > 0 && now - found.complaint < COMPLAINT_DAYS * DAY;
            // What came today nobody may have looked at yet.
            let days = found.days - u32::from(found.last == today && found.days > 0);
            (!complained && days > 0).then_some(days)
        };
        let letters = origin.senders().into_iter().filter_map(of).max()?;
        Some(Correspondence::Received { letters })
    }

    /// Advertising letters of the From domain to an account within a day, should this be one.
    pub(crate) fn advertisements(
        &self,
        account: AccountId,
        from_domain: &str,
        now: i64,
    ) -> Option<u32> {
        if from_domain.is_empty() {
            return None;
        }
        let memory = self.standing();
        let key = memory.advertiser(account, from_domain);
        Some(advertisers::today(&memory.advertisers, key, now))
    }

    /// A letter was placed: counts it. `id` is the one in its Received field; `verdicts` of the accounts that got it.
    pub(crate) fn placed(
        &self,
        id: &str,
        seen: &Seen,
        judgement: &Judgement,
        verdicts: &[(AccountId, Verdict)],
        now: i64,
    ) {
        let memory = self.standing();
        let origin = &seen.origin;
        let counted: Vec<u64> = origin
            .counted(memory.keys)
            .into_iter()
            .map(|one| one.key)
            .collect();
        reputation::see(&memory.reputation, &counted, &judgement.evidence, now);
        if let Some(key) = rate_key(memory.keys, origin) {
            rates::count(&memory.rates, key, now);
        }
        let people: Vec<u64> = verdicts.iter().map(|(account, _)| account.0).collect();
        if let Some(fingerprint) = seen.fingerprint {
            memory.copies.came(fingerprint, &people, now);
        }
        let senders = origin.senders();
        let today = now.div_euclid(DAY);
        for (account, verdict) in verdicts.iter().take(ACCOUNTS_MOST) {
            if *verdict == Verdict::Inbox {
                for sender in &senders {
                    memory
                        .received
                        .change(memory.pair(*account, sender), |pair| {
                            if pair.last != today {
                                pair.days = pair.days.saturating_add(1);
                                pair.last = today;
                            }
                        });
                }
            }
        }
        memory
            .letters
            .change(memory.keys.of("letter", &[id]), |memo| {
                *memo = Memo {
                    counted,
                    senders,
                    fingerprint: seen.fingerprint,
                };
            });
    }

    /// An advertising letter was placed with these accounts.
    pub(crate) fn advertised(&self, from_domain: &str, accounts: &[AccountId], now: i64) {
        let memory = self.standing();
        for account in accounts.iter().take(ACCOUNTS_MOST) {
            advertisers::count(
                &memory.advertisers,
                memory.advertiser(*account, from_domain),
                now,
            );
        }
    }

    /// Whether a doubtful letter may pass now; remembers the attempt.
    pub(crate) fn passes(&self, origin: &Origin, to: &[String], now: i64) -> bool {
        let memory = self.standing();
        let mut triplets = Vec::new();
        for place in origin.places() {
            for rcpt in to.iter().take(TRIPLETS_MOST) {
                let rcpt = rcpt.to_lowercase();
                triplets.push(memory.keys.of("tried", &[&place, &origin.mail_from, &rcpt]));
            }
        }
        let wait = self.settings().greylist.wait;
        greylist::pass(&memory.tried, &triplets, wait, now)
    }
}

/// The origin whose pace is counted: its network.
fn rate_key(keys: Keys, origin: &Origin) -> Option<u64> {
    let network = origin.network()?.to_string();
    Some(keys.of("rate", &[&network]))
}

/// The id and the client that this server wrote into the topmost Received field.
pub(crate) fn traced(head: &[u8]) -> (Option<String>, Option<IpAddr>) {
    let Some(field) = header::find(head, "Received") else {
        return (None, None);
    };
    let text = field.text();
    let client = text.split_once("([").and_then(|(_, rest)| {
        let (literal, _) = rest.split_once("])")?;
        literal
            .strip_prefix("IPv6:")
            .unwrap_or(literal)
            .parse()
            .ok()
    });
    let mut words = text.split([' ', '\t', ';', '\r', '\n']);
    let id = words
        .by_ref()
        .find(|word| *word == "id")
        .and_then(|_| words.next());
    (id.map(str::to_owned), client)
}

/// The first address of a list, lower case.
pub(crate) fn author_of(list: &[congvu_message::Mailbox]) -> Option<String> {
    let mut addresses = list.iter().filter_map(|mailbox| {
        let (local, host) = (mailbox.mailbox.as_deref()?, mailbox.host.as_deref()?);
        (!host.is_empty()).then(|| format!("{local}@{host}").to_lowercase())
    });
    addresses.find(|address| !domain(address).is_empty())
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
