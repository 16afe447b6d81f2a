//! SEARCH and UID SEARCH (RFC 9051 section 6.4.4; RFC 4731 ESEARCH; RFC 5182 saved results).
//!
//! Keys are tried in the order of their cost: the record first, the summary only where the record did not
//! decide, then the raw header, the words of the message last. Between pages the executor serves others. A message that another session
//! expunged meanwhile matches nothing.

mod key;

use std::borrow::Cow;
use std::sync::Arc;

use congvu_imap::ask::{Answer, Search, SearchKey, SearchReturn, SequenceSet};
use congvu_imap::response::{Code, Done, SearchResult, Untagged};
use congvu_message::text;
use congvu_store::{Error, Read, Result, Store};

use crate::blocking::blocking;
use crate::records::{self, PAGE};
use crate::refuse;
use crate::session::{LoggedIn, nothing_selected};
use crate::set::Targets;
use crate::summary;
use crate::uids::Uids;
use crate::view::{Expunges, View};
use key::{Candidate, Facts, Key};

/// Summaries looked at in one go on a blocking thread: some milliseconds.
const SLICE: usize = 32;

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
    let key = Arc::new(Key::compile(key, view, &keywords.unwrap_or_default()));
    let mut found = Found::default();
    let mut targets = Targets::all(view.uids());
    while !targets.is_empty() {
        let mut picks = targets.take(PAGE, view.uids());
        // What the numbers rule out is not even read.
        picks.retain(|pick| key.by_number(pick.seq, view) != Some(false));
        if !key.needs_record() {
            picks.retain(|pick| {
                key.by_number(pick.seq, view) == Some(true) && !view.has_gone(pick.uid)
            });
            found.seqs.extend(picks.iter().map(|pick| pick.seq));
            continue;
        }
        let page = records::read(store, mailbox, picks, usize::MAX).await?;
        found.missing += page.missing;
        let candidates: Vec<Candidate> = page
            .found
            .into_iter()
            .map(|(seq, message)| Candidate {
                seq,
                recent: view.is_recent(message.uid),
                message,
            })
            .collect();
        found.search(store, &key, candidates).await?;
        view.collect();
        tokio::task::yield_now().await;
    }
    Ok(found)
}

impl Found {
    /// Decides a page: by the records in place, the rest in slices off the executor.
    async fn search(&mut self, store: &Store, key: &Arc<Key>, page: Vec<Candidate>) -> Result<()> {
        let mut open = Vec::new();
        let at = self.seqs.len();
        for candidate in page {
            match key.decide(&Facts::new(&candidate)) {
                Some(true) => self.seqs.push(candidate.seq),
                Some(false) => {}
                None => open.push(candidate),
            }
        }
        while !open.is_empty() {
            let slice: Vec<Candidate> = open.drain(..open.len().min(SLICE)).collect();
            let (store, key) = (store.clone(), Arc::clone(key));
            let decided = blocking(move || {
                let decide =
                    |candidate: &Candidate| (candidate.seq, look_inside(&store, &key, candidate));
                Ok(slice.iter().map(decide).collect::<Vec<_>>())
            });
            for (seq, decided) in decided.await? {
                match decided {
                    Some(true) => self.seqs.push(seq),
                    Some(false) => {}
                    None => self.unreadable += 1,
                }
            }
        }
        self.seqs.get_mut(at..).unwrap_or_default().sort_unstable();
        Ok(())
    }
}

/// Decides with the summary, then with the raw header, then with the words, as far as needed. `None`: the message
/// cannot be read. Blocking.
fn look_inside(store: &Store, key: &Key, candidate: &Candidate) -> Option<bool> {
    let message = &candidate.message;
    let look = || {
        let body = if key.needs_words() {
            store.open_body(message.body, message.frame)?
        } else {
            store.open_front(message.body)?
        };
        let summary = summary::of(&body)?;
        let mut facts = Facts::new(candidate);
        facts.summary = Some(&summary);
        if let Some(matches) = key.decide(&facts) {
            return Ok(matches);
        }
        let header = match usize::try_from(summary.root.body_at) {
            Ok(end) if end <= body.header().len() => Cow::Borrowed(&body.header()[..end]),
            _ => Cow::Owned(body.octets(0, summary.root.body_at)?),
        };
        facts.header = Some(&header);
        if let Some(matches) = key.decide(&facts) {
            return Ok(matches);
        }
        let words = text::words(&summary.root, &mut |range| {
            body.octets(range.start, range.end - range.start)
        })?;
        facts.words = Some(&words);
        Ok::<_, Error>(key.decide(&facts).unwrap_or(false))
    };
    look()
        .inspect_err(|error| tracing::error!(uid = %message.uid, body = %message.body, %error, "message unreadable"))
        .ok()
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
