//! The machine against transcripts, against random octets, and against a real SCRAM client.

mod actor;
mod client;
mod idle;
mod random;
mod responses;
mod scram;
mod sessions;
