//! How a corpus is run through the filter: which messages it learns, in which order, with whose labels.
//!
//! A message is always judged before it is learned. Labels of a sorted corpus are learned at the full rate; labels as
//! people give them (some wrong, most missing, local ones after training elsewhere) at the rate for people.

use std::collections::VecDeque;
use std::time::Duration;

use congvu_message::summarize;
use rustix::time::{ClockId, clock_gettime};

use super::corpus::{Corpus, Entry, Error};
use super::{Class, Scored};
use crate::facts::Learned;
use crate::statistics::{Features, Model, Rate, features};
use crate::verdict::{BASE, sigmoid};
use crate::{Facts, Letter, judge};

/// How often a sorted corpus is gone through in training: more gains nothing (measured by cross-validation).
const EPOCHS: usize = 3;

/// Which messages are learned and which are measured.
#[derive(Debug, Clone)]
pub enum Order {
    /// A random half is learned, the other measured.
    Split,
    /// One after another: judged, then learned.
    Online,
    /// Another corpus is learned as this house's own mail, this one is measured.
    After {
        /// The other corpus.
        train: Corpus,
    },
    /// Another corpus is learned as other people's mail; of this one the first `local` messages are learned after they were judged, and what
    /// comes after them is measured.
    Cross {
        /// The other corpus.
        train: Corpus,
        /// How many messages of this house are learned.
        local: usize,
    },
}

/// A way of measuring.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// Which messages are learned.
    pub order: Order,
    /// A label comes only so many messages after its letter.
    pub delay: usize,
    /// The share of labels that are wrong.
    pub noise: f64,
    /// The share of letters that are labelled at all.
    pub feedback: f64,
    /// Judge by all stages, not by statistics alone.
    pub full: bool,
    /// For everything random.
    pub seed: u64,
}

impl Protocol {
    /// Correct labels of all letters, at once.
    pub fn new(order: Order) -> Self {
        Self {
            order,
            delay: 0,
            noise: 0.0,
            feedback: 1.0,
            full: false,
            seed: 1,
        }
    }

    /// How fast labels are learned.
    pub fn rate(&self) -> Rate {
        if self.noise > 0.0 || self.feedback < 1.0 {
            Rate::FEEDBACK
        } else {
            Rate::SORTED
        }
    }
}

/// What came out.
#[derive(Debug)]
pub struct Run {
    /// The measured messages.
    pub scored: Vec<Scored>,
    /// Messages that were learned.
    pub learned: usize,
    /// CPU time of judging, parsing included, reading files not.
    pub scanning: Duration,
    /// Messages judged in that time.
    pub scanned: usize,
}

/// Runs a corpus.
pub fn run(mut corpus: Corpus, protocol: &Protocol) -> Result<Run, Error> {
    let mut runner = Runner {
        model: Model::default(),
        protocol,
        random: fastrand::Rng::with_seed(protocol.seed),
        out: Run {
            scored: Vec::new(),
            learned: 0,
            scanning: Duration::ZERO,
            scanned: 0,
        },
    };
    match &protocol.order {
        Order::Split => {
            let (learned, measured) = corpus.halves(protocol.seed);
            runner.learn_all(learned)?;
            runner.stream(&measured, 0, Rate::SORTED)?;
        }
        Order::After { train } => {
            runner.learn_all(train.clone())?;
            runner.stream(&corpus, 0, Rate::SORTED)?;
        }
        Order::Online => {
            if !corpus.in_time {
                corpus.shuffle(protocol.seed);
            }
            runner.stream(&corpus, usize::MAX, protocol.rate())?;
        }
        Order::Cross {
            train: other,
            local,
        } => {
            train(&runner.model, other.clone(), protocol.seed)?;
            if !corpus.in_time {
                corpus.shuffle(protocol.seed);
            }
            runner.stream(&corpus, *local, Rate::FEEDBACK)?;
            let first = (*local).min(runner.out.scored.len());
            runner.out.scored.drain(..first);
        }
    }
    Ok(runner.out)
}

/// Teaches a model a whole sorted corpus of other people's mail.
pub fn train(model: &Model, corpus: Corpus, seed: u64) -> Result<(), Error> {
    epochs(corpus, seed, |_, features, class| {
        model.learn_elsewhere(features, class, Rate::SORTED);
    })
}

