//! One IMAP client that works alone in its mailboxes and knows exactly what they hold; from time to time it
//! copies or moves a message into a mailbox that all clients share.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use super::letter;
use super::load::Load;
use super::model::{Act, Mailbox, Mailboxes, Sign, differences};
use crate::imap::{Imap, Outcome, quoted};
use crate::server::PASSWORD;

/// The mailbox of all clients of an account.
pub(super) const SHARED: &str = "Shared";
/// Messages that an editor keeps: more are expunged, so that reading all of them stays quick.
const KEPT: usize = 60;
/// Flags that are set and taken away.
const FLAGS: [&str; 6] = [
    "\\Seen",
    "\\Flagged",
    "\\Answered",
    "\\Draft",
    "$Khan",
    "$Junk",
];

/// A command that was sent and not answered.
#[derive(Debug)]
struct Pending {
    act: Act,
    after: Mailboxes,
}

/// An editor between two connections.
#[derive(Debug)]
pub(super) struct Editor {
    /// Whose mailboxes.
    pub(super) account: &'static str,
    /// The mailbox above its own.
    pub(super) root: String,
    now: Mailboxes,
    pending: Option<Pending>,
    /// Highest UIDVALIDITY seen: one made later has a higher one.
    highest: u32,
}

impl Editor {
    /// Has nothing yet.
    pub(super) fn new(account: &'static str, root: &str) -> Self {
        Self {
            account,
            root: root.to_owned(),
            now: Mailboxes::new(),
            pending: None,
            highest: 0,
        }
    }

