//! What the pages of all stand-ins share: assets, headers, redirects.

use std::future::{Ready, ready};

use askama::Template;
use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Links;

const STYLE: &str = include_str!("../../assets/flybridge.css");
const ICON: &str = include_str!("../../assets/favicon.svg");

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The stylesheet and the icon, under the paths that the layout names.
pub(super) fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/assets/flybridge.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/assets/favicon.svg", get(async || asset("image/svg+xml", ICON)))
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=300"), (X_CONTENT_TYPE_OPTIONS, "nosniff")], body)
        .into_response()
}

/// A rendered page with its headers.
pub(super) fn html(status: StatusCode, template: &impl Template) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    match template.render() {
        Ok(body) => (status, headers, body).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the demo does not render");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page of a few sentences and one way on.
#[derive(Template)]
#[template(path = "demo/message.html")]
pub(super) struct Message<'a> {
    pub(super) links: &'a Links,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    pub(super) hint: &'a str,
    /// Address and words of the way on.
    pub(super) way_on: (&'a str, &'a str),
}

/// The answer to every path that is not there.
pub(super) fn no_such_page(links: &Links) -> impl FnOnce() -> Ready<Response> + Clone + Send + Sync + 'static {
    let links = links.clone();
    move || {
        let text = "There is no page at this address.";
        let message = Message { links: &links, title: "No such page", text, hint: "", way_on: ("/", "To the start") };
        ready(html(StatusCode::NOT_FOUND, &message))
    }
}

/// To `url` by GET. 302, as Rails and Django answer.
pub(super) fn redirect(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(url) => (StatusCode::FOUND, [(LOCATION, url), (CACHE_CONTROL, HeaderValue::from_static("no-store"))])
            .into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Whether a form was sent from another site's page. Every browser of today says so on loopback too
/// (Fetch Metadata, section 2.4); a client that says nothing is no browser.
pub(super) fn sent_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    matches!(site, Some("cross-site" | "same-site"))
}
