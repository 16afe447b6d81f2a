//! The server side of SMTP: MX, submission and LMTP.

mod config;

pub use config::Config;

use std::sync::Arc;

use congvu_wire::{Machine, Patience, Step, TlsInfo};

use crate::ask::{Answer, Ask};

/// Octets of a message that must arrive within [`Config::data_patience`]: at five minutes a line of 220
/// octets a second is still served, a drip is not.
pub const PROGRESS: u64 = 64 << 10;

/// One inbound session as a pure machine.
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
}

impl Server {
    /// A session that has said nothing yet.
    pub fn new(config: Arc<Config>) -> Self {
        Self { config }
    }
    /// Whether a login succeeded in this session (since the last STARTTLS), and as whom.
    pub fn login(&self) -> Option<&str> {
        None
    }
}

#[expect(clippy::todo, unused_variables, reason = "signatures first")]
impl Machine for Server {
    type Ask = Ask;
    type Answer = Answer;
    fn input(&mut self, bytes: &[u8]) {
        todo!()
    }
    fn answer(&mut self, answer: Answer) {
        todo!()
    }
    fn step(&mut self) -> Step<Ask> {
        todo!("{:?}", self.config)
    }
    fn secured(&mut self, tls: TlsInfo) {
        todo!()
    }
    fn end_of_input(&mut self) {
        todo!()
    }
    fn shutdown(&mut self) {
        todo!()
    }
    fn expire(&mut self) {
        todo!()
    }
    fn patience(&self) -> Patience {
        todo!()
    }
}
