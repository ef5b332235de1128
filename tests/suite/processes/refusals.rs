//! What `serve` refuses to start on, in which words, and with which exit code: 2 for the configuration, 1 for the rest.

use std::process::{Command, Stdio};
use std::sync::Arc;

use flybridge::cli::open_store;
use flybridge::clock::{Clock as _, ManualClock, SystemClock, Timestamp};
use flybridge::random::SeededRandom;

use crate::support::ports::free_port;
use crate::support::process::{Home, Node, program, run, stderr, until};
use crate::support::redis::Server;

fn home() -> Home {
    Home::new("127.0.0.1:9".parse().unwrap())
}

/// Exit code and words of a start that must not succeed.
async fn refusal(home: &Home, text: Option<&str>) -> (i32, String) {
    let config = home.write(free_port());
    if let Some(text) = text {
        std::fs::write(&config, text).unwrap();
    }
    refused(program().arg("serve").arg("--config").arg(&config)).await
}

async fn refused(command: &mut Command) -> (i32, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = until("it refuses", async || child.try_wait().unwrap()).await;
    let mut words = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut words).unwrap();
    (ended.code().unwrap(), words)
}

#[tokio::test]
async fn a_redis_that_forgets_everything() {
    let server = Server::start(&["--appendonly", "no"]);
    let (code, words) = refusal(&home().store(server.url()), None).await;
    assert_eq!(code, 1);
    assert!(words.contains("appendonly no, so a restart loses everything"), "{words}");
    assert!(words.contains("set \"appendonly yes\" in redis.conf"), "{words}");
    assert!(words.contains("store.accept_loss"), "{words}");

    let other = home().store(server.url()).line("store", "accept_loss = [\"lose the last second\"]");
    assert_eq!(refusal(&other, None).await.0, 1, "another loss was accepted");

    let accepted = "accept_loss = [\"lose everything since the last snapshot\"]";
    Node::start(&home().store(server.url()).line("store", accepted)).await;
}

#[tokio::test]
async fn a_redis_that_forgets_the_last_second() {
    let server = Server::start(&["--appendfsync", "everysec"]);
    let (code, words) = refusal(&home().store(server.url()), None).await;
    assert_eq!(code, 1);
    assert!(words.contains("appendfsync everysec, so a power cut loses changes"), "{words}");
    Node::start(&home().store(server.url()).line("store", "accept_loss = [\"lose the last second\"]")).await;
}

#[tokio::test]
async fn a_redis_that_throws_records_away() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let (code, words) = refusal(&home().store(server.url()), None).await;
    assert_eq!(code, 1);
    assert!(words.contains("maxmemory-policy allkeys-lru"), "{words}");
    Node::start(&home().store(server.url()).line("store", "accept_loss = [\"lose records when memory is full\"]"))
        .await;
}

#[tokio::test]
async fn a_redis_that_is_not_there() {
    let (code, words) = refusal(&home().store(format!("redis://127.0.0.1:{}", free_port())), None).await;
    assert_eq!(code, 1);
    assert!(words.contains("the store cannot be reached"), "{words}");
}

