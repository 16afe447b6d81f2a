//! `cargo xtask bench`: load against mail servers, measured from outside.
//!
//! The generator is plain blocking threads with prepared messages, cheap enough not to be what is
//! measured. CPU time a message (from `/proc`, the server's processes and their children) is the figure
//! to trust on a noisy machine; rates and latencies depend on the disk and on who else is busy.

mod congvu;
mod imap;
mod letter;
mod load;
mod peer;
mod process;
mod queue;
mod run;
mod sample;
mod words;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use load::{Load, Protocol};

/// What to run, from the command line.
pub(crate) const USAGE: &str = "\
cargo xtask bench micro [FILTER]
  single steps by themselves: parsers, summary, log, index

cargo xtask bench run [options]
  builds and starts our server, and Postfix with Dovecot where they are installed (as root), and
  prints a table of all kinds of work
  --messages N     messages of the 10 KB rows (5000)
  --fill N         messages stored for sizes and starts at the end (0: without that)
  --only TEXT      only rows with TEXT in their name
  --alone          without the peer
  --folder DIR     where the servers keep their data (the system's temporary folder)

cargo xtask bench queue [options]
  builds the server, fills a queue, starts the server on it and tells how soon it works and for whom
  --messages N     letters in the queue (100000)
  --domains N      domains they are for (1000); every tenth cannot be reached
  --big PERCENT    share of one domain, whose letters are the oldest (90)
  --delay MS       how long that domain's server thinks about a letter (100)
  --seconds N      how long it is watched (60)
  --program PATH   this server instead of the one built

cargo xtask bench letters DIR COUNT [SIZE]
  writes letters of many kinds as files, to look at and to train dictionaries from; with a size in
  octets those that the load sends

cargo xtask bench smtp|lmtp ADDRESS --pids PID[,PID…] [options]
  ADDRESS          host:port of a running server
  --pids LIST      processes whose CPU time and memory are counted, with their children
  --sessions N     connections at once (20)
  --messages N     messages in all (3000)
  --size OCTETS    size of a message (10240)
  --rcpts N        recipients are 1…N in --to (500)
  --each N         recipients of each message (1)
  --to PATTERN     recipient address, % is the number (u%@xa.test)
  --from ADDRESS   reverse-path (load@example.org)
  --keep           one connection for many messages instead of a new one each";

pub(crate) fn run(root: &Path, args: &[String]) -> Result<(), String> {
    let wrong = |fault| format!("{fault}\n{USAGE}");
    if let Some(("micro", rest)) = args.split_first().map(|(one, rest)| (one.as_str(), rest)) {
        let mut command = vec![
            "bench",
            "--locked",
            "-p",
            "congvu-bench",
            "--bench",
            "micro",
            "--",
        ];
        command.extend(rest.iter().map(String::as_str));
        return super::cargo(root, &command);
    }
    if let [verb, folder, count, size @ ..] = args
        && verb == "letters"
    {
        let count = number("COUNT", count).map_err(wrong)?;
        let size = size.first().map(|size| number("SIZE", size)).transpose();
        return sample::write(Path::new(folder), count, size.map_err(wrong)?)
            .map_err(|error| format!("{folder}: {error}"));
    }
    if args.first().is_some_and(|arg| arg == "queue") {
        return queue::run(root, &args[1..]);
    }
    if args.first().is_some_and(|arg| arg == "run") {
        return run::run(root, &options(&args[1..]).map_err(wrong)?);
    }
    let (load, pids) = parse(args).map_err(wrong)?;
    let before = process::cpu(&pids)?;
    let report = load.run()?;
    // CPU time of work that goes on after the last reply belongs to the messages as well.
    let (after, _) = process::settled(&pids, &|| true)?;
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
        process::memory(&pids)? / (1024 * 1024),
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

fn number(option: &str, value: &str) -> Result<usize, String> {
    value
        .parse()
        .map_err(|_| format!("{option}: {value} is no number"))
}

fn options(args: &[String]) -> Result<run::Options, String> {
    let mut options = run::Options {
        messages: 5000,
        only: None,
        peer: true,
        fill: 0,
        folder: std::env::temp_dir(),
    };
    let mut rest = args.iter();
    while let Some(option) = rest.next() {
        if option == "--alone" {
            options.peer = false;
            continue;
        }
        let value = rest
            .next()
            .ok_or_else(|| format!("{option} wants a value"))?;
        match option.as_str() {
            // Some rows take a part of it.
            "--messages" => options.messages = number(option, value)?.max(100),
            "--fill" => options.fill = number(option, value)?,
            "--only" => options.only = Some(value.clone()),
            "--folder" => options.folder = value.into(),
            other => return Err(format!("no option {other}")),
        }
    }
    Ok(options)
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
        each: 1,
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
        let number = || number(option, value);
        match option.as_str() {
            "--sessions" => load.sessions = number()?.max(1),
            "--messages" => load.messages = number()?,
            "--size" => load.size = number()?,
            "--rcpts" => load.rcpts = number()?.max(1),
            "--each" => load.each = number()?.max(1),
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
