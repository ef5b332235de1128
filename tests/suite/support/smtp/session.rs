//! One connection to the sink.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};

use super::{Act, At, Received, Shared};

/// The conversation ends here, on purpose.
pub(super) struct HangUp;

impl From<std::io::Error> for HangUp {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

struct Session<'a> {
    stream: BufReader<Box<dyn Stream>>,
    shared: &'a Shared,
    number: usize,
    encrypted: bool,
    credentials: Option<String>,
    from: String,
    to: Vec<String>,
}

pub(super) async fn serve(stream: tokio::net::TcpStream, number: usize, shared: &Shared) -> Result<(), HangUp> {
    let stream: Box<dyn Stream> =
        if shared.implicit { encrypt(Box::new(stream), shared).await? } else { Box::new(stream) };
    let mut session = Session {
        stream: BufReader::new(stream),
        shared,
        number,
        encrypted: shared.implicit,
        credentials: None,
        from: String::new(),
        to: vec![],
    };
    session.reply(At::Greeting, "220 sink.example ESMTP").await?;
    loop {
        let line = session.line().await?;
        let verb = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => session.ehlo().await?,
            "STARTTLS" => {
                if session.reply(At::StartTls, "220 go ahead").await? {
                    session.stream = BufReader::new(encrypt(session.stream.into_inner(), shared).await?);
                    session.encrypted = true;
                }
            }
            "AUTH" => {
                session.credentials = line.split(' ').nth(2).map(str::to_owned);
                session.reply(At::Auth, "235 2.7.0 welcome").await?;
            }
            "MAIL" => {
                session.to.clear();
                session.from = address(&line);
                session.reply(At::Mail, "250 2.1.0 ok").await?;
            }
            "RCPT" => {
                session.to.push(address(&line));
                if !session.reply(At::Rcpt, "250 2.1.5 ok").await? {
                    session.to.pop();
                }
            }
            "DATA" => session.data().await?,
            "RSET" => {
                session.to.clear();
                session.say("250 2.0.0 ok").await?;
            }
            "NOOP" => session.say("250 2.0.0 ok").await?,
            "QUIT" => {
                session.say("221 2.0.0 bye").await?;
                return Ok(());
            }
            _ => session.say("500 5.5.2 what?").await?,
        }
    }
}

async fn encrypt(stream: Box<dyn Stream>, shared: &Shared) -> Result<Box<dyn Stream>, HangUp> {
    let Some(config) = &shared.tls else {
        // Only after the client's first TLS record, or this would pass for one more answer in clear; and without
        // hanging up, or the client might see that first.
        let mut stream = stream;
        let mut hello = [0; 1024];
        if stream.read(&mut hello).await? == 0 {
            return Err(HangUp);
        }
        stream.write_all(b"554 this is no TLS, whatever was promised\r\n").await?;
        while stream.read(&mut hello).await? > 0 {}
        return Err(HangUp);
    };
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(config));
    Ok(Box::new(acceptor.accept(stream).await?))
}

impl Session<'_> {
    async fn line(&mut self) -> Result<String, HangUp> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 { Err(HangUp) } else { Ok(line.trim_end().to_owned()) }
    }

    async fn say(&mut self, line: &str) -> Result<(), HangUp> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Says `usual` unless the script has something else; `true` if it did say so.
    async fn reply(&mut self, at: At, usual: &str) -> Result<bool, HangUp> {
        match self.shared.next(at, &self.to) {
            None => self.say(usual).await.map(|()| true),
            Some(Act::Hold) => {
                self.hold().await;
                self.say(usual).await.map(|()| true)
            }
            Some(Act::Answer(line)) => {
                self.say(line).await?;
                if line.starts_with("421") { Err(HangUp) } else { Ok(false) }
            }
            Some(Act::Drop) => Err(HangUp),
        }
    }

    async fn hold(&self) {
        self.shared.holding.send_modify(|held| *held += 1);
        let _ = self.shared.released.subscribe().wait_for(|released| *released).await;
    }

    async fn ehlo(&mut self) -> Result<(), HangUp> {
        let mut lines = vec!["sink.example"];
        lines.extend(self.shared.features.iter().filter(|line| !(self.encrypted && **line == "STARTTLS")));
        let last = lines.len() - 1;
        let text: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(i, line)| format!("250{}{line}", if i == last { " " } else { "-" }))
            .collect();
        self.reply(At::Ehlo, &text.join("\r\n")).await.map(drop)
    }

    async fn data(&mut self) -> Result<(), HangUp> {
        if self.to.is_empty() {
            return self.say("503 5.5.1 no recipient").await;
        }
        if !self.reply(At::Data, "354 go ahead").await? {
            return Ok(());
        }
        match self.shared.next(At::Content, &self.to) {
            Some(Act::Drop) => return Err(HangUp),
            Some(Act::Hold) => self.hold().await,
            Some(Act::Answer(_)) => panic!("nothing can be answered before the final dot"),
            None => {}
        }
        let data = self.content().await?;
        let act = self.shared.next(At::Dot, &self.to);
        let accepted = matches!(act, None | Some(Act::Hold));
        self.keep(data, accepted);
        match act {
            Some(Act::Drop) => return Err(HangUp),
            Some(Act::Answer(line)) => self.say(line).await?,
            Some(Act::Hold) => {
                self.hold().await;
                self.say("250 2.0.0 ok").await?;
            }
            None => self.say(&format!("250 2.0.0 ok: queued as {}", self.shared.messages.borrow().len())).await?,
        }
        self.to.clear();
        Ok(())
    }

    async fn content(&mut self) -> Result<Vec<u8>, HangUp> {
        let mut data = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Err(HangUp);
            }
            assert!(line.ends_with(b"\r\n"), "every line ends with CR LF");
            if line == b".\r\n" {
                return Ok(data);
            }
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    fn keep(&self, data: Vec<u8>, accepted: bool) {
        let message = Received {
            connection: self.number,
            from: self.from.clone(),
            to: self.to.clone(),
            data,
            accepted,
            encrypted: self.encrypted,
            credentials: self.credentials.clone(),
        };
        self.shared.messages.send_modify(|all| all.push(message));
    }
}

fn address(line: &str) -> String {
    let (_, rest) = line.split_once('<').expect("an address in angle brackets");
    rest.split_once('>').expect("an address in angle brackets").0.to_owned()
}
