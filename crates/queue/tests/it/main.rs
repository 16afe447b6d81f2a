//! The queue against scripted servers on the loopback, with a real store and a fixed DNS.

#![allow(clippy::unwrap_used, reason = "a failure in a test is a failed test")]

mod delivery;
mod fire;
mod jumps;
mod management;
mod names;
mod notices;
mod remote;
mod routes;
mod world;
