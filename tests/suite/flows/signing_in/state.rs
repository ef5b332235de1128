//! The way to Fly.io and back belongs to one sign-in of one browser.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;

use crate::support::answer::Answer;
use crate::support::app::{FLY_CLIENT, ISSUER, TestApp};
use crate::support::browser_client::{Browser, query, send};
use crate::support::relying_party::Tokens;

/// "This sign-in has run out": a page, no session.
#[track_caller]
fn run_out(browser: &Browser, answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.said());
    assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"));
    assert!(answer.attributes("href").iter().any(|href| href.starts_with("/sign-in")), "a way on");
    assert!(browser.cookie("fb_session").is_none());
}

#[tokio::test]
async fn what_fly_is_sent() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let first = query(&browser.leave_for_fly(&tx).await);
    let second = query(&browser.leave_for_fly(&tx).await);
    let names: Vec<&String> = first.keys().collect();
    let expected =
        ["client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "scope", "state"];
    assert_eq!(names, expected);
    assert_eq!(first["client_id"], FLY_CLIENT);
    assert_eq!(first["redirect_uri"], format!("{ISSUER}/connectors/fly/callback"));
    assert_eq!((first["scope"].as_str(), first["code_challenge_method"].as_str()), ("read", "S256"));
    assert_ne!(first["state"], second["state"]);
    assert_ne!(first["code_challenge"], second["code_challenge"]);
}

#[tokio::test]
async fn a_state_is_used_once() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let back = browser.at_fly(&asked, "ines", "approve").await;
    let mut thief = browser.clone();
    assert!(browser.get(&back).await.sent_back().contains_key("code"));
    let answer = thief.get(&back).await;
    run_out(&thief, &answer);
}

#[tokio::test]
async fn a_denial_uses_the_state_up_too() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let denied = browser.at_fly(&asked, "ines", "deny").await;
    let approved = browser.at_fly(&asked, "ines", "approve").await;
    let said_no = browser.get(&denied).await.location();
    for _ in 0..2 {
        let page = browser.get(&said_no).await;
        assert_eq!(
            (page.status.as_u16(), page.heading().as_str()),
            (403, "You said no at Fly.io"),
            "again and again"
        );
    }
    let answer = browser.get(&approved).await;
    run_out(&browser, &answer);
}

#[tokio::test]
async fn a_forged_or_missing_state_is_refused() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let back = browser.at_fly(&asked, "ines", "approve").await;
    let state = query(&asked)["state"].clone();
    let code = query(&url::Url::parse(&back).unwrap())["code"].clone();
    let forged = [
        String::new(),
        format!("state={tx}."),
        format!("state={}", &state[..state.len() - 1]),
        format!("state={state}x"),
        format!("state={}", state.to_uppercase()),
        format!("state={state}&state={state}"),
        "state=......".to_owned(),
        format!("state=x{state}"),
    ];
    for parameters in forged {
        let answer = browser.get(&format!("/connectors/fly/callback?code={code}&{parameters}")).await;
        run_out(&browser, &answer);
    }
    assert!(browser.get(&back).await.sent_back().contains_key("code"), "none of that used it up");
}

#[tokio::test]
async fn somebody_elses_way_back_signs_nobody_in() {
    let app = TestApp::new().await;
    let mut attacker = app.browser();
    let tx = attacker.begin(&app.sentry().authorize()).await;
    let asked = attacker.leave_for_fly(&tx).await;
    let back = attacker.at_fly(&asked, "wren", "approve").await;
    let mut victim = app.browser();
    victim.begin(&app.sentry().authorize()).await;
    let answer = victim.get(&back).await;
    run_out(&victim, &answer);
}

#[tokio::test]
async fn a_stale_sign_in_is_refused_whatever_the_browser_keeps() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let back = browser.at_fly(&asked, "ines", "approve").await;
    browser.keep_everything();
    app.advance(Duration::from_mins(30));
    let answer = browser.get(&back).await;
    run_out(&browser, &answer);
    let answer = browser.get(&format!("/sign-in/fly?tx={tx}")).await;
    run_out(&browser, &answer);
    // The sign-in page itself says so and starts anew.
    assert!(browser.get(&format!("/sign-in?tx={tx}")).await.element("notice").unwrap().starts_with("Start again."));
}

