//! How sessions begin and end.

use std::time::Duration;

use flybridge::demo::world::BRAMS_PASSWORD;

use crate::support::app::{PASSWORD, TestApp};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_session_ends_after_a_day_without_a_request() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    for _ in 0..3 {
        app.advance(23 * HOUR);
        assert!(browser.is_signed_in().await);
    }
    app.advance(24 * HOUR);
    assert!(!browser.is_signed_in().await);
}

#[tokio::test]
async fn a_busy_session_ends_after_two_weeks() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    browser.keep_everything();
    for _ in 0..(14 * 24 / 12 - 1) {
        app.advance(12 * HOUR);
        assert!(browser.is_signed_in().await);
    }
    app.advance(12 * HOUR);
    assert!(!browser.is_signed_in().await);
    assert!(browser.get(&app.sentry().authorize()).await.location().starts_with("/sign-in"));
}

#[tokio::test]
async fn every_sign_in_has_a_new_session_and_the_one_before_is_over() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    let mut old = browser.clone();
    browser.sign_in_with_fly("ines").await;
    assert_ne!(old.cookie("fb_session").unwrap().value, browser.cookie("fb_session").unwrap().value);
    assert!(browser.is_signed_in().await);
    assert!(!old.is_signed_in().await, "who had its cookie is out");
}

#[tokio::test]
async fn a_session_planted_before_the_sign_in_is_not_taken_over() {
    let app = TestApp::new().await;
    let mut attacker = app.browser();
    attacker.sign_in_with_fly("wren").await;
    let planted = attacker.cookie("fb_session").unwrap().clone();
    let mut victim = app.browser();
    victim.cookies.insert("__Host-fb_session".to_owned(), planted.clone());
    victim.sign_in_with_fly("ines").await;
    assert_ne!(victim.cookie("fb_session").unwrap().value, planted.value);
}

#[tokio::test]
async fn a_forged_session_is_none() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    let good = browser.cookie("fb_session").unwrap().value.clone();
    let (head, secret) = good.split_once('.').unwrap();
    let other = app.user("priya").await.id;
    let kind = head.split('_').next().unwrap();
    let forged = [
        good[..good.len() - 1].to_owned(),
        format!("{good}x"),
        format!("{kind}_{other}.{secret}"),
        format!("{head}."),
        String::new(),
        "x".repeat(2_000),
    ];
    for value in forged {
        browser.cookies.get_mut("__Host-fb_session").unwrap().value = value.clone();
        assert!(!browser.is_signed_in().await, "{value}");
    }
}

#[tokio::test]
async fn signing_out_is_asked_and_ends_the_session() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    let mut copy = browser.clone();
    let page = browser.get("/sign-out").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Ines Marlow"));
    assert!(browser.is_signed_in().await, "a GET changes nothing");
    assert_eq!(browser.post_form("/sign-out", &[("answer", "no")]).await.location(), "/go");
    assert!(browser.is_signed_in().await);
    assert_eq!(browser.post_form("/sign-out", &[("answer", "yes")]).await.location(), "/signed-out");
    assert!(browser.cookie("fb_session").is_none());
    assert!(!copy.is_signed_in().await);
    assert_eq!(browser.get("/sign-out").await.location(), "/signed-out");
    assert!(browser.get("/signed-out").await.shows("signed-out"));
}

#[tokio::test]
async fn somebody_else_signs_nobody_out() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    browser.get("/sign-out").await;
    let csrf = browser.csrf.clone();
    let fields = [("csrf", csrf.as_str()), ("answer", "yes")];
    let answer = browser.post_bare("/sign-out", &fields, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(answer.status, 403);
    assert_eq!(browser.post_bare("/sign-out", &[("answer", "yes")], &[]).await.status, 403);
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn setting_a_password_ends_the_persons_other_sessions_and_nobody_elses() {
    let app = TestApp::new().await;
    let mut tablet = app.browser();
    tablet.sign_in_with_fly("jun").await;
    let (mut ines, _) = app.leave().await;
    let mut laptop = app.settle_in("jun").await;
    assert!(!tablet.is_signed_in().await);
    assert!(laptop.is_signed_in().await && ines.is_signed_in().await);
    // A second password, by way of "forgot", ends the first one's session.
    let mut phone = app.browser();
    phone.get("/forgot").await;
    let answer = phone.post_form("/forgot", &[("email", &app.address("jun"))]).await;
    assert!(answer.shows("forgot-sent"));
    app.work().await;
    let answer = phone.set_password(&app.link_of("jun"), "another lantern for the heron 7").await;
    assert_eq!(answer.location(), "/go");
    app.work().await;
    assert!(!laptop.is_signed_in().await && phone.is_signed_in().await);
    let tx = laptop.begin("/sign-in").await;
    assert_eq!(laptop.password(&tx, &app.address("jun"), PASSWORD).await.status, 401, "the old one is gone");
}

#[tokio::test]
async fn a_password_sign_in_begins_a_session_that_opens_the_next_client() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut browser = app.browser();
    browser.sign_in_with_password(&app.address("bram"), BRAMS_PASSWORD).await;
    assert!(browser.get(&app.sentry().authorize()).await.sent_back().contains_key("code"));
    assert!(browser.get(&app.standard().authorize()).await.sent_back().contains_key("code"));
}
