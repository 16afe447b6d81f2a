//! Creating, renaming, moving, removing; quotas.

use congvu_directory::edit::account::{self, NewAccount};
use congvu_directory::edit::agency::{self, NewAgency};
use congvu_directory::edit::domain::OldName;
use congvu_directory::edit::{alias, domain, group, quota};
use congvu_directory::record::{FilterPolicy, Policy, ProtectedName, Threshold};
use congvu_directory::view::{self, Filter};
use congvu_directory::{Kind, find};
use congvu_store::tx::Quota;
use congvu_store::{AccountId, Flags, LedgerId, NewMessage, Read};

use crate::{World, address};

impl World {
    /// Puts a message of this many octets into an INBOX.
    async fn deliver(&self, account: AccountId, octets: usize) -> Result<(), congvu_store::Error> {
        // Not compressible, because nothing here is about that.
        let text: Vec<u8> = (0..octets)
            .map(|_| fastrand::alphanumeric() as u8)
            .collect();
        let body = self.directory.store().prepare(&text, b"").unwrap();
        let message = NewMessage {
            flags: Flags::default(),
            keywords: Vec::new(),
            date: 0,
            zone: 0,
        };
        self.directory
            .store()
            .transact(move |tx| {
                let inbox = tx
                    .mailbox_named(account, "INBOX")?
                    .expect("every account has one");
                tx.append(inbox.id, &body, &message, Quota::Enforce)
                    .map(drop)
            })
            .await
    }

    async fn used(&self, ledger: LedgerId) -> (u64, u64) {
        let ledger = self
            .directory
            .store()
            .read::<_, congvu_store::Error, _>(move |r| r.ledger(ledger))
            .await
            .unwrap();
        (ledger.octets, ledger.messages)
    }
}

#[tokio::test]
async fn agencies_are_a_tree() {
    let world = World::new().await;
    let tinh = world.agency("Tỉnh", None).await;
    let so = world.agency("Sở", Some(tinh)).await;
    let phong = world.agency("Phòng", Some(so)).await;
    let same = NewAgency {
        code: "TI\u{309}NH".into(),
        ..NewAgency::default()
    };
    assert!(
        world
            .refused(move |tx| agency::create(tx, &same))
            .await
            .contains("exists already")
    );
    let reason = world
        .refused(move |tx| agency::set_parent(tx, tinh, Some(phong)))
        .await;
    assert!(reason.contains("under itself"), "{reason}");
    assert!(
        world
            .refused(move |tx| agency::remove(tx, so))
            .await
            .contains("Phòng")
    );
    let sessions = |n| Policy {
        sessions: Some(n),
        ..Policy::default()
    };
    world
        .change(move |tx| agency::set_policy(tx, tinh, sessions(5)))
        .await;
    let policy = move |id| move |r: &congvu_store::tx::Snapshot<'_>| find::policy(r, id);
    let read = world.directory.store();
    assert_eq!(read.read(policy(phong)).await.unwrap().sessions, Some(5));
    world
        .change(move |tx| agency::set_policy(tx, so, sessions(7)))
        .await;
    assert_eq!(read.read(policy(phong)).await.unwrap().sessions, Some(7));
    world.change(move |tx| agency::rename(tx, so, "Ban")).await;
    world.change(move |tx| agency::rename(tx, so, "BAN")).await;
    assert!(read.read(|r| find::agency(r, "Sở")).await.is_err());
    assert_eq!(read.read(|r| find::agency(r, "ban")).await.unwrap().id, so);
    world.change(move |tx| agency::remove(tx, phong)).await;
    world.change(move |tx| agency::remove(tx, so)).await;
    world.change(move |tx| agency::remove(tx, tinh)).await;
    let page = read.read(|r| view::agencies(r, None, None)).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    let xa = world.agency;
    assert!(
        world
            .refused(move |tx| agency::remove(tx, xa))
            .await
            .contains("domain xa.test")
    );
}

