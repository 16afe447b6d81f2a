//! Recent writes in memory above the engine, so that it takes many transactions at once.
//!
//! Counters and ledgers change with every message, and leaves sixteen times until they are full: written
//! together, most of these writes are one, and the engine's fixed work for a batch is done once for thousands of
//! messages. What is lost here when the process is killed comes back from the log, because `0applied` is among the
//! writes and reaches the engine last.
//!
//! Invariants: a read sees young writes, then old ones, then the engine; old ones are forgotten only when the
//! engine has them all. `apply` is called only while nobody reads (`Shared::engine`), so the lock inside is never
//! waited for.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use super::{Engine, Op, Visit, panic_text};
use crate::error::{Error, Result};

/// Octets of writes after which they are handed on: some five thousand messages. After a kill this much, and as
/// much again that was on its way, is replayed from the log, in a fraction of a second.
const HANDED_ON: usize = 8 * 1024 * 1024;
/// Writes that the engine takes at a time: readers wait for a batch, and this is about a millisecond.
const BATCH: usize = 256;

/// Writes in key order.
pub(crate) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The engine with what it does not have yet.
pub(crate) struct Recent {
    under: Arc<dyn Engine>,
    layers: RwLock<Layers>,
    /// Written after all others: it says that they are there.
    last: &'static [u8],
    limit: usize,
    thread: Option<JoinHandle<()>>,
}

struct Layers {
    young: Writes,
    /// Octets put into `young`, those replaced since included.
    octets: usize,
    /// On their way into the engine.
    old: Option<Arc<Writes>>,
    /// To the thread; `None` once closing.
    hand: Option<SyncSender<Arc<Writes>>>,
    /// The thread's answer to each.
    taken: Mutex<Receiver<Result<()>>>,
    /// What the engine refused with: nothing is handed on after that.
    refused: Option<Error>,
}

impl Recent {
    /// Above an engine. Of the writes handed on together, `last` is the one to be made last.
    pub(crate) fn new(under: Box<dyn Engine>, last: &'static [u8]) -> Result<Self> {
        Self::with_limit(under, last, HANDED_ON)
    }

