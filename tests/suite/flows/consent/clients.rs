//! Clients that change: registered anew under the same id, no longer the operator's own, gone; and what they learn by other
//! doors.

use flybridge::domain::client::{Client, Subject};
use flybridge::services::clients::Registrations;

use super::{LEAST, Outside, allow, asked, asked_at_once, at_once, path, redeemed};
use crate::clients::{operator, settings};
use crate::support::app::TestApp;
use crate::support::relying_party::{Rp, Tokens, refused};

const ID: &str = "newcomer";

async fn register(app: &TestApp, first_party: &str) -> Rp {
    register_with(app, &[("first_party", first_party)]).await
}

async fn register_with(app: &TestApp, options: &[(&str, &str)]) -> Rp {
    let settings = settings(ID, options);
    let added = Registrations::new(app.store.clone()).add(settings, &operator()).await.unwrap();
    app.program.app.clients.refresh().await.unwrap();
    Rp::new(app, ID).knowing(added.1.as_ref().unwrap().expose())
}

async fn unregister(app: &TestApp) {
    Registrations::new(app.store.clone()).remove(&ID.parse().unwrap(), &operator()).await.unwrap();
    app.program.app.clients.refresh().await.unwrap();
}

/// The operator makes the client their own, or says that it is not.
async fn change(app: &TestApp, first_party: bool) {
    change_to(app, |settings| Client { first_party, ..settings }).await;
}

async fn change_to(app: &TestApp, change: impl FnOnce(Client) -> Client) {
    let registrations = Registrations::new(app.store.clone());
    let entry = registrations.find(&ID.parse().unwrap()).await.unwrap().unwrap();
    let settings = change(entry.value.settings.clone());
    registrations.change(&entry, settings, &operator()).await.unwrap();
    app.program.app.clients.refresh().await.unwrap();
}

#[tokio::test]
async fn another_one_of_the_same_id_is_asked_about_anew() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let first = register(app, "false").await;
    let (mut browser, tokens) = outside.allowed(&first, "ines").await;
    let before = outside.kept("ines", &first).await.unwrap();
    unregister(app).await;
    let page = browser.get("/account/applications").await;
    assert!(page.text().contains("no longer registered here"), "{}", page.said());

    let second = register(app, "false").await;
    assert_eq!(
        browser.get(&second.request().with("prompt", "none").authorize()).await.sent_back()["error"],
        "consent_required"
    );
    assert!(
        browser.get("/account/applications").await.text().contains("no longer registered here"),
        "that was the first"
    );
    let tx = asked_at_once(&mut browser, &second.request().with("scope", LEAST)).await;
    assert!(!browser.get(&path(&tx)).await.text().contains("(new)"), "nothing was allowed to this one");
    redeemed(&second, &allow(&mut browser, &tx).await).await;
    let after = outside.kept("ines", &second).await.unwrap();
    assert!(after.id != before.id && after.registration != before.registration);
    assert_eq!(after.allowed.len(), 1, "what the first was allowed is not among it");
    assert_eq!(second.userinfo(&tokens.access).await.status, 401);
}

#[tokio::test]
async fn taking_back_what_the_one_before_was_allowed_signs_nobody_out_of_the_one_after() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let first = register(app, "false").await;
    let (mut browser, _) = outside.allowed(&first, "ines").await;
    unregister(app).await;
    let second = register_with(app, &[("first_party", "true"), ("backchannel_logout_uri", &outside.heard.url)]).await;
    let tokens = at_once(&mut browser, &second, &second.request()).await;
    super::remove(&mut browser, &second).await;
    assert_eq!(outside.kept("ines", &second).await, None);
    app.work().await;
    assert!(outside.heard.heard().is_empty());
    assert_eq!(second.userinfo(&tokens.access).await.status, 200);
}

#[tokio::test]
async fn a_setting_that_gives_more_than_was_allowed_ends_what_was_given() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let client = register(app, "false").await;
    let request = client.request().with("scope", LEAST);
    let mut browser = app.browser();
    let tx = asked(&mut browser, &request, "ines").await;
    let tokens = redeemed(&client, &allow(&mut browser, &tx).await).await;
    assert_eq!(client.userinfo(&tokens.access).await.status, 200);
    change_to(app, |settings| Client { always_refresh_token: true, ..settings }).await;
    assert_eq!(client.userinfo(&tokens.access).await.status, 401);

    let tx = asked_at_once(&mut browser, &request).await;
    let away = browser.get(&path(&tx)).await.element("consent-while-away").unwrap();
    assert!(away.contains("(new)"), "{away}");
    let tokens = redeemed(&client, &allow(&mut browser, &tx).await).await;
    assert_eq!(client.userinfo(&tokens.access).await.status, 200);
}

#[tokio::test]
async fn the_page_says_who_may_go_on_taking_tokens_that_are_checked_elsewhere() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let client = register_with(app, &[("first_party", "false"), ("access_token_format", "jwt")]).await;
    let (mut browser, _) = outside.allowed(&client, "ines").await;
    let page = browser.get("/account/applications").await;
    assert!(page.text().contains("may go on taking what it holds for up to "), "{}", page.said());
    outside.allowed(&outside.outside(), "ines").await;
    super::remove(&mut browser, &client).await;
    let page = browser.get("/account/applications").await;
    assert!(!page.text().contains("may go on taking"), "{}", page.said());
}

