//! A browser in which somebody has signed in before: no stranger keeps it out.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::demo::world::BRAMS_PASSWORD;

use crate::support::answer::Answer;
use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser_client::Browser;

const BRAM: &str = "bram-94@customer.fly.io";
const COOKIE: &str = "__Host-fb_device";

/// Bram's organization has left, and here is a browser that he has signed in with.
async fn start() -> (TestApp, Browser) {
    let app = TestApp::new().await;
    app.leave().await;
    let mut home = app.browser();
    home.sign_in_with_password(BRAM, BRAMS_PASSWORD).await;
    (app, home)
}

/// Guesses at an account from so many networks that nobody is left an attempt.
async fn flood(app: &TestApp, account: &str) {
    let limits = &app.program.app.password.limits;
    for network in 0..25 {
        let buckets = limits.of_password(account, &format!("198.51.100.{network}"));
        while limits.attempt_all(&buckets).await.unwrap().is_ok() {}
    }
}

/// A sign-in with what the browser has kept, after its session has ended.
async fn try_with(app: &TestApp, browser: &Browser, account: &str, password: &str) -> Answer {
    let mut browser = browser.clone();
    browser.cookies.remove("__Host-fb_session");
    let tx = browser.begin(&app.standard().authorize()).await;
    browser.password(&tx, account, password).await
}

async fn gets_in(app: &TestApp, browser: &Browser, password: &str) -> bool {
    let answer = try_with(app, browser, BRAM, password).await;
    answer.status != 429 && answer.sent_back().contains_key("code")
}

/// A browser elsewhere that has nothing but the cookie, with this value.
fn holding(home: &Browser, value: &str, peer: &str) -> Browser {
    let mut browser = home.clone();
    browser.peer = peer.parse().unwrap();
    browser.cookies.retain(|name, _| name == COOKIE);
    value.clone_into(&mut browser.cookies.get_mut(COOKIE).unwrap().value);
    browser
}

#[tokio::test]
async fn strangers_from_many_networks_keep_nobody_out_where_they_have_been() {
    let (app, home) = start().await;
    flood(&app, BRAM).await;
    let mut strangers = ["203.0.113.1:1", "203.0.113.2:1"].map(|peer| {
        let mut stranger = app.browser();
        stranger.peer = peer.parse().unwrap();
        stranger
    });
    for round in 0..10 {
        app.advance(Duration::from_secs(12));
        for stranger in &mut strangers {
            let tx = stranger.begin(&app.standard().authorize()).await;
            while stranger.password(&tx, BRAM, "").await.status == 401 {}
        }
        assert!(!gets_in(&app, &app.browser(), BRAMS_PASSWORD).await, "{round}: they take every attempt");
        assert!(gets_in(&app, &home, BRAMS_PASSWORD).await, "{round}");
    }
}

#[tokio::test]
async fn a_crowd_that_takes_every_attempt_there_is_keeps_nobody_out_where_they_have_been() {
    let (app, home) = start().await;
    let limits = &app.program.app.password.limits;
    let buckets = limits.of_password(BRAM, &home.peer.ip().to_string());
    let everybody = &buckets[buckets.len() - 1..];
    while limits.attempt_all(everybody).await.unwrap().is_ok() {}
    assert!(!gets_in(&app, &app.browser(), BRAMS_PASSWORD).await);
    assert!(gets_in(&app, &home, BRAMS_PASSWORD).await);
}

#[tokio::test]
async fn the_cookie_is_ours_alone_and_says_nothing() {
    let (app, home) = start().await;
    let cookie = home.cookie("fb_device").unwrap();
    for attribute in ["secure", "httponly", "samesite=lax", "path=/", "max-age=15552000"] {
        assert!(cookie.attributes.iter().any(|a| a == attribute), "{cookie:?}");
    }
    let mut again = home.clone();
    again.sign_in_with_password(BRAM, BRAMS_PASSWORD).await;
    assert_ne!(again.cookie("fb_device").unwrap().value, cookie.value);
    let readable = String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(&cookie.value).unwrap()).into_owned();
    for secret in [BRAM, app.user("bram").await.id.as_str(), "password"] {
        assert!(!cookie.value.contains(secret) && !readable.contains(secret), "{secret}");
    }
    let stranger = app.browser();
    assert_eq!(try_with(&app, &stranger, BRAM, "a wrong password").await.status, 401);
    assert!(stranger.cookie("fb_device").is_none());
}

