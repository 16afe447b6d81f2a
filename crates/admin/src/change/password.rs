//! Changes of passwords and app passwords.

use congvu_directory::edit::credential;
use congvu_directory::password::Hashed;
use congvu_store::Tx;
use serde::{Deserialize, Serialize};

use super::account;
use crate::error::{Error, Result};
use crate::request::NewPassword;

/// Changes of main passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordChange {
    /// Sets it. `NewPassword::None` takes it away.
    Set {
        /// Whose.
        address: String,
        /// Which.
        password: NewPassword,
    },
}

impl PasswordChange {
    pub(super) fn apply(&self, tx: &mut Tx<'_>, hashed: Option<&Hashed>) -> Result<String> {
        let Self::Set { address, .. } = self;
        let account = account(tx, address)?;
        match hashed {
            Some(hashed) => {
                credential::set_main(tx, account.id, hashed)?;
            }
            None => credential::remove_main(tx, account.id)?,
        }
        Ok(account.address().to_string())
    }
}

/// Changes of app passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppPasswordChange {
    /// Makes one; it is told once.
    Add {
        /// Whose.
        address: String,
        /// Its name: the device or program it is for.
        name: String,
    },
    /// Renames it.
    Rename {
        /// Whose.
        address: String,
        /// Present name.
        name: String,
        /// New name.
        to: String,
    },
    /// Revokes it.
    Remove {
        /// Whose.
        address: String,
        /// Which.
        name: String,
    },
}

impl AppPasswordChange {
    pub(super) fn apply(&self, tx: &mut Tx<'_>, hashed: Option<&Hashed>) -> Result<String> {
        let (Self::Add { address, .. }
        | Self::Rename { address, .. }
        | Self::Remove { address, .. }) = self;
        let account = account(tx, address)?;
        match self {
            Self::Add { name, .. } => {
                let hashed = hashed
                    .ok_or_else(|| Error::Invalid("no app password was prepared".to_owned()))?;
                credential::add_app(tx, account.id, name, hashed)?;
            }
            Self::Rename { name, to, .. } => {
                credential::rename_app(tx, account.id, name, to)?;
            }
            Self::Remove { name, .. } => {
                credential::remove_app(tx, account.id, name)?;
            }
        }
        Ok(account.address().to_string())
    }
}
