//! ESMTP as pure machines: the grammar, the server side (MX, submission, LMTP) and the client side.
//!
//! Sockets, DNS, store and policy are not here: the server asks (`server::Ask`), `smtpd` answers;
//! the client asks (`client::Ask`), `queue` answers.

pub mod ask;
pub mod client;
pub mod grammar;
pub mod server;
