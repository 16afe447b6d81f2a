//! What learning keeps in the store.
//!
//! `Entry` is the journal of labels, in the order in which they were given; `Opinion` finds the one that holds for a
//! letter of an account; `Done` is what the teacher did at an entry, with all that is needed to do it again or to take it
//! back; `Within` lists what was learned of an account or agency; `Page` and `Pupil` are what came of it; `State` says
//! how far it goes. Everything that one entry changes is written in one transaction with `State`.

use congvu_directory::AgencyId;
use congvu_spam::statistics::{Class, Features, Steps, stored};
use congvu_store::{AccountId, BodyId, Error, Record, Result, Table, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Scope;

/// How somebody said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Moved or copied into Junk, or out of it.
    Move,
    /// A keyword was set: `$Junk`, `$NotJunk` and their relatives.
    Flag,
    /// An administrator's command.
    Command,
    /// Forwarded to a report address.
    Report,
    /// Released from quarantine.
    Release,
    /// The letter was answered: a hint rather than a statement.
    Answered,
}

impl Source {
    /// How much of a step it is worth.
    pub(crate) fn weight(self) -> f32 {
        match self {
            Self::Answered => 0.2,
            _ => 1.0,
        }
    }

    /// The word for listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Flag => "flag",
            Self::Command => "command",
            Self::Report => "report",
            Self::Release => "release",
            Self::Answered => "answered",
        }
    }

    /// All, in the order of listings.
    pub const ALL: [Self; 6] = [
        Self::Move,
        Self::Flag,
        Self::Command,
        Self::Report,
        Self::Release,
        Self::Answered,
    ];
}

/// Which letter is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Letter {
    /// One that is stored here.
    Stored {
        /// Its octets.
        body: BodyId,
        /// Length of its frame, 0 if not known.
        frame: u32,
    },
    /// One that is not: its features ([`stored`]).
    Features([Vec<u8>; 3]),
}

impl Letter {
    /// The features of a letter that is not stored.
    pub fn told(features: &Features) -> Self {
        Self::Features([0, 1, 2].map(|view| stored::encode(&features.views[view])))
    }

    /// A number that is the same for the same letter.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Stored { body, .. } => body.0,
            Self::Features(views) => {
                // FNV-1a; the first bit keeps such letters apart from places in the log.
                let octets = views.iter().flatten();
                let hash = octets.fold(0xCBF2_9CE4_8422_2325_u64, |hash, &octet| {
                    (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01B3)
                });
                hash | 1 << 63
            }
        }
    }
}

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) body: EntryBody,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryBody {
    pub(crate) at: Timestamp,
    /// Who; `None` for an administrator who speaks for the house.
    pub(crate) account: Option<AccountId>,
    /// Whose agency, at that time.
    pub(crate) agency: Option<AgencyId>,
    pub(crate) act: Act,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    Learn {
        spam: bool,
        source: Source,
        letter: Letter,
        /// What the filter had said, as far as its place tells: unwanted or not.
        judged: Option<bool>,
    },
    Revoke {
        label: u64,
    },
    /// Nothing before this counts any more.
    Reset,
}

/// Which entry holds for a letter of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opinion {
    /// 0 for the house.
    pub(crate) account: AccountId,
    pub(crate) letter: u64,
    pub(crate) held: Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) label: u64,
    pub(crate) spam: bool,
    pub(crate) source: Source,
}

/// What the teacher did at an entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Done {
    pub(crate) id: u64,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum What {
    Learned(Box<Lesson>),
    Revoked {
        label: u64,
    },
    /// The letter was gone, or the entry is of another kind.
    Nothing,
}

/// What a letter taught. With it the models can be made again, and the letter taken back, also when the letter is gone
/// or features are read otherwise by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lesson {
    pub(crate) at: Timestamp,
    pub(crate) account: Option<AccountId>,
    pub(crate) agency: Option<AgencyId>,
    pub(crate) spam: bool,
    pub(crate) source: Source,
    pub(crate) judged: Option<bool>,
    /// What others had said of such letters: the same, the opposite, or nothing clear.
    pub(crate) others: Option<bool>,
    /// It counts as a letter that the house learned.
    pub(crate) counted: bool,
    pub(crate) house: [f32; 3],
    pub(crate) within: [f32; 3],
    pub(crate) own: [f32; 3],
    /// Features of the views in which something changed.
    pub(crate) views: [Vec<u8>; 3],
    /// Places in the lists of the account and of the agency, if there.
    pub(crate) places: [Option<u64>; 2],
    /// Taken back by this entry.
    pub(crate) revoked: Option<u64>,
}

impl Lesson {
    pub(crate) fn class(&self) -> Class {
        class(self.spam)
    }

    /// Features of the views that changed; `None` if they are damaged.
    pub(crate) fn features(&self) -> Option<Features> {
        let mut features = Features::default();
        for (view, octets) in self.views.iter().enumerate() {
            if !octets.is_empty() {
                features.views[view] = stored::decode(octets)?;
            }
        }
        Some(features)
    }

    pub(crate) fn house(&self) -> Steps {
        Steps(self.house)
    }
}

