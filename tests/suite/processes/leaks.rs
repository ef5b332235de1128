//! The whole way once, with the most talkative log; then store and log are searched for every secret that was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::demo::world::{SALTMARSH, World};
use flybridge::domain::secret::TokenHash;

use super::fly::{Fly, Reserved};
use super::needles::Needles;
use super::{Letters, Records, link_saltmarsh};
use crate::support::back_channel::{Act, Receiver};
use crate::support::process::{
    FLY_CLIENT, FLY_CLIENT_SECRET, FLY_SECRET, Home, MASTER_KEY, Node, OIDC_CLIENT, OIDC_SECRET, REDIRECT, http,
    soon, until,
};
use crate::support::redis::{Server, command, text};
use crate::support::smtp::SmtpSink;
use crate::support::visitor::{Answer, Visitor};

const PASSWORD: &str = "heron sluice anvil 72 marsh";
const REPLACEMENT: &str = "otter gantry velvet 19 moor";
const WRONG_PASSWORD: &str = "walrus thimble cobalt 55 fen";
const WRONG_SECRET: &str = "curlew-not-the-secret-9d41";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const PRIYA: &str = "q7m2x9k4v1w8z5t3@customer.fly.io";

/// The way, and what was learned on it.
struct Way {
    node: Node,
    fly: Fly,
    sink: SmtpSink,
    records: Records,
    receiver: Receiver,
    needles: Needles,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_in_sqlite_or_the_log() {
    let (home, way) = walk(Home::new).await;
    let mut heap = Vec::new();
    for name in ["flybridge.db", "flybridge.db-wal", "flybridge.db-shm"] {
        heap.extend(std::fs::read(home.path(name)).unwrap());
    }
    // Long values are spread over the pages of the file, so they are read in one piece as well.
    let database = rusqlite::Connection::open(home.path("flybridge.db")).unwrap();
    let mut values = database.prepare("SELECT value FROM records").unwrap();
    let mut rows = values.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        heap.extend(row.get::<_, Vec<u8>>(0).unwrap());
    }
    search(&home, &way, &heap);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_in_redis_or_the_log() {
    let server = Server::start(&[]);
    let (home, way) = walk(|smtp| Home::new(smtp).store(server.url())).await;
    search(&home, &way, &dump(server.port()));
    // What was overwritten meanwhile stands in the log that Redis keeps of all writes.
    search(&home, &way, &server.written());
}

async fn walk(home: impl Fn(std::net::SocketAddr) -> Home) -> (Home, Way) {
    let sink = SmtpSink::start().await;
    let fly = Reserved::new().await;
    let receiver = Receiver::start().await;
    // What could not be told yet waits in the store.
    receiver.will([Act::Status(503), Act::Drop, Act::Status(400), Act::Status(503)]);
    let home = home(sink.address()).fly(&fly.url()).line("log", "filter = \"info,flybridge=trace\"");
    let home = home.line("oidc client", format!("backchannel_logout_uri = \"{}\"", receiver.url));
    let home = home.line("oidc client", "machine_scopes = [\"organizations:read\"]");
    link_saltmarsh(&home);
    let node = Node::start(&home).await;
    let fly = fly.serve(&[&node]);
    let records = Records::of(home.open_store().await);
    let mut way = Way { node, fly, sink, records, receiver, needles: Needles::default() };
    for (secret, what) in [
        (MASTER_KEY, "master key"),
        (FLY_SECRET, "client secret"),
        (OIDC_SECRET, "client secret"),
        (FLY_CLIENT_SECRET, "client secret"),
        (PASSWORD, "password"),
        (REPLACEMENT, "password"),
        (WRONG_PASSWORD, "password that was wrong"),
        (WRONG_SECRET, "client secret that was wrong"),
        (VERIFIER, "verifier"),
    ] {
        way.needles.add(secret, what);
    }
    way.at_the_back().await;
    way.before_the_switch().await;
    way.switch().await;
    way.after_the_switch().await;
    way.mistakes().await;
    way.sign_out().await;
    way.listen_to_fly();
    (home, way)
}

impl Way {
    /// What a client does without anybody there: a token in its own name, and a request that it hands over.
    async fn at_the_back(&mut self) {
        let client = [("client_id", OIDC_CLIENT), ("client_secret", OIDC_SECRET)];
        let form = BTreeMap::from_iter([&client[..], &[("grant_type", "client_credentials")]].concat());
        assert_eq!(self.token(&form).await["scope"], "organizations:read");
        let request = [("response_type", "code"), ("scope", "openid"), ("redirect_uri", REDIRECT)];
        let pushed = http().post(self.node.url("/oauth/par")).form(&[&client[..], &request].concat()).send().await;
        let pushed: serde_json::Value = serde_json::from_str(&pushed.unwrap().text().await.unwrap()).unwrap();
        let name = pushed["request_uri"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        self.needles.add(&name, "request_uri");
        let query = [("client_id", OIDC_CLIENT), ("request_uri", pushed["request_uri"].as_str().unwrap())];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let mut visitor = Visitor::at(&self.node);
        assert!(visitor.get(&format!("/oauth/authorize?{query}")).await.location().starts_with("/sign-in?tx="));
        self.keep_cookies(&visitor);
    }

    /// An admin comes through Sentry's Fly.io provider, a member through the OpenID Connect plug-in.
    async fn before_the_switch(&mut self) {
        let mut ines = Visitor::at(&self.node);
        let answer = ines.sign_in_with_fly(&authorize(FLY_CLIENT, "read", "&state=of-sentry"), "ines").await;
        self.redeem(&answer, FLY_CLIENT, FLY_CLIENT_SECRET, None).await;
        self.keep_cookies(&ines);
        let mut priya = Visitor::at(&self.node);
        let answer = priya.sign_in_with_fly(&authorize(OIDC_CLIENT, "openid email", &challenge()), "priya").await;
        self.redeem(&answer, OIDC_CLIENT, OIDC_SECRET, Some(VERIFIER)).await;
        self.keep_cookies(&priya);
    }

    async fn switch(&mut self) {
        let mut ines = Visitor::at(&self.node);
        ines.sign_in_with_fly("/sign-in", "ines").await;
        let run = ines.disable("saltmarsh-labs").await;
        self.keep_cookies(&ines);
        let id = run.rsplit('/').next().unwrap().parse().unwrap();
        self.records.wait_until_done(&id).await;
        for page in [run.clone(), format!("{run}/status?limit=100")] {
            assert_eq!(ines.get(&page).await.status, 200, "{page}");
        }
    }

    /// The member sets a password by link, signs in with it, has it replaced by another link.
    async fn after_the_switch(&mut self) {
        let scope = "openid email offline_access organizations";
        for (number, password) in [(1, PASSWORD), (2, REPLACEMENT)] {
            let link = self.link(number).await;
            let mut priya = Visitor::at(&self.node);
            let opened = priya.get(&format!("/set-up/{link}")).await;
            assert_eq!(opened.location(), "/set-up");
            self.keep_cookies(&priya);
            let form = priya.get("/set-up").await;
            let fields = [("csrf", &*form.csrf()), ("person", &*form.hidden("person")), ("password", password)];
            let set = priya.post("/set-up", &fields).await;
            assert_eq!(set.status, 303, "{}", set.text);
            self.needles.add(&form.csrf(), "form token");
            self.keep_cookies(&priya);

            let mut again = Visitor::at(&self.node);
            let start = authorize(OIDC_CLIENT, scope, &challenge());
            let answer = again.sign_in_with_password(&start, PRIYA, password).await;
            self.redeem(&answer, OIDC_CLIENT, OIDC_SECRET, Some(VERIFIER)).await;
            self.keep_cookies(&again);

            if number == 1 {
                let page = again.get("/forgot").await;
                let asked = again.post("/forgot", &[("csrf", &page.csrf()), ("email", PRIYA)]).await;
                assert_eq!(asked.status, 200);
            }
        }
    }

    /// The link of the person's mail of this number.
    async fn link(&mut self, number: usize) -> String {
        let link = until("the mail with the link", async || {
            let letters = Letters::of(&self.sink.messages());
            let mails = letters.0.get(PRIYA)?;
            (mails.len() >= number).then(|| mails[number - 1].0.clone())
        })
        .await;
        self.needles.add_token(&link, "set-up link");
        link
    }

    /// The member signs in at the client once more and signs out; by then it was told of each session that ended.
    async fn sign_out(&mut self) {
        let mut priya = Visitor::at(&self.node);
        let start = authorize(OIDC_CLIENT, "openid email", &challenge());
        let answer = priya.sign_in_with_password(&start, PRIYA, REPLACEMENT).await;
        self.redeem(&answer, OIDC_CLIENT, OIDC_SECRET, Some(VERIFIER)).await;
        self.keep_cookies(&priya);
        let csrf = priya.get("/sign-out").await.csrf();
        self.needles.add(&csrf, "form token");
        assert_eq!(priya.post("/sign-out", &[("csrf", &csrf), ("answer", "yes")]).await.location(), "/signed-out");
        soon("the client is told", self.receiver.wait_for(3)).await;
        for heard in self.receiver.heard() {
            self.needles.add_token(&heard.token, "logout token");
            self.needles.add(&heard.claim("jti"), "name of a logout token");
        }
    }

    /// What is refused must not be written down either.
    async fn mistakes(&mut self) {
        let mut visitor = Visitor::at(&self.node);
        let wrong = visitor.sign_in_with_password("/sign-in", PRIYA, WRONG_PASSWORD).await;
        assert_eq!(wrong.status, 401);
        let code = [("grant_type", "authorization_code"), ("code", VERIFIER), ("redirect_uri", REDIRECT)];
        let post = |fields: Vec<(&'static str, &'static str)>| {
            http().post(self.node.url("/oauth/token")).form(&fields).send()
        };
        let client = [("client_id", OIDC_CLIENT), ("client_secret", WRONG_SECRET)];
        assert_eq!(post([&client[..], &code].concat()).await.unwrap().status(), 401);
        let client = [("client_id", OIDC_CLIENT), ("client_secret", OIDC_SECRET)];
        assert_eq!(post([&client[..], &code].concat()).await.unwrap().status(), 400);
        let bearer = http().get(self.node.url("/oauth/userinfo")).bearer_auth(WRONG_SECRET).send().await;
        assert_eq!(bearer.unwrap().status(), 401);
        visitor.get(&format!("/set-up/{WRONG_SECRET}")).await;
        assert_eq!(visitor.get("/set-up").await.status, 410);
        let lost = visitor.get(&format!("/no/such/place/{WRONG_SECRET}?token={WRONG_SECRET}")).await;
        assert_eq!(lost.status, 404);
        let callback = format!("/connectors/fly/callback?state={WRONG_SECRET}&code={WRONG_SECRET}");
        assert_eq!(visitor.get(&callback).await.status, 400);
    }

    /// Redeems the code, asks with the access token, rotates the refresh token, and keeps all of them in mind.
    async fn redeem(&mut self, answer: &Answer, client: &str, secret: &str, verifier: Option<&str>) {
        assert!(answer.location().starts_with(REDIRECT), "{}", answer.location());
        let code = answer.parameter("code");
        self.needles.add_token(&code, "code");
        let mut form = BTreeMap::from([("client_id", client), ("client_secret", secret)]);
        form.extend([("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)]);
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        let mut tokens = self.token(&form).await;
        if let Some(refresh) = tokens["refresh_token"].as_str().map(str::to_owned) {
            let client = [("client_id", client), ("client_secret", secret)];
            let rest = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
            tokens = self.token(&BTreeMap::from_iter([client, rest].concat())).await;
        }
        let access = tokens["access_token"].as_str().unwrap();
        let place = if client == FLY_CLIENT { "/oauth/token/info" } else { "/oauth/userinfo" };
        let asked = http().get(self.node.url(place)).bearer_auth(access).send().await.unwrap();
        assert_eq!(asked.status(), 200);
    }

    async fn token(&mut self, form: &BTreeMap<&str, &str>) -> serde_json::Value {
        let answer = http().post(self.node.url("/oauth/token")).form(form).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        let tokens: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        for name in ["access_token", "refresh_token", "id_token"] {
            if let Some(token) = tokens[name].as_str() {
                self.needles.add_token(token, name);
            }
        }
        tokens
    }

    fn keep_cookies(&mut self, visitor: &Visitor) {
        for (name, value) in &visitor.cookies {
            let what = if name.starts_with("fb_tx_") { "transaction cookie" } else { name };
            self.needles.add_token(value, what);
        }
    }

    /// What Flybridge and Fly.io said to each other.
    fn listen_to_fly(&mut self) {
        let wire = Arc::clone(&self.fly.wire);
        for said in wire.lock().unwrap().iter() {
            let json: serde_json::Value = serde_json::from_str(said).unwrap_or_default();
            for name in ["access_token", "refresh_token"] {
                if let Some(token) = json[name].as_str() {
                    self.needles.add(token, &format!("Fly.io's {name}"));
                }
            }
            for (name, value) in url::form_urlencoded::parse(said.as_bytes()) {
                match &*name {
                    "code" => self.needles.add(&value, "Fly.io's code"),
                    "code_verifier" => self.needles.add(&value, "our verifier at Fly.io"),
                    "state" => self.needles.add_token(&value, "our state at Fly.io"),
                    _ => {}
                }
            }
        }
    }
}

fn authorize(client: &str, scope: &str, more: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", client).append_pair("response_type", "code").append_pair("scope", scope);
    query.append_pair("redirect_uri", REDIRECT);
    format!("/oauth/authorize?{}{more}", query.finish())
}

fn challenge() -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes());
    format!("&code_challenge_method=S256&code_challenge={}", URL_SAFE_NO_PAD.encode(digest))
}

fn search(home: &Home, way: &Way, heap: &[u8]) {
    let kinds = way.needles.kinds();
    let expected = [
        ("master key", 1),
        ("client secret", 3),
        ("password", 2),
        ("code", 4),
        ("access_token", 8),
        ("request_uri", 1),
        ("refresh_token", 6),
        ("id_token", 5),
        ("set-up link", 2),
        ("logout token", 3),
        ("fb_session", 6),
        ("fb_browser", 6),
        ("fb_set_up", 2),
        ("fb_device", 2),
        ("Fly.io's code", 2),
        ("Fly.io's access_token", 2),
        ("Fly.io's refresh_token", 2),
        ("our verifier at Fly.io", 2),
        ("our state at Fly.io", 2),
    ];
    for (what, least) in expected {
        let count = kinds.get(what).copied().unwrap_or(0);
        assert!(count >= least, "{count} of {what} were seen on the way, not {least}: {kinds:?}");
    }
    assert!(way.needles.count() > 40);

    // What has to be there is found, so the heap is what it should be.
    let link = Letters::of(&way.sink.messages()).0[PRIYA][1].0.clone();
    let known = [SALTMARSH.to_owned(), TokenHash::of(link.as_bytes()).to_text(), "$argon2id$".to_owned()];
    for known in known {
        let there = heap.windows(known.len()).any(|window| window == known.as_bytes());
        assert!(there, "{known} is in the store");
    }
    assert_eq!(way.needles.found_in(heap), Vec::<String>::new(), "secrets in the store");

    let log = home.log();
    assert!(log.contains("/oauth/token") && log.contains("/set-up/{token}"), "the log tells of the way: {log}");
    assert_eq!(way.needles.found_in(log.as_bytes()), Vec::<String>::new(), "secrets in the log");
    let world = World::demo();
    for email in world.people.iter().filter_map(|person| person.email.as_deref()) {
        assert!(!log.contains(email), "{email} stands in the log unmasked");
    }
}

/// Every key of a Redis with all that it holds.
fn dump(port: u16) -> Vec<u8> {
    let ask = |words: &[&str]| text(&command(port, words).unwrap());
    let mut heap = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let page = ask(&["SCAN", &cursor, "COUNT", "1000"]);
        let mut lines = page.lines();
        lines.next().unwrap().clone_into(&mut cursor);
        for key in lines {
            let words: &[&str] = match ask(&["TYPE", key]).as_str() {
                "string" => &["GET", key],
                "hash" => &["HGETALL", key],
                "zset" => &["ZRANGE", key, "0", "-1", "WITHSCORES"],
                "set" => &["SMEMBERS", key],
                "list" => &["LRANGE", key, "0", "-1"],
                // It ran out between the two commands.
                "none" => continue,
                other => panic!("{key} is a {other}"),
            };
            heap.extend_from_slice(key.as_bytes());
            heap.push(b'\n');
            bytes(&command(port, words).unwrap(), &mut heap);
        }
        if cursor == "0" {
            return heap;
        }
    }
}

fn bytes(value: &redis::Value, heap: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(bytes) => heap.extend_from_slice(bytes),
        redis::Value::Array(values) => values.iter().for_each(|value| bytes(value, heap)),
        other => heap.extend_from_slice(text(other).as_bytes()),
    }
    heap.push(b'\n');
}
