//! Who answers a machine's questions.

use std::future::Future;

use congvu_wire::{Machine, TlsInfo};

pub use crate::shutdown::Shutdown;

/// Answers the questions of one connection's machine. One value a connection.
pub trait Service<M: Machine>: Send {
    /// Answers one question. For `Step::Wait` the future may be dropped before it is ready and must
    /// then have taken nothing.
    fn answer(&mut self, ask: M::Ask) -> impl Future<Output = M::Answer> + Send;
    /// The connection is encrypted now.
    fn secured(&mut self, _tls: &TlsInfo) {}
}
