//! A mail server that counts, on a thread of its own, and the barest client to find out how much it takes.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What came in.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    pub(crate) mails: usize,
    /// Of whole mails, as they came over the wire.
    pub(crate) bytes: usize,
    /// People who got their first mail, and when the last of them got it.
    pub(crate) people: usize,
    pub(crate) last: Option<Instant>,
}

struct Shared {
    tally: watch::Sender<Tally>,
    seen: Mutex<HashSet<String>>,
    /// One of the mails, with its final dot.
    sample: Mutex<Vec<u8>>,
}

pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Sink {
    /// Its thread ends with this process.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        listener.set_nonblocking(true).expect("a socket for tokio");
        let shared =
            Arc::new(Shared { tally: watch::Sender::default(), seen: Mutex::default(), sample: Mutex::default() });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
            runtime.block_on(accept(listener, &served));
        });
        Self { address, shared }
    }

    /// Returns once so many people got a mail, and so many mails came in.
    pub(crate) async fn wait_for(&self, people: usize, mails: usize) -> Tally {
        let mut tally = self.shared.tally.subscribe();
        let there = tally.wait_for(|tally| tally.people >= people && tally.mails >= mails).await;
        there.expect("the sink lives as long as this process").clone()
    }

    pub(crate) fn sample(&self) -> Vec<u8> {
        self.shared.sample.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: std::net::TcpListener, shared: &Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(shared);
        tokio::spawn(async move { serve(stream, &shared).await });
    }
}

/// The conversation without pipelining: every command waits for the answer before it.
async fn serve(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    stream.write_all(b"220 sink.example ESMTP\r\n").await.ok()?;
    let (mut recipient, mut received) = (String::new(), Vec::with_capacity(64 * 1024));
    loop {
        received.clear();
        read_until(&mut stream, &mut received, b"\r\n").await?;
        let line = str::from_utf8(&received).ok()?.trim_end();
        let answer: &[u8] = match line.split([' ', ':']).next()? {
            "EHLO" => b"250-sink.example\r\n250 8BITMIME\r\n",
            "RCPT" => {
                line.clone_into(&mut recipient);
                b"250 2.1.5 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go ahead\r\n").await.ok()?;
                received.clear();
                read_until(&mut stream, &mut received, b"\r\n.\r\n").await?;
                shared.keep(&recipient, &received);
                b"250 2.0.0 ok: queued as 4b7c2f90d1\r\n"
            }
            _ => b"250 2.0.0 ok\r\n",
        };
        stream.write_all(answer).await.ok()?;
    }
}

/// Reads what comes until it ends so; the client waits for its answer then. None when it has hung up.
async fn read_until(stream: &mut TcpStream, received: &mut Vec<u8>, end: &[u8]) -> Option<()> {
    while !received.ends_with(end) {
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
    Some(())
}

impl Shared {
    fn keep(&self, recipient: &str, mail: &[u8]) {
        let mut sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        if sample.is_empty() {
            mail.clone_into(&mut sample);
        }
        let new = self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(recipient.to_owned());
        self.tally.send_modify(|tally| {
            tally.mails += 1;
            tally.bytes += mail.len();
            if new {
                tally.people += 1;
                tally.last = Some(Instant::now());
            }
        });
    }
}

/// Mails a second of this size into a sink of its own, over so many connections, by a client that does nothing else.
#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
pub(crate) async fn capacity(mail: &[u8], connections: usize, span: Duration) -> f64 {
    let sink = Sink::start();
    let start = Instant::now();
    let clients = (0..connections).map(|_| send_for(sink.address, mail.to_vec(), start, span));
    let tasks: Vec<_> = clients.map(tokio::spawn).collect();
    let mut sent = 0;
    for task in tasks {
        sent += task.await.expect("no panic").expect("a conversation");
    }
    sent as f64 / start.elapsed().as_secs_f64()
}

async fn send_for(address: SocketAddr, mail: Vec<u8>, start: Instant, span: Duration) -> std::io::Result<usize> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let commands: [&[u8]; 4] =
        [b"MAIL FROM:<login@flybridge.example>\r\n", b"RCPT TO:<person@customer.fly.io>\r\n", b"DATA\r\n", &mail];
    let mut sent = 0;
    while start.elapsed() < span {
        for command in commands {
            stream.get_mut().write_all(command).await?;
            line.clear();
            stream.read_line(&mut line).await?;
            assert!(line.starts_with(['2', '3']), "{line}");
        }
        sent += 1;
    }
    Ok(sent)
}
