//! Keys take turns while two nodes sign all the time and clients of different habits verify: no verification fails.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use flybridge::clock::{Clock, ManualClock, Timestamp};
use flybridge::http::oidc::discovery::jwks;
use flybridge::random::SystemRandom;
use flybridge::services::signing::{Algorithm, RotationPlan, SigningKeys, Stage};
use flybridge::store::sqlite::SqliteStore;
use flybridge::store::{Backend, MAX_CLOCK_DIFFERENCE, Store};
use futures_util::future::{join_all, try_join_all};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::{ISSUER, NOW, test_vault};

/// `tokens.access` as it is by default.
const TOKEN_LIFE: Duration = Duration::from_hours(1);
/// How often a node that runs looks after the keys.
const LOOKS_EVERY: Duration = Duration::from_mins(5);
const STEP: Duration = Duration::from_mins(4);

/// The clock of a machine that is as far behind as is tolerated.
struct Behind(Arc<ManualClock>);

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        self.0.now().minus(MAX_CLOCK_DIFFERENCE)
    }

    fn sleep<'a>(&'a self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.0.sleep(span)
    }
}

struct Node {
    keys: Arc<SigningKeys>,
    looks_at: Timestamp,
}

struct Token {
    text: String,
    kid: String,
    expires_at: Timestamp,
}

/// A client as libraries go about the key set.
struct Client {
    habit: &'static str,
    /// However long the header allows, if that is not said otherwise; none is for good.
    keeps_for: Option<Duration>,
    by_header: bool,
    /// Whether it asks again for a `kid` that it does not know, and how long after it has asked before.
    asks_again: Option<Duration>,
    set: JwkSet,
    fetched_at: Timestamp,
    fetches: usize,
}

impl Client {
    fn new(habit: &'static str, keeps_for: Option<Duration>, asks_again: Option<Duration>) -> Self {
        let set = JwkSet { keys: Vec::new() };
        Self { habit, keeps_for, by_header: false, asks_again, set, fetched_at: Timestamp::EPOCH, fetches: 0 }
    }

    fn all() -> Vec<Self> {
        let (minutes, seconds) = (Duration::from_mins, Duration::from_secs);
        let mut by_header = Self::new("by the header, and never in between", None, None);
        by_header.by_header = true;
        vec![
            by_header,
            Self::new("as jose: ten minutes, again after 30 s", Some(minutes(10)), Some(seconds(30))),
            Self::new("as Spring: five minutes, again after 30 s", Some(minutes(5)), Some(seconds(30))),
            Self::new("as go-oidc: for good, again at once", None, Some(Duration::ZERO)),
            Self::new("for good, again after five minutes", None, Some(minutes(5))),
            Self::new("for a day and a half, and never in between", Some(Duration::from_hours(36)), None),
        ]
    }

    /// From one node, then from the other, as a load balancer would have it.
    async fn fetch(&mut self, nodes: &[Node], now: Timestamp) {
        let node = &nodes[self.fetches % nodes.len()];
        let answer = jwks(State(Arc::clone(&node.keys)), HeaderMap::new()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        if self.by_header {
            let header = answer.headers()[header::CACHE_CONTROL].to_str().unwrap();
            let seconds = header.strip_prefix("public, max-age=").unwrap().parse().unwrap();
            self.keeps_for = Some(Duration::from_secs(seconds));
        }
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        self.set = serde_json::from_slice(&body).unwrap();
        (self.fetched_at, self.fetches) = (now, self.fetches + 1);
    }

    async fn accepts(&mut self, token: &Token, nodes: &[Node], now: Timestamp) -> bool {
        let age = now.since(self.fetched_at);
        if self.fetches == 0 || self.keeps_for.is_some_and(|span| age >= span) {
            self.fetch(nodes, now).await;
        }
        let kid = decode_header(&token.text).unwrap().kid.unwrap();
        let age = now.since(self.fetched_at);
        if self.set.find(&kid).is_none() && self.asks_again.is_some_and(|span| age >= span) {
            self.fetch(nodes, now).await;
        }
        let Some(jwk) = self.set.find(&kid) else { return false };
        let algorithm = jwk.common.key_algorithm.unwrap().to_string().parse().unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["sentry"]);
        validation.set_issuer(&[ISSUER]);
        // Its own clock says whether a token has expired; here only those are shown that have not.
        validation.validate_exp = false;
        decode::<Value>(&token.text, &DecodingKey::from_jwk(jwk).unwrap(), &validation).is_ok()
    }
}

