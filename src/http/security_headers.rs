//! Headers that every answer carries.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::web::Web;
use crate::domain::client::VerifiedRedirect;

/// For a page whose one form leads elsewhere and nowhere else: the origin of a verified redirect.
#[derive(Debug, Clone)]
pub struct OnlyFormTarget(String);

impl OnlyFormTarget {
    #[must_use]
    pub fn of(redirect: &VerifiedRedirect) -> Self {
        let origin = url::Url::parse(redirect.as_str()).map(|url| url.origin().ascii_serialization());
        Self(origin.unwrap_or_else(|_| "'none'".to_owned()))
    }
}

pub async fn layer(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let policy = match response.extensions_mut().remove::<OnlyFormTarget>() {
        Some(OnlyFormTarget(origin)) => policy(&origin),
        None => policy("'self'"),
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("x-frame-options"), "DENY"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What other origins may read by CORS must not be hidden from them here.
    let resource =
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) { "cross-origin" } else { "same-origin" };
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static(resource));
    if web.issuer.is_https() {
        let value = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn policy(form_action: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
         object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action {form_action}"
    )
}
