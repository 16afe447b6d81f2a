//! `congvu serve`: one server until a signal or an order ends it, and the words with systemd.

use std::path::Path;
use std::process::ExitCode;

use congvu_admin::Control;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use crate::config::Config;
use crate::log;
use crate::server::Server;

/// Runs the server of a configuration file to its end.
pub(crate) fn run(path: &Path) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(problems) => return crate::complain(&problems),
    };
    let levels = log::start(config.log);
    crate::runtime().block_on(async {
        let mut server = match Server::start(path, config, levels).await {
            Ok(server) => server,
            Err(error) => {
                error!(%error, "server not started");
                return ExitCode::FAILURE;
            }
        };
        // Caught before anybody is told that we are ready; until then a signal simply ends the
        // process, which the store survives.
        let mut signals = Signals::catch();
        notify(&[NotifyState::Ready]);
        info!(version = env!("CARGO_PKG_VERSION"), "server started");
        attend(&mut server, &mut signals).await;
        notify(&[NotifyState::Stopping]);
        info!("server stopping");
        server.stop().await;
        info!("server stopped");
        ExitCode::SUCCESS
    })
}

/// The signals that mean something to a server; from its making on they no longer end the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to catch them.
    pub(crate) fn catch() -> Self {
        let catch = |kind| signal(kind).expect("these signals can be caught on every Unix");
        Self {
            terminate: catch(SignalKind::terminate()),
            interrupt: catch(SignalKind::interrupt()),
            hangup: catch(SignalKind::hangup()),
        }
    }
}

/// Follows signals and orders until one of them ends the server.
pub(crate) async fn attend(server: &mut Server, signals: &mut Signals) {
    loop {
        tokio::select! {
            Some(()) = signals.terminate.recv() => return,
            Some(()) = signals.interrupt.recv() => return,
            Some(()) = signals.hangup.recv() => {
                // The administrator sees the reasons in the log.
                let _ = reload(server).await;
            }
            Some(order) = server.order() => match order {
                Control::Reload(answer) => {
                    let result = reload(server).await;
                    // Who asked may have gone.
                    let _ = answer.send(result);
                }
                Control::Stop => return,
            },
        }
    }
}

async fn reload(server: &mut Server) -> Result<Vec<String>, Vec<String>> {
    let since = NotifyState::monotonic_usec_now();
    match since {
        Ok(since) => notify(&[NotifyState::Reloading, since]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
    let result = server.reload().await;
    for problem in result.as_ref().err().into_iter().flatten() {
        error!(
            problem,
            "configuration not reloaded; everything stays as it was"
        );
    }
    notify(&[NotifyState::Ready]);
    result
}

/// Tells systemd, if it is there.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd not told");
    }
}
