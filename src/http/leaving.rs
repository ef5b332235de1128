//! From a form of ours to another site.
//!
//! A browser holds the `form-action` of a page against every redirect that follows on the form (Content Security Policy
//! Level 3, section 6.4.2), and so also against those of the application that the person goes on to, which nobody here
//! can list. A page in between that goes on by itself ends the chain, and `form-action` stays `'self'`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use url::Url;

use super::oidc::redirect::Toward;
use super::pages::Page;
use super::pages::leave::LeavePage;
use super::web::Web;

/// Pages that forms redirect to and that may redirect on.
const AFTER_A_FORM: [&str; 4] = ["/", "/go", "/sign-in/next", "/sign-in/consent"];

/// The layer of our own pages and forms. A program that asks for no HTML gets the redirect as it is.
pub async fn layer(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let html = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let by_form = html.is_some_and(|accept| accept.contains("text/html"))
        && (request.method() == Method::POST || AFTER_A_FORM.contains(&request.uri().path()));
    let response = next.run(request).await;
    match leads_elsewhere(&response, &web).filter(|_| by_form) {
        Some((url, text)) => {
            let name = response.extensions().get::<Toward>().map(|toward| toward.0.clone());
            leave(&response, LeavePage::new(web.frame(""), name, &url, text))
        }
        None => response,
    }
}

fn leads_elsewhere(response: &Response, web: &Web) -> Option<(Url, String)> {
    let location = response.headers().get(header::LOCATION).filter(|_| response.status() == StatusCode::SEE_OTHER)?;
    // A path of our own is no URL by itself.
    let text = location.to_str().ok()?;
    let url = Url::parse(text).ok()?;
    (url.origin().ascii_serialization() != web.issuer.as_str()).then(|| (url, text.to_owned()))
}

fn leave(redirect: &Response, page: LeavePage) -> Response {
    let mut response = Page::ok(page).into_response();
    for cookie in redirect.headers().get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    response
}
