//! Near copies: the same text to many, and what those who had it before said of it.
//!
//! Circulars of agencies are bulk too. So bulk by itself says next to nothing, and nothing at all of whom the recipient
//! knows, of lists and of authenticated agencies; that people complain of it says much.

use congvu_message::header;

use crate::evidence::{Family, Findings, Reason, Rule};
use crate::facts::{Copies, Correspondence, Facts, Login, Own};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "bulk",
    rules: &[BULK_REPORTED, BULK_UNKNOWN],
    reads: &[Own::Correspondence],
    examine,
};

const BULK_REPORTED: Rule = Rule::new("BULK_REPORTED", Family::Bulk, 1.5);
const BULK_UNKNOWN: Rule = Rule::new("BULK_UNKNOWN", Family::Bulk, 0.3);

/// From so many recipients on the same text is bulk: more than a person writes to one by one.
const MANY: u32 = 20;
/// So many people are believed wholly; one alone may have slipped with the mouse.
const REPORTS_FULL: f32 = 3.0;
/// From this share of its recipients on: of a circular to a thousand somebody always complains.
const SHARE_FULL: f32 = 0.05;

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    let Some(copies) = facts.standing.copies else {
        return;
    };
    let standing = facts.standing.correspondence;
    let known = matches!(
        standing,
        Correspondence::WroteTo { .. } | Correspondence::Answer
    );
    if facts.connection.login != Login::Nobody || known {
        return;
    }
    if copies.reported > 0 {
        let Copies {
            recipients,
            reported,
            ..
        } = copies;
        out.weigh(
            &BULK_REPORTED,
            BULK_REPORTED.weight * certainty(copies),
            Reason::new(
                format!("{reported} người đã báo thư rác về thư gần giống thế này ({recipients} người nhận)"),
                format!("{reported} people reported near copies of it as spam ({recipients} recipients)"),
            ),
        );
    }
    let is_list = header::find(facts.letter.header(), "List-Id").is_some();
    if copies.recipients >= MANY && standing == Correspondence::None && !is_list {
        let recipients = copies.recipients;
        out.add(
            &BULK_UNKNOWN,
            Reason::new(
                format!(
                    "thư gần giống nhau gửi tới {recipients} người từ người gửi chưa quen biết"
                ),
                format!("near copies to {recipients} recipients from an unknown sender"),
            ),
        );
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts of people, compared roughly"
)]
fn certainty(copies: Copies) -> f32 {
    let reported = copies.reported as f32;
    let share = reported / copies.recipients.max(1) as f32;
    (reported / REPORTS_FULL).min(1.0) * (share / SHARE_FULL).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_complaints_about_a_circular_are_few() {
        let check = |recipients, reported, expected: f32| {
            let copies = Copies {
                seen: recipients,
                recipients,
                reported,
            };
            assert!((certainty(copies) - expected).abs() < 0.01, "{copies:?}");
        };
        check(10, 3, 1.0);
        check(10, 1, 0.33);
        check(1000, 3, 0.06);
        check(0, 5, 1.0);
    }
}
