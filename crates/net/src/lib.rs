//! The only crate with sockets: listeners, TLS, the DNS resolver, the one driver of machines, limits.
//!
//! Protocols are not here: a listener is given a machine and a service for each connection, an
//! outbound connection is opened by [`connect`] and driven by the same [`drive`].

mod channel;
pub mod connect;
pub mod dns;
pub mod driver;
pub mod gate;
pub mod listener;
pub mod network;
pub mod service;
pub mod shutdown;
pub mod tls;

pub use driver::{Ending, Link, drive};
pub use gate::Gate;
pub use listener::{Door, Listener, Stream};
pub use network::Network;
pub use service::Service;
pub use shutdown::{Shutdown, Stopper};
