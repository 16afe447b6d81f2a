//! Reports of abuse to a national address (RFC 5965), if the house names one: once an hour, one for an incident that
//! several persons agree on, and what was reported is written in the transaction that queues the report.
//!
//! An incident is mail from one domain by way of one address. It is reported when two accounts called letters of it
//! spam, or one did and others had said the same of such letters; not again within [`QUIET_DAYS`]. Labels that were
//! taken back count for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use congvu_directory::find;
use congvu_message::feedback::Feedback;
use congvu_message::{Summary, header, summarize};
use congvu_net::Shutdown;
use congvu_store::queue::{BodyKind, Lane, NewEntry, NewRcpt, QueueWrite};
use congvu_store::trace::{self, Accepted, Event};
use congvu_store::{
    AccountId, BodyId, Error, NewBody, Read, Record, Result, Store, Table, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::record::{Act, Done, Entry, Letter, State, What, pack, unpack};
use crate::Guard;
use crate::standing::traced;

/// Between two rounds.
const EVERY: Duration = Duration::from_hours(1);
/// Reports of one round: the rest waits for the next.
const MOST: usize = 20;
/// Newest entries of the journal that are looked at: what is older is no news.
const WINDOW: u64 = 2_000;
/// Days for which an incident is not reported again.
const QUIET_DAYS: i64 = 7;
/// Marks of incidents removed at once when they are old.
const OLD_AT_ONCE: usize = 200;
/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// Accounts that must agree.
const AGREE: usize = 2;

/// An incident that was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reported {
    incident: u64,
    at: Timestamp,
}

impl Record for Reported {
    const TABLE: Table = Table::GuardState;
    type Key = u64;
    fn key(&self) -> u64 {
        self.incident
    }
    fn key_octets(key: &u64) -> Vec<u8> {
        [b"A".as_slice(), &key.to_be_bytes()].concat()
    }
    fn encode(&self) -> Vec<u8> {
        pack(&self.at)
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let number = key.get(1..).and_then(|rest| rest.first_chunk());
        let number = number.ok_or_else(|| Error::Damaged("key of an incident".to_owned()))?;
        Ok(Self {
            incident: u64::from_be_bytes(*number),
            at: unpack("incident", value)?,
        })
    }
}

/// What is known of an incident.
#[derive(Debug, Default)]
struct Incident {
    accounts: BTreeSet<AccountId>,
    letters: BTreeSet<BodyId>,
    agreed: bool,
    /// The letter that was labelled last.
    example: Option<(BodyId, Timestamp)>,
}

/// Where a letter came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Origin {
    domain: String,
    source: IpAddr,
}

impl Origin {
    fn number(&self) -> u64 {
        let text = format!("{} {}", self.domain, self.source);
        text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01B3)
        })
    }
}

/// A report that is ready to be queued.
struct Prepared {
    incident: u64,
    body: NewBody,
    message_id: Option<String>,
}

impl Guard {
    /// Reports abuse until the stop, if an address is set: one for each server.
    pub async fn report_abuse(self, mut shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            match self.report_abuse_once().await {
                Ok(0) => {}
                Ok(reports) => tracing::info!(reports, "abuse reported"),
                Err(error) => tracing::warn!(%error, "abuse not reported; tried again in an hour"),
            }
        }
    }

    /// Queues the reports that are due; how many.
    pub async fn report_abuse_once(&self) -> Result<usize> {
        let settings = self.settings();
        let Some(to) = settings.abuse_reports_to.clone() else {
            return Ok(0);
        };
        let Some((_, domain)) = to.rsplit_once('@') else {
            return Ok(0);
        };
        let domain = domain.to_ascii_lowercase();
        let (store, host) = (self.store().clone(), settings.hostname.clone());
        let runtime = tokio::runtime::Handle::current();
        let (worker, address) = (store.clone(), to.clone());
        let work = move || runtime.block_on(prepare(&worker, &host, &address));
        let prepared = tokio::task::spawn_blocking(work).await;
        let prepared = prepared.map_err(|_| Error::Closed)??;
        if prepared.is_empty() {
            return Ok(0);
        }
        let prepared = std::sync::Arc::new(prepared);
        store
            .transact(move |tx| {
                let now = tx.now();
                let mut reports = 0;
                for report in prepared.iter() {
                    if quiet(tx, report.incident, now)? {
                        continue;
                    }
                    let body = tx.attach(&report.body)?;
                    let rcpt = NewRcpt {
                        address: to.clone(),
                        domain: domain.clone(),
                        notify: None,
                        orcpt: None,
                    };
                    let id = format!("abuse{:x}-{}", report.incident, now.seconds());
                    let queued = tx.enqueue(&entry(body, &report.body, &id), &[rcpt])?;
                    tx.trace(Event::Accepted(Accepted {
                        id,
                        about: None,
                        door: trace::Door::Notice,
                        client: trace::Client::default(),
                        sender: String::new(),
                        message_id: report.message_id.clone(),
                        size: report.body.len(),
                        judged: None,
                        rcpts: vec![to.clone()],
                        others: Vec::new(),
                        placed: Vec::new(),
                        full: Vec::new(),
                        queued: Some(queued),
                    }))?;
                    tx.put(&Reported {
                        incident: report.incident,
                        at: now,
                    })?;
                    reports += 1;
                }
                for old in tx.scan::<Reported>(b"A", &[], OLD_AT_ONCE)? {
                    if now.0 - old.at.0 > 2 * QUIET_DAYS * DAY {
                        tx.delete::<Reported>(&old.incident)?;
                    }
                }
                Ok(reports)
            })
            .await
    }
}

