//! Who would be affected, which changes nothing; and a test mail to whoever asks for one.

use super::Disable;
use crate::domain::disable::Delivery;
use crate::domain::ids::OrganizationId;
use crate::domain::ids::UserId;
use crate::domain::member::Member;
use crate::services::jobs::Mail;
use crate::store::{MAX_SCAN, StoreError, keys};

/// How the members would be mailed, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    pub members: usize,
    pub set_up: usize,
    pub has_password: usize,
    pub unreachable: usize,
    pub left_out: usize,
}

impl Disable {
    /// Queues a mail that says no more than that it arrives, to an admin who wants to know.
    pub async fn send_test(&self, id: &OrganizationId, user: &UserId) -> Result<(), StoreError> {
        let place = keys::user_partition(user);
        let announced = self.jobs.mail.announce(&place, self.store.now()).await?;
        let mut txn = self.store.txn(place);
        let (now, organization, user) = (txn.now(), id.clone(), user.clone());
        self.jobs.put_mail(&mut txn, &announced, Mail::Test { organization, user }, now)?;
        let _ = self.store.commit(txn).await?;
        self.jobs.mail.wake();
        Ok(())
    }

    /// Counts the members by what they would get, in pages, so that memory stays bounded. `each` sees every member.
    pub async fn reach(&self, id: &OrganizationId, mut each: impl FnMut(&Member)) -> Result<Reach, StoreError> {
        let mut reach = Reach::default();
        let mut after: Option<String> = None;
        loop {
            let page = self.directory.members(id, after.as_deref(), MAX_SCAN).await?;
            for member in &page {
                each(&member.value);
                reach.members += 1;
                match Delivery::of(&member.value).0 {
                    Delivery::SetUp => reach.set_up += 1,
                    Delivery::HasPassword => reach.has_password += 1,
                    Delivery::Unreachable => reach.unreachable += 1,
                    Delivery::LeftOut => reach.left_out += 1,
                }
            }
            match page.last() {
                Some(last) if page.len() == MAX_SCAN => after = Some(last.item().to_owned()),
                _ => return Ok(reach),
            }
        }
    }
}
