//! The authorization code grant.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{hold, node_over, ring_without};
use crate::support::app::TestApp;
use crate::support::cut_off::CutOff;
use crate::support::interrupted::Interrupted;
use crate::support::relying_party::{CHALLENGE, Rp, Tokens, VERIFIER, refused};

#[tokio::test]
async fn a_code_that_is_unknown_is_invalid_grant() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    let mut flipped = code.clone().into_bytes();
    let last = flipped.len() - 2;
    flipped[last] = if flipped[last] == b'a' { b'b' } else { b'a' };
    let flipped = String::from_utf8(flipped).unwrap();
    for wrong in ["x", &flipped, &code[..code.len() - 1], &format!("{code}x"), &"c".repeat(4_000)] {
        refused(&sentry.redeem(wrong).await, 400, "invalid_grant");
    }
    Tokens::of(&sentry.redeem(&code).await);
}

#[tokio::test]
async fn a_code_lives_sixty_seconds() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let (first, second) = (sentry.code(&mut browser, "ines").await, app.browser());
    let mut browser = second;
    let second = sentry.code(&mut browser, "ines").await;
    app.advance(Duration::from_secs(59));
    Tokens::of(&sentry.redeem(&first).await);
    app.advance(Duration::from_millis(1_001));
    refused(&sentry.redeem(&second).await, 400, "invalid_grant");
}

#[tokio::test]
async fn another_clients_code_is_invalid_grant_and_stays_good_for_its_own() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    refused(&app.sentry_oidc().redeem(&code).await, 400, "invalid_grant");
    Tokens::of(&sentry.redeem(&code).await);
}

#[tokio::test]
async fn a_redirect_uri_that_differs_is_invalid_grant() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let code = standard.code(&mut browser, "ines").await;
    for uri in ["https://rp.test/cb2?keep=a%20b", "https://rp.test/cb/", "https://evil.test/"] {
        let answer = standard.token(standard.redemption(&code).with("redirect_uri", uri)).await;
        refused(&answer, 400, "invalid_grant");
    }
    refused(&standard.token(standard.redemption(&code).without("redirect_uri")).await, 400, "invalid_request");
    Tokens::of(&standard.redeem(&code).await);
}

#[tokio::test]
async fn a_verifier_that_is_wrong_or_missing_is_invalid_grant() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let code = standard.code(&mut browser, "ines").await;
    for verifier in [&VERIFIER.to_lowercase(), CHALLENGE, "short", &"v".repeat(129)] {
        let answer = standard.token(standard.redemption(&code).with("code_verifier", verifier)).await;
        refused(&answer, 400, "invalid_grant");
    }
    refused(&standard.token(standard.redemption(&code).without("code_verifier")).await, 400, "invalid_grant");
    Tokens::of(&standard.redeem(&code).await);
}

#[tokio::test]
async fn a_verifier_without_challenge_is_invalid_request() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    let answer = sentry.token(sentry.redemption(&code).and("code_verifier", VERIFIER)).await;
    refused(&answer, 400, "invalid_request");
    Tokens::of(&sentry.redeem(&code).await);
}

#[tokio::test]
async fn a_challenge_that_sentry_chose_to_send_is_held_against_the_verifier() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let request = sentry.request().and("code_challenge", CHALLENGE).and("code_challenge_method", "S256");
    let code = sentry.code_for(&mut browser, &request, "ines").await;
    refused(&sentry.redeem(&code).await, 400, "invalid_grant");
    Tokens::of(&sentry.token(sentry.redemption(&code).and("code_verifier", VERIFIER)).await);
}

#[tokio::test]
async fn a_second_use_of_a_code_revokes_what_the_first_gave() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    let tokens = Tokens::of(&sentry.redeem(&code).await);
    assert_eq!(sentry.info(&tokens.access).await.status, 200);
    // Also long after the code itself would have expired.
    app.advance(Duration::from_mins(30));
    refused(&sentry.redeem(&code).await, 400, "invalid_grant");
    assert_eq!(sentry.info(&tokens.access).await.status, 401);
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_second_use_after_a_refresh_revokes_the_whole_family() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    let first = Tokens::of(&sentry.redeem(&code).await);
    let second = Tokens::of(&sentry.refresh(first.refresh()).await);
    refused(&sentry.redeem(&code).await, 400, "invalid_grant");
    for access in [&first.access, &second.access] {
        assert_eq!(sentry.info(access).await.status, 401);
    }
    refused(&sentry.refresh(second.refresh()).await, 400, "invalid_grant");
}

#[tokio::test]
async fn an_unauthenticated_or_foreign_replay_revokes_nothing() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let code = standard.code(&mut browser, "ines").await;
    let tokens = Tokens::of(&standard.redeem(&code).await);
    let stranger = app.standard().knowing("no secret of anybody");
    refused(&stranger.redeem(&code).await, 401, "invalid_client");
    refused(&app.sentry().redeem(&code).await, 400, "invalid_grant");
    refused(&Rp::new(&app, "es256").redeem(&code).await, 400, "invalid_grant");
    // Whoever lacks the verifier or the address only has what stood in a URL.
    let wrong = standard.redemption(&code).with("code_verifier", &"v".repeat(43));
    refused(&standard.token(wrong).await, 400, "invalid_grant");
    let wrong = standard.redemption(&code).with("redirect_uri", "https://rp.test/cb2?keep=a%20b");
    refused(&standard.token(wrong).await, 400, "invalid_grant");
    assert_eq!(standard.userinfo(&tokens.access).await.status, 200);
    Tokens::of(&standard.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn of_many_who_redeem_at_once_one_wins_and_what_it_got_is_revoked() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    let answers = join_all((0..8).map(|_| sentry.redeem(&code))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1, "winners");
    for answer in lost {
        refused(answer, 400, "invalid_grant");
    }
    revoked(&sentry, &Tokens::of(won[0])).await;
}

