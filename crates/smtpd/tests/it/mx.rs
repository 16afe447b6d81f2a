//! Port 25: strangers to our recipients, and nobody else's.

use congvu_smtp::ask::Kind;
use congvu_smtpd::Settings;

use crate::house::House;

pub(crate) const LETTER: &str = "From: Chi <chi@away.example>\r\nTo: an@bo.test\r\nSubject: =?utf-8?q?H=E1=BB=8Dp?=\r\n\
    Date: Sun, 22 Nov 2026 12:00:00 +0700\r\nMessage-ID: <1@away.example>\r\n\r\nChào anh.\r\n";

#[tokio::test]
async fn a_letter_arrives_with_its_trace() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client.envelope("chi@away.example", &["an@bo.test"]).await;
    let reply = client.data(LETTER, "250 2.0.0 Ok: queued as ").await;
    let id = reply.trim_end().rsplit(' ').next().expect("an id");
    let stored = house.only("an@bo.test").await;
    let (head, rest) = stored.split_at(stored.find("From: Chi").expect("the letter"));
    let expected = format!(
        "Return-Path: <chi@away.example>\r\nX-Spam-Status: p=0.250 inbox\r\nReceived: from mail.away.example ([198.51.100.7])\r\n\tby mx.bo.test with ESMTP\r\n\
         \tid {id}\r\n\tfor <an@bo.test>;\r\n\t"
    );
    assert!(head.starts_with(&expected), "{head}");
    assert_eq!(rest, LETTER);
    assert!(house.queue().await.is_empty());
}

#[tokio::test]
async fn relaying_is_refused_in_every_form() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client.say("MAIL FROM:<an@bo.test>", "250").await;
    for to in [
        "x@away.example",
        "x@[192.0.2.1]",
        "x@sub.bo.test",
        "x@bo.test.away.example",
        "\"x@away.example\"@other.example",
    ] {
        client.say(&format!("RCPT TO:<{to}>"), "550 5.7.1").await;
    }
    for to in [
        "x%away.example@bo.test",
        "away.example!x@bo.test",
        "\"x@away.example\"@bo.test",
        "|id@bo.test",
    ] {
        client.say(&format!("RCPT TO:<{to}>"), "550 5.1.1").await;
    }
    let reply = client.say("RCPT TO:<@bo.test:x@away.example>", "5").await;
    assert!(!reply.starts_with("250"));
    client.say("DATA", "5").await;
    assert!(house.queue().await.is_empty());
}

#[tokio::test]
async fn peers_relay_and_their_letters_are_completed() {
    let mut settings = Settings::new("mx.bo.test");
    settings.relay = vec!["192.0.2.0/24".parse().expect("a network")];
    let house = House::with(settings).await;
    let mut client = house.connect(Kind::Mx, "192.0.2.9");
    client.expect("220").await;
    client.say("EHLO printer", "250").await;
    client
        .envelope("scan@bo.test", &["x@away.example", "an@bo.test"])
        .await;
    client.say("RCPT TO:<x%y@away.example>", "553 5.1.3").await;
    client.say("RCPT TO:<x@[10.0.0.1]>", "553 5.1.2").await;
    client
        .data("From: scan@bo.test\r\n\r\nquét\r\n", "250")
        .await;
    let queue = house.queue().await;
    let [(entry, rcpts)] = queue.as_slice() else {
        panic!("{queue:?}")
    };
    assert_eq!(
        (
            entry.sender.as_str(),
            entry.account,
            rcpts[0].address.as_str()
        ),
        ("scan@bo.test", None, "x@away.example")
    );
    let sent = house.sent(entry).await;
    assert!(sent.starts_with("Received: from printer"), "{sent}");
    assert!(
        sent.contains("\r\nDate: ") && sent.contains("\r\nMessage-ID: <"),
        "{sent}"
    );
}

