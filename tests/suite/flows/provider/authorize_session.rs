//! `/oauth/authorize` for somebody who is signed in, and how a refusal ends.

use std::time::Duration;

use axum::http::StatusCode;

use crate::support::app::{ISSUER, TestApp};
use crate::support::relying_party::{STATE, Tokens};

#[tokio::test]
async fn prompt_none_with_a_session_gives_a_code() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    let standard = app.standard();
    let answer = browser.get(&standard.request().with("prompt", "none").authorize()).await;
    let sent = answer.sent_back();
    assert_eq!(sent["state"], STATE);
    let tokens = Tokens::of(&standard.redeem(&sent["code"]).await);
    assert_eq!(tokens.claims()["sub"], app.user("ines").await.id.as_str());
}

#[tokio::test]
async fn a_session_is_enough_for_the_next_client() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    app.sentry().tokens(&mut browser, "jun").await;
    let sent = browser.get(&app.sentry_oidc().authorize()).await.sent_back();
    let tokens = Tokens::of(&app.sentry_oidc().redeem(&sent["code"]).await);
    assert_eq!(tokens.claims()["email"], app.address("jun"));
}

#[tokio::test]
async fn prompt_login_is_a_real_new_sign_in_with_auth_time() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    browser.sign_in_with_fly("ines").await;
    for (prompt, auth_time) in [("login", 1_800_000_090), ("select_account", 1_800_000_180)] {
        app.advance(Duration::from_secs(90));
        let code = standard.code_for(&mut browser, &standard.request().with("prompt", prompt), "ines").await;
        let claims = Tokens::of(&standard.redeem(&code).await).claims();
        assert_eq!(claims["auth_time"], auth_time, "{prompt}");
    }
}

#[tokio::test]
async fn max_age_exceeded_is_a_new_sign_in_and_otherwise_none() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    browser.sign_in_with_fly("ines").await;
    app.advance(Duration::from_mins(10));
    let request = standard.request().with("max_age", "600");
    let sent = browser.get(&request.authorize()).await.sent_back();
    let claims = Tokens::of(&standard.redeem(&sent["code"]).await).claims();
    assert_eq!(claims["auth_time"], 1_800_000_000, "always told when max_age was sent");
    app.advance(Duration::from_secs(1));
    let code = standard.code_for(&mut browser, &request, "ines").await;
    let claims = Tokens::of(&standard.redeem(&code).await).claims();
    assert_eq!(claims["auth_time"], 1_800_000_601);
    app.advance(Duration::from_secs(1));
    let none = browser.get(&standard.request().with("max_age", "0").with("prompt", "none").authorize()).await;
    assert_eq!(none.sent_back()["error"], "login_required");
}

#[tokio::test]
async fn id_token_hint_of_another_user_is_a_new_sign_in() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let hint = standard.tokens(&mut app.browser(), "jun").await.id.unwrap();
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    let request = standard.request().with("id_token_hint", &hint);
    let none = browser.get(&request.clone().with("prompt", "none").authorize()).await;
    assert_eq!(none.sent_back()["error"], "login_required");
    let code = standard.code_for(&mut browser, &request, "jun").await;
    assert_eq!(Tokens::of(&standard.redeem(&code).await).claims()["sub"], app.user("jun").await.id.as_str());
}

#[tokio::test]
async fn id_token_hint_that_is_expired_but_ours_is_accepted() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let mut browser = app.browser();
    let tokens = standard.tokens(&mut browser, "ines").await;
    app.advance(Duration::from_hours(12));
    assert!(tokens.claims()["exp"].as_i64().unwrap() < app.store.now().as_seconds());
    let request = standard.request().with("id_token_hint", tokens.id.as_deref().unwrap()).with("prompt", "none");
    let sent = browser.get(&request.authorize()).await.sent_back();
    assert!(sent.contains_key("code"), "{sent:?}");
}

