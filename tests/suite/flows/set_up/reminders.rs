//! Reminders: who gets one, when, with which link, and who does not.

use std::time::Duration;

use flybridge::domain::audit::AuditKind;
use flybridge::domain::disable::RowStatus;
use flybridge::domain::member::Member;
use flybridge::store::{Outcome, keys};

use super::mail::{both_leave, over_smtp};
use super::row;
use crate::support::app::{Options, TestApp};
use crate::support::letter::Letter;
use crate::support::smtp::{Act, At, SmtpSink, Step};

const DAY: Duration = Duration::from_hours(24);

fn reminding() -> Options {
    Options { mail_keys: Some("reminders = [\"3 d\", \"7 d\"]".to_owned()), ..Options::default() }
}

fn reminders(app: &TestApp) -> Vec<Letter> {
    let mut mails = app.new_mails();
    mails.retain(|mail| mail.subject.starts_with("Reminder: "));
    mails
}

fn has_mail_for(app: &TestApp, mails: &[Letter], who: &str) -> bool {
    mails.iter().any(|mail| mail.to.contains(&app.address(who)))
}

#[tokio::test]
async fn after_three_and_seven_days_those_without_a_password_are_reminded() {
    let app = TestApp::with(reminding()).await;
    let (_, run) = app.leave().await;
    app.settle_in("priya").await;
    app.new_mails();
    app.advance(Duration::from_mins(3 * 24 * 60 - 1));
    app.work_now().await;
    assert_eq!(reminders(&app), [], "not a minute too soon");
    app.advance(Duration::from_mins(1));
    app.work().await;
    let first = reminders(&app);
    for who in ["ines", "chloe", "jun", "leo", "amara", "tomas"] {
        assert!(has_mail_for(&app, &first, who), "{who}: {first:?}");
    }
    // Priya has set one, Bram had one, Noor has no address.
    assert_eq!(first.len(), 6, "{first:?}");
    let leos = row(&app, "saltmarsh-labs", &run, "leo").await;
    assert_eq!((leos.status, leos.reminders, leos.reminded_at.is_some()), (RowStatus::Sent, 1, true));
    assert_eq!(row(&app, "saltmarsh-labs", &run, "priya").await.reminders, 0);

    // The link of the reminder works, and the mail of the run has led nowhere for two days.
    app.settle_in("leo").await;
    app.new_mails();
    app.advance(DAY * 4);
    app.work().await;
    let second = reminders(&app);
    assert_eq!(second.len(), 5, "{second:?}");
    assert!(!has_mail_for(&app, &second, "leo"));
    let ids = |mails: &[Letter]| mails.iter().map(|mail| mail.id.clone()).collect::<Vec<_>>();
    assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)), "another mail, not the same once more");
    assert_eq!(row(&app, "saltmarsh-labs", &run, "jun").await.reminders, 2);

    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 100).await.unwrap();
    let told: Vec<String> = log
        .into_iter()
        .map(|entry| entry.value)
        .filter(|entry| entry.kind == AuditKind::RemindersSent)
        .map(|entry| entry.detail)
        .collect();
    let expected = ["reminder 2, to 5 members without a password", "reminder 1, to 6 members without a password"];
    assert_eq!(told, expected);
    // That was the last one: no job remains.
    app.advance(DAY * 30);
    app.work().await;
    assert_eq!(app.jobs(), []);
    assert_eq!(reminders(&app), []);
}

#[tokio::test]
async fn nobody_is_reminded_where_fly_is_on_again() {
    let app = TestApp::with(reminding()).await;
    let (mut ines, _) = app.leave().await;
    app.new_mails();
    ines.sign_in_with_fly("ines").await;
    ines.enable("saltmarsh-labs").await.location();
    app.advance(DAY * 3);
    app.work().await;
    assert_eq!(app.new_mails(), []);
    assert_eq!(app.jobs(), []);
}

