//! Headers that every answer carries.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::web::Web;
use crate::domain::client::VerifiedRedirect;

/// Where the forms of a page may lead beside ourselves, by way of a redirect: browsers hold `form-action` against
/// redirects too. A handler puts it into the extensions of its answer.
#[derive(Debug, Clone, Default)]
pub struct FormTargets(pub Vec<String>);

impl FormTargets {
    /// The origins of `urls`.
    #[must_use]
    pub fn of<'a>(urls: impl IntoIterator<Item = &'a str>) -> Self {
        let origins = urls.into_iter().filter_map(|url| url::Url::parse(url).ok()).map(|url| url.origin());
        let mut texts: Vec<String> = origins.filter(url::Origin::is_tuple).map(|o| o.ascii_serialization()).collect();
        texts.sort();
        texts.dedup();
        Self(texts)
    }

    fn with_ourselves(&self) -> String {
        std::iter::once("'self'").chain(self.0.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

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
    let targets = response.extensions_mut().remove::<FormTargets>().unwrap_or_default();
    let policy = match response.extensions_mut().remove::<OnlyFormTarget>() {
        Some(OnlyFormTarget(origin)) => policy(&origin),
        None => policy(&targets.with_ourselves()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_targets_are_origins() {
        let targets = FormTargets::of(["https://sentry.example/auth/sso/", "https://sentry.example/x", "nonsense"]);
        assert_eq!(targets.0, ["https://sentry.example"]);
        assert!(policy(&targets.with_ourselves()).ends_with("form-action 'self' https://sentry.example"));
    }
}
