//! Two facts of an X.509 certificate that rustls does not tell: when it ends, and which hash its
//! signature uses. Reads DER (X.690) element by element; anything odd gives `None`.

use std::time::{Duration, SystemTime};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT Version` of a TBSCertificate.
const VERSION: u8 = 0xa0;

/// The hash inside a signature algorithm, as RFC 5929 section 4.1 groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureHash {
    Sha256OrWeaker,
    Sha384,
    Sha512,
}

/// ```text
/// Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, … }, … }
/// ```
pub(super) fn signature_hash(certificate: &[u8]) -> Option<SignatureHash> {
    let (content, _) = expect(certificate, SEQUENCE)?;
    let (_, rest) = expect(content, SEQUENCE)?;
    let (algorithm, _) = expect(rest, SEQUENCE)?;
    let (oid, _) = expect(algorithm, OID)?;
    // 1.2.840.113549.1.1.* and 1.2.840.10045.4.*
    Some(match oid {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 4 | 5 | 11]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 2] => SignatureHash::Sha256OrWeaker,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 12]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 3] => SignatureHash::Sha384,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 13]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 4] => SignatureHash::Sha512,
        _ => return None,
    })
}

/// ```text
/// TBSCertificate ::= SEQUENCE { version [0] OPTIONAL, serialNumber INTEGER, signature SEQUENCE,
///   issuer SEQUENCE, validity SEQUENCE { notBefore Time, notAfter Time }, … }
/// ```
pub(super) fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    let (content, _) = expect(certificate, SEQUENCE)?;
    let (tbs, _) = expect(content, SEQUENCE)?;
    let rest = expect(tbs, VERSION).map_or(tbs, |(_, rest)| rest);
    let (_, rest) = expect(rest, INTEGER)?;
    let (_, rest) = expect(rest, SEQUENCE)?;
    let (_, rest) = expect(rest, SEQUENCE)?;
    let (validity, _) = expect(rest, SEQUENCE)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    instant(tag, time)
}

fn expect(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(input)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content, what follows.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // A certificate longer than 4 octets can count does not exist.
        let octets = usize::from(first & 0x7f);
        if !(1..=4).contains(&octets) {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(octets)?;
        let length = digits
            .iter()
            .fold(0_u32, |sum, &digit| (sum << 8) | u32::from(digit));
        (usize::try_from(length).ok()?, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 section 4.1.2.5).
fn instant(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |octets: &[u8]| {
        octets
            .iter()
            .fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    };
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year = number(digits.get(..2)?);
            (
                if year >= 50 { 1900 + year } else { 2000 + year },
                digits.get(2..)?,
            )
        }
        (GENERALIZED_TIME, 14) => (number(digits.get(..4)?), digits.get(4..)?),
        _ => return None,
    };
    let mut fields = rest.chunks(2).map(number);
    let (month, day) = (fields.next()?, fields.next()?);
    let (hour, minute, second) = (fields.next()?, fields.next()?, fields.next()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Days from 1970-01-01 in the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    before + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        let check = |tag: u8, text: &str, expected: Option<u64>| {
            let expected = expected.map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
            assert_eq!(instant(tag, text.as_bytes()), expected, "{text}");
        };
        check(UTC_TIME, "700101000000Z", Some(0));
        check(UTC_TIME, "240229120000Z", Some(1_709_208_000));
        check(UTC_TIME, "491231235959Z", Some(2_524_607_999));
        check(GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000));
        check(GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799));
        check(UTC_TIME, "20500101000000Z", None);
        check(UTC_TIME, "240229120000", None);
        check(UTC_TIME, "241329120000Z", None);
        check(UTC_TIME, "24a229120000Z", None);
        check(GENERALIZED_TIME, "", None);
    }

    #[test]
    fn facts_of_a_certificate() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["mx.example.test".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 7, 14);
        let certificate = params.self_signed(&key).unwrap();
        let der = certificate.der();
        let end = instant(GENERALIZED_TIME, b"20310714000000Z");
        assert!(end.is_some());
        assert_eq!(not_after(der), end);
        assert_eq!(signature_hash(der), Some(SignatureHash::Sha256OrWeaker));
        // Cut anywhere, it is a fact or nothing, never a panic.
        for length in 0..der.len() {
            let _ = (not_after(&der[..length]), signature_hash(&der[..length]));
        }
        assert_eq!(
            not_after(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff, 0]),
            None
        );
    }
}
