//! Who is asked, and when not again.

use flybridge::domain::consent::Permission;

use super::{LEAST, Outside, allow, asked, asked_at_once, at_once, path, redeemed};
use crate::support::app::ISSUER;
use crate::support::relying_party::{Parameters, STATE};

#[tokio::test]
async fn the_person_is_told_what_it_learns_before_the_code_leaves() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let mut browser = app.browser();
    let tx = browser.begin(&outside.outside().authorize()).await;
    let page = browser.fly(&tx, "jun").await;
    assert_eq!(page.status, 200, "{}", page.said());
    assert_eq!(page.element("consent-client").as_deref(), Some("Tideline outside"));
    assert_eq!(page.element("consent-site").as_deref(), Some("rp.test"));
    assert_eq!(page.element("consent-person").as_deref(), Some("Jun Park"));
    let items = page.element("consent-items").unwrap();
    let words = ["an id that stands for you", "Jun Park", &app.address("jun")];
    for words in words.into_iter().chain(["Saltmarsh Labs (member)", "Harbour Tools (member)"]) {
        assert!(items.contains(words), "{words} in {items}");
    }
    assert!(page.shows("consent-while-away") && !page.text().contains("(new)"));
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(app.dump().named("grant").is_empty() && app.dump().named("consent/").is_empty());

    // Loaded again, as often as you like.
    let before = app.dump();
    for _ in 0..3 {
        let again = browser.get(&path(&tx)).await;
        assert_eq!((again.status, again.hidden("told")), (page.status, page.hidden("told")));
    }
    assert_eq!(app.dump(), before);
    let sent = allow(&mut browser, &tx).await.sent_back();
    assert_eq!((sent["state"].as_str(), sent["iss"].as_str()), (STATE, ISSUER));
    assert!(browser.cookie(&format!("fb_tx_{tx}")).is_none(), "the sign-in is over");
    assert_eq!(browser.get(&path(&tx)).await.status, 400, "with the back button there is nothing more to allow");
}

#[tokio::test]
async fn who_asks_for_little_says_so() {
    let outside = Outside::new().await;
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &outside.outside().request().with("scope", LEAST), "ines").await;
    let page = browser.get(&path(&tx)).await;
    let items = page.element("consent-items").unwrap();
    assert!(!items.contains("Ines") && !items.contains(&outside.app.address("ines")), "{items}");
    assert!(!items.contains("Saltmarsh") && !page.shows("consent-while-away"), "{items}");
}

#[tokio::test]
async fn it_is_asked_once_and_remembered() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let (mut browser, tokens) = outside.allowed(&client, "ines").await;
    assert_eq!(client.userinfo(&tokens.access).await.json()["email"], outside.app.address("ines"));
    let kept = outside.kept("ines", &client).await.unwrap();
    let all =
        [Permission::Identity, Permission::Name, Permission::Email, Permission::Organizations, Permission::WhileAway];
    assert_eq!(kept.allowed, all.into());
    assert_eq!((kept.name.as_str(), kept.given_at), ("Tideline outside", outside.app.store.now()));

    // Here and in another browser, for the same and for less, also in a frame that nobody sees.
    at_once(&mut browser, &client, &client.request()).await;
    client.tokens(&mut outside.app.browser(), "ines").await;
    for scope in [LEAST, "openid email"] {
        let silent = client.request().with("scope", scope).with("prompt", "none");
        at_once(&mut browser, &client, &silent).await;
    }
    assert_eq!(outside.kept("ines", &client).await.unwrap(), kept);
    // Nobody else has said anything, and nothing was said to another client.
    asked(&mut outside.app.browser(), &client.request(), "leo").await;
    asked_at_once(&mut browser, &outside.own_page().request()).await;
}

#[tokio::test]
async fn nobody_is_asked_about_the_operators_own() {
    let outside = Outside::new().await;
    let app = &outside.app;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    for client in [app.standard(), app.sentry(), app.sentry_oidc()] {
        for prompt in ["", "none", "consent"] {
            at_once(&mut browser, &client, &client.request().with("prompt", prompt)).await;
        }
    }
    assert!(app.dump().named("consent/").is_empty());
}

