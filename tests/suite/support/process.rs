//! The real program as a process of its own: started with a configuration file, killed, terminated, started again.

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use flybridge::clock::{Clock, SystemClock};
use flybridge::config::Config;
use flybridge::random::SystemRandom;
use flybridge::store::Store;
use tempfile::TempDir;

use super::memory::folder;
use super::ports::free_port;
pub(crate) use super::waiting::{soon, until};

/// 32 bytes in hexadecimal.
pub(crate) const MASTER_KEY: &str = "6d5f0c2a9be84417a3d0e1f26c58b7943fa1d29e07c6b5483e2d1f90a8b7c6d5";
/// The registration at Fly.io.
pub(crate) const FLY_ID: &str = "flybridge-at-fly";
pub(crate) const FLY_SECRET: &str = "kestrel-7f3a90bd51c24e86-fly";
/// A relying party as the OpenID Connect plug-in of Sentry.
pub(crate) const OIDC_CLIENT: &str = "sentry-oidc";
pub(crate) const OIDC_SECRET: &str = "plover-4c81e7f02ad95b36-oidc";
/// A relying party as Sentry's Fly.io provider.
pub(crate) const FLY_CLIENT: &str = "sentry-fly";
pub(crate) const FLY_CLIENT_SECRET: &str = "dunlin-b26e94d8c0735fa1-fly";
/// Nobody listens there; the tests read where a browser would be sent.
pub(crate) const REDIRECT: &str = "https://sentry.example.com/auth/sso/";

