//! From evidence to a verdict: probability, thresholds, what may reject and what may not; and how it is shown.
//!
//! Invariants: learned words alone never quarantine or reject, two families of evidence that speak for spam are needed;
//! mail of an authenticated agency is never rejected; a failed stage weighs nothing; what a list of the house, the agency
//! or the account blocks is Junk at least.

use std::fmt::Write as _;

use congvu_message::compose::push_field;

use crate::evidence::{Evidence, Family};
use crate::facts::{Correspondence, Facts, Login};
use crate::stage::advertising::AD_LABELLED;
use crate::stage::lists::LIST_BLOCKED;
use crate::statistics::words::Word;

/// Log-odds of a message of which nothing is known: one in four is spam. It takes +3.6 to reach Junk.
pub const BASE: f32 = -1.1;
/// A family speaks for spam from this sum of its weights on: odds of 5 to 3.
const FAMILY_SPEAKS: f32 = 0.5;

/// From which probability on what happens; set for each agency, inherited downward.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Delivered with a label.
    pub labelled: f32,
    /// Delivered into Junk.
    pub junk: f32,
    /// Held for release.
    pub quarantine: f32,
    /// Refused in SMTP. Above 1: never.
    pub reject: f32,
}

impl Default for Thresholds {
    /// From 0.92 on fewer than one ham in a thousand is lost (measured). Nothing is refused unless an agency asks for it: quarantine can be undone.
    fn default() -> Self {
        Self {
            labelled: 0.5,
            junk: 0.92,
            quarantine: 0.995,
            reject: 2.0,
        }
    }
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Delivered as it is.
    Inbox,
    /// Delivered with a warning label.
    Labelled,
    /// Delivered into Junk.
    Junk,
    /// Held; the recipient is told in the daily digest.
    Quarantine,
    /// Refused while the sender still waits for the answer, so that it learns of it.
    Reject,
}

impl Verdict {
    /// The word for headers, logs and tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Labelled => "labelled",
            Self::Junk => "junk",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// What a message is besides wanted or not; mail programs show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Advertising that keeps the rules of Decree 91/2020/NĐ-CP.
    Advertising,
}

impl Label {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Advertising => "Quảng cáo",
        }
    }

    /// As an IMAP keyword (RFC 9051 section 2.3.2).
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Advertising => "QuangCao",
        }
    }
}

/// Everything the filter has to say about a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What happens.
    pub verdict: Verdict,
    /// Probability of spam.
    pub probability: f32,
    /// The same as log-odds: [`BASE`] and all weights.
    pub log_odds: f32,
    /// What was found, the heaviest first.
    pub evidence: Vec<Evidence>,
}

impl Judgement {
    /// Adds up evidence.
    pub fn of(mut evidence: Vec<Evidence>, facts: &Facts<'_>) -> Self {
        let log_odds = BASE + evidence.iter().map(|found| found.weight).sum::<f32>();
        let probability = sigmoid(log_odds);
        evidence.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        let mut judgement = Self {
            verdict: Verdict::Inbox,
            probability,
            log_odds,
            evidence,
        };
        judgement.verdict = judgement.decide(facts);
        judgement
    }

    fn decide(&self, facts: &Facts<'_>) -> Verdict {
        let thresholds = &facts.policy.thresholds;
        let steps = [
            (thresholds.reject, Verdict::Reject),
            (thresholds.quarantine, Verdict::Quarantine),
            (thresholds.junk, Verdict::Junk),
            (thresholds.labelled, Verdict::Labelled),
        ];
        let reached = steps
            .into_iter()
            .find(|(threshold, _)| self.probability >= *threshold)
            .map_or(Verdict::Inbox, |(_, verdict)| verdict);
        let mut most = Verdict::Reject;
        if matches!(facts.connection.login, Login::Agency(_)) {
            most = Verdict::Quarantine;
        }
        if self.families().len() < 2 {
            most = Verdict::Junk;
        }
        if is_trusted(facts) && !self.is_doubtful_without_text(thresholds.labelled) {
            most = Verdict::Labelled;
        }
        reached.min(most).max(self.least())
    }

