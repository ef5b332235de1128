//! The link of a mail, from opening it to its end.

use std::time::Duration;

use flybridge::domain::audit::AuditKind;
use futures_util::future::join_all;

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, PASSWORD, TestApp};
use crate::support::browser_client::Browser;

/// The page for a link that is over; whether it offers a new one.
#[track_caller]
fn gone(answer: &Answer, renewable: bool) {
    assert_eq!(answer.status, 410, "{}", answer.said());
    assert_eq!(answer.shows("renew-form"), renewable);
    assert_eq!(answer.element("error-id").as_deref(), Some(answer.header("x-request-id")));
}

async fn opened(app: &TestApp, link: &str) -> (Browser, Answer) {
    let mut browser = app.browser();
    assert_eq!(browser.get(link).await.location(), "/set-up");
    let page = browser.get("/set-up").await;
    (browser, page)
}

#[tokio::test]
async fn opening_a_link_changes_nothing_however_often() {
    let app = TestApp::new().await;
    app.leave().await;
    let link = app.link_of("priya");
    let before = app.dump();
    for _ in 0..3 {
        let (mut scanner, page) = opened(&app, &link).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.element("sign-in-address").unwrap(), app.address("priya"));
        assert!(page.text().contains("Saltmarsh Labs"));
        scanner.get("/set-up").await;
    }
    assert_eq!(app.dump(), before);
    app.settle_in("priya").await;
}

#[tokio::test]
async fn the_token_leaves_the_url_at_once_for_a_short_cookie() {
    let app = TestApp::new().await;
    app.leave().await;
    let link = app.link_of("priya");
    let token = link.strip_prefix("/set-up/").unwrap().to_owned();
    let mut browser = app.browser();
    let answer = browser.get(&link).await;
    assert_eq!(answer.location(), "/set-up");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let cookie = browser.cookie("fb_set_up").unwrap();
    assert!(!cookie.value.contains(&token[token.len() - 20..]), "sealed");
    assert!(cookie.attributes.contains(&"max-age=1800".to_owned()), "{cookie:?}");
    let page = browser.get("/set-up").await;
    assert!(!page.text().contains(&token), "and stands on no page");
}

#[tokio::test]
async fn a_password_is_set_once_and_signs_the_person_in() {
    let app = TestApp::new().await;
    app.leave().await;
    let link = app.link_of("priya");
    let (mut browser, _) = opened(&app, &link).await;
    let mut double = browser.clone();
    let answer = browser.post_form("/set-up", &[("password", PASSWORD)]).await;
    assert_eq!(answer.location(), "/go");
    assert!(browser.cookie("fb_set_up").is_none() && browser.cookie("fb_session").is_some());
    assert_eq!(browser.get("/go").await.location(), "https://sentry.test/login");
    assert!(browser.get(&app.sentry().authorize()).await.sent_back().contains_key("code"));
    app.work().await;
    gone(&double.post_form("/set-up", &[("password", "another lantern for the heron 7")]).await, true);
    gone(&opened(&app, &link).await.1, true);
    let told = app.mail_to("priya");
    assert!(told.find_link().is_none(), "{told:?}");
    assert!(told.text.contains("Firefox on Linux"), "{told:?}");
    let member = app.member("priya", "saltmarsh-labs").await;
    assert!(member.has_password, "the members list knows");
    let mut again = app.browser();
    again.sign_in_with_password(&app.address("priya"), PASSWORD).await;
}