/// A folder with a configuration and a master key; nodes that share it share their log as well.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) store: String,
    /// Another address of the store, by which nodes reach it.
    way: Option<String>,
    smtp: SocketAddr,
    /// How it is spoken to: `mail.smtp.security`.
    security: &'static str,
    fly: String,
    issuer: Option<String>,
    /// How long a mail may take, and how long a worker has a job.
    patience: [&'static str; 2],
    lines: Vec<(&'static str, String)>,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Home {
    /// On SQLite in the folder, with Fly.io out of reach.
    pub(crate) fn new(smtp: SocketAddr) -> Self {
        Self::at(tempfile::tempdir().unwrap(), smtp)
    }

    /// The same where no disk keeps anybody waiting, for small stores.
    pub(crate) fn in_memory(smtp: SocketAddr) -> Self {
        Self::at(folder(), smtp)
    }

    fn at(folder: TempDir, smtp: SocketAddr) -> Self {
        std::fs::write(folder.path().join("master.key"), MASTER_KEY).unwrap();
        let store = format!("sqlite:{}", folder.path().join("flybridge.db").display());
        let fly = "http://127.0.0.1:9".to_owned();
        Self {
            folder,
            store,
            way: None,
            smtp,
            security: "none",
            fly,
            issuer: None,
            patience: ["2 s", "10 s"],
            lines: vec![],
            environment: vec![],
        }
    }

    /// For a test in which no mail may fail because the machine is slow.
    pub(crate) fn patient(mut self) -> Self {
        self.patience = ["1 min", "5 min"];
        self
    }

    /// Known under another address than its own.
    pub(crate) fn issuer(mut self, url: String) -> Self {
        self.issuer = Some(url);
        self
    }

    pub(crate) fn store(mut self, url: impl Into<String>) -> Self {
        self.store = url.into();
        self
    }

    /// Nodes reach the store in this way, and tests as before.
    pub(crate) fn way(mut self, url: String) -> Self {
        self.way = Some(url);
        self
    }

    pub(crate) fn fly(mut self, url: &str) -> Self {
        url.clone_into(&mut self.fly);
        self
    }

    /// Nodes are started with these in their environment.
    pub(crate) fn environment(mut self, variables: impl IntoIterator<Item = (&'static str, PathBuf)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Mail leaves encrypted.
    pub(crate) fn starttls(mut self) -> Self {
        self.security = "starttls";
        self
    }

    /// One more line in a section, or for the OpenID Connect plug-in (`oidc client`).
    pub(crate) fn line(mut self, section: &'static str, line: impl Into<String>) -> Self {
        self.lines.push((section, line.into()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn more(&self, section: &str) -> String {
        let lines = self.lines.iter().filter(|(place, _)| *place == section);
        lines.fold(String::new(), |text, (_, line)| text + line + "\n")
    }

    /// The text of a configuration for a node on `port`.
    pub(crate) fn configuration(&self, port: u16) -> String {
        self.text(port, self.way.as_ref().unwrap_or(&self.store))
    }

    fn text(&self, port: u16, store: &str) -> String {
        let Self { fly, security, patience: [timeout, lease], .. } = self;
        // Further ones, each with all of its lines.
        let clients = self.more("clients");
        let issuer = self.issuer.clone().unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
        let master = self.path("master.key").display().to_string();
        let (server, smtp) = (self.more("server"), self.more("mail.smtp"));
        let (stores, workers, log) = (self.more("store"), self.more("workers"), self.more("log"));
        let (mail_port, oidc_client) = (self.smtp.port(), self.more("oidc client"));
        format!(
            r#"
[server]
issuer = "{issuer}"
listen = ["127.0.0.1:{port}"]
{server}
[store]
url = "{store}"
{stores}
[keys]
master_file = "{master}"
[fly]
client_id = "{FLY_ID}"
client_secret = "{FLY_SECRET}"
authorize_url = "{fly}/oauth/authorize"
token_url = "{fly}/oauth/token"
token_info_url = "{fly}/oauth/token/info"
[mail]
from = "Sign-in <login@flybridge.example>"
transport = "smtp"
per_second = 10000
reminders = []
[mail.smtp]
host = "127.0.0.1"
port = {mail_port}
security = "{security}"
timeout = "{timeout}"
{smtp}
[workers]
poll = "50 ms"
lease = "{lease}"
{workers}
[log]
{log}
[[clients]]
id = "{OIDC_CLIENT}"
name = "Sentry"
preset = "sentry-oidc"
secret = "{OIDC_SECRET}"
redirect_uris = ["{REDIRECT}"]
{oidc_client}
[[clients]]
id = "{FLY_CLIENT}"
name = "Sentry"
preset = "sentry-fly"
secret = "{FLY_CLIENT_SECRET}"
redirect_uris = ["{REDIRECT}"]
{clients}
"#
        )
    }

    /// Writes the configuration for `port` and gives its path.
    pub(crate) fn write(&self, port: u16) -> PathBuf {
        let path = self.path(&format!("flybridge-{port}.toml"));
        std::fs::write(&path, self.configuration(port)).unwrap();
        path
    }

    /// The same configuration as the program reads it.
    pub(crate) fn config(&self, port: u16) -> Config {
        Config::from_text(&self.configuration(port), "flybridge.toml", []).unwrap()
    }

    /// The store of the nodes, from outside.
    pub(crate) async fn open_store(&self) -> Store {
        let config = Config::from_text(&self.text(free_port(), &self.store), "flybridge.toml", []).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        flybridge::cli::open_store(&config.store, clock, Arc::new(SystemRandom::default())).await.unwrap()
    }

    /// Everything that the nodes wrote to their log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Runs a command to its end, with `--config` behind its first word.
    pub(crate) fn command(&self, words: &[&str]) -> Output {
        let path = self.write(free_port());
        run(&path, words)
    }
}

/// Runs `flybridge <first word> --config <path> <other words>` to its end.
pub(crate) fn run(config: &Path, words: &[&str]) -> Output {
    let mut command = program();
    command.arg(words[0]).arg("--config").arg(config).args(&words[1..]);
    command.output().unwrap()
}

/// The program with nothing in its environment that could change its configuration.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flybridge"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLYBRIDGE_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A running `flybridge serve`.
pub(crate) struct Node {
    pub(crate) port: u16,
    config: PathBuf,
    log: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
    process: Option<Process>,
}

impl Node {
    /// Returns once the node is ready. Another program may take the port first; then it is tried with another one.
    pub(crate) async fn start(home: &Home) -> Self {
        for _ in 0..5 {
            let port = free_port();
            let config = home.write(port);
            let environment = home.environment.clone();
            let mut node = Self { port, config, log: home.path("log"), environment, process: None };
            if node.launch().await {
                return node;
            }
        }
        panic!("five free ports were taken in a row");
    }

    /// Starts again what was killed, on the same port.
    pub(crate) async fn restart(&mut self) {
        assert!(self.launch().await, "the port {} was taken meanwhile", self.port);
    }

    /// `false` when the port was taken.
    async fn launch(&mut self) -> bool {
        let before = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = program();
        command.arg("serve").arg("--config").arg(&self.config).envs(self.environment.iter().cloned());
        let mut process = Process::start(&mut command, log);
        let ready = until("the node is ready", async || {
            if let Some(status) = process.child.try_wait().unwrap() {
                let log = std::fs::read(&self.log).unwrap();
                let log = String::from_utf8_lossy(&log[usize::try_from(before).unwrap()..]).into_owned();
                assert!(log.contains("cannot listen on"), "{status}: {log}");
                return Some(false);
            }
            (self.readyz().await? == 200).then_some(true)
        });
        let ready = ready.await;
        self.process = ready.then_some(process);
        ready
    }

    /// The status of `/readyz`; none when nobody answers.
    async fn readyz(&self) -> Option<u16> {
        let answer = http().get(self.url("/readyz")).send().await.ok()?;
        Some(answer.status().as_u16())
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.readyz().await == Some(200)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().unwrap().child.id()
    }

    /// SIGTERM, SIGSTOP, SIGCONT.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Returns once the process has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let process = self.process.as_mut().unwrap();
        until("the process ends", async || process.child.try_wait().unwrap()).await
    }

    /// Whether somebody still takes connections.
    pub(crate) fn listens(&self) -> bool {
        TcpStream::connect(self.address()).is_ok()
    }
}

/// A child that is killed with its owner, and by a guard if the whole test process goes first.
struct Process {
    child: Child,
    guard: Child,
}

impl Process {
    fn start(command: &mut Command, log: File) -> Self {
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        // Its standard input ends with the test process, however that ends.
        let guard = Command::new("sh")
            .args(["-c", "cat >/dev/null; kill -9 $0", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, guard }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard first: once the child is waited for, its number may be given to another process.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that follows no redirects and speaks to this machine only.
pub(crate) fn http() -> reqwest::Client {
    // Another test may have installed the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.timeout(Duration::from_secs(30)).build().unwrap()
}
