//! What people said of letters with such words, as one piece of evidence.

use crate::evidence::{Family, Findings, Reason, Rule};
use crate::facts::{Facts, Learned, Own};
use crate::stage::Stage;
use crate::statistics::words::{Word, heaviest};
use crate::statistics::{Delta, Features};
use crate::verdict::BASE;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "statistics",
    rules: &[WORDS_SPAM, WORDS_HAM],
    reads: &[Own::Words],
    examine,
};

/// As much as it takes to reach Junk, and more; the verdict sees to it that words alone go no further.
const WORDS_SPAM: Rule = Rule::bounded("WORDS_SPAM", Family::Statistics, 0.0, BOUND);
/// As strong for ham: what people keep is what the house knows best.
const WORDS_HAM: Rule = Rule::bounded("WORDS_HAM", Family::Statistics, 0.0, BOUND);

const BOUND: f32 = 8.0;
/// Up to here log-odds count as they are; beyond, less and less, up to the bound. Their order stays.
const KNEE: f32 = 5.0;
/// Own labels after which half of that is so.
const HALF_TAUGHT: f32 = 10.0;
/// Words named in the reason.
const NAMED: usize = 4;

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    let Some(learned) = &facts.learned else {
        return;
    };
    let (trust, ground) = (learned.model.trust(), learned.model.ground());
    if trust <= 0.0 {
        return;
    }
    let features = facts.letter.features();
    let deltas: Vec<_> = [learned.agency, learned.account]
        .into_iter()
        .flatten()
        .collect();
    // What the words say against what is assumed of a letter without any.
    let all = learned.model.score_with(features, &deltas).log_odds();
    let weight = (trust + (ground - trust).max(0.0) * taught(&deltas)) * softened(all - BASE);
    if weight > 0.0 {
        let named = named(facts, learned, features);
        out.weigh(
            &WORDS_SPAM,
            weight,
            Reason::new(
                format!("từ ngữ giống thư đã bị báo là thư rác{named}"),
                format!("wording like letters that were reported as spam{named}"),
            ),
        );
    } else {
        out.weigh(
            &WORDS_HAM,
            weight,
            Reason::new(
                "từ ngữ giống thư công việc ở đây",
                "wording like the letters that people keep here",
            ),
        );
    }
}

/// How far those for whom the letter is have taught the filter themselves, 0 to 1: `n / (n + 10)`. By so much what is
/// known counts for them as what is known of their own mail, and no longer only as what is known of the house.
#[allow(clippy::cast_precision_loss, reason = "a ratio of counts of letters")]
fn taught(deltas: &[&Delta]) -> f32 {
    let letters = deltas.iter().map(|delta| {
        let (ham, spam) = delta.learned();
        (ham + spam) as f32
    });
    let n: f32 = letters.sum();
    n / (n + HALF_TAUGHT)
}

/// `: "a", "b"`, the words that speak most for spam.
fn named(facts: &Facts<'_>, learned: &Learned<'_>, features: &Features) -> String {
    let words = heaviest(learned.model, facts.letter, features, 4 * NAMED);
    let spam = words.iter().filter(|word| word.weight > 0.0).take(NAMED);
    let list: Vec<String> = spam.map(|Word { text, .. }| format!("“{text}”")).collect();
    if list.is_empty() {
        String::new()
    } else {
        format!(": {}", list.join(", "))
    }
}

fn softened(log_odds: f32) -> f32 {
    let beyond = log_odds.abs() - KNEE;
    if beyond <= 0.0 {
        return log_odds;
    }
    let room = BOUND - KNEE;
    log_odds.signum() * (KNEE + room * (beyond / room).tanh())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softening_keeps_the_order_and_the_bound() {
        let at: Vec<f32> = (-200_i16..=200)
            .map(|n| softened(f32::from(n) / 10.0))
            .collect();
        assert!(at.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(at.iter().all(|value| value.abs() <= BOUND));
        assert!((softened(3.0) - 3.0).abs() < f32::EPSILON);
    }
}
