//! Stand-ins for Fly.io and Sentry that speak the real protocols over HTTP, and a mailbox to look into.
//!
//! `flybridge demo` and the tests run them beside Flybridge, each on a port of its own. They know nothing of
//! Flybridge's inside: what passes between them passes over HTTP, as it would between companies.

pub mod fly;
mod keep;
pub mod mailbox;
mod page;
pub mod sentry;
pub mod world;

use std::future::Future;
use std::io;

use axum::Router;
use tokio::net::TcpListener;

/// Where the parts of a demo are, without a slash at the end; every page shows them as a row of links.
/// An empty one is left out.
#[derive(Debug, Clone, Default)]
pub struct Links {
    pub flybridge: String,
    pub fly: String,
    pub sentry: String,
    pub mailbox: String,
}

/// Serves until `shutdown` is ready, then lets answers under way finish.
///
/// # Errors
/// When the listener breaks.
pub async fn serve_on(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}
