//! Answers the client machine of one session: hands it batch after batch, settles what came of each.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use congvu_net::{Service, Shutdown};
use congvu_smtp::client::{Answer, Ask, Break, Client, Outcome, Session, SessionError};
use congvu_store::queue::TaskKey;
use congvu_store::trace::Tls;
use tracing::{debug, info};

use crate::batch::{Batch, NoBatch};
use crate::dispatch::Shared;
use crate::route::{Destination, Route, Way};
use crate::settle::{Context, set_aside, settle};
use crate::verdict::{Reason, Verdict};

/// How long an idle session is kept for further messages: those of one mailing follow within moments, and
/// nobody's connection slots are held for long.
const IDLE: Duration = Duration::from_secs(2);
/// Transactions of one session; some servers close after 100, and a fresh start balances their hosts.
const TRANSACTIONS_MOST: u32 = 100;

/// How a transaction's outcomes came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The machine reported them.
    Regular,
    /// Taken from the machine after the connection had ended.
    Off,
}

/// Where a session leads.
pub(crate) struct Place {
    pub(crate) destination: Destination,
    pub(crate) route: Route,
    pub(crate) host: String,
    pub(crate) address: IpAddr,
    /// The domain is ours: meeting ourselves is right.
    pub(crate) home: bool,
}

/// The service of one session.
pub(crate) struct Courier {
    shared: Arc<Shared>,
    worker: u64,
    place: Place,
    shutdown: Shutdown,
    /// The batch that is being sent.
    hand: Option<Batch>,
    /// Facts of the session that the notices need.
    session: Session,
    /// Why the body could not be read, if so.
    trouble: Option<String>,
    /// A transaction was asked for: the session is good.
    pub(crate) ready: bool,
    /// The server is ourselves.
    pub(crate) looped: bool,
    /// The session never came that far.
    pub(crate) failure: Option<SessionError>,
}

impl Courier {
    pub(crate) fn new(shared: Arc<Shared>, worker: u64, place: Place, shutdown: Shutdown) -> Self {
        Self {
            shared,
            worker,
            place,
            shutdown,
            hand: None,
            session: Session::default(),
            trouble: None,
            ready: false,
            looped: false,
            failure: None,
        }
    }

    /// After the drive: settles what the end of the connection left open. `owed` is what the machine still
    /// has to report: replies that came before the end hold, the rest is tried again.
    pub(crate) async fn finish(&mut self, owed: Option<Ask>, ending: &str) {
        match owed {
            Some(Ask::Done(outcomes)) => self.done(outcomes, Cut::Off).await,
            Some(Ask::Failed(error)) => {
                self.failure.get_or_insert(error);
            }
            Some(Ask::Next(_) | Ask::Body) | None => {}
        }
        // Only what was taken and never begun.
        if let Some(batch) = self.hand.take() {
            if self.shutdown.is_stopping() {
                // Not an attempt: it is due as before.
                self.put_down(&batch.tasks);
            } else {
                let text = format!("{}: {ending}", self.place.host);
                let verdict = Verdict::Later(Reason::own((4, 4, 2), text));
                let verdicts = vec![verdict; batch.rcpts.len()];
                self.settle(batch, verdicts).await;
            }
        }
    }

    async fn next(&mut self, session: Session) -> Answer {
        if !self.ready {
            let direct = self.place.route.to == Way::Direct && !self.place.home;
            if direct
                && session
                    .name
                    .eq_ignore_ascii_case(&self.shared.settings().hello)
            {
                self.looped = true;
                return Answer::Quit;
            }
            self.ready = true;
            self.shared.board().ready(&self.place.destination);
            let tls = session.tls.as_ref();
            info!(
                destination = %self.place.destination, host = self.place.host, name = session.name,
                tls = tls.map(|tls| tls.version.as_str()), verified = tls.map(|tls| tls.verified),
                "session ready"
            );
        }
        self.session = session;
        let most = self
            .session
            .extensions
            .mail_max
            .unwrap_or(TRANSACTIONS_MOST)
            .clamp(1, TRANSACTIONS_MOST);
        while self.session.transactions < most && !self.shutdown.is_stopping() {
            let tasks = self.shared.board().take(&self.place.destination);
            if tasks.is_empty() {
                if !self.wait().await {
                    break;
                }
                continue;
            }
            self.shared.pick_up(self.worker, &tasks);
            if let Some(answer) = self.begin(tasks).await {
                return answer;
            }
        }
        Answer::Quit
    }

