//! What goes into each mail. A repeated attempt makes the same mail: same link, same Message-ID, same date.

use url::Url;

use super::Outbox;
use crate::domain::disable::{Letter as Which, RowStatus};
use crate::domain::email::EmailAddress;
use crate::domain::ids::{OrganizationId, RunId, UserId};
use crate::domain::member::Member;
use crate::domain::organization::Organization;
use crate::domain::setup_link::{Request, SHARED_FOR, SetUpLink};
use crate::domain::user::User;
use crate::services::disable::context::RowContext;
use crate::services::disable::ledger::RowId;
use crate::services::jobs::{Mail, Outgoing};
use crate::services::mail::{
    AdminSummary, AlreadyHasPassword, Failure, ForgotLink, Line, ListId, Message, MessageId, Names, Parts,
    PasswordChanged, PasswordEvent, RenderError, SetPassword, Switch, Switches, Totals,
};
use crate::services::message_ids::{Cause, Reference};
use crate::store::queue::Leased;
use crate::store::records::Entry;
use crate::store::{MAX_SCAN, StoreError, keys};

/// Addresses that mails name.
#[derive(Debug, Clone)]
pub struct Links {
    /// The issuer, without a slash at the end.
    pub base: String,
    /// Right side of our Message-IDs and List-Ids.
    pub domain: String,
}

impl Links {
    pub(super) fn url(&self, path: &str) -> Result<Url, StoreError> {
        Url::parse(&format!("{}{path}", self.base)).map_err(|e| StoreError::Misuse(e.to_string()))
    }
}

pub(super) enum Letter {
    Send(Box<Message>, Told),
    Needless(String),
    /// The link that a mail of this run of another organization carried serves here too, and why.
    Served((OrganizationId, RunId), String),
    Impossible(String),
}

/// What is written down when the mail has left.
#[derive(Default)]
pub(super) struct Told {
    /// For the row of the ledger.
    pub(super) detail: Option<String>,
    pub(super) link: Option<Box<Carried>>,
}

impl Told {
    /// Whether the mail with a link goes to where the member can be reached now.
    pub(super) fn goes_to(&self, member: &Member) -> bool {
        let now = member.email.as_deref().and_then(|email| email.parse::<EmailAddress>().ok());
        self.link.as_ref().is_none_or(|carried| now.is_some_and(|now| now.to_string() == carried.to))
    }
}

/// Whose link a mail carries, where to, and for which run if for one.
pub(super) struct Carried {
    pub(super) user: UserId,
    pub(super) to: String,
    pub(super) run: Option<(OrganizationId, RunId)>,
    /// The link as it was written for this mail.
    pub(super) made: Entry<SetUpLink>,
}

/// A mail without its envelope.
pub(super) struct Draft {
    pub(super) to: EmailAddress,
    pub(super) name: String,
    pub(super) parts: Parts,
    pub(super) list: Option<ListId>,
    /// What the Message-ID is derived from.
    pub(super) cause: Cause,
}

impl Outbox {
    pub(super) async fn compose(&self, job: &Leased<Outgoing>) -> Result<Letter, StoreError> {
        match &job.payload().mail {
            Mail::Run { resend, .. } => {
                let Some(row) = RowId::of(&job.payload().mail) else { return Ok(Letter::Needless(String::new())) };
                self.run_letter(job, &row, *resend).await
            }
            Mail::Reminder { .. } => match RowId::of_reminder(&job.payload().mail) {
                Some((row, number)) => self.reminder(job, &row, number).await,
                None => Ok(Letter::Needless(String::new())),
            },
            Mail::Summary { organization, run } => self.summary(job, organization, run).await,
            Mail::LinkRequest { address } => {
                let Ok(address) = address.parse::<EmailAddress>() else { return Ok(Letter::Needless(String::new())) };
                match self.directory.user_by_address(&address).await? {
                    Some(user) => {
                        let to = self.typed_address(&user.value, &address).await?;
                        self.asked_link(job, &user.value, to).await
                    }
                    None => Ok(Letter::Needless(String::new())),
                }
            }
            Mail::Link { user, as_last } => self.renewed_link(job, user, *as_last).await,
            Mail::PasswordChanged { user, .. } => self.changed(job, user).await,
            Mail::Test { organization, user } => self.test_letter(job, organization, user).await,
            Mail::ConfirmAddress { user, generation } => self.confirm_address(job, user, *generation).await,
            Mail::AddressChanged { user, .. } => self.address_changed(job, user).await,
        }
    }

