//! What no single setting can show: settings against each other, and the files they name.

use std::net::SocketAddr;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use congvu_net::tls::{CertificateProblem, Roots, ServerTls};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;
use super::{Config, Kind, Listener, Route, TlsDemand, Way};

/// Settings against each other.
pub(super) fn consistent(config: &Config, document: &Spanned<DeTable<'_>>, problems: &Problems) {
    let place = Place(document.get_ref());
    hostname(config, &place, problems);
    listeners(config, &place, problems);
    web(config, &place, problems);
    if config.queue.schedule.is_empty() {
        let remedy = "write at least one, for example \"5m\"";
        problems.add(
            place.of(&["queue", "schedule"]),
            "queue.schedule is empty",
            remedy,
        );
    }
    if config.queue.warn_after >= config.queue.give_up_after {
        let what = "queue.warn-after is not before queue.give-up-after";
        let remedy = "a warning that comes with the failure helps nobody; make it shorter";
        problems.add(place.of(&["queue", "warn-after"]), what, remedy);
    }
    let greylist = config.filter.greylist;
    if greylist.from >= greylist.below {
        let what = "filter.greylist.from is not below filter.greylist.below";
        let remedy = "no letter would be doubtful; switch it off with enabled = false instead";
        problems.add(place.of(&["filter", "greylist", "from"]), what, remedy);
    }
    for (number, route) in config.routes.iter().enumerate() {
        self::route(route, &place.nth("route", number), problems);
    }
    for (number, route) in config.routes.iter().enumerate() {
        let mut before = config.routes.iter().take(number);
        if !route.domain.is_empty() && before.any(|other| other.domain == route.domain) {
            let what = format!("[[route]] \"{}\" has a route already", route.domain);
            let span = place.nth("route", number).of(&["domain"]);
            problems.add(span, what, "keep one of them");
        }
    }
}

/// Links lead to the web listener: the one is of no use without the other.
fn web(config: &Config, place: &Place<'_>, problems: &Problems) {
    let mut listeners = config.listeners.iter().enumerate();
    let listens = listeners.find(|(_, listener)| listener.kind == Kind::Web);
    match (listens, &config.filter.web_url) {
        // A wrong one is told as such.
        (Some(_), None) if place.of(&["filter", "web-url"]).is_some() => {}
        (Some((number, listener)), None) => {
            let what = format!(
                "[[listener]] \"{}\": nobody is told of it, since filter.web-url is not set",
                listener.name
            );
            let remedy = "write in [filter]: web-url = \"https://mail.example.gov.vn\", the address that people reach it by";
            let span = place.nth("listener", number).of(&["kind"]);
            problems.add(span, what, remedy);
        }
        (None, Some(_)) if place.of(&["filter", "web-url"]).is_some() => {
            let what = "filter.web-url: no listener serves these links";
            let remedy = "add: [[listener]] kind = \"web\", addresses = [\"0.0.0.0:443\", \"[::]:443\"]; or remove web-url";
            problems.add(place.of(&["filter", "web-url"]), what, remedy);
        }
        _ => {}
    }
}

fn hostname(config: &Config, place: &Place<'_>, problems: &Problems) {
    let name = &config.server.hostname;
    if name == "localhost" || name.contains('.') {
        return;
    }
    let (span, what) = match place.of(&["server", "hostname"]) {
        None => (
            None,
            "server.hostname is not set, and this machine's name has no domain".to_owned(),
        ),
        span => (span, format!("server.hostname: \"{name}\" has no domain")),
    };
    let remedy =
        "write in [server]: hostname = \"mail.example.gov.vn\", the name other servers know";
    problems.add(span, what, remedy);
}

