//! Who the sender proved to be: log-in, SPF, DKIM, DMARC, ARC.
//!
//! That a domain is genuine says nothing for its letters: spammers own domains too. So passing weighs nothing (who
//! *known* senders are is asked elsewhere), failing weighs what the domain's owner says it should.

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{DmarcPolicy, Facts, Login, Outcome};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "authentication",
    rules: &[
        AGENCY_LOGIN,
        ACCOUNT_LOGIN,
        OUR_DOMAIN_FORGED,
        DMARC_REJECT,
        DMARC_QUARANTINE,
        DMARC_FAIL,
        ARC_TRUSTED,
        SPF_FAIL,
        SPF_SOFTFAIL,
        DKIM_FAIL,
    ],
    reads: &[],
    examine,
};

/// Official mail from another agency: it takes all other evidence together to outweigh it.
const AGENCY_LOGIN: Rule = Rule::bounded("AGENCY_LOGIN", Family::Authentication, -4.0, 4.0);
/// Less than an agency's server: passwords are stolen, and what they send is what this filter is for.
const ACCOUNT_LOGIN: Rule = Rule::bounded("ACCOUNT_LOGIN", Family::Authentication, -2.5, 2.5);
/// We host the domain and know for certain who may use it.
const OUR_DOMAIN_FORGED: Rule =
    Rule::bounded("OUR_DOMAIN_FORGED", Family::Authentication, 5.0, 5.0);
const DMARC_REJECT: Rule = Rule::new("DMARC_REJECT", Family::Authentication, 1.5);
const DMARC_QUARANTINE: Rule = Rule::new("DMARC_QUARANTINE", Family::Authentication, 1.1);
const DMARC_FAIL: Rule = Rule::new("DMARC_FAIL", Family::Authentication, 0.4);
const ARC_TRUSTED: Rule = Rule::new("ARC_TRUSTED", Family::Authentication, -0.2);
const SPF_FAIL: Rule = Rule::new("SPF_FAIL", Family::Authentication, 0.7);
const SPF_SOFTFAIL: Rule = Rule::new("SPF_SOFTFAIL", Family::Authentication, 0.3);
const DKIM_FAIL: Rule = Rule::new("DKIM_FAIL", Family::Authentication, 0.2);

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    match &facts.connection.login {
        Login::Agency(domain) => {
            let domain = shown(domain);
            out.add(
                &AGENCY_LOGIN,
                Reason::new(
                    format!("cơ quan gửi đã được xác thực: {domain}"),
                    format!("the sending agency is authenticated: {domain}"),
                ),
            );
            return;
        }
        Login::Account(account) => {
            let account = shown(account);
            out.add(
                &ACCOUNT_LOGIN,
                Reason::new(
                    format!("người gửi đã đăng nhập: {account}"),
                    format!("the sender logged in: {account}"),
                ),
            );
            return;
        }
        Login::Nobody => {}
    }
    if facts.authentication.arc_trusted && facts.authentication.arc == Outcome::Pass {
        // A list or forwarder that the house trusts saw it authentic; what broke, it broke.
        out.add(
            &ARC_TRUSTED,
            Reason::new(
                "máy chuyển tiếp tin cậy xác nhận thư (ARC)",
                "a trusted forwarder vouches for the letter (ARC)",
            ),
        );
        return;
    }
    dmarc(facts, out);
    spf(facts, out);
    for signature in &facts.authentication.dkim {
        if signature.outcome == Outcome::Fail {
            let domain = shown(&signature.domain);
            out.add(
                &DKIM_FAIL,
                Reason::new(
                    format!("chữ ký DKIM của {domain} không khớp"),
                    format!("the DKIM signature of {domain} does not hold"),
                ),
            );
            break;
        }
    }
}

fn dmarc(facts: &Facts<'_>, out: &mut Findings) {
    let found = &facts.authentication;
    let domain = shown(&facts.letter.from_domain().unwrap_or_default());
    let proven = found.dmarc == Outcome::Pass;
    let checked = found.dmarc == Outcome::Fail || found.spf == Outcome::Fail;
    if found.from_is_ours && !proven && checked {
        out.add(
            &OUR_DOMAIN_FORGED,
            Reason::new(
                format!("mạo danh tên miền của chúng ta: {domain}"),
                format!("forges a domain of ours: {domain}"),
            ),
        );
        return;
    }
    if found.dmarc != Outcome::Fail {
        return;
    }
    let (rule, wish) = match found.dmarc_policy {
        DmarcPolicy::Reject => (&DMARC_REJECT, ", p=reject"),
        DmarcPolicy::Quarantine => (&DMARC_QUARANTINE, ", p=quarantine"),
        DmarcPolicy::None | DmarcPolicy::Unknown => (&DMARC_FAIL, ""),
    };
    out.add(
        rule,
        Reason::new(
            format!("không chứng minh được thư đến từ {domain} (DMARC{wish})"),
            format!("not proven to come from {domain} (DMARC{wish})"),
        ),
    );
}

fn spf(facts: &Facts<'_>, out: &mut Findings) {
    // A holding signature of the domain itself: forwarded mail, for which SPF means nothing.
    if facts.authentication.dmarc == Outcome::Pass {
        return;
    }
    let from = shown(facts.envelope.from.as_deref().unwrap_or_default());
    let (rule, surely) = match facts.authentication.spf {
        Outcome::Fail => (&SPF_FAIL, true),
        Outcome::SoftFail => (&SPF_SOFTFAIL, false),
        _ => return,
    };
    out.add(
        rule,
        Reason::new(
            if surely {
                format!("máy này không được phép gửi thư của {from} (SPF)")
            } else {
                format!("máy này có lẽ không được phép gửi thư của {from} (SPF)")
            },
            if surely {
                format!("this machine may not send mail of {from} (SPF)")
            } else {
                format!("this machine probably may not send mail of {from} (SPF)")
            },
        ),
    );
}
