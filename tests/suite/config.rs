//! The configuration: what it takes, what it refuses and how it says so.

#[path = "config/accepted.rs"]
mod accepted;
#[path = "config/clients.rs"]
mod clients;
#[path = "config/environment.rs"]
mod environment;
#[path = "config/secrets.rs"]
mod secrets;

use std::collections::BTreeSet;
use std::time::Duration;

use flybridge::config::{AcceptedLoss, Backend, Config, ConfigError, DEFAULTS, ForwardedHeader, MailTransport};
use flybridge::domain::password::HashParameters;

const MASTER: &str = "u0Jf3mTn1wYd8QhR5sVbZ6xKcA2eLpGi7oUy9tMrNkE=";

/// The least that must be given.
const LEAST: &str = r#"
[server]
issuer = "https://login.example.com"

[keys]
master = "u0Jf3mTn1wYd8QhR5sVbZ6xKcA2eLpGi7oUy9tMrNkE="

[fly]
client_id = "fly-client"
client_secret = "fly-client-secret-0123"

[mail]
transport = "file"
from = "Sign-in <login@example.com>"
"#;

const CLIENT: &str = r#"
[[clients]]
id = "sentry-fly"
name = "Sentry"
secret = "client-secret-0123456789"
redirect_uris = ["https://sentry.example.com/auth/sso/"]
"#;

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, &[])
}

fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_text(text, "flybridge.toml", variables)
}

/// `LEAST` with `line` inside `section`.
fn least_with(section: &str, line: &str) -> String {
    let header = format!("[{section}]\n");
    if LEAST.contains(&header) {
        let key = line.split('=').next().unwrap_or_default().trim();
        let kept: Vec<_> = LEAST.lines().filter(|old| !old.starts_with(&format!("{key} ="))).collect();
        kept.join("\n").replace(&format!("[{section}]"), &format!("[{section}]\n{line}"))
    } else {
        format!("{LEAST}\n[{section}]\n{line}\n")
    }
}

/// The one problem, as a person reads it.
fn problem(text: &str) -> String {
    let error = load(text).expect_err("refused");
    assert_eq!(error.problems.len(), 1, "{error}");
    error.problems[0].to_string()
}

#[test]
fn defaults_need_only_what_nobody_can_guess() {
    let config = load(LEAST).unwrap();
    assert_eq!(config.server.issuer.as_str(), "https://login.example.com");
    assert_eq!(config.server.issuer.join("/oauth/token"), "https://login.example.com/oauth/token");
    assert!(config.server.issuer.is_https());
    assert_eq!(config.server.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert!(config.server.proxies.networks.is_empty());
    assert_eq!(config.server.proxies.header, ForwardedHeader::XForwardedFor);
    assert_eq!(config.server.limits.max_body, 65_536);
    assert!(matches!(config.store.backend, Backend::Sqlite(ref path) if path.as_os_str() == "data/flybridge.db"));
    assert!(config.store.accept_loss.is_empty());
    assert_eq!(config.fly.token_info_url.as_str(), "https://api.fly.io/oauth/token/info");
    assert_eq!((config.fly.scope.as_str(), config.fly.timeout), ("read", Duration::from_secs(5)));
    assert!(matches!(config.mail.transport, MailTransport::File(ref folder) if folder.as_os_str() == "data/mail"));
    assert_eq!(config.sessions.fresh, Duration::from_mins(5));
    assert_eq!(config.tokens.code, Duration::from_mins(1));
    assert_eq!(config.tokens.access, Duration::from_hours(1));
    assert_eq!(config.tokens.refresh, Duration::from_hours(30 * 24));
    assert_eq!((config.passwords.policy.min, config.passwords.policy.min_score), (15, 3));
    assert_eq!(config.passwords.parameters, HashParameters::new(19_456, 2, 1).unwrap());
    assert_eq!(config.setup_links.lifetime, Duration::from_hours(24));
    assert!(config.workers.enabled);
    assert!(config.clients.is_empty());
}

#[test]
fn everything_that_is_missing_is_said_at_once() {
    let error = load("").expect_err("refused");
    let keys: Vec<_> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        ["server.issuer", "keys.master", "fly.client_id", "fly.client_secret", "mail.from", "mail.transport"]
    );
    assert!(error.problems.iter().all(|problem| !problem.remedy.is_empty()));
}

