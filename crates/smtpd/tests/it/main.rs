//! Receiving with a real store, a real directory and the real machine over the real driver; only the socket is
//! a pipe in memory.

mod filter;
mod house;
mod letter;
mod limits;
mod lmtp;
mod mx;
mod quarantine;
mod record;
mod submission;
