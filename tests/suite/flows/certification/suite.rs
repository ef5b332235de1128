//! What the official suite does in every module: its clients, its requests, and what it checks of each answer.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::random::{Random as _, SystemRandom};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use url::Url;

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, Options, TestApp};
use crate::support::back_channel::Receiver;
use crate::support::browser_client::{Browser, query};
use crate::support::relying_party::{Parameters, Rp, Tokens};

/// Where a suite on one's own machine is called back, with the alias of `docs/certification`.
pub(super) const CALLBACK: &str = "https://localhost.emobix.co.uk:8443/test/a/flybridge/callback";

/// The words that `docs/certification` has in the place of secrets, the clients they belong to, and secrets.
pub(super) const SECRETS: [(&str, &str, &str); 4] = [
    ("SECRET_ONE", "conformance-basic", "the secret of the first client"),
    ("SECRET_TWO", "conformance-basic2", "the secret of the second client"),
    ("SECRET_POST", "conformance-post", "the secret of the client with a form"),
    ("SECRET_BACK", "conformance-backchannel", "the secret of the client that is told"),
];

/// `docs/certification/clients.toml` with secrets in it, for a suite on one's own machine.
pub(super) fn clients() -> String {
    clients_of("https://localhost.emobix.co.uk:8443")
}

/// The same for a suite that hears of sign-outs under this address.
fn clients_of(suite: &str) -> String {
    let text = include_str!("../../../../docs/certification/clients.toml").replace("SUITE_ADDRESS", suite);
    SECRETS.iter().fold(text, |text, (word, _, secret)| text.replace(word, secret))
}

/// In which way the authorization endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Query,
    FormPost,
}

/// The parameters that arrive at the callback.
pub(super) type Callback = BTreeMap<String, String>;

/// A flow that went through to userinfo, with everything the suite checks of every flow found right.
pub(super) struct Done {
    pub(super) tokens: Tokens,
    /// Of the `id_token`, whose signature was verified.
    pub(super) claims: Value,
    pub(super) userinfo: Value,
}

/// The suite, in one module: it forgets cookies and clients' tokens between modules.
pub(super) struct Suite {
    pub(super) app: TestApp,
    pub(super) browser: Browser,
    pub(super) mode: Mode,
}

impl Suite {
    pub(super) async fn new(mode: Mode) -> Self {
        Self::with(mode, clients()).await
    }

    /// A suite that hears of sign-outs.
    pub(super) async fn hearing(receiver: &Receiver) -> Self {
        Self::with(Mode::Query, clients_of(receiver.url.strip_suffix("/backchannel_logout").unwrap())).await
    }

    async fn with(mode: Mode, config: String) -> Self {
        let app = TestApp::with(Options { config, ..Options::default() }).await;
        Self { browser: app.browser(), app, mode }
    }

    /// `client` of the suite's configuration.
    pub(super) fn first(&self) -> Rp {
        self.client(0, true)
    }

    /// `client2`
    pub(super) fn second(&self) -> Rp {
        self.client(1, true)
    }

    /// `client_secret_post`
    pub(super) fn post(&self) -> Rp {
        self.client(2, false)
    }

    /// `client` of the plan for back-channel logout.
    pub(super) fn told(&self) -> Rp {
        self.client(3, true)
    }

    fn client(&self, index: usize, basic: bool) -> Rp {
        let (_, id, secret) = SECRETS[index];
        Rp::plain(&self.app, (id, secret), basic, CALLBACK)
    }

    /// An authorization request as the suite sends it: scope `openid`, a state and a nonce of its own, no PKCE.
    pub(super) fn request(&self, client: &Rp) -> Parameters {
        let request = client.request().with("state", &random(10)).with("nonce", &random(10));
        match self.mode {
            Mode::Query => request,
            Mode::FormPost => request.with("response_mode", "form_post"),
        }
    }

    /// The person is asked to sign in, and does.
    pub(super) async fn sign_in(&mut self, request: &Parameters) -> Callback {
        self.sign_in_at(&request.authorize(), request).await
    }

    /// The same from another address than the one of the request, such as that which a POST leads to.
    pub(super) async fn sign_in_at(&mut self, start: &str, request: &Parameters) -> Callback {
        let tx = self.browser.begin(start).await;
        let answer = self.browser.fly(&tx, "leo").await;
        self.called_back(&answer, request)
    }

    /// Nobody is asked anything: the answer to the request leads back.
    pub(super) async fn at_once(&mut self, request: &Parameters) -> Callback {
        let answer = self.browser.get(&request.authorize()).await;
        self.called_back(&answer, request)
    }

    /// What the browser brings to the callback: by GET in the query alone, or by POST in the body alone, with the state
    /// that was sent and the issuer (RFC 9207).
    #[track_caller]
    pub(super) fn called_back(&self, answer: &Answer, request: &Parameters) -> Callback {
        let (address, sent) = match self.mode {
            Mode::Query => {
                let mut url = Url::parse(&answer.location()).unwrap();
                let sent = query(&url);
                url.set_query(None);
                (url.to_string(), sent)
            }
            Mode::FormPost => answer.posted(),
        };
        assert_eq!(address, CALLBACK);
        assert_eq!(sent.get("state").map(String::as_str), request.value("state"));
        assert_eq!(sent["iss"], ISSUER);
        sent
    }

    /// From the request to userinfo, with a sign-in.
    pub(super) async fn complete(&mut self, client: &Rp, request: &Parameters) -> Done {
        let sent = self.sign_in(request).await;
        self.finish(client, request, &client.redeem(code(&sent)).await).await
    }

