//! One scan for all recipients of a letter, and what differs for some of them.
//!
//! The stages run once over what holds for everybody. For a recipient who has something of his own (lists, habits,
//! learned words, an agency's wishes) only the stages that read it run again; all other evidence is kept. Invariant: the
//! judgement for a recipient is the one that a scan with all of his facts would give.

use std::time::{Duration, Instant};

use crate::bounds::PERSONAL_TIME;
use crate::evidence::{Evidence, Findings};
use crate::facts::{Facts, Personal};
use crate::stage::{self, STAGES, Stage};
use crate::statistics::words::{Word, heaviest};
use crate::verdict::Judgement;

/// A letter that was looked at.
#[derive(Debug)]
pub struct Scan<'a> {
    facts: Facts<'a>,
    stages: &'static [Stage],
    /// What each stage found.
    found: Vec<Vec<Evidence>>,
    /// Time left for all recipients together.
    left: Duration,
}

impl<'a> Scan<'a> {
    /// Runs all stages over what holds for all recipients.
    pub fn new(facts: Facts<'a>) -> Self {
        Self::by(STAGES, facts)
    }

    fn by(stages: &'static [Stage], facts: Facts<'a>) -> Self {
        let mut out = Findings::within(facts.time);
        let mut found = Vec::with_capacity(stages.len());
        for stage in stages {
            let before = out.len();
            stage::run(stage, &facts, &mut out);
            found.push(out.since(before).to_vec());
        }
        Self {
            facts,
            stages,
            found,
            left: PERSONAL_TIME,
        }
    }

    /// What holds for all.
    pub fn facts(&self) -> &Facts<'a> {
        &self.facts
    }

    /// By what holds for all, with the thresholds of the facts.
    pub fn judgement(&self) -> Judgement {
        let all = self.found.iter().flatten().cloned();
        Judgement::of(all.collect(), &self.facts)
    }

    /// For one recipient. Once the time for all recipients together is over, by what holds for all and his thresholds.
    pub fn judge_for(&mut self, own: &Personal<'a>) -> Judgement {
        let begun = Instant::now();
        let mut out = Findings::within(self.left);
        let differs = |stage: &Stage| {
            let mut reads = stage.reads.iter();
            reads.any(|read| own.differs(*read, &self.facts))
        };
        let again: Vec<bool> = self.stages.iter().map(differs).collect();
        let common = self.facts.standing.listings.len();
        let before = self.facts.enter(own);
        for ((stage, found), again) in self.stages.iter().zip(&self.found).zip(again) {
            if again && !out.expired() {
                stage::run(stage, &self.facts, &mut out);
            } else {
                out.keep(found);
            }
        }
        let judgement = Judgement::of(out.into_evidence(), &self.facts);
        self.facts.enter(&before);
        self.facts.standing.listings.truncate(common);
        self.left = self.left.saturating_sub(begun.elapsed());
        judgement
    }

    /// The learned words that weighed most, at most `most`. Costs about as much as a scan.
    pub fn words(&self, most: usize) -> Vec<Word> {
        let Some(learned) = &self.facts.learned else {
            return Vec::new();
        };
        if learned.model.trust() <= 0.0 {
            return Vec::new();
        }
        let letter = self.facts.letter;
        heaviest(learned.model, letter, letter.features(), most)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::evidence::{Family, Reason, Rule};
    use crate::facts::{Correspondence, Own};
    use crate::verdict::Verdict;
    use crate::{Letter, Thresholds};
    use congvu_message::Summary;

    const COMMON: Rule = Rule::new("COMMON", Family::Header, 1.2);
    const KNOWN: Rule = Rule::new("KNOWN", Family::Identity, -1.0);
    const FORBIDDEN: Rule = Rule::new("FORBIDDEN", Family::Attachment, 1.5);

    fn common(_: &Facts<'_>, out: &mut Findings) {
        out.add(&COMMON, Reason::new("", ""));
    }

    fn known(facts: &Facts<'_>, out: &mut Findings) {
        if facts.standing.correspondence == Correspondence::Answer {
            out.add(&KNOWN, Reason::new("", ""));
        }
    }

    fn forbidden(facts: &Facts<'_>, out: &mut Findings) {
        assert!(facts.policy.attachments.len() < 2, "fails");
        if !facts.policy.attachments.is_empty() {
            out.add(&FORBIDDEN, Reason::new("", ""));
        }
    }

    const TESTED: &[Stage] = &[
        Stage {
            name: "known",
            rules: &[KNOWN],
            reads: &[Own::Correspondence],
            examine: known,
        },
        Stage {
            name: "common",
            rules: &[COMMON],
            reads: &[],
            examine: common,
        },
        Stage {
            name: "forbidden",
            rules: &[FORBIDDEN],
            reads: &[Own::Attachments],
            examine: forbidden,
        },
    ];

    fn names(judgement: &Judgement) -> Vec<&'static str> {
        judgement.evidence.iter().map(|found| found.name).collect()
    }

    #[test]
    fn each_is_judged_by_what_he_has_and_leaves_nothing_for_the_next() {
        let summary = Summary::default();
        let letter = Letter::read(b"", &summary);
        let mut facts = Facts::new(&letter);
        facts.time = Duration::MAX;
        let mut scan = Scan::by(TESTED, facts);
        // Whatever the load of the machine: a panic with its backtrace takes long.
        scan.left = Duration::MAX;
        let nothing = Personal::default();
        let answered = Personal {
            correspondence: Correspondence::Answer,
            ..Personal::default()
        };
        let strict = Personal {
            thresholds: Thresholds {
                labelled: 0.2,
                ..Thresholds::default()
            },
            attachments: Arc::new(vec!["pdf".to_owned()]),
            ..Personal::default()
        };
        let breaks = Personal {
            attachments: Arc::new(vec!["pdf".to_owned(), "odt".to_owned()]),
            ..Personal::default()
        };
        for _ in 0..2 {
            let plain = scan.judge_for(&nothing);
            assert_eq!(plain, scan.judgement());
            assert_eq!(names(&plain), ["COMMON"]);
            assert_eq!(names(&scan.judge_for(&answered)), ["COMMON", "KNOWN"]);
            let found = scan.judge_for(&strict);
            assert_eq!(names(&found), ["FORBIDDEN", "COMMON"]);
            assert_eq!(found.verdict, Verdict::Labelled);
            assert_eq!(names(&scan.judge_for(&breaks)), ["COMMON", "UNSCANNABLE"]);
        }
        // Out of time: by what holds for all.
        scan.left = Duration::ZERO;
        assert_eq!(names(&scan.judge_for(&answered)), ["COMMON"]);
    }
}