/// Two nodes, the clients, and what came of it.
struct Load {
    plan: RotationPlan,
    clock: Arc<ManualClock>,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    tokens: Vec<Token>,
    /// Keys that signed.
    kids: BTreeSet<String>,
    revoked: BTreeSet<String>,
    verified: usize,
    failed: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Load {
    async fn begin(plan: RotationPlan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let backend: Arc<dyn Backend> = Arc::new(SqliteStore::open(folder.path().join("flybridge.db")).unwrap());
        let clocks: [Arc<dyn Clock>; 2] = [clock.clone(), Arc::new(Behind(Arc::clone(&clock)))];
        let open = clocks.map(|clock| {
            let store = Store::new(Arc::clone(&backend), clock, Arc::new(SystemRandom::default()));
            SigningKeys::open(store, test_vault())
        });
        let opened = try_join_all(open).await.unwrap();
        // They do not look at the same moment.
        let looks = [NOW.plus(LOOKS_EVERY), NOW.plus(LOOKS_EVERY / 2)];
        let node = |(keys, looks_at)| Node { keys: Arc::new(keys), looks_at };
        let nodes = opened.into_iter().zip(looks).map(node).collect();
        let (clients, tokens, kids, revoked) = (Client::all(), Vec::new(), BTreeSet::new(), BTreeSet::new());
        let (verified, failed) = (0, Vec::new());
        Self { plan, clock, nodes, clients, tokens, kids, revoked, verified, failed, _folder: folder }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Time passes; nodes look after the keys when they are due to, and both sign meanwhile.
    async fn step(&mut self, span: Duration) {
        self.clock.advance(span);
        let (now, plan) = (self.now(), self.plan);
        let mut work = Vec::new();
        for node in &mut self.nodes {
            let due = node.looks_at <= now;
            if due {
                node.looks_at = now.plus(LOOKS_EVERY);
            }
            let keys = Arc::clone(&node.keys);
            work.push(tokio::spawn(async move {
                let sign = || Algorithm::ALL.map(|algorithm| sign(&keys, algorithm, now));
                let before = sign();
                if due {
                    keys.rotate(plan).await.unwrap();
                }
                before.into_iter().chain(sign()).collect::<Vec<_>>()
            }));
        }
        let fresh: Vec<Token> = join_all(work).await.into_iter().flat_map(Result::unwrap).collect();
        self.kids.extend(fresh.iter().map(|token| token.kid.clone()));
        self.tokens.retain(|token| now < token.expires_at);
        // Those that are about to expire, and those that were made just now.
        for token in self.tokens.iter().take(2).chain(fresh.iter().step_by(3)) {
            for client in &mut self.clients {
                let accepted = client.accepts(token, &self.nodes, now).await;
                self.verified += 1;
                if !accepted && !self.revoked.contains(&token.kid) {
                    self.failed.push(format!("{}: {} at {now:?}", client.habit, token.kid));
                }
            }
        }
        self.tokens.extend(fresh);
    }

    /// Small steps while a key changes its stage, large ones in between.
    async fn run_until(&mut self, end: Timestamp) {
        while self.now() < end {
            let now = self.now();
            let (keys, _) = self.nodes[0].keys.list().await.unwrap();
            let due = |from: Timestamp| from.plus(self.plan.signs_for);
            let changes = keys.iter().flat_map(|key| {
                [key.signs_from, key.signs_from.map(due), key.retires_at, key.leaves_at].into_iter().flatten()
            });
            let next = changes.filter(|at| now < at.plus(3 * TOKEN_LIFE)).min();
            let quiet = next.map_or(Duration::from_hours(6), |at| at.minus(TOKEN_LIFE).since(now));
            self.step(quiet.clamp(STEP, Duration::from_hours(6)).min(end.since(now).max(STEP))).await;
        }
    }

    /// An operator takes the key away that signs with `algorithm`. A token that a thief signs with it at that moment.
    async fn revoke(&mut self, algorithm: Algorithm) -> Token {
        let stolen = sign(&self.nodes[0].keys, algorithm, self.now());
        self.nodes[0].keys.revoke(stolen.kid.clone()).await.unwrap();
        self.revoked.insert(stolen.kid.clone());
        stolen
    }
}

fn sign(keys: &SigningKeys, algorithm: Algorithm, now: Timestamp) -> Token {
    let expires_at = now.plus(TOKEN_LIFE);
    let claims =
        json!({"iss": ISSUER, "sub": "u1", "aud": "sentry", "iat": now.as_seconds(), "exp": expires_at.as_seconds()});
    let text = keys.sign(algorithm, "JWT", &claims).unwrap();
    let kid = decode_header(&text).unwrap().kid.unwrap();
    Token { text, kid, expires_at }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_take_turns_twice_and_one_is_taken_away_and_no_verification_fails() {
    let plan = RotationPlan::default();
    let mut load = Load::begin(plan).await;
    let both_turns = NOW.plus(2 * (plan.signs_for + plan.agreed_for) + plan.kept_for + Duration::from_hours(12));
    load.run_until(both_turns).await;
    assert_eq!(load.failed, Vec::<String>::new());
    assert_eq!(load.kids.len(), 3 * Algorithm::ALL.len(), "three of each algorithm have signed");
    let (listed, _) = load.nodes[0].keys.list().await.unwrap();
    let stages: Vec<Stage> = listed.iter().map(|key| key.stage).collect();
    assert_eq!(stages, [Stage::Current, Stage::Next, Stage::Current, Stage::Next]);

    let stolen = load.revoke(Algorithm::Es256).await;
    // As long as anybody keeps the key set who asks for it at all by himself, but one, and until the other node knows.
    for _ in 0..20 {
        load.step(STEP).await;
    }
    assert_eq!(load.failed, Vec::<String>::new());
    assert_eq!(load.kids.len(), 3 * Algorithm::ALL.len() + 1, "the next one signs");
    let (now, nodes) = (load.now(), &load.nodes);
    let mut deceived = Vec::new();
    for client in &mut load.clients {
        if client.accepts(&stolen, nodes, now).await {
            deceived.push(client.habit);
        }
    }
    let longer = ["as go-oidc: for good, again at once", "for good, again after five minutes"];
    assert_eq!(deceived, [&longer[..], &["for a day and a half, and never in between"]].concat());
    assert!(load.verified > 5_000, "{}", load.verified);
}

/// That the clients above would notice: with keys that sign soon after they were published and leave at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hasty_plan_fails_clients_of_both_kinds() {
    let hasty = RotationPlan {
        signs_for: Duration::from_mins(40),
        announced_for: Duration::ZERO,
        agreed_for: LOOKS_EVERY,
        kept_for: Duration::ZERO,
    };
    let mut load = Load::begin(hasty).await;
    for _ in 0..40 {
        load.step(STEP).await;
    }
    let failed = |habit: &str| load.failed.iter().any(|line| line.starts_with(habit));
    assert!(failed("by the header"), "does not know the new key yet");
    assert!(failed("as Spring"), "knows the old key no more");
}
