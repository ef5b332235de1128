//! The page between a form of ours and another site.

use askama::Template;
use url::Url;

use super::Frame;

/// Where an address is, as the address bar will show it: `sentry.example`.
#[must_use]
pub fn site(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Goes on by itself, without a script; the link is for browsers that do not.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/leave.html")]
pub struct LeavePage {
    pub frame: Frame,
    /// Name of the application: `Sentry`; its site when no application is known there.
    pub name: String,
    /// The site as the address bar will show it: `sentry.example`.
    pub site: String,
    /// Where it goes on to, as it was written: a verified redirect with its answer, or the home of an application.
    pub url: String,
}

impl LeavePage {
    /// `text` is the address as the redirect would have carried it.
    #[must_use]
    pub fn new(frame: Frame, name: Option<String>, url: &Url, text: String) -> Self {
        let site = site(url);
        Self { frame, name: name.unwrap_or_else(|| site.clone()), site, url: text }
    }

    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let page = |name: Option<&str>, text: &str| {
            let name = name.map(str::to_owned);
            Some(Self::new(Frame::new(false, ""), name, &Url::parse(text).ok()?, text.to_owned()))
        };
        let pages = [
            (
                "code",
                page(Some("Sentry"), "https://sentry.example/auth/sso/?code=fbc_3v7k9m2p.x&state=a%22b%3Cc%3E&iss=x"),
            ),
            ("home", page(None, "http://127.0.0.1:4030/")),
        ];
        pages.into_iter().filter_map(|(name, page)| Some((name, page?))).collect()
    }
}
