//! Mail that a server took and could not deliver.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use flybridge::domain::audit::AuditKind;
use flybridge::domain::disable::RowStatus;
use flybridge::store::keys;

use super::mail::{both_leave, over_smtp};
use super::row;
use crate::support::answer::Answer;
use crate::support::app::{Options, TestApp};
use crate::support::browser_client::send;
use crate::support::letter::Letter;
use crate::support::smtp::{Act, At, SmtpSink, Step};

const SECRET: &str = "kestrel-9-anvil-33-tundra";

fn taking() -> Options {
    Options { mail_keys: Some(format!("reminders = []\nbounce_secret = \"{SECRET}\"")), ..Options::default() }
}

/// A report as Postfix writes it, about the mail with this Message-ID.
fn report(id: &str, recipient: &str, action: &str, status: &str, said: &str) -> String {
    format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@relay.example (Mail Delivery System)\r\nTo: login@login.test\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"4gT7/relay.example\"\r\n\r\n\
         This is a MIME-encapsulated message.\r\n\r\n--4gT7/relay.example\r\nContent-Description: Notification\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\nI'm sorry to have to inform you.\r\n\r\n\
         --4gT7/relay.example\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; relay.example\r\nX-Postfix-Queue-ID: 4gT7\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nOriginal-Recipient: rfc822;{recipient}\r\nAction: {action}\r\n\
         Status: {status}\r\nRemote-MTA: dns; mx.a.example\r\nDiagnostic-Code: smtp; {said}\r\n\r\n\
         --4gT7/relay.example\r\nContent-Description: Undelivered Message\r\nContent-Type: message/rfc822\r\n\r\n\
         From: Flybridge <login@login.test>\r\nTo: {recipient}\r\nMessage-ID: {id}\r\nSubject: x\r\n\r\nHello\r\n\r\n\
         --4gT7/relay.example--\r\n"
    )
}

async fn hand_over(app: &TestApp, secret: Option<&str>, mail: impl Into<Body>) -> Answer {
    let request = Request::post("/inbound/bounces").header("content-type", "message/rfc822");
    let request = secret.into_iter().fold(request, |r, secret| r.header("authorization", format!("Bearer {secret}")));
    send(&app.router, request.body(mail.into()).unwrap()).await
}

async fn outcome(app: &TestApp, mail: &str) -> String {
    let answer = hand_over(app, Some(SECRET), mail.to_owned()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.said());
    answer.json()["outcome"].as_str().unwrap().to_owned()
}

const GONE: (&str, &str, &str) = ("failed", "5.1.1", "550 5.1.1 <leo@secret.example>: no such user");

async fn failed(app: &TestApp, id: &str) -> String {
    outcome(app, &report(id, "leo@secret.example", GONE.0, GONE.1, GONE.2)).await
}

#[tokio::test]
async fn mail_that_came_back_counts_as_failed_with_the_reason() {
    let app = TestApp::with(taking()).await;
    let (mut ines, run) = app.leave().await;
    let id = app.mail_to("leo").id;
    assert_eq!(failed(&app, &id).await, "failed");
    let leos = row(&app, "saltmarsh-labs", &run, "leo").await;
    assert_eq!(leos.status, RowStatus::Failed);
    let why = "The mail came back. Their mail server says this mailbox does not exist (550). Ask them to mend it, then \
               resend.";
    assert_eq!(leos.detail.as_deref(), Some(why));
    assert_eq!(leos.answer.unwrap().text, "550 5.1.1 <l***@secret.example>: no such user");
    let page = ines.get(&run).await;
    assert_eq!((page.element("run-failed").as_deref(), page.element("run-sent").as_deref()), (Some("2"), Some("7")));
    assert!(!page.text().contains("leo@secret"), "no address from elsewhere is shown");
    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 1).await.unwrap();
    assert_eq!(
        (log[0].value.kind, log[0].value.detail.clone()),
        (AuditKind::MailReturned, format!("to Leo Brandt: {why}"))
    );

    // The same report once more, or late word of a delay, changes nothing.
    let before = app.dump();
    assert_eq!(failed(&app, &id).await, "ignored");
    assert_eq!(outcome(&app, &report(&id, "x@y.example", "delayed", "4.4.1", "421 x")).await, "ignored");
    assert_eq!(app.dump(), before);

    // He has another address by now, and the admin has the mail sent again; word of the first mail is old then.
    let member = app.user("leo").await.id;
    ines.resend(&run, ("member", member.as_str())).await.location();
    app.work().await;
    assert_eq!(row(&app, "saltmarsh-labs", &run, "leo").await.status, RowStatus::Sent);
    let again = app.mail_to("leo").id;
    assert_ne!(again, id);
    assert_eq!(failed(&app, &id).await, "ignored");
    assert_eq!(row(&app, "saltmarsh-labs", &run, "leo").await.status, RowStatus::Sent);
    assert_eq!(failed(&app, &again).await, "failed");
}

