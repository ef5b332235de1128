//! Cookies: `__Host-`, `Secure`, `HttpOnly`, `SameSite=Lax`. Without TLS (loopback only) a browser keeps neither the prefix
//! nor `Secure`, so both are left out there.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

/// The cookies that a browser sent.
#[derive(Debug, Clone, Default)]
pub struct Cookies(Vec<(String, String)>);

impl Cookies {
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The value of a cookie; none when it was sent twice, since only one of them can be ours.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let first = found.next();
        if found.next().is_some() { None } else { first }
    }

    /// What follows `prefix` in the names of cookies that start with it.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(name, value)| name.strip_prefix(prefix).map(|rest| (rest, value.as_str())))
    }
}

/// How cookies are written here.
#[derive(Debug, Clone, Copy)]
pub struct CookieStyle {
    pub secure: bool,
}

impl CookieStyle {
    #[must_use]
    pub fn name(self, short: &str) -> String {
        if self.secure { format!("__Host-{short}") } else { short.to_owned() }
    }

    /// `Set-Cookie` with a lifetime; none lasts as long as the browser runs.
    #[must_use]
    pub fn set(self, short: &str, value: &str, max_age: Option<Duration>) -> SetCookie {
        let mut text = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax", self.name(short));
        if self.secure {
            text.push_str("; Secure");
        }
        if let Some(max_age) = max_age {
            let _ = write!(text, "; Max-Age={}", max_age.as_secs());
        }
        SetCookie(text)
    }

    #[must_use]
    pub fn clear(self, short: &str) -> SetCookie {
        self.set(short, "", Some(Duration::ZERO))
    }
}

/// One `Set-Cookie` header.
#[derive(Debug, Clone)]
pub struct SetCookie(String);

impl SetCookie {
    pub fn apply(&self, response: &mut Response) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
}
