//! A client that is not the operator's own: asked, refused, allowed, and taken back.

use super::visit::Visit;
use crate::support::chromium::{DESKTOP, PHONE, View, until};

#[test]
fn on_a_desktop() {
    crate::support::chromium::run(asked_and_taken_back(DESKTOP));
}

#[test]
fn on_a_phone() {
    crate::support::chromium::run(asked_and_taken_back(PHONE));
}

async fn asked_and_taken_back(view: View) {
    let settings = ["FLYBRIDGE_CLIENTS__SENTRY_OIDC__FIRST_PARTY=false".to_owned()];
    let visit = Visit::with_settings(view, &settings).await;
    let browser = &visit.browser;
    visit.sentry().await;
    browser.follow("#sentry-sign-in-oidc").await;
    browser.wait_for("#sign-in-password").await;
    visit.continue_with_fly("ines").await;
    browser.wait_for("#consent-form").await;
    browser.look("consent").await;
    browser.look_in_the_dark("consent").await;
    browser.follow("#consent-deny").await;
    browser.wait_for("#error-id").await;
    browser.look("consent-denied").await;
    browser.follow(".button.primary").await;
    browser.follow("#consent-allow").await;
    let ines = visit.account().await;
    assert!(!ines.sub.is_empty());

    // Remembered.
    browser.goto(&format!("{}/login/oidc", visit.demo.sentry)).await;
    assert_eq!(visit.account().await.sub, ines.sub);

    browser.goto(&format!("{}/sign-out", visit.demo.flybridge)).await;
    browser.look("sign-out-with-applications").await;
    browser.follow("#applications").await;
    browser.wait_for(".application[data-client=sentry-oidc]").await;
    browser.look("applications").await;
    browser.look_in_the_dark("applications").await;
    browser.follow(".application-remove button").await;
    browser.wait_for("#no-applications").await;
    browser.look("applications-removed").await;
    // The client has heard of it.
    let signed_out = until(async || {
        visit.sentry().await;
        (browser.count("#sentry-user").await == 0).then_some(())
    });
    assert!(signed_out.await.is_some(), "signed out at Sentry");
    browser.goto(&format!("{}/login/oidc", visit.demo.sentry)).await;
    browser.wait_for("#consent-form").await;
}
