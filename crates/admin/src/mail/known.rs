//! What is in a mailbox already, so that nothing is put there twice.
//!
//! Two messages are the same when their octets are: nothing that a sender chooses (Message-ID, dates) can make
//! a letter look like another. Octets are compared by SHA-256, which is computed only for messages of equal
//! length and once each. A message that is there counts for one that is put, so that two equal ones of a source
//! become two, also in the second run.

use std::collections::HashMap;

use aws_lc_rs::digest::{Context, SHA256};
use congvu_store::{BodyId, Message, Store, Uid};

/// Octets hashed at a time.
const PIECE: u64 = 1 << 20;

/// SHA-256 of a message.
pub(crate) type Sum = [u8; 32];

/// The sum of octets in memory.
pub(crate) fn sum(octets: &[u8]) -> Sum {
    let mut context = Context::new(&SHA256);
    context.update(octets);
    finish(context)
}

fn finish(context: Context) -> Sum {
    let digest = context.finish();
    let mut sum = [0; 32];
    sum.copy_from_slice(digest.as_ref());
    sum
}

enum Hashed {
    NotYet,
    Sum(Sum),
    /// Its octets are damaged: a whole copy is welcome.
    Unreadable,
    /// It stands for a message that was put in this act.
    Claimed,
}

struct There {
    uid: Uid,
    body: BodyId,
    frame: u32,
    hashed: Hashed,
}

/// Messages of a mailbox by length. Some forty octets of memory a message.
#[derive(Default)]
pub(crate) struct Known(HashMap<u32, Vec<There>>);

impl Known {
    /// Adds a message that was there when the act began.
    pub(crate) fn add(&mut self, message: &Message) {
        self.0.entry(message.size).or_default().push(There {
            uid: message.uid,
            body: message.body,
            frame: message.frame,
            hashed: Hashed::NotYet,
        });
    }

    /// Finds a message with these octets that no other was found to be. Blocking.
    pub(crate) fn claim(&mut self, store: &Store, octets: &[u8]) -> Option<Uid> {
        let size = u32::try_from(octets.len()).ok()?;
        let group = self.0.get_mut(&size)?;
        let wanted = sum(octets);
        for there in group {
            if matches!(there.hashed, Hashed::NotYet) {
                there.hashed = match stored(store, there) {
                    Some(sum) => Hashed::Sum(sum),
                    None => Hashed::Unreadable,
                };
            }
            if matches!(there.hashed, Hashed::Sum(sum) if sum == wanted) {
                there.hashed = Hashed::Claimed;
                return Some(there.uid);
            }
        }
        None
    }
}

fn stored(store: &Store, there: &There) -> Option<Sum> {
    let body = store.open_body(there.body, there.frame).ok()?;
    let mut context = Context::new(&SHA256);
    let mut at = 0;
    while at < body.len() {
        let octets = body.octets(at, PIECE).ok()?;
        at += octets.len() as u64;
        context.update(&octets);
    }
    Some(finish(context))
}
