//! What makes a DPoP proof good for one request (RFC 9449, section 4.3), row by row, at the token endpoint and beside a
//! token.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::clock::Clock as _;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::dpop::{bound_tokens, post, program, show, token};
use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::client_key::ClientKey;
use crate::support::dpop::{Holder, ask, hash};
use crate::support::relying_party::{Parameters, Rp, Tokens, refused};

const TOKEN: &str = "/oauth/token";
const USERINFO: &str = "/oauth/userinfo";

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// `value` with one member changed, or taken away.
fn changed(value: &Value, name: &str, member: Value) -> Value {
    let mut value = value.clone();
    match member {
        Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
        member => value[name] = member,
    }
    value
}

/// A shared secret in place of a signature.
fn shared(key: &[u8], header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", part(&changed(header, "alg", json!("HS256"))), part(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Every way in which the header or the signature of a proof is not right, and what is told of it.
fn badly_signed(holder: &Holder, claims: &Value) -> Vec<(String, &'static str)> {
    let header = holder.header();
    let sign = |name: &str, member: Value| holder.key.sign(&changed(&header, name, member), claims);
    let jwk = |name: &str, member: Value| sign("jwk", changed(&header["jwk"], name, member));
    let good = holder.key.sign(&header, claims);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = ClientKey::p256("1");
    let no_jwt = "the DPoP proof is no signed JWT";
    let typ = "the typ of the DPoP proof is not dpop+jwt";
    let alg = "the alg of the DPoP proof is none of RS256, PS256, ES256 and EdDSA";
    let private = "the jwk of the DPoP proof is not a public key alone";
    let key = "the jwk of the DPoP proof is no RSA key from 2048 to 8192 bits, no EC key on P-256 and no Ed25519 key";
    let signed = "the DPoP proof was not signed by its jwk";
    vec![
        (sign("typ", json!("JWT")), typ),
        (sign("typ", json!("at+jwt")), typ),
        (sign("typ", Value::Null), typ),
        (sign("typ", json!(7)), no_jwt),
        (sign("alg", json!("none")), alg),
        (format!("{}.{}.", part(&changed(&header, "alg", json!("none"))), part(claims)), alg),
        (sign("alg", json!("HS256")), alg),
        (shared(header["jwk"].to_string().as_bytes(), &header, claims), alg),
        (shared(&URL_SAFE_NO_PAD.decode(header["jwk"]["x"].as_str().unwrap()).unwrap(), &header, claims), alg),
        (sign("alg", json!("ES384")), alg),
        (sign("alg", Value::Null), alg),
        (sign("crit", json!(["exp"])), "the DPoP proof wants something understood that is not (crit)"),
        (sign("jwk", Value::Null), "the DPoP proof has no jwk"),
        (sign("jwk", json!("x")), no_jwt),
        (jwk("d", json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE")), private),
        (sign("jwk", json!({"kty": "oct", "k": "c2VjcmV0"})), private),
        (jwk("crv", json!("P-384")), key),
        (jwk("x", json!("AAAA")), key),
        (jwk("use", json!("enc")), key),
        (jwk("alg", json!("RS256")), key),
        (sign("jwk", other.jwk()), signed),
        (other.sign(&header, claims), signed),
        (sign("alg", json!("RS256")), signed),
        (sign("alg", json!("EdDSA")), signed),
        (format!("{message}."), signed),
        (format!("{message}.{}", &signature[..84]), signed),
        (format!("{}.{}.{signature}", part(&header), part(&changed(claims, "jti", json!("another")))), signed),
        (format!("{message}.{signature}="), no_jwt),
        (format!("{good}.x"), no_jwt),
        (format!("{good}, {good}"), no_jwt),
        (message.to_owned(), no_jwt),
        ("x".to_owned(), no_jwt),
        ("..".to_owned(), no_jwt),
        (String::new(), no_jwt),
        (sign("more", json!("m".repeat(4_096))), "the DPoP proof is longer than 4096 bytes"),
    ]
}

/// The same for its claims, where the request goes to the address of `claims`.
fn badly_claimed(claims: &Value, now: i64) -> Vec<(&'static str, Value, &'static str)> {
    let htu = claims["htu"].as_str().unwrap();
    let method = "the htm of the DPoP proof is not the method of the request";
    let address = "the htu of the DPoP proof is not the address of the request";
    let old = "the DPoP proof is older than a minute, or its exp is over";
    let no_jwt = "the DPoP proof is no signed JWT";
    vec![
        ("jti", Value::Null, "the DPoP proof has no jti"),
        ("jti", json!(""), "the DPoP proof has no jti"),
        ("jti", json!(7), no_jwt),
        ("htm", Value::Null, "the DPoP proof has no htm"),
        ("htm", json!("PUT"), method),
        ("htm", json!(claims["htm"].as_str().unwrap().to_lowercase()), method),
        ("htu", Value::Null, "the DPoP proof has no htu"),
        ("htu", json!(ISSUER), address),
        ("htu", json!(format!("{htu}/")), address),
        ("htu", json!(format!("{ISSUER}/oauth/introspect")), address),
        ("htu", json!(htu.replace("login.test", "evil.test")), address),
        ("htu", json!(htu.replace("https:", "http:")), address),
        ("htu", json!(htu.replace("login.test", "login.test:8443")), address),
        ("htu", json!(htu.replace("login.test", "me@login.test")), address),
        ("htu", json!(htu.replace("https://login.test", "")), address),
        ("iat", Value::Null, "the DPoP proof has no iat"),
        ("iat", json!("now"), no_jwt),
        ("iat", json!(1e300), no_jwt),
        ("iat", json!(now - 60), old),
        ("iat", json!(now - 86_400), old),
        ("exp", json!(now), old),
        ("iat", json!(now + 11), "the iat of the DPoP proof is in the future"),
        ("iat", json!(now + 60), "the iat of the DPoP proof is in the future"),
        ("nbf", json!(now + 60), "the nbf of the DPoP proof is in the future"),
    ]
}

#[track_caller]
fn not_taken(answer: &Answer, status: u16, told: &str) {
    assert_eq!(answer.json()["error_description"], told);
    refused(answer, status, "invalid_dpop_proof");
}

#[tokio::test]
async fn at_the_token_endpoint_a_proof_that_is_not_right_is_refused_by_name_and_uses_nothing_up() {
    let app = TestApp::new().await;
    let (client, holder) = (app.standard(), Holder::new());
    let code = client.code(&mut app.browser(), "leo").await;
    let form = client.redemption(&code);
    let before = app.dump();
    let claims = holder.claims(&app, "POST", TOKEN);
    for (proof, told) in badly_signed(&holder, &claims) {
        not_taken(&token(&client, &form, &proof).await, 400, told);
    }
    for (name, member, told) in badly_claimed(&claims, app.clock.now().as_seconds()) {
        let proof = holder.key.sign(&holder.header(), &changed(&claims, name, member.clone()));
        let answer = token(&client, &form, &proof).await;
        assert_eq!(answer.json()["error_description"], told, "{name} {member}");
        not_taken(&answer, 400, told);
    }
    let good = holder.key.sign(&holder.header(), &claims);
    let twice = post(&client, TOKEN, &form, &[&good, &good]).await;
    not_taken(&twice, 400, "there is more than one DPoP header");
    let different = holder.proof(&app, TOKEN);
    not_taken(&post(&client, TOKEN, &form, &[&good, &different]).await, 400, "there is more than one DPoP header");
    let stranger = client.clone().knowing("a wrong secret, for sure");
    refused(&token(&stranger, &form, &good).await, 401, "invalid_client");
    assert_eq!(app.dump_but_limits(), before);
    Tokens::of(&token(&client, &form, &good).await);
}

#[tokio::test]
async fn beside_a_token_a_proof_that_is_not_right_is_refused_by_name_and_uses_nothing_up() {
    let app = TestApp::new().await;
    let (client, holder) = (app.standard(), Holder::new());
    let access = bound_tokens(&app, &client, &holder).await.access;
    let before = app.dump();
    let claims = changed(&holder.claims(&app, "GET", USERINFO), "ath", json!(hash(&access)));
    let authorization = format!("DPoP {access}");
    let send = async |proofs: &[&str]| {
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
        let answer = ask(&app, "GET", USERINFO, &headers).await;
        if answer.status != 200 {
            let challenge = "DPoP error=\"invalid_dpop_proof\", algs=\"RS256 PS256 ES256 EdDSA\"";
            assert_eq!(answer.header("www-authenticate"), challenge);
            assert_eq!(answer.header("access-control-allow-origin"), "*");
        }
        answer
    };
    for (proof, told) in badly_signed(&holder, &claims) {
        not_taken(&send(&[&proof]).await, 401, told);
    }
    let hashed = "the ath of the DPoP proof is not the hash of the access token";
    let of_token = [
        ("ath", Value::Null, "the DPoP proof has no ath"),
        ("ath", json!(hash("another token")), hashed),
        ("ath", json!(format!("{}=", hash(&access))), hashed),
        ("ath", json!(access), hashed),
        ("htm", json!("POST"), "the htm of the DPoP proof is not the method of the request"),
        ("htu", json!(format!("{ISSUER}{TOKEN}")), "the htu of the DPoP proof is not the address of the request"),
    ];
    for (name, member, told) in badly_claimed(&claims, app.clock.now().as_seconds()).into_iter().chain(of_token) {
        let proof = holder.key.sign(&holder.header(), &changed(&claims, name, member.clone()));
        let answer = send(&[&proof]).await;
        assert_eq!(answer.json()["error_description"], told, "{name} {member}");
        not_taken(&answer, 401, told);
    }
    let good = holder.key.sign(&holder.header(), &claims);
    not_taken(&send(&[]).await, 401, "there is no DPoP header");
    not_taken(&send(&[&good, &good]).await, 401, "there is more than one DPoP header");
    assert_eq!(app.dump(), before);
    assert_eq!(send(&[&good]).await.status, 200);
    not_taken(&send(&[&good]).await, 401, "the jti of the DPoP proof was used before");
}

#[tokio::test]
async fn what_may_be_otherwise_in_a_good_one() {
    let app = program().await;
    let (client, holder) = (Rp::new(&app, "machine"), Holder::new());
    let form = Parameters::of(&[("grant_type", "client_credentials")]);
    let now = app.clock.now().as_seconds();
    let good = [
        ("htu", json!(format!("{ISSUER}{TOKEN}?a=b"))),
        ("htu", json!(format!("{ISSUER}{TOKEN}#c"))),
        ("htu", json!("HTTPS://Login.TEST:443/oauth/./%74oken")),
        ("iat", json!(now + 8)),
        ("iat", json!(now + 10)),
        ("iat", json!(now - 10)),
        ("iat", json!(now - 59)),
        ("iat", json!(1_800_000_000.5)),
        ("nbf", json!(now)),
        ("exp", json!(now + 300)),
        ("ath", json!("of a token that is not there")),
        ("nonce", json!("nobody asked for one")),
        ("anything", json!({"else": [1, 2]})),
    ];
    for (name, member) in good {
        let claims = changed(&holder.claims(&app, "POST", TOKEN), name, member.clone());
        let answer = token(&client, &form, &holder.key.sign(&holder.header(), &claims)).await;
        assert_eq!(answer.status, 200, "{name} {member}: {}", answer.said());
    }
    let (rsa, ed) = (Holder::of(ClientKey::rsa("2")), Holder::of(ClientKey::ed25519("3")));
    for (holder, algorithm) in [(&holder, "ES256"), (&rsa, "RS256"), (&rsa, "PS256"), (&ed, "EdDSA")] {
        let mut header = changed(&holder.header(), "alg", json!(algorithm));
        (header["jwk"]["use"], header["jwk"]["alg"], header["kid"]) = (json!("sig"), json!(algorithm), json!("x"));
        let answer = token(&client, &form, &holder.key.sign(&header, &holder.claims(&app, "POST", TOKEN))).await;
        let tokens = Tokens::of(&answer);
        assert_eq!(client.introspect(&tokens.access).await.json()["cnf"]["jkt"], holder.thumbprint(), "{algorithm}");
    }
    // The address is that of the configuration, whatever the request says.
    let forged =
        [("authorization", &*client.basic_header()), ("host", "evil.test"), ("x-forwarded-host", "evil.test")];
    for (htu, status) in [("https://evil.test/oauth/token", 400), ("https://login.test/oauth/token", 200)] {
        let claims = changed(&holder.claims(&app, "POST", TOKEN), "htu", json!(htu));
        let proof = holder.key.sign(&holder.header(), &claims);
        let headers = [&forged[..], &[("dpop", &proof)]].concat();
        assert_eq!(client.form_with(TOKEN, &form, &headers).await.status, status, "{htu}");
    }
}

#[tokio::test]
async fn a_proof_is_good_once_as_long_as_it_lives() {
    let app = program().await;
    let (client, holder) = (Rp::new(&app, "machine"), Holder::new());
    let form = Parameters::of(&[("grant_type", "client_credentials")]);
    let used = "the jti of the DPoP proof was used before";
    let named = |holder: &Holder, name: &str| {
        let claims = changed(&holder.claims(&app, "POST", TOKEN), "jti", json!(name));
        holder.key.sign(&holder.header(), &claims)
    };
    let proof = named(&holder, "once");
    Tokens::of(&token(&client, &form, &proof).await);
    not_taken(&token(&client, &form, &proof).await, 400, used);
    not_taken(&token(&Rp::new(&app, "bound"), &form, &proof).await, 400, used);
    // Another proof of the same name is no other, wherever it is for; but that of another key is.
    app.advance(Duration::from_secs(30));
    not_taken(&token(&client, &form, &named(&holder, "once")).await, 400, used);
    Tokens::of(&token(&client, &form, &named(&Holder::new(), "once")).await);
    app.advance(Duration::from_millis(29_999));
    not_taken(&token(&client, &form, &proof).await, 400, used);
    app.advance(Duration::from_millis(1));
    let over = "the DPoP proof is older than a minute, or its exp is over";
    not_taken(&token(&client, &form, &proof).await, 400, over);
    Tokens::of(&token(&client, &form, &named(&holder, "once")).await);
}

#[tokio::test]
async fn of_many_who_send_one_proof_one_is_answered() {
    let app = TestApp::new().await;
    let (client, holder) = (app.standard(), Holder::new());
    let access = bound_tokens(&app, &client, &holder).await.access;
    let proof = holder.proof_for(&app, ("GET", USERINFO), &access);
    let authorization = format!("DPoP {access}");
    let headers = [("authorization", authorization.as_str()), ("dpop", &proof)];
    let answers = join_all((0..8).map(|_| ask(&app, "GET", USERINFO, &headers))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 7);
    assert_eq!(show(&app, USERINFO, &access, &holder).await.status, 200);
}

#[tokio::test]
async fn the_store_keeps_neither_the_proof_nor_its_name() {
    let app = TestApp::new().await;
    let (client, holder) = (app.standard(), Holder::new());
    let code = client.code(&mut app.browser(), "leo").await;
    let claims = changed(&holder.claims(&app, "POST", TOKEN), "jti", json!("a-name-that-nobody-else-has"));
    let proof = holder.key.sign(&holder.header(), &claims);
    Tokens::of(&token(&client, &client.redemption(&code), &proof).await);
    let dump = app.dump();
    assert_eq!(dump.kinds().iter().filter(|kind| **kind == "proof").count(), 1);
    let kept = format!("{:?}{:?}", dump.named(""), dump.keys().collect::<Vec<_>>());
    assert!(kept.contains(&holder.thumbprint()), "which is no secret");
    for text in [proof.as_str(), proof.rsplit('.').next().unwrap(), "a-name-that-nobody-else-has"] {
        assert!(!kept.contains(text));
    }
}
