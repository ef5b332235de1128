//! A password that is set or replaced ends what was issued before it, at clients as in browsers, at once.

use flybridge::demo::world::BRAMS_PASSWORD;

use super::generations::code_by_password;
use crate::support::app::TestApp;
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Rp, Tokens, refused};

const NEW: &str = "another lantern for the heron 7";

async fn is_active(client: &Rp, token: &str) -> bool {
    client.introspect(token).await.json()["active"].as_bool().unwrap()
}

/// Somebody replaces their password by a link they asked for; their browser. No work is done after that.
async fn replace_password(app: &TestApp, who: &str) -> Browser {
    let mut browser = app.browser();
    browser.get("/forgot").await;
    assert!(browser.post_form("/forgot", &[("email", &app.address(who))]).await.shows("forgot-sent"));
    app.work().await;
    assert_eq!(browser.set_password(&app.link_of(who), NEW).await.location(), "/go");
    browser
}

#[tokio::test]
async fn whoever_knew_the_password_before_keeps_nothing_at_a_client() {
    let app = TestApp::new().await;
    app.leave().await;
    let (standard, sentry) = (app.standard(), app.sentry());
    let mut thief = app.browser();
    let code = code_by_password(&app, &standard, &mut thief, "bram", BRAMS_PASSWORD).await;
    let held = Tokens::of(&standard.redeem(&code).await);
    let at_sentry = Tokens::of(&sentry.redeem(&thief.get(&sentry.authorize()).await.sent_back()["code"]).await);
    let unused = thief.get(&standard.authorize()).await.sent_back()["code"].clone();
    assert_eq!(standard.userinfo(&held.access).await.status, 200);
    assert!(is_active(&standard, &held.access).await && is_active(&standard, held.refresh()).await);

    let mut bram = replace_password(&app, "bram").await;

    assert_eq!(standard.userinfo(&held.access).await.status, 401);
    assert!(!is_active(&standard, &held.access).await && !is_active(&standard, held.refresh()).await);
    assert_eq!(sentry.info(&at_sentry.access).await.status, 401);
    refused(&standard.refresh(held.refresh()).await, 400, "invalid_grant");
    refused(&sentry.refresh(at_sentry.refresh()).await, 400, "invalid_grant");
    refused(&standard.redeem(&unused).await, 400, "invalid_grant");

    let code = bram.get(&standard.authorize()).await.sent_back()["code"].clone();
    let own = Tokens::of(&standard.redeem(&code).await);
    assert_eq!(standard.userinfo(&own.access).await.status, 200);
    let own = Tokens::of(&standard.refresh(own.refresh()).await);
    assert!(is_active(&standard, &own.access).await && is_active(&standard, own.refresh()).await);
    app.work().await;
    Tokens::of(&standard.refresh(own.refresh()).await);
}

#[tokio::test]
async fn a_first_password_ends_grants_of_fly_as_it_ends_sessions_of_fly() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let request = sentry.request().with("organization", "harbour-tools");
    let mut jun = app.browser();
    let before = Tokens::of(&sentry.redeem(&sentry.code_for(&mut jun, &request, "jun").await).await);
    let unused = jun.get(&request.authorize()).await.sent_back()["code"].clone();
    app.leave().await;
    assert_eq!(sentry.info(&before.access).await.status, 200, "Harbour Tools is still on Fly.io");
    app.settle_in("jun").await;
    assert!(!jun.is_signed_in().await);
    assert_eq!(sentry.info(&before.access).await.status, 401);
    refused(&sentry.refresh(before.refresh()).await, 400, "invalid_grant");
    refused(&sentry.redeem(&unused).await, 400, "invalid_grant");
    let code = sentry.code_for(&mut jun, &request, "jun").await;
    let after = Tokens::of(&sentry.redeem(&code).await);
    Tokens::of(&sentry.refresh(after.refresh()).await);
}

#[tokio::test]
async fn nobody_elses_grant_ends() {
    let app = TestApp::new().await;
    app.leave().await;
    let standard = app.standard();
    let mut priya = app.settle_in("priya").await;
    let code = priya.get(&standard.authorize()).await.sent_back()["code"].clone();
    let tokens = Tokens::of(&standard.redeem(&code).await);
    replace_password(&app, "bram").await;
    app.work().await;
    assert_eq!(standard.userinfo(&tokens.access).await.status, 200);
    Tokens::of(&standard.refresh(tokens.refresh()).await);
}
