//! FETCH: items, sections, `\Seen`, partial and binary.

use crate::world::{World, letter};

const MIXED: &str = "From: Lan <lan@xa.test>\r\nSubject: =?utf-8?B?Q8O0bmcgdsSDbg==?=\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nS8OtbmggZ+G7rWk=\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
    Subject: inner\r\nX-A: 1\r\n\r\ninside\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: x-odd\r\n\r\n???\r\n--b--\r\n";

async fn mixed() -> (World, crate::world::Client) {
    let world = World::new().await;
    let mut client = world.select("lan", "INBOX").await;
    client.append("INBOX", "", MIXED).await;
    (world, client)
}

#[tokio::test]
async fn sections() {
    let (_world, mut client) = mixed().await;
    for (item, expected) in [
        ("BODY.PEEK[1]", "BODY[1] {16}\r\nS8OtbmggZ+G7rWk="),
        (
            "BODY.PEEK[2.HEADER.FIELDS (x-a)]",
            "BODY[2.HEADER.FIELDS (x-a)] {10}\r\nX-A: 1\r\n\r\n",
        ),
        ("BODY.PEEK[2.TEXT]", "BODY[2.TEXT] {6}\r\ninside"),
        ("BODY.PEEK[2.1]", "BODY[2.1] {6}\r\ninside"),
        ("BODY.PEEK[1]<4.3>", "BODY[1]<4> {3}\r\nbmg"),
        ("BODY.PEEK[1]<400.3>", "BODY[1]<400> {0}\r\n"),
        ("BODY.PEEK[9]", "BODY[9] NIL"),
        ("BODY.PEEK[1.HEADER]", "BODY[1.HEADER] NIL"),
        (
            "BODY.PEEK[HEADER.FIELDS (FROM)]",
            "BODY[HEADER.FIELDS (FROM)] {27}\r\nFrom: Lan <lan@xa.test>\r\n\r\n",
        ),
        ("BINARY.SIZE[1]", "BINARY.SIZE[1] 11"),
    ] {
        let got = client
            .untagged(&format!("FETCH 1 ({item})"))
            .await
            .join("\r\n");
        assert_eq!(got, format!("* 1 FETCH ({expected})"), "{item}");
    }
    let binary = client
        .untagged("FETCH 1 (BINARY.PEEK[1])")
        .await
        .join("\r\n");
    assert!(binary.contains("Kính gửi"), "{binary}");
    let binary = client
        .untagged("FETCH 1 (BINARY.PEEK[1]<1.4>)")
        .await
        .join("\r\n");
    assert!(binary.contains("ính"), "{binary}");
    client
        .refused("FETCH 1 BINARY.PEEK[3]", "NO [UNKNOWN-CTE]")
        .await;
    let flags = client.untagged("FETCH 1 FLAGS").await;
    assert!(!flags[0].contains("\\Seen"), "{flags:?}");
}

#[tokio::test]
async fn reading_sets_seen_once_and_says_so() {
    let (world, mut client) = mixed().await;
    let mut other = world.select("lan", "INBOX").await;
    let got = client.untagged("FETCH 1 BODY[1]").await;
    assert_eq!(
        got,
        [
            "* 1 FETCH (BODY[1] {16}",
            "S8OtbmggZ+G7rWk= FLAGS (\\Seen \\Recent))"
        ]
    );
    assert_eq!(
        client.untagged("FETCH 1 BODY[1]").await,
        ["* 1 FETCH (BODY[1] {16}", "S8OtbmggZ+G7rWk=)"]
    );
    assert_eq!(
        other.untagged("NOOP").await,
        ["* 1 FETCH (UID 1 FLAGS (\\Seen))"]
    );
    assert!(client.untagged("NOOP").await.is_empty());
    other.append("INBOX", "", MIXED).await;
    other.ok("EXAMINE INBOX").await;
    other.ok("FETCH 2 RFC822").await;
    assert!(!other.untagged("FETCH 2 FLAGS").await[0].contains("\\Seen"));
    client.ok("NOOP").await;
    client.ok("FETCH 2 RFC822.HEADER").await;
    assert!(!client.untagged("FETCH 2 FLAGS").await[0].contains("\\Seen"));
    client.ok("FETCH 2 RFC822.TEXT").await;
    assert!(client.untagged("FETCH 2 FLAGS").await[0].contains("\\Seen"));
}

