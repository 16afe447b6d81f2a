//! The weights of the global model: learned one message at a time, read by any number of scans meanwhile.
//!
//! `z` of a view is the sum of the weights of its features over the square root of their number, so that long and short
//! letters are alike. A step changes only the weights of the letter's features and only if the model was wrong or not
//! sure enough (margin): that learns better from less. A weight is one word that is read and written whole; two steps at
//! once can lose a little of one of them, which is noise, so there is no lock.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Class;
use super::delta::Delta;
use super::features::{BITS, Features, VIEWS};
use crate::verdict::sigmoid;

/// Weights of one view.
const SIZE: usize = 1 << BITS;
/// Local letters after which the model counts half. One that was trained elsewhere took 69 to 95 % of other people's
/// office mail for spam (measured); what is known of *this* house's mail decides how far it is believed.
const HALF_TRUST: f32 = 500.0;
/// Wanted letters of the house after which the corrections of agencies and accounts count half: so many share what all
/// letters here have in common.
const HALF_GROUND: f32 = 20.0;
/// Weights of a page: 32 KiB, half of what a record of the store may have.
pub const PAGE: usize = 8 * 1024;
const PAGES_OF_VIEW: usize = SIZE / PAGE;
/// Pages of all views.
pub const PAGES: usize = VIEWS * PAGES_OF_VIEW;
/// Log-odds for each unit of the mean `z`, and at its zero: from cross-validation within a training half, so that
/// probabilities are observed frequencies. A model that learned slowly is less sure than it could be, never more.
const SLOPE: f32 = 2.0;
/// See [`SLOPE`].
const OFFSET: f32 = -0.37;

/// How much one letter changes the weights, and when it changes none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Step: change of `z` by one wholly misjudged letter.
    pub step: f32,
    /// A view that is right by more than this learns nothing.
    pub margin: f32,
    /// How sure `z` counts while learning. Below 1 a view must say the same more often before it is believed, so that
    /// wrong labels move less, and still comes to the same margin.
    pub sharpness: f32,
}

impl Rate {
    /// For a sorted corpus without wrong labels; three times over it is best.
    pub const SORTED: Self = Self {
        step: 10.0,
        margin: 2.0,
        sharpness: 1.0,
    };
    /// For what people do with their mail: one label in twenty is wrong, and a fast learner would follow it.
    pub const FEEDBACK: Self = Self {
        step: 4.0,
        margin: 2.0,
        sharpness: 0.5,
    };
}

/// The step that a letter caused in each view. Kept with the label, it takes the letter back exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Steps(pub [f32; VIEWS]);

impl Steps {
    /// The step that a letter causes in each view of whatever says `score` of it.
    pub fn of(score: Score, class: Class, rate: Rate) -> Self {
        let is_spam = class == Class::Spam;
        Self(score.views.map(|z| {
            if (z > 0.0) == is_spam && z.abs() > rate.margin {
                return 0.0;
            }
            let wanted = if is_spam { 1.0 } else { 0.0 };
            rate.step * (wanted - sigmoid(rate.sharpness * z))
        }))
    }

    /// Whether nothing changes.
    pub fn is_none(self) -> bool {
        self.0.iter().all(|step| *step == 0.0)
    }
}

/// What the model says of a letter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// `z` of each view: decoded, folded, tokens.
    pub views: [f32; VIEWS],
    /// `z` of the decoded view with the text as far as it may speak. As far as a text is strange to the decoded view
    /// though the folded one knows it, it is disguised and not harmless: then the folded view speaks for it.
    pub seen_through: f32,
}

impl Score {
    /// The mean of the views, disguises seen through.
    pub fn mean(self) -> f32 {
        let [_, folded, tokens] = self.views;
        (self.seen_through + folded + tokens) / 3.0
    }

    /// Calibrated log-odds of spam.
    pub fn log_odds(self) -> f32 {
        SLOPE * self.mean() + OFFSET
    }
}

/// How fast the decoded view falls silent before a disguised text.
const PLAIN_POWER: i32 = 2;