    /// Whose list says that he does not want it finds it in Junk, whatever speaks for it.
    fn least(&self) -> Verdict {
        let mut evidence = self.evidence.iter();
        if evidence.any(|found| found.name == LIST_BLOCKED.name) {
            Verdict::Junk
        } else {
            Verdict::Inbox
        }
    }

    /// Whether the message would be doubtful if its links and the look of its text were not looked at.
    fn is_doubtful_without_text(&self, threshold: f32) -> bool {
        let of_text = |family| matches!(family, Family::Link | Family::Structure | Family::Policy);
        let text = self.evidence.iter().filter(|found| of_text(found.family));
        let text: f32 = text.map(|found| found.weight.max(0.0)).sum();
        sigmoid(self.log_odds - text) >= threshold
    }

    /// The label that the message bears, whatever the verdict.
    pub fn label(&self) -> Option<Label> {
        let mut evidence = self.evidence.iter();
        evidence
            .any(|found| found.name == AD_LABELLED.name)
            .then_some(Label::Advertising)
    }

    /// The families that speak for spam.
    pub fn families(&self) -> Vec<Family> {
        let mut sums: Vec<(Family, f32)> = Vec::new();
        for found in &self.evidence {
            match sums.iter_mut().find(|(family, _)| *family == found.family) {
                Some((_, sum)) => *sum += found.weight,
                None => sums.push((found.family, found.weight)),
            }
        }
        let speaks = |(family, sum): (Family, f32)| (sum >= FAMILY_SPEAKS).then_some(family);
        sums.into_iter().filter_map(speaks).collect()
    }

    /// Whether something could not be examined.
    pub fn is_unscannable(&self) -> bool {
        self.evidence
            .iter()
            .any(|found| found.family == Family::Scan)
    }

    /// The header field `X-Spam-Status`, folded, with its line end: probability, verdict, evidence with its weights, and
    /// these learned words with theirs. ASCII: a word with other letters is an encoded word (RFC 2047 section 5 (1):
    /// the field is unstructured), which mail clients show in its letters.
    pub fn header(&self, words: &[Word]) -> String {
        let mut value = format!("p={:.3} {}", self.probability, self.verdict.name());
        for found in &self.evidence {
            let _ = write!(value, "; {} {:+.1}", found.name, found.weight);
        }
        for (at, word) in words.iter().enumerate() {
            let before = if at == 0 { "; words: " } else { ", " };
            let _ = write!(value, "{before}{} {:+.1}", written(&word.text), word.weight);
        }
        let mut field = String::new();
        push_field(&mut field, "X-Spam-Status", &value);
        field
    }
}

/// Agencies that proved who they are, and people to whom the recipient wrote: what their text looks like and where it links to
/// may be odd, but does not alone put it into Junk.
fn is_trusted(facts: &Facts<'_>) -> bool {
    matches!(facts.connection.login, Login::Agency(_))
        || matches!(
            facts.standing.correspondence,
            Correspondence::Answer | Correspondence::WroteTo { .. }
        )
}

/// A word as it may stand in an unstructured field, without blanks: as it is, or encoded (RFC 2047 section 4.2).
fn written(word: &str) -> String {
    // An encoded word has at most 75 characters (RFC 2047 section 2), twelve of them around the text.
    const MOST: usize = 63;
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'=' | b'?' | b'_' | b';' | b',');
    if word.bytes().all(plain) && !word.is_empty() {
        return word.to_owned();
    }
    let mut text = String::new();
    for c in word.chars() {
        let mut octets = [0; 4];
        let mut encoded = String::new();
        for b in c.encode_utf8(&mut octets).bytes() {
            match b {
                b' ' => encoded.push('_'),
                b if b.is_ascii_alphanumeric() => encoded.push(char::from(b)),
                b => {
                    let _ = write!(encoded, "={b:02X}");
                }
            }
        }
        if text.len() + encoded.len() > MOST {
            break;
        }
        text.push_str(&encoded);
    }
    format!("=?UTF-8?Q?{text}?=")
}

