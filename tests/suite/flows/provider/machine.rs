//! The client credentials grant (RFC 6749, section 4.4): tokens of a client in its own name.

use std::time::Duration;

use flybridge::services::clients::Registrations;
use serde_json::{Value, json};

use super::ring_without;
use crate::clients::{operator, settings};
use crate::support::answer::Answer;
use crate::support::app::{ISSUER, Options, START, TestApp};
use crate::support::relying_party::{Parameters, Rp, Tokens, refused};

const MACHINES: &str = r#"
[[clients]]
id = "machine"
name = "Sentry's back end"
machine_scopes = ["organizations:read", "organizations:disable"]
secret = "the secret of machine"
redirect_uris = ["https://rp.test/cb"]
[[clients]]
id = "reader"
name = "A script"
machine_scopes = ["organizations:read"]
access_token_format = "jwt"
secret = "the secret of reader"
redirect_uris = ["https://rp.test/cb"]
"#;

async fn machines() -> TestApp {
    TestApp::with(Options { config: MACHINES.to_owned(), ..Options::default() }).await
}

async fn ask(client: &Rp, scope: Option<&str>) -> Answer {
    let form = Parameters::of(&[("grant_type", "client_credentials")]);
    client.token(scope.into_iter().fold(form, |form, scope| form.and("scope", scope))).await
}

async fn token(client: &Rp) -> String {
    Tokens::of(&ask(client, None).await).access
}

async fn introspected(client: &Rp, token: &str) -> Value {
    let answer = client.introspect(token).await;
    assert_eq!(answer.status, 200, "{}", answer.said());
    answer.json()
}

#[tokio::test]
async fn a_client_gets_what_it_may_do_or_as_much_as_it_names() {
    let app = machines().await;
    let (machine, reader) = (Rp::new(&app, "machine"), Rp::new(&app, "reader"));
    let both = "organizations:read organizations:disable";
    for (client, asked, scope) in [
        (&machine, None, both),
        (&machine, Some("organizations:disable organizations:read"), both),
        (&machine, Some("organizations:read"), "organizations:read"),
        (&reader, None, "organizations:read"),
    ] {
        let answer = ask(client, asked).await;
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        let tokens = Tokens::of(&answer);
        assert!(tokens.access.starts_with("fbm_"), "opaque, whatever the other tokens of the client are");
        assert_eq!(
            tokens.json,
            json!({
                "access_token": tokens.access,
                "token_type": "Bearer",
                "expires_in": 3_600,
                "scope": scope,
                "created_at": START.as_seconds(),
            })
        );
    }
}

#[tokio::test]
async fn what_a_client_may_not_do_is_refused() {
    let app = machines().await;
    let before = app.dump();
    for client in [app.standard(), app.sentry(), app.sentry_oidc()] {
        for scope in [None, Some("organizations:read"), Some("openid")] {
            refused(&ask(&client, scope).await, 400, "unauthorized_client");
        }
    }
    let reader = Rp::new(&app, "reader");
    for scope in
        ["organizations:disable", "organizations:read openid", "openid", "ORGANIZATIONS:READ", "organizations"]
    {
        refused(&ask(&reader, Some(scope)).await, 400, "invalid_scope");
    }
    refused(&ask(&Rp::new(&app, "machine").knowing("wrong, for sure"), None).await, 401, "invalid_client");
    assert_eq!(app.dump_but_limits(), before);
    // Nor does a person get it for them.
    let standard = Rp::new(&app, "machine");
    let request = standard.request().with("scope", "openid organizations:read organizations:disable");
    let code = standard.code_for(&mut app.browser(), &request, "ines").await;
    assert_eq!(Tokens::of(&standard.redeem(&code).await).json["scope"], "openid");
}

