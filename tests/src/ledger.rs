//! The ledger of acknowledged deliveries, kept outside the server: how often each message must be there
//! after a crash, and how often it may be.

use std::collections::BTreeMap;

/// How often a message must and may be in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// Acknowledged deliveries.
    pub least: u32,
    /// Deliveries that were asked for and not refused.
    pub most: u32,
}

/// What a mailbox must hold whose messages come from several clients at once.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    tokens: BTreeMap<u64, Times>,
    uids: BTreeMap<u32, u64>,
    uidvalidity: Option<u32>,
    /// Found open at the last comparison: to be sent again.
    again: Vec<u64>,
}

impl Ledger {
    /// A delivery was begun: it may be there from now on.
    pub fn asked(&mut self, token: u64) {
        self.tokens.entry(token).or_default().most += 1;
    }

    /// A delivery was acknowledged.
    pub fn kept(&mut self, token: u64) {
        self.tokens.entry(token).or_default().least += 1;
    }

    /// A delivery was refused: it must not be there.
    pub fn refused(&mut self, token: u64) {
        self.tokens.entry(token).or_default().most -= 1;
    }

    /// All copies were removed, and that was acknowledged.
    pub fn gone(&mut self, token: u64) {
        self.tokens.insert(token, Times::default());
    }

    /// Messages whose delivery was neither acknowledged nor refused before the last comparison: who sent
    /// them sends them again, once.
    pub fn retry(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.again)
    }

    /// Messages that must be there.
    pub fn sure(&self) -> Vec<u64> {
        let kept = self.tokens.iter().filter(|(_, times)| times.least > 0);
        kept.map(|(token, _)| *token).collect()
    }

    /// How many these are.
    pub fn count(&self) -> usize {
        self.tokens.values().filter(|times| times.least > 0).count()
    }

    /// A message was seen under a UID. Returns a fault when the UID belonged to another message.
    pub fn saw(&mut self, uidvalidity: u32, uid: u32, token: u64) -> Option<String> {
        match self.uidvalidity {
            Some(known) if known != uidvalidity => {
                return Some(format!("UIDVALIDITY {known} became {uidvalidity}"));
            }
            _ => self.uidvalidity = Some(uidvalidity),
        }
        match self.uids.insert(uid, token) {
            Some(other) if other != token => Some(format!(
                "UID {uid} was message {other} and is now message {token}"
            )),
            _ => None,
        }
    }

    /// Compares with how often each message is there now, and takes that over: what was asked and not
    /// answered is decided. Faults in words.
    pub fn settle(&mut self, present: &BTreeMap<u64, u32>) -> Vec<String> {
        let mut faults = Vec::new();
        for (token, times) in &mut self.tokens {
            let found = present.get(token).copied().unwrap_or(0);
            if found < times.least {
                faults.push(format!(
                    "lost: message {token}, there {found} times, acknowledged {} times",
                    times.least
                ));
            }
            if found > times.most {
                faults.push(format!(
                    "too often: message {token}, there {found} times, expected {} at most",
                    times.most
                ));
            }
            if times.least < times.most {
                self.again.push(*token);
            }
            (times.least, times.most) = (found, found);
        }
        faults.extend(
            present
                .keys()
                .filter(|token| !self.tokens.contains_key(token))
                .map(|token| format!("never sent: message {token}")),
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
        for token in [1, 2, 3, 4] {
            ledger.asked(token);
        }
        ledger.kept(1);
        ledger.kept(2);
        ledger.gone(2);
        ledger.refused(4);
        assert_eq!(ledger.count(), 1);
        assert_eq!(ledger.saw(7, 1, 1), None);
        assert!(ledger.saw(7, 1, 3).is_some());
        assert!(ledger.saw(8, 2, 3).is_some());
        let faults = ledger
            .clone()
            .settle(&BTreeMap::from([(2, 1), (4, 1), (9, 1)]));
        assert_eq!(
            faults,
            [
                "lost: message 1, there 0 times, acknowledged 1 times",
                "too often: message 2, there 1 times, expected 0 at most",
                "too often: message 4, there 1 times, expected 0 at most",
                "never sent: message 9",
            ]
        );
        // Sent again after its reply was lost: once or twice, and then it stays so.
        assert_eq!(ledger.settle(&BTreeMap::from([(1, 1), (3, 1)])), [""; 0]);
        assert_eq!((ledger.retry(), ledger.retry()), (vec![3], vec![]));
        ledger.asked(3);
        ledger.kept(3);
        let twice = BTreeMap::from([(1, 1), (3, 2)]);
        assert_eq!(ledger.settle(&twice), [""; 0]);
        assert_eq!(ledger.settle(&BTreeMap::from([(1, 2), (3, 1)])).len(), 2);
    }
}
