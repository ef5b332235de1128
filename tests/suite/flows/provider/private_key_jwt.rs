//! Clients that prove themselves by signing (OIDC Core, section 9, `private_key_jwt`; RFC 7523).

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flybridge::clock::Clock as _;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, Options, TestApp};
use crate::support::client_key::{ClientKey, set};
use crate::support::relying_party::{Parameters, Rp, Tokens, refused};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client with a key of each kind.
struct Signer {
    app: TestApp,
    rp: Rp,
    ec: ClientKey,
    rsa: ClientKey,
    ed: ClientKey,
}

impl Signer {
    async fn new() -> Self {
        let (ec, rsa, ed) = (ClientKey::p256("ec"), ClientKey::rsa("rsa"), ClientKey::ed25519("ed"));
        let config = format!(
            "[[clients]]\nid = \"signer\"\nname = \"Grafana\"\ntoken_auth = \"private_key_jwt\"\njwks = '{}'\n\
             redirect_uris = [\"https://rp.test/cb\"]",
            set(&[&ec, &rsa, &ed])
        );
        let app = TestApp::with(Options { config, ..Options::default() }).await;
        Self { rp: Rp::new(&app, "signer"), app, ec, rsa, ed }
    }

    fn now(&self) -> i64 {
        self.app.clock.now().as_seconds()
    }

    fn claims(&self, jti: &str) -> Value {
        json!({"iss": "signer", "sub": "signer", "aud": ISSUER, "exp": self.now() + 60, "iat": self.now(), "jti": jti})
    }

    fn header(key: &ClientKey) -> Value {
        json!({"alg": key.algorithm(), "kid": key.kid, "typ": "JWT"})
    }

    /// A good assertion.
    fn assertion(&self, jti: &str) -> String {
        self.ec.sign(&Self::header(&self.ec), &self.claims(jti))
    }

    fn sent(form: Parameters, assertion: &str) -> Parameters {
        form.and("client_assertion_type", TYPE).and("client_assertion", assertion)
    }

    async fn send(&self, path: &str, form: Parameters, assertion: &str) -> Answer {
        self.rp.form_with(path, &Self::sent(form, assertion), &[]).await
    }

    /// A request that any client may make that has proven itself.
    async fn asks(&self, assertion: &str) -> Answer {
        self.send("/oauth/introspect", Parameters::of(&[("token", "x")]), assertion).await
    }

    #[track_caller]
    fn proven(answer: &Answer) {
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"active": false})), "{}", answer.said());
    }

    /// Refused, and not told why.
    #[track_caller]
    fn not_proven(answer: &Answer, what: &str) {
        assert_eq!(answer.status, 401, "{what}: {}", answer.said());
        refused(answer, 401, "invalid_client");
        let told = "the client is unknown or did not prove itself";
        assert_eq!(answer.json()["error_description"], told, "{what}");
        assert!(!answer.headers.contains_key("www-authenticate"), "{what}");
    }
}

#[tokio::test]
async fn a_client_signs_its_way_through_every_endpoint() {
    let signer = Signer::new().await;
    let rp = &signer.rp;
    let pushed = signer.send("/oauth/par", rp.request(), &signer.assertion("1")).await;
    let mut browser = signer.app.browser();
    let code = rp.code_for(&mut browser, &rp.pushed(&pushed), "leo").await;
    let tokens = Tokens::of(&signer.send("/oauth/token", rp.redemption(&code), &signer.assertion("2")).await);
    let form = Rp::refreshment(tokens.refresh()).and("client_id", "signer");
    let tokens = Tokens::of(&signer.send("/oauth/token", form, &signer.assertion("3")).await);
    let form = Parameters::of(&[("token", &tokens.access)]);
    let told = signer.send("/oauth/introspect", form.clone(), &signer.assertion("4")).await.json();
    assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!("signer")));
    assert_eq!(signer.send("/oauth/revoke", form, &signer.assertion("5")).await.status, 200);
    assert_eq!(rp.userinfo(&tokens.access).await.status, 401);
}

#[tokio::test]
async fn every_algorithm_and_every_way_to_name_the_key() {
    let signer = Signer::new().await;
    let (rsa, ed) = (&signer.rsa, &signer.ed);
    let keys = [(&signer.ec, "ES256"), (rsa, "RS256"), (rsa, "PS256"), (ed, "EdDSA")];
    for (key, algorithm) in keys {
        let headers = [
            json!({"alg": algorithm, "kid": key.kid}),
            json!({"alg": algorithm}),
            json!({"alg": algorithm, "kid": key.kid, "typ": "client-authentication+jwt"}),
            json!({"alg": algorithm, "typ": 7}),
        ];
        for (number, header) in headers.iter().enumerate() {
            let claims = signer.claims(&format!("{algorithm} {number}"));
            Signer::proven(&signer.asks(&key.sign(header, &claims)).await);
        }
        let unknown = json!({"alg": algorithm, "kid": "unknown"});
        Signer::not_proven(&signer.asks(&key.sign(&unknown, &signer.claims("x"))).await, algorithm);
    }
}

