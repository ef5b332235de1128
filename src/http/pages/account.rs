//! What a person signs in with, and the link that confirms an address of their own.

use askama::Template;

use super::when::Stamp;
use super::{Frame, SAMPLE_CSRF};

/// The answer to a change on [`AccountPage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A mail went to the address that was given, whether anybody is known by it or not.
    Given,
    /// The address signed the person in before.
    Already,
    Removed,
    /// The address that waited is forgotten.
    TakenBack,
}

/// An address that signs the person in.
#[derive(Debug, Clone)]
pub struct OwnAddress {
    pub address: String,
    pub since: Stamp,
}

/// An address that was given and not confirmed.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub address: String,
    /// `23 November, 14:37`
    pub until: String,
}

/// Why nothing can be changed as the person is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// The sign-in is older than `5 minutes`.
    Stale { within: String },
    /// They have a password, and signed in with Fly.io.
    ByFly,
}

/// `GET /account`, and the answer of a `POST` with something that is no address.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/account.html")]
pub struct AccountPage {
    pub frame: Frame,
    pub csrf: String,
    pub person: String,
    pub told: Option<Told>,
    /// The address at Fly.io, or empty.
    pub at_fly: String,
    /// Otherwise it is somebody else's own.
    pub at_fly_signs_in: bool,
    pub has_password: bool,
    pub own: Option<OwnAddress>,
    pub waiting: Option<Waiting>,
    /// How long a link works: `24 hours`.
    pub link_lasts: String,
    pub locked: Option<Locked>,
    /// What was typed before, or empty.
    pub typed: String,
    pub error: Option<String>,
}

impl AccountPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let own = OwnAddress {
            address: "priya@saltmarsh.example".into(),
            since: Stamp { text: "22 November".into(), iso: "2026-11-22".into() },
        };
        let waiting = Waiting { address: "priya@saltmarsh.example".into(), until: "23 November, 14:37".into() };
        let plain = Self {
            frame: Frame::new(false, ""),
            csrf: SAMPLE_CSRF.into(),
            person: "Priya Raman".into(),
            told: None,
            at_fly: "q7m2x9k4v1w8z5t3@customer.fly.io".into(),
            at_fly_signs_in: true,
            has_password: true,
            own: None,
            waiting: None,
            link_lasts: "24 hours".into(),
            locked: None,
            typed: String::new(),
            error: None,
        };
        let given = Self { told: Some(Told::Given), waiting: Some(waiting.clone()), ..plain.clone() };
        let confirmed = Self { own: Some(own.clone()), ..plain.clone() };
        let both = Waiting { address: "raman@harbour.example".into(), ..waiting };
        let both = Self { waiting: Some(both), told: Some(Told::Already), ..confirmed.clone() };
        let removed = Self { told: Some(Told::Removed), ..plain.clone() };
        let taken_back = Self { told: Some(Told::TakenBack), ..plain.clone() };
        let locked = Some(Locked::Stale { within: "5 minutes".into() });
        let stale = Self { locked, ..confirmed.clone() };
        let by_fly = Self { locked: Some(Locked::ByFly), ..confirmed.clone() };
        let error = Some("This does not look like an email address. Look for a missing @ or a blank.".into());
        let refused = Self { typed: "priya@salt marsh".into(), error, ..plain.clone() };
        let taken = Self { at_fly: "priya@saltmarsh.example".into(), at_fly_signs_in: false, ..plain.clone() };
        let removed_bare = Self { at_fly: String::new(), ..removed.clone() };
        let bare = Self { at_fly: String::new(), has_password: false, ..plain.clone() };
        vec![
            ("plain", plain),
            ("given", given),
            ("confirmed", confirmed),
            ("both", both),
            ("removed", removed),
            ("removed-no-address", removed_bare),
            ("taken-back", taken_back),
            ("stale", stale),
            ("by-fly", by_fly),
            ("refused", refused),
            ("no-address", bare),
            ("taken", taken),
        ]
    }
}

/// What the link in a mail to an address does, or why it does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Asks whether this address may sign `person` in; until `23 November, 14:37`.
    Asks {
        person: String,
        address: String,
        until: String,
    },
    /// It does from now on.
    Confirmed {
        address: String,
    },
    /// It did before.
    Used,
    Expired,
    Superseded,
    TakenBack,
    /// Another person signs in with it.
    Taken,
    /// Not one of ours, or cut off.
    Unreadable,
    /// This browser holds none, or no longer.
    NotHeld,
}

impl Link {
    /// Whether the page is about a link that does nothing.
    fn is_dead(&self) -> bool {
        !matches!(self, Self::Asks { .. } | Self::Confirmed { .. })
    }
}

/// `GET` and `POST` of `/confirm-address`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/confirm_address.html")]
pub struct ConfirmAddressPage {
    pub frame: Frame,
    pub csrf: String,
    pub link: Link,
    /// How long a link works: `24 hours`.
    pub link_lasts: String,
    /// Id of this event in the log.
    pub error_id: String,
}

impl ConfirmAddressPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let address = || "priya@saltmarsh.example".to_owned();
        let page = |link| Self {
            frame: Frame::new(false, ""),
            csrf: SAMPLE_CSRF.into(),
            link,
            link_lasts: "24 hours".into(),
            error_id: "01KAP4T6ZQ8M".into(),
        };
        let asks =
            Link::Asks { person: "Priya Raman".into(), address: address(), until: "23 November, 14:37".into() };
        vec![
            ("asks", page(asks)),
            ("confirmed", page(Link::Confirmed { address: address() })),
            ("used", page(Link::Used)),
            ("expired", page(Link::Expired)),
            ("superseded", page(Link::Superseded)),
            ("taken-back", page(Link::TakenBack)),
            ("taken", page(Link::Taken)),
            ("unreadable", page(Link::Unreadable)),
            ("not-held", page(Link::NotHeld)),
        ]
    }
}
