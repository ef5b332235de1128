//! Setting a password: the form, links that no longer work, and asking for a new link.

use askama::Template;

use super::{Frame, SAMPLE_CSRF, SAMPLE_TX, listed};

/// What lets the person set a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A set-up link, which works until `23 November, 14:37`.
    Link { until: String },
    /// A sign-in at Fly.io a moment ago, which counts for `5 minutes`.
    Now { within: String },
}

/// Why a password was not taken.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What is wrong with it and what would help.
    pub message: String,
    /// How hard it is to guess, 0 to 4; none when that was not asked, as for one that is too short.
    pub score: Option<u8>,
}

impl Refusal {
    /// The score, and in words.
    fn strength(&self) -> Option<(u8, &'static str)> {
        let words = |score| match score {
            0 => "0 of 4, guessed at once",
            1 => "1 of 4, too easy",
            2 => "2 of 4, still too easy",
            3 => "3 of 4, good",
            _ => "4 of 4, very good",
        };
        self.score.map(|score| (score, words(score)))
    }
}

/// `GET` and refused `POST` of `/set-up` and `/set-up/now`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/setup.html")]
pub struct SetupPage {
    pub frame: Frame,
    pub csrf: String,
    /// `?tx=<id>` of the sign-in transaction that goes on afterwards, or empty.
    pub tx_query: String,
    pub origin: Origin,
    /// Name of the application that waits for the sign-in.
    pub client: Option<String>,
    /// The organizations that have left Fly.io and that this person belongs to, by name.
    pub organizations: Vec<String>,
    /// The person has a password, which this one replaces.
    pub replaces: bool,
    pub person_id: String,
    /// Empty while no address signs the person in: they have to give one of their own.
    pub sign_in_address: String,
    /// Fewest characters.
    pub minimum: usize,
    /// Most characters.
    pub maximum: usize,
    pub refusal: Option<Refusal>,
    /// Offer a field for an address of their own.
    pub ask_contact_email: bool,
    /// What was typed there before, or empty.
    pub contact_email: String,
    /// Why that was not taken.
    pub contact_error: Option<String>,
}

impl SetupPage {
    fn strength(&self) -> Option<(u8, &'static str)> {
        self.refusal.as_ref().and_then(Refusal::strength)
    }

    /// What is tried early for this person, for the script: names, and what stands before the @.
    fn words(&self) -> String {
        let local = self.sign_in_address.split('@').next().unwrap_or_default();
        let names = self.organizations.iter().map(String::as_str);
        names.chain([local]).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn action(&self) -> &'static str {
        match self.origin {
            Origin::Link { .. } => "/set-up",
            Origin::Now { .. } => "/set-up/now",
        }
    }

    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let link = Self {
            frame: Frame::new(false, ""),
            csrf: SAMPLE_CSRF.into(),
            tx_query: String::new(),
            origin: Origin::Link { until: "23 November, 14:37".into() },
            client: Some("Sentry".into()),
            organizations: vec!["Saltmarsh Labs".into()],
            replaces: false,
            person_id: "01kap4t6zq8m".into(),
            sign_in_address: "q7m2x9k4v1w8z5t3@customer.fly.io".into(),
            minimum: 15,
            maximum: 256,
            refusal: None,
            ask_contact_email: false,
            contact_email: String::new(),
            contact_error: None,
        };
        let origin = Origin::Now { within: "5 minutes".into() };
        let now = Self { frame: Frame::sample(), tx_query: SAMPLE_TX.into(), origin, ..link.clone() };
        let weak = Refusal {
            message:
                "This one is close to the name of your organization and a year, which is tried early. Add two or \
                      three words that have nothing to do with it."
                    .into(),
            score: Some(1),
        };
        let weak = Self { refusal: Some(weak), ..link.clone() };
        let short = Refusal { message: "It has 9 characters; we need at least 15.".into(), score: None };
        let short = Self { refusal: Some(short), ..now.clone() };
        let contact = Self {
            ask_contact_email: true,
            contact_email: "priya@saltmarsh".into(),
            contact_error: Some("This does not look like an email address. Check it, or leave it empty.".into()),
            organizations: vec!["Saltmarsh Labs".into(), "Harbour Tools".into()],
            ..link.clone()
        };
        let no_address = Self { sign_in_address: String::new(), ask_contact_email: true, ..link.clone() };
        let replaces = Self { replaces: true, client: None, ..link.clone() };
        vec![
            ("link", link),
            ("now", now),
            ("weak", weak),
            ("short", short),
            ("contact", contact),
            ("replaces", replaces),
            ("no-address", no_address),
        ]
    }
}

