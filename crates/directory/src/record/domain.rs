//! Mail domains of agencies, and alias domains.

use congvu_store::{AccountId, LedgerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AgencyId, record};

/// One domain whose mail ends here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// A-label form, lower case.
    pub name: String,
    /// To whom it belongs.
    pub agency: AgencyId,
    /// An alias domain: every address in it means the same local part in that domain. Never leads to
    /// another alias domain.
    pub alias_of: Option<String>,
    /// Who gets `postmaster@` and `abuse@`, unless these addresses exist themselves.
    pub postmaster: Option<AccountId>,
    /// Usage and limits of the accounts in it.
    pub ledger: LedgerId,
    /// When false, its accounts neither receive nor log in.
    pub enabled: bool,
    /// When it was created.
    pub created: Timestamp,
}

record!(
    Domain,
    "domain",
    Domain,
    String,
    |this| this.name.clone(),
    |key| key.as_bytes().to_vec()
);
