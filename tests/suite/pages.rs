//! Every page in all its variants: rendered, held against the rules that all pages keep, and snapshotted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use axum::body::to_bytes;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use flybridge::clock::Timestamp;
use flybridge::http::assets;
use flybridge::http::pages::disable::{Counts, MailStatus, RunEvent, RunProgress, RunRowUpdate, RunState};
use flybridge::http::pages::error::ErrorPage;
use flybridge::http::pages::{Page, samples};

use crate::html::{Tag, tags};

fn pages() -> impl Iterator<Item = (String, String)> {
    samples().into_iter().map(|sample| {
        let html = sample.html.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        (sample.name, html)
    })
}

/// The pages as files that a browser shows, for whoever wants to look at them.
fn write(name: &str, html: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    let file = |path: &str| folder.join(path.trim_start_matches('/'));
    std::fs::create_dir_all(file("assets")).unwrap();
    for url in [assets::style_url(), assets::icon_url(), assets::live_url(), assets::strength_url()] {
        std::fs::write(file(url), assets::asset(url).unwrap().body).unwrap();
    }
    std::fs::write(folder.join(format!("{name}.html")), html.replace("\"/assets/", "\"assets/")).unwrap();
}

/// The part of a page that is its own: the title, and everything from `<main>` on.
fn own_part(html: &str) -> String {
    let title = html.lines().find(|line| line.contains("<title>")).unwrap();
    format!("{}\n{}", title.trim(), &html[html.find("  <main").unwrap()..])
}

#[test]
fn every_page_reads_as_before() {
    for (name, html) in pages() {
        write(&name, &html);
        insta::assert_snapshot!(name.as_str(), own_part(&html));
    }
}

#[test]
fn the_frame_reads_as_before() {
    let all: BTreeMap<String, String> = pages().collect();
    for name in ["sign-in-direct", "run-mailing"] {
        let mut frame = all[name].split_once("<main").unwrap().0.to_owned();
        for (url, shown) in
            [(assets::style_url(), "[style]"), (assets::icon_url(), "[icon]"), (assets::live_url(), "[script]")]
        {
            assert!(assets::asset(url).is_some(), "{url} is served");
            frame = frame.replace(url, shown);
        }
        insta::assert_snapshot!(format!("frame-of-{name}"), frame);
    }
}

#[test]
fn every_page_keeps_the_common_rules() {
    let mut names = BTreeSet::new();
    for (name, html) in pages() {
        assert!(names.insert(name.clone()), "{name} is there twice");
        let tags = tags(&html);
        nothing_inline(&name, &tags, &html);
        ids_fit(&name, &tags);
        forms_are_safe(&name, &tags, &html);
        controls_are_named(&name, &tags);
        let count = |wanted: &str| tags.iter().filter(|tag| tag.name == wanted).count();
        assert_eq!((count("h1"), count("main"), count("title")), (1, 1, 1), "{name}");
        assert!(!html.contains("{{") && !html.contains("{%"), "{name} shows template code");
        assert!(!html.contains("  \n") && !html.contains("<p></p>"), "{name} has empty leftovers");
    }
}

/// A strict Content-Security-Policy refuses inline code and foreign resources; the page has neither.
fn nothing_inline(name: &str, tags: &[Tag], html: &str) {
    for tag in tags {
        assert_ne!(tag.name, "style", "{name}");
        for (key, value) in &tag.attributes {
            assert!(key != "style" && !key.starts_with("on"), "{name}: {key} in <{}>", tag.name);
            assert!(!value.starts_with("javascript:"), "{name}: {value}");
        }
        if tag.name == "script" {
            let page = name.split_once('-').map_or(name, |(page, _)| page);
            let own = match page {
                "form" => assets::submit_url(),
                "setup" => assets::strength_url(),
                _ => assets::live_url(),
            };
            assert_eq!(tag.attribute("src"), Some(own), "{name}");
            assert!(html[tag.start..tag.end].is_empty(), "{name} has an inline script");
        }
        if tag.name == "link" {
            assert!(tag.attribute("href").unwrap().starts_with("/assets/"), "{name}");
        }
        assert!(!["img", "iframe", "object", "embed", "base"].contains(&tag.name.as_str()), "{name}: <{}>", tag.name);
    }
}

