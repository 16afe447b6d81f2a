//! Runs `tests/filter/*.test`: cases of facts, expectations and a message.
//!
//! ```text
//! == title of the case
//! ip 192.0.2.1                     facts, one a line (see `fact` below)
//! expect NAME OTHER                these rules report
//! not NAME                         these do not
//! verdict junk                     what follows from it (optional)
//! ham 400 text                     the filter has learned such a letter so often (spam likewise)
//! reason NAME text                 its English or Vietnamese reason contains the text (optional)
//!
//! From: a@b.example                the message after an empty line, up to the next `==`
//! ```
//!
//! Line ends of the message become CRLF. `\xHH` in the message is an octet.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use congvu_message::summarize;
use congvu_spam::facts::{
    Copies, Correspondence, Dkim, DmarcPolicy, Facts, Learned, Listing, Login, Outcome, Protected,
    Ptr, Rate as Pace, Reputation, Resolves, Side, Source, Subject,
};
use congvu_spam::statistics::{Class, Model, Rate, features};
use congvu_spam::{Judgement, Letter, judge, stage};

/// One case.
pub(crate) struct Case {
    place: String,
    facts: Vec<String>,
    expect: Vec<String>,
    not: Vec<String>,
    verdict: Option<String>,
    label: Option<String>,
    reasons: Vec<(String, String)>,
    taught: Vec<(Class, u32, String)>,
    message: Vec<u8>,
}

impl Case {
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }
}

