//! Members who are left out on purpose, and a test mail before the click.

use flybridge::domain::disable::RowStatus;
use flybridge::domain::organization::LoginMethod;
use flybridge::services::verify::Verifier;
use flybridge::store::{Outcome, keys};

use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser_client::Browser;

const PREVIEW: &str = "/organizations/saltmarsh-labs/auth/disable";

/// Ines, on the preview, leaves somebody out.
async fn without(app: &TestApp, who: &str) -> Browser {
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    ines.get(PREVIEW).await;
    let id = app.user(who).await.id.to_string();
    let answer = ines.post_form(&format!("{PREVIEW}/left-out"), &[("out", &id)]).await;
    assert_eq!(answer.location(), format!("{PREVIEW}?marked=1#who"));
    ines
}

async fn row(app: &TestApp, run: &str, who: &str) -> flybridge::domain::disable::Row {
    let run = run.rsplit('/').next().unwrap().parse().unwrap();
    let key = keys::row(&app.organization("saltmarsh-labs"), &run, &app.user(who).await.id);
    app.store.read(&key).await.unwrap().unwrap().value
}

fn mails_to(app: &TestApp, who: &str) -> usize {
    let address = app.address(who);
    app.new_mails().iter().filter(|mail| mail.to.contains(&address)).count()
}

async fn audit(app: &TestApp) -> Vec<String> {
    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 100).await.unwrap();
    log.iter().map(|entry| format!("{}: {}", entry.value.kind.title(), entry.value.detail)).collect()
}

#[tokio::test]
async fn who_is_left_out_gets_no_mail_and_no_way_in_until_let_in() {
    let app = TestApp::new().await;
    let mut ines = without(&app, "leo").await;
    let page = ines.get(PREVIEW).await;
    assert_eq!(page.element("preview-left-out").as_deref(), Some("1"));
    assert!(page.text().contains("Left out by Ines"), "{}", page.text());
    assert!(app.browser().begin(&app.sentry().authorize()).await.len() > 3, "nothing has changed yet");

    let run = ines.disable("saltmarsh-labs").await.location();
    app.work().await;
    assert_eq!(mails_to(&app, "leo"), 0);
    let left = row(&app, &run, "leo").await;
    assert_eq!(left.status, RowStatus::Cancelled);
    assert!(left.detail.as_deref().unwrap().starts_with("Left out by Ines"), "{left:?}");
    assert!(audit(&app).await.iter().any(|line| line.starts_with("Member left out: Leo")));

    // Fly.io still proves who he is, and that opens nothing; nor is a link sent.
    let mut leo = app.browser();
    let tx = leo.begin(&app.sentry().authorize()).await;
    let answer = leo.fly(&tx, "leo").await;
    let answer = leo.follow(answer).await;
    assert_eq!(answer.status, 403, "{}", answer.said());
    assert!(!answer.shows("set-password-now"), "{}", answer.said());
    assert_eq!(leo.get("/set-up/now").await.status, 403);
    leo.get("/forgot").await;
    leo.post_form("/forgot", &[("email", &app.address("leo"))]).await;
    app.work().await;
    assert_eq!(mails_to(&app, "leo"), 0);

    let page = ines.get(&run).await;
    assert!(page.text().contains("let-in"), "{}", page.said());
    // Mail to everybody without a password is not for him.
    ines.resend(&run, ("all", "not-ready")).await;
    app.work().await;
    assert_eq!(mails_to(&app, "leo"), 0);
    ines.get(&run).await;
    let id = app.user("leo").await.id.to_string();
    let answer = ines.post_form(&format!("{run}/let-in"), &[("member", &id)]).await;
    assert!(answer.location().starts_with(&run), "{}", answer.said());
    assert_eq!(row(&app, &run, "leo").await.status, RowStatus::Queued);
    app.work().await;
    assert_eq!(row(&app, &run, "leo").await.status, RowStatus::Sent);
    assert!(audit(&app).await.iter().any(|line| line.starts_with("Member let in: Leo")));
    let run_id = run.rsplit('/').next().unwrap().parse().unwrap();
    let totals = app.program.app.admin.disable.totals(&app.organization("saltmarsh-labs"), &run_id).await.unwrap();
    assert!(totals.add_up(), "{totals:?}");
    app.settle_in("leo").await;
}

#[tokio::test]
async fn a_password_of_who_is_left_out_does_not_open_the_organization() {
    let app = TestApp::new().await;
    // Jun has a password from Harbour Tools, which left first.
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    hana.disable("harbour-tools").await.location();
    app.work().await;
    app.settle_in("jun").await;
    let mut ines = without(&app, "jun").await;
    let run = ines.disable("saltmarsh-labs").await.location();
    app.work().await;
    assert_eq!(row(&app, &run, "jun").await.ready_at, None);
    let mut jun = app.browser();
    let ask = format!("{}&organization=saltmarsh-labs", app.sentry().authorize());
    let tx = jun.begin(&ask).await;
    let answer = jun.password(&tx, &app.address("jun"), PASSWORD).await;
    let answer = jun.follow(answer).await;
    assert_eq!(
        (answer.status.as_u16(), answer.heading()),
        (403, "You were left out of this organization".to_owned())
    );
    app.leave_jobs();
}

