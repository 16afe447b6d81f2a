//! Random changes; after each the relations between records are looked through.

#![allow(
    clippy::too_many_lines,
    reason = "one arm a change, one check a relation"
)]

use std::collections::BTreeSet;

use congvu_message::Address;
use congvu_store::{AccountId, Options, Read, Store, Tx};

use super::account::NewAccount;
use super::agency::NewAgency;
use super::domain::{NewDomain, OldName};
use super::group::NewGroup;
use super::{account, agency, alias, domain, group, operator};
use crate::error::{Error, Result};
use crate::find::all;
use crate::record::{
    Account, Agency, AgencyCode, Child, Domain, Entry, Group, Kind, Meaning, Member, Operates,
    Operator, Reference, Referrer, Target, Within,
};
use crate::{Directory, find, name};

const CHANGES: usize = 400;
const EVERYTHING: usize = usize::MAX;

fn pick<T: Clone>(random: &mut fastrand::Rng, from: &[T]) -> Option<T> {
    random.choice(from).cloned()
}

fn address(random: &mut fastrand::Rng) -> Address {
    let local = ["an", "Bình", "chi", "vanthu", "all", "gd"][random.usize(0..6)].to_owned();
    let domain = ["a.test", "b.test", "c.test", "out.test"][random.usize(0..4)].to_owned();
    Address { local, domain }
}

/// One random change. Most are refused for a good reason.
fn change(tx: &mut Tx<'_>, seed: u64) -> Result<()> {
    let random = &mut fastrand::Rng::with_seed(seed);
    let agencies: Vec<_> = all::<Agency, _>(tx, &[], EVERYTHING)?
        .iter()
        .map(|a| a.id)
        .collect();
    let accounts: Vec<_> = all::<Account, _>(tx, &[], EVERYTHING)?
        .iter()
        .map(|a| a.id)
        .collect();
    let groups: Vec<_> = all::<Group, _>(tx, b"g", EVERYTHING)?
        .iter()
        .map(|g| g.id)
        .collect();
    let domains: Vec<_> = all::<Domain, _>(tx, &[], EVERYTHING)?
        .into_iter()
        .map(|d| d.name)
        .collect();
    let (one, other) = (address(random), address(random));
    let old = if random.bool() {
        OldName::Keep
    } else {
        OldName::Drop
    };
    let agency = pick(random, &agencies);
    let account = pick(random, &accounts);
    let group = pick(random, &groups);
    let nothing = || Error::Invalid("nothing to change".to_owned());
    match random.u8(0..20) {
        0 => {
            let code = format!("A{}", random.u8(0..6));
            agency::create(
                tx,
                &NewAgency {
                    code,
                    parent: agency,
                    ..NewAgency::default()
                },
            )
            .map(drop)
        }
        1 => agency::rename(
            tx,
            agency.ok_or_else(nothing)?,
            &format!("A{}", random.u8(0..6)),
        )
        .map(drop),
        2 => agency::set_parent(tx, agency.ok_or_else(nothing)?, pick(random, &agencies)).map(drop),
        3 => agency::remove(tx, agency.ok_or_else(nothing)?).map(drop),
        4 => {
            let alias_of = random.bool().then(|| pick(random, &domains)).flatten();
            domain::create(
                tx,
                &NewDomain {
                    name: one.domain,
                    agency: agency.ok_or_else(nothing)?,
                    alias_of,
                },
            )
            .map(drop)
        }
        5 => domain::rename(tx, &one.domain, &other.domain, old).map(drop),
        6 => domain::set_agency(tx, &one.domain, agency.ok_or_else(nothing)?).map(drop),
        7 if random.u8(0..3) == 0 => domain::remove(tx, &one.domain).map(drop),
        8 => account::set_agency(
            tx,
            account.ok_or_else(nothing)?,
            agency.ok_or_else(nothing)?,
        )
        .map(drop),
        9 => account::rename(tx, account.ok_or_else(nothing)?, &one, old).map(drop),
        10 => account::remove(tx, account.ok_or_else(nothing)?).map(drop),
        11 => alias::create(tx, &one, &[other, address(random)]).map(drop),
        12 => alias::rename(tx, &one, &other).map(drop),
        13 => if random.bool() {
            alias::add_target(tx, &one, &other)
        } else {
            alias::remove_target(tx, &one, &other)
        }
        .map(drop),
        14 => group::create(
            tx,
            &NewGroup {
                address: one,
                name: String::new(),
                agency,
            },
        )
        .map(drop),
        15 => group::add_member(tx, group.ok_or_else(nothing)?, &one).map(drop),
        16 => {
            let group = group.ok_or_else(nothing)?;
            match random.u8(0..4) {
                0 => group::remove(tx, group).map(drop),
                1 => group::rename(tx, group, &one).map(drop),
                2 => group::set_agency(tx, group, agency.ok_or_else(nothing)?).map(drop),
                _ => group::remove_member(tx, group, &one),
            }
        }
        17 => operator::add(
            tx,
            account.ok_or_else(nothing)?,
            pick(random, &accounts).ok_or_else(nothing)?,
        )
        .map(drop),
        _ => {
            let kind = if random.bool() {
                Kind::Person
            } else {
                Kind::Post
            };
            account::create(
                tx,
                &NewAccount {
                    agency,
                    ..NewAccount::new(kind, one)
                },
            )
            .map(drop)
        }
    }
}

