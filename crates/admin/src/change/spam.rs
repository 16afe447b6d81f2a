//! Teaching the filter, and taking back what people taught it.

use congvu_guard::learn::{self, Label, Letter, Source};
use congvu_spam::statistics::Class;
use congvu_store::{Timestamp, Tx};
use serde::{Deserialize, Serialize};

use super::account;
use crate::error::{Error, Result};

/// Changes of what the filter learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpamChange {
    /// A letter is wanted or not.
    Learn {
        /// Unwanted.
        spam: bool,
        /// In whose name; `None` for the house.
        address: Option<String>,
        /// What the letter is called where it comes from.
        file: String,
        /// The letter, as the filter sees it.
        letter: Box<Letter>,
    },
    /// Takes one label back.
    ForgetLabel {
        /// Its number.
        id: u64,
    },
    /// Takes back what an account said.
    ForgetAccount {
        /// Whose.
        address: String,
        /// Only what was said since then.
        since: Option<Timestamp>,
    },
    /// Forgets everything that was learned.
    ForgetAll,
}

impl SpamChange {
    /// Says which. Labels of an account are taken back page by page, not here.
    pub(super) fn apply(&self, tx: &mut Tx<'_>) -> Result<String> {
        match self {
            Self::Learn {
                spam,
                address,
                file,
                letter,
            } => {
                let account = address
                    .as_ref()
                    .map(|address| account(tx, address))
                    .transpose()?;
                let given = Label {
                    account: account.map(|account| account.id),
                    class: if *spam { Class::Spam } else { Class::Ham },
                    source: Source::Command,
                    letter: (**letter).clone(),
                    judged: None,
                };
                Ok(match learn::label(tx, &given)? {
                    Some(id) => format!("label {id} {file}"),
                    None => format!("{file}: known already"),
                })
            }
            Self::ForgetLabel { id } => {
                if !learn::forget_label(tx, *id)? {
                    return Err(Error::Invalid(format!(
                        "there is no label {id}, or it does not hold any more"
                    )));
                }
                Ok(format!("label {id}"))
            }
            Self::ForgetAccount { address, .. } => Ok(address.clone()),
            Self::ForgetAll => {
                learn::forget_all(tx)?;
                Ok("everything that was learned".to_owned())
            }
        }
    }
}
