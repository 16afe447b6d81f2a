//! One account: its mailboxes there one after another, each up to date when it is left.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use congvu_imap::client::{Body, Command, Fetched, Listed};
use congvu_imap::name::{Spelling, decode};
use congvu_store::{Flags, MailboxId, SpecialUse};

use super::super::feeder::{Conversation, Feeder, How};
use super::super::files::{Moved, MovedMailbox};
use super::super::ledger::{Origin, Seen, bounded};
use super::super::names::Namer;
use super::super::{Bad, Fate, Letter, Tally};
use super::remote::{Event, Failed, Remote};
use super::{Migrate, Stage, Watch};
use crate::error::Error;

/// Messages asked for at once: a lost connection costs at most these.
const AT_ONCE: usize = 100;
/// Most mailboxes that a server may list: as many as an account can have.
const MAILBOXES: usize = 10_000;
/// Changed flags sent in one request.
const CHANGES: usize = 500;

/// Why an account is not done.
pub(super) enum Stop {
    /// The session; trying again may help.
    Remote(Failed),
    /// Our own side.
    Own(Error),
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        Self::Remote(failed)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

/// One account under way.
pub(super) struct Run<'a> {
    pub(super) conversation: &'a mut Conversation,
    pub(super) what: &'a Migrate,
    /// Server and login, for the ledgers.
    pub(super) origin: String,
    pub(super) moved: &'a mut Moved,
    pub(super) watch: &'a Watch,
}

