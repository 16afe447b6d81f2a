//! CPU time and memory of other processes with all their children, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Kernel ticks a second in `/proc/PID/stat`; 100 on every Linux that runs this.
const TICKS: u64 = 100;

/// How often it is looked whether work still goes on.
const LOOK: Duration = Duration::from_millis(250);

/// One line of `/proc/PID/stat`: parent, and ticks of its own and of its reaped children.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces; fields are counted after it. ppid is field 4, utime 14.
    let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = fields.iter().skip(11).take(4);
    Some((
        parent,
        ticks.filter_map(|field| field.parse::<u64>().ok()).sum(),
    ))
}

/// The processes below `roots`, themselves included, with their ticks.
fn tree(roots: &[u32]) -> Result<BTreeMap<u32, u64>, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))? {
        let pid = entry
            .ok()
            .and_then(|e| e.file_name().to_str()?.parse().ok());
        if let Some((pid, found)) = pid.and_then(|pid| Some((pid, stat(pid)?))) {
            all.insert(pid, found);
        }
    }
    if let Some(gone) = roots.iter().find(|pid| !all.contains_key(pid)) {
        return Err(format!("process {gone} is not there"));
    }
    let below = |mut pid: u32| loop {
        if roots.contains(&pid) {
            return true;
        }
        match all.get(&pid) {
            Some((parent, _)) if *parent != pid => pid = *parent,
            _ => return false,
        }
    };
    Ok(all
        .iter()
        .filter(|(pid, _)| below(**pid))
        .map(|(pid, (_, ticks))| (*pid, *ticks))
        .collect())
}

/// User and system time of the processes, their children, and those that have ended.
pub(crate) fn cpu(roots: &[u32]) -> Result<Duration, String> {
    let ticks: u64 = tree(roots)?.values().sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// CPU time once it has stopped growing and `done` says that nothing waits, and the instant that was.
pub(crate) fn settled(
    roots: &[u32],
    done: &dyn Fn() -> bool,
) -> Result<(Duration, Instant), String> {
    let mut last = cpu(roots)?;
    let mut since = Instant::now();
    loop {
        thread::sleep(LOOK);
        let now = cpu(roots)?;
        if now.saturating_sub(last) <= Duration::from_millis(10) && done() {
            return Ok((now, since));
        }
        (last, since) = (now, Instant::now());
    }
}

/// Memory, octets: shared pages count for each process by its share.
pub(crate) fn memory(roots: &[u32]) -> Result<u64, String> {
    let mut sum = 0;
    for pid in tree(roots)?.keys() {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        sum += number.unwrap_or(0) * 1024;
    }
    Ok(sum)
}
