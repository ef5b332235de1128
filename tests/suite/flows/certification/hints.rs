//! What a request may say about the page and the person, and what must at least do no harm (OIDC Core, section 15.1).

use super::again::same_sign_in;
use super::suite::{Mode, Suite};

async fn with(mode: Mode, name: &str, value: &str) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client).with(name, value);
    suite.complete(&client, &request).await;
}

pub(super) async fn display_page(mode: Mode) {
    with(mode, "display", "page").await;
}

pub(super) async fn display_popup(mode: Mode) {
    with(mode, "display", "popup").await;
}

pub(super) async fn ui_locales(mode: Mode) {
    with(mode, "ui_locales", "se").await;
}

pub(super) async fn claims_locales(mode: Mode) {
    with(mode, "claims_locales", "se").await;
}

/// Without a person of the suite's own it is one that nobody is.
pub(super) async fn login_hint(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client).with("login_hint", "buffy@login.test");
    let tx = suite.browser.begin(&request.authorize()).await;
    let page = suite.browser.get(&format!("/sign-in?tx={tx}")).await;
    assert!(page.attributes("value").contains(&"buffy@login.test".to_owned()), "{}", page.said());
    suite.complete(&client, &request).await;
}

pub(super) async fn id_token_hint(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let first = suite.complete(&client, &suite.request(&client)).await;
    let hint = first.tokens.id.as_deref().unwrap();
    let request = suite.request(&client).with("prompt", "none").with("id_token_hint", hint);
    same_sign_in(&first, &suite.complete_at_once(&client, &request).await);
}