/// The class of a label.
pub(crate) fn class(spam: bool) -> Class {
    if spam { Class::Spam } else { Class::Ham }
}

/// What was learned of an account or an agency, one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within {
    pub(crate) scope: Scope,
    pub(crate) place: u64,
    pub(crate) label: u64,
}

/// An account or agency as a teacher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pupil {
    pub(crate) scope: Scope,
    pub(crate) counts: Counts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Places given in its list.
    pub(crate) lessons: u64,
    pub(crate) ham: u32,
    pub(crate) spam: u32,
    /// Labels with which others agreed, and not.
    pub(crate) agreed: u32,
    pub(crate) against: u32,
    /// Labels that reached others on `day` (since 1970).
    pub(crate) day: i64,
    pub(crate) today: u32,
    /// The last entry.
    pub(crate) last: u64,
}

/// Weights of the house's model: a page, and the last entry that is in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    pub(crate) number: u16,
    pub(crate) upto: u64,
    pub(crate) weights: Vec<f32>,
}

/// How far learning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// The last entry that was done.
    pub(crate) taught: u64,
    /// Everything up to this entry was forgotten at once.
    pub(crate) since: u64,
    /// Letters that the house's model learned.
    pub(crate) ham: u32,
    pub(crate) spam: u32,
    /// The next page to be written, and what part of a page is due (in [`super::ROUND`]ths).
    pub(crate) cursor: u16,
    pub(crate) due: u32,
    /// The oldest entry kept.
    pub(crate) oldest: u64,
}

/// The entry at which everything was forgotten last; written with it, while [`State`] follows later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reset {
    pub(crate) entry: u64,
}

/// Counts of an agency's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Days since 1970.
    pub(crate) day: u32,
    /// 0 for what belongs to none.
    pub(crate) agency: AgencyId,
    pub(crate) counts: TallyCounts,
}

/// What is counted for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TallyCounts {
    /// Labels by source ([`Source::ALL`]): wanted, unwanted.
    pub labels: [[u32; 2]; 6],
    /// Labels that say what the filter had said.
    pub agreed: u32,
    /// Wanted letters that the filter had put away.
    pub false_positives: u32,
    /// Unwanted letters that it had let through.
    pub missed: u32,
    /// Labels taken back.
    pub revoked: u32,
    /// Labels whose letter was gone before it was learned.
    pub unread: u32,
}

const VERSION: u8 = 1;

pub(crate) fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("plain data into memory cannot fail")
}

pub(crate) fn unpack<T: DeserializeOwned>(what: &str, octets: &[u8]) -> Result<T> {
    match octets.split_first() {
        Some((&VERSION, rest)) => {
            postcard::from_bytes(rest).map_err(|error| Error::Damaged(format!("{what}: {error}")))
        }
        Some((&found, _)) if found > VERSION => Err(Error::Newer {
            what: what.to_owned(),
            found: u32::from(found),
            known: u32::from(VERSION),
        }),
        _ => Err(Error::Damaged(format!("{what}: no version"))),
    }
}

/// A number at a place of a key.
fn at(key: &[u8], place: usize) -> Result<u64> {
    let octets = key.get(place..).and_then(|rest| rest.first_chunk());
    let octets = octets.ok_or_else(|| Error::Damaged("key of a label".to_owned()))?;
    Ok(u64::from_be_bytes(*octets))
}

fn scope(key: &[u8]) -> Result<Scope> {
    let octets = key.get(1..10).and_then(Scope::from_octets);
    octets.ok_or_else(|| Error::Damaged("scope of a label".to_owned()))
}

fn joined(kind: u8, first: &[u8], second: &[u8]) -> Vec<u8> {
    [&[kind], first, second].concat()
}

impl Record for Entry {
    const TABLE: Table = Table::Label;
    type Key = u64;
    fn key(&self) -> u64 {
        self.id
    }
    fn key_octets(key: &u64) -> Vec<u8> {
        joined(0, &key.to_be_bytes(), &[])
    }
    fn encode(&self) -> Vec<u8> {
        pack(&self.body)
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        Ok(Self {
            id: at(key, 1)?,
            body: unpack("label", value)?,
        })
    }
}

impl Record for Opinion {
    const TABLE: Table = Table::Label;
    type Key = (AccountId, u64);
    fn key(&self) -> Self::Key {
        (self.account, self.letter)
    }
    fn key_octets(key: &Self::Key) -> Vec<u8> {
        joined(1, &key.0.0.to_be_bytes(), &key.1.to_be_bytes())
    }
    fn encode(&self) -> Vec<u8> {
        pack(&self.held)
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        Ok(Self {
            account: AccountId(at(key, 1)?),
            letter: at(key, 9)?,
            held: unpack("opinion", value)?,
        })
    }
}

impl Record for Done {
    const TABLE: Table = Table::Label;
    type Key = u64;
    fn key(&self) -> u64 {
        self.id
    }
    fn key_octets(key: &u64) -> Vec<u8> {
        joined(2, &key.to_be_bytes(), &[])
    }
    fn encode(&self) -> Vec<u8> {
        pack(&self.what)
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        Ok(Self {
            id: at(key, 1)?,
            what: unpack("lesson", value)?,
        })
    }
}