#[test]
fn rules_find_what_they_should() {
    let mut faults = Vec::new();
    let mut expected = Vec::new();
    for case in cases() {
        expected.extend(case.expect.iter().cloned());
        faults.extend(run(&case));
    }
    for rule in stage::STAGES.iter().flat_map(|stage| stage.rules) {
        if !expected.iter().any(|name| name == rule.name) {
            faults.push(format!("no case expects {}", rule.name));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/filter")
}

pub(crate) fn cases() -> Vec<Case> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "test"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().flat_map(|file| read(file)).collect()
}

fn read(file: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_string_lossy();
    let mut cases = Vec::new();
    let mut in_message = false;
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        if let Some(title) = line.strip_prefix("== ") {
            cases.push(Case {
                place: format!("{place} ({title})"),
                facts: Vec::new(),
                expect: Vec::new(),
                not: Vec::new(),
                verdict: None,
                label: None,
                reasons: Vec::new(),
                taught: Vec::new(),
                message: Vec::new(),
            });
            in_message = false;
            continue;
        }
        let Some(case) = cases.last_mut() else {
            assert!(line.is_empty() || line.starts_with('#'), "{place}: {line}");
            continue;
        };
        if in_message {
            case.message.extend(octets(line));
            case.message.extend_from_slice(b"\r\n");
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let names = || rest.split_whitespace().map(str::to_owned);
        match word {
            "" => in_message = true,
            "expect" => case.expect.extend(names()),
            "not" => case.not.extend(names()),
            "verdict" => case.verdict = Some(rest.to_owned()),
            "label" => case.label = Some(rest.to_owned()),
            "ham" | "spam" => {
                let class = if word == "ham" {
                    Class::Ham
                } else {
                    Class::Spam
                };
                let (times, text) = rest.split_once(' ').unwrap();
                case.taught
                    .push((class, times.parse().unwrap(), text.to_owned()));
            }
            "reason" => {
                let (name, text) = rest.split_once(' ').unwrap();
                case.reasons.push((name.to_owned(), text.to_owned()));
            }
            _ => case.facts.push(line.to_owned()),
        }
    }
    cases
}

/// `\xHH` is an octet, everything else itself.
fn octets(line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\\x") {
        out.extend_from_slice(before.as_bytes());
        out.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn run(case: &Case) -> Vec<String> {
    let summary = summarize(&case.message);
    let letter = Letter::read(&case.message, &summary);
    let mut facts = Facts::new(&letter);
    let model = (!case.taught.is_empty()).then(|| taught(case));
    facts.learned = model.as_ref().map(|model| Learned {
        model,
        agency: None,
        account: None,
    });
    facts.time = Duration::MAX;
    for line in &case.facts {
        assert!(
            fact(&mut facts, line).is_some(),
            "{}: not a fact: {line}",
            case.place
        );
    }
    let judgement = judge(&facts);
    let found: Vec<&str> = judgement.evidence.iter().map(|found| found.name).collect();
    let at = &case.place;
    let mut faults = Vec::new();
    for name in &case.expect {
        if !found.contains(&name.as_str()) {
            faults.push(format!("{at}: {name} does not report; {found:?} do"));
        }
    }
    for name in &case.not {
        if found.contains(&name.as_str()) {
            faults.push(format!("{at}: {name} reports"));
        }
    }
    if let Some(verdict) = &case.verdict
        && verdict != judgement.verdict.name()
    {
        let p = judgement.probability;
        faults.push(format!(
            "{at}: verdict {} at p={p:.3}, not {verdict}; {found:?}",
            judgement.verdict.name()
        ));
    }
    if let Some(label) = &case.label {
        let given = judgement.label().map_or("none", |label| label.title());
        if given != label {
            faults.push(format!("{at}: label {given}, not {label}"));
        }
    }
    for (name, text) in &case.reasons {
        if !gives_reason(&judgement, name, text) {
            faults.push(format!("{at}: {name} does not say {text:?}"));
        }
    }
    faults
}

/// A model that has learned the letters of the case.
fn taught(case: &Case) -> Model {
    let model = Model::default();
    for (class, times, text) in &case.taught {
        let raw = format!("Subject: x\r\n\r\n{text}\r\n");
        let summary = summarize(raw.as_bytes());
        let features = features(&Letter::read(raw.as_bytes(), &summary));
        for _ in 0..*times {
            model.learn(&features, *class, Rate::SORTED);
        }
    }
    model
}

fn gives_reason(judgement: &Judgement, name: &str, text: &str) -> bool {
    let mut evidence = judgement.evidence.iter();
    evidence.any(|found| {
        found.name == name && (found.reason.en.contains(text) || found.reason.vi.contains(text))
    })
}

/// One line of facts; `None` if it is none.
#[allow(clippy::too_many_lines, reason = "one table of words")]
fn fact(facts: &mut Facts<'_>, line: &str) -> Option<()> {
    let mut words = line.split_whitespace();
    let word = words.next()?;
    let mut next = || words.next().map(str::to_owned);
    let connection = &mut facts.connection;
    let authentication = &mut facts.authentication;
    let standing = &mut facts.standing;
    let policy = &mut facts.policy;
    match word {
        "ip" => connection.ip = Some(next()?.parse().ok()?),
        // ptr missing | ptr unconfirmed NAME | ptr confirmed NAME
        "ptr" => {
            connection.ptr = match next()?.as_str() {
                "missing" => Ptr::Missing,
                "unconfirmed" => Ptr::Unconfirmed(next()?),
                "confirmed" => Ptr::Confirmed(next()?),
                _ => return None,
            }
        }
        "helo" => connection.helo = Some(next().unwrap_or_default()),
        "early-talk" => connection.early_talk = true,
        "tls" => connection.tls = true,
        "account" => connection.login = Login::Account(next()?),
        "agency" => connection.login = Login::Agency(next()?),
        // mail-from <a@b.example> | mail-from <>
        "mail-from" => {
            let path = next()?;
            facts.envelope.from = Some(path.strip_prefix('<')?.strip_suffix('>')?.to_owned());
        }
        "rcpt" => facts.envelope.to.push(next()?),
        // from-domain yes | from-domain no
        "from-domain" => {
            facts.envelope.from_domain = match next()?.as_str() {
                "yes" => Resolves::Yes,
                "no" => Resolves::No,
                _ => return None,
            }
        }
        "spf" => authentication.spf = outcome(&next()?)?,
        // dkim pass DOMAIN
        "dkim" => authentication.dkim.push(Dkim {
            outcome: outcome(&next()?)?,
            domain: next()?,
        }),
        // dmarc fail reject
        "dmarc" => {
            authentication.dmarc = outcome(&next()?)?;
            authentication.dmarc_policy = match next().as_deref() {
                None => DmarcPolicy::Unknown,
                Some("none") => DmarcPolicy::None,
                Some("quarantine") => DmarcPolicy::Quarantine,
                Some("reject") => DmarcPolicy::Reject,
                Some(_) => return None,
            }
        }
        // arc pass trusted
        "arc" => {
            authentication.arc = outcome(&next()?)?;
            authentication.arc_trusted = next().as_deref() == Some("trusted");
        }
        "from-is-ours" => authentication.from_is_ours = true,
        // listing block public network 192.0.2.1 zen.example 1.5
        "listing" => standing.listings.push(listing(&mut next)?),
        // reputation domain b.example HAM SPAM
        "reputation" => standing.reputation.push(Reputation {
            what: subject(&next()?)?,
            entry: next()?,
            ham: next()?.parse().ok()?,
            spam: next()?.parse().ok()?,
        }),
        // correspondence none | received N | wrote-to N | answer
        "correspondence" => {
            standing.correspondence = match next()?.as_str() {
                "none" => Correspondence::None,
                "received" => Correspondence::Received {
                    letters: next()?.parse().ok()?,
                },
                "wrote-to" => Correspondence::WroteTo {
                    letters: next()?.parse().ok()?,
                },
                "answer" => Correspondence::Answer,
                _ => return None,
            }
        }
        // copies SEEN RECIPIENTS REPORTED
        "copies" => {
            standing.copies = Some(Copies {
                seen: next()?.parse().ok()?,
                recipients: next()?.parse().ok()?,
                reported: next()?.parse().ok()?,
            });
        }
        // rate MESSAGES USUAL
        "rate" => {
            standing.rate = Some(Pace {
                messages: next()?.parse().ok()?,
                usual: next()?.parse().ok()?,
            });
        }
        "advertisements-today" => standing.advertisements_today = Some(next()?.parse().ok()?),
        "our-domain" => Arc::make_mut(&mut policy.our_domains).push(next()?),
        "genuine" => Arc::make_mut(&mut policy.genuine).push(next()?),
        "our-host" => Arc::make_mut(&mut policy.our_hosts).push(next()?),
        // protected DOMAIN the name as people write it; "-": for all of our domains
        "protected" => Arc::make_mut(&mut policy.protected).push(Protected {
            domains: Some(next()?).filter(|one| one != "-").into_iter().collect(),
            name: words.collect::<Vec<_>>().join(" "),
        }),
        "attachments" => Arc::make_mut(&mut policy.attachments).extend(words.map(str::to_owned)),
        // threshold reject 0.999
        "threshold" => {
            let thresholds = &mut policy.thresholds;
            let which = next()?;
            let value = next()?.parse().ok()?;
            match which.as_str() {
                "labelled" => thresholds.labelled = value,
                "junk" => thresholds.junk = value,
                "quarantine" => thresholds.quarantine = value,
                "reject" => thresholds.reject = value,
                _ => return None,
            }
        }
        "now" => facts.now = Some(next()?.parse().ok()?),
        _ => return None,
    }
    Some(())
}

fn outcome(word: &str) -> Option<Outcome> {
    Some(match word {
        "none" => Outcome::None,
        "pass" => Outcome::Pass,
        "fail" => Outcome::Fail,
        "softfail" => Outcome::SoftFail,
        "neutral" => Outcome::Neutral,
        "temperror" => Outcome::TempError,
        "permerror" => Outcome::PermError,
        _ => return None,
    })
}

fn listing(next: &mut impl FnMut() -> Option<String>) -> Option<Listing> {
    let side = match next()?.as_str() {
        "allow" => Side::Allow,
        "block" => Side::Block,
        _ => return None,
    };
    let source = match next()?.as_str() {
        "public" => Source::Public,
        "house" => Source::House,
        "agency" => Source::Agency,
        "account" => Source::Account,
        _ => return None,
    };
    Some(Listing {
        side,
        source,
        what: subject(&next()?)?,
        entry: next()?,
        list: next()?,
        weight: next()?.parse().ok()?,
        reason: next(),
    })
}

fn subject(word: &str) -> Option<Subject> {
    Some(match word {
        "address" => Subject::Address,
        "domain" => Subject::Domain,
        "network" => Subject::Network,
        "link" => Subject::Link,
        _ => return None,
    })
}