/// Ids are there once, and whatever points at one finds it.
fn ids_fit(name: &str, tags: &[Tag]) {
    let mut ids = BTreeSet::new();
    for tag in tags {
        if let Some(id) = tag.attribute("id") {
            assert!(ids.insert(id), "{name}: #{id} is there twice");
        }
    }
    for tag in tags {
        let pointers = ["for", "form", "aria-describedby", "aria-labelledby"];
        for id in pointers.iter().filter_map(|key| tag.attribute(key)).flat_map(str::split_whitespace) {
            assert!(ids.contains(id), "{name}: nothing has the id {id}");
        }
        if let Some(id) = tag.attribute("href").and_then(|href| href.strip_prefix('#')) {
            assert!(ids.contains(id), "{name}: a link leads to #{id}, which is not there");
        }
    }
}

fn forms_are_safe(name: &str, tags: &[Tag], html: &str) {
    for form in tags.iter().filter(|tag| tag.name == "form") {
        let action = form.attribute("action").unwrap();
        if form.attribute("id") == Some("form-post") {
            // To the application, which gets its answer and no token of ours.
            assert!(action.starts_with("https://sentry.example/") && !html.contains("csrf"), "{name}: {action}");
            continue;
        }
        assert!(action.starts_with('/'), "{name}: a form goes to {action}");
        let token = html[form.start..form.end].contains("<input type=\"hidden\" name=\"csrf\" value=\"b3J0ZXI\">");
        match form.attribute("method") {
            Some("post") => assert!(token, "{name}: the form to {action} has no CSRF token"),
            Some("get") => assert!(!token, "{name}: the form to {action} puts its CSRF token into the URL"),
            other => panic!("{name}: a form with the method {other:?}"),
        }
    }
    for button in tags.iter().filter(|tag| tag.name == "button") {
        assert_eq!(button.attribute("type"), Some("submit"), "{name}");
        let owned = button.inside.iter().any(|tag| tag == "form") || button.attribute("form").is_some();
        assert!(owned, "{name}: a button that submits nothing");
    }
}

fn controls_are_named(name: &str, tags: &[Tag]) {
    let labelled: BTreeSet<&str> =
        tags.iter().filter(|tag| tag.name == "label").filter_map(|tag| tag.attribute("for")).collect();
    for tag in tags.iter().filter(|tag| ["input", "select", "meter", "progress"].contains(&tag.name.as_str())) {
        let silent = tag.attribute("type") == Some("hidden") || tag.attribute("aria-hidden") == Some("true");
        let named =
            tag.attribute("aria-labelledby").is_some() || tag.attribute("id").is_some_and(|id| labelled.contains(id));
        assert!(silent || named, "{name}: <{}> {:?} has no label", tag.name, tag.attributes);
        if tag.name == "input" && !silent {
            assert!(tag.attribute("autocomplete").is_some(), "{name}: {:?}", tag.attributes);
        }
    }
    for tag in tags.iter().filter(|tag| tag.name == "table") {
        assert_eq!(tag.attribute("role"), Some("table"), "{name}: as cards on a phone it would be no table");
    }
}

