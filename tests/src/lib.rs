//! Harness of the end-to-end tests: the real program in a folder of its own, small clients, a DNS zone.
//!
//! Nothing here sleeps to let something happen: it waits for a line of the log, a reply or a record.
//! Ports are chosen by the kernel, so tests run side by side.

pub mod backlog;
pub mod client;
pub mod crash;
pub mod dns;
pub mod dovecot;
pub mod frames;
pub mod imap;
pub mod ledger;
pub mod postfix;
pub mod program;
pub mod server;
pub mod session;
pub mod smtp;

/// How long a test waits for an event before it gives up: far beyond anything normal, so that a slow
/// machine never turns into a failure.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_mins(2);