#[test]
fn several_faults_are_reported_together_with_their_lines() {
    let text = "[server]\nisuer = \"https://login.example.com\"\nmax_connections = 0\n\n[tokens]\ncode = \"1 h\"\n";
    let shown = load(text).expect_err("refused").to_string();
    for part in [
        "server.isuer (flybridge.toml, line 2): this key is unknown. Perhaps server.issuer was meant.",
        "server.max_connections (flybridge.toml, line 3): 0 is out of range. Write a whole number from 1 to 1000000",
        "tokens.code (flybridge.toml, line 6): \"1 h\" is out of range. Write a time from \"10 s\" to \"10 min\"",
        "server.issuer (flybridge.toml, line 1): this key is required and missing.",
    ] {
        assert!(shown.contains(part), "{part}\nis not in\n{shown}");
    }
}

#[test]
fn unknown_sections_and_keys_are_refused() {
    assert!(problem(&format!("{LEAST}\n[servr]\nx = 1\n")).contains("Perhaps server was meant"));
    assert!(problem(&least_with("log", "colour = true")).contains("known here: filter, format"));
    assert!(problem(&format!("{LEAST}{CLIENT}preest = \"sentry-fly\"\n")).starts_with("clients[0].preest"));
    assert!(problem(&format!("flybridge = 1\n{LEAST}")).starts_with("flybridge (flybridge.toml, line 1)"));
}

#[test]
fn a_syntax_error_names_the_line_and_not_its_content() {
    let error = load("[fly]\nclient_secret = \"very-secret-value\n").expect_err("refused").to_string();
    assert!(error.contains("flybridge.toml, line 2: not valid TOML"), "{error}");
    assert!(!error.contains("very-secret-value"), "{error}");
    assert!(!error.contains("missing"), "what could not be read is not missing: {error}");
    assert!(problem(&format!("{LEAST}\n[log]\nfilter = info\n")).contains("not valid TOML"));
}

#[test]
fn an_address_of_redis_that_cannot_be_read_is_told_with_its_key_and_a_right_one() {
    for url in ["redis://host:99999", "redis://", "redis://:very-secret-value@/0/x"] {
        let shown = problem(&format!("{LEAST}\n[store]\nurl = \"{url}\"\n"));
        assert!(shown.starts_with("store.url (flybridge.toml, line "), "{shown}");
        assert!(shown.contains("this is no address of a store ("), "{shown}");
        assert!(shown.contains("redis://HOST:PORT") && !shown.contains("misused"), "{shown}");
        assert!(!shown.contains("very-secret-value"), "{shown}");
    }
}

