//! Pages name the lifetimes that are configured, not those of the defaults.

use std::time::Duration;

use axum::http::Method;
use flybridge::http::routes;

use crate::support::answer::Answer;
use crate::support::app::{Options, PASSWORD, TestApp};
use crate::support::browser_client::Browser;

/// `setup_links.lifetime` and `sessions.fresh` as they are by default, in words.
const DEFAULTS: &[&str] = &["24 hours", "five minutes", "5 minutes"];

const PREVIEW: &str = "/organizations/saltmarsh-labs/auth/disable";

async fn app() -> TestApp {
    let config = "[setup_links]\nlifetime = \"3 d\"\n[sessions]\nfresh = \"2 min\"\n".to_owned();
    TestApp::with(Options { config, ..Options::default() }).await
}

fn without_defaults(what: &str, answer: &Answer) {
    let text = answer.text();
    let found = DEFAULTS.iter().find(|words| text.contains(*words));
    assert_eq!(found, None, "{what}: {}", answer.said());
}

#[track_caller]
fn names(answer: &Answer, words: &str) {
    assert!(answer.text().contains(words), "no {words:?}: {}", answer.said());
    without_defaults(words, answer);
}

/// Every page that the browser can open.
async fn walk(browser: &Browser, run: &str) {
    let all = routes::entrances().into_iter().chain(routes::pages());
    let pages = all.filter(|route| route.methods.contains(&Method::GET) && !route.path.ends_with("/events"));
    for route in pages {
        let path = route.path.replace("{slug}", "saltmarsh-labs").replace("{run}", run).replace("{token}", "x");
        let path = path.replace(['{', '}', '*'], "");
        let mut browser = browser.clone();
        let mut answer = browser.get(&path).await;
        // To the sign-in page that an address leads to.
        if answer.header("location").starts_with("/sign-in") {
            answer = browser.get(&answer.location()).await;
        }
        without_defaults(&path, &answer);
    }
}

#[tokio::test]
async fn before_the_switch() {
    let app = app().await;
    let mut ines = app.browser();
    walk(&ines, "none").await;
    ines.sign_in_with_fly("ines").await;
    names(&ines.get(PREVIEW).await, "works for 3 days");
    walk(&ines, "none").await;
    app.advance(Duration::from_mins(2));
    names(&ines.get(PREVIEW).await, "more than 2 minutes ago");
    walk(&ines, "none").await;
    let again = ines.post_form(PREVIEW, &[("confirm", "saltmarsh-labs")]).await.location();
    names(&ines.get(&again).await, "a sign-in of the last 2 minutes");
}

#[tokio::test]
async fn after_the_switch() {
    let app = app().await;
    let (mut ines, path) = app.leave().await;
    let run = path.rsplit('/').next().unwrap();
    names(&ines.get(&path).await, "Links stop working 3 days after");
    walk(&ines, run).await;
    walk(&app.browser(), run).await;
    names(&app.browser().get("/forgot").await, "It works for 3 days");

    let mut bram = app.browser();
    let tx = bram.begin(&app.sentry().authorize()).await;
    names(&bram.fly(&tx, "bram").await, "works for 3 days");
    let mut priya = app.browser();
    let tx = priya.begin(&app.sentry().authorize()).await;
    names(&priya.fly(&tx, "priya").await, "works for 3 days");
    let now = format!("/set-up/now?tx={tx}");
    names(&priya.get(&now).await, "longer than 2 minutes");
    names(&priya.post_form(&now, &[("password", "too short")]).await, "longer than 2 minutes");
    walk(&priya, run).await;
    app.advance(Duration::from_mins(2));
    names(&priya.post_form(&now, &[("password", PASSWORD)]).await, "less than 2 minutes old");
    walk(&priya, run).await;

    let mut leo = app.browser();
    let link = app.link_of("leo");
    leo.get(&link).await;
    without_defaults("/set-up", &leo.get("/set-up").await);
    app.advance(Duration::from_hours(72));
    leo.get(&link).await;
    names(&leo.get("/set-up").await, "works for 3 days");
}