#[tokio::test]
async fn whom_it_is_for_and_for_how_long() {
    let signer = Signer::new().await;
    let now = signer.now();
    let here = format!("{ISSUER}/oauth/introspect");
    let token = format!("{ISSUER}/oauth/token");
    let good = [
        ("aud", json!(token)),
        ("aud", json!(here)),
        ("aud", json!([ISSUER])),
        ("aud", json!([ISSUER, token, here])),
        ("exp", json!(now + 1)),
        ("exp", json!(now + 3_600)),
        ("exp", json!(1_800_000_060.5)),
        ("iat", json!(now + 8)),
        ("nbf", json!(now + 8)),
        ("nbf", json!(now - 86_400)),
        ("iat", Value::Null),
        ("anything", json!({"else": [1, 2]})),
    ];
    for (number, (name, value)) in good.iter().enumerate() {
        let mut claims = signer.claims(&number.to_string());
        claims[name] = value.clone();
        let answer = signer.asks(&signer.ec.sign(&Signer::header(&signer.ec), &claims)).await;
        assert_eq!(answer.status, 200, "{name} {value}: {}", answer.said());
    }
}

#[tokio::test]
async fn an_assertion_that_is_not_right_proves_nothing_and_uses_nothing_up() {
    let signer = Signer::new().await;
    let now = signer.now();
    let before = signer.app.dump();
    let bad = [
        ("iss", json!("standard")),
        ("sub", json!("standard")),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("sub", json!("nobody")),
        ("aud", Value::Null),
        ("aud", json!([])),
        ("aud", json!("https://evil.test")),
        ("aud", json!([ISSUER, "https://evil.test"])),
        ("aud", json!(format!("{ISSUER}/"))),
        ("aud", json!(format!("{ISSUER}/oauth/par"))),
        ("aud", json!("signer")),
        ("exp", Value::Null),
        ("exp", json!(now)),
        ("exp", json!(now - 3_600)),
        ("exp", json!(now + 3_660)),
        ("exp", json!(1e300)),
        ("exp", json!("soon")),
        ("iat", json!(now + 60)),
        ("nbf", json!(now + 60)),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!(7)),
    ];
    for (name, value) in &bad {
        let mut claims = signer.claims("1");
        claims[name] = value.clone();
        let answer = signer.asks(&signer.ec.sign(&Signer::header(&signer.ec), &claims)).await;
        Signer::not_proven(&answer, &format!("{name} {value}"));
    }
    assert_eq!(signer.app.dump_but_limits(), before);
    Signer::proven(&signer.asks(&signer.assertion("1")).await);
}

#[tokio::test]
async fn a_signature_that_is_not_the_clients_proves_nothing_and_uses_nothing_up() {
    let signer = Signer::new().await;
    let before = signer.app.dump();
    let claims = signer.claims("1");
    let header = Signer::header(&signer.ec);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        header
    };
    let good = signer.assertion("1");
    let (message, signature) = good.rsplit_once('.').unwrap();
    let public = signer.rsa.jwk()["n"].as_str().unwrap().to_owned();
    let shared = |key: &[u8]| {
        let text = format!("{}.{}", part(&json!({"alg": "HS256", "kid": "rsa"})), part(&claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let other = ClientKey::p256("ec");
    for text in [
        other.sign(&header, &claims),
        signer.ec.sign(&with("kid", json!("rsa")), &claims),
        signer.rsa.sign(&with("alg", json!("RS256")), &claims),
        signer.ed.sign(&json!({"alg": "EdDSA", "kid": "ec"}), &claims),
        signer.ed.sign(&json!({"alg": "ES256", "kid": "ed"}), &claims),
        signer.rsa.sign(&json!({"alg": "RS512", "kid": "rsa"}), &claims),
        signer.ec.sign(&with("alg", json!("none")), &claims),
        signer.ec.sign(&with("alg", json!("HS256")), &claims),
        signer.ec.sign(&with("alg", Value::Null), &claims),
        signer.ec.sign(&with("crit", json!(["exp"])), &claims),
        format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims)),
        format!("{}.{}.", part(&with("alg", json!("ES256"))), part(&claims)),
        shared(&URL_SAFE_NO_PAD.decode(public).unwrap()),
        shared(signer.rsa.jwk().to_string().as_bytes()),
        format!("{message}.{}", &signature[..signature.len() - 4]),
        format!("{message}.{signature}="),
        format!("{good}.x"),
        message.to_owned(),
        "x".to_owned(),
        "..".to_owned(),
    ] {
        Signer::not_proven(&signer.asks(&text).await, &text);
    }
    assert_eq!(signer.app.dump_but_limits(), before);
    Signer::proven(&signer.asks(&good).await);
}

