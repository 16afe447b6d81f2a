//! Messages made to break parsers: each is answered quickly, without recursion, as one opaque part.

use std::fmt::Write as _;

use congvu_message::guard::{
    ADDRESSES_MAX, Bound, DEPTH_MAX, FIELDS_MAX, HEADER_MAX, PART_HEADER_MAX, PARTS_MAX,
};
use congvu_message::summary::check_bounds;
use congvu_message::{Summary, summarize};

#[track_caller]
fn check_opaque(raw: &[u8], bound: Bound) {
    assert_eq!(check_bounds(raw), Err(bound));
    let summary = summarize(raw);
    assert_eq!(summary.opaque, Some(bound.to_string()));
    assert_eq!(
        (summary.root.kind.as_str(), summary.root.subtype.as_str()),
        ("application", "octet-stream")
    );
    assert_eq!(summary.root.end_at, u64::try_from(raw.len()).unwrap());
    assert_eq!(summary.envelope.subject.as_deref(), Some("bomb"));
    assert_eq!(Summary::decode(&summary.encode()).unwrap(), summary);
}

/// `depth` headers one after another, each the body of the one before, on a small stack: recursion of any
/// kind would end the process.
fn nested(header: &'static str, depth: usize, bound: Option<Bound>) {
    let thread = std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(move || {
            let raw = format!("Subject: bomb\r\n{}body\r\n", header.repeat(depth));
            match bound {
                Some(bound) => check_opaque(raw.as_bytes(), bound),
                None => assert_eq!(summarize(raw.as_bytes()).opaque, None),
            }
        });
    thread.unwrap().join().unwrap();
}

#[test]
fn nested_messages() {
    let header = "Content-Type: message/rfc822\r\n\r\n";
    for depth in [101, 1000, 32_000, 64_000, 128_000] {
        nested(header, depth, Some(Bound::Depth));
    }
    nested(header, DEPTH_MAX, None);
    nested(header, 1, None);
}

#[test]
fn nested_digests() {
    // The default type inside a digest is message/rfc822, so each level opens two.
    let header = "Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\n";
    for depth in [64_000, 128_000] {
        nested(header, depth, Some(Bound::Depth));
    }
    nested(header, DEPTH_MAX / 2, None);
}

#[test]
fn nested_multiparts() {
    let mut raw = "Subject: bomb\r\n".to_owned();
    for level in 0..64_000 {
        write!(
            raw,
            "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        )
        .unwrap();
    }
    check_opaque(raw.as_bytes(), Bound::Depth);
}

#[test]
fn many_parts() {
    let message = |parts: usize| {
        format!(
            "Subject: bomb\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            "--b\r\n\r\n".repeat(parts)
        )
    };
    check_opaque(message(100_000).as_bytes(), Bound::Parts);
    check_opaque(message(PARTS_MAX).as_bytes(), Bound::Parts);
    let summary = summarize(message(PARTS_MAX - 1).as_bytes());
    assert_eq!(
        (summary.opaque.as_deref(), summary.root.parts.len()),
        (None, PARTS_MAX - 1)
    );
}

#[test]
fn huge_headers() {
    let line = format!("X-Filler: {}\r\n", "x".repeat(900));
    let filler = line.repeat(HEADER_MAX / line.len() + 1);
    check_opaque(
        format!("Subject: bomb\r\n{filler}\r\nbody").as_bytes(),
        Bound::Header(HEADER_MAX),
    );
    check_opaque(
        format!("Subject: bomb\r\nX: {}\r\n\r\nbody", "x".repeat(3 << 20)).as_bytes(),
        Bound::Header(HEADER_MAX),
    );
    check_opaque(
        format!(
            "Subject: bomb\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{filler}\r\n"
        )
        .as_bytes(),
        Bound::Header(PART_HEADER_MAX),
    );
    check_opaque(
        format!("Subject: bomb\r\n{}\r\n", "a:\r\n".repeat(FIELDS_MAX)).as_bytes(),
        Bound::Fields,
    );
    // A message that is nothing but a header without end.
    let endless = vec![b'x'; 5 << 20];
    assert!(summarize(&endless).opaque.is_some());
}

#[test]
fn heavy_headers() {
    // Octets that decode to three each, in a field that the envelope names three times.
    let from = [
        b"From: ".as_slice(),
        &b"\xff".repeat(200_000),
        b" <a@x.test>\r\n\r\n",
    ]
    .concat();
    let mut raw = b"Subject: bomb\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n".to_vec();
    for _ in 0..50 {
        raw.extend_from_slice(b"--b\r\n\r\n");
        raw.extend_from_slice(&from);
    }
    check_opaque(&raw, Bound::Weight);
    // Even what an opaque message keeps of its header is far below what the store takes.
    let top = [b"Subject: bomb\r\n".as_slice(), &from.repeat(4)].concat();
    assert!(summarize(&top).encode().len() < 4 << 20);
}

#[test]
fn many_addresses() {
    let list = "a@x.test,".repeat(ADDRESSES_MAX + 1);
    check_opaque(
        format!("Subject: bomb\r\nTo: {list}\r\n\r\n").as_bytes(),
        Bound::Addresses,
    );
    let list = "a@x.test,".repeat(ADDRESSES_MAX);
    assert_eq!(
        summarize(format!("To: {list}\r\n\r\n").as_bytes()).opaque,
        None
    );
}

#[test]
fn boundaries_everywhere() {
    // Every line looks like a boundary of every level.
    let mut raw = String::new();
    let long = "x".repeat(60);
    for level in 0..90 {
        write!(
            raw,
            "Content-Type: multipart/mixed; boundary={long}{level}\r\n\r\n--{long}{level}\r\n"
        )
        .unwrap();
    }
    raw.push_str("\r\n");
    raw.push_str(&format!("--{long}\r\n").repeat(50_000));
    assert_eq!(summarize(raw.as_bytes()).opaque, None);
}