#[tokio::test]
async fn an_account_keeps_its_mail_through_renames() {
    let world = World::new().await;
    world.domain("moi.test").await;
    let an = world.person("an@xa.test").await;
    world.group("all@xa.test", &["an@xa.test"]).await;
    world.alias("a@xa.test", &["an@xa.test"]).await;
    world.deliver(an, 1000).await.unwrap();
    let before = world.find("an@xa.test").await.unwrap();
    let renamed = world
        .change(move |tx| account::rename(tx, an, &address("an.nguyen@moi.test"), OldName::Keep))
        .await;
    assert_eq!(
        (renamed.id, renamed.ledger, renamed.object_id()),
        (an, before.ledger, before.object_id())
    );
    for text in [
        "an@xa.test",
        "a@xa.test",
        "all@xa.test",
        "an.nguyen@moi.test",
    ] {
        assert_eq!(world.reaches(text).await, "an.nguyen@moi.test", "{text}");
    }
    // The octets are charged to the new domain now.
    let read = world.directory.store();
    let [old, new] = ["xa.test", "moi.test"].map(|d| read.read(move |r| find::domain(r, d)));
    let (old, new) = (old.await.unwrap(), new.await.unwrap());
    assert_eq!(world.used(old.ledger).await, (0, 0));
    assert_eq!(world.used(new.ledger).await, (1000, 1));
    // Back to the old name, which is an alias of its own now; and only another case.
    world
        .change(move |tx| account::rename(tx, an, &address("an@xa.test"), OldName::Drop))
        .await;
    assert_eq!(world.reaches("an.nguyen@moi.test").await, "unknown");
    world
        .change(move |tx| account::rename(tx, an, &address("An@xa.test"), OldName::Keep))
        .await;
    assert_eq!(world.reaches("an@xa.test").await, "An@xa.test");
    let names = read
        .read(move |r| Ok::<_, congvu_store::Error>(r.mailboxes(an)?.len()))
        .await
        .unwrap();
    assert_eq!(names, 6);
}

#[tokio::test]
async fn names_are_taken_once() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    world.alias("a@xa.test", &["an@xa.test"]).await;
    world.group("g@xa.test", &[]).await;
    for (text, kind) in [
        ("AN@xa.test", "account"),
        ("A@xa.test", "alias"),
        ("G@xa.test", "group"),
    ] {
        let reason = world
            .refused(move |tx| account::create(tx, &NewAccount::new(Kind::Person, address(text))))
            .await;
        assert!(
            reason.contains(&format!("{kind} exists already")),
            "{reason}"
        );
        let reason = world
            .refused(move |tx| alias::create(tx, &address(text), &[address("x@y.test")]))
            .await;
        assert!(reason.contains("exists already"), "{reason}");
    }
    let reason = world
        .refused(move |tx| account::rename(tx, an, &address("g@xa.test"), OldName::Drop))
        .await;
    assert!(reason.contains("group exists already"), "{reason}");
    assert_eq!(
        world.reaches("an@xa.test").await,
        "an@xa.test",
        "a refused rename changes nothing"
    );
    for bad in ["a+b@xa.test", "a*b@xa.test", "an@other.test"] {
        world
            .refused(move |tx| account::create(tx, &NewAccount::new(Kind::Person, address(bad))))
            .await;
    }
}

