//! The structure and the summary of whole messages.

use std::fmt::Write as _;

use congvu_message::{Part, Summary, fold, summarize, text};

/// A part as one line: numbers, type, the first octets of its body, lines.
fn outline(raw: &str, part: &Part, number: &str, out: &mut String) {
    let place = |at: u64| usize::try_from(at).unwrap();
    assert!(part.header_at <= part.body_at && part.body_at <= part.end_at);
    let body = &raw.as_bytes()[place(part.body_at)..place(part.end_at)];
    let body = String::from_utf8_lossy(body).replace("\r\n", "|");
    let shown: String = body.chars().take(24).collect();
    writeln!(
        out,
        "{number} {}/{} {} {shown:?}",
        part.kind, part.subtype, part.lines
    )
    .unwrap();
    for (child, at) in part.parts.iter().zip(1..) {
        assert!(
            child.header_at >= part.body_at && child.end_at <= part.end_at,
            "a child lies in its parent"
        );
        outline(raw, child, &format!("{number}.{at}"), out);
    }
    if let Some(message) = &part.message {
        assert!(message.1.header_at == part.body_at && message.1.end_at == part.end_at);
        outline(raw, &message.1, &format!("{number}>"), out);
    }
}

#[track_caller]
fn check(raw: &str, expected: &str) -> Summary {
    let raw = raw.replace('\n', "\r\n");
    let summary = summarize(raw.as_bytes());
    assert_eq!(summary.opaque, None);
    let mut found = String::new();
    outline(&raw, &summary.root, "0", &mut found);
    assert_eq!(found.trim(), expected.trim());
    assert_eq!(Summary::decode(&summary.encode()).unwrap(), summary);
    summary
}

#[test]
fn single_parts() {
    check("", "0 text/plain 0 \"\"");
    check(
        "From: a@x.test\n\nHello\nWorld\n",
        "0 text/plain 2 \"Hello|World|\"",
    );
    check("From: a@x.test\n\nHello", "0 text/plain 1 \"Hello\"");
    check("From: a@x.test\n", "0 text/plain 0 \"\"");
    check("\nHello\n", "0 text/plain 1 \"Hello|\"");
    check("Content-Type: image/png\n\nx\n", "0 image/png 1 \"x|\"");
}

#[test]
fn multiparts() {
    let raw = "Content-Type: multipart/mixed; boundary=\"b b\"\n\npreamble\n--b b\n\none\n\n--b b \nContent-Type: \
               multipart/alternative; boundary=c\n\n--c\n\n--c\nContent-Type: text/html\n\n<p>\n--c--\nepilogue\n--b \
               b--\nend\n";
    check(
        raw,
        "0 multipart/mixed 18 \"preamble|--b b||one||--b\"\n\
         0.1 text/plain 1 \"one|\"\n\
         0.2 multipart/alternative 8 \"--c||--c|Content-Type: t\"\n\
         0.2.1 text/plain 0 \"\"\n\
         0.2.2 text/html 1 \"<p>\"",
    );
    // An inner multipart that is never closed ends with the outer one.
    check(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b\n\n\
         two\n--b--\n",
        "0 multipart/mixed 10 \"--b|Content-Type: multip\"\n\
         0.1 multipart/mixed 3 \"--c||one\"\n\
         0.1.1 text/plain 1 \"one\"\n\
         0.2 text/plain 1 \"two\"",
    );
    // A boundary that begins like another one, a cut header, a missing end.
    check(
        "Content-Type: multipart/mixed; boundary=b\n\n--bc\n--b\nContent-Type: image/gif\n--b\n\nx",
        "0 multipart/mixed 6 \"--bc|--b|Content-Type: i\"\n\
         0.1 image/gif 0 \"\"\n\
         0.2 text/plain 1 \"x\"",
    );
}

#[test]
fn messages_in_messages() {
    let summary = check(
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nbody\n--b\nContent-Type: \
         message/rfc822\n\nSubject: two\nContent-Type: message/rfc822\n\nSubject: three\n\nx\n--b--\n",
        "0 multipart/digest 15 \"--b||Subject: one||body|\"\n\
         0.1 message/rfc822 3 \"Subject: one||body\"\n\
         0.1> text/plain 1 \"body\"\n\
         0.2 message/rfc822 6 \"Subject: two|Content-Typ\"\n\
         0.2> message/rfc822 3 \"Subject: three||x\"\n\
         0.2>> text/plain 1 \"x\"",
    );
    let first = summary.root.parts[0].message.as_ref().unwrap();
    assert_eq!(first.0.subject.as_deref(), Some("one"));
}

