//! Mail: what it says, and how it leaves.
//!
//! A mail is a context ([`SetPassword`], [`AlreadyHasPassword`], ...) that renders to [`Parts`], put into a [`Message`]
//! with an address and an id of the caller's, and handed to the [`Mailer`]. The mailer tries once; when to try again is
//! the outbox's business, and [`SendError`] tells it all it needs for that.

mod answer;
mod contexts;
mod failure;
mod folder;
mod line;
mod message;
mod own_address;
mod parts;
mod samples;
mod smtp;
mod wording;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use answer::fit_to_show;
pub use contexts::{
    AdminSummary, AlreadyHasPassword, Failure, ForgotLink, PasswordChanged, PasswordEvent, Reminder, RenderError,
    SetPassword, Totals,
};
pub use failure::{Obstacle, Scope, SendError};
pub(super) use failure::{came_back, is_late};
pub use line::{Line, Names};
pub use message::{ComposeError, ListId, Message, MessageId, MessageIdError, Sender};
pub use own_address::{AddressChanged, AddressEvent, ConfirmAddress, TestMail};
pub use parts::Parts;
pub use samples::samples;
pub use smtp::{Credentials, Encryption, Limits, SetupError, SmtpSettings};
pub use wording::{Switch, Switches, span};

use failure::{Fault, Judge, Stage};
use folder::Folder;
use smtp::Smtp;

use crate::clock::Clock;

/// A mail that somebody else has taken responsibility for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the server said, masked and bounded; often the id under which it looks after the mail.
    pub answer: String,
}

/// Sends mail from one address, over SMTP or into a folder.
#[derive(Debug)]
pub struct Mailer {
    sender: Sender,
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Smtp(Box<Smtp>),
    Folder(Folder),
}

impl Mailer {
    /// Over SMTP. Nothing is connected yet; see [`Mailer::check`].
    ///
    /// # Errors
    /// When the settings cannot work: no encryption towards another machine, certificates that are none.
    pub fn smtp(settings: &SmtpSettings, sender: Sender, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let smtp = Smtp::new(settings, sender.address.domain(), clock)?;
        Ok(Self { sender, transport: Transport::Smtp(Box::new(smtp)) })
    }

    /// Into `folder`, one `<message id>.eml` each; a repeat replaces its file. The folder is made if it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn folder(folder: &Path, sender: Sender) -> Result<Self, SetupError> {
        let unusable = |cause| SetupError::Folder { path: PathBuf::from(folder), cause };
        Ok(Self { transport: Transport::Folder(Folder::open(folder).map_err(unusable)?), sender })
    }

    /// Tries once to send `message`.
    ///
    /// # Errors
    /// Which error means what for the queue is said at [`SendError`].
    pub async fn send(&self, message: &Message) -> Result<Accepted, SendError> {
        let judge = Judge { mail: &message.parts.text, sender: &self.sender.address };
        let composed = message.compose(&self.sender);
        let mail = composed.map_err(|error| judge.judge(Stage::Recipient, Fault::Unsendable(error.to_string())))?;
        match &self.transport {
            Transport::Smtp(smtp) => match smtp.send(mail.envelope(), &mail.formatted()).await {
                Ok(answer) => Ok(Accepted { answer: judge.shown(&answer) }),
                Err((stage, fault)) => Err(judge.judge(stage, fault)),
            },
            Transport::Folder(folder) => match folder.write(&message.id, mail.formatted()).await {
                Ok(path) => Ok(Accepted { answer: path.display().to_string() }),
                Err(error) => Err(folder_trouble(&error)),
            },
        }
    }

    /// Whether mail could be sent now: reaches the server and signs in, or makes a file.
    ///
    /// # Errors
    /// What [`Mailer::send`] would fail with for every mail.
    pub async fn check(&self) -> Result<(), SendError> {
        match &self.transport {
            Transport::Smtp(smtp) => smtp
                .check()
                .await
                .map_err(|(stage, fault)| Judge { mail: "", sender: &self.sender.address }.judge(stage, fault)),
            Transport::Folder(folder) => folder.check().await.map_err(|error| folder_trouble(&error)),
        }
    }

    /// Takes leave of the mail server. Sending goes on working, over new connections.
    pub async fn close(&self) {
        if let Transport::Smtp(smtp) = &self.transport {
            smtp.close().await;
        }
    }
}

/// A full or missing disk is no fault of any one mail.
fn folder_trouble(error: &std::io::Error) -> SendError {
    SendError::Temporary {
        scope: Scope::Server,
        code: None,
        answer: error.to_string(),
        sentence: "The folder for mail cannot be written to. Make room or mend its permissions; mail waits."
            .to_owned(),
    }
}