/// What does not fit together.
fn faults<R: Read>(r: &R) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut expect = |fits: bool, what: String| {
        if !fits {
            faults.push(what);
        }
    };
    let agencies = all::<Agency, _>(r, &[], EVERYTHING)?;
    let accounts = all::<Account, _>(r, &[], EVERYTHING)?;
    let domains = all::<Domain, _>(r, &[], EVERYTHING)?;
    let groups = all::<Group, _>(r, b"g", EVERYTHING)?;
    let entries = all::<Entry, _>(r, &[], EVERYTHING)?;

    let mut codes = BTreeSet::new();
    let mut children = BTreeSet::new();
    let mut child = |agency: crate::AgencyId, child: Within| {
        children.insert(format!("{:?}", Child { agency, child }));
    };
    for agency in &agencies {
        codes.insert((name::fold(&agency.code), agency.id));
        expect(
            find::lineage(r, agency.id).is_ok(),
            format!("lineage of {agency:?}"),
        );
        if let Some(parent) = agency.parent {
            child(parent, Within::Agency(agency.id));
        }
    }
    for domain in &domains {
        child(domain.agency, Within::Domain(domain.name.clone()));
        if let Some(target) = &domain.alias_of {
            let fits = domains
                .iter()
                .any(|d| d.name == *target && d.alias_of.is_none());
            expect(fits, format!("alias domain {domain:?}"));
        }
        if let Some(postmaster) = domain.postmaster {
            expect(
                accounts.iter().any(|a| a.id == postmaster),
                format!("postmaster of {domain:?}"),
            );
        }
    }
    let mut meanings = BTreeSet::new();
    for account in &accounts {
        child(account.agency, Within::Account(account.id));
        meanings.insert((
            account.address().key(),
            format!("{:?}", Meaning::Account(account.id)),
        ));
        expect(
            r.mailboxes(account.id)?.len() == 6,
            format!("mailboxes of {account:?}"),
        );
    }
    for group in &groups {
        child(group.agency, Within::Group(group.id));
        meanings.insert((
            group.address().key(),
            format!("{:?}", Meaning::Group(group.id)),
        ));
    }
    let found: BTreeSet<_> = all::<AgencyCode, _>(r, b"n", EVERYTHING)?
        .into_iter()
        .map(|c| (c.folded, c.agency))
        .collect();
    expect(found == codes, format!("codes {found:?} are not {codes:?}"));
    let found: BTreeSet<_> = all::<Child, _>(r, b"c", EVERYTHING)?
        .iter()
        .map(|c| format!("{c:?}"))
        .collect();
    expect(
        found == children,
        format!("children {found:?} are not {children:?}"),
    );

    let mut references = BTreeSet::new();
    let known = |target: &Target| match target {
        Target::Account(id) => accounts.iter().any(|a| a.id == *id),
        Target::Group(id) => groups.iter().any(|g| g.id == *id),
        Target::Address { .. } => true,
    };
    let refer = |references: &mut BTreeSet<String>, target: &Target, by: Referrer| {
        if !matches!(target, Target::Address { .. }) {
            references.insert(format!(
                "{:?}",
                Reference {
                    target: target.clone(),
                    by
                }
            ));
        }
    };
    let mut found = BTreeSet::new();
    for entry in &entries {
        let fits = domains
            .iter()
            .any(|d| d.name == entry.domain && d.alias_of.is_none());
        expect(fits, format!("domain of {entry:?}"));
        if let Meaning::Alias(targets) = &entry.meaning {
            expect(!targets.is_empty(), format!("targets of {entry:?}"));
            for target in targets {
                expect(known(target), format!("target of {entry:?}"));
                refer(
                    &mut references,
                    target,
                    Referrer::Alias((&entry.address()).into()),
                );
            }
        } else {
            found.insert((entry.address().key(), format!("{:?}", entry.meaning)));
        }
        expect(
            crate::resolve::resolve(r, &entry.address()).is_ok(),
            format!("resolution of {entry:?}"),
        );
    }
    expect(
        found == meanings,
        format!("addresses {found:?} are not {meanings:?}"),
    );
    let members = all::<Member, _>(r, b"m", EVERYTHING)?;
    for member in &members {
        expect(known(&member.target), format!("{member:?}"));
        refer(
            &mut references,
            &member.target,
            Referrer::Group(member.group),
        );
    }
    for group in &groups {
        let count = members.iter().filter(|m| m.group == group.id).count();
        expect(
            u32::try_from(count) == Ok(group.members),
            format!("{count} members of {group:?}"),
        );
    }
    let found: BTreeSet<_> = all::<Reference, _>(r, b"r", EVERYTHING)?
        .iter()
        .map(|f| format!("{f:?}"))
        .collect();
    expect(
        found == references,
        format!("references {found:?} are not {references:?}"),
    );

    let there = |id: AccountId, kind| accounts.iter().any(|a| a.id == id && a.kind == kind);
    let forth: BTreeSet<_> = all::<Operator, _>(r, b"p", EVERYTHING)?
        .into_iter()
        .map(|o| (o.post, o.person))
        .collect();
    let back: BTreeSet<_> = all::<Operates, _>(r, b"o", EVERYTHING)?
        .into_iter()
        .map(|o| (o.post, o.person))
        .collect();
    expect(
        forth == back,
        format!("operators {forth:?} are not {back:?}"),
    );
    for (post, person) in forth {
        expect(
            there(post, Kind::Post) && there(person, Kind::Person),
            format!("operator {person} of {post}"),
        );
    }
    Ok(faults)
}

#[tokio::test]
async fn random_changes_keep_all_relations() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(Store::open(folder.path(), Options::default()).unwrap().0);
    let mut made = 0;
    for at in 0..CHANGES {
        let seed = random.u64(..);
        match directory.change(move |tx| change(tx, seed)).await {
            Ok(()) => made += 1,
            Err(Error::Store(error)) => panic!("change {at} (seed {seed}): {error}"),
            Err(_) => continue,
        }
        let faults = directory.store().read(|r| faults(r)).await.unwrap();
        assert!(
            faults.is_empty(),
            "after change {at} (seed {seed}): {faults:#?}"
        );
    }
    assert!(made > CHANGES / 20, "only {made} changes were made");
}
