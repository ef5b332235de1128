//! A range of addresses in CIDR notation (RFC 4632, section 3.1; RFC 4291, section 2.3).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Which peers may say for whom they speak, and how they say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies {
    pub networks: Vec<Network>,
    pub header: ForwardedHeader,
}

/// The header that the proxies write. The other one is never read, since a proxy passes on what a client made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// Addresses that share their first bits, such as `10.0.0.0/8`. A single address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// Why a text is not a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("not an IP address with an optional /length")]
    Syntax,
    #[error("bits beyond the /length are set")]
    HostBits,
}

/// IPv4 addresses stand at the end of `::ffff:0:0/96`, so that an IPv4 peer of an IPv6 socket is the same peer.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl Network {
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        (bits(address) ^ bits(self.base)) & self.mask() == 0
    }

    fn mask(&self) -> u128 {
        let length = if self.base.is_ipv4() { self.prefix + 96 } else { self.prefix };
        if length == 0 { 0 } else { u128::MAX << (128 - u32::from(length)) }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let base: IpAddr = address.parse().map_err(|_| NetworkError::Syntax)?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match length {
            None => longest,
            Some(length) => length.parse().ok().filter(|n| *n <= longest).ok_or(NetworkError::Syntax)?,
        };
        let network = Self { base, prefix };
        if bits(base) & !network.mask() == 0 { Ok(network) } else { Err(NetworkError::HostBits) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}
