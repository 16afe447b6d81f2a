//! Letters in quarantine: listing them, looking at one, and telling their owners at once. Releasing and deleting are
//! changes (`change::quarantine`), one letter each.

use congvu_directory::record::{Account, AgencyId, Departed};
use congvu_directory::view::Page;
use congvu_directory::{Directory, find};
use congvu_guard::digest::Due;
use congvu_guard::quarantine::{days_left, keep};
use congvu_message::Summary;
use congvu_store::quarantine::{Letter, QuarantineId, QuarantineRead as _};
use congvu_store::{AccountId, Read, Timestamp};
use serde::{Deserialize, Serialize};

use crate::audit::{self, Described, Who};
use crate::change::{account, agency_id, with_departed};
use crate::error::{Error, Result};
use crate::perform::Admin;
use crate::reply::Reply;
use crate::store::blocking;

/// Letters of a page.
const PAGE: usize = 200;
/// Accounts looked at for one page.
const ACCOUNTS: usize = 256;
/// Octets of a header that are shown.
const HEADER_MOST: u64 = 16 * 1024;
/// Octets of text that are shown: two screens.
const TEXT_MOST: usize = 4 * 1024;

/// A question about the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineRequest {
    /// Letters, by account and number.
    List {
        /// Only of this account, also of a removed one.
        address: Option<String>,
        /// Only of accounts of this agency and those below.
        agency: Option<String>,
        /// Continuation.
        after: Option<String>,
    },
    /// One letter with its header and the beginning of its text.
    Show {
        /// Its number.
        id: u64,
    },
    /// Tells accounts of what is new in their quarantine now, whatever the hour. Audited.
    Digest {
        /// Only this one.
        address: Option<String>,
    },
}

/// A letter in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineView {
    /// Its number.
    pub number: u64,
    /// The id that its sender was told.
    pub id: String,
    /// For whom it came.
    pub account: String,
    /// Code of the account's agency, if there is one still.
    pub agency: Option<String>,
    /// When it was held, milliseconds since 1970.
    pub held: Timestamp,
    /// Envelope sender.
    pub sender: String,
    /// From field.
    pub from: String,
    /// Subject.
    pub subject: String,
    /// Octets.
    pub size: u32,
    /// Probability that it is unwanted, in thousandths.
    pub unwanted: u16,
    /// What weighed most.
    pub reasons: Vec<congvu_store::quarantine::Reason>,
    /// Whether the account was told of it.
    pub told: bool,
    /// For how many days more it is kept at least.
    pub days_left: u32,
    /// Whether a hold keeps it.
    pub kept: bool,
}

/// A letter with what can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineDetail {
    /// As listed.
    #[serde(flatten)]
    pub letter: QuarantineView,
    /// Its header as it came; at most 16 KiB.
    pub header: String,
    /// The beginning of its text, decoded; at most 4 KiB.
    pub text: String,
}

/// Digests that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DigestsView {
    /// Accounts that were told.
    pub digests: u64,
    /// Of how many letters.
    pub letters: u64,
}

