//! Fly.io answers wrongly, slowly or not at all.

use std::time::Duration;

use flybridge::demo::fly::{Endpoint, Fault};
use flybridge::domain::member::Role;
use flybridge::domain::organization::Actor;
use flybridge::domain::user::MAX_MEMBERSHIPS;
use flybridge::services::directory::{Directory, FlyPerson};
use flybridge::services::disable::click::Clicked;
use flybridge::services::setup_links::Warrant;
use flybridge::store::keys;

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::{Browser, encode};
use crate::support::cut_off::CutOff;
use crate::support::interrupted::Interrupted;
use crate::support::relying_party::{Rp, STATE};

/// A code is good at Fly.io for ten minutes.
const CODE_LIFE: Duration = Duration::from_mins(10);
const STATUS: fn(u16) -> Fault = |status| Fault::Status { status, retry_after: None };

/// A page that names Fly.io and leads back into the same sign-in; no session, and nothing about anybody is written.
async fn fails(app: &TestApp, browser: &mut Browser, tx: &str, (endpoint, fault): (Endpoint, Fault)) -> Answer {
    app.fly.fault(endpoint, fault);
    let durable = |app: &TestApp| app.dump().without("state/");
    let before = durable(app);
    let answer = browser.fly(tx, "ines").await;
    app.fly.heal();
    assert_eq!(durable(app), before, "{endpoint:?} {fault:?}");
    assert!(browser.cookie("fb_session").is_none());
    assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"));
    assert!(answer.attributes("href").contains(&format!("/sign-in?tx={tx}")), "{endpoint:?} {fault:?}");
    answer
}

#[tokio::test]
async fn trouble_at_fly_is_a_page_and_the_sign_in_goes_on_afterwards() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    for endpoint in [Endpoint::Token, Endpoint::Info] {
        let faults = [
            STATUS(500),
            STATUS(503),
            STATUS(429),
            STATUS(404),
            STATUS(400),
            STATUS(401),
            STATUS(302),
            Fault::NotJson,
            Fault::WrongShape,
            Fault::Huge,
            Fault::Redirect,
            Fault::LoseAnswer,
        ];
        for fault in faults {
            let answer = fails(&app, &mut browser, &tx, (endpoint, fault)).await;
            assert_eq!(answer.status, 503, "{endpoint:?} {fault:?}: {}", answer.said());
            assert_eq!(answer.header("retry-after"), "60");
            assert!(answer.text().contains("The fault is at Fly.io"));
        }
    }
    assert_eq!(app.fly.requests(Endpoint::Elsewhere), 0, "redirects are not followed");
    assert!(browser.fly(&tx, "ines").await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn fly_hanging_is_a_page_after_its_time() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    for endpoint in [Endpoint::Token, Endpoint::Info] {
        let answer = fails(&app, &mut browser, &tx, (endpoint, Fault::Hang)).await;
        assert_eq!(answer.status, 503, "{}", answer.said());
    }
    assert!(browser.fly(&tx, "ines").await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn a_token_of_another_application_is_refused() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let answer = fails(&app, &mut browser, &tx, (Endpoint::Info, Fault::WrongApplication)).await;
    assert_eq!(answer.status, 503, "{}", answer.said());
}

#[tokio::test]
async fn a_token_whose_owner_is_somebody_else_is_refused() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let answer = fails(&app, &mut browser, &tx, (Endpoint::Info, Fault::OtherResourceOwner)).await;
    assert_eq!(answer.status, 503, "{}", answer.said());
}

#[tokio::test]
async fn a_code_that_fly_no_longer_takes_is_a_page_of_its_own() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let back = browser.at_fly(&asked, "ines", "approve").await;
    app.advance(CODE_LIFE);
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 400, "{}", answer.said());
    assert!(answer.attributes("href").contains(&format!("/sign-in?tx={tx}")));

    app.fly.fault_times(Endpoint::Info, Fault::Hang, 1);
    let withdraw = async {
        app.fly.hanging(1).await;
        app.fly.revoke("ines");
        app.fly.release();
    };
    let (answer, ()) = tokio::join!(browser.fly(&tx, "ines"), withdraw);
    assert_eq!(answer.status, 400, "{}", answer.said());
    assert!(browser.cookie("fb_session").is_none());
}

#[tokio::test]
async fn an_error_that_fly_sends_back_is_a_page() {
    let app = TestApp::new().await;
    for error in ["server_error", "temporarily_unavailable", "invalid_scope", "<script>", ""] {
        let answer = comes_back_with(&app, &app.sentry(), error).await;
        assert_eq!(answer.status, 503, "{}", answer.said());
        assert!(!answer.text().contains("<script>"));
    }
}

/// Somebody whom Fly.io sends back with an error, into a sign-in for `client`.
async fn comes_back_with(app: &TestApp, client: &Rp, error: &str) -> Answer {
    let mut browser = app.browser();
    let tx = browser.begin(&client.authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let state = asked.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let back = encode(&[("error", error), ("state", &state)]);
    browser.get(&format!("/connectors/fly/callback?{back}")).await
}

#[tokio::test]
async fn upstream_down_is_told_to_a_client_that_takes_errors() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let told = |answer: Answer| {
        let sent = answer.sent_back();
        assert_eq!((sent["error"].as_str(), sent["state"].as_str()), ("temporarily_unavailable", STATE), "{sent:?}");
        assert_eq!(sent["iss"], ISSUER);
    };
    for fault in [STATUS(500), Fault::Hang, Fault::NotJson] {
        let mut browser = app.browser();
        let tx = browser.begin(&standard.authorize()).await;
        app.fly.fault(Endpoint::Token, fault);
        told(browser.fly(&tx, "ines").await);
        app.fly.heal();
        assert!(browser.cookie("fb_session").is_none());
        assert!(browser.cookie(&format!("fb_tx_{tx}")).is_none(), "the sign-in is over");
    }
    told(comes_back_with(&app, &standard, "server_error").await);
}

