//! What every protocol machine shares: the `Machine` trait, framing, SASL and the transcript runner.
//!
//! A machine is a pure value: no socket, no clock, no store. `congvu-net` drives it; a service
//! (`smtpd`, `imapd`, `queue`) answers what it asks. Protocols themselves are not here.

pub mod line;
pub mod machine;
pub mod sasl;
pub mod secret;
pub mod transcript;

pub use machine::{Machine, Patience, Peer, Step, TlsInfo};
pub use secret::Secret;
