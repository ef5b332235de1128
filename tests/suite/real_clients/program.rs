//! One of the programs in `tests/clients`, running: it says in lines of JSON what a browser is to open and what it saw in
//! the end, and reads where the browser came back to.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use aws_lc_rs::digest;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::scene::{POST_LOGOUT, REDIRECT, Registration, SCOPE, SERVICE, Scene};

/// For one step of a program, such as all that it does between two visits of the browser.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    OpenidClient,
    OidcClientTs,
    Authlib,
}

impl Kind {
    pub(super) fn introspects(self) -> bool {
        self != Self::OidcClientTs
    }

    /// oidc-client-ts sends the secret in the body then, however the client is registered.
    pub(super) fn revokes(self, client: &Registration) -> bool {
        self != Self::OidcClientTs || client.token_auth == "client_secret_post"
    }

    fn command(self, installed: &Path) -> Command {
        let node = |name: &str| {
            let mut command = Command::new("node");
            // The programs are found through a link, and their packages beside that link.
            command.args(["--preserve-symlinks", "--preserve-symlinks-main"]);
            command.arg(installed.join("programs").join(name));
            command
        };
        match self {
            Self::OpenidClient => node("openid-client.mjs"),
            Self::OidcClientTs => node("oidc-client-ts.mjs"),
            Self::Authlib => {
                let mut command = Command::new(installed.join("python/bin/python"));
                command.arg(installed.join("programs/authlib_client.py"));
                command
            }
        }
    }
}

/// What a client learned of the person, and what became of its tokens. What a library cannot do is absent.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    /// Of the `id_token`'s signature, which was verified.
    pub(super) algorithm: String,
    /// Those of the `id_token`.
    pub(super) claims: Value,
    pub(super) userinfo: Value,
    /// Those of the `id_token` that came with the refresh.
    pub(super) refreshed: Value,
    /// What access tokens claim that are JWTs: the first, and the one that came with the refresh.
    pub(super) access_token: Option<[Value; 2]>,
    /// Whether the refresh brought another refresh token.
    pub(super) rotated: bool,
    pub(super) introspected: Option<Value>,
    /// After the refresh token was revoked.
    pub(super) introspected_after: Option<Value>,
    /// The error of a refresh with the revoked token.
    pub(super) refusal: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Open(String),
    Seen(Box<Seen>),
}

pub(super) struct Program {
    kind: Kind,
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    errors: PathBuf,
}

impl Program {
    /// Nothing of the environment reaches it but the path, no proxy for one. It ends by itself when its standard input
    /// does, and so with the test process, however that ends.
    pub(super) fn start(kind: Kind, scene: &Scene, client: &Registration) -> Self {
        let errors = scene.fresh_file();
        let mut child = kind
            .command(&installed())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("ISSUER", scene.issuer())
            .env("CLIENT_ID", client.id)
            .env("CLIENT_SECRET", client.secret.unwrap_or_default())
            .env("CLIENT_KEY", if client.secret.is_none() { scene.key() } else { String::new() })
            .env("TOKEN_AUTH", client.token_auth)
            .env("ALGORITHM", client.algorithm)
            .env("USES", client.uses.iter().map(|part| part.name()).collect::<Vec<_>>().join(" "))
            .env("SERVICE", SERVICE)
            .env("SCOPE", SCOPE)
            .env("REDIRECT_URI", REDIRECT)
            .env("POST_LOGOUT_REDIRECT_URI", POST_LOGOUT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{kind:?} does not start: {error}"));
        let (sender, lines) = mpsc::unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            // Nobody may listen any more when a test has failed.
            output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        Self { kind, child, lines, errors }
    }

    /// The address that a browser is to open.
    pub(super) async fn opens(&mut self) -> String {
        match self.next().await {
            Some(Said::Open(url)) => url,
            other => panic!("{:?} opens nothing but says {other:?}\n{}", self.kind, self.complaint()),
        }
    }

    pub(super) fn came_back_at(&mut self, url: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{url}").unwrap();
    }

    /// What it saw, once it has ended well, without a word of warning.
    pub(super) async fn seen(mut self) -> Seen {
        let seen = match self.next().await {
            Some(Said::Seen(seen)) => *seen,
            other => panic!("{:?} saw nothing but says {other:?}\n{}", self.kind, self.complaint()),
        };
        let (status, complaint) = (self.ends().await, self.complaint());
        assert!(status.success() && complaint.is_empty(), "{:?}: {status}\n{complaint}", self.kind);
        seen
    }

    /// Why it ended without having seen anything.
    pub(super) async fn gives_up(mut self) -> String {
        let status = self.ends().await;
        assert!(!status.success(), "{:?} ended well", self.kind);
        self.complaint()
    }

    async fn ends(&mut self) -> ExitStatus {
        if let Some(said) = self.next().await {
            panic!("{:?} goes on and says {said:?}", self.kind);
        }
        self.child.wait().unwrap()
    }

    /// Nothing once it has ended.
    async fn next(&mut self) -> Option<Said> {
        let Ok(line) = tokio::time::timeout(PATIENCE, self.lines.recv()).await else {
            panic!("{:?} said nothing within {PATIENCE:?}\n{}", self.kind, self.complaint());
        };
        line.map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    fn complaint(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the clients are, at the versions of the lock files.
fn installed() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/real-clients");
    let locks = ["package-lock.json", "requirements.txt"];
    let locks = locks.map(|name| std::fs::read(root.join("tests/clients").join(name)).unwrap()).concat();
    let wanted = digest::digest(&digest::SHA256, &locks).as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let stamp = std::fs::read_to_string(folder.join("stamp")).unwrap_or_default();
    assert!(
        stamp.lines().next() == Some(&wanted),
        "the clients of tests/clients are not installed as locked there: run scripts/test (or scripts/real-clients) first"
    );
    folder
}