#[tokio::test]
async fn marks_are_taken_back_before_the_click_and_nobody_leaves_themselves_out() {
    let app = TestApp::new().await;
    let mut ines = without(&app, "leo").await;
    ines.get(PREVIEW).await;
    let (leo, own) = (app.user("leo").await.id.to_string(), app.user("ines").await.id.to_string());
    let answer = ines.post_form(&format!("{PREVIEW}/left-out"), &[("was", &leo), ("out", &own)]).await;
    assert_eq!(answer.location(), format!("{PREVIEW}?marked=1#who"));
    assert_eq!(app.member("leo", "saltmarsh-labs").await.left_out, None);
    assert_eq!(app.member("ines", "saltmarsh-labs").await.left_out, None);
    let run = ines.disable("saltmarsh-labs").await.location();
    app.work().await;
    assert_eq!(row(&app, &run, "leo").await.status, RowStatus::Sent);
    let before = app.member("leo", "saltmarsh-labs").await;
    let answer = ines.post_form(&format!("{PREVIEW}/left-out"), &[("out", &leo)]).await;
    assert_eq!(answer.location(), run, "after the click there is the run");
    assert_eq!(app.member("leo", "saltmarsh-labs").await, before);
}

#[tokio::test]
async fn a_test_mail_goes_to_the_admin_alone_and_not_too_often() {
    let app = TestApp::new().await;
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    ines.get(PREVIEW).await;
    let path = format!("{PREVIEW}/test-mail");
    assert_eq!(ines.post_form(&path, &[]).await.location(), format!("{PREVIEW}?test=sent#way-back"));
    app.work().await;
    let mails = app.new_mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(mails[0].to.contains(&app.address("ines")) && mails[0].subject.starts_with("Test mail"), "{mails:?}");
    for _ in 0..2 {
        ines.post_form(&path, &[]).await.location();
    }
    assert_eq!(ines.post_form(&path, &[]).await.status, 429);
    app.work().await;
    assert_eq!(app.new_mails().len(), 2);
}

#[tokio::test]
async fn an_admin_who_is_left_out_makes_no_switch() {
    let app = TestApp::new().await;
    let mut ines = without(&app, "chloe").await;
    let mut chloe = app.browser();
    chloe.sign_in_with_fly("chloe").await;
    let person = app.user("chloe").await;
    let page = chloe.get(PREVIEW).await;
    assert!(page.element("self-left-out").unwrap().contains("Ines Marlow left you out"), "{}", page.said());
    let answer = chloe.disable("saltmarsh-labs").await;
    assert_eq!(answer.status, 409, "{}", answer.said());
    assert!(answer.text().contains("You are left out yourself"), "{}", answer.said());
    let organization = app.store.read(&keys::organization(&app.organization("saltmarsh-labs"))).await.unwrap();
    assert_eq!(organization.unwrap().value.login_method, LoginMethod::Fly);
    // Nor by two who leave each other out.
    chloe.get(PREVIEW).await;
    let other = app.user("ines").await.id.to_string();
    chloe.post_form(&format!("{PREVIEW}/left-out"), &[("out", &other)]).await.location();
    assert_eq!(ines.disable("saltmarsh-labs").await.status, 409);

    chloe.get(PREVIEW).await;
    chloe.post_form(&format!("{PREVIEW}/left-out"), &[("was", person.id.as_str())]).await.location();
    assert!(!chloe.get(PREVIEW).await.shows("self-left-out"));
    let run = chloe.disable("saltmarsh-labs").await.location();
    assert_eq!(chloe.get(&run).await.status, 200);
    app.work().await;
}

#[tokio::test]
async fn who_is_left_out_is_not_among_those_who_are_to_set_a_password() {
    let app = TestApp::new().await;
    let mut ines = without(&app, "leo").await;
    let run = ines.disable("saltmarsh-labs").await.location();
    app.work().await;
    // Nine members: Bram has a password, Leo is left out.
    let page = ines.get(&run).await;
    assert!(page.text().contains("Resend to all 7 without a password"), "{}", page.text());
    let (id, run_id) = (app.organization("saltmarsh-labs"), run.rsplit('/').next().unwrap().parse().unwrap());
    let totals = app.program.app.admin.disable.totals(&id, &run_id).await.unwrap();
    assert_eq!((totals.members, totals.ready, totals.left_out), (9, 1, 1), "{totals:?}");
    let to = app.address("ines");
    let summary =
        app.new_mails().into_iter().find(|mail| mail.to.contains(&to) && mail.find_link().is_none()).unwrap();
    assert!(summary.text.contains("Noor Haddad") && summary.text.contains("left out"), "{}", summary.text);
    let status = ines.get(&format!("{run}/status")).await.json();
    assert_eq!((&status["total"], &status["left_out"]), (&9.into(), &1.into()), "{status}");

    let disable = app.program.app.admin.disable.clone();
    let verifier = Verifier::new(app.store.clone(), app.program.directory.clone(), disable);
    assert_eq!(verifier.organization(&id).await.unwrap().differences.len(), 0);
    let mut txn = app.store.txn(keys::org(&id));
    txn.add(keys::run_left_out(&id, &run_id), 1);
    assert_eq!(app.store.commit(txn).await.unwrap(), Outcome::Committed);
    let found = verifier.organization(&id).await.unwrap().differences;
    assert!(found.len() == 1 && found[0].what.contains("2 are counted as left out and 1 are"), "{found:?}");
    let mut txn = app.store.txn(keys::org(&id));
    txn.add(keys::run_left_out(&id, &run_id), -1);
    assert_eq!(app.store.commit(txn).await.unwrap(), Outcome::Committed);

    // All the others have set one: the bar is full, and nobody is to be mailed again.
    for member in app.program.directory.members(&id, None, 100).await.unwrap() {
        let user = &member.value.user;
        app.program.app.admin.disable.note_password(&id, user, app.store.now()).await.unwrap();
    }
    let page = ines.get(&run).await;
    assert_eq!(page.element("run-ready").as_deref(), Some("8"));
    assert!(page.text().contains("Passwords set: 8 of 8; 1 person left out on purpose"), "{}", page.text());
    assert!(page.text().contains("Everybody has a password."), "{}", page.text());
    assert!(!page.text().contains("without a password</button>"), "{}", page.text());
}
