//! `[mail]`: how messages leave.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;

use super::parse;
use super::problem::Wrong;
use super::section::Section;
use crate::domain::secret::Secret;

#[derive(Debug, Clone)]
pub struct Mail {
    pub from: Mailbox,
    pub transport: MailTransport,
    /// Messages per second at most, over all workers of one process.
    pub per_second: NonZeroU32,
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
    /// Certificates to trust, in PEM, instead of those of the operating system.
    pub ca_file: Option<PathBuf>,
    /// For one command and its answer.
    pub timeout: Duration,
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
    let from = section.required(
        "from",
        "Write the sender, such as from = \"Sign-in <login@example.com>\"",
        parse::from_str("Write it as \"Name <name@example.com>\""),
    );
    let kind = section.required(
        "transport",
        "Write transport = \"smtp\" for a mail server, or \"file\" for a trial",
        parse::choice(&[("smtp", Kind::Smtp), ("file", Kind::File)]),
    );
    let folder = section.set("folder", parse::path);
    let per_second = section.set("per_second", parse::integer(1..=10_000_u32));
    let mut inner = section.section("smtp");
    let smtp = read_smtp(&mut inner, matches!(kind, Some(Kind::Smtp)));
    inner.finish();
    section.finish();
    let transport = match kind? {
        Kind::Smtp => MailTransport::Smtp(smtp?),
        Kind::File => MailTransport::File(folder?),
    };
    Some(Mail { from: from?, transport, per_second: NonZeroU32::new(per_second?)? })
}

/// The keys are checked whenever they are given; `host` is demanded only when mail goes over SMTP.
fn read_smtp(section: &mut Section<'_>, wanted: bool) -> Option<Smtp> {
    let host = if wanted {
        section.required("host", "Write the name of the mail server", parse::text)
    } else {
        section.optional("host", parse::text).flatten()
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
    let ca_file = section.optional("ca_file", parse::path);
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
        ca_file: ca_file?,
        timeout: timeout?,
    })
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| parse::is_loopback_name(host), |address| address.is_loopback())
}
