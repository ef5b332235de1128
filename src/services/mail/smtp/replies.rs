//! What came back, told apart: an answer, a broken connection, silence, no TLS.

use std::error::Error as _;
use std::time::Duration;

use lettre::transport::smtp::response::{Response, Severity};
use tokio::time::timeout;

use super::super::failure::Fault;

/// `step`, given up after `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Fault> {
    timeout(limit, step).await.map_err(|_elapsed| Fault::TimedOut)?.map_err(|error| fault(&error))
}

pub(super) fn fault(error: &lettre::transport::smtp::Error) -> Fault {
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if let Some(code) = error.status() {
        Fault::Answer { code: code.into(), text }
    } else if let Some(tls) = tls_error(error) {
        Fault::Tls(tls.to_string())
    } else if error.is_client() {
        // The one thing lettre decides by itself on the commands used here: no AUTH mechanism in common.
        Fault::NoMechanism
    } else {
        Fault::Lost(text)
    }
}

/// What rustls complained about. It comes wrapped in I/O errors, whose `source` skips what they hold.
fn tls_error(error: &lettre::transport::smtp::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        let held = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(tls) = held.and_then(|held| held.downcast_ref::<rustls::Error>()) {
            return Some(tls);
        }
        next = cause.source();
    }
    None
}

/// A positive answer of the wrong kind belongs to another command. Then answers and commands are out of step, as when
/// somebody slipped one in before TLS began, and no later answer can be trusted.
pub(super) fn in_step(response: Response, expected: Severity) -> Result<Response, Fault> {
    if response.code().severity == expected {
        Ok(response)
    } else {
        Err(Fault::Lost(format!("out of step: {}", said(&response))))
    }
}

pub(super) fn said(response: &Response) -> String {
    let lines: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), lines.join(" "))
}
