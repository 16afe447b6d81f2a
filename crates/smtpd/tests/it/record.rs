//! What is told of letters and refusals for whoever follows them.

use congvu_store::Topic;
use congvu_store::trace::{Door, Event, Key, Place, Trace, TraceRead, Wanted};

use crate::house::House;
use crate::mx::LETTER;

async fn found(house: &House, key: Key) -> Vec<Trace> {
    let wanted = Wanted {
        prints: vec![key.print()],
        since: None,
        until: None,
    };
    let found = house
        .store
        .read(move |r| r.traces(&wanted, Place::default()));
    found.await.expect("read").traces
}

#[tokio::test]
async fn an_accepted_letter_is_told_with_its_copies() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client.envelope("chi@away.example", &["all@bo.test"]).await;
    let reply = client.data(LETTER, "250 2.0.0 Ok: queued as ").await;
    let id = reply.trim_end().rsplit(' ').next().expect("an id");
    let by_id = found(&house, Key::Id(id.to_owned())).await;
    let [
        Trace {
            event: Event::Accepted(letter),
            ..
        },
    ] = by_id.as_slice()
    else {
        panic!("{by_id:?}");
    };
    assert_eq!(letter.door, Door::Mx);
    assert_eq!(letter.sender, "chi@away.example");
    assert_eq!(letter.rcpts, ["all@bo.test"]);
    assert_eq!(letter.others, ["far@away.example"]);
    assert_eq!(letter.placed.len(), 2);
    assert_eq!(letter.message_id.as_deref(), Some("1@away.example"));
    let address = letter.client.address.map(|address| address.to_string());
    assert_eq!(address.as_deref(), Some("198.51.100.7"));
    assert_eq!(letter.client.hello, "mail.away.example");
    assert!(letter.queued.is_some() && letter.client.tls.is_none());
    for key in [
        Key::MessageId("<1@away.example>".into()),
        Key::Address("all@bo.test".into()),
        Key::Address("Chi@away.example".into()),
        Key::Address("far@away.example".into()),
        Key::Account(letter.placed[1].account),
    ] {
        assert_eq!(found(&house, key.clone()).await, by_id, "{key:?}");
    }
}

#[tokio::test]
async fn lmtp_tells_each_recipient_the_id() {
    let house = House::new().await;
    let mut client = house.lmtp().await;
    client
        .envelope("chi@away.example", &["an@bo.test", "binh@bo.test"])
        .await;
    let first = client.data(LETTER, "250 2.0.0 Ok: queued as ").await;
    let id = first.trim_end().rsplit(' ').next().expect("an id");
    let event = found(&house, Key::Id(id.to_owned())).await.remove(0).event;
    assert!(
        matches!(event, Event::Accepted(letter) if letter.door == Door::Lmtp && letter.placed.len() == 2)
    );
}

#[tokio::test]
async fn refusals_are_told_once_with_their_number() {
    let house = House::new().await;
    let mut watcher = house.store.watch(Topic::Trace);
    let mut client = house.mx().await;
    client.say("MAIL FROM:<chi@away.example>", "250").await;
    for _ in 0..3 {
        client.say("RCPT TO:<nobody@bo.test>", "550 5.1.1").await;
    }
    watcher.changed().await;
    let found = found(&house, Key::Address("nobody@bo.test".into())).await;
    let [
        Trace {
            event: Event::Refused(refused),
            ..
        },
    ] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert_eq!(refused.times, 3);
    assert_eq!(refused.sender.as_deref(), Some("chi@away.example"));
    assert!(refused.reply.starts_with("550 5.1.1 "), "{}", refused.reply);
}

#[tokio::test]
async fn a_refused_letter_is_told_with_its_recipients() {
    let house = House::new().await;
    let mut watcher = house.store.watch(Topic::Trace);
    let mut client = house.mx().await;
    client.envelope("chi@away.example", &["an@bo.test"]).await;
    client
        .data("Subject: nobody wrote it\r\n\r\nx\r\n", "550")
        .await;
    watcher.changed().await;
    let found = found(&house, Key::Address("an@bo.test".into())).await;
    let [
        Trace {
            event: Event::Refused(refused),
            ..
        },
    ] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert!(refused.id.is_some());
    assert_eq!(refused.rcpts, ["an@bo.test"]);
}