#[tokio::test]
async fn a_page_of_the_one_before_allows_the_one_after_nothing() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let first = register(app, "false").await;
    let mut browser = app.browser();
    let tx = asked(&mut browser, &first.request(), "ines").await;
    let told = browser.get(&path(&tx)).await.hidden("told").unwrap();
    unregister(app).await;
    let second = register(app, "false").await;
    let page = browser.post_form(&path(&tx), &[("told", &told), ("answer", "allow")]).await;
    assert!(page.shows("consent-form"), "{}", page.said());
    assert_eq!(outside.kept("ines", &second).await, None);
}

#[tokio::test]
async fn what_was_given_to_the_operators_own_ends_when_it_no_longer_is() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let client = register(app, "true").await;
    let mut browser = app.browser();
    let unasked = client.tokens(&mut browser, "ines").await;
    change(app, false).await;
    assert_eq!(client.userinfo(&unasked.access).await.status, 401);
    assert_eq!(client.introspect(unasked.refresh()).await.json()["active"], false);

    let tx = asked_at_once(&mut browser, &client.request()).await;
    let allowed = redeemed(&client, &allow(&mut browser, &tx).await).await;
    change(app, true).await;
    let own = at_once(&mut browser, &client, &client.request()).await;
    assert_eq!(client.userinfo(&allowed.access).await.status, 200);
    super::remove(&mut browser, &client).await;
    assert_eq!(client.userinfo(&allowed.access).await.status, 401, "taken back is taken back");
    refused(&client.refresh(allowed.refresh()).await, 400, "invalid_grant");
    Tokens::of(&client.refresh(own.refresh()).await);
}

#[tokio::test]
async fn what_was_given_to_the_operators_own_does_not_come_to_life_again() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let client = register(app, "true").await;
    let unasked = client.tokens(&mut app.browser(), "ines").await;
    change(app, false).await;
    change(app, true).await;
    assert_eq!(client.userinfo(&unasked.access).await.status, 401);
    refused(&client.refresh(unasked.refresh()).await, 400, "invalid_grant");
}

#[tokio::test]
async fn the_id_at_fly_io_is_told_to_nobody_who_was_not_allowed_it() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let client = register(app, "false").await;
    change_to(app, |settings| Client { require_openid: false, ..settings }).await;
    let mut browser = app.browser();
    let request = client.request().with("scope", "read offline_access");
    let tx = asked(&mut browser, &request, "ines").await;
    let tokens = redeemed(&client, &allow(&mut browser, &tx).await).await;
    let before = outside.kept("ines", &client).await.unwrap();
    assert_eq!(client.info(&tokens.access).await.json()["user_id"], app.user("ines").await.id.as_str());

    change_to(app, |settings| Client { subject: Subject::FlyUserId, ..settings }).await;
    assert_eq!(client.info(&tokens.access).await.status, 401);
    refused(&client.refresh(tokens.refresh()).await, 400, "invalid_grant");
    let tx = asked_at_once(&mut browser, &request).await;
    let tokens = redeemed(&client, &allow(&mut browser, &tx).await).await;
    assert_ne!(outside.kept("ines", &client).await.unwrap().id, before.id);
    assert_eq!(client.info(&tokens.access).await.json()["user_id"], app.user("ines").await.fly_id.to_string());

    // Less is told from here on, which nobody has to be asked about.
    change_to(app, |settings| Client { subject: Subject::UserId, ..settings }).await;
    assert_eq!(client.info(&tokens.access).await.json()["user_id"], app.user("ines").await.id.as_str());
}

#[tokio::test]
async fn no_other_door_tells_what_was_not_allowed() {
    let outside = Outside::new().await;
    let client = outside.own_page();
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &client.request().with("scope", LEAST), "ines").await;
    let tokens = redeemed(&client, &allow(&mut browser, &tx).await).await;
    let info = client.info(&tokens.access).await;
    refused(&info, 403, "insufficient_scope");
    assert!(info.header("www-authenticate").contains("scope=\"read\""), "{}", info.header("www-authenticate"));
    let told = client.userinfo(&tokens.access).await.json();
    assert_eq!(told.as_object().unwrap().len(), 1, "{told}");
    assert!(client.introspect(&tokens.access).await.json().get("organizations").is_none());

    let tx = asked_at_once(&mut browser, &client.request().with("scope", "read")).await;
    let items = browser.get(&path(&tx)).await.element("consent-items").unwrap();
    for told in ["Ines Marlow", &outside.app.address("ines"), "Saltmarsh Labs (admin)"] {
        assert!(items.contains(told), "{told} in {items}");
    }
    let tokens = redeemed(&client, &allow(&mut browser, &tx).await).await;
    let info = client.info(&tokens.access).await.json();
    assert_eq!(info["email"], outside.app.address("ines"));
    assert_eq!(client.introspect(&tokens.access).await.json()["organizations"][0]["slug"], "saltmarsh-labs");
}
