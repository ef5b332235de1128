//! Relying parties: what each of the registered clients sends, with a way to change every part of it.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::answer::Answer;
use super::app::TestApp;
use super::browser_client::{Browser, encode, send};

pub(crate) const CLIENTS: &str = r#"
[[clients]]
id = "sentry"
name = "Sentry"
preset = "sentry-fly"
secret = "the secret of sentry-fly"
redirect_uris = ["https://sentry.test/auth/sso/"]
home = "https://sentry.test/login"
[[clients]]
id = "sentry-oidc"
name = "Sentry"
preset = "sentry-oidc"
secret = "the secret of sentry-oidc"
redirect_uris = ["https://sentry.test/auth/sso/"]
[[clients]]
id = "standard"
name = "Grafana"
secret = ["the secret of standard", "another secret of standard"]
redirect_uris = ["https://rp.test/cb", "https://rp.test/cb2?keep=a%20b"]
post_logout_redirect_uris = ["https://rp.test/signed-out"]
[[clients]]
id = "es256"
name = "Kibana"
algorithm = "ES256"
secret = "the secret of es256"
redirect_uris = ["https://rp.test/cb"]
[[clients]]
id = "jwt"
name = "Grafana"
access_token_format = "jwt"
secret = "the secret of jwt"
redirect_uris = ["https://rp.test/cb"]
"#;

/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// As Sentry makes it: 64 hexadecimal digits, a colon, the key of the provider.
pub(crate) const STATE: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0:fly";

/// Parameters in order, to be changed before they are sent.
#[derive(Debug, Clone)]
pub(crate) struct Parameters(pub(crate) Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// Replaces a parameter, or adds it.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.and(name, value)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// Adds a parameter, even if it is there already.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The first value of this name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn encode(&self) -> String {
        encode(&self.0.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>())
    }

    /// `/oauth/authorize` with these in the query.
    pub(crate) fn authorize(&self) -> String {
        format!("/oauth/authorize?{}", self.encode())
    }
}

/// Tokens as the token endpoint gave them.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) json: Value,
}

impl Tokens {
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.said());
        let json = answer.json();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let access = text("access_token").expect("an access token");
        Self { access, refresh: text("refresh_token"), id: text("id_token"), json }
    }

    /// The refresh token, which must be there.
    pub(crate) fn refresh(&self) -> &str {
        self.refresh.as_deref().expect("a refresh token")
    }

    /// What the `id_token` claims; its signature is not looked at.
    pub(crate) fn claims(&self) -> Value {
        let id = self.id.as_deref().expect("an id_token");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(id.split('.').nth(1).unwrap()).unwrap()).unwrap()
    }
}

/// One registered client.
#[derive(Clone)]
pub(crate) struct Rp {
    router: Router,
    pub(crate) id: &'static str,
    pub(crate) secret: String,
    basic: bool,
    pkce: bool,
    pub(crate) redirect: &'static str,
    scope: &'static str,
}

impl Rp {
    pub(crate) fn new(app: &TestApp, id: &'static str) -> Self {
        let (basic, redirect, scope) = match id {
            "sentry" => (false, "https://sentry.test/auth/sso/", "read"),
            "sentry-oidc" => (false, "https://sentry.test/auth/sso/", "openid email"),
            _ => (true, "https://rp.test/cb", "openid email profile organizations offline_access"),
        };
        let secret = match id {
            "sentry" => "the secret of sentry-fly".to_owned(),
            other => format!("the secret of {other}"),
        };
        Self { router: app.router.clone(), id, secret, basic, pkce: basic, redirect, scope }
    }

    /// A client that sends no PKCE, such as those of the official certification suite.
    pub(crate) fn plain(
        app: &TestApp,
        (id, secret): (&'static str, &str),
        basic: bool,
        redirect: &'static str,
    ) -> Self {
        Self {
            router: app.router.clone(),
            id,
            secret: secret.to_owned(),
            basic,
            pkce: false,
            redirect,
            scope: "openid",
        }
    }

    /// The same client with another secret.
    pub(crate) fn knowing(self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self }
    }

    /// The same client, asking another node.
    pub(crate) fn at(self, router: &Router) -> Self {
        Self { router: router.clone(), ..self }
    }

    /// The authorization request this client sends.
    pub(crate) fn request(&self) -> Parameters {
        let mut request = Parameters::of(&[
            ("client_id", self.id),
            ("response_type", "code"),
            ("scope", self.scope),
            ("state", STATE),
            ("redirect_uri", self.redirect),
        ]);
        if self.id == "sentry-oidc" {
            request = request.and("approval_prompt", "force").and("access_type", "offline");
        }
        if self.pkce {
            request = request.and("code_challenge", CHALLENGE).and("code_challenge_method", "S256");
        }
        request
    }

