//! What an application that is not the operator's own will learn, asked beforehand and shown afterwards.

use askama::Template;

use super::when::Stamp;
use super::{Frame, SAMPLE_CSRF, SAMPLE_TX};
use crate::domain::claims::OrganizationClaim;

/// Organizations that are named one by one; a list of all would hide the rest of the page.
const NAMED: usize = 8;

/// Something that an application learns. Beforehand with what it is; empty afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Identity,
    FlyId,
    Name(String),
    Email(Option<String>),
    /// `Saltmarsh Labs (admin), Harbour Tools (member)`
    Organizations(String),
}

impl Item {
    /// The organizations that a sign-in opens.
    #[must_use]
    pub fn organizations(opened: &[OrganizationClaim]) -> Self {
        let named = opened.iter().take(NAMED).map(|one| format!("{} ({})", one.name, one.role.as_str()));
        let more = opened.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("{more} more"));
        Self::Organizations(named.chain(more).collect::<Vec<_>>().join(", "))
    }
}

/// An [`Item`] that the application asks for.
#[derive(Debug, Clone)]
pub struct Line {
    pub item: Item,
    /// It was not among what the person allowed before.
    pub new: bool,
}

/// `GET /sign-in/consent`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/consent.html")]
pub struct ConsentPage {
    pub frame: Frame,
    pub csrf: String,
    /// `?tx=<id>` of the sign-in transaction.
    pub tx_query: String,
    /// Name of the application that asks.
    pub client: String,
    /// Where the person is sent afterwards, as the address bar will show it.
    pub site: String,
    /// Who is signed in.
    pub person: String,
    /// Stands for what the page tells, so that nothing else is allowed by it.
    pub told: String,
    /// The day on which the person first allowed the application something: `22 November 2026`.
    pub before: Option<String>,
    pub lines: Vec<Line>,
    /// It asks to go on without the person, which may be new as well.
    pub while_away: bool,
    pub while_away_new: bool,
}

impl ConsentPage {
    fn asks_more(&self) -> bool {
        self.while_away_new || self.lines.iter().any(|line| line.new)
    }

    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let line = |item| Line { item, new: false };
        let email = Item::Email(Some("q7m2x9k4v1w8z5t3@customer.fly.io".into()));
        let organizations = Item::Organizations("Saltmarsh Labs (admin), Harbour Tools (member)".into());
        let all = Self {
            frame: Frame::sample(),
            csrf: SAMPLE_CSRF.into(),
            tx_query: SAMPLE_TX.into(),
            client: "Tideline Status".into(),
            site: "status.tideline.example".into(),
            person: "Ines Marlow".into(),
            told: "m3vIB1VZ".into(),
            before: None,
            lines: [Item::Identity, Item::Name("Ines Marlow".into()), email.clone(), organizations].map(line).into(),
            while_away: true,
            while_away_new: false,
        };
        let least = Self { lines: vec![line(Item::Identity)], while_away: false, ..all.clone() };
        let no_address = Self {
            lines: [Item::Identity, Item::FlyId, Item::Email(None)].map(line).into(),
            while_away: false,
            ..all.clone()
        };
        let more = Self {
            before: Some("22 November 2026".into()),
            lines: vec![line(Item::Identity), Line { item: email, new: true }],
            ..all.clone()
        };
        let again = Self { lines: vec![line(Item::Identity)], ..more.clone() };
        let away = Self { while_away_new: true, ..again.clone() };
        vec![
            ("all", all),
            ("least", least),
            ("no-address", no_address),
            ("more", more),
            ("again", again),
            ("away", away),
        ]
    }
}

/// An application that the person allowed something.
#[derive(Debug, Clone)]
pub struct Application {
    pub id: String,
    pub name: String,
    /// Where it is, as the address bar shows it; none of one that is gone.
    pub site: Option<String>,
    pub since: Stamp,
    pub items: Vec<Item>,
    pub while_away: bool,
    /// How long services that check its access tokens without asking us may go on taking them.
    pub lingers: Option<String>,
    /// It is no longer registered here.
    pub gone: bool,
}

/// `GET /account/applications`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/applications.html")]
pub struct ApplicationsPage {
    pub frame: Frame,
    pub csrf: String,
    /// Who is signed in.
    pub person: String,
    /// Name of the application that something was taken back from just now.
    pub removed: Option<String>,
    pub applications: Vec<Application>,
}

impl ApplicationsPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let status = Application {
            id: "tideline-status".into(),
            name: "Tideline Status".into(),
            site: Some("status.tideline.example".into()),
            since: Stamp { text: "22 November".into(), iso: "2026-11-22".into() },
            items: vec![
                Item::Identity,
                Item::Name(String::new()),
                Item::Email(None),
                Item::Organizations(String::new()),
            ],
            while_away: true,
            lingers: Some("1 hour".into()),
            gone: false,
        };
        let gone = Application {
            id: "grafana".into(),
            name: "Grafana".into(),
            site: None,
            items: vec![Item::Identity, Item::FlyId],
            while_away: false,
            lingers: None,
            gone: true,
            ..status.clone()
        };
        let some = Self {
            frame: Frame::new(false, ""),
            csrf: SAMPLE_CSRF.into(),
            person: "Ines Marlow".into(),
            removed: None,
            applications: vec![gone, status],
        };
        let none = Self { applications: vec![], ..some.clone() };
        let removed = Self { removed: Some("Grafana".into()), ..none.clone() };
        vec![("some", some), ("none", none), ("removed", removed)]
    }
}
