//! For whom a request is throttled and what the audit log says: the client's address behind the proxies we know.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::config::{ForwardedHeader, TrustedProxies};

/// The address of the client. Only peers among the trusted proxies are believed; everybody else speaks for themselves.
///
/// The list is read from the end, where our own proxy wrote: the first address that is not a trusted proxy is the
/// client. Whatever stands before it was sent by the client and proves nothing. An entry that is not an address ends the
/// search at the proxy that wrote it.
#[must_use]
pub fn client_address(peer: SocketAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let trusted = |address: IpAddr| proxies.networks.iter().any(|network| network.contains(address));
    let mut nearest = peer.ip().to_canonical();
    if !trusted(nearest) {
        return nearest;
    }
    let hops = match proxies.header {
        ForwardedHeader::XForwardedFor => list(headers, "x-forwarded-for", address),
        ForwardedHeader::Forwarded => list(headers, "forwarded", forwarded_for),
    };
    for hop in hops.into_iter().rev() {
        let Some(hop) = hop else { return nearest };
        nearest = hop.to_canonical();
        if !trusted(nearest) {
            return nearest;
        }
    }
    nearest
}

/// The items of a header that may stand there several times, in order (RFC 9110, section 5.3).
fn list(headers: &HeaderMap, name: &str, read: fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    let values = headers.get_all(name).iter();
    values.flat_map(|value| value.to_str().unwrap_or("?").split(',').map(read).collect::<Vec<_>>()).collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

/// The `for` of one element (RFC 7239, section 4): `for=192.0.2.1;proto=https` or `For="[2001:db8::1]:80"`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    address(value.trim_matches('"'))
}
