//! What the store holds, read beside the program.

use std::collections::BTreeMap;
use std::path::Path;

/// What the store holds, by partition and name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Dump(BTreeMap<(String, String), Vec<u8>>);

impl Dump {
    pub(crate) fn of(database: &Path) -> Self {
        let mut all = rows(database, "SELECT partition, name, value FROM records");
        all.extend(rows(database, "SELECT partition, '#' || name, CAST(value AS BLOB) FROM counters"));
        Self(all)
    }

    /// The names and values of the records whose name begins like this.
    pub(crate) fn named(&self, start: &str) -> Vec<(&str, String)> {
        let found = self.0.iter().filter(|((_, name), _)| name.starts_with(start));
        found.map(|((_, name), value)| (name.as_str(), String::from_utf8_lossy(value).into_owned())).collect()
    }

    /// Partition and name of every record.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.keys()
    }

    /// Without the records whose partition or name begins like this.
    pub(crate) fn without(mut self, start: &str) -> Self {
        self.0.retain(|(partition, name), _| !partition.starts_with(start) && !name.starts_with(start));
        self
    }

    /// The kinds of the records, each as often as there are such.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.0.keys().map(|(partition, _)| partition.split('/').next().unwrap()).collect()
    }
}

/// A line for each record, with as much of the value as helps to see what changed.
impl std::fmt::Debug for Dump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for ((partition, name), value) in &self.0 {
            let sum = value.iter().fold(0_u32, |sum, byte| sum.rotate_left(5) ^ u32::from(*byte));
            writeln!(f, "{partition} {name} {sum:08x}")?;
        }
        Ok(())
    }
}

/// Partition and name of every record that expires though scans find it: Redis would keep its name for ever.
pub(crate) fn expiring_items(database: &Path) -> Vec<(String, String)> {
    let query = "SELECT partition, name, value FROM records WHERE expires_at IS NOT NULL AND instr(name, '/')";
    rows(database, query).into_keys().collect()
}

fn rows(path: &Path, query: &str) -> BTreeMap<(String, String), Vec<u8>> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let found = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap();
    found.map(Result::unwrap).collect()
}