    /// Works until the connection breaks or a command is refused.
    pub(super) fn work(&mut self, imaps: SocketAddr, load: &Load, seed: u64) -> io::Result<()> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut imap = Imap::login(imaps, self.account, PASSWORD)?;
        imap.command("ENABLE IMAP4rev2")?;
        let mut selected: Option<String> = None;
        while !load.stopped() {
            let act = self.choose(&mut random, load);
            if act.selected() != selected.as_deref() {
                if selected.take().is_some() && !imap.command("UNSELECT")?.ok() {
                    return Ok(());
                }
                if let Some(name) = act.selected() {
                    let outcome = imap.command(&format!("SELECT {}", quoted(name)))?;
                    if !outcome.ok() {
                        load.refused("SELECT", &outcome.status);
                        return Ok(());
                    }
                    selected = Some(name.to_owned());
                }
            }
            if !self.run(&mut imap, &act, load)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Runs one command; `false` when it was refused or not answered.
    fn run(&mut self, imap: &mut Imap, act: &Act, load: &Load) -> io::Result<bool> {
        let (after, given) = act.apply(&self.now);
        let shared = self.shared(act);
        load.ledger(self.account, SHARED, |ledger| {
            for token in &shared {
                ledger.asked(*token);
            }
        });
        self.pending = Some(Pending {
            act: act.clone(),
            after,
        });
        let outcome = send(imap, act)?;
        if outcome.status.is_empty() {
            return Ok(false);
        }
        let Some(pending) = self.pending.take() else {
            return Ok(false);
        };
        if !outcome.ok() {
            load.refused(act.name(), &outcome.status);
            load.ledger(self.account, SHARED, |ledger| {
                for token in &shared {
                    ledger.refused(*token);
                }
            });
            return Ok(false);
        }
        load.ledger(self.account, SHARED, |ledger| {
            for token in &shared {
                ledger.kept(*token);
            }
        });
        load.count(act.name());
        self.now = pending.after;
        if !given.is_empty() {
            let told = given_out(&outcome);
            if told != given {
                load.fault(format!(
                    "{act:?} should give UIDs {given:?} and gave {told:?}: {outcome:?}"
                ));
            }
        }
        Ok(true)
    }

    /// What an act brings into the shared mailbox.
    fn shared(&self, act: &Act) -> Vec<u64> {
        match act {
            Act::Append { to, token, .. } if to == SHARED => vec![*token],
            Act::Copy { from, uids, to } | Act::Move { from, uids, to } if to == SHARED => uids
                .iter()
                .map(|uid| self.now[from].letters[uid].token)
                .collect(),
            _ => Vec::new(),
        }
    }

    fn choose(&self, random: &mut fastrand::Rng, load: &Load) -> Act {
        if !self.now.contains_key(&self.root) {
            return Act::Create(self.root.clone());
        }
        let names: Vec<&String> = self.now.keys().collect();
        let any = |random: &mut fastrand::Rng| names[random.usize(..names.len())].clone();
        let append = |random: &mut fastrand::Rng| Act::Append {
            to: if random.u8(0..10) == 0 {
                SHARED.to_owned()
            } else {
                any(random)
            },
            token: load.token(),
            flags: flags(random),
        };
        let full: Vec<&String> = names
            .iter()
            .filter(|name| !self.now[**name].letters.is_empty())
            .copied()
            .collect();
        let Some(of) = random.choice(&full).map(|name| (*name).clone()) else {
            return append(random);
        };
        let uids = self.some(&of, random);
        let total: usize = self.now.values().map(|mailbox| mailbox.letters.len()).sum();
        let deleted: Vec<u32> = uids
            .iter()
            .copied()
            .filter(|uid| self.now[&of].letters[uid].flags.contains("\\Deleted"))
            .collect();
        if !deleted.is_empty() && random.bool() {
            return Act::Expunge { of, uids: deleted };
        }
        match random.u8(0..20) {
            0..7 if total < KEPT => append(random),
            0..12 => {
                let sign = match random.u8(0..5) {
                    0 => Sign::Replace,
                    1 => Sign::Remove,
                    _ => Sign::Add,
                };
                let mut flags = flags(random);
                if total >= KEPT || random.u8(0..4) == 0 {
                    flags.insert("\\Deleted".to_owned());
                }
                Act::Store {
                    of,
                    uids,
                    sign,
                    flags,
                }
            }
            12 => Act::Copy {
                from: of,
                uids,
                to: SHARED.to_owned(),
            },
            13 => Act::Move {
                from: of,
                uids,
                to: SHARED.to_owned(),
            },
            14 if total < KEPT => Act::Copy {
                from: of,
                uids,
                to: any(random),
            },
            // A message is not moved to where it is.
            14..17 => match names.iter().find(|name| ***name != of) {
                Some(to) => Act::Move {
                    from: of,
                    uids,
                    to: (*to).clone(),
                },
                None => append(random),
            },
            _ => self.tree(random).unwrap_or_else(|| append(random)),
        }
    }

    /// Something with mailboxes as a whole.
    fn tree(&self, random: &mut fastrand::Rng) -> Option<Act> {
        const NAMES: [&str; 6] = ["a", "b", "c", "a/x", "b/Đi", "c/Đi"];
        let name = format!("{}/{}", self.root, random.choice(NAMES)?);
        let parent = name.rsplit_once('/')?.0;
        if !self.now.contains_key(&name) {
            if !self.now.contains_key(parent) {
                return None;
            }
            let others: Vec<&String> = self
                .now
                .keys()
                .filter(|other| **other != self.root && !name.starts_with(&format!("{other}/")))
                .collect();
            return match random.choice(&others) {
                Some(other) if random.bool() => Some(Act::Rename((*other).clone(), name)),
                _ => Some(Act::Create(name)),
            };
        }
        let has_children = self
            .now
            .keys()
            .any(|other| other.starts_with(&format!("{name}/")));
        // Deleted only now and then, so that there is something to rename.
        (!has_children && random.u8(0..3) == 0).then_some(Act::Delete(name))
    }

    fn some(&self, of: &str, random: &mut fastrand::Rng) -> Vec<u32> {
        let all: Vec<u32> = self.now[of].letters.keys().copied().collect();
        let wanted = random.usize(1..=all.len().min(8));
        let from = random.usize(..=all.len() - wanted);
        all[from..from + wanted].to_vec()
    }

    /// What was found after a restart is the state before or after the command that was not answered, and
    /// nothing else. Takes it over; faults in words.
    pub(super) fn settle(&mut self, found: Mailboxes, load: &Load) -> Vec<String> {
        let pending = self.pending.take();
        let before = differences(&found, &self.now);
        let after = pending
            .as_ref()
            .map(|pending| differences(&found, &pending.after));
        let mut faults = Vec::new();
        match &after {
            None => faults.extend(before.clone()),
            Some(after) if !before.is_empty() && !after.is_empty() => faults.push(format!(
                "{}: neither as before {:?}: {before:?}, nor as after it: {after:?}",
                self.root,
                pending.as_ref().map(|pending| &pending.act)
            )),
            Some(_) => {}
        }
        if let Some(pending) = pending {
            // What happened in its own mailboxes tells what must be in the shared one.
            let happened = match (
                before.is_empty(),
                after.is_some_and(|after| after.is_empty()),
            ) {
                (true, false) => Some(false),
                (false, true) => Some(true),
                _ => None,
            };
            let shared = self.shared(&pending.act);
            load.ledger(self.account, SHARED, |ledger| {
                for token in shared {
                    match happened {
                        Some(true) => ledger.kept(token),
                        Some(false) => ledger.refused(token),
                        None => {}
                    }
                }
            });
        }
        let mut seen = self.highest;
        for (name, mailbox) in &found {
            let known = self
                .now
                .values()
                .any(|old| old.uidvalidity == mailbox.uidvalidity);
            let uidvalidity = mailbox.uidvalidity.unwrap_or_default();
            if !known && uidvalidity <= self.highest {
                faults.push(format!(
                    "{name}: UIDVALIDITY {uidvalidity} is not above {}, which was seen before",
                    self.highest
                ));
            }
            seen = seen.max(uidvalidity);
        }
        self.highest = seen;
        self.now = found;
        faults
    }

    /// Number of messages it has.
    pub(super) fn count(&self) -> usize {
        self.now.values().map(|mailbox| mailbox.letters.len()).sum()
    }

    /// Whether a mailbox is one of its own.
    pub(super) fn owns(&self, name: &str) -> bool {
        name == self.root || name.starts_with(&format!("{}/", self.root))
    }
}

/// An empty mailbox of that name, when it is read.
pub(super) fn opened(uidvalidity: u32, uidnext: u32) -> Mailbox {
    Mailbox {
        uidvalidity: Some(uidvalidity),
        uidnext,
        ..Mailbox::default()
    }
}

fn flags(random: &mut fastrand::Rng) -> BTreeSet<String> {
    FLAGS
        .iter()
        .filter(|_| random.u8(0..3) == 0)
        .map(|flag| (*flag).to_owned())
        .collect()
}

fn joined(flags: &BTreeSet<String>) -> String {
    flags.iter().cloned().collect::<Vec<_>>().join(" ")
}

fn set(uids: &[u32]) -> String {
    let uids: Vec<String> = uids.iter().map(ToString::to_string).collect();
    uids.join(",")
}

/// Sends one command and waits for its answer.
fn send(imap: &mut Imap, act: &Act) -> io::Result<Outcome> {
    let command = match act {
        Act::Append { to, token, flags } => {
            return imap.append(to, &joined(flags), letter::text(*token).as_bytes());
        }
        Act::Store {
            uids, sign, flags, ..
        } => {
            let sign = match sign {
                Sign::Replace => "",
                Sign::Add => "+",
                Sign::Remove => "-",
            };
            format!(
                "UID STORE {} {sign}FLAGS.SILENT ({})",
                set(uids),
                joined(flags)
            )
        }
        Act::Copy { uids, to, .. } => format!("UID COPY {} {}", set(uids), quoted(to)),
        Act::Move { uids, to, .. } => format!("UID MOVE {} {}", set(uids), quoted(to)),
        Act::Expunge { uids, .. } => format!("UID EXPUNGE {}", set(uids)),
        Act::Create(name) => format!("CREATE {}", quoted(name)),
        Act::Delete(name) => format!("DELETE {}", quoted(name)),
        Act::Rename(from, to) => format!("RENAME {} {}", quoted(from), quoted(to)),
    };
    imap.command(&command)
}

/// The UIDs in `[APPENDUID validity uid]` or the last set of `[COPYUID validity from to]`
/// (RFC 9051 section 7.1).
fn given_out(outcome: &Outcome) -> Vec<u32> {
    let lines = outcome
        .untagged
        .iter()
        .chain(std::iter::once(&outcome.status));
    let code = lines
        .filter_map(|line| line.split_once('[')?.1.split_once(']'))
        .map(|(code, _)| code)
        .find(|code| code.starts_with("APPENDUID ") || code.starts_with("COPYUID "));
    let ranges = code.and_then(|code| code.rsplit(' ').next()).unwrap_or("");
    let mut uids = Vec::new();
    for range in ranges.split(',') {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        if let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>()) {
            uids.extend(from..=to);
        }
    }
    uids
}
