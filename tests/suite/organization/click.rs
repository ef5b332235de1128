//! Looking at the switch, the switch, and the way back.

use std::time::Duration;

use axum::http::StatusCode;
use flybridge::domain::ids::RunId;
use flybridge::domain::member::Role;
use flybridge::domain::organization::LoginMethod;
use flybridge::domain::plan::Plan;

use super::world::{BASE, START, World, organization_id};

const CONFIRM: (&str, &str) = ("confirm", "saltmarsh-labs");

fn disable() -> String {
    format!("{BASE}/auth/disable")
}

#[tokio::test]
async fn the_settings_name_method_plan_and_members() {
    let world = World::paid().await;
    let ines = world.admin().await;
    let page = world.get(&ines, &format!("{BASE}/auth")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("data-method=\"fly\"") && page.text.contains("id=\"disable-fly\""), "{}", page.text);
    assert!(!page.text.contains("id=\"why-not\""));
}

#[tokio::test]
async fn the_preview_counts_and_lists_the_unreachable_first() {
    let world = World::paid().await;
    let ines = world.admin().await;
    world.member("Aiko", Role::Member, Some("aiko@saltmarsh.example")).await;
    let zoe = world.member("Zoe", Role::Member, None).await;
    let page = world.get(&ines, &disable()).await;
    assert_eq!((page.element("preview-set-up"), page.element("preview-unreachable")), (Some("2"), Some("1")));
    assert_eq!(page.attributes("data-delivery"), ["unreachable", "set-up", "set-up"]);
    assert_eq!(page.attributes("data-member")[0], zoe.id.as_str());
    assert!(page.text.contains("You signed in at 14:37. After 14:42"), "{}", page.text);
    assert!(page.text.contains("a few seconds") && !page.text.contains("id=\"self-warning\""));
    let found = world.get(&ines, &format!("{}?q=AIKO%40", disable())).await;
    assert_eq!(found.attributes("data-delivery"), ["set-up"]);
    assert_eq!(found.element("preview-unreachable"), Some("1"), "a search changes no numbers");
    assert_eq!(world.organization().await.login_method, LoginMethod::Fly);
}

#[tokio::test]
async fn one_click_and_the_second_lead_to_one_run() {
    let world = World::paid().await;
    let ines = world.admin().await;
    let first = world.post(&ines, &disable(), &[CONFIRM]).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.text);
    let organization = world.organization().await;
    let run = organization.run.clone().expect("a run");
    assert_eq!(organization.login_method, LoginMethod::Password);
    assert_eq!(first.location, format!("{BASE}/auth/disable/{run}"));
    let second = world.post(&ines, &disable(), &[CONFIRM]).await;
    assert_eq!(second.location, first.location);
    assert_eq!(world.get(&ines, &disable()).await.location, first.location);
    assert_eq!(world.organization().await.generation, organization.generation);
    // The session that clicked opens the run, and no longer the settings.
    assert_eq!(world.get(&ines, &first.location).await.status, StatusCode::OK);
    let settings = world.get(&ines, &format!("{BASE}/auth")).await;
    assert_eq!(settings.status, StatusCode::FORBIDDEN);
    assert!(settings.text.contains("Fly.io no longer opens this page"), "{}", settings.text);
}

