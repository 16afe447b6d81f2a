//! Labels, written in the transaction of the act that gave them. What follows from one is the teacher's business, later.
//!
//! A label is what a *person* says of a letter: they move or copy it into Junk or out of it, set a keyword, release it
//! from quarantine, report it, or answer it. What this server placed or flagged itself never comes here. A letter counts
//! once for each account; who says the opposite takes the first label back.

use congvu_directory::find;
use congvu_spam::statistics::Class;
use congvu_store::{
    AccountId, FlagChange, Flags, Mailbox, MailboxId, Message, Read, Result, SpecialUse, Topic, Tx,
    Uid,
};

use super::record::{Act, Entry, EntryBody, Held, Letter, Opinion, Source};

/// Labels taken from one command; a person means a few letters, a tidied folder is no set of judgements.
pub const AT_ONCE: usize = 1_000;

/// Whom a label of the house itself stands for.
const HOUSE: AccountId = AccountId(0);

/// A label to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Whose; `None` for an administrator who speaks for the house.
    pub account: Option<AccountId>,
    /// What the person says.
    pub class: Class,
    /// How.
    pub source: Source,
    /// Of which letter.
    pub letter: Letter,
    /// What the filter had said, as far as the letter's place tells: unwanted or not.
    pub judged: Option<bool>,
}

/// Writes a label; its number, or `None` if the same is known of this letter already. Of a letter that was labelled
/// otherwise before, that label is taken back.
pub fn label(tx: &mut Tx<'_>, label: &Label) -> Result<Option<u64>> {
    let spam = label.class == Class::Spam;
    let key = (label.account.unwrap_or(HOUSE), label.letter.number());
    let known = opinion(tx, key)?;
    let mut judged = label.judged;
    if let Some(held) = known {
        let hint = label.source == Source::Answered;
        let was_hint = held.source == Source::Answered;
        if hint || (held.spam == spam && !was_hint) {
            return Ok(None);
        }
        revoke_one(tx, key, held.label)?;
        if !was_hint {
            // It stands where the person put it, not where the filter did.
            judged = None;
        }
    }
    let id = append(
        tx,
        label.account,
        Act::Learn {
            spam,
            source: label.source,
            letter: label.letter.clone(),
            judged,
        },
    )?;
    tx.put(&Opinion {
        account: key.0,
        letter: key.1,
        held: Held {
            label: id,
            spam,
            source: label.source,
        },
    })?;
    Ok(Some(id))
}

/// Takes back what an account said of a letter, if it said this.
pub fn unlabel(tx: &mut Tx<'_>, account: AccountId, letter: &Letter, class: Class) -> Result<()> {
    let key = (account, letter.number());
    match opinion(tx, key)? {
        Some(held) if held.spam == (class == Class::Spam) => revoke_one(tx, key, held.label),
        _ => Ok(()),
    }
}

/// Takes back one label; whether it was there and held.
pub fn forget_label(tx: &mut Tx<'_>, id: u64) -> Result<bool> {
    let Some(entry) = tx.get::<Entry>(&id)? else {
        return Ok(false);
    };
    let Act::Learn { letter, .. } = &entry.body.act else {
        return Ok(false);
    };
    let key = (entry.body.account.unwrap_or(HOUSE), letter.number());
    match opinion(tx, key)? {
        Some(held) if held.label == id => revoke_one(tx, key, id).map(|()| true),
        _ => Ok(false),
    }
}

/// Takes back labels of an account that were given at or after an instant, at most `most` of them; how many, and from
/// where to go on if there may be more. `from` is 0 at first.
pub fn forget_account(
    tx: &mut Tx<'_>,
    account: AccountId,
    since: congvu_store::Timestamp,
    from: u64,
    most: usize,
) -> Result<(usize, Option<u64>)> {
    let start = <Opinion as congvu_store::Record>::key_octets(&(account, from));
    let prefix = &start[..9];
    let found = tx.scan::<Opinion>(prefix, &start, most)?;
    let next = match found.last() {
        Some(last) if found.len() == most => last.letter.checked_add(1),
        _ => None,
    };
    let mut gone = 0;
    for opinion in found {
        let given = tx.get::<Entry>(&opinion.held.label)?;
        if given.is_none_or(|entry| entry.body.at >= since) {
            revoke_one(tx, (account, opinion.letter), opinion.held.label)?;
            gone += 1;
        }
    }
    Ok((gone, next))
}

/// Everything that was learned so far is forgotten at once.
pub fn forget_all(tx: &mut Tx<'_>) -> Result<()> {
    append(tx, None, Act::Reset).map(drop)
}

/// The opinion that holds, if it is younger than the last forgetting of everything.
fn opinion(tx: &Tx<'_>, key: (AccountId, u64)) -> Result<Option<Held>> {
    let Some(found) = tx.get::<Opinion>(&key)? else {
        return Ok(None);
    };
    let since = tx
        .get::<super::record::Reset>(&())?
        .map_or(0, |reset| reset.entry);
    Ok(Some(found.held).filter(|held| held.label > since))
}

fn revoke_one(tx: &mut Tx<'_>, key: (AccountId, u64), label: u64) -> Result<()> {
    let account = Some(key.0).filter(|account| *account != HOUSE);
    append(tx, account, Act::Revoke { label })?;
    tx.delete::<Opinion>(&key)
}

fn append(tx: &mut Tx<'_>, account: Option<AccountId>, act: Act) -> Result<u64> {
    let id = tx.next("label")?;
    let agency = match account {
        Some(account) => agency(tx, account)?,
        None => None,
    };
    if act == Act::Reset {
        tx.put(&super::record::Reset { entry: id })?;
    }
    let at = tx.now();
    tx.put(&Entry {
        id,
        body: EntryBody {
            at,
            account,
            agency,
            act,
        },
    })?;
    tx.touch(Topic::Filter);
    Ok(id)
}