#[tokio::test]
async fn word_of_a_delay_is_noted_and_the_end_of_patience_is_an_end() {
    let app = TestApp::with(taking()).await;
    let (mut ines, run) = app.leave().await;
    let id = app.mail_to("leo").id;
    let late = report(&id, "leo@secret.example", "delayed", "4.4.1", "451 4.4.1 no answer from mx.a.example");
    assert_eq!(outcome(&app, &late).await, "noted");
    let leos = row(&app, "saltmarsh-labs", &run, "leo").await;
    assert_eq!(leos.status, RowStatus::Sent);
    assert!(leos.detail.unwrap().contains("goes on trying"));
    assert!(ines.get(&run).await.text().contains("451 4.4.1 no answer from mx.a.example"));
    assert_eq!(outcome(&app, &late).await, "ignored", "once");
    let expired = report(&id, "leo@secret.example", "failed", "4.4.7", "451 4.4.1 no answer from mx.a.example");
    assert_eq!(outcome(&app, &expired).await, "failed");
    let why = row(&app, "saltmarsh-labs", &run, "leo").await.detail.unwrap();
    assert!(why.contains("for too long"), "{why}");
}

#[tokio::test]
async fn an_address_alone_and_anything_that_is_not_ours_change_nothing() {
    let app = TestApp::with(taking()).await;
    let (_, run) = app.leave().await;
    let id = app.mail_to("leo").id;
    let address = app.address("leo");
    let before = app.dump();
    let sent_again = id.replace(".m0.", ".m1.");
    let code = id.rsplit('.').nth(1).unwrap().split('@').next().unwrap();
    let other_code = id.replace(code, &code.chars().rev().collect::<String>());
    let of_another = id.replace(app.user("leo").await.id.as_str(), app.user("priya").await.id.as_str());
    for id in ["<x@login.test>", "", "<>", "<a.b.m0.c@login.test>", &sent_again, &other_code, &of_another] {
        assert_eq!(outcome(&app, &report(id, &address, GONE.0, GONE.1, GONE.2)).await, "ignored", "{id}");
    }
    let good = report(&id, &address, "delivered", "2.0.0", "250 ok");
    let away = format!("From: {address}\r\nSubject: Out of office\r\nIn-Reply-To: {id}\r\n\r\nI am away.\r\n");
    for mail in [good, away, "no mail at all".to_owned(), String::new()] {
        assert_eq!(outcome(&app, &mail).await, "ignored", "{mail}");
    }
    assert_eq!(app.dump(), before);
    assert_eq!(row(&app, "saltmarsh-labs", &run, "leo").await.status, RowStatus::Sent);
}

#[tokio::test]
async fn without_the_secret_nothing_is_taken() {
    let app = TestApp::with(taking()).await;
    app.leave().await;
    let id = app.mail_to("leo").id;
    let before = app.dump();
    let mail = report(&id, "x@y.example", GONE.0, GONE.1, GONE.2);
    for secret in [None, Some(""), Some("kestrel-9-anvil-33-tundrb"), Some("kestrel"), Some(&SECRET[1..])] {
        let answer = hand_over(&app, secret, mail.clone()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.said());
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"bounces\"");
    }
    let request = Request::post("/inbound/bounces").header("authorization", format!("Basic {SECRET}"));
    let answer = send(&app.router, request.body(Body::from(mail.clone())).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.dump(), before);
    // Where none is configured, no secret fits.
    let none = TestApp::new().await;
    assert_eq!(hand_over(&none, Some(""), mail).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_report_that_overtakes_the_answer_is_asked_for_again() {
    let sink = SmtpSink::start().await;
    let app = TestApp::with(Options { mail: Some(over_smtp(&sink)), ..taking() }).await;
    let address = app.address("leo");
    let (_, run) = app.click().await;
    sink.script(&address, Step(At::Dot, Act::Drop));
    app.work_now().await;
    let seen = sink.messages().into_iter().find(|mail| mail.to.contains(&address)).unwrap();
    let id = Letter::of(&seen.data).id;
    let mail = report(&id, &address, GONE.0, GONE.1, GONE.2);
    let answer = hand_over(&app, Some(SECRET), mail.clone()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "60"));
    app.advance(Duration::from_mins(1));
    app.work().await;
    assert_eq!(outcome(&app, &mail).await, "failed");
    assert_eq!(row(&app, "saltmarsh-labs", &run, "leo").await.status, RowStatus::Failed);
}

#[tokio::test]
async fn who_has_set_a_password_needs_no_help_when_the_mail_comes_back() {
    let app = TestApp::with(taking()).await;
    let (_, run) = app.leave().await;
    let id = app.mail_to("leo").id;
    app.settle_in("leo").await;
    assert_eq!(failed(&app, &id).await, "noted");
    let leos = row(&app, "saltmarsh-labs", &run, "leo").await;
    assert_eq!((leos.status, leos.ready_at.is_some()), (RowStatus::Cancelled, true));
}

