//! The writes of a group that the index does not have yet, and what they replaced, to take back those
//! of a transaction or operation that fails.

use std::collections::BTreeMap;

use crate::engine::{Engine, Op, Visit, Writes, over};
use crate::error::Result;

/// What a key had in the overlay before a write: nothing, or a value, or a deletion.
type Before = Option<Option<Vec<u8>>>;

/// Pending writes in key order.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    writes: Writes,
    /// A frame for the transaction under way and one for each operation inside it: what every key
    /// that was written had before its first write there.
    frames: Vec<BTreeMap<Vec<u8>, Before>>,
}

impl Overlay {
    pub(crate) fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let before = self.writes.insert(key.clone(), value);
        if let Some(frame) = self.frames.last_mut() {
            frame.entry(key).or_insert(before);
        }
    }

    /// Begins a transaction or an operation inside one.
    pub(crate) fn enter(&mut self) {
        self.frames.push(BTreeMap::new());
    }

    /// Ends what was begun last; its writes stay and belong to what it was inside of.
    pub(crate) fn keep(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if let Some(outer) = self.frames.last_mut() {
            for (key, before) in frame {
                outer.entry(key).or_insert(before);
            }
        }
    }

    /// Ends what was begun last and takes its writes back.
    pub(crate) fn undo(&mut self) {
        for (key, before) in self.frames.pop().into_iter().flatten() {
            match before {
                Some(before) => self.writes.insert(key, before),
                None => self.writes.remove(&key),
            };
        }
    }

    /// Takes back the transaction under way with all operations that a panic left open.
    pub(crate) fn undo_all(&mut self) {
        while !self.frames.is_empty() {
            self.undo();
        }
    }

    /// What the transaction under way wrote, each key once in key order.
    pub(crate) fn ops(&self) -> Vec<Op> {
        let keys = self.frames.first().into_iter().flat_map(BTreeMap::keys);
        keys.map(|key| (key.clone(), self.writes.get(key).cloned().flatten()))
            .collect()
    }

    /// Takes the writes of all transactions.
    pub(crate) fn take(&mut self) -> Writes {
        self.frames.clear();
        std::mem::take(&mut self.writes)
    }

    /// Reads through the overlay.
    pub(crate) fn get(&self, engine: &dyn Engine, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.writes.get(key) {
            Some(value) => Ok(value.clone()),
            None => engine.get(key),
        }
    }

    /// Visits through the overlay: both in one order, the overlay's value where both have a key.
    pub(crate) fn visit(
        &self,
        engine: &dyn Engine,
        from: &[u8],
        to: &[u8],
        visit: Visit<'_>,
    ) -> Result<()> {
        over(&self.writes, from, to, visit, |visit| {
            engine.visit(from, to, visit)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Map(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

    impl Engine for Map {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
            Ok(self.0.lock().unwrap().get(key).cloned())
        }
        fn visit(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<()> {
            for (key, value) in self.0.lock().unwrap().range(from.to_vec()..to.to_vec()) {
                if visit(key, value)?.is_break() {
                    break;
                }
            }
            Ok(())
        }
        fn apply(&self, ops: &mut dyn Iterator<Item = Op>) -> Result<()> {
            let mut map = self.0.lock().unwrap();
            for (key, value) in ops {
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
            Ok(())
        }
        fn flush(&self) -> Result<()> {
            Ok(())
        }
        fn doubt(&self) {}
        fn doubted(&self) -> bool {
            false
        }
    }

    #[test]
    fn reads_like_a_plain_map_and_undoes_exactly() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let engine = Map::default();
        let mut overlay = Overlay::default();
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for round in 0..3_000_u32 {
            let before = model.clone();
            overlay.enter();
            for step in 0..random.usize(0..6) {
                let inner = (step == 2).then(|| model.clone());
                if inner.is_some() {
                    overlay.enter();
                }
                let key = vec![b'k', random.u8(0..40)];
                let value = random.bool().then(|| round.to_be_bytes().to_vec());
                match &value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(&key),
                };
                overlay.write(key, value);
                if let Some(inner) = inner {
                    if random.bool() {
                        overlay.undo();
                        model = inner;
                    } else {
                        overlay.keep();
                    }
                }
            }
            match random.u8(0..4) {
                0 => {
                    overlay.undo_all();
                    model = before;
                }
                1 => {
                    overlay.keep();
                    engine.apply(&mut overlay.take().into_iter()).unwrap();
                }
                2 => {
                    assert!(overlay.ops().is_sorted_by(|one, two| one.0 < two.0));
                    overlay.keep();
                }
                _ => overlay.keep(),
            }
            let (from, to) = (vec![b'k', random.u8(0..40)], vec![b'k', random.u8(0..41)]);
            let limit = random.usize(1..20);
            let mut visited = Vec::new();
            overlay
                .visit(&engine, &from, &to, &mut |key, value| {
                    visited.push((key.to_vec(), value.to_vec()));
                    Ok(if visited.len() == limit {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    })
                })
                .unwrap();
            let expected: Vec<_> = if from < to {
                model
                    .range(from..to)
                    .take(limit)
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect()
            } else {
                Vec::new()
            };
            assert_eq!(visited, expected, "round {round}");
            let key = vec![b'k', random.u8(0..40)];
            assert_eq!(
                overlay.get(&engine, &key).unwrap(),
                model.get(&key).cloned()
            );
        }
    }
}
