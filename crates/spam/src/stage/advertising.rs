//! Advertising under Decree 91/2020/NĐ-CP: the label at the start of the subject, the way to refuse, not more than three a
//! day.
//!
//! What keeps the rules is labelled, not suspected; it is no ham either, for anybody can write `[QC]`. What breaks them is
//! evidence that names the article. Advertising is recognised conservatively: sent in bulk by its header and worded like a
//! Vietnamese shop. Letters of the state and of people who logged in never are. The articles on electronic mail: 13 (not
//! more than three in 24 hours), 17 and 18 (the label), 20 (refusing).

use congvu_message::header;

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{Facts, Login, Own};
use crate::letter::Letter;
use crate::official::is_official;
use crate::phrases::{Group, Phrases};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "advertising",
    rules: &[AD_LABELLED, AD_NO_LABEL, AD_NO_OPT_OUT, AD_TOO_MANY],
    reads: &[Own::Advertising],
    examine,
};

/// Says only that the rules are kept; the label of the judgement follows from it.
pub(crate) const AD_LABELLED: Rule = Rule::bounded("AD_LABELLED", Family::Policy, 0.0, 0.0);
const AD_NO_LABEL: Rule = Rule::new("AD_NO_LABEL", Family::Policy, 0.6);
const AD_NO_OPT_OUT: Rule = Rule::new("AD_NO_OPT_OUT", Family::Policy, 0.6);
const AD_TOO_MANY: Rule = Rule::new("AD_TOO_MANY", Family::Policy, 0.9);

/// Advertising letters of one advertiser to one address in 24 hours (article 13).
const A_DAY: u32 = 3;
/// Different phrases of shops that make an advertisement of a letter that was sent in bulk.
const PHRASES: usize = 2;
/// Without any sign of bulk, it takes so many.
const PHRASES_ALONE: usize = 4;
/// Octets at the end of a text in which the way to refuse must stand.
const END: usize = 3000;

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    if facts.connection.login != Login::Nobody || is_official(facts) {
        return;
    }
    let letter = facts.letter;
    let Some(kind) = kind(letter) else {
        return;
    };
    let refusable = is_refusable(letter);
    if kind == Kind::Labelled && refusable {
        out.add(
            &AD_LABELLED,
            Reason::new(
                "quảng cáo có gắn nhãn và cách từ chối (Nghị định 91/2020/NĐ-CP, điều 18 và 20)",
                "advertising with its label and a way to refuse (Decree 91/2020/ND-CP, articles 18 and 20)",
            ),
        );
    }
    if kind == Kind::Recognised {
        let found = letter.phrases().group(Group::Sale);
        let named: Vec<String> = found.iter().take(3).map(|at| format!("“{at}”")).collect();
        let named = named.join(", ");
        out.add(
            &AD_NO_LABEL,
            Reason::new(
                format!(
                    "quảng cáo không gắn nhãn [QC] hoặc [AD] ở đầu chủ đề (Nghị định 91/2020/NĐ-CP, điều 18): {named}"
                ),
                format!(
                    "advertising without [QC] or [AD] at the start of the subject (Decree 91/2020/ND-CP, article 18): {named}"
                ),
            ),
        );
    }
    if !refusable {
        out.add(
            &AD_NO_OPT_OUT,
            Reason::new(
                "quảng cáo không có cách từ chối nhận ở cuối thư (Nghị định 91/2020/NĐ-CP, điều 20)",
                "advertising without a way to refuse at its end (Decree 91/2020/ND-CP, article 20)",
            ),
        );
    }
    if let Some(today) = facts.standing.advertisements_today
        && today > A_DAY
    {
        let from = shown(&letter.from_domain().unwrap_or_default());
        out.add(
            &AD_TOO_MANY,
            Reason::new(
                format!(
                    "thư quảng cáo thứ {today} của {from} trong 24 giờ (Nghị định 91/2020/NĐ-CP, điều 13: tối đa {A_DAY})"
                ),
                format!(
                    "advertising letter number {today} of {from} within 24 hours (Decree 91/2020/ND-CP, article 13: {A_DAY} at most)"
                ),
            ),
        );
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It says so at the start of its subject.
    Labelled,
    /// It does not, but is.
    Recognised,
}

/// Whether a letter is advertising, labelled or not: what is counted for "three a day". Who sent it is not asked.
pub fn is_advertising(letter: &Letter<'_>) -> bool {
    kind(letter).is_some()
}

fn kind(letter: &Letter<'_>) -> Option<Kind> {
    // An answer quotes the advertisement that it answers.
    if header::find(letter.header(), "In-Reply-To").is_some() {
        return None;
    }
    let bulk = is_bulk(letter);
    let phrases = letter.phrases().group(Group::Sale).len();
    let subject = letter.summary.envelope.subject.as_deref();
    if has_label(subject.unwrap_or_default()) {
        // "[QC]" is quality control too.
        let advertises = bulk || phrases > 0 || letter.phrases().has(Group::OptOut);
        return advertises.then_some(Kind::Labelled);
    }
    let needed = if bulk { PHRASES } else { PHRASES_ALONE };
    (phrases >= needed).then_some(Kind::Recognised)
}

/// `[QC]` or `[AD]` at the very start, in any case, with blanks or not.
fn has_label(subject: &str) -> bool {
    let inner = subject
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(inner, _)| inner.trim());
    inner.is_some_and(|inner| inner.eq_ignore_ascii_case("qc") || inner.eq_ignore_ascii_case("ad"))
}

/// The header says that many receive it: RFC 2369 and RFC 2919, and what senders of campaigns write.
fn is_bulk(letter: &Letter<'_>) -> bool {
    const FIELDS: [&str; 7] = [
        "List-Unsubscribe",
        "List-Id",
        "Feedback-ID",
        "X-Campaign",
        "X-CampaignID",
        "X-Campaign-Id",
        "X-Mailer-RecptId",
    ];
    let block = letter.header();
    header::fields(block).any(|field| {
        FIELDS.iter().any(|name| field.is(name))
            || (field.is("Precedence")
                && ["bulk", "list"]
                    .iter()
                    .any(|word| field.text().trim().eq_ignore_ascii_case(word)))
    })
}

/// List-Unsubscribe, or words to that effect near the end together with something to follow or to write to.
fn is_refusable(letter: &Letter<'_>) -> bool {
    let field = header::find(letter.header(), "List-Unsubscribe");
    if field.is_some_and(|field| {
        let value = field.text().to_ascii_lowercase();
        value.contains("<http") || value.contains("<mailto:")
    }) {
        return true;
    }
    letter.texts.iter().any(|text| {
        let visible = text.visible();
        let end = &visible[visible.ceil_char_boundary(visible.len().saturating_sub(END))..];
        let leads =
            text.text.contains("://") || visible.contains('@') || text.text.contains("mailto:");
        leads && Phrases::of_text(end, END).has(Group::OptOut)
    })
}

#[cfg(test)]
mod tests {
    use super::has_label;

    #[test]
    fn labels() {
        for subject in ["[QC] a", "[qc]a", " [ AD ] a", "[ad]"] {
            assert!(has_label(subject), "{subject}");
        }
        for subject in [
            "Re: [QC] a",
            "QC: a",
            "[QCVN] a",
            "a [QC]",
            "[",
            "[QC",
            "",
            "[QC-01] a",
        ] {
            assert!(!has_label(subject), "{subject}");
        }
    }
}
