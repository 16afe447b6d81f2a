//! DATA and BDAT: the message's octets on their way to the service.

use congvu_wire::Step;

use super::message::{CHUNK, TOO_BIG, Transaction, gross};
use super::octets::Dots;
use super::say::Said;
use super::{Chunk, Pending, Server, State, Then};
use crate::ask::{Ask, BodyKind, Kind, Reply};

impl Server {
    /// Reads DATA (RFC 5321 section 4.1.1.4) up to a piece for the service or the end.
    pub(super) fn data(
        &mut self,
        mut transaction: Box<Transaction>,
        mut dots: Dots,
    ) -> Option<Step<Ask>> {
        let size_max = self.config.size_max;
        let message = transaction.message.get_or_insert_default();
        let mut ended = false;
        while !ended && message.chunk.len() < CHUNK && !self.input.is_empty() {
            let mut refused = Vec::new();
            let failed = message.failure.is_some();
            let before = message.chunk.len();
            let out = if failed {
                &mut refused
            } else {
                &mut message.chunk
            };
            let room = if failed { CHUNK } else { CHUNK - before };
            let input = self.input.octets();
            let input = input.get(..room).unwrap_or(input);
            out.reserve(input.len());
            let (used, end) = dots.read(input, out);
            let kept = message.chunk.len() - before;
            self.input.consume(used);
            self.counts.octets = self.counts.octets.saturating_add(used as u64);
            message.count(used, kept, size_max);
            if let Some(defect) = dots.defect {
                message.defect(defect);
            }
            ended = end;
        }
        if message.raw() > gross(size_max) && !ended {
            self.state = State::Data(transaction, dots);
            self.say(TOO_BIG);
            self.finish();
            return None;
        }
        if ended {
            self.whole(transaction);
            return None;
        }
        if message.chunk.len() >= CHUNK {
            let piece = std::mem::take(&mut message.chunk);
            self.state = State::Asks(Ask::Body(piece), Pending::Data(transaction, dots));
            return None;
        }
        self.state = State::Data(transaction, dots);
        self.starve()
    }

    /// Reads a chunk of BDAT (RFC 3030 section 2): exactly the octets announced, dots and line ends mean
    /// nothing. The line ends of a text message are still watched.
    pub(super) fn chunk(
        &mut self,
        mut transaction: Box<Transaction>,
        mut chunk: Chunk,
    ) -> Option<Step<Ask>> {
        let size_max = self.config.size_max;
        let text = transaction.body != BodyKind::Binary;
        let message = transaction.message.get_or_insert_default();
        while chunk.left > 0 && message.chunk.len() < CHUNK && !self.input.is_empty() {
            let room = CHUNK - message.chunk.len();
            let most = usize::try_from(chunk.left).map_or(room, |left| left.min(room));
            let octets = self.input.take(most);
            chunk.left -= octets.len() as u64;
            self.counts.octets = self.counts.octets.saturating_add(octets.len() as u64);
            if text
                && message.failure.is_none()
                && let Some(defect) = message.line_ends.read(&octets)
            {
                message.defect(defect);
            }
            let kept = if message.failure.is_none() {
                octets.len()
            } else {
                0
            };
            if kept > 0 {
                message.chunk.extend_from_slice(&octets);
            }
            message.count(octets.len(), kept, size_max);
        }
        if message.failure.is_some() && chunk.left > gross(size_max) {
            self.state = State::Chunk(transaction, chunk);
            self.say(TOO_BIG);
            self.finish();
            return None;
        }
        if chunk.left > 0 {
            if message.chunk.len() >= CHUNK {
                let piece = std::mem::take(&mut message.chunk);
                self.state = State::Asks(Ask::Body(piece), Pending::Chunk(transaction, chunk));
                return None;
            }
            self.state = State::Chunk(transaction, chunk);
            return self.starve();
        }
        self.counts.events += 1;
        if chunk.last
            && text
            && let Some(defect) = message.line_ends.end()
        {
            message.defect(defect);
        }
        if chunk.last || message.failure.is_some() {
            self.whole(transaction);
            return None;
        }
        let text = format!("{} octets", chunk.size);
        self.say(Reply::new(250, (2, 0, 0), text));
        self.state = State::Command(Some(transaction));
        None
    }

    /// The message has ended, or its last chunk failed.
    fn whole(&mut self, mut transaction: Box<Transaction>) {
        let message = transaction.message.get_or_insert_default();
        if message.failure.is_some() {
            self.broken(transaction);
            return;
        }
        let piece = std::mem::take(&mut message.chunk);
        self.state = if piece.is_empty() {
            State::Asks(Ask::Deliver, Pending::Deliver(transaction))
        } else {
            State::Asks(Ask::Body(piece), Pending::Whole(transaction))
        };
    }

    /// Says why the message is refused and forgets the transaction.
    pub(super) fn broken(&mut self, mut transaction: Box<Transaction>) {
        let failure = transaction
            .message
            .take()
            .and_then(|message| message.failure);
        let failure =
            failure.unwrap_or_else(|| Said(451, (4, 3, 0), "the message was lost here").into());
        let closes = failure.code == 421;
        for _ in 0..self.replies_owed(&transaction) {
            self.output.reply(&failure);
        }
        let then = if closes { Then::Close } else { Then::Command };
        self.forget(Some(transaction), then);
        self.counts.events += 1;
    }

    /// LMTP replies once for each recipient (RFC 2033 section 4.2).
    pub(super) fn replies_owed(&self, transaction: &Transaction) -> usize {
        match self.config.kind {
            Kind::Lmtp => usize::try_from(transaction.accepted).unwrap_or(usize::MAX),
            Kind::Mx | Kind::Submission => 1,
        }
    }
}
