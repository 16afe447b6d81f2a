//! Reports: letters that an account forwards to the address for spam, or to the one for wanted letters.
//!
//! The letter that is meant is attached (message/rfc822), or the report names it by References, In-Reply-To or
//! X-Forwarded-Message-Id and it is in the account's INBOX or Junk. One that is found there counts as that letter, so that
//! who moves it and reports it says it once. A report is a letter like any other besides: it is delivered to the address.

use std::collections::HashSet;

use congvu_message::{Part, Summary, header, summarize, transfer};
use congvu_spam::Letter as Parsed;
use congvu_spam::statistics::Class;
use congvu_store::{AccountId, BodyId, Error, Read, Result, Store, Uid};

use super::label::{Label, is_junk_named};
use super::record::{Letter, Source};
use crate::Guard;

/// Letters taken from one report: programs forward a selection as attachments.
const MOST: usize = 20;
/// Octets of an attached letter that are read.
const READ_MAX: usize = 1024 * 1024;
/// Newest messages of a mailbox among which a named letter is sought: some weeks of one person's mail.
const SOUGHT: usize = 300;

/// What a report is about.
#[derive(Debug, Clone, Default)]
pub struct Reported {
    /// Message-IDs that it names, with their angle brackets.
    named: Vec<String>,
    attached: Vec<Attached>,
}

#[derive(Debug, Clone)]
struct Attached {
    message_id: Option<String>,
    letter: Letter,
}

/// Reads a report. CPU work: some milliseconds for each attached letter.
pub fn reported(raw: &[u8], summary: &Summary) -> Reported {
    let mut attached = Vec::new();
    let mut waiting = vec![&summary.root];
    while let Some(part) = waiting.pop() {
        if attached.len() >= MOST {
            break;
        }
        if let Some(octets) = letter_of(part, raw) {
            let octets = &octets[..octets.len().min(READ_MAX)];
            let summary = summarize(octets);
            let parsed = Parsed::read(octets, &summary);
            attached.push(Attached {
                message_id: summary.envelope.message_id.clone(),
                letter: Letter::told(parsed.features()),
            });
        } else {
            waiting.extend(part.parts.iter().rev());
        }
    }
    let named = if attached.is_empty() {
        names(raw)
    } else {
        Vec::new()
    };
    Reported { named, attached }
}

/// The octets of an attached letter. Some programs encode it, though RFC 2046 section 5.2.1 forbids that.
fn letter_of<'a>(part: &Part, raw: &'a [u8]) -> Option<std::borrow::Cow<'a, [u8]>> {
    if part.kind != "message" || part.subtype != "rfc822" {
        return None;
    }
    let place = |at: u64| usize::try_from(at).ok();
    let octets = raw.get(place(part.body_at)?..place(part.end_at)?)?;
    Some(match transfer::Encoding::named(&part.encoding) {
        Some(transfer::Encoding::Identity) | None => octets.into(),
        Some(encoding) => transfer::decode(encoding, octets).into(),
    })
}

/// Message-IDs in the fields that name what a letter is about.
fn names(raw: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for field in header::fields(&raw[..header::body_start(raw)]) {
        let about = ["references", "in-reply-to", "x-forwarded-message-id"];
        if !about
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name.as_bytes()))
        {
            continue;
        }
        let value = String::from_utf8_lossy(field.value);
        let mut ids = value.split_inclusive('>').filter_map(|id| {
            let start = id.find('<')?;
            Some(id[start..].to_owned()).filter(|id| id.ends_with('>'))
        });
        // The letter itself is the last; those before are what it answers.
        found.extend(ids.next_back());
    }
    found
}

