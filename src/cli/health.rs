//! `flybridge health`: for container health checks, where there is no shell and no curl.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::start::StartError;

pub async fn run(address: Option<SocketAddr>) -> Result<(), StartError> {
    let address = address.unwrap_or_else(configured);
    let url = format!("http://{}/readyz", reachable(address));
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build();
    let client = client.map_err(|e| StartError::new("no HTTP client", e))?;
    let answer = client.get(&url).send().await.map_err(|e| StartError::new(&format!("{url} does not answer"), e))?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(StartError::plain(format!("{url} answers {}", answer.status())))
}

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