#[tokio::test]
async fn envelope_and_structure() {
    let (_world, mut client) = mixed().await;
    let got = client.untagged("FETCH 1 ALL").await.join("\r\n");
    assert!(
        got.contains("ENVELOPE (NIL \"=?") && got.contains("((\"Lan\" NIL \"lan\" \"xa.test\"))"),
        "{got}"
    );
    let got = client.untagged("FETCH 1 BODYSTRUCTURE").await.join("\r\n");
    assert!(
        got.contains("\"base64\" 16 1") || got.contains("\"BASE64\" 16 1"),
        "{got}"
    );
    assert!(
        got.to_lowercase()
            .contains("\"mixed\" (\"boundary\" \"b\")"),
        "{got}"
    );
    client.ok("ENABLE UTF8=ACCEPT").await;
    let got = client.untagged("FETCH 1 ENVELOPE").await.join("\r\n");
    assert!(got.contains("Công văn"), "{got}");
}

#[tokio::test]
async fn many_messages_come_in_parts() {
    let world = World::new().await;
    let mut client = world.select("lan", "INBOX").await;
    for number in 0..70 {
        client
            .append("INBOX", "", &letter(&format!("thư {number}"), "nội dung"))
            .await;
    }
    assert_eq!(client.untagged("FETCH 1:* (FLAGS)").await.len(), 70);
    let got = client.untagged("UID FETCH 1:* (UID BODY.PEEK[TEXT])").await;
    assert_eq!(
        got.iter()
            .filter(|line| line.contains(" FETCH (UID "))
            .count(),
        70
    );
    let got = client.untagged("UID FETCH 10:12,99:* (UID)").await;
    assert_eq!(
        got,
        [
            "* 10 FETCH (UID 10)",
            "* 11 FETCH (UID 11)",
            "* 12 FETCH (UID 12)",
            "* 70 FETCH (UID 70)"
        ]
    );
    client.refused("FETCH 71 FLAGS", "BAD ").await;
    assert!(client.untagged("UID FETCH 71:80 FLAGS").await.len() <= 1);
    assert!(client.untagged("UID FETCH 1000 FLAGS").await.is_empty());
}

#[tokio::test]
async fn a_long_attachment_is_decoded_piece_by_piece() {
    let world = World::new().await;
    let mut client = world.select("lan", "INBOX").await;
    // `QUJD` is `ABC`: 57 octets a line, so that no line ends where a chunk of the store does.
    let lines = 12_000;
    let encoded = format!("{}\r\n", "QUJD".repeat(19)).repeat(lines);
    let text = format!(
        "Subject: x\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}"
    );
    client.append("INBOX", "", &text).await;
    let decoded = "ABC".repeat(19 * lines);
    assert_eq!(
        client.untagged("FETCH 1 BINARY.SIZE[1]").await,
        [format!("* 1 FETCH (BINARY.SIZE[1] {})", decoded.len())]
    );
    client.send(b"f FETCH 1 (BINARY.PEEK[1] UID)\r\n").await;
    let output = String::from_utf8(client.raw()).unwrap();
    let (head, rest) = output.split_once("\r\n").unwrap();
    assert!(
        head.starts_with("* 1 FETCH (UID 1 BINARY[1] ")
            && head.ends_with(&format!("{{{}}}", decoded.len())),
        "{head}"
    );
    assert!(rest.starts_with(&decoded) && rest[decoded.len()..].starts_with(")\r\nf OK"));
    let got = client
        .untagged("FETCH 1 BINARY.PEEK[1]<500002.4>")
        .await
        .join("\r\n");
    assert!(got.contains(&decoded[500_002..500_006]), "{got}");
    let got = client
        .untagged("FETCH 1 BINARY.PEEK[1]<300000.200000>")
        .await
        .join("\r\n");
    assert!(got.contains(&decoded[300_000..500_000]));
    let got = client
        .untagged("FETCH 1 BINARY.PEEK[1]<684000.10>")
        .await
        .join("\r\n");
    assert!(got.contains("{0}") || got.contains("\"\""), "{got}");
}