/// (section, line, part of the message)
const IMPOSSIBLE: &[(&str, &str, &str)] = &[
    ("server", "issuer = \"http://login.example.com\"", "https; http is for loopback only"),
    ("server", "issuer = \"https://login.example.com/\"", "Remove the slash at the end"),
    ("server", "issuer = \"https://login.example.com/sso\"", "has a path or a query"),
    ("server", "issuer = \"https://login.example.com?x=1\"", "has a path or a query"),
    ("server", "issuer = \"https://login.example.com#x\"", "has a fragment"),
    ("server", "issuer = \"https://me@login.example.com\"", "carries a user name"),
    ("server", "issuer = \"https://Login.example.com:443\"", "Write \"https://login.example.com\""),
    ("server", "issuer = \"login.example.com\"", "not an absolute address"),
    ("server", "issuer = \"ftp://login.example.com\"", "Use https"),
    ("server", "issuer = 5", "a text is needed here, not a number"),
    ("server", "listen = []", "the list is empty"),
    ("server", "listen = \"localhost\"", "0.0.0.0:8080"),
    ("server", "trusted_proxies = [\"10.0.0.1/8\"]", "bits beyond the /length are set"),
    ("server", "trusted_proxies = [\"10.0.0.0/33\"]", "not an IP address"),
    ("server", "forwarded_header = \"X-Real-IP\"", "\"X-Forwarded-For\", \"Forwarded\""),
    ("server", "max_connections = 1.5", "a whole number is needed here, not a fraction"),
    ("server", "max_connections = 99999999999999999999", "a number beyond 64 bits"),
    ("server", "max_body = \"64 KB\"", "not a size with a unit"),
    ("server", "max_body = 65536", "a size with a unit is needed"),
    ("server", "max_body = \"1 B\"", "from \"4 KiB\" to \"1 MiB\""),
    ("server", "header_timeout = \"10\"", "not a time with a unit"),
    ("server", "header_timeout = 10", "a time with a unit is needed here, not a number"),
    ("server", "header_timeout = \"99999999999999999 d\"", "not a time with a unit"),
    ("store", "url = \"postgres://db\"", "the scheme is redis or rediss"),
    ("store", "url = \"data/flybridge.db\"", "it has no scheme"),
    ("store", "url = \"sqlite:\"", "the path of the file is missing"),
    ("store", "url = \"redis+cluster://host/1\"", "a cluster has no databases"),
    ("store", "url = \"redis+sentinel://host\"", "the name of the primary"),
    ("store", "url = \"redis://host\"\nurl_file = \"/nowhere\"", "url and url_file are both given"),
    ("store", "ca_file = \"/nowhere/ca.pem\"", "the file /nowhere/ca.pem cannot be read"),
    ("store", "url = \"redis://host\"\nca_file = \"ca.pem\"", "Write rediss instead of redis"),
    ("store", "timeout = \"5 s\"", "from \"50 ms\" to \"2 s\""),
    ("store", "accept_loss = [\"whatever\"]", "\"lose the last second\""),
    ("keys", "master = \"c2hvcnQ=\"", "a master key has 32 bytes"),
    ("keys", "master = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"", "can be guessed"),
    ("keys", "master = []", "there is no master key. Make one with"),
    (
        "keys",
        "master_file = \"/nowhere\"",
        "keys.master (flybridge.toml, line 7): master and master_file are both given",
    ),
    ("fly", "client_secret = \"short\"", "the secret has 5 characters"),
    ("fly", "client_secret = \"aaaaaaaaaaaaaaaaaaaaaaaa\"", "repeats a few characters"),
    ("fly", "client_id = \"\"", "the value is empty"),
    ("fly", "token_url = \"http://api.fly.io/oauth/token\"", "clear text on the network"),
    ("fly", "timeout = \"30 s\"", "from \"100 ms\" to \"5 s\""),
    ("mail", "from = \"nobody\"", "Name <name@example.com>"),
    ("mail", "from = \"Sign-in <login@192.0.2.7>\"", "the part after the @ is not a domain name"),
    ("mail", "smtp = { host = \"mail example\" }", "alone, such as \"smtp.example.com\""),
    ("mail", "smtp = { ca_file = \"/nowhere/ca.pem\" }", "the file /nowhere/ca.pem cannot be read"),
    ("mail", "transport = \"pigeon\"", "Write one of \"smtp\", \"file\""),
    ("mail", "transport = \"smtp\"", "mail.smtp.host"),
    ("mail", "smtp = 5", "Write [mail.smtp] on a line of its own"),
    ("mail", "per_second = 0", "from 1 to 10000"),
    ("mail", "per_second_per_run = 0", "from 1 to 10000"),
    ("mail", "reminders = [\"2 h\"]", "from \"1 d\" to \"60 d\""),
    ("mail", "reminders = [\"7 d\", \"3 d\"]", "out of order or too close"),
    ("mail", "reminders = [\"3 d\", \"4 d\"]", "at least 2 d after the one before"),
    ("mail", "bounce_secret = \"short\"", "the secret has 5 characters"),
    ("sessions", "idle = \"30 d\"", "longer than sessions.absolute"),
    ("sessions", "fresh = \"1 h\"", "from \"1 min\" to \"5 min\""),
    ("tokens", "access = \"24 h\"\nrefresh = \"1 h\"", "no access token could be renewed"),
    ("passwords", "min_length = 8", "from 15 to 64"),
    ("passwords", "memory_kib = 1024", "from 19456"),
    ("passwords", "passes = 1", "from 2 to 20"),
    ("workers", "enabled = \"yes\"", "neither true nor false"),
    ("log", "filter = \"flybridge=loud\"", "is not a log filter"),
    ("log", "filter = \"warning\"", "\"warning\" is no level of a log"),
    ("log", "filter = \"info, verbose\"", "\"verbose\" is no level of a log"),
    ("fly", "client_secret = \"the client secret from Fly.io\"", "looks like an example"),
    ("fly", "client_secret = \"ChangeMeChangeMe\"", "looks like an example"),
    ("log", "format = \"xml\"", "Write one of \"text\", \"json\""),
];

#[test]
fn impossible_values_are_refused_with_reason_and_remedy() {
    for (section, line, part) in IMPOSSIBLE {
        let shown = problem(&least_with(section, line));
        assert!(shown.contains(part), "[{section}] {line}: {shown}");
        assert!(shown.starts_with(section), "[{section}] {line}: {shown}");
    }
}

#[test]
fn http_is_for_loopback_only() {
    for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "127.9.9.9", "flybridge.localhost:1"] {
        let config = load(&least_with("server", &format!("issuer = \"http://{host}\""))).unwrap();
        assert!(!config.server.issuer.is_https(), "{host}");
    }
    for host in ["10.0.0.1", "localhost.example.com", "[::2]", "0.0.0.0:8080"] {
        let shown = problem(&least_with("server", &format!("issuer = \"http://{host}\"")));
        assert!(shown.contains("clear text on the network"), "{host}: {shown}");
    }
}

