//! DPoP (RFC 9449): tokens that are worth nothing without a key. What makes a proof good is in `dpop_proofs`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::services::clients::Registrations;
use serde_json::{Value, json};

use super::authorize::expect_redirect;
use crate::clients::{operator, settings};
use crate::support::answer::Answer;
use crate::support::app::{Options, TestApp};
use crate::support::client_key::ClientKey;
use crate::support::dpop::{Holder, ask, post_form};
use crate::support::relying_party::{Parameters, Rp, Tokens, refused};

pub(super) const CLIENTS: &str = r#"
[[clients]]
id = "bound"
name = "Grafana"
dpop_bound_access_tokens = true
machine_scopes = ["organizations:read"]
secret = "the secret of bound"
redirect_uris = ["https://rp.test/cb"]
[[clients]]
id = "machine"
name = "A script"
machine_scopes = ["organizations:read"]
secret = "the secret of machine"
redirect_uris = ["https://rp.test/cb"]
"#;

pub(super) async fn program() -> TestApp {
    TestApp::with(Options { config: CLIENTS.to_owned(), ..Options::default() }).await
}

/// A form to an endpoint for clients, with these `DPoP` headers.
pub(super) async fn post(client: &Rp, path: &str, form: &Parameters, proofs: &[&str]) -> Answer {
    let basic = client.basic_header();
    let mut headers = vec![("authorization", basic.as_str())];
    headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
    client.form_with(path, form, &headers).await
}

pub(super) async fn token(client: &Rp, form: &Parameters, proof: &str) -> Answer {
    post(client, "/oauth/token", form, &[proof]).await
}

/// Signs Leo in, to tokens that are bound to the key.
pub(super) async fn bound_tokens(app: &TestApp, client: &Rp, holder: &Holder) -> Tokens {
    let code = client.code(&mut app.browser(), "leo").await;
    Tokens::of(&token(client, &client.redemption(&code), &holder.proof(app, "/oauth/token")).await)
}

/// Shows a token with the proof of a key.
pub(super) async fn show(app: &TestApp, path: &str, token: &str, holder: &Holder) -> Answer {
    let proof = holder.proof_for(app, ("GET", path), token);
    ask(app, "GET", path, &[("authorization", &format!("DPoP {token}")), ("dpop", &proof)]).await
}

