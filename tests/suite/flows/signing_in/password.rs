//! `POST /sign-in/password`.

use std::sync::Arc;
use std::time::Duration;

use flybridge::demo::world::BRAMS_PASSWORD;
use flybridge::http::routes;
use flybridge::http::sign_in::password::PasswordSignIn;
use flybridge::http::state::{App, Parts};
use flybridge::random::SystemRandom;
use flybridge::services::passwords::{Passwords, PoolSettings};

use crate::support::answer::Answer;
use crate::support::app::TestApp;
use crate::support::browser_client::Browser;
use crate::support::relying_party::Rp;

const BRAM: &str = "bram-94@customer.fly.io";

/// The page without what differs from visit to visit.
fn words(answer: &Answer, typed: &str) -> String {
    answer.text().replace(&typed.replace('<', "&#60;").replace('>', "&#62;"), "...")
}

async fn start(app: &TestApp) -> (Browser, String) {
    let mut browser = app.browser();
    let tx = browser.begin(&app.standard().authorize()).await;
    (browser, tx)
}

#[tokio::test]
async fn unknown_accounts_get_the_same_words_as_wrong_passwords() {
    let app = TestApp::new().await;
    let (mut browser, tx) = start(&app).await;
    let wrong = browser.password(&tx, BRAM, "not his password at all").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.shows("notice"), "{}", wrong.said());
    let expected = words(&wrong, BRAM);
    let long = format!("{}@example.com", "a".repeat(60));
    let others = [
        ("q7m2x9k4v1w8z5t3@customer.fly.io", "she has none yet", "known, without a password"),
        ("nobody@customer.fly.io", BRAMS_PASSWORD, "unknown"),
        (long.as_str(), BRAMS_PASSWORD, "unknown"),
        ("Bram-94@customer.fly.io", "wrong again", "in other letters"),
    ];
    for (email, password, what) in others {
        let answer = browser.password(&tx, email, password).await;
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(words(&answer, email), expected, "{what}");
        assert!(browser.cookie("fb_session").is_none());
    }
    for (email, password) in [("no address", "x"), ("", ""), ("a@b", ""), (BRAM, "")] {
        let answer = browser.password(&tx, email, password).await;
        assert_eq!(answer.status, 401, "{email:?}");
    }
}

#[tokio::test]
async fn what_was_typed_is_never_shown_back_as_markup() {
    let app = TestApp::new().await;
    let (mut browser, tx) = start(&app).await;
    let answer = browser.password(&tx, "\"><script>alert(1)</script>@x.test", "hunter2 hunter2 hunter2").await;
    assert!(!answer.text().contains("<script>alert"));
    assert!(!answer.text().contains("hunter2"));
}

#[tokio::test]
async fn a_password_does_not_open_an_organization_on_fly() {
    let app = TestApp::new().await;
    let (mut browser, tx) = start(&app).await;
    let sent = browser.password(&tx, BRAM, BRAMS_PASSWORD).await.sent_back();
    assert_eq!(sent["error"], "access_denied");
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let answer = browser.password(&tx, BRAM, BRAMS_PASSWORD).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("Saltmarsh Labs signs in with Fly.io"), "{}", answer.said());
    let links = answer.attributes("href");
    assert!(links.contains(&format!("/sign-in/fly?tx={tx}")), "the way on that the page names: {links:?}");
    assert!(!links.iter().any(|link| link.starts_with("/forgot")), "a link would open nothing: {links:?}");
    assert!(browser.is_signed_in().await, "the page says so");
    assert!(
        answer.attributes("href").contains(&format!("/sign-in?tx={tx}&all=1")),
        "{:?}",
        answer.attributes("href")
    );
    assert!(browser.fly(&tx, "bram").await.sent_back().contains_key("code"), "the other way goes on");
}

#[tokio::test]
async fn the_form_wants_its_token() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, tx) = start(&app).await;
    browser.get(&format!("/sign-in?tx={tx}")).await;
    let good = browser.csrf.clone();
    let path = format!("/sign-in/password?tx={tx}");
    let mut other = app.browser();
    other.get("/forgot").await;
    let before = app.dump();
    for csrf in ["", "x", &other.csrf, &good[1..]] {
        let fields = [("email", BRAM), ("password", BRAMS_PASSWORD), ("csrf", csrf)];
        let answer = browser.post_bare(&path, &fields, &[("sec-fetch-site", "same-origin")]).await;
        assert_eq!(answer.status, 403, "{csrf:?}");
    }
    let fields = [("email", BRAM), ("password", BRAMS_PASSWORD), ("csrf", good.as_str())];
    for headers in
        [[("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")], [("origin", "https://evil.test")]]
    {
        assert_eq!(browser.post_bare(&path, &fields, &headers).await.status, 403, "{headers:?}");
    }
    assert_eq!(app.dump(), before);
    // A browser that does not know `Sec-Fetch-Site` says nothing, or `null` for a page that asks for no referrer: it
    // still has the token.
    for headers in [&[][..], &[("origin", "null")]] {
        let (mut browser, fields) = (browser.clone(), fields);
        let forged = [("email", BRAM), ("password", BRAMS_PASSWORD), ("csrf", "x")];
        assert_eq!(browser.post_bare(&path, &forged, headers).await.status, 403, "{headers:?}");
        assert!(browser.post_bare(&path, &fields, headers).await.sent_back().contains_key("code"), "{headers:?}");
    }
}

