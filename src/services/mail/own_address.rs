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

/// What became of an address of a person's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressEvent {
    Added,
    /// It took the place of another.
    Replaced,
    Removed,
}

/// Told to the person when an address of their own signs them in from now on, or does so no longer.
#[derive(Debug, Clone)]
pub struct AddressChanged {
    pub name: Option<Line>,
    pub event: AddressEvent,
    /// The new one, or the one that was removed.
    pub address: String,
    /// The one that was replaced.
    pub before: Option<EmailAddress>,
    /// Whether the address that this goes to goes on signing in.
    pub signs_in: bool,
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
    fn title(&self) -> &'static str {
        match self.event {
            AddressEvent::Added => "Another address signs you in",
            AddressEvent::Replaced => "An address of yours was replaced",
            AddressEvent::Removed => "An address no longer signs you in",
        }
    }

    fn subject(&self) -> &'static str {
        match self.event {
            AddressEvent::Added => "Another address signs you in to Sentry",
            AddressEvent::Replaced => "An address that signs you in to Sentry was replaced",
            AddressEvent::Removed => "An address no longer signs you in to Sentry",
        }
    }

    fn happened(&self) -> &'static str {
        match self.event {
            AddressEvent::Added => "From now on you can sign in to Sentry with another address, too.",
            AddressEvent::Replaced => {
                "An address of your own was replaced: the new one signs you in to Sentry, the one before no longer does."
            }
            AddressEvent::Removed => "An address no longer signs you in to Sentry.",
        }
    }

    fn of_this_address(&self) -> &'static str {
        if self.signs_in {
            "The address that this mail went to goes on working."
        } else {
            "The address that this mail went to no longer signs you in, and a link to set a password that was mailed to it \
             no longer works."
        }
    }

    fn not_you(&self) -> &'static str {
        match (self.signs_in, self.event) {
            (true, AddressEvent::Removed) => {
                "Set a new password now, which ends every session. Then give the address again on the page of your account."
            }
            (true, _) => {
                "Set a new password now, which ends every session. Then remove the address on the page of your account."
            }
            (false, _) => {
                "Set a new password now, with an address that still signs you in, such as the one at Fly.io. That ends every \
                 session. Then give this address again on the page of your account. If no address signs you in any more, ask \
                 an admin of your organization."
            }
        }
    }

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