fn claims(jwt: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn from_the_sign_in_to_userinfo_with_opaque_tokens_and_with_jwts() {
    let app = TestApp::new().await;
    for (id, key) in [("standard", ClientKey::p256("1")), ("jwt", ClientKey::rsa("2"))] {
        let (client, holder) = (Rp::new(&app, id), Holder::of(key));
        let tokens = bound_tokens(&app, &client, &holder).await;
        assert_eq!(tokens.json["token_type"], "DPoP", "{id}");
        let confirmation = json!({"jkt": holder.thumbprint()});
        if id == "jwt" {
            assert_eq!(claims(&tokens.access)["cnf"], confirmation);
        }
        let told = client.introspect(&tokens.access).await.json();
        assert_eq!(
            (&told["active"], &told["token_type"], &told["cnf"]),
            (&json!(true), &json!("DPoP"), &confirmation)
        );
        let of_refresh = client.introspect(tokens.refresh()).await.json();
        assert_eq!(
            (of_refresh.get("token_type"), of_refresh.get("cnf")),
            (None, None),
            "which is bound to its client"
        );

        let person = show(&app, "/oauth/userinfo", &tokens.access, &holder).await;
        assert_eq!((person.status.as_u16(), &person.json()["sub"]), (200, &tokens.claims()["sub"]), "{id}");
        assert_eq!(person.header("access-control-allow-origin"), "*");
        let proof = holder.proof_for(&app, ("POST", "/oauth/userinfo"), &tokens.access);
        let lower = format!("dpop {}", tokens.access);
        let posted = ask(&app, "POST", "/oauth/userinfo", &[("authorization", &lower), ("dpop", &proof)]).await;
        assert_eq!(posted.json(), person.json(), "{id}");
        let proof = holder.proof_for(&app, ("HEAD", "/oauth/userinfo"), &tokens.access);
        let head = ask(&app, "HEAD", "/oauth/userinfo", &[("authorization", &lower), ("dpop", &proof)]).await;
        assert_eq!(head.status, 200, "{id}");
        let info = show(&app, "/oauth/token/info", &tokens.access, &holder).await;
        assert_eq!(info.json()["application"]["uid"], id);

        assert_eq!(client.give_back(&tokens.access).await.status, 200);
        refused_as(&show(&app, "/oauth/userinfo", &tokens.access, &holder).await, "invalid_token");
    }
}

/// Refused with a challenge in the scheme DPoP.
#[track_caller]
fn refused_as(answer: &Answer, error: &str) {
    refused(answer, 401, error);
    let challenge = answer.header("www-authenticate");
    assert!(challenge.starts_with("DPoP ") && challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
    assert!(challenge.ends_with(", algs=\"RS256 PS256 ES256 EdDSA\""), "{challenge}");
}

#[tokio::test]
async fn without_a_proof_everything_is_as_ever() {
    let app = TestApp::new().await;
    let client = app.standard();
    let tokens = client.tokens(&mut app.browser(), "leo").await;
    assert_eq!(tokens.json["token_type"], "Bearer");
    assert_eq!(client.introspect(&tokens.access).await.json().get("cnf"), None);
    let jwt = Rp::new(&app, "jwt").tokens(&mut app.browser(), "leo").await;
    assert_eq!(claims(&jwt.access).get("cnf"), None);
    // A proof that nobody asked for is not looked at.
    let bearer = format!("Bearer {}", tokens.access);
    let answer = ask(&app, "GET", "/oauth/userinfo", &[("authorization", &bearer), ("dpop", "x")]).await;
    assert_eq!(answer.status, 200);
    assert!(!app.dump().kinds().contains(&"proof"));
}

#[tokio::test]
async fn a_bound_token_is_not_taken_from_whoever_holds_it_nor_the_other_way_round() {
    let app = TestApp::new().await;
    let (client, holder) = (app.standard(), Holder::new());
    let bound = bound_tokens(&app, &client, &holder).await.access;
    let free = client.tokens(&mut app.browser(), "leo").await.access;
    let before = app.dump();
    for path in ["/oauth/userinfo", "/oauth/token/info"] {
        let proof = holder.proof_for(&app, ("GET", path), &bound);
        let as_bearer = format!("Bearer {bound}");
        for headers in
            [vec![("authorization", as_bearer.as_str())], vec![("authorization", &as_bearer), ("dpop", &proof)]]
        {
            let answer = ask(&app, "GET", path, &headers).await;
            refused(&answer, 401, "invalid_token");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""), "{challenge}");
            assert!(challenge.ends_with(", DPoP algs=\"RS256 PS256 ES256 EdDSA\""), "{challenge}");
        }
        refused_as(&show(&app, path, &free, &holder).await, "invalid_token");
        refused_as(&ask(&app, "GET", path, &[("authorization", "DPoP x"), ("dpop", &proof)]).await, "invalid_token");
        refused_as(&ask(&app, "GET", path, &[("authorization", "DPoP "), ("dpop", &proof)]).await, "invalid_token");
    }
    let form = post_form(&app, "/oauth/userinfo", &format!("access_token={bound}"), &[]).await;
    refused(&form, 401, "invalid_token");
    assert_eq!(app.dump(), before, "and no proof is used up");
}

#[tokio::test]
async fn one_token_in_one_request_and_without_one_both_schemes_are_named() {
    let app = TestApp::new().await;
    let (client, holder) = (app.standard(), Holder::new());
    let bound = bound_tokens(&app, &client, &holder).await.access;
    let proof = holder.proof_for(&app, ("POST", "/oauth/userinfo"), &bound);
    let (as_bound, as_bearer) = (format!("DPoP {bound}"), format!("Bearer {bound}"));
    let twice = [("authorization", as_bound.as_str()), ("authorization", &as_bearer), ("dpop", &proof)];
    for headers in [&twice[..], &[twice[1], twice[0], twice[2]], &[twice[0], twice[0], twice[2]]] {
        refused(&ask(&app, "POST", "/oauth/userinfo", headers).await, 400, "invalid_request");
    }
    let form = post_form(&app, "/oauth/userinfo", &format!("access_token={bound}"), &[twice[0], twice[2]]).await;
    refused(&form, 400, "invalid_request");
    assert_eq!(ask(&app, "POST", "/oauth/userinfo", &[twice[0], twice[2]]).await.status, 200);
    for path in ["/oauth/userinfo", "/oauth/token/info"] {
        let none = ask(&app, "GET", path, &[("dpop", &proof)]).await;
        let challenge = "Bearer realm=\"flybridge\", DPoP algs=\"RS256 PS256 ES256 EdDSA\"";
        assert_eq!((none.status.as_u16(), none.header("www-authenticate")), (401, challenge));
    }
}