    /// From the request to userinfo, without a page for the person.
    pub(super) async fn complete_at_once(&mut self, client: &Rp, request: &Parameters) -> Done {
        let sent = self.at_once(request).await;
        self.finish(client, request, &client.redeem(code(&sent)).await).await
    }

    /// From the answer of the token endpoint to userinfo.
    pub(super) async fn finish(&mut self, client: &Rp, request: &Parameters, answer: &Answer) -> Done {
        let tokens = token_answer(answer);
        let claims = self.id_token(client, request, &tokens).await;
        let answer = client.userinfo(&tokens.access).await;
        let userinfo = userinfo(&answer);
        assert_eq!(userinfo["sub"], claims["sub"], "OIDC Core, section 5.3.2");
        Done { tokens, claims, userinfo }
    }

    pub(super) async fn discovery(&mut self) -> Value {
        self.browser.get("/.well-known/openid-configuration").await.json()
    }

    /// The claims of the `id_token`, verified with the published key that its header names.
    async fn id_token(&mut self, client: &Rp, request: &Parameters, tokens: &Tokens) -> Value {
        let token = tokens.id.as_deref().expect("an id_token");
        let header = decode_header(token).unwrap();
        let listed = &self.discovery().await["id_token_signing_alg_values_supported"];
        assert!(listed.as_array().unwrap().contains(&json!(format!("{:?}", header.alg))), "{header:?}");
        let keys: JwkSet = serde_json::from_slice(&self.browser.get("/oauth/jwks").await.body).unwrap();
        let key = keys.find(header.kid.as_deref().expect("a kid")).expect("a published key");
        let mut validation = Validation::new(Algorithm::RS256);
        // The library asks the system for the time, and here it is that of the test.
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[client.id]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        let claims = decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims;
        self.check_claims(&claims, request);
        let hash = digest::digest(&digest::SHA256, tokens.access.as_bytes());
        assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]), "OIDC Core, section 3.1.3.6");
        claims
    }

    fn check_claims(&self, claims: &Value, request: &Parameters) {
        let seconds = |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("{name} in {claims}"));
        let now = self.app.store.now().as_seconds();
        assert!(seconds("iat") <= now && now < seconds("exp"), "{claims}");
        assert_eq!(claims.get("nonce").and_then(Value::as_str), request.value("nonce"), "{claims}");
        let sub = claims["sub"].as_str().unwrap();
        assert!((1..=255).contains(&sub.len()) && sub.is_ascii(), "{claims}");
        if request.value("max_age").is_some() {
            assert!(seconds("auth_time") <= now, "{claims}");
        }
        for absent in ["azp", "nbf", "c_hash"] {
            assert!(claims.get(absent).is_none(), "{claims}");
        }
        check_kinds(claims);
    }
}

/// The code, which comes with `iss` and `state` and nothing else.
#[track_caller]
pub(super) fn code(sent: &Callback) -> &str {
    let names: Vec<&str> = sent.keys().map(String::as_str).filter(|name| *name != "state").collect();
    assert_eq!(names, ["code", "iss"], "{sent:?}");
    &sent["code"]
}

/// The error, with nothing that the specification does not know and a description of the characters it allows (RFC 6749,
/// section 4.1.2.1).
#[track_caller]
pub(super) fn error(sent: &Callback) -> &str {
    let names: Vec<&str> = sent.keys().map(String::as_str).filter(|name| *name != "state").collect();
    assert_eq!(names, ["error", "error_description", "iss"], "{sent:?}");
    check_description(&sent["error_description"]);
    &sent["error"]
}

#[track_caller]
pub(super) fn check_description(text: &str) {
    let allowed = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(!text.is_empty() && text.bytes().all(allowed), "{text:?}");
}

/// RFC 6749, section 5.1; OIDC Core, section 3.1.3.3.
#[track_caller]
pub(super) fn token_answer(answer: &Answer) -> Tokens {
    let tokens = Tokens::of(answer);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    assert_eq!(tokens.json["token_type"], "Bearer");
    assert!(tokens.json["expires_in"].as_u64().unwrap() > 0);
    assert!(tokens.access.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "RFC 6749, appendix A.12");
    tokens
}

/// OIDC Core, section 5.3.2.
#[track_caller]
pub(super) fn userinfo(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.said());
    assert_eq!(answer.header("content-type"), "application/json");
    let claims = answer.json();
    assert!(claims["sub"].is_string(), "{claims}");
    check_kinds(&claims);
    claims
}

/// Standard claims are of the kind that OIDC Core, section 5.1, gives them; none is null or empty.
#[track_caller]
fn check_kinds(claims: &Value) {
    for (name, value) in claims.as_object().unwrap() {
        let right = match name.as_str() {
            "email_verified" | "phone_number_verified" => value.is_boolean(),
            "updated_at" | "auth_time" | "iat" | "exp" => value.is_u64(),
            "address" => value.is_object(),
            "amr" | "organizations" => value.is_array(),
            _ => value.as_str().is_some_and(|text| !text.is_empty()),
        };
        assert!(right, "{name} in {claims}");
    }
}

/// So many letters and digits.
pub(super) fn random(length: usize) -> String {
    let bytes = [SystemRandom::default().bytes_32(), SystemRandom::default().bytes_32()].concat();
    bytes.iter().filter_map(|byte| char::from_digit(u32::from(byte % 36), 36)).take(length).collect()
}
