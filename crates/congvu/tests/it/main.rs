//! The program as a user meets it.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod check;
mod commands;
mod mail;
mod migrate;
mod quickstart;
mod serve;
mod store;
