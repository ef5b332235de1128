//! "Disable Fly.io Auth", from the look before it to the way back.

#[path = "disable/click.rs"]
mod click;
#[path = "disable/fan_out.rs"]
mod fan_out;
#[path = "disable/left_out.rs"]
mod left_out;
#[path = "disable/preview.rs"]
mod preview;
#[path = "disable/refusals.rs"]
mod refusals;
#[path = "disable/resend.rs"]
mod resend;
#[path = "disable/resend_many.rs"]
mod resend_many;
#[path = "disable/run.rs"]
mod run;

use std::sync::Arc;
use std::time::Duration;

use flybridge::domain::disable::{Row, Run, Totals};
use flybridge::domain::ids::RunId;
use flybridge::domain::member::Role;
use flybridge::services::directory::{Directory, FlyPerson};
use flybridge::services::disable::Disable;
use flybridge::services::jobs::{Jobs, Work};
use flybridge::store::queue::Leased;
use flybridge::store::{Store, StoreError, keys};

use crate::support::app::TestApp;

fn run_id(run: &str) -> RunId {
    run.rsplit('/').next().unwrap().parse().unwrap()
}

async fn totals(app: &TestApp, run: &str) -> Totals {
    app.program.app.admin.disable.totals(&app.organization("saltmarsh-labs"), &run_id(run)).await.unwrap()
}

async fn run_record(app: &TestApp, run: &str) -> Run {
    app.store.read(&keys::run(&app.organization("saltmarsh-labs"), &run_id(run))).await.unwrap().unwrap().value
}

/// The ledger, by user id.
async fn ledger(app: &TestApp, run: &str) -> Vec<Row> {
    let rows = keys::rows(&app.organization("saltmarsh-labs"), &run_id(run));
    app.store.list(&rows, None, 1_000).await.unwrap().into_iter().map(|entry| entry.value).collect()
}

async fn row_of(app: &TestApp, run: &str, who: &str) -> Option<Row> {
    let key = keys::row(&app.organization("saltmarsh-labs"), &run_id(run), &app.user(who).await.id);
    app.store.read(&key).await.unwrap().map(|entry| entry.value)
}

/// Somebody whom Fly.io names as a member of Saltmarsh Labs and we have not seen yet.
fn newcomer(app: &TestApp, name: &str) -> FlyPerson {
    FlyPerson {
        id: format!("crowd-{name}").parse().unwrap(),
        name: name.to_owned(),
        email: Some(format!("{name}@customer.fly.io").parse().unwrap()),
        organizations: vec![(app.organization("saltmarsh-labs"), Role::Member)],
    }
}

/// Saltmarsh Labs with 250 members: more than one chunk.
async fn crowd() -> TestApp {
    crowd_of(250).await
}

pub(super) async fn crowd_of(members: usize) -> TestApp {
    let app = TestApp::new().await;
    for n in 9..members {
        app.program.directory.admit_from_fly(&newcomer(&app, &format!("person{n}"))).await.unwrap();
    }
    app
}

/// The disable service of another node, whose store is `store`.
fn disable_over(store: &Store) -> Arc<Disable> {
    let jobs = Jobs::new(store.clone(), Duration::from_mins(1));
    Disable::new(store.clone(), jobs, Directory::new(store.clone()))
}

/// Takes what work there is, as a worker does.
async fn take_work(app: &TestApp) -> Vec<Leased<Work>> {
    let place = keys::org(&app.organization("saltmarsh-labs"));
    let work = &app.program.outbox.jobs.work;
    work.take::<StoreError, _, _>(&place, 10, |taking| async { Ok(taking) }).await.unwrap()
}
