//! Fly.io's own tokens, which work once, under refreshes that meet.

use std::sync::Arc;
use std::time::Duration;

use flybridge::demo::fly::{Endpoint, Fault};
use flybridge::services::upstream_tokens::{Sealing, UpstreamTokens};
use flybridge::services::vault::{MasterKeys, Vault};
use futures_util::future::join_all;

use crate::support::app::{MASTER_KEY, TestApp};
use crate::support::relying_party::{Tokens, VERIFIER, refused};

/// Longer than an access token of Fly.io is good for.
const LONG: Duration = Duration::from_hours(3);

/// Another node over the same store.
fn another_node(app: &TestApp) -> Arc<UpstreamTokens> {
    let (web, fly) = (&app.program.app.web, &app.program.app.fly);
    UpstreamTokens::new(
        app.store.clone(),
        Arc::clone(&app.program.outbox.jobs),
        Arc::clone(&web.vault),
        Arc::clone(&fly.connector),
    )
}

/// Fly.io's tokens as they are kept.
fn kept(app: &TestApp) -> Vec<String> {
    app.dump().named("upstream").into_iter().map(|(_, value)| value).collect()
}

#[tokio::test]
async fn grants_of_one_person_refreshed_at_once_use_flys_refresh_token_once() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(sentry.tokens(&mut app.browser(), "ines").await);
    }
    app.advance(LONG);
    let before = app.fly.requests(Endpoint::Token);
    let answers = join_all(tokens.iter().map(|tokens| sentry.refresh(tokens.refresh()))).await;
    for answer in &answers {
        Tokens::of(answer);
    }
    assert_eq!(app.fly.requests(Endpoint::Token), before + 1);
}

#[tokio::test]
async fn what_another_node_renewed_meanwhile_is_taken_over() {
    let app = TestApp::new().await;
    app.sentry().tokens(&mut app.browser(), "ines").await;
    app.advance(LONG);
    let user = app.user("ines").await;
    let (here, there) = (&app.program.app.fly.tokens, another_node(&app));
    app.fly.fault_times(Endpoint::Token, Fault::Hang, 1);
    let first = async {
        app.fly.hanging(1).await;
        let person = here.ask(&user.id).await.unwrap();
        app.fly.release();
        person
    };
    let (second, first) = tokio::join!(there.ask(&user.id), first);
    assert_eq!((second.unwrap().id, first.id), (user.fly_id.clone(), user.fly_id));
}

#[tokio::test]
async fn a_slow_renewal_does_not_replace_the_tokens_of_a_newer_sign_in() {
    let app = TestApp::new().await;
    app.sentry().tokens(&mut app.browser(), "ines").await;
    app.advance(LONG);
    let user = app.user("ines").await;
    app.fly.fault_times(Endpoint::Token, Fault::Hang, 1);
    let sign_in = async {
        app.fly.hanging(1).await;
        app.browser().sign_in_with_fly("ines").await;
        let newer = kept(&app);
        app.fly.release();
        newer
    };
    let (person, newer) = tokio::join!(app.program.app.fly.tokens.ask(&user.id), sign_in);
    assert_eq!(person.unwrap().id, user.fly_id);
    assert_eq!(kept(&app), newer);
}

#[tokio::test]
async fn tokens_that_are_sealed_anew_while_they_are_renewed_are_replaced_all_the_same() {
    let app = TestApp::new().await;
    app.sentry().tokens(&mut app.browser(), "ines").await;
    app.advance(LONG);
    let user = app.user("ines").await;
    let new = "c2a86e0f4d913b7752e1c08bd6f93a14e57b20cc98416df3ab05721e8fd4639c";
    let masters = MasterKeys::parse(&format!("{new} {MASTER_KEY}")).unwrap();
    let node = UpstreamTokens::new(
        app.store.clone(),
        Arc::clone(&app.program.outbox.jobs),
        Arc::new(Vault::new(&masters).unwrap()),
        Arc::clone(&app.program.app.fly.connector),
    );
    app.fly.fault_times(Endpoint::Token, Fault::Hang, 1);
    let sealed_anew = async {
        app.fly.hanging(1).await;
        assert_eq!(node.seal_again(&user.id).await.unwrap(), Sealing::Anew);
        app.fly.release();
    };
    let (person, ()) = tokio::join!(node.ask(&user.id), sealed_anew);
    assert_eq!(person.unwrap().id, user.fly_id);
    // What was renewed then is renewed again: the one before was used up.
    app.advance(LONG);
    let before = app.fly.requests(Endpoint::Token);
    assert_eq!(node.ask(&user.id).await.unwrap().id, user.fly_id);
    assert_eq!(app.fly.requests(Endpoint::Token), before + 1);
    assert_eq!(node.seal_again(&user.id).await.unwrap(), Sealing::Current);
}

#[tokio::test]
async fn a_renewal_that_nobody_waits_for_is_kept() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut app.browser(), "ines").await;
    app.advance(LONG);
    let before = kept(&app);
    app.fly.fault_times(Endpoint::Token, Fault::Hang, 1);
    tokio::select! {
        _ = sentry.refresh(tokens.refresh()) => panic!("Fly.io has not answered yet"),
        () = app.fly.hanging(1) => {}
    }
    app.fly.release();
    while kept(&app) == before {
        tokio::task::yield_now().await;
    }
    Tokens::of(&sentry.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn tokens_of_somebody_else_prove_nothing() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let mut browser = app.browser();
    let tokens = sentry.tokens(&mut browser, "ines").await;
    let fly = &app.program.app.fly;
    let asked = fly.connector.authorize_url("any state", VERIFIER);
    let back = browser.at_fly(&asked, "leo", "approve").await;
    let back = url::Url::parse(&back).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let (of_leo, leo) = fly.connector.sign_in(&code, VERIFIER, app.store.now()).await.unwrap();
    let ines = app.user("ines").await;
    assert_ne!(leo.id, ines.fly_id);
    fly.tokens.save(&ines.id, &of_leo).await.unwrap();
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
}
