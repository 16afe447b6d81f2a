//! What the filter asks the DNS, and whom it asks to come again: settings and their reading.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use congvu_guard::{DnsList, Greylist, ListKind};
use toml::de::DeValue;

use super::reader::{Section, Wrong};
use super::value;

/// Largest weight of a list: what one rule may weigh.
const WEIGHT_MOST: u32 = 150;
/// Weight of a list of which nothing is said, in hundredths: well-kept lists are right nine times out of ten.
const WEIGHT: u32 = 120;

/// A list in the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicList {
    pub(crate) zone: String,
    pub(crate) kind: ListKind,
    /// Hundredths of log-odds.
    pub(crate) weight: u32,
    pub(crate) codes: Vec<RangeInclusive<Ipv4Addr>>,
    pub(crate) whole_name: bool,
}

/// Whom the filter asks to come again; probabilities in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) enabled: bool,
    pub(crate) from: u32,
    pub(crate) below: u32,
    pub(crate) wait: Duration,
}

impl PublicList {
    /// As the filter wants it.
    pub(crate) fn list(&self) -> DnsList {
        DnsList {
            zone: self.zone.clone(),
            kind: self.kind,
            weight: share(self.weight),
            codes: self.codes.clone(),
            whole_name: self.whole_name,
        }
    }
}

impl Doubt {
    /// As the filter wants it.
    pub(crate) fn greylist(self) -> Greylist {
        Greylist {
            enabled: self.enabled,
            from: share(self.from),
            below: share(self.below),
            wait: self.wait,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "at most some hundreds")]
fn share(hundredths: u32) -> f32 {
    hundredths as f32 / 100.0
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability or weight in hundredths"
)]
fn hundredths_of(share: f32) -> u32 {
    (share * 100.0).round() as u32
}

pub(super) fn list(section: &mut Section<'_>) -> PublicList {
    const KINDS: [(&str, ListKind); 4] = [
        ("address", ListKind::Address),
        ("allow", ListKind::Allow),
        ("host", ListKind::Host),
        ("domain", ListKind::Domain),
    ];
    let kind = section.require("kind", |v| value::word(v, &KINDS));
    PublicList {
        zone: section.require("zone", value::hostname).unwrap_or_default(),
        kind: kind.unwrap_or(ListKind::Address),
        weight: section.get("weight", |v| value::hundredths(v, WEIGHT_MOST), WEIGHT),
        codes: section.list("codes", codes, Vec::new()),
        whole_name: section.get("whole-name", value::boolean, false),
    }
}

pub(super) fn doubt(section: &mut Section<'_>) -> Doubt {
    // Its reasons stand there.
    let own = Greylist::default();
    let probability = |v: &DeValue<'_>| value::hundredths(v, 100);
    Doubt {
        enabled: section.get("enabled", value::boolean, own.enabled),
        from: section.get("from", probability, hundredths_of(own.from)),
        below: section.get("below", probability, hundredths_of(own.below)),
        wait: section.get("wait", value::duration, own.wait),
    }
}

/// `"127.0.0.2"` or `"127.0.0.2-127.0.0.11"`, within 127/8: lists answer with nothing else.
fn codes(value: &DeValue<'_>) -> Result<RangeInclusive<Ipv4Addr>, Wrong> {
    let text = value::text(value)?;
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let code = |text: &str| {
        let code = text.trim().parse::<Ipv4Addr>().ok();
        code.filter(Ipv4Addr::is_loopback)
    };
    match (code(first), code(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(Wrong::new(
            format!("\"{text}\" is no answer of a list"),
            "write addresses of 127.0.0.0/8: \"127.0.0.2\" or \"127.0.0.2-127.0.0.11\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_lists() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = codes(&DeValue::String(text.into())).ok();
            let expected = expected.map(|(a, b)| a.parse().unwrap()..=b.parse().unwrap());
            assert_eq!(found, expected, "{text}");
        };
        check("127.0.0.2", Some(("127.0.0.2", "127.0.0.2")));
        check("127.0.0.2 - 127.0.0.11", Some(("127.0.0.2", "127.0.0.11")));
        check("127.0.0.9-127.0.0.2", None);
        check("10.0.0.1", None);
        check("127.0.0", None);
    }
}
