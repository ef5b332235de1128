//! `docs/certification`: what somebody takes to the official suite fits what Flybridge is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flybridge::clock::Timestamp;
use flybridge::config::Config;
use flybridge::domain::client::{Client, TokenAuth};
use flybridge::http::routes;
use serde_json::Value;

use super::suite::{CALLBACK, SECRETS, clients};
use crate::support::app::MASTER_KEY;

const README: &str = include_str!("../../../../docs/certification/README.md");
const CLIENTS: &str = include_str!("../../../../docs/certification/clients.toml");
const PLANS: [(&str, &str); 5] = [
    ("basic.json", include_str!("../../../../docs/certification/basic.json")),
    ("config.json", include_str!("../../../../docs/certification/config.json")),
    ("form-post.json", include_str!("../../../../docs/certification/form-post.json")),
    ("rp-initiated-logout.json", include_str!("../../../../docs/certification/rp-initiated-logout.json")),
    ("backchannel-logout.json", include_str!("../../../../docs/certification/backchannel-logout.json")),
];
/// An element of the suite's own page.
const THEIRS: &str = "submission_complete";

fn plans() -> Vec<(&'static str, Value)> {
    let read = |(name, text): (&'static str, &str)| {
        (name, serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    PLANS.map(read).to_vec()
}

/// A whole configuration with `clients` at its end.
fn configured(clients: &str) -> Result<Config, String> {
    let text = format!(
        "[server]\nissuer = \"https://login.test\"\n[keys]\nmaster = \"{MASTER_KEY}\"\n[fly]\nclient_id = \"fly\"\n\
         client_secret = \"the secret of the application\"\n[mail]\ntransport = \"file\"\n\
         from = \"Flybridge <login@login.test>\"\n{clients}"
    );
    Config::from_text(&text, "flybridge.toml", []).map_err(|error| error.to_string())
}

/// Every value of this name, however deep.
fn every<'v>(value: &'v Value, name: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(name));
            members.values().for_each(|value| every(value, name, found));
        }
        Value::Array(values) => values.iter().for_each(|value| every(value, name, found)),
        _ => {}
    }
}

fn commands(plan: &Value) -> Vec<Vec<&Value>> {
    let mut lists = Vec::new();
    every(plan, "commands", &mut lists);
    lists.iter().flat_map(|list| list.as_array().unwrap()).map(|c| c.as_array().unwrap().iter().collect()).collect()
}

/// The source of all pages.
fn pages() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut files: Vec<PathBuf> = vec![folder.join("parts.html")];
    files.extend(std::fs::read_dir(folder.join("pages")).unwrap().map(|entry| entry.unwrap().path()));
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn the_clients_are_accepted_once_their_secrets_are_filled_in() {
    let config = configured(&clients()).unwrap();
    assert_eq!(config.clients.len(), SECRETS.len());
    assert!(config.clients.iter().all(|client| client.redirect_uris.iter().any(|uri| uri == CALLBACK)));
    let unfilled = configured(CLIENTS).unwrap_err();
    for index in 0..SECRETS.len() {
        assert!(unfilled.contains(&format!("clients[{index}].secret")), "{unfilled}");
    }
}

#[test]
fn every_plan_is_about_the_clients_and_the_alias_of_their_addresses() {
    let config = configured(&clients()).unwrap();
    for (name, plan) in plans() {
        let alias = plan["alias"].as_str().unwrap();
        assert!(CALLBACK.contains(&format!("/test/a/{alias}/")), "{name}");
        assert_eq!(plan["server"]["discoveryUrl"], "FLYBRIDGE_ISSUER/.well-known/openid-configuration");
        for (member, method) in [
            ("client", TokenAuth::ClientSecretBasic),
            ("client2", TokenAuth::ClientSecretBasic),
            ("client_secret_post", TokenAuth::ClientSecretPost),
        ] {
            let Some(known) = plan.get(member) else { continue };
            let id = known["client_id"].as_str().unwrap();
            let client = config.clients.iter().find(|client| client.id.as_str() == id).unwrap();
            assert_eq!(client.token_auth, method, "{name}: {member}");
            check_secret(client, known["client_secret"].as_str().unwrap());
        }
    }
    let members = |index: usize| plans()[index].1.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let all = ["client", "client2", "client_secret_post", "browser", "override"];
    assert!(all.iter().all(|member| members(0).contains(*member)) && members(0) == members(2));
    let of_plan = |index: usize| {
        let id = plans()[index].1.get("client")?["client_id"].clone();
        config.clients.iter().find(|client| id == client.id.as_str())
    };
    let address = |last: &str| CALLBACK.replace("/callback", last);
    for client in [3, 4].map(|index| of_plan(index).unwrap()) {
        assert!(
            client.post_logout_redirect_uris.contains(&address("/post_logout_redirect")),
            "who signs out comes back"
        );
    }
    let told = of_plan(4).and_then(|client| client.backchannel_logout_uri.as_ref()).unwrap();
    assert_eq!(told.as_str(), address("/backchannel_logout"));
    let others = (0..4).filter_map(of_plan);
    assert!(others.into_iter().all(|client| client.backchannel_logout_uri.is_none()), "their modules expect no word");
}

