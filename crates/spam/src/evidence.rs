//! Evidence: what a stage found, how much it weighs, and why, in words for people.
//!
//! Weights are log-odds: +0.7 doubles the odds of spam, -0.7 halves them. They are cut to the bound of their rule here,
//! so that no stage can decide alone by mistake. Adding up is in `verdict`.

use std::time::{Duration, Instant};

use crate::bounds::{EVIDENCE_MAX, SHOWN_MAX, WEIGHT_MAX};

/// Kinds of evidence that do not follow from one another. Quarantine and rejection need two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Who connected: name, greeting, network, public lists.
    Connection,
    /// SMTP envelope.
    Envelope,
    /// SPF, DKIM, DMARC, ARC, and who logged in.
    Authentication,
    /// Header fields.
    Header,
    /// MIME structure and visible tricks of the text.
    Structure,
    /// Attached files.
    Attachment,
    /// Where the links lead.
    Link,
    /// Whom the letter pretends to come from.
    Identity,
    /// What passed between recipient and sender before.
    Correspondence,
    /// What came before from the same origin, and how much.
    Reputation,
    /// Near copies of the letter.
    Bulk,
    /// What the words say: what was learned from people about them, and phrases of known frauds.
    Statistics,
    /// What the law or the agency asks of such mail.
    Policy,
    /// The house's own lists of senders.
    List,
    /// The scan itself: what could not be looked at. Never weighs.
    Scan,
}

impl Family {
    /// The word for logs and tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Envelope => "envelope",
            Self::Authentication => "authentication",
            Self::Header => "header",
            Self::Structure => "structure",
            Self::Attachment => "attachment",
            Self::Link => "link",
            Self::Identity => "identity",
            Self::Correspondence => "correspondence",
            Self::Reputation => "reputation",
            Self::Bulk => "bulk",
            Self::Statistics => "statistics",
            Self::Policy => "policy",
            Self::List => "list",
            Self::Scan => "scan",
        }
    }
}

/// A thing that a stage can find.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Stable name, upper case: administrators and tests use it.
    pub name: &'static str,
    /// Kind of evidence.
    pub family: Family,
    /// Usual weight in log-odds; positive speaks for spam.
    pub weight: f32,
    /// Weights are cut to ± this.
    pub bound: f32,
}

impl Rule {
    /// A rule with the ordinary bound.
    pub const fn new(name: &'static str, family: Family, weight: f32) -> Self {
        Self::bounded(name, family, weight, WEIGHT_MAX)
    }

    /// A rule with its own bound; say beside it why it may weigh more than others.
    pub const fn bounded(name: &'static str, family: Family, weight: f32, bound: f32) -> Self {
        Self {
            name,
            family,
            weight,
            bound,
        }
    }
}

/// Why, in one sentence each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

impl Reason {
    /// Both languages.
    pub fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            vi: vi.into(),
            en: en.into(),
        }
    }
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The rule's name.
    pub name: &'static str,
    /// The rule's family.
    pub family: Family,
    /// Log-odds.
    pub weight: f32,
    /// Why.
    pub reason: Reason,
}

/// A part of the message or of the world that could not be examined. Weighs nothing, so that a failure of ours never
/// moves mail towards spam.
pub const UNSCANNABLE: Rule = Rule::bounded("UNSCANNABLE", Family::Scan, 0.0, 0.0);

/// What the stages found so far, and the clock they are bound to.
#[derive(Debug)]
pub struct Findings {
    evidence: Vec<Evidence>,
    begun: Instant,
    time: Duration,
    expired: bool,
}

impl Findings {
    /// Nothing yet; the time begins now.
    pub fn within(time: Duration) -> Self {
        Self {
            evidence: Vec::new(),
            begun: Instant::now(),
            time,
            expired: false,
        }
    }

    /// Reports a rule with its usual weight.
    pub fn add(&mut self, rule: &Rule, reason: Reason) {
        self.weigh(rule, rule.weight, reason);
    }

    /// Reports a rule with another weight, cut to the rule's bound; what is no number weighs nothing.
    pub fn weigh(&mut self, rule: &Rule, weight: f32, reason: Reason) {
        if self.evidence.len() >= EVIDENCE_MAX {
            return;
        }
        let weight = if weight.is_nan() {
            0.0
        } else {
            weight.clamp(-rule.bound, rule.bound)
        };
        self.evidence.push(Evidence {
            name: rule.name,
            family: rule.family,
            weight,
            reason,
        });
    }

    /// Whether the time is over. A stage with long loops asks and returns with what it has.
    pub fn expired(&mut self) -> bool {
        self.expired |= self.begun.elapsed() > self.time;
        self.expired
    }

    /// Whether a rule of that name was reported.
    pub fn has(&self, name: &str) -> bool {
        self.evidence.iter().any(|found| found.name == name)
    }

    /// Takes over what was found before.
    pub(crate) fn keep(&mut self, evidence: &[Evidence]) {
        let room = EVIDENCE_MAX.saturating_sub(self.evidence.len());
        self.evidence.extend(evidence.iter().take(room).cloned());
    }

    /// What was found behind the first `from`.
    pub(crate) fn since(&self, from: usize) -> &[Evidence] {
        self.evidence.get(from..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.evidence.len()
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.evidence.truncate(length);
    }

    pub(crate) fn into_evidence(self) -> Vec<Evidence> {
        self.evidence
    }

    #[cfg(test)]
    pub(crate) fn expire(&mut self) {
        self.expired = true;
    }
}

/// Foreign text for a reason: without controls and invisible characters, at most [`SHOWN_MAX`] characters.
pub fn shown(text: &str) -> String {
    let visible = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    };
    let mut out: String = text.chars().filter(visible).take(SHOWN_MAX + 1).collect();
    if let Some((at, _)) = out.char_indices().nth(SHOWN_MAX) {
        out.truncate(at);
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_cut() {
        const RULE: Rule = Rule::new("A", Family::Header, 0.5);
        const HARD: Rule = Rule::bounded("B", Family::Header, 4.0, 4.0);
        let mut out = Findings::within(Duration::MAX);
        out.add(&RULE, Reason::new("", ""));
        out.weigh(&RULE, 9.0, Reason::new("", ""));
        out.weigh(&RULE, -9.0, Reason::new("", ""));
        out.weigh(&RULE, f32::NAN, Reason::new("", ""));
        out.add(&HARD, Reason::new("", ""));
        out.weigh(&UNSCANNABLE, 1.0, Reason::new("", ""));
        let weights: Vec<f32> = out.into_evidence().iter().map(|e| e.weight).collect();
        assert_eq!(weights, [0.5, 1.5, -1.5, 0.0, 4.0, 0.0]);
    }

    #[test]
    fn evidence_is_bounded() {
        let mut out = Findings::within(Duration::MAX);
        for _ in 0..1000 {
            out.add(&UNSCANNABLE, Reason::new("", ""));
        }
        assert_eq!(out.len(), EVIDENCE_MAX);
    }

    #[test]
    fn foreign_text_is_safe_to_print() {
        assert_eq!(shown("a\r\nb\u{202e}c\u{200b}d"), "abcd");
        assert_eq!(shown("vào nhà"), "vào nhà");
        assert_eq!(shown(&"ế".repeat(200)).chars().count(), SHOWN_MAX + 1);
    }
}
