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
        notify(&[NotifyState::Ready]);
        info!(version = env!("CARGO_PKG_VERSION"), "server started");
        attend(&mut server).await;
        notify(&[NotifyState::Stopping]);
        info!("server stopping");
        server.stop().await;
        info!("server stopped");
        ExitCode::SUCCESS
    })
}

/// Follows signals and orders until one of them ends the server.
pub(crate) async fn attend(server: &mut Server) {
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    let mut hangup = listen(SignalKind::hangup());
    loop {
        tokio::select! {
            Some(()) = terminate.recv() => return,
            Some(()) = interrupt.recv() => return,
            Some(()) = hangup.recv() => {
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

async fn reload(server: &mut Server) -> Result<(), Vec<String>> {
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

fn listen(kind: SignalKind) -> Signal {
    signal(kind).expect("these signals can be caught on every Unix")
}

/// Tells systemd, if it is there.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd not told");
    }
}