#[tokio::test]
async fn who_redeems_at_the_same_moment_as_somebody_else_ends_what_they_got() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    let (tell, told) = oneshot::channel();
    let (winner, same) = (sentry.clone(), code.clone());
    let first = async move { drop(tell.send(Tokens::of(&winner.redeem(&same).await))) };
    // The other use is committed between what this one reads and what it writes.
    let interrupted = Interrupted::new(&app.store, "grant/", first);
    let loser = app.sentry().at(&node_over(&app, &interrupted.store()));
    refused(&loser.redeem(&code).await, 400, "invalid_grant");
    revoked(&sentry, &told.await.unwrap()).await;
}

async fn revoked(client: &Rp, tokens: &Tokens) {
    assert_eq!(client.info(&tokens.access).await.status, 401);
    refused(&client.refresh(tokens.refresh()).await, 400, "invalid_grant");
}

#[tokio::test]
async fn once_a_code_or_a_refresh_token_is_used_up_the_answer_needs_the_store_no_more() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let code = standard.code(&mut app.browser(), "ines").await;
    let cut_off = || app.standard().at(&node_over(&app, &CutOff::after(&app.store, "grant/")));
    let first = Tokens::of(&cut_off().redeem(&code).await);
    let second = Tokens::of(&cut_off().refresh(first.refresh()).await);
    for tokens in [&first, &second] {
        assert_eq!(tokens.claims()["sub"], app.user("ines").await.id.as_str());
        assert_eq!(standard.userinfo(&tokens.access).await.status, 200);
    }
}

#[tokio::test]
async fn while_there_is_no_key_to_sign_with_nothing_is_used_up() {
    let app = TestApp::new().await;
    let (standard, sentry) = (app.standard(), app.sentry());
    let tokens = standard.tokens(&mut app.browser(), "ines").await;
    let code = standard.code(&mut app.browser(), "ines").await;
    let unsigned = sentry.code(&mut app.browser(), "ines").await;
    let before = ring_without(&app, "RS256").await;
    refused(&standard.redeem(&code).await, 500, "server_error");
    refused(&standard.refresh(tokens.refresh()).await, 500, "server_error");
    assert_eq!(Tokens::of(&sentry.redeem(&unsigned).await).id, None, "who gets no id_token does without");
    hold(&app, &before).await;
    Tokens::of(&standard.redeem(&code).await);
    Tokens::of(&standard.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn tokens_of_one_kind_are_worth_nothing_as_another() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let code = standard.code(&mut browser, "ines").await;
    refused(&standard.refresh(&code).await, 400, "invalid_grant");
    assert_eq!(standard.userinfo(&code).await.status, 401);
    let tokens = Tokens::of(&standard.redeem(&code).await);
    for wrong in [&tokens.access, tokens.refresh(), tokens.id.as_deref().unwrap()] {
        refused(&standard.redeem(wrong).await, 400, "invalid_grant");
    }
    for wrong in [&tokens.access, tokens.id.as_deref().unwrap()] {
        refused(&standard.refresh(wrong).await, 400, "invalid_grant");
    }
    for wrong in [tokens.refresh(), tokens.id.as_deref().unwrap()] {
        assert_eq!(standard.userinfo(wrong).await.status, 401);
    }
    let session = browser.cookie("fb_session").unwrap().value.clone();
    assert_eq!(standard.userinfo(&session).await.status, 401);
}

#[tokio::test]
async fn the_answer_to_sentrys_fly_provider() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tokens = app.sentry().tokens(&mut browser, "ines").await;
    let keys: Vec<&String> = tokens.json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["access_token", "created_at", "expires_in", "refresh_token", "scope", "token_type"]);
    assert_eq!(tokens.json["token_type"], "Bearer");
    assert_eq!(tokens.json["expires_in"], 3_600);
    assert_eq!(tokens.json["scope"], "read");
    assert_eq!(tokens.json["created_at"], 1_800_000_000);
}

#[tokio::test]
async fn a_refresh_token_needs_offline_access_unless_the_client_always_gets_one() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let request = standard.request().with("scope", "openid email");
    let code = standard.code_for(&mut browser, &request, "ines").await;
    let answer = standard.redeem(&code).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let tokens = Tokens::of(&answer);
    assert_eq!(tokens.refresh, None);
    let keys: Vec<&String> = tokens.json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["access_token", "created_at", "expires_in", "id_token", "scope", "token_type"]);
    assert_eq!(tokens.json["scope"], "openid email");
}

#[tokio::test]
async fn an_access_token_lives_an_hour() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut browser, "ines").await;
    app.advance(Duration::from_secs(3_599));
    assert_eq!(sentry.info(&tokens.access).await.status, 200);
    app.advance(Duration::from_secs(1));
    assert_eq!(sentry.info(&tokens.access).await.status, 401);
}
