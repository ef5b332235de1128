//! Holds everything that is kept twice against its source: counters against what they count, and what is copied from one
//! partition to another (see [`keys`]) against the records it is copied from.
//!
//! | what | source | may be made again |
//! |---|---|---|
//! | the short name, the list for operators | the organization | yes |
//! | the number of members | their records | while nobody joins |
//! | totals of a run | its rows | when its mailing is over |
//! | a waiting row | the job that mails it | no: an admin has the mail sent again |
//! | "has a password" of members and rows | the person's credential | yes |
//! | where a person belongs | the members' records | yes |
//! | who a Fly.io id or an address is | the person | while it is nobody else's |
//! | where a person is signed in | nothing else: it is only read | no |
//!
//! Name and address of a member are what Fly.io said when it last named the organization, and need not be the person's.
//!
//! The program may run meanwhile. What differs is looked at once more after a moment, since a copy may just be on its way.

mod members;
mod mend;
mod runs;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::directory::Directory;
use super::disable::Disable;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{OrganizationId, Slug, UpstreamUserId, UserId};
use crate::domain::organization::Organization;
use crate::store::{Key, Store, StoreError, keys};

/// How long a copy may be on its way.
const MOMENT: Duration = Duration::from_secs(2);
/// So often counters are read anew when they changed while the records were counted.
const TRIES: usize = 3;

/// Something that is not what its source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: the same at each look.
    pub place: String,
    pub what: String,
    pub mend: Mend,
}

/// How to make a copy again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// Not without guessing.
    Nothing,
    Slug(Slug),
    Listed(Slug),
    /// What to add to a counter.
    Counter(Key, i64),
    HasPassword(UserId),
    Belongs(UserId),
    Identity(UpstreamUserId, UserId),
    Address(EmailAddress, UserId),
}

/// What one look found.
#[derive(Debug, Default)]
pub struct Findings {
    pub members: usize,
    pub rows: usize,
    pub differences: Vec<Difference>,
    /// What could not be held against its source, because it changed all the time.
    pub moving: Vec<String>,
}

impl Findings {
    fn differs(&mut self, place: impl Into<String>, what: impl Into<String>, mend: Mend) {
        self.differences.push(Difference { place: place.into(), what: what.into(), mend });
    }
}

pub struct Verifier {
    store: Store,
    directory: Arc<Directory>,
    disable: Arc<Disable>,
}

impl Verifier {
    #[must_use]
    pub fn new(store: Store, directory: Arc<Directory>, disable: Arc<Disable>) -> Self {
        Self { store, directory, disable }
    }

    /// Looks at one organization, and once more where something differs.
    ///
    /// # Errors
    /// When the store gives no answer, or a record that everything hangs on cannot be read.
    pub async fn organization(&self, id: &OrganizationId) -> Result<Findings, StoreError> {
        let first = self.look(id).await?;
        if first.differences.is_empty() {
            return Ok(first);
        }
        self.store.clock().sleep(MOMENT).await;
        let before: BTreeSet<String> = first.differences.into_iter().map(|difference| difference.place).collect();
        let mut second = self.look(id).await?;
        second.differences.retain(|difference| before.contains(&difference.place));
        Ok(second)
    }

    async fn look(&self, id: &OrganizationId) -> Result<Findings, StoreError> {
        let mut findings = Findings::default();
        let Some(organization) = self.directory.organization(id).await? else {
            findings.differs("organization", format!("there is no organization {id}"), Mend::Nothing);
            return Ok(findings);
        };
        let organization = organization.value;
        self.look_at_names(&organization, &mut findings).await?;
        self.look_at_members(&organization, &mut findings).await?;
        self.look_at_runs(&organization, &mut findings).await?;
        Ok(findings)
    }

    async fn look_at_names(&self, organization: &Organization, findings: &mut Findings) -> Result<(), StoreError> {
        let (id, slug) = (&organization.id, &organization.slug);
        let named = self.store.read(&keys::slug(slug)).await?.map(|entry| entry.value);
        let listed = self.store.read(&keys::organizations().item(slug.as_str())).await?.map(|entry| entry.value);
        match named {
            Some(named) if named == *id => {}
            Some(other) => findings.differs("slug", format!("the short name {slug} leads to {other}"), Mend::Nothing),
            None => {
                findings.differs("slug", format!("the short name {slug} leads nowhere"), Mend::Slug(slug.clone()));
            }
        }
        if listed.as_ref() != Some(id) {
            findings.differs("list", "it is not in the list of organizations", Mend::Listed(slug.clone()));
        }
        Ok(())
    }
}
