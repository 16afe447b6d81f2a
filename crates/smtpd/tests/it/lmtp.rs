//! LMTP: from a server in front, with a reply for each recipient.

use congvu_smtp::ask::Kind;

use crate::house::House;
use crate::mx::LETTER;

#[tokio::test]
async fn each_recipient_has_a_reply() {
    let house = House::new().await;
    house.limit("binh@bo.test", 5_000).await;
    let mut client = house.lmtp().await;
    client
        .envelope(
            "chi@away.example",
            &["an@bo.test", "binh@bo.test", "nguyen.an@bo.test"],
        )
        .await;
    client.say("RCPT TO:<nobody@bo.test>", "550 5.1.1").await;
    client.say("RCPT TO:<x@away.example>", "550 5.7.1").await;
    client
        .data(
            &format!("{LETTER}{}", "đầy hộp thư\r\n".repeat(1_000)),
            "250 2.0.0",
        )
        .await;
    client.expect("452 4.2.2").await;
    client.expect("250 2.0.0").await;
    assert_eq!(house.count("an@bo.test").await, 1);
    assert_eq!(house.count("binh@bo.test").await, 0);
    client.say("NOOP", "250").await;
}

#[tokio::test]
async fn what_the_front_server_accepted_is_taken_as_it_is() {
    let house = House::new().await;
    let mut client = house.lmtp().await;
    client.envelope("", &["an@bo.test"]).await;
    client.data("no header at all\r\n", "250 2.0.0").await;
    let stored = house.only("an@bo.test").await;
    let (front, rest) = stored.split_at(stored.find("Received: ").expect("the trace"));
    assert!(
        front.starts_with("Return-Path: <>\r\nX-Spam-Status: p=0."),
        "{stored}"
    );
    assert!(
        rest.starts_with(
            "Received: from front.bo.test ([127.0.0.1])\r\n\tby mx.bo.test with LMTP\r\n"
        ),
        "{stored}"
    );
    assert!(stored.ends_with("\r\n\r\nno header at all\r\n"), "{stored}");
}

#[tokio::test]
async fn other_networks_are_turned_away() {
    let house = House::new().await;
    let mut client = house.connect(Kind::Lmtp, "198.51.100.7");
    client.expect("554 5.7.1").await;
}
