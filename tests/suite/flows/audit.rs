//! Refusals in the audit log: of members alone, and once an hour for each person and reason.

use std::time::Duration;

use flybridge::demo::world::BRAMS_PASSWORD;
use flybridge::domain::audit::AuditKind;

use crate::support::app::TestApp;
use crate::support::relying_party::{Tokens, refused};

const HOUR: Duration = Duration::from_hours(1);
const UNNAMED: &str = "Fly.io no longer names the organization for this person";
const OTHER: &str = "that does not open this organization; shown the other way in";

/// The refusals of an organization, oldest first: who, from where, what.
async fn refusals(app: &TestApp, slug: &str) -> Vec<(String, Option<String>, String)> {
    let log = app.program.directory.audit_log(&app.organization(slug), None, 500).await.unwrap();
    let entries = log.into_iter().rev().map(|entry| entry.value).filter(|entry| entry.kind == AuditKind::Refused);
    entries.map(|entry| (entry.who.name, entry.from, entry.detail)).collect()
}

fn refusal(who: &str, from: Option<&str>, what: &str) -> (String, Option<String>, String) {
    (who.to_owned(), from.map(str::to_owned), what.to_owned())
}

#[tokio::test]
async fn a_sign_in_that_does_not_open_the_organization_is_told_once_an_hour() {
    let app = TestApp::new().await;
    app.leave().await;
    for _ in 0..3 {
        let mut leo = app.browser();
        let tx = leo.begin(&app.sentry().authorize()).await;
        assert_eq!(leo.fly(&tx, "leo").await.status, 403);
    }
    let first = refusal("Leo Brandt", Some("192.0.2.1"), &format!("signed in with Fly.io: {OTHER}"));
    assert_eq!(refusals(&app, "saltmarsh-labs").await, std::slice::from_ref(&first));
    app.advance(HOUR);
    let mut leo = app.browser();
    let tx = leo.begin(&app.sentry().authorize()).await;
    leo.fly(&tx, "leo").await;
    assert_eq!(refusals(&app, "saltmarsh-labs").await, [first.clone(), first]);
    // A session that is used again has proven nothing new.
    let before = app.dump();
    for _ in 0..3 {
        let again = leo.get(&app.sentry().authorize()).await.location();
        leo.get(&again).await;
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn an_admin_who_signs_in_once_more_for_a_page_that_this_opens_is_refused_nothing() {
    let app = TestApp::new().await;
    let (mut ines, _) = app.leave().await;
    app.advance(Duration::from_mins(6));
    let path = "/organizations/saltmarsh-labs/auth/enable";
    let again = ines.post_form(path, &[]).await.location();
    let tx = again.strip_prefix("/sign-in?tx=").unwrap();
    assert_eq!(ines.fly(tx, "ines").await.location(), path);
    assert_eq!(refusals(&app, "saltmarsh-labs").await, []);
}

#[tokio::test]
async fn a_password_for_an_organization_on_fly_is_told() {
    let app = TestApp::new().await;
    let mut bram = app.browser();
    let tx = bram.begin(&app.sentry().authorize()).await;
    assert_eq!(bram.password(&tx, "bram-94@customer.fly.io", BRAMS_PASSWORD).await.status, 403);
    let what = format!("signed in with email and password: {OTHER}");
    assert_eq!(refusals(&app, "saltmarsh-labs").await, [refusal("Bram de Vries", Some("192.0.2.1"), &what)]);
}

#[tokio::test]
async fn somebody_whom_fly_no_longer_names_is_told_at_the_sign_in_and_shown_among_the_members() {
    let app = TestApp::new().await;
    app.fly.change(|world| world.remove_member("leo", "saltmarsh-labs"));
    let mut leo = app.browser();
    let tx = leo.begin(&app.sentry().authorize()).await;
    assert_eq!(leo.fly(&tx, "leo").await.status, 403);
    let what = format!("signed in with Fly.io: {UNNAMED}");
    assert_eq!(refusals(&app, "saltmarsh-labs").await, [refusal("Leo Brandt", Some("192.0.2.1"), &what)]);

    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    let page = ines.get("/organizations/saltmarsh-labs/audit?kind=refusals").await.text();
    assert!(page.contains(UNNAMED) && page.contains("Leo Brandt"), "{page}");
    let page = ines.get("/organizations/saltmarsh-labs/members?q=Leo").await.text();
    assert!(page.contains("Fly.io no longer names them, since") && !page.contains("takes mail"), "{page}");
}

#[tokio::test]
async fn a_refresh_refused_because_fly_no_longer_names_the_person_is_told() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut app.browser(), "leo").await;
    let other = sentry.tokens(&mut app.browser(), "leo").await;
    let tokens = Tokens::of(&sentry.refresh(tokens.refresh()).await);
    assert!(refusals(&app, "saltmarsh-labs").await.is_empty());
    app.fly.change(|world| world.remove_member("leo", "saltmarsh-labs"));
    for tokens in [tokens, other] {
        refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
    }
    let what = format!("Sentry asked whether the sign-in still counts: {UNNAMED}");
    assert_eq!(refusals(&app, "saltmarsh-labs").await, [refusal("Leo Brandt", None, &what)]);
}

#[tokio::test]
async fn strangers_leave_no_trace_in_the_log_of_an_organization() {
    let app = TestApp::new().await;
    let mut hana = app.browser();
    let request = app.sentry().request().with("organization", "saltmarsh-labs");
    let tx = hana.begin(&request.authorize()).await;
    assert_eq!(hana.fly(&tx, "hana").await.status, 403);
    assert!(refusals(&app, "saltmarsh-labs").await.is_empty());
}

#[tokio::test]
async fn an_admin_whom_fly_no_longer_names_is_told_whatever_page_they_want() {
    let app = TestApp::new().await;
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    let page = "/organizations/saltmarsh-labs/auth/disable";
    ines.get(page).await;
    app.fly.change(|world| world.remove_member("ines", "saltmarsh-labs"));
    app.advance(Duration::from_mins(6));
    let again = ines.post_form(page, &[("confirm", "saltmarsh-labs")]).await.location();
    assert_eq!(ines.fly(again.strip_prefix("/sign-in?tx=").unwrap(), "ines").await.location(), page);
    let what = format!("signed in with Fly.io: {UNNAMED}");
    assert_eq!(refusals(&app, "saltmarsh-labs").await, [refusal("Ines Marlow", Some("192.0.2.1"), &what)]);
}

#[tokio::test]
async fn an_admin_who_comes_without_a_session_to_a_page_that_fly_opens_as_well_is_refused_nothing() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    let mut chloe = app.browser();
    let tx = chloe.begin(&run).await;
    assert_eq!(chloe.fly(&tx, "chloe").await.location(), run);
    assert_eq!(refusals(&app, "saltmarsh-labs").await, []);
    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 1).await.unwrap();
    let last = &log[0].value;
    assert_eq!((last.kind, last.who.name.as_str()), (AuditKind::SignedIn, "Chloé Martin"));
    assert_eq!(last.detail, "with Fly.io, for the page of the switch");
    // For a member it is none.
    let mut leo = app.browser();
    let tx = leo.begin(&run).await;
    leo.fly(&tx, "leo").await;
    let what = format!("signed in with Fly.io: {OTHER}");
    assert_eq!(refusals(&app, "saltmarsh-labs").await, [refusal("Leo Brandt", Some("192.0.2.1"), &what)]);
}