    /// Where the browser is sent to sign in.
    pub(crate) fn authorize(&self) -> String {
        self.request().authorize()
    }

    /// The token request for a code, without client authentication.
    pub(crate) fn redemption(&self, code: &str) -> Parameters {
        let parameters = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", self.redirect)];
        let parameters = Parameters::of(&parameters);
        if self.pkce { parameters.and("code_verifier", VERIFIER) } else { parameters }
    }

    pub(crate) fn refreshment(token: &str) -> Parameters {
        Parameters::of(&[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// Sends a token request, proving itself as it is registered to.
    pub(crate) async fn token(&self, parameters: Parameters) -> Answer {
        self.form("/oauth/token", parameters).await
    }

    /// Sends a form to an endpoint for clients, proving itself as it is registered to.
    pub(crate) async fn form(&self, path: &str, parameters: Parameters) -> Answer {
        if self.basic {
            return self.form_with(path, &parameters, &[("authorization", &self.basic_header())]).await;
        }
        self.form_with(path, &parameters.and("client_id", self.id).and("client_secret", &self.secret), &[]).await
    }

    /// Hands over an authorization request.
    pub(crate) async fn push(&self, request: &Parameters) -> Answer {
        let request = request.clone();
        self.form("/oauth/par", if self.basic { request } else { request.without("client_id") }).await
    }

    /// Where the browser is sent with the name of a request that was handed over.
    #[track_caller]
    pub(crate) fn pushed(&self, answer: &Answer) -> Parameters {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.said());
        let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
        Parameters::of(&[("client_id", self.id), ("request_uri", &uri)])
    }

    pub(crate) async fn introspect(&self, token: &str) -> Answer {
        self.form("/oauth/introspect", Parameters::of(&[("token", token)])).await
    }

    pub(crate) async fn give_back(&self, token: &str) -> Answer {
        self.form("/oauth/revoke", Parameters::of(&[("token", token)])).await
    }

    /// `Basic`, form-encoded inside (RFC 6749, section 2.3.1).
    pub(crate) fn basic_header(&self) -> String {
        let part = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        format!("Basic {}", STANDARD.encode(format!("{}:{}", part(self.id), part(&self.secret))))
    }

    /// Sends a token request exactly like this.
    pub(crate) async fn token_with(&self, parameters: &Parameters, headers: &[(&str, &str)]) -> Answer {
        self.form_with("/oauth/token", parameters, headers).await
    }

    pub(crate) async fn form_with(&self, path: &str, parameters: &Parameters, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&self.router, request.body(Body::from(parameters.encode())).unwrap()).await
    }

    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.token(self.redemption(code)).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.token(Self::refreshment(token)).await
    }

    /// A code for somebody who signs in with Fly.io in a new session.
    pub(crate) async fn code(&self, browser: &mut Browser, who: &str) -> String {
        self.code_for(browser, &self.request(), who).await
    }

    pub(crate) async fn code_for(&self, browser: &mut Browser, request: &Parameters, who: &str) -> String {
        let tx = browser.begin(&request.authorize()).await;
        let answer = browser.fly(&tx, who).await;
        let location = answer.location();
        assert!(location.starts_with(self.redirect), "{location}");
        let sent = answer.sent_back();
        sent.get("code").unwrap_or_else(|| panic!("no code in {sent:?}")).clone()
    }

    /// Signs somebody in with Fly.io, to the tokens.
    pub(crate) async fn tokens(&self, browser: &mut Browser, who: &str) -> Tokens {
        let code = self.code(browser, who).await;
        Tokens::of(&self.redeem(&code).await)
    }

    pub(crate) async fn bearer(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        send(&self.router, request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Answer {
        self.bearer("/oauth/userinfo", token).await
    }

    pub(crate) async fn info(&self, token: &str) -> Answer {
        self.bearer("/oauth/token/info", token).await
    }
}

/// The error of a token request.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.said());
    let json = answer.json();
    assert_eq!(json["error"], error, "{json}");
    assert!(json["error_description"].is_string(), "{json}");
    assert_eq!(json["request_id"], answer.header("x-request-id"), "{json}");
    assert_eq!(json.as_object().unwrap().len(), 3, "{json}");
    assert!(answer.header("content-type").starts_with("application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
}