    /// Waits for a task; `false`: long enough.
    async fn wait(&mut self) -> bool {
        let bell = {
            let board = self.shared.board();
            if board.is_pressed() {
                return false;
            }
            board.bell(&self.place.destination)
        };
        let Some(bell) = bell else {
            return false;
        };
        tokio::select! {
            () = bell.notified() => true,
            () = self.shutdown.stopping() => false,
            () = tokio::time::sleep(IDLE) => false,
        }
    }

    async fn begin(&mut self, tasks: Vec<TaskKey>) -> Option<Answer> {
        let store = self.shared.store();
        let extensions = &self.session.extensions;
        let loaded = match Batch::load(store, tasks.clone(), Batch::limit(extensions)).await {
            Ok(batch) => match batch.needs_utf8(store, extensions).await {
                Ok(utf8) => Ok((batch, utf8)),
                Err(error) => Err(NoBatch::Unreadable(batch.entry, error.to_string())),
            },
            Err(none) => Err(none),
        };
        match loaded {
            Ok((batch, utf8)) => {
                #[cfg(test)]
                crate::panics::strike(&batch.entry);
                let transaction = batch.transaction(utf8);
                self.trouble = None;
                self.hand = Some(batch);
                Some(Answer::Transaction(transaction))
            }
            Err(none) => {
                set_aside(&self.shared, none, &self.shutdown).await;
                self.put_down(&tasks);
                None
            }
        }
    }

    async fn chunk(&mut self) -> Answer {
        let Some(batch) = &mut self.hand else {
            return Answer::Abort;
        };
        match batch.chunk(self.shared.store()).await {
            Ok(octets) if octets.is_empty() => Answer::End,
            Ok(octets) => Answer::Chunk(octets),
            Err(error) => {
                self.trouble = Some(error.to_string());
                Answer::Abort
            }
        }
    }

    async fn done(&mut self, outcomes: Vec<Outcome>, cut: Cut) {
        let Some(mut batch) = self.hand.take() else {
            return;
        };
        let stopping = self.shutdown.is_stopping();
        let mut verdicts = Vec::with_capacity(outcomes.len());
        let mut rcpts = Vec::with_capacity(outcomes.len());
        for (rcpt, outcome) in batch.rcpts.drain(..).zip(outcomes) {
            let broken = matches!(outcome, Outcome::Unsent(..) | Outcome::Unknown(_));
            if stopping && broken && cut == Cut::Off {
                // Ended by our own stop: not an attempt.
                continue;
            }
            if matches!(outcome, Outcome::Unsent(_, Break::Aborted)) {
                if stopping {
                    // We cut it for our own sake: not an attempt.
                    continue;
                }
                if let Some(trouble) = &self.trouble {
                    rcpts.push(rcpt);
                    verdicts.push(Verdict::Later(Reason::own(
                        (4, 3, 0),
                        format!("cannot read the message: {trouble}"),
                    )));
                    continue;
                }
            }
            rcpts.push(rcpt);
            verdicts.push(Verdict::of(&outcome, self.remote()));
        }
        batch.rcpts = rcpts;
        self.settle(batch, verdicts).await;
    }

    async fn settle(&self, batch: Batch, verdicts: Vec<Verdict>) {
        let tls = self.session.tls.as_ref();
        let context = Context {
            host: self.place.host.clone(),
            address: Some(self.place.address),
            tls: tls.map(|tls| (Tls::new(&tls.version, &tls.cipher), tls.verified)),
            notices_passed_on: self.session.extensions.dsn,
            last_hop: matches!(self.place.route.to, Way::Lmtp(_)),
        };
        let tasks = batch.tasks.clone();
        settle(&self.shared, batch, verdicts, context, &self.shutdown).await;
        self.put_down(&tasks);
    }

    fn put_down(&self, tasks: &[TaskKey]) {
        self.shared.put_down(self.worker, tasks);
    }

    /// The name of the server that talks to us: as it calls itself, else as we looked it up.
    fn remote(&self) -> &str {
        if self.session.name.is_empty() {
            &self.place.host
        } else {
            &self.session.name
        }
    }
}

impl Service<Client> for Courier {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Next(session) => self.next(session).await,
            Ask::Body => self.chunk().await,
            Ask::Done(outcomes) => {
                self.done(outcomes, Cut::Regular).await;
                Answer::Noted
            }
            Ask::Failed(error) => {
                debug!(destination = %self.place.destination, host = self.place.host, ?error, "session failed");
                self.failure = Some(error);
                Answer::Noted
            }
        }
    }
}
