//! What a process has used of the processors.

use std::fs;
use std::time::Duration;

/// User and system time of a process so far (`proc(5)`, fields 14 and 15, in ticks of 10 ms).
pub(crate) fn cpu_time(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
