//! LIST in all its forms, and LSUB (RFC 9051 section 6.3.9; RFC 5258, 5819, 6154; RFC 3501 section 6.3.9).
//!
//! Special uses stand in every LIST, asked for or not: Apple Mail does not ask and relies on them. Parents
//! always exist, so `\Noselect` never appears except where LSUB needs it: Outlook loses letters that were
//! put into a parent that cannot be selected.

use std::collections::{BTreeMap, HashSet, VecDeque};

use congvu_imap::ask::{Answer, List};
use congvu_imap::response::{Done, ListEntry, Untagged};
use congvu_store::{Error, Mailbox, Read, SpecialUse};

use crate::pattern::{Pattern, SEPARATOR};
use crate::refuse;
use crate::session::{LoggedIn, Work, done};
use crate::status;
use crate::view::Expunges;

/// Lines an answer, so that output stays bounded.
const LINES: usize = 256;

/// A LIST under way.
pub(crate) struct Run {
    lines: VecDeque<Line>,
    ask: List,
}

/// One line to come.
struct Line {
    entry: ListEntry,
    mailbox: Option<Mailbox>,
}

/// Names: existing mailboxes, and subscribed ones that are gone.
struct Names {
    all: BTreeMap<String, Option<Mailbox>>,
    subscribed: HashSet<String>,
    /// Every name that another existing name is below of.
    parents: HashSet<String>,
}

impl LoggedIn {
    pub(crate) async fn list(&mut self, ask: List) -> Answer {
        if !ask.extended && ask.patterns.iter().all(String::is_empty) {
            // Asks for the separator (RFC 9051 section 6.3.9).
            let root = ListEntry {
                attributes: vec!["\\Noselect".to_owned()],
                ..ListEntry::default()
            };
            let untagged = vec![Untagged::List(root)];
            return self
                .finish(untagged, Done::ok("Completed"), Expunges::Say)
                .await;
        }
        if ask.recursive_match && !ask.subscribed && !ask.special_use {
            return done(refuse::bad("RECURSIVEMATCH needs another selection option"));
        }
        let account = self.account;
        let read = self
            .store()
            .read(move |snapshot| {
                Ok::<_, Error>((
                    snapshot.mailboxes(account)?,
                    snapshot.subscriptions(account)?,
                ))
            })
            .await;
        let names = match read {
            Ok((mailboxes, subscribed)) => Names::new(mailboxes, subscribed),
            Err(error) => return done(refuse::store(&error)),
        };
        let patterns: Vec<Pattern> = ask
            .patterns
            .iter()
            .filter_map(|pattern| Pattern::new(&ask.reference, pattern))
            .collect();
        let lines = if ask.lsub {
            names.lsub(&patterns).await
        } else {
            names.list(&ask, &patterns).await
        };
        self.list_more(Box::new(Run { lines, ask })).await
    }

    pub(crate) async fn list_more(&mut self, mut run: Box<Run>) -> Answer {
        let mut untagged = Vec::new();
        let now = run.lines.len().min(LINES);
        for line in run.lines.drain(..now).collect::<Vec<_>>() {
            untagged.push(Untagged::List(line.entry));
            if let (Some(mailbox), false) = (line.mailbox, run.ask.return_status.is_empty()) {
                match self.status_line(mailbox, &run.ask).await {
                    Ok(line) => untagged.extend(line),
                    Err(error) => return done(refuse::store(&error)),
                }
            }
        }
        if run.lines.is_empty() {
            return self
                .finish(untagged, Done::ok("Completed"), Expunges::Say)
                .await;
        }
        self.work = Work::List(run);
        Answer::Reply {
            untagged,
            done: None,
        }
    }

    /// STATUS beside a LIST line (RFC 5819): read now, so that it is as new as it can be. A mailbox that
    /// went in between has none.
    async fn status_line(&self, mailbox: Mailbox, ask: &List) -> Result<Option<Untagged>, Error> {
        let recent = ask
            .return_status
            .contains(&congvu_imap::ask::StatusItem::Recent);
        let id = mailbox.id;
        let found = self
            .store()
            .read(move |snapshot| {
                let Some(mailbox) = snapshot.mailbox(id)? else {
                    return Ok(None);
                };
                let unclaimed = if recent {
                    status::unclaimed(snapshot, &mailbox)?
                } else {
                    Vec::new()
                };
                Ok::<_, Error>(Some((mailbox, unclaimed)))
            })
            .await?;
        Ok(found.map(|(mailbox, unclaimed)| {
            let recent = self.recent_count(&mailbox, &unclaimed);
            Untagged::MailboxStatus(status::line(&mailbox, &ask.return_status, recent))
        }))
    }
}

impl Names {
    fn new(mailboxes: Vec<Mailbox>, subscribed: Vec<String>) -> Self {
        let mut parents = HashSet::new();
        for mailbox in &mailboxes {
            for parent in ancestors(&mailbox.name) {
                if !parents.contains(parent) {
                    parents.insert(parent.to_owned());
                }
            }
        }
        let mut all: BTreeMap<String, Option<Mailbox>> = mailboxes
            .into_iter()
            .map(|mailbox| (mailbox.name.clone(), Some(mailbox)))
            .collect();
        for name in &subscribed {
            all.entry(name.clone()).or_insert(None);
        }
        Self {
            all,
            subscribed: subscribed.into_iter().collect(),
            parents,
        }
    }

