//! What happened in an organization.

use askama::Template;

use crate::clock::Timestamp;
use crate::http::pages::when::Stamp;
use crate::http::pages::{Choice, OrganizationFrame, Pager, Section};

/// A row of [`AuditPage`].
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// `14:52:31`
    pub at: Stamp,
    /// Machine name of the event, for scripts.
    pub kind: String,
    /// `Login method changed`
    pub what: String,
    /// `Fly.io to email and password; generation 1 to 2`, or empty.
    pub detail: String,
    /// The person, `Flybridge` or `Fly.io`.
    pub who: String,
    /// Network address, where there is one.
    pub from: Option<String>,
}

/// The events of one day.
#[derive(Debug, Clone)]
pub struct AuditDay {
    /// `22 November 2026`
    pub day: Stamp,
    pub rows: Vec<AuditRow>,
}

/// `GET /organizations/{slug}/audit`, newest first.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/audit.html")]
pub struct AuditPage {
    pub frame: OrganizationFrame,
    /// What was searched for, or empty.
    pub query: String,
    /// Filter by kind of event.
    pub kinds: Vec<Choice>,
    pub days: Vec<AuditDay>,
    pub pager: Pager,
}

impl AuditPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let row = |seconds: i64, kind: &str, what: &str, detail: &str, who: &str| AuditRow {
            at: Stamp::clock(Timestamp::from_seconds(1_795_358_222 + seconds)),
            kind: kind.into(),
            what: what.into(),
            detail: detail.into(),
            who: who.into(),
            from: (who != "Flybridge").then(|| "2001:db8:40::7".to_owned()),
        };
        let changed = "Fly.io to email and password; generation 1 to 2; 58 sessions ended";
        let today = vec![
            row(929, "link-resent", "Link sent again", "to Leo Brandt", "Ines Marlow"),
            row(221, "run-finished", "Run finished", "406 sent, 3 failed, 3 cancelled, 412 in all", "Flybridge"),
            row(0, "method-changed", "Login method changed", changed, "Ines Marlow"),
        ];
        let yesterday = vec![row(-86_400, "signed-in", "Signed in", "with Fly.io", "Chloé Martin")];
        let day = |seconds, rows| AuditDay { day: Stamp::day(Timestamp::from_seconds(seconds)), rows };
        let kinds =
            [("", "everything"), ("sign-ins", "sign-ins"), ("refusals", "refusals"), ("method", "login method")];
        let list = Self {
            frame: OrganizationFrame::sample(Section::Audit),
            query: String::new(),
            kinds: Choice::list(&kinds, ""),
            days: vec![day(1_795_358_222, today), day(1_795_271_822, yesterday)],
            pager: Pager { text: "Newest 4 of 1,284".into(), ..Pager::sample("") },
        };
        let nothing = Self {
            query: "zebra".into(),
            kinds: Choice::list(&kinds, "refusals"),
            days: vec![],
            pager: Pager::default(),
            ..list.clone()
        };
        vec![("list", list), ("nothing-found", nothing)]
    }
}
