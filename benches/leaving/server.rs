//! The real program, as a process of its own: `flybridge serve`, with the settings that it comes with.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flybridge::domain::ids::OrganizationId;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::people::fly_id;

const SECRET: &str = "a secret of sixteen characters and more";
/// Between two looks at the memory, and at whether a run is over.
const LOOK: Duration = Duration::from_millis(20);

/// What is not as in `config.default.toml`.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Another program than the one built here, to compare with.
    pub(crate) program: String,
    /// `workers.concurrency`.
    pub(crate) concurrency: Option<usize>,
}

pub(crate) struct Server {
    child: Child,
    base: String,
    client: Client,
    token: String,
}

impl Server {
    /// Returns once it is ready, and has given a token.
    pub(crate) async fn start(settings: &Settings, folder: &Path, store: &str, smtp: SocketAddr) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("its number").port();
        let file = folder.join("flybridge.toml");
        fs::write(&file, configuration(settings, port, store, smtp)).expect("a configuration");
        let mut command = Command::new(&settings.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FLYBRIDGE_")) {
            command.env_remove(name);
        }
        let command = command.arg("serve").arg("--config").arg(file).stdin(Stdio::null());
        let child = command.spawn().expect("the program");
        let client = Client::builder().no_proxy().build().expect("an HTTP client");
        let mut server = Self { child, base: format!("http://127.0.0.1:{port}"), client, token: String::new() };
        server.ready().await;
        server.token = server.fetch_token().await;
        server
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    async fn ready(&self) {
        let ready = async || {
            let answer = self.client.get(format!("{}/readyz", self.base)).send().await;
            answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
        };
        while !ready().await {
            pause(LOOK).await;
        }
    }

    async fn fetch_token(&self) -> String {
        let form = [("grant_type", "client_credentials")];
        let request = self.client.post(format!("{}/oauth/token", self.base)).basic_auth("bench", Some(SECRET));
        let answer: Value = request.form(&form).send().await.expect("an answer").json().await.expect("a token");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// The wish of the organization's admin, at the word of a client. Gives the address of the run.
    pub(crate) async fn disable(&self, organization: &OrganizationId) -> String {
        let address = format!("{}/api/v1/organizations/{organization}/disable-fly-auth", self.base);
        let body = json!({ "acting_user": { "fly_user_id": fly_id(0) } });
        let request = self.client.post(address).bearer_auth(&self.token).json(&body);
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        answer["run"]["url"].as_str().unwrap_or_else(|| panic!("no run: {answer}")).to_owned()
    }

    /// Returns once the run is over; how many members its ledger counts as mailed.
    pub(crate) async fn wait_until_done(&self, run: &str) -> u64 {
        loop {
            let request = self.client.get(run).bearer_auth(&self.token);
            let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
            if answer["state"] == "done" {
                return answer["totals"]["sent"].as_u64().expect("a number");
            }
            pause(LOOK).await;
        }
    }

    /// As an operator stops it; returns once it has ended.
    pub(crate) fn stop(mut self) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill");
        assert!(told.success() && self.child.wait().expect("it ends").success(), "the server ends well");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(settings: &Settings, port: u16, store: &str, smtp: SocketAddr) -> String {
    let concurrency = settings.concurrency.map(|count| format!("concurrency = {count}")).unwrap_or_default();
    format!(
        r#"
[server]
issuer = "http://127.0.0.1:{port}"
listen = ["127.0.0.1:{port}"]
[store]
url = "{store}"
[keys]
master = ["9f1c3b5d7e2a4c6e8f0b1d3a5c7e9f2b4d6a8c0e1f3b5d7a9c2e4f6b8d0a1c3e"]
[fly]
client_id = "bench"
client_secret = "{SECRET}"
[mail]
from = "Sign-in <login@flybridge.example>"
transport = "smtp"
per_second = 10000
[mail.smtp]
host = "127.0.0.1"
port = {smtp}
security = "none"
[workers]
{concurrency}
[log]
filter = "warn"
[[clients]]
id = "bench"
name = "Bench"
machine_scopes = ["organizations:read", "organizations:disable"]
secret = "{SECRET}"
redirect_uris = ["http://127.0.0.1:1/callback"]
"#,
        smtp = smtp.port()
    )
}

/// The memory of a process over time, looked at from outside.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(Instant, u64)>>,
}

impl Watch {
    pub(crate) fn begin(process: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !told.load(Ordering::Relaxed) {
                seen.push((Instant::now(), resident(process)));
                std::thread::sleep(LOOK);
            }
            seen
        });
        Self { over, thread }
    }

    /// KiB at each look.
    pub(crate) fn end(self) -> Vec<(Instant, u64)> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

/// KiB of a process that are in memory (`proc(5)`, `VmRSS`).
pub(crate) fn resident(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