fn listeners(config: &Config, place: &Place<'_>, problems: &Problems) {
    let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
    for (number, listener) in config.listeners.iter().enumerate() {
        let here = place.nth("listener", number);
        if listener.addresses.is_empty() {
            let what = format!("[[listener]] \"{}\" has no addresses", listener.name);
            let remedy = "write: addresses = [\"0.0.0.0:25\", \"[::]:25\"], or remove the listener";
            problems.add(here.of(&["addresses"]).or(here.of(&["kind"])), what, remedy);
        }
        clear_text(listener, &here, problems);
        let mut before = config.listeners.iter().take(number);
        if !listener.name.is_empty() && before.any(|other| other.name == listener.name) {
            let what = format!(
                "[[listener]] two listeners are called \"{}\"",
                listener.name
            );
            let span = here.of(&["name"]).or(here.of(&["kind"]));
            problems.add(span, what, "give one of them another name = …");
        }
        for address in &listener.addresses {
            if let Some((other, _)) = taken.iter().find(|(_, other)| collide(*other, *address)) {
                let what = format!(
                    "[[listener]] \"{}\": {address} is taken by \"{other}\"",
                    listener.name
                );
                problems.add(
                    here.of(&["addresses"]),
                    what,
                    "give each its own port or address",
                );
            }
            taken.push((&listener.name, *address));
        }
    }
}

/// Passwords travel in clear text only within this machine.
fn clear_text(listener: &Listener, here: &Place<'_>, problems: &Problems) {
    let outside = listener
        .addresses
        .iter()
        .find(|address| !address.ip().is_loopback());
    let (what, remedy) = match (listener.kind, outside) {
        _ if !listener.clear_text => return,
        (Kind::Imap, None) => return,
        (Kind::Imap, Some(address)) => (
            format!("passwords would travel in clear text to {address}"),
            "remove clear-text, or listen on 127.0.0.1 and [::1] only",
        ),
        _ => (
            "clear-text is for the kind \"imap\"".to_owned(),
            "remove clear-text",
        ),
    };
    let what = format!("[[listener]] \"{}\": {what}", listener.name);
    problems.add(here.of(&["clear-text"]), what, remedy);
}

/// Whether the second could not be bound after the first. Port 0 is the kernel's choice.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.port() != 0
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

fn route(route: &Route, place: &Place<'_>, problems: &Problems) {
    let name = format!("[[route]] \"{}\"", route.domain);
    let span = || place.of(&["to"]);
    match (route.to, &route.host) {
        (Way::Direct, Some(_)) => {
            let remedy = "remove host, or write: to = \"relay\"";
            problems.add(
                place.of(&["host"]),
                format!("{name}: a direct route has no host"),
                remedy,
            );
        }
        (Way::Relay | Way::Lmtp, None) => {
            let remedy = "add: host = \"relay.example.gov.vn\"";
            problems.add(span(), format!("{name}: host is missing"), remedy);
        }
        _ => {}
    }
    if route.credentials.is_some() && route.to == Way::Direct {
        let remedy = "strangers' servers know no login of ours; remove credentials";
        problems.add(
            place.of(&["credentials"]),
            format!("{name}: credentials on a direct route"),
            remedy,
        );
    }
    if route.credentials.is_some()
        && matches!(route.tls, TlsDemand::Never | TlsDemand::Opportunistic)
    {
        let remedy = "a password must not travel in clear text: tls = \"verified\" or \"required\"";
        problems.add(
            place.of(&["credentials"]),
            format!("{name}: credentials without TLS"),
            remedy,
        );
    }
}

