//! What one IMAP client does, as a model of plain maps: each command takes one exact state to another, so
//! after a crash either the one or the other must be there, whole.

use std::collections::{BTreeMap, BTreeSet};

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    /// Which.
    pub(super) token: u64,
    /// Flags and keywords.
    pub(super) flags: BTreeSet<String>,
}

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mailbox {
    /// `None` until it was read for the first time.
    pub(super) uidvalidity: Option<u32>,
    /// The next UID.
    pub(super) uidnext: u32,
    /// By UID.
    pub(super) letters: BTreeMap<u32, Letter>,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            uidvalidity: None,
            uidnext: 1,
            letters: BTreeMap::new(),
        }
    }
}

impl Mailbox {
    fn put(&mut self, letter: Letter) -> u32 {
        let uid = self.uidnext;
        self.letters.insert(uid, letter);
        self.uidnext += 1;
        uid
    }
}

/// Mailboxes by name.
pub(super) type Mailboxes = BTreeMap<String, Mailbox>;

/// What STORE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// FLAGS
    Replace,
    /// +FLAGS
    Add,
    /// -FLAGS
    Remove,
}

/// One command. UIDs are of messages that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are the arguments of IMAP commands")]
pub(super) enum Act {
    Append {
        to: String,
        token: u64,
        flags: BTreeSet<String>,
    },
    Store {
        of: String,
        uids: Vec<u32>,
        sign: Sign,
        flags: BTreeSet<String>,
    },
    Copy {
        from: String,
        uids: Vec<u32>,
        to: String,
    },
    Move {
        from: String,
        uids: Vec<u32>,
        to: String,
    },
    Expunge {
        of: String,
        uids: Vec<u32>,
    },
    Create(String),
    Delete(String),
    Rename(String, String),
}

impl Act {
    /// The mailbox that must be selected.
    pub(super) fn selected(&self) -> Option<&str> {
        match self {
            Self::Store { of, .. } | Self::Expunge { of, .. } => Some(of),
            Self::Copy { from, .. } | Self::Move { from, .. } => Some(from),
            _ => None,
        }
    }

    /// Its name, for counts.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Append { .. } => "APPEND",
            Self::Store { .. } => "STORE",
            Self::Copy { .. } => "COPY",
            Self::Move { .. } => "MOVE",
            Self::Expunge { .. } => "EXPUNGE",
            Self::Create(_) => "CREATE",
            Self::Delete(_) => "DELETE",
            Self::Rename(..) => "RENAME",
        }
    }

    /// The state after it, and the UIDs that it gave out. A mailbox that is not in the state is the shared one
    /// of all clients, which has a ledger of its own.
    pub(super) fn apply(&self, before: &Mailboxes) -> (Mailboxes, Vec<u32>) {
        let mut after = before.clone();
        let mut given = Vec::new();
        match self {
            Self::Append { to, token, flags } => {
                if let Some(mailbox) = after.get_mut(to) {
                    given.push(mailbox.put(Letter {
                        token: *token,
                        flags: flags.clone(),
                    }));
                }
            }
            Self::Store {
                of,
                uids,
                sign,
                flags,
            } => {
                let letters = after.get_mut(of).map(|mailbox| &mut mailbox.letters);
                for (_, letter) in letters
                    .into_iter()
                    .flatten()
                    .filter(|(uid, _)| uids.contains(uid))
                {
                    match sign {
                        Sign::Replace => letter.flags.clone_from(flags),
                        Sign::Add => letter.flags.extend(flags.iter().cloned()),
                        Sign::Remove => letter.flags.retain(|flag| !flags.contains(flag)),
                    }
                }
            }
            Self::Copy { from, uids, to } | Self::Move { from, uids, to } => {
                let moves = matches!(self, Self::Move { .. });
                for uid in uids {
                    let letter = before[from].letters[uid].clone();
                    if let Some(mailbox) = after.get_mut(to) {
                        given.push(mailbox.put(letter));
                    }
                    if moves && let Some(mailbox) = after.get_mut(from) {
                        mailbox.letters.remove(uid);
                    }
                }
            }
            Self::Expunge { of, uids } => {
                if let Some(mailbox) = after.get_mut(of) {
                    mailbox.letters.retain(|uid, letter| {
                        !(uids.contains(uid) && letter.flags.contains("\\Deleted"))
                    });
                }
            }
            Self::Create(name) => {
                after.insert(name.clone(), Mailbox::default());
            }
            Self::Delete(name) => {
                after.remove(name);
            }
            Self::Rename(from, to) => {
                after = before
                    .iter()
                    .map(|(name, mailbox)| (renamed(name, from, to), mailbox.clone()))
                    .collect();
            }
        }
        (after, given)
    }
}

fn renamed(name: &str, from: &str, to: &str) -> String {
    match name.strip_prefix(from) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{to}{rest}"),
        _ => name.to_owned(),
    }
}

/// Where what is there differs from what should be, in words.
pub(super) fn differences(actual: &Mailboxes, expected: &Mailboxes) -> Vec<String> {
    let mut found = Vec::new();
    for name in actual.keys().filter(|name| !expected.contains_key(*name)) {
        found.push(format!("{name} should not be there"));
    }
    for (name, mailbox) in expected {
        let Some(actual) = actual.get(name) else {
            found.push(format!("{name} is not there"));
            continue;
        };
        if mailbox.uidvalidity.is_some() && mailbox.uidvalidity != actual.uidvalidity {
            found.push(format!(
                "{name}: UIDVALIDITY {:?} became {:?}",
                mailbox.uidvalidity, actual.uidvalidity
            ));
        }
        if mailbox.uidnext != actual.uidnext {
            found.push(format!(
                "{name}: UIDNEXT {} became {}",
                mailbox.uidnext, actual.uidnext
            ));
        }
        for (uid, letter) in &mailbox.letters {
            match actual.letters.get(uid) {
                None => found.push(format!("{name}: lost: UID {uid}, message {}", letter.token)),
                Some(there) if there != letter => found.push(format!(
                    "{name}: UID {uid} is {there:?} and should be {letter:?}"
                )),
                Some(_) => {}
            }
        }
        for (uid, letter) in &actual.letters {
            if !mailbox.letters.contains_key(uid) {
                found.push(format!(
                    "{name}: UID {uid}, message {} should not be there",
                    letter.token
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(to: &str, token: u64) -> Act {
        Act::Append {
            to: to.to_owned(),
            token,
            flags: BTreeSet::new(),
        }
    }

    #[test]
    fn acts_and_differences() {
        let mut state = Mailboxes::from([
            ("E".to_owned(), Mailbox::default()),
            ("E/a".to_owned(), Mailbox::default()),
        ]);
        for token in [10, 11] {
            state = append("E/a", token).apply(&state).0;
        }
        let moved = Act::Move {
            from: "E/a".to_owned(),
            uids: vec![1],
            to: "E".to_owned(),
        };
        let (after, given) = moved.apply(&state);
        assert_eq!(given, [1]);
        assert_eq!(after["E"].letters[&1].token, 10);
        assert!(!after["E/a"].letters.contains_key(&1));
        assert_eq!(differences(&state, &state), [""; 0]);
        assert_eq!(differences(&after, &state).len(), 3);
        let (after, _) = Act::Rename("E/a".to_owned(), "E/b".to_owned()).apply(&state);
        assert!(after.contains_key("E/b") && !after.contains_key("E/a"));
        assert_eq!(after["E/b"].letters.len(), 2);
    }
}
