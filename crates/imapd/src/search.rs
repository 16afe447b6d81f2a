//! SEARCH and UID SEARCH (RFC 9051 section 6.4.4; RFC 4731 ESEARCH; RFC 5182 saved results).
//!
//! Keys are tried in the order of their cost: the record first, the summary only where the record did not
//! decide, the raw header last. Between pages the executor serves others. A message that another session
//! expunged meanwhile matches nothing.

mod key;

use congvu_imap::ask::{Answer, Search, SearchKey, SearchReturn, SequenceSet};
use congvu_imap::response::{Code, Done, SearchResult, Untagged};
use congvu_message::Summary;
use congvu_store::{Message, Read, Result, Store};

use crate::records::{self, PAGE};
use crate::refuse;
use crate::session::{LoggedIn, nothing_selected};
use crate::set::Targets;
use crate::summary;
use crate::uids::Uids;
use crate::view::{Expunges, View};
use key::{Facts, Key};

/// Summaries looked at before others get the executor: a few milliseconds.
const SLICE: usize = 8;

/// What was found.
#[derive(Default)]
struct Found {
    /// Sequence numbers, ascending.
    seqs: Vec<u32>,
    missing: usize,
    unreadable: usize,
}

impl LoggedIn {
    pub(crate) async fn search(&mut self, ask: Search) -> Answer {
        let Some(view) = self.view.as_mut() else {
            return nothing_selected();
        };
        let expunges = if ask.uid {
            Expunges::Say
        } else {
            Expunges::Keep
        };
        let found = run(&self.shared.store, view, &ask.key).await;
        let save = ask.returns.is_some_and(|returns| returns.save);
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                if save {
                    view.saved = Uids::default();
                }
                let end = refuse::store(&error);
                return self.finish(Vec::new(), end, expunges).await;
            }
        };
        if save {
            view.saved = saved(view, &found.seqs, ask.returns.unwrap_or_default());
        }
        let numbers: Vec<u32> = if ask.uid {
            found
                .seqs
                .iter()
                .filter_map(|&seq| view.uids().at(seq))
                .collect()
        } else {
            found.seqs
        };
        let mut end = Done::ok(if found.unreadable > 0 {
            "SEARCH completed; some messages could not be read and were left out"
        } else {
            "SEARCH completed"
        });
        if found.missing > 0 {
            end = end.with(Code::ExpungeIssued);
        }
        let result = answer(numbers, ask.uid, ask.returns, self.rev2);
        self.finish(
            result.map(Untagged::Search).into_iter().collect(),
            end,
            expunges,
        )
        .await
    }
}

/// Tries the key on every message of the view that can match.
async fn run(store: &Store, view: &mut View, key: &SearchKey) -> Result<Found> {
    let mailbox = view.mailbox;
    // Keywords that came up since the view was last told are searched too.
    let keywords = store
        .read(move |snapshot| snapshot.mailbox(mailbox))
        .await?
        .map(|mailbox| mailbox.keywords);
    let key = Key::compile(key, view, &keywords.unwrap_or_default());
    let mut found = Found::default();
    let mut targets = Targets::all(view.uids());
    let mut opened = 0;
    while !targets.is_empty() {
        let mut picks = targets.take(PAGE, view.uids());
        // What the numbers rule out is not even read.
        picks.retain(|pick| key.by_number(pick.seq, view) != Some(false));
        if !key.needs_record() {
            let there = picks.iter().filter(|pick| {
                key.by_number(pick.seq, view) == Some(true) && !view.has_gone(pick.uid)
            });
            found.seqs.extend(there.map(|pick| pick.seq));
            continue;
        }
        let page = records::read(store, view.mailbox, picks, usize::MAX).await?;
        found.missing += page.missing;
        for (seq, message) in page.found {
            let facts = Facts::new(seq, &message, view);
            let matches = if let Some(matches) = key.decide(&facts) {
                matches
            } else {
                opened += 1;
                if opened % SLICE == 0 {
                    tokio::task::yield_now().await;
                }
                open(store, view, &key, seq, &message).await.unwrap_or_else(|error| {
                    tracing::error!(
                        mailbox = %view.mailbox, uid = %message.uid, body = %message.body, %error,
                        "message unreadable"
                    );
                    found.unreadable += 1;
                    false
                })
            };
            if matches {
                found.seqs.push(seq);
            }
        }
        view.collect();
        tokio::task::yield_now().await;
    }
    Ok(found)
}