/// Teaches a model a whole sorted corpus of this house's mail.
pub fn teach(model: &Model, corpus: Corpus, seed: u64) -> Result<(), Error> {
    epochs(corpus, seed, |epoch, features, class| {
        if epoch == 0 {
            model.learn(features, class, Rate::SORTED);
        } else {
            model.learn_elsewhere(features, class, Rate::SORTED);
        }
    })
}

fn epochs(
    mut corpus: Corpus,
    seed: u64,
    mut learn: impl FnMut(usize, &Features, Class),
) -> Result<(), Error> {
    for epoch in 0..EPOCHS {
        corpus.shuffle(seed.wrapping_add(epoch as u64));
        for entry in &corpus.entries {
            learn(epoch, &read(&corpus.read(entry)?), entry.class);
        }
    }
    Ok(())
}

fn read(raw: &[u8]) -> Features {
    let summary = summarize(raw);
    features(&Letter::read(raw, &summary))
}

struct Runner<'a> {
    model: Model,
    protocol: &'a Protocol,
    random: fastrand::Rng,
    out: Run,
}

impl Runner<'_> {
    /// Learns a training half: a sorted one several times, people's labels once.
    fn learn_all(&mut self, mut corpus: Corpus) -> Result<(), Error> {
        let labels: Vec<Option<Class>> = corpus.entries.iter().map(|e| self.label(e)).collect();
        let mut lessons: Vec<(Entry, Option<Class>)> = std::mem::take(&mut corpus.entries)
            .into_iter()
            .zip(labels)
            .collect();
        let rate = self.protocol.rate();
        let epochs = if rate == Rate::SORTED { EPOCHS } else { 1 };
        for epoch in 0..epochs {
            self.random.shuffle(&mut lessons);
            for (entry, label) in &lessons {
                let Some(class) = *label else { continue };
                let features = read(&corpus.read(entry)?);
                if epoch == 0 {
                    self.model.learn(&features, class, rate);
                    self.out.learned += 1;
                } else {
                    self.model.learn_elsewhere(&features, class, rate);
                }
            }
        }
        Ok(())
    }

    /// Judges all, learns the first `local` as their labels come.
    fn stream(&mut self, corpus: &Corpus, local: usize, rate: Rate) -> Result<(), Error> {
        let mut waiting = VecDeque::new();
        for (at, entry) in corpus.entries.iter().enumerate() {
            let raw = corpus.read(entry)?;
            self.judge(entry, &raw);
            if at < local
                && let Some(class) = self.label(entry)
            {
                waiting.push_back((at, class, raw));
            }
            while let Some((_, class, raw)) =
                waiting.pop_front_if(|(sent, _, _)| at - *sent >= self.protocol.delay)
            {
                self.model.learn(&read(&raw), class, rate);
                self.out.learned += 1;
            }
        }
        Ok(())
    }

    /// What the label of a letter says, if anybody gives one.
    fn label(&mut self, entry: &Entry) -> Option<Class> {
        let given = self.protocol.feedback >= 1.0 || self.random.f64() < self.protocol.feedback;
        let wrong = self.protocol.noise > 0.0 && self.random.f64() < self.protocol.noise;
        let class = if wrong {
            entry.class.opposite()
        } else {
            entry.class
        };
        given.then_some(class)
    }

    fn judge(&mut self, entry: &Entry, raw: &[u8]) {
        let begun = cpu();
        let summary = summarize(raw);
        let letter = Letter::read(raw, &summary);
        let (rank, probability) = if self.protocol.full {
            let mut facts = Facts::new(&letter);
            // Results do not depend on the load of the machine.
            facts.time = Duration::MAX;
            facts.learned = Some(Learned {
                model: &self.model,
                agency: None,
                account: None,
            });
            let judgement = judge(&facts);
            (judgement.log_odds, judgement.probability)
        } else {
            let log_odds = self.model.score(&features(&letter)).log_odds();
            let used = BASE + self.model.trust() * (log_odds - BASE);
            (log_odds, sigmoid(used))
        };
        self.out.scanning += cpu().saturating_sub(begun);
        self.out.scanned += 1;
        self.out.scored.push(Scored {
            path: entry.path.clone(),
            class: entry.class,
            rank,
            probability,
        });
    }
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
