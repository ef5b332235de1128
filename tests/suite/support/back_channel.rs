//! Where a client hears of sign-outs: a server on loopback that answers what a test tells it to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What it does with a request it has read.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Status(u16),
    /// 307 to this address.
    Redirect(String),
    /// 200, and a body that goes on as long as somebody reads it.
    Flood,
    /// Closes the connection.
    Drop,
    /// Nothing until [`Receiver::release`], then 200.
    Hang,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// `POST /path HTTP/1.1` and the header fields, in lower case.
    pub(crate) head: String,
    pub(crate) token: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    fn part(&self, index: usize) -> Value {
        let part = self.token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    /// The header of the token.
    pub(crate) fn jose(&self) -> Value {
        self.part(0)
    }

    /// What the token claims; its signature is not looked at.
    pub(crate) fn claims(&self) -> Value {
        self.part(1)
    }

    /// The value of a claim that is text.
    pub(crate) fn claim(&self, name: &str) -> String {
        self.claims()[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.claims())).to_owned()
    }

    /// The same, verified with the published key that the token names.
    pub(crate) fn verified(&self, keys: &JwkSet) -> Value {
        let header = jsonwebtoken::decode_header(&self.token).unwrap();
        let key = keys.find(header.kid.as_deref().unwrap()).expect("a published key");
        let mut validation = Validation::new(header.alg);
        // The library asks the system for the time, and here it is that of the test.
        validation.validate_exp = false;
        validation.validate_aud = false;
        decode::<Value>(&self.token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
    }
}

/// The whole of it. The server ends with the test.
pub(crate) struct Receiver {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    acts: Mutex<VecDeque<Act>>,
    heard: Mutex<Vec<Heard>>,
    /// How many requests came.
    count: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/backchannel_logout", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            acts: Mutex::default(),
            heard: Mutex::default(),
            count: watch::Sender::new(0),
            released: watch::Sender::new(false),
        });
        let serving = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(connection));
            }
        });
        Self { url, inner }
    }

    /// What it does next, in this order; afterwards it answers 200.
    pub(crate) fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.inner.acts.lock().unwrap().extend(acts);
    }

    /// What came since the last call.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.inner.heard.lock().unwrap())
    }

    /// The one request that came since the last call.
    #[track_caller]
    pub(crate) fn one(&self) -> Heard {
        let mut heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }

    /// Until so many requests came in all.
    pub(crate) async fn wait_for(&self, count: usize) {
        self.inner.count.subscribe().wait_for(|come| *come >= count).await.unwrap();
    }

    /// Answers whoever was kept waiting.
    pub(crate) fn release(&self) {
        self.inner.released.send_replace(true);
    }
}

impl Inner {
    async fn serve(self: Arc<Self>, mut connection: TcpStream) {
        let Some(heard) = read(&mut connection).await else { return };
        self.heard.lock().unwrap().push(heard);
        let act = self.acts.lock().unwrap().pop_front().unwrap_or(Act::Status(200));
        self.count.send_modify(|count| *count += 1);
        let answer = match act {
            Act::Status(status) => format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
            Act::Redirect(to) => format!("HTTP/1.1 307 x\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
            Act::Flood => {
                let mut more = b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n".to_vec();
                more.resize(64 * 1024, b'x');
                while connection.write_all(&more).await.is_ok() {}
                return;
            }
            Act::Drop => return,
            Act::Hang => {
                self.released.subscribe().wait_for(|released| *released).await.unwrap();
                "HTTP/1.1 200 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
            }
        };
        let _ = connection.write_all(answer.as_bytes()).await;
    }
}

/// One request with a body; none when it did not come whole.
async fn read(connection: &mut TcpStream) -> Option<Heard> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
            if body.len() >= length {
                let mut fields = url::form_urlencoded::parse(body.as_bytes());
                let (name, token) = fields.next()?;
                assert_eq!((&*name, fields.next()), ("logout_token", None), "{body}");
                return Some(Heard { head, token: token.into_owned() });
            }
        }
        let mut more = [0; 4096];
        let count = connection.read(&mut more).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&more[..count]);
    }
}
