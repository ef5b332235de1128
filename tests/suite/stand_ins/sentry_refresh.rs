//! The hourly refresh: who stays, who is unlinked.

use serde_json::json;

use super::Answer;
use super::sentry_support::{Browser, Scripted, Sentry, jun, scripted, tokens};

fn notice(home: &Answer) -> String {
    let text = home.text();
    text.split_once("id=\"notice\"").map_or_else(String::new, |(_, rest)| {
        rest.split_once("<p>").unwrap().1.split_once("</p>").unwrap().0.to_owned()
    })
}

async fn refreshed(browser: &mut Browser) -> Answer {
    assert_eq!(browser.post("/refresh").await.location_text(), "/");
    browser.get("/").await
}

fn is_signed_in(home: &Answer) -> bool {
    home.attribute("id=\"sentry-user\"", "data-user-id").is_some()
}

#[tokio::test]
async fn a_refresh_sends_the_newest_token() {
    let sentry = Sentry::new().await;
    let mut browser = sentry.signed_in(&jun()).await;
    let mut kept = tokens(3);
    kept.as_object_mut().unwrap().remove("refresh_token");
    sentry.provider.will_answer([scripted(200, &tokens(2)), scripted(200, &kept), scripted(200, &tokens(4))]);
    for _ in 0..3 {
        let home = refreshed(&mut browser).await;
        assert!(is_signed_in(&home) && notice(&home).starts_with("Refreshed"));
    }
    assert_eq!(notice(&browser.get("/").await), "", "a notice is shown once");
    let seen = sentry.provider.seen();
    let sent: Vec<&str> = seen.iter().map(|seen| seen.form["refresh_token"].as_str()).collect();
    assert_eq!(sent, ["rt-1", "rt-2", "rt-2"]);
    assert_eq!(seen[0].form["grant_type"], "refresh_token");
    assert_eq!(seen[0].form["client_secret"], "fly-secret");
}

#[tokio::test]
async fn a_member_who_is_refused_is_unlinked_and_signed_out() {
    for (status, error) in [(400, "invalid_grant"), (401, "invalid_client")] {
        let sentry = Sentry::new().await;
        let mut browser = sentry.signed_in(&jun()).await;
        let answer = json!({"error": error, "error_description": "Saltmarsh Labs left Fly.io."});
        sentry.provider.will_answer([scripted(status, &answer)]);
        let home = refreshed(&mut browser).await;
        assert!(!is_signed_in(&home));
        assert!(notice(&home).contains(&format!("HTTP {status} ({error}): Saltmarsh Labs left Fly.io.")));
        assert!(!sentry.stand_in.identities()[0].linked);

        let mut back = sentry.signed_in(&jun()).await;
        let again = back.get("/").await;
        assert_eq!(again.attribute("id=\"sentry-user\"", "data-recognized").as_deref(), Some("true"));
        assert!(sentry.stand_in.identities()[0].linked);
    }
}

#[tokio::test]
async fn other_failures_change_nothing() {
    let sentry = Sentry::new().await;
    let mut browser = sentry.signed_in(&jun()).await;
    let failures = [
        scripted(400, &json!({"error": "invalid_request"})),
        scripted(500, &json!({"error": "server_error"})),
        scripted(503, &json!({"error": "temporarily_unavailable"})),
        Scripted(502, Some("text/html"), "<html>".to_owned()),
        scripted(200, &json!({"access_token": "at"})),
    ];
    for failure in failures {
        sentry.provider.will_answer([failure]);
        let home = refreshed(&mut browser).await;
        assert!(is_signed_in(&home) && notice(&home).starts_with("Refresh failed"));
    }
    assert!(sentry.stand_in.identities()[0].linked);
    sentry.provider.seen();
    sentry.provider.will_answer([scripted(200, &tokens(2))]);
    refreshed(&mut browser).await;
    assert_eq!(sentry.provider.seen()[0].form["refresh_token"], "rt-1");
}

#[tokio::test]
async fn without_a_session_nothing_is_asked() {
    let sentry = Sentry::new().await;
    assert!(!is_signed_in(&refreshed(&mut sentry.browser()).await));
    assert!(sentry.provider.seen().is_empty());
}
