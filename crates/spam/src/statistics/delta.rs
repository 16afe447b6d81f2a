//! What one agency or one account knows better than all: a sparse correction to the global model.
//!
//! Only features of letters that were labelled there have a weight. The learner sees the sum of all levels, so that a
//! delta learns what the global model gets wrong and nothing else. Bounded: beyond [`ENTRIES_MAX`] the smaller half of
//! the weights goes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Class;
use super::features::{BITS, Features};
use super::model::{Rate, Score, Steps, norm, trust};

/// Weights of a delta: those of some fifty letters, a few hundred kilobytes.
pub const ENTRIES_MAX: usize = 60_000;
/// Labels of an account after which its delta counts half.
const HALF_TRUST: f32 = 50.0;
/// A stored weight is a multiple of this; weights of single features stay far below 2^15 times it.
const QUANTUM: f32 = 1.0 / 1024.0;
/// Octets of a stored weight: view and number, and its value.
const STORED: usize = 6;

/// A sparse correction.
#[derive(Debug, Clone, Default)]
pub struct Delta {
    weights: HashMap<u32, f32, BuildHasherDefault<Spread>>,
    ham: u32,
    spam: u32,
}

/// Keys are numbers of features, which are spread already.
#[derive(Debug, Clone, Copy, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_u32(u32::from(b));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // The table takes its place from the low bits and its tag from the high ones.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Delta {
    /// The correction of a view's `z`, scaled by how much this delta has learned.
    pub fn z(&self, features: &Features, view: usize) -> f32 {
        self.sum(features, view)
            * trust(self.ham.max(self.spam), self.spam.min(self.ham), HALF_TRUST)
    }

    /// What its weights say of a view, unscaled: for a delta that only adds up steps, how far these steps moved the
    /// `z` of such a letter.
    pub fn sum(&self, features: &Features, view: usize) -> f32 {
        let Some(numbers) = features
            .views
            .get(view)
            .filter(|_| !self.weights.is_empty())
        else {
            return 0.0;
        };
        let found = numbers
            .iter()
            .filter_map(|&number| self.weights.get(&key(view, number)));
        found.sum::<f32>() * norm(numbers)
    }

    /// Learns from a labelled letter; `score` is what all levels together say of it.
    pub fn learn(&mut self, features: &Features, class: Class, rate: Rate, score: Score) -> Steps {
        let steps = Steps::of(score, class, rate);
        self.add(features, class, steps);
        steps
    }

    /// Learns a letter whose steps are known.
    pub fn add(&mut self, features: &Features, class: Class, steps: Steps) {
        match class {
            Class::Ham => self.ham = self.ham.saturating_add(1),
            Class::Spam => self.spam = self.spam.saturating_add(1),
        }
        self.shift(features, steps, 1.0);
        self.shrink();
    }

    /// Takes a letter back.
    pub fn forget(&mut self, features: &Features, class: Class, steps: Steps) {
        match class {
            Class::Ham => self.ham = self.ham.saturating_sub(1),
            Class::Spam => self.spam = self.spam.saturating_sub(1),
        }
        self.shift(features, steps, -1.0);
    }

    fn shift(&mut self, features: &Features, steps: Steps, sign: f32) {
        for (view, step) in steps.0.into_iter().enumerate() {
            if step == 0.0 {
                continue;
            }
            let numbers = &features.views[view];
            let change = sign * step * norm(numbers);
            for &number in numbers {
                *self.weights.entry(key(view, number)).or_default() += change;
            }
        }
    }

    fn shrink(&mut self) {
        if self.weights.len() <= ENTRIES_MAX {
            return;
        }
        let mut sizes: Vec<f32> = self.weights.values().map(|weight| weight.abs()).collect();
        let middle = sizes.len() / 2;
        let (_, &mut median, _) = sizes.select_nth_unstable_by(middle, f32::total_cmp);
        self.weights.retain(|_, weight| weight.abs() > median);
    }

    /// Labels learned: ham, spam.
    pub fn learned(&self) -> (u32, u32) {
        (self.ham, self.spam)
    }

    /// Weights held.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether it corrects nothing.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The stored form: counts, then view, number and weight of each entry in order.
    pub fn encode(&self) -> Vec<u8> {
        let mut entries: Vec<(u32, i16)> = self
            .weights
            .iter()
            .map(|(&key, &weight)| (key, quantum(weight)))
            .filter(|&(_, weight)| weight != 0)
            .collect();
        entries.sort_unstable();
        let mut out = Vec::with_capacity(8 + STORED * entries.len());
        out.extend_from_slice(&self.ham.to_be_bytes());
        out.extend_from_slice(&self.spam.to_be_bytes());
        for (key, weight) in entries {
            out.extend_from_slice(&key.to_be_bytes());
            out.extend_from_slice(&weight.to_be_bytes());
        }
        out
    }

    /// Reads the stored form; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (ham, rest) = bytes.split_first_chunk()?;
        let (spam, rest) = rest.split_first_chunk()?;
        if rest.len() % STORED != 0 || rest.len() / STORED > ENTRIES_MAX + (1 << BITS) {
            return None;
        }
        let entries = rest.chunks_exact(STORED).filter_map(|entry| {
            let (key, weight) = entry.split_first_chunk()?;
            let weight = i16::from_be_bytes(weight.try_into().ok()?);
            Some((u32::from_be_bytes(*key), f32::from(weight) * QUANTUM))
        });
        Some(Self {
            ham: u32::from_be_bytes(*ham),
            spam: u32::from_be_bytes(*spam),
            weights: entries.collect(),
        })
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "clamped to the range before"
)]
fn quantum(weight: f32) -> i16 {
    let most = f32::from(i16::MAX);
    (weight / QUANTUM).round().clamp(-most, most) as i16
}