/// The same browser, somewhere else.
fn at(browser: &Browser, peer: &str) -> Browser {
    let mut elsewhere = browser.clone();
    elsewhere.peer = peer.parse().unwrap();
    elsewhere
}

#[tokio::test]
async fn guessing_at_one_account_is_slowed_down() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, tx) = start(&app).await;
    for _ in 0..5 {
        assert_eq!(browser.password(&tx, BRAM, "a wrong password").await.status, 401);
    }
    let slowed = browser.password(&tx, BRAM, BRAMS_PASSWORD).await;
    assert_eq!(slowed.status, 429, "the right one is not even looked at");
    assert_eq!(slowed.header("retry-after"), "12");
    assert!(slowed.shows("notice"));
    // An unknown account is slowed down in the same way.
    for _ in 0..5 {
        assert_eq!(browser.password(&tx, "nobody@x.test", "a wrong password").await.status, 401);
    }
    assert_eq!(browser.password(&tx, "nobody@x.test", "a wrong password").await.status, 429);
    app.advance(Duration::from_millis(11_500));
    assert_eq!(browser.password(&tx, BRAM, "a wrong password").await.header("retry-after"), "1", "rounded up");
    app.advance(Duration::from_millis(500));
    assert_eq!(browser.password(&tx, BRAM, "a wrong password").await.status, 401);
    assert_eq!(browser.password(&tx, BRAM, "a wrong password").await.header("retry-after"), "12");
    app.advance(Duration::from_secs(12));
    assert!(browser.password(&tx, BRAM, BRAMS_PASSWORD).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn a_stranger_who_never_stops_keeps_nobody_out() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut stranger = at(&app.browser(), "198.51.100.7:1");
    for round in 0..150 {
        let tx = stranger.begin(&app.standard().authorize()).await;
        // Every attempt there is, and one too many, for half an hour.
        while stranger.password(&tx, BRAM, "").await.status == 401 {}
        app.advance(Duration::from_secs(12));
        if round % 50 == 0 {
            let (mut browser, tx) = start(&app).await;
            let answer = browser.password(&tx, BRAM, BRAMS_PASSWORD).await;
            assert!(answer.sent_back().contains_key("code"), "{round}");
        }
    }
    let tx = stranger.begin(&app.standard().authorize()).await;
    assert_eq!(stranger.password(&tx, BRAM, "").await.status, 401);
    assert_eq!(stranger.password(&tx, BRAM, BRAMS_PASSWORD).await.status, 429);
    let (mut browser, tx) = start(&app).await;
    assert!(browser.password(&tx, BRAM, BRAMS_PASSWORD).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn guessing_from_one_place_is_slowed_down() {
    let app = TestApp::new().await;
    let (browser, tx) = start(&app).await;
    let mut places = ["192.0.2.1:1", "[2001:db8::1]:1"].map(|peer| at(&browser, peer));
    for place in &mut places {
        for number in 0..60 {
            let answer = place.password(&tx, &format!("person{number}@x.test"), "a wrong password").await;
            assert_eq!(answer.status, 401, "{number}");
        }
        let slowed = place.password(&tx, "person60@x.test", "a wrong password").await;
        assert_eq!((slowed.status.as_u16(), slowed.header("retry-after")), (429, "2"));
    }
    for (peer, status) in [("192.0.2.2:1", 401), ("[2001:db8::ffff:2]:1", 429), ("[2001:db8:0:1::1]:1", 401)] {
        let answer = at(&browser, peer).password(&tx, "person60@x.test", "a wrong password").await;
        assert_eq!(answer.status, status, "{peer}");
    }
    app.advance(Duration::from_secs(2));
    assert_eq!(places[0].password(&tx, "person60@x.test", "a wrong password").await.status, 401);
}

#[tokio::test]
async fn one_subscriber_with_many_ipv6_networks_is_slowed_down() {
    let app = TestApp::new().await;
    let limits = &app.program.app.password.limits;
    let (browser, tx) = start(&app).await;
    // Every attempt from another /64 and at another account: the first /56 is used up, and with the second the /48.
    for (home, attempts) in [("2001:db8:0:1", 120), ("2001:db8:0:2", 120), ("2001:db8:0:3", 0)] {
        let mut counted = 0;
        loop {
            let address = format!("{home}{counted:02x}::1");
            let buckets = limits.of_password(&format!("person{counted}@x.test"), &address);
            if limits.attempt_all(&buckets).await.unwrap().is_err() {
                break;
            }
            counted += 1;
        }
        assert_eq!(counted, attempts, "{home}00::/56");
    }
    for (peer, status) in [("[2001:db8:0:1ff::1]:1", 429), ("[2001:db8:0:4::1]:1", 429), ("[2001:db8:1::1]:1", 401)] {
        let answer = at(&browser, peer).password(&tx, BRAM, "a wrong password").await;
        assert_eq!(answer.status, status, "{peer}");
    }
    app.advance(Duration::from_secs(1));
    assert_eq!(at(&browser, "[2001:db8:0:1ff::1]:1").password(&tx, BRAM, "a wrong password").await.status, 401);
}

#[tokio::test]
async fn an_attempt_that_one_count_refuses_is_not_counted_by_the_others() {
    let app = TestApp::new().await;
    let (mut browser, tx) = start(&app).await;
    for number in 0..60 {
        browser.password(&tx, &format!("person{number}@x.test"), "a wrong password").await;
    }
    let before = app.dump();
    for _ in 0..10 {
        assert_eq!(browser.password(&tx, BRAM, "a wrong password").await.status, 429);
    }
    assert_eq!(app.dump().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    app.advance(Duration::from_secs(10));
    for _ in 0..5 {
        assert_eq!(browser.password(&tx, BRAM, "a wrong password").await.status, 401);
    }
}

#[tokio::test]
async fn an_office_that_signs_in_is_not_guessing() {
    let app = TestApp::new().await;
    app.leave().await;
    for _ in 0..65 {
        let (mut browser, tx) = start(&app).await;
        assert!(browser.password(&tx, BRAM, BRAMS_PASSWORD).await.sent_back().contains_key("code"));
    }
    assert!(!app.dump().keys().any(|(partition, _)| partition.starts_with("limit/")), "all was given back");
}

#[tokio::test]
async fn an_office_with_many_typos_still_signs_in() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, tx) = start(&app).await;
    // Twelve people who each mistype four times at nine o'clock.
    for number in 0..48 {
        let answer = browser.password(&tx, &format!("person{}@x.test", number / 4), "a wrong password").await;
        assert_eq!(answer.status, 401, "{number}");
    }
    for typo in 0..4 {
        assert_eq!(browser.password(&tx, BRAM, "a wrong password").await.status, 401, "{typo}");
    }
    assert!(browser.password(&tx, BRAM, BRAMS_PASSWORD).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn a_password_that_nobody_had_time_for_costs_nothing() {
    let mut app = TestApp::new().await;
    app.leave().await;
    let (mut browser, tx) = start(&app).await;
    let settings = PoolSettings { waiting: 0, ..PoolSettings::default() };
    let full = Passwords::start(&settings, Arc::new(SystemRandom::default())).unwrap();
    let usual = Arc::clone(&app.program.app.password);
    let password = Arc::new(PasswordSignIn {
        limits: Arc::clone(&usual.limits),
        passwords: Arc::new(full),
        links: Arc::clone(&usual.links),
    });
    app.router = routes::router(&App::of(Parts { password, ..(*app.program.app).clone() }));
    let mut hasty = app.browser();
    (hasty.cookies, hasty.csrf) = (browser.cookies.clone(), browser.csrf.clone());
    let before = app.dump();
    for _ in 0..10 {
        let answer = hasty.password(&tx, BRAM, BRAMS_PASSWORD).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "2"));
    }
    assert_eq!(app.dump(), before);
    assert!(browser.password(&tx, BRAM, BRAMS_PASSWORD).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn an_endless_password_is_refused_like_any_other() {
    let app = TestApp::new().await;
    let (mut browser, tx) = start(&app).await;
    let answer = browser.password(&tx, BRAM, &"a".repeat(20_000)).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn the_page_on_the_way_names_the_application_that_asked_and_not_its_neighbour() {
    let app = TestApp::new().await;
    app.leave().await;
    app.settle_in("leo").await;
    for (client, name) in [("standard", "Grafana"), ("es256", "Kibana")] {
        let mut leo = app.browser();
        let tx = leo.begin(&Rp::new(&app, client).authorize()).await;
        let page = leo.password(&tx, &app.address("leo"), crate::support::app::PASSWORD).await;
        assert_eq!(page.heading(), format!("On to {name}"), "both are at rp.test: {}", page.said());
    }
}
