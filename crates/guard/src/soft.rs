//! Memory that may be lost: maps bounded in number, and the keys into them.
//!
//! A map has two generations. What is written or changed is in the young one; when that is full it becomes the old one,
//! and what was in the old one is forgotten. So what is used stays, nothing is searched for the oldest, and a flood of
//! new keys costs no more than the room. Locks are held for one entry's work.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Parts with a lock of their own: more than threads that judge at the same time.
const SHARDS: usize = 16;

/// A bounded map from keys to small values.
#[derive(Debug)]
pub(crate) struct Soft<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    /// Most entries of a generation of a shard.
    most: usize,
}

#[derive(Debug)]
struct Shard<V> {
    young: HashMap<u64, V>,
    old: HashMap<u64, V>,
}

impl<V: Clone + Default> Soft<V> {
    /// Room for at least half of `most` entries and at most all of them.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    young: HashMap::new(),
                    old: HashMap::new(),
                })
            }),
            most: (most / (2 * SHARDS)).max(1),
        }
    }

    /// A copy of what is there.
    pub(crate) fn find(&self, key: u64) -> Option<V> {
        let shard = self.shard(key);
        shard
            .young
            .get(&key)
            .or_else(|| shard.old.get(&key))
            .cloned()
    }

    /// Changes what is there, or its default.
    pub(crate) fn change<T>(&self, key: u64, change: impl FnOnce(&mut V) -> T) -> T {
        let mut shard = self.shard(key);
        let Shard { young, old } = &mut *shard;
        if young.len() >= self.most && !young.contains_key(&key) {
            let kept = old.remove(&key);
            *old = std::mem::take(young);
            young.extend(kept.map(|value| (key, value)));
        }
        let value = young
            .entry(key)
            .or_insert_with(|| old.remove(&key).unwrap_or_default());
        change(value)
    }

    /// All entries, in no order, those of a shard at one moment.
    pub(crate) fn all(&self) -> Vec<(u64, V)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.old.iter().map(|(key, value)| (*key, value.clone())));
            all.extend(shard.young.iter().map(|(key, value)| (*key, value.clone())));
        }
        all
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard<V>> {
        let at = usize::try_from(key >> 60).unwrap_or(0);
        self.shards[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes keys. The seed is secret, so that nobody outside can aim at the entry of another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys(pub(crate) u64);

impl Keys {
    /// The key of some texts; `kind` tells apart what is counted.
    pub(crate) fn of(self, kind: &str, parts: &[&str]) -> u64 {
        let mut octets = Vec::with_capacity(64);
        for part in std::iter::once(&kind).chain(parts) {
            octets.extend_from_slice(&(part.len() as u64).to_le_bytes());
            octets.extend_from_slice(part.as_bytes());
        }
        xxh3_64_with_seed(&octets, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_what_is_used_stays() {
        let soft: Soft<u32> = Soft::new(640);
        let keys = Keys(7);
        let ours = keys.of("a", &["ours"]);
        soft.change(ours, |n| *n = 5);
        for n in 0..100_000_u32 {
            soft.change(keys.of("a", &[&n.to_string()]), |value| *value = n);
            soft.change(ours, |_| {});
        }
        assert_eq!(soft.find(ours), Some(5));
        assert!(soft.all().len() <= 640);
        assert_eq!(soft.find(keys.of("a", &["0"])), None);
        let last = soft.find(keys.of("a", &["99999"]));
        assert_eq!(last, Some(99_999));
    }

    #[test]
    fn keys_differ_by_kind_and_border() {
        let keys = Keys(1);
        assert_ne!(keys.of("a", &["b", "c"]), keys.of("a", &["bc"]));
        assert_ne!(keys.of("a", &["bc"]), keys.of("ab", &["c"]));
        assert_ne!(keys.of("a", &["b"]), Keys(2).of("a", &["b"]));
    }
}
