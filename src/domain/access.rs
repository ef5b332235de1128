//! Which organizations a sign-in opens. One pure function decides, and every way in asks it: authorize, code and
//! refresh, userinfo, `token/info`, and the settings pages.

use serde::{Deserialize, Serialize};

use super::ids::OrganizationId;
use super::member::{Member, Role};
use super::organization::{Generation, LoginMethod, Organization};
use crate::clock::Timestamp;

/// An organization as it stood when a person proved who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenOrganization {
    pub id: OrganizationId,
    pub generation: Generation,
}

/// How and when a person proved who they are, and which organizations they belonged to then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub method: LoginMethod,
    pub auth_time: Timestamp,
    pub organizations: Vec<SeenOrganization>,
}

/// Why a proof does not open an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    NotMember,
    /// Fly.io no longer names the organization for this person: removed, or Fly.io wants a fresh sign-in.
    NotConfirmed,
    /// The organization signs in another way.
    OtherMethod,
    /// Left out on purpose when the organization left Fly.io.
    LeftOut,
    /// The right method, but proven before the login method last changed, or before the person joined.
    TooOld,
}

impl Closed {
    /// For keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotMember => "not-member",
            Self::NotConfirmed => "not-confirmed",
            Self::OtherMethod => "other-method",
            Self::LeftOut => "left-out",
            Self::TooOld => "too-old",
        }
    }

    /// For logs and the audit log.
    #[must_use]
    pub fn as_sentence(self) -> &'static str {
        match self {
            Self::NotMember => "not a member",
            Self::NotConfirmed => "Fly.io no longer names the organization for this person",
            Self::OtherMethod => "that does not open this organization; shown the other way in",
            Self::LeftOut => "left out when the organization left Fly.io",
            Self::TooOld => "the sign-in is older than the last change of login method",
        }
    }
}

/// Whether `proof` opens `organization` for the person whose member record is `member`.
///
/// A sign-in opens exactly the organizations whose login method it satisfies, and only in their current generation.
pub fn opens(organization: &Organization, member: Option<&Member>, proof: &Proof) -> Result<Role, Closed> {
    let member = member.ok_or(Closed::NotMember)?;
    // Who was no longer named before the organization left does not get in by its leaving.
    if member.absent_since.is_some() {
        return Err(Closed::NotConfirmed);
    }
    // While Fly.io proves people, Fly.io says who belongs.
    if organization.login_method == LoginMethod::Password && member.left_out.is_some() {
        return Err(Closed::LeftOut);
    }
    if proof.method != organization.login_method {
        return Err(Closed::OtherMethod);
    }
    match proof.organizations.iter().find(|seen| seen.id == organization.id) {
        Some(seen) if seen.generation == organization.generation => Ok(member.role),
        Some(_) | None => Err(Closed::TooOld),
    }
}

/// Whether a password of the person whose member record is `member` would open `organization` now, so that it is worth
/// setting one.
#[must_use]
pub fn password_counts(organization: &Organization, member: &Member) -> bool {
    organization.login_method == LoginMethod::Password && member.password_counts()
}