/// Log-odds for each unit of one view's `z`.
pub(crate) const UNIT: f32 = SLOPE / 3.0;

/// The global model.
#[derive(Debug)]
pub struct Model {
    /// The views' weights one after another, each the bits of an f32.
    weights: Vec<AtomicU32>,
    ham: AtomicU32,
    spam: AtomicU32,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            weights: (0..VIEWS * SIZE).map(|_| AtomicU32::new(0)).collect(),
            ham: AtomicU32::new(0),
            spam: AtomicU32::new(0),
        }
    }
}

impl Model {
    /// What the model alone says.
    pub fn score(&self, features: &Features) -> Score {
        self.score_with(features, &[])
    }

    /// What the model says together with what an agency and an account know better.
    pub fn score_with(&self, features: &Features, deltas: &[&Delta]) -> Score {
        let numbers = &features.views[0];
        let (header, text) = numbers.split_at(features.text_from.min(numbers.len()));
        let header = self.sum(0, header);
        let text = self.sum(0, text);
        let folded = self.sum(1, &features.views[1]);
        let tokens = self.sum(2, &features.views[2]);
        let mut views = [header.weight + text.weight, folded.weight, tokens.weight];
        for (view, z) in views.iter_mut().enumerate() {
            *z *= norm(&features.views[view]);
            for delta in deltas {
                *z += delta.z(features, view);
            }
        }
        Score {
            views,
            seen_through: seen_through(views, norm(numbers), &[header, text, folded]),
        }
    }

    /// Weight and number of features, and how many of them have a weight.
    fn sum(&self, view: usize, numbers: &[u32]) -> Sum {
        let weights = self.view(view);
        let mut sum = Sum {
            weight: 0.0,
            known: 0,
            count: numbers.len(),
        };
        for &number in numbers {
            let weight = weight(weights, number);
            sum.weight += weight;
            sum.known += usize::from(weight != 0.0);
        }
        sum
    }

    /// Learns from a letter of this house, if it has something to teach. Returns what it changed.
    pub fn learn(&self, features: &Features, class: Class, rate: Rate) -> Steps {
        self.counter(class).fetch_add(1, Ordering::Relaxed);
        self.learn_elsewhere(features, class, rate)
    }

    /// Learns a letter of this house whose steps are known.
    pub fn add(&self, features: &Features, class: Class, steps: Steps) {
        self.counter(class).fetch_add(1, Ordering::Relaxed);
        self.shift(features, steps, 1.0);
    }

    fn counter(&self, class: Class) -> &AtomicU32 {
        match class {
            Class::Ham => &self.ham,
            Class::Spam => &self.spam,
        }
    }

    /// Learns from a letter of others: the weights change, the trust in them does not.
    pub fn learn_elsewhere(&self, features: &Features, class: Class, rate: Rate) -> Steps {
        let steps = Steps::of(self.score(features), class, rate);
        self.shift(features, steps, 1.0);
        steps
    }

    /// Takes back a letter that was learned.
    pub fn forget(&self, features: &Features, class: Class, steps: Steps) {
        let counter = self.counter(class);
        let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        self.shift(features, steps, -1.0);
    }

    fn shift(&self, features: &Features, steps: Steps, sign: f32) {
        self.shift_where(features, steps, sign, |_| true);
    }

    /// Adds steps times `sign` to the weights of those pages that `wanted` names; counts nothing. For taking a stored
    /// model to where its journal ends: each page from where it stands.
    pub fn shift_where(
        &self,
        features: &Features,
        steps: Steps,
        sign: f32,
        wanted: impl Fn(usize) -> bool,
    ) {
        for (view, step) in steps.0.into_iter().enumerate() {
            if step == 0.0 {
                continue;
            }
            let numbers = &features.views[view];
            let change = sign * step * norm(numbers);
            let weights = self.view(view);
            for &number in numbers {
                if !wanted(view * PAGES_OF_VIEW + number as usize / PAGE) {
                    continue;
                }
                if let Some(weight) = weights.get(number as usize) {
                    let now = f32::from_bits(weight.load(Ordering::Relaxed));
                    weight.store((now + change).to_bits(), Ordering::Relaxed);
                }
            }
        }
    }

