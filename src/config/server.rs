//! `[server]`: who we are towards the outside, and what one connection may cost.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use super::network::{ForwardedHeader, TrustedProxies};
use super::parse;
use super::problem::Wrong;
use super::section::{Read, Section};
use super::source::Entry;

#[derive(Debug, Clone)]
pub struct Server {
    pub issuer: Issuer,
    pub listen: Vec<SocketAddr>,
    pub proxies: TrustedProxies,
    pub limits: ServerLimits,
}

/// What one connection may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at the same time; more wait in the backlog of the operating system.
    pub max_connections: usize,
    /// From the first byte of a request to the end of its header.
    pub header_timeout: Duration,
    /// From the end of the header to the end of the body.
    pub body_timeout: Duration,
    /// A connection without a request.
    pub idle_timeout: Duration,
    /// The peer takes no byte of an answer for so long.
    pub write_timeout: Duration,
    /// After the signal to stop, requests in flight have so long.
    pub drain: Duration,
    /// Request line and header fields together, in bytes.
    pub max_header: usize,
    /// Path and query, in bytes.
    pub max_url: usize,
    /// A request body, in bytes.
    pub max_body: usize,
}

/// The issuer identifier (OIDC Core, section 1.2; RFC 8414, section 2): scheme, host and port, without a trailing slash.
///
/// Every link that leaves the program starts with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    url: Url,
    text: String,
}

impl Issuer {
    /// Exactly as configured: clients compare it byte for byte.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The address of `path`, which starts with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Without TLS (loopback only) neither `Secure` cookies nor HSTS make sense.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// `entry` as an issuer, or what is wrong with it.
    fn read(entry: &Entry) -> Read<Self> {
        let text = parse::text(entry)?;
        let url = parse::web_url(entry)?;
        if text.ends_with('/') {
            return Err(Wrong::new(format!("{text:?} ends in a slash"), "Remove the slash at the end"));
        }
        if url.path() != "/" || url.query().is_some() {
            let remedy = format!("Write scheme, host and port alone: \"{}\"", url.origin().ascii_serialization());
            return Err(Wrong::new(format!("{text:?} has a path or a query"), remedy));
        }
        let plain = url.origin().ascii_serialization();
        if plain != text {
            let reason = format!("{text:?} is not in its plain form, and clients compare it byte for byte");
            return Err(Wrong::new(reason, format!("Write \"{plain}\"")));
        }
        Ok(Self { url, text })
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const SECOND: Duration = Duration::from_secs(1);
const FIVE_MINUTES: Duration = Duration::from_mins(5);
const KIB: usize = 1024;

pub(super) fn read(mut section: Section<'_>) -> Option<Server> {
    let issuer_remedy = "Write the address that browsers see, such as issuer = \"https://login.example.com\"";
    let issuer = section.required("issuer", issuer_remedy, Issuer::read);
    let listen =
        section.set("listen", parse::filled_list(parse::from_str("Write an address such as \"0.0.0.0:8080\"")));
    let network = parse::from_str("Write a range such as \"10.0.0.0/8\" or one address");
    let trusted_proxies = section.set("trusted_proxies", parse::list(network));
    let headers = &[("X-Forwarded-For", ForwardedHeader::XForwardedFor), ("Forwarded", ForwardedHeader::Forwarded)];
    let header = section.set("forwarded_header", parse::choice(headers));
    let limits = read_limits(&mut section);
    section.finish();
    let proxies = TrustedProxies { networks: trusted_proxies?, header: header? };
    Some(Server { issuer: issuer?, listen: listen?, proxies, limits: limits? })
}

fn read_limits(section: &mut Section<'_>) -> Option<ServerLimits> {
    let max_connections = section.set("max_connections", parse::integer(1..=1_000_000_usize));
    let header_timeout = section.set("header_timeout", parse::duration(SECOND..=FIVE_MINUTES));
    let body_timeout = section.set("body_timeout", parse::duration(SECOND..=FIVE_MINUTES));
    let idle_timeout = section.set("idle_timeout", parse::duration(SECOND..=12 * FIVE_MINUTES));
    let write_timeout = section.set("write_timeout", parse::duration(SECOND..=FIVE_MINUTES));
    let drain = section.set("drain", parse::duration(Duration::ZERO..=2 * FIVE_MINUTES));
    let max_header = section.set("max_header", parse::size(8 * KIB..=256 * KIB));
    let max_url = section.set("max_url", parse::size(2 * KIB..=60 * KIB));
    let max_body = section.set("max_body", parse::size(4 * KIB..=KIB * KIB));
    Some(ServerLimits {
        max_connections: max_connections?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        idle_timeout: idle_timeout?,
        write_timeout: write_timeout?,
        drain: drain?,
        max_header: max_header?,
        max_url: max_url?,
        max_body: max_body?,
    })
}
