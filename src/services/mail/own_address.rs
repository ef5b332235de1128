//! The mails about whether mail arrives: at an address of a person's own, and at all.

use std::time::Duration;

use askama::Template;
use url::Url;

use super::contexts::{RenderError, templates};
use super::line::Line;
use super::parts::Parts;
use super::wording;
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;

/// To an address that somebody gave as their own: whoever reads this confirms it, or does nothing.
#[derive(Debug, Clone)]
pub struct ConfirmAddress {
    /// Always none: the reader may be somebody else.
    pub name: Option<Line>,
    /// Who gave the address.
    pub person: Line,
    pub address: EmailAddress,
    pub link: Url,
    /// How long the link works from sending.
    pub link_life: Duration,
}

templates!(
    ConfirmAddress,
    "mail/confirm-address/subject.txt",
    "mail/confirm-address/body.txt",
    "mail/confirm-address/body.html"
);

impl ConfirmAddress {
    fn life(&self) -> String {
        wording::span(self.link_life)
    }
}

/// Told to the person when an address of their own signs them in from now on, or does so no longer.
#[derive(Debug, Clone)]
pub struct AddressChanged {
    pub name: Option<Line>,
    pub address: EmailAddress,
    /// Otherwise removed.
    pub added: bool,
    pub at: Timestamp,
    /// Network address and browser, such as "203.0.113.80, Firefox on Linux".
    pub from: Line,
    pub account: Url,
    pub forgot: Url,
}

templates!(
    AddressChanged,
    "mail/address-changed/subject.txt",
    "mail/address-changed/body.txt",
    "mail/address-changed/body.html"
);

impl AddressChanged {
    fn when(&self) -> String {
        wording::date_and_time(self.at)
    }
}

/// Told to an admin who wants to know, before the switch, whether our mail arrives.
#[derive(Debug, Clone)]
pub struct TestMail {
    pub name: Option<Line>,
    pub organization: Line,
    pub asked_at: Timestamp,
    /// The page from which it was asked for.
    pub preview: Url,
}

templates!(TestMail, "mail/test-mail/subject.txt", "mail/test-mail/body.txt", "mail/test-mail/body.html");

impl TestMail {
    fn when(&self) -> String {
        wording::date_and_time(self.asked_at)
    }
}
