//! The page for everything that went wrong and has no page of its own.

use askama::Template;

use super::when::Stamp;
use super::{Action, Frame};
use crate::clock::Timestamp;

/// Where the fault lies. The page says it, so that nobody looks for it in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// The request did not fit: an old tab, a broken link, a missing permission.
    Request,
    /// The application that sent the person here asked wrongly; its name, where known.
    Application(Option<String>),
    /// Fly.io, or whoever else was asked.
    Upstream(String),
    /// Flybridge itself.
    Ours,
}

/// Any refusal or failure.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/error.html")]
pub struct ErrorPage {
    pub frame: Frame,
    pub title: String,
    /// What happened, whether anything changed, what to do next.
    pub message: String,
    pub side: Side,
    /// Id of this event in the log.
    pub id: String,
    pub at: Stamp,
    /// Ways on; the first is the primary one.
    pub actions: Vec<Action>,
}

impl ErrorPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let upstream = Self {
            frame: Frame::sample(),
            title: "We could not ask Fly.io".into(),
            message:
                "Fly.io did not answer within 5 seconds, so we could not sign you in. Nothing has changed. Wait a \
                      minute and start again."
                    .into(),
            side: Side::Upstream("Fly.io".into()),
            id: "01KAP4T6ZQ8M".into(),
            at: Stamp::moment(Timestamp::from_seconds(1_795_358_364)),
            actions: vec![
                Action::new("Start again", "/sign-in?tx=3v7k9m2p"),
                Action::new("Send me a link instead", "/forgot?tx=3v7k9m2p"),
            ],
        };
        let old_tab = Self {
            title: "This page was open for too long".into(),
            message: "What you sent came from a page that is no longer current. Nothing has changed. Start again."
                .into(),
            side: Side::Request,
            actions: vec![Action::new("Start again", "/sign-in")],
            ..upstream.clone()
        };
        let client = Self {
            title: "Sentry sent you here with a request we cannot answer".into(),
            message: "The address it wants you back at is not one it has registered, so we do not send you there."
                .into(),
            side: Side::Application(Some("Sentry".into())),
            actions: vec![Action::new("Back to Sentry", "https://sentry.example.com/")],
            ..upstream.clone()
        };
        let stranger = Self {
            title: "An application sent you here that we do not know".into(),
            message: "We do not send anybody back to an application we do not know.".into(),
            side: Side::Application(None),
            actions: vec![],
            ..client.clone()
        };
        let ours = Self {
            title: "We could not save that".into(),
            message: "Our store did not answer in time. Try again in a minute.".into(),
            side: Side::Ours,
            actions: vec![Action::new("Try again", "/organizations/saltmarsh-labs/auth")],
            ..upstream.clone()
        };
        vec![
            ("upstream", upstream),
            ("old-tab", old_tab),
            ("application", client),
            ("unknown-application", stranger),
            ("ours", ours),
        ]
    }
}
