//! What waits to be done, in durable queues: mail, which can be stopped by itself, word to clients that a session is over,
//! in a lane for each client, and the rest.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::resealing::Errand;
use crate::clock::Timestamp;
use crate::domain::disable::Which;
use crate::domain::email::{EmailAddress, mask};
use crate::domain::ids::{ClientId, JobId, OrganizationId, RunId, SessionId, UserId};
use crate::store::queue::{Announced, Queue};
use crate::store::{Store, StoreError, Txn};

/// A mail to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "snake_case")]
pub enum Mail {
    /// To one member of a disable run; `resend` counts how often an admin had it sent again.
    Run { organization: OrganizationId, run: RunId, user: UserId, resend: u32 },
    /// To one member who has set no password yet; `number` counts the reminders of the run from 0.
    Reminder { organization: OrganizationId, run: RunId, user: UserId, number: u32 },
    /// To the admin who acted, when all is sent.
    Summary { organization: OrganizationId, run: RunId },
    /// A link for whoever signs in with the address, if anybody does.
    LinkRequest { address: String },
    /// A link for a person who is known; `as_last`: to where the last one went, if that address signs them in still.
    Link {
        user: UserId,
        #[serde(default)]
        as_last: bool,
    },
    /// Word to the person that their password was set; `own`: to their own address instead of the one at Fly.io.
    PasswordChanged {
        user: UserId,
        at: Timestamp,
        from: Option<String>,
        replaced: bool,
        #[serde(default)]
        own: bool,
    },
    /// To an admin who wants to know whether our mail arrives.
    Test { organization: OrganizationId, user: UserId },
    /// To an address that a person gave as their own, with the link that confirms it.
    ConfirmAddress { user: UserId, generation: u32 },
    /// Word to the person that another address of their own signs them in, or one no longer does.
    AddressChanged {
        user: UserId,
        /// The new one, or the one that was removed.
        address: EmailAddress,
        added: bool,
        /// The own address that it took the place of.
        #[serde(default)]
        replaced: Option<EmailAddress>,
        /// To the own address that was removed or replaced, instead of the one at Fly.io.
        #[serde(default)]
        own: bool,
        at: Timestamp,
        from: Option<String>,
    },
}

/// For logs: what mail it is and whose, without an address in clear.
impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { organization, run, user, .. } => {
                write!(f, "to member {user} in run {run} of organization {organization}")
            }
            Self::Reminder { organization, run, user, .. } => {
                write!(f, "reminder to member {user} in run {run} of organization {organization}")
            }
            Self::Summary { organization, run } => write!(f, "summary of run {run} of organization {organization}"),
            Self::LinkRequest { address } => write!(f, "link asked for with {}", mask(address)),
            Self::Link { user, .. } => write!(f, "link asked for by user {user}"),
            Self::PasswordChanged { user, .. } => write!(f, "word to user {user} that a password was set"),
            Self::Test { user, .. } => write!(f, "test mail to user {user}"),
            Self::ConfirmAddress { user, .. } => write!(f, "to an address that user {user} gave"),
            Self::AddressChanged { user, .. } => write!(f, "word to user {user} that their addresses changed"),
        }
    }
}

/// A [`Mail`] with the deliveries tried so far. Attempts that failed for reasons of ours are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    pub tries: u32,
    pub mail: Mail,
}

/// Everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Write the next rows of a run.
    FanOut { organization: OrganizationId, run: RunId },
    /// Queue the next mails once more.
    Resend(Resend),
    /// Remind the next members who have set no password.
    Remind(Remind),
    /// End a run when all its mail is settled.
    Finish { organization: OrganizationId, run: RunId },
    /// Fly.io Auth was turned on again: tell the clients of the next members, after `cursor`, who had signed in with a
    /// password.
    CameBack { organization: OrganizationId, cursor: Option<UserId> },
    /// Tell the person's organizations that they have a password.
    PasswordSet { user: UserId, from: Option<String> },
    /// Tell the person's organizations that an address of their own began or ceased to sign them in: `what` happened.
    AddressChanged { user: UserId, what: String, from: Option<String> },
    /// Seal the tokens of the next people with a new master key.
    SealAgain(Errand),
}

/// A walk through the ledger of a run, for an admin who asked for more than one mail once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    pub organization: OrganizationId,
    pub run: RunId,
    pub which: Which,
    pub asked_at: Timestamp,
    /// The last member who was looked at.
    pub cursor: Option<UserId>,
}

/// A walk through the ledger of a run that reminds those without a password, or waits until it is time to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remind {
    pub organization: OrganizationId,
    pub run: RunId,
    /// Which reminder, counted from 0. When it is due stands in the configuration.
    pub number: u32,
    /// The last member who was looked at.
    pub cursor: Option<UserId>,
    /// Mails queued so far by this walk.
    pub queued: u32,
}

impl Remind {
    /// The wait for the first reminder of a run.
    #[must_use]
    pub fn first(organization: &OrganizationId, run: &RunId) -> Self {
        Self { organization: organization.clone(), run: run.clone(), number: 0, cursor: None, queued: 0 }
    }
}

/// Word to a client that a session is over in which it signed somebody in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutNotice {
    pub client: ClientId,
    pub user: UserId,
    pub sid: SessionId,
}

/// Longer than telling one client may take ([`crate::services::back_channel::TIMEOUT`]), with the store before and after
/// it. Short, because a person is still signed in somewhere as long as it lasts.
const LOGOUT_LEASE: Duration = Duration::from_secs(30);

/// The queues.
pub struct Jobs {
    pub(super) store: Store,
    pub mail: Queue<Outgoing>,
    pub work: Queue<Work>,
    /// In lanes by client, so that one which is slow or gone holds up no other.
    pub logout: Queue<LogoutNotice>,
}

impl Jobs {
    /// `lease` is longer than sending one mail may take.
    #[must_use]
    pub fn new(store: Store, lease: Duration) -> Arc<Self> {
        let mail = Queue::new(store.clone(), "mail", lease);
        let work = Queue::new(store.clone(), "work", lease);
        let logout = Queue::new(store.clone(), "logout", LOGOUT_LEASE);
        Arc::new(Self { store, mail, work, logout })
    }

    pub fn put_mail(
        &self,
        txn: &mut Txn,
        announced: &Announced,
        mail: Mail,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let id = JobId::mint(self.store.random());
        self.mail.push(txn, announced, &id, due, Outgoing { tries: 0, mail })
    }

    pub fn put_work(
        &self,
        txn: &mut Txn,
        announced: &Announced,
        work: Work,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let id = JobId::mint(self.store.random());
        self.work.push(txn, announced, &id, due, work)
    }
}
