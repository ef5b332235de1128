//! `/oauth/token`: codes, refresh tokens, and what a client gets in its own name.

use std::time::Duration;

use super::{Told, Watched};
use crate::support::relying_party::{Parameters, Rp, Tokens};

const TOKEN: &str = "/oauth/token";

/// What a client gets for what it sends, having proven itself.
async fn refused(watched: &Watched, rp: &Rp, sent: Parameters, status: u16, told: Told<'_>) {
    let answer = rp.token(sent).await;
    watched.json(&answer, status, &told, TOKEN);
}

fn grant(parameter: &str) -> Told<'_> {
    Told::of("invalid_grant", parameter)
}

#[tokio::test]
async fn of_a_grant_that_is_none() {
    let watched = Watched::new("").await;
    let rp = watched.app.standard();
    let of = Parameters::of;
    let invalid = |parameter| Told::of("invalid_request", parameter);
    refused(&watched, &rp, of(&[("code", "x")]), 400, invalid("grant_type")).await;
    let unknown = Told::of("unsupported_grant_type", "grant_type").received("password");
    refused(&watched, &rp, of(&[("grant_type", "password")]), 400, unknown).await;
    let own = Told::of("unauthorized_client", "grant_type").because("machine_scopes");
    refused(&watched, &rp, of(&[("grant_type", "client_credentials")]), 400, own).await;
    refused(&watched, &rp, of(&[("grant_type", "authorization_code")]), 400, invalid("code")).await;
    refused(&watched, &rp, of(&[("grant_type", "refresh_token")]), 400, invalid("refresh_token")).await;
    refused(&watched, &rp, of(&[("scope", "a"), ("scope", "b")]), 400, invalid("scope")).await;
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_a_client_that_asks_in_its_own_name_for_too_much() {
    let machine = "[[clients]]\nid = \"machine\"\nname = \"Backend\"\nsecret = \"the secret of a machine that asks\"\n\
                   redirect_uris = [\"https://rp.test/cb\"]\nmachine_scopes = [\"organizations:read\"]";
    let mut watched = Watched::new(machine).await;
    watched.keep_secret("the secret of a machine that asks");
    let rp = Rp::new(&watched.app, "machine").knowing("the secret of a machine that asks");
    let sent = Parameters::of(&[("grant_type", "client_credentials"), ("scope", "organizations:disable")]);
    let told = Told::of("invalid_scope", "scope").from(Some("machine")).received("organizations:disable");
    refused(&watched, &rp, sent, 400, told.because("machine_scopes are organizations:read")).await;
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_a_code() {
    let mut watched = Watched::new("").await;
    let (rp, other) = (watched.app.standard(), Rp::new(&watched.app, "es256"));
    let code = rp.code(&mut watched.app.browser(), "leo").await;
    watched.keep_secret(&code);
    let verifier = "a-verifier-of-another-request-than-this-one-is";
    watched.keep_secret(verifier);
    let good = rp.redemption(&code);
    let token = "fbr_0123456789.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    watched.keep_secret(token);
    let elsewhere = "https://rp.test/cb2?keep=a%20b";
    let full = format!("https://rp.test/cb?code={code}");
    for (sent, told) in [
        (good.clone().with("code", token), grant("code").because("the form of a refresh token")),
        (good.clone().with("code", &code.replace("fbc_", "fbc_0")), grant("code").because("nothing of it any more")),
        (
            good.clone().with("redirect_uri", elsewhere),
            grant("redirect_uri").received(elsewhere).because("the authorization request had https://rp.test/cb"),
        ),
        (
            good.clone().with("redirect_uri", &full),
            grant("redirect_uri").received("https://rp.test/cb?code=...").because("had https://rp.test/cb"),
        ),
        (good.clone().without("redirect_uri"), Told::of("invalid_request", "redirect_uri")),
        (good.clone().without("code_verifier"), grant("code_verifier")),
        (good.clone().with("code_verifier", verifier), grant("code_verifier").because("SHA-256")),
    ] {
        refused(&watched, &rp, sent, 400, told).await;
    }
    let told = grant("code").from(Some("es256")).because("issued to the client standard");
    refused(&watched, &other, good.clone(), 400, told).await;
    let tokens = Tokens::of(&rp.redeem(&code).await);
    for secret in [&tokens.access, tokens.refresh(), tokens.id.as_ref().unwrap()] {
        watched.keep_secret(secret);
    }
    refused(&watched, &rp, good, 400, grant("code")).await;

    let late = rp.code(&mut watched.app.browser(), "leo").await;
    watched.keep_secret(&late);
    watched.app.advance(Duration::from_secs(61));
    let answer = rp.redeem(&late).await;
    assert_eq!(watched.line(&answer, TOKEN)["parameter"], "code");

    let (sentry, sent) = (watched.app.sentry(), Parameters::of(&[("code_verifier", verifier)]));
    let code = sentry.code(&mut watched.app.browser(), "leo").await;
    let sent = Parameters([sentry.redemption(&code).0, sent.0].concat());
    let told = Told::of("invalid_request", "code_verifier").from(Some("sentry")).because("had no code_challenge");
    refused(&watched, &sentry, sent, 400, told).await;
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_a_refresh_token() {
    let mut watched = Watched::new("").await;
    let (rp, other) = (watched.app.standard(), Rp::new(&watched.app, "es256"));
    let tokens = rp.tokens(&mut watched.app.browser(), "leo").await;
    let refresh = tokens.refresh().to_owned();
    for secret in [&tokens.access, &refresh, tokens.id.as_ref().unwrap()] {
        watched.keep_secret(secret);
    }
    let told = grant("refresh_token");
    let access = Rp::refreshment(&tokens.access);
    refused(&watched, &rp, access, 400, told.because("the form of an access token")).await;
    let foreign = told.from(Some("es256")).because("issued to the client standard");
    refused(&watched, &other, Rp::refreshment(&refresh), 400, foreign).await;
    let wider = Rp::refreshment(&refresh).with("scope", "openid read");
    let scope = Told::of("invalid_scope", "scope").received("openid read").because("granted was openid");
    refused(&watched, &rp, wider, 400, scope).await;
    let next = Tokens::of(&rp.refresh(&refresh).await);
    watched.keep_secret(next.refresh());
    watched.app.advance(Duration::from_mins(5));
    refused(&watched, &rp, Rp::refreshment(&refresh), 400, told).await;
    let gone = told.because("nothing of it any more");
    refused(&watched, &rp, Rp::refreshment(next.refresh()), 400, gone).await;
    watched.nothing_leaked();
}
