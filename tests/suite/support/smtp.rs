//! A mail server that keeps every mail and fails on demand, over real TCP on loopback.

pub(crate) mod certificate;
mod session;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where in the conversation a [`Step`] happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    /// The DATA command.
    Data,
    /// After DATA was granted, before any content is read.
    Content,
    /// The final dot has come.
    Dot,
}

/// What the server does instead of going on.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers this, such as `550 5.1.1 no such user`.
    Answer(&'static str),
    /// Hangs up.
    Drop,
    /// Waits for [`SmtpSink::release`], then goes on as if nothing had been.
    Hold,
}

/// One deviation: where and what.
#[derive(Debug, Clone)]
pub(crate) struct Step(pub(crate) At, pub(crate) Act);

/// A mail that came in whole.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Counts connections from 1.
    pub(crate) connection: usize,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// As before dot-stuffing.
    pub(crate) data: Vec<u8>,
    /// Whether the client was told that it is taken; if not, it has to come again.
    pub(crate) accepted: bool,
    pub(crate) encrypted: bool,
    /// What AUTH PLAIN carried, if anything.
    pub(crate) credentials: Option<String>,
}

#[derive(Default)]
struct Script {
    /// For one recipient: each attempt at it takes the next, and the last one stays if it is to be kept.
    recipients: HashMap<String, VecDeque<(Step, bool)>>,
    connections: VecDeque<(Step, bool)>,
}

struct Shared {
    script: Mutex<Script>,
    messages: watch::Sender<Vec<Received>>,
    released: watch::Sender<bool>,
    holding: watch::Sender<usize>,
    connections: Mutex<usize>,
    features: Vec<&'static str>,
    tls: Option<Arc<rustls::ServerConfig>>,
    implicit: bool,
}

/// The server; it stops when dropped.
pub(crate) struct SmtpSink {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpSink {
    /// A server without TLS that offers AUTH.
    pub(crate) async fn start() -> Self {
        Self::start_with(&["AUTH PLAIN LOGIN", "8BITMIME"], None, false).await
    }

    /// `features` are the lines of the EHLO answer; `implicit` wants TLS from the first byte.
    pub(crate) async fn start_with(
        features: &[&'static str],
        tls: Option<Arc<rustls::ServerConfig>>,
        implicit: bool,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::default(),
            messages: watch::channel(vec![]).0,
            released: watch::channel(false).0,
            holding: watch::channel(0).0,
            connections: Mutex::new(0),
            features: features.to_vec(),
            tls,
            implicit,
        });
        let served = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&served);
                sessions.spawn(async move {
                    let number = {
                        let mut connections = shared.connections.lock().unwrap();
                        *connections += 1;
                        *connections
                    };
                    let _ = session::serve(stream, number, &shared).await;
                });
            }
        });
        Self { address, shared, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next attempt at `recipient` meets this step.
    pub(crate) fn script(&self, recipient: &str, step: Step) {
        let mut script = self.shared.script.lock().unwrap();
        script.recipients.entry(recipient.to_owned()).or_default().push_back((step, false));
    }

    /// Every further attempt at `recipient` meets this step.
    pub(crate) fn script_always(&self, recipient: &str, step: Step) {
        let mut script = self.shared.script.lock().unwrap();
        script.recipients.entry(recipient.to_owned()).or_default().push_back((step, true));
    }

    /// The next time a conversation gets there, whoever it is about, this step happens.
    pub(crate) fn script_any(&self, step: Step) {
        self.shared.script.lock().unwrap().connections.push_back((step, false));
    }

    /// Like [`Self::script_any`], until [`Self::mend`].
    pub(crate) fn script_any_always(&self, step: Step) {
        self.shared.script.lock().unwrap().connections.push_back((step, true));
    }

    /// Forgets all steps.
    pub(crate) fn mend(&self) {
        *self.shared.script.lock().unwrap() = Script::default();
    }

    /// Lets go of whatever [`Act::Hold`] holds now or later.
    pub(crate) fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Returns once `count` conversations are held.
    pub(crate) async fn wait_for_held(&self, count: usize) {
        self.shared.holding.subscribe().wait_for(|held| *held >= count).await.unwrap();
    }

    /// All mails so far, in the order their final dots came in.
    pub(crate) fn messages(&self) -> Vec<Received> {
        self.shared.messages.borrow().clone()
    }

    /// Returns once `count` mails came in.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        self.shared.messages.subscribe().wait_for(|all| all.len() >= count).await.unwrap().clone()
    }

    /// Connections that were made so far.
    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }
}

impl Shared {
    fn take(queue: &mut VecDeque<(Step, bool)>, at: At) -> Option<Act> {
        let index = queue.iter().position(|(step, _)| step.0 == at)?;
        let (step, keep) = queue[index].clone();
        if !keep {
            queue.remove(index);
        }
        Some(step.1)
    }

    fn next(&self, at: At, recipients: &[String]) -> Option<Act> {
        let mut script = self.script.lock().unwrap();
        for recipient in recipients {
            // Only the first step of a recipient counts: one attempt, one step.
            if let Some(queue) = script.recipients.get_mut(recipient)
                && queue.front().is_some_and(|(step, _)| step.0 == at)
            {
                return Self::take(queue, at);
            }
        }
        Self::take(&mut script.connections, at)
    }
}