/// View and number in one word.
#[allow(clippy::cast_possible_truncation, reason = "there are three views")]
fn key(view: usize, number: u32) -> u32 {
    (view as u32) << BITS | number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Model;

    const INDIFFERENT: Score = Score {
        views: [0.0; 3],
        seen_through: 0.0,
    };

    fn features(first: u32, count: u32) -> Features {
        let numbers: Vec<u32> = (first..first + count).collect();
        Features {
            views: [numbers.clone(), numbers.clone(), numbers],
            text_from: 0,
        }
    }

    #[test]
    fn corrects_the_global_model_for_one() {
        let model = Model::default();
        let letter = features(0, 400);
        for _ in 0..5 {
            model.learn(&letter, Class::Spam, Rate::SORTED);
        }
        let mut delta = Delta::default();
        for _ in 0..40 {
            let score = model.score_with(&letter, &[&delta]);
            delta.learn(&letter, Class::Ham, Rate::FEEDBACK, score);
        }
        assert!(model.score(&letter).mean() > 1.0);
        assert!(model.score_with(&letter, &[&delta]).mean() < 0.0);
        let other = features(100_000, 400);
        assert!(model.score_with(&other, &[&delta]).mean().abs() < f32::EPSILON);
    }

    #[test]
    fn forgets() {
        let mut delta = Delta::default();
        let letter = features(0, 400);
        let score = INDIFFERENT;
        let steps = delta.learn(&letter, Class::Spam, Rate::FEEDBACK, score);
        assert_eq!(delta.learned(), (0, 1));
        delta.forget(&letter, Class::Spam, steps);
        assert_eq!(delta.learned(), (0, 0));
        assert!(delta.z(&letter, 0).abs() < f32::EPSILON);
        assert_eq!(Delta::decode(&delta.encode()).unwrap().len(), 0);
    }

    #[test]
    fn stored_and_read_again() {
        let mut delta = Delta::default();
        for at in 0..10 {
            delta.learn(
                &features(at * 300, 400),
                Class::Spam,
                Rate::SORTED,
                INDIFFERENT,
            );
            delta.learn(
                &features(at * 777, 400),
                Class::Ham,
                Rate::SORTED,
                INDIFFERENT,
            );
        }
        let again = Delta::decode(&delta.encode()).unwrap();
        assert_eq!(again.learned(), delta.learned());
        let letter = features(500, 600);
        assert!((again.z(&letter, 1) - delta.z(&letter, 1)).abs() < 0.05);
        assert_eq!(
            again.encode(),
            Delta::decode(&again.encode()).unwrap().encode()
        );
        assert!(Delta::decode(b"").is_none() && Delta::decode(&[0; 9]).is_none());
    }

    #[test]
    fn bounded() {
        let mut delta = Delta::default();
        for at in 0..100 {
            delta.learn(
                &features(at * 1000, 1000),
                Class::Spam,
                Rate::SORTED,
                INDIFFERENT,
            );
        }
        assert!(delta.len() <= ENTRIES_MAX);
    }
}
