//! The bounds of what is parsed. A message past a bound is kept and served whole, as one opaque part.
//!
//! Nobody's parser should meet such a message: `mail-parser` 0.11.9 ends the process on 64,000 nested
//! parts. So structure is found by `walk`, which counts while it goes, never recurses, and gives up here.

/// Nested multiparts and messages. Real mail stays below 20; Dovecot and Cyrus stop at 100.
pub const DEPTH_MAX: usize = 100;
/// Parts of a message. A digest of a year has hundreds; each part costs about 300 octets of summary.
pub const PARTS_MAX: usize = 10_000;
/// Octets of the message's own header: ten times what Postfix keeps, so that a letter to 20,000 named
/// recipients still has its envelope.
pub const HEADER_MAX: usize = 1024 * 1024;
/// Octets of an inner part's header.
pub const PART_HEADER_MAX: usize = 256 * 1024;
/// Fields of one header block.
pub const FIELDS_MAX: usize = 10_000;
/// Addresses in all envelopes of a message together.
pub const ADDRESSES_MAX: usize = 10_000;
/// Parameters kept of one Content-Type or Content-Disposition; further ones are left out.
pub const PARAMS_MAX: usize = 100;
/// Octets of all texts in envelopes and parts together. Ordinary summaries have some kilobytes; the store
/// takes 16 MiB.
pub const WEIGHT_MAX: usize = 8 * 1024 * 1024;
/// Octets of a multipart boundary: RFC 2046 section 5.1.1 allows 70, some programs write more.
pub const BOUNDARY_MAX: usize = 250;
/// Message ids kept of References; the last ones, which name the nearest ancestors.
pub const REFERENCES_MAX: usize = 50;

/// Which bound a message exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bound {
    /// [`DEPTH_MAX`].
    #[error("more than {DEPTH_MAX} nested parts")]
    Depth,
    /// [`PARTS_MAX`].
    #[error("more than {PARTS_MAX} parts")]
    Parts,
    /// [`HEADER_MAX`] or [`PART_HEADER_MAX`].
    #[error("a header larger than {0} octets")]
    Header(usize),
    /// [`FIELDS_MAX`].
    #[error("more than {FIELDS_MAX} header fields")]
    Fields,
    /// [`WEIGHT_MAX`].
    #[error("more than {WEIGHT_MAX} octets in the fields that describe it")]
    Weight,
    /// [`ADDRESSES_MAX`].
    #[error("more than {ADDRESSES_MAX} addresses")]
    Addresses,
}