/// Why a set-up link opens nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLink {
    /// A password was set since it was mailed. A new link can be mailed, as for the next three.
    Used,
    Expired,
    /// A newer one was mailed.
    Superseded,
    /// An address of the person's own was removed since it was mailed.
    Withdrawn,
    /// None of the person's organizations signs in with a password now; these did, and came back to Fly.io.
    NotNeeded {
        back: Vec<String>,
    },
    /// These do, and do not let the person in.
    NotLetIn {
        organizations: Vec<String>,
    },
    /// Not one of ours, or cut off.
    Unreadable,
    /// This browser holds none, or no longer.
    NotHeld,
}

/// A set-up link that opens nothing.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/setup_expired.html")]
pub struct ExpiredPage {
    pub frame: Frame,
    pub csrf: String,
    /// How long a set-up link works: `24 hours`.
    pub link_lasts: String,
    pub why: DeadLink,
    /// Id of this event in the log.
    pub error_id: String,
}

impl ExpiredPage {
    /// Whether to offer signing in beside what helps.
    fn may_have_a_password(&self) -> bool {
        use DeadLink::{Expired, NotHeld, Superseded, Unreadable, Withdrawn};
        matches!(self.why, Expired | Superseded | Withdrawn | Unreadable | NotHeld)
    }

    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let page = |why| Self {
            frame: Frame::new(false, ""),
            csrf: SAMPLE_CSRF.into(),
            link_lasts: "24 hours".into(),
            why,
            error_id: "01KAP4T6ZQ8M".into(),
        };
        let saltmarsh = vec!["Saltmarsh Labs".to_owned()];
        let two = vec!["Saltmarsh Labs".to_owned(), "Harbour Tools".to_owned()];
        vec![
            ("used", page(DeadLink::Used)),
            ("expired", page(DeadLink::Expired)),
            ("superseded", page(DeadLink::Superseded)),
            ("withdrawn", page(DeadLink::Withdrawn)),
            ("not-needed", page(DeadLink::NotNeeded { back: saltmarsh.clone() })),
            ("not-needed-nowhere", page(DeadLink::NotNeeded { back: vec![] })),
            ("not-let-in", page(DeadLink::NotLetIn { organizations: saltmarsh })),
            ("not-let-in-two", page(DeadLink::NotLetIn { organizations: two })),
            ("unknown", page(DeadLink::Unreadable)),
            ("not-held", page(DeadLink::NotHeld)),
        ]
    }
}

/// `GET /forgot`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/forgot.html")]
pub struct ForgotPage {
    pub frame: Frame,
    pub csrf: String,
    /// `?tx=<id>` of the sign-in transaction, or empty.
    pub tx_query: String,
    /// The address that was typed before, or empty.
    pub email: String,
    /// How long a set-up link works: `24 hours`.
    pub link_lasts: String,
    /// Why it was not taken: it is no address, or too many were asked for.
    pub error: Option<String>,
}

impl ForgotPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let page = Self {
            frame: Frame::sample(),
            csrf: SAMPLE_CSRF.into(),
            tx_query: SAMPLE_TX.into(),
            email: String::new(),
            link_lasts: "24 hours".into(),
            error: None,
        };
        let error = Some("This does not look like an email address. Check it and try again.".to_owned());
        let refused = Self { email: "priya@saltmarsh".into(), error, ..page.clone() };
        vec![("empty", page), ("refused", refused)]
    }
}

/// What a new link was asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A typed address, which we may or may not know.
    Address,
    /// An old link.
    Link,
    /// A sign-in at Fly.io a moment ago: the person may know where the mail goes.
    Proof { address: String },
}

/// The answer of `POST /forgot` and `POST /set-up/renew`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/forgot_sent.html")]
pub struct ForgotSentPage {
    pub frame: Frame,
    /// `?tx=<id>` of the sign-in transaction, or empty.
    pub tx_query: String,
    pub asked: Asked,
    /// The address our mail comes from.
    pub sender: String,
}

impl ForgotSentPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let page = Self {
            frame: Frame::sample(),
            tx_query: SAMPLE_TX.into(),
            asked: Asked::Address,
            sender: "no-reply@flybridge.example".into(),
        };
        let link = Self { asked: Asked::Link, ..page.clone() };
        let proof = Asked::Proof { address: "q7m2x9k4v1w8z5t3@customer.fly.io".into() };
        let proof = Self { asked: proof, ..page.clone() };
        vec![("address", page), ("link", link), ("proof", proof)]
    }
}
