//! The mails, each as a type that holds what it says. The words are in `templates/mail/<name>/`.

use std::fmt;
use std::time::Duration;

use askama::Template;
use url::Url;

use super::line::{Line, Names};
use super::parts::Parts;
use super::wording::{self, Switches};
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;

/// A template that could not be filled in.
#[derive(Debug, thiserror::Error)]
#[error("a mail could not be written: {0}")]
pub struct RenderError(#[from] askama::Error);

/// Ties a mail to its three templates, which see it as `mail`.
macro_rules! templates {
    ($mail:ident, $subject:tt, $text:tt, $html:tt) => {
        impl $mail {
            /// # Errors
            /// When a template fails; none of ours does.
            pub fn render(&self) -> Result<Parts, RenderError> {
                #[derive(Template)]
                #[template(path = $subject)]
                struct Subject<'a> {
                    mail: &'a $mail,
                }
                #[derive(Template)]
                #[template(path = $text)]
                struct Text<'a> {
                    mail: &'a $mail,
                }
                #[derive(Template)]
                #[template(path = $html)]
                struct Html<'a> {
                    mail: &'a $mail,
                }
                let subject = Subject { mail: self }.render()?;
                let text = Text { mail: self }.render()?;
                Ok(Parts::new(&subject, &text, Html { mail: self }.render()?))
            }

            fn greeting(&self) -> String {
                wording::greeting(self.name.as_ref())
            }
        }
    };
}

/// The organization has left Fly.io Auth, and this person has no password yet.
#[derive(Debug, Clone)]
pub struct SetPassword {
    pub name: Option<Line>,
    pub switches: Switches,
    pub link: Url,
    /// None while no address signs the person in: they are asked to give one of their own.
    pub sign_in_address: Option<EmailAddress>,
    /// How long the link works from sending.
    pub link_life: Duration,
}

pub(super) use templates;

templates!(SetPassword, "mail/set-password/subject.txt", "mail/set-password/body.txt", "mail/set-password/body.html");

impl SetPassword {
    fn life(&self) -> String {
        wording::span(self.link_life)
    }
}

/// The organization left Fly.io Auth some days ago, and this person was mailed a link and has no password still.
#[derive(Debug, Clone)]
pub struct Reminder {
    pub name: Option<Line>,
    pub switches: Switches,
    pub link: Url,
    /// None while no address signs the person in: they are asked to give one of their own.
    pub sign_in_address: Option<EmailAddress>,
    pub link_life: Duration,
}

templates!(Reminder, "mail/reminder/subject.txt", "mail/reminder/body.txt", "mail/reminder/body.html");

impl Reminder {
    fn life(&self) -> String {
        wording::span(self.link_life)
    }
}

/// The organization has left Fly.io Auth, and this person has a password already.
#[derive(Debug, Clone)]
pub struct AlreadyHasPassword {
    pub name: Option<Line>,
    pub switches: Switches,
    pub sign_in: Url,
    pub forgot: Url,
    /// None while no address signs the person in: they are asked to give one of their own.
    pub sign_in_address: Option<EmailAddress>,
    pub password_set_at: Timestamp,
}

templates!(
    AlreadyHasPassword,
    "mail/already-has-password/subject.txt",
    "mail/already-has-password/body.txt",
    "mail/already-has-password/body.html"
);

impl AlreadyHasPassword {
    fn since(&self) -> String {
        wording::date(self.password_set_at)
    }
}

/// What happened to a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordEvent {
    /// There was none before.
    Set,
    Changed,
}

impl fmt::Display for PasswordEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "set",
            Self::Changed => "changed",
        })
    }
}

/// Told to the owner after every change, asked for or not.
#[derive(Debug, Clone)]
pub struct PasswordChanged {
    pub name: Option<Line>,
    pub event: PasswordEvent,
    pub at: Timestamp,
    /// Network address and browser, such as "203.0.113.80, Firefox on Linux".
    pub from: Line,
    /// None while no address signs the person in: they are asked to give one of their own.
    pub sign_in_address: Option<EmailAddress>,
    pub forgot: Url,
}