/// Whether `proof` lets an admin look after leaving and returning: the run page and turning Fly.io on again.
///
/// The admin who left still has the Fly.io session they clicked with, so nobody needs a password to come back.
pub fn oversees(organization: &Organization, member: Option<&Member>, proof: &Proof) -> Result<(), Closed> {
    match opens(organization, member, proof) {
        Ok(Role::Admin) => Ok(()),
        Ok(Role::Member) => Err(Closed::NotMember),
        Err(Closed::LeftOut) => Err(Closed::LeftOut),
        Err(closed) => {
            let admin = member.is_some_and(|m| m.role == Role::Admin && m.absent_since.is_none());
            let seen = proof.organizations.iter().any(|seen| seen.id == organization.id);
            if admin && seen && proof.method == LoginMethod::Fly { Ok(()) } else { Err(closed) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::member::LeftOut;
    use crate::domain::organization::{Actor, MethodChange};
    use crate::domain::plan::Plan;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn organization(method: LoginMethod, generation: u32) -> Organization {
        let id = "org1".parse().expect("an id");
        let slug = "org-1".parse().expect("a slug");
        let plan = Plan::Paid { name: "Team".to_owned(), since: NOW };
        let mut organization = Organization::new(id, slug, "Org".to_owned(), plan, NOW);
        organization.login_method = method;
        organization.generation = Generation(generation);
        organization
    }

    fn member(role: Role, absent: bool) -> Member {
        Member {
            user: "u1".parse().expect("an id"),
            role,
            name: "Priya".to_owned(),
            email: None,
            has_password: false,
            joined_at: NOW,
            verified_at: NOW,
            absent_since: absent.then_some(NOW),
            last_sign_in: None,
            left_out: None,
        }
    }

    fn proof(method: LoginMethod, seen: Option<u32>) -> Proof {
        let seen = seen.map(|g| SeenOrganization { id: "org1".parse().expect("an id"), generation: Generation(g) });
        Proof { method, auth_time: NOW, organizations: seen.into_iter().collect() }
    }

    /// The whole truth table: login method x generation seen x how signed in x membership.
    #[test]
    fn truth_table() {
        use LoginMethod::{Fly, Password};
        for required in [Fly, Password] {
            for method in [Fly, Password] {
                for seen in [None, Some(1), Some(2), Some(3)] {
                    for membership in [None, Some(false), Some(true)] {
                        let organization = organization(required, 2);
                        let member = membership.map(|absent| member(Role::Member, absent));
                        let expected = match (membership, method == required, required, seen) {
                            (None, ..) => Err(Closed::NotMember),
                            (Some(true), ..) => Err(Closed::NotConfirmed),
                            (Some(false), false, ..) => Err(Closed::OtherMethod),
                            (Some(false), true, _, Some(2)) => Ok(Role::Member),
                            (Some(false), true, ..) => Err(Closed::TooOld),
                        };
                        let found = opens(&organization, member.as_ref(), &proof(method, seen));
                        assert_eq!(found, expected, "{required:?} {method:?} {seen:?} {membership:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn who_is_left_out_gets_in_by_fly_alone() {
        use LoginMethod::{Fly, Password};
        let gone = Some(LeftOut { at: NOW, by: "Ines".to_owned() });
        let gone = Member { left_out: gone, ..member(Role::Admin, false) };
        for method in [Fly, Password] {
            let left = organization(Password, 2);
            assert_eq!(opens(&left, Some(&gone), &proof(method, Some(2))), Err(Closed::LeftOut));
            assert_eq!(oversees(&left, Some(&gone), &proof(method, Some(2))), Err(Closed::LeftOut));
        }
        assert_eq!(opens(&organization(Fly, 2), Some(&gone), &proof(Fly, Some(2))), Ok(Role::Admin), "nothing yet");
    }

    #[test]
    fn there_and_back_again_does_not_revive_a_session() {
        let change = || MethodChange { at: NOW, by: Actor { user: None, name: "op".to_owned() }, run: None };
        let first = organization(LoginMethod::Fly, 1);
        let session = proof(LoginMethod::Fly, Some(1));
        assert_eq!(opens(&first, Some(&member(Role::Admin, false)), &session), Ok(Role::Admin));
        let back = first.switched(LoginMethod::Password, change()).switched(LoginMethod::Fly, change());
        assert_eq!(opens(&back, Some(&member(Role::Admin, false)), &session), Err(Closed::TooOld));
    }

    #[test]
    fn who_left_by_mistake_oversees_with_the_fly_session() {
        let left = organization(LoginMethod::Password, 2);
        let clicked = proof(LoginMethod::Fly, Some(1));
        assert_eq!(oversees(&left, Some(&member(Role::Admin, false)), &clicked), Ok(()));
        assert_eq!(oversees(&left, Some(&member(Role::Member, false)), &clicked), Err(Closed::OtherMethod));
        assert_eq!(oversees(&left, Some(&member(Role::Admin, true)), &clicked), Err(Closed::NotConfirmed));
        let stranger = proof(LoginMethod::Fly, None);
        assert_eq!(oversees(&left, Some(&member(Role::Admin, false)), &stranger), Err(Closed::OtherMethod));
        let on_fly = organization(LoginMethod::Fly, 2);
        let password = proof(LoginMethod::Password, Some(2));
        assert_eq!(oversees(&on_fly, Some(&member(Role::Admin, false)), &password), Err(Closed::OtherMethod));
    }
}
