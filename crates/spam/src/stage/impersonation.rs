//! Whom the letter pretends to come from: names of agencies, leaders and banks before foreign addresses, our own domains
//! from outside, answers that leave the house they seem to come from.

use congvu_message::{Mailbox, header};

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{Facts, Login, Outcome, Own};
use crate::names::{self, Name, defanged, is_below};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "impersonation",
    rules: &[
        NAME_PROTECTED,
        NAME_OF_BODY,
        NAME_IS_OTHER_ADDRESS,
        FROM_LOOKS_LIKE,
        OUR_DOMAIN_UNPROVEN,
        REPLY_TO_FREE_MAIL,
    ],
    reads: &[Own::Names],
    examine,
};

const NAME_PROTECTED: Rule = Rule::new("NAME_PROTECTED", Family::Identity, 1.5);
/// Less: officials write from private mailboxes, and sign with their office.
const NAME_OF_BODY: Rule = Rule::new("NAME_OF_BODY", Family::Identity, 0.8);
const NAME_IS_OTHER_ADDRESS: Rule = Rule::new("NAME_IS_OTHER_ADDRESS", Family::Identity, 0.9);
const FROM_LOOKS_LIKE: Rule = Rule::new("FROM_LOOKS_LIKE", Family::Identity, 1.5);
/// Less than a forgery: a list may have broken the proof.
const OUR_DOMAIN_UNPROVEN: Rule = Rule::new("OUR_DOMAIN_UNPROVEN", Family::Identity, 0.9);
const REPLY_TO_FREE_MAIL: Rule = Rule::new("REPLY_TO_FREE_MAIL", Family::Identity, 0.8);

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    // Who logged in is known; what he calls himself is between him and his agency.
    if facts.connection.login != Login::Nobody {
        return;
    }
    let letter = facts.letter;
    let is_list = ["List-Id", "List-Post"]
        .iter()
        .any(|field| header::find(letter.header(), field).is_some());
    // Twenty authors are more than any letter has.
    for mailbox in letter.summary.envelope.from.iter().take(20) {
        let Some(domain) = domain(mailbox) else {
            continue;
        };
        if let Some(name) = mailbox.name.as_deref() {
            named(facts, name, &domain, out);
            if !is_list {
                other_address(name, &domain, out);
            }
        }
        if let Some(names::Likeness::LooksLike(genuine)) = names::likeness(
            &congvu_message::address::domain_to_unicode(&domain),
            &facts.policy.genuine,
        ) && !is_ours(facts, &domain)
        {
            let (from, genuine) = (shown(&domain), shown(genuine));
            once(
                &FROM_LOOKS_LIKE,
                format!("tên miền người gửi {from} giả giống {genuine}"),
                format!("the sender's domain {from} looks like {genuine}"),
                out,
            );
        }
    }
    unproven(facts, out);
    reply(facts, out);
}

/// Reports a rule unless it has reported.
fn once(rule: &Rule, vi: String, en: String, out: &mut Findings) {
    if !out.has(rule.name) {
        out.add(rule, Reason::new(vi, en));
    }
}

fn domain(mailbox: &Mailbox) -> Option<String> {
    let host = mailbox.host.as_deref().filter(|host| !host.is_empty())?;
    Some(host.to_ascii_lowercase())
}

fn is_ours(facts: &Facts<'_>, domain: &str) -> bool {
    let mut ours = facts.policy.our_domains.iter();
    ours.any(|own| is_below(domain, own))
}

