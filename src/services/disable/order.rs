//! Wishes that come from a program or from an operator instead of a page: through whom, and each fulfilled once.
//!
//! A program that got no answer sends its request again under the same key (`Idempotency-Key`). The answer is kept in the
//! organization's partition, by the very commit that did what was asked, so a repeated request finds what the first one
//! did or does it itself, never both. A refusal changes nothing and uses no key up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Disable;
use super::click::{ClickError, Clicked};
use crate::domain::ids::{ClientId, OrganizationId, RunId};
use crate::domain::secret::TokenHash;
use crate::store::records::Stored;
use crate::store::{StoreError, Txn, keys};

/// How long an answer is kept.
pub const REMEMBERED: Duration = Duration::from_hours(24);

/// Somebody's wish, and the way it came.
#[derive(Debug, Clone)]
pub struct Order {
    pub clicked: Clicked,
    pub through: Through,
    /// None for a wish that may be fulfilled again when it is repeated.
    pub once: Option<Once>,
}

impl Order {
    #[must_use]
    pub fn of_page(clicked: &Clicked) -> Self {
        Self { clicked: clicked.clone(), through: Through::Page, once: None }
    }

    /// A line of the audit log, with the way the wish came.
    pub(super) fn detail(&self, what: &str) -> String {
        match &self.through {
            Through::Page => what.to_owned(),
            Through::Client { id, vouched: false } => {
                format!("{what}; through the client {id}, without asking Fly.io")
            }
            Through::Client { id, vouched: true } => {
                format!("{what}; through the client {id}, which vouches for the person, without asking Fly.io")
            }
            Through::CommandLine => format!("{what}; by an operator at the command line, without asking Fly.io"),
        }
    }
}

/// Who speaks for the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Through {
    /// Nobody: what Fly.io had to be asked about them has been asked.
    Page,
    /// A client at the API. It may vouch for the person where we cannot know them as an admin.
    Client {
        id: ClientId,
        vouched: bool,
    },
    CommandLine,
}

/// A request that is to be fulfilled once.
#[derive(Debug, Clone)]
pub struct Once {
    /// Hash of the client and its key.
    pub name: TokenHash,
    /// Hash of all that the request asks for.
    pub request: TokenHash,
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Disabled(Disabled),
    Enabled { outcome: EnableOutcome },
    Resent { outcome: ResendOutcome },
}

/// The run by which an organization leaves, or has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    pub run: RunId,
    pub outcome: DisableOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisableOutcome {
    /// This wish switched the organization.
    Begun,
    /// It was switched before, and mail is still going out.
    AlreadyRunning,
    /// It was switched before, and everybody has been mailed.
    AlreadyLeft,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnableOutcome {
    Enabled,
    AlreadyOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResendOutcome {
    Queued,
    /// The mail is on its way already, or the member needs none.
    NothingToSend,
}

/// An answer, as long as its request may be repeated.
#[derive(Serialize, Deserialize)]
struct Answered {
    request: TokenHash,
    answer: Answer,
}

impl Stored for Answered {}

impl Disable {
    /// What was answered to this request before, in this organization.
    ///
    /// # Errors
    /// [`ClickError::OtherRequest`] when the key came with another request.
    pub async fn recall(&self, id: &OrganizationId, once: &Once) -> Result<Option<Answer>, ClickError> {
        let Some(found) = self.store.read(&keys::answered::<Answered>(id, &once.name)).await? else {
            return Ok(None);
        };
        if found.value.request == once.request { Ok(Some(found.value.answer)) } else { Err(ClickError::OtherRequest) }
    }

    pub(super) async fn recall_order(
        &self,
        id: &OrganizationId,
        order: &Order,
    ) -> Result<Option<Answer>, ClickError> {
        match &order.once {
            Some(once) => self.recall(id, once).await,
            None => Ok(None),
        }
    }

    /// Adds the answer to the commit that does what was asked.
    pub(super) fn remember(
        txn: &mut Txn,
        id: &OrganizationId,
        order: &Order,
        answer: impl Into<Answer>,
    ) -> Result<(), StoreError> {
        let Some(once) = &order.once else { return Ok(()) };
        let (key, until) = (keys::answered(id, &once.name), txn.now().plus(REMEMBERED));
        let answered = Answered { request: once.request, answer: answer.into() };
        txn.check_absent(key.key().clone()).put_until(&key, &answered, until)?;
        Ok(())
    }
}

impl From<Disabled> for Answer {
    fn from(disabled: Disabled) -> Self {
        Self::Disabled(disabled)
    }
}

impl From<EnableOutcome> for Answer {
    fn from(outcome: EnableOutcome) -> Self {
        Self::Enabled { outcome }
    }
}

impl From<ResendOutcome> for Answer {
    fn from(outcome: ResendOutcome) -> Self {
        Self::Resent { outcome }
    }
}
