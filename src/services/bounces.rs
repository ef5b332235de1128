//! Mail that a server took and could not deliver: reports of that lead to the ledger.
//!
//! A report counts when it carries the Message-ID of a letter to a member, which has a code that only we can make
//! ([`super::message_ids`]). An address never counts: anybody can write one.
//!
//! - "failed" (RFC 3464, section 2.3.3): the member's mail has failed, with the reason in words. Also with an enhanced
//!   code of class 4: the server tried for days and has given up.
//! - "delayed": noted beside the member.
//! - anything else, anything that is not ours, letters after which another was sent: ignored.

mod report;

use std::sync::Arc;

use super::directory::Directory;
use super::disable::Disable;
use super::disable::bounced::Noted;
use super::disable::ledger::RowId;
use super::mail::{came_back, fit_to_show, is_late};
use super::message_ids::MessageIds;
use super::setup_links::SetUpLinks;
use crate::domain::disable::{Letter, Returned};
use crate::domain::user::User;
use crate::store::StoreError;

pub use report::{Action, Report};

/// What a report led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The member's mail counts as failed now.
    Failed,
    /// It is told beside the member.
    Noted,
    Ignored,
    /// To be handed over again in a moment: the mail is under way still.
    TooSoon,
}

impl Outcome {
    /// The word for JSON and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Noted => "noted",
            Self::Ignored => "ignored",
            Self::TooSoon => "too_soon",
        }
    }
}

pub struct Bounces {
    pub directory: Arc<Directory>,
    pub disable: Arc<Disable>,
    pub set_up_links: Arc<SetUpLinks>,
    pub message_ids: MessageIds,
    /// The domain that we send from.
    pub domain: String,
}

impl Bounces {
    /// Takes one mail that a mail server sent about another. The same one once more changes nothing.
    ///
    /// # Errors
    /// When the store gives no answer. It should be handed over again.
    pub async fn take(&self, mail: &[u8]) -> Result<Outcome, StoreError> {
        let Some(report) = Report::read(mail) else { return Ok(ignored("it is no report about one mail")) };
        let own = report.names.iter().find_map(|name| self.message_ids.read(local(name)));
        let Some(own) = own else { return Ok(ignored("it is about no mail of a run of ours")) };
        let Some(how) = self.said(&report) else { return Ok(ignored("it says nothing of trouble")) };
        let Some(user) = self.directory.user(&own.user).await? else { return Ok(ignored("there is no such person")) };
        let Some(organization) = self.disable.organization_of(&user.value, &own.run).await? else {
            return Ok(ignored("there is no such run"));
        };
        let id = RowId { organization, run: own.run, user: own.user };
        let noted = match self.disable.discounted(&id, own.letter, &how).await? {
            Some(noted) => noted,
            None => self.believe(&user.value, &id, own.letter, &how).await?,
        };
        let outcome = match noted {
            Noted::Failed => Outcome::Failed,
            Noted::Noted => Outcome::Noted,
            Noted::Nothing => Outcome::Ignored,
            Noted::TooSoon => Outcome::TooSoon,
        };
        tracing::info!(outcome = outcome.as_str(), run = %id.run, user = %id.user, "a report about mail");
        Ok(outcome)
    }

    /// Writes down what is told of the last letter to a person.
    async fn believe(&self, user: &User, id: &RowId, letter: Letter, how: &Returned) -> Result<Noted, StoreError> {
        if how.is_final {
            // First, so that dying in between leaves the rest to the next time.
            self.set_up_links.undelivered(&id.user, (&id.organization, &id.run)).await?;
            self.disable.let_down_others(user, id, how).await?;
        }
        self.disable.letter_returned(id, letter, how).await
    }

    fn said(&self, report: &Report) -> Option<Returned> {
        let code = report.code.map_or_else(String::new, |code| format!("{code} "));
        // What a stranger wrote is shown to admins: on one line, bounded, without addresses and links.
        let answer = Some(fit_to_show(&format!("{code}{}", report.said), ""));
        match report.action {
            Action::Failed => {
                let sentence = came_back(report.code, &report.said, &self.domain);
                Some(Returned { is_final: true, sentence, answer })
            }
            Action::Delayed => Some(Returned { is_final: false, sentence: is_late().to_owned(), answer }),
            Action::Other => None,
        }
    }
}

/// The left of a Message-ID. The right may be a relay's own.
fn local(name: &str) -> &str {
    name.trim().trim_start_matches('<').split(['@', '>']).next().unwrap_or_default()
}

fn ignored(why: &str) -> Outcome {
    tracing::info!(why, "a report about mail is ignored");
    Outcome::Ignored
}
