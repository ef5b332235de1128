//! Signing in to Sentry through Fly.io, with nothing changed yet.

use flybridge::demo::world::{HARBOUR, SALTMARSH};

use super::visit::Visit;
use crate::support::chromium::{DESKTOP, PHONE, View, run};

#[test]
fn through_fly_on_a_desktop() {
    run(through_fly(DESKTOP));
}

#[test]
fn through_fly_on_a_phone() {
    run(through_fly(PHONE));
}

#[test]
fn that_comes_to_nothing_on_a_desktop() {
    run(comes_to_nothing(DESKTOP));
}

#[test]
fn that_comes_to_nothing_on_a_phone() {
    run(comes_to_nothing(PHONE));
}

async fn through_fly(view: View) {
    let visit = Visit::begin(view).await;
    let browser = &visit.browser;
    visit.sentry().await;
    browser.look("sentry-signed-out").await;
    browser.follow("#sentry-sign-in").await;
    browser.look("sign-in").await;
    browser.look_in_the_dark("sign-in").await;
    browser.save_picture("sign-in", 930).await;
    browser.follow("#sign-in-fly").await;
    browser.look("fly-consent").await;
    visit.approve_at_fly("ines").await;
    let ines = visit.account().await;
    browser.look("sentry-signed-in").await;
    assert_eq!(ines.organizations, [SALTMARSH]);
    assert_eq!(browser.attribute(".organization", "data-role").await, "admin");
    assert!(!ines.sub.is_empty() && !ines.user_id.is_empty());
    assert!(!ines.recognized);

    browser.follow("#sentry-sign-out").await;
    browser.look("sign-out").await;
    browser.follow("#logout-form button[value=yes]").await;
    browser.look("signed-out").await;
    let again = visit.sign_in_with_fly("ines").await;
    assert!(again.recognized);
    assert_eq!(again.identity(), ines.identity());

    visit.sign_out_everywhere().await;
    let jun = visit.sign_in_with_fly("jun").await;
    assert_eq!(jun.organizations, [SALTMARSH, HARBOUR]);
}

/// Whoever says no, has forgotten the password or comes to a wrong address is told what to do next.
async fn comes_to_nothing(view: View) {
    let visit = Visit::begin(view).await;
    let browser = &visit.browser;
    visit.leave_for_sign_in().await;
    browser.follow("#sign-in-fly").await;
    browser.follow("#deny").await;
    for told in ["#error-title", "#error-message", "#error-id"] {
        assert!(!browser.text(told).await.is_empty(), "{told}");
    }
    browser.look("denied").await;
    browser.follow(".button.primary").await;
    browser.follow("#forgot-password").await;
    browser.look("forgot").await;
    browser.fill("#forgot-form [name=email]", "nobody@customer.fly.io").await;
    browser.submit("#forgot-form").await;
    browser.wait_for("#forgot-sent").await;
    browser.look("forgot-sent").await;

    browser.goto(&format!("{}/nowhere", visit.demo.flybridge)).await;
    browser.wait_for("#error-id").await;
    browser.look("error").await;
    browser.goto(&format!("{}/set-up/made-up", visit.demo.flybridge)).await;
    browser.look("set-up-unknown").await;
    browser.goto(&visit.demo.fly).await;
    browser.look("fly").await;
    browser.goto(&visit.demo.mailbox).await;
    browser.wait_for("#empty").await;
    browser.look("mailbox-empty").await;

    // Sentry cannot know somebody without an address.
    visit.leave_for_sign_in().await;
    visit.continue_with_fly("noor").await;
    browser.wait_for("#error-id").await;
    browser.look("no-address").await;

    // A member is no admin, and strangers do not learn which organizations there are.
    visit.sign_in_with_fly("leo").await;
    assert_eq!(browser.count("#sentry-auth-settings").await, 0);
    browser.goto(&visit.demo.settings("saltmarsh-labs")).await;
    browser.wait_for("#error-id").await;
    browser.look("for-admins").await;
    browser.goto(&visit.demo.settings("tideline")).await;
    let title = browser.text("#error-title").await;
    browser.goto(&visit.demo.settings("not-there")).await;
    assert_eq!(browser.text("#error-title").await, title);
    browser.look("no-such-organization").await;
}
