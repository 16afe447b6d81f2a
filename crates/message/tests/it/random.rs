//! Random octets through everything that reads strangers' mail: no panic, and what comes out fits its bounds.

use congvu_message::compose::{Received, With};
use congvu_message::header::{self, fields};
use congvu_message::notice::{Action, Notice, Original, Recipient};
use congvu_message::transfer::{Encoding, decode};
use congvu_message::{Summary, charset, date, fold, summarize, words};

const ROUNDS: usize = 3_000;

fn rounds(pieces: &[&[u8]], longest: usize, mut check: impl FnMut(&[u8])) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..ROUNDS {
        let mut raw = Vec::new();
        for _ in 0..random.usize(..longest) {
            if random.u8(..4) == 0 {
                raw.push(random.u8(..));
            } else {
                raw.extend_from_slice(pieces[random.usize(..pieces.len())]);
            }
        }
        check(&raw);
    }
}

#[test]
fn charsets() {
    let labels = [
        "utf-8",
        "utf-7",
        "unicode-1-1-utf-7",
        "utf-16",
        "utf-16le",
        "utf-16be",
        "iso-8859-1",
        "iso-8859-2",
        "iso-8859-15",
        "iso-8859-16",
        "windows-1250",
        "windows-1251",
        "windows-1252",
        "windows-1258",
        "koi8-r",
        "koi8-u",
        "macintosh",
        "850",
        "ibm866",
        "tis-620",
        "shift_jis",
        "big5",
        "euc-jp",
        "euc-kr",
        "gb2312",
        "gbk",
        "gb18030",
        "iso-2022-jp",
        "windows-874",
        "x-user-defined",
        "viscii",
        "tcvn",
        "tcvn3",
        "vni",
        "vps",
        "viqr",
        "windows-1258",
        "iso-8859-1",
        "hz-gb-2312",
        "iso-2022-kr",
        "",
        "x",
    ];
    for label in labels {
        rounds(
            &[
                b"+",
                b"-",
                b"\x1b$B",
                b"\x1b(B",
                b"~{",
                b"\xff\xfe",
                b"\xd8\x00",
                b"AB",
                b"\x81",
            ],
            12,
            |raw| {
                let text = charset::decode(label, raw);
                assert!(text.len() <= 16 + raw.len() * 4, "{label}");
            },
        );
    }
}

#[test]
fn header_values() {
    let pieces: &[&[u8]] = &[
        b"=?utf-8?q?",
        b"?=",
        b"=?utf-8?b?",
        b"=C3",
        b"=?iso-2022-jp?B?",
        b" ",
        b"\r\n ",
        b"<",
        b">",
        b"@",
        b",",
        b";",
        b":",
        b"\"",
        b"\\",
        b"(",
        b")",
        b"[",
        b"]",
        b"a.b",
        b"*0*=",
        b"utf-8''%",
        b"charset=",
        "đ".as_bytes(),
        b"Jan 2026",
        b"12:00",
    ];
    rounds(pieces, 24, |raw| {
        words::decode(raw);
        date::parse(&String::from_utf8_lossy(raw));
        for name in [
            "From",
            "Content-Type",
            "Content-Disposition",
            "References",
            "Date",
            "Subject",
            "Content-Language",
        ] {
            let mail = [name.as_bytes(), b": ", raw, b"\r\n\r\nbody"].concat();
            let summary = summarize(&mail);
            assert_eq!(Summary::decode(&summary.encode()).as_ref(), Ok(&summary));
            let envelope = summary.envelope;
            let lists = [&envelope.from, &envelope.sender, &envelope.reply_to];
            let texts = lists
                .into_iter()
                .flatten()
                .flat_map(|m| [&m.name, &m.mailbox, &m.host]);
            for text in texts.chain([&envelope.subject, &envelope.date]).flatten() {
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    });
}

#[test]
fn header_blocks() {
    rounds(
        &[b"\r\n", b"\n", b"A:", b"b: c", b" ", b"\t", b":", b"From "],
        20,
        |raw| {
            let end = header::body_start(raw);
            let mut covered = 0;
            for field in fields(raw) {
                assert!(field.at >= covered && field.at + field.raw.len() <= end);
                covered = field.at + field.raw.len();
            }
            let _ = header::check(raw);
            let all = header::select(raw, &[], true);
            assert!(all.ends_with(b"\r\n") && fields(&all).count() == fields(raw).count());
        },
    );
}

#[test]
fn encodings() {
    rounds(&[b"=", b"=C3", b"\r\n", b"YQ==", b" "], 20, |raw| {
        for encoding in [
            Encoding::Base64,
            Encoding::QuotedPrintable,
            Encoding::Identity,
        ] {
            assert!(decode(encoding, raw).len() <= raw.len());
        }
    });
}

#[test]
fn queries() {
    rounds(
        &[
            "đ".as_bytes(),
            "ờ".as_bytes(),
            b"a",
            b" ",
            "\u{301}".as_bytes(),
            "İ".as_bytes(),
            "한".as_bytes(),
        ],
        8,
        |raw| {
            let text = String::from_utf8_lossy(raw);
            let normal = fold::normalize(&text);
            assert_eq!(fold::normalize(&normal), normal, "{text:?}");
            // Everything contains itself, with and without its marks.
            assert!(fold::Query::new(&text).matches(&normal), "{text:?}");
            assert!(
                fold::Query::new(&fold::fold(&normal)).matches(&normal),
                "{text:?}"
            );
        },
    );
}

#[test]
fn what_we_write_is_one_message() {
    rounds(
        &[
            b"\r\n",
            b"\r\n\r\n",
            b"--",
            b"a",
            b"Subject: x",
            "đ".as_bytes(),
            b";",
            b"<>",
        ],
        10,
        |raw| {
            let text = String::from_utf8_lossy(raw);
            let field = Received {
                helo: &text,
                remote: "192.0.2.1".parse().unwrap(),
                by: &text,
                with: With {
                    tls: Some((&text, &text)),
                    ..With::default()
                },
                id: &text,
                recipient: Some(&text),
                seconds: 0,
                zone: 0,
            }
            .field();
            assert!(
                field.is_ascii()
                    && fields(field.as_bytes()).count() == 1
                    && field.ends_with("\r\n"),
                "{field:?}"
            );
            let recipient = Recipient {
                address: &text,
                orcpt: Some(&text),
                action: Action::Failed,
                status: (5, 0, 0),
                remote: Some(&text),
                diagnostic: Some(&text),
                last_attempt: Some(0),
                retry_until: Some(0),
            };
            let built = Notice {
                host: "x.test",
                to: &text,
                envid: Some(&text),
                arrived: 0,
                now: 0,
                zone: 0,
                recipients: vec![recipient],
                original: Original::Full(raw),
            }
            .build();
            assert_eq!(header::check(&built.octets), Ok(()));
            let summary = summarize(&built.octets);
            assert_eq!(summary.root.parts.len(), 3);
        },
    );
}
