//! Tests of the filter with whole messages: rules as data, hostile input, measuring, gates.

#![allow(clippy::unwrap_used, reason = "a failure in a test is a failed test")]

mod evaluation;
mod gates;
mod hostile;
mod rules;
