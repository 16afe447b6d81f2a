//! The outbound queue: schedule, routes, delivery and bounces.
//!
//! What is owed stands in the store's queue records; this crate works it off. A *task* (the due recipients
//! of one entry in one domain) is offered on the [`board`] of its destination, taken by a worker that holds
//! a connection there, and settled in one transaction with the notices that follow from it. Whatever is
//! not settled is still owed, so a crash, a lost reply or a full disk leads to a second try, never to a loss.
//!
//! Receiving is not here (`smtpd`), nor the protocol (`smtp`), nor sockets (`net`).

mod batch;
mod board;
mod clock;
mod courier;
mod dispatch;
pub mod manage;
#[cfg(test)]
mod panics;
mod report;
mod route;
mod schedule;
mod settings;
mod settle;
mod verdict;
mod worker;

pub use dispatch::Queue;
pub use route::{Route, Way};
pub use schedule::Schedule;
pub use settings::{SMTP_PORT, Settings};