/// Log-odds to probability.
pub fn sigmoid(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Letter;
    use crate::evidence::Reason;
    use congvu_message::Summary;

    fn found(family: Family, weight: f32) -> Evidence {
        Evidence {
            name: "RULE",
            family,
            weight,
            reason: Reason::new("lý do", "reason"),
        }
    }

    #[track_caller]
    fn check(login: Login, reject: f32, weights: &[(Family, f32)], expected: Verdict) {
        let summary = Summary::default();
        let letter = Letter::read(b"", &summary);
        let mut facts = Facts::new(&letter);
        facts.connection.login = login;
        facts.policy.thresholds.reject = reject;
        let evidence = weights
            .iter()
            .map(|&(family, weight)| found(family, weight));
        assert_eq!(
            Judgement::of(evidence.collect(), &facts).verdict,
            expected,
            "{weights:?}"
        );
    }

    #[test]
    fn thresholds() {
        use Family::{Connection, Header, Statistics};
        let nobody = || Login::Nobody;
        check(nobody(), 2.0, &[], Verdict::Inbox);
        check(nobody(), 2.0, &[(Header, 1.2)], Verdict::Labelled);
        check(
            nobody(),
            2.0,
            &[(Header, 1.5), (Connection, 2.8)],
            Verdict::Junk,
        );
        // Words alone reach Junk at most, however sure they are.
        check(nobody(), 0.999, &[(Statistics, 30.0)], Verdict::Junk);
        check(
            nobody(),
            0.999,
            &[(Statistics, 30.0), (Header, 0.2)],
            Verdict::Junk,
        );
        check(
            nobody(),
            2.0,
            &[(Statistics, 30.0), (Header, 0.8)],
            Verdict::Quarantine,
        );
        check(
            nobody(),
            0.999,
            &[(Statistics, 30.0), (Header, 0.8)],
            Verdict::Reject,
        );
        // A family whose evidence speaks against itself does not count.
        check(
            nobody(),
            0.999,
            &[(Statistics, 30.0), (Header, 0.8), (Header, -0.8)],
            Verdict::Junk,
        );
        // Links and text alone do not put the mail of an agency into Junk, together with something else they do.
        let agency = || Login::Agency("so.example".to_owned());
        let text = [(Family::Link, 6.0), (Family::Structure, 4.0)];
        check(agency(), 2.0, &text, Verdict::Labelled);
        check(nobody(), 2.0, &text, Verdict::Quarantine);
        let more = [text.as_slice(), &[(Family::Attachment, 1.5)]].concat();
        check(agency(), 2.0, &more, Verdict::Quarantine);
        let agency = agency();
        check(
            agency,
            0.999,
            &[(Statistics, 30.0), (Header, 1.5)],
            Verdict::Quarantine,
        );
    }

    #[test]
    fn header_is_ascii_and_folded() {
        let summary = Summary::default();
        let letter = Letter::read(b"", &summary);
        let facts = Facts::new(&letter);
        let judgement = Judgement::of(vec![found(Family::Header, 1.0); 20], &facts);
        let word = |text: &str| Word {
            text: text.to_owned(),
            weight: 0.62,
        };
        let words = [word("viagra"), word("thưởng"), word("subject: nạp ngay")];
        let header = judgement.header(&words);
        assert!(header.is_ascii() && header.ends_with("\r\n"));
        assert!(header.lines().all(|line| line.len() <= 78), "{header}");
        assert!(header.starts_with("X-Spam-Status: p=1.000 junk; RULE +1.0;"));
        let unfolded = header.replace("\r\n", "");
        assert!(
            unfolded.ends_with(
                "; words: viagra +0.6, =?UTF-8?Q?th=C6=B0=E1=BB=9Fng?= +0.6, \
             =?UTF-8?Q?subject=3A_n=E1=BA=A1p_ngay?= +0.6"
            ),
            "{unfolded}"
        );
    }
}
