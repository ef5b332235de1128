//! The way in: the sign-in page, the question which organization, and the two pages that say why Fly.io did not let
//! somebody through.

use askama::Template;

use super::{Frame, SAMPLE_CSRF, SAMPLE_TX, listed};

/// Which ways in the page offers.
#[derive(Debug, Clone)]
pub enum Offer {
    /// Nobody has said which organization it is about.
    Both,
    /// The organization is known and signs in with Fly.io; `again_since` is the day it came back, if it had left.
    Fly { organization: String, again_since: Option<String> },
    /// The organization is known and has left Fly.io Auth on the day `since` (`22 November 2026`).
    Password { organization: String, since: String },
}

/// What the page has to say before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInNotice {
    /// Address and password do not belong together; the same for unknown addresses.
    Refused,
    /// Too many attempts; `wait` is `30 seconds`.
    Throttled { wait: String },
    /// The password pool is full; `wait` is `5 seconds`.
    Busy { wait: String },
    /// The step the person is about to take needs a sign-in of the last `5 minutes`.
    Again { within: String },
    /// The sign-in was begun too long ago, or in another browser, or this one keeps no cookies.
    StartedTooLongAgo { error_id: String },
}

/// `GET /sign-in`, and the answer of `POST /sign-in/password` that did not work.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/sign_in.html")]
pub struct SignInPage {
    pub frame: Frame,
    pub csrf: String,
    /// `?tx=<id>` of the sign-in transaction, or empty.
    pub tx_query: String,
    /// Name of the application that asked; none when somebody came by themselves.
    pub client: Option<String>,
    /// What somebody who came by themselves goes on to: the name of an application, or our page in words; none on the way to
    /// a page of an organization.
    pub then: Option<String>,
    pub offer: Offer,
    pub notice: Option<SignInNotice>,
    /// The address that was typed before, or empty.
    pub email: String,
    /// Where the ways of all organizations are shown; only useful when the offer is for one.
    pub all_ways: Option<String>,
}

impl SignInPage {
    /// After a password was tried, the password is what the person came for.
    fn password_first(&self) -> bool {
        matches!(self.offer, Offer::Password { .. }) || self.tried()
    }

    fn tried(&self) -> bool {
        use SignInNotice::{Busy, Refused, Throttled};
        matches!(self.notice, Some(Refused | Throttled { .. } | Busy { .. }))
    }

    fn organization(&self) -> Option<&str> {
        match &self.offer {
            Offer::Both => None,
            Offer::Fly { organization, .. } | Offer::Password { organization, .. } => Some(organization),
        }
    }

    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let both = Self {
            frame: Frame::sample(),
            csrf: SAMPLE_CSRF.into(),
            tx_query: SAMPLE_TX.into(),
            client: Some("Sentry".into()),
            then: None,
            offer: Offer::Both,
            notice: None,
            email: String::new(),
            all_ways: None,
        };
        let saltmarsh = || "Saltmarsh Labs".to_owned();
        let all_ways = Some("/sign-in?tx=3v7k9m2p&all=1".to_owned());
        let fly = Offer::Fly { organization: saltmarsh(), again_since: None };
        let fly = Self { offer: fly, all_ways: all_ways.clone(), ..both.clone() };
        let back = Offer::Fly { organization: saltmarsh(), again_since: Some("23 November 2026".into()) };
        let back = Self { client: None, offer: back, ..fly.clone() };
        let password = Offer::Password { organization: saltmarsh(), since: "22 November 2026".into() };
        let password = Self { offer: password, all_ways, ..both.clone() };
        let tried = Self { email: "priya@saltmarsh.example".into(), ..both.clone() };
        let says = |page: &Self, notice| Self { notice: Some(notice), ..page.clone() };
        let direct = Self { frame: Frame::new(true, ""), client: None, tx_query: String::new(), ..both.clone() };
        let alone = Self { then: Some("Sentry".into()), ..direct.clone() };
        let to_applications = Self { then: Some("applications you allowed".into()), ..direct.clone() };
        vec![
            ("refused", says(&tried, SignInNotice::Refused)),
            ("throttled", says(&tried, SignInNotice::Throttled { wait: "30 seconds".into() })),
            ("busy", says(&tried, SignInNotice::Busy { wait: "5 seconds".into() })),
            (
                "again",
                says(
                    &Self { client: None, all_ways: None, ..fly.clone() },
                    SignInNotice::Again { within: "5 minutes".into() },
                ),
            ),
            ("too-long-ago", says(&both, SignInNotice::StartedTooLongAgo { error_id: "01KAP4T6ZQ8M".into() })),
            (
                "password-refused",
                says(&Self { email: tried.email.clone(), ..password.clone() }, SignInNotice::Refused),
            ),
            ("both", both),
            ("fly", fly),
            ("fly-again", back),
            ("password", password),
            ("direct", direct),
            ("alone", alone),
            ("to-applications", to_applications),
        ]
    }
}

