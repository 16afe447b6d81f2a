//! Tests of whole messages: structure, sections, bounds.

#![allow(clippy::unwrap_used, reason = "a failure in a test is a failed test")]

mod bounds;
mod charsets;
mod random;
mod sections;
mod structure;
