//! Which bodies are live: a pass over the index in bounded memory, and over what the log got meanwhile.
//!
//! Pages of the index are of different moments, and a message can be moved from a page not yet read to one
//! that was. Such a move is a transaction after the pass began; so the references in its commit count, too. Let the
//! pass begin at LSN b and end, with the tail read, at LSN t. A record as it is at t was last written before b, and
//! then its page has it, or between b and t, and then a commit of the tail has it. So a body that neither names
//! is referred to by nothing at t.

use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Halt;
use crate::committer::Applied;
use crate::error::{Error, Result};
use crate::id::Lsn;
use crate::keys;
use crate::log::frame::Commit;
use crate::log::survey::{self, Damage, Inspector, Seen, Span};
use crate::refs::{Reference, references};
use crate::store::Shared;

/// Bodies that one pass knows at most; for more there are more passes. Twice as many are collected before
/// they are sorted: 64 MiB.
const MOST: usize = if cfg!(test) { 24 } else { 1 << 21 };
/// Octets of the index read under one hold: about a millisecond, which is how long a group may wait.
const PAGE: usize = if cfg!(test) { 1_024 } else { 256 * 1024 };

/// Live bodies between two places of the log.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Where each begins, and the length of its frame (0 = no record tells); ascending.
    pub(super) live: Vec<(u64, u32)>,
    /// All live bodies before this place are known.
    pub(super) upto: u64,
    /// The state that this is true of, and of every later one.
    pub(super) at: Lsn,
}

impl Marks {
    /// Those that begin in a stretch.
    pub(super) fn within(&self, from: u64, to: u64) -> &[(u64, u32)] {
        let begin = self.live.partition_point(|(id, _)| *id < from);
        let end = self.live.partition_point(|(id, _)| *id < to);
        self.live.get(begin..end).unwrap_or_default()
    }
}

/// Collects references in bounded memory.
struct Collector {
    found: Vec<(u64, u32)>,
    from: u64,
    /// Bodies from here on are left for the next pass.
    upto: u64,
    most: usize,
}

impl Collector {
    fn new(from: u64, most: usize) -> Self {
        Self {
            found: Vec::new(),
            from,
            upto: u64::MAX,
            most,
        }
    }

    fn add(&mut self, reference: &Reference) {
        let id = reference.body.0;
        if id < self.from || id >= self.upto {
            return;
        }
        // A page of neighbours often has the same body again.
        if self.found.last() != Some(&(id, reference.frame)) {
            self.found.push((id, reference.frame));
        }
        if self.found.len() >= self.most.saturating_mul(2) {
            self.sort();
            if let Some((next, _)) = self.found.get(self.most) {
                self.upto = *next;
                self.found.truncate(self.most);
            }
        }
    }

    fn sort(&mut self) {
        self.found.sort_unstable();
        // Of two lengths of one body the greater is known.
        self.found.reverse();
        self.found.dedup_by_key(|(id, _)| *id);
        self.found.reverse();
    }

    fn finish(mut self) -> (Vec<(u64, u32)>, u64) {
        self.sort();
        (self.found, self.upto)
    }
}

/// Finds the live bodies from a place on.
pub(super) fn mark(
    shared: &Shared,
    from: u64,
    gentle: bool,
    halt: &dyn Fn() -> Result<(), Halt>,
) -> Result<Marks, Halt> {
    let mut collector = Collector::new(from, MOST);
    let begin = applied(shared)?;
    let mut next = Some(Vec::new());
    while let Some(key) = next {
        halt()?;
        let started = Instant::now();
        next = page(shared, &key, &mut collector)?;
        if gentle {
            // Half of the time is others'.
            std::thread::sleep(started.elapsed().min(Duration::from_millis(100)));
        }
    }
    let at = applied(shared)?;
    if at > begin {
        let span = Span {
            from: begin,
            to: Some(at),
            floor: Lsn(0),
        };
        let mut tail = Tail {
            collector: &mut collector,
        };
        survey::survey(&shared.segments, shared.seed, span, &mut tail)?;
    }
    let (live, upto) = collector.finish();
    Ok(Marks { live, upto, at })
}

fn applied(shared: &Shared) -> Result<Lsn> {
    let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
    let engine = engine.as_deref().ok_or(Error::Closed)?;
    let applied = Applied::read(engine)?;
    applied
        .map(|applied| Lsn(applied.lsn))
        .ok_or_else(|| Error::Damaged("the index does not tell how far it goes".to_owned()))
}

/// Reads a page; where the next begins.
fn page(shared: &Shared, from: &[u8], collector: &mut Collector) -> Result<Option<Vec<u8>>> {
    let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
    let engine = engine.as_deref().ok_or(Error::Closed)?;
    let (mut octets, mut next) = (0, None);
    // No table has a prefix of 255.
    engine.visit(from, &[u8::MAX], &mut |key, sealed| {
        let value = keys::unseal(key, sealed).inspect_err(|_| engine.doubt())?;
        references(key, value, &mut |reference| collector.add(&reference))?;
        octets += key.len() + sealed.len();
        if octets < PAGE {
            return Ok(ControlFlow::Continue(()));
        }
        // The least key after this one.
        let mut after = key.to_vec();
        after.push(0);
        next = Some(after);
        Ok(ControlFlow::Break(()))
    })?;
    if engine.doubted() {
        return Err(Error::Damaged(
            "records of the index are damaged; nothing is compacted until it was rebuilt"
                .to_owned(),
        ));
    }
    Ok(next)
}

/// What was written while the index was read.
struct Tail<'a> {
    collector: &'a mut Collector,
}

impl Inspector for Tail<'_> {
    fn commit(&mut self, _: Lsn, commit: Commit) -> Result<()> {
        for (key, sealed) in commit.ops {
            let Some(sealed) = sealed else { continue };
            let value = keys::unseal(&key, &sealed)?;
            references(&key, value, &mut |reference| self.collector.add(&reference))?;
        }
        Ok(())
    }
    fn body(&mut self, _: Seen) -> Result<()> {
        Ok(())
    }
    fn damage(&mut self, damage: Damage) -> Result<()> {
        Err(Error::Damaged(format!(
            "LSN {}: {}",
            damage.lsn, damage.what
        )))
    }
    fn reached(&mut self, _: Lsn) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BodyId;
    use crate::refs::Holder;

    #[test]
    fn whatever_the_order_passes_together_find_each_body_once() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..50 {
            let mut references: Vec<(u64, u32)> =
                (0..random.u64(0..400)).map(|id| (id * 7, 5)).collect();
            references.extend(references.clone().iter().map(|(id, _)| (*id, 0)));
            random.shuffle(&mut references);
            let mut all = Vec::new();
            let (mut from, mut passes) = (0, 0);
            while from < u64::MAX {
                let mut collector = Collector::new(from, 10);
                for (id, frame) in &references {
                    collector.add(&Reference {
                        body: BodyId(*id),
                        frame: *frame,
                        holder: Holder::Queue(0),
                    });
                }
                assert!(collector.found.len() < 20);
                let (found, upto) = collector.finish();
                all.extend(found.into_iter().filter(|(id, _)| *id < upto));
                from = upto;
                passes += 1;
                assert!(passes < 100);
            }
            let mut expected: Vec<(u64, u32)> = references.iter().map(|(id, _)| (*id, 5)).collect();
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(all, expected);
        }
    }
}
