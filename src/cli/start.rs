//! What every command that touches the store begins with, and how a start fails in words.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{AcceptedLoss, Backend, Config, ConfigError, RedisSettings, StoreSettings, environment};
use crate::random::Random;
use crate::store::redis::RedisStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{MAX_CLOCK_DIFFERENCE, Store, StoreError};

/// Why a command ended before its work was done, in words with a remedy.
#[derive(Debug)]
pub struct StartError {
    message: String,
    code: u8,
}

impl StartError {
    #[must_use]
    pub fn new(what: &str, cause: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {cause}"), code: 1 }
    }

    #[must_use]
    pub fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// For arguments that have to be mended.
    #[must_use]
    pub fn arguments(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// 2 for a configuration or arguments that have to be mended, 1 for everything else.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StartError {}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self { message: error.to_string(), code: 2 }
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::plain(error.to_string())
    }
}

/// The configuration of `file` and the environment.
pub fn load(file: Option<&Path>) -> Result<Config, StartError> {
    Ok(Config::load(file, environment())?)
}

/// Opens the configured store. A Redis that forgets is refused, unless the loss is accepted by name.
pub async fn open_store(
    settings: &StoreSettings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<Store, StartError> {
    let backend: Arc<dyn crate::store::Backend> = match &settings.backend {
        Backend::Sqlite(path) => Arc::new(SqliteStore::open(path).map_err(unusable_file)?),
        Backend::Redis(redis) => Arc::new(open_redis(redis, &settings.accept_loss).await?),
    };
    let store = Store::new(backend, clock, random);
    let apart = store.ping().await?;
    if apart > MAX_CLOCK_DIFFERENCE {
        return Err(StartError::plain(format!(
            "the clocks of this machine and of the store are {} s apart, so what has expired could be accepted and what is \
             new refused. Set both by a time service (NTP), then start again.",
            apart.as_secs()
        )));
    }
    Ok(store)
}

fn unusable_file(error: StoreError) -> StartError {
    match error {
        StoreError::Unavailable(_) | StoreError::Full(_) => StartError::plain(format!(
            "{error}. Check that the folder named in store.url is there or can be made, that it is writable for the \
             user who runs Flybridge, and that the disk has room."
        )),
        other => other.into(),
    }
}

fn unusable_redis(error: StoreError) -> StartError {
    match error {
        StoreError::Unavailable(_) => StartError::plain(format!(
            "{error}. Check that the address, user, password and certificate in store.url and store.ca_file are right, \
             and that Redis runs and can be reached from here."
        )),
        other => other.into(),
    }
}

async fn open_redis(redis: &RedisSettings, accepted: &[AcceptedLoss]) -> Result<RedisStore, StartError> {
    let mut settings = crate::store::redis::Settings { total: redis.timeout, ..Default::default() };
    settings.response = settings.response.min(redis.timeout);
    settings.connect = settings.connect.min(redis.timeout);
    settings.root_certificates = redis.certificates.as_ref().map(|certificates| certificates.pem().to_vec());
    let store = RedisStore::connect(redis.url.expose(), settings).await.map_err(unusable_redis)?;
    let accepted = accepted.to_vec();
    Ok(store.durable_except(move |setting, value| accepted.iter().any(|loss| loss.covers(setting, value))))
}