/// The files that settings name. Blocking.
pub(super) fn files(config: &Config, document: &Spanned<DeTable<'_>>, problems: &Problems) {
    let place = Place(document.get_ref());
    let data = &config.server.data;
    if data.exists() && !data.is_dir() {
        let what = format!("server.data: {} is not a folder", data.display());
        problems.add(
            place.of(&["server", "data"]),
            what,
            "name a folder, or remove that file",
        );
    }
    if let Some(group) = &config.control.group
        && !congvu_admin::control::group_exists(group)
    {
        problems.add(
            place.of(&["control", "group"]),
            format!("control.group: there is no group {group} on this machine"),
            "make it: groupadd --system NAME; or remove the line",
        );
    }
    let tls = place.inside("tls");
    for (number, file) in config.tls.certificates.iter().enumerate() {
        if [&file.chain, &file.key]
            .iter()
            .any(|path| path.as_os_str().is_empty())
        {
            // Missing or wrong, and told as such.
            continue;
        }
        let here = tls.nth("certificate", number);
        if let Err(found) = ServerTls::load(std::slice::from_ref(file)) {
            for problem in found {
                let (key, remedy) = certificate(&problem, &file.key);
                problems.add(
                    here.of(&[key]),
                    format!("[[tls.certificate]] {problem}"),
                    remedy,
                );
            }
        }
    }
    let verifies = config
        .routes
        .iter()
        .any(|route| route.tls == TlsDemand::Verified);
    if (verifies || tls.of(&["roots"]).is_some())
        && let Err(error) = Roots::load(&config.tls.roots)
    {
        let remedy = "install the package ca-certificates, or name the file of your own authority";
        problems.add(tls.of(&["roots"]), format!("tls.roots: {error}"), remedy);
    }
    for (number, route) in config.routes.iter().enumerate() {
        if let Some(path) = &route.credentials {
            let span = place.nth("route", number).of(&["credentials"]);
            credentials(path, span, problems);
        }
    }
}

/// The setting that the problem belongs to, and a remedy.
fn certificate(problem: &CertificateProblem, key: &Path) -> (&'static str, &'static str) {
    match problem {
        CertificateProblem::NoKey(_) | CertificateProblem::Key(..) => {
            ("key", "export the key as PEM without a passphrase")
        }
        CertificateProblem::Mismatch { .. } => {
            ("key", "use the key that the certificate was requested with")
        }
        CertificateProblem::Unreadable { path, .. } => (
            if path == key { "key" } else { "chain" },
            "put the file there, readable for the user of the service",
        ),
        _ => (
            "chain",
            "export certificate and intermediate certificates as PEM",
        ),
    }
}

/// A file with a login name in the first line and a password in the second.
fn credentials(path: &Path, span: Option<Range<usize>>, problems: &Problems) {
    let named = format!("[[route]] credentials: {}", path.display());
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            let remedy =
                "write a file with the login name in the first line, the password in the second";
            problems.add(span, format!("{named} cannot be read: {error}"), remedy);
            return;
        }
    };
    if metadata.permissions().mode() & 0o007 != 0 {
        let remedy = format!("chmod o= {}", path.display());
        problems.add(
            span.clone(),
            format!("{named} can be read by everybody"),
            remedy,
        );
    }
    if let Err(reason) = read_credentials(path) {
        let remedy = "the login name goes in the first line, the password in the second";
        problems.add(span, format!("{named}: {reason}"), remedy);
    }
}

/// Login name and password of a credentials file. Blocking.
pub(crate) fn read_credentials(path: &Path) -> Result<(String, String), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut lines = text.lines();
    match (lines.next(), lines.next(), lines.next()) {
        (Some(name), Some(password), None) if !name.is_empty() && !password.is_empty() => {
            Ok((name.to_owned(), password.to_owned()))
        }
        _ => Err("not two lines".to_owned()),
    }
}

/// Finds where in the file a setting stands.
struct Place<'a>(&'a DeTable<'a>);

impl<'a> Place<'a> {
    fn of(&self, keys: &[&str]) -> Option<Range<usize>> {
        let (first, rest) = keys.split_first()?;
        let mut value = self.0.get(*first)?;
        for key in rest {
            value = value.get_ref().as_table()?.get(*key)?;
        }
        Some(value.span())
    }

    fn inside(&self, key: &str) -> Self {
        Self(
            self.0
                .get(key)
                .and_then(|value| value.get_ref().as_table())
                .unwrap_or(&EMPTY),
        )
    }

    /// The n-th table of a list of tables; its settings may be absent.
    fn nth(&self, key: &str, number: usize) -> Self {
        let table = self
            .0
            .get(key)
            .and_then(|value| value.get_ref().as_array())
            .and_then(|array| array.get(number))
            .and_then(|element: &Spanned<DeValue<'a>>| element.get_ref().as_table());
        Self(table.unwrap_or(&EMPTY))
    }
}

static EMPTY: std::sync::LazyLock<DeTable<'static>> = std::sync::LazyLock::new(DeTable::new);
