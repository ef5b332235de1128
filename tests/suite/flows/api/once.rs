//! `Idempotency-Key`: the same request gets the same answer and has one effect, at whichever node and however many come at
//! the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use flybridge::cli::Program;
use flybridge::cli::demo::seed;
use flybridge::clock::Clock as _;
use flybridge::domain::audit::AuditKind;
use flybridge::http::routes;
use flybridge::store::redis::{RedisStore, Settings};
use flybridge::store::{Backend, keys};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{DISABLE, ENABLE, Machine, as_fly, good, problem, program, run_path};
use crate::support::answer::Answer;
use crate::support::app::{START, TestApp};
use crate::support::redis::{shared, shared_cluster};

const DAY: Duration = Duration::from_hours(24);

#[track_caller]
fn same(a: &Answer, b: &Answer) {
    assert_eq!((a.status, &a.body), (b.status, &b.body), "{} {}", a.said(), b.said());
    assert_eq!(a.headers.get("location"), b.headers.get("location"));
}

#[tokio::test]
async fn a_request_that_is_repeated_gets_the_same_answer() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let ines = as_fly(&app, "ines");
    let asked_at = app.clock.now();
    let first = machine.post_once(DISABLE, &ines, "key-1").await;
    good(&first, 202, "Disabled");
    let by_id = DISABLE.replace("saltmarsh-labs", app.organization("saltmarsh-labs").as_str());
    let before = app.dump_but_limits();
    same(&first, &machine.post_once(DISABLE, &ines, "key-1").await);
    same(&first, &machine.post_once(&by_id, &ines, "key-1").await);
    app.work().await;
    let on = machine.post_once(ENABLE, &ines, "key-2").await;
    good(&on, 200, "Enabled");
    app.work().await;
    // Whatever has happened since.
    same(&first, &machine.post_once(DISABLE, &ines, "key-1").await);
    same(&on, &machine.post_once(ENABLE, &ines, "key-2").await);
    assert_ne!(app.dump_but_limits(), before);

    // A day later they are new requests.
    let soon = asked_at.plus(DAY).minus(Duration::from_millis(1));
    app.advance(soon.since(app.clock.now()));
    let machine = Machine::new(&app).await;
    same(&first, &machine.post_once(DISABLE, &ines, "key-1").await);
    app.advance(Duration::from_secs(1));
    let second = machine.post_once(DISABLE, &ines, "key-1").await;
    assert_ne!(good(&second, 202, "Disabled")["run"], first.json()["run"]);
    app.work().await;
}

#[tokio::test]
async fn a_repeated_request_is_answered_though_the_person_may_do_it_no_more() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let ines = as_fly(&app, "ines");
    let first = machine.post_once(DISABLE, &ines, "key").await;
    let organization = app.organization("saltmarsh-labs");
    let member = app.member("ines", "saltmarsh-labs").await;
    let mut txn = app.store.txn(keys::org(&organization));
    txn.delete(keys::member(&organization, &member.user).key().clone());
    let _ = app.store.commit(txn).await.unwrap();
    problem(&machine.post(DISABLE, &ines).await, 403, "not_a_member");
    same(&first, &machine.post_once(DISABLE, &ines, "key").await);
    app.leave_jobs();
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let ines = as_fly(&app, "ines");
    let begun = machine.post_once(DISABLE, &ines, "key").await;
    let resend = format!("{}/resend", run_path(&begun.json()));
    app.work().await;
    let before = app.dump_but_limits();
    for (path, body) in [
        (DISABLE, as_fly(&app, "chloe")),
        (ENABLE, ines.clone()),
        (&resend, json!({ "acting_user": ines["acting_user"], "which": "failed" })),
    ] {
        problem(&machine.post_once(path, &body, "key").await, 422, "idempotency_key_reused");
    }
    assert_eq!(app.dump_but_limits(), before);
    // Of another client it is another key, and of another organization.
    let other = Machine::of(&app, "other-machine", None).await;
    assert_eq!(good(&other.post_once(ENABLE, &ines, "key").await, 200, "Enabled")["outcome"], "enabled");
    let there = DISABLE.replace("saltmarsh-labs", "harbour-tools");
    let answer = machine.post_once(&there, &as_fly(&app, "hana"), "key").await;
    assert_ne!(answer.status, 422, "{}", answer.said());
    app.work().await;
}

#[tokio::test]
async fn a_refusal_uses_no_key_up() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    problem(&machine.post_once(DISABLE, &as_fly(&app, "leo"), "key").await, 403, "not_an_admin");
    good(&machine.post_once(DISABLE, &as_fly(&app, "ines"), "key").await, 202, "Disabled");
    app.leave_jobs();
}

#[tokio::test]
async fn what_changes_nothing_is_remembered_too() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let ines = as_fly(&app, "ines");
    let on = machine.post_once(ENABLE, &ines, "on").await;
    assert_eq!(good(&on, 200, "Enabled")["outcome"], "already_on");
    good(&machine.post(DISABLE, &ines).await, 202, "Disabled");
    same(&on, &machine.post_once(ENABLE, &ines, "on").await);
    let running = machine.post_once(DISABLE, &ines, "running").await;
    assert_eq!(good(&running, 200, "Disabled")["outcome"], "already_running");
    app.work().await;
    same(&running, &machine.post_once(DISABLE, &ines, "running").await);
    let resend = format!("{}/resend", run_path(&running.json()));
    let mut body = ines.clone();
    body["member"] = json!(app.user("bram").await.id);
    let nothing = machine.post_once(&resend, &body, "resend").await;
    assert_eq!(good(&nothing, 202, "Resent")["outcome"], "nothing_to_send", "he has a password");
    same(&nothing, &machine.post_once(&resend, &body, "resend").await);
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_characters() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let ines = as_fly(&app, "ines");
    let before = app.dump_but_limits();
    for key in ["", " ", "a b", "\u{e9}", &"x".repeat(256)] {
        problem(&machine.post_once(DISABLE, &ines, key).await, 400, "invalid_idempotency_key");
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "a")];
    problem(&machine.ask("POST", DISABLE, Some(&ines), &twice).await, 400, "invalid_idempotency_key");
    assert_eq!(app.dump_but_limits(), before);
    good(&machine.post_once(DISABLE, &ines, &"x".repeat(255)).await, 202, "Disabled");
    app.leave_jobs();
}

