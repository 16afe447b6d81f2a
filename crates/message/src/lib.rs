//! What a message is: addresses, headers, dates, MIME structure and envelope, folded search text, notices.
//!
//! The structure is found by our own walker (`walk`), iterative and bounded (`guard`), because exact octet
//! places matter to IMAP; `mail-parser` gives the charset decoders, `mail-builder` builds. No sockets, no store.

pub mod address;
pub mod charset;
pub mod date;
pub mod fold;
pub mod header;
pub mod summary;
pub mod transfer;
pub mod words;

pub use address::{Address, AddressError};
pub use summary::{Envelope, Mailbox, Part, Summary};
