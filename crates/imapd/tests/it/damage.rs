//! A damaged body harms itself alone.

use crate::world::{World, letter};

#[tokio::test]
async fn other_messages_are_still_served() {
    let world = World::new().await;
    let mut client = world.select("lan", "INBOX").await;
    let mut random = fastrand::Rng::with_seed(3);
    // Noise does not compress, so it stands in the log as it is.
    let noise: Vec<Vec<u8>> = (0..3)
        .map(|_| (0..2000).map(|_| random.u8(14..)).collect())
        .collect();
    for text in &noise {
        let message = [b"Subject: x\r\n\r\n".as_slice(), text, b"\r\n"].concat();
        let command = [
            format!("APPEND INBOX {{{}+}}\r\n", message.len()).as_bytes(),
            &message,
        ]
        .concat();
        client.octets(&command).await;
    }
    let needle = noise[1].get(1000..1064).unwrap();
    assert!(world.damage(needle) > 0);
    let lines = client
        .refused("FETCH 1:3 BODY.PEEK[]", "NO [CORRUPTION]")
        .await;
    let heads: Vec<&str> = lines
        .iter()
        .filter(|line| line.contains(" FETCH (BODY[] {"))
        .map(|line| &line[..10])
        .collect();
    assert_eq!(heads, ["* 1 FETCH ", "* 3 FETCH "]);
    client.ok("FETCH 1:3 (UID FLAGS RFC822.SIZE)").await;
    client.ok("UID SEARCH BODY nothing").await;
    client.append("INBOX", "", &letter("bốn", "x")).await;
    client.ok("FETCH 4 BODY[]").await;
}

#[tokio::test]
async fn a_long_message_that_is_damaged_in_the_middle_keeps_its_length() {
    let world = World::new().await;
    let mut client = world.select("lan", "INBOX").await;
    let mut random = fastrand::Rng::with_seed(5);
    let noise: Vec<u8> = (0..700_000).map(|_| random.u8(14..)).collect();
    let message = [b"Subject: x\r\n\r\n".as_slice(), &noise, b"\r\n"].concat();
    let command = [
        format!("APPEND INBOX {{{}+}}\r\n", message.len()).as_bytes(),
        &message,
    ]
    .concat();
    client.octets(&command).await;
    client.append("INBOX", "", &letter("hai", "x")).await;
    assert!(world.damage(noise.get(400_000..400_064).unwrap()) > 0);
    client.send(b"f FETCH 1:2 BODY.PEEK[]\r\n").await;
    let output = client.raw();
    let head = format!("* 1 FETCH (BODY[] {{{}}}\r\n", message.len());
    let body = output.strip_prefix(head.as_bytes()).unwrap();
    assert_eq!(body[..200_000], message[..200_000]);
    let rest = String::from_utf8_lossy(&body[message.len()..]);
    assert!(rest.starts_with(")\r\n* 2 FETCH (BODY[] {"), "{rest}");
    assert!(rest.contains("\r\nf NO [CORRUPTION]"), "{rest}");
    client.ok("NOOP").await;
}
