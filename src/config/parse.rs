//! One value at a time, into its final type. Values from the environment and the command line are texts: numbers and
//! `true` are read out of them. In the environment, lists are split at commas.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use super::problem::Wrong;
use super::section::Read;
use super::source::{Entry, Origin, Value};
use crate::domain::host::is_loopback;
use crate::domain::secret::Secret;

/// Characters a secret has at least.
const SHORTEST_SECRET: usize = 16;

pub(super) fn text(entry: &Entry) -> Read<String> {
    raw_text(entry).map(|text| text.to_string())
}

pub(super) fn raw_text(entry: &Entry) -> Read<&Zeroizing<String>> {
    match &entry.value {
        Value::Text(text) if text.trim().is_empty() => {
            Err(Wrong::new("the value is empty", "Give it a value, or remove the key"))
        }
        Value::Text(text) => Ok(text),
        _ => Err(Wrong::new(format!("a text is needed here, not {}", entry.kind()), "Write it in quotes")),
    }
}

pub(super) fn boolean(entry: &Entry) -> Read<bool> {
    match &entry.value {
        Value::Boolean(flag) => Ok(*flag),
        Value::Text(text) if is_always_text(entry) && text.as_str() == "true" => Ok(true),
        Value::Text(text) if is_always_text(entry) && text.as_str() == "false" => Ok(false),
        _ => Err(Wrong::new("this is neither true nor false", "Write true or false, without quotes")),
    }
}

fn is_from_environment(entry: &Entry) -> bool {
    matches!(entry.origin, Origin::Environment { .. })
}

/// Where a value stands that cannot be written in any other way.
fn is_always_text(entry: &Entry) -> bool {
    matches!(entry.origin, Origin::Environment { .. } | Origin::Registered | Origin::CommandLine { .. })
}

/// A whole number within `range`.
pub(super) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(&Entry) -> Read<T>
where
    T: TryFrom<i64> + PartialOrd + Copy + std::fmt::Display,
{
    move |entry| {
        let number = match &entry.value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) if is_always_text(entry) => text.parse().ok(),
            _ => None,
        };
        let remedy = format!("Write a whole number from {} to {}, without quotes", range.start(), range.end());
        let number = number.ok_or_else(|| {
            Wrong::new(format!("a whole number is needed here, not {}", entry.kind()), remedy.clone())
        })?;
        match T::try_from(number) {
            Ok(value) if range.contains(&value) => Ok(value),
            _ => Err(Wrong::new(format!("{number} is out of range"), remedy)),
        }
    }
}

/// A number and a unit, such as `"24 h"`, as a count of the smallest unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.trim().find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.trim().split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

const DURATIONS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The largest unit that gives a whole number.
fn show_quantity(count: u64, units: &[(&str, u64)]) -> String {
    let whole = units.iter().rev().find(|(_, factor)| count >= *factor && count.is_multiple_of(*factor));
    // Nothing at all is nothing in any unit.
    whole.or(units.first()).map_or_else(String::new, |(unit, factor)| format!("{} {unit}", count / factor))
}

/// As it would be written in a configuration.
pub(super) fn show_duration(span: Duration) -> String {
    show_quantity(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), DURATIONS)
}

/// A time within `range`, as `"500 ms"`, `"5 s"`, `"10 min"`, `"24 h"` or `"30 d"`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Entry) -> Read<Duration> {
    move |entry| {
        let remedy = format!(
            "Write a time from \"{}\" to \"{}\", in ms, s, min, h or d",
            show_duration(*range.start()),
            show_duration(*range.end())
        );
        let Value::Text(text) = &entry.value else {
            return Err(Wrong::new(format!("a time with a unit is needed here, not {}", entry.kind()), remedy));
        };
        match quantity(text, DURATIONS).map(Duration::from_millis) {
            None => Err(Wrong::new(format!("{:?} is not a time with a unit", text.as_str()), remedy)),
            Some(span) if range.contains(&span) => Ok(span),
            Some(_) => Err(Wrong::new(format!("{:?} is out of range", text.as_str()), remedy)),
        }
    }
}

/// The same out of an argument of the command line, or what is wrong with it and how to mend it.
///
/// # Errors
/// When it is no time within `range`.
pub fn duration_argument(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let origin = Origin::CommandLine { option: String::new() };
    let entry = Entry { value: Value::Text(Zeroizing::new(text.to_owned())), origin };
    duration(range)(&entry).map_err(|wrong| format!("{}. {}.", wrong.reason, wrong.remedy))
}

const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1_024), ("MiB", 1_048_576)];

/// A number of bytes within `range`, as `"512 B"`, `"64 KiB"` or `"1 MiB"`.
pub(super) fn size(range: RangeInclusive<usize>) -> impl Fn(&Entry) -> Read<usize> {
    move |entry| {
        let show = |bytes: usize| show_quantity(bytes as u64, SIZES);
        let remedy =
            format!("Write a size from \"{}\" to \"{}\", in B, KiB or MiB", show(*range.start()), show(*range.end()));
        let Value::Text(text) = &entry.value else {
            return Err(Wrong::new(format!("a size with a unit is needed here, not {}", entry.kind()), remedy));
        };
        match quantity(text, SIZES).and_then(|bytes| usize::try_from(bytes).ok()) {
            None => Err(Wrong::new(format!("{:?} is not a size with a unit", text.as_str()), remedy)),
            Some(bytes) if range.contains(&bytes) => Ok(bytes),
            Some(_) => Err(Wrong::new(format!("{:?} is out of range", text.as_str()), remedy)),
        }
    }
}