#[tokio::test]
async fn somebody_new_is_met_at_their_first_sign_in() {
    let app = TestApp::new().await;
    app.fly.change(|world| {
        let mut person = world.person("leo").unwrap().clone();
        person.key = "nia".to_owned();
        person.user_id = "n1a0n1a0n1a0n1a0".to_owned();
        person.name = "Nia".to_owned();
        person.email = Some("nia@customer.fly.io".to_owned());
        world.people.push(person);
    });
    let mut browser = app.browser();
    let tokens = app.sentry().tokens(&mut browser, "nia").await;
    assert_eq!(app.sentry().info(&tokens.access).await.json()["user_id"], "n1a0n1a0n1a0n1a0");
    assert_eq!(app.member("nia", "saltmarsh-labs").await.email.as_deref(), Some("nia@customer.fly.io"));
}

#[tokio::test]
async fn however_many_others_fly_names_an_organization_that_is_known_stays_open() {
    let app = TestApp::new().await;
    let leo = app.fly.world().person("leo").unwrap().clone();
    let ours = app.organization("saltmarsh-labs");
    let others: Vec<_> = (0..MAX_MEMBERSHIPS).map(|n| format!("elsewhere{n}").parse().unwrap()).collect();
    let person = |last: Option<_>| FlyPerson {
        id: leo.user_id.parse().unwrap(),
        name: leo.name.clone(),
        email: None,
        organizations: others.iter().cloned().chain(last).map(|id| (id, Role::Member)).collect(),
    };
    let admitted = app.program.directory.admit_from_fly(&person(Some(ours.clone()))).await.unwrap();
    assert_eq!(app.member("leo", "saltmarsh-labs").await.absent_since, None);
    assert!(admitted.seen.iter().any(|seen| seen.id == ours), "{:?}", admitted.seen);
    let admitted = app.program.directory.admit_from_fly(&person(None)).await.unwrap();
    assert!(app.member("leo", "saltmarsh-labs").await.absent_since.is_some(), "now it is not named");
    assert_eq!(admitted.seen, []);
}

/// What Fly.io says of Priya when she has joined Harbour Tools.
fn priya_in_both(app: &TestApp) -> FlyPerson {
    let priya = app.fly.world().person("priya").unwrap().clone();
    let organizations = ["saltmarsh-labs", "harbour-tools"].map(|slug| (app.organization(slug), Role::Member));
    FlyPerson {
        id: priya.user_id.parse().unwrap(),
        name: priya.name.clone(),
        email: Some(priya.email.unwrap().parse().unwrap()),
        organizations: organizations.to_vec(),
    }
}

#[tokio::test]
async fn whoever_was_half_taken_in_and_has_set_a_password_since_is_ready_when_they_come_again() {
    let app = TestApp::new().await;
    app.leave().await;
    let (harbour, person) = (app.organization("harbour-tools"), priya_in_both(&app));
    let cut_off = CutOff::after(&app.store, "org/d4t9y6z1c8b5h2j7");
    assert!(Directory::new(cut_off).admit_from_fly(&person).await.is_err());
    assert!(!app.user("priya").await.organizations.contains(&harbour), "the store was lost in between");
    let disable = &app.program.app.admin.disable;
    let clicked = Clicked { by: Actor { user: None, name: "the operator".to_owned() }, from: None };
    let run = disable.disable(&harbour, &clicked).await.unwrap();
    app.work().await;
    app.settle_in("priya").await;
    let key = keys::row(&harbour, &run, &app.user("priya").await.id);
    assert_eq!(
        app.store.read(&key).await.unwrap().unwrap().value.ready_at,
        None,
        "nobody knows that she belongs there"
    );
    let before = disable.totals(&harbour, &run).await.unwrap();
    app.program.directory.admit_from_fly(&person).await.unwrap();
    let row = app.store.read(&key).await.unwrap().unwrap().value;
    let after = disable.totals(&harbour, &run).await.unwrap();
    assert_eq!((row.ready_at.is_some(), row.knows, after.ready), (true, true, before.ready + 1));
    assert!(app.member("priya", "harbour-tools").await.has_password && after.add_up());
    app.work().await;
}

#[tokio::test]
async fn a_password_set_while_a_new_membership_is_taken_in_is_known_there_too() {
    let app = TestApp::new().await;
    app.leave().await;
    let (harbour, person) = (app.organization("harbour-tools"), priya_in_both(&app));
    let (links, outbox) = (app.program.set_up_links.clone(), app.program.outbox.clone());
    let link = app.link_of("priya").trim_start_matches("/set-up/").to_owned();
    let sets_password = async move {
        links.set_password(Warrant::Link(&link), "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA", None).await.unwrap();
        while outbox.work_once().await.unwrap() > 0 {}
    };
    let interrupted = Interrupted::new(&app.store, "org/", sets_password);
    let admitted = Directory::new(interrupted.store()).admit_from_fly(&person).await.unwrap();
    assert!(interrupted.happened());
    assert!(admitted.user.organizations.contains(&harbour));
    for organization in ["saltmarsh-labs", "harbour-tools"] {
        assert!(app.member("priya", organization).await.has_password, "{organization}");
    }
    app.work().await;
}
