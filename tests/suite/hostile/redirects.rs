//! The corpus against every client: nobody is sent to an address that is not registered, byte for byte.

use axum::http::StatusCode;

use super::links::{leads, links};
use super::uris::{EVIL, corpus};
use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Parameters, Rp, refused};

/// Every address that any client has registered for anything.
const REGISTERED: [&str; 4] = [
    "https://sentry.test/auth/sso/",
    "https://rp.test/cb",
    "https://rp.test/cb2?keep=a%20b",
    "https://rp.test/signed-out",
];

/// The profiles of clients, and what each has registered for codes.
const PROFILES: [(&str, &[&str]); 4] = [
    ("sentry", &["https://sentry.test/auth/sso/"]),
    ("sentry-oidc", &["https://sentry.test/auth/sso/"]),
    ("standard", &["https://rp.test/cb", "https://rp.test/cb2?keep=a%20b"]),
    ("es256", &["https://rp.test/cb"]),
];

/// What looks like `alike`, and what is registered for something else; at least 500 addresses.
fn bad(alike: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut corpus = corpus(alike);
    corpus.extend(REGISTERED.map(str::to_owned));
    corpus.retain(|uri| !allowed.contains(&uri.as_str()));
    assert!(corpus.len() >= 500, "{}", corpus.len());
    corpus
}

/// What bad addresses for a profile look like.
fn alike(id: &str, allowed: &[&'static str]) -> [&'static str; 2] {
    if id == "standard" { [REGISTERED[1], REGISTERED[2]] } else { [allowed[0], "https://rp.test/signed-out"] }
}

/// What a bad address that nobody would take for another gets.
const NOWHERE: &str = "https://nowhere.test/";

/// Our own page, the same for every bad address: it leads nowhere, begins nothing and repeats nothing.
#[track_caller]
fn stays_here(answer: &Answer, uri: &str, usual: &Answer) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{uri:?}: {}", answer.said());
    assert_eq!(answer.element("error-id").as_deref(), Some(answer.header("x-request-id")), "{uri:?}");
    assert_eq!(leads(answer), <[String; 0]>::default(), "{uri:?}");
    assert_eq!(links(answer), links(usual), "{uri:?}");
    let text = answer.text();
    // Short ones, and those of the client's home, stand there anyway.
    assert!(!text.contains(EVIL) && (!text.contains(uri) || usual.text().contains(uri)), "{uri:?} is repeated");
    let mut cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    assert!(cookies.all(|cookie| cookie.starts_with("__Host-fb_browser=")), "{uri:?} begins a sign-in");
}

/// As the client's own site posts it; a browser holds its cookies back then, so it is sent on by a GET.
async fn posted(browser: &mut Browser, path: &str, request: &Parameters) -> Answer {
    let fields: Vec<(&str, &str)> = request.0.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = browser.post_bare(path, &fields, &[("sec-fetch-site", "cross-site"), ("origin", ISSUER)]).await;
    if answer.status != StatusCode::SEE_OTHER {
        return answer;
    }
    let location = answer.location();
    assert!(location.starts_with(&format!("{path}?")), "{location}");
    browser.get(&location).await
}

/// What a client of this profile sends; its parameters are right in everything but the address.
fn request(app: &TestApp, id: &'static str) -> Parameters {
    Rp::new(app, id).request()
}

/// The corpus, by GET as a stranger and by POST as somebody who is signed in and would get a code at once.
async fn refuses_all(id: &'static str) {
    let (_, allowed) = PROFILES.into_iter().find(|(known, _)| *known == id).unwrap();
    let app = TestApp::new().await;
    let (mut stranger, mut leo) = (app.browser(), app.browser());
    stranger.get("/forgot").await;
    leo.sign_in_with_fly("leo").await;
    let good = request(&app, id);
    for registered in allowed {
        let code = leo.get(&good.clone().with("redirect_uri", registered).authorize()).await;
        assert!(code.location().starts_with(registered), "the request is good but for its address");
    }
    let usual = stranger.get(&good.clone().with("redirect_uri", NOWHERE).authorize()).await;
    let before = app.dump();
    for uri in &bad(&alike(id, allowed), allowed) {
        let bad = good.clone().with("redirect_uri", uri);
        stays_here(&stranger.get(&bad.authorize()).await, uri, &usual);
        stays_here(&posted(&mut leo, "/oauth/authorize", &bad).await, uri, &usual);
    }
    assert_eq!(app.dump(), before);
    assert!(leo.is_signed_in().await);
}

