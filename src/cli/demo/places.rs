//! The four addresses of the demo.

use std::fs;
use std::path::Path;

use tokio::net::TcpListener;

use crate::cli::start::StartError;
use crate::demo::Links;

const FIRST_PORT: u16 = 4600;
const KEPT: &str = "ports";

/// Open listeners on loopback, and where they are.
pub struct Places {
    pub flybridge: TcpListener,
    pub fly: TcpListener,
    pub sentry: TcpListener,
    pub mailbox: TcpListener,
    pub links: Links,
}

impl Places {
    /// The four ports from `first` on; without it those of the last time, or else free ones. They are kept in the
    /// folder, because browsers and mails know the addresses.
    pub async fn open(first: Option<u16>, data: &Path) -> Result<Self, StartError> {
        let before = read(&data.join(KEPT));
        let (ports, wanted) = match (first, before) {
            (Some(first), _) => (consecutive(first)?, true),
            // Links in mails and Sentry's sessions name these ports: moving would break them without a word.
            (None, Some(before)) => (before, true),
            (None, None) => (consecutive(FIRST_PORT)?, false),
        };
        let mut listeners = Vec::new();
        for port in ports {
            listeners.push(listen(port, wanted).await?);
        }
        let ports: Vec<String> = (listeners.iter())
            .map(|listener| listener.local_addr().map(|address| address.port().to_string()))
            .collect::<Result<_, _>>()
            .map_err(|e| StartError::new("a port cannot be told", e))?;
        let url = |port: &String| format!("http://127.0.0.1:{port}");
        let (Ok([flybridge, fly, sentry, mailbox]), [a, b, c, d]) =
            (<[TcpListener; 4]>::try_from(listeners), &ports[..])
        else {
            return Err(StartError::plain("four ports were not found"));
        };
        let links = Links { flybridge: url(a), fly: url(b), sentry: url(c), mailbox: url(d) };
        Ok(Self { flybridge, fly, sentry, mailbox, links })
    }
}

impl Places {
    /// Writes the ports into the folder.
    pub fn keep(&self, data: &Path) -> Result<(), StartError> {
        let links = &self.links;
        let ports = [&links.flybridge, &links.fly, &links.sentry, &links.mailbox];
        let ports: Vec<&str> = ports.iter().filter_map(|url| url.rsplit(':').next()).collect();
        fs::write(data.join(KEPT), ports.join(" ")).map_err(|e| StartError::new("the ports cannot be kept", e))
    }
}

fn consecutive(first: u16) -> Result<[u16; 4], StartError> {
    let last = first.checked_add(3);
    last.map(|last| [first, first + 1, first + 2, last])
        .ok_or_else(|| StartError::plain("--port leaves no room for three more ports; choose a smaller one"))
}

fn read(path: &Path) -> Option<[u16; 4]> {
    let text = fs::read_to_string(path).ok()?;
    let ports: Vec<u16> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    ports.try_into().ok()
}

/// A port that was asked for must be free; any other may be replaced by one that is.
async fn listen(port: u16, wanted: bool) -> Result<TcpListener, StartError> {
    match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if wanted => {
            let hint = "is the demo running already? Stop it, or choose other ports with --port";
            Err(StartError::new(&format!("port {port} cannot be used ({hint})"), error))
        }
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| StartError::new("no port is free", e)),
    }
}
