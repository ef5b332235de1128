//! The page of one's own account: an address is given, confirmed by mail, and taken back.

use super::member::address;
use super::visit::Visit;
use crate::support::chromium::{DESKTOP, PHONE, View, run};

const OWN: &str = "leo@own.example";
const CONFIRM: &str = "for signing in to Sentry";

#[test]
fn on_a_desktop() {
    run(an_address_of_ones_own(DESKTOP));
}

#[test]
fn on_a_phone() {
    run(an_address_of_ones_own(PHONE));
}

async fn an_address_of_ones_own(view: View) {
    let visit = Visit::begin(view).await;
    let browser = &visit.browser;
    visit.sign_in_with_fly("leo").await;
    let account = format!("{}/account", visit.demo.flybridge);
    browser.goto(&account).await;
    assert_eq!(browser.text("#sign-in-address").await, address("leo"));
    browser.look("account").await;
    browser.look_in_the_dark("account").await;

    browser.fill("#contact_email", "leo at own").await;
    browser.disregard_validation("#address-form").await;
    browser.submit("#address-form").await;
    browser.wait_for("#contact-error").await;
    browser.look("account-refused").await;

    browser.fill("#contact_email", OWN).await;
    browser.submit("#address-form").await;
    assert_eq!(browser.text("#waiting-address").await, OWN);
    browser.look("account-given").await;

    visit.follow_mail(OWN, CONFIRM).await;
    assert_eq!(
        browser.url().await,
        format!("{}/confirm-address", visit.demo.flybridge),
        "the token has left the URL"
    );
    browser.look("confirm-address").await;
    browser.submit("#confirm-form").await;
    browser.wait_for("#confirmed").await;
    browser.look("confirmed").await;
    visit.follow_mail(OWN, CONFIRM).await;
    browser.wait_for("#error-title").await;
    browser.look("confirmed-already").await;

    browser.goto(&account).await;
    assert_eq!(browser.text("#own-address").await, OWN);
    browser.look("account-own").await;
    browser.look_in_the_dark("account-own").await;
    browser.submit(".take-back").await;
    browser.wait_for("#notice").await;
    assert_eq!(browser.count("#own-address").await, 0);
    browser.look("account-removed").await;
    for nothing in ["/confirm-address/made-up", "/set-up", "/organizations/saltmarsh-labs/auth"] {
        browser.goto(&format!("{}{nothing}", visit.demo.flybridge)).await;
        browser.wait_for("#error-id").await;
        browser.look(&format!("nothing-at-{}", nothing.split('/').nth(1).unwrap())).await;
    }
}