#[tokio::test]
async fn sentrys_own_provider_is_sent_nowhere_else() {
    refuses_all("sentry").await;
}

#[tokio::test]
async fn sentrys_generic_provider_is_sent_nowhere_else() {
    refuses_all("sentry-oidc").await;
}

#[tokio::test]
async fn a_standard_client_is_sent_nowhere_else() {
    refuses_all("standard").await;
}

#[tokio::test]
async fn a_client_with_es256_is_sent_nowhere_else() {
    refuses_all("es256").await;
}

#[tokio::test]
async fn errors_for_the_client_go_nowhere_else_either() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let good = request(&app, "standard");
    let usual = browser.get(&good.clone().with("redirect_uri", NOWHERE).authorize()).await;
    // Each of these is an error that a registered address would be told.
    let wrong = [("response_type", "token"), ("scope", "email"), ("request", "eyJ"), ("prompt", "none")];
    let (before, corpus) = (app.dump(), bad(&REGISTERED[1..3], PROFILES[2].1));
    for (uri, (name, value)) in corpus.iter().zip(wrong.iter().cycle()) {
        let mode = if uri.len() % 2 == 0 { "query" } else { "form_post" };
        let bad = good.clone().with("redirect_uri", uri).with(name, value).with("response_mode", mode);
        stays_here(&browser.get(&bad.authorize()).await, uri, &usual);
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn after_signing_out_nobody_is_sent_anywhere_else() {
    let app = TestApp::new().await;
    for (id, _) in PROFILES {
        let mut browser = app.browser();
        let tokens = Rp::new(&app, id).tokens(&mut browser, "leo").await;
        let (allowed, mut named): (&[&str], _) = match id {
            "standard" => (&["https://rp.test/signed-out"], vec![("client_id", id)]),
            _ => (&[], vec![("client_id", id)]),
        };
        named.extend(tokens.id.as_deref().map(|hint| ("id_token_hint", hint)));
        let logout = |uri: &str| Parameters::of(&named).and("post_logout_redirect_uri", uri).and("state", "s");
        let address = |uri: &str| format!("/oauth/logout?{}", logout(uri).encode());
        let usual = browser.get(&address(NOWHERE)).await;
        let (before, corpus) = (app.dump(), bad(&REGISTERED[2..], allowed));
        let mut stranger = app.browser();
        for (number, uri) in corpus.iter().enumerate() {
            stays_here(&browser.get(&address(uri)).await, uri, &usual);
            if number % 4 == 0 {
                stays_here(&stranger.get(&address(uri)).await, uri, &usual);
                stays_here(&posted(&mut browser, "/oauth/logout", &logout(uri)).await, uri, &usual);
            }
        }
        assert_eq!(app.dump(), before);
        assert!(browser.is_signed_in().await, "{id}");
    }
}

#[tokio::test]
async fn nobody_hands_over_a_bad_address() {
    let app = TestApp::new().await;
    for (id, allowed) in PROFILES {
        let rp = Rp::new(&app, id);
        let good = rp.request();
        for registered in allowed {
            rp.pushed(&rp.push(&good.clone().with("redirect_uri", registered)).await);
        }
        let before = app.dump();
        for uri in &bad(&alike(id, allowed), allowed) {
            refused(&rp.push(&good.clone().with("redirect_uri", uri)).await, 400, "invalid_request");
        }
        assert_eq!(app.dump(), before);
    }
}

#[tokio::test]
async fn a_bad_address_beside_a_request_that_was_handed_over_leads_nowhere() {
    let app = TestApp::new().await;
    let rp = app.standard();
    let mut leo = app.browser();
    leo.sign_in_with_fly("leo").await;
    for uri in bad(&REGISTERED[1..3], &["https://rp.test/cb"]).iter().step_by(10) {
        let pushed = rp.pushed(&rp.push(&rp.request()).await);
        let answer = leo.get(&pushed.and("redirect_uri", uri).authorize()).await;
        assert!(answer.location().starts_with("https://rp.test/cb?code="), "{uri:?}: {}", answer.location());
    }
}
