//! `[store]`: where everything durable is kept.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::certificates::{self, Certificates};
use super::parse;
use super::problem::Wrong;
use super::section::{Read, Section};
use crate::domain::secret::Secret;
use crate::store::StoreError;
use crate::store::redis::check_url;

#[derive(Debug, Clone)]
pub struct StoreSettings {
    pub backend: Backend,
    /// What a crash may take, as the operator has agreed to in words.
    pub accept_loss: Vec<AcceptedLoss>,
}

impl StoreSettings {
    /// Whether the store may lose any record in a way that the operator has agreed to, and the rest is to be used.
    #[must_use]
    pub fn may_forget(&self) -> bool {
        self.accept_loss
            .iter()
            .any(|loss| matches!(loss, AcceptedLoss::SinceSnapshot | AcceptedLoss::WhenMemoryIsFull))
    }
}

#[derive(Debug, Clone)]
pub enum Backend {
    /// One file beside the program.
    Sqlite(PathBuf),
    Redis(RedisSettings),
}

#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Checked, and whole: a password may stand in it.
    pub url: Secret,
    /// Authorities to trust instead of those of the operating system.
    pub certificates: Option<Certificates>,
    /// How long one operation may take, with everything.
    pub timeout: Duration,
}

/// A weakness of a Redis that the operator accepts by name. Without it, `serve` refuses to start on such a Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptedLoss {
    /// `appendfsync everysec`.
    LastSecond,
    /// `appendonly no`, or any other `appendfsync`.
    SinceSnapshot,
    /// A `maxmemory-policy` other than `noeviction`.
    WhenMemoryIsFull,
}

impl AcceptedLoss {
    /// The words that stand in the configuration.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("lose the last second", Self::LastSecond),
        ("lose everything since the last snapshot", Self::SinceSnapshot),
        ("lose records when memory is full", Self::WhenMemoryIsFull),
    ];

    /// Whether it covers a Redis on which `setting` has `value`.
    #[must_use]
    pub fn covers(self, setting: &str, value: &str) -> bool {
        match self {
            Self::LastSecond => setting == "appendfsync" && value == "everysec",
            Self::SinceSnapshot => setting == "appendonly" || setting == "appendfsync",
            Self::WhenMemoryIsFull => setting == "maxmemory-policy",
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Option<StoreSettings> {
    let url = section.one_of("url", "url_file");
    let timeout = section.set("timeout", parse::duration(Duration::from_millis(50)..=Duration::from_secs(2)));
    let accept_loss = section.set("accept_loss", parse::list(parse::choice(AcceptedLoss::WORDS)));
    let address = match url {
        Some(Some((entry, key))) => {
            let text = if key == "url" { parse::raw_text(&entry).cloned() } else { parse::file_text(&entry) };
            text.and_then(address).map_err(|wrong| section.refuse(key, Some(entry.origin), wrong)).ok()
        }
        // The defaults always have one.
        _ => None,
    };
    let certificates = section.optional("ca_file", |entry| match &address {
        Some(Address::Redis(url)) if !url.expose().starts_with("rediss") => {
            let reason = "the store's address is one without TLS, so no certificate would be looked at";
            Err(Wrong::new(reason, "Write rediss instead of redis there, or remove this key"))
        }
        _ => certificates::read(entry),
    });
    section.finish();
    let (certificates, timeout) = (certificates?, timeout?);
    let backend = match address? {
        Address::Sqlite(path) => Backend::Sqlite(path),
        Address::Redis(url) => Backend::Redis(RedisSettings { url, certificates, timeout }),
    };
    Some(StoreSettings { backend, accept_loss: accept_loss? })
}

enum Address {
    Sqlite(PathBuf),
    Redis(Secret),
}

/// No message quotes the address, since a password may stand in it.
fn address(mut text: Zeroizing<String>) -> Read<Address> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        if path.is_empty() {
            return Err(Wrong::new("the path of the file is missing", "Write it behind sqlite:"));
        }
        return Ok(Address::Sqlite(path.into()));
    }
    check_url(&text).map_err(|error| {
        let remedy = "Write sqlite:PATH, redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/NAME or \
                      redis+cluster://HOST:PORT,HOST:PORT; rediss for TLS";
        let why = match error {
            StoreError::Misuse(why) => why.trim_start_matches("the store's URL: ").to_owned(),
            other => other.to_string(),
        };
        Wrong::new(format!("this is no address of a store ({why})"), remedy)
    })?;
    Ok(Address::Redis(Secret::new(std::mem::take(&mut *text))))
}
