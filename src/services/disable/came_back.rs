//! The way back, for those who had signed in with a password: what it proved opens the organization no more, and clients
//! that want to hear so are told. A worker walks the members in chunks, as it does when an organization leaves.

use super::{CHUNK, Disable};
use crate::domain::ids::{OrganizationId, UserId};
use crate::domain::organization::LoginMethod;
use crate::domain::whereabouts::Place;
use crate::services::jobs::Work;
use crate::store::queue::Leased;
use crate::store::{Outcome, StoreError, keys};

impl Disable {
    /// Has the clients of the next members told, and queues the rest. Also where the organization has left once more since:
    /// what was proven before the way back is over all the same. Whoever signs in with their password between that and the
    /// walk is signed out of their applications once for nothing, and signs in again.
    ///
    /// # Errors
    /// When the store gives no answer; the job comes again, and tells nobody twice.
    pub async fn tell_of_return(
        &self,
        id: &OrganizationId,
        cursor: Option<&UserId>,
        job: &Leased<Work>,
    ) -> Result<(), StoreError> {
        self.do_chunk(job, || self.tell_of_return_once(id, cursor, job)).await
    }

    async fn tell_of_return_once(
        &self,
        id: &OrganizationId,
        cursor: Option<&UserId>,
        job: &Leased<Work>,
    ) -> Result<Outcome, StoreError> {
        let members = self.directory.members(id, cursor.map(UserId::as_str), CHUNK).await?;
        self.end_places(&members, by_password).await?;
        // Begun after what may take a while: a change that is old is not committed.
        let mut txn = self.store.txn(keys::org(id));
        let announced = self.jobs.work.announce(&keys::org(id), txn.now()).await?;
        self.jobs.work.finish(&mut txn, job);
        if let Some(last) = members.last().filter(|_| members.len() == CHUNK) {
            let next = Work::CameBack { organization: id.clone(), cursor: Some(last.value.user.clone()) };
            let now = txn.now();
            self.jobs.put_work(&mut txn, &announced, next, now)?;
        }
        self.store.commit(txn).await
    }
}

fn by_password(place: &Place) -> bool {
    place.method == LoginMethod::Password
}