    async fn run_letter(&self, job: &Leased<Outgoing>, id: &RowId, resend: u32) -> Result<Letter, StoreError> {
        let mut context = match self.disable.row_context(id).await? {
            None => return Ok(Letter::Needless("The run is gone.".to_owned())),
            Some(Err(why)) => return Ok(Letter::Needless(why)),
            Some(Ok(context)) => context,
        };
        let Some(user) = context.user.take() else {
            return Ok(Letter::Impossible("We know nobody by this id any more.".to_owned()));
        };
        let Some(to) = context.row.value.email.as_deref().and_then(|email| email.parse::<EmailAddress>().ok()) else {
            let why = "Fly.io gave us no address that takes mail. Ask them to sign in with Fly.io once, then resend.";
            return Ok(Letter::Impossible(why.to_owned()));
        };
        let cause = cause(id, Which::SetUp { resend });
        let list = self.list(&context.organization);
        if let Some(credential) = &context.credential {
            let mail = AlreadyHasPassword {
                name: Some(Line::name(user.first_name())),
                switches: self.switches(&context.organization, &user).await?,
                sign_in: self.links.url("/sign-in")?,
                forgot: self.links.url("/forgot")?,
                sign_in_address: self.directory.sign_in_address(&user).await?,
                password_set_at: credential.set_at,
            };
            let draft = Draft { to, name: user.name, parts: rendered(mail.render())?, list: Some(list), cause };
            let detail = Some("Told to use the password they have.".to_owned());
            return self.letter(job, draft, Told { detail, link: None });
        }
        self.set_up_letter(job, (context, &user), to, (cause, list)).await
    }

    async fn set_up_letter(
        &self,
        job: &Leased<Outgoing>,
        (context, user): (RowContext, &User),
        to: EmailAddress,
        (cause, list): (Cause, ListId),
    ) -> Result<Letter, StoreError> {
        let organization = &context.organization;
        // An admin who asks for a resend means it; the first mail of a run may rest on another run's.
        if context.row.value.resends == 0
            && let Some(link) = &context.link
            && let Some((on, other)) = self.served_by(&link.value, organization, to.as_str()).await?
        {
            let why = format!("Has a working link already, from the switch of {other}. One link serves both.");
            return Ok(Letter::Served(on, why));
        }
        let made = self.set_up_links.make(&user.id, context.link).await?;
        let run = Some((organization.id.clone(), context.run.id.clone()));
        let mail = SetPassword {
            name: Some(Line::name(user.first_name())),
            switches: self.switches(organization, user).await?,
            link: self.links.url(&format!("/set-up/{}", made.text))?,
            sign_in_address: self.directory.sign_in_address(user).await?,
            link_life: self.set_up_links.lifetime(),
        };
        let link = Some(Box::new(Carried { user: user.id.clone(), to: to.to_string(), run, made: made.link }));
        let parts = rendered(mail.render())?;
        let draft = Draft { to, name: user.name.clone(), parts, list: Some(list), cause };
        self.letter(job, draft, Told { detail: None, link })
    }

    /// The run that has already put a working link into this mailbox, and its organization's name. Only a run that is still in force
    /// counts, and only another organization's: who was mailed, saw it reverted and is to be mailed again is mailed.
    async fn served_by(
        &self,
        link: &SetUpLink,
        leaving: &Organization,
        to: &str,
    ) -> Result<Option<((OrganizationId, RunId), String)>, StoreError> {
        let sent = link.in_mailbox(to, SHARED_FOR, self.store.now());
        let Some(on) = sent.and_then(|sent| sent.run.as_ref()).filter(|(id, _)| *id != leaving.id) else {
            return Ok(None);
        };
        let other = self.directory.organization(&on.0).await?.map(|entry| entry.value);
        let in_force = other.filter(|other| other.has_left_by(&on.1));
        Ok(in_force.map(|organization| (on.clone(), organization.name)))
    }

