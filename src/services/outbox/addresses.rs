//! Where mail to a person goes, and the mails about that.

use super::Outbox;
use super::letters::{Draft, Letter, Told, rendered};
use crate::domain::email::{EmailAddress, mask};
use crate::domain::ids::{JobId, OrganizationId, UserId};
use crate::domain::user::User;
use crate::services::jobs::{Mail, Outgoing};
use crate::services::mail::{AddressChanged, AddressEvent, ConfirmAddress, Line, TestMail};
use crate::services::message_ids::Cause;
use crate::store::queue::Leased;
use crate::store::{StoreError, keys};

impl Outbox {
    /// What a mail to `to` names as the address to sign in with: that one, if it leads to the person.
    pub(super) async fn named(&self, user: &User, to: &EmailAddress) -> Result<Option<EmailAddress>, StoreError> {
        if self.directory.leads_to(to, &user.id).await? {
            return Ok(Some(to.clone()));
        }
        self.directory.sign_in_address(user).await
    }

    /// Where a link goes that was asked for with that address: to it.
    pub(super) async fn typed_address(
        &self,
        user: &User,
        typed: &EmailAddress,
    ) -> Result<Option<EmailAddress>, StoreError> {
        match user.address_at_fly().filter(|_| user.signs_in(typed)) {
            Some(at_fly) => Ok(Some(at_fly)),
            None => self.directory.own_address(&user.id).await,
        }
    }

    /// Where the person's last link went, if that address signs them in still; or else where other mail to them goes. A
    /// job that comes again finds the address that it had chosen.
    pub(super) async fn last_address(&self, user: &User, job: &JobId) -> Result<Option<EmailAddress>, StoreError> {
        let link = self.store.read(&keys::link(&user.id)).await?.map(|entry| entry.value);
        let last = link.and_then(|link| {
            let ours = link.asked.filter(|asked| asked.job == *job).map(|asked| asked.to);
            ours.or_else(|| link.delivered.map(|sent| sent.to))
        });
        if let Some(last) = last.and_then(|last| last.parse::<EmailAddress>().ok())
            && (user.signs_in(&last) || self.directory.leads_to(&last, &user.id).await?)
        {
            return Ok(Some(last));
        }
        self.directory.mail_address(user).await
    }

    /// Goes to an address that nobody has confirmed: it names the person who gave it and nothing else of theirs.
    pub(super) async fn confirm_address(
        &self,
        job: &Leased<Outgoing>,
        user: &UserId,
        generation: u32,
    ) -> Result<Letter, StoreError> {
        let Some(user) = self.directory.user(user).await? else { return Ok(Letter::Needless(String::new())) };
        let Some((to, text)) = self.contacts.make(&user.value.id, generation).await? else {
            return Ok(Letter::Needless(String::new()));
        };
        let mail = ConfirmAddress {
            person: Line::name(&user.value.name),
            name: None,
            address: to.clone(),
            link: self.links.url(&format!("/confirm-address/{text}"))?,
            link_life: self.contacts.lifetime(),
        };
        let parts = rendered(mail.render())?;
        // The name in the envelope would greet somebody by another person's name if the address was mistyped.
        let cause = Cause::Other(format!("confirm:{}", job.id()));
        let draft = Draft { to, name: String::new(), parts, list: None, cause };
        self.letter(job, draft, Told::default())
    }

    pub(super) async fn test_letter(
        &self,
        job: &Leased<Outgoing>,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Letter, StoreError> {
        let (organization, user) =
            (self.directory.organization(organization).await?, self.directory.user(user).await?);
        let (Some(organization), Some(user)) = (organization, user) else {
            return Ok(Letter::Needless(String::new()));
        };
        let (organization, user) = (organization.value, user.value);
        let Some(to) = user.address_at_fly() else { return Ok(Letter::Needless(String::new())) };
        let mail = TestMail {
            name: Some(Line::name(user.first_name())),
            organization: Line::name(&organization.name),
            asked_at: job.created_at(),
            preview: self.links.url(&format!("/organizations/{}/auth/disable", organization.slug))?,
        };
        let parts = rendered(mail.render())?;
        let cause = Cause::Other(format!("test:{}", job.id()));
        self.letter(job, Draft { to, name: user.name, parts, list: None, cause }, Told::default())
    }

    /// To the address at Fly.io, or to the one that ceased to sign the person in.
    pub(super) async fn address_changed(&self, job: &Leased<Outgoing>, user: &UserId) -> Result<Letter, StoreError> {
        let Mail::AddressChanged { address, added, replaced, own, at, from, .. } = &job.payload().mail else {
            return Ok(Letter::Needless(String::new()));
        };
        let Some(user) = self.directory.user(user).await? else { return Ok(Letter::Needless(String::new())) };
        let user = user.value;
        let ceased = replaced.as_ref().unwrap_or(address);
        let to = if *own { Some(ceased.clone()) } else { user.address_at_fly() };
        let Some(to) = to else { return Ok(Letter::Needless(String::new())) };
        // Whoever reads the mail of an old address need not learn the new one.
        let shown = if *own && replaced.is_some() { mask(address.as_str()) } else { address.to_string() };
        let mail = AddressChanged {
            name: Some(Line::name(user.first_name())),
            event: match (added, replaced) {
                (true, None) => AddressEvent::Added,
                (true, Some(_)) => AddressEvent::Replaced,
                (false, _) => AddressEvent::Removed,
            },
            address: shown,
            before: replaced.clone(),
            signs_in: !own,
            at: *at,
            from: Line::sentence(from.as_deref().unwrap_or("an unknown place")),
            account: self.links.url("/account")?,
            forgot: self.links.url("/forgot")?,
        };
        let parts = rendered(mail.render())?;
        let cause = Cause::Other(format!("address:{}", job.id()));
        self.letter(job, Draft { to, name: user.name, parts, list: None, cause }, Told::default())
    }
}
