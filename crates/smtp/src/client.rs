//! The client side of SMTP and LMTP.

pub mod ask;

pub use ask::{
    Answer, Ask, Break, Config, Credentials, Extensions, Outcome, Protocol, ServerReply, Session,
    SessionError, Stage, TlsPolicy, Transaction,
};

use congvu_wire::{Machine, Patience, Step, TlsInfo};

/// One outbound session as a pure machine.
#[derive(Debug)]
pub struct Client {
    config: Config,
}

impl Client {
    /// A session that waits for the peer's greeting.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

#[expect(clippy::todo, unused_variables, reason = "signatures first")]
impl Machine for Client {
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
