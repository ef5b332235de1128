//! Connections driven by hand: what one may cost in time and memory, and how all of them end.

mod exchange;
mod refusal;
mod timed;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::clock::Clock;
use crate::config::ServerLimits;
use exchange::Exchange;
pub use exchange::LateBody;
use refusal::Refusals;
pub use refusal::Unreadable;
use timed::{NeverTimer, TimedStream};

/// The other end of the connection, among the extensions of each request. Behind a proxy it is the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// After an error that is not about one connection (such as too many open files), accepting pauses for this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request in flight was answered.
    Wholly,
    /// The time to drain was over; so many connections were cut.
    Cut(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Cutting,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    pub address: SocketAddr,
    pub source: io::Error,
}

/// Opens every address.
///
/// # Errors
///
/// The first address that is taken or not ours.
pub async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    let mut listeners = Vec::new();
    for &address in addresses {
        listeners.push(TcpListener::bind(address).await.map_err(|source| BindError { address, source })?);
    }
    Ok(listeners)
}

/// Serves `router` on `listeners` until `shutdown` is ready, then takes no new connection, lets requests in flight
/// finish for [`ServerLimits::drain`], and cuts what is left.
///
/// An endless answer (an event stream) has to watch for the shutdown itself, or it is cut.
pub async fn serve(
    listeners: Vec<TcpListener>,
    router: Router,
    limits: ServerLimits,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let most = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    let room = Arc::new(Semaphore::new(most as usize));
    let (phase, watching) = watch::channel(Phase::Serving);
    for listener in listeners {
        let server = Server {
            router: router.clone(),
            limits,
            clock: Arc::clone(&clock),
            room: Arc::clone(&room),
            phase: watching.clone(),
        };
        tokio::spawn(server.accept(listener));
    }
    drop(watching);
    shutdown.await;
    phase.send_replace(Phase::Draining);
    // Each connection holds a permit.
    let gone = room.acquire_many(most);
    tokio::select! {
        biased;
        _ = gone => return Drained::Wholly,
        () = clock.sleep(limits.drain) => {}
    }
    let left = (most as usize).saturating_sub(room.available_permits());
    phase.send_replace(Phase::Cutting);
    // Closed by nobody, so this only waits for the tasks to let go of their connections.
    drop(room.acquire_many(most).await);
    Drained::Cut(left)
}

#[derive(Clone)]
struct Server {
    router: Router,
    limits: ServerLimits,
    clock: Arc<dyn Clock>,
    room: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
}

impl Server {
    /// Stops accepting while there is no room: connections beyond the limit wait in the operating system, but for one.
    async fn accept(self, listener: TcpListener) {
        let mut phase = self.phase.clone();
        loop {
            let next = async {
                let accepted = listener.accept().await;
                (accepted, Arc::clone(&self.room).acquire_owned().await)
            };
            let (accepted, permit) = tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
                next = next => next,
            };
            // The semaphore is never closed.
            let Ok(permit) = permit else { return };
            match accepted {
                Ok((stream, peer)) => {
                    tokio::spawn(self.clone().connection(stream, peer, permit));
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    drop(permit);
                    self.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // Fails only when the connection is gone already.
        let _ = stream.set_nodelay(true);
        let timed = TimedStream::new(stream, &self.limits, Arc::clone(&self.clock));
        let refusals = Refusals::new(self.router.clone(), &self.limits, Arc::clone(&self.clock));
        let exchange = Exchange::new(self.router, PeerAddress(peer), self.limits, self.clock, timed.activity());
        let service = service_fn(move |request| exchange.clone().answer(request));
        // A header within twice its limit reaches the router, which refuses it with a page.
        let readable = 2 * self.limits.max_header;
        let mut connection = http1::Builder::new()
            .timer(NeverTimer)
            .header_read_timeout(self.limits.header_timeout)
            .max_header_size(readable)
            .max_buf_size(readable.max(64 * 1024))
            .serve_connection(TokioIo::new(timed), service);
        let mut phase = self.phase;
        loop {
            tokio::select! {
                biased;
                ended = &mut connection => {
                    let refused = connection.into_parts().io.into_inner().into_refused();
                    let why = ended.err().map(|error| error.to_string());
                    match (refused, why) {
                        (Some((stream, status)), why) => {
                            let late = (status == StatusCode::REQUEST_TIMEOUT).then(|| "a late header".to_owned());
                            let why = late.or(why).unwrap_or_default();
                            refusals.answer(stream, status, format!("from {peer}: {why}")).await;
                        }
                        (None, Some(error)) => tracing::debug!(error, "a connection ended early"),
                        (None, None) => {}
                    }
                    break;
                }
                changed = phase.changed() => {
                    if changed.is_err() || *phase.borrow_and_update() == Phase::Cutting {
                        break;
                    }
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
            }
        }
        drop(permit);
    }
}

/// The peer gave up before it was accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