impl From<congvu_guard::quarantine::Error> for Error {
    fn from(error: congvu_guard::quarantine::Error) -> Self {
        use congvu_guard::quarantine::Error as Q;
        match error {
            Q::Store(error) => error.into(),
            Q::Directory(error) => error.into(),
            Q::Missing(id) => Self::Missing("letter in quarantine", id.to_string()),
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl Admin {
    /// Answers a question about the quarantine.
    pub(crate) async fn quarantine(&self, who: &Who, asked: QuarantineRequest) -> Result<Reply> {
        match asked {
            QuarantineRequest::List {
                address,
                agency,
                after,
            } => {
                let page = self
                    .directory()
                    .store()
                    .read(move |r| list(r, address.as_deref(), agency.as_deref(), after.as_deref()))
                    .await?;
                Ok(Reply::Quarantine(page))
            }
            QuarantineRequest::Show { id } => {
                let detail = show(self.directory(), QuarantineId(id)).await?;
                Ok(Reply::QuarantineLetter(Box::new(detail)))
            }
            QuarantineRequest::Digest { address } => self.digest(who, address).await,
        }
    }

    async fn digest(&self, who: &Who, address: Option<String>) -> Result<Reply> {
        // Only the server knows where its pages are reached.
        let guard = self.guard().ok_or(Error::NoServer)?;
        let asked = address.clone();
        let due = self
            .directory()
            .store()
            .read::<_, Error, _>(move |r| match &asked {
                Some(text) => Ok(Due::Of(account(r, text)?.id)),
                None => Ok(Due::Now),
            })
            .await?;
        let sent = guard.send_digests(due, Timestamp::now()).await?;
        let view = DigestsView {
            digests: sent.digests,
            letters: sent.letters,
        };
        let described = Described {
            act: "quarantine digest".to_owned(),
            subject: address.unwrap_or_default(),
            arguments: serde_json::to_string(&view).unwrap_or_default(),
        };
        let who = who.clone();
        self.directory()
            .store()
            .transact::<_, Error, _>(move |tx| {
                audit::record_described(tx, &who, &described, "done")
            })
            .await?;
        Ok(Reply::Digests(view))
    }
}

/// Where a page ended: account and number.
fn place(text: &str) -> Result<(AccountId, QuarantineId)> {
    let place = text
        .split_once('-')
        .and_then(|(account, id)| Some((account.parse().ok()?, id.parse().ok()?)));
    place
        .map(|(account, id)| (AccountId(account), QuarantineId(id)))
        .ok_or_else(|| Error::Invalid(format!("{text:?} is no place in a listing")))
}

fn list<R: Read>(
    r: &R,
    address: Option<&str>,
    agency: Option<&str>,
    after: Option<&str>,
) -> Result<Page<QuarantineView>> {
    let within = agency_id(r, agency)?;
    let only = address
        .map(|text| with_departed(r, text))
        .transpose()?
        .map(|(id, _)| id);
    let (mut account, mut number) = after.map(place).transpose()?.unwrap_or_default();
    if let Some(only) = only {
        account = only;
    }
    let mut page = Page {
        entries: Vec::new(),
        next: None,
    };
    // The account in which the last page ended has perhaps more.
    let mut accounts: Vec<AccountId> = vec![account];
    if only.is_none() {
        let shelves = r.shelves(account, ACCOUNTS)?;
        if shelves.len() == ACCOUNTS {
            // Behind all letters of the last one.
            page.next = shelves
                .last()
                .map(|last| format!("{}-{}", last.account, u64::MAX));
        }
        let more = shelves.into_iter().filter(|shelf| shelf.letters > 0);
        accounts.extend(more.map(|shelf| shelf.account));
    }
    for account in accounts {
        let left = PAGE.saturating_sub(page.entries.len());
        let letters = r.letters_of(account, number, left.max(1))?;
        number = QuarantineId(0);
        if letters.is_empty() {
            continue;
        }
        let owner = Owner::of(r, account)?;
        if within.is_some() && !owner.agencies.iter().any(|(id, _)| Some(*id) == within) {
            continue;
        }
        if left == 0 {
            // Behind the last one that is on the page.
            page.next = Some(format!("{account}-0"));
            return Ok(page);
        }
        let full = letters.len() == left;
        for letter in letters {
            number = letter.id;
            page.entries.push(view(r, letter, &owner)?);
        }
        if full {
            page.next = Some(format!("{account}-{number}"));
            return Ok(page);
        }
        number = QuarantineId(0);
    }
    Ok(page)
}

/// Whose letters: an account that is there, or was.
struct Owner {
    address: String,
    /// Its agency and those above, with their codes.
    agencies: Vec<(AgencyId, String)>,
}

impl Owner {
    fn of<R: Read>(r: &R, id: AccountId) -> Result<Self> {
        let account = match r.get::<Account>(&id)? {
            Some(account) => Some(account),
            None => r.get::<Departed>(&id)?.map(|departed| departed.account),
        };
        let Some(account) = account else {
            return Ok(Self {
                address: format!("#{id}"),
                agencies: Vec::new(),
            });
        };
        let line = find::lineage(r, account.agency).unwrap_or_default();
        Ok(Self {
            address: account.address().to_string(),
            agencies: line.into_iter().map(|one| (one.id, one.code)).collect(),
        })
    }
}

fn view<R: Read>(r: &R, letter: Letter, owner: &Owner) -> Result<QuarantineView> {
    let account = letter.about.account;
    let keep = keep(r, account)?;
    let left = days_left(r, &letter, keep)?;
    let told = r
        .shelf(account)?
        .is_some_and(|shelf| letter.id <= shelf.told_upto);
    let about = letter.about;
    Ok(QuarantineView {
        number: letter.id.0,
        id: about.trace,
        account: owner.address.clone(),
        agency: owner.agencies.first().map(|(_, code)| code.clone()),
        held: letter.at,
        sender: about.sender,
        from: about.from,
        subject: about.subject,
        size: letter.size,
        unwanted: about.unwanted,
        reasons: about.reasons,
        told,
        days_left: left,
        kept: keep.held,
    })
}

async fn show(directory: &Directory, id: QuarantineId) -> Result<QuarantineDetail> {
    let store = directory.store().clone();
    let (letter, shown) = store
        .read::<_, Error, _>(move |r| {
            let missing = || Error::Missing("letter in quarantine", id.to_string());
            let letter = r.letter(id)?.ok_or_else(missing)?;
            let owner = Owner::of(r, letter.about.account)?;
            let shown = view(r, letter.clone(), &owner)?;
            Ok((letter, shown))
        })
        .await?;
    blocking(move || {
        let body = store.open_body(letter.body, letter.frame)?;
        let beginning = body.octets(0, HEADER_MOST)?;
        let end = congvu_message::header::body_start(&beginning);
        let header = String::from_utf8_lossy(&beginning[..end]).into_owned();
        // A summary that cannot be read costs the text, not the rest.
        let mut text = match Summary::decode(body.summary()) {
            Ok(summary) => congvu_message::text::words(&summary.root, &mut |range| {
                body.octets(range.start, range.end.saturating_sub(range.start))
            })?,
            Err(_) => String::new(),
        };
        text.truncate(text.floor_char_boundary(TEXT_MOST));
        Ok(QuarantineDetail {
            letter: shown,
            header,
            text,
        })
    })
    .await
}
