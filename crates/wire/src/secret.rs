//! A password in memory: never printed, compared in constant time, overwritten when dropped.

use std::fmt;

/// Octets that must not reach a log.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the octets over.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }
    /// The octets, for the one place that checks them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the fill from being optimised away.
        std::hint::black_box(&self.0);
    }
}
