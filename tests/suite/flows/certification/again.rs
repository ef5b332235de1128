//! The second request of a person: who is asked again, and who is not.

use std::time::Duration;

use crate::support::relying_party::Parameters;

use super::suite::{Done, Mode, Suite, error};

/// A first sign-in, and a while.
async fn signed_in(mode: Mode, seconds: u64) -> (Suite, Done) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let first = suite.complete(&client, &suite.request(&client)).await;
    suite.app.advance(Duration::from_secs(seconds));
    (suite, first)
}

/// A real new sign-in, with the form of which the suite wants a picture, and its time in the `id_token`.
async fn asked_again(suite: &mut Suite, first: &Done, request: &Parameters) {
    let tx = suite.browser.begin(&request.authorize()).await;
    let page = suite.browser.get(&format!("/sign-in?tx={tx}")).await;
    assert!(page.shows("sign-in-password"), "{}", page.said());
    let client = suite.first();
    let second = suite.complete(&client, request).await;
    assert_eq!(second.claims["auth_time"], suite.app.store.now().as_seconds(), "this sign-in, not the first");
    assert_eq!(second.claims["sub"], first.claims["sub"]);
}

/// The same sign-in, told the same way.
#[track_caller]
pub(super) fn same_sign_in(first: &Done, second: &Done) {
    assert_eq!(first.claims["sub"], second.claims["sub"]);
    if let (Some(first), Some(second)) = (first.claims.get("auth_time"), second.claims.get("auth_time")) {
        assert_eq!(first, second);
    }
}

pub(super) async fn prompt_login(mode: Mode) {
    let (mut suite, first) = signed_in(mode, 1).await;
    let request = suite.request(&suite.first()).with("prompt", "login");
    asked_again(&mut suite, &first, &request).await;
}

pub(super) async fn max_age_1(mode: Mode) {
    let (mut suite, first) = signed_in(mode, 2).await;
    let request = suite.request(&suite.first()).with("max_age", "1");
    asked_again(&mut suite, &first, &request).await;
}

pub(super) async fn max_age_10000(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client).with("max_age", "15000");
    let first = suite.complete(&client, &request).await;
    suite.app.advance(Duration::from_secs(1));
    let request = suite.request(&client).with("max_age", "10000");
    let second = suite.complete_at_once(&client, &request).await;
    assert_eq!(first.claims["auth_time"], second.claims["auth_time"]);
    same_sign_in(&first, &second);
}

pub(super) async fn prompt_none_not_logged_in(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let request = suite.request(&suite.first()).with("prompt", "none");
    let sent = suite.at_once(&request).await;
    assert_eq!(error(&sent), "login_required");
}

pub(super) async fn prompt_none_logged_in(mode: Mode) {
    let (mut suite, first) = signed_in(mode, 1).await;
    let client = suite.first();
    let request = suite.request(&client).with("prompt", "none");
    same_sign_in(&first, &suite.complete_at_once(&client, &request).await);
}