fn check_secret(client: &Client, word: &str) {
    let (_, id, secret) = SECRETS.iter().find(|(known, ..)| *known == word).unwrap();
    assert_eq!(client.id.as_str(), *id);
    assert!(client.knows(secret, Timestamp::EPOCH), "{word} is the secret of {id}");
}

#[test]
fn the_browser_finds_on_our_pages_what_it_looks_for() {
    let pages = pages();
    for (name, plan) in plans() {
        for command in commands(&plan) {
            let word = |index: usize| command[index].as_str().unwrap();
            assert!(["text", "click", "wait"].contains(&word(0)), "{name}: {command:?}");
            let (id, rest) = match word(1) {
                "id" => (word(2), ""),
                "css" => word(2).strip_prefix('#').unwrap().split_once(' ').unwrap(),
                other => panic!("{name}: {other}"),
            };
            if id == THEIRS {
                continue;
            }
            let (_, element) = pages.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("{name}: {id}"));
            let form = element.split("</form>").next().unwrap();
            match rest {
                "" => {}
                "button" => assert!(form.contains("<button"), "{name}: {id}"),
                "button[value=yes]" => assert!(form.contains("value=\"yes\">"), "{name}: {id}"),
                other => panic!("{name}: {other}"),
            }
        }
    }
}

#[test]
fn the_browser_waits_at_addresses_that_exist() {
    let routes = routes::protocol().into_iter().chain(routes::entrances()).chain(routes::pages());
    let paths: Vec<&str> = routes.map(|route| route.path).collect();
    for (name, plan) in plans() {
        let mut found = Vec::new();
        every(&plan, "match", &mut found);
        for pattern in found.into_iter().map(|pattern| pattern.as_str().unwrap()) {
            let ours = pattern.strip_prefix("FLYBRIDGE_ISSUER").and_then(|rest| rest.strip_suffix('*'));
            match ours {
                Some(path) => {
                    let path = path.strip_suffix("?tx=").unwrap_or(path);
                    assert!(paths.iter().any(|known| known.starts_with(path)), "{name}: {pattern}");
                }
                None => assert!(pattern.starts_with("*/test/*/") && pattern.ends_with('*'), "{name}: {pattern}"),
            }
        }
    }
}

#[test]
fn what_is_said_about_a_module_is_about_one_that_exists() {
    let tests = [include_str!("basic.rs"), include_str!("../provider/logout.rs")].concat();
    for (name, plan) in plans() {
        let named = plan.get("override").and_then(Value::as_object).into_iter().flat_map(|modules| modules.keys());
        for module in named {
            assert!(tests.contains(&format!("fn {}()", module.replace('-', "_"))), "{name}: {module}");
        }
    }
}

#[test]
fn the_page_tells_of_every_file_and_every_word_to_fill_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/certification");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(file == "README.md" || README.contains(&file), "{file}");
    }
    let fill_in = [
        "FLYBRIDGE_ISSUER",
        "TEST_ADDRESS",
        "TEST_PASSWORD",
        "SECRET_ONE",
        "SECRET_TWO",
        "SECRET_POST",
        "SECRET_BACK",
        "SUITE_ADDRESS",
    ];
    for (name, text) in PLANS.into_iter().chain([("clients.toml", CLIENTS)]) {
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).filter(|word| word.len() > 4);
        for word in words.filter(|word| word.contains('_') && !word.starts_with('_')) {
            assert!(fill_in.contains(&word), "{name}: {word}");
        }
    }
    assert!(fill_in.iter().all(|word| README.contains(&format!("s|{word}|"))));
}
