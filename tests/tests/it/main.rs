//! End-to-end tests: the real program, real clients, real signals.

mod backlog;
mod clients;
mod crash;
mod damage;
mod eval;
mod filter;
mod full;
mod learn;
mod migrate;
mod quarantine;
mod relay;
mod service;
mod sessions;
mod standing;
mod trace;
mod undelete;
