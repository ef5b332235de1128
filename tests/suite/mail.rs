//! Mail: what it says, how it is put together, and what every way of failing to send it leads to.

mod content;
mod delivery;
mod folder;
mod refusal;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use flybridge::clock::{ManualClock, Timestamp};
use flybridge::domain::email::EmailAddress;
use flybridge::services::mail::{
    Encryption, Limits, Line, Mailer, Message, MessageId, Sender, SetPassword, SmtpSettings,
};

use super::support::smtp::SmtpSink;

const SENT: Timestamp = Timestamp::from_seconds(1_795_358_268);
const PRIYA: &str = "priya@saltmarsh.example";
const LINK: &str = "https://flybridge.example/set-up/pW3kq8Zr0vTn5yLx2Hc7Jd9Fb4Gm6Sa1";
const TOKEN: &str = "pW3kq8Zr0vTn5yLx2Hc7Jd9Fb4Gm6Sa1";

fn address(text: &str) -> EmailAddress {
    text.parse().unwrap()
}

fn sender() -> Sender {
    Sender { address: address("no-reply@flybridge.example"), name: Line::name("Flybridge"), reply_to: None }
}

/// The set-up mail to this address, with a Message-ID made of `id`.
fn mail_to(to: &str, id: &str) -> Message {
    Message {
        id: MessageId::new(id, "flybridge.example").unwrap(),
        to: address(to),
        to_name: Some(Line::name("Priya Raman")),
        date: SENT,
        list: None,
        parts: SetPassword::sample().render().unwrap(),
    }
}

fn settings(sink: &SmtpSink) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: sink.address().port(),
        encryption: Encryption::Off,
        credentials: None,
        root_certificates: None,
        hello: None,
        connections: 2,
        limits: Limits::default(),
    }
}

/// Limits for a server that is never going to answer.
fn short() -> Limits {
    Limits { connect: Duration::from_secs(1), command: Duration::from_secs(1), whole: Duration::from_secs(3) }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SENT))
}

fn mailer(settings: &SmtpSettings) -> Mailer {
    Mailer::smtp(settings, sender(), clock()).unwrap()
}
