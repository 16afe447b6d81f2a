//! The octets of every record as they lie in stores already: a change here is a new version, and the old
//! one must stay readable.

use std::fmt::Write;

use congvu_store::{AccountId, LedgerId, Record, Timestamp};

use super::*;

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Octets and back.
fn line<R: Record + PartialEq>(name: &str, record: &R, text: &mut String) {
    let (key, value) = (R::key_octets(&record.key()), record.encode());
    assert!(R::decode(&key, &value).unwrap() == *record, "{name}");
    let _ = writeln!(
        text,
        "{name} {}{} {}",
        R::TABLE as u8 as char,
        hex(&key),
        hex(&value)
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "one record after another")]
fn octets_are_those_of_the_newest_versions() {
    let (account, post, group, agency) = (AccountId(258), AccountId(3), GroupId(4), AgencyId(5));
    let at = Timestamp(1_000);
    let foreign = Target::Address {
        local: "X".into(),
        domain: "y.test".into(),
    };
    let key = AddressKey::new("xa.test", "A");
    let mut text = String::new();
    let all = &mut text;
    let policy = Policy {
        sessions: Some(9),
        foreign_targets: Some(false),
        undelete_days: Some(400),
    };
    line(
        "agency",
        &Agency {
            id: agency,
            parent: Some(AgencyId(1)),
            code: "H29".into(),
            name: "Xã".into(),
            ledger: LedgerId(6),
            enabled: true,
            policy,
            created: at,
            filter: FilterPolicy {
                enabled: Some(true),
                junk: Threshold::new(0.9),
                reject: Some(Threshold::NEVER),
                attachments: Some(vec!["pdf".into()]),
                protected: vec![ProtectedName {
                    name: "Xã".into(),
                    domains: vec!["xa.test".into()],
                }],
                ..FilterPolicy::default()
            },
        },
        all,
    );
    line(
        "domain",
        &Domain {
            name: "xa.test".into(),
            agency,
            alias_of: None,
            postmaster: Some(account),
            ledger: LedgerId(7),
            enabled: true,
            created: at,
        },
        all,
    );
    line(
        "account",
        &Account {
            id: account,
            kind: Kind::Post,
            local: "An".into(),
            domain: "xa.test".into(),
            name: "An".into(),
            agency,
            ledger: LedgerId(8),
            enabled: false,
            created: at,
        },
        all,
    );
    for meaning in [
        Meaning::Account(account),
        Meaning::Alias(vec![
            Target::Account(account),
            Target::Group(group),
            foreign.clone(),
        ]),
        Meaning::Group(group),
    ] {
        line(
            "address",
            &Entry {
                local: "An".into(),
                domain: "xa.test".into(),
                meaning,
                created: at,
            },
            all,
        );
    }
    line(
        "group",
        &Group {
            id: group,
            local: "all".into(),
            domain: "xa.test".into(),
            name: String::new(),
            agency,
            members: 300,
            enabled: true,
            created: at,
        },
        all,
    );
    for target in [Target::Account(account), Target::Group(group), foreign] {
        line("member", &Member { group, target }, all);
    }
    line(
        "keyring",
        &Keyring {
            account,
            salt: [7; 16],
            iterations: 600_000,
        },
        all,
    );
    line(
        "credential",
        &Credential {
            account,
            id: CredentialId(9),
            name: MAIN.into(),
            phc: "$argon2id$".into(),
            stored_key: [1; 32],
            server_key: [2; 32],
            tag: Some([3; 8]),
            created: at,
            last_used: Some(at),
        },
        all,
    );
    line("pepper", &Pepper { octets: [4; 32] }, all);
    line(
        "operator",
        &Operator {
            post,
            person: account,
        },
        all,
    );
    line(
        "operates",
        &Operates {
            person: account,
            post,
        },
        all,
    );
    line(
        "code",
        &AgencyCode {
            folded: "h29".into(),
            agency,
        },
        all,
    );
    for child in [
        Within::Agency(agency),
        Within::Domain("xa.test".into()),
        Within::Account(account),
        Within::Group(group),
    ] {
        line("child", &Child { agency, child }, all);
    }
    for by in [Referrer::Alias(key), Referrer::Group(group)] {
        line(
            "reference",
            &Reference {
                target: Target::Account(account),
                by,
            },
            all,
        );
    }
    let departed = Departed {
        account: Account {
            id: account,
            kind: Kind::Person,
            local: "An".into(),
            domain: "xa.test".into(),
            name: "An".into(),
            agency,
            ledger: LedgerId(8),
            enabled: true,
            created: at,
        },
        at,
        days: Some(30),
    };
    line("departed", &departed, all);
    line(
        "departed name",
        &DepartedName {
            address: AddressKey::new("xa.test", "An"),
            account,
        },
        all,
    );
    for on in [
        Held::Account(account),
        Held::Mailbox(account, congvu_store::MailboxId(77)),
        Held::Agency(agency),
    ] {
        line(
            "hold",
            &Hold {
                id: HoldId(2),
                on,
                name: "An".into(),
                reason: "12/KT".into(),
                by: "root".into(),
                at,
            },
            all,
        );
    }
    assert_eq!(
        text,
        include_str!("layout_v1.txt"),
        "octets have changed:\n{text}"
    );
}

/// Agencies had one prescription less.
#[test]
fn an_agency_of_version_1_is_read() {
    let old = b"\x01\x05\x01\x01\x03H29\x03X\xc3\xa3\x06\x01\x01\x09\x01\x00\xd0\x0f";
    let agency = Agency::decode(&[], old).unwrap();
    assert_eq!(
        (agency.id, agency.code.as_str(), agency.name.as_str()),
        (AgencyId(5), "H29", "Xã")
    );
    assert_eq!(
        agency.policy,
        Policy {
            sessions: Some(9),
            foreign_targets: Some(false),
            undelete_days: None,
        }
    );
    assert_eq!(agency.created, Timestamp(1_000));
}

/// They had none for the filter.
#[test]
fn an_agency_of_version_2_is_read() {
    let old = b"\x02\x05\x01\x01\x03H29\x03X\xc3\xa3\x06\x01\x01\x09\x01\x00\x01\x90\x03\xd0\x0f";
    let agency = Agency::decode(&[], old).unwrap();
    assert_eq!(agency.policy.undelete_days, Some(400));
    assert_eq!(agency.filter, FilterPolicy::default());
    assert_eq!(agency.created, Timestamp(1_000));
}
