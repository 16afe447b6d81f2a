//! Who operates which post, readable from both ends.

use congvu_store::AccountId;
use serde::{Deserialize, Serialize};

use super::{numbers, record};

/// Post → person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Operator {
    pub(crate) post: AccountId,
    pub(crate) person: AccountId,
}

impl Operator {
    pub(crate) fn prefix(post: AccountId) -> Vec<u8> {
        numbers(b'p', &[post.0])
    }
}

record!(
    Operator,
    "operator",
    Operator,
    (AccountId, AccountId),
    |this| (this.post, this.person),
    |key| numbers(b'p', &[key.0.0, key.1.0])
);

/// Person → post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Operates {
    pub(crate) person: AccountId,
    pub(crate) post: AccountId,
}

impl Operates {
    pub(crate) fn prefix(person: AccountId) -> Vec<u8> {
        numbers(b'o', &[person.0])
    }
}

record!(
    Operates,
    "operator",
    Operator,
    (AccountId, AccountId),
    |this| (this.person, this.post),
    |key| numbers(b'o', &[key.0.0, key.1.0])
);
