//! Answers where there is no request: what came cannot be read, is longer than is read, or did not come in time.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::clock::Clock;
use crate::config::ServerLimits;

/// Among the extensions of a request that stands for one that could not be read: how it is to be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub status: StatusCode,
    /// From where it came and what is wrong with it, for the log.
    pub detail: String,
}

/// What was sent and not read is taken in up to this many bytes, since closing with some left would reset the connection
/// and the peer might never see the answer (RFC 9112, section 9.6).
const LEFT_OVER: u64 = 1024 * 1024;

/// Nobody waits longer for a peer that was refused.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Refusals {
    router: TowerToHyperService<Router>,
    clock: Arc<dyn Clock>,
    patience: Duration,
}

impl Refusals {
    pub(super) fn new(router: Router, limits: &ServerLimits, clock: Arc<dyn Clock>) -> Self {
        Self { router: TowerToHyperService::new(router), clock, patience: limits.write_timeout.min(PATIENCE) }
    }

    /// Has the router answer in place of the request that there is not, so that this answer has its page, its id and its
    /// line in the log like any other, and closes the connection.
    pub(super) async fn answer(self, stream: TcpStream, status: StatusCode, detail: String) {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Unreadable { status, detail });
        let Ok(response) = self.router.call(request).await;
        // Tried once: whoever does not take the answer is not owed another.
        tokio::select! {
            _ = deliver(stream, response) => {}
            () = self.clock.sleep(self.patience) => {}
        }
    }
}

async fn deliver(mut stream: TcpStream, response: Response) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut head = format!("HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: {}\r\n", parts.status, body.len());
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH) {
        write!(head, "{name}: {}\r\n", value.to_str()?)?;
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LEFT_OVER), &mut tokio::io::sink()).await?;
    Ok(())
}
