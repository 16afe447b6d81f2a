//! RFC 9051 section 6.4.5.1: which octets the part numbers name. The shape of the message is that of the
//! example there.

use congvu_message::section::{Want, locate};
use congvu_message::summarize;

const MAIL: &str = "Subject: whole
Content-Type: multipart/mixed; boundary=b

--b
X: 1

one
--b
Content-Type: application/octet-stream

two
--b
Content-Type: message/rfc822
X: 3

Subject: three
Content-Type: multipart/mixed; boundary=c

--c

three-one
--c
X: 3.2

three-two
--c--
--b
Content-Type: multipart/mixed; boundary=d

--d
Content-Type: image/gif

four-one
--d
X: 4.2
Content-Type: message/rfc822

Subject: four-two
Content-Type: multipart/mixed; boundary=e

--e

four-two-one
--e
Content-Type: multipart/alternative; boundary=f

--f

four-two-two-one
--f
Content-Type: text/html

four-two-two-two
--f--
--e--
--d--
--b--
";

#[track_caller]
fn check(mail: &str, numbers: &[u32], want: Want, expected: Option<&str>) {
    let raw = mail.replace('\n', "\r\n");
    let summary = summarize(raw.as_bytes());
    let found = locate(&summary.root, numbers, want).map(|section| {
        let place = |at: u64| usize::try_from(at).unwrap();
        raw[place(section.octets.start)..place(section.octets.end)].replace("\r\n", "\n")
    });
    assert_eq!(found.as_deref(), expected, "{numbers:?} {want:?}");
}

#[test]
fn bodies() {
    for (numbers, expected) in [
        (vec![], Some(MAIL)),
        (vec![1], Some("one")),
        (vec![2], Some("two")),
        (vec![3, 1], Some("three-one")),
        (vec![3, 2], Some("three-two")),
        (vec![4, 1], Some("four-one")),
        (vec![4, 2, 1], Some("four-two-one")),
        (vec![4, 2, 2, 1], Some("four-two-two-one")),
        (vec![4, 2, 2, 2], Some("four-two-two-two")),
        (vec![0], None),
        (vec![5], None),
        (vec![1, 1], None),
        (vec![3, 3], None),
        (vec![3, 1, 1], None),
        (vec![4, 2, 2, 2, 1], None),
        (vec![u32::MAX], None),
    ] {
        check(MAIL, &numbers, Want::Whole, expected);
    }
}

#[test]
fn headers_and_texts() {
    check(
        MAIL,
        &[],
        Want::Header,
        Some("Subject: whole\nContent-Type: multipart/mixed; boundary=b\n\n"),
    );
    check(
        MAIL,
        &[],
        Want::Text,
        Some(MAIL.split_once("\n\n").unwrap().1),
    );
    check(MAIL, &[], Want::Mime, None);
    check(MAIL, &[1], Want::Mime, Some("X: 1\n\n"));
    check(MAIL, &[1], Want::Header, None);
    check(MAIL, &[1], Want::Text, None);
    check(
        MAIL,
        &[3],
        Want::Mime,
        Some("Content-Type: message/rfc822\nX: 3\n\n"),
    );
    check(
        MAIL,
        &[3],
        Want::Header,
        Some("Subject: three\nContent-Type: multipart/mixed; boundary=c\n\n"),
    );
    check(
        MAIL,
        &[3],
        Want::Text,
        Some("--c\n\nthree-one\n--c\nX: 3.2\n\nthree-two\n--c--"),
    );
    check(MAIL, &[3, 2], Want::Mime, Some("X: 3.2\n\n"));
    check(MAIL, &[4], Want::Header, None);
    check(
        MAIL,
        &[4, 2],
        Want::Header,
        Some("Subject: four-two\nContent-Type: multipart/mixed; boundary=e\n\n"),
    );
    check(
        MAIL,
        &[4, 2, 2],
        Want::Mime,
        Some("Content-Type: multipart/alternative; boundary=f\n\n"),
    );
}

#[test]
fn messages_without_parts() {
    let mail = "Subject: x\n\nbody\n";
    check(mail, &[1], Want::Whole, Some("body\n"));
    check(mail, &[1], Want::Mime, Some("Subject: x\n\n"));
    check(mail, &[1], Want::Text, None);
    check(mail, &[2], Want::Whole, None);
    check(mail, &[1, 1], Want::Whole, None);
    let mail = "Subject: outer\nContent-Type: message/rfc822\n\nSubject: inner\n\nbody\n";
    check(mail, &[1], Want::Whole, Some("Subject: inner\n\nbody\n"));
    check(mail, &[1], Want::Header, Some("Subject: inner\n\n"));
    check(mail, &[1, 1], Want::Whole, Some("body\n"));
    check(mail, &[1, 1, 1], Want::Whole, None);
}
