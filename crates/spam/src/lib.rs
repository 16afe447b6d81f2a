//! The spam filter: facts in, evidence and a verdict with reasons out.
//!
//! The filter is a pure function. [`judge`] takes [`Facts`], runs every [`stage`] over them and adds up what they
//! found: `probability = sigmoid(base + sum of the weights)`, each weight in log-odds. No sockets, no store, no clock
//! but the one that bounds the scan: who calls it looks up names and lists before, and a look-up that failed is
//! a fact too ("unknown"), which is evidence of nothing.
//!
//! # How to add a stage
//!
//! 1. One file in `stage/`, one kind of evidence (a [`Family`], added to the enum in `evidence.rs` if it is new). It
//!    has a `pub(crate) const STAGE: Stage` with its name, the list of its [`Rule`]s and the function
//!    `fn examine(facts: &Facts<'_>, out: &mut Findings)`. `reads` names the facts of single recipients that it looks at:
//!    it runs again for those who have them ([`Scan`]).
//! 2. A rule is a constant: stable name, family, usual weight. `out.add(&RULE, Reason::new(vietnamese, english))`
//!    reports it, `out.weigh(&RULE, weight, reason)` with another weight. The weight is cut to the rule's bound, ±1.5
//!    unless it was made with `Rule::bounded`. Reasons name the concrete thing ([`evidence::shown`] makes foreign text
//!    safe to print).
//! 3. What the stage needs to know and cannot read from the message becomes a field of a type in `facts.rs` whose
//!    default means "not known". Nothing follows from what is not known.
//! 4. Text of the message comes from [`Letter::texts`]: decoded once, bounded, for all stages. A stage with a loop over
//!    something large asks `out.expired()` now and then and returns. One that panics or runs out of time only adds the
//!    evidence `UNSCANNABLE`, weight 0.
//! 5. Put it into [`stage::STAGES`], and write cases for every rule into `tests/filter/NAME.test`: a test fails if a
//!    rule is expected by none of them. The words for facts are in `crates/spam/tests/it/rules.rs`.

pub mod bounds;
pub mod eval;
pub mod evidence;
pub mod facts;
pub mod letter;
pub mod links;
mod markup;
mod names;
mod official;
mod phrases;
pub mod proof;
mod scan;
pub mod simhash;
pub mod stage;
pub mod statistics;
pub mod verdict;

pub use evidence::{Evidence, Family, Findings, Reason, Rule};
pub use facts::Facts;
pub use letter::Letter;
pub use scan::Scan;
pub use stage::advertising::is_advertising;
pub use stage::judge;
pub use verdict::{Judgement, Label, Thresholds, Verdict};
