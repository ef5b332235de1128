//! What ends a session or what it gave, and who hears of it.

use std::collections::BTreeSet;

use flybridge::demo::world::BRAMS_PASSWORD;

use super::{Two, at_once, sid, sign_out};
use crate::support::app::PASSWORD;
use crate::support::back_channel::Heard;
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Parameters, Tokens, refused};

fn sids(heard: &[Heard]) -> BTreeSet<String> {
    heard.iter().map(|heard| heard.claim("sid")).collect()
}

fn logout(parameters: &[(&str, &str)]) -> String {
    format!("/oauth/logout?{}", Parameters::of(parameters).encode())
}

/// Bram signs in with his password at `told-rs256`; the session.
async fn bram(two: &Two) -> (Browser, String) {
    let mut browser = two.app.browser();
    browser.sign_in_with_password(&two.app.address("bram"), BRAMS_PASSWORD).await;
    let tokens = at_once(&two.rs256(), &mut browser).await;
    (browser, sid(&tokens))
}

/// Somebody asks for a link and sets a new password; the browser in which they go on.
async fn replace_password(two: &Two, who: &str) -> Browser {
    let mut browser = two.app.browser();
    browser.get("/forgot").await;
    browser.post_form("/forgot", &[("email", &two.app.address(who))]).await;
    two.app.work().await;
    assert_eq!(browser.set_password(&two.app.link_of(who), PASSWORD).await.location(), "/go");
    browser
}

#[tokio::test]
async fn signing_out_ends_that_session_at_its_clients_and_no_other() {
    let two = Two::new().await;
    let (mut laptop, _, of_laptop) = two.signed_in("ines").await;
    let (mut phone, _, of_phone) = two.signed_in("ines").await;
    let (_, _, of_leo) = two.signed_in("leo").await;
    sign_out(&mut laptop).await;
    two.app.work().await;
    assert_eq!(two.rs.one().claim("sid"), of_laptop);
    assert!(phone.is_signed_in().await);
    sign_out(&mut phone).await;
    two.app.work().await;
    assert_eq!(two.rs.one().claim("sid"), of_phone);
    assert_ne!(of_phone, of_leo);
    assert_eq!(two.whereabouts("leo").await.unwrap().places.len(), 1);
}

#[tokio::test]
async fn who_says_no_to_the_question_stays_signed_in_everywhere() {
    let two = Two::new().await;
    let (mut browser, ..) = two.signed_in("ines").await;
    browser.get("/sign-out").await;
    browser.post_form("/sign-out", &[("answer", "no")]).await;
    assert!(two.app.jobs().is_empty());
}

#[tokio::test]
async fn a_client_may_end_the_session_it_shows_a_sign_in_of() {
    let two = Two::new().await;
    let (mut browser, tokens, sid) = two.signed_in("ines").await;
    at_once(&two.es256(), &mut browser).await;
    let back = "https://rp.test/signed-out";
    let hint = tokens.id.unwrap();
    let address = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", back), ("state", "s")]);
    assert_eq!(browser.get(&address).await.location(), format!("{back}?state=s"));
    assert!(!browser.is_signed_in().await);
    two.app.work().await;
    assert_eq!((two.rs.one().claim("sid"), two.es.one().claim("sid")), (sid.clone(), sid), "who asked hears it too");
    assert_eq!(browser.get(&address).await.location(), format!("{back}?state=s"));
    assert!(two.app.jobs().is_empty(), "nothing is left to end");
}

#[tokio::test]
async fn a_sign_in_of_another_session_ends_this_one_only_after_a_question() {
    let two = Two::new().await;
    let (mut laptop, tokens, of_laptop) = two.signed_in("ines").await;
    let (mut phone, _, of_phone) = two.signed_in("ines").await;
    let address = logout(&[("id_token_hint", tokens.id.as_deref().unwrap())]);
    assert!(phone.get(&address).await.shows("logout-form"));
    assert!(phone.is_signed_in().await && laptop.is_signed_in().await);
    assert!(two.app.jobs().is_empty());
    phone.post_form("/sign-out", &[("answer", "yes")]).await;
    two.app.work().await;
    assert_eq!(two.rs.one().claim("sid"), of_phone, "the one that was asked about, not the one of the hint");
    assert!(laptop.is_signed_in().await);
    assert_eq!(laptop.get(&address).await.location(), "/signed-out");
    two.app.work().await;
    assert_eq!(two.rs.one().claim("sid"), of_laptop);
}