const NODES: usize = 3;
const TASKS: usize = 9;

/// Several nodes over one store, each with a connection of its own.
struct Nodes {
    app: TestApp,
    programs: Vec<Program>,
    routers: Vec<Router>,
    machine: Machine,
    body: Value,
}

impl Nodes {
    async fn sqlite() -> Self {
        let app = program().await;
        let backends = (0..NODES).map(|_| Arc::new(app.connection()) as Arc<dyn Backend>).collect();
        Self::over(app, backends, false).await
    }

    /// In a part of the server at `url` that nobody else uses.
    async fn redis(url: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("once{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let mut backends: Vec<Arc<dyn Backend>> = Vec::new();
        for _ in 0..NODES {
            let settings = Settings { namespace: namespace.clone(), ..Settings::default() };
            backends.push(Arc::new(RedisStore::connect(url, settings).await.unwrap()));
        }
        Self::over(program().await, backends, true).await
    }

    async fn over(app: TestApp, backends: Vec<Arc<dyn Backend>>, empty: bool) -> Self {
        let (mut programs, mut routers) = (Vec::new(), Vec::new());
        for backend in backends {
            let node = app.node(backend, app.clock.clone()).await;
            if empty && programs.is_empty() {
                let folder = tempfile::tempdir().unwrap();
                seed::seed(&node, &app.fly.world(), START, &folder.path().join("seeded")).await.unwrap();
            }
            routers.push(routes::router(&node.app));
            programs.push(node);
        }
        let machine = Machine::from(&app, &routers[0]).await;
        let body = as_fly(&app, "ines");
        app.leave_jobs();
        Self { app, programs, routers, machine, body }
    }

    /// The answers to requests that are sent at the same moment, dealt out to the nodes in turn.
    async fn at_once(&self, path: &str, asked: impl Fn(usize) -> (Value, String)) -> Vec<Answer> {
        let start = Arc::new(tokio::sync::Barrier::new(TASKS));
        let tasks = (0..TASKS).map(|number| {
            let machine = self.machine.at(&self.routers[number % NODES]);
            let (start, path, (body, key)) = (Arc::clone(&start), path.to_owned(), asked(number));
            tokio::spawn(async move {
                start.wait().await;
                machine.post_once(&path, &body, &key).await
            })
        });
        join_all(tasks).await.into_iter().map(|answer| answer.unwrap()).collect()
    }

    async fn audited(&self, kind: AuditKind) -> usize {
        let organization = self.app.organization("saltmarsh-labs");
        let log = self.programs[0].directory.audit_log(&organization, None, 500).await.unwrap();
        log.iter().filter(|entry| entry.value.kind == kind).count()
    }

    async fn work(&self) {
        let outbox = &self.programs[0].outbox;
        for _ in 0..500 {
            if outbox.work_once().await.unwrap() + outbox.mail_once().await.unwrap() == 0 {
                return;
            }
        }
        panic!("the work has no end");
    }
}

async fn one_effect(nodes: &Nodes) {
    // The same request under one key.
    let answers = nodes.at_once(DISABLE, |_| (nodes.body.clone(), "disable".to_owned())).await;
    let begun = good(&answers[0], 202, "Disabled");
    for answer in &answers {
        same(&answers[0], answer);
    }
    assert_eq!(nodes.audited(AuditKind::LoginMethodChanged).await, 1);

    // The same wish under keys of their own finds the same run.
    let answers = nodes.at_once(DISABLE, |number| (nodes.body.clone(), format!("own-{number}"))).await;
    for answer in &answers {
        assert_eq!(good(answer, 200, "Disabled")["run"], begun["run"]);
    }
    nodes.work().await;

    let resend = format!("{}/resend", run_path(&begun));
    let mut body = nodes.body.clone();
    body["which"] = json!("not_ready");
    let answers = nodes.at_once(&resend, |_| (body.clone(), "resend".to_owned())).await;
    assert_eq!(good(&answers[0], 202, "Resent")["outcome"], "queued");
    for answer in &answers {
        same(&answers[0], answer);
    }
    assert_eq!(nodes.audited(AuditKind::LinkResent).await, 1);

    // Under one key two different wishes: whichever comes first is fulfilled, the other is refused.
    let wishes = [nodes.body.clone(), as_fly(&nodes.app, "chloe")];
    let answers = nodes.at_once(ENABLE, |number| (wishes[number % 2].clone(), "enable".to_owned())).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().enumerate().partition(|(_, answer)| answer.status == 200);
    let winner = won[0].0 % 2;
    for (number, answer) in won {
        assert_eq!((number % 2, &good(answer, 200, "Enabled")["outcome"]), (winner, &json!("enabled")));
    }
    for (number, answer) in lost {
        assert_ne!(number % 2, winner);
        problem(answer, 422, "idempotency_key_reused");
    }
    assert_eq!(nodes.audited(AuditKind::LoginMethodChanged).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_have_one_effect_on_sqlite() {
    one_effect(&Nodes::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_have_one_effect_on_redis() {
    one_effect(&Nodes::redis(&shared()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_have_one_effect_on_a_redis_cluster() {
    one_effect(&Nodes::redis(&shared_cluster()).await).await;
}
