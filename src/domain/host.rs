//! Hosts, as a configuration names them.

use std::net::IpAddr;

/// Whether it is a host name or an IP address.
#[must_use]
pub fn is_host(text: &str) -> bool {
    url::Host::parse(text).is_ok() || text.parse::<IpAddr>().is_ok()
}

/// Whether only this machine can be meant, so that clear text on the wire does no harm: a loopback address, or `localhost`
/// and names below it (RFC 6761, section 6.3).
///
/// ```
/// use flybridge::domain::host::is_loopback;
/// assert!(is_loopback("127.0.0.1") && is_loopback("[::1]") && is_loopback("mail.LocalHost"));
/// assert!(!is_loopback("localhost.example.com") && !is_loopback("10.0.0.1"));
/// ```
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = literal.parse::<IpAddr>() {
        return address.is_loopback();
    }
    let name = host.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}