    fn view(&self, view: usize) -> &[AtomicU32] {
        &self.weights[view * SIZE..(view + 1) * SIZE]
    }

    /// The weight of one feature.
    pub(crate) fn weight(&self, view: usize, number: u32) -> f32 {
        weight(self.view(view), number)
    }

    /// The weights of one page, below [`PAGES`].
    pub fn page(&self, page: usize) -> Vec<f32> {
        let weights = self.weights.iter().skip(page * PAGE).take(PAGE);
        weights
            .map(|weight| f32::from_bits(weight.load(Ordering::Relaxed)))
            .collect()
    }

    /// Sets the weights of one page; what is missing of `weights` is 0.
    pub fn set_page(&self, page: usize, weights: &[f32]) {
        let places = self.weights.iter().skip(page * PAGE).take(PAGE);
        let weights = weights.iter().chain(std::iter::repeat(&0.0));
        for (place, weight) in places.zip(weights) {
            place.store(weight.to_bits(), Ordering::Relaxed);
        }
    }

    /// Sets how many letters of this house were learned.
    pub fn set_learned(&self, ham: u32, spam: u32) {
        self.ham.store(ham, Ordering::Relaxed);
        self.spam.store(spam, Ordering::Relaxed);
    }

    /// Letters of this house learned so far: ham, spam.
    pub fn learned(&self) -> (u32, u32) {
        (
            self.ham.load(Ordering::Relaxed),
            self.spam.load(Ordering::Relaxed),
        )
    }

    /// How far the model may be believed here, 0 to 1: `n / (n + 500)`, where n is the number of local letters, but at
    /// most four for each ham. A house that only ever reported spam has taught nothing about its own mail.
    pub fn trust(&self) -> f32 {
        let (ham, spam) = self.learned();
        trust_after(ham, spam)
    }

    /// How far what an agency or an account taught may speak, 0 to 1: `ham / (ham + 20)`. It knows what is unwanted
    /// there; what is usual in this house, only wanted letters can tell.
    pub fn ground(&self) -> f32 {
        ground_after(self.learned().0)
    }

    /// Octets of memory.
    pub fn size(&self) -> usize {
        self.weights.len() * size_of::<AtomicU32>()
    }
}

/// Features of one view, or of a part of it, added up.
struct Sum {
    weight: f32,
    known: usize,
    count: usize,
}

impl Sum {
    /// Which share of the features has a weight.
    #[allow(clippy::cast_precision_loss, reason = "at most some ten thousand")]
    fn share_known(&self) -> f32 {
        self.known as f32 / self.count.max(1) as f32
    }
}

/// The decoded view's `z`, where the folded view speaks for as much of the text as is disguised: in the text's place
/// beside the header, or for all if that is more. A disguise gains nothing.
#[allow(clippy::cast_precision_loss, reason = "at most some ten thousand")]
fn seen_through(views: [f32; VIEWS], norm: f32, [header, text, folded]: &[Sum; 3]) -> f32 {
    let [decoded, all_folded, _] = views;
    if folded.known == 0 || text.count == 0 {
        return decoded;
    }
    let plain = (text.share_known() / folded.share_known()).min(1.0);
    let plain = plain.powi(PLAIN_POWER);
    let in_its_place = header.weight * norm + (text.count as f32).sqrt() * norm * all_folded;
    plain * decoded + (1.0 - plain) * in_its_place.max(all_folded)
}

/// [`Model::trust`] of a model that learned so many letters of its house.
pub fn trust_after(ham: u32, spam: u32) -> f32 {
    trust(ham, spam, HALF_TRUST)
}

/// [`Model::ground`] of a model that learned so many wanted letters of its house.
pub fn ground_after(ham: u32) -> f32 {
    trust(ham, 0, HALF_GROUND)
}

/// `n / (n + half)` with n = ham + spam, at most four times the ham.
#[allow(
    clippy::cast_precision_loss,
    reason = "counts of letters, and only a ratio"
)]
pub(crate) fn trust(ham: u32, spam: u32, half: f32) -> f32 {
    let n = ham.saturating_add(spam).min(ham.saturating_mul(4)) as f32;
    n / (n + half)
}

