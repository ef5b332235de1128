//! The stand-ins of the demo: they are measured against the contracts, since other tests lean on them.

#[path = "stand_ins/fly.rs"]
mod fly;
#[path = "stand_ins/fly_faults.rs"]
mod fly_faults;
#[path = "stand_ins/fly_support.rs"]
mod fly_support;
#[path = "stand_ins/mailbox.rs"]
mod mailbox;
#[path = "stand_ins/sentry.rs"]
mod sentry;
#[path = "stand_ins/sentry_logout.rs"]
mod sentry_logout;
#[path = "stand_ins/sentry_refresh.rs"]
mod sentry_refresh;
#[path = "stand_ins/sentry_support.rs"]
mod sentry_support;
#[path = "stand_ins/together.rs"]
mod together;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn location(&self) -> url::Url {
        assert_eq!(self.status, StatusCode::FOUND, "{}", String::from_utf8_lossy(&self.body));
        self.header("location").parse().unwrap()
    }

    /// The value of an attribute of the first tag that contains `mark`.
    fn attribute(&self, mark: &str, name: &str) -> Option<String> {
        let text = self.text();
        let at = text.find(mark)?;
        let begin = text[..at].rfind('<')?;
        let tag = &text[begin..begin + text[begin..].find('>')?];
        let value = tag.split_once(&format!(" {name}=\""))?.1;
        Some(value[..value.find('"')?].replace("&#38;", "&").replace("&amp;", "&"))
    }
}

/// The value of a query parameter that occurs once.
fn parameter(url: &url::Url, name: &str) -> Option<String> {
    let values: Vec<String> =
        url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect();
    assert!(values.len() <= 1, "{name} repeated in {url}");
    values.into_iter().next()
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

async fn get(router: &Router, path: &str) -> Answer {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(router: &Router, path: &str, fields: &[(&str, &str)]) -> Answer {
    send(router, form(path, fields)).await
}

fn form(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(Body::from(body)).unwrap()
}

/// HTTP clients need it, whichever test comes first.
fn install_crypto() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // Another suite may have installed the same one.
    ONCE.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
}
