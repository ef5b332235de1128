//! Where values come from: the embedded defaults, a file, the environment; later ones replace earlier ones. Options of a
//! command stand alone.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::problem::{Problems, Wrong};

/// Variables are named `FLYBRIDGE_<SECTION>__<KEY>`.
pub const PREFIX: &str = "FLYBRIDGE_";

/// Where a value stands. Later variants win over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File {
        name: String,
        line: usize,
    },
    Environment {
        variable: String,
    },
    /// What a registered client has already, where a command changes others of its settings.
    Registered,
    /// An option of a command that takes the same settings.
    CommandLine {
        option: String,
    },
}

impl Origin {
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Environment { .. } => 2,
            Self::Registered => 3,
            Self::CommandLine { .. } => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::File { name, line } => write!(f, "{name}, line {line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Registered => f.write_str("as it is registered"),
            Self::CommandLine { option } => f.write_str(option),
        }
    }
}

pub(super) type Table = BTreeMap<String, Entry>;

/// No `Debug`: a text may be a secret.
#[derive(Clone)]
pub(super) enum Value {
    Text(Zeroizing<String>),
    Integer(i64),
    Boolean(bool),
    List(Vec<Entry>),
    Table(Table),
    /// A kind that no key takes, by its TOML name.
    Other(&'static str),
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Entry {
    /// The kind, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a section",
            Value::Other(kind) => kind,
        }
    }
}

/// Reads TOML. Of a syntax error only the message and the line are kept, since the line itself may hold a secret.
pub(super) fn parse(text: &str, origin: impl Fn(usize) -> Origin, problems: &Problems) -> Table {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = error.span().map(|span| origin(line_of(text, span.start)));
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        problems.add("", place, Wrong::new(format!("not valid TOML: {message}"), "Mend the syntax of this line"));
    }
    convert_table(table.get_ref(), &|at| origin(line_of(text, at)))
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn convert_table(table: &DeTable<'_>, origin: &impl Fn(usize) -> Origin) -> Table {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        (name.to_string(), Entry { value: convert(value.get_ref(), origin), origin: origin(key.span().start) })
    };
    table.iter().map(entry).collect()
}

fn convert(value: &DeValue<'_>, origin: &impl Fn(usize) -> Origin) -> Value {
    let item = |item: &Spanned<DeValue<'_>>| Entry {
        value: convert(item.get_ref(), origin),
        origin: origin(item.span().start),
    };
    match value {
        DeValue::String(text) => Value::Text(Zeroizing::new(text.to_string())),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Other("a number beyond 64 bits"),
        },
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Array(items) => Value::List(items.iter().map(item).collect()),
        DeValue::Table(table) => Value::Table(convert_table(table, origin)),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
    }
}

/// Puts `over` on top of `base`: sections are merged key by key, everything else is replaced.
pub(super) fn merge(base: &mut Table, over: Table) {
    for (key, entry) in over {
        match (base.get_mut(&key), entry) {
            (
                Some(Entry { value: Value::Table(below), origin: place }),
                Entry { value: Value::Table(above), origin },
            ) => {
                *place = origin;
                merge(below, above);
            }
            (_, entry) => {
                base.insert(key, entry);
            }
        }
    }
}