#[tokio::test]
async fn recipients_are_known_or_refused() {
    let house = House::new().await;
    house.disable("binh@bo.test").await;
    let mut client = house.mx().await;
    client.say("MAIL FROM:<>", "250").await;
    client.say("RCPT TO:<nobody@bo.test>", "550 5.1.1").await;
    client.say("RCPT TO:<binh@bo.test>", "550 5.2.1").await;
    for to in [
        "postmaster",
        "PostMaster",
        "postmaster@bo.test",
        "abuse@so.test",
        "AN@BO.TEST",
        "nguyen.an@bo.test",
        "Postmaster@MX.bo.test",
        "abuse@mx.bo.test",
    ] {
        client.say(&format!("RCPT TO:<{to}>"), "250").await;
    }
    client.say("RCPT TO:<an@mx.bo.test>", "550 5.7.1").await;
}

#[tokio::test]
async fn guessing_addresses_ends_the_connection() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client.say("MAIL FROM:<x@away.example>", "250").await;
    for guess in 0..20 {
        client
            .say(&format!("RCPT TO:<guess{guess}@bo.test>"), "550 5.1.1")
            .await;
    }
    client.say("RCPT TO:<guess20@bo.test>", "421 4.7.0").await;
    client.closed().await;
}

#[tokio::test]
async fn one_body_for_all_and_the_queue_in_the_same_transaction() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client
        .envelope(
            "chi@away.example",
            &[
                "all@bo.test",
                "an@bo.test",
                "nguyen.an@bo.test",
                "chi@so.test",
            ],
        )
        .await;
    client.data(LETTER, "250").await;
    let (an, binh, chi) = (
        house.messages("an@bo.test", "INBOX").await,
        house.messages("binh@bo.test", "INBOX").await,
        house.messages("chi@so.test", "INBOX").await,
    );
    assert_eq!((an.len(), binh.len(), chi.len()), (1, 1, 1));
    assert_eq!(an[0].0.body, binh[0].0.body);
    assert_eq!(an[0].0.body, chi[0].0.body);
    let queue = house.queue().await;
    let [(entry, rcpts)] = queue.as_slice() else {
        panic!("{queue:?}")
    };
    assert_eq!((entry.body, entry.waiting), (an[0].0.body, 1));
    assert_eq!(entry.body_kind, congvu_store::queue::BodyKind::EightBit);
    assert_eq!(rcpts[0].address, "far@away.example");
    // Nobody learns from the trace who else got it.
    assert!(!an[0].1.contains("\tfor <"));
    // The copy that goes on is the stored octets without what is said to us alone.
    assert_eq!(
        format!(
            "Return-Path: <chi@away.example>\r\nX-Spam-Status: p=0.250 inbox\r\n{}",
            house.sent(entry).await
        ),
        an[0].1
    );
}

#[tokio::test]
async fn a_single_alias_keeps_the_wishes_for_notices() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client
        .say(
            "MAIL FROM:<chi@away.example> RET=HDRS ENVID=QQ314159",
            "250",
        )
        .await;
    client
        .say("RCPT TO:<forward@bo.test> NOTIFY=SUCCESS,DELAY", "250")
        .await;
    client.data(LETTER, "250").await;
    let queue = house.queue().await;
    let [(entry, rcpts)] = queue.as_slice() else {
        panic!("{queue:?}")
    };
    assert_eq!(entry.envid.as_deref(), Some("QQ314159"));
    assert_eq!(entry.ret, Some(congvu_store::queue::Ret::Headers));
    assert_eq!(rcpts[0].orcpt.as_deref(), Some("rfc822;forward@bo.test"));
    assert_eq!(
        rcpts[0].notify,
        Some(congvu_store::queue::Notify {
            success: true,
            failure: false,
            delay: true
        })
    );
}

