//! What people's judgements taught about words: logistic regression over hashed pieces of text, learned one message at
//! a time.
//!
//! Three views of a message, each with its own regression, averaged: the *decoded* text in its writing (four octets at a
//! time), the same *folded* (no diacritics, no spacing, look-alike letters and typed accents undone), and *tokens* of
//! header and structure. Their mistakes are different, so the average is better than each; and whoever disguises a text
//! for one view shows it to another.
//!
//! [`features()`] turns a letter into numbers, [`model`] learns and weighs them, [`delta`] holds what one agency or
//! account knows better, [`words`] says which words it was. Which letters are learned, and from whom, is not here.

pub mod delta;
pub mod features;
pub(crate) mod folded;
pub mod model;
pub mod stored;
mod tokens;
pub mod words;

pub use delta::Delta;
pub use features::{Features, features};
pub use model::{Model, Rate, Score, Steps};

/// What a person said of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wanted.
    Ham,
    /// Not wanted.
    Spam,
}

impl Class {
    /// The other one.
    pub fn opposite(self) -> Self {
        match self {
            Self::Ham => Self::Spam,
            Self::Spam => Self::Ham,
        }
    }
}
