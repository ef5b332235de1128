//! Who exists in the demo: one description, read by the Fly.io stand-in and by whoever seeds Flybridge.

use serde::{Deserialize, Serialize};

/// People and organizations as plain data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct World {
    pub organizations: Vec<Organization>,
    pub people: Vec<Person>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Fly.io's id; the only thing that `token/info` says about an organization besides the role.
    pub id: String,
    pub slug: String,
    pub name: String,
    pub plan: Plan,
}

/// How the organization pays for Sentry. Fly.io's answers do not carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Plan {
    Sponsored { days_left: u32 },
    SponsoredEnded { days_ago: u32 },
    Paid,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Short name in the select of the consent page.
    pub key: String,
    /// Fly.io's `user_id`: 16 lower-case letters and digits.
    pub user_id: String,
    pub name: String,
    /// The alias that Fly.io routes to the person; its local part may or may not be the `user_id`.
    pub email: Option<String>,
    pub memberships: Vec<Membership>,
    /// A password that Flybridge already knows at the start of the demo. Fly.io's side never writes it down.
    #[serde(skip)]
    pub password: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub organization_id: String,
    pub role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Admin,
    Member,
}

impl Role {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

pub const SALTMARSH: &str = "n8k2vq5w0r7x3m1p";
pub const HARBOUR: &str = "d4t9y6z1c8b5h2j7";
pub const TIDELINE: &str = "w3g7s0f5k9a2l6e4";

/// Bram de Vries has it from the start.
pub const BRAMS_PASSWORD: &str = "lantern otter quay 93";

/// Key, Fly.io id, name, local part of the alias (empty: no address), memberships.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [(&'static str, Role)]);

const PEOPLE: &[Row] = &[
    ("ines", "9f2c41d07be84a35", "Ines Marlow", "9f2c41d07be84a35", &[(SALTMARSH, Role::Admin)]),
    ("chloe", "c5x8r1n4k7t0b3w6", "Chloé Martin", "chloe-martin", &[(SALTMARSH, Role::Admin)]),
    ("priya", "q7m2x9k4v1w8z5t3", "Priya Raman", "q7m2x9k4v1w8z5t3", &[(SALTMARSH, Role::Member)]),
    ("bram", "b1d6h3p8s5v0y2f9", "Bram de Vries", "bram-94", &[(SALTMARSH, Role::Member)]),
    (
        "jun",
        "j4p9u2z7e0l5g8a1",
        "Jun Park",
        "j4p9u2z7e0l5g8a1",
        &[(SALTMARSH, Role::Member), (HARBOUR, Role::Member)],
    ),
    ("leo", "l8b3n6q1t4w9c7k2", "Leo Brandt", "l8b3n6q1t4w9c7k2", &[(SALTMARSH, Role::Member)]),
    ("amara", "a0o5k8f3r6d1m9x4", "Amara Okafor", "amara-okafor", &[(SALTMARSH, Role::Member)]),
    ("tomas", "t2s7i4l9v6a3y0e8", "Tomás Silva", "t2s7i4l9v6a3y0e8", &[(SALTMARSH, Role::Member)]),
    ("noor", "n6h1d8r3z5c0u7w2", "Noor Haddad", "", &[(SALTMARSH, Role::Member)]),
    ("hana", "h3s8t5o0k7j2q9b6", "Hana Sato", "h3s8t5o0k7j2q9b6", &[(HARBOUR, Role::Admin)]),
    ("elif", "e9d4m1r6f2x7n5g0", "Elif Demir", "elif-demir", &[(HARBOUR, Role::Member)]),
    ("mateo", "m5q0u8i3s6t1k4z9", "Mateo Quist", "m5q0u8i3s6t1k4z9", &[(TIDELINE, Role::Admin)]),
    ("wren", "w1r7e4n9p2c6y8l3", "Wren Calder", "w1r7e4n9p2c6y8l3", &[(TIDELINE, Role::Member)]),
];

impl World {
    /// The demo's world: Saltmarsh Labs may leave, Harbour Tools stays with Fly.io and shares a member with it,
    /// Tideline is still sponsored.
    #[must_use]
    pub fn demo() -> Self {
        let organization = |id: &str, slug: &str, name: &str, plan| Organization {
            id: id.to_owned(),
            slug: slug.to_owned(),
            name: name.to_owned(),
            plan,
        };
        Self {
            organizations: vec![
                organization(SALTMARSH, "saltmarsh-labs", "Saltmarsh Labs", Plan::SponsoredEnded { days_ago: 12 }),
                organization(HARBOUR, "harbour-tools", "Harbour Tools", Plan::Paid),
                organization(TIDELINE, "tideline", "Tideline", Plan::Sponsored { days_left: 116 }),
            ],
            people: PEOPLE.iter().map(Person::from_row).collect(),
        }
    }

    /// By key or by Fly.io id.
    #[must_use]
    pub fn person(&self, who: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.key == who || person.user_id == who)
    }

    /// By slug or by Fly.io id.
    #[must_use]
    pub fn organization(&self, which: &str) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.slug == which || organization.id == which)
    }

    /// Takes the person out of the organization; false when they were not in it.
    pub fn remove_member(&mut self, who: &str, which: &str) -> bool {
        let Some(id) = self.organization(which).map(|organization| organization.id.clone()) else { return false };
        let Some(person) = self.person_mut(who) else { return false };
        let before = person.memberships.len();
        person.memberships.retain(|membership| membership.organization_id != id);
        person.memberships.len() < before
    }

    /// Puts the person into the organization with that role, or changes the role; false when either is unknown.
    pub fn set_role(&mut self, who: &str, which: &str, role: Role) -> bool {
        let Some(id) = self.organization(which).map(|organization| organization.id.clone()) else { return false };
        let Some(person) = self.person_mut(who) else { return false };
        match person.memberships.iter_mut().find(|membership| membership.organization_id == id) {
            Some(membership) => membership.role = role,
            None => person.memberships.push(Membership { organization_id: id, role }),
        }
        true
    }

    /// "admin of Saltmarsh Labs and member of Harbour Tools".
    #[must_use]
    pub fn standing(&self, person: &Person) -> String {
        let name = |id: &str| self.organization(id).map_or_else(|| id.to_owned(), |found| found.name.clone());
        let parts: Vec<String> = person
            .memberships
            .iter()
            .map(|membership| format!("{} of {}", membership.role.as_str(), name(&membership.organization_id)))
            .collect();
        if parts.is_empty() { "in no organization".to_owned() } else { parts.join(" and ") }
    }

    fn person_mut(&mut self, who: &str) -> Option<&mut Person> {
        self.people.iter_mut().find(|person| person.key == who || person.user_id == who)
    }
}

impl Person {
    fn from_row(row: &Row) -> Self {
        let (key, user_id, name, local, memberships) = *row;
        let membership = |&(id, role): &(&str, Role)| Membership { organization_id: id.to_owned(), role };
        Self {
            key: key.to_owned(),
            user_id: user_id.to_owned(),
            name: name.to_owned(),
            email: (!local.is_empty()).then(|| format!("{local}@customer.fly.io")),
            memberships: memberships.iter().map(membership).collect(),
            password: (key == "bram").then(|| BRAMS_PASSWORD.to_owned()),
        }
    }
}
