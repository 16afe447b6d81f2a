//! Groups and their members. A member is a record of its own, so that a group may be large.

use congvu_message::Address;
use congvu_store::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AgencyId, Target, id, numbers, record};

id!(/// A group, for ever: never reused, not changed by renames.
    GroupId);

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Stable id.
    pub id: GroupId,
    /// Local part of its address as written.
    pub local: String,
    /// Domain of its address.
    pub domain: String,
    /// Display name.
    pub name: String,
    /// To whom it belongs.
    pub agency: AgencyId,
    /// How many direct members it has.
    pub members: u32,
    /// When false, mail to it is refused.
    pub enabled: bool,
    /// When it was created.
    pub created: Timestamp,
}

impl Group {
    /// Its address.
    pub fn address(&self) -> Address {
        Address {
            local: self.local.clone(),
            domain: self.domain.clone(),
        }
    }
}

record!(
    Group,
    "group",
    GroupMember,
    GroupId,
    |this| this.id,
    |key| numbers(b'g', &[key.0])
);

/// One member of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Of which group.
    pub group: GroupId,
    /// Who.
    pub target: Target,
}

impl Member {
    /// What all members of a group begin with.
    pub(crate) fn prefix(group: GroupId) -> Vec<u8> {
        numbers(b'm', &[group.0])
    }
}

record!(
    Member,
    "group member",
    GroupMember,
    (GroupId, Target),
    |this| (this.group, this.target.clone()),
    |key| {
        let mut octets = Member::prefix(key.0);
        octets.extend(key.1.octets());
        octets
    }
);