#[tokio::test]
async fn a_refreshed_token_is_bound_to_the_key_of_its_own_request() {
    let app = TestApp::new().await;
    let (client, first, second) = (app.standard(), Holder::new(), Holder::new());
    let before = bound_tokens(&app, &client, &first).await;
    let proof = second.proof(&app, "/oauth/token");
    let after = Tokens::of(&token(&client, &Rp::refreshment(before.refresh()), &proof).await);
    assert_eq!(after.json["token_type"], "DPoP");
    assert_eq!(show(&app, "/oauth/userinfo", &after.access, &second).await.status, 200);
    assert_eq!(show(&app, "/oauth/userinfo", &before.access, &first).await.status, 200);
    for (tokens, other) in [(&after, &first), (&before, &second)] {
        let answer = show(&app, "/oauth/userinfo", &tokens.access, other).await;
        refused_as(&answer, "invalid_token");
        let told = "the access token is bound to another key than that of the DPoP proof";
        assert_eq!(answer.json()["error_description"], told);
    }
    let free = Tokens::of(&client.refresh(after.refresh()).await);
    assert_eq!(free.json["token_type"], "Bearer", "the client has proven itself");
    assert_eq!(client.userinfo(&free.access).await.status, 200);
}

#[tokio::test]
async fn a_lost_answer_is_given_again_to_the_same_key_alone() {
    let app = TestApp::new().await;
    let (client, holder, other) = (Rp::new(&app, "jwt"), Holder::new(), Holder::new());
    let first = bound_tokens(&app, &client, &holder).await;
    let form = Rp::refreshment(first.refresh());
    let answer = Tokens::of(&token(&client, &form, &holder.proof(&app, "/oauth/token")).await);
    app.advance(Duration::from_secs(10));
    refused(&client.token(form.clone()).await, 400, "invalid_grant");
    refused(&token(&client, &form, &other.proof(&app, "/oauth/token")).await, 400, "invalid_grant");
    let again = Tokens::of(&token(&client, &form, &holder.proof(&app, "/oauth/token")).await);
    assert_eq!((claims(&again.access), again.refresh()), (claims(&answer.access), answer.refresh()));
    assert_eq!(again.json["token_type"], "DPoP");
    // The other way round: what was given to whoever holds it is not given to a key.
    let free = Tokens::of(&client.refresh(answer.refresh()).await);
    let form = Rp::refreshment(answer.refresh());
    refused(&token(&client, &form, &holder.proof(&app, "/oauth/token")).await, 400, "invalid_grant");
    assert_eq!(Tokens::of(&client.token(form).await).refresh(), free.refresh());
}

#[tokio::test]
async fn tokens_of_a_client_itself_are_bound_as_well() {
    let app = program().await;
    let (client, holder) = (Rp::new(&app, "machine"), Holder::new());
    let form = Parameters::of(&[("grant_type", "client_credentials")]);
    let tokens = Tokens::of(&token(&client, &form, &holder.proof(&app, "/oauth/token")).await);
    assert_eq!(tokens.json["token_type"], "DPoP");
    let told = client.introspect(&tokens.access).await.json();
    assert_eq!((&told["token_type"], &told["cnf"]), (&json!("DPoP"), &json!({"jkt": holder.thumbprint()})));
    refused(&client.userinfo(&tokens.access).await, 401, "invalid_token");
    refused_as(&show(&app, "/oauth/userinfo", &tokens.access, &Holder::new()).await, "invalid_token");
    let answer = show(&app, "/oauth/userinfo", &tokens.access, &holder).await;
    refused(&answer, 403, "insufficient_scope");
    assert!(answer.header("www-authenticate").starts_with("DPoP error=\"insufficient_scope\", algs="));
    let free = Tokens::of(&client.token(form).await);
    assert_eq!(free.json["token_type"], "Bearer");
}