    fn with_limit(under: Box<dyn Engine>, last: &'static [u8], limit: usize) -> Result<Self> {
        let under: Arc<dyn Engine> = Arc::from(under);
        let (hand, handed) = sync_channel::<Arc<Writes>>(1);
        let (answer, taken) = sync_channel(1);
        let engine = Arc::clone(&under);
        let thread = std::thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || {
                for writes in handed {
                    let done = put(engine.as_ref(), &writes, last);
                    drop(writes);
                    if answer.send(done).is_err() {
                        break;
                    }
                }
            })
            .map_err(|error| Error::io("starting the thread of the index", &error))?;
        let layers = Layers {
            young: Writes::new(),
            octets: 0,
            old: None,
            hand: Some(hand),
            taken: Mutex::new(taken),
            refused: None,
        };
        Ok(Self {
            under,
            layers: RwLock::new(layers),
            last,
            limit,
            thread: Some(thread),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layers {
    /// Forgets the old writes if the engine has them; waits for that when told so.
    fn settle(&mut self, wait: bool) -> Result<()> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        if self.old.is_none() {
            return Ok(());
        }
        let taken = self.taken.get_mut().unwrap_or_else(PoisonError::into_inner);
        let answer = if wait {
            taken.recv().unwrap_or(Err(Error::Closed))
        } else {
            match taken.try_recv() {
                Ok(answer) => answer,
                Err(_) => return Ok(()),
            }
        };
        match answer {
            Ok(()) => self.old = None,
            // It stays visible here; the store takes no more writes from now on.
            Err(error) => {
                self.refused = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes the young writes old and gives them to the thread.
    fn hand_on(&mut self) -> Result<()> {
        self.settle(true)?;
        let writes = Arc::new(std::mem::take(&mut self.young));
        self.octets = 0;
        self.old = Some(Arc::clone(&writes));
        let hand = self.hand.as_ref().ok_or(Error::Closed)?;
        hand.send(writes).map_err(|_| Error::Closed)
    }
}

/// Writes all of them, the last one last.
fn put(engine: &dyn Engine, writes: &Writes, last: &[u8]) -> Result<()> {
    let op = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| (key.clone(), value.clone());
    let mut others = writes
        .iter()
        .filter(|(key, _)| key.as_slice() != last)
        .peekable();
    let apply = |ops: &mut dyn Iterator<Item = Op>| {
        catch_unwind(AssertUnwindSafe(|| engine.apply(ops))).unwrap_or_else(|panic| {
            let why = panic_text(panic.as_ref());
            Err(Error::Damaged(format!("the index engine panicked: {why}")))
        })
    };
    while others.peek().is_some() {
        apply(&mut others.by_ref().take(BATCH).map(op))?;
    }
    match writes.get_key_value(last) {
        Some(pair) => apply(&mut std::iter::once(op(pair))),
        None => Ok(()),
    }
}

impl Engine for Recent {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let layers = self.read();
        if let Some(value) = layers.young.get(key) {
            return Ok(value.clone());
        }
        if let Some(value) = layers.old.as_ref().and_then(|old| old.get(key)) {
            return Ok(value.clone());
        }
        self.under.get(key)
    }

    fn visit(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<()> {
        let layers = self.read();
        let under = |visit: Visit<'_>| match &layers.old {
            Some(old) => over(old, from, to, visit, |visit| {
                self.under.visit(from, to, visit)
            }),
            None => self.under.visit(from, to, visit),
        };
        over(&layers.young, from, to, visit, under)
    }

    fn apply(&self, ops: &mut dyn Iterator<Item = Op>) -> Result<()> {
        let mut layers = self.write();
        layers.settle(false)?;
        for (key, value) in ops {
            layers.octets += key.len() + value.as_ref().map_or(0, Vec::len);
            layers.young.insert(key, value);
        }
        if layers.octets >= self.limit {
            layers.hand_on()?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        let mut layers = self.write();
        layers.settle(true)?;
        put(self.under.as_ref(), &layers.young, self.last)?;
        layers.young.clear();
        layers.octets = 0;
        drop(layers);
        self.under.flush()
    }

    fn doubt(&self) {
        self.under.doubt();
    }

    fn doubted(&self) -> bool {
        self.under.doubted()
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        self.write().hand = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the index panicked");
        }
    }
}

/// Visits writes and what is under them in one order; where both have a key, the write counts.
pub(crate) fn over(
    writes: &Writes,
    from: &[u8],
    to: &[u8],
    visit: Visit<'_>,
    under: impl FnOnce(Visit<'_>) -> Result<()>,
) -> Result<()> {
    if from >= to {
        return Ok(());
    }
    let range = (Bound::Included(from), Bound::Excluded(to));
    let mut ours = writes.range::<[u8], _>(range).peekable();
    if ours.peek().is_none() {
        return under(visit);
    }
    let mut stopped = false;
    under(&mut |key, value| {
        while let Some((our_key, our_value)) = ours.next_if(|(our_key, _)| our_key.as_slice() < key)
        {
            if let Some(our_value) = our_value
                && visit(our_key, our_value)?.is_break()
            {
                stopped = true;
                return Ok(ControlFlow::Break(()));
            }
        }
        let flow = match ours.next_if(|(our_key, _)| our_key.as_slice() == key) {
            Some((_, None)) => ControlFlow::Continue(()),
            Some((_, Some(our_value))) => visit(key, our_value)?,
            None => visit(key, value)?,
        };
        stopped = flow.is_break();
        Ok(flow)
    })?;
    if !stopped {
        for (key, value) in ours {
            if let Some(value) = value
                && visit(key, value)?.is_break()
            {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map that remembers the order of its batches and can be told to fail.
    #[derive(Default)]
    struct Map {
        pairs: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
        batches: Mutex<Vec<Vec<Vec<u8>>>>,
        full: std::sync::atomic::AtomicBool,
    }

    impl Engine for Arc<Map> {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
            Ok(self.pairs.lock().unwrap().get(key).cloned())
        }
        fn visit(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<()> {
            for (key, value) in self.pairs.lock().unwrap().range(from.to_vec()..to.to_vec()) {
                if visit(key, value)?.is_break() {
                    break;
                }
            }
            Ok(())
        }
        fn apply(&self, ops: &mut dyn Iterator<Item = Op>) -> Result<()> {
            if self.full.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Error::NoSpace("index".to_owned()));
            }
            let mut pairs = self.pairs.lock().unwrap();
            let mut batch = Vec::new();
            for (key, value) in ops {
                batch.push(key.clone());
                match value {
                    Some(value) => pairs.insert(key, value),
                    None => pairs.remove(&key),
                };
            }
            self.batches.lock().unwrap().push(batch);
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

    const LAST: &[u8] = b"0";

    fn above(map: &Arc<Map>, limit: usize) -> Recent {
        Recent::with_limit(Box::new(Arc::clone(map)), LAST, limit).unwrap()
    }

    fn pairs(engine: &dyn Engine, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut visited = Vec::new();
        engine
            .visit(from, to, &mut |key, value| {
                visited.push((key.to_vec(), value.to_vec()));
                Ok(if visited.len() == limit {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            })
            .unwrap();
        visited
    }

    #[test]
    fn reads_like_a_plain_map_while_writes_move_on() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let map = Arc::new(Map::default());
        let recent = above(&map, 300);
        let mut model = BTreeMap::new();
        for round in 0..2_000_u32 {
            let mut ops = vec![(LAST.to_vec(), Some(round.to_be_bytes().to_vec()))];
            for _ in 0..random.usize(0..8) {
                let value = random
                    .bool()
                    .then(|| vec![random.u8(..); random.usize(1..30)]);
                ops.push((vec![b'k', random.u8(0..60)], value));
            }
            for (key, value) in &ops {
                match value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(key),
                };
            }
            recent.apply(&mut ops.into_iter()).unwrap();
            let (from, to) = (vec![b'k', random.u8(0..60)], vec![b'k', random.u8(0..61)]);
            let limit = random.usize(1..30);
            let expected: Vec<_> = if from < to {
                model
                    .range(from.clone()..to.clone())
                    .take(limit)
                    .map(|(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone()))
                    .collect()
            } else {
                Vec::new()
            };
            assert_eq!(pairs(&recent, &from, &to, limit), expected, "round {round}");
            let key = [b'k', random.u8(0..60)];
            assert_eq!(recent.get(&key).unwrap(), model.get(&key[..]).cloned());
        }
        recent.flush().unwrap();
        assert_eq!(*map.pairs.lock().unwrap(), model);
    }

    #[test]
    fn the_mark_comes_after_what_it_vouches_for() {
        let map = Arc::new(Map::default());
        let recent = above(&map, usize::MAX);
        let ops = (0..2 * BATCH).map(|number| (number.to_be_bytes().to_vec(), Some(vec![1])));
        let mark = (LAST.to_vec(), Some(vec![2]));
        recent.apply(&mut std::iter::once(mark).chain(ops)).unwrap();
        assert!(map.batches.lock().unwrap().is_empty(), "nothing is due yet");
        recent.flush().unwrap();
        let batches = map.batches.lock().unwrap();
        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [BATCH, BATCH, 1]);
        assert_eq!(batches[2], [LAST.to_vec()]);
    }

    #[test]
    fn what_the_engine_refuses_is_told_and_stays_visible() {
        let map = Arc::new(Map::default());
        let recent = above(&map, 1);
        map.full.store(true, std::sync::atomic::Ordering::Relaxed);
        let op = |key: &[u8]| [(key.to_vec(), Some(vec![7]))].into_iter();
        recent.apply(&mut op(b"a")).unwrap();
        let told = recent.apply(&mut op(b"b")).or_else(|_| recent.flush());
        assert!(matches!(told, Err(Error::NoSpace(_))), "{told:?}");
        assert_eq!(recent.get(b"a").unwrap(), Some(vec![7]));
    }
}
