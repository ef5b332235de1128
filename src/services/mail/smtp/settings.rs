//! Where and how to hand over mail, and what of it cannot work.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use zeroize::Zeroizing;

use crate::domain::host::{is_host, is_loopback};

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS from the first byte (RFC 8314), port 465 by custom.
    Implicit,
    /// STARTTLS (RFC 3207), never without it, port 587 by custom.
    StartTls,
    /// None: only for a server on this machine.
    Off,
}

/// User name and password of the mail server.
#[derive(Clone)]
pub struct Credentials {
    pub username: String,
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How long one attempt may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To reach the server.
    pub connect: Duration,
    /// For the answer to one command. The final dot may use up all that is left of `whole`: giving up early there
    /// makes duplicates (RFC 5321, section 4.5.3.2.6).
    pub command: Duration,
    /// For the attempt from waiting for a free connection to the last answer.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), command: Duration::from_secs(30), whole: Duration::from_mins(2) }
    }
}

/// Where and how to hand over mail.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub credentials: Option<Credentials>,
    /// PEM of the authority that signed the server's certificate. Then no other one is trusted.
    pub root_certificates: Option<Vec<u8>>,
    /// The name given in EHLO; the sender's domain when there is none.
    pub hello: Option<String>,
    /// Connections at the same time, at least 1.
    pub connections: usize,
    pub limits: Limits,
}

/// Why a mailer cannot be made of its settings. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the mail server {0} is not on this machine: choose implicit TLS or STARTTLS")]
    ClearText(String),
    #[error("\"{0}\" is not a host name or address of a mail server")]
    Host(String),
    #[error("\"{0}\" is not a host name to greet a mail server with")]
    Hello(String),
    #[error("the mail server needs at least one connection")]
    Connections,
    #[error("the certificates to trust cannot be used: {0}")]
    Certificates(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    #[error("the mail folder {path} cannot be used: {cause}")]
    Folder { path: PathBuf, cause: std::io::Error },
}

impl SmtpSettings {
    pub(super) fn check(&self) -> Result<(), SetupError> {
        if !is_host(&self.host) {
            return Err(SetupError::Host(self.host.clone()));
        }
        if self.encryption == Encryption::Off && !is_loopback(&self.host) {
            return Err(SetupError::ClearText(self.host.clone()));
        }
        if self.connections == 0 { Err(SetupError::Connections) } else { Ok(()) }
    }

    /// The name for EHLO, which goes into a command as it is.
    pub(super) fn hello(&self, our_domain: &str) -> Result<ClientId, SetupError> {
        let hello = self.hello.as_deref().unwrap_or(our_domain);
        let plain = hello.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        if plain && !hello.is_empty() {
            Ok(ClientId::Domain(hello.to_owned()))
        } else {
            Err(SetupError::Hello(hello.to_owned()))
        }
    }

    pub(super) fn tls_parameters(&self) -> Result<Option<TlsParameters>, SetupError> {
        if self.encryption == Encryption::Off {
            return Ok(None);
        }
        let builder = TlsParameters::builder(self.host.clone());
        let Some(pem) = &self.root_certificates else {
            return builder.build().map(Some).map_err(|cause| SetupError::Tls(cause.to_string()));
        };
        let unusable = |cause: lettre::transport::smtp::Error| SetupError::Certificates(cause.to_string());
        let authority = Certificate::from_pem(pem).map_err(unusable)?;
        let pinned = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
        pinned.build().map(Some).map_err(unusable)
    }
}
