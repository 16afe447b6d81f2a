//! What can go wrong in the directory.

/// Errors of the directory.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From the store.
    #[error(transparent)]
    Store(#[from] congvu_store::Error),
    /// There is no such thing; kind and name.
    #[error("no such {0}: {1}")]
    Missing(&'static str, String),
    /// The name is taken; kind and name.
    #[error("{0} exists already: {1}")]
    Exists(&'static str, String),
    /// A name or value is not allowed; the text says why and what is.
    #[error("{0}")]
    Invalid(String),
    /// It is still used and cannot be removed; the text names by what.
    #[error("{0}")]
    InUse(String),
    /// Somebody else changed it at the same time; doing it again helps.
    #[error("{0} was changed at the same time; try again")]
    Conflict(String),
    /// An address leads to more recipients than one message may have.
    #[error("{0} leads to more than {limit} recipients", limit = crate::resolve::RECIPIENTS)]
    TooMany(String),
}

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;
