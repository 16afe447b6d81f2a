//! Who connected: the name of its address, its greeting, its manners, public lists of networks.

use std::net::IpAddr;

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{Connection, Facts, Listing, Login, Ptr, Side, Source, Subject};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "connection",
    rules: &[
        PTR_MISSING,
        PTR_UNCONFIRMED,
        HELO_INVALID,
        HELO_BARE_ADDRESS,
        HELO_IS_US,
        EARLY_TALK,
        DNSBL_LISTED,
        DNSWL_LISTED,
    ],
    reads: &[],
    examine,
};

const PTR_MISSING: Rule = Rule::new("PTR_MISSING", Family::Connection, 0.8);
const PTR_UNCONFIRMED: Rule = Rule::new("PTR_UNCONFIRMED", Family::Connection, 0.4);
const HELO_INVALID: Rule = Rule::new("HELO_INVALID", Family::Connection, 0.7);
const HELO_BARE_ADDRESS: Rule = Rule::new("HELO_BARE_ADDRESS", Family::Connection, 0.9);
const HELO_IS_US: Rule = Rule::new("HELO_IS_US", Family::Connection, 1.5);
const EARLY_TALK: Rule = Rule::new("EARLY_TALK", Family::Connection, 1.5);
const DNSBL_LISTED: Rule = Rule::new("DNSBL_LISTED", Family::Connection, 1.5);
const DNSWL_LISTED: Rule = Rule::new("DNSWL_LISTED", Family::Connection, -1.0);

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    // Telephones and laptops of our own people call themselves anything and stand on any list of home networks.
    if facts.connection.login != Login::Nobody {
        return;
    }
    name(&facts.connection, out);
    greeting(facts, out);
    if facts.connection.early_talk {
        out.add(
            &EARLY_TALK,
            Reason::new(
                "máy gửi nói trước khi đến lượt",
                "the sending machine talks before its turn",
            ),
        );
    }
    for listing in &facts.standing.listings {
        if listing.source == Source::Public && listing.what == Subject::Network {
            listed(listing, out);
        }
    }
}

fn name(connection: &Connection, out: &mut Findings) {
    let address = connection.ip.map(|ip| ip.to_string()).unwrap_or_default();
    match &connection.ptr {
        Ptr::Missing => out.add(
            &PTR_MISSING,
            Reason::new(
                format!("địa chỉ {address} không có tên trong DNS"),
                format!("the address {address} has no name in the DNS"),
            ),
        ),
        Ptr::Unconfirmed(name) => {
            let name = shown(name);
            out.add(
                &PTR_UNCONFIRMED,
                Reason::new(
                    format!("tên {name} không dẫn về địa chỉ {address}"),
                    format!("the name {name} does not lead back to {address}"),
                ),
            );
        }
        Ptr::Unknown | Ptr::Confirmed(_) => {}
    }
}

/// RFC 5321 section 4.1.1.1: a fully qualified name or an address literal.
fn greeting(facts: &Facts<'_>, out: &mut Findings) {
    let Some(helo) = facts.connection.helo.as_deref() else {
        return;
    };
    let helo = helo.trim_end_matches('.').to_ascii_lowercase();
    let policy = &facts.policy;
    let ours = policy.our_hosts.iter().chain(policy.our_domains.iter());
    let said = shown(&helo);
    if ours.into_iter().any(|own| own.eq_ignore_ascii_case(&helo)) {
        out.add(
            &HELO_IS_US,
            Reason::new(
                format!("máy gửi tự xưng là máy chủ của chúng ta: {said}"),
                format!("the sending machine claims to be our own: {said}"),
            ),
        );
    } else if helo.parse::<IpAddr>().is_ok() {
        out.add(
            &HELO_BARE_ADDRESS,
            Reason::new(
                format!("máy gửi xưng bằng địa chỉ trần: {said}"),
                format!("the sending machine calls itself a bare address: {said}"),
            ),
        );
    } else if !is_literal(&helo) && !is_qualified(&helo) {
        out.add(
            &HELO_INVALID,
            Reason::new(
                format!("máy gửi không xưng tên đầy đủ: {said}"),
                format!("the sending machine gives no full name: {said}"),
            ),
        );
    }
}

fn is_literal(helo: &str) -> bool {
    let inner = helo
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| {
        inner
            .strip_prefix("ipv6:")
            .unwrap_or(inner)
            .parse::<IpAddr>()
            .is_ok()
    })
}

fn is_qualified(helo: &str) -> bool {
    let labels: Vec<&str> = helo.split('.').collect();
    let fits = |label: &&str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    labels.len() >= 2 && labels.iter().all(fits)
}

fn listed(listing: &Listing, out: &mut Findings) {
    let (list, entry) = (shown(&listing.list), shown(&listing.entry));
    let because = listing
        .reason
        .as_deref()
        .map(|reason| format!(" ({})", shown(reason)))
        .unwrap_or_default();
    let weight = listing.weight.abs();
    match listing.side {
        Side::Block => out.weigh(
            &DNSBL_LISTED,
            weight,
            Reason::new(
                format!("{entry} có trong danh sách đen {list}{because}"),
                format!("{entry} is on the block list {list}{because}"),
            ),
        ),
        Side::Allow => out.weigh(
            &DNSWL_LISTED,
            -weight,
            Reason::new(
                format!("{entry} có trong danh sách tin cậy {list}{because}"),
                format!("{entry} is on the allow list {list}{because}"),
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings() {
        for good in [
            "mail.example.vn",
            "[192.0.2.1]",
            "[ipv6:2001:db8::1]",
            "a_b.example",
        ] {
            assert!(is_literal(good) || is_qualified(good), "{good}");
        }
        for bad in ["localhost", "", "a..b", "[x]", "mail example.vn", "-"] {
            assert!(!is_literal(bad) && !is_qualified(bad), "{bad}");
        }
    }
}
