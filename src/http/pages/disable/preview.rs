//! Who would be mailed and what would end. Looking at it changes nothing.

use askama::Template;

use crate::http::pages::organization::{Plan, Terms};
use crate::http::pages::when::Stamp;
use crate::http::pages::{OrganizationFrame, Pager, SAMPLE_CSRF, Section, people, thousands};

/// How the news would reach a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// A mail with a link to set a password.
    SetUp,
    /// A mail that says: use the password you have.
    HasPassword,
    /// No address that takes mail.
    Unreachable,
    /// Nothing: left out on purpose.
    LeftOut,
}

impl Delivery {
    /// The value of `data-delivery`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set-up",
            Self::HasPassword => "has-password",
            Self::Unreachable => "unreachable",
            Self::LeftOut => "left-out",
        }
    }

    fn badge(self) -> &'static str {
        match self {
            Self::SetUp => "queued",
            Self::HasPassword => "ready",
            Self::Unreachable => "failed",
            Self::LeftOut => "cancelled",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::SetUp => "set-up link",
            Self::HasPassword => "has a password",
            Self::Unreachable => "unreachable",
            Self::LeftOut => "left out",
        }
    }
}

/// A row of [`PreviewPage`].
#[derive(Debug, Clone)]
pub struct PreviewRow {
    pub id: String,
    pub name: String,
    pub address: String,
    pub delivery: Delivery,
    /// Why they cannot be reached and what helps, `That is you.`, or empty.
    pub detail: String,
    /// The admin who looks cannot leave themselves out.
    pub may_be_left_out: bool,
    /// The last day Fly.io confirmed the membership.
    pub seen: Option<Stamp>,
}

/// Whether the admin's sign-in is recent enough for the click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// Signed in at `14:34`, recent enough until `14:39`.
    Until { signed_in: String, until: String },
    /// Signed in more than `5 minutes` ago, so they will be asked to sign in once more.
    Stale { within: String },
}

/// `GET /organizations/{slug}/auth/disable`, and the answer of a `POST` with a wrong confirmation.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/preview.html")]
pub struct PreviewPage {
    pub frame: OrganizationFrame,
    pub csrf: String,
    pub plan: Plan,
    pub members: u64,
    /// Of these: get a link.
    pub set_up: u64,
    /// Of these: are told to use their password.
    pub has_password: u64,
    /// Of these: cannot be mailed.
    pub unreachable: u64,
    /// Of these: get nothing, on purpose.
    pub left_out: u64,
    /// Where a test mail goes, or empty.
    pub my_address: String,
    /// A test mail was asked for a moment ago.
    pub tested: bool,
    /// So many members were marked or unmarked a moment ago.
    pub marked: Option<u64>,
    /// Where this page of the list begins.
    pub after: String,
    /// How long mailing takes: `about 4 minutes`.
    pub takes: String,
    /// How long a set-up link works: `24 hours`.
    pub link_lasts: String,
    pub freshness: Freshness,
    /// The admin who looks has neither a password nor an address that takes mail.
    pub self_locked_out: bool,
    /// Who left the admin out who looks at this.
    pub self_left_out: Option<String>,
    /// The confirmation that was typed and is not the slug.
    pub wrong_confirmation: Option<String>,
    /// What was searched for, or empty.
    pub query: String,
    pub rows: Vec<PreviewRow>,
    pub pager: Pager,
}

impl PreviewPage {
    /// How many people are mailed.
    fn mailed(&self) -> u64 {
        self.set_up + self.has_password
    }

    /// What became of the form of the list.
    fn saved(&self) -> String {
        match self.marked {
            None | Some(0) => "Nothing was changed.".to_owned(),
            Some(changed) => format!("Saved, for {}.", people(changed)),
        }
    }

    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let open = Self::sample();
        let sponsored = Self { plan: Plan::sample_sponsored(), ..open.clone() };
        let freshness = Freshness::Stale { within: "5 minutes".into() };
        let ended = Self { plan: Plan::sample_ended(), freshness, unreachable: 0, members: 410, ..open.clone() };
        let nobody = Self {
            members: 1,
            set_up: 0,
            has_password: 0,
            unreachable: 1,
            left_out: 0,
            my_address: String::new(),
            self_locked_out: true,
            self_left_out: None,
            rows: open.rows[..1].to_vec(),
            pager: Pager::default(),
            ..open.clone()
        };
        let refused = Self { wrong_confirmation: Some("Saltmarsh".into()), ..open.clone() };
        let nothing_found = Self { query: "zebra".into(), rows: vec![], pager: Pager::default(), ..open.clone() };
        let marked = Self { marked: Some(2), ..open.clone() };
        let tested = Self { tested: true, ..open.clone() };
        vec![
            ("open", open),
            ("sponsored", sponsored),
            ("ended", ended),
            ("nobody", nobody),
            ("refused", refused),
            ("nothing-found", nothing_found),
            ("marked", marked),
            ("tested", tested),
        ]
    }

    fn sample() -> Self {
        let row = |id: &str, name: &str, address: &str, delivery, detail: &str| PreviewRow {
            id: id.into(),
            name: name.into(),
            address: address.into(),
            delivery,
            detail: detail.into(),
            may_be_left_out: detail != "That is you.",
            seen: Some(Stamp { text: "21 November".into(), iso: "2026-11-21".into() }),
        };
        let back = "Mail to this address came back on 2 October.";
        let none = "Fly.io gave us no address. Ask them to set one at Fly.io and to sign in once.";
        let have = "Mail says: use the password you have.";
        let rows = vec![
            row("u_5sx0p1", "Leo Brandt", "h4w8c2n6r0j5d9x1@customer.fly.io", Delivery::Unreachable, back),
            PreviewRow { seen: None, ..row("u_2vz9q4", "Sam O’Connell", "", Delivery::Unreachable, none) },
            row("u_1ab7c2", "Aiko Hayashi", "z3c7v1n5m9q2w6e8@customer.fly.io", Delivery::SetUp, ""),
            row("u_3kd8w1", "Owen Castle", "owen@saltmarsh.example", Delivery::LeftOut, "Left out by Ines Marlow."),
            row("u_6mn4r8", "Bram de Vries", "bram@saltmarsh.example", Delivery::HasPassword, have),
            row("u_7ef1v6", "Ines Marlow", "ines@saltmarsh.example", Delivery::HasPassword, "That is you."),
        ];
        Self {
            frame: OrganizationFrame::sample(Section::SignIn),
            csrf: SAMPLE_CSRF.into(),
            plan: Plan::sample_paid(),
            members: 413,
            set_up: 368,
            has_password: 41,
            unreachable: 3,
            left_out: 1,
            my_address: "ines@saltmarsh.example".into(),
            tested: false,
            marked: None,
            after: String::new(),
            takes: "about 4 minutes".into(),
            link_lasts: "24 hours".into(),
            freshness: Freshness::Until { signed_in: "14:34".into(), until: "14:39".into() },
            self_locked_out: false,
            self_left_out: None,
            wrong_confirmation: None,
            query: String::new(),
            rows,
            pager: Pager::sample("1 to 6 of 413"),
        }
    }
}
