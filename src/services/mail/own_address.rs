//! The mails about a person's own address.

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