#[tokio::test]
async fn a_reminder_that_waits_for_its_turn_is_held_against_what_is_true_then() {
    let sink = SmtpSink::start().await;
    let app = TestApp::with(Options { mail: Some(over_smtp(&sink)), ..reminding() }).await;
    let (mut ines, run) = app.leave().await;
    let before = sink.messages().len();
    sink.script_any_always(Step(At::Greeting, Act::Answer("421 4.3.2 closed")));
    app.advance(DAY * 3);
    app.work_now().await;
    assert!(app.jobs().iter().any(|(name, _)| name.starts_with("job/mail/")), "they wait");
    ines.sign_in_with_fly("ines").await;
    ines.enable("saltmarsh-labs").await.location();
    sink.mend();
    app.advance(Duration::from_mins(1));
    app.work().await;
    assert_eq!(sink.messages().len(), before);
    assert_eq!(row(&app, "saltmarsh-labs", &run, "leo").await.reminders, 0);
    app.advance(DAY * 4);
    app.work().await;
    assert_eq!(app.jobs(), []);
}

#[tokio::test]
async fn a_person_in_two_organizations_that_left_gets_one_reminder_a_day() {
    let app = TestApp::with(Options { world: both_leave(), ..reminding() }).await;
    app.leave().await;
    app.advance(Duration::from_hours(13));
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    let run = hana.disable("harbour-tools").await.location();
    app.work().await;
    assert_eq!(row(&app, "harbour-tools", &run, "jun").await.status, RowStatus::Sent, "mailed by both");
    app.new_mails();
    app.advance(DAY * 3);
    app.work().await;
    let mails = reminders(&app);
    let juns: Vec<_> = mails.iter().filter(|mail| mail.to.contains(&app.address("jun"))).collect();
    assert_eq!(juns.len(), 1, "{juns:?}");
    let text = juns[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("Saltmarsh Labs") && text.contains("Harbour Tools"), "of both at once: {text}");
    let of = |slug, run: String| {
        let app = &app;
        async move { row(app, slug, &run, "jun").await.reminders }
    };
    let saltmarsh = app.program.directory.organization(&app.organization("saltmarsh-labs")).await.unwrap();
    let saltmarsh = saltmarsh.unwrap().value.run.unwrap().to_string();
    assert_eq!(of("saltmarsh-labs", saltmarsh).await + of("harbour-tools", run).await, 1);
    app.settle_in("jun").await;
    app.leave_jobs();
}

#[tokio::test]
async fn whoever_asked_for_a_link_today_is_left_in_peace() {
    let app = TestApp::with(reminding()).await;
    app.leave().await;
    app.advance(Duration::from_hours(70));
    let mut leo = app.browser();
    leo.get("/forgot").await;
    leo.post_form("/forgot", &[("email", &app.address("leo"))]).await;
    app.work().await;
    let asked = app.link_of("leo");
    app.new_mails();
    app.advance(Duration::from_hours(2));
    app.work().await;
    let mails = reminders(&app);
    assert!(!has_mail_for(&app, &mails, "leo") && has_mail_for(&app, &mails, "jun"), "{mails:?}");
    assert_eq!(app.link_of("leo"), asked);
    app.leave_jobs();
}

#[tokio::test]
async fn an_address_that_has_stopped_taking_mail_is_told() {
    let sink = SmtpSink::start().await;
    let app = TestApp::with(Options { mail: Some(over_smtp(&sink)), ..reminding() }).await;
    let (mut ines, run) = app.leave().await;
    sink.script_always(&app.address("leo"), Step(At::Rcpt, Act::Answer("550 5.1.1 no such user")));
    app.advance(DAY * 3);
    app.work().await;
    let leos = row(&app, "saltmarsh-labs", &run, "leo").await;
    assert_eq!(leos.status, RowStatus::Failed);
    let why = leos.detail.unwrap();
    assert!(why.starts_with("A reminder could not be delivered.") && why.contains("(550)"), "{why}");
    assert_eq!(leos.answer.unwrap().text, "550 5.1.1 no such user");
    let page = ines.get(&run).await;
    assert_eq!(page.status, 303, "the session is over by then");
    app.advance(DAY * 4);
    sink.mend();
    let before = sink.messages().len();
    app.work().await;
    let later: Vec<Letter> = sink.messages()[before..].iter().map(|mail| Letter::of(&mail.data)).collect();
    assert!(!has_mail_for(&app, &later, "leo") && has_mail_for(&app, &later, "jun"), "{later:?}");
}