impl Record for Within {
    const TABLE: Table = Table::Label;
    type Key = (Scope, u64);
    fn key(&self) -> Self::Key {
        (self.scope, self.place)
    }
    fn key_octets(key: &Self::Key) -> Vec<u8> {
        joined(3, &key.0.octets(), &key.1.to_be_bytes())
    }
    fn encode(&self) -> Vec<u8> {
        pack(&self.label)
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        Ok(Self {
            scope: scope(key)?,
            place: at(key, 10)?,
            label: unpack("place of a lesson", value)?,
        })
    }
}

impl Record for Page {
    const TABLE: Table = Table::Weights;
    type Key = u16;
    fn key(&self) -> u16 {
        self.number
    }
    fn key_octets(key: &u16) -> Vec<u8> {
        joined(0, &key.to_be_bytes(), &[])
    }
    /// A page has few weights in the beginning: those that are not 0 by their place, or all of them.
    fn encode(&self) -> Vec<u8> {
        let weights = || self.weights.iter().zip(0_u16..);
        let some = weights().filter(|(weight, _)| weight.to_bits() != 0);
        let sparse = some.clone().count() * 6 < self.weights.len() * 4;
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.upto.to_be_bytes());
        out.push(u8::from(sparse));
        if sparse {
            for (weight, place) in some {
                out.extend_from_slice(&place.to_be_bytes());
                out.extend_from_slice(&weight.to_be_bytes());
            }
        } else {
            for (weight, _) in weights() {
                out.extend_from_slice(&weight.to_be_bytes());
            }
        }
        out
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        page(key, value).ok_or_else(|| Error::Damaged("page of weights".to_owned()))
    }
}

fn page(key: &[u8], value: &[u8]) -> Option<Page> {
    use congvu_spam::statistics::model::PAGE;
    let number = u16::from_be_bytes(*key.get(1..)?.first_chunk()?);
    let rest = value.strip_prefix(&[VERSION])?;
    let (upto, rest) = rest.split_first_chunk()?;
    let (sparse, rest) = rest.split_first()?;
    let mut weights = Vec::new();
    if *sparse == 0 {
        let (words, rest) = rest.as_chunks();
        if !rest.is_empty() || words.len() > PAGE {
            return None;
        }
        weights.extend(words.iter().map(|word| f32::from_be_bytes(*word)));
    } else {
        let (places, rest) = rest.as_chunks::<6>();
        if !rest.is_empty() {
            return None;
        }
        weights.resize(PAGE, 0.0);
        for [a, b, word @ ..] in places {
            let place = usize::from(u16::from_be_bytes([*a, *b]));
            *weights.get_mut(place)? = f32::from_be_bytes(*word);
        }
    }
    if weights.iter().any(|weight| !weight.is_finite()) {
        return None;
    }
    Some(Page {
        number,
        upto: u64::from_be_bytes(*upto),
        weights,
    })
}

impl Record for Pupil {
    const TABLE: Table = Table::Weights;
    type Key = Scope;
    fn key(&self) -> Scope {
        self.scope
    }
    fn key_octets(key: &Scope) -> Vec<u8> {
        joined(1, &key.octets(), &[])
    }
    fn encode(&self) -> Vec<u8> {
        pack(&self.counts)
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        Ok(Self {
            scope: scope(key)?,
            counts: unpack("counts of a teacher", value)?,
        })
    }
}

impl Record for State {
    const TABLE: Table = Table::GuardState;
    type Key = ();
    fn key(&self) {}
    fn key_octets((): &()) -> Vec<u8> {
        b"L".to_vec()
    }
    fn encode(&self) -> Vec<u8> {
        pack(self)
    }
    fn decode(_: &[u8], value: &[u8]) -> Result<Self> {
        unpack("state of learning", value)
    }
}

impl Record for Reset {
    const TABLE: Table = Table::GuardState;
    type Key = ();
    fn key(&self) {}
    fn key_octets((): &()) -> Vec<u8> {
        b"R".to_vec()
    }
    fn encode(&self) -> Vec<u8> {
        pack(&self.entry)
    }
    fn decode(_: &[u8], value: &[u8]) -> Result<Self> {
        let entry = unpack("end of what was forgotten", value)?;
        Ok(Self { entry })
    }
}

impl Record for Tally {
    const TABLE: Table = Table::GuardState;
    type Key = (u32, AgencyId);
    fn key(&self) -> Self::Key {
        (self.day, self.agency)
    }
    fn key_octets(key: &Self::Key) -> Vec<u8> {
        joined(b'T', &key.0.to_be_bytes(), &key.1.0.to_be_bytes())
    }
    fn encode(&self) -> Vec<u8> {
        pack(&self.counts)
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let day = key.get(1..).and_then(|rest| rest.first_chunk());
        let day = day.ok_or_else(|| Error::Damaged("day of labels".to_owned()))?;
        Ok(Self {
            day: u32::from_be_bytes(*day),
            agency: AgencyId(at(key, 5)?),
            counts: unpack("counts of labels", value)?,
        })
    }
}
