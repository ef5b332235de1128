//! Pages as typed contexts: each struct holds what its template prints, ready to print, and nothing else. Handlers map
//! domain values to these structs. Every struct has `samples`, which cover its variants; one test renders them all.

pub mod account;
pub mod consent;
pub mod disable;
pub mod error;
pub mod form_post;
pub mod leave;
pub mod organization;
pub mod setup;
pub mod sign_in;
pub mod sign_out;
pub mod when;

use std::borrow::Borrow;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A page as an answer: status and HTML. It is about one person at one moment, so nobody keeps a copy of it.
#[derive(Debug)]
pub struct Page<T> {
    pub status: StatusCode,
    pub body: T,
}

impl<T> Page<T> {
    /// The page with status 200.
    pub fn ok(body: T) -> Self {
        Self { status: StatusCode::OK, body }
    }

    /// The page with another status.
    pub fn with_status(status: StatusCode, body: T) -> Self {
        Self { status, body }
    }
}

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.body.render() {
            Ok(html) => {
                let headers = [
                    (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
                    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                ];
                (self.status, headers, html).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "a page could not be rendered");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// What surrounds a page for one person: signing in, setting a password, an error.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The program runs as `flybridge demo`: every page says so.
    pub demo: bool,
    /// Where the mark in the top bar leads.
    pub home: String,
}

impl Frame {
    /// `tx_query` is `?tx=<id>` inside a sign-in transaction, otherwise empty.
    #[must_use]
    pub fn new(demo: bool, tx_query: &str) -> Self {
        Self { demo, home: format!("/sign-in{tx_query}") }
    }

    fn sample() -> Self {
        Self::new(false, SAMPLE_TX)
    }
}

/// Which entry of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    SignIn,
    Members,
    Audit,
}

/// What surrounds a page about one organization, for an admin who is signed in.
#[derive(Debug, Clone)]
pub struct OrganizationFrame {
    /// The program runs as `flybridge demo`: every page says so.
    pub demo: bool,
    /// Where the mark in the top bar leads: the organization's sign-in settings.
    pub home: String,
    /// Name of the organization.
    pub name: String,
    pub slug: String,
    pub section: Section,
    /// Who looks at the page.
    pub person: String,
    /// Their role in this organization: `admin`.
    pub role: String,
}

impl OrganizationFrame {
    /// `/organizations/<slug>`, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> String {
        format!("/organizations/{}", self.slug)
    }

    fn sample(section: Section) -> Self {
        Self {
            demo: false,
            home: "/organizations/saltmarsh-labs/auth".into(),
            name: "Saltmarsh Labs".into(),
            slug: "saltmarsh-labs".into(),
            section,
            person: "Ines Marlow".into(),
            role: "admin".into(),
        }
    }
}

/// The line under a list and the links to its neighbours.
#[derive(Debug, Clone, Default)]
pub struct Pager {
    /// `1 to 50 of 412`
    pub text: String,
    pub previous: Option<String>,
    pub next: Option<String>,
}

impl Pager {
    fn sample(text: &str) -> Self {
        Self { text: text.into(), previous: None, next: Some("?after=u_7ef1v6".into()) }
    }
}

/// One entry of a `<select>`.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Empty for "no filter".
    pub value: String,
    pub label: String,
    pub selected: bool,
}

impl Choice {
    /// The entries of a filter, `(value, label)` each, with `current` selected.
    #[must_use]
    pub fn list(entries: &[(&str, &str)], current: &str) -> Vec<Self> {
        let choice = |(value, label): &(&str, &str)| Self {
            value: (*value).to_owned(),
            label: (*label).to_owned(),
            selected: *value == current,
        };
        entries.iter().map(choice).collect()
    }
}

/// A link that looks like a button.
#[derive(Debug, Clone)]
pub struct Action {
    pub label: String,
    pub url: String,
}

impl Action {
    #[must_use]
    pub fn new(label: &str, url: impl Into<String>) -> Self {
        Self { label: label.to_owned(), url: url.into() }
    }
}

/// A number as people read it: `1,284`. Takes references too, since that is what templates hand over.
#[must_use]
pub fn thousands(n: impl Borrow<u64>) -> String {
    let digits = n.borrow().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 person`, `409 people`
#[must_use]
pub fn people(n: impl Borrow<u64>) -> String {
    let n: u64 = *n.borrow();
    if n == 1 { "1 person".to_owned() } else { format!("{} people", thousands(n)) }
}

/// `Saltmarsh Labs`, `Saltmarsh Labs and Harbour Tools`, `A, B and C`
#[must_use]
pub fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

const SAMPLE_TX: &str = "?tx=3v7k9m2p";
const SAMPLE_CSRF: &str = "b3J0ZXI";

/// One page in one of its variants, rendered.
#[derive(Debug)]
pub struct Sample {
    /// `<page>-<variant>`, fit for a file name.
    pub name: String,
    pub html: Result<String, askama::Error>,
}

fn render<T: Template>(page: &str, samples: Vec<(&str, T)>) -> impl Iterator<Item = Sample> {
    samples.into_iter().map(move |(variant, body)| Sample { name: format!("{page}-{variant}"), html: body.render() })
}

/// Every page in all its variants.
#[must_use]
pub fn samples() -> Vec<Sample> {
    render("sign-in", sign_in::SignInPage::samples())
        .chain(render("no-longer-opens", sign_in::NoLongerOpensPage::samples()))
        .chain(render("choose", sign_in::ChoosePage::samples()))
        .chain(render("denied", sign_in::DeniedPage::samples()))
        .chain(render("consent", consent::ConsentPage::samples()))
        .chain(render("applications", consent::ApplicationsPage::samples()))
        .chain(render("account", account::AccountPage::samples()))
        .chain(render("confirm-address", account::ConfirmAddressPage::samples()))
        .chain(render("auth", organization::AuthPage::samples()))
        .chain(render("enable", organization::EnablePage::samples()))
        .chain(render("members", organization::MembersPage::samples()))
        .chain(render("audit", organization::AuditPage::samples()))
        .chain(render("preview", disable::PreviewPage::samples()))
        .chain(render("run", disable::RunPage::samples()))
        .chain(render("setup", setup::SetupPage::samples()))
        .chain(render("setup-expired", setup::ExpiredPage::samples()))
        .chain(render("forgot", setup::ForgotPage::samples()))
        .chain(render("forgot-sent", setup::ForgotSentPage::samples()))
        .chain(render("sign-out", sign_out::SignOutPage::samples()))
        .chain(render("signed-out", sign_out::SignedOutPage::samples()))
        .chain(render("form-post", form_post::FormPostPage::samples()))
        .chain(render("leave", leave::LeavePage::samples()))
        .chain(render("error", error::ErrorPage::samples()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lists_read_as_people_write_them() {
        assert_eq!(thousands(0_u64), "0");
        assert_eq!(thousands(999_u64), "999");
        assert_eq!(thousands(1284_u64), "1,284");
        assert_eq!(thousands(1_000_000_u64), "1,000,000");
        assert_eq!(people(1_u64), "1 person");
        assert_eq!(people(10_000_u64), "10,000 people");
        let names = ["A".to_owned(), "B".to_owned(), "C".to_owned()];
        assert_eq!(listed(&names[..1]), "A");
        assert_eq!(listed(&names[..2]), "A and B");
        assert_eq!(listed(&names), "A, B and C");
    }
}
