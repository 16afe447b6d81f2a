//! Harness.
pub mod client;
pub mod dns;
pub mod imap;
pub mod smtp;
/// x
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);
