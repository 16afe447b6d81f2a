//! For whom something holds: the whole house, an agency and everything below it, or one account.

use congvu_directory::AgencyId;
use congvu_store::AccountId;
use serde::{Deserialize, Serialize};

/// For whom a list entry or a correction of the statistics holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Everybody.
    House,
    /// An agency and everything below it.
    Agency(AgencyId),
    /// One account.
    Account(AccountId),
}

impl Scope {
    /// Octets for keys: the house first, then agencies, then accounts, each by number.
    pub fn octets(self) -> [u8; 9] {
        let (kind, number) = match self {
            Self::House => (0, 0),
            Self::Agency(agency) => (1, agency.0),
            Self::Account(account) => (2, account.0),
        };
        let mut octets = [kind; 9];
        octets[1..].copy_from_slice(&u64::to_be_bytes(number));
        octets
    }

    /// Back from [`Scope::octets`]; `None` if they are none.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (kind, number) = octets.split_first()?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        match kind {
            0 if number == 0 => Some(Self::House),
            1 => Some(Self::Agency(AgencyId(number))),
            2 => Some(Self::Account(AccountId(number))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_back() {
        for scope in [
            Scope::House,
            Scope::Agency(AgencyId(7)),
            Scope::Account(AccountId(u64::MAX)),
        ] {
            assert_eq!(Scope::from_octets(&scope.octets()), Some(scope));
        }
        assert_eq!(Scope::from_octets(b""), None);
        assert_eq!(Scope::from_octets(&[3; 9]), None);
    }
}