#[tokio::test]
async fn another_organization_does_not_rest_on_a_mail_that_came_back() {
    let app = TestApp::with(Options { world: both_leave(), ..taking() }).await;
    app.leave().await;
    let id = app.mail_to("jun").id;
    assert_eq!(failed(&app, &id).await, "failed");
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    let run = hana.disable("harbour-tools").await.location();
    app.work().await;
    assert_eq!(row(&app, "harbour-tools", &run, "jun").await.status, RowStatus::Sent);
    app.mail_to("jun").link();
}

#[tokio::test]
async fn a_row_that_rests_on_a_mail_that_came_back_fails_with_it() {
    let app = TestApp::with(Options { world: both_leave(), ..taking() }).await;
    let (_, first) = app.leave().await;
    let id = app.mail_to("jun").id;
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    let second = hana.disable("harbour-tools").await.location();
    app.work().await;
    let resting = row(&app, "harbour-tools", &second, "jun").await;
    assert_eq!(resting.status, RowStatus::Cancelled);
    let on = resting.rests_on.expect("it says on which mail it rests");
    assert_eq!(on, (app.organization("saltmarsh-labs"), first.rsplit('/').next().unwrap().parse().unwrap()));

    assert_eq!(failed(&app, &id).await, "failed");
    assert_eq!(row(&app, "saltmarsh-labs", &first, "jun").await.status, RowStatus::Failed);
    let jun = row(&app, "harbour-tools", &second, "jun").await;
    assert_eq!((jun.status, jun.rests_on.is_none()), (RowStatus::Failed, true), "nobody rests on it");
    assert!(jun.detail.as_deref().unwrap().starts_with("The mail came back."), "{jun:?}");
    let page = hana.get(&second).await;
    assert!(
        page.element("run-failed").unwrap() != "0" && page.text().contains("The mail came back."),
        "{}",
        page.text()
    );
    let run = second.rsplit('/').next().unwrap().parse().unwrap();
    let harbour = app.organization("harbour-tools");
    let totals = app.program.app.admin.disable.totals(&harbour, &run).await.unwrap();
    assert!(totals.add_up() && totals.failed >= 1, "{totals:?}");
    let log = app.program.directory.audit_log(&harbour, None, 1).await.unwrap();
    assert_eq!(log[0].value.kind, AuditKind::MailReturned);
    // Once.
    let before = app.dump();
    assert_eq!(failed(&app, &id).await, "ignored");
    assert_eq!(app.dump(), before);
    let member = app.user("jun").await.id;
    hana.resend(&second, ("member", member.as_str())).await.location();
    app.work().await;
    assert_eq!(row(&app, "harbour-tools", &second, "jun").await.status, RowStatus::Sent);
}

#[tokio::test]
async fn late_word_of_an_earlier_mail_leaves_the_delivery_of_the_last_one() {
    let app = TestApp::with(taking()).await;
    let (mut ines, _) = app.leave().await;
    let first = app.mail_to("leo").id;
    let run = app.organization("saltmarsh-labs");
    let run = app.program.directory.organization(&run).await.unwrap().unwrap().value.run.unwrap();
    let leo = app.user("leo").await.id;
    let page = format!("/organizations/saltmarsh-labs/auth/disable/{run}");
    ines.get(&page).await;
    ines.resend(&page, ("member", leo.as_str())).await.location();
    app.work().await;
    let delivered = || async { app.store.read(&keys::link(&leo)).await.unwrap().unwrap().value.delivered };
    let before = delivered().await;
    assert!(before.is_some());
    assert_eq!(failed(&app, &first).await, "ignored");
    assert_eq!(delivered().await, before);
    assert_eq!(failed(&app, &app.mail_to("leo").id).await, "failed");
    assert_eq!(delivered().await, None);
}

#[tokio::test]
async fn word_of_a_reminder_that_became_needless_is_not_asked_for_for_ever() {
    let sink = SmtpSink::start().await;
    let keys = format!("reminders = [\"3 d\"]\nbounce_secret = \"{SECRET}\"");
    let app =
        TestApp::with(Options { mail: Some(over_smtp(&sink)), mail_keys: Some(keys), ..Options::default() }).await;
    let (mut ines, run) = app.leave().await;
    let (address, before) = (app.address("leo"), sink.messages().len());
    sink.script(&address, Step(At::Dot, Act::Drop));
    app.advance(Duration::from_hours(3 * 24));
    app.work_now().await;
    let reminder = sink.messages().into_iter().skip(before).find(|mail| mail.to.contains(&address)).unwrap();
    let mail = report(&Letter::of(&reminder.data).id, &address, GONE.0, GONE.1, GONE.2);
    // It was taken, nobody knows, and before the next attempt it is not needed any more.
    ines.sign_in_with_fly("ines").await;
    ines.enable("saltmarsh-labs").await.location();
    app.advance(Duration::from_mins(2));
    app.work().await;
    assert_eq!(row(&app, "saltmarsh-labs", &run, "leo").await.reminders, 0);
    assert_eq!(hand_over(&app, Some(SECRET), mail.clone()).await.status, StatusCode::SERVICE_UNAVAILABLE);
    app.advance(Duration::from_hours(6));
    assert_eq!(outcome(&app, &mail).await, "ignored");
}
