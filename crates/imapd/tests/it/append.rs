//! APPEND.

use crate::world::{World, letter};

#[tokio::test]
async fn a_message_is_kept_as_it_was_sent() {
    let world = World::new().await;
    let mut client = world.select("lan", "Drafts").await;
    let text = letter("Công văn số 12", "Kính gửi\r\n.\r\nbare\nlines\rstay");
    let command = format!(
        "APPEND Drafts (\\Seen $Khan \\Draft) \"22-Nov-2026 08:01:02 +0700\" {{{}+}}\r\n{text}",
        text.len()
    );
    let lines = client.ok(&command).await;
    assert_eq!(
        lines[lines.len() - 1]
            .split(']')
            .next()
            .unwrap()
            .rsplit(' ')
            .next(),
        Some("1")
    );
    assert!(lines.contains(&"* 1 EXISTS".to_owned()), "{lines:?}");
    let lines = client
        .untagged("FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)")
        .await;
    let fetched = lines.last().unwrap();
    let wanted = format!(
        "INTERNALDATE \"22-Nov-2026 08:01:02 +0700\" RFC822.SIZE {}",
        text.len()
    );
    assert!(fetched.contains(&wanted), "{fetched}");
    assert!(
        fetched.contains("FLAGS (\\Seen \\Draft $Khan \\Recent)"),
        "{fetched}"
    );
    let lines = client.untagged("FETCH 1 BODY.PEEK[]").await;
    assert_eq!(
        lines.join("\r\n"),
        format!("* 1 FETCH (BODY[] {{{}}}\r\n{text})", text.len())
    );
}

#[tokio::test]
async fn what_can_be_refused_is_refused_before_the_literal() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    client
        .refused("APPEND nothing {10}", "NO [TRYCREATE]")
        .await;
    client.refused("APPEND INBOX {4000000000}", "NO ").await;
    client.refused("APPEND INBOX {0+}\r\n", "NO ").await;
    // With a literal that comes unasked, the answer follows it.
    client
        .refused("APPEND nothing {3+}\r\nabc", "NO [TRYCREATE]")
        .await;
    let account = world.id("lan").await;
    assert_eq!(world.uidnext(account, "INBOX").await, 1);
    client.ok("NOOP").await;
}

#[tokio::test]
async fn nul_needs_a_binary_literal() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    let lines = client.octets(b"APPEND INBOX {6+}\r\na: b\0c").await;
    assert!(
        lines[0].starts_with("BAD ") || lines[0].starts_with("NO "),
        "{lines:?}"
    );
    let lines = client
        .octets(b"APPEND INBOX ~{10+}\r\na: b\r\n\r\n\0c")
        .await;
    assert!(lines[0].starts_with("OK [APPENDUID "), "{lines:?}");
}

#[tokio::test]
async fn a_large_message_goes_in_and_comes_out() {
    let world = World::new().await;
    let mut client = world.select("lan", "INBOX").await;
    let mut random = fastrand::Rng::with_seed(7);
    let lines: String = (0..30_000)
        .map(|_| {
            (0..70)
                .map(|_| random.alphanumeric())
                .chain("\r\n".chars())
                .collect::<String>()
        })
        .collect();
    let text = letter("lớn", &lines);
    client.append("INBOX", "", &text).await;
    let got = client
        .untagged("FETCH 1 (BODY.PEEK[] UID)")
        .await
        .join("\r\n");
    assert!(
        got.starts_with("* 1 FETCH (UID 1 BODY[] {"),
        "{}",
        &got[..60]
    );
    assert!(got.contains(&text) && got.ends_with(')'));
    let middle = &text[1_000_000..1_000_010];
    let got = client
        .untagged("FETCH 1 BODY.PEEK[]<1000000.10>")
        .await
        .join("\r\n");
    assert_eq!(
        got,
        format!("* 1 FETCH (BODY[]<1000000> {{10}}\r\n{middle})")
    );
    let half = &text[500_000..1_500_000];
    let got = client
        .untagged("FETCH 1 BODY.PEEK[]<500000.1000000>")
        .await
        .join("\r\n");
    assert!(got.contains(half));
    // Two long literals of one message come in two responses.
    let got = client
        .untagged("UID FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT])")
        .await
        .join("\r\n");
    assert_eq!(got.matches("* 1 FETCH (UID 1 BODY[").count(), 2);
}

#[tokio::test]
async fn an_aborted_message_leaves_nothing() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    client.send(b"a APPEND INBOX {100+}\r\nSubject: half").await;
    drop(client);
    let account = world.id("lan").await;
    assert_eq!(world.uidnext(account, "INBOX").await, 1);
}
