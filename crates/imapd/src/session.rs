//! One connection: who is logged in, what is selected, and the way from each question to its file.
//!
//! Invariant: a handler takes the session's state, answers, and leaves it whole; an answer that is not
//! finished leaves its rest in [`Work`]. Handlers with much state are boxed, so that a session that idles
//! holds a small future.

use std::sync::Arc;

use congvu_imap::ask::{Answer, Ask};
use congvu_imap::response::{Code, Done, Untagged};
use congvu_imap::server::Server;
use congvu_net::Service;
use congvu_store::{AccountId, Store};
use congvu_wire::{Peer, TlsInfo};

use crate::append::Upload;
use crate::login::Grant;
use crate::view::{Expunges, View};
use crate::{Shared, fetch, list, refuse};

/// Answers the questions of one connection's machine.
pub struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) peer: Peer,
    /// TLS version, once the connection is encrypted.
    pub(crate) tls: Option<String>,
    pub(crate) state: State,
    /// The client said who it is; once is enough for the log.
    pub(crate) identified: bool,
}

/// Who is there.
pub(crate) enum State {
    NotLoggedIn,
    LoggedIn(Box<LoggedIn>),
}

/// An account at work.
pub(crate) struct LoggedIn {
    pub(crate) shared: Arc<Shared>,
    pub(crate) grant: Grant,
    /// Whose mailboxes are shown.
    pub(crate) account: AccountId,
    /// IMAP4rev2 was enabled.
    pub(crate) rev2: bool,
    pub(crate) view: Option<Box<View>>,
    pub(crate) upload: Option<Box<Upload>>,
    pub(crate) work: Work,
}

/// How far the news of the selected mailbox were said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Said,
    More,
    /// They could not be read.
    Failed,
}

/// What `Ask::More` and `Ask::Octets` go on with.
pub(crate) enum Work {
    None,
    /// Saying what is new, then the end of the command.
    Finish(Box<Done>, Expunges),
    Fetch(Box<fetch::Run>),
    List(Box<list::Run>),
}

impl Session {
    pub(crate) fn new(peer: Peer, shared: Arc<Shared>) -> Self {
        Self {
            shared,
            peer,
            tls: None,
            state: State::NotLoggedIn,
            identified: false,
        }
    }

    async fn respond(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Open => return self.greet(),
            Ask::Sasl(ask) => return Box::pin(self.sasl(ask)).await,
            Ask::Id(pairs) => return self.id(&pairs),
            Ask::End => return Box::pin(self.end()).await,
            _ => {}
        }
        // A response that was begun is ended first.
        let begun = matches!(ask, Ask::More | Ask::Octets);
        if let State::LoggedIn(user) = &mut self.state
            && !begun
            && Box::pin(user.is_revoked()).await
        {
            return self.revoke().await;
        }
        match &mut self.state {
            State::LoggedIn(user) => user.respond(ask).await,
            State::NotLoggedIn => match ask {
                Ask::Noop => done(Done::ok("Nothing to say")),
                Ask::Enabled(_) | Ask::AppendAbort => Answer::Accept,
                _ => done(refuse::bad("Log in first")),
            },
        }
    }

    fn greet(&self) -> Answer {
        tracing::debug!(address = %self.peer.remote.ip(), port = self.peer.remote.port(), "imap connection opened");
        done(Done::ok(format!(
            "{} Congvu IMAP ready",
            self.shared.settings.hostname
        )))
    }
}

impl Service<Server> for Session {
    async fn answer(&mut self, ask: Ask) -> Answer {
        self.respond(ask).await
    }

    fn secured(&mut self, tls: &TlsInfo) {
        self.tls = Some(tls.version.clone());
    }
}

