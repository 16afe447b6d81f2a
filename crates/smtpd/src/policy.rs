//! Policy: where an accepted message goes for one recipient. Marks of urgency, classes of networks and
//! Sieve scripts will decide here, between verdict and placement.
//!
//! Wanted mail: INBOX, or the mailbox that the plus detail names (`an+hop@bo.test` → `Hop`), if the account has
//! a mailbox of that name, letter case aside. Mailboxes with a special use are left out: the address is known to
//! strangers, and a stranger must not be able to put letters among the sent or the deleted ones.
//!
//! By the filter's verdict: *labelled* goes where wanted mail goes, with the keyword `NghiNgo` (nghi ngờ: suspicious);
//! *junk* goes into the mailbox with the special use `\Junk`, which is made if it is missing, with the keyword `$Junk`,
//! by which Thunderbird and Apple Mail show it as junk and load no pictures. What borrows a name or hides where it leads
//! has `$Phishing` besides (RFC 9051 section 2.3.2). Advertising that keeps the rules of Decree 91/2020 has the keyword
//! `QuangCao` and goes into a mailbox `Quảng cáo`, if the account has one. Keywords set here are no label of a person: those come by STORE.

use congvu_spam::{Family, Judgement, Label, Verdict};
use congvu_store::{AccountId, Error, Mailbox, NewMessage, Read, Result, SpecialUse, Tx};

/// Keyword of a suspicious letter among wanted ones: nghi ngờ.
const SUSPICIOUS: &str = "NghiNgo";
/// RFC 9051 section 2.3.2.
const JUNK: &str = "$Junk";
/// RFC 9051 section 2.3.2.
const PHISHING: &str = "$Phishing";
/// Names tried for a Junk mailbox that is missing, as an ordinary mailbox may have the first.
const JUNK_NAMES: [&str; 3] = ["Junk", "Junk (spam)", "Thư rác"];
/// Keywords that a mailbox can know (the store's bound). In one that is so full the letter goes without ours.
const KEYWORDS_MOST: usize = 256;

/// The mailbox for a new message that nobody suspects.
pub(crate) fn mailbox<R: Read>(
    tx: &R,
    account: AccountId,
    detail: Option<&str>,
) -> Result<Mailbox> {
    if let Some(wanted) = detail.map(str::to_lowercase) {
        let named = |mailbox: &Mailbox| {
            mailbox.special_use.is_none() && mailbox.name.to_lowercase() == wanted
        };
        if let Some(found) = tx.mailboxes(account)?.into_iter().find(named) {
            return Ok(found);
        }
    }
    tx.mailbox_named(account, "INBOX")?.ok_or(Error::NoMailbox)
}

/// The mailbox by verdict and label.
pub(crate) fn mailbox_for(
    tx: &mut Tx<'_>,
    account: AccountId,
    detail: Option<&str>,
    verdict: Verdict,
    label: Option<Label>,
) -> Result<Mailbox> {
    if verdict >= Verdict::Junk {
        return junk(tx, account);
    }
    // The name is given as a detail is: compared without case, no mailbox with a special use.
    mailbox(tx, account, detail.or(label.map(Label::title)))
}

/// The mailbox for junk; made if the owner has none. If that cannot be, INBOX: a letter is never lost for want of one.
fn junk(tx: &mut Tx<'_>, account: AccountId) -> Result<Mailbox> {
    let mailboxes = tx.mailboxes(account)?;
    let is_junk = |mailbox: &Mailbox| mailbox.special_use == Some(SpecialUse::Junk);
    if let Some(found) = mailboxes.into_iter().find(is_junk) {
        return Ok(found);
    }
    for name in JUNK_NAMES {
        match tx.create_mailbox(account, name, Some(SpecialUse::Junk)) {
            Err(Error::MailboxExists) => {}
            Err(Error::Limit(_)) => break,
            made => return made,
        }
    }
    mailbox(tx, account, None)
}

/// The message with the marks of a verdict, as far as the mailbox has room for them.
pub(crate) fn marked(
    message: &NewMessage,
    mailbox: &Mailbox,
    verdict: Verdict,
    judgement: Option<&Judgement>,
) -> NewMessage {
    let mut marked = message.clone();
    let mark = match verdict {
        Verdict::Inbox => None,
        Verdict::Labelled => Some(SUSPICIOUS),
        Verdict::Junk | Verdict::Quarantine | Verdict::Reject => Some(JUNK),
    };
    let phishing = mark.is_some() && judgement.is_some_and(is_phishing);
    let label = judgement.and_then(Judgement::label).map(Label::keyword);
    let marks = [mark, phishing.then_some(PHISHING), label];
    if mailbox.keywords.len() + marks.len() <= KEYWORDS_MOST {
        let marks = marks.into_iter().flatten().map(str::to_owned);
        marked.keywords.extend(marks);
    }
    marked
}

/// It pretends to come from, or to lead to, somebody else.
fn is_phishing(judgement: &Judgement) -> bool {
    let families = judgement.families();
    families.contains(&Family::Identity)
        || (families.contains(&Family::Link)
            && judgement
                .evidence
                .iter()
                .any(|found| POSING.contains(&found.name)))
}

/// Rules about links that pose as somebody; other rules about links only say that they are bad.
const POSING: [&str; 4] = [
    "LINK_POSES_AS",
    "HOST_LOOKS_LIKE",
    "HOST_STATE_WORD",
    "HOST_BORROWS_NAME",
];
