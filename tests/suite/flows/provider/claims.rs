//! Claims that a client asks for by their names, with the parameter `claims`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::relying_party::{Parameters, Rp, STATE, Tokens};

/// A request for `scope`, with `claims`.
fn request(rp: &Rp, scope: &str, claims: &Value) -> Parameters {
    rp.request().with("scope", scope).and("claims", &claims.to_string())
}

/// What somebody's sign-in for it gives.
async fn tokens(app: &TestApp, rp: &Rp, request: &Parameters, who: &str) -> Tokens {
    let code = rp.code_for(&mut app.browser(), request, who).await;
    Tokens::of(&rp.redeem(&code).await)
}

/// The claims about the person among all of an `id_token`.
fn about_person(id_token: &Value) -> Vec<&str> {
    let person = ["name", "email", "email_verified", "organizations"];
    id_token.as_object().unwrap().keys().map(String::as_str).filter(|name| person.contains(name)).collect()
}

#[tokio::test]
async fn userinfo_tells_what_is_asked_for_there_and_the_id_token_does_not() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let organizations = json!([{
        "id": app.organization("saltmarsh-labs").as_str(), "slug": "saltmarsh-labs", "name": "Saltmarsh Labs",
        "role": "admin",
    }]);
    let told = [
        ("name", json!("Ines Marlow")),
        ("email", json!(app.address("ines"))),
        ("email_verified", json!(true)),
        ("organizations", organizations),
    ];
    let sub = app.user("ines").await.id.to_string();
    for (name, value) in told {
        let asked = json!({"userinfo": {name: {"essential": true}, "phone_number": null}});
        let tokens = tokens(&app, &standard, &request(&standard, "openid", &asked), "ines").await;
        assert_eq!(standard.userinfo(&tokens.access).await.json(), json!({"sub": sub, name: value}));
        assert!(about_person(&tokens.claims()).is_empty(), "{name}: {}", tokens.claims());
        assert_eq!(tokens.json["scope"], "openid");
    }
    let asked = json!({"userinfo": {"name": null}});
    let tokens = tokens(&app, &standard, &request(&standard, "openid email", &asked), "ines").await;
    let person = standard.userinfo(&tokens.access).await.json();
    assert_eq!(about_person(&person), ["email", "email_verified", "name"], "beside those of the scope");
}

#[tokio::test]
async fn the_id_token_tells_what_is_asked_for_there_and_userinfo_does_not() {
    let app = TestApp::new().await;
    let (standard, plug_in) = (app.standard(), app.sentry_oidc());
    let asked = json!({"id_token": {"name": null, "organizations": {"essential": false}}});
    let by_the_book = tokens(&app, &standard, &request(&standard, "openid email", &asked), "ines").await;
    let claims = by_the_book.claims();
    assert_eq!(about_person(&claims), ["name", "organizations"], "a scope's stand in userinfo alone");
    assert_eq!(
        (&claims["name"], &claims["organizations"][0]["slug"]),
        (&json!("Ines Marlow"), &json!("saltmarsh-labs"))
    );
    let person = standard.userinfo(&by_the_book.access).await.json();
    assert_eq!(about_person(&person), ["email", "email_verified"]);

    let claims = tokens(&app, &plug_in, &request(&plug_in, "openid email", &asked), "ines").await.claims();
    assert_eq!(about_person(&claims), ["email", "email_verified", "name", "organizations"]);
}

#[tokio::test]
async fn auth_time_is_told_when_it_is_asked_for() {
    let app = TestApp::new().await;
    let standard = app.standard();
    for asked in [json!({"auth_time": null}), json!({"auth_time": {"essential": true}})] {
        let claims = tokens(&app, &standard, &request(&standard, "openid", &json!({"id_token": asked})), "ines")
            .await
            .claims();
        assert_eq!(claims["auth_time"], 1_800_000_000);
    }
    for asked in [json!({"userinfo": {"auth_time": null}}), json!({"id_token": {"auth_time": true}})] {
        let claims = tokens(&app, &standard, &request(&standard, "openid", &asked), "ines").await.claims();
        assert!(claims.get("auth_time").is_none(), "{asked}");
    }
}

#[tokio::test]
async fn what_is_asked_for_is_told_after_a_refresh_as_well() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let asked = json!({"userinfo": {"organizations": null}, "id_token": {"name": null, "auth_time": null}});
    let first = tokens(&app, &standard, &request(&standard, "openid email offline_access", &asked), "ines").await;
    app.advance(Duration::from_hours(1));
    let second = Tokens::of(&standard.refresh(first.refresh()).await);
    let claims = second.claims();
    assert_eq!((&claims["name"], &claims["auth_time"]), (&json!("Ines Marlow"), &json!(1_800_000_000)));
    let narrow = Tokens::of(&standard.token(Rp::refreshment(second.refresh()).and("scope", "openid")).await);
    for (tokens, person) in
        [(second, &["email", "email_verified", "organizations"][..]), (narrow, &["organizations"])]
    {
        assert_eq!(about_person(&standard.userinfo(&tokens.access).await.json()), person);
        assert_eq!(about_person(&tokens.claims()), ["name"], "no scope gave it, so a narrower one does not take it");
    }
}

