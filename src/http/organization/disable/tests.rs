use super::*;
use crate::domain::access::Proof;
use crate::domain::ids::RunId;
use crate::domain::organization::{Actor, MethodChange, Organization};
use crate::domain::plan::Plan;
use crate::domain::user::User;
use crate::services::ahead::Along;
use crate::services::sessions::Current;
use crate::store::records::Entry;
use crate::store::{Key, Partition, Version};

/// 22 November 2026, 14:37:02
const NOW: Timestamp = Timestamp::from_seconds(1_795_358_222);

const RULES: SessionRules =
    SessionRules { idle: Duration::from_hours(1), absolute: Duration::from_hours(12), fresh: Duration::from_mins(5) };

fn member(id: &str, name: &str, email: Option<&str>, has_password: bool) -> Member {
    Member {
        user: id.parse().expect("an id"),
        role: Role::Admin,
        name: name.to_owned(),
        email: email.map(str::to_owned),
        has_password,
        joined_at: NOW,
        verified_at: NOW,
        absent_since: None,
        last_sign_in: None,
        left_out: None,
    }
}

fn session() -> Session {
    let proof = Proof { method: LoginMethod::Fly, auth_time: NOW, organizations: vec![] };
    Session { sid: None, proof, epoch: 0, fly_epoch: 0, created_at: NOW, seen_at: NOW }
}

fn entered() -> Entered {
    let plan = Plan::Paid { name: "Team".to_owned(), since: NOW };
    let (id, slug) = ("org1".parse().expect("an id"), "saltmarsh-labs".parse().expect("a slug"));
    let user = User {
        id: "u1".parse().expect("an id"),
        fly_id: "f1".parse().expect("an id"),
        name: "Ines Marlow".to_owned(),
        email: None,
        created_at: NOW,
        organizations: vec![],
        session_epoch: 0,
        fly_epoch: 0,
    };
    let key = Key::record(Partition::new("user", "u1"), "session.x");
    let session = Entry { key, version: Version(1), expires_at: None, value: session() };
    Entered {
        current: Current { user, session, along: Along::default() },
        organization: Organization::new(id, slug, "Saltmarsh Labs".to_owned(), plan, NOW),
        member: member("u1", "Ines Marlow", None, false),
    }
}

fn person(organizations: &[(&str, Role)]) -> FlyPerson {
    FlyPerson {
        id: "f1".parse().expect("an id"),
        name: "Ines Marlow".to_owned(),
        email: None,
        organizations: organizations.iter().map(|(id, role)| (id.parse().expect("an id"), *role)).collect(),
    }
}

#[test]
fn only_the_short_name_confirms() {
    let entered = entered();
    assert_eq!(not_confirmed("saltmarsh-labs", &entered), None);
    assert_eq!(not_confirmed(" saltmarsh-labs\r\n", &entered), None);
    assert_eq!(not_confirmed("Saltmarsh-Labs", &entered).as_deref(), Some("Saltmarsh-Labs"));
    assert_eq!(not_confirmed("", &entered).as_deref(), Some(""));
    assert_eq!(not_confirmed(&"é".repeat(5_000), &entered).map(|typed| typed.chars().count()), Some(64));
}

#[test]
fn only_an_admin_of_this_organization_at_fly_may_click() {
    let entered = entered();
    assert!(require_admin(&person(&[("org0", Role::Member), ("org1", Role::Admin)]), &entered, "Go on").is_ok());
    for organizations in [&[][..], &[("org1", Role::Member)], &[("org0", Role::Admin)]] {
        let error = require_admin(&person(organizations), &entered, "Go on").expect_err("is refused");
        assert_eq!(error.into_response().status(), StatusCode::FORBIDDEN, "{organizations:?}");
    }
}

#[test]
fn an_organization_that_has_left_leads_to_its_run() {
    let mut entered = entered();
    assert!(switched_already(&entered).is_none());
    let by = Actor { user: None, name: "Ines".to_owned() };
    let run: RunId = "r1".parse().expect("an id");
    let change = MethodChange { at: NOW, by, run: Some(run) };
    entered.organization = entered.organization.switched(LoginMethod::Password, change);
    let response = switched_already(&entered).expect("leads on");
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()["location"], "/organizations/saltmarsh-labs/auth/disable/r1");
}

#[test]
fn a_sign_in_is_fresh_until_a_minute_that_is_named() {
    let named = Freshness::Until { signed_in: "14:37".to_owned(), until: "14:42".to_owned() };
    assert_eq!(freshness(&session(), &RULES, NOW.plus(Duration::from_secs(299))), named);
    let stale = Freshness::Stale { within: "5 minutes".to_owned() };
    assert_eq!(freshness(&session(), &RULES, NOW.plus(Duration::from_mins(5))), stale);
}

#[test]
fn the_estimate_rounds_up() {
    assert_eq!(takes(409, 2), "about 4 minutes");
    assert_eq!(takes(0, 2), "a few seconds");
    assert_eq!(takes(19, 0), "a few seconds", "no rate is one a second");
}

#[test]
fn the_unreachable_come_first_then_names_in_any_case() {
    let mut members = [
        member("u3", "aiko", Some("a@saltmarsh.example"), false),
        member("u2", "Zoe", None, true),
        member("u1", "Bram", Some("b@saltmarsh.example"), true),
    ];
    members.sort_by_key(order);
    assert_eq!(members.map(|member| member.name), ["Zoe", "aiko", "Bram"]);
}

#[test]
fn a_row_says_what_its_member_gets() {
    let myself = "u1".parse().expect("an id");
    let row = |member: &Member| {
        let row = shown(member, &myself, NOW);
        (row.delivery, row.detail)
    };
    let have = "Mail says: use the password you have.";
    assert_eq!(row(&member("u2", "A", Some("a@x.example"), false)), (ShownDelivery::SetUp, String::new()));
    assert_eq!(row(&member("u2", "A", Some("a@x.example"), true)), (ShownDelivery::HasPassword, have.to_owned()));
    assert_eq!(row(&member("u2", "A", None, true)).0, ShownDelivery::Unreachable);
    let me = row(&member("u1", "A", Some("a@x.example"), false));
    assert_eq!(me, (ShownDelivery::SetUp, "That is you.".to_owned()));
    assert!(row(&member("u1", "A", None, false)).1.contains("no address"));
}
