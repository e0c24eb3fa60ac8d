//! What the kernel says about a process.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// Linux counts CPU time in hundredths of a second (`USER_HZ`, fixed for user space).
const TICK: Duration = Duration::from_millis(10);

/// User and system time that a process has used.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("reading CPU time")?;
    // The name in parentheses may hold spaces; fields are counted behind it.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .context("stat")?
        .split_whitespace()
        .collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<u32>().ok());
    let (user, system) = (ticks(11).context("utime")?, ticks(12).context("stime")?);
    Ok(TICK * (user + system))
}

/// Resident memory, in KiB.
pub fn rss(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("reading memory")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("VmRSS")?;
    line.split_whitespace()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .context("VmRSS")
}

/// The processor's name and how many there are.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} × {name}")
}