#[tokio::test]
async fn what_there_is_none_of_is_omitted_whoever_calls_it_essential() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let essential = json!({"email": {"essential": true}, "email_verified": {"essential": true, "value": true}});
    let asked = json!({"userinfo": essential, "id_token": essential});
    let tokens = tokens(&app, &standard, &request(&standard, "openid", &asked), "noor").await;
    assert!(about_person(&tokens.claims()).is_empty());
    assert!(about_person(&standard.userinfo(&tokens.access).await.json()).is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_never_an_error() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let one = r#"{"userinfo":{"name":null}}"#;
    let deep = "{\"userinfo\":".repeat(300);
    let too_long = format!("{one}{}", " ".repeat(4_097 - one.len()));
    let odd = ["name", "7", "null", "[]", "{", "\u{0}", r#"{"userinfo":["name"],"id_token":1}"#, &deep, &too_long];
    for text in odd {
        let request = standard.request().with("scope", "openid").and("claims", text);
        let tokens = tokens(&app, &standard, &request, "ines").await;
        assert!(about_person(&standard.userinfo(&tokens.access).await.json()).is_empty(), "{text}");
    }
    // Kept while the person signs in, however long it was.
    let request = standard.request().with("scope", "openid").and("claims", &too_long[..4_096]);
    let tokens = tokens(&app, &standard, &request, "ines").await;
    assert_eq!(about_person(&standard.userinfo(&tokens.access).await.json()), ["name"]);
}

#[tokio::test]
async fn without_openid_it_means_nothing() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let jun = app.user("jun").await.id;
    let asked = json!({"userinfo": {"name": null}, "id_token": {"sub": {"value": jun.as_str()}, "auth_time": null}});
    let tokens = tokens(&app, &sentry, &request(&sentry, "read email", &asked), "ines").await;
    assert!(tokens.id.is_none());
    assert_eq!(sentry.userinfo(&tokens.access).await.status, 403);
}

#[tokio::test]
async fn a_subject_is_the_only_person_the_client_takes_back() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    let only = |sub: &str| request(&standard, "openid", &json!({"id_token": {"sub": {"value": sub}}}));
    let ines = app.user("ines").await.id.to_string();
    let jun = app.user("jun").await.id.to_string();
    let sent = browser.get(&only(&ines).with("prompt", "none").authorize()).await.sent_back();
    assert!(sent.contains_key("code"), "{sent:?}");
    for somebody_else in [&jun, "248289761001@elsewhere.example", "u1"] {
        let none = browser.get(&only(somebody_else).with("prompt", "none").authorize()).await.sent_back();
        assert_eq!((none["error"].as_str(), none["state"].as_str()), ("login_required", STATE));
        let tx = browser.begin(&only(somebody_else).authorize()).await;
        let sent = browser.fly(&tx, "ines").await.sent_back();
        assert_eq!((sent["error"].as_str(), sent["state"].as_str()), ("login_required", STATE));
        assert!(!sent.contains_key("code"));
    }
    let code = standard.code_for(&mut browser, &only(&jun), "jun").await;
    assert_eq!(Tokens::of(&standard.redeem(&code).await).claims()["sub"], jun.as_str());
}

#[tokio::test]
async fn a_subject_and_a_hint_that_disagree_leave_nobody() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let hint = standard.tokens(&mut app.browser(), "jun").await.id.unwrap();
    for (sub, who, answer) in [("jun", "jun", "code"), ("ines", "jun", "error"), ("ines", "ines", "error")] {
        let sub = app.user(sub).await.id.to_string();
        let request = request(&standard, "openid", &json!({"id_token": {"sub": {"value": sub}}}));
        let mut browser = app.browser();
        let tx = browser.begin(&request.and("id_token_hint", &hint).authorize()).await;
        let sent = browser.fly(&tx, who).await.sent_back();
        assert!(sent.contains_key(answer), "{who}: {sent:?}");
    }
}

#[tokio::test]
async fn another_person_than_sentry_asks_for_is_told_on_our_own_page() {
    let app = TestApp::new().await;
    let sentry = app.sentry_oidc();
    let jun = app.user("jun").await.id.to_string();
    let request = request(&sentry, "openid email", &json!({"id_token": {"sub": {"value": jun}}}));
    let mut browser = app.browser();
    let tx = browser.begin(&request.authorize()).await;
    let page = browser.fly(&tx, "ines").await;
    assert_eq!(
        (page.status.as_u16(), page.heading().as_str()),
        (403, "Somebody else was asked for"),
        "{}",
        page.said()
    );
    assert_eq!(page.element("error-id").unwrap(), page.header("x-request-id"));
    let again = page.attributes("href").into_iter().find(|link| link.starts_with("/sign-in?")).unwrap();
    assert_eq!(browser.get(&again).await.status, 200);
    assert!(browser.fly(&tx, "jun").await.sent_back().contains_key("code"), "the sign-in goes on");
}
