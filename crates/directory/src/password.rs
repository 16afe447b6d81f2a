//! Passwords before they become records: which are allowed, how they are generated, hashed and checked.
//!
//! Invariant: the plain text lives in [`Secret`]s and goes nowhere else. Hashing costs tens of
//! milliseconds, so it runs off the executor, few at once, and always before a transaction.

use std::num::NonZeroU32;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use aws_lc_rs::{digest, hmac, pbkdf2};
use congvu_message::Address;
use congvu_store::{AccountId, Read};
use congvu_wire::Secret;
use congvu_wire::sasl::prepare;

use crate::Directory;
use crate::edit::credential;
use crate::error::{Error, Result};
use crate::name::fold;
use crate::record::{Keyring, MAIN};

/// Fewest characters of a chosen password. Long beats complicated (NIST SP 800-63B section 3.1.1.2), and the
/// SCRAM keys of a shorter one could be searched through.
pub const SHORTEST: usize = 12;
/// Most octets of a password, before and after normalization: what a SASL PLAIN line can carry with room to
/// spare, and no more work for the hash than for any other.
pub const LONGEST: usize = 512;
/// PBKDF2 iterations of the SCRAM keys: the most that clients on Cyrus SASL compute (mbsync, mutt, neomutt, KMail
/// refuse a login with more, and do not fall back to another mechanism).
pub const ITERATIONS: u32 = 65_536;
/// Letters and digits that are not mistaken for one another when read aloud or from paper.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Groups of five characters in a generated password: 20 × log2(31) = 99 random bits.
const GROUPS: usize = 4;

/// What a password becomes: the fields of a credential.
#[derive(Clone)]
pub struct Hashed {
    /// Shared by all passwords of the account.
    pub(crate) salt: [u8; 16],
    pub(crate) iterations: u32,
    pub(crate) phc: String,
    pub(crate) stored_key: [u8; 32],
    pub(crate) server_key: [u8; 32],
    pub(crate) tag: Option<[u8; 8]>,
}

impl std::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashed(…)")
    }
}

/// What a password is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Chosen by people or generated: the account's main password.
    Main,
    /// Generated: one device or program.
    App,
}

impl Directory {
    /// Hashes a password for an account that exists (its salt is taken over when app passwords depend on it)
    /// or, with `None`, for a new one.
    pub async fn hash(
        &self,
        account: Option<AccountId>,
        password: &Secret,
        purpose: Purpose,
    ) -> Result<Hashed> {
        let ring = match account {
            None => None,
            Some(account) => {
                self.store
                    .read::<_, Error, _>(move |r| {
                        let others = credential::list(r, account)?;
                        let depended =
                            purpose == Purpose::App || others.iter().any(|c| c.name != MAIN);
                        if depended {
                            Ok(r.get::<Keyring>(&account)?)
                        } else {
                            Ok(None)
                        }
                    })
                    .await?
            }
        };
        let password = normalize(password);
        self.logins
            .hashing(move || {
                let (salt, iterations) =
                    ring.map_or_else(|| (random(), ITERATIONS), |r| (r.salt, r.iterations));
                hash(&password, salt, iterations, purpose)
            })
            .await
    }
}

/// Random octets from the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets)
        .expect("the system's random source works once the process has started");
    octets
}

fn hash(password: &Secret, salt: [u8; 16], iterations: u32, purpose: Purpose) -> Result<Hashed> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::Invalid(format!("the password could not be hashed: {e}"))
    };
    let phc = Argon2::default()
        .hash_password(password.expose())
        .map_err(|e| failed(&e))?
        .to_string();
    let rounds = NonZeroU32::new(iterations).ok_or_else(|| failed(&"no iterations"))?;
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        &salt,
        password.expose(),
        &mut salted,
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    salted.fill(0);
    let client_key = hmac::sign(&key, b"Client Key");
    Ok(Hashed {
        salt,
        iterations,
        phc,
        stored_key: array(digest::digest(&digest::SHA256, client_key.as_ref()).as_ref()),
        server_key: array(hmac::sign(&key, b"Server Key").as_ref()),
        tag: (purpose == Purpose::App).then(|| tag(&salt, password)),
    })
}

pub(crate) fn array<const N: usize>(octets: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(octets) {
        *to = *from;
    }
    array
}

/// The quick mark of an app password (see `Credential::tag`).
pub(crate) fn tag(salt: &[u8; 16], password: &Secret) -> [u8; 8] {
    array(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), password.expose()).as_ref())
}

/// Whether a normalized password is the one that was hashed. Takes tens of milliseconds.
pub(crate) fn verify(password: &Secret, phc: &str) -> bool {
    PasswordHash::new(phc).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.expose(), &hash)
            .is_ok()
    })
}

/// A hash that no password has, made anew by each process: what an unknown account is checked against.
pub(crate) fn false_hash() -> String {
    Argon2::default()
        .hash_password(&random::<32>())
        .map_or_else(|_| String::new(), |hash| hash.to_string())
}