impl Guard {
    /// What a letter to these addresses says of the letters in it, if they are report addresses.
    pub fn report_to<'a>(&self, to: impl IntoIterator<Item = &'a str>) -> Option<Class> {
        let settings = self.settings();
        let addresses = [
            (settings.report_spam.as_deref(), Class::Spam),
            (settings.report_ham.as_deref(), Class::Ham),
        ];
        to.into_iter().find_map(|to| {
            let said = addresses.iter().find(|(address, _)| {
                address.is_some_and(|address| address.eq_ignore_ascii_case(to))
            });
            said.map(|(_, class)| *class)
        })
    }

    /// The labels that a report of an account gives. A letter that cannot be found gives none.
    pub async fn labels_of(
        &self,
        account: AccountId,
        class: Class,
        reported: Reported,
    ) -> Vec<Label> {
        let ids = reported
            .attached
            .iter()
            .filter_map(|one| one.message_id.clone());
        let sought: HashSet<String> = ids.chain(reported.named.iter().cloned()).collect();
        let found = if sought.is_empty() {
            Vec::new()
        } else {
            let store = self.store().clone();
            let runtime = tokio::runtime::Handle::current();
            let work = move || runtime.block_on(find(&store, account, &sought));
            match tokio::task::spawn_blocking(work).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    tracing::warn!(%account, %error, "reported letters not found");
                    Vec::new()
                }
                Err(_) => Vec::new(),
            }
        };
        let label = |letter, judged| Label {
            account: Some(account),
            class,
            source: Source::Report,
            letter,
            judged,
        };
        let of = |id: &Option<String>| {
            let id = id.as_ref()?;
            let one: Option<&Found> = found.iter().find(|found| found.message_id == *id);
            one.map(|one| label(one.letter.clone(), Some(one.junk)))
        };
        let attached = reported.attached.into_iter();
        let mut labels: Vec<Label> = attached
            .map(|one| of(&one.message_id).unwrap_or_else(|| label(one.letter, None)))
            .collect();
        if labels.is_empty() {
            let mut named = reported.named.into_iter().map(Some);
            // One report of one letter, however many fields name it.
            labels.extend(named.find_map(|id| of(&id)));
        }
        labels
    }
}

struct Found {
    message_id: String,
    letter: Letter,
    junk: bool,
}

/// Letters with these Message-IDs among the newest of INBOX and Junk. Blocking.
async fn find(store: &Store, account: AccountId, sought: &HashSet<String>) -> Result<Vec<Found>> {
    let candidates = store
        .read(move |r| {
            let mut candidates: Vec<(BodyId, u32, bool)> = Vec::new();
            for mailbox in r.mailboxes(account)? {
                let junk = is_junk_named(&mailbox);
                if !junk && mailbox.name != "INBOX" {
                    continue;
                }
                let uids = r.uids(mailbox.id)?;
                let newest = uids.len().saturating_sub(SOUGHT);
                let first = uids.get(newest).copied().unwrap_or(Uid(0));
                let messages = r.messages(mailbox.id, first, Uid(u32::MAX), SOUGHT)?;
                let messages = messages.into_iter().rev();
                candidates.extend(messages.map(|message| (message.body, message.frame, junk)));
            }
            Ok::<_, Error>(candidates)
        })
        .await?;
    let mut found: Vec<Found> = Vec::new();
    for (body, frame, junk) in candidates {
        let Ok(front) = store.open_front(body) else {
            continue;
        };
        let Ok(summary) = Summary::decode(front.summary()) else {
            continue;
        };
        let Some(message_id) = summary.envelope.message_id.filter(|id| sought.contains(id)) else {
            continue;
        };
        if found.iter().all(|one| one.message_id != message_id) {
            found.push(Found {
                message_id,
                letter: Letter::Stored { body, frame },
                junk,
            });
        }
        if found.len() == sought.len() {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Reported {
        reported(raw.as_bytes(), &summarize(raw.as_bytes()))
    }

    #[test]
    fn what_a_report_is_about() {
        let attached = read(
            "From: an@xa.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nXin xem.\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\nMessage-ID: <a@x.example>\r\nSubject: q\r\n\r\nmua ngay\r\n--b--\r\n",
        );
        assert_eq!(attached.attached.len(), 1);
        assert_eq!(
            attached.attached[0].message_id.as_deref(),
            Some("<a@x.example>")
        );
        assert!(attached.named.is_empty());
        let forwarded = read(
            "From: an@xa.test\r\nReferences: <first@x.example>\r\n <a@x.example>\r\nSubject: Fwd: q\r\n\r\nmua ngay\r\n",
        );
        assert_eq!(forwarded.named, ["<a@x.example>"]);
        assert!(read("Subject: x\r\n\r\nx").named.is_empty());
    }

    #[test]
    fn an_attached_letter_is_read_as_if_it_stood_alone() {
        let letter = "Message-ID: <a@x.example>\r\nSubject: q\r\n\r\nmua ngay kẻo lỡ\r\n";
        let report = read(&format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{letter}\r\n--b--\r\n"
        ));
        let summary = summarize(letter.as_bytes());
        let alone = Parsed::read(letter.as_bytes(), &summary);
        assert_eq!(report.attached[0].letter, Letter::told(alone.features()));
    }
}
