//! Tests of the store through its public face, and of its files from outside.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backup;
mod bodies;
mod check;
mod crash;
mod group;
mod kill;
mod mailboxes;
mod messages;
mod model;
mod quarantine;
mod undelete;
mod world;
