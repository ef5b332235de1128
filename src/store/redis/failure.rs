//! Errors of Redis in the words of the store.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::{StoreError, mark};

/// Errors by which Redis says that it takes no writes. Older versions put them into the text of a script's error.
const REFUSALS: [&str; 4] = ["OOM", "READONLY", "MISCONF", "NOREPLICAS"];

/// What stands for [`mark::foreign`] among the errors of a connection.
const FOREIGN: &str = "the store is empty or another one";

/// The mark of the installation is not behind a connection.
pub(super) fn foreign() -> RedisError {
    RedisError::from((ErrorKind::Client, FOREIGN))
}

fn is_foreign(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Client && error.to_string().starts_with(FOREIGN)
}

pub(super) fn explain(error: &RedisError) -> StoreError {
    if is_foreign(error) {
        mark::foreign()
    } else if takes_no_writes(error) {
        StoreError::Full(error.to_string())
    } else {
        StoreError::Unavailable(error.to_string())
    }
}

pub(super) fn late() -> StoreError {
    StoreError::Unavailable("no answer in time".to_owned())
}

fn takes_no_writes(error: &RedisError) -> bool {
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default();
    REFUSALS.iter().any(|refusal| code == *refusal || detail.contains(&format!("-{refusal} ")))
}

/// Whether the connection leads nowhere, or to a server that is no longer the primary.
pub(super) fn breaks_connection(error: &RedisError) -> bool {
    let code = error.code().unwrap_or_default();
    let replica = code == "READONLY" || error.detail().unwrap_or_default().contains("-READONLY ");
    replica || matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse) || error.is_unrecoverable_error()
}

/// The server has never seen the script; nothing ran.
pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
