//! The crash test as a program: `cargo xtask crash --rounds N [--seed S]` builds and runs it.

use std::process::ExitCode;

use congvu_tests::crash::{Plan, run};

const USAGE: &str = "crash --rounds N [--seed S]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(plan) = plan(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    println!("crash: {} rounds, seed {}", plan.rounds, plan.seed);
    match run(plan) {
        Ok(summary) => {
            print!("{summary}");
            ExitCode::SUCCESS
        }
        Err(faults) => {
            eprintln!("{faults}");
            ExitCode::FAILURE
        }
    }
}

fn plan(args: &[String]) -> Option<Plan> {
    let mut plan = Plan {
        rounds: 10,
        seed: fastrand::u64(..),
        tell: true,
    };
    for pair in args.chunks(2) {
        let [option, value] = pair else { return None };
        let number = value.parse().ok()?;
        match option.as_str() {
            "--rounds" => plan.rounds = number,
            "--seed" => plan.seed = number,
            _ => return None,
        }
    }
    Some(plan)
}
