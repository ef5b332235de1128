//! `flybridge client`, as an operator types it, and what nodes that run make of it.

#[path = "clients/set.rs"]
mod set;

use serde_json::{Value, json};

use super::fly::Reserved;
use super::link_saltmarsh;
use super::needles::Needles;
use crate::support::client_key::{ClientKey, set as key_set};
use crate::support::ports::free_port;
use crate::support::process::{Home, Node, OIDC_CLIENT, REDIRECT, http, program, stderr, stdout, until};
use crate::support::redis::Server;
use crate::support::visitor::Visitor;

const ID: &str = "newcomer";

/// Nobody is mailed.
fn home() -> Home {
    Home::new("127.0.0.1:9".parse().unwrap())
}

fn client(home: &Home, words: &[&str]) -> std::process::Output {
    home.command(&[&["client"], words].concat())
}

/// A command that succeeds; what it says.
fn done(home: &Home, words: &[&str]) -> String {
    let output = client(home, words);
    assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    assert_eq!(stderr(&output), "");
    stdout(&output)
}

/// A command that is refused in words and says nothing else.
#[track_caller]
fn refused(home: &Home, words: &[&str], code: i32, part: &str) {
    let output = client(home, words);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", stdout(&output));
    assert!(stderr(&output).contains(part), "{words:?}: {}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

fn add(home: &Home) -> String {
    let words = ["add", ID, "--name", "Sentry", "--preset", "sentry-oidc", "--redirect-uri", REDIRECT];
    secret(&done(home, &words))
}

/// The secret that a command showed.
fn secret(said: &str) -> String {
    let secret = said.lines().find_map(|line| line.strip_prefix("secret: ")).unwrap_or_else(|| panic!("{said}"));
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    assert!(secret.len() == 43 && secret.bytes().all(alphabet), "256 bits in base64url");
    assert_eq!(said.matches(secret).count(), 1, "{said}");
    secret.to_owned()
}

#[test]
fn clients_are_added_listed_shown_and_removed() {
    let home = home();
    let added = done(
        &home,
        &[
            &["add", "grafana", "--name", "Grafana", "--algorithm", "ES256", "--require-pkce", "false"][..],
            &["--redirect-uri", "https://grafana.test/cb", "--redirect-uri", "https://grafana.test/cb2"],
            &["--post-logout-redirect-uri", "https://grafana.test/bye", "--home", "https://grafana.test/"],
        ]
        .concat(),
    );
    assert!(added.starts_with("grafana  \"Grafana\"  registered 2"), "{added}");
    assert!(added.ends_with("Nodes that run know the client within 5 seconds.\n"), "{added}");
    let secret = secret(&added);

    let listed = done(&home, &["list"]);
    let ids: Vec<&str> = listed.lines().filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(ids, ["grafana", "sentry-fly", "sentry-oidc"]);
    assert!(
        listed.contains("sentry-fly  \"Sentry\"  configured  https://sentry.example.com/auth/sso/\n"),
        "{listed}"
    );

    let shown: Value = serde_json::from_str(&done(&home, &["show", "grafana", "--json"])).unwrap();
    for (key, value) in [
        ("id", json!("grafana")),
        ("source", json!("registration")),
        ("redirect_uris", json!(["https://grafana.test/cb", "https://grafana.test/cb2"])),
        ("post_logout_redirect_uris", json!(["https://grafana.test/bye"])),
        ("home", json!("https://grafana.test/")),
        ("token_auth", json!("client_secret_basic")),
        ("algorithm", json!("ES256")),
        ("require_pkce", json!(false)),
        ("require_openid", json!(true)),
        ("subject", json!("user_id")),
        ("first_party", json!(true)),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    assert_eq!(shown["secrets"], json!([{ "created_at": shown["created_at"], "accepted_until": null }]));
    assert_eq!(shown["history"], json!([{ "at": shown["created_at"], "what": "added", "by": "an operator" }]));
    let text = done(&home, &["show", "grafana"]);
    for line in ["  algorithm                  ES256", "                             https://grafana.test/cb2"] {
        assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
    }
    assert!(text.contains("was added by an operator, "), "{text}");
    assert!(!text.contains(&secret) && !shown.to_string().contains(&secret), "it is shown once");

    assert!(done(&home, &["remove", "grafana", "--yes"]).starts_with("grafana is removed"));
    assert_eq!(done(&home, &["list"]).lines().count(), 2);
    refused(&home, &["show", "grafana"], 1, "there is no client grafana (it was removed by an operator, ");
}

#[test]
fn a_client_that_signs_is_registered_by_its_public_keys_and_has_no_secret() {
    let home = home();
    let key = ClientKey::p256("2026");
    let file = home.path("keys.json").display().to_string();
    let words = ["--name", "Grafana", "--redirect-uri", REDIRECT, "--token-auth", "private_key_jwt"];
    let add = |id: &'static str| [&["add", id][..], &words, &["--jwks-file", &file]].concat();
    let mut private = key.jwk();
    private["d"] = json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
    std::fs::write(&file, json!({ "keys": [private] }).to_string()).unwrap();
    refused(&home, &add(ID), 2, "jwks_file (--jwks-file): key 1 is private, since it has the member \"d\"");
    assert!(!stderr(&client(&home, &add(ID))).contains("870MB6gf"));
    std::fs::write(&file, key_set(&[&key])).unwrap();

    let added = done(&home, &add(ID));
    assert!(added.contains("It proves itself by its own key; there is no secret.") && !added.contains("secret: "));
    let shown: Value = serde_json::from_str(&done(&home, &["show", ID, "--json"])).unwrap();
    assert_eq!((&shown["secrets"], &shown["jwks"]), (&json!([]), &json!({ "keys": [key.jwk()] })));
    assert_eq!(shown["token_auth"], "private_key_jwt");
    refused(&home, &["rotate-secret", ID], 1, "proves itself by a key of its own, and has no secret");
    let beside = ["--token-auth", "client_secret_post"];
    let keys = key_set(&[&key]);
    let both = [&["add", "other"][..], &words[..4], &beside, &["--jwks", &keys]].concat();
    refused(&home, &both, 2, "jwks (--jwks): this client proves itself by a secret, so keys mean nothing");
    let none = [&["add", "other"][..], &words].concat();
    refused(&home, &none, 2, "jwks: this client has no key to prove itself by. Give jwks or jwks_file.");
}

#[test]
fn what_cannot_be_is_refused_in_the_words_of_the_configuration() {
    let home = home();
    let tried = |id: &'static str, more: &[&'static str]| [&["add", id, "--name", "Sentry"], more].concat();
    let with = |more: &[&'static str]| tried(ID, &[&["--redirect-uri", REDIRECT], more].concat());
    for (words, part) in [
        (
            with(&["--redirect-uri", "http://sentry.test/"]),
            "redirect_uris (--redirect-uri): \"http://sentry.test/\" is",
        ),
        (with(&["--redirect-uri", "https://*.test/"]), "has a wildcard. Write each address in full."),
        (with(&["--home", "sentry.test"]), "home (--home): \"sentry.test\" is not an absolute address"),
        (with(&["--preset", "sentry"]), "Write one of \"standard\", \"sentry-oidc\", \"sentry-fly\"."),
        (with(&["--require-pkce", "no"]), "require_pkce (--require-pkce): this is neither true nor false"),
        (with(&["--token-auth", "none"]), "token_auth (--token-auth): \"none\" is not known here"),
        (tried("new comer", &["--redirect-uri", REDIRECT]), "id (ID): \"new comer\" is not understood"),
        (tried(ID, &[]), "--redirect-uri <URI>"),
        (vec!["rotate-secret", ID, "--overlap", "a day"], "\"a day\" is not a time with a unit"),
        (vec!["rotate-secret", ID, "--overlap", "31d"], "Write a time from \"0 ms\" to \"30 d\""),
    ] {
        refused(&home, &words, 2, part);
    }
    let both = with(&["--home", "x", "--subject", "y"]);
    let said = stderr(&client(&home, &both));
    assert!(said.contains("- home (--home): ") && said.contains("- subject (--subject): "), "all at once: {said}");
    assert!(!home.path("flybridge.db").exists(), "the store was not even opened");
}

#[test]
fn a_client_of_the_configuration_is_left_to_the_configuration() {
    let home = home();
    let add = ["add", OIDC_CLIENT, "--name", "Other", "--redirect-uri", REDIRECT];
    refused(&home, &add, 1, "the configuration has a client sentry-oidc, which would count instead");
    refused(&home, &["rotate-secret", OIDC_CLIENT], 1, "stands in the configuration: write a new secret there");
    refused(&home, &["remove", OIDC_CLIENT, "--yes"], 1, "stands in the configuration; remove it there");
    let shown: Value = serde_json::from_str(&done(&home, &["show", OIDC_CLIENT, "--json"])).unwrap();
    assert_eq!(
        (shown["source"].as_str(), shown["claims_in_id_token"].as_bool()),
        (Some("configuration"), Some(true))
    );
    for words in [["rotate-secret", "nobody", "--overlap=0s"], ["remove", "nobody", "--yes"]] {
        refused(&home, &words, 1, "there is no registered client nobody; `client list` shows all");
    }
    refused(&home, &["show", "nobody"], 1, "there is no client nobody; `client list` shows all");
}

#[test]
fn a_registered_client_that_the_configuration_took_over_is_told_as_such() {
    let home = home();
    // Registered while the configuration did not have it yet.
    let config = home.write(free_port());
    let text = home.configuration(free_port());
    std::fs::write(&config, text.replace("id = \"sentry-oidc\"", "id = \"another\"")).unwrap();
    let mut command = program();
    command.args(["client", "--config"]).arg(&config).args(["add", OIDC_CLIENT, "--name", "Old"]);
    assert!(command.args(["--redirect-uri", REDIRECT]).output().unwrap().status.success());

    let listed = done(&home, &["list"]);
    let lines: Vec<&str> = listed.lines().filter(|line| line.starts_with(OIDC_CLIENT)).collect();
    assert!(lines.len() == 2 && lines[0].contains("\"Sentry\"  configured  "), "{listed}");
    assert!(
        lines[1].contains("\"Old\"  registered 2") && lines[1].contains(", but the configured one counts"),
        "{listed}"
    );
    let json: Value = serde_json::from_str(&done(&home, &["list", "--json"])).unwrap();
    let shadowed = |place: usize| json[place]["shadowed"].as_bool();
    assert_eq!([shadowed(1), shadowed(2)], [None, Some(true)], "{json}");
    let shown = done(&home, &["show", OIDC_CLIENT]);
    assert!(
        shown.contains("  Sentry\n") && shown.contains("does not count as long as this one is configured"),
        "{shown}"
    );
    refused(&home, &["rotate-secret", OIDC_CLIENT], 1, "stands in the configuration");
    let removed = done(&home, &["remove", OIDC_CLIENT, "--yes"]);
    assert!(removed.contains("The client sentry-oidc of the configuration goes on"), "{removed}");
    assert!(!removed.contains("are dead"), "{removed}");
}

#[test]
fn an_id_is_given_once_and_nobody_is_removed_unasked() {
    let home = home();
    add(&home);
    let again = ["add", ID, "--name", "Sentry", "--redirect-uri", REDIRECT];
    refused(&home, &again, 1, "there is a client newcomer already");
    // The tests have no terminal.
    refused(&home, &["remove", ID], 2, "say --yes");
    for _ in 0..3 {
        done(&home, &["rotate-secret", ID]);
    }
    refused(&home, &["rotate-secret", ID], 1, "has 4 secrets that are accepted");
    let rotated = done(&home, &["rotate-secret", ID, "--overlap", "0s"]);
    assert!(rotated.contains("What it had before is no longer accepted."), "{rotated}");
    let shown: Value = serde_json::from_str(&done(&home, &["show", ID, "--json"])).unwrap();
    assert_eq!(shown["secrets"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown["history"].as_array().unwrap().len(), 5, "{shown}");
    assert!(shown["changed_at"].as_str() > shown["created_at"].as_str(), "{shown}");
}

/// A node and a person who signs in at it.
struct Way {
    node: Node,
    visitor: Visitor,
    _fly: super::fly::Fly,
}

impl Way {
    async fn begin(home: Home) -> (Self, Home) {
        let fly = Reserved::new().await;
        let home = home.fly(&fly.url()).line("log", "filter = \"info,flybridge=trace\"");
        link_saltmarsh(&home);
        let node = Node::start(&home).await;
        let fly = fly.serve(&[&node]);
        (Self { visitor: Visitor::at(&node), node, _fly: fly }, home)
    }

    fn start() -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", ID).append_pair("response_type", "code").append_pair("scope", "openid email");
        format!("/oauth/authorize?{}", query.append_pair("redirect_uri", REDIRECT).finish())
    }

    /// A code for somebody in a new browser, once the node knows the client.
    async fn code(&mut self) -> String {
        self.visitor = Visitor::at(&self.node);
        until("the node knows the client", async || {
            let answer = self.visitor.get(&Self::start()).await;
            (answer.status == 303).then_some(())
        })
        .await;
        let answer = self.visitor.sign_in_with_fly(&Self::start(), "priya").await;
        assert!(answer.location().starts_with(REDIRECT), "{}", answer.location());
        answer.parameter("code")
    }

    async fn token(&self, secret: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let form = [&[("client_id", ID), ("client_secret", secret)], fields].concat();
        let answer = http().post(self.node.url("/oauth/token")).form(&form).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn refresh(&self, secret: &str, tokens: &Value) -> (u16, Value) {
        let token = tokens["refresh_token"].as_str().unwrap();
        self.token(secret, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn userinfo(&self, tokens: &Value) -> u16 {
        let token = tokens["access_token"].as_str().unwrap();
        let asked = http().get(self.node.url("/oauth/userinfo")).bearer_auth(token).send().await;
        asked.unwrap().status().as_u16()
    }

    async fn no_longer_accepts(&self, secret: &str, tokens: &Value) {
        until("the secret is refused", async || {
            let (status, json) = self.refresh(secret, tokens).await;
            (status == 401 && json["error"] == "invalid_client").then_some(())
        })
        .await;
    }

    async fn accepts(&self, secret: &str, tokens: &Value) -> Value {
        until("the secret is accepted", async || {
            let (status, json) = self.refresh(secret, tokens).await;
            (status == 200).then_some(json)
        })
        .await
    }
}

/// Registers a client at a node that runs, signs in at it, rotates its secret and removes it.
async fn whole_life(home: Home) -> (Home, [String; 3]) {
    let (mut way, home) = Way::begin(home).await;
    assert_eq!(way.visitor.get(&Way::start()).await.status, 400, "nobody knows it yet");
    let first = add(&home);
    let code = way.code().await;
    let sent = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    let (status, tokens) = way.token(&first, &sent).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(way.userinfo(&tokens).await, 200);

    let rotated = done(&home, &["rotate-secret", ID]);
    assert!(rotated.contains("What it had before is accepted until 2"), "{rotated}");
    let second = secret(&rotated);
    let tokens = way.accepts(&second, &tokens).await;
    let (status, tokens) = way.refresh(&first, &tokens).await;
    assert_eq!(status, 200, "both are good: {tokens}");
    let third = secret(&done(&home, &["rotate-secret", ID, "--overlap", "0s"]));
    let tokens = way.accepts(&third, &tokens).await;
    for old in [&first, &second] {
        way.no_longer_accepts(old, &tokens).await;
    }

    // What it was given stays when its settings change.
    done(&home, &["set", ID, "--yes", "--redirect-uri", "https://rp.test/cb"]);
    until("the node refuses the old address", async || {
        (way.visitor.get(&Way::start()).await.status == 400).then_some(())
    })
    .await;
    let tokens = way.accepts(&third, &tokens).await;
    done(&home, &["set", ID, "--redirect-uri", REDIRECT, "--redirect-uri", "https://rp.test/cb"]);
    way.code().await;

    done(&home, &["remove", ID, "--yes"]);
    way.no_longer_accepts(&third, &tokens).await;
    assert_eq!(way.userinfo(&tokens).await, 401);
    assert_eq!(way.visitor.get(&Way::start()).await.status, 400);
    let again = add(&home);
    way.code().await;
    assert_eq!(way.userinfo(&tokens).await, 401, "another registration");
    let (status, json) = way.refresh(&again, &tokens).await;
    assert_eq!((status, json["error"].as_str()), (400, Some("invalid_grant")));
    (home, [first, second, third])
}

fn search(home: &Home, secrets: &[String], heap: &[u8]) {
    let mut needles = Needles::default();
    for secret in secrets {
        needles.add(secret, "client secret");
    }
    assert!(heap.windows(ID.len()).any(|window| window == ID.as_bytes()), "it is the store");
    assert_eq!(needles.found_in(heap), Vec::<String>::new(), "secrets in the store");
    let log = home.log();
    assert!(log.contains("a client is registered client=newcomer"), "{log}");
    assert!(log.contains("a client has other settings client=newcomer settings=\"redirect_uris\""), "{log}");
    assert!(log.contains("a client is no longer registered, or cannot be read client=newcomer"), "{log}");
    assert_eq!(needles.found_in(log.as_bytes()), Vec::<String>::new(), "secrets in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_lives_and_dies_at_a_node_that_runs_on_sqlite() {
    let (home, secrets) = whole_life(home()).await;
    let mut heap = Vec::new();
    for name in ["flybridge.db", "flybridge.db-wal"] {
        heap.extend(std::fs::read(home.path(name)).unwrap());
    }
    search(&home, &secrets, &heap);
    assert!(home.log().contains("configured=2 registered=0"), "the start tells of clients: {}", home.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_lives_and_dies_at_a_node_that_runs_on_redis() {
    let server = Server::start(&[]);
    let (home, secrets) = whole_life(home().store(server.url())).await;
    search(&home, &secrets, &server.written());
}

#[test]
fn every_setting_of_a_client_is_an_option_with_a_word_about_it() {
    let help = stdout(&program().args(["client", "add", "--help"]).output().unwrap());
    for option in
        ["<ID>", "--name <NAME>", "--redirect-uri <URI>", "--preset <PRESET>", "--require-pkce <true|false>"]
    {
        let lines: Vec<&str> = help.lines().skip_while(|line| !line.trim_start().starts_with(option)).collect();
        assert!(lines.len() > 1, "{option} in {help}");
        let words = [lines[0], lines[1]].map(|line| line.trim().replace(option, ""));
        assert!(words.iter().any(|words| words.len() > 10), "{option} in {help}");
    }
}