#[tokio::test]
async fn a_cookie_counts_for_its_own_account_alone() {
    let (app, home) = start().await;
    let leo = app.settle_in("leo").await;
    let address = app.address("leo");
    for account in [BRAM, &address, "nobody@x.test"] {
        flood(&app, account).await;
    }
    assert!(gets_in(&app, &home, BRAMS_PASSWORD).await);
    assert!(!gets_in(&app, &leo, BRAMS_PASSWORD).await);
    assert_eq!(try_with(&app, &home, &address, PASSWORD).await.status, 429);
    assert_eq!(try_with(&app, &home, "nobody@x.test", PASSWORD).await.status, 429, "as for one that there is");
    let own = try_with(&app, &leo, &address.to_uppercase(), PASSWORD).await;
    assert!(own.sent_back().contains_key("code"), "who set a password there is known as well");
}

#[tokio::test]
async fn a_forged_cookie_is_as_good_as_none() {
    let (app, home) = start().await;
    flood(&app, BRAM).await;
    let good = home.cookie("fb_device").unwrap().value.clone();
    let turned = |at: usize| {
        let mut bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        bytes[at] ^= 1;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let forged = [
        turned(0),
        turned(4),
        turned(40),
        turned(good.len() / 2),
        good[..good.len() - 4].to_owned(),
        format!("{good}AAAA"),
        String::new(),
        "....".to_owned(),
        "x".repeat(2_000),
    ];
    for value in forged {
        assert!(!gets_in(&app, &holding(&home, &value, "192.0.2.1:1"), BRAMS_PASSWORD).await, "{value}");
    }
    assert!(gets_in(&app, &holding(&home, &good, "192.0.2.1:1"), BRAMS_PASSWORD).await);
}

#[tokio::test]
async fn guesses_with_a_copied_cookie_are_few_wherever_they_come_from() {
    let (app, home) = start().await;
    let good = home.cookie("fb_device").unwrap().value.clone();
    let mut guesses = 0;
    for place in 0..4 {
        let thief = holding(&home, &good, &format!("203.0.113.{place}:1"));
        while try_with(&app, &thief, BRAM, "a wrong password").await.status == 401 {
            guesses += 1;
        }
    }
    assert_eq!(guesses, 5);
    let slowed = try_with(&app, &home, BRAM, BRAMS_PASSWORD).await;
    assert_eq!((slowed.status.as_u16(), slowed.header("retry-after")), (429, "12"));
    app.advance(Duration::from_secs(12));
    assert!(gets_in(&app, &home, BRAMS_PASSWORD).await);
}

#[tokio::test]
async fn a_new_password_makes_browsers_strangers_except_the_one_it_was_set_in() {
    let (app, home) = start().await;
    let mut other = app.browser();
    other.get("/forgot").await;
    other.post_form("/forgot", &[("email", BRAM)]).await;
    app.work().await;
    assert_eq!(other.set_password(&app.link_of("bram"), PASSWORD).await.location(), "/go");
    app.work().await;
    flood(&app, BRAM).await;
    assert!(!gets_in(&app, &home, PASSWORD).await);
    assert!(gets_in(&app, &other, PASSWORD).await);
}

#[tokio::test]
async fn a_browser_is_known_for_half_a_year() {
    let (app, mut home) = start().await;
    home.keep_everything();
    app.advance(Duration::from_hours(180 * 24) - Duration::from_secs(1));
    flood(&app, BRAM).await;
    assert!(gets_in(&app, &home, BRAMS_PASSWORD).await);
    app.advance(Duration::from_secs(1));
    flood(&app, BRAM).await;
    assert!(!gets_in(&app, &home, BRAMS_PASSWORD).await);
}