#[tokio::test]
async fn clear_text_off_this_machine() {
    let text = home()
        .configuration(8080)
        .replace("issuer = \"http://127.0.0.1:8080\"", "issuer = \"http://login.example.com\"");
    let (code, words) = refusal(&home(), Some(&text)).await;
    assert_eq!(code, 2);
    assert!(words.contains("server.issuer (") && words.contains("line 3)"), "{words}");
    assert!(words.contains("https"), "{words}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written() {
    let home = home();
    std::fs::write(home.path("file"), "no folder").unwrap();
    let path = home.path("file").join("flybridge.db");
    let (code, words) = refusal(&home.store(format!("sqlite:{}", path.display())), None).await;
    assert_eq!(code, 1);
    assert!(words.contains(&path.display().to_string()), "{words}");
    assert!(words.contains("store.url") && words.contains("writable"), "{words}");
}

#[tokio::test]
async fn a_master_key_that_is_too_short() {
    let home = home();
    std::fs::write(home.path("master.key"), "0123456789abcdef").unwrap();
    let (code, words) = refusal(&home, None).await;
    assert_eq!(code, 2);
    assert!(words.contains("keys.master_file (") && words.contains("openssl rand -hex 32"), "{words}");
    assert!(!words.contains("0123456789abcdef"), "{words}");
}

#[tokio::test]
async fn a_key_that_nobody_knows() {
    let home = home().line("workers", "concurency = 3");
    let text = home.configuration(8080);
    let line = text.lines().position(|line| line == "concurency = 3").unwrap() + 1;
    let (code, words) = refusal(&home, Some(&text)).await;
    assert_eq!(code, 2);
    assert!(words.contains("workers.concurency ("), "{words}");
    assert!(words.contains(&format!("line {line})")), "{words}");
    assert!(words.contains("Did you mean") || words.contains("concurrency"), "{words}");
}

#[tokio::test]
async fn the_defaults_are_good() {
    let home = home();
    let text = home.configuration(8080);
    let lines =
        text.lines().filter(|line| !["timeout = \"2 s\"", "lease = \"10 s\"", "poll = \"50 ms\""].contains(line));
    let port = free_port();
    let text = lines.collect::<Vec<_>>().join("\n").replace("8080", &port.to_string());
    let config = home.write(port);
    std::fs::write(&config, text).unwrap();
    let worked = run(&config, &["worker", "--once"]);
    assert!(worked.status.success(), "{}", stderr(&worked));
}

#[tokio::test]
async fn what_needs_no_other_machine_is_said_before_the_start_already() {
    let home = home();
    let good = home.configuration(8080);
    for (from, to, key, part) in [
        ("timeout = \"2 s\"", "timeout = \"5 s\"", "workers.lease", "Make workers.lease longer or mail.smtp"),
        ("security = \"none\"", "ca_file = \"/nowhere/ca.pem\"", "mail.smtp.ca_file", "/nowhere/ca.pem cannot be"),
        ("[keys]", "ca_file = \"/nowhere/ca.pem\"\n[keys]", "store.ca_file", "/nowhere/ca.pem cannot be read"),
        ("<login@flybridge.example>", "<login@127.0.0.1>", "mail.from", "is no address that mail can come from"),
        ("host = \"127.0.0.1\"", "host = \"mail server\"", "mail.smtp.host", "is not the name of a host"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        let (code, words) = refusal(&home, Some(&text)).await;
        assert_eq!(code, 2, "{words}");
        let place = format!("- {key} (");
        assert!(words.contains(&place) && words.contains("flybridge-") && words.contains(part), "{words}");
        let config = home.path("other.toml");
        std::fs::write(&config, &text).unwrap();
        let checked = run(&config, &["check-config"]);
        assert_eq!(checked.status.code(), Some(2));
        assert!(stderr(&checked).contains(&place) && stderr(&checked).contains(part), "{}", stderr(&checked));
    }
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let home = home();
    let node = Node::start(&home).await;
    let (code, words) = refusal(&home, Some(&home.configuration(node.port))).await;
    assert_eq!(code, 1);
    assert!(words.contains(&format!("cannot listen on 127.0.0.1:{}", node.port)), "{words}");
}

#[tokio::test]
async fn a_clock_that_is_far_from_that_of_the_store() {
    let server = Server::start(&[]);
    let home = home().store(server.url());
    let store = home.config(free_port()).store;
    for (off, fits) in [(-120, false), (-20, true), (20, true), (120, false)] {
        let now = SystemClock.now().as_seconds();
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(now + off)));
        let opened = open_store(&store, clock, Arc::new(SeededRandom::new(1))).await;
        assert_eq!(opened.is_ok(), fits, "{off}");
        if let Err(error) = opened {
            assert!(error.to_string().contains("the clocks of this machine and of the store are 1"), "{error}");
        }
    }
}