#[test]
fn addresses_of_stores() {
    let store = |lines: &str| load(&least_with("store", lines)).unwrap().store;
    let sqlite = store("url = \"sqlite:/var/lib/fb.db\"").backend;
    assert!(matches!(sqlite, Backend::Sqlite(path) if path.as_os_str() == "/var/lib/fb.db"));
    let redis = |lines: &str| match store(lines).backend {
        Backend::Redis(redis) => redis,
        Backend::Sqlite(_) => panic!("{lines} is a Redis"),
    };
    let url = "rediss+sentinel://user:p%40ss@a:26379,b:26379/main/2";
    let found = redis(&format!("url = \"{url}\""));
    assert_eq!((found.url.expose().as_str(), found.timeout), (url, Duration::from_millis(1800)));
    assert!(found.certificates.is_none());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "redis://:secret@host:6379/1\n").unwrap();
    // The default for url stands below it and does not clash.
    let found = redis(&format!("url_file = \"{}\"", file.path().display()));
    assert_eq!(found.url.expose(), "redis://:secret@host:6379/1");
}

#[test]
fn a_loss_is_accepted_by_name() {
    let text = "accept_loss = [\"lose the last second\", \"lose records when memory is full\"]";
    let accepted = load(&least_with("store", text)).unwrap().store.accept_loss;
    assert_eq!(accepted, [AcceptedLoss::LastSecond, AcceptedLoss::WhenMemoryIsFull]);
    let covered = |setting: &str, value: &str| accepted.iter().any(|loss| loss.covers(setting, value));
    assert!(covered("appendfsync", "everysec") && covered("maxmemory-policy", "allkeys-lru"));
    assert!(!covered("appendfsync", "no") && !covered("appendonly", "no"));
    assert!(AcceptedLoss::SinceSnapshot.covers("appendonly", "no"));
    assert!(AcceptedLoss::SinceSnapshot.covers("appendfsync", "no"));
    assert!(!AcceptedLoss::SinceSnapshot.covers("maxmemory-policy", "allkeys-lru"));
}

