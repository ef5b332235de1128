//! `flybridge health`: asks a node how it is where there is no shell and no curl, as in its container.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::start::{StartError, load};

pub async fn run(alive: bool, address: Option<SocketAddr>, file: Option<&Path>) -> Result<(), StartError> {
    let address = match (address, file) {
        (Some(address), _) => address,
        (None, Some(file)) => listening(file)?,
        (None, None) => configured(),
    };
    let path = if alive { "healthz" } else { "readyz" };
    let url = format!("http://{}/{path}", reachable(address));
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build();
    let client = client.map_err(|e| StartError::new("no HTTP client", e))?;
    let answer = client.get(&url).send().await.map_err(|e| StartError::new(&format!("{url} does not answer"), e))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let status = answer.status();
    let why = answer.text().await.unwrap_or_default();
    Err(StartError::plain(format!("{url} answers {status}: {why}")))
}

fn listening(file: &Path) -> Result<SocketAddr, StartError> {
    let listen = load(Some(file))?.server.listen;
    listen.first().copied().ok_or_else(|| StartError::plain("server.listen names no address"))
}

/// A container has its address in the environment; secrets that a whole configuration needs may be out of reach here.
fn configured() -> SocketAddr {
    let listen = std::env::var("FLYBRIDGE_SERVER__LISTEN").unwrap_or_default();
    let first = listen.split(',').next().unwrap_or_default().trim().parse();
    first.unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 8080)))
}

/// "All addresses" is where one listens, not where one calls.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, address.port())),
        _ => address,
    }
}