/// Every item of a list. One text stands for a list of one; in the environment, commas separate.
pub(super) fn list<T>(read: impl Fn(&Entry) -> Read<T>) -> impl Fn(&Entry) -> Read<Vec<T>> {
    move |entry| match &entry.value {
        Value::List(items) => items.iter().map(&read).collect(),
        Value::Text(text) if is_from_environment(entry) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let item = |part: &str| Entry { value: Value::Text(Zeroizing::new(part.to_owned())), ..entry.clone() };
            parts.map(|part| read(&item(part))).collect()
        }
        _ => Ok(vec![read(entry)?]),
    }
}

/// A list with at least one item.
pub(super) fn filled_list<T>(read: impl Fn(&Entry) -> Read<T>) -> impl Fn(&Entry) -> Read<Vec<T>> {
    let read = list(read);
    move |entry| match read(entry) {
        Ok(items) if items.is_empty() => Err(Wrong::new("the list is empty", "Write at least one item")),
        other => other,
    }
}

/// One of the words, as the value beside it.
pub(super) fn choice<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Entry) -> Read<T> {
    move |entry| {
        let known = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let given = text(entry)?;
        let found = words.iter().find(|(word, _)| *word == given);
        let remedy = || format!("Write one of {known}");
        found.map(|(_, value)| *value).ok_or_else(|| Wrong::new(format!("{given:?} is not known here"), remedy()))
    }
}

/// Anything that its own type can read, such as a socket address.
pub(super) fn from_str<T: FromStr>(remedy: &'static str) -> impl Fn(&Entry) -> Read<T>
where
    T::Err: std::fmt::Display,
{
    move |entry| {
        let given = text(entry)?;
        given.parse().map_err(|error| Wrong::new(format!("{given:?} is not understood ({error})"), remedy))
    }
}

pub(super) fn path(entry: &Entry) -> Read<PathBuf> {
    text(entry).map(PathBuf::from)
}

/// An absolute `https` address; `http` on loopback only. No user name, no fragment.
pub(super) fn web_url(entry: &Entry) -> Read<Url> {
    let given = text(entry)?;
    let remedy = "Write an address such as \"https://example.com/path\"";
    let url = Url::parse(&given)
        .map_err(|error| Wrong::new(format!("{given:?} is not an absolute address ({error})"), remedy))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("the address carries a user name or password", "Remove what stands before the @"));
    }
    if url.fragment().is_some() {
        return Err(Wrong::new(format!("{given:?} has a fragment"), "Remove the # and what follows it"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(is_loopback) => Ok(url),
        "http" => {
            Err(Wrong::new(format!("{given:?} is clear text on the network"), "Use https; http is for loopback only"))
        }
        other => Err(Wrong::new(format!("{other:?} is not a scheme for the web"), "Use https")),
    }
}

/// The content of the file that the value names, without the line end.
pub(super) fn file_text(entry: &Entry) -> Read<Zeroizing<String>> {
    let path = path(entry)?;
    let text = std::fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| unreadable(&path, &error))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Wrong {
    let remedy = "Check the path, and that the user who runs Flybridge may read the file";
    Wrong::new(format!("the file {} cannot be read ({})", path.display(), error.kind()), remedy)
}

/// Words that stand in secrets which somebody typed or copied. A random secret has one of them about never.
const PLACEHOLDERS: [&str; 13] = [
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "example",
    "password",
    "passw0rd",
    "your-",
    "your_",
    "replace",
    "random secret",
    "secret from",
    "1234567890",
];

/// A secret between Flybridge and somebody else: long enough not to be guessed, and not an obvious placeholder.
pub(super) fn own_secret(mut text: Zeroizing<String>) -> Read<Secret> {
    let remedy = "Use a random one, such as the output of: openssl rand -base64 32";
    let length = text.chars().count();
    if length < SHORTEST_SECRET {
        let reason = format!("the secret has {length} characters, and fewer than {SHORTEST_SECRET} can be guessed");
        return Err(Wrong::new(reason, remedy));
    }
    let lower = Zeroizing::new(text.to_lowercase());
    if PLACEHOLDERS.iter().any(|word| lower.contains(word)) {
        return Err(Wrong::new("the secret looks like an example out of a manual, so it can be guessed", remedy));
    }
    let distinct = text.chars().collect::<std::collections::BTreeSet<_>>().len();
    if distinct < 6 {
        return Err(Wrong::new("the secret repeats a few characters, so it can be guessed", remedy));
    }
    Ok(Secret::new(std::mem::take(&mut *text)))
}

/// A password that the other side chose, such as that of a mail server: taken as it is.
pub(super) fn foreign_secret(mut text: Zeroizing<String>) -> Read<Secret> {
    if text.is_empty() {
        return Err(Wrong::new("the value is empty", "Give it a value, or remove the key"));
    }
    Ok(Secret::new(std::mem::take(&mut *text)))
}
