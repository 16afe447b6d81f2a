//! Digests: once a day each account is told of the letters that were held for it since it was told last.
//!
//! Invariants: a digest and the note that it was sent are one transaction, so nobody is told twice and nobody is
//! forgotten, whatever happens in between; an account is told once a day at most, and not at all when there is
//! nothing new. After a time in which the server was off the digest that is missing is sent at once.

mod letter;

use congvu_directory::find;
use congvu_directory::record::Account;
use congvu_message::date::Civil;
use congvu_message::{compose, summarize};
use congvu_store::quarantine::{Letter, QuarantineId, QuarantineRead as _, Shelf};
use congvu_store::trace::{self, Accepted, Event};
use congvu_store::tx::Quota;
use congvu_store::{AccountId, Flags, NewBody, NewMessage, Read, Timestamp};

use crate::quarantine::{Error, Keep, Link, days_left, keep};
use crate::{Guard, Settings};
use letter::{Digest, Item};

/// Letters told one by one; of more the number is told.
const TOLD: usize = 100;
/// Accounts looked at in one state.
const PAGE: usize = 16;
/// Milliseconds of a day and of an hour.
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
/// When the hour comes is looked up this often: a clock that is set costs no digest.
const LOOK: std::time::Duration = std::time::Duration::from_mins(1);

/// Whose digests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Those whose hour has come.
    Daily,
    /// All that have something new, whatever the hour.
    Now,
    /// That of one account, if it has something new.
    Of(AccountId),
}

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Digests.
    pub digests: u64,
    /// Letters that were told in them.
    pub letters: u64,
}

/// What a digest is made of, as of one state.
struct Draft {
    shelf: Shelf,
    account: Account,
    postmaster: String,
    letters: Vec<(Letter, u32)>,
    keep: Keep,
}

/// The last instant up to now at which the hour began in the zone of the house.
fn last_hour(now: Timestamp, hour: u8, zone: i16) -> Timestamp {
    let east = i64::from(zone) * 60_000;
    let local = now.0.saturating_add(east);
    let mut begin = local.div_euclid(DAY) * DAY + i64::from(hour) * HOUR;
    if begin > local {
        begin -= DAY;
    }
    Timestamp(begin - east)
}

impl Due {
    /// Whether an account is to be told now of what is new since `oldest`.
    fn includes(
        self,
        sums: &Shelf,
        oldest: Timestamp,
        now: Timestamp,
        settings: &Settings,
    ) -> bool {
        match self {
            Self::Now => true,
            Self::Of(account) => account == sums.account,
            Self::Daily => {
                let hour = last_hour(now, settings.digest_hour, settings.zone);
                // A clock that was ahead when the last one was sent must not silence the account for years.
                let told = sums.told < hour || sums.told.0 > now.0.saturating_add(DAY);
                let came = oldest < hour || oldest.0 > now.0;
                told && came
            }
        }
    }
}