/// Puts the variables `FLYBRIDGE_<SECTION>__<KEY>` on top. Of names without `__` those that begin with a section are
/// refused, since somebody meant a key; others (such as the `FLYBRIDGE_PORT` that Kubernetes sets) are not ours.
///
/// A client is named by its id in capitals, with `_` for `-`: `FLYBRIDGE_CLIENTS__SENTRY_FLY__SECRET`.
pub(super) fn overlay(root: &mut Table, variables: impl IntoIterator<Item = (String, String)>, problems: &Problems) {
    for (variable, value) in variables {
        let Some(path) = variable.strip_prefix(PREFIX) else { continue };
        let path = path.to_ascii_lowercase();
        if !path.contains("__") {
            if !is_of_kubernetes(&path, &value) {
                refuse_single(root, &path, Origin::Environment { variable: variable.clone() }, problems);
            }
            continue;
        }
        let keys: Vec<&str> = path.split("__").collect();
        let origin = Origin::Environment { variable: variable.clone() };
        let entry = Entry { value: Value::Text(Zeroizing::new(value)), origin: origin.clone() };
        let placed = match keys.as_slice() {
            ["clients", client, key] => client_table(root, client).map(|table| insert(table, &[*key], entry)),
            keys => Some(insert(root, keys, entry)),
        };
        match placed {
            Some(true) => {}
            Some(false) => {
                let reason = "this variable does not name a key of a section";
                problems.add(keys.join("."), Some(origin), Wrong::new(reason, "Use FLYBRIDGE_<SECTION>__<KEY>"));
            }
            None => {
                let remedy =
                    "Add a [[clients]] entry to the file; the variable names its id in capitals, with _ for -";
                problems.add(keys.join("."), Some(origin), Wrong::new("there is no client of this id", remedy));
            }
        }
    }
}

/// A key's name with one underscore after its section, which would change nothing without anybody noticing.
fn refuse_single(root: &Table, path: &str, origin: Origin, problems: &Problems) {
    let within = |section: &str| {
        let key = path.strip_prefix(&section.replace("__", "_"))?.strip_prefix('_')?;
        Some(format!("{section}__{key}").to_ascii_uppercase())
    };
    let mut sections = vec!["clients".to_owned()];
    list_sections(root, "", &mut sections);
    // The longest is the innermost.
    sections.sort_by_key(|section| std::cmp::Reverse(section.len()));
    if let Some(meant) = sections.iter().find_map(|section| within(section)) {
        let meant = meant.replacen("CLIENTS__", "CLIENTS__<ID>__", 1);
        let remedy = format!("Two underscores stand after each section: {PREFIX}{meant}");
        let reason = "this variable names no key and would have no effect";
        problems.add(path, Some(origin), Wrong::new(reason, remedy));
    }
}

/// Names of all sections as variables have them, such as `mail__smtp`.
fn list_sections(table: &Table, before: &str, names: &mut Vec<String>) {
    for (name, entry) in table {
        if let Value::Table(inner) = &entry.value {
            let name = format!("{before}{name}");
            list_sections(inner, &format!("{name}__"), names);
            names.push(name);
        }
    }
}

/// Whether Kubernetes sets such a variable in each container, for a service such as `flybridge-store`: `..._SERVICE_HOST`,
/// `..._SERVICE_PORT`, `..._SERVICE_PORT_HTTP`, `..._PORT` with an address, and `..._PORT_6379_TCP_ADDR`.
fn is_of_kubernetes(path: &str, value: &str) -> bool {
    let of_a_port = path.split_once("_port_").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    let address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let port = path == "port" || path.ends_with("_port");
    path.ends_with("_service_host") || path.contains("_service_port") || of_a_port || (port && address)
}

fn client_table<'a>(root: &'a mut Table, wanted: &str) -> Option<&'a mut Table> {
    let Value::List(clients) = &mut root.get_mut("clients")?.value else { return None };
    clients.iter_mut().find_map(|entry| {
        let Value::Table(table) = &mut entry.value else { return None };
        let Some(Entry { value: Value::Text(id), .. }) = table.get("id") else { return None };
        (id.to_ascii_lowercase().replace('-', "_") == wanted).then_some(table)
    })
}

/// Whether there was a place for it: every step but the last must be a section.
fn insert(table: &mut Table, keys: &[&str], entry: Entry) -> bool {
    match keys {
        [] | [""] => false,
        [key] => {
            let taken = matches!(table.get(*key), Some(Entry { value: Value::Table(_), .. }));
            if !taken {
                table.insert((*key).to_owned(), entry);
            }
            !taken
        }
        [section, rest @ ..] => {
            let origin = entry.origin.clone();
            let fresh = || Entry { value: Value::Table(Table::new()), origin };
            match &mut table.entry((*section).to_owned()).or_insert_with(fresh).value {
                Value::Table(inner) => insert(inner, rest, entry),
                _ => false,
            }
        }
    }
}