/// The agency of an account. One that the directory does not know has none: the label stays its own.
fn agency(tx: &Tx<'_>, account: AccountId) -> Result<Option<congvu_directory::AgencyId>> {
    match find::account_by_id(tx, account) {
        Ok(account) => Ok(Some(account.agency)),
        Err(congvu_directory::Error::Store(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether this is `\Junk` itself.
pub(crate) fn is_junk_named(mailbox: &Mailbox) -> bool {
    mailbox.special_use == Some(SpecialUse::Junk)
}

/// Whether letters in a mailbox are those that nobody wants: `\Junk` and what is below it.
pub fn is_junk(tx: &Tx<'_>, mailbox: &Mailbox) -> Result<bool> {
    if mailbox.special_use == Some(SpecialUse::Junk) {
        return Ok(true);
    }
    let mut name = mailbox.name.as_str();
    while let Some((above, _)) = name.rsplit_once('/') {
        let above_is = tx.mailbox_named(mailbox.account, above)?;
        if above_is.is_some_and(|above| above.special_use == Some(SpecialUse::Junk)) {
            return Ok(true);
        }
        name = above;
    }
    Ok(false)
}

/// A person moved or copied messages of their own from one mailbox to another; `placed` are the new ones.
///
/// Into Junk says spam. Out of Junk says ham, but not to `\Trash`: who throws junk away does not want it. Clients that
/// cannot MOVE copy first and expunge the original later; so it is the copy that counts, and nothing that is expunged.
pub fn moved(tx: &mut Tx<'_>, from: &Mailbox, to: &Mailbox, placed: &[Uid]) -> Result<()> {
    if from.account != to.account {
        return Ok(());
    }
    let (was_junk, is_junk) = (is_junk(tx, from)?, is_junk(tx, to)?);
    let class = match (was_junk, is_junk) {
        (false, true) => Class::Spam,
        (true, false) if to.special_use != Some(SpecialUse::Trash) => Class::Ham,
        _ => return Ok(()),
    };
    for &uid in placed.iter().take(AT_ONCE) {
        let Some(message) = tx.message(to.id, uid)? else {
            continue;
        };
        // A letter in Trash stood somewhere else before.
        let judged = Some(was_junk).filter(|_| from.special_use != Some(SpecialUse::Trash));
        label(
            tx,
            &Label {
                account: Some(to.account),
                class,
                source: Source::Move,
                letter: stored(&message),
                judged,
            },
        )?;
    }
    Ok(())
}

/// What a person said by STORE. `messages` are those that it was about, as they are now.
///
/// Adding `$Junk` (Thunderbird: `Junk`) says spam, taking it away takes that back. `$NotJunk` (`NonJunk`, `NotJunk`) says
/// ham where the letter lies in Junk or was called spam before; elsewhere clients set it unasked on all they look at,
/// and it is a hint as weak as an answer. `\Answered` outside of Junk is that hint.
pub fn flagged(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    messages: &[Message],
    change: &FlagChange,
) -> Result<()> {
    let Some(said) = Said::of(change) else {
        return Ok(());
    };
    let Some(mailbox) = tx.mailbox(mailbox)? else {
        return Ok(());
    };
    let in_junk = is_junk(tx, &mailbox)?;
    for message in messages.iter().take(AT_ONCE) {
        let letter = stored(message);
        let known = opinion(tx, (mailbox.account, letter.number()))?;
        let called_spam = known.is_some_and(|held| held.spam);
        let (class, source) = match said {
            Said::Spam => (Class::Spam, Source::Flag),
            Said::NotSpam => {
                unlabel(tx, mailbox.account, &letter, Class::Spam)?;
                continue;
            }
            Said::Ham if in_junk || called_spam => (Class::Ham, Source::Flag),
            Said::Ham | Said::Answered if !in_junk => (Class::Ham, Source::Answered),
            Said::Ham | Said::Answered => continue,
        };
        label(
            tx,
            &Label {
                account: Some(mailbox.account),
                class,
                source,
                letter,
                judged: Some(in_junk),
            },
        )?;
    }
    Ok(())
}

/// The letter of a message record.
pub fn stored(message: &Message) -> Letter {
    Letter::Stored {
        body: message.body,
        frame: message.frame,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Spam,
    NotSpam,
    Ham,
    Answered,
}

impl Said {
    /// `FLAGS` replaces what was there: it says something only where it names one of the words, since leaving one out
    /// is what a client does that does not know it.
    fn of(change: &FlagChange) -> Option<Self> {
        let (flags, words, added) = match change {
            FlagChange::Replace(flags, words) | FlagChange::Add(flags, words) => {
                (*flags, words, true)
            }
            FlagChange::Remove(_, words) => (Flags::default(), words, false),
        };
        let has = |names: &[&str]| {
            words
                .iter()
                .any(|word| names.iter().any(|name| word.eq_ignore_ascii_case(name)))
        };
        // Apple Mail and the registry; Thunderbird; older ones.
        let spam = has(&["$Junk", "Junk"]);
        let ham = has(&["$NotJunk", "NonJunk", "NotJunk"]);
        match (spam, ham, added) {
            (true, false, true) => Some(Self::Spam),
            (true, false, false) => Some(Self::NotSpam),
            (false, true, true) => Some(Self::Ham),
            (false, false, true) if flags.contains(Flags::ANSWERED) => Some(Self::Answered),
            _ => None,
        }
    }
}
