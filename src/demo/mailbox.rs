//! A folder of mails as a page: what the file mailer of Flybridge wrote, as the people would get it.

mod letter;

use std::path::PathBuf;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use url::form_urlencoded;

pub use self::letter::{Envelope, Letter, Unreadable, read_letter};

use self::letter::Entry;
use super::{Links, page};

/// The list shows no more than these; a filter finds older ones.
const SHOWN: usize = 500;

/// A mail is foreign content: it may carry style, nothing that runs, loads or submits. Its links replace the
/// whole page, as from a mail program. The same rules hold when it is opened without the frame.
const LETTER_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                             frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation";

#[derive(Clone)]
pub struct Mailbox(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    links: Links,
}

impl Mailbox {
    /// The `.eml` files of `folder`; a folder that is not there yet is an empty one.
    #[must_use]
    pub fn new(folder: PathBuf, links: Links) -> Self {
        Self(Arc::new(Inner { folder, links }))
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(list))
            .route("/mails/{file}", get(open))
            .route("/mails/{file}/html", get(html_part))
            .route("/mails/{file}/text", get(text_part))
            .route("/mails/{file}/raw", get(raw))
            .merge(page::assets())
            .fallback(page::no_such_page(&self.0.links))
            .with_state(self.clone())
    }

    /// Everything in the folder, newest first.
    pub async fn entries(&self) -> Vec<Entry> {
        letter::entries(&self.0.folder).await
    }

    async fn bytes(&self, file: &str) -> Result<Vec<u8>, Unreadable> {
        letter::bytes(&self.0.folder, file).await
    }

    async fn letter(&self, file: &str) -> Result<Letter, Unreadable> {
        read_letter(&self.bytes(file).await?)
    }
}

#[derive(Template)]
#[template(path = "demo/mailbox.html")]
struct Page<'a> {
    links: &'a Links,
    to: &'a str,
    /// Keeps the filter when a mail is opened.
    query: String,
    count: usize,
    entries: &'a [Entry],
    current: Option<&'a str>,
    opened: Option<Opened>,
}

impl Page<'_> {
    fn is_current(&self, entry: &Entry) -> bool {
        self.current == Some(entry.file.as_str())
    }
}

/// What stands beside the list.
enum Opened {
    Letter { href: String, letter: Letter },
    Unreadable { file: String, href: String, why: Unreadable },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    /// Part of an address.
    to: String,
}

async fn list(State(mailbox): State<Mailbox>, filter: Result<Query<Filter>, QueryRejection>) -> Response {
    show(&mailbox, &filter.map(|Query(filter)| filter).unwrap_or_default(), None).await
}

async fn open(
    State(mailbox): State<Mailbox>,
    Path(file): Path<String>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Response {
    show(&mailbox, &filter.map(|Query(filter)| filter).unwrap_or_default(), Some(file)).await
}

async fn show(mailbox: &Mailbox, filter: &Filter, file: Option<String>) -> Response {
    let wanted = filter.to.trim().to_lowercase();
    let mut entries = mailbox.entries().await;
    entries.retain(|entry| wanted.is_empty() || entry.to().to_lowercase().contains(&wanted));
    let count = entries.len();
    entries.truncate(SHOWN);
    let opened = match &file {
        None => None,
        Some(file) => Some(match mailbox.letter(file).await {
            Ok(letter) => Opened::Letter { href: letter::href(file), letter },
            Err(Unreadable::Missing) => return missing(mailbox),
            Err(why) => Opened::Unreadable { file: file.clone(), href: letter::href(file), why },
        }),
    };
    let current = file.as_deref();
    let to = filter.to.trim();
    let encoded: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
    let query = if to.is_empty() { String::new() } else { format!("?to={encoded}") };
    let page = Page { links: &mailbox.0.links, to, query, count, entries: &entries, current, opened };
    page::html(StatusCode::OK, &page)
}

async fn html_part(State(mailbox): State<Mailbox>, Path(file): Path<String>) -> Response {
    match mailbox.letter(&file).await {
        Ok(Letter { html: Some(html), .. }) => foreign("text/html; charset=utf-8", letter::links_to_top(&html)),
        Ok(_) => missing(&mailbox),
        Err(why) => failed(&mailbox, why),
    }
}

async fn text_part(State(mailbox): State<Mailbox>, Path(file): Path<String>) -> Response {
    match mailbox.letter(&file).await {
        Ok(Letter { text: Some(text), .. }) => foreign("text/plain; charset=utf-8", text),
        Ok(_) => missing(&mailbox),
        Err(why) => failed(&mailbox, why),
    }
}

async fn raw(State(mailbox): State<Mailbox>, Path(file): Path<String>) -> Response {
    match mailbox.bytes(&file).await {
        Ok(bytes) => foreign("text/plain; charset=utf-8", bytes),
        Err(why) => failed(&mailbox, why),
    }
}

fn foreign(kind: &'static str, body: impl IntoResponse) -> Response {
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, LETTER_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, body).into_response()
}

fn failed(mailbox: &Mailbox, why: Unreadable) -> Response {
    match why {
        Unreadable::Missing => missing(mailbox),
        why => {
            message(mailbox, StatusCode::UNPROCESSABLE_ENTITY, "This file is not a readable mail", &why.to_string())
        }
    }
}

fn missing(mailbox: &Mailbox) -> Response {
    message(
        mailbox,
        StatusCode::NOT_FOUND,
        "No such mail",
        "The folder has no mail of this name, or not this view of it.",
    )
}

fn message(mailbox: &Mailbox, status: StatusCode, title: &str, text: &str) -> Response {
    let links = &mailbox.0.links;
    page::html(status, &page::Message { links, title, text, hint: "", way_on: ("/", "All mails") })
}