#[tokio::test]
async fn some_clients_get_no_token_without_a_proof() {
    let app = program().await;
    let (client, holder) = (Rp::new(&app, "bound"), Holder::new());
    let code = client.code(&mut app.browser(), "leo").await;
    let redemption = client.redemption(&code);
    let own = Parameters::of(&[("grant_type", "client_credentials")]);
    let before = app.dump();
    refused(&client.token(redemption.clone()).await, 400, "invalid_request");
    refused(&client.token(own.clone()).await, 400, "invalid_request");
    assert_eq!(app.dump(), before, "and nothing is used up");
    let proof = || holder.proof(&app, "/oauth/token");
    let tokens = Tokens::of(&token(&client, &redemption, &proof()).await);
    refused(&client.refresh(tokens.refresh()).await, 400, "invalid_request");
    let after = Tokens::of(&token(&client, &Rp::refreshment(tokens.refresh()), &proof()).await);
    let own = Tokens::of(&token(&client, &own, &proof()).await);
    for tokens in [&tokens, &after, &own] {
        assert_eq!(tokens.json["token_type"], "DPoP");
        assert_eq!(client.introspect(&tokens.access).await.json()["active"], true, "which needs no proof");
    }
    assert_eq!(client.push(&client.request()).await.status, 201, "nor does a request that is handed over");

    let registrations = Registrations::new(app.store.clone());
    let wanted =
        settings("newcomer", &[("dpop_bound_access_tokens", "true"), ("machine_scopes", "organizations:read")]);
    let secret = registrations.add(wanted, &operator()).await.unwrap().1.unwrap();
    app.program.app.clients.refresh().await.unwrap();
    let client = Rp::new(&app, "newcomer").knowing(secret.expose());
    let own = Parameters::of(&[("grant_type", "client_credentials")]);
    refused(&client.token(own.clone()).await, 400, "invalid_request");
    assert_eq!(Tokens::of(&token(&client, &own, &proof()).await).json["token_type"], "DPoP");
}

#[tokio::test]
async fn a_code_that_was_asked_for_with_a_key_is_redeemed_with_that_key_alone() {
    let app = TestApp::new().await;
    let (client, holder, other) = (app.standard(), Holder::new(), Holder::new());
    let by_query = client.request().and("dpop_jkt", &holder.thumbprint());
    let by_parameter = client.pushed(&client.push(&by_query).await);
    let proof = || holder.proof(&app, "/oauth/par");
    let by_proof = client.pushed(&post(&client, "/oauth/par", &client.request(), &[&proof()]).await);
    let by_both = client.pushed(&post(&client, "/oauth/par", &by_query, &[&proof()]).await);
    for request in [by_query, by_parameter, by_proof, by_both] {
        let code = client.code_for(&mut app.browser(), &request, "leo").await;
        let form = client.redemption(&code);
        refused(&client.token(form.clone()).await, 400, "invalid_grant");
        let answer = token(&client, &form, &other.proof(&app, "/oauth/token")).await;
        refused(&answer, 400, "invalid_grant");
        let told = "the DPoP proof is of another key than dpop_jkt named";
        assert_eq!(answer.json()["error_description"], told);
        let tokens = Tokens::of(&token(&client, &form, &holder.proof(&app, "/oauth/token")).await);
        // Who has the code without the key ends nothing either.
        refused(&client.token(form.clone()).await, 400, "invalid_grant");
        assert_eq!(show(&app, "/oauth/userinfo", &tokens.access, &holder).await.status, 200);
        refused(&token(&client, &form, &holder.proof(&app, "/oauth/token")).await, 400, "invalid_grant");
        refused_as(&show(&app, "/oauth/userinfo", &tokens.access, &holder).await, "invalid_token");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_or_is_not_the_one_shown_makes_no_request() {
    let app = TestApp::new().await;
    let (client, holder) = (app.standard(), Holder::new());
    let thumbprint = holder.thumbprint();
    for text in [&thumbprint[1..], &format!("{thumbprint}="), "x", &"/".repeat(43)] {
        let request = client.request().and("dpop_jkt", text);
        expect_redirect(&app, &request, "invalid_request").await;
        refused(&client.push(&request).await, 400, "invalid_request");
    }
    let twice = client.request().and("dpop_jkt", &thumbprint).and("dpop_jkt", &thumbprint);
    expect_redirect(&app, &twice, "invalid_request").await;
    let before = app.dump();
    let request = client.request();
    let proof = holder.proof(&app, "/oauth/token");
    refused(&post(&client, "/oauth/par", &request, &[&proof]).await, 400, "invalid_dpop_proof");
    let bad = holder.proof(&app, "/oauth/par");
    refused(&post(&client, "/oauth/par", &request, &[&bad, &bad]).await, 400, "invalid_dpop_proof");
    refused(&post(&client, "/oauth/par", &request.clone().without("scope"), &[&bad]).await, 400, "invalid_scope");
    let stranger = client.clone().knowing("a wrong secret, for sure");
    refused(&post(&stranger, "/oauth/par", &request, &[&bad]).await, 401, "invalid_client");
    assert_eq!(app.dump_but_limits(), before, "no proof is used up by what is refused for another reason");
    let other = request.and("dpop_jkt", &Holder::new().thumbprint());
    refused(&post(&client, "/oauth/par", &other, &[&bad]).await, 400, "invalid_request");
    assert!(!app.dump().kinds().contains(&"pushed"));
}
