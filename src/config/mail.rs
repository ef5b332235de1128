//! `[mail]`: how messages leave.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;

use super::certificates::{self, Certificates};
use super::parse;
use super::problem::Wrong;
use super::section::{Read, Section};
use super::source::Entry;
use crate::domain::email::EmailAddress;
use crate::domain::host::{is_host, is_loopback};
use crate::domain::secret::Secret;

#[derive(Debug, Clone)]
pub struct Mail {
    pub from: MailFrom,
    pub transport: MailTransport,
    /// Messages per second at most, over all workers of one process.
    pub per_second: NonZeroU32,
    /// The same of the mails of one run; none: as many as of all together.
    pub per_second_per_run: Option<NonZeroU32>,
    /// How long after the mailing of a run each reminder leaves, in this order.
    pub reminders: Vec<Duration>,
    /// By which whoever reports mail that came back proves that they may.
    pub bounce_secret: Option<Secret>,
}

impl Mail {
    /// The longest that sending one mail may take. None for files, which take milliseconds.
    #[must_use]
    pub fn longest_send(&self) -> Option<Duration> {
        match &self.transport {
            MailTransport::Smtp(smtp) => Some(smtp.longest_send()),
            MailTransport::File(_) => None,
        }
    }
}

/// Who sends.
#[derive(Debug, Clone)]
pub struct MailFrom {
    pub address: EmailAddress,
    pub name: Option<String>,
}

#[derive(Debug, Clone)]
pub enum MailTransport {
    Smtp(Smtp),
    /// One `.eml` file per message in this folder, for trials without a mail server.
    File(PathBuf),
}

#[derive(Debug, Clone)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// Authorities to trust instead of those of the operating system.
    pub certificates: Option<Certificates>,
    /// For one command and its answer.
    pub timeout: Duration,
}

impl Smtp {
    /// One command may take its time, all of them together four times that.
    #[must_use]
    pub fn longest_send(&self) -> Duration {
        self.timeout * 4
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte (RFC 8314, section 3.3).
    Implicit,
    /// An upgrade that is insisted on (RFC 3207).
    StartTls,
    /// Clear text; on loopback only.
    None,
}

#[derive(Clone, Copy)]
enum Kind {
    Smtp,
    File,
}

pub(super) fn read(mut section: Section<'_>) -> Option<Mail> {
    let from = section.required("from", "Write the sender, such as from = \"Sign-in <login@example.com>\"", sender);
    let kind = section.required(
        "transport",
        "Write transport = \"smtp\" for a mail server, or \"file\" for a trial",
        parse::choice(&[("smtp", Kind::Smtp), ("file", Kind::File)]),
    );
    let folder = section.set("folder", parse::path);
    let per_second = section.set("per_second", parse::integer(1..=10_000_u32));
    let per_run = section.optional("per_second_per_run", parse::integer(1..=10_000_u32));
    let reminders = section.set("reminders", reminders);
    let bounce_secret = section.secret("bounce_secret", "bounce_secret_file", parse::own_secret);
    let mut inner = section.section("smtp");
    let smtp = read_smtp(&mut inner, matches!(kind, Some(Kind::Smtp)));
    inner.finish();
    section.finish();
    let transport = match kind? {
        Kind::Smtp => MailTransport::Smtp(smtp?),
        Kind::File => MailTransport::File(folder?),
    };
    Some(Mail {
        from: from?,
        transport,
        per_second: NonZeroU32::new(per_second?)?,
        per_second_per_run: per_run?.and_then(NonZeroU32::new),
        reminders: reminders?,
        bounce_secret: bounce_secret?,
    })
}

/// Nobody is reminded within a day of the mail before, so reminders keep their distance from each other.
fn reminders(entry: &Entry) -> Read<Vec<Duration>> {
    const DAY: Duration = Duration::from_hours(24);
    let spans = parse::list(parse::duration(DAY..=DAY * 60))(entry)?;
    let remedy =
        "Write at most 10 times, each at least 2 d after the one before, such as [\"3 d\", \"7 d\"]; [] for none";
    if spans.len() > 10 {
        return Err(Wrong::new("these are too many reminders", remedy));
    }
    if spans.windows(2).any(|two| two[1] < two[0] + DAY * 2) {
        return Err(Wrong::new("the reminders are out of order or too close to each other", remedy));
    }
    Ok(spans)
}

fn sender(entry: &Entry) -> Read<MailFrom> {
    let remedy = "Write it as \"Name <name@example.com>\"";
    let Mailbox { name, email } = parse::from_str(remedy)(entry)?;
    let address = AsRef::<str>::as_ref(&email).parse().map_err(|error| {
        Wrong::new(format!("\"{email}\" is no address that mail can come from ({error})"), remedy)
    })?;
    Ok(MailFrom { address, name })
}

/// The keys are checked whenever they are given; `host` is demanded only when mail goes over SMTP.
fn read_smtp(section: &mut Section<'_>, wanted: bool) -> Option<Smtp> {
    let host = if wanted {
        section.required("host", "Write the name of the mail server", host)
    } else {
        section.optional("host", host).flatten()
    };
    let security = section.set(
        "security",
        parse::choice(&[
            ("implicit", SmtpSecurity::Implicit),
            ("starttls", SmtpSecurity::StartTls),
            ("none", SmtpSecurity::None),
        ]),
    );
    let port = section.optional("port", parse::integer(1..=u16::MAX));
    let username = section.optional("username", parse::text);
    let password = section.secret("password", "password_file", parse::foreign_secret);
    let certificates = section.optional("ca_file", certificates::read);
    let timeout = section.set("timeout", parse::duration(Duration::from_secs(1)..=Duration::from_mins(5)));
    let (host, security, username, password) = (host?, security?, username?, password?);
    if security == SmtpSecurity::None && !is_loopback(&host) {
        let reason = format!("mail to {host:?} would go out in clear text, links included");
        section.refuse(
            "security",
            None,
            Wrong::new(reason, "Use \"implicit\" or \"starttls\"; \"none\" is for loopback only"),
        );
    }
    if username.is_some() != password.is_some() {
        let reason = "of username and password one is missing";
        section.refuse("username", None, Wrong::new(reason, "Give both, or neither"));
    }
    let usual_port = match security {
        SmtpSecurity::Implicit => 465,
        SmtpSecurity::StartTls => 587,
        SmtpSecurity::None => 25,
    };
    Some(Smtp {
        host,
        port: port?.unwrap_or(usual_port),
        security,
        username,
        password,
        certificates: certificates?,
        timeout: timeout?,
    })
}

fn host(entry: &Entry) -> Read<String> {
    let given = parse::text(entry)?;
    if is_host(&given) {
        return Ok(given);
    }
    let remedy = "Write the name or address of the mail server alone, such as \"smtp.example.com\"";
    Err(Wrong::new(format!("{given:?} is not the name of a host"), remedy))
}
