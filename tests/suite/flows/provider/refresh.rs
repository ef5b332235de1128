//! The refresh token grant: rotation, lost answers, stolen tokens.

use std::time::Duration;

use flybridge::demo::fly::{Endpoint, Fault};
use flybridge::http::routes;
use futures_util::future::join_all;

use crate::support::app::{MASTER_KEY, TestApp};
use crate::support::relying_party::{Rp, Tokens, refused};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_refresh_token_is_replaced_at_every_use() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let mut tokens = sentry.tokens(&mut browser, "ines").await;
    let mut seen = vec![tokens.access.clone(), tokens.refresh().to_owned()];
    for _ in 0..5 {
        app.advance(HOUR);
        tokens = Tokens::of(&sentry.refresh(tokens.refresh()).await);
        assert_eq!(tokens.json["scope"], "read");
        assert_eq!(tokens.json["token_type"], "Bearer");
        assert_eq!(sentry.info(&tokens.access).await.json()["user_id"], "9f2c41d07be84a35");
        for text in [tokens.access.clone(), tokens.refresh().to_owned()] {
            assert!(!seen.contains(&text));
            seen.push(text);
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_given_again_within_the_window() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let first = sentry.tokens(&mut browser, "ines").await;
    let second = Tokens::of(&sentry.refresh(first.refresh()).await);
    app.advance(Duration::from_secs(29));
    let again = Tokens::of(&sentry.refresh(first.refresh()).await);
    assert_eq!((&again.access, again.refresh()), (&second.access, second.refresh()));
    Tokens::of(&sentry.refresh(second.refresh()).await);
}

#[tokio::test]
async fn a_refresh_token_used_before_revokes_the_family() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let first = sentry.tokens(&mut browser, "ines").await;
    let second = Tokens::of(&sentry.refresh(first.refresh()).await);
    app.advance(Duration::from_secs(30));
    refused(&sentry.refresh(first.refresh()).await, 400, "invalid_grant");
    refused(&sentry.refresh(second.refresh()).await, 400, "invalid_grant");
    for access in [&first.access, &second.access] {
        assert_eq!(sentry.info(access).await.status, 401);
    }
}

#[tokio::test]
async fn tokens_of_an_older_master_key_are_replaced_repeated_and_recognized_as_ever() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let first = sentry.tokens(&mut browser, "ines").await;
    let second = Tokens::of(&sentry.refresh(first.refresh()).await);
    let new = "c2a86e0f4d913b7752e1c08bd6f93a14e57b20cc98416df3ab05721e8fd4639c";
    let node = app.node_under(&format!("{new} {MASTER_KEY}")).await;
    let there = app.sentry().at(&routes::router(&node.app));
    let again = Tokens::of(&there.refresh(first.refresh()).await);
    assert_eq!((&again.access, again.refresh()), (&second.access, second.refresh()), "the answer that was lost");
    let third = Tokens::of(&there.refresh(second.refresh()).await);
    app.advance(Duration::from_secs(30));
    refused(&there.refresh(first.refresh()).await, 400, "invalid_grant");
    refused(&there.refresh(third.refresh()).await, 400, "invalid_grant");
    // What is sealed is looked at once more in a day.
    app.leave_jobs();
}

#[tokio::test]
async fn a_refresh_token_from_two_uses_ago_is_never_a_lost_answer() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let first = sentry.tokens(&mut browser, "ines").await;
    let second = Tokens::of(&sentry.refresh(first.refresh()).await);
    let third = Tokens::of(&sentry.refresh(second.refresh()).await);
    refused(&sentry.refresh(first.refresh()).await, 400, "invalid_grant");
    refused(&sentry.refresh(third.refresh()).await, 400, "invalid_grant");
}

#[tokio::test]
async fn many_at_once_get_one_answer() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut browser, "ines").await;
    let answers = join_all((0..6).map(|_| sentry.refresh(tokens.refresh()))).await;
    let mut given: Vec<(String, String)> =
        answers.iter().map(Tokens::of).map(|tokens| (tokens.access.clone(), tokens.refresh().to_owned())).collect();
    given.dedup();
    assert_eq!(given.len(), 1, "one successor, and everybody is given it");
    Tokens::of(&sentry.refresh(&given[0].1).await);
}

