//! A queue longer than one domain's line: who stands behind the long line gets his letters at once.

use congvu_tests::PATIENCE;
use congvu_tests::backlog::{Plan, Until, run};

#[test]
fn a_domain_with_most_of_the_queue_does_not_keep_others_waiting() {
    let plan = Plan {
        messages: 3_000,
        domains: 21,
        big: 90,
        // The big one's server answers nothing while the others are served.
        delay: PATIENCE,
        window: PATIENCE,
        until: Until::OthersServed,
    };
    let seen = run(plan).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!((seen.tried, seen.living), (18, 18), "{seen}");
    assert_eq!((seen.small, seen.small_taken.0), (270, 270), "{seen}");
    assert_eq!(seen.big_taken, 0, "{seen}");
}
