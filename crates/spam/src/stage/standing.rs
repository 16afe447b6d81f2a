//! What the house remembers of a sender: correspondence, reputation, habit, and public lists of domains.
//!
//! Whether a memory is this sender's, and not that of one whose name it forged, was settled by whoever collected the facts
//! ([`crate::proof`]); what could not be told is not there.

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{Correspondence, Facts, Login, Own, Rate, Reputation, Side, Source, Subject};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "standing",
    rules: &[
        ANSWER,
        WROTE_TO,
        RECEIVED_BEFORE,
        REPUTATION_BAD,
        REPUTATION_GOOD,
        RATE_UNUSUAL,
        DOMAIN_LISTED,
    ],
    reads: &[Own::Correspondence],
    examine,
};

/// Somebody whom we wrote to answers that very letter: words and links together are needed to outweigh it.
const ANSWER: Rule = Rule::bounded("ANSWER", Family::Correspondence, -3.0, 3.0);
/// Less than an answer, for mailboxes of acquaintances are stolen; still the surest sign of wanted mail there is.
const WROTE_TO: Rule = Rule::bounded("WROTE_TO", Family::Correspondence, -2.0, 2.5);
const RECEIVED_BEFORE: Rule = Rule::new("RECEIVED_BEFORE", Family::Correspondence, -0.6);
const REPUTATION_BAD: Rule = Rule::new("REPUTATION_BAD", Family::Reputation, 1.5);
const REPUTATION_GOOD: Rule = Rule::bounded("REPUTATION_GOOD", Family::Reputation, -1.0, 1.0);
const RATE_UNUSUAL: Rule = Rule::new("RATE_UNUSUAL", Family::Reputation, 0.6);
const DOMAIN_LISTED: Rule = Rule::new("DOMAIN_LISTED", Family::Connection, 1.5);

/// Letters after which a correspondence is as known as it gets.
const LETTERS_FULL: f32 = 5.0;
/// Counts that are half believed.
const COUNTS_HALF: f32 = 3.0;
/// Of the logarithm of unwanted against wanted: 10 to 1 weighs 1.4 when it is believed wholly.
const SLOPE: f32 = 0.6;
/// Lighter than this says nothing worth a line.
const LEAST: f32 = 0.1;
/// Messages in an hour from which on a rate can be unusual: a small office in a busy hour stays below.
const RATE_LEAST: u32 = 50;
/// Times the usual. Circulars and month ends make five.
const RATE_TIMES: f32 = 10.0;

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    if facts.connection.login != Login::Nobody {
        return;
    }
    let known = correspondence(facts.standing.correspondence, out);
    reputation(&facts.standing.reputation, out);
    if let Some(rate) = facts.standing.rate
        && !known
    {
        self::rate(rate, out);
    }
    listed(facts, out);
}

/// Says whether the recipient wrote to the sender.
fn correspondence(found: Correspondence, out: &mut Findings) -> bool {
    match found {
        Correspondence::Answer => out.add(
            &ANSWER,
            Reason::new(
                "trả lời thư mà người nhận đã gửi",
                "answers a letter that the recipient sent",
            ),
        ),
        Correspondence::WroteTo { letters } => out.add(
            &WROTE_TO,
            Reason::new(
                format!("người nhận đã viết {letters} thư cho người gửi này"),
                format!("the recipient wrote {letters} letters to this sender"),
            ),
        ),
        Correspondence::Received { letters } => {
            let share = (as_float(letters) / LETTERS_FULL).min(1.0);
            out.weigh(
                &RECEIVED_BEFORE,
                RECEIVED_BEFORE.weight * share,
                Reason::new(
                    format!("đã nhận {letters} thư của người gửi này, không ai báo thư rác"),
                    format!("{letters} letters of this sender came before without complaint"),
                ),
            );
            return false;
        }
        Correspondence::Unknown | Correspondence::None => return false,
    }
    true
}

/// The worst and, only where there is no bad one, the best. The counts of address, network and domain come from the same
/// letters, so they do not add up.
fn reputation(found: &[Reputation], out: &mut Findings) {
    let weighed = || found.iter().map(|one| (weight(one), one));
    let worst = weighed().max_by(|a, b| a.0.total_cmp(&b.0));
    let best = weighed().min_by(|a, b| a.0.total_cmp(&b.0));
    let (rule, weight, one) = match (worst, best) {
        (Some((weight, one)), _) if weight >= LEAST => (&REPUTATION_BAD, weight, one),
        (_, Some((weight, one))) if weight <= -LEAST => (&REPUTATION_GOOD, weight, one),
        _ => return,
    };
    let entry = shown(&one.entry);
    let (spam, ham) = (one.spam, one.ham);
    out.weigh(
        rule,
        weight,
        Reason::new(
            format!("gần đây từ {entry}: thư rác {spam:.1}, thư tốt {ham:.1}"),
            format!("lately from {entry}: unwanted {spam:.1}, wanted {ham:.1}"),
        ),
    );
}

fn weight(one: &Reputation) -> f32 {
    let (ham, spam) = (one.ham.max(0.0), one.spam.max(0.0));
    let counts = ham + spam;
    SLOPE * ((spam + 0.5) / (ham + 0.5)).ln() * counts / (counts + COUNTS_HALF)
}

fn rate(rate: Rate, out: &mut Findings) {
    let Rate { messages, usual } = rate;
    if messages < RATE_LEAST || as_float(messages) < RATE_TIMES * usual.max(1.0) {
        return;
    }
    out.add(
        &RATE_UNUSUAL,
        Reason::new(
            format!("nơi gửi này đã gửi {messages} thư trong một giờ, thường chỉ {usual:.1}"),
            format!("{messages} letters in an hour from this origin, usually {usual:.1}"),
        ),
    );
}

/// What public lists say of the sender's domain; the strongest one alone, for they copy from one another.
fn listed(facts: &Facts<'_>, out: &mut Findings) {
    let listings = facts.standing.listings.iter();
    let strongest = listings
        .filter(|listing| {
            listing.what == Subject::Domain
                && listing.source == Source::Public
                && listing.side == Side::Block
        })
        .max_by(|a, b| a.weight.abs().total_cmp(&b.weight.abs()));
    if let Some(listing) = strongest {
        let (entry, list) = (shown(&listing.entry), shown(&listing.list));
        out.weigh(
            &DOMAIN_LISTED,
            listing.weight.abs(),
            Reason::new(
                format!("tên miền người gửi {entry} có trong danh sách đen {list}"),
                format!("the sender's domain {entry} is on the block list {list}"),
            ),
        );
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts of letters, compared roughly"
)]
fn as_float(count: u32) -> f32 {
    count as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reputation_weighs_by_how_much_is_known() {
        let of = |ham, spam| {
            weight(&Reputation {
                what: Subject::Network,
                entry: String::new(),
                ham,
                spam,
            })
        };
        assert!(of(0.0, 0.0).abs() < f32::EPSILON);
        assert!(of(0.0, 0.5) < LEAST);
        assert!(of(0.0, 5.0) > 0.8 && of(0.0, 5.0) < 1.0);
        assert!(of(0.0, 50.0) > 1.5);
        assert!(of(5.0, 0.0) < -0.8);
        assert!(of(20.0, 20.0).abs() < 0.01);
    }
}