/// The display name holds a name that this domain may not bear.
fn named(facts: &Facts<'_>, display: &str, domain: &str, out: &mut Findings) {
    let folded = Name::new(display);
    let borrowed = facts.policy.protected.iter().find(|protected| {
        let mut domains = protected.domains.iter();
        let may = domains.any(|own| is_below(domain, &own.to_ascii_lowercase()))
            || (protected.domains.is_empty() && is_ours(facts, domain));
        !may && folded.contains(&Name::new(&protected.name))
    });
    let from = shown(domain);
    if let Some(protected) = borrowed {
        let name = shown(&protected.name);
        once(
            &NAME_PROTECTED,
            format!("người gửi xưng là “{name}” nhưng thư từ {from}"),
            format!("the sender calls himself “{name}” and writes from {from}"),
            out,
        );
    } else if let Some((body, name)) = names::named_in(&folded) {
        let may = body.hosts.iter().any(|own| is_below(domain, own))
            || (body.agency && names::is_genuine(domain))
            || is_ours(facts, domain);
        if !may {
            once(
                &NAME_OF_BODY,
                format!("người gửi xưng là “{name}” nhưng thư từ {from}"),
                format!("the sender calls himself “{name}” and writes from {from}"),
                out,
            );
        }
    }
}

/// `"an@so.gov.vn" <x@mail.example>`: people read the name and believe it to be the address.
fn other_address(display: &str, domain: &str, out: &mut Findings) {
    let words = display.split(|c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | '\'' | '[' | ']' | ',')
    });
    let mut hosts = words.filter_map(|word| {
        let (local, host) = word.split_once('@')?;
        (!local.is_empty())
            .then(|| names::Host::read(host))
            .flatten()
    });
    let other = hosts.find(|host| names::registered(&host.ascii) != names::registered(domain));
    if let Some(other) = other {
        let (name, from) = (shown(&other.unicode), shown(domain));
        once(
            &NAME_IS_OTHER_ADDRESS,
            format!("tên người gửi ghi địa chỉ ở {name} nhưng thư từ {from}"),
            format!("the sender's name is an address at {name}, but he writes from {from}"),
            out,
        );
    }
}

/// A domain of ours from outside that nothing proves, and that was checked.
fn unproven(facts: &Facts<'_>, out: &mut Findings) {
    let found = &facts.authentication;
    let Some(domain) = facts.letter.from_domain() else {
        return;
    };
    let ours = found.from_is_ours || is_ours(facts, &domain);
    let signed = found
        .dkim
        .iter()
        .any(|sign| sign.outcome == Outcome::Pass && is_below(&domain, &sign.domain));
    let sent_by = facts.envelope.from.as_deref().unwrap_or_default();
    let sent_by = sent_by.rsplit_once('@').map_or("", |(_, host)| host);
    let by_spf = found.spf == Outcome::Pass && is_below(&sent_by.to_ascii_lowercase(), &domain);
    let vouched = found.arc_trusted && found.arc == Outcome::Pass;
    let checked = matches!(
        found.dmarc,
        Outcome::None | Outcome::Fail | Outcome::PermError | Outcome::Neutral
    );
    if ours && checked && !signed && !by_spf && !vouched && !out.has("OUR_DOMAIN_FORGED") {
        let domain = shown(&domain);
        out.add(
            &OUR_DOMAIN_UNPROVEN,
            Reason::new(
                format!(
                    "thư từ bên ngoài ghi tên miền của chúng ta {domain} mà không chứng minh được"
                ),
                format!("comes from outside under our domain {domain} without any proof"),
            ),
        );
    }
}

/// Answers to the state, to a bank or to ourselves go to a mailbox that anybody can have.
fn reply(facts: &Facts<'_>, out: &mut Findings) {
    let envelope = &facts.letter.summary.envelope;
    let Some(from) = facts.letter.from_domain() else {
        return;
    };
    let official = names::is_genuine(&from) || is_ours(facts, &from);
    let mut answers = envelope.reply_to.iter().filter_map(domain);
    if let Some(to) = answers.find(|to| names::is_free_mail(to))
        && official
    {
        let (from, to) = (shown(&from), defanged(&to));
        out.add(
            &REPLY_TO_FREE_MAIL,
            Reason::new(
                format!("thư ghi từ {from} nhưng trả lời sẽ về hộp thư công cộng {to}"),
                format!("says to be from {from}, but answers go to a mailbox at {to}"),
            ),
        );
    }
}
