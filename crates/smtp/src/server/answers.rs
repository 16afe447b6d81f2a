//! The service's answers: the replies they become and the states they lead to.

use congvu_wire::sasl::{Denial, SaslAnswer};

use super::message::Transaction;
use super::say::Said;
use super::{Pending, Server, State};
use crate::ask::{Answer, Ask, Kind, Reply};

const LOCAL_ERROR: Said = Said(451, (4, 3, 0), "a fault on our side; try again later");

impl Server {
    pub(super) fn answered(&mut self, pending: Pending, answer: Answer) {
        match pending {
            Pending::Open => self.opened(answer),
            Pending::Hello { extended } => self.greeted(extended, answer),
            Pending::Sasl(mut exchange) => {
                let answer = match answer {
                    Answer::Sasl(answer) => answer,
                    _ => SaslAnswer::Denied(Denial::Unavailable),
                };
                let step = exchange.answer(answer);
                self.login_step(exchange, step);
            }
            Pending::Mail(transaction) => {
                let accepted = self.reply_or(answer, Said(250, (2, 1, 0), "sender ok"));
                self.state = State::Command(accepted.is_success().then_some(transaction));
                self.after(&accepted);
            }
            Pending::Rcpt(transaction) => self.recipient(transaction, answer),
            Pending::Data(mut transaction, dots) => {
                Self::refuse_piece(&mut transaction, answer);
                self.state = State::Data(transaction, dots);
            }
            Pending::Chunk(mut transaction, chunk) => {
                Self::refuse_piece(&mut transaction, answer);
                self.state = State::Chunk(transaction, chunk);
            }
            Pending::Whole(mut transaction) => {
                Self::refuse_piece(&mut transaction, answer);
                let failed = transaction
                    .message
                    .as_ref()
                    .is_some_and(|m| m.failure.is_some());
                if failed {
                    self.broken(transaction);
                } else {
                    self.state = State::Asks(Ask::Deliver, Pending::Deliver(transaction));
                }
            }
            Pending::Deliver(transaction) => self.delivered(&transaction, answer),
            Pending::Reset(then) => self.state = then.state(),
        }
    }

    fn opened(&mut self, answer: Answer) {
        let protocol = if self.config.kind == Kind::Lmtp {
            "LMTP"
        } else {
            "ESMTP"
        };
        let banner = format!("{} {protocol}", self.config.hostname);
        match answer {
            Answer::Accept => {
                self.output.plain(220, &[banner]);
                self.state = State::Command(None);
            }
            answer => {
                self.reply_or(answer, LOCAL_ERROR);
                self.state = State::Closing;
            }
        }
    }

    fn greeted(&mut self, extended: bool, answer: Answer) {
        self.state = State::Command(None);
        match answer {
            Answer::Accept => {
                self.greeted = true;
                if extended {
                    let offers = self.offers();
                    self.output.plain(250, &offers);
                } else {
                    let name = self.config.hostname.clone();
                    self.output.plain(250, &[name]);
                }
            }
            answer => {
                self.greeted = false;
                let reply = self.reply_or(answer, LOCAL_ERROR);
                self.after(&reply);
            }
        }
    }

    fn recipient(&mut self, mut transaction: Box<Transaction>, answer: Answer) {
        let reply = self.reply_or(answer, Said(250, (2, 1, 5), "recipient ok"));
        let success = reply.is_success();
        let count = if success {
            &mut transaction.accepted
        } else {
            &mut transaction.refused
        };
        *count = count.saturating_add(1);
        self.state = State::Command(Some(transaction));
        self.after(&reply);
    }

    /// A refusal of a piece is told to the client at the end of the message.
    fn refuse_piece(transaction: &mut Transaction, answer: Answer) {
        let message = transaction.message.get_or_insert_default();
        match answer {
            Answer::Accept => {}
            Answer::Reply(reply) if !reply.is_success() => message.fail(reply),
            _ => message.fail(LOCAL_ERROR.into()),
        }
    }

    fn delivered(&mut self, transaction: &Transaction, answer: Answer) {
        let owed = self.replies_owed(transaction);
        let mut replies = match answer {
            Answer::Accept => vec![Said(250, (2, 0, 0), "ok").into(); owed],
            Answer::Reply(reply) => vec![reply; owed],
            Answer::Replies(replies) => replies,
            Answer::Sasl(_) => Vec::new(),
        };
        // A recipient without an answer must be tried again, never be believed delivered.
        replies.resize(owed, LOCAL_ERROR.into());
        self.state = State::Command(None);
        self.counts.transactions = self.counts.transactions.saturating_add(1);
        if replies.iter().any(Reply::is_success) {
            self.counts.faults = 0;
            self.counts.idle = 0;
        }
        for reply in &replies {
            self.output.reply(reply);
        }
        if replies.iter().any(|reply| reply.code == 421) {
            self.finish();
        }
    }

    /// Says the service's reply, or the standard one if it accepts.
    fn reply_or(&mut self, answer: Answer, standard: Said) -> Reply {
        let reply = match answer {
            Answer::Accept => standard.into(),
            Answer::Reply(reply) => reply,
            Answer::Replies(_) | Answer::Sasl(_) => LOCAL_ERROR.into(),
        };
        self.output.reply(&reply);
        reply
    }

    /// A 421 closes the connection.
    fn after(&mut self, reply: &Reply) {
        if reply.code == 421 {
            self.finish();
        }
    }
}

impl Reply {
    fn is_success(&self) -> bool {
        self.code / 100 == 2
    }
}
