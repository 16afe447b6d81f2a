//! `kill -9` at random moments, in short. `CONGVU_CRASH_ROUNDS` sets the number of rounds (10),
//! `CONGVU_CRASH_SEED` repeats a run; `cargo xtask crash` runs more.

use congvu_tests::crash::{Plan, backup_under_load, run};

const ROUNDS: u64 = 10;

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let plan = Plan {
        rounds: number("CONGVU_CRASH_ROUNDS").unwrap_or(ROUNDS),
        seed: number("CONGVU_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..)),
        tell: true,
    };
    println!("crash: {} rounds, seed {}", plan.rounds, plan.seed);
    let summary = run(plan).unwrap_or_else(|faults| panic!("{faults}"));
    print!("{summary}");
    for kind in ["SMTP", "LMTP", "APPEND", "STORE"] {
        assert!(
            summary.counts.contains_key(kind),
            "no {kind} was acknowledged: the load did not run: {summary}"
        );
    }
}

#[test]
fn a_backup_under_load_has_all_that_was_acknowledged_before_it() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let summary = backup_under_load(seed, 4).unwrap_or_else(|faults| panic!("{faults}"));
    println!("{summary}");
    assert!(
        summary.there > 0,
        "no message was acknowledged before the last backup"
    );
}
