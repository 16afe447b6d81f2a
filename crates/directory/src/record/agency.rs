//! Agencies: ministry, province, commune … a tree of any depth.

use congvu_store::{LedgerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{id, record};

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
}

record!(Agency, "agency", Agency, AgencyId, |this| this.id, |key| {
    key.0.to_be_bytes().to_vec()
});
