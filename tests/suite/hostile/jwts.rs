//! JWTs that were changed or forged (RFC 8725): nobody is signed in or out by one.

use aws_lc_rs::hmac;
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::changes::change;
use super::credentials::{ask, no_fault, signs_in};
use super::lab::Lab;
use super::links::leads;
use crate::support::relying_party::{Parameters, Rp};

/// A JWT with another header or other claims, under a signature that somebody without our keys can make.
fn forged(real: &str, change: &Forgery, jwks: &Value) -> String {
    let mut parts = real.split('.').map(str::to_owned);
    let [head, claims, signature] = std::array::from_fn(|_| parts.next().unwrap());
    let object = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let write = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let edited = |part: &str, name: &str, value: Value| {
        let mut all = object(part);
        all[name] = value;
        write(&all)
    };
    let signed = |head: &str, key: &[u8]| {
        let text = format!("{head}.{claims}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let public = || {
        let keys = jwks["keys"].as_array().unwrap();
        keys.iter().find(|key| key["kid"] == object(&head)["kid"]).unwrap()
    };
    match change {
        Forgery::None(spelled) => format!("{}.{claims}.", edited(&head, "alg", json!(spelled))),
        Forgery::NoneSigned(spelled) => format!("{}.{claims}.{signature}", edited(&head, "alg", json!(spelled))),
        // The public key taken for a shared secret (RFC 8725, section 2.1).
        Forgery::Symmetric => {
            let key = URL_SAFE_NO_PAD.decode(public()["n"].as_str().unwrap()).unwrap();
            signed(&edited(&head, "alg", json!("HS256")), &key)
        }
        Forgery::SymmetricText => signed(&edited(&head, "alg", json!("HS256")), public().to_string().as_bytes()),
        Forgery::Header(name, value) => format!("{}.{claims}.{signature}", edited(&head, name, value.clone())),
        Forgery::Claim(name, value) => format!("{head}.{}.{signature}", edited(&claims, name, value.clone())),
        Forgery::Parts(count) => {
            vec![head, claims, signature].into_iter().cycle().take(*count).collect::<Vec<_>>().join(".")
        }
        Forgery::Deep => format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode("[".repeat(3_000))),
    }
}

#[derive(Debug, Clone)]
enum Forgery {
    None(&'static str),
    NoneSigned(&'static str),
    Symmetric,
    SymmetricText,
    Header(&'static str, Value),
    Claim(&'static str, Value),
    Parts(usize),
    Deep,
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let spelled = select(&["none", "None", "NONE", "nOnE", ""][..]);
    let names = select(&["alg", "kid", "typ", "crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"][..]);
    let claims = select(&["sub", "aud", "iss", "exp", "iat", "nbf", "nonce", "sid"][..]);
    let value = prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(|number| json!(number)),
        ".{0,30}".prop_map(|text| json!(text)),
        select(&["ES256", "RS256", "PS256", "RS512", "at+jwt", "logout+jwt", "standard", "../../dev/null"][..])
            .prop_map(|text| json!(text)),
        Just(json!(["b64"])),
        Just(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
        Just(json!(["standard", "es256"])),
        Just(json!(1e300)),
    ];
    prop_oneof![
        spelled.clone().prop_map(Forgery::None),
        spelled.prop_map(Forgery::NoneSigned),
        Just(Forgery::Symmetric),
        Just(Forgery::SymmetricText),
        (names, value.clone()).prop_map(|(name, value)| Forgery::Header(name, value)),
        (claims, value).prop_map(|(name, value)| Forgery::Claim(name, value)),
        (0..7_usize).prop_filter("those are the parts of a JWT", |count| *count != 3).prop_map(Forgery::Parts),
        Just(Forgery::Deep),
    ]
}

#[test]
fn a_changed_or_forged_jwt_says_nothing() {
    let lab = Lab::new();
    let (app, rp) = (&lab.app, lab.app.standard());
    let [mut leo, mut ines, mut stranger] = [app.browser(), app.browser(), app.browser()];
    let hint = lab.wait(rp.tokens(&mut leo, "leo")).id.unwrap();
    let other = lab.wait(rp.tokens(&mut ines, "ines")).id.unwrap();
    let jwks = lab.wait(stranger.get("/oauth/jwks")).json();
    let silent = rp.request().with("prompt", "none").and("id_token_hint", "");
    let told = |hint: &str| silent.clone().with("id_token_hint", hint).authorize();
    assert!(signs_in(&lab.wait(leo.get(&told(&hint)))), "the real one says who is meant");
    assert_eq!(lab.wait(stranger.get(&told(&hint))).sent_back()["error"], "login_required", "but proves nobody");
    let before = app.dump();
    let changed = prop_oneof![change().prop_map(Ok), forgery().prop_map(Err)];
    lab.holds(400, &changed, async |made| {
        let text = match &made {
            Ok(change) => change.of(&hint, &other).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            Err(forgery) => Some(forged(&hint, forgery, &jwks)),
        };
        let Some(text) = text.filter(|text| !text.is_empty() && *text != hint) else { return };
        for browser in [&leo, &stranger] {
            let answer = browser.clone().get(&told(&text)).await;
            no_fault(&answer, &text);
            assert_eq!(answer.sent_back()["error"], "invalid_request", "{made:?}");
        }
        let logout =
            Parameters::of(&[("id_token_hint", &text), ("post_logout_redirect_uri", "https://rp.test/signed-out")]);
        let answer = leo.clone().get(&format!("/oauth/logout?{}", logout.encode())).await;
        assert_eq!((answer.status.as_u16(), leads(&answer).len()), (400, 0), "{made:?}: {}", answer.said());
        if let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {text}")) {
            let answer = ask(app, "/oauth/userinfo", &[("authorization", bearer)]).await;
            assert_eq!(answer.status, 401, "{made:?}");
        }
    });
    assert_eq!(app.dump(), before);
    assert!(lab.wait(leo.is_signed_in()));
}

#[test]
fn a_changed_or_forged_access_token_opens_nothing() {
    let lab = Lab::new();
    let (app, rp) = (&lab.app, Rp::new(&lab.app, "jwt"));
    let [real, other] =
        ["leo", "ines"].map(|who| lab.wait(async { rp.tokens(&mut app.browser(), who).await.access }));
    let jwks = lab.wait(app.browser().get("/oauth/jwks")).json();
    let before = app.dump();
    let changed = prop_oneof![change().prop_map(Ok), forgery().prop_map(Err)];
    lab.holds(200, &changed, async |made| {
        let text = match &made {
            Ok(change) => change.of(&real, &other).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            Err(forgery) => Some(forged(&real, forgery, &jwks)),
        };
        let Some(text) = text.filter(|text| !text.is_empty() && *text != real && *text != other) else { return };
        if let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {text}")) {
            for path in ["/oauth/userinfo", "/oauth/token/info"] {
                let answer = ask(app, path, &[("authorization", bearer.clone())]).await;
                no_fault(&answer, &text);
                assert_eq!(answer.status, 401, "{made:?}");
            }
        }
        assert_eq!(rp.introspect(&text).await.json(), json!({"active": false}), "{made:?}");
        assert_eq!(rp.give_back(&text).await.status, 200, "{made:?}");
    });
    assert_eq!(app.dump(), before);
    assert_eq!(lab.wait(rp.userinfo(&real)).status, 200);
}
