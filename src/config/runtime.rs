//! `[passwords]`, `[workers]` and `[log]`: what runs inside the process, and how much it may take.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::mail::Mail;
use super::parse;
use super::problem::Wrong;
use super::section::{Read, Section};
use super::source::Entry;
use crate::domain::password::{HashParameters, Policy};
use crate::telemetry::{LogFilter, LogFormat};

/// The rules for new passwords, and the pool that hashes them.
#[derive(Debug, Clone)]
pub struct Passwords {
    pub policy: Policy,
    /// What one hash costs.
    pub parameters: HashParameters,
    /// Hashes at the same time; more than there are cores gain nothing.
    pub threads: NonZeroUsize,
    /// Callers that may wait for a thread; the next one is told to come back later.
    pub queue: usize,
}

/// The workers that send mail and walk through disable runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    /// Whether `serve` runs them.
    pub enabled: bool,
    /// Jobs at the same time.
    pub concurrency: usize,
    /// How often to look for due jobs when nothing announces them.
    pub poll: Duration,
    /// After this long without a sign of life, another worker takes the job.
    pub lease: Duration,
}

/// What is written to the log.
#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    pub filter: LogFilter,
}

pub(super) fn passwords(mut section: Section<'_>) -> Option<Passwords> {
    let min = section.set("min_length", parse::integer(15..=64_usize));
    let min_score = section.set("min_score", parse::integer(2..=4_u8));
    let memory_kib = section.set("memory_kib", parse::integer(19_456..=1_048_576_u32));
    let passes = section.set("passes", parse::integer(2..=20_u32));
    let threads = section.optional("threads", parse::integer(1..=256_usize));
    let queue = section.set("queue", parse::integer(1..=10_000_usize));
    section.finish();
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Some(Passwords {
        policy: Policy { min: min?, min_score: min_score?, ..Policy::default() },
        parameters: HashParameters::new(memory_kib?, passes?, 1).ok()?,
        threads: threads?.and_then(NonZeroUsize::new).unwrap_or(cores),
        queue: queue?,
    })
}

/// A mail that takes longer than the lease would be sent again by another worker.
pub(super) fn workers(mut section: Section<'_>, mail: Option<&Mail>) -> Option<Workers> {
    let longest = mail.and_then(Mail::longest_send);
    let enabled = section.set("enabled", parse::boolean);
    let concurrency = section.set("concurrency", parse::integer(1..=256_usize));
    let poll = section.set("poll", parse::duration(Duration::from_millis(50)..=Duration::from_mins(1)));
    let lease = section.set("lease", |entry| {
        let lease = parse::duration(Duration::from_secs(10)..=Duration::from_mins(15))(entry)?;
        match longest.filter(|longest| *longest >= lease) {
            None => Ok(lease),
            Some(longest) => Err(shorter_than_a_mail(lease, longest)),
        }
    });
    section.finish();
    Some(Workers { enabled: enabled?, concurrency: concurrency?, poll: poll?, lease: lease? })
}

fn shorter_than_a_mail(lease: Duration, longest: Duration) -> Wrong {
    let reason = format!(
        "it is {}, but sending one mail may take {}, four times mail.smtp.timeout: another worker would send it again",
        parse::show_duration(lease),
        parse::show_duration(longest)
    );
    Wrong::new(reason, "Make workers.lease longer or mail.smtp.timeout shorter")
}

pub(super) fn log(mut section: Section<'_>) -> Option<Log> {
    let format = section.set("format", parse::choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]));
    let filter = section.set("filter", filter);
    section.finish();
    Some(Log { format: format?, filter: filter? })
}

fn filter(entry: &Entry) -> Read<LogFilter> {
    let given = parse::text(entry)?;
    let remedy = "Write a level (error, warn, info, debug, trace) or directives such as \"info,flybridge=debug\"";
    // A bare word that is no level would be taken for the name of a target, and silence everything else.
    let is_level =
        |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word.to_lowercase().as_str());
    let mut bare = given.split(',').map(str::trim).filter(|directive| !directive.contains(['=', '[']));
    if let Some(word) = bare.find(|word| !is_level(word)) {
        return Err(Wrong::new(format!("{word:?} is no level of a log"), remedy));
    }
    given.parse().map_err(|error| Wrong::new(format!("{given:?} is not a log filter ({error})"), remedy))
}
