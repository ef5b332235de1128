//! What is kept twice, held against its source, and made again from it.

use flybridge::domain::disable::{Row, RowStatus, Run};
use flybridge::domain::ids::UserId;
use flybridge::domain::member::Member;
use flybridge::domain::user::User;
use flybridge::services::verify::{Mend, Verifier};
use flybridge::store::{Outcome, Txn, keys};

use crate::support::app::{Options, TestApp};
use crate::support::smtp::{Act, At, SmtpSink, Step};

fn verifier(app: &TestApp) -> Verifier {
    let disable = app.program.app.admin.disable.clone();
    Verifier::new(app.store.clone(), app.program.directory.clone(), disable)
}

/// What differs in Saltmarsh Labs, and whether it can be mended.
async fn differences(app: &TestApp) -> Vec<(String, bool)> {
    let found = verifier(app).organization(&app.organization("saltmarsh-labs")).await.unwrap();
    assert!(found.moving.is_empty(), "{found:?}");
    found.differences.into_iter().map(|d| (d.what, d.mend != Mend::Nothing)).collect()
}

async fn mend(app: &TestApp) {
    let id = app.organization("saltmarsh-labs");
    for difference in verifier(app).organization(&id).await.unwrap().differences {
        assert!(verifier(app).mend(&id, &difference).await.unwrap(), "{difference:?}");
    }
    assert_eq!(differences(app).await, []);
}

async fn commit(app: &TestApp, txn: Txn) {
    assert_eq!(app.store.commit(txn).await.unwrap(), Outcome::Committed);
}

#[tokio::test]
async fn at_every_step_of_a_run_everything_agrees() {
    let app = TestApp::new().await;
    assert_eq!(differences(&app).await, []);
    let (mut ines, _) = app.click().await;
    assert_eq!(differences(&app).await, [], "switched, and nobody has a row");
    app.program.outbox.work_once().await.unwrap();
    assert_eq!(differences(&app).await, [], "rows are written");
    app.program.outbox.mail_once().await.unwrap();
    assert_eq!(differences(&app).await, []);
    app.work().await;
    app.settle_in("leo").await;
    let found = verifier(&app).organization(&app.organization("saltmarsh-labs")).await.unwrap();
    assert_eq!((found.members, found.rows, found.differences.len()), (9, 9, 0), "{found:?}");
    ines.enable("saltmarsh-labs").await.location();
    app.work().await;
    assert_eq!(differences(&app).await, []);
}

#[tokio::test]
async fn turned_back_before_anybody_had_a_row_everything_agrees() {
    let app = TestApp::new().await;
    let (mut ines, _) = app.click().await;
    ines.enable("saltmarsh-labs").await.location();
    assert_eq!(differences(&app).await, []);
    app.work().await;
    assert_eq!(differences(&app).await, []);
}

#[tokio::test]
async fn counters_that_are_wrong_are_told_and_mended() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    let (id, run) = (app.organization("saltmarsh-labs"), run.rsplit('/').next().unwrap().parse().unwrap());
    let before = app.dump();
    let mut txn = app.store.txn(keys::org(&id));
    txn.add(keys::member_count(&id), 2).add(keys::run_ready(&id, &run), 3);
    txn.add(keys::run_total(&id, &run, RowStatus::Sent), -1).add(keys::run_total(&id, &run, RowStatus::Failed), 1);
    commit(&app, txn).await;
    let run_id = &run;
    let expected = [
        ("11 members are counted and 9 are there".to_owned(), true),
        (format!("run {run_id}: 7 are counted as sent and 8 are"), true),
        (format!("run {run_id}: 2 are counted as failed and 1 are"), true),
        (format!("run {run_id}: 4 are counted as having a password and 1 have"), true),
    ];
    assert_eq!(differences(&app).await, expected);
    mend(&app).await;
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn copies_of_who_has_a_password_are_made_again() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    app.settle_in("leo").await;
    let before = app.dump();
    let (id, run) = (app.organization("saltmarsh-labs"), run.rsplit('/').next().unwrap().parse().unwrap());
    let leo: UserId = app.user("leo").await.id;
    let priya: UserId = app.user("priya").await.id;
    let mut txn = app.store.txn(keys::org(&id));
    let member = app.member("leo", "saltmarsh-labs").await;
    txn.put(&keys::member(&id, &leo), &Member { has_password: false, ..member }).unwrap();
    let row = app.store.read(&keys::row(&id, &run, &leo)).await.unwrap().unwrap().value;
    let ready_at = row.ready_at;
    txn.put(&keys::row(&id, &run, &leo), &Row { ready_at: None, ..row }).unwrap();
    txn.add(keys::run_ready(&id, &run), -1);
    let member = app.member("priya", "saltmarsh-labs").await;
    txn.put(&keys::member(&id, &priya), &Member { has_password: true, ..member }).unwrap();
    commit(&app, txn).await;
    let mut found = differences(&app).await;
    found.sort();
    let mut expected = [
        (format!("person {leo} has a password and the member has none"), true),
        (format!("person {leo} has a password and the ledger waits for one"), true),
        (format!("person {priya} has no password and the member has one"), true),
    ];
    expected.sort();
    assert_eq!(found, expected);
    mend(&app).await;
    assert!(app.member("leo", "saltmarsh-labs").await.has_password);
    let row = app.store.read(&keys::row(&id, &run, &leo)).await.unwrap().unwrap().value;
    assert!(row.ready_at >= ready_at);
    assert_ne!(app.dump(), before, "the time of the repair stands in the row");
}