#[test]
fn impossible_types_are_corrected() {
    check(
        "Content-Type: multipart/mixed\n\nx\n",
        "0 text/plain 1 \"x|\"",
    );
    check(
        "Content-Type: multipart/mixed; boundary=b\n\nnone\n",
        "0 text/plain 1 \"none|\"",
    );
    check(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==\n",
        "0 application/octet-stream 1 \"U3ViamVjdDogeA==|\"",
    );
    check(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n--b--\n",
        "0 multipart/mixed 3 \"--b|Content-Type: messag\"\n0.1 application/octet-stream 0 \"\"",
    );
    check("Content-Type: \"a b\"/c\n\nx", "0 text/plain 1 \"x\"");
    check("Content-Type: text/pl\"ain\n\nx", "0 text/plain 1 \"x\"");
}

#[test]
fn bare_line_feeds() {
    let summary = summarize(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n");
    let part = &summary.root.parts[0];
    assert_eq!((part.body_at, part.end_at), (48, 51));
}

#[test]
fn words_of_all_parts() {
    let raw = "From: =?utf-8?q?Nguy=E1=BB=85n_An?= <an@x.test>\r\nTo: b@y.test\r\nSubject: =?utf-8?b?Q8O0bmcgVsSDbg==?= \
               12\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; \
               charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nK=C3=ADnh g=E1=BB=ADi \
               =\r\nB=E1=BB=99\r\n--b\r\nContent-Type: text/html; charset=windows-1258\r\nContent-Transfer-Encoding: \
               base64\r\n\r\nPHA+Vmnq8nQ8L3A+\r\n--b\r\nContent-Disposition: attachment; \
               filename*=utf-8''%C4%90%C6%A1n.pdf\r\nContent-Type: application/pdf\r\n\r\nxx\r\n--b--\r\n";
    let summary = summarize(raw.as_bytes());
    let words = text::words_in(raw.as_bytes(), &summary.root);
    assert_eq!(fold::normalize(&words), "kính gửi bộ việt đơn.pdf");
}

#[test]
fn words_are_bounded() {
    let raw = format!(
        "Subject: {}\r\n\r\n{}",
        "ă ".repeat(200_000),
        "ố ".repeat(400_000)
    );
    let summary = summarize(raw.as_bytes());
    let words = text::words_in(raw.as_bytes(), &summary.root);
    assert!(words.len() <= 2 * fold::TEXT_MAX);
    assert!(words.len() > fold::TEXT_MAX);
}

#[test]
fn any_octets_are_survived() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let pieces: [&[u8]; 18] = [
        b"\r\n",
        b"\n",
        b"--b",
        b"--",
        b"--c--",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: message/rfc822",
        b"Content-Type: multipart/digest; boundary=\"c\"",
        b"Subject: =?utf-8?q?",
        b"?=",
        b"From: a <a@x>, g: b;",
        b"Content-Type: text/html",
        b"<a",
        b"\0",
        b"\xff",
        "đ".as_bytes(),
        b" ",
        b"Content-Transfer-Encoding: base64",
    ];
    for _ in 0..3000 {
        let raw: Vec<u8> = (0..random.usize(..40))
            .flat_map(|_| pieces[random.usize(..pieces.len())].iter().copied())
            .collect();
        let summary = summarize(&raw);
        assert_eq!(summary.opaque, None);
        outline_any(&raw, &summary.root);
        assert_eq!(Summary::decode(&summary.encode()).unwrap(), summary);
    }
}

fn outline_any(raw: &[u8], part: &Part) {
    assert!(part.header_at <= part.body_at && part.body_at <= part.end_at);
    assert!(part.end_at <= u64::try_from(raw.len()).unwrap());
    assert_eq!(part.kind == "multipart", !part.parts.is_empty());
    assert_eq!(
        part.kind == "message" && part.subtype == "rfc822",
        part.message.is_some()
    );
    part.parts.iter().for_each(|child| outline_any(raw, child));
    if let Some(message) = &part.message {
        outline_any(raw, &message.1);
    }
}

/// Fields put in front of a message move everything, and change nothing else: shifted is as parsed anew.
#[test]
fn shifted_is_parsed_anew() {
    const FRONT: &str =
        "Return-Path: <a@b.example>\r\nX-Spam-Status: p=0.250 inbox;\r\n RULE +1.0\r\n";
    let received = "Received: from a.example by b.example; Sun, 22 Nov 2026 19:16:54 +0700\r\n";
    let embedded = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: \
        message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\ntwo\r\n\
        --c\r\nContent-Type: text/html\r\n\r\n<p>three\r\n--c--\r\n--b--\r\n";
    let nested = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".repeat(200);
    for rest in [
        "",
        "\r\n",
        "\r\nbody",
        "Subject: x\r\n\r\ny",
        "From: a@x.test\r\nSender: b@x.test\r\nDate: Sun, 22 Nov 2026 19:16:54 +0700\r\n",
        "no header at all\r\n",
        embedded,
        &nested,
    ] {
        let raw = format!("{received}{rest}");
        let mut shifted = summarize(raw.as_bytes());
        shifted.shift(FRONT.len() as u64);
        let anew = summarize(format!("{FRONT}{raw}").as_bytes());
        assert_eq!(shifted, anew, "{rest}");
    }
}
