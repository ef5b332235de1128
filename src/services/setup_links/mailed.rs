//! What became of the mails with a link, and links in reminders.

use super::{Made, SetUpLinks};
use crate::domain::disable::REST;
use crate::domain::ids::{JobId, OrganizationId, RunId, UserId};
use crate::domain::setup_link::{Reminded, SetUpLink};
use crate::store::records::Entry;
use crate::store::{Attempt, StoreError, keys};

impl SetUpLinks {
    /// [`SetUpLinks::make`] for a reminder. None when the person was reminded, or got a link that works, less than
    /// [`REST`] ago; of several reminders at the same moment one gets the link. The same job gets it each time it comes.
    pub async fn make_reminder(&self, user: &UserId, job: &JobId) -> Result<Option<Made>, StoreError> {
        self.store
            .transact(|| async {
                let key = keys::link(user);
                let before = self.store.read(&key).await?;
                if before.as_ref().is_some_and(|link| link.value.rests(job, REST, self.store.now())) {
                    return Ok(Attempt::Done(None));
                }
                let (mut txn, mut made) = self.renewed_link(user, before.as_ref(), None);
                made.link.value.reminded = Some(Reminded { job: job.clone(), at: txn.now() });
                txn.put(&key, &made.link.value)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, Some(made)))
            })
            .await
    }

    /// Takes note that the mail of this request will never leave, so that the next request is mailed at once.
    pub async fn gave_up(&self, user: &UserId, job: &JobId) -> Result<(), StoreError> {
        let key = keys::link(user);
        self.store
            .transact(|| async {
                let found = self.store.read(&key).await?;
                let ours = found.filter(|link| link.value.asked.as_ref().is_some_and(|asked| asked.job == *job));
                let Some(entry) = ours else { return Ok(Attempt::Done(())) };
                let mut txn = self.store.txn(keys::user_partition(user));
                let after = SetUpLink { asked: None, ..entry.value.clone() };
                txn.check(&entry).put(&key, &after)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, ()))
            })
            .await
    }

    /// Notes that a mail server took a mail with the person's link, which was made for it just before.
    pub async fn delivered(
        &self,
        user: &UserId,
        (to, made): (&str, Entry<SetUpLink>),
        run: Option<&(OrganizationId, RunId)>,
    ) -> Result<(), StoreError> {
        let mut made = Some(made);
        self.store
            .transact(|| {
                let made = made.take();
                async move {
                    let key = keys::link(user);
                    let found = match made {
                        Some(made) => Some(made),
                        None => self.store.read(&key).await?,
                    };
                    let Some(entry) = found else { return Ok(Attempt::Done(())) };
                    let mut txn = self.store.txn(keys::user_partition(user));
                    let after = entry.value.delivered(to, run, txn.now());
                    txn.check(&entry).put(&key, &after)?;
                    Ok::<_, StoreError>(Attempt::Commit(txn, ()))
                }
            })
            .await
    }

    /// Notes that the mail that had carried the person's link for this run came back: it is in nobody's mailbox.
    pub async fn undelivered(
        &self,
        user: &UserId,
        (organization, run): (&OrganizationId, &RunId),
    ) -> Result<(), StoreError> {
        let key = keys::link(user);
        self.store
            .transact(|| async {
                let found = self.store.read(&key).await?;
                let ours = found.filter(|link| {
                    let run_of = link.value.delivered.as_ref().and_then(|sent| sent.run.as_ref());
                    run_of.is_some_and(|(id, of)| id == organization && of == run)
                });
                let Some(entry) = ours else { return Ok(Attempt::Done(())) };
                let mut txn = self.store.txn(keys::user_partition(user));
                txn.check(&entry).put(&key, &SetUpLink { delivered: None, ..entry.value.clone() })?;
                Ok::<_, StoreError>(Attempt::Commit(txn, ()))
            })
            .await
    }
}
