//! The driver, listeners and TLS over real and simulated streams, with a toy protocol.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod dns;
mod driver;
mod listener;
mod tls;
mod toy;
