//! Every page and every mail in all its variants, in light and in dark colours, on a desktop and on a phone: states that are
//! hard to come by in a story as well.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use flybridge::http::{assets, pages};
use flybridge::services::mail;

use crate::support::chromium::axe::Rules;
use crate::support::chromium::{Browser, DESKTOP, PHONE, View, run};

type Documents = Arc<BTreeMap<String, String>>;

#[test]
fn are_accessible_on_a_desktop() {
    run(all(DESKTOP));
}

#[test]
fn are_accessible_on_a_phone() {
    run(all(PHONE));
}

async fn all(view: View) {
    let documents: Documents = Arc::new(pages_that_stay().chain(mails()).collect());
    let address = serve(documents.clone()).await;
    let browser = Browser::open(view).await;
    let mut wrong = Vec::new();
    for name in documents.keys() {
        browser.goto(&format!("http://{address}/{name}")).await;
        browser.wait_for("h1, h2, p").await;
        let found = if name.starts_with("mail-") {
            browser.violations(Rules::Mail).await
        } else {
            [browser.faults().await, browser.violations(Rules::Page).await].concat()
        };
        wrong.extend(found.into_iter().map(|line| format!("{name}: {line}")));
    }
    assert!(wrong.is_empty(), "{} documents on a {}: {wrong:#?}", documents.len(), view.name);
}

/// The samples of pages; the two that lead elsewhere by themselves wait for a day, or for the button.
fn pages_that_stay() -> impl Iterator<Item = (String, String)> {
    pages::samples().into_iter().map(|sample| {
        let html = sample.html.unwrap();
        let waits = html.replace("content=\"0; url=", "content=\"86400; url=");
        (sample.name, waits.replace(&format!("<script src=\"{}\" defer></script>", assets::submit_url()), ""))
    })
}

fn mails() -> impl Iterator<Item = (String, String)> {
    mail::samples().unwrap().into_iter().map(|(name, parts)| (format!("mail-{name}"), parts.html))
}

/// On a port of its own, until the test ends.
async fn serve(documents: Documents) -> SocketAddr {
    let document = async |State(documents): State<Documents>, Path(name): Path<String>| match documents.get(&name) {
        Some(html) => Ok(Html(html.clone())),
        None => Err(StatusCode::NOT_FOUND),
    };
    let router =
        Router::new().route(assets::ROUTE, get(assets::serve)).route("/{name}", get(document)).with_state(documents);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    address
}
