//! Who would be affected. Reads only; nothing changes.

use super::Disable;
use crate::domain::disable::Delivery;
use crate::domain::ids::OrganizationId;
use crate::domain::member::Member;
use crate::store::{MAX_SCAN, StoreError};

/// How the members would be mailed, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    pub members: usize,
    pub set_up: usize,
    pub has_password: usize,
    pub unreachable: usize,
}

impl Disable {
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
                }
            }
            match page.last() {
                Some(last) if page.len() == MAX_SCAN => after = Some(last.item().to_owned()),
                _ => return Ok(reach),
            }
        }
    }
}