    /// The organization that the mail is about first, then the person's others that have left Fly.io.
    pub(super) async fn switches(&self, first: &Organization, user: &User) -> Result<Switches, StoreError> {
        // Most people are in one organization, and nothing has to be read for them.
        let others = if user.organizations.iter().any(|id| *id != first.id) {
            self.set_up_links.password_organizations(user).await?
        } else {
            Vec::new()
        };
        let others = others.into_iter().filter(|organization| organization.id != first.id);
        Ok(Switches::new(switch(first, user), others.map(|organization| switch(&organization, user)).collect()))
    }

    async fn renewed_link(&self, job: &Leased<Outgoing>, user: &UserId, as_last: bool) -> Result<Letter, StoreError> {
        let Some(user) = self.directory.user(user).await? else { return Ok(Letter::Needless(String::new())) };
        let to = if as_last {
            self.last_address(&user.value, job.id()).await?
        } else {
            self.directory.mail_address(&user.value).await?
        };
        self.asked_link(job, &user.value, to).await
    }

    async fn asked_link(
        &self,
        job: &Leased<Outgoing>,
        user: &User,
        to: Option<EmailAddress>,
    ) -> Result<Letter, StoreError> {
        let organizations = self.set_up_links.password_organizations(user).await?;
        let Some(to) = to else { return Ok(Letter::Needless(String::new())) };
        // While every organization is on Fly.io a password opens nothing, and a link could not be used.
        if organizations.is_empty() {
            return Ok(Letter::Needless(String::new()));
        }
        let has_password = self.store.read(&keys::credential(&user.id)).await?.is_some();
        // From here on this request is the one that is mailed, and what fails must be retried or given up as such.
        let request = Request { job: job.id(), to: to.as_str(), made_at: job.created_at() };
        let Some(made) = self.set_up_links.make_asked(&user.id, &request).await? else {
            return Ok(Letter::Needless(String::new()));
        };
        let link = Some(Box::new(Carried { user: user.id.clone(), to: to.to_string(), run: None, made: made.link }));
        let cause = Cause::Other(format!("asked:{}", job.id()));
        let mail = ForgotLink {
            name: Some(Line::name(user.first_name())),
            organizations: Names::new(organizations.iter().map(|o| o.name.as_str())),
            link: self.links.url(&format!("/set-up/{}", made.text))?,
            sign_in_address: self.named(user, &to).await?,
            link_life: self.set_up_links.lifetime(),
            has_password,
        };
        let parts = rendered(mail.render())?;
        let draft = Draft { to, name: user.name.clone(), parts, list: None, cause };
        self.letter(job, draft, Told { detail: None, link })
    }

    async fn changed(&self, job: &Leased<Outgoing>, user: &UserId) -> Result<Letter, StoreError> {
        let Mail::PasswordChanged { at, from, replaced, own, .. } = &job.payload().mail else {
            return Ok(Letter::Needless(String::new()));
        };
        let Some(user) = self.directory.user(user).await? else { return Ok(Letter::Needless(String::new())) };
        let user = user.value;
        let to = if *own { self.directory.own_address(&user.id).await? } else { user.address_at_fly() };
        let Some(to) = to else { return Ok(Letter::Needless(String::new())) };
        let mail = PasswordChanged {
            name: Some(Line::name(user.first_name())),
            event: if *replaced { PasswordEvent::Changed } else { PasswordEvent::Set },
            at: *at,
            from: Line::sentence(from.as_deref().unwrap_or("an unknown place")),
            sign_in_address: self.named(&user, &to).await?,
            forgot: self.links.url("/forgot")?,
        };
        let parts = rendered(mail.render())?;
        let cause = Cause::Other(format!("changed:{}", job.id()));
        self.letter(job, Draft { to, name: user.name, parts, list: None, cause }, Told::default())
    }

