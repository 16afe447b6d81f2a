//! What addresses mean.

use congvu_directory::edit::domain::{self, NewDomain, OldName};
use congvu_directory::edit::{account, agency, group};
use congvu_directory::{Error, Resolution};
use congvu_message::Address;

use crate::{World, address};

#[tokio::test]
async fn accounts_and_details_in_any_case_and_form() {
    let world = World::new().await;
    world.person("an@xa.test").await;
    world.person("văn.thư@xa.test").await;
    for (text, expected) in [
        ("an@xa.test", "an@xa.test"),
        ("AN@XA.TEST", "an@xa.test"),
        ("an+hop@xa.test", "an@xa.test(hop)"),
        ("an+@xa.test", "an@xa.test()"),
        ("an+a+b@xa.test", "an@xa.test(a+b)"),
        ("VĂN.THƯ@xa.test", "văn.thư@xa.test"),
        ("va\u{306}n.thu\u{31b}@xa.test", "văn.thư@xa.test"),
        ("+an@xa.test", "unknown"),
        ("van.thu@xa.test", "unknown"),
        ("nobody@xa.test", "unknown"),
        ("an@sub.xa.test", "foreign"),
        ("an@elsewhere.test", "foreign"),
        ("an@[192.0.2.1]", "foreign"),
    ] {
        assert_eq!(world.reaches(text).await, expected, "{text}");
    }
    assert!(world.directory.is_local_domain("xa.test").await.unwrap());
    assert!(!world.directory.is_local_domain("test").await.unwrap());
}

#[tokio::test]
async fn aliases_and_groups_lead_on_and_loops_end() {
    let world = World::new().await;
    world.person("an@xa.test").await;
    world.person("binh@xa.test").await;
    world.alias("a@xa.test", &["an@xa.test"]).await;
    world
        .alias(
            "both@xa.test",
            &[
                "a@xa.test",
                "binh@xa.test",
                "x@elsewhere.test",
                "an+tag@xa.test",
            ],
        )
        .await;
    let inner = world.group("inner@xa.test", &["an@xa.test"]).await;
    let outer = world
        .group(
            "outer@xa.test",
            &["inner@xa.test", "binh@xa.test", "both@xa.test"],
        )
        .await;
    world
        .change(move |tx| group::add_member(tx, inner, &address("outer@xa.test")))
        .await;
    assert_eq!(world.reaches("a+x@xa.test").await, "an@xa.test(x)");
    assert_eq!(
        world.reaches("both@xa.test").await,
        "an@xa.test binh@xa.test ->x@elsewhere.test"
    );
    let mut all: Vec<_> = world
        .reaches("outer@xa.test")
        .await
        .split(' ')
        .map(str::to_owned)
        .collect();
    all.sort();
    assert_eq!(all, ["->x@elsewhere.test", "an@xa.test", "binh@xa.test"]);
    // The number of entrances does not matter.
    assert_eq!(world.reaches("inner@xa.test").await.split(' ').count(), 3);
    world
        .change(move |tx| group::set_enabled(tx, outer, false))
        .await;
    assert_eq!(world.reaches("outer@xa.test").await, "disabled");
    assert_eq!(world.reaches("inner@xa.test").await, "an@xa.test");
}

#[tokio::test]
async fn an_empty_group_is_nobody() {
    let world = World::new().await;
    world.person("an@xa.test").await;
    let group = world.group("g@xa.test", &["an@xa.test"]).await;
    world
        .change(move |tx| group::remove_member(tx, group, &address("AN@xa.test")))
        .await;
    assert_eq!(world.reaches("g@xa.test").await, "unknown");
}

#[tokio::test]
async fn what_is_disabled_says_so() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    world.person("binh@xa.test").await;
    world
        .group("all@xa.test", &["an@xa.test", "binh@xa.test"])
        .await;
    world
        .change(move |tx| account::set_enabled(tx, an, false))
        .await;
    assert_eq!(world.reaches("an@xa.test").await, "disabled");
    assert_eq!(world.reaches("all@xa.test").await, "binh@xa.test");
    world
        .change(move |tx| account::set_enabled(tx, an, true))
        .await;
    world
        .change(|tx| domain::set_enabled(tx, "xa.test", false))
        .await;
    assert_eq!(world.reaches("an@xa.test").await, "disabled");
    world
        .change(|tx| domain::set_enabled(tx, "xa.test", true))
        .await;
    let above = world.agency("TINH", None).await;
    let below = world.agency;
    world
        .change(move |tx| agency::set_parent(tx, below, Some(above)))
        .await;
    world
        .change(move |tx| agency::set_enabled(tx, above, false))
        .await;
    assert_eq!(world.reaches("binh@xa.test").await, "disabled");
}

