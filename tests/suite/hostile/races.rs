//! Many at once, on several nodes: exactly one redeems a code, and a refresh token has one successor.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use flybridge::cli::demo::seed;
use flybridge::clock::{Clock, SystemClock, Timestamp};
use flybridge::domain::grant::REUSE_WINDOW;
use flybridge::http::routes;
use flybridge::store::Backend;
use flybridge::store::redis::{RedisStore, Settings};
use futures_util::future::join_all;

use super::rounds;
use crate::support::answer::Answer;
use crate::support::app::{START, SteppingClock, TestApp};
use crate::support::browser_client::Browser;
use crate::support::redis::{shared, shared_cluster};
use crate::support::relying_party::{Rp, Tokens, refused};

const NODES: usize = 3;
const TASKS: usize = 8;

/// Tells the time of the test, but waiting takes real time, as it does for racing writers.
struct Patient(Arc<SteppingClock>);

impl Clock for Patient {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep<'a>(&'a self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move { SystemClock.sleep(span).await })
    }
}

/// Several nodes over one store, each with a connection of its own.
struct Nodes {
    app: TestApp,
    routers: Vec<Router>,
    browser: Browser,
}

impl Nodes {
    async fn sqlite() -> Self {
        let app = TestApp::new().await;
        let backends: Vec<Arc<dyn Backend>> =
            (0..NODES).map(|_| Arc::new(app.connection()) as Arc<dyn Backend>).collect();
        Self::over(app, backends, false).await
    }

    /// In a part of the server at `url` that nobody else uses.
    async fn redis(url: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("races{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let mut backends: Vec<Arc<dyn Backend>> = Vec::new();
        for _ in 0..NODES {
            let settings = Settings { namespace: namespace.clone(), ..Settings::default() };
            backends.push(Arc::new(RedisStore::connect(url, settings).await.unwrap()));
        }
        Self::over(TestApp::new().await, backends, true).await
    }

    async fn over(app: TestApp, backends: Vec<Arc<dyn Backend>>, empty: bool) -> Self {
        let mut routers = Vec::new();
        for backend in backends {
            let node = app.node(backend, Arc::new(Patient(Arc::clone(&app.clock)))).await;
            if empty && routers.is_empty() {
                let folder = tempfile::tempdir().unwrap();
                seed::seed(&node, &app.fly.world(), START, &folder.path().join("seeded")).await.unwrap();
            }
            routers.push(routes::router(&node.app));
        }
        let mut browser = app.browser().at(&routers[0]);
        browser.sign_in_with_fly("leo").await;
        Self { app, routers, browser }
    }

    fn standard(&self, node: usize) -> Rp {
        self.app.standard().at(&self.routers[node % NODES])
    }

    /// A code by the session, at one node after the other.
    async fn code(&mut self, round: usize) -> String {
        let mut browser = self.browser.clone().at(&self.routers[round % NODES]);
        browser.get(&self.app.standard().authorize()).await.sent_back()["code"].clone()
    }

    async fn tokens(&mut self, round: usize) -> Tokens {
        let code = self.code(round).await;
        Tokens::of(&self.standard(round).redeem(&code).await)
    }

    /// The answers of tasks that begin at the same moment, dealt out to the nodes in turn.
    async fn at_once<F>(&self, count: usize, ask: impl Fn(usize, Rp) -> F) -> Vec<Answer>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let start = Arc::new(tokio::sync::Barrier::new(count));
        let tasks = (0..count).map(|number| {
            let (start, asked) = (Arc::clone(&start), ask(number, self.standard(number)));
            tokio::spawn(async move {
                start.wait().await;
                asked.await
            })
        });
        join_all(tasks).await.into_iter().map(|answer| answer.unwrap()).collect()
    }

    /// Whether an access token is good, on which every node agrees.
    async fn is_good(&self, access: &str) -> bool {
        let mut seen = Vec::new();
        for node in 0..NODES {
            seen.push(self.standard(node).userinfo(access).await.status.as_u16());
        }
        assert!(seen.iter().all(|status| *status == seen[0]), "{seen:?}");
        assert!(seen[0] == 200 || seen[0] == 401, "{seen:?}");
        seen[0] == 200
    }
}

/// Those who were given tokens; everybody else was told `invalid_grant`.
#[track_caller]
fn winners(answers: &[Answer]) -> Vec<Tokens> {
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    for answer in lost {
        refused(answer, 400, "invalid_grant");
    }
    won.into_iter().map(Tokens::of).collect()
}

