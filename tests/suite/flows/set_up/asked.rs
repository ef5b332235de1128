//! Requests for a link, and the mails that come of them: one for all of a moment.

use std::time::Duration;

use flybridge::domain::audit::AuditKind;
use flybridge::domain::setup_link::ASKED_AGAIN;
use flybridge::services::setup_links::SetUpLinks;
use flybridge::services::vault::{MasterKeys, Vault};
use flybridge::store::{Outcome, keys};
use flybridge::telemetry::{LogFormat, subscriber};

use super::forgot::ask;
use super::mail::over_smtp;
use super::row;
use crate::support::app::{MASTER_KEY, Options, PASSWORD, TestApp};
use crate::support::letter::Letter;
use crate::support::log::Lines;
use crate::support::smtp::{Act, At, SmtpSink, Step};

const NEW_KEY: &str = "c2a86e0f4d913b7752e1c08bd6f93a14e57b20cc98416df3ab05721e8fd4639c";

/// Saltmarsh Labs has left, its mails have gone to `sink`.
async fn left_over(sink: &SmtpSink) -> (TestApp, usize) {
    let app = TestApp::with(Options { mail: Some(over_smtp(sink)), ..Options::default() }).await;
    app.leave().await;
    let before = sink.messages().len();
    (app, before)
}

/// What came in since, accepted or not.
fn since(sink: &SmtpSink, before: usize) -> Vec<(bool, Letter)> {
    let new = sink.messages().into_iter().skip(before);
    new.map(|mail| (mail.accepted, Letter::of(&mail.data))).collect()
}

#[tokio::test]
async fn several_requests_before_a_worker_looks_are_one_mail() {
    let app = TestApp::new().await;
    app.leave().await;
    let old = app.link_of("priya");
    app.advance(Duration::from_hours(25));
    let mut browser = app.browser();
    browser.get(&old).await;
    browser.get("/set-up").await;
    for _ in 0..3 {
        assert!(ask(&mut app.browser(), &app.address("priya")).await.shows("forgot-sent"));
        assert!(browser.post_form("/set-up/renew", &[]).await.shows("forgot-sent"));
    }
    assert_eq!(app.jobs().len(), 6);
    app.work().await;
    assert_ne!(app.mail_to("priya").link(), old);
    app.settle_in("priya").await;
}

#[tokio::test]
async fn the_mail_that_was_put_off_goes_out_and_no_other() {
    let sink = SmtpSink::start().await;
    let (app, before) = left_over(&sink).await;
    let address = app.address("priya");
    sink.script(&address, Step(At::Dot, Act::Answer("451 4.3.0 not now")));
    ask(&mut app.browser(), &address).await;
    app.work_now().await;
    assert_eq!(since(&sink, before).len(), 1);
    // While it waits for its next try, further requests rely on it.
    ask(&mut app.browser(), &address).await;
    app.work_now().await;
    assert_eq!(app.jobs().len(), 1, "{:?}", app.jobs());
    app.advance(Duration::from_secs(31));
    app.work().await;
    let mails = since(&sink, before);
    let [(false, first), (true, second)] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(first, second, "same Message-ID, same link, same words");
}

#[tokio::test]
async fn whoever_asks_while_a_mail_is_put_off_for_long_has_another_try_and_still_one_mail() {
    let sink = SmtpSink::start().await;
    let (app, before) = left_over(&sink).await;
    let address = app.address("priya");
    for _ in 0..6 {
        sink.script(&address, Step(At::Rcpt, Act::Answer("450 4.2.0 greylisted")));
    }
    ask(&mut app.browser(), &address).await;
    // Tries after pauses of up to 30 s, 1, 2, 4, 8 and 16 minutes.
    for _ in 0..6 {
        app.work_now().await;
        let due = app.jobs()[0].1;
        app.advance(due.since(app.store.now()));
    }
    let waits = app.jobs();
    app.advance(ASKED_AGAIN);
    ask(&mut app.browser(), &address).await;
    app.work().await;
    assert_eq!((waits.len(), app.jobs().len()), (1, 0));
    assert_eq!(since(&sink, before).len(), 1, "the older request relies on the newer one, or the other way round");
}

#[tokio::test]
async fn after_a_crash_the_mail_goes_out_again_and_one_asked_for_meanwhile_does_not() {
    let sink = SmtpSink::start().await;
    let (app, before) = left_over(&sink).await;
    let address = app.address("priya");
    ask(&mut app.browser(), &address).await;
    sink.script(&address, Step(At::Dot, Act::Hold));
    tokio::select! {
        taken = app.program.outbox.mail_once() => panic!("{taken:?}"),
        () = sink.wait_for_held(1) => {}
    }
    sink.release();
    ask(&mut app.browser(), &address).await;
    app.work_now().await;
    assert_eq!(since(&sink, before).len(), 1);
    app.advance(Duration::from_secs(181));
    app.work().await;
    let mails = since(&sink, before);
    assert_eq!(mails.len(), 2, "the duplicate that a crash costs");
    assert_eq!(mails[0].1, mails[1].1);
}

