//! Replies as text for people, or as JSON for programs.

use std::fmt::Write as _;
use std::io::Write as _;

use congvu_admin::reply::{Done, ImportView, OperatorsView, StatusView};
use congvu_admin::trace::Life;
use congvu_admin::{Refusal, Reply};
use congvu_directory::record::{FilterPolicy, ProtectedName};
use congvu_directory::view::{
    AccountDetail, AccountView, AgencyView, AliasView, DomainView, GroupView, Usage,
};
use congvu_store::Timestamp;
use serde_json::Value;

use super::amount::{size, time};
use super::list;
use super::table::{Table, plain};
use super::trace::{self, Language};
use super::{learn, quarantine, undelete};

/// How to print.
pub(super) struct Output {
    pub(super) json: bool,
    /// Minutes east of UTC.
    pub(super) zone: i16,
}

/// Lines of a thing that is shown alone: name and value, without what has no value.
#[derive(Default)]
struct Sheet(Table);

impl Default for Table {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Sheet {
    fn line(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.0.row(vec![format!("{name}:"), value]);
        }
        self
    }
    fn list(self, name: &str, values: &[String]) -> Self {
        self.line(name, values.join(", "))
    }
    fn text(&self) -> String {
        self.0.to_string().trim_start_matches('\n').to_owned()
    }
}

