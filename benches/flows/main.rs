//! How much a second, and at what cost, against a bare axum handler in the same run: `cargo bench --bench flows`.
//!
//! A full flow is authorize with a session, token with an `id_token` (ES256), and userinfo: three requests over
//! loopback. All else is one request: a refresh, which uses up a token for the next and signs an `id_token`; userinfo,
//! introspection, the discovery document, the key set. The server is a process of its own, so that its CPU time can be told
//! apart from the load's; both share the machine, so only the ratios mean something.
//!
//! Options: `--seconds N` for each measurement (5), `--callers N` at the same time (16), `--only OPERATION`.
#![expect(clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring program")]

#[path = "../common/cpu.rs"]
mod cpu;
mod load;
#[path = "../common/redis.rs"]
mod redis;
mod server;

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use load::{Measured, Operation, Target};
use redis::Redis;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let Some(kind) = value("--server") {
        runtime.block_on(server::run(&kind, value("--redis").as_deref()));
        return;
    }
    let seconds = value("--seconds").and_then(|text| text.parse().ok()).unwrap_or(5);
    let callers = value("--callers").and_then(|text| text.parse().ok()).unwrap_or(16);
    let only = value("--only");
    let wanted = |operation: &Operation| only.as_deref().is_none_or(|name| name == operation.name());
    let operations: Vec<Operation> = Operation::ALL.into_iter().filter(wanted).collect();
    runtime.block_on(measure_all(&operations, Duration::from_secs(seconds), callers));
}

async fn measure_all(operations: &[Operation], span: Duration, callers: usize) {
    println!("{callers} callers, {} s each; rates per second, server CPU per operation", span.as_secs());
    let bare = measure(&Server::start("bare", None), Operation::Bare, span, callers).await;
    report("bare axum handler, one request", &bare);
    let sqlite = Server::start("sqlite", None);
    for operation in operations {
        let measured = measure(&sqlite, *operation, span, callers).await;
        compare(*operation, "SQLite (synchronous=FULL)", &measured, &bare);
    }
    drop(sqlite);
    let Some(redis) = Redis::start() else {
        println!("on Redis: redis-server is not installed, so not measured");
        return;
    };
    let server = Server::start("redis", Some(&redis.url));
    for operation in operations {
        let measured = measure(&server, *operation, span, callers).await;
        compare(*operation, "Redis (appendfsync always)", &measured, &bare);
    }
}

async fn measure(server: &Server, operation: Operation, span: Duration, callers: usize) -> Measured {
    // A warm-up fills caches and opens connections.
    load::run(&server.target, operation, Duration::from_secs(1), callers, server.child.id()).await;
    load::run(&server.target, operation, span, callers, server.child.id()).await
}

fn report(what: &str, measured: &Measured) {
    print!("{what}: {:.0}/s, {:.0} us of server CPU", measured.rate(), micros(measured));
    println!("{}", if measured.failed == 0 { String::new() } else { format!(", {} FAILED", measured.failed) });
}

/// With the same work as requests to the bare handler: how many as fast, and at how many times the cost.
fn compare(operation: Operation, store: &str, measured: &Measured, bare: &Measured) {
    let requests = f64::from(operation.requests());
    let (rate, cost) = (measured.rate() * requests / bare.rate(), micros(measured) / requests / micros(bare));
    report(&format!("{} on {store}", operation.name()), measured);
    println!("    of the bare handler by requests: {rate:.3} of the rate, {cost:.1} times the CPU");
}

fn micros(measured: &Measured) -> f64 {
    measured.cpu_per_operation().as_secs_f64() * 1e6
}

/// A server in a process of its own, stopped when dropped.
struct Server {
    child: Child,
    target: Target,
}

impl Server {
    fn start(kind: &str, redis: Option<&str>) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.args(["--server", kind]).stdout(Stdio::piped());
        if let Some(redis) = redis {
            command.args(["--redis", redis]);
        }
        let mut child = command.spawn().expect("a child process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its first line");
        Self { child, target: serde_json::from_str(&line).expect("where the server is") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
