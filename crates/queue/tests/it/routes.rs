//! Relays and LMTP servers.

use congvu_queue::{Route, Way};
use congvu_smtp::client::TlsPolicy;
use congvu_store::queue::QueueRead;

use crate::remote::Remote;
use crate::world::World;

fn route(to: Way, port: u16) -> Route {
    Route {
        domain: "*".into(),
        to,
        port,
        tls: TlsPolicy::Never,
        credentials: None,
    }
}

#[tokio::test]
async fn a_relay_gets_all_domains_in_one_transaction() {
    let mut relay = Remote::start(|_, _| None).await;
    let mut world = World::new(&[]).await;
    world.settings.routes = vec![route(Way::Relay("127.0.0.1".into()), relay.address.port())];
    world
        .send("an@bo.test", &["a@x.test", "b@y.test", "c@null.test"])
        .await;
    world.run();
    relay.hear("MAIL").await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(relay.hear("RCPT").await.1);
    }
    heard.sort();
    assert_eq!(
        heard,
        [
            "RCPT TO:<a@x.test>",
            "RCPT TO:<b@y.test>",
            "RCPT TO:<c@null.test>"
        ]
    );
    relay.message().await;
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let mut server = Remote::start(|_, line| {
        line.starts_with("MESSAGE")
            .then(|| "250 2.0.0 stored\r\n552 5.2.2 mailbox full".to_owned())
    })
    .await;
    let mut world = World::new(&[]).await;
    world.settings.routes = vec![route(Way::Lmtp("127.0.0.1".into()), server.address.port())];
    world.send("an@bo.test", &["a@x.test", "b@x.test"]).await;
    world.run();
    server.hear("LHLO").await;
    server.message().await;
    world.emptied().await;
    let inbox = world.inbox("an@bo.test").await;
    assert_eq!(inbox.len(), 1);
    assert!(
        inbox[0].contains("rfc822;b@x.test\r\nAction: failed\r\nStatus: 5.2.2\r\n"),
        "{}",
        inbox[0]
    );
    assert!(!inbox[0].contains("a@x.test"));
    world.stop().await;
}

#[tokio::test]
async fn our_own_name_in_the_greeting_is_a_loop() {
    let remote =
        Remote::start(|_, line| line.starts_with("EHLO").then(|| "250 us.test".to_owned())).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    world.emptied().await;
    let inbox = world.inbox("an@bo.test").await;
    assert!(inbox[0].contains("\r\nStatus: 5.4.6\r\n"), "{}", inbox[0]);
    world.stop().await;
}

#[tokio::test]
async fn a_domain_that_has_become_ours_is_reached_through_our_own_door() {
    let mut remote =
        Remote::start(|_, line| line.starts_with("EHLO").then(|| "250 us.test".to_owned())).await;
    let mut world = World::new(&[("bo.test", &[remote.address])]).await;
    world.send("an@bo.test", &["an@bo.test"]).await;
    world.run();
    remote.message().await;
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn routes_with_other_demands_do_not_share_a_session() {
    let mut relay = Remote::start(|_, _| None).await;
    let mut world = World::new(&[]).await;
    let port = relay.address.port();
    let to = || Way::Relay("127.0.0.1".into());
    world.settings.routes = vec![
        route(to(), port),
        Route {
            domain: "secret.test".into(),
            tls: TlsPolicy::Required,
            ..route(to(), port)
        },
    ];
    let id = world
        .send("an@bo.test", &["a@x.test", "b@secret.test"])
        .await;
    world.run();
    relay.hear("MAIL").await;
    assert_eq!(relay.hear("RCPT").await.1, "RCPT TO:<a@x.test>");
    relay.message().await;
    // The second one is tried on a connection of its own, and waits: the relay offers no TLS.
    world
        .until("it waits", async |world| {
            let rcpts = world
                .store
                .read(move |r| r.queue_rcpts(id, None, 1000))
                .await
                .unwrap();
            rcpts
                .iter()
                .any(|rcpt| rcpt.address == "b@secret.test" && rcpt.attempts > 0)
        })
        .await;
    world.stop().await;
}