impl Run<'_> {
    /// Brings every mailbox of the session up to date.
    pub(super) async fn all(&mut self, remote: &mut Remote) -> Result<(), Stop> {
        let gmail = remote
            .session
            .capabilities
            .iter()
            .any(|c| c == "X-GM-EXT-1");
        let mut listed = list(remote).await?;
        // INBOX first, the mailbox of everything last.
        listed.sort_by_key(|one| (one.has("\\All"), !one.name.eq_ignore_ascii_case(b"INBOX")));
        let places = self.conversation.mailboxes().await?;
        let namer = Namer::new(&places, self.what.into.as_deref(), self.what.as_named);
        for one in listed {
            let others = &remote.session.others;
            let foreign = others.iter().any(|prefix| one.name.starts_with(prefix));
            if one.has("\\Noselect") || one.has("\\NonExistent") || foreign {
                continue;
            }
            let levels = levels(&one, &remote.session.prefix);
            let shown = levels.join("/");
            if self.skips(&one, &shown, gmail) {
                continue;
            }
            let archive = one.has("\\All") && gmail && !self.what.all_mail;
            let (name, special) = if archive {
                namer.target(&["Archive".to_owned()], Some(SpecialUse::Archive))
            } else {
                namer.target(&levels, special(&one))
            };
            let name = match congvu_store::name::canonical(&name) {
                Ok(name) => name,
                Err(error) => {
                    self.bad(&shown, &error.to_string());
                    continue;
                }
            };
            let full = self
                .mailbox(remote, &one, (shown, name, special), archive)
                .await?;
            if full {
                // Whatever comes next finds no room, either.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Mailboxes that only show messages of others, and those that are not wanted.
    fn skips(&self, one: &Listed, shown: &str, gmail: bool) -> bool {
        let view = (one.has("\\All") && !gmail && !self.what.all_mail)
            || one.has("\\Flagged")
            || one.has("\\Important");
        let excluded = self.what.exclude.iter().any(|name| {
            let rest = shown.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        view || excluded
    }

    fn bad(&mut self, place: &str, why: &str) {
        let (place, why) = (place.to_owned(), why.to_owned());
        self.moved.bad(Bad { place, why });
    }

    /// One mailbox; whether a limit stood against further messages.
    async fn mailbox(
        &mut self,
        remote: &mut Remote,
        one: &Listed,
        (shown, name, special): (String, String, Option<SpecialUse>),
        archive: bool,
    ) -> Result<bool, Stop> {
        let outcome = remote.run(Command::Examine(one.name.clone())).await?;
        if !outcome.ok {
            self.bad(&shown, &format!("cannot be opened: {}", outcome.text));
            return Ok(false);
        }
        let place = self.conversation.open(&name, special).await?;
        let origin = Origin {
            server: self.origin.clone(),
            mailbox: one.name.clone(),
            uidvalidity: outcome.selected.uidvalidity,
            target: place.id,
        };
        let number = self.conversation.ledger(origin).await?;
        let mut here = MovedMailbox {
            from: shown.clone(),
            mailbox: name,
            created: place.created,
            tally: Tally::default(),
        };
        let new = if outcome.selected.exists == 0 {
            Vec::new()
        } else {
            self.look(remote, number, place.id, archive).await?
        };
        let ended = self.fetch(remote, (number, place.id), new, &mut here).await;
        self.moved.tally.add(&here.tally);
        // A mailbox that an earlier attempt began is one line.
        match self
            .moved
            .mailboxes
            .iter_mut()
            .find(|m| m.from == here.from)
        {
            Some(line) => line.tally.add(&here.tally),
            None => self.moved.mailboxes.push(here),
        }
        ended
    }

    /// Which messages are new there; flags that changed on the others are followed at once.
    async fn look(
        &mut self,
        remote: &mut Remote,
        number: u64,
        target: MailboxId,
        archive: bool,
    ) -> Result<Vec<u32>, Stop> {
        let hasher = RandomState::new();
        let state = |flags: u8, keywords: &[String]| {
            let mut keywords: Vec<String> = bounded(keywords);
            for keyword in &mut keywords {
                keyword.make_ascii_lowercase();
            }
            keywords.sort_unstable();
            hasher.hash_one((flags, keywords))
        };
        let mut known = HashMap::new();
        let mut from = Some(0);
        while let Some(first) = from {
            let (page, next) = self.conversation.moved(number, first).await?;
            for seen in page {
                known.insert(seen.remote, state(seen.flags, &seen.keywords));
            }
            from = next;
        }
        remote.say(if archive {
            Command::Records(1, u32::MAX)
        } else {
            Command::Flags(1, u32::MAX)
        });
        let (mut new, mut changes) = (Vec::new(), Vec::new());
        loop {
            let fetched = match remote.event().await? {
                Event::Listed(_) => continue,
                Event::Fetched(fetched) => fetched,
                Event::Done(outcome) if outcome.ok => break,
                Event::Done(outcome) => {
                    return Err(Stop::Remote(Failed {
                        why: format!("the server does not tell its messages: {}", outcome.text),
                        passes: true,
                    }));
                }
            };
            let Some(uid) = fetched.uid else { continue };
            let (flags, keywords) = flags(&fetched);
            if self.what.skip_deleted && Flags(flags).contains(Flags::DELETED) {
                continue;
            }
            match known.get(&uid) {
                None if archive && labelled(&fetched) => {}
                None => new.push(uid),
                Some(old) if *old != state(flags, &keywords) => changes.push(Seen {
                    remote: uid,
                    flags,
                    keywords,
                }),
                Some(_) => {}
            }
            if changes.len() >= CHANGES {
                self.follow(number, target, &mut changes).await?;
            }
        }
        self.follow(number, target, &mut changes).await?;
        new.sort_unstable();
        new.dedup();
        Ok(new)
    }

    async fn follow(
        &mut self,
        number: u64,
        target: MailboxId,
        changes: &mut Vec<Seen>,
    ) -> Result<(), Stop> {
        if !changes.is_empty() {
            let changes = std::mem::take(changes);
            self.moved.followed += self.conversation.follow(number, target, changes).await?;
        }
        Ok(())
    }

    /// Fetches and puts; whether a limit stood against it.
    async fn fetch(
        &mut self,
        remote: &mut Remote,
        (number, target): (u64, MailboxId),
        new: Vec<u32>,
        here: &mut MovedMailbox,
    ) -> Result<bool, Stop> {
        let how = How {
            dry_run: false,
            ignore_quota: self.what.ignore_quota,
        };
        let mut feeder = Feeder::new(Some(target), how).with_ledger(number);
        let all = new.len() as u64;
        let mut done = 0;
        self.told(here, done, all);
        for batch in new.chunks(AT_ONCE) {
            remote.say(Command::Messages(batch.to_vec()));
            loop {
                let fetched = match remote.event().await? {
                    Event::Listed(_) => continue,
                    Event::Fetched(fetched) => fetched,
                    Event::Done(outcome) => {
                        if !outcome.ok {
                            let place = format!("{}, UIDs {}…", here.from, batch[0]);
                            self.bad(&place, &outcome.text);
                        }
                        break;
                    }
                };
                let Some(uid) = fetched.uid.filter(|uid| batch.contains(uid)) else {
                    continue;
                };
                let Some((letter, octets)) = self.letter(fetched, &here.from, uid) else {
                    continue;
                };
                if !feeder.fits(octets.len()) && flush(self.conversation, &mut feeder, here).await?
                {
                    return Ok(self.full(here));
                }
                here.tally.read += 1;
                done += 1;
                feeder.add(letter, octets, uid);
                self.told(here, done, all);
            }
        }
        if flush(self.conversation, &mut feeder, here).await? {
            return Ok(self.full(here));
        }
        Ok(false)
    }

    fn full(&mut self, here: &MovedMailbox) -> bool {
        self.bad(
            &here.from,
            "a limit of the account, its domain or its agency stands against more; raise it and run this again",
        );
        true
    }

    fn told(&self, here: &MovedMailbox, done: u64, all: u64) {
        (self.watch)(&Stage {
            account: &self.moved.address,
            mailbox: &here.from,
            done,
            all,
            octets: self.moved.tally.octets + here.tally.octets,
        });
    }

    /// A message as it is put; `None` when there is nothing to put, which is told unless it just went there.
    fn letter(&mut self, fetched: Fetched, from: &str, uid: u32) -> Option<(Letter, Vec<u8>)> {
        let (flags, keywords) = flags(&fetched);
        let (date, zone) = fetched.date.unwrap_or((0, 0));
        let place = || format!("{from}, UID {uid}");
        let octets = match fetched.body? {
            Body::Whole(octets) if !octets.is_empty() => octets,
            Body::TooLarge(size) => {
                self.bad(&place(), &format!("{size} octets: larger than 256 MiB"));
                return None;
            }
            Body::Whole(_) | Body::Missing => {
                self.bad(&place(), "the server has no octets of it");
                return None;
            }
        };
        let letter = Letter {
            flags,
            keywords,
            date,
            zone,
            saved: None,
            octets: 0,
            remote: uid,
        };
        Some((letter, octets))
    }
}

/// Puts what waits; whether a limit stood against any of it.
async fn flush(
    conversation: &mut Conversation,
    feeder: &mut Feeder<u32>,
    here: &mut MovedMailbox,
) -> Result<bool, Stop> {
    let mut full = false;
    for (_, letter, fate) in feeder.flush(conversation).await? {
        here.tally.count(fate, letter.octets);
        full |= fate == Fate::OverQuota;
    }
    Ok(full)
}

async fn list(remote: &mut Remote) -> Result<Vec<Listed>, Stop> {
    let mut listed = Vec::new();
    remote.say(Command::List);
    loop {
        match remote.event().await? {
            Event::Listed(one) if listed.len() < MAILBOXES => listed.push(one),
            Event::Listed(_) | Event::Fetched(_) => {}
            Event::Done(outcome) if outcome.ok => return Ok(listed),
            Event::Done(outcome) => {
                return Err(Stop::Remote(Failed {
                    why: format!("the server does not list its mailboxes: {}", outcome.text),
                    passes: true,
                }));
            }
        }
    }
}

/// A name there as levels here.
fn levels(one: &Listed, prefix: &[u8]) -> Vec<String> {
    let own = one.name.strip_prefix(prefix);
    let name = own.filter(|rest| !rest.is_empty()).unwrap_or(&one.name);
    let parts: Vec<&[u8]> = match one.delimiter {
        Some(delimiter) => name.split(|octet| *octet == delimiter).collect(),
        None => vec![name],
    };
    let level = |part: &[u8]| {
        let plain = || String::from_utf8_lossy(part).into_owned();
        if part.contains(&b'&') {
            decode(part, Spelling::Utf7).unwrap_or_else(|_| plain())
        } else {
            plain()
        }
    };
    parts.into_iter().map(level).collect()
}

/// The special use that the server tells (RFC 6154).
fn special(one: &Listed) -> Option<SpecialUse> {
    [
        ("\\Sent", SpecialUse::Sent),
        ("\\Drafts", SpecialUse::Drafts),
        ("\\Junk", SpecialUse::Junk),
        ("\\Trash", SpecialUse::Trash),
        ("\\Archive", SpecialUse::Archive),
    ]
    .into_iter()
    .find(|(name, _)| one.has(name))
    .map(|(_, special)| special)
}

/// Whether Gmail shows the message in another mailbox, too.
fn labelled(fetched: &Fetched) -> bool {
    let labels = fetched.labels.as_deref().unwrap_or_default();
    labels
        .iter()
        .any(|label| label != "\\Starred" && label != "\\Important")
}

/// System flags as bits, and keywords.
fn flags(fetched: &Fetched) -> (u8, Vec<String>) {
    let (mut bits, mut keywords) = (Flags::default(), Vec::<String>::new());
    for name in fetched.flags.as_deref().unwrap_or_default() {
        let bit = match name.to_ascii_lowercase().as_str() {
            "\\seen" => Flags::SEEN,
            "\\answered" => Flags::ANSWERED,
            "\\flagged" => Flags::FLAGGED,
            "\\deleted" => Flags::DELETED,
            "\\draft" => Flags::DRAFT,
            _ if !name.starts_with('\\') => {
                let atom = name
                    .bytes()
                    .all(|o| o.is_ascii_graphic() && !b"(){%*\"\\]".contains(&o));
                let known = keywords.iter().any(|k| k.eq_ignore_ascii_case(name));
                if atom && !name.is_empty() && !known {
                    keywords.push(name.clone());
                }
                continue;
            }
            _ => continue,
        };
        bits = bits.union(bit);
    }
    (bits.0, keywords)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_servers() {
        let check = |name: &str, delimiter: Option<u8>, prefix: &str, expected: &[&str]| {
            let one = Listed {
                name: name.into(),
                delimiter,
                attributes: Vec::new(),
            };
            assert_eq!(levels(&one, prefix.as_bytes()), expected, "{name}");
        };
        check("INBOX", Some(b'.'), "INBOX.", &["INBOX"]);
        check("INBOX.Sent", Some(b'.'), "INBOX.", &["Sent"]);
        check("INBOX.A.B", Some(b'.'), "INBOX.", &["A", "B"]);
        check("INBOX/A", Some(b'/'), "", &["INBOX", "A"]);
        check(
            "[Gmail]/&ARAA4w- g&Hu0-i",
            Some(b'/'),
            "",
            &["[Gmail]", "Đã gửi"],
        );
        check("a.b", None, "", &["a.b"]);
        check("&broken", Some(b'/'), "", &["&broken"]);
    }
}