fn entry(body: BodyId, octets: &NewBody, id: &str) -> NewEntry {
    NewEntry {
        lane: Lane::Normal,
        sender: String::new(),
        body,
        frame: 0,
        skip: 0,
        size: octets.len(),
        account: None,
        envid: None,
        ret: None,
        utf8: false,
        body_kind: BodyKind::SevenBit,
        hold: None,
        trace: id.to_owned(),
    }
}

/// Whether an incident was reported lately.
fn quiet<R: Read>(r: &R, incident: u64, now: Timestamp) -> Result<bool> {
    let reported = r.get::<Reported>(&incident)?;
    Ok(reported.is_some_and(|reported| now.0 - reported.at.0 < QUIET_DAYS * DAY))
}

/// Builds the reports that are due. Blocking.
async fn prepare(store: &Store, host: &str, to: &str) -> Result<Vec<Prepared>> {
    let mut prepared = Vec::new();
    for (origin, incident) in incidents(store).await? {
        let Some((body, at)) = incident.example else {
            continue;
        };
        let agreed = incident.agreed || incident.accounts.len() >= AGREE;
        let number = origin.number();
        let quiet = store
            .read(move |r| quiet(r, number, r.last_time()?))
            .await?;
        if !agreed || quiet {
            continue;
        }
        let Ok(front) = store.open_front(body) else {
            continue;
        };
        let mut secret = addressed(front.summary());
        for account in incident.accounts {
            let address = store.read(move |r| match find::account_by_id(r, account) {
                Ok(account) => Ok(Some(account.address().to_string())),
                Err(congvu_directory::Error::Store(error)) => Err(error),
                Err(_) => Ok(None),
            });
            secret.extend(address.await?);
        }
        let mail_from = header::find(front.header(), "Return-Path");
        let mail_from = mail_from.map(|field| field.text());
        let mail_from = mail_from
            .as_deref()
            .map(|path| path.trim().trim_matches(['<', '>']));
        let report = Feedback {
            host,
            agent: concat!("Congvu/", env!("CARGO_PKG_VERSION")),
            to,
            source: Some(origin.source),
            mail_from,
            domain: Some(&origin.domain),
            arrived: at.0.div_euclid(1000),
            now: Timestamp::now().seconds(),
            zone: 0,
            incidents: incident.letters.len(),
            header: front.header(),
            secret: &secret,
        };
        let raw = report.build();
        let summary = summarize(&raw);
        prepared.push(Prepared {
            incident: number,
            body: store.prepare(&raw, &summary.encode())?,
            message_id: summary
                .envelope
                .message_id
                .map(|id| id.trim_matches(['<', '>']).to_owned()),
        });
        if prepared.len() >= MOST {
            break;
        }
    }
    Ok(prepared)
}

/// Incidents among the newest labels.
async fn incidents(store: &Store) -> Result<BTreeMap<Origin, Incident>> {
    let mut found: BTreeMap<Origin, Incident> = BTreeMap::new();
    let (mut next, last, since) = store
        .read(|r| {
            let state = r.get::<State>(&())?.unwrap_or_default();
            let first = state.taught.saturating_sub(WINDOW).max(state.since);
            Ok::<_, Error>((first + 1, state.taught, state.since))
        })
        .await?;
    while next <= last {
        let from = next;
        let page = store.read(move |r| r.scan::<Entry>(&[0], &Entry::key_octets(&from), 100));
        let page = page.await?;
        let Some(end) = page.last() else { break };
        next = end.id + 1;
        for entry in page.into_iter().filter(|entry| entry.id > since) {
            let (
                Some(account),
                Act::Learn {
                    spam: true,
                    letter: Letter::Stored { body, .. },
                    ..
                },
            ) = (entry.body.account, entry.body.act)
            else {
                continue;
            };
            let id = entry.id;
            let done = store.read(move |r| r.get::<Done>(&id)).await?;
            let Some(What::Learned(lesson)) = done.map(|done| done.what) else {
                continue;
            };
            if lesson.revoked.is_some() {
                continue;
            }
            let Some(origin) = origin(store, body) else {
                continue;
            };
            let incident = found.entry(origin).or_default();
            incident.accounts.insert(account);
            incident.letters.insert(body);
            incident.agreed |= lesson.others == Some(true);
            incident.example = Some((body, entry.body.at));
        }
    }
    Ok(found)
}

/// Where a stored letter came from; `None` if it did not come from outside, or is gone.
fn origin(store: &Store, body: BodyId) -> Option<Origin> {
    let front = store.open_front(body).ok()?;
    let (_, source) = traced(front.header());
    let summary = Summary::decode(front.summary()).ok()?;
    let from = summary.envelope.from.first()?;
    let domain = from.host.as_deref()?.to_ascii_lowercase();
    Some(Origin {
        domain,
        source: source?,
    })
}

/// Addresses in To and Cc.
fn addressed(summary: &[u8]) -> Vec<String> {
    let Ok(summary) = Summary::decode(summary) else {
        return Vec::new();
    };
    let envelope = summary.envelope;
    let all = envelope.to.iter().chain(&envelope.cc).chain(&envelope.bcc);
    all.filter_map(|mailbox| {
        let (local, host) = (mailbox.mailbox.as_deref()?, mailbox.host.as_deref()?);
        (!local.is_empty() && !host.is_empty()).then(|| format!("{local}@{host}"))
    })
    .collect()
}
