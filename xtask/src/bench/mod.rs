//! `cargo xtask bench`: load against a running server, measured from outside.
//!
//! The generator is plain blocking threads with prepared messages, cheap enough not to be what is
//! measured. CPU time a message (from `/proc`, the server's processes and their reaped children) is the figure
//! to trust on a noisy machine; rates and latencies depend on the disk and on who else is busy.

mod letter;
mod load;
mod process;

use std::net::SocketAddr;
use std::time::Duration;

use load::{Load, Protocol};

/// What to run, from the command line.
pub(crate) const USAGE: &str = "\
cargo xtask bench smtp|lmtp ADDRESS --pids PID[,PID…] [options]
  ADDRESS          host:port of a running server
  --pids LIST      processes whose CPU time and memory are counted (with reaped children)
  --sessions N     connections at once (20)
  --messages N     messages in all (3000)
  --size OCTETS    size of a message (10240)
  --rcpts N        recipients are 1…N in --to (500)
  --to PATTERN     recipient address, % is the number (u%@xa.test)
  --from ADDRESS   reverse-path (load@example.org)
  --keep           one connection for many messages instead of a new one each";

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (load, pids) = parse(args).map_err(|fault| format!("{fault}\n{USAGE}"))?;
    let before = process::cpu(&pids)?;
    let report = load.run()?;
    // CPU time of work that goes on after the last reply belongs to the messages as well.
    let after = process::settled(&pids)?;
    let cpu = after.saturating_sub(before);
    let count = f64::from(u32::try_from(report.latencies.len().max(1)).unwrap_or(u32::MAX));
    println!(
        "{} messages of {} octets, {} sessions, {}: {:.0} messages/s, {:.3} ms CPU a message, p50 {:.1} ms, p99 {:.1} ms, {} refused, memory {} MiB",
        report.latencies.len(),
        load.size,
        load.sessions,
        if load.keep {
            "connections kept"
        } else {
            "new connection each"
        },
        count / report.wall.as_secs_f64(),
        cpu.as_secs_f64() * 1000.0 / count,
        percentile(&report.latencies, 50),
        percentile(&report.latencies, 99),
        report.refused,
        process::resident(&pids)? / (1024 * 1024),
    );
    if let Some(reason) = report.first_refusal {
        println!("first refusal: {reason}");
    }
    Ok(())
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = sorted.len().saturating_sub(1) * percent / 100;
    sorted
        .get(at)
        .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
}

fn parse(args: &[String]) -> Result<(Load, Vec<u32>), String> {
    let protocol = match args.first().map(String::as_str) {
        Some("smtp") => Protocol::Smtp,
        Some("lmtp") => Protocol::Lmtp,
        _ => return Err("what shall be measured?".to_owned()),
    };
    let address: SocketAddr = args
        .get(1)
        .and_then(|text| text.parse().ok())
        .ok_or("ADDRESS is missing or wrong")?;
    let mut load = Load {
        protocol,
        address,
        sessions: 20,
        messages: 3000,
        size: 10 * 1024,
        rcpts: 500,
        to: "u%@xa.test".to_owned(),
        from: "load@example.org".to_owned(),
        keep: false,
    };
    let mut pids = Vec::new();
    let mut rest = args[2..].iter();
    while let Some(option) = rest.next() {
        if option == "--keep" {
            load.keep = true;
            continue;
        }
        let value = rest
            .next()
            .ok_or_else(|| format!("{option} wants a value"))?;
        let number = || {
            value
                .parse::<usize>()
                .map_err(|_| format!("{option}: {value} is no number"))
        };
        match option.as_str() {
            "--sessions" => load.sessions = number()?.max(1),
            "--messages" => load.messages = number()?,
            "--size" => load.size = number()?,
            "--rcpts" => load.rcpts = number()?.max(1),
            "--to" => load.to.clone_from(value),
            "--from" => load.from.clone_from(value),
            "--pids" => {
                for pid in value.split(',') {
                    pids.push(
                        pid.parse()
                            .map_err(|_| format!("--pids: {pid} is no number"))?,
                    );
                }
            }
            other => return Err(format!("no option {other}")),
        }
    }
    Ok((load, pids))
}