#[tokio::test]
async fn introspection_tells_what_it_stands_for() {
    let app = machines().await;
    let machine = Rp::new(&app, "machine");
    let token = token(&machine).await;
    let now = START.as_seconds();
    let told = json!({
        "active": true,
        "iss": ISSUER,
        "client_id": "machine",
        "sub": "machine",
        "scope": "organizations:read organizations:disable",
        "token_type": "Bearer",
        "iat": now,
        "exp": now + 3_600,
    });
    assert_eq!(introspected(&machine, &token).await, told);
    assert_eq!(introspected(&Rp::new(&app, "reader"), &token).await, json!({"active": false}), "another client's");
    for wrong in [&token[..token.len() - 1], &format!("{token}x"), &token.replacen("fbm", "fba", 1)] {
        assert_eq!(introspected(&machine, wrong).await, json!({"active": false}), "{wrong}");
    }
    app.advance(Duration::from_hours(1));
    assert_eq!(introspected(&machine, &token).await, json!({"active": false}), "expired");
}

#[tokio::test]
async fn it_stands_for_nobody_and_opens_nothing_of_anybody() {
    let app = machines().await;
    let machine = Rp::new(&app, "machine");
    let token = token(&machine).await;
    for path in ["/oauth/userinfo", "/oauth/token/info"] {
        let answer = machine.bearer(path, &token).await;
        refused(&answer, 403, "insufficient_scope");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"flybridge\", error=\"insufficient_scope\"");
    }
    refused(&machine.refresh(&token).await, 400, "invalid_grant");
    refused(&machine.redeem(&token).await, 400, "invalid_grant");
    app.advance(Duration::from_hours(1));
    refused(&machine.userinfo(&token).await, 401, "invalid_token");
}

#[tokio::test]
async fn it_is_given_back_by_its_own_client_alone() {
    let app = machines().await;
    let machine = Rp::new(&app, "machine");
    let [first, second] = [token(&machine).await, token(&machine).await];
    assert_ne!(first, second);
    refused(&Rp::new(&app, "reader").give_back(&first).await, 400, "invalid_grant");
    assert_eq!(introspected(&machine, &first).await["active"], true);
    for _ in 0..2 {
        assert_eq!(machine.give_back(&first).await.status, 200);
    }
    assert_eq!(introspected(&machine, &first).await, json!({"active": false}));
    refused(&machine.userinfo(&first).await, 401, "invalid_token");
    assert_eq!(introspected(&machine, &second).await["active"], true, "the other is another");
}

#[tokio::test]
async fn it_ends_with_the_registration_of_its_client() {
    let app = machines().await;
    let registrations = Registrations::new(app.store.clone());
    let register = async || {
        let settings = settings("newcomer", &[("machine_scopes", "organizations:read")]);
        let added = registrations.add(settings, &operator()).await.unwrap();
        app.program.app.clients.refresh().await.unwrap();
        Rp::new(&app, "newcomer").knowing(added.1.unwrap().expose())
    };
    let token = token(&register().await).await;
    refused(&app.standard().userinfo(&token).await, 403, "insufficient_scope");
    registrations.remove(&"newcomer".parse().unwrap(), &operator()).await.unwrap();
    app.program.app.clients.refresh().await.unwrap();
    refused(&app.standard().userinfo(&token).await, 401, "invalid_token");
    let again = register().await;
    assert_eq!(introspected(&again, &token).await, json!({"active": false}), "of another registration");
}

#[tokio::test]
async fn it_needs_no_key_to_sign_with_and_is_not_kept() {
    let app = machines().await;
    let machine = Rp::new(&app, "machine");
    ring_without(&app, "RS256").await;
    let token = token(&machine).await;
    let dump = app.dump();
    assert_eq!(dump.kinds().iter().filter(|kind| **kind == "machine").count(), 1);
    let kept = format!("{:?}{:?}", dump.named(""), dump.keys().collect::<Vec<_>>());
    assert!(!kept.contains(&token) && !kept.contains(token.split_once('.').unwrap().1));
}