#[tokio::test]
async fn a_removed_account_is_nowhere_any_more() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    let binh = world.person("binh@xa.test").await;
    let post = world.post("vanthu@xa.test").await;
    world.operate(post, an).await;
    world.alias("a@xa.test", &["an@xa.test"]).await;
    world
        .alias("both@xa.test", &["an@xa.test", "binh@xa.test"])
        .await;
    let group = world
        .group("all@xa.test", &["an@xa.test", "binh@xa.test"])
        .await;
    world.password(an, "con cò bay lả bay la").await;
    world.deliver(an, 10).await.unwrap();
    world.change(move |tx| account::remove(tx, an)).await;
    assert_eq!(world.reaches("an@xa.test").await, "unknown");
    assert_eq!(world.reaches("a@xa.test").await, "unknown");
    assert_eq!(world.reaches("both@xa.test").await, "binh@xa.test");
    assert_eq!(world.reaches("all@xa.test").await, "binh@xa.test");
    let read = world.directory.store();
    assert_eq!(
        read.read(move |r| find::group_by_id(r, group))
            .await
            .unwrap()
            .members,
        1
    );
    assert!(
        !world
            .directory
            .may_send_as(an, &address("vanthu@xa.test"))
            .await
            .unwrap()
    );
    // The same address again is another account.
    let again = world.person("an@xa.test").await;
    assert!(again != an && again != binh);
    let detail = read
        .read(move |r| view::account_detail(r, &find::account_by_id(r, again)?))
        .await
        .unwrap();
    assert!(!detail.password && detail.operates.is_empty() && detail.groups.is_empty());
    world.change(move |tx| account::remove(tx, post)).await;
    world.change(move |tx| account::remove(tx, binh)).await;
    world.change(move |tx| account::remove(tx, again)).await;
    world.change(move |tx| group::remove(tx, group)).await;
    world.change(|tx| domain::remove(tx, "xa.test")).await;
    let xa = world.agency;
    world.change(move |tx| agency::remove(tx, xa)).await;
}

#[tokio::test]
async fn quotas_of_account_domain_and_every_agency_above_bind() {
    let world = World::new().await;
    let above = world.agency("TINH", None).await;
    let below = world.agency;
    let an = world.person("an@xa.test").await;
    world.deliver(an, 1000).await.unwrap();
    world
        .change(move |tx| agency::set_parent(tx, below, Some(above)))
        .await;
    let read = world.directory.store();
    let ledgers = read
        .read(move |r| find::ledgers(r, &find::account_by_id(r, an)?))
        .await
        .unwrap();
    assert_eq!(ledgers.len(), 4);
    for &ledger in &ledgers {
        assert_eq!(world.used(ledger).await, (1000, 1), "sums move along");
        world
            .change(move |tx| quota::set(tx, ledger, Some(1500), None))
            .await;
        let refused = world.deliver(an, 1000).await.unwrap_err();
        assert!(
            matches!(refused, congvu_store::Error::OverQuota(at) if at == ledger),
            "{refused}"
        );
        world
            .change(move |tx| quota::set(tx, ledger, Some(0), Some(1)))
            .await;
        assert!(world.deliver(an, 1).await.is_err());
        world
            .change(move |tx| quota::set(tx, ledger, None, Some(0)))
            .await;
    }
    world.deliver(an, 500).await.unwrap();
    assert_eq!(world.used(ledgers[3]).await, (1500, 2));
    // Away from the tree, the sums go with the account.
    let other = world.agency("KHAC", None).await;
    world
        .change(move |tx| account::set_agency(tx, an, other))
        .await;
    assert_eq!(world.used(ledgers[2]).await, (0, 0));
    assert_eq!(world.used(ledgers[0]).await, (1500, 2));
}

#[tokio::test]
async fn forwarding_outside_can_be_forbidden_from_above() {
    let world = World::new().await;
    let xa = world.agency;
    world.person("an@xa.test").await;
    let group = world.group("g@xa.test", &[]).await;
    world.alias("before@xa.test", &["x@elsewhere.test"]).await;
    let strict = Policy {
        foreign_targets: Some(false),
        ..Policy::default()
    };
    world
        .change(move |tx| agency::set_policy(tx, xa, strict))
        .await;
    let outside = [address("x@elsewhere.test")];
    let reason = world
        .refused(move |tx| alias::create(tx, &address("out@xa.test"), &outside))
        .await;
    assert!(reason.contains("forwarded"), "{reason}");
    assert!(
        world
            .refused(move |tx| group::add_member(tx, group, &address("x@elsewhere.test")))
            .await
            .contains("forwarded")
    );
    world.alias("in@xa.test", &["an@xa.test"]).await;
    let reason = world
        .refused(|tx| alias::create(tx, &address("b@xa.test"), &[address("none@xa.test")]))
        .await;
    assert!(reason.contains("no such address"), "{reason}");
}

