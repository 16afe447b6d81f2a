//! The ledger of acknowledged operations, kept outside the server: what must be there after a crash.

use std::collections::{BTreeMap, BTreeSet};

/// What became of one message token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The command was sent; no answer came. May be there or not.
    Asked,
    /// Acknowledged: must be there.
    Kept,
    /// Its removal was sent; no answer came. May be there or not.
    Leaving,
    /// Its removal was acknowledged: must not be there.
    Gone,
}

/// Acknowledged facts about one mailbox.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    tokens: BTreeMap<String, (State, bool)>,
    uids: BTreeMap<u32, String>,
    uidvalidity: Option<u32>,
}

impl Ledger {
    /// A token's state changes.
    pub fn note(&mut self, token: &str, state: State) {
        let entry = self
            .tokens
            .entry(token.to_owned())
            .or_insert((state, false));
        entry.0 = state;
    }

    /// `\Flagged` of this token was acknowledged.
    pub fn flagged(&mut self, token: &str) {
        if let Some(entry) = self.tokens.get_mut(token) {
            entry.1 = true;
        }
    }

    /// Tokens in a state.
    pub fn tokens(&self, state: State) -> Vec<String> {
        self.tokens
            .iter()
            .filter(|(_, (is, _))| *is == state)
            .map(|(token, _)| token.clone())
            .collect()
    }

    /// Number of tokens acknowledged as kept.
    pub fn kept(&self) -> usize {
        self.tokens
            .values()
            .filter(|(state, _)| *state == State::Kept)
            .count()
    }

    /// A message was seen under a UID. Returns a fault when the UID belonged to another message.
    pub fn saw(&mut self, uidvalidity: u32, uid: u32, token: &str) -> Option<String> {
        match self.uidvalidity {
            Some(known) if known != uidvalidity => {
                return Some(format!("UIDVALIDITY {known} became {uidvalidity}"));
            }
            _ => self.uidvalidity = Some(uidvalidity),
        }
        match self.uids.insert(uid, token.to_owned()) {
            Some(other) if other != token => {
                Some(format!("UID {uid} was {other} and is now {token}"))
            }
            _ => None,
        }
    }

    /// Compares with what is there now: token → (times, `\Flagged`). Faults in words.
    pub fn compare(&self, present: &BTreeMap<String, (usize, bool)>) -> Vec<String> {
        let mut faults = Vec::new();
        for (token, (state, flagged)) in &self.tokens {
            let found = present.get(token);
            match (state, found) {
                (State::Kept, None) => faults.push(format!("lost: {token}")),
                (State::Gone, Some(_)) => faults.push(format!("came back: {token}")),
                (State::Kept, Some((_, false))) if *flagged => {
                    faults.push(format!("flag lost: {token}"));
                }
                (_, Some((times, _))) if *times > 1 => {
                    faults.push(format!("{times} times: {token}"));
                }
                _ => {}
            }
        }
        let known: BTreeSet<&String> = self.tokens.keys().collect();
        faults.extend(
            present
                .keys()
                .filter(|token| !known.contains(token))
                .map(|token| format!("never sent: {token}")),
        );
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_loss_return_and_reuse() {
        let mut ledger = Ledger::default();
        ledger.note("a", State::Kept);
        ledger.flagged("a");
        ledger.note("b", State::Gone);
        ledger.note("c", State::Asked);
        assert_eq!(ledger.saw(7, 1, "a"), None);
        assert!(ledger.saw(7, 1, "c").is_some());
        assert!(ledger.saw(8, 2, "c").is_some());
        let present = BTreeMap::from([("b".to_owned(), (1, false)), ("x".to_owned(), (1, false))]);
        assert_eq!(
            ledger.compare(&present),
            ["lost: a", "came back: b", "never sent: x"]
        );
        let present = BTreeMap::from([("a".to_owned(), (2, true))]);
        assert_eq!(ledger.compare(&present), ["2 times: a"]);
    }
}