/// The form in which passwords are hashed, [`congvu_wire::sasl::prepare`]: a Vietnamese password typed as NFD on
/// one system and NFC on another is the same, and a SCRAM client's own preparation agrees. What is longer than
/// any password matches nothing.
pub(crate) fn normalize(password: &Secret) -> Secret {
    let octets = password.expose();
    if octets.len() <= LONGEST {
        Secret::new(prepare(octets))
    } else {
        Secret::new(&octets[..LONGEST])
    }
}

/// Whether a chosen password may be used for this address; the error says what is wrong with it.
pub fn check(password: &Secret, address: &Address) -> Result<()> {
    let bad = |why: String| {
        Err(Error::Invalid(format!(
            "the password is not allowed: {why}"
        )))
    };
    let Ok(text) = std::str::from_utf8(password.expose()) else {
        return bad("it is not UTF-8".to_owned());
    };
    if text.chars().any(char::is_control) {
        return bad("it contains a control character".to_owned());
    }
    let prepared = normalize(password);
    let (chars, octets) = (
        String::from_utf8_lossy(prepared.expose()).chars().count(),
        text.len(),
    );
    if chars < SHORTEST || octets > LONGEST || prepared.expose().len() > LONGEST {
        return bad(format!(
            "it must have at least {SHORTEST} characters and at most {LONGEST} octets"
        ));
    }
    let folded = fold(text);
    let local = fold(&address.local);
    if local.chars().count() >= 3 && folded.contains(&local) {
        return bad("it contains the account's name".to_owned());
    }
    if let Some(word) = [
        "password",
        "matkhau",
        "mật khẩu",
        "mậtkhẩu",
        "qwerty",
        "123456",
    ]
    .iter()
    .find(|w| folded.contains(**w))
    {
        return bad(format!(
            "it contains {word:?}, which is tried first by everybody"
        ));
    }
    // Runs such as aaaa, abcd or 4321 add nothing.
    let steps = folded.chars().zip(folded.chars().skip(1));
    let surprises = steps
        .filter(|(a, b)| u32::from(*a).abs_diff(u32::from(*b)) > 1)
        .count();
    if surprises < SHORTEST / 3 {
        return bad("it is a run of the same or neighbouring characters".to_owned());
    }
    Ok(())
}

/// A random password in groups of five, without characters that are easily confused.
pub fn generate() -> Secret {
    let mut text = Vec::with_capacity(GROUPS * 6);
    while text.len() < GROUPS * 6 - 1 {
        if text.len() % 6 == 5 {
            text.push(b'-');
        }
        // Five bits; 31 is drawn again, so that all letters are equally likely.
        let [octet] = random::<1>();
        if let Some(&letter) = ALPHABET.get(usize::from(octet & 31)) {
            text.push(letter);
        }
    }
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address {
            local: "nguyenvana".into(),
            domain: "xa.test".into(),
        }
    }

    #[test]
    fn the_rules_for_chosen_passwords() {
        for good in [
            "con cò bay lả bay la",
            "tr0ng-Đầm-gì",
            "correct horse battery",
            "Kj8#mQ2!xW9z",
        ] {
            assert!(check(&Secret::new(good), &address()).is_ok(), "{good}");
        }
        for bad in [
            "short",
            "elevenchars",
            "aaaaaaaaaaaa",
            "abcdefghijkl",
            "210987654321",
            "xx NguyenVanA xx",
            "Matkhau-2026-xyz",
            "tab\tinside it",
            "qwertyuiopas",
            &"ab".repeat(300),
        ] {
            assert!(check(&Secret::new(bad), &address()).is_err(), "{bad}");
        }
        assert!(check(&Secret::new(vec![0xff; 20]), &address()).is_err());
    }

    #[test]
    fn generated_passwords_are_allowed_and_differ() {
        let (a, b) = (generate(), generate());
        assert!(a != b);
        for password in [&a, &b] {
            assert_eq!(password.expose().len(), 23);
            check(password, &address()).unwrap();
        }
    }

    #[test]
    fn forms_that_look_the_same_hash_the_same() {
        for (a, b) in [
            ("cò bay", "co\u{300} bay"),
            ("a\u{a0}b", "a b"),
            ("a\u{ad}b", "ab"),
            ("a\u{200b}b", "a b"),
            ("ﬁ", "fi"),
        ] {
            assert_eq!(
                normalize(&Secret::new(a)),
                normalize(&Secret::new(b)),
                "{a}"
            );
        }
        assert_eq!(
            normalize(&Secret::new(vec![0xff, 0x00])),
            Secret::new(vec![0xff, 0x00])
        );
    }

    /// The example of RFC 7677 section 3.
    #[test]
    fn scram_keys_agree_with_the_example() {
        let salt = [
            0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36,
            0xfa, 0x81,
        ];
        let hashed = hash(&Secret::new("pencil"), salt, 4096, Purpose::Main).unwrap();
        let auth = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &hashed.server_key),
            auth.as_bytes(),
        );
        // v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
        assert_eq!(
            signature.as_ref()[..6],
            [0xea, 0xba, 0xe2, 0x4d, 0x10, 0x62]
        );
        assert!(verify(&Secret::new("pencil"), &hashed.phc));
        assert!(!verify(&Secret::new("pencils"), &hashed.phc));
        assert!(hashed.tag.is_none());
    }
}