fn weight(weights: &[AtomicU32], number: u32) -> f32 {
    let found = weights.get(number as usize);
    found.map_or(0.0, |weight| f32::from_bits(weight.load(Ordering::Relaxed)))
}

/// One over the square root of the number of features.
#[allow(clippy::cast_precision_loss, reason = "at most some ten thousand")]
pub(crate) fn norm(numbers: &[u32]) -> f32 {
    1.0 / (numbers.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Letter;
    use crate::statistics::features;
    use congvu_message::summarize;

    fn of(text: &str) -> Features {
        let raw = format!("Subject: x\r\n\r\n{text}");
        let summary = summarize(raw.as_bytes());
        features(&Letter::read(raw.as_bytes(), &summary))
    }

    #[test]
    fn learns_and_forgets() {
        let model = Model::default();
        let (ham, spam) = (
            of("Kính gửi Ủy ban, họp giao ban tuần"),
            of("khuyến mãi nạp đầu"),
        );
        assert!(model.score(&ham).mean().abs() < f32::EPSILON);
        let mut journal = Vec::new();
        for _ in 0..5 {
            journal.push((
                &ham,
                Class::Ham,
                model.learn(&ham, Class::Ham, Rate::SORTED),
            ));
            journal.push((
                &spam,
                Class::Spam,
                model.learn(&spam, Class::Spam, Rate::SORTED),
            ));
        }
        assert!(model.score(&ham).mean() < -1.0 && model.score(&spam).mean() > 1.0);
        assert_eq!(model.learned(), (5, 5));
        // Enough is enough: within the margin nothing changes any more.
        assert_eq!(
            model.learn(&spam, Class::Spam, Rate::FEEDBACK),
            Steps::default()
        );
        model.forget(&spam, Class::Spam, Steps::default());
        for (features, class, steps) in journal.into_iter().rev() {
            model.forget(features, class, steps);
        }
        assert!(model.score(&ham).mean().abs() < 1e-5 && model.score(&spam).mean().abs() < 1e-5);
        assert_eq!(model.learned(), (0, 0));
    }

    #[test]
    fn trust_grows_with_local_ham() {
        assert!(trust(0, 10_000, 500.0).abs() < f32::EPSILON);
        assert!((trust(250, 250, 500.0) - 0.5).abs() < 1e-6);
        assert!((trust(100, 10_000, 500.0) - trust(100, 300, 500.0)).abs() < 1e-6);
        let model = Model::default();
        model.learn_elsewhere(&of("a b c d"), Class::Ham, Rate::SORTED);
        assert!(model.trust().abs() < f32::EPSILON);
    }

    #[test]
    fn pages_and_steps_make_the_model_again() {
        let (model, again) = (Model::default(), Model::default());
        let letters = [
            of("nạp đầu nhận thưởng"),
            of("kính gửi quý cơ quan"),
            of("khuyến mãi"),
        ];
        let first = model.learn(&letters[0], Class::Spam, Rate::FEEDBACK);
        // Half of the pages were written before the second letter, half after it.
        let early: Vec<_> = (0..PAGES)
            .step_by(2)
            .map(|at| (at, model.page(at)))
            .collect();
        let second = model.learn(&letters[1], Class::Ham, Rate::FEEDBACK);
        let late: Vec<_> = (1..PAGES)
            .step_by(2)
            .map(|at| (at, model.page(at)))
            .collect();
        let third = model.learn(&letters[2], Class::Spam, Rate::FEEDBACK);
        for (at, weights) in early.iter().chain(&late) {
            again.set_page(*at, weights);
        }
        assert!(!first.is_none());
        again.shift_where(&letters[1], second, 1.0, |page| page % 2 == 0);
        again.shift_where(&letters[2], third, 1.0, |_| true);
        assert!((0..PAGES).all(|at| again.page(at) == model.page(at)));
    }

    #[test]
    fn small() {
        assert_eq!(Model::default().size(), 12 * 1024 * 1024);
    }
}