#[tokio::test]
async fn a_sign_in_may_take_almost_half_an_hour() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    app.advance(Duration::from_secs(30 * 60 - 1));
    let back = browser.at_fly(&asked, "ines", "approve").await;
    assert!(browser.get(&back).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn only_the_newest_way_to_fly_leads_back() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let (first, second) = (browser.leave_for_fly(&tx).await, browser.leave_for_fly(&tx).await);
    let back = browser.at_fly(&first, "ines", "approve").await;
    let answer = browser.get(&back).await;
    run_out(&browser, &answer);
    let back = browser.at_fly(&second, "ines", "approve").await;
    assert!(browser.get(&back).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn a_forged_transaction_cookie_is_none() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let first = browser.begin(&app.sentry().authorize()).await;
    let second = browser.begin(&app.standard().authorize()).await;
    let name = |tx: &str| format!("__Host-fb_tx_{tx}");
    let good = browser.cookies.clone();
    let sealed = good[&name(&first)].value.clone();
    let mut flipped = sealed.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let forged = [
        String::from_utf8(flipped).unwrap(),
        good[&name(&second)].value.clone(),
        sealed[..sealed.len() - 4].to_owned(),
        String::new(),
        "x".repeat(3_000),
    ];
    for value in forged {
        browser.cookies.clone_from(&good);
        browser.cookies.get_mut(&name(&first)).unwrap().value = value;
        let answer = browser.get(&format!("/sign-in/fly?tx={first}")).await;
        run_out(&browser, &answer);
    }
    browser.cookies = good;
    browser.leave_for_fly(&first).await;
}

#[tokio::test]
async fn two_tabs_with_two_organizations_do_not_disturb_each_other() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let mut tabs = Vec::new();
    for slug in ["saltmarsh-labs", "harbour-tools"] {
        let request = sentry.request().with("organization", slug).with("state", slug);
        tabs.push((slug, browser.begin(&request.authorize()).await));
    }
    let mut backs = Vec::new();
    for (slug, tx) in &tabs {
        let page = browser.get(&format!("/sign-in?tx={tx}")).await;
        assert!(page.shows("sign-in-fly") && !page.shows("sign-in-password"), "what the organization allows");
        let asked = browser.leave_for_fly(tx).await;
        backs.push((slug, browser.at_fly(&asked, "jun", "approve").await));
    }
    for (slug, back) in backs.iter().rev() {
        let sent = browser.get(back).await.sent_back();
        assert_eq!(sent["state"], ***slug);
        let tokens = Tokens::of(&sentry.redeem(&sent["code"]).await);
        let info = sentry.info(&tokens.access).await.json();
        assert_eq!(info["organizations"].as_array().unwrap().len(), 1, "{info}");
        assert_eq!(info["organizations"][0]["id"], app.organization(slug).as_str());
    }
}

#[tokio::test]
async fn of_many_tabs_the_oldest_gives_way() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let mut tabs = Vec::new();
    for _ in 0..9 {
        tabs.push(browser.begin(&app.sentry().authorize()).await);
        app.advance(Duration::from_secs(1));
    }
    let kept = browser.cookies.keys().filter(|name| name.contains("fb_tx_")).count();
    assert_eq!(kept, 6);
    assert!(browser.fly(&tabs[3], "ines").await.sent_back().contains_key("code"));
    assert_eq!(browser.get(&format!("/sign-in/fly?tx={}", tabs[2])).await.status, 400);
}

#[tokio::test]
async fn an_end_without_a_sign_in_is_remembered_by_nobody() {
    let app = TestApp::new().await;
    let before = app.dump();
    let mut browser = app.browser();
    for query in ["", "code=x", "state=abc.def", "state=abc.def&code=x", "error=access_denied&state=abc.def"] {
        let answer = browser.get(&format!("/connectors/fly/callback?{query}")).await;
        run_out(&browser, &answer);
    }
    // Nor one whose way back is right but for what only Fly.io can give.
    for end in ["error=access_denied", "error=server_error", "error=", "code=made-up"] {
        let tx = browser.begin(&app.sentry().authorize()).await;
        let state = query(&browser.leave_for_fly(&tx).await)["state"].clone();
        let answer = browser.get(&format!("/connectors/fly/callback?state={state}&{end}")).await;
        assert_ne!(browser.follow(answer).await.status, 200, "{end}");
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn the_page_that_says_no_longer_can_be_loaded_again() {
    let app = TestApp::new().await;
    app.leave().await;
    app.new_mails();
    let mut priya = app.browser();
    let tx = priya.begin(&app.sentry().authorize()).await;
    assert!(priya.fly(&tx, "priya").await.shows("set-password-now"));
    let next = format!("/sign-in/next?tx={tx}");
    priya.get(&format!("/set-up/now?tx={tx}")).await;
    for _ in 0..2 {
        let page = priya.get(&next).await;
        assert_eq!((page.status.as_u16(), page.shows("set-password-now")), (403, true), "back and loaded again");
    }
    app.leave_jobs();
}

#[tokio::test]
async fn a_sign_in_that_this_browser_does_not_have_says_so() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    for tx in ["zzzz", "aaaaaaaaaaaa", "..%2f"] {
        let page = browser.get(&format!("/sign-in?tx={tx}")).await;
        assert_eq!(page.status, 200);
        assert!(page.element("notice").unwrap().starts_with("Start again."), "{}", page.said());
        assert_eq!(page.element("error-id").as_deref(), Some(page.header("x-request-id")));
        assert!(page.shows("sign-in-fly") && page.shows("sign-in-password"));
    }
    // A browser without cookies ends here, too, and not in a circle.
    let answer = send(&app.router, Request::get(app.sentry().authorize()).body(Body::empty()).unwrap()).await;
    let answer = send(&app.router, Request::get(answer.location()).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
}
