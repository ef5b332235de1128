//! The way out.

use askama::Template;

use super::{Action, Frame, SAMPLE_CSRF};

/// `GET /sign-out`: the question before it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/sign_out.html")]
pub struct SignOutPage {
    pub frame: Frame,
    pub csrf: String,
    /// What follows the answer, sealed; empty when nothing does.
    pub then: String,
    pub person: String,
    /// `Fly.io` or `email and password`.
    pub method: String,
    /// When they signed in: `14:34`, or `21 November`.
    pub since: String,
    /// Name of the application that asks for it; none when the person came by themselves.
    pub client: Option<String>,
    /// There are applications that the person allowed to know who they are.
    pub applications: bool,
}

impl SignOutPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let asked = Self {
            frame: Frame::sample(),
            csrf: SAMPLE_CSRF.into(),
            then: "AQIDBA".into(),
            person: "Ines Marlow".into(),
            method: "Fly.io".into(),
            since: "14:34".into(),
            client: Some("Sentry".into()),
            applications: false,
        };
        let own = Self { client: None, then: String::new(), method: "email and password".into(), ..asked.clone() };
        let allowed = Self { applications: true, ..own.clone() };
        vec![("client", asked), ("own", own), ("own-with-applications", allowed)]
    }
}

/// `GET /signed-out`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/signed_out.html")]
pub struct SignedOutPage {
    pub frame: Frame,
    /// Applications that may keep a session of their own: `Sentry`; empty when unknown.
    pub applications: String,
    /// Where the application wants the person back, once they have read the page.
    pub back: Option<Action>,
}

impl SignedOutPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let plain = Self { frame: Frame::new(false, ""), applications: String::new(), back: None };
        let back = Some(Action::new("Back to Sentry", "https://sentry.example/"));
        let client = Self { applications: "Sentry".into(), back, ..plain.clone() };
        vec![("plain", plain), ("client", client)]
    }
}
