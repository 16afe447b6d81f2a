//! Tests of the filter with whole messages: rules as data, hostile input, measuring.

#![allow(clippy::unwrap_used, reason = "a failure in a test is a failed test")]

mod evaluation;
mod hostile;
mod rules;
