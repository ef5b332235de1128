//! Logs. One event per line, to standard error.
//!
//! What must never be in an event: the query of a URL, a path as sent (set-up links are paths), cookies, the
//! `Authorization` header, tokens, codes, passwords. Events name routes by their pattern and requests by their id. Of what a
//! client sent, a refusal shows the values of those parameters alone that are no secret (`http::error::line`).

use std::fmt;
use std::str::FromStr;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::random::Random;

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Which events are written: a level, or directives of `tracing-subscriber`.
#[derive(Debug, Clone)]
pub struct LogFilter(EnvFilter);

impl FromStr for LogFilter {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        EnvFilter::builder().parse(text).map(Self)
    }
}

/// Something else writes the events already.
#[derive(Debug, thiserror::Error)]
#[error("the log is set up already")]
pub struct AlreadySetUp;

/// Sends the events of the whole process to standard error, panics included. Called once, by the command line.
///
/// Of a panic only the place is written, since its message may quote what was being worked on.
///
/// # Errors
///
/// When it was called before.
pub fn init(format: LogFormat, filter: LogFilter) -> Result<(), AlreadySetUp> {
    init_to(format, filter, std::io::stderr)
}

/// The same, writing to `writer`.
///
/// # Errors
///
/// When the log was set up before.
pub fn init_to<W>(format: LogFormat, filter: LogFilter, writer: W) -> Result<(), AlreadySetUp>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    subscriber(format, filter, writer).try_init().map_err(|_| AlreadySetUp)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(())
}

/// What writes the events of [`init_to`], for whoever sets it up otherwise.
pub fn subscriber<W>(format: LogFormat, filter: LogFilter, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_target(true);
    let registry = tracing_subscriber::registry().with(filter.0);
    match format {
        LogFormat::Text => Box::new(registry.with(layer.with_ansi(false))),
        LogFormat::Json => Box::new(registry.with(layer.json().flatten_event(true).with_current_span(true))),
    }
}

/// Names one request in the log, in the answer's `x-request-id` and on error pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// 80 random bits as 16 characters (Crockford's base 32, lower case).
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let value = u128::from_be_bytes(random.bytes_16());
        Self((0..16).map(|place| char::from(ALPHABET[(value >> (5 * place) & 31) as usize])).collect())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names the client that the request under way is from or about, in every line of it that is still to be written.
pub fn name_client(id: &str) {
    tracing::Span::current().record("client", id);
}
