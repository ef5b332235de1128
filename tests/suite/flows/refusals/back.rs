//! What clients send by themselves: how they prove themselves, pushed requests, userinfo, introspection, revocation.

use axum::body::Body;
use axum::http::{Method, Request};

use super::{HINT, Told, Watched};
use crate::support::browser_client::send;
use crate::support::dpop::{Holder, ask};
use crate::support::relying_party::{Parameters, Rp, Tokens};

const TOKEN: &str = "/oauth/token";
const USERINFO: &str = "/oauth/userinfo";
const FORM: &str = "application/x-www-form-urlencoded";

/// Every address at which a client proves itself.
const WITH_PROOF: [&str; 4] = [TOKEN, "/oauth/par", "/oauth/introspect", "/oauth/revoke"];

#[tokio::test]
async fn of_a_client_that_does_not_prove_itself() {
    let watched = Watched::new("").await;
    let standard = watched.app.standard();
    let right = standard.basic_header();
    let wrong = standard.clone().knowing("a guess at the secret of standard").basic_header();
    let padded = standard.clone().knowing("the secret of standard ").basic_header();
    let of = Parameters::of;
    let bad = |parameter| Told::of("invalid_client", parameter);
    let invalid = |parameter| Told::of("invalid_request", parameter);
    let secret = ("client_secret", "the secret of standard");
    let other_method = [("client_id", "standard"), secret];
    let swapped = [("client_id", "the secret of standard"), ("client_secret", "standard")];
    for (sent, header, status, told) in [
        (of(&[]), None, 401, bad("client_id").from(None)),
        (of(&[("client_id", "standard")]), None, 401, bad("client_secret").because("no client_assertion")),
        (
            of(&[("client_id", "nobody"), secret]),
            None,
            401,
            bad("client_id").from(None).received("nobody").because("no client of this id"),
        ),
        (of(&swapped), None, 401, bad("client_id").from(None).because("changed places")),
        (of(&[]), Some(wrong.as_str()), 401, bad("Authorization").because("not one of this client's")),
        (of(&[]), Some(padded.as_str()), 401, bad("Authorization").because("white space")),
        (of(&[]), Some("Bearer x"), 401, bad("Authorization").from(None)),
        (of(&other_method), None, 401, bad("client_secret")),
        (of(&other_method), Some(right.as_str()), 400, invalid("client_secret")),
        (of(&[("client_id", "es256")]), Some(right.as_str()), 400, invalid("client_id")),
        (of(&[("client_id", "standard"), ("client_assertion", HINT)]), None, 400, invalid("client_assertion_type")),
        (
            of(&[("client_id", "standard"), ("client_assertion", HINT), ("client_assertion_type", "saml")]),
            None,
            401,
            bad("client_assertion_type").because("jwt-bearer"),
        ),
        (of(&[("token", "a"), ("token", "b"), ("client_id", "standard")]), None, 400, invalid("token")),
    ] {
        for path in WITH_PROOF {
            let header: Vec<_> = header.iter().map(|value| ("authorization", *value)).collect();
            let answer = standard.form_with(path, &sent, &header).await;
            watched.json(&answer, status, &told, path);
        }
    }
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_an_assertion_that_proves_nothing() {
    let watched = Watched::new("").await;
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let sent = [("client_assertion", HINT), ("client_assertion_type", kind)];
    let (unnamed, named) = (Parameters::of(&sent), Parameters::of(&sent).with("client_id", "standard"));
    let told = Told::of("invalid_client", "client_assertion").because("it is no signed JWT");
    for path in WITH_PROOF {
        let answer = watched.app.standard().form_with(path, &named, &[]).await;
        watched.json(&answer, 401, &told, path);
        let answer = watched.app.standard().form_with(path, &unnamed, &[]).await;
        watched.json(&answer, 401, &told.from(None), path);
    }
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_requests_that_are_no_form() {
    let watched = Watched::new("").await;
    let header = watched.app.standard().basic_header();
    let request = |method: Method, path: &str, kind: &str, body: &str| {
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        request.header("authorization", &header).body(Body::from(body.to_owned())).unwrap()
    };
    let invalid = |parameter| Told::of("invalid_request", parameter);
    for path in WITH_PROOF {
        let answer = send(&watched.app.router, request(Method::GET, path, FORM, "")).await;
        watched.json(&answer, 405, &invalid("method").from(None), path);
        let answer = send(&watched.app.router, request(Method::POST, path, "application/json", "{}")).await;
        watched.json(&answer, 400, &invalid("Content-Type"), path);
        let in_query = format!("{path}?client_secret=the+secret+of+standard");
        let answer = send(&watched.app.router, request(Method::POST, &in_query, FORM, "")).await;
        watched.json(&answer, 400, &invalid("query"), path);
        let long = "x".repeat(1 << 20);
        let answer = send(&watched.app.router, request(Method::POST, path, FORM, &long)).await;
        watched.json(&answer, 413, &invalid("body").from(None), path);
    }
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_a_request_that_is_handed_over() {
    let watched = Watched::new("").await;
    let rp = watched.app.standard();
    let good = rp.request();
    let invalid = |parameter| Told::of("invalid_request", parameter);
    let near = "https://rp.test/cb?x=1";
    for (request, status, told) in [
        (good.clone().with("request_uri", "https://rp.test/request"), 400, invalid("request_uri")),
        (good.clone().without("redirect_uri"), 400, invalid("redirect_uri")),
        (
            good.clone().with("redirect_uri", near),
            400,
            invalid("redirect_uri").received(near).because("the registered https://rp.test/cb in its query"),
        ),
        (good.clone().with("dpop_jkt", "short"), 400, invalid("dpop_jkt")),
        (good.clone().with("response_mode", "fragment"), 400, invalid("response_mode").received("fragment")),
        (good.clone().with("id_token_hint", HINT), 400, invalid("id_token_hint").because("not a signed token")),
        (good.clone().with("scope", "email"), 400, Told::of("invalid_scope", "scope").received("email")),
        (good.clone().with("state", &"s".repeat(3_000)), 413, invalid("state").because("3000 bytes")),
    ] {
        watched.json(&rp.push(&request).await, status, &told, "/oauth/par");
    }
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_an_access_token_at_userinfo() {
    let mut watched = Watched::new("").await;
    let (standard, sentry) = (watched.app.standard(), watched.app.sentry());
    let tokens = standard.tokens(&mut watched.app.browser(), "leo").await;
    let fly_shaped = sentry.tokens(&mut watched.app.browser(), "leo").await;
    let id = tokens.id.clone().unwrap();
    for secret in [&tokens.access, tokens.refresh(), &id, &fly_shaped.access] {
        watched.keep_secret(secret);
    }
    let told = Told::of("invalid_token", "access_token").from(None);
    let bare = Request::get(USERINFO).body(Body::empty()).unwrap();
    let missing = Told { error: "invalid_request", ..told };
    watched.json(&send(&watched.app.router, bare).await, 401, &missing, USERINFO);
    let refused = standard.userinfo(tokens.refresh()).await;
    watched.json(&refused, 401, &told.because("the form of a refresh token"), USERINFO);
    watched.json(&standard.userinfo(&id).await, 401, &told.because("the form of a JWT"), USERINFO);
    let basic = Request::get(USERINFO).header("authorization", standard.basic_header()).body(Body::empty()).unwrap();
    let answer = send(&watched.app.router, basic).await;
    watched.json(&answer, 401, &told.because("holds neither a Bearer token nor one for DPoP"), USERINFO);
    let scope = Told::of("insufficient_scope", "access_token").from(Some("sentry"));
    watched.json(&sentry.userinfo(&fly_shaped.access).await, 403, &scope, USERINFO);
    let info = "/oauth/token/info";
    watched.json(&standard.info(&id).await, 401, &told.because("the form of a JWT"), info);
    let twice = Request::post(USERINFO)
        .header("authorization", format!("Bearer {}", tokens.access))
        .header("content-type", FORM)
        .body(Body::from(format!("access_token={}", tokens.access)))
        .unwrap();
    watched.json(&send(&watched.app.router, twice).await, 400, &missing, USERINFO);
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_a_proof_that_does_not_show_the_key() {
    let bound = "[[clients]]\nid = \"bound\"\nname = \"Grafana\"\ndpop_bound_access_tokens = true\n\
                 secret = \"the secret of bound\"\nredirect_uris = [\"https://rp.test/cb\"]";
    let mut watched = Watched::new(bound).await;
    let (holder, other, client) = (Holder::new(), Holder::new(), Rp::new(&watched.app, "bound"));
    let code = client.code(&mut watched.app.browser(), "leo").await;
    let (proof, basic) = (holder.proof(&watched.app, TOKEN), client.basic_header());
    let redeem = async |proofs: &[&str]| {
        let mut headers = vec![("authorization", basic.as_str())];
        headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
        client.form_with(TOKEN, &client.redemption(&code), &headers).await
    };
    let told = Told::of("invalid_dpop_proof", "DPoP").from(Some("bound"));
    let absent = Told { error: "invalid_request", ..told };
    watched.json(&redeem(&[]).await, 400, &absent, TOKEN);
    watched.json(&redeem(&[&proof, &proof]).await, 400, &told, TOKEN);
    watched.json(&redeem(&[&holder.proof(&watched.app, "/oauth/par")]).await, 400, &told, TOKEN);
    let tokens = Tokens::of(&redeem(&[&proof]).await);
    for secret in [&code, &proof, &tokens.access] {
        watched.keep_secret(secret);
    }

    let show = async |token: &str, scheme: &str, proof: &str| {
        let authorization = format!("{scheme} {token}");
        ask(&watched.app, "GET", USERINFO, &[("authorization", authorization.as_str()), ("dpop", proof)]).await
    };
    let of_other = other.proof_for(&watched.app, ("GET", USERINFO), &tokens.access);
    let elsewhere = holder.proof_for(&watched.app, ("GET", TOKEN), &tokens.access);
    let wrong_token = Told { error: "invalid_token", parameter: Some("access_token"), ..told };
    watched.json(&show(&tokens.access, "DPoP", &elsewhere).await, 401, &told, USERINFO);
    watched.json(&show(&tokens.access, "DPoP", &of_other).await, 401, &wrong_token, USERINFO);
    watched.json(&show(&tokens.access, "Bearer", &elsewhere).await, 401, &wrong_token, USERINFO);
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_a_token_at_introspection_and_revocation() {
    let mut watched = Watched::new("").await;
    let (standard, other) = (watched.app.standard(), Rp::new(&watched.app, "es256"));
    let tokens = standard.tokens(&mut watched.app.browser(), "leo").await;
    watched.keep_secret(&tokens.access);
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let answer = standard.form(path, Parameters::of(&[("token_type_hint", "access_token")])).await;
        watched.json(&answer, 400, &Told::of("invalid_request", "token"), path);
    }
    let told = Told::of("invalid_grant", "token").from(Some("es256"));
    watched.json(&other.give_back(&tokens.access).await, 400, &told, "/oauth/revoke");
    watched.nothing_leaked();
}
