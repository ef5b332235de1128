//! Clients that were registered by command, in whole flows: they sign people in, get new secrets and other settings, are
//! removed and come again.

use std::time::Duration;

use flybridge::domain::client::{AccessTokenFormat, Client, Subject};
use flybridge::services::clients::Registrations;

use crate::clients::{operator, settings};
use crate::support::app::TestApp;
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Rp, Tokens, refused};

const ID: &str = "newcomer";

fn registrations(app: &TestApp) -> Registrations {
    Registrations::new(app.store.clone())
}

/// Registers a client by the book, and has the node look.
async fn register(app: &TestApp) -> Rp {
    let added = registrations(app).add(settings(ID, &[]), &operator()).await.unwrap();
    look(app).await;
    Rp::new(app, ID).knowing(added.1.unwrap().expose())
}

async fn rotate(app: &TestApp, overlap: Duration) -> Rp {
    let rotated = registrations(app).rotate_secret(&ID.parse().unwrap(), overlap, &operator()).await.unwrap();
    look(app).await;
    Rp::new(app, ID).knowing(rotated.1.expose())
}

/// Changes settings, and has the node look.
async fn change(app: &TestApp, change: impl FnOnce(Client) -> Client) {
    let entry = registrations(app).find(&ID.parse().unwrap()).await.unwrap().unwrap();
    let settings = change(entry.value.settings.clone());
    registrations(app).change(&entry, settings, &operator()).await.unwrap();
    look(app).await;
}

async fn remove(app: &TestApp) {
    registrations(app).remove(&ID.parse().unwrap(), &operator()).await.unwrap();
    look(app).await;
}

/// What the node does every few seconds.
async fn look(app: &TestApp) {
    app.program.app.clients.refresh().await.unwrap();
}

/// A code that was not redeemed, and tokens of another sign-in.
async fn granted(client: &Rp, browser: &mut Browser) -> (String, Tokens) {
    let tokens = client.tokens(browser, "leo").await;
    let code = browser.get(&client.authorize()).await.sent_back()["code"].clone();
    (code, tokens)
}

/// Nothing that was given opens anything.
async fn all_dead(client: &Rp, tokens: &Tokens) {
    assert_eq!(client.userinfo(&tokens.access).await.status, 401);
    assert_eq!(client.info(&tokens.access).await.status, 401);
}

#[tokio::test]
async fn a_registered_client_signs_people_in_until_it_is_removed() {
    let app = TestApp::new().await;
    let stranger = Rp::new(&app, ID);
    assert_eq!(app.browser().get(&stranger.authorize()).await.status, 400, "nobody knows it yet");
    let client = register(&app).await;
    let mut browser = app.browser();
    let (code, tokens) = granted(&client, &mut browser).await;
    assert_eq!(client.userinfo(&tokens.access).await.status, 200);
    assert_eq!(client.info(&tokens.access).await.json()["application"]["uid"], ID);
    let tokens = Tokens::of(&client.refresh(tokens.refresh()).await);
    assert_eq!(client.introspect(&tokens.access).await.json()["active"], true);

    remove(&app).await;

    let page = browser.get(&client.authorize()).await;
    assert!(page.status == 400 && page.text().contains("not registered here"), "{}", page.said());
    for answer in [
        client.redeem(&code).await,
        client.refresh(tokens.refresh()).await,
        client.introspect(&tokens.access).await,
        client.give_back(&tokens.access).await,
    ] {
        refused(&answer, 401, "invalid_client");
    }
    all_dead(&client, &tokens).await;
    let hint = tokens.id.as_deref().unwrap();
    let logout = browser.get(&format!("/oauth/logout?id_token_hint={hint}")).await;
    assert!(logout.status == 400 && logout.text().contains("not registered here"), "{}", logout.said());
    assert!(browser.is_signed_in().await, "the person is not the client");
}