#[tokio::test]
async fn an_assertion_is_good_once_as_long_as_it_lives() {
    let signer = Signer::new().await;
    let assertion = signer.assertion("once");
    Signer::proven(&signer.asks(&assertion).await);
    Signer::not_proven(&signer.asks(&assertion).await, "a second time");
    // Another assertion of the same name is no other.
    signer.app.advance(Duration::from_secs(30));
    Signer::not_proven(&signer.asks(&signer.assertion("once")).await, "the same name");
    Signer::proven(&signer.asks(&signer.assertion("twice")).await);
    signer.app.advance(Duration::from_secs(30));
    Signer::not_proven(&signer.asks(&assertion).await, "expired");
    Signer::proven(&signer.asks(&signer.assertion("once")).await);
}

#[tokio::test]
async fn of_many_who_send_one_assertion_one_is_the_client() {
    let signer = Signer::new().await;
    let assertion = signer.assertion("once");
    let answers = join_all((0..8).map(|_| signer.asks(&assertion))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 7);
}

#[tokio::test]
async fn client_id_may_stand_beside_it_and_has_to_be_the_same() {
    let signer = Signer::new().await;
    let form = |id: &str| Parameters::of(&[("token", "x"), ("client_id", id)]);
    Signer::proven(&signer.send("/oauth/introspect", form("signer"), &signer.assertion("1")).await);
    for other in ["standard", "nobody", "Signer"] {
        let answer = signer.send("/oauth/introspect", form(other), &signer.assertion("2")).await;
        Signer::not_proven(&answer, other);
    }
    Signer::proven(&signer.asks(&signer.assertion("2")).await);
}

#[tokio::test]
async fn it_stands_alone_and_says_what_it_is() {
    let signer = Signer::new().await;
    let token = Parameters::of(&[("token", "x")]);
    let good = || Signer::sent(token.clone(), &signer.assertion("1"));
    let ask = async |form: &Parameters, headers: &[(&str, &str)]| {
        signer.rp.form_with("/oauth/introspect", form, headers).await
    };
    let basic = format!("Basic {}", STANDARD.encode("signer:x"));
    let beside = good().and("client_id", "signer").and("client_secret", "x");
    refused(&ask(&beside, &[]).await, 400, "invalid_request");
    refused(&ask(&good(), &[("authorization", &basic)]).await, 400, "invalid_request");
    refused(&ask(&good().without("client_assertion_type"), &[]).await, 400, "invalid_request");
    refused(&ask(&good().without("client_assertion"), &[]).await, 400, "invalid_request");
    refused(&ask(&good().and("client_assertion", "x"), &[]).await, 400, "invalid_request");
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    refused(&ask(&good().with("client_assertion_type", saml), &[]).await, 401, "invalid_client");
    Signer::proven(&ask(&good(), &[]).await);
}

#[tokio::test]
async fn each_client_proves_itself_in_its_own_way_alone() {
    let signer = Signer::new().await;
    // A key of the signer proves no other client, and there is no secret of the signer.
    let mut claims = signer.claims("1");
    (claims["iss"], claims["sub"]) = (json!("standard"), json!("standard"));
    let answer = signer.asks(&signer.ec.sign(&Signer::header(&signer.ec), &claims)).await;
    Signer::not_proven(&answer, "a client with a secret");
    for secret in ["the secret of signer", "x"] {
        let form = Parameters::of(&[("token", "x"), ("client_id", "signer"), ("client_secret", secret)]);
        Signer::not_proven(&signer.rp.form_with("/oauth/introspect", &form, &[]).await, secret);
    }
}

#[tokio::test]
async fn wrong_assertions_are_throttled_like_wrong_secrets_and_a_good_one_still_works() {
    let signer = Signer::new().await;
    for _ in 0..30 {
        assert!(!signer.asks("x.y.z").await.headers.contains_key("retry-after"));
    }
    let answer = signer.asks("x.y.z").await;
    Signer::not_proven(&answer, "once too often");
    assert_eq!(answer.header("retry-after"), "2");
    Signer::proven(&signer.asks(&signer.assertion("1")).await);
}

#[tokio::test]
async fn the_store_keeps_neither_the_assertion_nor_its_name() {
    let signer = Signer::new().await;
    let assertion = signer.assertion("a-name-that-nobody-else-has");
    Signer::proven(&signer.asks(&assertion).await);
    let dump = signer.app.dump();
    assert_eq!(dump.kinds().iter().filter(|kind| **kind == "assertion").count(), 1);
    let kept = format!("{:?}{:?}", dump.named(""), dump.keys().collect::<Vec<_>>());
    let signature = assertion.rsplit('.').next().unwrap();
    for text in [assertion.as_str(), signature, "a-name-that-nobody-else-has"] {
        assert!(!kept.contains(text));
    }
}
