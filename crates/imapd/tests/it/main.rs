//! The service with the real machine, store and directory; only sockets are missing.
#![allow(clippy::unwrap_used, reason = "tests")]

mod append;
mod copy;
mod damage;
mod fetch;
mod idle;
mod login;
mod mailboxes;
mod quota;
mod random;
mod search;
mod select;
mod store;
mod two;
mod views;
mod world;

use congvu_imap::server::{Config, Server};

/// A machine as a listener for implicit TLS makes it.
fn machine() -> Server {
    Server::new(Config {
        tls_available: false,
        ..Config::default()
    })
}
