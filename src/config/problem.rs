//! What is wrong with a configuration: where, why, and how to mend it. No message ever quotes a secret.

use std::cell::RefCell;
use std::fmt;

use super::source::Origin;

/// One thing that keeps the program from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The dotted path, such as `mail.smtp.port`; empty when the whole file cannot be read.
    pub key: String,
    /// Where the value stands; `None` for a key that is missing.
    pub origin: Option<Origin>,
    pub reason: String,
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
        }
        match &self.origin {
            Some(origin) if self.key.is_empty() => write!(f, "{origin}: ")?,
            Some(origin) => write!(f, " ({origin}): ")?,
            None if self.key.is_empty() => {}
            None => f.write_str(": ")?,
        }
        write!(f, "{}. {}.", self.reason, self.remedy)
    }
}

/// Everything that is wrong, so that one run of `check-config` shows all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "the configuration has {count} problem{}:", if count == 1 { "" } else { "s" })?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// Why one value is refused. `reason` completes "the value ...", `remedy` is an instruction; neither ends in a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) reason: String,
    pub(super) remedy: String,
}

impl Wrong {
    pub(super) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

/// Problems found so far; shared by all sections while they are read.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, key: impl Into<String>, origin: Option<Origin>, wrong: Wrong) {
        let problem = Problem { key: key.into(), origin, reason: wrong.reason, remedy: wrong.remedy };
        self.0.borrow_mut().push(problem);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The configuration, unless there was a problem.
    pub(super) fn verdict<T>(self, config: Option<T>) -> Result<T, ConfigError> {
        let problems = self.0.into_inner();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(ConfigError { problems }),
        }
    }
}
