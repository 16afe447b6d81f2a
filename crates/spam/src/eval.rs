//! Measuring the filter on sorted mail: how much it loses, how much it misses, how sure it is, how quick.
//!
//! A [`corpus`] is put in order and run by a [`Protocol`]; what comes out is measured ([`measure`]) and drawn ([`curve`]).
//! The same seed gives the same result. Files are read here and nowhere else in this crate.

pub mod corpus;
pub mod curve;
pub mod measure;
pub mod protocol;

pub use corpus::{Corpus, Error};
pub use measure::{Measures, measure};
pub use protocol::{Order, Protocol, Run, run, teach, train};

use crate::statistics::Class;

/// A message that was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Its file, as the corpus names it.
    pub path: String,
    /// What it is.
    pub class: Class,
    /// What orders messages from ham to spam: log-odds of the statistics, or of the whole filter.
    pub rank: f32,
    /// Probability of spam as it is used: scaled by how much had been learned.
    pub probability: f32,
}