#[tokio::test]
async fn of_many_who_use_a_link_at_once_one_wins() {
    let app = TestApp::new().await;
    app.leave().await;
    let link = app.link_of("priya");
    let (browser, _) = opened(&app, &link).await;
    let tries = (0..4).map(|number| {
        let mut browser = browser.clone();
        async move {
            let password = format!("lantern heron drizzle {number} quay");
            (browser.post_form("/set-up", &[("password", &password)]).await, password)
        }
    });
    let answers = join_all(tries).await;
    let won: Vec<&String> = answers.iter().filter(|(a, _)| a.status == 303).map(|(_, password)| password).collect();
    assert_eq!(won.len(), 1);
    for (answer, _) in answers.iter().filter(|(answer, _)| answer.status != 303) {
        gone(answer, true);
    }
    app.work().await;
    app.browser().sign_in_with_password(&app.address("priya"), won[0]).await;
}

#[tokio::test]
async fn a_link_works_for_a_day_from_sending() {
    let app = TestApp::new().await;
    app.click().await;
    // The mail server rests for an hour before it takes the mail: the day begins with the mail.
    app.advance(Duration::from_hours(1));
    app.work().await;
    let link = app.link_of("priya");
    let (mut browser, _) = opened(&app, &link).await;
    browser.keep_everything();
    app.advance(Duration::from_mins(24 * 60 - 1));
    assert!(opened(&app, &link).await.1.shows("setup-form"));
    app.advance(Duration::from_secs(61));
    gone(&opened(&app, &link).await.1, true);
    gone(&browser.post_form("/set-up", &[("password", PASSWORD)]).await, true);
}

#[tokio::test]
async fn an_old_link_offers_a_new_one_and_is_dead_itself() {
    let app = TestApp::new().await;
    app.leave().await;
    let old = app.link_of("priya");
    app.advance(Duration::from_hours(25));
    let (mut browser, page) = opened(&app, &old).await;
    gone(&page, true);
    let answer = browser.post_form("/set-up/renew", &[]).await;
    assert!(answer.shows("forgot-sent"), "{}", answer.said());
    assert!(!answer.text().contains(&app.address("priya")), "whoever found the link learns no address");
    app.new_mails();
    app.work().await;
    let new = app.mail_to("priya").link();
    assert_ne!(old, new);
    gone(&opened(&app, &old).await.1, true);
    assert!(opened(&app, &new).await.1.shows("setup-form"));
    app.settle_in("priya").await;
}

#[tokio::test]
async fn nobody_makes_a_link_useless_by_asking_for_another() {
    let app = TestApp::new().await;
    app.leave().await;
    let old = app.link_of("priya");
    let (mut half_way, _) = opened(&app, &old).await;
    let mut browser = app.browser();
    browser.get("/forgot").await;
    browser.post_form("/forgot", &[("email", &app.address("priya"))]).await;
    app.work().await;
    assert_eq!(app.link_of("priya"), old);
    half_way.post_form("/set-up", &[("password", PASSWORD)]).await.location();
    gone(&opened(&app, &old).await.1, true);
    app.work().await;
    app.new_mails();
}

#[tokio::test]
async fn a_weak_password_is_refused_and_the_link_still_works() {
    let app = TestApp::new().await;
    app.leave().await;
    let before = app.dump();
    let (mut browser, _) = opened(&app, &app.link_of("priya")).await;
    let weak = [
        "",
        "short",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "passwordpassword",
        "saltmarsh labs 2026",
        "Priya Raman 2026",
        "q7m2x9k4v1w8z5t3",
        &"x".repeat(257),
    ];
    for password in weak {
        let answer = browser.post_form("/set-up", &[("password", password)]).await;
        assert_eq!(answer.status, 422, "{password}: {}", answer.said());
        assert!(answer.shows("password-error") && answer.shows("setup-form"));
        let known = password.len() < 5 || app.address("priya").contains(password);
        assert!(known || !answer.text().contains(password), "never shown back");
    }
    assert_eq!(app.dump(), before);
    assert_eq!(browser.post_form("/set-up", &[("password", PASSWORD)]).await.location(), "/go");
    app.work().await;
}

