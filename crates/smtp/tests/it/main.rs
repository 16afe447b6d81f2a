//! Both machines against transcripts, against random octets, and against each other.

mod random;
mod server_actor;
mod sessions;
