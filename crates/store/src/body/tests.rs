//! Frames of both versions, octet by octet; damage anywhere.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Body, CHUNK, HEADER};
use crate::draft::Draft;
use crate::error::Error;
use crate::id::{BodyId, Lsn};
use crate::log::frame::{self, Header, Kind};
use crate::zip;

const SEED: u64 = 4711;
const AT: u64 = 64;

/// A file in which the frame stands at [`AT`], which is its LSN too.
fn file(frame: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[0; 64]).unwrap();
    file.write_all(frame).unwrap();
    Arc::new(file)
}

fn open(frame: &[u8]) -> Result<Body, Error> {
    let length = u32::try_from(frame.len()).unwrap();
    Body::open(BodyId(AT), file(frame), AT, length, SEED)
}

/// The frame of a message in version 2.
fn second(message: &[u8], summary: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut draft = Draft::new(folder.path(), SEED);
    draft.write(message).unwrap();
    let body = draft.finish(summary).unwrap();
    let mut frame = body.head(BodyId(AT), SEED).unwrap();
    frame.extend_from_slice(body.front());
    let super::Chunks::Memory(chunks) = body.chunks() else {
        panic!("a short message")
    };
    frame.extend_from_slice(chunks);
    frame
}

fn letter() -> String {
    let words = "Căn cứ chức năng, nhiệm vụ được giao, Sở Nội vụ báo cáo kết quả thực hiện.\r\n";
    let lines = "QWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU2Nzg5QWJjZGVmZ2hpamtsbW5vcHFyc3R1\r\n";
    format!("Subject: x\r\n\r\n{}{}", words.repeat(20), lines.repeat(9))
}

#[test]
fn version_1_is_read() {
    let (message, summary) = (letter(), "a summary of version 1, a summary of version 1");
    let (first, second) = message.as_bytes().split_at(1000);
    let (mut table, mut chunks) = (Vec::new(), Vec::new());
    for (octets, packed) in [(first, true), (second, false)] {
        let mut stored = Vec::new();
        if packed {
            assert!(!zip::pack(octets, &mut stored).unwrap());
        } else {
            stored.extend_from_slice(octets);
        }
        let mark = if packed { 0 } else { 1 << 31 };
        let length = u32::try_from(stored.len()).unwrap() | mark;
        table.extend_from_slice(&length.to_be_bytes());
        table.extend_from_slice(&u32::try_from(octets.len()).unwrap().to_be_bytes());
        table.extend_from_slice(&xxh3_64_with_seed(&stored, SEED).to_be_bytes());
        chunks.extend_from_slice(&stored);
    }
    let mut packed = Vec::new();
    assert!(!zip::pack(summary.as_bytes(), &mut packed).unwrap());
    let mut covered = (message.len() as u64).to_be_bytes().to_vec();
    for number in [2, packed.len(), summary.len(), 0] {
        covered.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
    }
    covered.extend_from_slice(&table);
    covered.extend_from_slice(&packed);
    let length = u32::try_from(covered.len() + chunks.len()).unwrap();
    let mut frame = frame::header(Kind::Body, length, &covered, Lsn(AT), SEED).to_vec();
    frame[4] = 1;
    // The version is under the checksum.
    let sum = frame::checksum(&frame[..24], &covered, SEED);
    frame[24..32].copy_from_slice(&sum.to_be_bytes());
    frame.extend_from_slice(&covered);
    frame.extend_from_slice(&chunks);
    let body = open(&frame).unwrap();
    assert_eq!(body.summary(), summary.as_bytes());
    assert_eq!(body.header(), b"");
    assert_eq!(body.octets(0, u64::MAX).unwrap(), message.as_bytes());
    assert_eq!(
        body.octets(990, 20).unwrap(),
        &message.as_bytes()[990..1010]
    );
}

#[test]
fn version_2_keeps_the_header_in_front() {
    let message = letter();
    let frame = second(message.as_bytes(), b"a summary");
    assert!(frame.len() * 4 < message.len(), "{} octets", frame.len());
    let body = open(&frame).unwrap();
    assert_eq!(body.summary(), b"a summary");
    assert_eq!(body.header(), b"Subject: x\r\n\r\n");
    for (from, to) in [
        (0, message.len()),
        (0, 14),
        (14, 15),
        (13, 300),
        (5, 5),
        (2000, 2100),
    ] {
        let octets = body.octets(from as u64, (to - from) as u64).unwrap();
        assert_eq!(octets, &message.as_bytes()[from..to], "{from}..{to}");
    }
}

#[test]
fn headers_of_every_length_come_back() {
    for length in [
        0,
        1,
        HEADER - 3,
        HEADER - 2,
        HEADER - 1,
        HEADER,
        HEADER + 1,
        CHUNK,
        CHUNK + 9,
    ] {
        for body in ["", "b", "body\r\n\r\nmore\n\n"] {
            for end in ["\r\n\r\n", "\n\n", ""] {
                let message = format!("{}{end}{body}", "h".repeat(length));
                let opened = open(&second(message.as_bytes(), b"s")).unwrap();
                assert!(opened.header().len() <= HEADER);
                let octets = opened.octets(0, u64::MAX).unwrap();
                assert!(octets == message.as_bytes(), "{length} {end:?} {body:?}");
            }
        }
    }
}

#[test]
fn every_octet_is_covered() {
    let message = letter();
    let frame = second(message.as_bytes(), b"a summary");
    for at in 0..frame.len() {
        let mut bad = frame.clone();
        bad[at] ^= 0x10;
        let served = open(&bad).and_then(|body| body.octets(0, u64::MAX));
        assert!(served.is_err(), "octet {at}");
    }
}

#[test]
fn what_a_newer_program_wrote_is_not_damage() {
    let frame = second(b"Subject: x\r\n\r\n", &[b's'; 100]);
    let header = Header::decode(&frame).unwrap();
    let covered = &frame[32..32 + header.covered as usize];
    let anew = |place: usize, octet: u8| {
        let mut covered = covered.to_vec();
        covered[place] = octet;
        let mut frame = frame::header(Kind::Body, header.length, &covered, Lsn(AT), SEED).to_vec();
        frame.extend_from_slice(&covered);
        open(&frame)
    };
    assert!(anew(20, 1).is_ok());
    let found = anew(20, 9);
    assert!(
        matches!(found, Err(Error::Newer { found: 9, .. })),
        "{found:?}"
    );
    let found = anew(3, 200);
    assert!(matches!(found, Err(Error::Damaged(_))), "{found:?}");
}
