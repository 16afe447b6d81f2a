//! The log: one event a line on standard error, as text or JSON; its level can change while running.
//!
//! Invariant: nothing else in the program writes to standard error once the log is there, also a
//! panic becomes one event. What must not be logged (passwords, bodies, subjects) is the business of
//! those who log.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::config::{Log, LogFormat};

/// Changes the level of the running log.
#[derive(Debug, Clone)]
pub(crate) struct Levels(reload::Handle<Targets, Registry>);

impl Levels {
    /// Takes over the level of a new configuration.
    pub(crate) fn set(&self, log: Log) {
        // Fails only when the subscriber is gone, and then nobody logs any more.
        let _ = self.0.reload(targets(log));
    }
}

/// Starts the log; once a process.
pub(crate) fn start(log: Log) -> Levels {
    let (filter, handle) = reload::Layer::new(targets(log));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    std::panic::set_hook(Box::new(note));
    Levels(handle)
}

/// Our crates at the chosen level; libraries only with warnings, since their details are not ours.
fn targets(log: Log) -> Targets {
    let ours = LevelFilter::from_level(log.level);
    Targets::new()
        .with_default(ours.min(LevelFilter::WARN))
        .with_target("congvu", ours)
}

fn note(panic: &PanicHookInfo<'_>) {
    let reason = panic.payload_as_str().unwrap_or("(no text)");
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    tracing::error!(reason, place, "panicked; this is a fault of the program");
}
