//! A mail as its reader sees it.

use super::app::ISSUER;
use super::mime::Mail;

/// A mail that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Letter {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mail = Mail::parse(bytes);
        Self {
            id: mail.header("message-id"),
            to: mail.header("to"),
            subject: mail.header("subject"),
            text: mail.text("text/plain"),
        }
    }

    /// The path of the set-up link in it.
    pub(crate) fn link(&self) -> String {
        self.find_link().unwrap_or_else(|| panic!("no link in {self:?}"))
    }

    pub(crate) fn find_link(&self) -> Option<String> {
        let start = self.text.find(&format!("{ISSUER}/set-up/"))?;
        let link = self.text[start + ISSUER.len()..].split_whitespace().next()?;
        Some(link.trim_end_matches(['.', ',', '>', ')']).to_owned())
    }
}
