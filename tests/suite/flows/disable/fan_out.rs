//! What happens while the rows are being written: the way back, newcomers, passwords.

use flybridge::domain::disable::{Delivery, RowStatus, Totals};
use flybridge::domain::organization::Actor;
use flybridge::services::disable::click::Clicked;
use flybridge::services::jobs::Work;

use super::{crowd, disable_over, ledger, newcomer, row_of, run_id, run_record, take_work, totals};
use crate::support::app::{START, TestApp};
use crate::support::interrupted::Interrupted;

#[tokio::test]
async fn turned_on_again_when_some_have_a_row_and_some_have_not() {
    let app = crowd().await;
    let (mut ines, run) = app.click().await;
    app.program.outbox.work_once().await.unwrap();
    let rows = ledger(&app, &run).await;
    assert_eq!((rows.len(), run_record(&app, &run).await.rows), (200, 200), "one chunk is written");
    let failed = i64::try_from(rows.iter().filter(|row| row.status == RowStatus::Failed).count()).unwrap();
    let now = totals(&app, &run).await;
    assert_eq!((now.members, now.queued, now.failed), (250, 250 - failed, failed), "{now:?}");

    ines.enable("saltmarsh-labs").await.location();
    assert!(totals(&app, &run).await.add_up());
    app.program.outbox.work_once().await.unwrap();
    let now = totals(&app, &run).await;
    assert_eq!((now.cancelled, now.queued), (50, 200 - failed), "who has no row gets no mail: {now:?}");
    assert!(now.add_up());
    app.work().await;
    let end = totals(&app, &run).await;
    let expected = Totals { members: 250, cancelled: 250 - failed, failed, ready: end.ready, ..Totals::default() };
    assert_eq!(end, expected);
    assert_eq!(app.new_mails(), []);
    assert_eq!(ledger(&app, &run).await.len(), 200, "no row is written any more");
    assert_eq!(run_record(&app, &run).await.rows, 250, "nothing is left to write");
}

#[tokio::test]
async fn who_joins_while_the_click_is_being_counted_is_counted_in_the_end() {
    let app = TestApp::new().await;
    let organization = app.organization("saltmarsh-labs");
    let (directory, person) = (app.program.directory.clone(), newcomer(&app, "wilma"));
    let joins = async move { drop(directory.admit_from_fly(&person).await.unwrap()) };
    let interrupted = Interrupted::new(&app.store, "org/", joins);
    let clicked = Clicked { by: Actor { user: None, name: "the operator".to_owned() }, from: None };
    let run = disable_over(&interrupted.store()).disable(&organization, &clicked).await.unwrap();
    assert!(interrupted.happened());
    let run = run.to_string();
    let before = totals(&app, &run).await;
    assert_eq!((before.members, before.queued), (9, 9), "{before:?}");
    app.work().await;
    let end = totals(&app, &run).await;
    assert_eq!((end.members, end.sent, end.failed), (10, 9, 1), "{end:?}");
    assert!(end.add_up());
    assert_eq!((run_record(&app, &run).await.members, ledger(&app, &run).await.len()), (10, 10));
    let mails = app.new_mails();
    assert_eq!(mails.iter().filter(|mail| mail.to.contains("wilma@customer.fly.io")).count(), 1, "{mails:?}");
}

#[tokio::test]
async fn a_password_set_while_the_row_is_about_to_be_written_stands_in_it() {
    let app = TestApp::new().await;
    let (_, run) = app.click().await;
    app.leave_jobs();
    let (organization, priya) = (app.organization("saltmarsh-labs"), app.user("priya").await.id);
    let (disable, here, who) = (app.program.app.admin.disable.clone(), organization.clone(), priya.clone());
    let interrupted =
        Interrupted::new(&app.store, "org/", async move { disable.note_password(&here, &who, START).await.unwrap() });
    let jobs = take_work(&app).await;
    let job = jobs.iter().find(|job| matches!(job.payload(), Work::FanOut { .. })).unwrap();
    disable_over(&interrupted.store()).fan_out(&organization, &run_id(&run), job).await.unwrap();
    assert!(interrupted.happened());
    let row = row_of(&app, &run, "priya").await.unwrap();
    assert_eq!((row.delivery, row.ready_at.is_some()), (Delivery::HasPassword, true), "{row:?}");
    assert_eq!(ready_rows(&app, &run).await, ["Bram de Vries", "Priya Raman"]);
    assert_eq!(totals(&app, &run).await.ready, 2);
}

#[tokio::test]
async fn a_password_set_while_the_row_is_just_being_written_is_not_lost() {
    let app = TestApp::new().await;
    let (_, run) = app.click().await;
    app.leave_jobs();
    let (organization, priya) = (app.organization("saltmarsh-labs"), app.user("priya").await.id);
    let (disable, here, id) = (app.program.app.admin.disable.clone(), organization.clone(), run_id(&run));
    let jobs = take_work(&app).await;
    let written = async move {
        let job = jobs.iter().find(|job| matches!(job.payload(), Work::FanOut { .. })).unwrap();
        disable.fan_out(&here, &id, job).await.unwrap();
    };
    let interrupted = Interrupted::new(&app.store, "org/", written);
    disable_over(&interrupted.store()).note_password(&organization, &priya, START).await.unwrap();
    assert!(interrupted.happened());
    assert!(app.member("priya", "saltmarsh-labs").await.has_password);
    assert_eq!(ready_rows(&app, &run).await, ["Bram de Vries", "Priya Raman"]);
    assert_eq!(totals(&app, &run).await.ready, 2);
}

#[tokio::test]
async fn a_password_set_while_a_row_that_cannot_be_mailed_is_being_written_settles_it() {
    let app = TestApp::new().await;
    let (_, run) = app.click().await;
    app.leave_jobs();
    let (organization, noor) = (app.organization("saltmarsh-labs"), app.user("noor").await.id);
    let (disable, here, id) = (app.program.app.admin.disable.clone(), organization.clone(), run_id(&run));
    let jobs = take_work(&app).await;
    let written = async move {
        let job = jobs.iter().find(|job| matches!(job.payload(), Work::FanOut { .. })).unwrap();
        disable.fan_out(&here, &id, job).await.unwrap();
    };
    let interrupted = Interrupted::new(&app.store, "org/", written);
    let there = disable_over(&interrupted.store());
    for _ in 0..2 {
        there.note_password(&organization, &noor, START).await.unwrap();
        assert!(interrupted.happened());
        let row = row_of(&app, &run, "noor").await.unwrap();
        assert_eq!((row.status, row.ready_at.is_some()), (RowStatus::Cancelled, true), "{row:?}");
        let now = totals(&app, &run).await;
        assert_eq!((now.queued, now.failed, now.cancelled, now.ready), (8, 0, 1, 2), "{now:?}");
        assert!(now.add_up());
    }
}

async fn ready_rows(app: &TestApp, run: &str) -> Vec<String> {
    let rows = ledger(app, run).await.into_iter().filter(|row| row.ready_at.is_some());
    let mut names: Vec<String> = rows.map(|row| row.name).collect();
    names.sort();
    names
}