#[tokio::test]
async fn a_mail_that_was_refused_for_good_is_in_the_log_and_swallows_no_later_request() {
    let sink = SmtpSink::start().await;
    let (app, before) = left_over(&sink).await;
    let address = app.address("priya");
    sink.script(&address, Step(At::Rcpt, Act::Answer("550 5.1.1 <nobody@inside.example> is not known")));
    let lines = Lines::default();
    let writer = lines.clone();
    let log = subscriber(LogFormat::Text, "error".parse().unwrap(), move || writer.clone());
    {
        let _guard = tracing::subscriber::set_default(log);
        ask(&mut app.browser(), &address).await;
        app.work_now().await;
    }
    let log = lines.text();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("ERROR") && log.contains("a mail was given up") && log.contains("(550)"), "{log}");
    let domain = address.split_once('@').unwrap().1;
    let masked = format!("link asked for with {}***@{domain}", &address[..1]);
    assert!(log.contains(&masked) && !log.contains(&address), "{log}");

    ask(&mut app.browser(), &address).await;
    app.work_now().await;
    let mails = since(&sink, before);
    assert!(matches!(&mails[..], [(true, mail)] if mail.find_link().is_some()), "{mails:?}");
    assert_eq!(app.dump().named("dead/").len(), 1);
    app.leave_jobs();
}

#[tokio::test]
async fn after_a_few_minutes_the_same_link_is_mailed_again() {
    let app = TestApp::new().await;
    app.leave().await;
    app.new_mails();
    let mut mails = Vec::new();
    for _ in 0..2 {
        ask(&mut app.browser(), &app.address("priya")).await;
        app.work().await;
        mails.push(app.mail_to("priya"));
        app.advance(ASKED_AGAIN.saturating_sub(Duration::from_secs(1)));
        ask(&mut app.browser(), &app.address("priya")).await;
        app.work().await;
        assert_eq!(app.new_mails(), []);
        app.advance(Duration::from_secs(1));
    }
    assert_ne!(mails[0].id, mails[1].id);
    assert_eq!(mails[0].link(), mails[1].link());
    app.settle_in("priya").await;
}

#[tokio::test]
async fn a_link_that_was_used_keeps_no_new_one_back() {
    let app = TestApp::new().await;
    app.leave().await;
    app.new_mails();
    ask(&mut app.browser(), &app.address("priya")).await;
    app.work().await;
    let first = app.mail_to("priya").link();
    app.settle_in("priya").await;
    app.new_mails();
    ask(&mut app.browser(), &app.address("priya")).await;
    app.work().await;
    let second = app.mail_to("priya").link();
    assert_ne!(first, second);
    assert_eq!(app.browser().set_password(&second, "another lantern for the heron 7").await.location(), "/go");
    app.work().await;
}

#[tokio::test]
async fn a_live_link_outlasts_the_master_key_it_was_made_with() {
    let app = TestApp::new().await;
    app.leave().await;
    let (link, user) = (app.link_of("priya"), app.user("priya").await.id);
    let with = |keys: &str| {
        let vault = Vault::new(&MasterKeys::parse(keys).unwrap()).unwrap();
        let jobs = app.program.outbox.jobs.clone();
        SetUpLinks::new(app.store.clone(), vault.into(), jobs, Duration::from_hours(24))
    };
    let made = async |links: &SetUpLinks| links.make(&user, None).await.unwrap().text;
    let rotated = with(&format!("{NEW_KEY},{MASTER_KEY}"));
    assert_eq!(format!("/set-up/{}", made(&rotated).await), link);
    assert_eq!(app.link_of("priya"), link);
    let without = made(&with(NEW_KEY)).await;
    assert_ne!(format!("/set-up/{without}"), link, "nobody can make its text any more");
    // With both keys, what the new one made is the live one.
    assert_eq!(made(&rotated).await, without);
}

#[tokio::test]
async fn a_password_is_in_the_audit_log_once_however_often_its_job_is_done() {
    let app = TestApp::new().await;
    app.leave().await;
    app.browser().set_password(&app.link_of("priya"), PASSWORD).await;
    let place = keys::user_partition(&app.user("priya").await.id);
    let jobs = app.store.scan(&place, "job/work/", None, 9).await.unwrap();
    let [(key, record)] = &jobs[..] else { panic!("{jobs:?}") };
    app.work().await;
    // As if the program had died before it wrote down that the job is done.
    app.advance(Duration::from_mins(3));
    let _ = app.program.outbox.jobs.work.announce(&place, app.store.now()).await.unwrap();
    let mut txn = app.store.txn(place.clone());
    txn.put_bytes(key.clone(), record.value.clone(), None);
    assert_eq!(app.store.commit(txn).await.unwrap(), Outcome::Committed);
    app.work().await;
    assert_eq!(app.jobs(), []);
    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 100).await.unwrap();
    let set = log.iter().filter(|entry| entry.value.kind == AuditKind::PasswordSet);
    assert_eq!(set.count(), 1, "{log:?}");
}

#[tokio::test]
async fn a_row_of_a_newer_program_keeps_nobody_elses_mail_back() {
    let app = TestApp::new().await;
    let (_, run) = app.click().await;
    while app.program.outbox.work_once().await.unwrap() > 0 {}
    let (organization, number) = (app.organization("saltmarsh-labs"), run.rsplit('/').next().unwrap());
    let key = keys::row(&organization, &number.parse().unwrap(), &app.user("priya").await.id);
    let mut txn = app.store.txn(keys::org(&organization));
    txn.put_bytes(key.into_key(), b"\x63 of a newer program".to_vec(), None);
    assert_eq!(app.store.commit(txn).await.unwrap(), Outcome::Committed);
    ask(&mut app.browser(), &app.address("leo")).await;
    app.work_now().await;
    let mails = app.new_mails();
    for (who, count) in [("ines", 1), ("chloe", 1), ("jun", 1), ("amara", 1), ("tomas", 1), ("leo", 2), ("priya", 0)]
    {
        let own = mails.iter().filter(|mail| mail.to.contains(&app.address(who)));
        assert_eq!(own.count(), count, "{who}: {mails:?}");
    }
    assert_eq!(row(&app, "saltmarsh-labs", &run, "jun").await.status, flybridge::domain::disable::RowStatus::Sent);
    app.leave_jobs();
}