/// Decides with the summary, and with the raw header where that is not enough.
async fn open(store: &Store, view: &View, key: &Key, seq: u32, message: &Message) -> Result<bool> {
    let body = store.body(message.body, message.frame).await?;
    let summary: Summary = summary::of(store, &body).await?;
    let mut facts = Facts::new(seq, message, view);
    facts.summary = Some(&summary);
    if let Some(matches) = key.decide(&facts) {
        return Ok(matches);
    }
    let header = store.octets(&body, 0, summary.root.body_at).await?;
    facts.header = Some(&header);
    Ok(key.decide(&facts).unwrap_or(false))
}

/// What `$` becomes (RFC 9051 section 6.4.4.1, table 4).
fn saved(view: &View, seqs: &[u32], returns: SearchReturn) -> Uids {
    let uids = |seqs: &[u32]| Uids::ascending(seqs.iter().filter_map(|&seq| view.uids().at(seq)));
    if returns.all || returns.count || !(returns.min || returns.max) {
        return uids(seqs);
    }
    let mut ends = Vec::new();
    if returns.min {
        ends.extend(seqs.first());
    }
    if returns.max {
        ends.extend(seqs.last());
    }
    uids(&ends)
}

/// The response; none for SAVE alone.
fn answer(
    numbers: Vec<u32>,
    uid: bool,
    returns: Option<SearchReturn>,
    rev2: bool,
) -> Option<SearchResult> {
    let returns = match returns {
        None if !rev2 => {
            return Some(SearchResult {
                uid,
                numbers: Some(numbers),
                ..SearchResult::default()
            });
        }
        None => SearchReturn {
            all: true,
            ..SearchReturn::default()
        },
        Some(returns) if returns == SearchReturn::default() => SearchReturn {
            all: true,
            ..returns
        },
        Some(returns) => returns,
    };
    let SearchReturn {
        min,
        max,
        all,
        count,
        save,
    } = returns;
    if save && !(min || max || all || count) {
        return None;
    }
    Some(SearchResult {
        uid,
        numbers: None,
        min: if min { numbers.first().copied() } else { None },
        max: if max { numbers.last().copied() } else { None },
        all: (all && !numbers.is_empty()).then(|| ranges(&numbers)),
        count: count.then(|| u32::try_from(numbers.len()).unwrap_or(u32::MAX)),
    })
}

/// Ascending numbers as ranges.
fn ranges(numbers: &[u32]) -> SequenceSet {
    let runs = numbers.chunk_by(|left, right| left + 1 == *right);
    SequenceSet::Ranges(
        runs.map(|run| (run.first().copied(), run.last().copied()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use congvu_imap::ask::{SearchReturn, SequenceSet};

    use super::answer;

    #[test]
    fn forms_of_the_answer() {
        let numbers = vec![2, 3, 4, 9];
        let all = SequenceSet::Ranges(vec![(Some(2), Some(4)), (Some(9), Some(9))]);
        let plain = answer(numbers.clone(), true, None, false).unwrap();
        assert_eq!((plain.numbers, plain.all), (Some(numbers.clone()), None));
        let rev2 = answer(numbers.clone(), true, None, true).unwrap();
        assert_eq!((rev2.numbers, rev2.all), (None, Some(all.clone())));
        let bare = answer(numbers.clone(), false, Some(SearchReturn::default()), false).unwrap();
        assert_eq!(bare.all, Some(all));
        let some = SearchReturn {
            min: true,
            max: true,
            count: true,
            ..SearchReturn::default()
        };
        let some = answer(numbers.clone(), false, Some(some), false).unwrap();
        assert_eq!(
            (some.min, some.max, some.count, some.all),
            (Some(2), Some(9), Some(4), None)
        );
        let save = SearchReturn {
            save: true,
            ..SearchReturn::default()
        };
        assert_eq!(answer(numbers, false, Some(save), true), None);
        let none = answer(
            Vec::new(),
            false,
            Some(SearchReturn {
                min: true,
                all: true,
                ..SearchReturn::default()
            }),
            true,
        );
        assert!(none.is_some_and(|none| none.min.is_none() && none.all.is_none()));
    }
}