/// Scripts, password managers and tests of other people find these (names as `[name]`, classes as `.class`).
const PROMISED: &[(&str, &str)] = &[
    ("sign-in-both", "#sign-in-fly #sign-in-password [email] [password] #forgot-password"),
    ("sign-in-refused", "#notice #sign-in-fly #sign-in-password [email] [password] #forgot-password"),
    ("sign-in-throttled", "#notice #sign-in-password"),
    ("sign-in-busy", "#notice #sign-in-password"),
    ("sign-in-fly", "#sign-in-fly"),
    ("sign-in-password", "#sign-in-password [email] [password] #forgot-password"),
    ("auth-fly", "#login-method #plan #members-known #disable-fly"),
    ("auth-sponsored", "#login-method #plan #members-known #why-not"),
    ("auth-left", "#login-method #plan #members-known #enable-fly"),
    ("enable-done", "#enable-form"),
    (
        "preview-open",
        "#preview-seats #directory #test-mail-form #left-out-form #disable-form [confirm] #disable-submit .member [data-member] [data-delivery]",
    ),
    ("preview-nobody", "#disable-form [confirm] #disable-submit .member"),
    ("preview-sponsored", "#why-not #preview-seats .member"),
    ("run-mailing", RUN),
    ("run-done", RUN),
    ("run-mailing", ".resend #resend-all #run-said .let-in"),
    ("run-done", ".resend #resend-all"),
    ("run-reverted", RUN),
    ("setup-link", "#setup-form [password] #sign-in-address"),
    ("setup-contact", "#setup-form [password] [contact_email] #sign-in-address"),
    ("setup-expired-used", "#error-title #error-message #error-id #renew-form"),
    ("setup-expired-expired", "#error-title #error-message #error-id #renew-form"),
    ("setup-expired-superseded", "#error-title #error-message #error-id #renew-form"),
    ("setup-expired-not-needed", "#error-title #error-message #error-id"),
    ("setup-expired-not-let-in", "#error-title #error-message #error-id"),
    ("forgot-empty", "#forgot-form [email]"),
    ("forgot-sent-address", "#forgot-sent"),
    ("no-longer-opens-set-now", "#error-message #set-password-now #renew-form"),
    ("no-longer-opens-has-password", "#error-message #renew-form #sign-in-password"),
    ("signed-out-plain", "#signed-out"),
    ("sign-out-client", "#logout-form"),
    ("sign-out-own-with-applications", "#logout-form #applications"),
    ("consent-all", "#consent-form #consent-allow #consent-deny #consent-client #consent-site #consent-while-away"),
    ("applications-some", ".application [data-client] .application-remove"),
    ("applications-none", "#no-applications"),
    ("denied-client", "#error-title #error-message #error-id"),
    ("error-upstream", "#error-title #error-message #error-id"),
];

const RUN: &str = "#run-state [data-state] #run-total #run-queued #run-sending #run-sent #run-failed #run-cancelled \
                   #run-ready .member [data-member] [data-status] [data-ready]";

/// What must not be there: a way that is closed at that moment.
const ABSENT: &[(&str, &str)] = &[
    ("sign-in-fly", "#sign-in-password"),
    ("sign-in-password", "#sign-in-fly"),
    ("auth-fly", "#enable-fly #why-not"),
    ("auth-sponsored", "#disable-fly #enable-fly"),
    ("auth-left", "#disable-fly #why-not"),
    ("preview-sponsored", "#disable-form #disable-submit"),
    ("run-reverted", ".resend .let-in #resend-all #resend-form [data-events]"),
    ("run-done", "[data-events]"),
    ("setup-link", "[contact_email]"),
    ("setup-expired-unknown", "#renew-form"),
    ("setup-expired-not-needed", "#renew-form"),
    ("setup-expired-not-let-in", "#renew-form"),
    ("no-longer-opens-has-password", "#set-password-now"),
    ("no-longer-opens-set-now", "#sign-in-password"),
    ("sign-out-own", "#applications"),
    ("consent-least", "#consent-while-away"),
    ("applications-none", ".application"),
];

fn has(tags: &[Tag], mark: &str) -> bool {
    let inner = mark.trim_matches(['#', '.', '[', ']']);
    tags.iter().any(|tag| match mark.as_bytes()[0] {
        b'#' => tag.attribute("id") == Some(inner),
        b'.' => tag.has_class(inner),
        _ => tag.attribute("name") == Some(inner) || (inner.starts_with("data-") && tag.attribute(inner).is_some()),
    })
}