impl Guard {
    /// Sends daily digests until the future is dropped.
    pub async fn send_digests_daily(&self) {
        loop {
            match self.send_digests(Due::Daily, Timestamp::now()).await {
                Ok(sent) if sent.digests == 0 => {}
                Ok(sent) => tracing::info!(
                    digests = sent.digests,
                    letters = sent.letters,
                    "quarantine digests sent"
                ),
                Err(error) => tracing::warn!(%error, "quarantine digests not sent; tried again"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends the digests that are due. One that fails does not keep others from being sent; the first error is
    /// told then.
    pub async fn send_digests(&self, due: Due, now: Timestamp) -> Result<Sent, Error> {
        let mut sent = Sent::default();
        let mut failed = None;
        let mut after = AccountId(0);
        loop {
            let settings = self.settings();
            let (drafts, next) = self
                .store()
                .read::<_, Error, _>(move |r| drafts(r, after, due, now, &settings))
                .await?;
            for draft in drafts {
                let account = draft.shelf.account;
                match self.send_digest(draft, now).await {
                    Ok(letters) => {
                        sent.digests += u64::from(letters > 0);
                        sent.letters += letters;
                    }
                    Err(error) => {
                        tracing::warn!(%account, %error, "quarantine digest not sent");
                        failed.get_or_insert(error);
                    }
                }
            }
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
        failed.map_or(Ok(sent), Err)
    }

    /// Sends one; says how many letters it tells. None when somebody else sent it meanwhile.
    async fn send_digest(&self, draft: Draft, now: Timestamp) -> Result<u64, Error> {
        let settings = self.settings();
        let octets = self.write(&draft, &settings, now).await?;
        let store = self.store().clone();
        let body = tokio::task::spawn_blocking(move || {
            let summary = summarize(&octets);
            store.prepare(&octets, &summary.encode())
        });
        let body: NewBody = body
            .await
            .map_err(|error| congvu_store::Error::Panicked(error.to_string()))??;
        let count = draft.letters.len() as u64;
        let told = Accepted {
            id: compose::unique(),
            about: None,
            door: trace::Door::Notice,
            client: trace::Client::default(),
            sender: String::new(),
            message_id: None,
            size: body.len(),
            judged: None,
            rcpts: vec![draft.account.address().to_string()],
            others: Vec::new(),
            placed: Vec::new(),
            full: Vec::new(),
            queued: None,
        };
        let upto = draft
            .letters
            .last()
            .map_or(QuarantineId(0), |(last, _)| last.id);
        let (before, zone) = (draft.shelf, settings.zone);
        self.store()
            .transact::<_, Error, _>(move |tx| {
                let current = tx.shelf(before.account)?;
                if current.is_none_or(|current| {
                    (current.told, current.told_upto) != (before.told, before.told_upto)
                }) {
                    return Ok(0);
                }
                let Some(inbox) = tx.mailbox_named(before.account, "INBOX")? else {
                    return Ok(0);
                };
                let message = NewMessage {
                    flags: Flags::default(),
                    keywords: Vec::new(),
                    date: now.seconds(),
                    zone,
                };
                // A full mailbox is a reason to tell, not to be silent.
                let placed = tx.append(inbox.id, &body, &message, Quota::Ignore)?;
                let mut told = told.clone();
                told.placed.push(trace::Placed {
                    account: before.account,
                    mailbox: inbox.id,
                    uid: placed.uid,
                });
                tx.trace(Event::Accepted(told))?;
                tx.told_letters(before.account, upto, now)?;
                Ok(count)
            })
            .await
    }

    /// The octets of a digest.
    async fn write(
        &self,
        draft: &Draft,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Vec<u8>, Error> {
        let url = match &settings.web_url {
            Some(url) => Some((url.trim_end_matches('/'), self.links().await?)),
            None => None,
        };
        let items = draft.letters.iter().take(TOLD).map(|(letter, days)| {
            let until = Timestamp(now.0.saturating_add(i64::from(*days) * DAY));
            let link = url.map(|(url, keys)| {
                let link = Link::new(letter.id, letter.about.account, until);
                format!("{url}/q/{}", keys.write(&link))
            });
            Item {
                letter,
                until: (!draft.keep.held).then(|| Civil::at(until.seconds(), settings.zone)),
                at: Civil::at(letter.at.seconds(), settings.zone),
                link,
            }
        });
        let address = draft.account.address().to_string();
        Ok(Digest {
            name: &draft.account.name,
            address: &address,
            postmaster: &draft.postmaster,
            count: draft.letters.len(),
            days: draft.keep.days,
            items: items.collect(),
            host: &draft.account.domain,
            now: now.seconds(),
            zone: settings.zone,
        }
        .write())
    }
}

/// Digests that are due, of a page of accounts; and where the next page begins.
fn drafts<R: Read>(
    r: &R,
    after: AccountId,
    due: Due,
    now: Timestamp,
    settings: &Settings,
) -> Result<(Vec<Draft>, Option<AccountId>), Error> {
    let page = match due {
        Due::Of(account) => r.shelf(account)?.into_iter().collect(),
        _ => r.shelves(after, PAGE)?,
    };
    let next = (page.len() == PAGE).then(|| page.last().map(|last| last.account));
    let mut drafts = Vec::new();
    for shelf in page.into_iter().filter(|shelf| shelf.letters > 0) {
        let most = usize::try_from(shelf.letters).unwrap_or(usize::MAX);
        let letters = r.letters_of(shelf.account, shelf.told_upto, most)?;
        let Some(oldest) = letters.first().map(|first| first.at) else {
            continue;
        };
        if !due.includes(&shelf, oldest, now, settings) {
            continue;
        }
        // Nobody to be told: removed, and perhaps brought back.
        let Ok(account) = find::account_by_id(r, shelf.account) else {
            continue;
        };
        let keep = keep(r, shelf.account)?;
        let mut with_days = Vec::with_capacity(letters.len());
        for letter in letters {
            let days = days_left(r, &letter, keep)?;
            with_days.push((letter, days));
        }
        drafts.push(Draft {
            postmaster: format!("postmaster@{}", account.domain),
            shelf,
            account,
            letters: with_days,
            keep,
        });
    }
    Ok((drafts, next.flatten()))
}

#[cfg(test)]
mod tests;
