//! Whether a letter comes from the domain that it names in From: what everything that speaks *for* a sender rests on.
//!
//! Who can be named can be forged. Correspondence, good reputation and entries of allow lists are therefore asked for
//! only together with this answer.

use crate::facts::{Authentication, Outcome};
use crate::links::same_owner;

/// What is known about the origin that a letter names in From.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The domain itself vouches for it: DMARC, an aligned DKIM signature or SPF, or a trusted ARC chain.
    Proven,
    /// Neither proven nor disproven: not checked, nothing published, no answer.
    Open,
    /// What the domain publishes speaks against it, or it is a domain of ours and came from outside without proof.
    Disproven,
}

/// What `found` says of a letter whose From is in `from`, with MAIL FROM in `mail_from` (domains; empty: none).
/// Aligned means: the same registered domain (RFC 7489 section 3.1, relaxed).
pub fn proof(found: &Authentication, from: &str, mail_from: &str) -> Proof {
    if from.is_empty() {
        return Proof::Open;
    }
    let aligned_dkim = found
        .dkim
        .iter()
        .any(|signature| signature.outcome == Outcome::Pass && same_owner(&signature.domain, from));
    let aligned_spf = found.spf == Outcome::Pass && same_owner(mail_from, from);
    let chained = found.arc == Outcome::Pass && found.arc_trusted;
    if found.dmarc == Outcome::Pass || aligned_dkim || aligned_spf || chained {
        return Proof::Proven;
    }
    let failed = found.dmarc == Outcome::Fail || found.spf == Outcome::Fail;
    if failed || found.from_is_ours {
        Proof::Disproven
    } else {
        Proof::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Dkim;

    #[test]
    fn proofs() {
        let nothing = Authentication::default();
        assert_eq!(proof(&nothing, "a.example", "a.example"), Proof::Open);
        let spf = |outcome| Authentication {
            spf: outcome,
            ..Authentication::default()
        };
        let check = |found: &Authentication, mail_from: &str, expected| {
            assert_eq!(proof(found, "a.example", mail_from), expected, "{found:?}");
        };
        check(&spf(Outcome::Pass), "mail.a.example", Proof::Proven);
        check(&spf(Outcome::Pass), "b.example", Proof::Open);
        check(&spf(Outcome::Fail), "a.example", Proof::Disproven);
        check(&spf(Outcome::TempError), "a.example", Proof::Open);
        let dkim = |domain: &str| Authentication {
            dkim: vec![Dkim {
                domain: domain.to_owned(),
                outcome: Outcome::Pass,
            }],
            spf: Outcome::Fail,
            ..Authentication::default()
        };
        check(&dkim("a.example"), "", Proof::Proven);
        check(&dkim("b.example"), "", Proof::Disproven);
        let ours = Authentication {
            from_is_ours: true,
            ..Authentication::default()
        };
        check(&ours, "a.example", Proof::Disproven);
        let failed = Authentication {
            dmarc: Outcome::Fail,
            arc: Outcome::Pass,
            arc_trusted: true,
            ..Authentication::default()
        };
        check(&failed, "a.example", Proof::Proven);
    }
}
