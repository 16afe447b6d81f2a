//! The measures: 1-ROCA%, spam missed where little ham is lost, losses at the thresholds, calibration, the worst.
//!
//! 1-ROCA% is a hundred times the chance that a ham ranks above a spam (Cormack and Lynam, TREC): 0 is perfect, 50 is
//! guessing, and no threshold is involved.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Class, Scored};

/// Messages named as the worst of each class, if nobody says how many.
pub const WORST: usize = 5;
/// Bins of probability for the calibration error.
const BINS: usize = 10;

/// What was measured. Shares are in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measures {
    /// Ham measured.
    pub ham: usize,
    /// Spam measured.
    pub spam: usize,
    /// 1-ROCA%; `None` where there is only one class.
    pub roca: Option<f64>,
    /// Spam missed when at most one ham in a thousand is lost.
    pub missed_at_tenth: Option<f64>,
    /// Spam missed when at most one ham in a hundred is lost.
    pub missed_at_one: Option<f64>,
    /// Expected calibration error: how far probabilities are from frequencies, 0 to 1.
    pub calibration: f64,
    /// At each threshold.
    pub thresholds: Vec<AtThreshold>,
    /// The ham that ranks as most like spam, then the spam most like ham.
    pub worst: Vec<Worst>,
}

/// Losses at a threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtThreshold {
    /// Probability from which on it is spam.
    pub threshold: f32,
    /// Ham at or above it.
    pub lost: usize,
    /// The same in percent of the ham.
    pub lost_percent: f64,
    /// Spam below it.
    pub missed: usize,
    /// The same in percent of the spam.
    pub missed_percent: f64,
}

/// A message judged most wrongly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worst {
    /// `ham` or `spam`.
    pub class: &'static str,
    /// Its probability of spam.
    pub probability: f32,
    /// Its file.
    pub path: String,
}