#[tokio::test]
async fn postmaster_and_abuse_always_reach_somebody() {
    let world = World::new().await;
    assert_eq!(
        world.reaches("postmaster@xa.test").await,
        "unknown",
        "there is no account at all"
    );
    let an = world.person("an@xa.test").await;
    let binh = world.person("binh@xa.test").await;
    for role in ["postmaster@xa.test", "Abuse@XA.test", "postmaster@xa.test"] {
        assert_eq!(
            world.reaches(role).await,
            "an@xa.test",
            "{role}: the first account"
        );
    }
    assert_eq!(world.reaches("abuse+x@xa.test").await, "an@xa.test(x)");
    world
        .change(move |tx| domain::set_postmaster(tx, "xa.test", binh))
        .await;
    assert_eq!(world.reaches("postmaster@xa.test").await, "binh@xa.test");
    // Disabled, removed: somebody else.
    world
        .change(move |tx| account::set_enabled(tx, binh, false))
        .await;
    assert_eq!(world.reaches("postmaster@xa.test").await, "an@xa.test");
    world.change(move |tx| account::remove(tx, binh)).await;
    assert_eq!(world.reaches("postmaster@xa.test").await, "an@xa.test");
    // A domain without accounts is served by the server's first.
    world.domain("empty.test").await;
    assert_eq!(world.reaches("postmaster@empty.test").await, "an@xa.test");
    assert_eq!(world.reaches("postmaster@elsewhere.test").await, "foreign");
    // An address of that name is what it says.
    world.person("abuse@xa.test").await;
    assert_eq!(world.reaches("abuse@xa.test").await, "abuse@xa.test");
    let Resolution::Recipients(found) = world.directory.resolve_postmaster().await.unwrap() else {
        panic!()
    };
    assert_eq!(found.len(), 1);
    world
        .change(|tx| domain::set_enabled(tx, "xa.test", false))
        .await;
    assert_eq!(world.reaches("postmaster@xa.test").await, "an@xa.test");
    world
        .change(move |tx| account::set_enabled(tx, an, false))
        .await;
    assert_eq!(
        world.reaches("postmaster@empty.test").await,
        "abuse@xa.test"
    );
}

#[tokio::test]
async fn alias_domains_and_renamed_domains() {
    let world = World::new().await;
    world.person("an@xa.test").await;
    world.alias("a@xa.test", &["an@xa.test"]).await;
    world.group("all@xa.test", &["an@xa.test"]).await;
    let agency = world.agency;
    let alias = move |name: &str| NewDomain {
        name: name.into(),
        agency,
        alias_of: Some("xa.test".into()),
    };
    world
        .change(move |tx| domain::create(tx, &alias("Bình-Minh.test")))
        .await;
    assert_eq!(world.reaches("an+x@bình-minh.test").await, "an@xa.test(x)");
    assert_eq!(world.reaches("a@bình-minh.test").await, "an@xa.test");
    let an = world.find("an@xa.test").await.unwrap().id;
    let alias_name = congvu_directory::name::domain("bình-minh.test").unwrap();
    for enabled in [false, true] {
        let name = alias_name.clone();
        world
            .change(move |tx| domain::set_enabled(tx, &name, enabled))
            .await;
        let expected = if enabled { "an@xa.test" } else { "disabled" };
        assert_eq!(world.reaches("an@bình-minh.test").await, expected);
        assert_eq!(world.reaches("an@xa.test").await, "an@xa.test");
        let alias = address("an@bình-minh.test");
        let may = world.directory.may_send_as(an, &alias).await.unwrap();
        assert_eq!(may, enabled);
    }
    let reason = world.refused(move |tx| {
        domain::create(
            tx,
            &NewDomain {
                alias_of: Some("bình-minh.test".into()),
                ..alias("third.test")
            },
        )
    });
    assert!(reason.await.contains("alias domain"));
    world
        .change(|tx| domain::rename(tx, "xa.test", "phuong.test", OldName::Keep))
        .await;
    for domain in ["xa.test", "phuong.test", "bình-minh.test"] {
        for local in ["an", "a", "all"] {
            assert_eq!(
                world.reaches(&format!("{local}@{domain}")).await,
                "an@phuong.test",
                "{local}@{domain}"
            );
        }
    }
    let reason = world.refused(|tx| domain::remove(tx, "phuong.test")).await;
    assert!(reason.contains("not empty"), "{reason}");
    world.change(|tx| domain::remove(tx, "xa.test")).await;
    assert_eq!(world.reaches("an@xa.test").await, "foreign");
}

#[tokio::test]
async fn a_group_of_groups_that_is_too_large_is_an_error_and_not_a_loss() {
    let world = World::new().await;
    world.person("an@xa.test").await;
    let mut groups = Vec::new();
    for name in ["g1@xa.test", "g2@xa.test", "g3@xa.test"] {
        groups.push(world.group(name, &[]).await);
    }
    // Members elsewhere need no accounts.
    for (at, group) in groups.clone().into_iter().enumerate() {
        for chunk in 0..4 {
            world
                .change(move |tx| {
                    for n in 0..1000 {
                        let local = format!("u{at}-{chunk}-{n}");
                        group::add_member(
                            tx,
                            group,
                            &Address {
                                local,
                                domain: "elsewhere.test".into(),
                            },
                        )?;
                    }
                    Ok(())
                })
                .await;
        }
    }
    let all = world
        .group("all@xa.test", &["g1@xa.test", "g2@xa.test"])
        .await;
    let Resolution::Recipients(found) = world
        .directory
        .resolve(&address("all@xa.test"))
        .await
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(found.len(), 8_000);
    world
        .change(move |tx| group::add_member(tx, all, &address("g3@xa.test")))
        .await;
    let error = world
        .directory
        .resolve(&address("all@xa.test"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TooMany(_)), "{error}");
}
