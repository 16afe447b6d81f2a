//! The house's own lists of senders: wanted and unwanted addresses, domains and networks.
//!
//! An entry for a sender is worth as much as the proof that the letter is his ([`crate::proof`]): proven it counts, as long
//! as nothing was checked it counts half, and disproven not at all. Networks cannot be forged. An entry against a sender
//! needs no proof: who borrows an unwanted name is unwanted too. A letter that one list wants and another does not is not
//! wanted. Entries about links are read by `url`.

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{Facts, Listing, Login, Outcome, Own, Side, Source, Subject};
use crate::names::is_below;
use crate::proof::{Proof, proof};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "lists",
    rules: &[LIST_BLOCKED, LIST_ALLOWED],
    reads: &[Own::Lists],
    examine,
};

/// Somebody said in so many words that he does not want it; the verdict is Junk at least (see `verdict`).
pub(crate) const LIST_BLOCKED: Rule = Rule::bounded("LIST_BLOCKED", Family::List, 6.0, 6.0);
/// As strong the other way; words and links together can still outweigh it, for mailboxes are stolen.
const LIST_ALLOWED: Rule = Rule::bounded("LIST_ALLOWED", Family::List, -6.0, 6.0);

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    if facts.connection.login != Login::Nobody {
        return;
    }
    let own =
        |listing: &&Listing| listing.source != Source::Public && listing.what != Subject::Link;
    let listings: Vec<&Listing> = facts.standing.listings.iter().filter(own).collect();
    let blocked = listings.iter().find(|one| one.side == Side::Block);
    if let Some(listing) = blocked {
        out.add(&LIST_BLOCKED, reason(listing, "chặn", "block"));
        return;
    }
    let worth = |one: &&Listing| LIST_ALLOWED.weight * believed(facts, one);
    let weighed = listings.iter().map(|one| (worth(one), one));
    let best = weighed.min_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((weight, listing)) = best.filter(|(weight, _)| *weight < 0.0) {
        out.weigh(&LIST_ALLOWED, weight, reason(listing, "cho phép", "allow"));
    }
}

/// How far an entry for a sender is believed, 0 to 1.
fn believed(facts: &Facts<'_>, listing: &Listing) -> f32 {
    if listing.what == Subject::Network {
        return 1.0;
    }
    let mail_from = facts.envelope.from.as_deref().unwrap_or_default();
    let sender_domain = mail_from.rsplit_once('@').map_or("", |(_, host)| host);
    let from = facts.letter.from_domain().unwrap_or_default();
    let found = &facts.authentication;
    let listed_domain = listing
        .entry
        .rsplit_once('@')
        .map_or(listing.entry.as_str(), |(_, host)| host);
    let proof = if is_below(&from, listed_domain) {
        proof(found, &from, sender_domain)
    } else {
        // By MAIL FROM: that is what SPF speaks of.
        match found.spf {
            Outcome::Pass => Proof::Proven,
            Outcome::Fail | Outcome::SoftFail => Proof::Disproven,
            _ => Proof::Open,
        }
    };
    match proof {
        Proof::Proven => 1.0,
        Proof::Open => 0.5,
        Proof::Disproven => 0.0,
    }
}

fn reason(listing: &Listing, vi: &str, en: &str) -> Reason {
    let (whose_vi, whose_en) = match listing.source {
        Source::Account => ("của người nhận", "the recipient's"),
        Source::Agency => ("của cơ quan", "the agency's"),
        Source::House | Source::Public => ("của hệ thống", "the house's"),
    };
    let entry = shown(&listing.entry);
    let because = listing
        .reason
        .as_deref()
        .map(|reason| format!(" ({})", shown(reason)))
        .unwrap_or_default();
    Reason::new(
        format!("{entry} có trong danh sách {vi} {whose_vi}{because}"),
        format!("{entry} is on {whose_en} {en} list{because}"),
    )
}
