//! CPU time and memory of other processes, from `/proc`.

use std::fs;
use std::thread;
use std::time::Duration;

/// Kernel ticks a second in `/proc/PID/stat`; 100 on every Linux that runs this.
const TICKS: u64 = 100;

/// User and system time of the processes and their reaped children.
pub(crate) fn cpu(pids: &[u32]) -> Result<Duration, String> {
    let mut ticks = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        // The name in brackets may hold spaces; fields are counted after it. utime is field 14.
        let fields: Vec<&str> = text
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        ticks += fields
            .iter()
            .skip(11)
            .take(4)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum::<u64>();
    }
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// CPU time once it has stopped growing.
pub(crate) fn settled(pids: &[u32]) -> Result<Duration, String> {
    let mut last = cpu(pids)?;
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = cpu(pids)?;
        if now.saturating_sub(last) <= Duration::from_millis(10) {
            return Ok(now);
        }
        last = now;
    }
}

/// Resident memory, octets.
pub(crate) fn resident(pids: &[u32]) -> Result<u64, String> {
    let mut sum = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/status");
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap_or("0 kB");
        sum += line
            .split_whitespace()
            .next()
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024;
    }
    Ok(sum)
}