#[test]
fn mail_leaves_in_clear_text_on_loopback_only() {
    let smtp = |lines: &str| {
        let text = LEAST.replace("transport = \"file\"", "transport = \"smtp\"");
        load(&format!("{text}\n[mail.smtp]\n{lines}\n"))
    };
    let refused = |lines: &str| smtp(lines).expect_err("refused").to_string();
    assert!(smtp("host = \"127.0.0.1\"\nsecurity = \"none\"\nport = 1025").is_ok());
    assert!(smtp("host = \"::1\"\nsecurity = \"none\"").is_ok());
    assert!(smtp("host = \"mail.LocalHost\"\nsecurity = \"none\"").is_ok());
    assert!(smtp("host = \"mailpit\"\nsecurity = \"starttls\"").is_ok());
    assert!(refused("host = \"mailpit\"\nsecurity = \"none\"").contains("would go out in clear text"));
    assert!(refused("host = \"h\"\nusername = \"u\"").contains("of username and password one is missing"));
}

#[test]
fn the_example_for_compose_is_whole_but_for_its_secrets() {
    let example = include_str!("../../deploy/flybridge.toml");
    let compose = include_str!("../../docker-compose.yml");
    let secrets = [
        ("FLYBRIDGE_KEYS__MASTER", MASTER),
        ("FLYBRIDGE_FLY__CLIENT_ID", "fly-client"),
        ("FLYBRIDGE_FLY__CLIENT_SECRET", "fly-client-secret-0123"),
        ("FLYBRIDGE_CLIENTS__SENTRY__SECRET", "client-secret-0123456789"),
    ];
    for (variable, _) in secrets {
        assert!(compose.contains(&format!("{variable}: ${{{variable}:?")), "{variable} is not in docker-compose.yml");
    }
    let config = load_with(example, &secrets).unwrap();
    assert!(matches!(config.store.backend, Backend::Redis(_)) && config.store.accept_loss.is_empty());
    assert!(config.clients[0].denials_on_own_page);
    assert_eq!(load(example).expect_err("refused").problems.len(), 4);
}

/// Every `key = value` of the embedded defaults, commented out or not, as (section, line).
fn documented() -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in DEFAULTS.lines() {
        let line = line.trim_start_matches("# ");
        if line.starts_with('[') && line.ends_with(']') {
            line.trim_matches(['[', ']']).clone_into(&mut section);
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        {
            found.push((section.clone(), line.to_owned()));
        }
    }
    found
}

#[test]
fn every_documented_key_is_known_and_every_default_is_what_the_program_does() {
    let lines = documented();
    assert!(lines.len() > 70, "only {} keys found", lines.len());
    for (section, line) in lines {
        let text = match section.as_str() {
            "clients" => format!("{LEAST}\n[[clients]]\n{line}\n"),
            section => least_with(section, &line),
        };
        // The example may clash with others (a file that is not there), but it is never unknown.
        let shown = load(&text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!shown.contains("unknown"), "[{section}] {line}: {shown}");
        assert!(!shown.contains("not valid TOML"), "[{section}] {line}: {shown}");
    }
}

#[test]
fn every_known_key_is_documented() {
    let documented: BTreeSet<String> = documented()
        .into_iter()
        .map(|(section, line)| format!("{section}.{}", line.split(" = ").next().unwrap_or_default()))
        .collect();
    let sections: BTreeSet<_> = documented.iter().map(|name| name.rsplit_once('.').unwrap().0.to_owned()).collect();
    for section in sections {
        let text = match section.as_str() {
            "clients" => format!("{LEAST}{CLIENT}zzzzzzzz = 1"),
            section => least_with(section, "zzzzzzzz = 1"),
        };
        let shown = problem(&text);
        let known = shown.split_once("known here: ").expect("the known keys").1.trim_end_matches('.');
        for key in known.split(", ") {
            let name = format!("{section}.{key}");
            let is_section = DEFAULTS.contains(&format!("[{name}]"));
            assert!(is_section || documented.contains(&name), "{name} is not documented");
        }
    }
}