#[test]
fn promised_ids_are_kept() {
    let all: BTreeMap<String, String> = pages().collect();
    for (expected, list) in [(true, PROMISED), (false, ABSENT)] {
        for (name, marks) in list {
            let tags = tags(&all[*name]);
            for mark in marks.split_whitespace() {
                assert_eq!(has(&tags, mark), expected, "{mark} in {name}");
            }
        }
    }
}

#[test]
fn a_transaction_stays_with_every_step_of_a_sign_in() {
    for (name, html) in
        pages().filter(|(name, _)| ["sign-in-", "consent-", "forgot"].iter().any(|start| name.starts_with(start)))
    {
        let inside = html.contains("tx=3v7k9m2p");
        for tag in tags(&html) {
            let Some(url) = tag.attribute("href").or(tag.attribute("action")) else { continue };
            let step = ["/sign-in", "/forgot", "/set-up"].iter().any(|path| url.starts_with(path));
            assert!(!step || !inside || url.contains("?tx=3v7k9m2p"), "{name}: {url} forgets the transaction");
        }
    }
}

/// The script, the page and the event stream speak of the same things.
#[test]
fn live_numbers_have_their_place_in_the_page() {
    let counts =
        Counts { total: 412, queued: 118, sending: 4, sent: 285, failed: 3, cancelled: 2, ready: 97, left_out: 0 };
    let left = Some(Duration::from_secs(58));
    let event = RunEvent {
        progress: RunProgress::new(RunState::Mailing, counts, Timestamp::from_seconds(1_795_358_364), left),
        stopped: false,
        rows: vec![RunRowUpdate {
            member: "u_5sx0p1".into(),
            status: MailStatus::Failed,
            ready: false,
            resend: true,
            detail: "No such mailbox (550).".into(),
            answer: "Mail server at 14:39:20: 550 5.1.1 no such user".into(),
        }],
    };
    let json = serde_json::to_value(&event).unwrap();
    insta::assert_snapshot!("run-event", serde_json::to_string_pretty(&json).unwrap());

    let (_, html) = pages().find(|(name, _)| name == "run-mailing").unwrap();
    let shown: BTreeSet<String> =
        tags(&html).iter().filter_map(|tag| tag.attribute("data-live").map(str::to_owned)).collect();
    for key in &shown {
        assert!(json.get(key).is_some(), "no event says {key}");
    }
    let script = std::str::from_utf8(assets::asset(assets::live_url()).unwrap().body).unwrap();
    for (object, value) in [("message.", &json), ("update.", &json["rows"][0])] {
        for used in script.split(object).skip(1) {
            let key = used.split(|c: char| !c.is_ascii_alphabetic() && c != '_').next().unwrap();
            assert!(value.get(key).is_some(), "the script reads {object}{key}, which no event says");
        }
    }
}

#[test]
fn what_people_type_is_escaped() {
    use askama::Template;
    let (_, mut page) = ErrorPage::samples().remove(0);
    page.message = "<script>alert(\"x\")</script> & '".into();
    let html = page.render().unwrap();
    assert!(html.contains("&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62; &#38; &#39;"), "{html}");
}

#[tokio::test]
async fn a_page_is_html_that_nobody_keeps() {
    let (_, page) = ErrorPage::samples().remove(0);
    let answer = Page::with_status(StatusCode::BAD_GATEWAY, page).into_response();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    assert!(body.starts_with(b"<!doctype html>\n<html lang=\"en\">"));
}

/// What is not among the samples is seen by nobody who looks at them all.
#[test]
fn every_template_has_samples() {
    let names: Vec<String> = pages().map(|(name, _)| name).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/pages");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let page = format!("{}-", file.trim_end_matches(".html").replace('_', "-"));
        assert!(names.iter().any(|name| name.starts_with(&page)), "no sample of {file}");
    }
}
