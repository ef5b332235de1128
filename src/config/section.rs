//! One section while it is read: keys are taken out one by one, what is left in the end is unknown.

use zeroize::Zeroizing;

use super::parse;
use super::problem::{Problems, Wrong};
use super::source::{Entry, Origin, Table, Value};
use crate::domain::secret::Secret;

/// What a reading function gives for one value.
pub(super) type Read<T> = Result<T, Wrong>;

/// A section, or one entry of a list of sections.
pub(super) struct Section<'a> {
    path: String,
    origin: Option<Origin>,
    table: Table,
    known: Vec<&'static str>,
    /// The section itself was refused, so nothing is said about its keys.
    refused: bool,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The whole configuration.
    pub(super) fn root(table: Table, problems: &'a Problems) -> Self {
        Self { path: String::new(), origin: None, table, known: Vec::new(), refused: false, problems }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes the entry of `key`, remembering that the key exists.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Whether this very text stands at `key`, whatever else is wrong with the section.
    pub(super) fn says(&self, key: &str, text: &str) -> bool {
        let found = self.table.get(key).map(|entry| &entry.value);
        matches!(found, Some(Value::Text(found)) if found.as_str() == text)
    }

    pub(super) fn refuse(&self, key: &str, origin: Option<Origin>, wrong: Wrong) {
        if !self.refused {
            self.problems.add(self.name(key), origin, wrong);
        }
    }

    /// The inner `None` means: not given. The outer one: refused, and noted.
    #[expect(clippy::option_option, reason = "not given and refused are different answers")]
    pub(super) fn optional<T>(&mut self, key: &'static str, read: impl Fn(&Entry) -> Read<T>) -> Option<Option<T>> {
        let Some(entry) = self.take(key) else { return Some(None) };
        match read(&entry) {
            Ok(value) => Some(Some(value)),
            Err(wrong) => {
                self.refuse(key, Some(entry.origin), wrong);
                None
            }
        }
    }

    /// `None` when it is missing or refused; either is noted. `remedy` says what to write.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        remedy: &str,
        read: impl Fn(&Entry) -> Read<T>,
    ) -> Option<T> {
        let found = self.optional(key, read)?;
        if found.is_none() {
            let origin = self.origin.clone().filter(|origin| *origin != Origin::Default);
            self.refuse(key, origin, Wrong::new("this key is required and missing", remedy));
        }
        found
    }

    /// A key that the embedded defaults always have.
    pub(super) fn set<T>(&mut self, key: &'static str, read: impl Fn(&Entry) -> Read<T>) -> Option<T> {
        self.required(key, "Give it a value", read)
    }

    /// A secret from `key`, or from the file that `file_key` names. The later of file and environment wins; both in
    /// one place are refused. `check` is [`parse::own_secret`] or [`parse::foreign_secret`].
    #[expect(clippy::option_option, reason = "not given and refused are different answers")]
    pub(super) fn secret(
        &mut self,
        key: &'static str,
        file_key: &'static str,
        check: fn(Zeroizing<String>) -> Read<Secret>,
    ) -> Option<Option<Secret>> {
        let Some((entry, named)) = self.one_of(key, file_key)? else { return Some(None) };
        let text = if named == key { parse::raw_text(&entry).cloned() } else { parse::file_text(&entry) };
        match text.and_then(check) {
            Ok(secret) => Some(Some(secret)),
            Err(wrong) => {
                self.refuse(named, Some(entry.origin), wrong);
                None
            }
        }
    }

    /// Of two keys that say the same thing in two ways, the one that counts, with its name.
    #[expect(clippy::option_option, reason = "not given and refused are different answers")]
    pub(super) fn one_of(&mut self, one: &'static str, other: &'static str) -> Option<Option<(Entry, &'static str)>> {
        match (self.take(one), self.take(other)) {
            (None, None) => Some(None),
            (Some(entry), None) => Some(Some((entry, one))),
            (None, Some(entry)) => Some(Some((entry, other))),
            (Some(left), Some(right)) => match left.origin.rank().cmp(&right.origin.rank()) {
                std::cmp::Ordering::Greater => Some(Some((left, one))),
                std::cmp::Ordering::Less => Some(Some((right, other))),
                std::cmp::Ordering::Equal => {
                    let reason = format!("{one} and {other} are both given");
                    self.refuse(one, Some(left.origin), Wrong::new(reason, "Keep one of the two"));
                    None
                }
            },
        }
    }

    /// The section inside this one; an empty one when it is not there.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        let path = self.name(key);
        let (origin, table, refused) = match self.take(key) {
            None => (None, Table::new(), false),
            Some(Entry { value: Value::Table(table), origin }) => (Some(origin), table, false),
            Some(entry) => {
                let reason = format!("a section is needed here, not {}", entry.kind());
                let remedy = format!("Write [{path}] on a line of its own and the keys below it");
                self.refuse(key, Some(entry.origin.clone()), Wrong::new(reason, remedy));
                (Some(entry.origin), Table::new(), true)
            }
        };
        Section { path, origin, table, known: Vec::new(), refused, problems: self.problems }
    }

    /// The sections of a list such as `[[clients]]`, each by its place: `clients[0]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let remedy = format!("Write [[{key}]] on a line of its own and the keys below it, once for each");
        let Some(entry) = self.take(key) else { return Vec::new() };
        let Value::List(items) = entry.value else {
            let reason = format!("a list of sections is needed here, not {}", entry.kind());
            self.refuse(key, Some(entry.origin), Wrong::new(reason, remedy));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let path = self.name(&format!("{key}[{index}]"));
            match item {
                Entry { value: Value::Table(table), origin } => {
                    let problems = self.problems;
                    sections.push(Section {
                        path,
                        origin: Some(origin),
                        table,
                        known: Vec::new(),
                        refused: false,
                        problems,
                    });
                }
                other => {
                    let reason = format!("a section is needed here, not {}", other.kind());
                    self.problems.add(path, Some(other.origin), Wrong::new(reason, remedy.clone()));
                }
            }
        }
        sections
    }

    /// Refuses the keys that nobody took.
    pub(super) fn finish(self) {
        for (key, entry) in &self.table {
            self.refuse(key, Some(entry.origin.clone()), Wrong::new("this key is unknown", self.suggestion(key)));
        }
    }

    fn suggestion(&self, key: &str) -> String {
        let near = self.known.iter().map(|known| (distance(key, known), known)).min();
        match near {
            Some((steps, known)) if steps <= 2 => format!("Perhaps {} was meant", self.name(known)),
            _ => {
                let mut known = self.known.clone();
                known.sort_unstable();
                format!("Remove it; known here: {}", known.join(", "))
            }
        }
    }
}

/// How many letters must be added, removed or changed to get from `a` to `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row.last().copied().unwrap_or(0)
}
