//! A server in front of Flybridge under whose address it is known, and which lies about its keys.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::response::Response;
use flybridge::demo::serve_on;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::process::{Node, http};

/// A place for it, so that Flybridge can be told its address.
pub(super) struct Place(TcpListener);

impl Place {
    pub(super) async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    pub(super) fn serve(self, node: &Node) -> Front {
        let behind = Arc::new((http(), node.url("")));
        let router = Router::new().fallback(pass_on).with_state(behind);
        Front(tokio::spawn(async move {
            serve_on(self.0, router, std::future::pending()).await.unwrap();
        }))
    }
}

/// Stops when dropped.
pub(super) struct Front(JoinHandle<()>);

impl Drop for Front {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn pass_on(State(behind): State<Arc<(reqwest::Client, String)>>, request: Request) -> Response {
    let (http, node) = &*behind;
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(HOST);
    let body = body.collect().await.unwrap().to_bytes();
    let answer = http.request(parts.method, format!("{node}{}", parts.uri)).headers(parts.headers).body(body);
    let answer = answer.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    let text = if parts.uri.path() == "/oauth/jwks" { other_keys(&text) } else { text };
    let mut response = Response::new(Body::from(text));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response.headers_mut().remove(CONTENT_LENGTH);
    response
}

/// The same keys by name, but with another modulus each.
fn other_keys(jwks: &str) -> String {
    let mut jwks: Value = serde_json::from_str(jwks).unwrap();
    for key in jwks["keys"].as_array_mut().unwrap().iter_mut().filter(|key| key["kty"] == "RSA") {
        let modulus = key["n"].as_str().unwrap();
        let other = if &modulus[100..101] == "A" { "B" } else { "A" };
        key["n"] = format!("{}{other}{}", &modulus[..100], &modulus[101..]).into();
    }
    jwks.to_string()
}