    async fn summary(&self, job: &Leased<Outgoing>, id: &OrganizationId, run: &RunId) -> Result<Letter, StoreError> {
        let needless = || Ok(Letter::Needless(String::new()));
        let (Some(organization), Some(run)) =
            (self.directory.organization(id).await?, self.disable.run(id, run).await?)
        else {
            return needless();
        };
        let (organization, run) = (organization.value, run.value);
        let Some(admin) = &run.by.user else { return needless() };
        let Some(user) = self.directory.user(admin).await? else { return needless() };
        let Some(to) = user.value.email.as_deref().and_then(|email| email.parse::<EmailAddress>().ok()) else {
            return needless();
        };
        let totals = self.disable.totals(id, &run.id).await?;
        let failures = self.failures(id, &run.id, totals.failed).await?;
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let mail = AdminSummary {
            name: Some(Line::name(user.value.first_name())),
            organization: Line::name(&organization.name),
            switched_at: run.started_at,
            totals: Totals {
                members: count(totals.members),
                sent: count(totals.sent),
                failed: count(totals.failed),
                cancelled: count(totals.cancelled),
                left_out: count(totals.left_out),
                ready: count(totals.ready),
            },
            failures,
            run: self.links.url(&format!("/organizations/{}/auth/disable/{}", organization.slug, run.id))?,
        };
        let parts = rendered(mail.render())?;
        let list = Some(self.list(&organization));
        let cause = Cause::Other(format!("summary:{}", run.id));
        self.letter(job, Draft { to, name: user.value.name, parts, list, cause }, Told::default())
    }

    /// The members whose mail failed, as many as the mail lists. `count` of them are known of.
    async fn failures(&self, id: &OrganizationId, run: &RunId, count: i64) -> Result<Vec<Failure>, StoreError> {
        let wanted = usize::try_from(count).unwrap_or(0).min(AdminSummary::LISTED);
        let mut failures = Vec::new();
        let mut after: Option<String> = None;
        while failures.len() < wanted {
            let page = self.disable.rows(id, run, after.as_deref(), MAX_SCAN).await?;
            let failed = page.iter().filter(|row| row.value.status == RowStatus::Failed);
            failures.extend(failed.take(wanted - failures.len()).map(|row| Failure {
                name: Line::name(&row.value.name),
                reason: Line::sentence(row.value.detail.as_deref().unwrap_or("the reason is not known")),
            }));
            match page.last() {
                Some(last) if page.len() == MAX_SCAN => after = Some(last.item().to_owned()),
                _ => break,
            }
        }
        Ok(failures)
    }

    pub(super) fn list(&self, organization: &Organization) -> ListId {
        ListId::new(&Line::name(&organization.name), &organization.slug, &self.links.domain)
    }

    pub(super) fn letter(&self, job: &Leased<Outgoing>, draft: Draft, told: Told) -> Result<Letter, StoreError> {
        let local = self.message_ids.local(&draft.cause);
        let id = MessageId::new(&local, &self.links.domain).map_err(|e| StoreError::Misuse(e.to_string()))?;
        let message = Message {
            id,
            to: draft.to,
            to_name: Some(Line::name(&draft.name)).filter(|name| !name.is_empty()),
            date: job.created_at(),
            list: draft.list,
            parts: draft.parts,
        };
        Ok(Letter::Send(Box::new(message), told))
    }
}

pub(super) fn cause(id: &RowId, letter: Which) -> Cause {
    Cause::Run(Reference { run: id.run.clone(), user: id.user.clone(), letter })
}

fn switch(organization: &Organization, reader: &User) -> Switch {
    let changed = organization.changed.as_ref();
    Switch {
        organization: Line::name(&organization.name),
        by: changed.map(|change| Line::name(&change.by.name)),
        by_reader: changed.is_some_and(|change| change.by.user.as_ref() == Some(&reader.id)),
        at: changed.map_or(organization.created_at, |change| change.at),
    }
}

pub(super) fn rendered(parts: Result<Parts, RenderError>) -> Result<Parts, StoreError> {
    parts.map_err(|error| StoreError::Misuse(error.to_string()))
}
