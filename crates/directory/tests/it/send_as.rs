//! Under which addresses an account may write.

use congvu_directory::edit::{account, domain, operator};

use crate::{World, address};

#[tokio::test]
async fn own_addresses_aliases_and_operated_posts() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    let binh = world.person("binh@xa.test").await;
    let post = world.post("vanthu@xa.test").await;
    world.operate(post, binh).await;
    world.alias("a@xa.test", &["an@xa.test"]).await;
    world.alias("office@xa.test", &["vanthu@xa.test"]).await;
    world
        .alias("both@xa.test", &["an@xa.test", "binh@xa.test"])
        .await;
    world
        .group("all@xa.test", &["an@xa.test", "binh@xa.test"])
        .await;
    for (who, text, expected) in [
        (an, "an@xa.test", true),
        (an, "AN+x@XA.test", true),
        (an, "a@xa.test", true),
        (an, "postmaster@xa.test", true),
        (an, "binh@xa.test", false),
        (an, "vanthu@xa.test", false),
        (an, "both@xa.test", false),
        (an, "all@xa.test", false),
        (an, "nobody@xa.test", false),
        (an, "an@elsewhere.test", false),
        (binh, "vanthu@xa.test", true),
        (binh, "vanthu+x@xa.test", true),
        (binh, "office@xa.test", true),
        (binh, "postmaster@xa.test", false),
        (post, "vanthu@xa.test", true),
        (post, "binh@xa.test", false),
    ] {
        let may = world
            .directory
            .may_send_as(who, &address(text))
            .await
            .unwrap();
        assert_eq!(may, expected, "{who} as {text}");
    }
    world
        .change(move |tx| account::set_enabled(tx, post, false))
        .await;
    assert!(
        !world
            .directory
            .may_send_as(binh, &address("vanthu@xa.test"))
            .await
            .unwrap()
    );
    world
        .change(move |tx| account::set_enabled(tx, post, true))
        .await;
    world
        .change(move |tx| operator::remove(tx, post, binh))
        .await;
    assert!(
        !world
            .directory
            .may_send_as(binh, &address("vanthu@xa.test"))
            .await
            .unwrap()
    );
    world
        .change(move |tx| domain::set_postmaster(tx, "xa.test", post))
        .await;
    assert!(
        !world
            .directory
            .may_send_as(an, &address("postmaster@xa.test"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn only_persons_operate_and_only_posts_are_operated() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    let binh = world.person("binh@xa.test").await;
    let post = world.post("vanthu@xa.test").await;
    assert!(
        world
            .refused(move |tx| operator::add(tx, an, binh))
            .await
            .contains("only a post")
    );
    assert!(
        world
            .refused(move |tx| operator::add(tx, post, post))
            .await
            .contains("is a post")
    );
    world.operate(post, an).await;
    assert!(
        !world.change(move |tx| operator::add(tx, post, an)).await,
        "a second time changes nothing"
    );
    let reason = world
        .refused(move |tx| account::set_kind(tx, post, congvu_directory::Kind::Person))
        .await;
    assert!(reason.contains("operators"), "{reason}");
    assert!(
        world
            .refused(move |tx| operator::remove(tx, post, binh))
            .await
            .contains("no such operator")
    );
}
