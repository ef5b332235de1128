//! Redis goes away under a running node, stands still, comes back, comes back empty, and is told to forget.

use std::time::Duration;

use flybridge::clock::{Clock as _, SystemClock};
use futures_util::future::join_all;

use super::fly::{Fly, Reserved};
use super::link_saltmarsh;
use crate::support::process::{FLY_CLIENT, FLY_CLIENT_SECRET, Home, Node, REDIRECT, http, program, until};
use crate::support::redis::Server;
use crate::support::visitor::Visitor;

/// 2 s are promised; the rest is for a machine that is busy with other tests.
pub(super) const PROMPT: Duration = Duration::from_millis(2_500);

/// Shaped like ours; nobody was given them.
const CODE: &str = "fbc_g1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const TOKEN: &str = "fba_g1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct Place {
    node: Node,
    visitor: Visitor,
    csrf: String,
    page: String,
    home: Home,
    _fly: Fly,
}

impl Place {
    /// A node with somebody signed in, and the code they got.
    async fn signed_in(server: &Server) -> (Self, String) {
        let fly = Reserved::new().await;
        let home = Home::new("127.0.0.1:9".parse().unwrap()).store(server.url()).fly(&fly.url());
        link_saltmarsh(&home);
        let node = Node::start(&home).await;
        let stand_in = fly.serve(&[&node]);
        let mut visitor = Visitor::at(&node);
        let answer = visitor.sign_in_with_fly(&authorize(), "ines").await;
        assert!(answer.location().starts_with(REDIRECT), "{}", answer.location());
        let code = answer.parameter("code");
        let page = visitor.get("/sign-in").await.location().to_owned();
        let csrf = visitor.get(&page).await.csrf();
        (Self { node, visitor, csrf, page, home, _fly: stand_in }, code)
    }

    async fn redeem(&self, code: &str) -> u16 {
        let answer = http().post(self.node.url("/oauth/token")).form(&redemption(code)).send().await.unwrap();
        answer.status().as_u16()
    }

    /// Every request that needs the store, under a name.
    fn needing_the_store(&self) -> Vec<(&'static str, reqwest::RequestBuilder)> {
        let cookies: Vec<String> =
            self.visitor.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let get = |path: &str| http().get(self.node.url(path)).header("cookie", &cookies);
        let post = |path: &str, fields: &[(&str, &str)]| {
            http().post(self.node.url(path)).header("cookie", &cookies).form(fields)
        };
        let csrf = ("csrf", self.csrf.as_str());
        let form = self.page.replace("/sign-in?", "/sign-in/password?");
        let email = ("email", "ines@customer.fly.io");
        vec![
            ("readyz", get("/readyz")),
            ("token", post("/oauth/token", &redemption(CODE))),
            ("userinfo", get("/oauth/userinfo").bearer_auth(TOKEN)),
            ("token/info", get("/oauth/token/info").bearer_auth(TOKEN)),
            ("authorize", get(&authorize())),
            ("signed in", get("/sign-out")),
            ("password", post(&form, &[csrf, email, ("password", "anything at all")])),
            ("forgot", post("/forgot", &[csrf, email])),
        ]
    }

    /// The status and time of each.
    async fn ask(&self) -> Vec<(&'static str, u16, Duration)> {
        let clock = SystemClock;
        let asked = self.needing_the_store().into_iter().map(|(name, request)| async move {
            let start = clock.now();
            let answer = request.send().await.unwrap();
            (name, answer.status().as_u16(), clock.now().since(start))
        });
        join_all(asked).await
    }

    async fn all_are_503(&self) {
        for (name, status, took) in self.ask().await {
            assert_eq!(status, 503, "{name} after {took:?}");
            assert!(took < PROMPT, "{name} took {took:?}");
        }
    }

    /// What needs no store goes on meanwhile.
    async fn the_rest_goes_on(&self) {
        for path in ["/healthz", "/oauth/jwks", "/.well-known/openid-configuration", "/sign-in?all=1"] {
            let answer = http().get(self.node.url(path)).send().await.unwrap();
            assert!(answer.status().as_u16() < 400, "{path}: {}", answer.status());
        }
    }

    async fn recovers(&self) {
        let ready = async || {
            let answer = http().get(self.node.url("/readyz")).send().await.unwrap();
            (answer.status().as_u16() == 200).then_some(())
        };
        until("the node recovers", ready).await;
        for (name, status, _) in self.ask().await {
            assert!(status < 500, "{name}: {status}");
        }
    }
}

/// Status and words of `/readyz` about the store.
async fn readiness(node: &Node) -> (u16, String) {
    readiness_of(node, "store").await
}

/// Status of `/readyz`, and its words about this.
pub(super) async fn readiness_of(node: &Node, what: &str) -> (u16, String) {
    let answer = http().get(node.url("/readyz")).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: serde_json::Value = answer.json().await.unwrap();
    (status, body[what].as_str().unwrap().to_owned())
}

