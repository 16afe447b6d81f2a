//! IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) as a pure machine: grammar, responses, session states.
//!
//! Sockets, store and mailboxes' contents are not here: the machine asks ([`ask::Ask`]), `imapd` answers.

pub mod ask;
mod capability;
pub mod client;
mod command;
mod date;
mod encode;
mod frame;
pub mod name;
pub mod response;
pub mod server;
mod session;
pub mod set;
