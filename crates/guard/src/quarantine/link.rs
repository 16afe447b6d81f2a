//! Links of a digest: what lets the bearer release one letter, until a certain hour, and nothing else.
//!
//! A link carries the letter's number, its account and the hour in which it ends, and a MAC (HMAC-SHA256, RFC 2104)
//! over these and the purpose, cut to 128 bits (RFC 2104 section 5). Who does not have the key can make none, and
//! learns from an answer only that his is none. Whether the letter is still held is not here.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use congvu_store::quarantine::QuarantineId;
use congvu_store::{AccountId, Record, Table, Timestamp};
use serde::{Deserialize, Serialize};

/// What MACs are made for; each begins with its purpose, so that one is never taken for the other.
const RELEASE: &[u8] = b"congvu quarantine link 1\0";
const FORM: &[u8] = b"congvu quarantine form 1\0";
/// Octets of a MAC in a link: nobody tries 2^128.
const MAC: usize = 16;
/// Longest text looked at: three numbers of ten octets and a MAC, in base64.
const LONGEST: usize = 64;
/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;
/// For how long a page's form can be sent: a person who reads it answers sooner.
const FORM_LASTS: i64 = HOUR;

/// What a link says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Which letter.
    pub letter: QuarantineId,
    /// Whose.
    pub account: AccountId,
    /// The hour since 1970 with whose beginning it ends.
    hour: u32,
}

impl Link {
    /// A link that ends in the hour of an instant, or after it, by less than an hour.
    pub fn new(letter: QuarantineId, account: AccountId, until: Timestamp) -> Self {
        let hour = until.0.div_euclid(HOUR).saturating_add(1);
        Self {
            letter,
            account,
            hour: u32::try_from(hour.max(0)).unwrap_or(u32::MAX),
        }
    }

    /// Whether it has ended.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now.0.div_euclid(HOUR) >= i64::from(self.hour)
    }
}

/// The key of this house, made once and kept in the store, as verifiers of passwords are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Secret {
    octets: [u8; 32],
}

impl Secret {
    /// A new one.
    pub(crate) fn random() -> Self {
        let mut octets = [0; 32];
        aws_lc_rs::rand::fill(&mut octets)
            .expect("the system's random source works once the process has started");
        Self { octets }
    }
}

impl Record for Secret {
    const TABLE: Table = Table::GuardState;
    type Key = ();
    fn key(&self) {}
    fn key_octets((): &()) -> Vec<u8> {
        b"quarantine key".to_vec()
    }
    fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![1]).expect("plain structs serialize into memory")
    }
    fn decode(_key: &[u8], value: &[u8]) -> congvu_store::Result<Self> {
        let damaged = || congvu_store::Error::Damaged("key of the quarantine's links".to_owned());
        match value.split_first() {
            Some((1, rest)) => postcard::from_bytes(rest).map_err(|_| damaged()),
            _ => Err(damaged()),
        }
    }
}

/// Makes links and reads them.
pub struct Keys(hmac::Key);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret.octets))
    }

    /// A link as it stands in a URL: letters, digits, `-` and `_`.
    pub fn write(&self, link: &Link) -> String {
        let mut octets = postcard::to_allocvec(link).expect("plain structs serialize into memory");
        let mac = self.mac(RELEASE, &octets);
        octets.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// What a link says, if it is one of ours.
    pub fn read(&self, text: &str) -> Option<Link> {
        if text.len() > LONGEST {
            return None;
        }
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (said, mac) = octets.split_at_checked(octets.len().checked_sub(MAC)?)?;
        let expected = self.mac(RELEASE, said);
        constant_time::verify_slices_are_equal(mac, &expected).ok()?;
        postcard::from_bytes(said).ok()
    }

    /// What the page of a link puts into its form: that somebody has been shown it.
    pub fn form(&self, text: &str, now: Timestamp) -> String {
        let mut octets = now.0.to_be_bytes().to_vec();
        let mac = self.mac(FORM, &said(text, &octets));
        octets.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// Whether a form is from the page of this link, and not too old.
    pub fn is_form(&self, text: &str, form: &str, now: Timestamp) -> bool {
        if form.len() > LONGEST {
            return false;
        }
        let Ok(octets) = URL_SAFE_NO_PAD.decode(form) else {
            return false;
        };
        let Some((at, mac)) = octets.split_first_chunk::<8>() else {
            return false;
        };
        let expected = self.mac(FORM, &said(text, at));
        let age = now.0.saturating_sub(i64::from_be_bytes(*at));
        constant_time::verify_slices_are_equal(mac, &expected).is_ok()
            && (0..FORM_LASTS).contains(&age)
    }

    fn mac(&self, purpose: &[u8], octets: &[u8]) -> [u8; MAC] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose);
        context.update(octets);
        let mut mac = [0; MAC];
        mac.copy_from_slice(&context.sign().as_ref()[..MAC]);
        mac
    }
}

/// Instant and link under one MAC; the instant has eight octets, so the two cannot be mixed up.
fn said(text: &str, at: &[u8]) -> Vec<u8> {
    [at, text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_only_as_it_was_written_and_only_with_its_key() {
        let keys = Keys::new(&Secret::random());
        let link = Link::new(
            QuarantineId(300),
            AccountId(7),
            Timestamp(1_795_323_600_000),
        );
        let text = keys.write(&link);
        assert!(text.len() < 40, "{text}");
        assert_eq!(keys.read(&text), Some(link));
        assert_eq!(Keys::new(&Secret::random()).read(&text), None);
        for at in 0..text.len() {
            for digit in ["A", "b", "-", "9"] {
                let mut other = text.clone();
                other.replace_range(at..=at, digit);
                assert!(other == text || keys.read(&other).is_none(), "{other}");
            }
        }
        for wrong in [
            "",
            "AAAA",
            &text[1..],
            &format!("{text}A"),
            &"A".repeat(65),
            "é",
        ] {
            assert_eq!(keys.read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_link_ends_within_an_hour_behind_its_instant() {
        let until = Timestamp(1_795_323_600_000);
        let link = Link::new(QuarantineId(1), AccountId(1), until);
        assert!(!link.is_over(Timestamp(0)) && !link.is_over(until));
        assert!(link.is_over(Timestamp(until.0 + HOUR)));
    }

    #[test]
    fn a_form_belongs_to_its_link_for_an_hour_and_is_no_link() {
        let keys = Keys::new(&Secret::random());
        let link = Link::new(QuarantineId(1), AccountId(1), Timestamp(9 * HOUR));
        let text = keys.write(&link);
        let now = Timestamp(5 * HOUR);
        let form = keys.form(&text, now);
        assert!(keys.is_form(&text, &form, now));
        assert!(!keys.is_form(&text, &form, Timestamp(6 * HOUR)));
        assert!(!keys.is_form(&text, &form, Timestamp(4 * HOUR)));
        assert!(!keys.is_form("other", &form, now));
        assert!(!keys.is_form(&text, &text, now));
        assert!(!keys.is_form(&text, "", now));
        assert_eq!(keys.read(&form), None);
    }
}