pub(super) fn authorize() -> String {
    let redirect: String = url::form_urlencoded::byte_serialize(REDIRECT.as_bytes()).collect();
    format!("/oauth/authorize?client_id={FLY_CLIENT}&response_type=code&scope=read&state=s&redirect_uri={redirect}")
}

fn redemption(code: &str) -> [(&'static str, &str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", FLY_CLIENT),
        ("client_secret", FLY_CLIENT_SECRET),
        ("redirect_uri", REDIRECT),
        ("code", code),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_restarts_under_a_running_node() {
    let mut server = Server::start(&[]);
    let (place, code) = Place::signed_in(&server).await;
    place.recovers().await;

    server.kill();
    place.all_are_503().await;
    place.the_rest_goes_on().await;
    let lost = http().post(place.node.url("/oauth/token")).form(&redemption(&code)).send().await.unwrap();
    assert_eq!(lost.status().as_u16(), 503);
    assert_eq!(lost.headers()["retry-after"], "5");
    server.restart();
    place.recovers().await;
    // What was promised before is kept, and nothing was used up meanwhile.
    let kept = http().post(place.node.url("/oauth/token")).form(&redemption(&code)).send().await.unwrap();
    assert_eq!(kept.status().as_u16(), 200);
    let twice = http().post(place.node.url("/oauth/token")).form(&redemption(&code)).send().await.unwrap();
    assert_eq!(twice.status().as_u16(), 400);

    server.signal("-STOP");
    place.all_are_503().await;
    place.the_rest_goes_on().await;
    server.signal("-CONT");
    place.recovers().await;
}

const ANOTHER: &str = "the store is empty or another one: the mark that this node found";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_comes_back_empty() {
    let mut server = Server::start(&[]);
    let (mut place, code) = Place::signed_in(&server).await;
    place.recovers().await;

    server.restart_empty();
    let noticed = async || {
        // Never `invalid_grant`: at that, clients unlink people.
        assert_eq!(place.redeem(&code).await, 503);
        readiness(&place.node).await.1.starts_with(ANOTHER).then_some(())
    };
    until("the node sees that this is another store", noticed).await;
    place.all_are_503().await;
    place.the_rest_goes_on().await;
    assert!(place.home.log().contains(ANOTHER));

    server.restart_as_before();
    place.recovers().await;
    assert_eq!(place.redeem(&code).await, 200);

    server.command(&["FLUSHALL"]);
    let (status, words) = readiness(&place.node).await;
    assert!(status == 503 && words.starts_with(ANOTHER), "{status} {words}");
    place.all_are_503().await;
    let node = place.node.address().to_string();
    let health = |options: &[&str]| program().args(["health", "--address", &node]).args(options).status().unwrap();
    assert_eq!(health(&[]).code(), Some(1));
    assert!(health(&["--alive"]).success(), "no reason to replace it");
    // Whoever means the empty store starts anew.
    place.node.kill();
    place.node.restart().await;
    assert_eq!(readiness(&place.node).await, (200, "ok".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_accepts_that_records_are_lost_goes_on_without_them() {
    for (option, loss) in [
        (["--appendonly", "no"], "lose everything since the last snapshot"),
        (["--maxmemory-policy", "allkeys-random"], "lose records when memory is full"),
    ] {
        let server = Server::start(&option);
        let home = Home::new("127.0.0.1:9".parse().unwrap()).store(server.url());
        let node = Node::start(&home.line("store", format!("accept_loss = [\"{loss}\"]"))).await;
        server.command(&["FLUSHALL"]);
        assert_eq!(readiness(&node).await, (200, "ok".to_owned()), "{loss}");
        assert_eq!(http().get(node.url("/sign-in")).send().await.unwrap().status().as_u16(), 303, "a sign-in begins");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_told_to_forget_under_a_running_node() {
    let server = Server::start(&[]);
    let home = Home::new("127.0.0.1:9".parse().unwrap()).store(server.url());
    let home = home.line("store", "accept_loss = [\"lose the last second\"]");
    let node = Node::start(&home).await;
    let fine = (200, "ok".to_owned());
    for (setting, forgets, keeps) in [
        ("appendonly", "no", "yes"),
        ("appendfsync", "no", "always"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ] {
        assert_eq!(readiness(&node).await, fine);
        server.command(&["CONFIG", "SET", setting, forgets]);
        let words = format!("Redis has {setting} {forgets}, so ");
        for _ in 0..3 {
            let (status, told) = readiness(&node).await;
            assert!(status == 503 && told.contains(&words) && told.contains("store.accept_loss"), "{status} {told}");
        }
        assert_eq!(home.log().matches(&words).count(), 1, "told once per change: {}", home.log());
        server.command(&["CONFIG", "SET", setting, keeps]);
    }
    server.command(&["CONFIG", "SET", "appendfsync", "everysec"]);
    assert_eq!(readiness(&node).await, fine, "that loss is accepted");
}
