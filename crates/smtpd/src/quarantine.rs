//! Letters that are held instead of being placed: what is kept beside them, so that their owner and an administrator
//! can decide without opening them.

use congvu_directory::find;
use congvu_message::summary::{Envelope, Mailbox};
use congvu_spam::Judgement;
use congvu_store::quarantine::{Letter as Held, NewLetter, Reason};
use congvu_store::{AccountId, Tx};

use crate::place::Letter;
use crate::refusal::Refusal;

/// Authors named of one letter: more are a trick.
const AUTHORS: usize = 3;

/// What a letter says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    /// From field, decoded.
    pub from: String,
    /// Subject, decoded.
    pub subject: String,
}

impl Shown {
    /// Of a letter's envelope.
    pub(crate) fn of(envelope: &Envelope) -> Self {
        let authors: Vec<String> = envelope
            .from
            .iter()
            .filter_map(author)
            .take(AUTHORS)
            .collect();
        Self {
            from: authors.join(", "),
            subject: envelope.subject.clone().unwrap_or_default(),
        }
    }
}

fn author(mailbox: &Mailbox) -> Option<String> {
    let (local, host) = (mailbox.mailbox.as_ref()?, mailbox.host.as_ref()?);
    Some(match &mailbox.name {
        Some(name) => format!("{name} <{local}@{host}>"),
        None => format!("{local}@{host}"),
    })
}

/// Holds an account's copy. `None` when its quarantine is full: then it goes to Junk.
pub(crate) fn hold(
    tx: &mut Tx<'_>,
    letter: &Letter,
    account: AccountId,
    detail: Option<&str>,
) -> Result<Option<Held>, Refusal> {
    let owner = find::account_by_id(tx, account)?;
    let (unwanted, reasons) = letter
        .ruling
        .as_ref()
        .map_or((0, Vec::new()), |ruling| because(&ruling.judgement));
    let new = NewLetter {
        account,
        agency: owner.agency.0,
        trace: letter.told.id.clone(),
        sender: letter.told.sender.clone(),
        rcpt: owner.address().to_string(),
        detail: detail.map(str::to_owned),
        from: letter.shown.from.clone(),
        subject: letter.shown.subject.clone(),
        date: letter.message.date,
        zone: letter.message.zone,
        unwanted,
        reasons,
    };
    Ok(tx.hold_letter(&new, &letter.body)?)
}

/// How probable, in thousandths, and what spoke for it, the heaviest first.
fn because(judgement: &Judgement) -> (u16, Vec<Reason>) {
    let thousandths = (judgement.probability.clamp(0.0, 1.0) * 1_000.0).round();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1,000"
    )]
    let unwanted = thousandths as u16;
    let against = judgement.evidence.iter().filter(|found| found.weight > 0.0);
    let reasons = against.map(|found| Reason {
        name: found.name.to_owned(),
        vi: found.reason.vi.clone(),
        en: found.reason.en.clone(),
    });
    (unwanted, reasons.collect())
}