#[tokio::test]
async fn another_clients_refresh_token_is_invalid_grant_and_stays_good() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut browser, "ines").await;
    refused(&app.sentry_oidc().refresh(tokens.refresh()).await, 400, "invalid_grant");
    refused(&app.standard().refresh(tokens.refresh()).await, 400, "invalid_grant");
    let stranger = app.sentry().knowing("no secret of anybody");
    refused(&stranger.refresh(tokens.refresh()).await, 401, "invalid_client");
    Tokens::of(&sentry.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn a_wider_scope_is_invalid_scope_and_uses_nothing_up() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let request = standard.request().with("scope", "openid email offline_access");
    let code = standard.code_for(&mut browser, &request, "ines").await;
    let tokens = Tokens::of(&standard.redeem(&code).await);
    for scope in ["openid email profile offline_access", "organizations", "made-up"] {
        let wider = Rp::refreshment(tokens.refresh()).and("scope", scope);
        refused(&standard.token(wider).await, 400, "invalid_scope");
    }
    Tokens::of(&standard.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn a_narrower_scope_holds_for_that_access_token_alone() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let tokens = standard.tokens(&mut browser, "ines").await;
    let narrow = Rp::refreshment(tokens.refresh()).and("scope", "openid");
    let narrow = Tokens::of(&standard.token(narrow).await);
    assert_eq!(narrow.json["scope"], "openid");
    let person = standard.userinfo(&narrow.access).await.json();
    assert_eq!(person.as_object().unwrap().keys().collect::<Vec<_>>(), ["sub"]);
    // The lost answer is the same one, whatever is asked for the second time.
    let again = Tokens::of(&standard.refresh(tokens.refresh()).await);
    assert_eq!((again.json["scope"].as_str(), &again.access), (Some("openid"), &narrow.access));
    let wide = Tokens::of(&standard.refresh(narrow.refresh()).await);
    assert!(standard.userinfo(&wide.access).await.json()["email"].is_string());
}

#[tokio::test]
async fn a_refreshed_id_token_keeps_who_and_when() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let request = standard.request().and("nonce", "n1").and("max_age", "3600");
    let code = standard.code_for(&mut browser, &request, "ines").await;
    let first = Tokens::of(&standard.redeem(&code).await);
    app.advance(HOUR);
    let second = Tokens::of(&standard.refresh(first.refresh()).await).claims();
    let first = first.claims();
    for name in ["iss", "sub", "aud", "auth_time", "amr", "sid"] {
        assert_eq!(first[name], second[name], "{name}");
    }
    assert_eq!(first["auth_time"], 1_800_000_000);
    assert_eq!(second["iat"], 1_800_003_600);
    assert!(second.get("nonce").is_none());
    assert_ne!(first["at_hash"], second["at_hash"]);
}

#[tokio::test]
async fn an_unused_refresh_token_ends_after_thirty_days_and_a_used_one_goes_on() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let mut tokens = sentry.tokens(&mut browser, "ines").await;
    for _ in 0..3 {
        app.advance(29 * 24 * HOUR);
        tokens = Tokens::of(&sentry.refresh(tokens.refresh()).await);
    }
    app.advance(30 * 24 * HOUR);
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
}

#[tokio::test]
async fn somebody_removed_at_fly_is_invalid_grant() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut browser, "leo").await;
    app.fly.change(|world| world.remove_member("leo", "saltmarsh-labs"));
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
    assert_eq!(sentry.info(&tokens.access).await.status, 401);
    let member = app.member("leo", "saltmarsh-labs").await;
    assert!(member.absent_since.is_some(), "refused, but the membership is never deleted at the first absence");
}

#[tokio::test]
async fn a_person_who_withdrew_consent_at_fly_signs_in_again() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut browser, "leo").await;
    app.advance(Duration::from_hours(1));
    app.fly.revoke("leo");
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
    // Nor does the session go on making grants that Fly.io does not stand by.
    let tx = browser.begin(&sentry.authorize()).await;
    let sent = browser.fly(&tx, "leo").await.sent_back();
    let tokens = Tokens::of(&sentry.redeem(&sent["code"]).await);
    Tokens::of(&sentry.refresh(tokens.refresh()).await);
    assert!(browser.get(&sentry.authorize()).await.sent_back().contains_key("code"), "the new one does");
}

#[tokio::test]
async fn fly_unreachable_is_503_and_nothing_is_revoked() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut browser, "ines").await;
    let status = |status| Fault::Status { status, retry_after: None };
    for fault in [500, 429, 502, 400, 401].map(status).into_iter().chain([
        Fault::NotJson,
        Fault::WrongShape,
        Fault::Huge,
        Fault::Redirect,
    ]) {
        app.fly.fault(Endpoint::Info, fault);
        let answer = sentry.refresh(tokens.refresh()).await;
        refused(&answer, 503, "temporarily_unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
    app.fly.heal();
    assert_eq!(sentry.info(&tokens.access).await.status, 200);
    let tokens = Tokens::of(&sentry.refresh(tokens.refresh()).await);
    // The access token at Fly.io has run out, and its token endpoint is down.
    app.advance(3 * HOUR);
    for code in [503, 400, 401] {
        app.fly.fault(Endpoint::Token, status(code));
        refused(&sentry.refresh(tokens.refresh()).await, 503, "temporarily_unavailable");
    }
    app.fly.heal();
    Tokens::of(&sentry.refresh(tokens.refresh()).await);
    assert_eq!(app.fly.requests(Endpoint::Elsewhere), 0, "redirects are not followed");
}

#[tokio::test]
async fn fly_hanging_is_503_within_its_time() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut browser, "ines").await;
    app.fly.fault(Endpoint::Info, Fault::Hang);
    refused(&sentry.refresh(tokens.refresh()).await, 503, "temporarily_unavailable");
    app.fly.heal();
    Tokens::of(&sentry.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn a_role_that_changed_at_fly_shows_after_the_refresh() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut browser, "leo").await;
    assert_eq!(sentry.info(&tokens.access).await.json()["organizations"][0]["role"], "member");
    app.fly.change(|world| world.set_role("leo", "saltmarsh-labs", flybridge::demo::world::Role::Admin));
    let tokens = Tokens::of(&sentry.refresh(tokens.refresh()).await);
    assert_eq!(sentry.info(&tokens.access).await.json()["organizations"][0]["role"], "admin");
}
