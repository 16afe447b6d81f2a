//! The only crate with sockets: listeners, TLS, the DNS resolver, the one driver of machines, limits.
//!
//! Protocols are not here: a listener is given a machine and a service for each connection.

pub mod driver;
pub mod service;

pub use service::{Service, Shutdown};
