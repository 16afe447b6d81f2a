//! What a message is: addresses, headers, dates, MIME structure and envelope, folded search text, notices.
//!
//! The structure is found by our own walker (`walk`), iterative and bounded (`guard`), because exact octet
//! places matter to IMAP; `mail-parser` gives the charset decoders, `mail-builder` builds. No sockets, no store.

pub mod address;
pub mod charset;
pub mod compose;
pub mod date;
mod detect;
mod envelope;
pub mod feedback;
pub mod fold;
pub mod guard;
pub mod header;
pub mod html;
mod legacy;
mod list;
pub mod notice;
mod params;
pub mod section;
pub mod stored;
pub mod summary;
mod syllable;
pub mod text;
mod token;
pub mod transfer;
mod walk;
pub mod words;

pub use address::{Address, AddressError};
pub use envelope::authors;
pub use stored::SummaryError;
pub use summary::{Envelope, Mailbox, Part, Summary, summarize};
