//! The first half of a pass: the log, octet for octet, segment by segment. A damaged message is named by
//! the mailboxes that hold it.

use std::collections::BTreeSet;

use super::{Ended, Pace, Pass};
use crate::check::{LISTED, Place, Problem, of_log};
use crate::error::{Error, Result};
use crate::id::{BodyId, Lsn};
use crate::keys;
use crate::log::frame::Commit;
use crate::log::survey::{self, Damage, Inspector, Seen, Span};
use crate::page::{Hex, IndexPage};
use crate::refs;
pub(super) use crate::refs::Holder;
use crate::tx::Read as _;

/// Hands over every reference to a body that a page of the index holds, with the length of its frame.
/// Pairs that make no sense are left out: others find those.
pub(super) fn references(page: &IndexPage, mut take: impl FnMut(BodyId, u32, Holder)) {
    for (Hex(key), Hex(sealed)) in &page.pairs {
        let Ok(value) = keys::unseal(key, sealed) else {
            continue;
        };
        // An error of one record leaves out what follows in it.
        let _ = refs::references(key, value, &mut |found| {
            take(found.body, found.frame, found.holder);
        });
    }
}

impl Pass<'_> {
    /// Reads the log from where the pass is to its end.
    pub(super) fn patrol(&mut self) -> Result<(), Ended> {
        loop {
            let (at, end) = (self.status.at.unwrap_or_default(), self.end()?);
            if at >= end {
                return Ok(());
            }
            // Segments may be closed, begun and rewritten meanwhile: the list is looked at anew each time.
            let next = self
                .shared
                .segments
                .all()
                .iter()
                .map(|segment| segment.first)
                .find(|first| *first > at.0)
                .map_or(end, |first| end.min(Lsn(first)));
            let mut damage = self.read(at, next)?;
            if !damage.is_empty() {
                // A file that was replaced in the midst of the reading is no damage.
                let again = self.read(at, next)?;
                damage.retain(|one| again.contains(one));
                self.tell_damage(damage)?;
            }
            self.status.at = Some(next);
            self.save();
        }
    }

    fn read(&mut self, from: Lsn, to: Lsn) -> Result<Vec<Damage>> {
        let mut patrol = Patrol {
            pace: &mut self.pace,
            last: from,
            bodies: 0,
            damage: Vec::new(),
            stopped: false,
        };
        let span = Span {
            from,
            to: Some(to),
            floor: to,
        };
        survey::survey(&self.shared.segments, self.shared.seed, span, &mut patrol)?;
        let (damage, bodies) = (patrol.damage, patrol.bodies);
        if patrol.stopped {
            return Err(Error::Closed);
        }
        self.status.bodies += bodies;
        Ok(damage)
    }

    /// Says what is damaged, and which messages that are.
    fn tell_damage(&mut self, damage: Vec<Damage>) -> Result<()> {
        let bodies: BTreeSet<BodyId> = damage.iter().filter_map(|one| one.body).collect();
        for one in damage {
            self.found(of_log(one));
        }
        if bodies.is_empty() {
            return Ok(());
        }
        let mut held = Vec::new();
        let mut from = Some(Hex::default());
        while let Some(place) = from {
            let page = self.look(|view| view.index_page(&place))?;
            self.pace.spent(page.octets())?;
            references(&page, |body, _, holder| {
                if bodies.contains(&body) && held.len() < LISTED {
                    held.push((body, holder));
                }
            });
            from = page.next;
        }
        for (body, holder) in held {
            let problem = self.lost(body, holder, "is damaged")?;
            self.found(problem);
        }
        Ok(())
    }

    /// A message whose octets are not what they should be.
    pub(super) fn lost(&self, body: BodyId, holder: Holder, what: &str) -> Result<Problem> {
        let mut problem = Problem::new(Place::Body, "");
        problem.body = Some(body);
        problem.lsn = Some(Lsn(body.0));
        let (mailbox, whose) = match holder {
            Holder::Message(mailbox, uid) => (Some((mailbox, uid)), "a message".to_owned()),
            Holder::Expunged(mailbox, uid) => {
                (Some((mailbox, uid)), "an expunged message".to_owned())
            }
            Holder::Queue(entry) => (None, format!("a message of the queue (number {entry})")),
            Holder::Quarantine(id) => (None, format!("a letter in quarantine (number {id})")),
        };
        problem.what = format!("the body of {whose} {what}");
        if let Some((id, uid)) = mailbox {
            problem.uid = Some(uid);
            if let Some(mailbox) = self.look(|view| view.mailbox(id))? {
                problem.account = Some(mailbox.account);
                problem.mailbox = Some(mailbox.name);
            }
        }
        Ok(problem)
    }
}

/// Collects damage at a bounded rate.
struct Patrol<'a, 'p> {
    pace: &'a mut Pace<'p>,
    last: Lsn,
    bodies: u64,
    damage: Vec<Damage>,
    stopped: bool,
}

impl Patrol<'_, '_> {
    fn go_on(&self) -> Result<()> {
        if self.stopped {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }
}

impl Inspector for Patrol<'_, '_> {
    fn commit(&mut self, _: Lsn, _: Commit) -> Result<()> {
        self.go_on()
    }
    fn body(&mut self, _: Seen) -> Result<()> {
        self.bodies += 1;
        self.go_on()
    }
    fn damage(&mut self, damage: Damage) -> Result<()> {
        if self.damage.len() < LISTED {
            self.damage.push(damage);
        }
        self.go_on()
    }
    fn reached(&mut self, at: Lsn) {
        if !self.stopped {
            let octets = at.0.saturating_sub(self.last.0);
            self.stopped = self.pace.spent(octets).is_err();
            self.last = at;
        }
    }
}