#[tokio::test]
async fn prompt_none_without_a_consent_is_consent_required() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let silent = |scope: &str| client.request().with("prompt", "none").with("scope", scope);
    let mut browser = outside.app.browser();
    let sent = browser.get(&silent(LEAST).authorize()).await.sent_back();
    assert_eq!(sent["error"], "login_required", "who it would be comes first");
    browser.sign_in_with_fly("ines").await;
    let before = outside.app.dump();
    let sent = browser.get(&silent(LEAST).authorize()).await.sent_back();
    assert_eq!((sent["error"].as_str(), sent["state"].as_str()), ("consent_required", STATE));
    assert_eq!(outside.app.dump(), before);

    let tx = asked_at_once(&mut browser, &client.request().with("scope", "openid email")).await;
    allow(&mut browser, &tx).await.sent_back();
    assert!(browser.get(&silent("openid email").authorize()).await.sent_back().contains_key("code"));
    for more in ["openid profile", "openid email organizations", "openid offline_access"] {
        assert_eq!(browser.get(&silent(more).authorize()).await.sent_back()["error"], "consent_required", "{more}");
    }
    let claim = silent(LEAST).with("claims", r#"{"userinfo":{"name":null}}"#);
    assert_eq!(browser.get(&claim.authorize()).await.sent_back()["error"], "consent_required");
    let known = silent(LEAST).with("claims", r#"{"userinfo":{"email":{"essential":true}}}"#);
    assert!(browser.get(&known.authorize()).await.sent_back().contains_key("code"), "allowed by its scope");
    // A client whose errors would bring it back at once gets a page.
    let page = browser.get(&outside.own_page().request().with("prompt", "none").authorize()).await;
    assert!(page.status == 400 && page.text().contains("consent_required"), "{}", page.said());
}

#[tokio::test]
async fn more_is_asked_and_marked_and_adds_to_what_was_allowed() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let least = client.request().with("scope", "openid offline_access");
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &least, "ines").await;
    let first = redeemed(&client, &allow(&mut browser, &tx).await).await;
    let before = outside.kept("ines", &client).await.unwrap();

    let tx = asked_at_once(&mut browser, &client.request().with("scope", "openid email")).await;
    let page = browser.get(&path(&tx)).await;
    let text = page.element("consent-items").unwrap();
    assert_eq!(text.matches("(new)").count(), 1, "{text}");
    assert!(page.text().contains("since 15 January 2027"), "{}", page.text());
    redeemed(&client, &allow(&mut browser, &tx).await).await;
    let after = outside.kept("ines", &client).await.unwrap();
    assert_eq!((&after.id, after.given_at), (&before.id, before.given_at));
    assert!(after.allowed.contains(&Permission::Email) && after.allowed.contains(&Permission::WhileAway));
    assert_eq!(client.userinfo(&first.access).await.status, 200, "what it had goes on");
    client.refresh(first.refresh()).await.json()["access_token"].as_str().unwrap();
}

#[tokio::test]
async fn access_while_away_is_asked_for_without_prompt_consent_too() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let online = client.request().with("scope", LEAST);
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &online, "ines").await;
    assert_eq!(redeemed(&client, &allow(&mut browser, &tx).await).await.refresh, None);
    let away = client.request().with("scope", "openid offline_access");
    let tx = asked_at_once(&mut browser, &away).await;
    let page = browser.get(&path(&tx)).await;
    assert!(page.element("consent-while-away").unwrap().contains("(new)"), "{}", page.said());
    assert!(redeemed(&client, &allow(&mut browser, &tx).await).await.refresh.is_some());
    assert!(at_once(&mut browser, &client, &away).await.refresh.is_some(), "as it was allowed by name");
}

#[tokio::test]
async fn prompt_consent_asks_once_more() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let (mut browser, tokens) = outside.allowed(&client, "ines").await;
    let kept = outside.kept("ines", &client).await;
    let tx = asked_at_once(&mut browser, &client.request().with("prompt", "consent")).await;
    let page = browser.get(&path(&tx)).await;
    assert!(page.text().contains("once more") && !page.text().contains("(new)"), "{}", page.said());
    redeemed(&client, &allow(&mut browser, &tx).await).await;
    assert_eq!(outside.kept("ines", &client).await, kept);

    let both = client.request().with("prompt", "login consent");
    let tx = asked(&mut browser, &both, "ines").await;
    redeemed(&client, &allow(&mut browser, &tx).await).await;
    assert_eq!(client.userinfo(&tokens.access).await.status, 200);
    let sent = browser.get(&client.request().with("prompt", "none consent").authorize()).await.sent_back();
    assert_eq!(sent["error"], "invalid_request");
}

#[tokio::test]
async fn after_our_form_a_page_leads_on_to_the_application() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &client.request(), "ines").await;
    let second = asked_at_once(&mut browser, &client.request()).await;
    let answer = allow(&mut browser, &tx).await;
    assert!(answer.status == 200 && answer.shows("go-on"), "{}", answer.said());
    redeemed(&client, &answer).await;
    // The other tab need not be asked any more, though a form of ours may have led there.
    let answer = browser.get(&path(&second)).await;
    assert!(answer.status == 200 && answer.shows("go-on"), "{}", answer.said());
    redeemed(&client, &answer).await;
}

#[tokio::test]
async fn with_a_password_and_as_a_form_too() {
    let outside = Outside::new().await;
    let (app, client) = (&outside.app, outside.outside());
    app.leave().await;
    let mut browser = app.browser();
    let request: Parameters = client.request().with("response_mode", "form_post");
    let tx = browser.begin(&request.authorize()).await;
    let email = app.address("bram");
    let page = browser.password(&tx, &email, flybridge::demo::world::BRAMS_PASSWORD).await;
    assert!(page.shows("consent-form"), "{}", page.said());
    let (place, fields) = allow(&mut browser, &tx).await.posted();
    assert_eq!((place.as_str(), fields["state"].as_str()), ("https://rp.test/cb", STATE));
    assert_eq!(client.redeem(&fields["code"]).await.status, 200);
}