#[tokio::test]
async fn any_characters_make_a_password() {
    let app = TestApp::new().await;
    app.leave().await;
    let password = " \u{1f980} lanterne h\u{e9}ron   bruine \u{2126} ";
    let (mut browser, _) = opened(&app, &app.link_of("priya")).await;
    assert_eq!(browser.post_form("/set-up", &[("password", password)]).await.location(), "/go");
    app.work().await;
    app.browser().sign_in_with_password(&app.address("priya"), password).await;
    // The same letters from another keyboard (NFKC).
    app.browser().sign_in_with_password(&app.address("priya"), &password.replace('\u{2126}', "\u{3a9}")).await;
}

#[tokio::test]
async fn a_link_that_is_not_ours_opens_nothing() {
    let app = TestApp::new().await;
    app.leave().await;
    let link = app.link_of("priya");
    let user = app.user("leo").await.id;
    let mac = link.split_once('.').unwrap().1;
    let forged = [
        "/set-up/x".to_owned(),
        format!("/set-up/{user}.{mac}"),
        format!("/set-up/nobody.{mac}"),
        link[..link.len() - 1].to_owned(),
        format!("{link}x"),
        format!("/set-up/{}", "x".repeat(1_000)),
        "/set-up/%00%FF".to_owned(),
    ];
    let before = app.dump();
    for link in forged {
        let mut browser = app.browser();
        let answer = browser.get(&link).await;
        if answer.status == 303 {
            let page = browser.get("/set-up").await;
            gone(&page, false);
            assert!(page.attributes("href").contains(&"/forgot".to_owned()), "still a way in");
        } else {
            assert_eq!(answer.status, 400, "{}", answer.said());
        }
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn a_forged_set_up_cookie_is_none() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, _) = opened(&app, &app.link_of("priya")).await;
    let good = browser.cookie("fb_set_up").unwrap().value.clone();
    let token = app.link_of("priya").strip_prefix("/set-up/").unwrap().to_owned();
    for value in [token, good[..good.len() - 2].to_owned(), format!("{good}A"), String::new()] {
        browser.cookies.get_mut("__Host-fb_set_up").unwrap().value = value;
        gone(&browser.get("/set-up").await, false);
        gone(&browser.post_form("/set-up", &[("password", PASSWORD)]).await, false);
    }
    browser.cookies.get_mut("__Host-fb_set_up").unwrap().value = good;
    assert!(browser.get("/set-up").await.shows("setup-form"));
    assert_eq!(app.browser().get("/set-up").await.status, 410, "nobody comes without");
}

#[tokio::test]
async fn a_link_is_worth_nothing_while_every_organization_is_on_fly() {
    let app = TestApp::new().await;
    let (mut ines, _) = app.leave().await;
    let link = app.link_of("priya");
    let (mut half_way, _) = opened(&app, &link).await;
    ines.enable("saltmarsh-labs").await;
    app.work().await;
    let tried = half_way.post_form("/set-up", &[("password", PASSWORD)]).await;
    app.new_mails();
    let renewed = half_way.post_form("/set-up/renew", &[]).await;
    for page in [opened(&app, &link).await.1, tried, renewed] {
        assert_eq!((page.status.as_u16(), page.heading().as_str()), (410, "You do not need this link"));
    }
    app.work().await;
    assert_eq!(app.new_mails(), [], "and no new one is sent");
}