#[tokio::test]
async fn a_reminder_that_is_sent_twice_is_the_same_mail() {
    let sink = SmtpSink::start().await;
    let app = TestApp::with(Options { mail: Some(over_smtp(&sink)), ..reminding() }).await;
    app.leave().await;
    let address = app.address("leo");
    let before = sink.messages().len();
    sink.script(&address, Step(At::Dot, Act::Drop));
    app.advance(DAY * 3);
    app.work().await;
    app.advance(Duration::from_mins(2));
    app.work().await;
    let mails: Vec<Letter> =
        sink.messages()[before..].iter().filter(|m| m.to.contains(&address)).map(|m| Letter::of(&m.data)).collect();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0], mails[1], "same Message-ID, same link, same words");
    app.leave_jobs();
}

#[tokio::test]
async fn who_rests_on_the_mail_of_an_organization_that_came_back_is_reminded_by_the_other() {
    let app = TestApp::with(Options { world: both_leave(), ..reminding() }).await;
    let (mut ines, first) = app.leave().await;
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    let second = hana.disable("harbour-tools").await.location();
    app.work().await;
    assert!(row(&app, "harbour-tools", &second, "jun").await.rests_on.is_some());
    ines.sign_in_with_fly("ines").await;
    ines.enable("saltmarsh-labs").await.location();
    app.work().await;
    app.new_mails();
    app.advance(DAY * 3);
    app.work().await;
    let mails = reminders(&app);
    assert_eq!(mails.iter().filter(|mail| mail.to.contains(&app.address("jun"))).count(), 1, "{mails:?}");
    assert_eq!(row(&app, "saltmarsh-labs", &first, "jun").await.reminders, 0);
    assert_eq!(row(&app, "harbour-tools", &second, "jun").await.reminders, 1);
    app.settle_in("jun").await;
    assert!(row(&app, "harbour-tools", &second, "jun").await.ready_at.is_some());
    app.leave_jobs();
}

/// Fly.io tells another address of Leo's.
async fn leo_moves(app: &TestApp) -> &'static str {
    let address = "leo.brandt@new.example";
    let (id, leo) = (app.organization("saltmarsh-labs"), app.user("leo").await);
    let member = Member { email: Some(address.to_owned()), ..app.member("leo", "saltmarsh-labs").await };
    let mut txn = app.store.txn(keys::org(&id));
    txn.put(&keys::member(&id, &leo.id), &member).unwrap();
    assert_eq!(app.store.commit(txn).await.unwrap(), Outcome::Committed);
    address
}

#[tokio::test]
async fn a_reminder_goes_to_the_address_that_the_member_has_by_then() {
    let app = TestApp::with(reminding()).await;
    let (_, run) = app.leave().await;
    app.new_mails();
    let old = app.address("leo");
    let new = leo_moves(&app).await;
    app.advance(DAY * 3);
    app.work().await;
    let mails = reminders(&app);
    assert!(mails.iter().any(|mail| mail.to.contains(new)), "{mails:?}");
    assert!(!mails.iter().any(|mail| mail.to.contains(&old)), "{mails:?}");
    assert_eq!(row(&app, "saltmarsh-labs", &run, "leo").await.email.as_deref(), Some(new));
    app.leave_jobs();
}