#[tokio::test]
async fn a_post_from_the_client_finds_the_session_of_the_browser() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    let request = app.standard().request();
    let fields: Vec<(&str, &str)> = request.0.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let headers = [("origin", "https://rp.test"), ("sec-fetch-site", "cross-site")];
    let foreign = [headers[0], headers[1], ("cookie", "AWSALBCORS=of-the-load-balancer")];
    for headers in [&headers[..], &foreign] {
        let answer = browser.post_bare("/oauth/authorize", &fields, headers).await;
        assert_eq!(answer.location(), request.authorize(), "its own cookies were held back");
    }
    let answer = browser.post_bare("/oauth/authorize", &fields, &headers).await;
    assert_eq!(answer.location(), request.authorize(), "its cookies come with the GET");
    assert!(browser.get(&answer.location()).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn user_cancels_upstream_and_the_client_is_told() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.standard().authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let back = browser.at_fly(&asked, "ines", "deny").await;
    let sent = browser.get(&back).await.sent_back();
    assert_eq!((sent["error"].as_str(), sent["state"].as_str()), ("access_denied", STATE));
    assert_eq!(sent["iss"], ISSUER);
    assert!(browser.cookie(&format!("fb_tx_{tx}")).is_none(), "the sign-in is over");
}

#[tokio::test]
async fn user_cancels_upstream_and_sentry_is_not_sent_into_a_loop() {
    let app = TestApp::new().await;
    for sentry in [app.sentry(), app.sentry_oidc()] {
        let mut browser = app.browser();
        let tx = browser.begin(&sentry.authorize()).await;
        let asked = browser.leave_for_fly(&tx).await;
        let back = browser.at_fly(&asked, "ines", "deny").await;
        let answer = browser.get(&back).await;
        let answer = browser.follow(answer).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"));
        assert!(answer.attributes("href").contains(&format!("/sign-in?tx={tx}")), "a way back");
        let again = browser.fly(&tx, "ines").await;
        assert!(again.sent_back().contains_key("code"), "who changes their mind goes on");
    }
}

#[tokio::test]
async fn not_in_the_organization_is_access_denied_or_our_own_page() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let request = app.standard().request().with("organization", "harbour-tools");
    let tx = browser.begin(&request.authorize()).await;
    let sent = browser.fly(&tx, "ines").await.sent_back();
    assert_eq!((sent["error"].as_str(), sent["state"].as_str()), ("access_denied", STATE));

    for sentry in [app.sentry(), app.sentry_oidc()] {
        let mut browser = app.browser();
        let tx = browser.begin(&sentry.request().with("organization", "harbour-tools").authorize()).await;
        let answer = browser.fly(&tx, "ines").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"));
        assert!(!answer.text().contains("Harbour Tools"), "a stranger learns nothing about it");
    }
}

#[tokio::test]
async fn somebody_in_no_organization_is_refused() {
    let app = TestApp::new().await;
    app.fly.change(|world| world.remove_member("leo", "saltmarsh-labs"));
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let answer = browser.fly(&tx, "leo").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let mut browser = app.browser();
    let tx = browser.begin(&app.standard().authorize()).await;
    assert_eq!(browser.fly(&tx, "leo").await.sent_back()["error"], "access_denied");
}

#[tokio::test]
async fn an_organization_by_id_or_by_slug_gives_a_grant_for_that_one_alone() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    for name in ["harbour-tools", app.organization("harbour-tools").as_str()] {
        let mut browser = app.browser();
        let code = sentry.code_for(&mut browser, &sentry.request().with("organization", name), "jun").await;
        let tokens = Tokens::of(&sentry.redeem(&code).await);
        let info = sentry.info(&tokens.access).await.json();
        let organizations = info["organizations"].as_array().unwrap();
        assert_eq!(organizations.len(), 1, "{info}");
        assert_eq!(organizations[0]["id"], app.organization("harbour-tools").as_str());
    }
    let mut browser = app.browser();
    let tokens = sentry.tokens(&mut browser, "jun").await;
    assert_eq!(sentry.info(&tokens.access).await.json()["organizations"].as_array().unwrap().len(), 2);
    let unknown = browser.get(&sentry.request().with("organization", "nowhere").authorize()).await;
    assert!(unknown.location().starts_with("/sign-in?tx="));
}
