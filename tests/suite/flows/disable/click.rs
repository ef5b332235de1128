//! The preview and the click.

use std::time::Duration;

use flybridge::domain::audit::AuditKind;
use flybridge::domain::organization::{Generation, LoginMethod, Organization};

use crate::support::app::TestApp;

const DISABLE: &str = "/organizations/saltmarsh-labs/auth/disable";

async fn saltmarsh(app: &TestApp) -> Organization {
    app.program.directory.organization(&app.organization("saltmarsh-labs")).await.unwrap().unwrap().value
}

#[tokio::test]
async fn the_preview_counts_who_is_concerned_and_changes_nothing() {
    let app = TestApp::new().await;
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    let before = app.dump();
    for _ in 0..3 {
        let page = ines.get(DISABLE).await;
        assert_eq!(page.status, 200);
        let counts =
            ["preview-set-up", "preview-has-password", "preview-unreachable"].map(|id| page.element(id).unwrap());
        assert_eq!(counts, ["7", "1", "1"]);
        let mut deliveries = page.attributes("data-delivery");
        deliveries.sort();
        let mut expected = vec!["set-up"; 7];
        expected.splice(0..0, ["has-password"]);
        expected.push("unreachable");
        assert_eq!(deliveries, expected);
    }
    ines.get("/organizations/saltmarsh-labs/auth").await;
    assert_eq!(app.dump(), before);
    assert_eq!(saltmarsh(&app).await.login_method, LoginMethod::Fly);
}

#[tokio::test]
async fn the_click_switches_in_one_step_and_leads_to_the_run() {
    let app = TestApp::new().await;
    app.leave_jobs();
    let before = saltmarsh(&app).await;
    let (mut ines, run) = app.click().await;
    let after = saltmarsh(&app).await;
    assert_eq!((before.login_method, before.generation), (LoginMethod::Fly, Generation(1)));
    assert_eq!((after.login_method, after.generation), (LoginMethod::Password, Generation(2)));
    assert_eq!(run, format!("{DISABLE}/{}", after.run.unwrap()));
    let page = ines.get(&run).await;
    assert_eq!(page.attributes("data-state"), ["switched"], "{}", page.said());
    assert_eq!(page.element("run-total").unwrap(), "9");
    assert_eq!(page.element("run-queued").unwrap(), "9");
    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 100).await.unwrap();
    let changes: Vec<_> = log.iter().filter(|entry| entry.value.kind == AuditKind::LoginMethodChanged).collect();
    assert_eq!(changes.len(), 1);
    let entry = &changes[0].value;
    assert_eq!((entry.who.name.as_str(), entry.from.as_deref()), ("Ines Marlow", Some("192.0.2.1")));
    assert_eq!(entry.detail, "Fly.io to email and password; generation 1 to 2");
}

#[tokio::test]
async fn a_double_submit_is_one_run() {
    let app = TestApp::new().await;
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    ines.get(DISABLE).await;
    let mut twin = ines.clone();
    let confirm = [("confirm", "saltmarsh-labs")];
    let (one, two) = tokio::join!(ines.post_form(DISABLE, &confirm), twin.post_form(DISABLE, &confirm));
    assert_eq!(one.location(), two.location());
    app.work().await;
    let third = ines.post_form(DISABLE, &confirm).await;
    assert_eq!(third.location(), one.location());
    assert_eq!(ines.get(DISABLE).await.location(), one.location(), "the preview leads there too");
    assert_eq!(saltmarsh(&app).await.generation, Generation(2));
    assert_eq!(app.jobs(), []);
    let links = app.new_mails().iter().filter(|mail| mail.find_link().is_some()).count();
    assert_eq!(links, 7);
}

#[tokio::test]
async fn two_admins_at_once_are_one_run() {
    let app = TestApp::new().await;
    let (mut ines, mut chloe) = (app.browser(), app.browser());
    for (browser, who) in [(&mut ines, "ines"), (&mut chloe, "chloe")] {
        browser.sign_in_with_fly(who).await;
        browser.get(DISABLE).await;
    }
    let confirm = [("confirm", "saltmarsh-labs")];
    let (one, two) = tokio::join!(ines.post_form(DISABLE, &confirm), chloe.post_form(DISABLE, &confirm));
    assert_eq!(one.location(), two.location());
    app.work().await;
    assert_eq!(saltmarsh(&app).await.generation, Generation(2));
    let page = chloe.get(&one.location()).await;
    assert_eq!(page.attributes("data-state"), ["done"]);
}

#[tokio::test]
async fn a_stale_sign_in_is_repeated_and_leads_back() {
    let app = TestApp::new().await;
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    ines.get(DISABLE).await;
    app.advance(Duration::from_mins(5));
    let before = app.dump();
    let answer = ines.post_form(DISABLE, &[("confirm", "saltmarsh-labs")]).await;
    assert_eq!(app.dump(), before);
    let location = answer.location();
    let tx = location.strip_prefix("/sign-in?tx=").unwrap().to_owned();
    let page = ines.get(&location).await;
    assert!(page.shows("notice") && page.shows("sign-in-fly"), "{}", page.said());
    assert_eq!(ines.fly(&tx, "ines").await.location(), DISABLE);
    ines.disable("saltmarsh-labs").await.location();
    app.work().await;
}

#[tokio::test]
async fn a_sponsored_organization_leaves_when_its_year_is_over() {
    let app = TestApp::new().await;
    let mut mateo = app.browser();
    mateo.sign_in_with_fly("mateo").await;
    let page = mateo.get("/organizations/tideline/auth").await;
    assert!(page.shows("why-not"), "{}", page.said());
    app.advance(Duration::from_hours(116 * 24));
    let tx = mateo.begin("/organizations/tideline/auth/disable").await;
    mateo.fly(&tx, "mateo").await;
    mateo.disable("tideline").await.location();
    app.work().await;
    app.mail_to("wren").link();
}
