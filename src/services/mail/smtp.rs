//! SMTP: connections that are kept, and one mail at a time over each.
//!
//! lettre speaks the protocol; the order of the commands is driven here, because what a failure means depends on how
//! far the conversation got (see [`super::failure`]), which lettre's own transport does not tell.

mod replies;
mod settings;

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials as LettreCredentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use settings::{Credentials, Encryption, Limits, SetupError, SmtpSettings};

use replies::{fault, in_step, said, within};

use super::failure::{Fault, Stage};
use crate::clock::{Clock, Timestamp};

/// A connection unused for longer is not tried again. Servers hang up on idle ones after five minutes at the earliest
/// (RFC 5321, section 4.5.3.2.7), middle boxes sooner and without a word.
const IDLE: Duration = Duration::from_mins(1);

/// How far an attempt got, readable after it was given up.
pub(super) struct Progress(AtomicU8);

impl Progress {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(Stage::Connect as u8))
    }

    fn reached(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    pub(super) fn stage(&self) -> Stage {
        let all = [
            Stage::Connect,
            Stage::Encrypt,
            Stage::SignIn,
            Stage::Mail,
            Stage::Recipient,
            Stage::Data,
            Stage::HandedOver,
        ];
        let reached = self.0.load(Ordering::Relaxed);
        all.into_iter().find(|stage| *stage as u8 == reached).unwrap_or(Stage::HandedOver)
    }
}

struct Idle {
    connection: AsyncSmtpConnection,
    /// Something was refused over it, so it starts with RSET.
    unfinished: bool,
    since: Timestamp,
}

/// A mail server and the connections to it.
pub(super) struct Smtp {
    host: String,
    port: u16,
    encryption: Encryption,
    credentials: Option<LettreCredentials>,
    tls: Option<TlsParameters>,
    hello: ClientId,
    limits: Limits,
    clock: Arc<dyn Clock>,
    slots: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

impl Smtp {
    pub(super) fn new(settings: &SmtpSettings, our_domain: &str, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        settings.check()?;
        let credentials = settings.credentials.as_ref();
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            encryption: settings.encryption,
            credentials: credentials.map(|c| LettreCredentials::new(c.username.clone(), c.password.to_string())),
            tls: settings.tls_parameters()?,
            hello: settings.hello(our_domain)?,
            limits: settings.limits,
            clock,
            slots: Semaphore::new(settings.connections),
            idle: Mutex::default(),
        })
    }

    /// Hands over one mail. The stage reached is in the error, to judge the fault by.
    pub(super) async fn send(&self, envelope: &Envelope, mail: &[u8]) -> Result<String, (Stage, Fault)> {
        let progress = Progress::new();
        let attempt = timeout(self.limits.whole, self.deliver(envelope, mail, &progress)).await;
        attempt.unwrap_or(Err(Fault::TimedOut)).map_err(|fault| (progress.stage(), fault))
    }

    /// Reaches the server and signs in, without sending anything.
    pub(super) async fn check(&self) -> Result<(), (Stage, Fault)> {
        let progress = Progress::new();
        let attempt = timeout(self.limits.whole, async {
            let mut connection = self.connect(&progress).await?;
            self.command(&mut connection, Noop).await?;
            self.park(connection, false);
            Ok(())
        });
        attempt.await.unwrap_or(Err(Fault::TimedOut)).map_err(|fault| (progress.stage(), fault))
    }

    /// Takes leave of the server on all idle connections, within a second.
    pub(super) async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        let leave = idle.into_iter().map(async |mut parked| parked.connection.abort().await);
        // The connections close with the values; a server that does not answer QUIT loses nothing.
        let _ = timeout(Duration::from_secs(1), join_all(leave)).await;
    }

    async fn deliver(&self, envelope: &Envelope, mail: &[u8], progress: &Progress) -> Result<String, Fault> {
        let _slot = self.slots.acquire().await.map_err(|closed| Fault::Lost(closed.to_string()))?;
        if let Some(idle) = self.take_idle() {
            match self.transact(idle, envelope, mail, progress).await {
                // It was hung up, or its share of mails is used up: a fresh one tells what the server means.
                Err(fault)
                    if progress.stage() == Stage::Mail && !matches!(fault, Fault::NoInternationalAddresses) =>
                {
                    progress.reached(Stage::Connect);
                }
                result => return result,
            }
        }
        let connection = self.connect(progress).await?;
        let fresh = Idle { connection, unfinished: false, since: self.clock.now() };
        self.transact(fresh, envelope, mail, progress).await
    }

    async fn connect(&self, progress: &Progress) -> Result<AsyncSmtpConnection, Fault> {
        let implicit = self.tls.clone().filter(|_| self.encryption == Encryption::Implicit);
        let address = (self.host.as_str(), self.port);
        let reach =
            AsyncSmtpConnection::connect_tokio1(address, Some(self.limits.connect), &self.hello, implicit, None);
        let mut connection = within(self.limits.connect + self.limits.command, reach).await?;
        if self.encryption == Encryption::StartTls {
            progress.reached(Stage::Encrypt);
            let tls = self.tls.clone().filter(|_| connection.can_starttls());
            let tls = tls.ok_or_else(|| Fault::Tls("STARTTLS is not offered".to_owned()))?;
            within(self.limits.command, connection.starttls(tls, &self.hello)).await?;
        }
        if let Some(credentials) = &self.credentials {
            progress.reached(Stage::SignIn);
            let signed_in = within(self.limits.command, connection.auth(DEFAULT_MECHANISMS, credentials)).await;
            signed_in?;
        }
        Ok(connection)
    }

    /// One mail over one connection. It is kept if the server took the sender and did not hang up or fall silent.
    async fn transact(
        &self,
        mut idle: Idle,
        envelope: &Envelope,
        mail: &[u8],
        progress: &Progress,
    ) -> Result<String, Fault> {
        let result = self.converse(&mut idle, envelope, mail, progress).await;
        match &result {
            Ok(_) | Err(Fault::NoInternationalAddresses) => self.park(idle.connection, false),
            Err(Fault::Answer { code, .. }) if *code != 421 && progress.stage() > Stage::Mail => {
                self.park(idle.connection, true);
            }
            Err(_) => {}
        }
        result
    }

    async fn converse(
        &self,
        idle: &mut Idle,
        envelope: &Envelope,
        mail: &[u8],
        progress: &Progress,
    ) -> Result<String, Fault> {
        let connection = &mut idle.connection;
        progress.reached(Stage::Mail);
        if idle.unfinished {
            self.command(connection, Rset).await?;
        }
        let parameters = mail_parameters(connection, envelope, mail)?;
        self.command(connection, Mail::new(envelope.from().cloned(), parameters)).await?;
        progress.reached(Stage::Recipient);
        for recipient in envelope.to() {
            self.command(connection, Rcpt::new(recipient.clone(), vec![])).await?;
        }
        progress.reached(Stage::Data);
        let granted = within(self.limits.command, connection.command(Data)).await?;
        in_step(granted, Severity::PositiveIntermediate)?;
        let content = on_the_wire(mail)?;
        progress.reached(Stage::HandedOver);
        let accepted = connection.command(content).await.map_err(|error| fault(&error))?;
        in_step(accepted, Severity::PositiveCompletion).map(|answer| said(&answer))
    }

    async fn command(
        &self,
        connection: &mut AsyncSmtpConnection,
        command: impl fmt::Display,
    ) -> Result<Response, Fault> {
        let response = within(self.limits.command, connection.command(command)).await?;
        in_step(response, Severity::PositiveCompletion)
    }

    fn take_idle(&self) -> Option<Idle> {
        let now = self.clock.now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|parked| now.since(parked.since) < IDLE);
        idle.pop()
    }

    fn park(&self, connection: AsyncSmtpConnection, unfinished: bool) {
        let parked = Idle { connection, unfinished, since: self.clock.now() };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(parked);
    }
}