#[tokio::test]
async fn a_replaced_password_ends_all_sessions_but_the_one_that_goes_on() {
    let two = Two::new().await;
    two.app.leave().await;
    let (_, first) = bram(&two).await;
    let (mut second_browser, second) = bram(&two).await;
    at_once(&two.es256(), &mut second_browser).await;
    two.app.work().await;
    assert!(two.rs.heard().is_empty() && two.es.heard().is_empty());
    let mut goes_on = replace_password(&two, "bram").await;
    let own = sid(&at_once(&two.rs256(), &mut goes_on).await);
    two.app.work().await;
    assert_eq!(sids(&two.rs.heard()), BTreeSet::from([first.clone(), second.clone()]));
    assert_eq!(two.es.one().claim("sid"), second);
    assert!(own != first && own != second);
    assert!(goes_on.is_signed_in().await);
    sign_out(&mut goes_on).await;
    two.app.work().await;
    assert_eq!(two.rs.one().claim("sid"), own);
}

#[tokio::test]
async fn a_password_set_in_a_browser_that_was_signed_in_begins_a_session_of_its_own() {
    let two = Two::new().await;
    two.app.leave().await;
    let (browser, before) = bram(&two).await;
    let mut browser = browser;
    browser.get("/forgot").await;
    browser.post_form("/forgot", &[("email", &two.app.address("bram"))]).await;
    two.app.work().await;
    browser.set_password(&two.app.link_of("bram"), PASSWORD).await.location();
    let after = sid(&at_once(&two.rs256(), &mut browser).await);
    two.app.work().await;
    assert_eq!(two.rs.one().claim("sid"), before);
    assert_ne!(after, before, "clients were told that the other one is over");
}

#[tokio::test]
async fn what_fly_refuses_to_stand_by_ends_at_the_clients_it_signed_in() {
    let two = Two::new().await;
    two.app.leave().await;
    // Jun has a password for Saltmarsh Labs, and Fly.io opens Harbour Tools.
    two.app.settle_in("jun").await;
    let request = two.rs256().request().with("organization", "harbour-tools");
    let mut by_fly = two.app.browser();
    let code = two.rs256().code_for(&mut by_fly, &request, "jun").await;
    let tokens = Tokens::of(&two.rs256().redeem(&code).await);
    let mut by_password = two.app.browser();
    by_password.sign_in_with_password(&two.app.address("jun"), PASSWORD).await;
    let named = two.es256().request().with("organization", "saltmarsh-labs").authorize();
    let code = by_password.get(&named).await.sent_back()["code"].clone();
    Tokens::of(&two.es256().redeem(&code).await);

    two.app.fly.revoke("jun");
    refused(&two.rs256().refresh(tokens.refresh()).await, 400, "invalid_grant");
    two.app.work().await;
    assert_eq!(two.rs.one().claim("sid"), sid(&tokens));
    assert!(two.es.heard().is_empty(), "what a password proved stands");
    assert!(!by_fly.is_signed_in().await && by_password.is_signed_in().await);
    assert_eq!(two.whereabouts("jun").await.unwrap().places.len(), 1);
}

#[tokio::test]
async fn a_client_of_a_session_that_was_proven_at_fly_since_hears_of_its_end_too() {
    let two = Two::new().await;
    two.app.leave().await;
    two.app.settle_in("jun").await;
    let mut browser = two.app.browser();
    browser.sign_in_with_password(&two.app.address("jun"), PASSWORD).await;
    let named = two.es256().request().with("organization", "saltmarsh-labs").authorize();
    let code = browser.get(&named).await.sent_back()["code"].clone();
    let by_password = Tokens::of(&two.es256().redeem(&code).await);
    // In the same browser he proves himself at Fly.io for another client: the same session, which now rests on Fly.io.
    let request = two.rs256().request().with("organization", "harbour-tools");
    let code = two.rs256().code_for(&mut browser, &request, "jun").await;
    let by_fly = Tokens::of(&two.rs256().redeem(&code).await);
    assert_eq!(sid(&by_fly), sid(&by_password));

    two.app.fly.revoke("jun");
    refused(&two.rs256().refresh(by_fly.refresh()).await, 400, "invalid_grant");
    two.app.work().await;
    assert!(!browser.is_signed_in().await);
    assert_eq!(two.rs.one().claim("sid"), sid(&by_fly));
    assert_eq!(two.es.one().claim("sid"), sid(&by_password));
}
