//! What a message is: addresses, headers, dates, MIME structure and envelope, folded search text, notices.
//!
//! Built on `mail-parser` and `mail-builder`. No sockets, no store. Everything that `mail-parser` would
//! choke on (nesting, part counts, header sizes) is bounded in `guard` before it parses.

pub mod address;
pub mod summary;

pub use address::Address;
pub use summary::{Envelope, Mailbox, Part, Summary};