/// All have the code and everything that belongs to it. One wins; and since the code was used twice, nothing that it
/// gave is left (RFC 6749, section 4.1.2).
async fn one_of_many_redeems_a_code(nodes: &mut Nodes, round: usize) {
    let code = nodes.code(round).await;
    let answers = nodes
        .at_once(TASKS, |_, rp| {
            let code = code.clone();
            async move { rp.redeem(&code).await }
        })
        .await;
    let won = winners(&answers);
    assert_eq!(won.len(), 1, "round {round}: {:?}", answers.iter().map(Answer::said).collect::<Vec<_>>());
    assert!(!nodes.is_good(&won[0].access).await, "round {round}");
    refused(&nodes.standard(round).refresh(won[0].refresh()).await, 400, "invalid_grant");
    refused(&nodes.standard(round).redeem(&code).await, 400, "invalid_grant");
}

/// One has everything; the others have the code, but not the verifier, or are another client. They neither win nor
/// revoke what the one was given.
async fn strangers_do_not_disturb_a_redemption(nodes: &mut Nodes, round: usize) {
    let code = nodes.code(round).await;
    let owner = round % TASKS;
    let es256 = Rp::new(&nodes.app, "es256");
    let routers = nodes.routers.clone();
    let answers = nodes
        .at_once(TASKS, |number, rp| {
            let good = rp.redemption(&code);
            let (asked, rp) = match number {
                _ if number == owner => (good, rp),
                _ if number % 3 == 0 => (good, es256.clone().at(&routers[number % NODES])),
                _ if number % 3 == 1 => (good.without("code_verifier"), rp),
                _ => (good.with("code_verifier", &"x".repeat(43)), rp),
            };
            async move { rp.token(asked).await }
        })
        .await;
    let won = winners(&answers);
    assert_eq!((won.len(), answers[owner].status.as_u16()), (1, 200), "round {round}");
    assert!(nodes.is_good(&won[0].access).await, "round {round}");
    Tokens::of(&nodes.standard(round).refresh(won[0].refresh()).await);
}

/// All present the same refresh token within the window for lost answers: there is one successor, and all get it.
async fn a_refresh_token_has_one_successor(nodes: &Nodes, before: &Tokens, round: usize) -> Tokens {
    let answers = nodes
        .at_once(TASKS, |_, rp| {
            let token = before.refresh().to_owned();
            async move { rp.refresh(&token).await }
        })
        .await;
    let mut given: Vec<Tokens> = answers.iter().map(Tokens::of).collect();
    let after = given.pop().unwrap();
    for other in &given {
        assert_eq!((&other.access, other.refresh()), (&after.access, after.refresh()), "round {round}");
    }
    assert_ne!(before.refresh(), after.refresh());
    after
}

/// Once the window is over, a replaced token is a stolen one: whoever comes first, the family ends.
async fn a_stolen_refresh_token_ends_the_family(nodes: &Nodes, stolen: &Tokens, current: &Tokens, round: usize) {
    nodes.app.advance(REUSE_WINDOW);
    let owner = round % TASKS;
    let answers = nodes
        .at_once(TASKS, |number, rp| {
            let token = if number == owner { current } else { stolen }.refresh().to_owned();
            async move { rp.refresh(&token).await }
        })
        .await;
    let won = winners(&answers);
    assert!(won.len() <= 1 && answers.iter().enumerate().all(|(n, a)| n == owner || a.status != 200), "{round}");
    for tokens in won.iter().chain([stolen, current]) {
        assert!(!nodes.is_good(&tokens.access).await, "round {round}");
        refused(&nodes.standard(round).refresh(tokens.refresh()).await, 400, "invalid_grant");
    }
}

async fn codes(mut nodes: Nodes, usual: usize) {
    for round in 0..rounds(usual) {
        one_of_many_redeems_a_code(&mut nodes, round).await;
        strangers_do_not_disturb_a_redemption(&mut nodes, round).await;
    }
}

async fn refresh_tokens(mut nodes: Nodes, usual: usize) {
    for round in (0..rounds(usual)).step_by(4) {
        let mut chain = vec![nodes.tokens(round).await];
        for next in 0..4 {
            let after = a_refresh_token_has_one_successor(&nodes, &chain[next], round + next).await;
            chain.push(after);
        }
        assert!(nodes.is_good(&chain[4].access).await);
        a_stolen_refresh_token_ends_the_family(&nodes, &chain[3], &chain[4], round).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn codes_over_sqlite() {
    codes(Nodes::sqlite().await, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn codes_over_redis() {
    codes(Nodes::redis(&shared()).await, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn codes_over_a_cluster() {
    codes(Nodes::redis(&shared_cluster()).await, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refresh_tokens_over_sqlite() {
    refresh_tokens(Nodes::sqlite().await, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refresh_tokens_over_redis() {
    refresh_tokens(Nodes::redis(&shared()).await, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refresh_tokens_over_a_cluster() {
    refresh_tokens(Nodes::redis(&shared_cluster()).await, 50).await;
}