    async fn list(mut self, ask: &List, patterns: &[Pattern]) -> VecDeque<Line> {
        let selected = |name: &str, mailbox: Option<&Mailbox>, subscribed: &HashSet<String>| {
            (!ask.subscribed || subscribed.contains(name))
                && (!ask.special_use
                    || mailbox.is_some_and(|mailbox| mailbox.special_use.is_some()))
                && (ask.subscribed || mailbox.is_some())
        };
        // Names below which something is selected, for RECURSIVEMATCH.
        let mut above: HashSet<String> = HashSet::new();
        if ask.recursive_match {
            for (name, mailbox) in &self.all {
                if selected(name, mailbox.as_ref(), &self.subscribed) {
                    above.extend(ancestors(name).map(str::to_owned));
                }
            }
            for name in &above {
                self.all.entry(name.clone()).or_insert(None);
            }
        }
        let mut criteria = Vec::new();
        if ask.subscribed {
            criteria.push("SUBSCRIBED".to_owned());
        }
        if ask.special_use {
            criteria.push("SPECIAL-USE".to_owned());
        }
        let show_subscribed = ask.subscribed || ask.return_subscribed;
        let mut lines = VecDeque::new();
        for (count, (name, mailbox)) in self.all.into_iter().enumerate() {
            if count % LINES == LINES - 1 {
                tokio::task::yield_now().await;
            }
            let (meets, above) = (
                selected(&name, mailbox.as_ref(), &self.subscribed),
                above.contains(&name),
            );
            if !(meets || above) || !patterns.iter().any(|pattern| pattern.matches(&name)) {
                continue;
            }
            let mut attributes = Vec::new();
            if mailbox.is_none() {
                attributes.push("\\NonExistent".to_owned());
            }
            if show_subscribed && self.subscribed.contains(&name) {
                attributes.push("\\Subscribed".to_owned());
            }
            let children = if self.parents.contains(&name) {
                "\\HasChildren"
            } else {
                "\\HasNoChildren"
            };
            attributes.push(children.to_owned());
            if let Some(special) = mailbox.as_ref().and_then(|mailbox| mailbox.special_use) {
                attributes.push(special_use_name(special).to_owned());
            }
            let child_info = if above { criteria.clone() } else { Vec::new() };
            lines.push_back(Line {
                entry: ListEntry {
                    attributes,
                    name,
                    child_info,
                    old_name: None,
                },
                mailbox,
            });
        }
        lines
    }

    /// LSUB: subscribed names; and with `%`, a parent that is not subscribed itself but has subscribed
    /// names below it, as `\Noselect` (RFC 3501 section 6.3.9).
    async fn lsub(self, patterns: &[Pattern]) -> VecDeque<Line> {
        let mut names: BTreeMap<&str, bool> = self
            .subscribed
            .iter()
            .map(|name| (name.as_str(), true))
            .collect();
        for name in &self.subscribed {
            for parent in ancestors(name) {
                names.entry(parent).or_insert(false);
            }
        }
        // For each pattern the names above subscribed ones that it shows anyway.
        let mut covered: Vec<HashSet<&str>> = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let shown = self.subscribed.iter().filter(|name| pattern.matches(name));
            covered.push(shown.flat_map(|name| ancestors(name)).collect());
            tokio::task::yield_now().await;
        }
        let mut lines = VecDeque::new();
        for (count, (name, subscribed)) in names.into_iter().enumerate() {
            if count % LINES == LINES - 1 {
                tokio::task::yield_now().await;
            }
            let shown = patterns.iter().zip(&covered).any(|(pattern, covered)| {
                pattern.matches(name) && (subscribed || !covered.contains(name))
            });
            if !shown {
                continue;
            }
            let mailbox = self.all.get(name).and_then(Option::as_ref);
            let mut attributes = Vec::new();
            if !subscribed {
                attributes.push("\\Noselect".to_owned());
            }
            let children = if self.parents.contains(name) {
                "\\HasChildren"
            } else {
                "\\HasNoChildren"
            };
            attributes.push(children.to_owned());
            if let Some(special) = mailbox.and_then(|mailbox| mailbox.special_use) {
                attributes.push(special_use_name(special).to_owned());
            }
            let entry = ListEntry {
                attributes,
                name: name.to_owned(),
                ..ListEntry::default()
            };
            lines.push_back(Line {
                entry,
                mailbox: None,
            });
        }
        lines
    }
}

/// `a/b/c` → `a`, `a/b`.
fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR)
        .map(|(at, _)| name.split_at(at).0)
}

/// The attribute names of RFC 6154 and RFC 8457, exactly: `\Drafts`, not `\Draft`.
const SPECIAL_USES: [(&str, SpecialUse); 8] = [
    ("\\Drafts", SpecialUse::Drafts),
    ("\\Sent", SpecialUse::Sent),
    ("\\Junk", SpecialUse::Junk),
    ("\\Trash", SpecialUse::Trash),
    ("\\Archive", SpecialUse::Archive),
    ("\\Flagged", SpecialUse::Flagged),
    ("\\All", SpecialUse::All),
    ("\\Important", SpecialUse::Important),
];

/// The special use of an attribute.
pub(crate) fn special_use(name: &str) -> Option<SpecialUse> {
    SPECIAL_USES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|&(_, special)| special)
}

/// The attribute of a special use.
pub(crate) fn special_use_name(special: SpecialUse) -> &'static str {
    SPECIAL_USES
        .iter()
        .find(|(_, known)| *known == special)
        .map_or("\\Archive", |&(name, _)| name)
}