#[tokio::test]
async fn listings_come_in_pages_and_survive_a_restart() {
    let world = World::new().await;
    for chunk in 0..3_u32 {
        world
            .change(move |tx| {
                for n in 0..400 {
                    let local = format!("u{:04}", chunk * 400 + n);
                    let address = congvu_message::Address {
                        local,
                        domain: "xa.test".into(),
                    };
                    account::create(tx, &NewAccount::new(Kind::Person, address))?;
                }
                Ok(())
            })
            .await;
    }
    let world = world.reopen().await;
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let from = after.clone();
        let read = world
            .directory
            .store()
            .read(move |r| view::accounts(r, &Filter::default(), from.as_deref()));
        let page = read.await.unwrap();
        seen.extend(page.entries.into_iter().map(|a| a.address));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 1200);
    assert!(seen.is_sorted());
    assert_eq!(
        (seen[0].as_str(), seen[1199].as_str()),
        ("u0000@xa.test", "u1199@xa.test")
    );
}

#[tokio::test]
async fn prescriptions_for_the_filter_are_in_order_and_inherited() {
    let world = World::new().await;
    let ministry = world.agency("BO", None).await;
    let office = world.agency("VP", Some(ministry)).await;
    let thresholds = |labelled: &str, junk: &str, reject: &str| FilterPolicy {
        labelled: Some(labelled.parse().unwrap()),
        junk: Some(junk.parse().unwrap()),
        quarantine: Some(Threshold::NEVER),
        reject: Some(reject.parse().unwrap()),
        ..FilterPolicy::default()
    };
    // What never happens has no place in the order.
    let policy = thresholds("0.5", "0.9", "0.99");
    world
        .change(move |tx| agency::set_filter(tx, ministry, policy.clone()))
        .await;
    let policy = thresholds("0.95", "0.9", "0.99");
    let why = world
        .refused(move |tx| agency::set_filter(tx, ministry, policy.clone()))
        .await;
    assert!(
        why.contains("labelled begins at 0.95, above junk at 0.9"),
        "{why}"
    );
    // Against what is inherited too.
    let policy = FilterPolicy {
        junk: Threshold::new(0.3),
        ..FilterPolicy::default()
    };
    let why = world
        .refused(move |tx| agency::set_filter(tx, office, policy.clone()))
        .await;
    assert!(
        why.contains("labelled begins at 0.5, above junk at 0.3"),
        "{why}"
    );
    for (policy, expected) in [
        (
            FilterPolicy {
                attachments: Some(vec![".PDF".into()]),
                ..FilterPolicy::default()
            },
            "is no ending of a file name",
        ),
        (
            FilterPolicy {
                quarantine_days: Some(0),
                ..FilterPolicy::default()
            },
            "1 to 365 days",
        ),
        (
            FilterPolicy {
                protected: vec![ProtectedName {
                    name: "An".into(),
                    domains: Vec::new(),
                }],
                ..FilterPolicy::default()
            },
            "at least 4 letters",
        ),
    ] {
        let why = world
            .refused(move |tx| agency::set_filter(tx, office, policy.clone()))
            .await;
        assert!(why.contains(expected), "{why}");
    }
    let found = world
        .directory
        .store()
        .read(move |r| find::filter(r, office))
        .await
        .unwrap();
    assert_eq!(
        (found.junk, found.reject),
        (Threshold::new(0.9), Threshold::new(0.99))
    );
}
