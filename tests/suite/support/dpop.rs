//! Proofs that somebody has a key (RFC 9449), with a way to change every part of them.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::clock::Clock as _;
use serde_json::{Value, json};

use super::answer::Answer;
use super::app::{ISSUER, TestApp};
use super::browser_client::send;
use super::client_key::ClientKey;

/// Somebody with a key of their own.
pub(crate) struct Holder {
    pub(crate) key: ClientKey,
    proofs: AtomicU32,
}

/// SHA-256 in base64url.
pub(crate) fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

impl Holder {
    pub(crate) fn of(key: ClientKey) -> Self {
        Self { key, proofs: AtomicU32::new(0) }
    }

    pub(crate) fn new() -> Self {
        Self::of(ClientKey::p256("1"))
    }

    pub(crate) fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.key.algorithm(), "jwk": self.key.jwk()})
    }

    /// Those of a good proof, of another name each time.
    pub(crate) fn claims(&self, app: &TestApp, method: &str, path: &str) -> Value {
        let number = self.proofs.fetch_add(1, Ordering::SeqCst);
        let now = app.clock.now().as_seconds();
        json!({"jti": format!("proof {number}"), "htm": method, "htu": format!("{ISSUER}{path}"), "iat": now})
    }

    /// A good proof for an endpoint for clients.
    pub(crate) fn proof(&self, app: &TestApp, path: &str) -> String {
        self.key.sign(&self.header(), &self.claims(app, "POST", path))
    }

    /// A good proof beside an access token.
    pub(crate) fn proof_for(&self, app: &TestApp, (method, path): (&str, &str), token: &str) -> String {
        let mut claims = self.claims(app, method, path);
        claims["ath"] = json!(hash(token));
        self.key.sign(&self.header(), &claims)
    }

    /// The thumbprint of the key (RFC 7638): names of members in their order, and nothing between them.
    pub(crate) fn thumbprint(&self) -> String {
        let mut jwk = self.key.jwk();
        jwk.as_object_mut().unwrap().remove("kid");
        hash(&jwk.to_string())
    }
}

/// A request with these headers, each as often as it stands there.
pub(crate) async fn ask(app: &TestApp, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(&app.router, request.body(Body::empty()).unwrap()).await
}

pub(crate) async fn post_form(app: &TestApp, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(&app.router, request.body(Body::from(form.to_owned())).unwrap()).await
}