#[tokio::test]
async fn plus_details_find_their_mailbox() {
    let house = House::new().await;
    let id = house.id("an@bo.test").await;
    let create =
        move |tx: &mut congvu_store::Tx<'_>| tx.create_mailbox(id, "Giấy mời", None).map(drop);
    house
        .store
        .transact::<_, congvu_store::Error, _>(create)
        .await
        .expect("a mailbox");
    let mut client = house.mx().await;
    for to in ["an+sent@bo.test", "an+unknown@bo.test"] {
        client.envelope("chi@away.example", &[to]).await;
        client.data(LETTER, "250").await;
    }
    assert_eq!(house.count("an@bo.test").await, 2);
    client.say("EHLO mail.away.example", "250").await;
    client
        .say("MAIL FROM:<chi@away.example> SMTPUTF8", "250")
        .await;
    client.say("RCPT TO:<an+giấy mời@bo.test>", "5").await;
    client.say("RCPT TO:<\"an+GIẤY mời\"@bo.test>", "250").await;
    client.data(LETTER, "250").await;
    assert_eq!(house.messages("an@bo.test", "Giấy mời").await.len(), 1);
    assert_eq!(house.messages("an@bo.test", "Sent").await.len(), 0);
}

#[tokio::test]
async fn the_trace_of_others_is_cleaned() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client.envelope("chi@away.example", &["an@bo.test"]).await;
    let forged = format!(
        "Return-Path: <forged@away.example>\r\nAuthentication-Results: mx.bo.test; dkim=pass\r\n\
         Authentication-Results: other.example; dkim=pass\r\n{LETTER}"
    );
    client.data(&forged, "250").await;
    let stored = house.only("an@bo.test").await;
    assert_eq!(stored.matches("Return-Path:").count(), 1);
    assert!(
        !stored.contains("forged") && !stored.contains("mx.bo.test; dkim"),
        "{stored}"
    );
    assert!(stored.contains("other.example; dkim=pass"));
}

#[tokio::test]
async fn malformed_messages_are_refused() {
    let house = House::new().await;
    let mut client = house.mx().await;
    let hops = "Received: from a by b; x\r\n".repeat(51);
    let own = "Received: from a by mx.bo.test; x\r\n".repeat(11);
    for (message, reply) in [
        (format!("{hops}{LETTER}"), "554 5.4.6"),
        (format!("{own}{LETTER}"), "554 5.4.6"),
        (format!("From: other@away.example\r\n{LETTER}"), "550 5.6.0"),
        ("To: an@bo.test\r\n\r\nx\r\n".to_owned(), "550 5.6.0"),
        ("no header\r\n".to_owned(), "550 5.6.0"),
        (
            LETTER.replace("Chào anh.\r\n", "Chào\nanh.\r\n"),
            "550 5.6.11",
        ),
        (
            LETTER.replace("Chào anh.\r\n", "\n.\n\r\nMAIL FROM:<x@y.example>\r\n"),
            "550 5.6.11",
        ),
    ] {
        client.envelope("chi@away.example", &["an@bo.test"]).await;
        client.data(&message, reply).await;
    }
    assert_eq!(house.count("an@bo.test").await, 0);
    client.envelope("chi@away.example", &["an@bo.test"]).await;
    client.data(LETTER, "250").await;
}

#[tokio::test]
async fn a_large_letter_goes_through_a_file() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client
        .envelope("chi@away.example", &["an@bo.test", "forward@bo.test"])
        .await;
    // Octets that do not compress, so that the draft leaves memory.
    let mut random = fastrand::Rng::with_seed(7);
    let mut message = LETTER.to_owned();
    while message.len() < 6 << 20 {
        message.extend((0..76).map(|_| char::from(random.alphanumeric() as u8)));
        message.push_str("\r\n");
    }
    client.data(&message, "250").await;
    let stored = house.only("an@bo.test").await;
    assert!(stored.ends_with(&message));
    let queue = house.queue().await;
    assert!(house.sent(&queue[0].0).await.ends_with(&message));
}
