//! Who belongs to an organization, as far as we know.

use askama::Template;

use crate::http::pages::when::Stamp;
use crate::http::pages::{Choice, OrganizationFrame, Pager, Section, people};

/// What we know about a member's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressState {
    TakesMail,
    /// The person has followed a link we sent there.
    Confirmed,
    Unreachable,
    /// Fly.io has told us no address.
    Missing,
    /// Fly.io no longer names the organization for the person since `21 November`, so they are not mailed.
    Unnamed {
        since: String,
    },
    /// Left out on purpose by `Ines Marlow`: from the switch on, they are not mailed and have no way in.
    LeftOut {
        by: String,
    },
}

/// A row of [`MembersPage`].
#[derive(Debug, Clone)]
pub struct MemberRow {
    pub id: String,
    pub name: String,
    pub address: String,
    /// `admin` or `member`.
    pub role: String,
    pub address_state: AddressState,
    /// The last day Fly.io confirmed the membership.
    pub seen: Option<Stamp>,
    /// `today 14:34, Fly.io`, or `never`.
    pub last_sign_in: String,
}

/// `GET /organizations/{slug}/members`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/members.html")]
pub struct MembersPage {
    pub frame: OrganizationFrame,
    pub members: u64,
    /// What was searched for, or empty.
    pub query: String,
    /// Filter by role.
    pub roles: Vec<Choice>,
    pub rows: Vec<MemberRow>,
    pub pager: Pager,
}

impl MembersPage {
    /// The roles one can filter by.
    pub const ROLES: &[(&str, &str)] = &[("", "any role"), ("admin", "admin"), ("member", "member")];

    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let day = |text: &str, iso: &str| Some(Stamp { text: text.into(), iso: iso.into() });
        let row = |id: &str, name: &str, address: &str, role: &str| MemberRow {
            id: id.into(),
            name: name.into(),
            address: address.into(),
            role: role.into(),
            address_state: AddressState::TakesMail,
            seen: day("21 November", "2026-11-21"),
            last_sign_in: "21 November, Fly.io".into(),
        };
        let rows = vec![
            row("u_1ab7c2", "Aiko Hayashi", "z3c7v1n5m9q2w6e8@customer.fly.io", "member"),
            MemberRow {
                address_state: AddressState::Confirmed,
                seen: day("22 November", "2026-11-22"),
                last_sign_in: "today 14:34, Fly.io".into(),
                ..row("u_7ef1v6", "Ines Marlow", "ines@saltmarsh.example", "admin")
            },
            MemberRow {
                address_state: AddressState::Unreachable,
                seen: day("18 June", "2026-06-18"),
                ..row("u_5sx0p1", "Leo Brandt", "h4w8c2n6r0j5d9x1@customer.fly.io", "member")
            },
            MemberRow {
                address_state: AddressState::Missing,
                seen: None,
                last_sign_in: "never".into(),
                ..row("u_2vz9q4", "Sam O’Connell", "", "member")
            },
            MemberRow {
                address_state: AddressState::Unnamed { since: "19 November".into() },
                seen: day("12 November", "2026-11-12"),
                last_sign_in: "12 November, Fly.io".into(),
                ..row("u_8tq3k6", "Vera Lind", "c5n8w2r4t7y1k3m6@customer.fly.io", "member")
            },
            MemberRow {
                address_state: AddressState::LeftOut { by: "Ines Marlow".into() },
                ..row("u_3kd8w1", "Owen Castle", "owen@saltmarsh.example", "member")
            },
        ];
        let list = Self {
            frame: OrganizationFrame::sample(Section::Members),
            members: 412,
            query: String::new(),
            roles: Choice::list(Self::ROLES, ""),
            rows,
            pager: Pager::sample("1 to 6 of 412"),
        };
        let nothing = Self {
            query: "zebra".into(),
            roles: Choice::list(Self::ROLES, "admin"),
            rows: vec![],
            pager: Pager::default(),
            ..list.clone()
        };
        vec![("list", list), ("nothing-found", nothing)]
    }
}
