//! The wire to Redis, which breaks at a call that was chosen, before or after Redis did what it asks for; and the process
//! may be killed at that moment.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use redis::Script;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::trip::{Trip, What, When};

/// Which calls count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counting {
    /// Those that name one of these; empty: all but the questions of the connection itself.
    pub(crate) about: Vec<String>,
    pub(crate) commits_only: bool,
}

/// The text of the script that commits.
const COMMIT: &str = include_str!("../../../src/store/redis/commit.lua");

/// The name by which it is called.
fn commit_script() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| Script::new(COMMIT).get_hash().to_owned())
}

struct Armed {
    trip: Trip,
    counting: Counting,
    seen: usize,
    /// Whom to kill.
    process: u32,
}

#[derive(Default)]
struct Shared {
    armed: Mutex<Option<Armed>>,
}

/// It ends when dropped.
pub(crate) struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wire {
    /// To the server at this port.
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let kept = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&kept);
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                        carry(client, server, &shared).await;
                    }
                });
            }
        });
        Self { address, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Breaks at a call, counted from now.
    pub(crate) fn arm(&self, trip: Trip, counting: Counting, process: u32) {
        *self.shared.armed.lock().unwrap() = Some(Armed { trip, counting, seen: 0, process });
    }

    /// Whether it has broken since; it breaks no more.
    pub(crate) fn disarm(&self) -> bool {
        self.shared.armed.lock().unwrap().take().is_none()
    }

    pub(crate) fn struck(&self) -> bool {
        self.shared.armed.lock().unwrap().is_none()
    }
}

impl Shared {
    /// The fault that is meant for this call, if any.
    fn strike(&self, call: &[u8]) -> Option<(Trip, u32)> {
        let mut armed = self.armed.lock().unwrap();
        let waiting = armed.as_mut().filter(|armed| armed.counting.includes(call))?;
        waiting.seen += 1;
        if waiting.seen < waiting.trip.at {
            return None;
        }
        armed.take().map(|armed| (armed.trip, armed.process))
    }
}

impl Counting {
    fn includes(&self, call: &[u8]) -> bool {
        let says = |word: &str| call.windows(word.len()).any(|part| part == word.as_bytes());
        let about = self.about.is_empty() || self.about.iter().any(|word| says(word));
        let commit = || says(commit_script()) || says(COMMIT);
        // By the mark the connection knows that it leads to the same store as before.
        about && (says("EVAL") || says("MGET")) && !says("store/installation") && (!self.commits_only || commit())
    }
}

/// What is to be done with the next answer of the server.
enum Next {
    Pass,
    /// The connection ends, with or without the process.
    End(Option<u32>),
}

async fn carry(client: TcpStream, server: TcpStream, shared: &Shared) {
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (plan, planned) = mpsc::unbounded_channel();
    // Whichever way ends first, the connection ends.
    tokio::select! {
        () = ask(from_client, to_server, (shared, plan)) => {}
        () = answer(from_server, to_client, planned) => {}
    }
}

async fn ask(
    client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    (shared, plan): (&Shared, mpsc::UnboundedSender<Next>),
) {
    let mut client = BufReader::new(client);
    while let Some(call) = message(&mut client).await {
        let next = match shared.strike(&call) {
            None => Next::Pass,
            Some((Trip { when: When::After, what, .. }, process)) => {
                Next::End((what == What::Kill).then_some(process))
            }
            Some((Trip { what, .. }, process)) => return end((what == What::Kill).then_some(process)),
        };
        if plan.send(next).is_err() || server.write_all(&call).await.is_err() {
            return;
        }
    }
}

async fn answer(server: OwnedReadHalf, mut client: OwnedWriteHalf, mut planned: mpsc::UnboundedReceiver<Next>) {
    let mut server = BufReader::new(server);
    while let Some(next) = planned.recv().await {
        let Some(answer) = message(&mut server).await else { return };
        match next {
            Next::End(process) => return end(process),
            Next::Pass => {
                if client.write_all(&answer).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn end(process: Option<u32>) {
    if let Some(process) = process {
        assert!(Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success());
    }
}

/// One whole message of the protocol (RESP), as it came.
async fn message(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut parts = 1;
    while parts > 0 {
        parts -= 1;
        let start = bytes.len();
        if stream.read_until(b'\n', &mut bytes).await.ok()? == 0 {
            return None;
        }
        let line = std::str::from_utf8(&bytes[start..]).ok()?.trim_end();
        let count = || line[1..].parse::<i64>().ok();
        match line.as_bytes().first()? {
            b'*' => parts += count()?.max(0),
            b'$' => {
                // With the end of its line; one that is absent has none.
                if let Ok(length) = usize::try_from(count()?) {
                    let from = bytes.len();
                    bytes.resize(from + length + 2, 0);
                    stream.read_exact(&mut bytes[from..]).await.ok()?;
                }
            }
            _ => {}
        }
    }
    Some(bytes)
}
