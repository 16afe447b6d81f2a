//! A long queue, measured: `cargo xtask bench queue` builds and runs this.

use std::process::ExitCode;
use std::time::Duration;

use congvu_tests::backlog::{Plan, Until, run};

const USAGE: &str =
    "backlog [--messages N] [--domains N] [--big PERCENT] [--delay MILLISECONDS] [--seconds N]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(plan) = plan(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    println!(
        "{} letters for {} domains, {} % of them for one whose server takes {} ms for each",
        plan.messages,
        plan.domains,
        plan.big,
        plan.delay.as_millis()
    );
    match run(plan) {
        Ok(seen) => {
            print!("{seen}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn plan(args: &[String]) -> Option<Plan> {
    let mut plan = Plan {
        messages: 100_000,
        domains: 1_000,
        big: 90,
        delay: Duration::from_millis(100),
        window: Duration::from_mins(1),
        until: Until::AllServed,
    };
    for pair in args.chunks(2) {
        let [option, value] = pair else { return None };
        let number: u32 = value.parse().ok()?;
        let count = usize::try_from(number).ok()?;
        match option.as_str() {
            "--messages" => plan.messages = count.max(1),
            "--domains" => plan.domains = count.max(2),
            "--big" => plan.big = count.min(100),
            "--delay" => plan.delay = Duration::from_millis(number.into()),
            "--seconds" => plan.window = Duration::from_secs(number.into()),
            _ => return None,
        }
    }
    Some(plan)
}