#[tokio::test]
async fn names_that_lead_nowhere_lead_home_again_and_those_that_lead_elsewhere_stay() {
    let app = TestApp::new().await;
    let before = app.dump();
    let (leo, id) = (app.user("leo").await, app.organization("saltmarsh-labs"));
    let slug = "saltmarsh-labs".parse().unwrap();
    let address = leo.email.as_deref().unwrap().parse().unwrap();
    let address = keys::address(&flybridge::services::directory::address_hash(&address));
    for key in [
        keys::slug(&slug).into_key(),
        keys::organizations().item("saltmarsh-labs").into_key(),
        keys::fly_identity(&leo.fly_id).into_key(),
        address.key().clone(),
    ] {
        let mut txn = app.store.txn(key.partition().clone());
        txn.delete(key);
        commit(&app, txn).await;
    }
    let mut txn = app.store.txn(keys::user_partition(&leo.id));
    txn.put(&keys::user(&leo.id), &User { organizations: vec![], ..leo.clone() }).unwrap();
    commit(&app, txn).await;
    let found = differences(&app).await;
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found.iter().all(|(_, can)| *can));
    mend(&app).await;
    assert_eq!(app.dump(), before);

    let priya = app.user("priya").await.id;
    let mut txn = app.store.txn(address.key().partition().clone());
    txn.put(&address, &priya).unwrap();
    commit(&app, txn).await;
    let found = differences(&app).await;
    assert_eq!(found, [(format!("the address of person {} leads to {priya}", leo.id), false)]);
    let stranger = verifier(&app).organization(&"nobody".parse().unwrap()).await.unwrap();
    assert_eq!(stranger.differences.len(), 1);
    assert!(id.as_str() != "nobody");
}

#[tokio::test]
async fn a_mail_that_nothing_will_send_is_told() {
    let sink = SmtpSink::start().await;
    let mail = Some(crate::flows::set_up::over_smtp(&sink));
    let app = TestApp::with(Options { mail, ..Options::default() }).await;
    sink.script_always(&app.address("leo"), Step(At::Rcpt, Act::Answer("450 4.2.1 later")));
    let (_, run) = app.leave().await;
    assert_eq!(differences(&app).await, [], "it waits for its next try");
    let place = keys::org(&app.organization("saltmarsh-labs"));
    let jobs = app.store.scan(&place, "job/mail/", None, 10).await.unwrap();
    let mut txn = app.store.txn(place);
    for (key, _) in jobs {
        txn.delete(key);
    }
    commit(&app, txn).await;
    let (leo, run) = (app.user("leo").await.id, run.rsplit('/').next().unwrap().to_owned());
    let what = format!("run {run}: the mail to {leo} waits, and nothing will send it");
    assert_eq!(differences(&app).await, [(what, false)]);
    app.leave_jobs();
}

#[tokio::test]
async fn a_member_without_a_row_and_one_whose_row_says_otherwise_are_told() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    let (id, run) = (app.organization("saltmarsh-labs"), run.rsplit('/').next().unwrap().parse().unwrap());
    let (leo, priya) = (app.user("leo").await.id, app.user("priya").await.id);
    let row = app.store.read(&keys::row(&id, &run, &priya)).await.unwrap().unwrap().value;
    let mut txn = app.store.txn(keys::org(&id));
    // A run that counts one member too few agrees with its rows.
    let record = app.store.read(&keys::run(&id, &run)).await.unwrap().unwrap().value;
    txn.delete(keys::row(&id, &run, &leo).into_key()).add(keys::run_total(&id, &run, RowStatus::Sent), -1);
    txn.put(&keys::run(&id, &run), &Run { members: record.members - 1, rows: record.rows - 1, ..record }).unwrap();
    txn.put(&keys::row(&id, &run, &priya), &Row { left_out: true, ..row }).unwrap();
    commit(&app, txn).await;
    let found = differences(&app).await;
    for what in [
        format!("member {leo} has no row in the ledger of the run"),
        format!("member {priya} and their row do not agree on whether they are left out"),
    ] {
        assert!(found.contains(&(what.clone(), false)), "{what}: {found:?}");
    }
}

#[tokio::test]
async fn an_address_that_signs_somebody_else_in_with_right_is_no_difference() {
    let app = TestApp::new().await;
    let (leo, priya) = (app.user("leo").await, app.user("priya").await);
    let address = leo.email.as_deref().unwrap().parse().unwrap();
    let address = keys::address(&flybridge::services::directory::address_hash(&address));
    let mut txn = app.store.txn(address.key().partition().clone());
    txn.put(&address, &priya.id).unwrap();
    commit(&app, txn).await;
    assert_eq!(differences(&app).await.len(), 1);
    // Fly.io has given it to Priya.
    let mut txn = app.store.txn(keys::user_partition(&priya.id));
    txn.put(&keys::user(&priya.id), &User { email: leo.email.clone(), ..priya.clone() }).unwrap();
    commit(&app, txn).await;
    assert_eq!(differences(&app).await, []);
}
