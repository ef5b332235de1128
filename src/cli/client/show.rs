//! A client as `client list` and `client show` tell of it. No secret is in it, and no hash of one.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::config::SETTINGS;
use crate::domain::client::{Client, ClientSecret};
use crate::domain::ids::ClientId;
use crate::domain::registration::{ClientEvent, Registration};

/// Where a client comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Configuration,
    Registration { registration: &'a Registration, shadowed: bool },
}

/// One client.
pub(super) struct Shown<'a> {
    settings: &'a Client,
    secrets: &'a [ClientSecret],
    source: Source<'a>,
}

impl<'a> Shown<'a> {
    pub(super) fn configured(client: &'a Client) -> Self {
        Self { settings: client, secrets: &client.secrets, source: Source::Configuration }
    }

    /// `configured` is a client of the same id in the configuration.
    pub(super) fn registered(registration: &'a Registration, configured: Option<&Client>) -> Self {
        let source = Source::Registration { registration, shadowed: configured.is_some() };
        Self { settings: &registration.settings, secrets: &registration.secrets, source }
    }

    pub(super) fn id(&self) -> &ClientId {
        &self.settings.id
    }

    pub(super) fn line(&self) -> String {
        let Client { id, name, redirect_uris, .. } = self.settings;
        let source = match self.source {
            Source::Configuration => "configured".to_owned(),
            Source::Registration { registration, shadowed } => {
                let since = registration.created_at.to_jiff();
                let counts = if shadowed { ", but the configured one counts" } else { "" };
                format!("registered {since}{counts}")
            }
        };
        format!("{id}  \"{name}\"  {source}  {}", redirect_uris.join(" "))
    }

    /// All settings and the secrets, a line for each value.
    pub(super) fn settings(&self, now: Timestamp) -> Vec<String> {
        let kept = self.kept();
        let settings = SETTINGS.iter().filter_map(|setting| Some((setting.key, kept.get(setting.key)?)));
        let settings = settings.map(|(key, value)| (key, texts(value)));
        let secrets = self.secrets(now).map(|secret| {
            let made = secret.created_at.map(|at| format!("of {}, ", at.to_jiff())).unwrap_or_default();
            let until = secret.accepted_until.map(|at| format!(" until {}", at.to_jiff())).unwrap_or_default();
            format!("{made}accepted{until}")
        });
        let all = settings.chain([("secrets", secrets.collect())]);
        let widest = SETTINGS.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
        let lines = all.flat_map(|(key, values)| {
            let first = |at: usize| if at == 0 { key } else { "" };
            let line = |(at, value): (usize, String)| format!("  {:widest$}  {value}", first(at));
            values.into_iter().enumerate().map(line).collect::<Vec<_>>()
        });
        lines.collect()
    }

    pub(super) fn json(&self, now: Timestamp) -> Value {
        let mut told = self.kept();
        let secrets = self.secrets(now).map(
            |secret| json!({ "created_at": time(secret.created_at), "accepted_until": time(secret.accepted_until) }),
        );
        told.insert("secrets".to_owned(), secrets.collect());
        match self.source {
            Source::Configuration => {
                told.insert("source".to_owned(), "configuration".into());
            }
            Source::Registration { registration, shadowed } => {
                told.insert("source".to_owned(), "registration".into());
                told.insert("shadowed".to_owned(), shadowed.into());
                told.insert("created_at".to_owned(), time(Some(registration.created_at)));
                told.insert("changed_at".to_owned(), time(Some(registration.changed_at)));
            }
        }
        Value::Object(told)
    }

    /// [`Shown::json`] with what became of it, the latest first.
    pub(super) fn with_history(&self, now: Timestamp, history: &[ClientEvent]) -> Value {
        let mut told = self.json(now);
        let event = |event: &ClientEvent| {
            let mut told = json!({ "at": time(Some(event.at)), "what": event.what, "by": event.who.name });
            if !event.settings.is_empty() {
                told["settings"] = json!(event.settings);
            }
            told
        };
        told["history"] = history.iter().map(event).collect();
        told
    }

    fn secrets(&self, now: Timestamp) -> impl Iterator<Item = &ClientSecret> {
        self.secrets.iter().filter(move |secret| secret.is_accepted(now))
    }

    /// The settings under the names of the configuration.
    fn kept(&self) -> Map<String, Value> {
        match serde_json::to_value(self.settings) {
            Ok(Value::Object(kept)) => kept,
            Ok(_) | Err(_) => Map::new(),
        }
    }
}

pub(super) fn told(event: &ClientEvent) -> String {
    format!("{} by {}, {}", event.what.words(), event.who.name, event.at.to_jiff())
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.to_jiff().to_string().into())
}

/// Nothing for what is not set.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        other => vec![other.to_string()],
    }
}