impl LoggedIn {
    async fn respond(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::More => Box::pin(self.more()).await,
            Ask::Octets => Box::pin(self.octets()).await,
            Ask::Noop => Box::pin(self.noop()).await,
            // Not boxed: this is where sessions spend their lives.
            Ask::Idle => self.idle().await,
            Ask::Enabled(names) => {
                self.rev2 |= names
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case("IMAP4rev2"));
                Answer::Accept
            }
            Ask::Select {
                mailbox,
                read_only,
                as_written,
            } => Box::pin(self.select(mailbox, read_only, as_written)).await,
            Ask::Unselect => Box::pin(self.unselect()).await,
            Ask::Close => Box::pin(self.close()).await,
            Ask::Create {
                mailbox,
                special_use,
                as_written,
            } => Box::pin(self.create(mailbox, special_use, as_written)).await,
            Ask::Delete(mailbox) => Box::pin(self.delete(mailbox)).await,
            Ask::Rename { from, to } => Box::pin(self.rename(from, to)).await,
            Ask::Subscribe(mailbox, subscribed) => {
                Box::pin(self.subscribe(mailbox, subscribed)).await
            }
            Ask::List(list) => Box::pin(self.list(list)).await,
            Ask::Namespace => Box::pin(self.namespace()).await,
            Ask::Status { mailbox, items } => Box::pin(self.status(mailbox, items)).await,
            Ask::GetQuota(root) => Box::pin(self.quota(root)).await,
            Ask::GetQuotaRoot(mailbox) => Box::pin(self.quota_root(mailbox)).await,
            Ask::AppendStart(append) => Box::pin(self.append_start(append)).await,
            Ask::AppendData(octets) => Box::pin(self.append_data(octets)).await,
            Ask::AppendEnd => Box::pin(self.append_end()).await,
            Ask::AppendAbort => {
                self.upload = None;
                Answer::Accept
            }
            Ask::Expunge(set) => Box::pin(self.expunge(set)).await,
            Ask::Search(search) => Box::pin(self.search(search)).await,
            Ask::Fetch(fetch) => Box::pin(self.fetch(fetch)).await,
            Ask::Store(store) => Box::pin(self.store_flags(store)).await,
            Ask::Copy {
                set,
                uid,
                mailbox,
                remove,
            } => Box::pin(self.copy(set, uid, mailbox, remove)).await,
            Ask::Open | Ask::Sasl(_) | Ask::Id(_) | Ask::End => {
                done(refuse::bad("Already logged in"))
            }
        }
    }

    /// Goes on with an unfinished answer.
    async fn more(&mut self) -> Answer {
        match std::mem::replace(&mut self.work, Work::None) {
            Work::Fetch(run) => self.fetch_more(run).await,
            Work::List(run) => self.list_more(run).await,
            Work::Finish(end, expunges) => self.finish(Vec::new(), *end, expunges).await,
            Work::None => done(Done::no(Some(Code::ServerBug), "Nothing was under way")),
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Ends a command: its last responses, then what is new in the selected mailbox, then the result.
    pub(crate) async fn finish(
        &mut self,
        mut untagged: Vec<Untagged>,
        end: Done,
        expunges: Expunges,
    ) -> Answer {
        if self.announce(expunges, &mut untagged).await == News::More {
            self.work = Work::Finish(Box::new(end), expunges);
            return Answer::Reply {
                untagged,
                done: None,
            };
        }
        Answer::Reply {
            untagged,
            done: Some(end),
        }
    }

    /// Says what is new in the selected mailbox. What cannot be read now is said after a later command.
    pub(crate) async fn announce(
        &mut self,
        expunges: Expunges,
        untagged: &mut Vec<Untagged>,
    ) -> News {
        let Some(view) = self.view.as_mut() else {
            return News::Said;
        };
        match view
            .announce(&self.shared.store, &self.shared.recent, expunges, untagged)
            .await
        {
            Ok(true) => News::More,
            Ok(false) => News::Said,
            Err(error) => {
                tracing::error!(account = %self.account, mailbox = %view.mailbox, %error, "reading changes failed");
                News::Failed
            }
        }
    }
}

/// An answer that is only the end of a command.
pub(crate) fn done(end: Done) -> Answer {
    Answer::Reply {
        untagged: Vec::new(),
        done: Some(end),
    }
}

/// A command for a selected mailbox came without one: the machine does not let that happen.
pub(crate) fn nothing_selected() -> Answer {
    done(refuse::bad("No mailbox is selected"))
}

#[cfg(test)]
mod tests {
    use congvu_imap::ask::Ask;

    use super::{LoggedIn, Session};
    use crate::view::View;

    fn size<F: Future>(_: impl FnOnce(&'static mut Session) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_session_is_small() {
        let waiting = size(|session| session.respond(Ask::Idle));
        let all = waiting + size_of::<Session>() + size_of::<LoggedIn>() + size_of::<View>();
        assert!(all < 2048, "{all} octets");
    }
}