/// Measures what was judged.
pub fn measure(scored: &[Scored], thresholds: &[f32]) -> Measures {
    let of = |class| scored.iter().filter(move |one| one.class == class);
    let (ham, spam) = (of(Class::Ham).count(), of(Class::Spam).count());
    let both = ham > 0 && spam > 0;
    Measures {
        ham,
        spam,
        roca: both.then(|| roca(scored)),
        missed_at_tenth: both.then(|| missed(scored, 0.001)),
        missed_at_one: both.then(|| missed(scored, 0.01)),
        calibration: calibration(scored),
        thresholds: thresholds
            .iter()
            .map(|&threshold| at(scored, threshold))
            .collect(),
        worst: worst(scored, WORST),
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of messages")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Ham and spam at each rank, from ham-like to spam-like.
fn ranks(scored: &[Scored]) -> Vec<(usize, usize)> {
    // Floats in their order as integers.
    let order = |rank: f32| {
        let bits = rank.to_bits().cast_signed();
        bits ^ (((bits >> 31).cast_unsigned()) >> 1).cast_signed()
    };
    let mut ranks: BTreeMap<i32, (usize, usize)> = BTreeMap::new();
    for one in scored {
        let (ham, spam) = ranks.entry(order(one.rank)).or_default();
        match one.class {
            Class::Ham => *ham += 1,
            Class::Spam => *spam += 1,
        }
    }
    ranks.into_values().collect()
}

#[allow(clippy::cast_precision_loss, reason = "counts of messages")]
fn roca(scored: &[Scored]) -> f64 {
    let (mut wrong, mut hams, mut spams) = (0.0, 0.0, 0.0);
    for (ham, spam) in ranks(scored) {
        let (ham, spam) = (ham as f64, spam as f64);
        // Spam below this ham, and half of the spam at the same rank.
        wrong += ham * (spams + spam / 2.0);
        hams += ham;
        spams += spam;
    }
    100.0 * wrong / (hams * spams)
}

/// Percent of the spam at or below the rank above which at most that share of the ham lies.
fn missed(scored: &[Scored], share: f64) -> f64 {
    let mut best = 100.0;
    for (lost, missed) in curve(scored) {
        if lost <= 100.0 * share && missed < best {
            best = missed;
        }
    }
    best
}

/// For every threshold: percent of the ham lost, percent of the spam missed.
pub fn curve(scored: &[Scored]) -> Vec<(f64, f64)> {
    let ranks = ranks(scored);
    let hams: usize = ranks.iter().map(|(ham, _)| ham).sum();
    let spams: usize = ranks.iter().map(|(_, spam)| spam).sum();
    let mut points = vec![(100.0, 0.0)];
    let (mut below, mut missed) = (0, 0);
    for (ham, spam) in ranks {
        below += ham;
        missed += spam;
        points.push((percent(hams - below, hams), percent(missed, spams)));
    }
    points
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of messages, and probabilities from 0 to 1"
)]
fn calibration(scored: &[Scored]) -> f64 {
    let mut bins = [(0_usize, 0_usize, 0.0); BINS];
    for one in scored {
        let bin = ((one.probability * BINS as f32) as usize).min(BINS - 1);
        let (count, spam, sum) = &mut bins[bin];
        *count += 1;
        *spam += usize::from(one.class == Class::Spam);
        *sum += f64::from(one.probability);
    }
    let off = bins.iter().map(|(_, spam, sum)| (*spam as f64 - sum).abs());
    off.sum::<f64>() / scored.len().max(1) as f64
}

fn at(scored: &[Scored], threshold: f32) -> AtThreshold {
    let count = |class, above: bool| {
        let of = scored.iter().filter(|one| one.class == class);
        of.filter(|one| (one.probability >= threshold) == above)
            .count()
    };
    let total = |class| scored.iter().filter(|one| one.class == class).count();
    let (lost, missed) = (count(Class::Ham, true), count(Class::Spam, false));
    AtThreshold {
        threshold,
        lost,
        lost_percent: percent(lost, total(Class::Ham)),
        missed,
        missed_percent: percent(missed, total(Class::Spam)),
    }
}

/// The messages of each class that rank most wrongly, the worst first: at most so many ham, then so many spam.
pub fn worst(scored: &[Scored], most: usize) -> Vec<Worst> {
    let of = |class, name| {
        let mut of: Vec<&Scored> = scored.iter().filter(|one| one.class == class).collect();
        of.sort_by(|a, b| match class {
            Class::Ham => b.rank.total_cmp(&a.rank),
            Class::Spam => a.rank.total_cmp(&b.rank),
        });
        of.into_iter().take(most).map(move |one| Worst {
            class: name,
            probability: one.probability,
            path: one.path.clone(),
        })
    };
    of(Class::Ham, "ham")
        .chain(of(Class::Spam, "spam"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(ranks: &[(Class, f32)]) -> Vec<Scored> {
        let one = |&(class, rank): &(Class, f32)| Scored {
            path: format!("{rank}"),
            class,
            rank,
            probability: crate::verdict::sigmoid(rank),
        };
        ranks.iter().map(one).collect()
    }

    #[track_caller]
    fn check(ranks: &[(Class, f32)], expected: f64) {
        let measured = measure(&scored(ranks), &[0.5]);
        assert!(
            (measured.roca.unwrap() - expected).abs() < 1e-9,
            "{measured:?}"
        );
    }

    #[test]
    fn area() {
        use Class::{Ham, Spam};
        check(&[(Ham, -1.0), (Spam, 1.0)], 0.0);
        check(&[(Ham, 1.0), (Spam, -1.0)], 100.0);
        check(&[(Ham, 1.0), (Spam, 1.0)], 50.0);
        check(&[(Ham, -2.0), (Spam, -1.0), (Ham, 0.5), (Spam, 3.0)], 25.0);
        check(&[(Ham, 0.0), (Ham, -7.5), (Spam, -0.5), (Spam, 7.5)], 25.0);
    }

    #[test]
    fn losses() {
        use Class::{Ham, Spam};
        let all = scored(&[
            (Ham, -3.0),
            (Ham, -1.0),
            (Ham, 2.0),
            (Spam, 1.0),
            (Spam, 3.0),
            (Spam, -0.5),
        ]);
        let measured = measure(&all, &[0.5, 0.9]);
        assert_eq!((measured.ham, measured.spam), (3, 3));
        let at = |index: usize| {
            (
                measured.thresholds[index].lost,
                measured.thresholds[index].missed,
            )
        };
        assert_eq!((at(0), at(1)), ((1, 1), (0, 2)));
        // No ham may be lost: the threshold lies above the ham at 2, and two of the spam are missed.
        assert!((measured.missed_at_tenth.unwrap() - 200.0 / 3.0).abs() < 1e-9);
        assert_eq!(measured.worst[0].path, "2");
        assert_eq!(measured.worst[3].path, "-0.5");
        assert!(measured.calibration > 0.0 && measured.calibration < 0.5);
        assert!(measure(&all[..3], &[]).roca.is_none());
        let paths = |most| -> Vec<String> {
            let worst = worst(&all, most).into_iter();
            worst.map(|one| one.path).collect()
        };
        assert_eq!(paths(1), ["2", "-0.5"]);
        assert_eq!(paths(2), ["2", "-1", "-0.5", "1"]);
        assert!(paths(0).is_empty());
    }
}
