//! Both machines against transcripts, against random octets, and against each other.

mod client_actor;
mod pair;
mod patience;
mod random;
mod random_client;
mod server_actor;
mod sessions;
