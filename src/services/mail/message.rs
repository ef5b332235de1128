//! One mail to one person, and the bytes it becomes.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use super::line::{Line, one_line};
use super::parts::Parts;
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::ids::Slug;

/// Why a text is not a message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a message id has 1 to 120 characters out of a-z, A-Z, 0-9, '-', '_' and single inner dots before the @, and a domain name of at most 100 after it"
)]
pub struct MessageIdError;

/// `Message-ID` without its angle brackets (RFC 5322, section 3.6.4). The caller derives it from the cause of the mail,
/// so that a repeat is the same message to every mail program. Also fit to be a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// # Errors
    /// When a part has characters that would need quoting.
    pub fn new(local: &str, domain: &str) -> Result<Self, MessageIdError> {
        let plain = |text: &str| {
            text.split('.').all(|atom| {
                !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            })
        };
        let fits = local.len() <= 120 && domain.len() <= 100;
        if fits && plain(local) && plain(domain) {
            Ok(Self(format!("{local}@{domain}")))
        } else {
            Err(MessageIdError)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `List-Id` (RFC 2919): lets people sort the mails of one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListId(String);

impl ListId {
    /// `name` is the organization's, `domain` that of this installation.
    #[must_use]
    pub fn new(name: &Line, slug: &Slug, domain: &str) -> Self {
        // The name is a phrase in front of the id: what structures a header there is left out rather than quoted.
        let phrase: String =
            name.as_str().chars().map(|c| if r#"<>()[]:;@\,.""#.contains(c) { ' ' } else { c }).collect();
        let host: String = domain.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '.').collect();
        Self(one_line(&format!("{phrase} <{slug}.{host}>"), usize::MAX))
    }
}

/// Who the mails come from.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Also the envelope's sender, so bounces arrive here.
    pub address: EmailAddress,
    pub name: Line,
    pub reply_to: Option<EmailAddress>,
}

/// One mail to one person.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: MessageId,
    pub to: EmailAddress,
    pub to_name: Option<Line>,
    /// `Date`. A repeat keeps it, or it would not be the same message.
    pub date: Timestamp,
    /// For mail about one organization.
    pub list: Option<ListId>,
    pub parts: Parts,
}

/// An address or a text that cannot be brought into a mail.
#[derive(Debug, thiserror::Error)]
#[error("the mail could not be put together: {0}")]
pub struct ComposeError(String);

impl ComposeError {
    fn from_any(error: impl fmt::Display) -> Self {
        Self(one_line(&error.to_string(), 200))
    }
}

impl Message {
    /// The mail as lettre sends it: text and HTML side by side, every header fixed by the message itself, so that a
    /// repeat has the same bytes.
    ///
    /// # Errors
    /// When an address is one that lettre does not take.
    pub fn compose(&self, sender: &Sender) -> Result<lettre::Message, ComposeError> {
        let body = MultiPart::alternative()
            .boundary(self.boundary())
            .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(self.parts.text.clone()))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(self.parts.html.clone()));
        let mut builder = lettre::Message::builder()
            .date(system_time(self.date))
            .from(mailbox(&sender.address, Some(&sender.name))?)
            .to(mailbox(&self.to, self.to_name.as_ref())?)
            .subject(self.parts.subject.as_str())
            .message_id(Some(format!("<{}>", self.id)))
            .raw_header(header("Auto-Submitted", "auto-generated"));
        if let Some(address) = &sender.reply_to {
            builder = builder.reply_to(mailbox(address, None)?);
        }
        if let Some(list) = &self.list {
            builder = builder.raw_header(header("List-Id", &list.0));
        }
        builder.multipart(body).map_err(ComposeError::from_any)
    }

    /// From the id, since lettre would draw one at random.
    fn boundary(&self) -> String {
        use std::fmt::Write as _;
        let hash = digest::digest(&digest::SHA256, self.id.as_str().as_bytes());
        hash.as_ref().iter().take(16).fold("part-".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn mailbox(address: &EmailAddress, name: Option<&Line>) -> Result<Mailbox, ComposeError> {
    let name = name.filter(|name| !name.is_empty()).map(ToString::to_string);
    Ok(Mailbox::new(name, envelope_address(address)?))
}

pub(super) fn envelope_address(address: &EmailAddress) -> Result<Address, ComposeError> {
    Address::new(address.local(), address.domain()).map_err(ComposeError::from_any)
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at.as_seconds()).unwrap_or(0))
}
