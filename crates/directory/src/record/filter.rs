//! What an agency prescribes for the spam filter. What follows from it is decided in `guard` and `spam`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Endings of attached files an agency can list: all kinds of documents have some fifty.
pub const ENDINGS_MOST: usize = 100;
/// Octets of an ending: the longest in use (`webmanifest`, `xlsm`…) have a dozen.
pub const ENDING_OCTETS: usize = 16;
/// Names an agency can protect: itself, its parts and its leaders. Those of agencies above hold too.
pub const NAMES_MOST: usize = 50;
/// Domains that may bear one protected name.
pub const NAME_DOMAINS_MOST: usize = 10;
/// Octets of a protected name.
pub const NAME_OCTETS: usize = 200;
/// Longest time that held letters are kept, days.
pub const QUARANTINE_DAYS_MOST: u16 = 365;

/// A probability in ten-thousandths, at most 1; or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u16);

impl Threshold {
    /// Certainty, in ten-thousandths.
    const ONE: u16 = 10_000;
    /// No letter reaches it.
    pub const NEVER: Self = Self(u16::MAX);

    /// From a probability, 0 to 1, rounded to four digits. `None` for anything else.
    pub fn new(probability: f64) -> Option<Self> {
        let share = (probability * f64::from(Self::ONE)).round();
        (0..=Self::ONE)
            .find(|whole| f64::from(*whole) >= share)
            .filter(|_| (0.0..=1.0).contains(&probability))
            .map(Self)
    }

    /// The probability; `None`: never.
    pub fn probability(self) -> Option<f64> {
        (self.0 <= Self::ONE).then(|| f64::from(self.0) / f64::from(Self::ONE))
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.probability() {
            Some(probability) => write!(f, "{probability}"),
            None => f.write_str("never"),
        }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::NEVER);
        }
        let number = text.parse().ok().and_then(Self::new);
        number.ok_or_else(|| "give a probability from 0 to 1, or never".to_owned())
    }
}

/// People and programs see the text, the store two octets.
impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            u16::deserialize(deserializer).map(Self)
        }
    }
}

/// What an agency prescribes for itself and everything below it. `None`: what the parent prescribes, at the root the
/// default. Protected names of agencies above join its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FilterPolicy {
    /// Whether letters from outside are judged.
    pub enabled: Option<bool>,
    /// From which probability on a letter is marked.
    pub labelled: Option<Threshold>,
    /// From which on it goes into Junk.
    pub junk: Option<Threshold>,
    /// From which on it is held.
    pub quarantine: Option<Threshold>,
    /// From which on it is refused.
    pub reject: Option<Threshold>,
    /// For how many days held letters are kept, at most [`QUARANTINE_DAYS_MOST`].
    pub quarantine_days: Option<u16>,
    /// Endings of attached files that may come in, lower case, without dot; empty: all that no rule speaks against.
    pub attachments: Option<Vec<String>>,
    /// Names that outsiders must not bear.
    #[serde(default)]
    pub protected: Vec<ProtectedName>,
}

/// The name of an agency or of a leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedName {
    /// As people write it.
    pub name: String,
    /// Domains that may use it, with those below them; empty: all domains of this server.
    #[serde(default)]
    pub domains: Vec<String>,
}

impl FilterPolicy {
    /// This policy below another: what it leaves open is as above.
    #[must_use]
    pub fn below(self, above: &Self) -> Self {
        let mut protected = self.protected;
        protected.extend_from_slice(&above.protected);
        Self {
            enabled: self.enabled.or(above.enabled),
            labelled: self.labelled.or(above.labelled),
            junk: self.junk.or(above.junk),
            quarantine: self.quarantine.or(above.quarantine),
            reject: self.reject.or(above.reject),
            quarantine_days: self.quarantine_days.or(above.quarantine_days),
            attachments: self.attachments.or_else(|| above.attachments.clone()),
            protected,
        }
    }

    /// The thresholds that are set, each with its name, from the mildest on.
    pub fn thresholds(&self) -> [(&'static str, Option<Threshold>); 4] {
        [
            ("labelled", self.labelled),
            ("junk", self.junk),
            ("quarantine", self.quarantine),
            ("reject", self.reject),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_as_text_and_octets() {
        for (text, octets) in [
            ("0", &[0][..]),
            ("0.5", &[0x88, 0x27]),
            ("0.9955", &[0xE3, 0x4D]),
            ("1", &[0x90, 0x4E]),
            ("never", &[0xFF, 0xFF, 0x03]),
        ] {
            let threshold: Threshold = text.parse().unwrap();
            assert_eq!(threshold.to_string(), text);
            assert_eq!(postcard::to_allocvec(&threshold).unwrap(), octets, "{text}");
            assert_eq!(
                postcard::from_bytes::<Threshold>(octets).unwrap(),
                threshold
            );
        }
        for wrong in ["", "-0.1", "1.1", "NaN", "ever", "inf"] {
            assert!(wrong.parse::<Threshold>().is_err(), "{wrong}");
        }
        assert!(Threshold::NEVER > Threshold::new(1.0).unwrap());
    }

    #[test]
    fn what_is_open_is_as_above_and_names_join() {
        let name = |name: &str| ProtectedName {
            name: name.to_owned(),
            domains: Vec::new(),
        };
        let above = FilterPolicy {
            enabled: Some(false),
            junk: Threshold::new(0.9),
            attachments: Some(vec!["pdf".to_owned()]),
            protected: vec![name("Bộ")],
            ..FilterPolicy::default()
        };
        let own = FilterPolicy {
            enabled: Some(true),
            attachments: Some(Vec::new()),
            protected: vec![name("Sở")],
            ..FilterPolicy::default()
        };
        let found = own.below(&above);
        assert_eq!(
            (found.enabled, found.junk),
            (Some(true), Threshold::new(0.9))
        );
        assert_eq!(found.attachments, Some(Vec::new()));
        assert_eq!(found.protected, [name("Sở"), name("Bộ")]);
    }
}