/// A person came through Fly.io, and the organization they want has left it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/no_longer_opens.html")]
pub struct NoLongerOpensPage {
    pub frame: Frame,
    pub csrf: String,
    /// `?tx=<id>` of the sign-in transaction, or empty.
    pub tx_query: String,
    /// Name of the application that asked; none when somebody came by themselves.
    pub client: Option<String>,
    pub organization: String,
    /// Others that Fly.io did not name this time.
    pub unconfirmed: Vec<String>,
    /// The day of the switch: `22 November 2026`.
    pub since: String,
    /// Where mail goes to this person, whom Fly.io has just proven.
    pub email: String,
    /// What they sign in with, or empty.
    pub sign_in_address: String,
    /// How long a set-up link works: `24 hours`.
    pub link_lasts: String,
    /// They were proven a moment ago and have no password: they may set one on the spot.
    pub set_password_now: bool,
    /// Where all ways in are shown.
    pub all_ways: Option<String>,
    /// Where an admin looks after the switch, for whom Fly.io opens that much.
    pub switch: Option<String>,
}

impl NoLongerOpensPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let now = Self {
            frame: Frame::sample(),
            csrf: SAMPLE_CSRF.into(),
            tx_query: SAMPLE_TX.into(),
            client: Some("Sentry".into()),
            organization: "Saltmarsh Labs".into(),
            unconfirmed: vec![],
            since: "22 November 2026".into(),
            email: "q7m2x9k4v1w8z5t3@customer.fly.io".into(),
            sign_in_address: "q7m2x9k4v1w8z5t3@customer.fly.io".into(),
            link_lasts: "24 hours".into(),
            set_password_now: true,
            all_ways: Some("/sign-in?tx=3v7k9m2p&all=1".into()),
            switch: None,
        };
        let switch = Some("/organizations/saltmarsh-labs/auth/disable/01kap4t6zq8m".into());
        let has_password = Self { set_password_now: false, switch, ..now.clone() };
        let unconfirmed = Self { unconfirmed: vec!["Harbour Tools".into()], ..now.clone() };
        let direct = Self {
            frame: Frame::new(false, ""),
            tx_query: String::new(),
            client: None,
            all_ways: Some("/sign-in".into()),
            ..now.clone()
        };
        vec![("unconfirmed", unconfirmed), ("set-now", now), ("has-password", has_password), ("direct", direct)]
    }
}

/// The way into an organization that the present sign-in does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Fly,
    Password,
    /// By a password that the person does not have yet and may set on the spot.
    SetPassword,
    /// The same, once Fly.io has told anew who they are.
    ProveFirst,
    /// By a password, for which the person has no address to sign in with.
    NoAddress,
    /// Fly.io did not name the organization this time.
    Unconfirmed,
}

/// An organization of the person that opens in another way.
#[derive(Debug, Clone)]
pub struct OtherWay {
    pub organization: String,
    /// The day on which its login method last changed: `22 November 2026`.
    pub since: Option<String>,
    pub way: Way,
}

/// A person's organizations sign in in different ways, and the application has not said which one it is about.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/choose.html")]
pub struct ChoosePage {
    pub frame: Frame,
    pub csrf: String,
    /// `?tx=<id>` of the sign-in transaction.
    pub tx_query: String,
    /// Name of the application that asked.
    pub client: String,
    /// Who is signed in.
    pub person: String,
    /// Their id, so that the answer is theirs.
    pub person_id: String,
    /// What the present sign-in opens: at least one.
    pub opened: Vec<String>,
    /// What it does not: at least one.
    pub others: Vec<OtherWay>,
}

impl ChoosePage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let other =
            |name: &str, way| OtherWay { organization: name.into(), since: Some("22 November 2026".into()), way };
        let by_fly = Self {
            frame: Frame::sample(),
            csrf: SAMPLE_CSRF.into(),
            tx_query: SAMPLE_TX.into(),
            client: "Sentry".into(),
            person: "Jun Park".into(),
            person_id: "01kap4t6zq8m".into(),
            opened: vec!["Harbour Tools".into()],
            others: vec![other("Saltmarsh Labs", Way::SetPassword)],
        };
        let has_password = Self { others: vec![other("Saltmarsh Labs", Way::Password)], ..by_fly.clone() };
        let by_password = Self {
            opened: vec!["Saltmarsh Labs".into(), "Tideline".into(), "Quayside".into()],
            others: vec![
                other("Harbour Tools", Way::Fly),
                OtherWay { organization: "Kelp & Sons".into(), since: None, way: Way::Fly },
            ],
            ..by_fly.clone()
        };
        let with = |way| Self { others: vec![other("Saltmarsh Labs", way)], ..by_fly.clone() };
        vec![
            ("prove-first", with(Way::ProveFirst)),
            ("no-address", with(Way::NoAddress)),
            ("unconfirmed", with(Way::Unconfirmed)),
            ("fly", by_fly),
            ("fly-with-password", has_password),
            ("password", by_password),
        ]
    }
}

/// The person said no at Fly.io. Sentry would start over for ever if it were told, so this page is the end
/// of that sign-in.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/denied.html")]
pub struct DeniedPage {
    pub frame: Frame,
    /// `?tx=<id>` of the sign-in transaction, or empty.
    pub tx_query: String,
    /// Name of the application that asked; none when somebody came by themselves.
    pub client: Option<String>,
    /// Id of this event in the log.
    pub error_id: String,
}

impl DeniedPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let page = Self {
            frame: Frame::sample(),
            tx_query: SAMPLE_TX.into(),
            client: Some("Sentry".into()),
            error_id: "01KAP4T6ZQ8M".into(),
        };
        let direct = Self { client: None, tx_query: String::new(), frame: Frame::new(false, ""), ..page.clone() };
        vec![("client", page), ("direct", direct)]
    }
}
