//! Whether Redis keeps what it acknowledged.

use std::collections::HashMap;

use redis::{ErrorKind, FromRedisValue as _, RedisError, ServerErrorKind, Value};

use super::failure;
use super::link::Link;
use crate::store::StoreError;

/// What is missing of the promise that an answered commit survives, in words. Whether to go on is up to the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DurabilityReport {
    /// One for each fault; none when all is well.
    pub missing: Vec<Shortfall>,
}

/// One setting that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shortfall {
    /// What it means and the remedy.
    pub sentence: String,
    pub setting: &'static str,
    /// What Redis has; none when it does not tell.
    pub value: Option<String>,
}

/// Whether the loss that comes with this value of a setting is accepted.
pub(super) type Accepted = Box<dyn Fn(&str, &str) -> bool + Send + Sync>;

impl DurabilityReport {
    /// # Errors
    /// [`StoreError::Unfit`] with all that is missing and not accepted.
    pub(super) fn accept(&self, accepted: &Accepted) -> Result<(), StoreError> {
        let unaccepted: Vec<&str> = (self.missing.iter())
            .filter(|missing| !accepted(missing.setting, missing.value.as_deref().unwrap_or_default()))
            .map(|missing| missing.sentence.as_str())
            .collect();
        if unaccepted.is_empty() {
            return Ok(());
        }
        Err(StoreError::Unfit(format!(
            "this Redis forgets, and a lost record locks people out:\n  {}\nOr accept the loss by name in \
             store.accept_loss; `config.default.toml` lists the words.",
            unaccepted.join("\n  ")
        )))
    }

    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Setting, the value it must have, and what happens otherwise.
const WANTED: [(&str, &str, &str); 3] = [
    ("appendonly", "yes", "a restart loses everything since the last snapshot"),
    ("appendfsync", "always", "a power cut loses changes that were already acknowledged"),
    ("maxmemory-policy", "noeviction", "Redis throws records away when memory is short"),
];

pub(super) async fn report(link: &Link) -> Result<DurabilityReport, StoreError> {
    let mut servers: HashMap<String, HashMap<String, String>> = HashMap::new();
    let mut forbidden = false;
    for (name, _, _) in WANTED {
        let mut question = redis::cmd("CONFIG");
        question.arg("GET").arg(name);
        match link.ask_each(&question).await {
            Ok(answers) => {
                for (server, value) in answers {
                    servers.entry(server).or_default().extend(pairs(value)?);
                }
            }
            Err(error) if is_forbidden(&error) => forbidden = true,
            Err(error) => return Err(failure::explain(&error)),
        }
    }
    if forbidden {
        for (server, value) in link.ask_each(&info()).await.map_err(|e| failure::explain(&e))? {
            servers.entry(server).or_default().extend(from_info(value)?);
        }
    }
    Ok(judge(servers))
}

/// Managed services forbid or rename `CONFIG`.
fn is_forbidden(error: &RedisError) -> bool {
    let unknown = error.detail().is_some_and(|detail| detail.contains("unknown command"));
    unknown || error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
}

fn info() -> redis::Cmd {
    let mut command = redis::cmd("INFO");
    command.arg("all");
    command
}

fn pairs(value: Value) -> Result<HashMap<String, String>, StoreError> {
    HashMap::from_redis_value(value).map_err(|e| StoreError::Unavailable(e.to_string()))
}

/// `INFO` knows two of the three settings.
fn from_info(value: Value) -> Result<HashMap<String, String>, StoreError> {
    let text = String::from_redis_value(value).map_err(|e| StoreError::Unavailable(e.to_string()))?;
    let mut found = HashMap::new();
    for (name, value) in text.lines().filter_map(|line| line.trim_end().split_once(':')) {
        match name {
            "aof_enabled" => {
                found.insert("appendonly".to_owned(), if value == "1" { "yes" } else { "no" }.to_owned())
            }
            "maxmemory_policy" => found.insert("maxmemory-policy".to_owned(), value.to_owned()),
            _ => None,
        };
    }
    Ok(found)
}

fn judge(servers: HashMap<String, HashMap<String, String>>) -> DurabilityReport {
    let mut missing = Vec::new();
    for (server, settings) in servers {
        let place = if server.is_empty() { "Redis".to_owned() } else { format!("Redis at {server}") };
        for (name, wanted, loss) in WANTED {
            let value = settings.get(name).cloned();
            let sentence = match &value {
                Some(found) if found == wanted => continue,
                Some(found) => format!(
                    "{place} has {name} {found}, so {loss}: set \"{name} {wanted}\" in redis.conf (or CONFIG SET {name} \
                     {wanted}, then CONFIG REWRITE)"
                ),
                None => format!(
                    "{place} does not tell its {name}, which must be {wanted}, or else {loss}: let this user run CONFIG \
                     GET (ACL SETUSER <user> +config|get), or make sure of the setting by other means"
                ),
            };
            missing.push(Shortfall { sentence, setting: name, value });
        }
    }
    missing.sort();
    DurabilityReport { missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(settings: &[(&str, &str)]) -> HashMap<String, HashMap<String, String>> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        HashMap::from([("10.0.0.1:6379".to_owned(), settings)])
    }

    #[test]
    fn a_durable_server_lacks_nothing() {
        let settings = [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")];
        assert!(judge(server(&settings)).is_durable());
    }

    #[test]
    fn each_fault_names_the_server_the_loss_and_the_remedy() {
        let report = judge(server(&[("appendonly", "yes"), ("appendfsync", "everysec")]));
        assert_eq!(report.missing.len(), 2);
        assert!(report.missing[0].sentence.starts_with("Redis at 10.0.0.1:6379 does not tell its maxmemory-policy"));
        assert!(report.missing[1].sentence.contains("appendfsync everysec, so a power cut loses"));
        assert!(report.missing[1].sentence.contains("set \"appendfsync always\""));
    }

    #[test]
    fn info_stands_in_for_config() {
        let text = "# Persistence\r\naof_enabled:1\r\n# Memory\r\nmaxmemory_policy:allkeys-lru\r\n";
        let found = from_info(Value::BulkString(text.as_bytes().to_vec())).unwrap();
        assert_eq!(found["appendonly"], "yes");
        assert_eq!(found["maxmemory-policy"], "allkeys-lru");
    }
}