/// Each refusal by itself: what is sent, what comes back, and that nothing has changed.
#[tokio::test]
async fn every_check_refuses_by_itself() {
    let world = World::paid().await;
    let ines = world.admin().await;
    let refused = async |fields: &[(&str, &str)]| {
        let answer = world.post(&ines, &disable(), fields).await;
        assert_eq!(world.organization().await.login_method, LoginMethod::Fly);
        answer
    };
    let bare = world.post_bare(&ines, &disable(), &[CONFIRM]).await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN, "no form token");
    let wrong = refused(&[("confirm", "Saltmarsh <b>")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("You typed “Saltmarsh &#60;b&#62;”."), "{}", wrong.text);
    world.fly_is_down();
    let down = refused(&[CONFIRM]).await;
    assert_eq!(down.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(down.text.contains("Nothing has changed"));
    world.fly_says(&ines.user, &[("org2", "admin"), ("org1", "member")]);
    assert_eq!(refused(&[CONFIRM]).await.status, StatusCode::FORBIDDEN, "a member by now");
    let member = world.admin.directory.member(&organization_id(), &ines.user.id).await.unwrap().unwrap();
    assert_eq!(member.value.role, Role::Member, "the answer was taken in");
}

#[tokio::test]
async fn fly_must_name_the_organization_still() {
    let world = World::paid().await;
    let ines = world.admin().await;
    world.fly_says(&ines.user, &[]);
    let answer = world.post(&ines, &disable(), &[CONFIRM]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(world.organization().await.login_method, LoginMethod::Fly);
    let member = world.admin.directory.member(&organization_id(), &ines.user.id).await.unwrap().unwrap();
    assert!(member.value.absent_since.is_some());
}

#[tokio::test]
async fn somebody_elses_token_proves_nothing() {
    let world = World::paid().await;
    let ines = world.admin().await;
    let leo = world.member("Leo", Role::Admin, None).await;
    world.fly_says(&leo, &[("org1", "admin")]);
    let answer = world.post(&ines, &disable(), &[CONFIRM]).await;
    assert!(answer.location.starts_with("/sign-in?tx="), "{} {}", answer.status, answer.location);
    assert_eq!(world.organization().await.login_method, LoginMethod::Fly);
}

#[tokio::test]
async fn an_old_sign_in_has_to_be_repeated() {
    let world = World::paid().await;
    let ines = world.admin().await;
    world.pass(Duration::from_mins(5));
    let answer = world.post(&ines, &disable(), &[CONFIRM]).await;
    assert!(answer.location.starts_with("/sign-in?tx="));
    assert_eq!(world.organization().await.login_method, LoginMethod::Fly);
}

#[tokio::test]
async fn a_sponsored_plan_holds_until_its_day() {
    let world = World::new(Plan::Sponsored { ends_at: START.plus(Duration::from_hours(48)) }).await;
    let ines = world.admin().await;
    let preview = world.get(&ines, &disable()).await;
    assert!(preview.text.contains("id=\"why-not\"") && !preview.text.contains("id=\"disable-form\""));
    let answer = world.post(&ines, &disable(), &[CONFIRM]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.text.contains("24 November 2026"), "{}", answer.text);
    world.pass(Duration::from_hours(48));
    let ines = world.sign_in(ines.user, LoginMethod::Fly).await;
    assert_eq!(world.post(&ines, &disable(), &[CONFIRM]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn members_and_strangers_are_kept_out() {
    let world = World::paid().await;
    world.admin().await;
    let leo = world.member("Leo", Role::Member, None).await;
    let leo = world.sign_in(leo, LoginMethod::Fly).await;
    for page in ["auth", "auth/disable", "auth/enable", "members", "audit"] {
        assert_eq!(world.get(&leo, &format!("{BASE}/{page}")).await.status, StatusCode::FORBIDDEN, "{page}");
        let elsewhere = world.get(&leo, &format!("/organizations/no-such/{page}")).await;
        assert_eq!(elsewhere.status, StatusCode::NOT_FOUND, "{page}");
    }
    assert_eq!(world.post(&leo, &disable(), &[CONFIRM]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.post(&leo, &format!("{BASE}/auth/enable"), &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_way_back_needs_no_password() {
    let world = World::paid().await;
    let ines = world.admin().await;
    let run = world.leave(&ines).await;
    let enable = format!("{BASE}/auth/enable");
    let page = world.get(&ines, &enable).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("1 mail is cancelled"), "{}", page.text);
    assert_eq!(world.post_bare(&ines, &enable, &[]).await.status, StatusCode::FORBIDDEN);
    world.pass(Duration::from_mins(5));
    assert!(world.post(&ines, &enable, &[]).await.location.starts_with("/sign-in?tx="), "not fresh any more");
    let ines = world.sign_in(ines.user, LoginMethod::Fly).await;
    let back = world.post(&ines, &enable, &[]).await;
    assert_eq!((back.status, back.location), (StatusCode::SEE_OTHER, format!("{BASE}/auth")));
    assert_eq!(world.organization().await.login_method, LoginMethod::Fly);
    let undone = world.get(&ines, &format!("{BASE}/auth/disable/{run}")).await;
    assert!(undone.text.contains("Ines turned Fly.io Auth on again"), "{}", undone.text);
    assert!(!undone.text.contains("id=\"resend-form\""));
    let again = world.get(&ines, &enable).await;
    assert_eq!(again.location, format!("{BASE}/auth"));
}

#[tokio::test]
async fn a_run_that_is_not_there() {
    let world = World::paid().await;
    let ines = world.admin().await;
    let other: RunId = "0123456789".parse().expect("an id");
    for run in [other.as_str(), "no%20id", "..%2F..%2Fx"] {
        for page in ["", "/events", "/status"] {
            let answer = world.get(&ines, &format!("{BASE}/auth/disable/{run}{page}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{run}{page}");
        }
    }
}
