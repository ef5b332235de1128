//! The mail that reminds somebody of the password that they have not set.

use super::Outbox;
use super::letters::{Carried, Draft, Letter, Told, cause, rendered};
use crate::domain::disable::Letter as Which;
use crate::domain::email::EmailAddress;
use crate::services::disable::ledger::RowId;
use crate::services::jobs::Outgoing;
use crate::services::mail::{Line, Reminder};
use crate::store::StoreError;
use crate::store::queue::Leased;

impl Outbox {
    pub(super) async fn reminder(
        &self,
        job: &Leased<Outgoing>,
        id: &RowId,
        number: u32,
    ) -> Result<Letter, StoreError> {
        let (context, member) = match self.disable.reminder_context(id).await? {
            Ok(found) => found,
            Err(why) => return Ok(Letter::Needless(why)),
        };
        let Some(user) = context.user else { return Ok(Letter::Needless(String::new())) };
        let has_password = context.credential.is_some();
        // Not the row's: they may have another since the mail of the run.
        let to = member.email.as_deref().and_then(|email| email.parse::<EmailAddress>().ok());
        let Some(to) = to.filter(|_| !has_password) else { return Ok(Letter::Needless(String::new())) };
        // Somebody in several organizations that left is reminded of all of them at once.
        let Some(made) = self.set_up_links.make_reminder(&user.id, job.id()).await? else {
            return Ok(Letter::Needless("A mail with a working link reached them less than a day ago.".to_owned()));
        };
        let run = Some((id.organization.clone(), id.run.clone()));
        let mail = Reminder {
            name: Some(Line::name(user.first_name())),
            switches: self.switches(&context.organization, &user).await?,
            link: self.links.url(&format!("/set-up/{}", made.text))?,
            sign_in_address: self.directory.sign_in_address(&user).await?,
            link_life: self.set_up_links.lifetime(),
        };
        let link = Some(Box::new(Carried { user: user.id.clone(), to: to.to_string(), run, made: made.link }));
        let parts = rendered(mail.render())?;
        let list = Some(self.list(&context.organization));
        let cause = cause(id, Which::Reminder { number });
        self.letter(job, Draft { to, name: user.name, parts, list, cause }, Told { detail: None, link })
    }
}
