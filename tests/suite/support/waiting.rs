//! Waiting for other processes.

use std::time::Duration;

/// Longer than anything takes here; a test that gets there has failed.
const PATIENCE: Duration = Duration::from_mins(5);

/// Asks again and again until there is an answer.
#[expect(clippy::disallowed_methods, reason = "waits for other processes, whose time no test can set")]
pub(crate) async fn until<T>(what: &str, mut answer: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = answer().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(what, found).await
}

/// Waits for something that a test cannot do without.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(PATIENCE, future).await else { panic!("{what}: not within {PATIENCE:?}") };
    value
}
