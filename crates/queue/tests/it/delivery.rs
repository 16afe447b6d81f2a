//! Messages on their way: delivered, put off, tried again; connections reused; the stop.

use std::time::Duration;

use congvu_smtp::client::TlsPolicy;
use congvu_store::queue::BodyKind;

use crate::remote::{CLOSE, Remote, SILENCE};
use crate::world::{MAIL, World};

#[tokio::test]
async fn two_recipients_get_one_transaction() {
    let mut remote = Remote::start(|_, _| None).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.send("an@bo.test", &["a@x.test", "b@x.test"]).await;
    world.run();
    assert_eq!(remote.hear("EHLO").await.1, "EHLO us.test");
    assert!(
        remote
            .hear("MAIL")
            .await
            .1
            .starts_with("MAIL FROM:<an@bo.test>")
    );
    assert_eq!(remote.hear("RCPT").await.1, "RCPT TO:<a@x.test>");
    assert_eq!(remote.hear("RCPT").await.1, "RCPT TO:<b@x.test>");
    assert_eq!(remote.message().await, MAIL);
    world.emptied().await;
    assert!(world.inbox("an@bo.test").await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_connection_serves_several_messages() {
    let mut remote = Remote::start(|_, _| None).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    for _ in 0..3 {
        world.send("an@bo.test", &["a@x.test"]).await;
    }
    world.run();
    for _ in 0..3 {
        assert_eq!(remote.hear("MAIL").await.0, 1);
    }
    world.emptied().await;
    // A message that comes while the session idles goes the same way.
    world.send("an@bo.test", &["b@x.test"]).await;
    assert_eq!(remote.hear("MAIL").await.0, 1);
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn refused_for_now_is_tried_again() {
    let mut remote = Remote::start(|number, line| {
        (number < 3 && line.starts_with("RCPT")).then(|| "451 4.7.1 greylisted".into())
    })
    .await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.settings.schedule.delays = vec![Duration::from_secs(3)];
    let id = world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    remote.hear("RCPT").await;
    world
        .until("one attempt", async |world| world.attempts(id).await == 1)
        .await;
    // An administrator who does not want to wait.
    congvu_queue::manage::retry(&world.store, id, None)
        .await
        .unwrap();
    remote.hear("RCPT").await;
    world
        .until("two attempts", async |world| world.attempts(id).await == 2)
        .await;
    remote.message().await;
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn a_lost_reply_after_the_dot_leads_to_a_second_try() {
    let mut remote = Remote::start(|number, line| {
        (number == 1 && line.starts_with("MESSAGE")).then(|| CLOSE.into())
    })
    .await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    assert_eq!(remote.hear("MESSAGE").await.0, 1);
    assert_eq!(remote.hear("MESSAGE").await.0, 2);
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_hangs_up_is_tried_again() {
    let mut remote = Remote::start(|number, line| match (number, line) {
        (1, "CONNECT") => Some(CLOSE.into()),
        (2, "CONNECT") => Some("554 5.7.1 not today".into()),
        (3, line) if line.starts_with("EHLO") => Some("421 4.3.2 restarting".into()),
        (4, line) if line.starts_with("DATA") => Some(CLOSE.into()),
        _ => None,
    })
    .await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    assert_eq!(remote.hear("MESSAGE").await.0, 5);
    world.emptied().await;
    assert!(world.inbox("an@bo.test").await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn the_next_host_is_tried_when_the_first_is_down() {
    let mut second = Remote::at("127.0.0.3:0", |_, _| None).await;
    let first = std::net::SocketAddr::new("127.0.0.2".parse().unwrap(), second.address.port());
    let mut world = World::new(&[("x.test", &[first, second.address])]).await;
    let id = world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    second.message().await;
    world.emptied().await;
    assert_eq!(world.attempts(id).await, 0, "gone with the first attempt");
    world.stop().await;
}

#[tokio::test]
async fn broken_starttls_falls_back_to_clear_text_unless_required() {
    let offers = |_: usize, line: &str| match line.get(..4) {
        Some("EHLO") => Some("250-fake.test\r\n250 STARTTLS".to_owned()),
        Some("STAR") => Some("220 2.0.0 go\r\nthis is no handshake".to_owned()),
        _ => None,
    };
    let mut remote = Remote::start(offers).await;
    let mut world = World::new(&[
        ("x.test", &[remote.address]),
        ("safe.test", &[remote.address]),
    ])
    .await;
    world.settings.routes = vec![congvu_queue::Route {
        domain: "safe.test".into(),
        to: congvu_queue::Way::Direct,
        port: world.settings.port,
        tls: TlsPolicy::Required,
        credentials: None,
    }];
    world.settings.schedule.delays = vec![Duration::from_hours(1)];
    world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    assert_eq!(remote.hear("STARTTLS").await.0, 1);
    assert_eq!(remote.hear("MAIL").await.0, 2);
    world.emptied().await;
    let id = world.send("an@bo.test", &["a@safe.test"]).await;
    assert_eq!(remote.hear("STARTTLS").await.0, 3);
    world
        .until("an attempt", async |world| world.attempts(id).await == 1)
        .await;
    let shown = congvu_queue::manage::show(&world.store, id)
        .await
        .unwrap()
        .unwrap();
    assert!(
        shown.rcpts[0].reply.as_ref().unwrap().contains("TLS"),
        "{shown:?}"
    );
    world.stop().await;
}

#[tokio::test]
async fn smtputf8_is_asked_for_only_where_it_is_needed() {
    let mut remote = Remote::start(|_, _| None).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    // The client said SMTPUTF8, but nothing in the message needs it.
    world
        .send_mail(
            "Subject: x\r\n\r\nNội dung\r\n",
            "an@bo.test",
            &["a@x.test"],
            |entry, _| {
                entry.utf8 = true;
                entry.body_kind = BodyKind::EightBit;
                entry.size = u64::try_from("Subject: x\r\n\r\nNội dung\r\n".len()).unwrap();
            },
        )
        .await;
    world.run();
    let mail = remote.hear("MAIL").await.1;
    assert!(
        !mail.contains("SMTPUTF8") && mail.contains("BODY=8BITMIME"),
        "{mail}"
    );
    world.emptied().await;
    // A header field in UTF-8 needs it, and the server has it not.
    world
        .send_mail(
            "Subject: Công văn\r\n\r\nx\r\n",
            "an@bo.test",
            &["a@x.test"],
            |entry, _| entry.utf8 = true,
        )
        .await;
    world.emptied().await;
    let inbox = world.inbox("an@bo.test").await;
    assert_eq!(inbox.len(), 1);
    assert!(inbox[0].contains("\r\nStatus: 5.6.7\r\n"), "{}", inbox[0]);
    world.stop().await;
}

#[tokio::test]
async fn the_stop_leaves_nothing_half_done() {
    let mut remote =
        Remote::start(|_, line| line.starts_with("MAIL").then(|| "250-wait\r\n250".into())).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    remote.message().await;
    world.emptied().await;
    // The session idles now; the stop ends it at once.
    world.stop().await;
    let id = world.send("an@bo.test", &["a@x.test"]).await;
    assert_eq!(world.entries().await.len(), 1);
    assert_eq!(world.attempts(id).await, 0);
}

#[tokio::test]
async fn a_killed_queue_owes_what_was_not_acknowledged() {
    let mut remote = Remote::start(|number, line| {
        (number == 1 && line.starts_with("MESSAGE")).then(|| SILENCE.into())
    })
    .await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    let id = world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    assert_eq!(remote.hear("MESSAGE").await.0, 1);
    world.kill().await;
    assert_eq!(
        (world.entries().await.len(), world.attempts(id).await),
        (1, 0)
    );
    world.run();
    assert_eq!(remote.hear("MESSAGE").await.0, 2);
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn what_a_wrong_clock_put_far_away_is_tried_at_the_start() {
    let mut remote = Remote::start(|_, _| None).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    let id = world.send("an@bo.test", &["a@x.test"]).await;
    world
        .put_off(id, "x.test", Duration::from_hours(24 * 365))
        .await;
    world.run();
    remote.message().await;
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn many_messages_share_few_connections() {
    let mut remote = Remote::start(|_, _| None).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.settings.per_destination = 3;
    for _ in 0..60 {
        world.send("an@bo.test", &["a@x.test"]).await;
    }
    world.run();
    let mut connections = std::collections::HashSet::new();
    for _ in 0..60 {
        connections.insert(remote.hear("MESSAGE").await.0);
    }
    assert!((1..=3).contains(&connections.len()), "{connections:?}");
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn many_recipients_are_sent_a_hundred_at_a_time() {
    let mut remote = Remote::start(|_, _| None).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    let all: Vec<String> = (0..250).map(|number| format!("a{number}@x.test")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    world.send("an@bo.test", &all).await;
    world.run();
    let mut reached = std::collections::HashSet::new();
    for expected in [100, 100, 50] {
        remote.hear("MAIL").await;
        for _ in 0..expected {
            reached.insert(remote.hear("RCPT").await.1);
        }
        assert_eq!(remote.message().await, MAIL);
    }
    assert_eq!(reached.len(), 250);
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn a_hundred_unreachable_domains_do_not_keep_a_letter_from_one_that_answers() {
    let mut remote = Remote::start(|_, _| None).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.settings.connections = 2;
    world.settings.schedule.delays = vec![Duration::from_hours(1)];
    let dead: Vec<String> = (0..100)
        .map(|number| format!("a@dead{number}.test"))
        .collect();
    let dead: Vec<&str> = dead.iter().map(String::as_str).collect();
    world.settings.routes = (0..100)
        .map(|number| congvu_queue::Route {
            domain: format!("dead{number}.test"),
            to: congvu_queue::Way::Relay(format!("127.0.1.{}", number + 1)),
            port: 1,
            tls: TlsPolicy::Never,
            credentials: None,
        })
        .collect();
    let id = world.send("an@bo.test", &dead).await;
    world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    remote.message().await;
    world
        .until("every domain was tried", async |world| {
            let shown = congvu_queue::manage::show(&world.store, id)
                .await
                .unwrap()
                .unwrap();
            shown.rcpts.iter().all(|rcpt| rcpt.attempts == 1)
        })
        .await;
    world.stop().await;
}