#[tokio::test]
async fn of_two_links_in_one_browser_each_form_sets_the_password_of_whom_it_names() {
    let app = TestApp::new().await;
    app.leave().await;
    let (priya, jun) = (app.link_of("priya"), app.link_of("jun"));
    let (mut browser, form) = opened(&app, &priya).await;
    let named = form.hidden("person").unwrap();
    assert_eq!(named, app.user("priya").await.id.as_str());
    assert_eq!(browser.get(&jun).await.location(), "/set-up");
    let before = app.dump();
    let fields = [("password", PASSWORD), ("person", &*named)];
    let answer = browser.post_form("/set-up", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.heading().as_str()), (409, "This browser is now somebody else's"));
    assert!(answer.attributes("href").contains(&"/forgot".to_owned()), "a way on");
    assert_eq!(app.dump(), before);
    assert!(browser.cookie("fb_session").is_none() && !browser.is_signed_in().await);

    // Whose link it is now gets their own form, and loses nothing.
    let form = browser.get("/set-up").await;
    assert_eq!(form.element("sign-in-address").unwrap(), app.address("jun"));
    assert_eq!(browser.post_form("/set-up", &[("password", PASSWORD)]).await.location(), "/go");
    browser.get(&priya).await;
    assert_eq!(browser.post_form("/set-up", &fields).await.location(), "/go", "the link was opened once more");
    app.work().await;
    for who in ["priya", "jun"] {
        app.browser().sign_in_with_password(&app.address(who), PASSWORD).await;
    }
}

#[tokio::test]
async fn a_form_is_not_answered_with_the_dead_link_of_somebody_else() {
    let app = TestApp::new().await;
    app.leave().await;
    let jun = app.link_of("jun");
    app.settle_in("jun").await;
    let (mut browser, form) = opened(&app, &app.link_of("priya")).await;
    browser.get(&jun).await;
    let fields = [("password", PASSWORD), ("person", &*form.hidden("person").unwrap())];
    let answer = browser.post_form("/set-up", &fields).await;
    assert_eq!((answer.status, answer.shows("renew-form")), (409.try_into().unwrap(), false), "{}", answer.said());
}

#[tokio::test]
async fn a_form_that_names_nobody_is_refused() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, _) = opened(&app, &app.link_of("priya")).await;
    let mut fly = app.browser();
    let tx = fly.begin(&app.sentry().authorize()).await;
    fly.fly(&tx, "jun").await;
    let before = app.dump();
    for (browser, path) in [(&mut browser, "/set-up"), (&mut fly, "/set-up/now")] {
        for fields in [vec![("password", PASSWORD)], vec![("password", PASSWORD), ("person", "")]] {
            let csrf = browser.csrf.clone();
            let fields = [fields, vec![("csrf", &*csrf)]].concat();
            let answer = browser.post_bare(path, &fields, &[("sec-fetch-site", "same-origin")]).await;
            assert_eq!(answer.status, 403, "{path}: {}", answer.said());
            assert_eq!(answer.heading(), "This page was open for too long");
        }
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn the_form_wants_its_token_and_its_site() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, _) = opened(&app, &app.link_of("priya")).await;
    let csrf = browser.csrf.clone();
    let before = app.dump();
    for path in ["/set-up", "/set-up/renew", "/set-up/now"] {
        let bare = browser.post_bare(path, &[("password", PASSWORD)], &[("origin", ISSUER)]).await;
        assert_eq!(bare.status, 403, "{path}");
        let fields = [("password", PASSWORD), ("csrf", csrf.as_str())];
        let foreign = browser.post_bare(path, &fields, &[("sec-fetch-site", "cross-site"), ("origin", ISSUER)]).await;
        assert_eq!(foreign.status, 403, "{path}");
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn setting_a_password_is_a_sign_in_that_the_organization_is_told_of() {
    let app = TestApp::new().await;
    app.leave().await;
    app.advance(Duration::from_mins(7));
    app.settle_in("priya").await;
    let (organization, priya) = (app.organization("saltmarsh-labs"), app.user("priya").await);
    let member = app.program.directory.member(&organization, &priya.id).await.unwrap().unwrap().value;
    assert_eq!(member.last_sign_in, Some(app.store.now()));
    let log = app.program.directory.audit_log(&organization, None, 100).await.unwrap();
    let told = log
        .iter()
        .find(|entry| entry.value.who.user.as_ref() == Some(&priya.id) && entry.value.kind == AuditKind::SignedIn);
    assert_eq!(told.unwrap().value.detail, "with email and password");
}
