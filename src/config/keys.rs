//! `[keys]`: the master keys, from which everything secret is derived.

use super::parse;
use super::problem::Wrong;
use super::section::{Read, Section};
use super::source::{Entry, Value};
use crate::domain::master_keys::{MasterKeyError, MasterKeys};

#[derive(Debug, Clone)]
pub struct Keys {
    pub master: MasterKeys,
}

const REMEDY: &str = "Make one with: openssl rand -hex 32";

pub(super) fn read(mut section: Section<'_>) -> Option<Keys> {
    let keys = match section.one_of("master", "master_file") {
        None => None,
        Some(None) => {
            let remedy = format!("{REMEDY}, and put it into keys.master_file or FLYBRIDGE_KEYS__MASTER");
            section.refuse("master", None, Wrong::new("there is no master key", remedy));
            None
        }
        Some(Some((entry, key))) => {
            let keys = if key == "master" { from_value(&entry) } else { from_file(&entry) };
            keys.map_err(|wrong| section.refuse(key, Some(entry.origin), wrong)).ok()
        }
    };
    section.finish();
    Some(Keys { master: keys? })
}

/// One text with all keys, or a list of them.
fn from_value(entry: &Entry) -> Read<MasterKeys> {
    let Value::List(items) = &entry.value else { return keys(parse::raw_text(entry)?) };
    let mut all = zeroize::Zeroizing::new(String::new());
    for item in items {
        all.push_str(parse::raw_text(item)?);
        all.push(',');
    }
    keys(&all)
}

/// One key a line; lines that start with `#` say nothing.
fn from_file(entry: &Entry) -> Read<MasterKeys> {
    let text = parse::file_text(entry)?;
    let mut all = zeroize::Zeroizing::new(String::with_capacity(text.len()));
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        all.push_str(line);
        all.push(',');
    }
    keys(&all)
}

fn keys(text: &str) -> Read<MasterKeys> {
    MasterKeys::parse(text).map_err(|error| {
        let remedy = match error {
            MasterKeyError::Repeated => "Keep each key once",
            MasterKeyError::Missing | MasterKeyError::Shape | MasterKeyError::Guessable => REMEDY,
        };
        // Its message ends with the remedy, which has a place of its own here.
        let reason = error.to_string();
        Wrong::new(reason.split(';').next().unwrap_or_default(), remedy)
    })
}
