//! Whether a letter is official mail: from the state, or from this house. Stages ask it where they would mistake the wording
//! of an announcement for an advertisement or a threat.

use crate::facts::{Facts, Login, Outcome};
use crate::names::{self, is_below};
use crate::proof::{Proof, proof};

/// From a domain of the state or of this house, as far as nothing disproves it.
pub(crate) fn is_official(facts: &Facts<'_>) -> bool {
    let Some(domain) = facts.letter.from_domain() else {
        return false;
    };
    let mut ours = facts.policy.our_domains.iter();
    let official = is_below(&domain, "gov.vn")
        || names::owner(&domain).is_some_and(|body| body.agency)
        || ours.any(|own| is_below(&domain, own));
    let found = &facts.authentication;
    let disproven = found.dmarc == Outcome::Fail || found.spf == Outcome::Fail;
    official && !disproven
}

/// The same, and the domain itself vouches for it, or whoever sent it logged in.
pub(crate) fn is_proven_official(facts: &Facts<'_>) -> bool {
    if facts.connection.login != Login::Nobody {
        return true;
    }
    let from = facts.letter.from_domain().unwrap_or_default();
    let sent_by = facts.envelope.from.as_deref().unwrap_or_default();
    let sent_by = sent_by.rsplit_once('@').map_or("", |(_, host)| host);
    is_official(facts) && proof(&facts.authentication, &from, sent_by) == Proof::Proven
}
