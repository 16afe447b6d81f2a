//! From the configuration to the settings of the services.

use crate::config::Config;

/// Receiving.
pub(crate) fn smtpd(config: &Config) -> congvu_smtpd::Settings {
    congvu_smtpd::Settings {
        hostname: config.server.hostname.clone(),
        size_limit: config.limits.message_size,
        rcpts_most: config.limits.recipients,
        own_rcpts_most: config.limits.recipients_submission,
        zone: config.server.zone,
        relay: config.access.relay.clone(),
        lmtp: config.access.lmtp.clone(),
        reserve: config.limits.disk_reserve,
        rates: config.rates,
    }
}

/// Reading.
pub(crate) fn imapd(config: &Config) -> congvu_imapd::Settings {
    congvu_imapd::Settings {
        hostname: config.server.hostname.clone(),
        message_limit: config.limits.message_size,
        ..congvu_imapd::Settings::default()
    }
}

/// The IMAP machine.
pub(crate) fn imap(config: &Config) -> congvu_imap::server::Config {
    congvu_imap::server::Config {
        tls_available: true,
        append_limit: config.limits.message_size,
        ..congvu_imap::server::Config::default()
    }
}