#[tokio::test]
async fn a_client_that_is_registered_again_gets_nothing_of_what_it_was_given_before() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let before = register(&app).await;
    let (code, tokens) = granted(&before, &mut browser).await;
    remove(&app).await;
    let after = register(&app).await;
    assert_ne!(before.secret, after.secret);

    all_dead(&after, &tokens).await;
    for token in [&tokens.access, tokens.refresh()] {
        assert_eq!(after.introspect(token).await.json()["active"], false);
    }
    refused(&after.redeem(&code).await, 400, "invalid_grant");
    refused(&after.refresh(tokens.refresh()).await, 400, "invalid_grant");
    refused(&before.redeem(&code).await, 401, "invalid_client");

    let (_, own) = granted(&after, &mut app.browser()).await;
    assert_eq!(after.userinfo(&own.access).await.status, 200);
    Tokens::of(&after.refresh(own.refresh()).await);
}

#[tokio::test]
async fn a_code_asked_for_by_one_who_was_there_before_is_of_no_use_to_the_one_who_came_after() {
    let app = TestApp::new().await;
    let before = register(&app).await;
    let mut browser = app.browser();
    let code = before.code(&mut browser, "leo").await;
    let added = {
        registrations(&app).remove(&ID.parse().unwrap(), &operator()).await.unwrap();
        registrations(&app).add(settings(ID, &[]), &operator()).await.unwrap()
    };
    // This node has not looked: it still gives out codes in the name of the first.
    let late = browser.get(&before.authorize()).await.sent_back()["code"].clone();
    look(&app).await;
    let after = Rp::new(&app, ID).knowing(added.1.unwrap().expose());
    for code in [code, late] {
        refused(&after.redeem(&code).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn both_secrets_are_good_during_the_overlap_and_only_the_new_one_after_it() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let old = register(&app).await;
    let mut tokens = old.tokens(&mut browser, "leo").await;
    let new = rotate(&app, Duration::from_hours(1)).await;
    for client in [&old, &new] {
        tokens = Tokens::of(&client.refresh(tokens.refresh()).await);
    }
    // No look in between: the time alone decides.
    app.advance(Duration::from_hours(1));
    refused(&old.refresh(tokens.refresh()).await, 401, "invalid_client");
    tokens = Tokens::of(&new.refresh(tokens.refresh()).await);

    let newest = rotate(&app, Duration::ZERO).await;
    refused(&new.refresh(tokens.refresh()).await, 401, "invalid_client");
    Tokens::of(&newest.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn a_sign_in_under_way_ends_when_its_client_is_removed() {
    let app = TestApp::new().await;
    let client = register(&app).await;
    let mut browser = app.browser();
    let tx = browser.begin(&client.authorize()).await;
    remove(&app).await;
    let answer = browser.fly(&tx, "leo").await;
    assert!(!answer.header("location").starts_with("https://rp.test/"), "{}", answer.header("location"));
    assert_eq!(answer.status, 400, "{}", answer.said());
    assert_eq!(answer.heading(), "This sign-in has run out");
}

#[tokio::test]
async fn the_store_holds_no_secret() {
    let app = TestApp::new().await;
    let (first, second) = (register(&app).await, rotate(&app, Duration::from_hours(1)).await);
    first.tokens(&mut app.browser(), "leo").await;
    second.tokens(&mut app.browser(), "leo").await;
    let dump = app.dump();
    let kept = dump.named("client/");
    assert_eq!(kept.len(), 1);
    assert!(kept[0].1.contains("https://rp.test/cb"), "it is the one: {kept:?}");
    for (name, value) in dump.named("") {
        for secret in [&first.secret, &second.secret] {
            assert!(!value.contains(secret.as_str()) && !name.contains(secret.as_str()), "{name}");
        }
    }
}

#[tokio::test]
async fn other_settings_count_from_the_next_look_and_what_was_given_goes_on() {
    let app = TestApp::new().await;
    let client = register(&app).await;
    let mut browser = app.browser();
    let (code, tokens) = granted(&client, &mut browser).await;
    change(&app, |settings| {
        let name = "Tideline".to_owned();
        Client { name, access_token_format: AccessTokenFormat::Jwt, require_par: true, ..settings }
    })
    .await;
    assert_eq!(client.userinfo(&tokens.access).await.status, 200, "what it has stays good");
    let after = Tokens::of(&client.refresh(tokens.refresh()).await);
    assert!(!tokens.access.starts_with("eyJ") && after.access.starts_with("eyJ"), "{}", after.access);
    Tokens::of(&client.redeem(&code).await);
    assert_eq!(browser.get(&client.authorize()).await.sent_back()["error"], "invalid_request");
    let pushed = client.pushed(&client.push(&client.request()).await);
    let code = browser.get(&pushed.authorize()).await.sent_back()["code"].clone();
    Tokens::of(&client.redeem(&code).await);
}

#[tokio::test]
async fn an_address_that_is_gone_gets_nobody_back_and_no_code_for_it_is_good() {
    let app = TestApp::new().await;
    let client = register(&app).await;
    let mut browser = app.browser();
    let (code, tokens) = granted(&client, &mut browser).await;
    let mut late = app.browser();
    let under_way = late.begin(&client.authorize()).await;
    let pushed = client.pushed(&client.push(&client.request()).await);
    let moved = |uri: &'static str| move |settings| Client { redirect_uris: vec![uri.to_owned()], ..settings };
    change(&app, moved("https://rp.test/elsewhere")).await;

    refused(&client.redeem(&code).await, 400, "invalid_grant");
    for answer in [
        late.fly(&under_way, "leo").await,
        browser.get(&pushed.authorize()).await,
        browser.get(&client.authorize()).await,
    ] {
        assert_eq!(answer.status, 400, "{}", answer.said());
        assert!(answer.header("location").is_empty(), "{}", answer.header("location"));
    }
    Tokens::of(&client.refresh(tokens.refresh()).await);
    // Whoever took it away by mistake loses nothing.
    change(&app, moved("https://rp.test/cb")).await;
    Tokens::of(&client.redeem(&code).await);
}

#[tokio::test]
async fn what_people_are_known_by_is_another_at_once_and_sub_stays() {
    let app = TestApp::new().await;
    let client = register(&app).await;
    let (_, tokens) = granted(&client, &mut app.browser()).await;
    let leo = app.user("leo").await;
    let told = async || client.info(&tokens.access).await.json();
    let before = told().await;
    assert_eq!((&before["user_id"], &before["sub"]), (&leo.id.as_str().into(), &leo.id.as_str().into()));
    change(&app, |settings| Client { subject: Subject::FlyUserId, ..settings }).await;
    let after = told().await;
    assert_eq!((&after["user_id"], &after["sub"]), (&leo.fly_id.to_string().into(), &leo.id.as_str().into()));
}

#[tokio::test]
async fn a_client_goes_over_from_its_secret_to_keys_and_back_with_all_its_tokens() {
    let app = TestApp::new().await;
    let client = register(&app).await;
    let (_, tokens) = granted(&client, &mut app.browser()).await;
    let signs = settings(ID, &[("token_auth", "private_key_jwt"), ("jwks", KEYS)]);
    change(&app, |_| signs).await;
    refused(&client.refresh(tokens.refresh()).await, 401, "invalid_client");
    assert_eq!(client.userinfo(&tokens.access).await.status, 200);

    let entry = registrations(&app).find(&ID.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(entry.value.secrets, [], "nothing that nobody can use is kept");
    let (_, secret) = registrations(&app).change(&entry, settings(ID, &[]), &operator()).await.unwrap();
    look(&app).await;
    refused(&client.refresh(tokens.refresh()).await, 401, "invalid_client");
    let after = client.knowing(secret.expect("it has none yet").expose());
    Tokens::of(&after.refresh(tokens.refresh()).await);
}

/// RFC 7517, appendix A.1.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