impl Output {
    /// Prints a reply on standard output. A reader that has gone (`| head`) is no error.
    pub(super) fn reply(&self, reply: &Reply) {
        let text = if self.json {
            json(reply)
        } else {
            self.text(reply)
        };
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    /// Prints what became of letters.
    pub(super) fn lives(&self, lives: &[Life]) {
        let text = if self.json {
            let value = serde_json::to_value(lives).unwrap_or(Value::Null);
            format!("{value:#}\n")
        } else {
            let language = Language::of(|name| std::env::var(name).ok());
            trace::text(lives, self.zone, language)
        };
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    /// Prints a refusal on standard error.
    pub(super) fn refusal(&self, refusal: &Refusal) {
        if self.json {
            let value = serde_json::json!({ "error": refusal });
            eprintln!("{value}");
            return;
        }
        for line in &refusal.lines {
            match line.line {
                0 => eprintln!("{}", plain(&line.message)),
                number => eprintln!("line {number}: {}", plain(&line.message)),
            }
        }
        eprintln!("error: {}", plain(&refusal.message));
        if let Some(remedy) = &refusal.remedy {
            eprintln!("{}", plain(remedy));
        }
    }

    pub(super) fn time(&self, at: Timestamp) -> String {
        time(at, self.zone)
    }

    fn text(&self, reply: &Reply) -> String {
        match reply {
            Reply::Done(done) => self::done(done),
            Reply::Reloaded(view) => reloaded(&view.waiting),
            Reply::Agency(agency) => self.agency(agency),
            Reply::Agencies(page) => agencies(&page.entries),
            Reply::Domain(domain) => self.domain(domain),
            Reply::Domains(page) => domains(&page.entries),
            Reply::Account(account) => self.account(account),
            Reply::Accounts(page) => accounts(&page.entries),
            Reply::Operators(view) => operators(view),
            Reply::Alias(alias) => aliases(std::slice::from_ref(alias)),
            Reply::Aliases(page) => aliases(&page.entries),
            Reply::Group(group) => self.group(group),
            Reply::Groups(page) => groups(&page.entries),
            Reply::Quota(view) => {
                quota(Sheet::default().line("of", &view.subject), &view.usage).text()
            }
            Reply::AppPasswords(all) => {
                let mut table = Table::new(&["NAME", "CREATED", "LAST USED"]);
                for app in all {
                    let used = app
                        .last_used
                        .map_or_else(|| "never".to_owned(), |at| self.time(at));
                    table.row(vec![app.name.clone(), self.time(app.created), used]);
                }
                table.to_string()
            }
            Reply::Import(view) => import(view),
            Reply::Queue(page) => {
                let mut table = Table::new(&[
                    "NUMBER", "ARRIVED", "SIZE", "WAITING", "SENDER", "ID", "HELD",
                ]);
                for message in &page.entries {
                    table.row(vec![
                        message.id.to_string(),
                        self.time(message.arrived),
                        size(message.size),
                        format!("{}/{}", message.waiting, message.recipients),
                        format!("<{}>", message.sender),
                        message.trace.clone(),
                        message.hold.clone().unwrap_or_default(),
                    ]);
                }
                table.to_string()
            }
            Reply::QueueEntry(detail) => self.queue_entry(detail),
            Reply::Learning(view) => learn::stats(self, view),
            Reply::Labels(page) => learn::labels(self, &page.entries),
            Reply::Holds(all) => undelete::holds(self, all),
            Reply::Lists(page) => list::lists(self, &page.entries),
            Reply::RemovedAccounts(page) => undelete::accounts(self, &page.entries),
            Reply::DeletedMailboxes(page) => undelete::mailboxes(self, &page.entries),
            Reply::DeletedMessages(page) => undelete::messages(self, &page.entries),
            Reply::Quarantine(page) => quarantine::letters(self, &page.entries),
            Reply::QuarantineLetter(detail) => quarantine::letter(self, detail),
            Reply::Digests(view) => quarantine::digests(view),
            Reply::Undeleted(view) => undelete::undeleted(view),
            Reply::Purged(swept) => undelete::purged(swept),
            Reply::Audit(page) => {
                let mut table =
                    Table::new(&["TIME", "WHO", "ACT", "CONCERNING", "RESULT", "ARGUMENTS"]);
                for record in &page.entries {
                    let user = record
                        .who
                        .user
                        .clone()
                        .unwrap_or_else(|| format!("#{}", record.who.uid));
                    let who = match &record.who.login {
                        Some(login) if *login != user => format!("{login} as {user}"),
                        _ => user,
                    };
                    let arguments = if record.arguments.is_null() {
                        String::new()
                    } else {
                        record.arguments.to_string()
                    };
                    table.row(vec![
                        self.time(record.at),
                        who,
                        record.act.clone(),
                        record.subject.clone(),
                        record.result.clone(),
                        arguments,
                    ]);
                }
                table.to_string()
            }
            // Asked for only by commands that print in their own way.
            Reply::Store(_) | Reply::Mail(_) | Reply::Trace(_) => json(reply),
            Reply::Status(status) => self.status(status),
        }
    }

    fn agency(&self, agency: &AgencyView) -> String {
        let policy = agency.effective_policy;
        let from = |own: bool| if own { "" } else { " (inherited)" };
        let sessions = policy
            .sessions
            .map(|n| format!("{n}{}", from(agency.policy.sessions.is_some())));
        let foreign = policy.foreign_targets.map(|yes| {
            format!(
                "{}{}",
                yes_no(yes),
                from(agency.policy.foreign_targets.is_some())
            )
        });
        let days = policy.undelete_days.map(|days| {
            let own = agency.policy.undelete_days.is_some();
            format!("{days} days{}", from(own))
        });
        let sheet = Sheet::default()
            .line("code", &agency.code)
            .line("name", &agency.name)
            .line("below", agency.parent.clone().unwrap_or_default())
            .line("state", state(agency.enabled, agency.active))
            .line("sessions", sessions.unwrap_or_default())
            .line("foreign targets", foreign.unwrap_or_default())
            .line("deleted mail kept", days.unwrap_or_default())
            .line("spam filter", filter(&agency.effective_filter))
            .line("attachments", attachments(&agency.effective_filter))
            .list("protected names", &protected(&agency.effective_filter))
            .list("agencies", &agency.agencies)
            .line("created", self.time(agency.created));
        quota(sheet, &agency.usage).text()
    }

    fn domain(&self, domain: &DomainView) -> String {
        let unicode = if domain.unicode == domain.name {
            String::new()
        } else {
            domain.unicode.clone()
        };
        let sheet = Sheet::default()
            .line("domain", &domain.name)
            .line("in letters", unicode)
            .line("agency", &domain.agency)
            .line("alias of", domain.alias_of.clone().unwrap_or_default())
            .list("alias domains", &domain.aliases)
            .line("postmaster", domain.postmaster.clone().unwrap_or_default())
            .line("state", state(domain.enabled, domain.enabled))
            .line("created", self.time(domain.created));
        quota(sheet, &domain.usage).text()
    }

    fn account(&self, detail: &AccountDetail) -> String {
        let account = &detail.account;
        let apps: Vec<String> = detail
            .app_passwords
            .iter()
            .map(|app| app.name.clone())
            .collect();
        let holds: Vec<String> = detail
            .holds
            .iter()
            .map(|hold| format!("by hold {} on {} ({})", hold.id, hold.name, hold.reason))
            .collect();
        let sheet = Sheet::default()
            .line("address", &account.address)
            .line("kind", kind(account))
            .line("name", &account.name)
            .line("agency", &account.agency)
            .line("state", state(account.enabled, account.active))
            .line("password", if detail.password { "set" } else { "none" })
            .list("app passwords", &apps)
            .list("aliases", &detail.aliases)
            .list("groups", &detail.groups)
            .list("operators", &detail.operators)
            .list("operates", &detail.operates)
            .list("postmaster of", &detail.postmaster_of)
            .list("held", &holds)
            .line("object id", &account.id)
            .line("created", self.time(account.created));
        quota(sheet, &account.usage).text()
    }

    fn group(&self, group: &GroupView) -> String {
        let sheet = Sheet::default()
            .line("group", &group.address)
            .line("name", &group.name)
            .line("agency", &group.agency)
            .line("state", state(group.enabled, group.enabled))
            .line("created", self.time(group.created))
            .line("members", group.size.to_string());
        let mut text = sheet.text();
        for member in &group.members {
            let _ = writeln!(text, "  {}", plain(member));
        }
        text
    }

    fn queue_entry(&self, detail: &congvu_admin::query::QueueDetail) -> String {
        let message = &detail.message;
        let sheet = Sheet::default()
            .line("number", message.id.to_string())
            .line("id", &message.trace)
            .line("sender", format!("<{}>", message.sender))
            .line("size", size(message.size))
            .line("arrived", self.time(message.arrived))
            .line("held", message.hold.clone().unwrap_or_default());
        let mut table = Table::new(&[
            "RECIPIENT",
            "STATUS",
            "TRIES",
            "NEXT",
            "SERVER",
            "LAST ANSWER",
        ]);
        for rcpt in &detail.rcpts {
            let next = if rcpt.status == "waiting" {
                self.time(rcpt.next)
            } else {
                String::new()
            };
            table.row(vec![
                rcpt.address.clone(),
                rcpt.status.clone(),
                rcpt.attempts.to_string(),
                next,
                rcpt.remote.clone().unwrap_or_default(),
                rcpt.reply.clone().unwrap_or_default(),
            ]);
        }
        format!("{}\n{table}", sheet.text())
    }

    fn status(&self, status: &StatusView) -> String {
        let at = |at: Option<Timestamp>| at.map(|at| self.time(at)).unwrap_or_default();
        Sheet::default()
            .line(
                "server",
                if status.running {
                    "running"
                } else {
                    "not running"
                },
            )
            .line("version", &status.version)
            .line(
                "process",
                status.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            )
            .line("since", at(status.started))
            .list("listens", &status.listeners)
            .line(
                "queue",
                format!(
                    "{} messages, {} held",
                    status.queue_messages, status.queue_held
                ),
            )
            .line("waiting", format!("{} recipients", status.queue_recipients))
            .line("oldest", at(status.queue_oldest))
            .text()
    }
}

/// The reply itself, without the name of its kind; of a listing the entries.
fn json(reply: &Reply) -> String {
    let value = serde_json::to_value(reply).unwrap_or(Value::Null);
    let inner = match value {
        Value::Object(map) => map
            .into_iter()
            .next()
            .map_or(Value::Null, |(_, inner)| inner),
        other => other,
    };
    let shown = match (reply, inner) {
        (Reply::Import(_), inner) => inner,
        (_, Value::Object(mut map)) if map.contains_key("entries") => {
            map.remove("entries").unwrap_or(Value::Null)
        }
        (_, inner) => inner,
    };
    format!("{shown:#}\n")
}

fn reloaded(waiting: &[String]) -> String {
    if waiting.is_empty() {
        return "configuration reloaded".to_owned();
    }
    format!(
        "configuration reloaded; changed, but needs a restart: {}",
        waiting.join(", ")
    )
}

fn done(done: &Done) -> String {
    match &done.password {
        Some(password) => format!(
            "{}\npassword: {}   (shown only now)\n",
            plain(&done.subject),
            String::from_utf8_lossy(password.0.expose())
        ),
        None if done.subject.is_empty() => "done\n".to_owned(),
        None => format!("{}\n", plain(&done.subject)),
    }
}

fn state(enabled: bool, active: bool) -> &'static str {
    match (enabled, active) {
        (false, _) => "disabled",
        (true, false) => "enabled, but stopped by its domain or an agency above",
        (true, true) => "enabled",
    }
}

fn kind(account: &AccountView) -> &'static str {
    match account.kind {
        congvu_directory::Kind::Person => "person",
        congvu_directory::Kind::Post => "post",
    }
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn limit(used: String, limit: Option<String>) -> String {
    match limit {
        Some(limit) => format!("{used} of {limit}"),
        None => used,
    }
}

fn limits(usage: &Usage) -> (String, String) {
    let octets = (usage.octets_limit > 0).then(|| size(usage.octets_limit));
    let messages = (usage.messages_limit > 0).then(|| usage.messages_limit.to_string());
    (
        limit(size(usage.octets), octets),
        limit(usage.messages.to_string(), messages),
    )
}

fn quota(sheet: Sheet, usage: &Usage) -> Sheet {
    let (octets, messages) = limits(usage);
    sheet.line("size", octets).line("messages", messages)
}

fn agencies(all: &[AgencyView]) -> String {
    let mut table = Table::new(&["CODE", "BELOW", "STATE", "SIZE", "MESSAGES", "NAME"]);
    for agency in all {
        let (octets, messages) = limits(&agency.usage);
        let below = agency.parent.clone().unwrap_or_default();
        let state = if agency.active { "enabled" } else { "disabled" };
        table.row(vec![
            agency.code.clone(),
            below,
            state.to_owned(),
            octets,
            messages,
            agency.name.clone(),
        ]);
    }
    table.to_string()
}

fn domains(all: &[DomainView]) -> String {
    let mut table = Table::new(&[
        "DOMAIN",
        "AGENCY",
        "STATE",
        "SIZE",
        "MESSAGES",
        "POSTMASTER",
        "ALIAS OF",
    ]);
    for domain in all {
        let (octets, messages) = limits(&domain.usage);
        table.row(vec![
            domain.name.clone(),
            domain.agency.clone(),
            state(domain.enabled, domain.enabled).to_owned(),
            octets,
            messages,
            domain.postmaster.clone().unwrap_or_default(),
            domain.alias_of.clone().unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn accounts(all: &[AccountView]) -> String {
    let mut table = Table::new(&[
        "ADDRESS", "KIND", "AGENCY", "STATE", "SIZE", "MESSAGES", "NAME",
    ]);
    for account in all {
        let (octets, messages) = limits(&account.usage);
        table.row(vec![
            account.address.clone(),
            kind(account).to_owned(),
            account.agency.clone(),
            if account.active {
                "enabled"
            } else {
                "disabled"
            }
            .to_owned(),
            octets,
            messages,
            account.name.clone(),
        ]);
    }
    table.to_string()
}

fn operators(view: &OperatorsView) -> String {
    let mut text = String::new();
    for address in view.operators.iter().chain(&view.operates) {
        let _ = writeln!(text, "{}", plain(address));
    }
    text
}

fn aliases(all: &[AliasView]) -> String {
    let mut table = Table::new(&["ALIAS", "LEADS TO"]);
    for alias in all {
        table.row(vec![alias.address.clone(), alias.targets.join(", ")]);
    }
    table.to_string()
}

fn groups(all: &[GroupView]) -> String {
    let mut table = Table::new(&["GROUP", "AGENCY", "STATE", "MEMBERS", "NAME"]);
    for group in all {
        table.row(vec![
            group.address.clone(),
            group.agency.clone(),
            state(group.enabled, group.enabled).to_owned(),
            group.size.to_string(),
            group.name.clone(),
        ]);
    }
    table.to_string()
}

fn import(view: &ImportView) -> String {
    if view.dry_run {
        return format!(
            "no errors; {} accounts would be created\n",
            view.accounts.len()
        );
    }
    let mut table = Table::new(&["ADDRESS", "PASSWORD (shown only now)"]);
    for account in &view.accounts {
        let password = account.password.as_ref();
        let shown = password.map(|p| String::from_utf8_lossy(p.0.expose()).into_owned());
        table.row(vec![account.address.clone(), shown.unwrap_or_default()]);
    }
    format!("{table}{} accounts created\n", view.accounts.len())
}

/// What holds for the spam filter, where somebody set it.
fn filter(policy: &FilterPolicy) -> String {
    if policy.enabled == Some(false) {
        return "off".to_owned();
    }
    let mut said: Vec<String> = policy
        .thresholds()
        .iter()
        .filter_map(|(name, value)| Some(format!("{name} from {}", (*value)?)))
        .collect();
    if let Some(days) = policy.quarantine_days {
        said.push(format!("held letters kept {days} days"));
    }
    said.join(", ")
}

fn attachments(policy: &FilterPolicy) -> String {
    match policy.attachments.as_deref() {
        None | Some([]) => String::new(),
        Some(endings) => format!("only {}", endings.join(", ")),
    }
}

fn protected(policy: &FilterPolicy) -> Vec<String> {
    let name = |one: &ProtectedName| {
        if one.domains.is_empty() {
            one.name.clone()
        } else {
            format!("{} ({})", one.name, one.domains.join(", "))
        }
    };
    policy.protected.iter().map(name).collect()
}