/// The content as it is sent (RFC 5321, section 4.5.2), with the final dot, so that both leave in one go. The dot in a packet
/// of its own would wait until the server has acknowledged all before it (RFC 896), which many put off for 40 ms or more.
fn on_the_wire(mail: &[u8]) -> Result<String, Fault> {
    let text = str::from_utf8(mail).map_err(|error| Fault::Unsendable(error.to_string()))?;
    let first = if text.starts_with('.') { "." } else { "" };
    Ok(format!("{first}{}\r\n.\r\n", text.replace("\r\n.", "\r\n..")))
}

/// SMTPUTF8 for addresses outside ASCII (RFC 6531), whose headers are then 8-bit; all else we write is ASCII.
fn mail_parameters(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
) -> Result<Vec<MailParameter>, Fault> {
    let mut addresses = envelope.to().iter().chain(envelope.from());
    let mut parameters = Vec::new();
    if addresses.any(|address| !address.to_string().is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(Fault::NoInternationalAddresses);
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !mail.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_at_the_beginning_of_a_line_is_doubled() {
        for (mail, sent) in [
            ("", "\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("a\r\nb.c\r\n", "a\r\nb.c\r\n\r\n.\r\n"),
            ("\r\n.\r\n.\r\n..a", "\r\n..\r\n..\r\n...a\r\n.\r\n"),
            ("a\n.b\r.c", "a\n.b\r.c\r\n.\r\n"),
            ("\u{e9}\r\n.\u{e9}", "\u{e9}\r\n..\u{e9}\r\n.\r\n"),
        ] {
            assert_eq!(on_the_wire(mail.as_bytes()).expect("text"), sent, "{mail:?}");
        }
        assert!(matches!(on_the_wire(b"\xff"), Err(Fault::Unsendable(_))));
    }
}
