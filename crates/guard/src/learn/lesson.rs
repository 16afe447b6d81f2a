//! What one label changes, and for whom: the account itself, its agency, the house.
//!
//! The account's own correction learns at the full rate: it is their mail. Others are moved by one person only so far:
//! whatever somebody labels, all their labels together move the `z` of a letter by at most [`VOICE`] in the agency's
//! correction and as much in the house's model. That is 1.0 in log-odds, where Junk is 2.8 above a letter of which a
//! trusted model knows nothing: it takes three persons of an agency, or six of the house, to bring a letter to Junk for
//! everybody. A person may reach others with [`DAY_MAX`] labels a day, and the less the more often others had said the
//! opposite.

use congvu_spam::statistics::{Class, Delta, Features, Model, Rate, Steps};

use super::record::{Counts, Source};

/// How far one person moves the `z` of a letter for others. Log-odds are twice `z`, and there are two corrections:
/// 2 * (0.25 + 0.25) = 1.0, a third of the way from an unknown letter to Junk.
pub const VOICE: f32 = 0.25;
/// The same for hints.
const VOICE_OF_HINT: f32 = 0.1;
/// Labels of one person that reach others on one day: few people sort more by hand.
pub const DAY_MAX: u32 = 20;
/// A person of whom nothing is known counts as if others had agreed so often.
const CREDIT: u32 = 3;
/// Who is worth less reaches nobody.
const WORTH_LEAST: f32 = 0.2;
/// Others have said something clear from this `z` on.
const CLEAR: f32 = 1.0;
/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// All that a label's effect depends on.
pub(crate) struct Question<'a> {
    pub(crate) features: &'a Features,
    pub(crate) class: Class,
    pub(crate) source: Source,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) model: &'a Model,
    /// `None` for an administrator who speaks for the house.
    pub(crate) person: Option<&'a Person>,
    pub(crate) agency: Option<&'a Delta>,
}

/// What an account taught.
#[derive(Debug, Default)]
pub(crate) struct Person {
    pub(crate) counts: Counts,
    /// Its own correction.
    pub(crate) own: Delta,
    /// What it moved in its agency's correction and in the house's model.
    pub(crate) within: Delta,
    pub(crate) house: Delta,
}

/// The effect.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Effect {
    pub(crate) own: Steps,
    pub(crate) within: Steps,
    pub(crate) house: Steps,
    /// It reaches others, and so counts as a letter that the house learned.
    pub(crate) reaches: bool,
    /// What others had said.
    pub(crate) others: Option<bool>,
}

/// What a label changes.
pub(crate) fn effect(question: &Question<'_>) -> Effect {
    let Question {
        features,
        class,
        model,
        ..
    } = *question;
    let rate = Rate {
        step: Rate::FEEDBACK.step * question.source.weight(),
        ..Rate::FEEDBACK
    };
    let house = model.score(features);
    let Some(person) = question.person else {
        return Effect {
            house: Steps::of(house, class, rate),
            reaches: true,
            ..Effect::default()
        };
    };
    let deltas: Vec<&Delta> = question.agency.into_iter().collect();
    let of_agency = model.score_with(features, &deltas);
    let deltas: Vec<&Delta> = deltas.into_iter().chain([&person.own]).collect();
    let all = model.score_with(features, &deltas);
    let own = Steps::of(all, class, rate);
    let others = others(question, person, house.views);
    let worth = worth(&person.counts);
    let today = if person.counts.day == question.at.div_euclid(DAY) {
        person.counts.today
    } else {
        0
    };
    if today >= DAY_MAX || worth < WORTH_LEAST {
        return Effect {
            own,
            others,
            ..Effect::default()
        };
    }
    let voice = match question.source {
        Source::Answered => VOICE_OF_HINT,
        _ => VOICE,
    } * worth;
    let bounded = |steps: Steps, moved: &Delta| {
        let mut bounded = steps;
        for (view, step) in bounded.0.iter_mut().enumerate() {
            let way = step.signum();
            let room = (voice - way * moved.sum(features, view)).max(0.0);
            *step = way * step.abs().min(room);
        }
        bounded
    };
    Effect {
        own,
        within: bounded(Steps::of(of_agency, class, rate), &person.within),
        house: bounded(Steps::of(house, class, rate), &person.house),
        reaches: true,
        others,
    }
}

/// What others had said of such letters, without this person's part in it: the same, or the opposite.
#[allow(clippy::cast_precision_loss, reason = "there are three views")]
fn others(question: &Question<'_>, person: &Person, house: [f32; 3]) -> Option<bool> {
    let views = house.iter().enumerate();
    let sum: f32 = views
        .map(|(view, z)| z - person.house.sum(question.features, view))
        .sum();
    let z = sum / house.len() as f32;
    (z.abs() > CLEAR).then_some((z > 0.0) == (question.class == Class::Spam))
}

/// 0 to 1: how much a person's word counts for others.
#[allow(clippy::cast_precision_loss, reason = "a ratio of counts of labels")]
pub(crate) fn worth(counts: &Counts) -> f32 {
    let agreed = counts.agreed.saturating_add(CREDIT) as f32;
    agreed / (agreed + counts.against as f32)
}

impl Counts {
    /// One label more.
    pub(crate) fn add(&mut self, class: Class, effect: &Effect, at: i64) {
        match class {
            Class::Ham => self.ham = self.ham.saturating_add(1),
            Class::Spam => self.spam = self.spam.saturating_add(1),
        }
        match effect.others {
            Some(true) => self.agreed = self.agreed.saturating_add(1),
            Some(false) => self.against = self.against.saturating_add(1),
            None => {}
        }
        let day = at.div_euclid(DAY);
        if self.day != day {
            (self.day, self.today) = (day, 0);
        }
        if effect.reaches {
            self.today = self.today.saturating_add(1);
        }
    }

    /// One label less.
    pub(crate) fn take(&mut self, class: Class, others: Option<bool>) {
        match class {
            Class::Ham => self.ham = self.ham.saturating_sub(1),
            Class::Spam => self.spam = self.spam.saturating_sub(1),
        }
        match others {
            Some(true) => self.agreed = self.agreed.saturating_sub(1),
            Some(false) => self.against = self.against.saturating_sub(1),
            None => {}
        }
    }
}
