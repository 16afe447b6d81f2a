//! The stages and the one loop that runs them.
//!
//! Each stage is a file that knows one kind of evidence. One that panics loses what it found and the message is judged by
//! the others; once the time is over no further stage begins. Both are said as evidence that weighs nothing. Which
//! stages run again for single recipients is `scan`'s business.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::evidence::{Findings, Reason, Rule, UNSCANNABLE};
use crate::facts::{Facts, Own};
use crate::verdict::Judgement;

pub(crate) mod advertising;
mod attachment;
mod authentication;
mod bulk;
mod connection;
mod envelope;
mod header;
mod impersonation;
pub(crate) mod lists;
mod standing;
mod statistics;
mod structure;
mod text;
pub(crate) mod url;

/// Reads the facts and reports.
pub type Examine = fn(&Facts<'_>, &mut Findings);

/// A stage.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// Its name, that of its file.
    pub name: &'static str,
    /// Everything it can report.
    pub rules: &'static [Rule],
    /// Which facts of single recipients it reads.
    pub reads: &'static [Own],
    /// Reads the facts and reports.
    pub examine: Examine,
}

/// All stages, in the order in which they run: cheap ones first, so that a hostile message meets them all.
pub const STAGES: &[Stage] = &[
    authentication::STAGE,
    connection::STAGE,
    envelope::STAGE,
    lists::STAGE,
    standing::STAGE,
    bulk::STAGE,
    header::STAGE,
    structure::STAGE,
    impersonation::STAGE,
    url::STAGE,
    attachment::STAGE,
    text::STAGE,
    advertising::STAGE,
    statistics::STAGE,
];

/// Judges a message by all stages.
pub fn judge(facts: &Facts<'_>) -> Judgement {
    judge_by(STAGES, facts)
}

fn judge_by(stages: &[Stage], facts: &Facts<'_>) -> Judgement {
    let mut out = Findings::within(facts.time);
    for stage in stages {
        run(stage, facts, &mut out);
    }
    Judgement::of(out.into_evidence(), facts)
}

/// Runs one stage, unless the time is over.
pub(crate) fn run(stage: &Stage, facts: &Facts<'_>, out: &mut Findings) {
    if out.expired() {
        out.add(&UNSCANNABLE, too_slow(stage.name));
        return;
    }
    let before = out.len();
    let ran = catch_unwind(AssertUnwindSafe(|| (stage.examine)(facts, out)));
    if ran.is_err() {
        tracing::error!(stage = stage.name, "stage of the filter failed");
        out.truncate(before);
        out.add(&UNSCANNABLE, failed(stage.name));
    }
}

fn too_slow(stage: &str) -> Reason {
    Reason::new(
        format!("hết thời gian, chưa xét: {stage}"),
        format!("out of time, not examined: {stage}"),
    )
}

fn failed(stage: &str) -> Reason {
    Reason::new(
        format!("bước kiểm tra bị lỗi: {stage}"),
        format!("a step of the scan failed: {stage}"),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Letter;
    use crate::evidence::Family;
    use congvu_message::Summary;

    const RULE: Rule = Rule::new("RULE", Family::Header, 1.0);

    fn finds(_: &Facts<'_>, out: &mut Findings) {
        out.add(&RULE, Reason::new("a", "a"));
    }

    fn panics(facts: &Facts<'_>, out: &mut Findings) {
        finds(facts, out);
        assert!(facts.now.is_some(), "fails");
    }

    fn dawdles(facts: &Facts<'_>, out: &mut Findings) {
        finds(facts, out);
        out.expire();
    }

    fn names(stages: &[Examine]) -> (Vec<&'static str>, f32) {
        let stages: Vec<Stage> = stages
            .iter()
            .map(|&examine| Stage {
                name: "x",
                rules: &[RULE],
                reads: &[],
                examine,
            })
            .collect();
        let summary = Summary::default();
        let letter = Letter::read(b"", &summary);
        let mut facts = Facts::new(&letter);
        facts.time = Duration::MAX;
        let judgement = judge_by(&stages, &facts);
        let found = judgement.evidence.iter().map(|found| found.name).collect();
        (found, judgement.log_odds)
    }

    #[test]
    fn a_failing_stage_weighs_nothing() {
        let (found, sure) = names(&[finds]);
        assert_eq!(found, ["RULE"]);
        let (found, still) = names(&[panics, finds]);
        assert_eq!(found, ["RULE", "UNSCANNABLE"]);
        assert!((still - sure).abs() < f32::EPSILON);
    }

    #[test]
    fn a_slow_stage_ends_the_scan_and_what_it_found_stays() {
        let (found, log_odds) = names(&[dawdles, finds]);
        assert_eq!(found, ["RULE", "UNSCANNABLE"]);
        assert!((log_odds - names(&[finds]).1).abs() < f32::EPSILON);
    }

    #[test]
    fn names_are_unique_and_weights_within_their_bounds() {
        let rules: Vec<&Rule> = STAGES.iter().flat_map(|stage| stage.rules).collect();
        for (at, rule) in rules.iter().enumerate() {
            assert!(rule.weight.abs() <= rule.bound, "{}", rule.name);
            assert!(
                rules[..at].iter().all(|other| other.name != rule.name),
                "{}",
                rule.name
            );
        }
    }
}
