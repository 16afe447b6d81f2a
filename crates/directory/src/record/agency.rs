//! Agencies: ministry, province, commune … a tree of any depth.

use congvu_store::{LedgerId, Record, Table, Timestamp};
use serde::{Deserialize, Serialize};

use super::filter::FilterPolicy;
use super::{id, pack, unpack};

id!(/// An agency, for ever: never reused, not changed by renames.
    AgencyId);

/// What an agency prescribes for itself and everything below it. `None`: what the parent prescribes,
/// at the root the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Most IMAP sessions an account may have open at once.
    pub sessions: Option<u32>,
    /// Whether aliases and groups may be given targets outside this server; what exists stays.
    pub foreign_targets: Option<bool>,
    /// For how many days deleted messages, mailboxes and accounts can be brought back; 0 = not at all. At most
    /// [`crate::retention::MOST_DAYS`].
    #[serde(default)]
    pub undelete_days: Option<u16>,
}

/// One agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agency {
    /// Stable id.
    pub id: AgencyId,
    /// The agency above; `None` for a root.
    pub parent: Option<AgencyId>,
    /// Short name that administrators type, unique on the server (compared folded): `H29.12`, `BNV`.
    pub code: String,
    /// Full name: `Ủy ban nhân dân xã Bình Minh`.
    pub name: String,
    /// Usage and limits of everything below.
    pub ledger: LedgerId,
    /// When false, nobody in it or below it can log in or receive.
    pub enabled: bool,
    /// Prescriptions, inherited downward.
    pub policy: Policy,
    /// When it was created.
    pub created: Timestamp,
    /// Prescriptions for the spam filter, inherited downward.
    pub filter: FilterPolicy,
}

/// An agency as version 2 had it.
#[derive(Serialize, Deserialize)]
pub(super) struct AgencyV2 {
    pub(super) id: AgencyId,
    pub(super) parent: Option<AgencyId>,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) ledger: LedgerId,
    pub(super) enabled: bool,
    pub(super) policy: Policy,
    pub(super) created: Timestamp,
}

impl From<AgencyV2> for Agency {
    fn from(old: AgencyV2) -> Self {
        Self {
            id: old.id,
            parent: old.parent,
            code: old.code,
            name: old.name,
            ledger: old.ledger,
            enabled: old.enabled,
            policy: old.policy,
            created: old.created,
            filter: FilterPolicy::default(),
        }
    }
}

/// Prescriptions as version 1 had them.
#[derive(Serialize, Deserialize)]
pub(super) struct PolicyV1 {
    pub(super) sessions: Option<u32>,
    pub(super) foreign_targets: Option<bool>,
}

/// An agency as version 1 had it.
#[derive(Serialize, Deserialize)]
pub(super) struct AgencyV1 {
    pub(super) id: AgencyId,
    pub(super) parent: Option<AgencyId>,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) ledger: LedgerId,
    pub(super) enabled: bool,
    pub(super) policy: PolicyV1,
    pub(super) created: Timestamp,
}

impl From<AgencyV1> for Agency {
    fn from(old: AgencyV1) -> Self {
        Self {
            id: old.id,
            parent: old.parent,
            code: old.code,
            name: old.name,
            ledger: old.ledger,
            enabled: old.enabled,
            policy: Policy {
                sessions: old.policy.sessions,
                foreign_targets: old.policy.foreign_targets,
                undelete_days: None,
            },
            created: old.created,
            filter: FilterPolicy::default(),
        }
    }
}

impl Record for Agency {
    const TABLE: Table = Table::Agency;
    type Key = AgencyId;
    fn key(&self) -> AgencyId {
        self.id
    }
    fn key_octets(key: &AgencyId) -> Vec<u8> {
        key.0.to_be_bytes().to_vec()
    }
    fn encode(&self) -> Vec<u8> {
        pack(3, self)
    }
    fn decode(_key: &[u8], value: &[u8]) -> congvu_store::Result<Self> {
        match value.first() {
            Some(1) => unpack::<AgencyV1>("agency", 1, value).map(Self::from),
            Some(2) => unpack::<AgencyV2>("agency", 2, value).map(Self::from),
            _ => unpack("agency", 3, value),
        }
    }
}