templates!(
    PasswordChanged,
    "mail/password-changed/subject.txt",
    "mail/password-changed/body.txt",
    "mail/password-changed/body.html"
);

impl PasswordChanged {
    fn when(&self) -> String {
        wording::date_and_time(self.at)
    }
}

/// A link that the person asked for: on the "forgotten" page, or in place of one that had expired. An unknown address
/// gets no mail at all.
#[derive(Debug, Clone)]
pub struct ForgotLink {
    pub name: Option<Line>,
    /// The ones that the password opens.
    pub organizations: Names,
    pub link: Url,
    /// None while no address signs the person in: they are asked to give one of their own.
    pub sign_in_address: Option<EmailAddress>,
    pub link_life: Duration,
    pub has_password: bool,
}

templates!(ForgotLink, "mail/forgot-link/subject.txt", "mail/forgot-link/body.txt", "mail/forgot-link/body.html");

impl ForgotLink {
    fn life(&self) -> String {
        wording::span(self.link_life)
    }
}

/// How a run ended. `sent + failed + cancelled = members`; passwords are counted across them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub members: u64,
    pub sent: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// Of the cancelled, those whom an admin left out on purpose.
    pub left_out: u64,
    /// Have set a password.
    pub ready: u64,
}

/// One member whom no mail reached.
#[derive(Debug, Clone)]
pub struct Failure {
    pub name: Line,
    pub reason: Line,
}

/// Told to the admins once all mail of a run is out.
#[derive(Debug, Clone)]
pub struct AdminSummary {
    pub name: Option<Line>,
    pub organization: Line,
    pub switched_at: Timestamp,
    pub totals: Totals,
    /// The first of the failed ones; more than [`AdminSummary::LISTED`] are counted, not listed.
    pub failures: Vec<Failure>,
    /// The page of the run.
    pub run: Url,
}

templates!(
    AdminSummary,
    "mail/admin-summary/subject.txt",
    "mail/admin-summary/body.txt",
    "mail/admin-summary/body.html"
);

impl AdminSummary {
    /// Failures named in the mail itself, so that it stays small.
    pub const LISTED: usize = 10;

    fn since(&self) -> String {
        wording::date_and_time(self.switched_at)
    }

    fn outcome(&self) -> String {
        match self.totals.failed {
            0 if self.totals.left_out == 0 => "Nobody was left out.".to_owned(),
            0 => "Nobody was left out but on purpose.".to_owned(),
            1 => "1 person needs your help.".to_owned(),
            failed => format!("{failed} people need your help."),
        }
    }

    fn cancelled(&self) -> String {
        let Totals { cancelled, left_out, .. } = self.totals;
        match (cancelled - left_out.min(cancelled), left_out) {
            (0, 0) => "0".to_owned(),
            (1, 0) => "1, has a working link or a password already".to_owned(),
            (others, 0) => format!("{others}, they have a working link or a password already"),
            (0, left_out) => format!("{left_out}, left out on purpose"),
            (1, left_out) => format!("{left_out} left out on purpose, 1 has a working link or a password already"),
            (others, left_out) => {
                format!("{left_out} left out on purpose, {others} have a working link or a password already")
            }
        }
    }

    fn failures_heading(&self) -> String {
        match self.totals.failed {
            1 => "The one that failed".to_owned(),
            failed => format!("The {failed} that failed"),
        }
    }

    fn listed_failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().take(Self::LISTED)
    }

    fn unlisted_failures(&self) -> Option<String> {
        let listed = u64::try_from(self.failures.len().min(Self::LISTED)).unwrap_or(0);
        let more = self.totals.failed.saturating_sub(listed);
        (more > 0).then(|| format!("and {more} more, on the page"))
    }
}
