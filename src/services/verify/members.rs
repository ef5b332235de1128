//! Members and the people they are.

use super::runs::is_written;
use super::{Findings, Mend, TRIES, Verifier};
use crate::domain::disable::Row;
use crate::domain::email::EmailAddress;
use crate::domain::ids::UserId;
use crate::domain::member::Member;
use crate::domain::organization::{LoginMethod, Organization};
use crate::domain::user::{Credential, User};
use crate::domain::whereabouts::Whereabouts;
use crate::services::directory::address_hash;
use crate::store::records::{Entry, decode};
use crate::store::{MAX_SCAN, StoreError, keys};

/// What is kept about one member elsewhere.
struct Sources {
    user: Option<User>,
    credential: Option<Credential>,
    /// In the run that is in force.
    row: Option<Row>,
    /// Everybody has a row in it.
    written: bool,
}

impl Verifier {
    pub(super) async fn look_at_members(
        &self,
        organization: &Organization,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let told = self.directory.member_count(&organization.id).await?;
            let mut seen = Findings::default();
            let mut after: Option<String> = None;
            loop {
                let page = self.directory.members(&organization.id, after.as_deref(), MAX_SCAN).await?;
                self.look_at_page(organization, &page, &mut seen).await?;
                seen.members += page.len();
                match page.last() {
                    Some(last) if page.len() == MAX_SCAN => after = Some(last.item().to_owned()),
                    _ => break,
                }
            }
            if self.directory.member_count(&organization.id).await? != told {
                continue;
            }
            let counted = i64::try_from(seen.members).unwrap_or(i64::MAX);
            if counted != told {
                let what = format!("{told} members are counted and {counted} are there");
                let mend = Mend::Counter(keys::member_count(&organization.id), counted - told);
                findings.differs("members", what, mend);
            }
            findings.members = seen.members;
            findings.differences.append(&mut seen.differences);
            return Ok(());
        }
        findings.moving.push("the number of members".to_owned());
        Ok(())
    }

    async fn look_at_page(
        &self,
        organization: &Organization,
        page: &[Entry<Member>],
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let ids: Vec<&UserId> = page.iter().map(|member| &member.value.user).collect();
        let users = self.store.read_all(&ids.iter().map(|id| keys::user(id)).collect::<Vec<_>>()).await?;
        let credentials = self.store.read_all(&ids.iter().map(|id| keys::credential(id)).collect::<Vec<_>>()).await?;
        let run = organization.run.as_ref().filter(|_| organization.login_method == LoginMethod::Password);
        // Before the rows: one that is written meanwhile is there.
        let written = match run {
            Some(run) => self.disable.run(&organization.id, run).await?.is_some_and(|run| is_written(&run.value)),
            None => false,
        };
        let rows = match run {
            Some(run) => {
                let wanted: Vec<_> = ids.iter().map(|id| keys::row(&organization.id, run, id)).collect();
                self.store.read_all(&wanted).await?
            }
            None => ids.iter().map(|_| None).collect(),
        };
        for (((member, user), credential), row) in page.iter().zip(users).zip(credentials).zip(rows) {
            let sources = Sources {
                user: user.map(|entry| entry.value),
                credential: credential.map(|entry| entry.value),
                row: row.map(|entry| entry.value),
                written,
            };
            look_at_member(organization, &member.value, &sources, findings);
        }
        self.look_at_pointers(page, findings).await
    }

    /// Who a Fly.io id and an address are, and where people are signed in.
    async fn look_at_pointers(&self, page: &[Entry<Member>], findings: &mut Findings) -> Result<(), StoreError> {
        let wanted: Vec<_> = page.iter().map(|member| keys::user(&member.value.user)).collect();
        let users: Vec<User> = self.store.read_all(&wanted).await?.into_iter().flatten().map(|e| e.value).collect();
        let identities: Vec<_> = users.iter().map(|user| keys::fly_identity(&user.fly_id)).collect();
        for (user, found) in users.iter().zip(self.store.read_all(&identities).await?) {
            let mend = Mend::Identity(user.fly_id.clone(), user.id.clone());
            leads_to(user, "Fly.io id", found, mend, findings);
        }
        self.look_at_addresses(&users, findings).await?;
        let whereabouts: Vec<_> = users.iter().map(|user| keys::whereabouts(&user.id).into_key()).collect();
        for (key, found) in whereabouts.iter().zip(self.store.get(&whereabouts).await?) {
            if found.is_some_and(|record| decode::<Whereabouts>(key, &record).is_err()) {
                let what = format!("where they are signed in cannot be read ({})", key.partition());
                findings.differs(format!("whereabouts {}", key.partition()), what, Mend::Nothing);
            }
        }
        Ok(())
    }

    /// Whom their addresses sign in: the one at Fly.io, and the own one that is confirmed.
    async fn look_at_addresses(&self, users: &[User], findings: &mut Findings) -> Result<(), StoreError> {
        let wanted: Vec<_> = users.iter().map(|user| keys::contact(&user.id)).collect();
        let contacts = self.store.read_all(&wanted).await?;
        let mut reached: Vec<(&User, EmailAddress)> = Vec::new();
        for (user, contact) in users.iter().zip(contacts) {
            reached.extend(user.email.as_deref().and_then(|email| email.parse().ok()).map(|address| (user, address)));
            reached.extend(contact.and_then(|entry| entry.value.confirmed).map(|own| (user, own.address)));
        }
        let addresses: Vec<_> = reached.iter().map(|(_, address)| keys::address(&address_hash(address))).collect();
        for ((user, address), found) in reached.into_iter().zip(self.store.read_all(&addresses).await?) {
            // Fly.io may have given it to somebody else, and whoever has it as their own keeps it.
            let other = found.as_ref().map(|entry| &entry.value).filter(|other| **other != user.id);
            if let Some(other) = other
                && self.directory.signs_in(other, &address).await?
            {
                continue;
            }
            leads_to(user, "address", found, Mend::Address(address.clone(), user.id.clone()), findings);
        }
        Ok(())
    }
}

/// Holds what a name of the person leads to against the person.
fn leads_to(user: &User, name: &str, found: Option<Entry<UserId>>, mend: Mend, findings: &mut Findings) {
    let (place, id) = (format!("{name} of {}", user.id), &user.id);
    match found.map(|entry| entry.value) {
        Some(found) if found == *id => {}
        Some(other) => findings.differs(place, format!("the {name} of person {id} leads to {other}"), Mend::Nothing),
        None => findings.differs(place, format!("the {name} of person {id} leads nowhere"), mend),
    }
}

fn look_at_member(organization: &Organization, member: &Member, sources: &Sources, findings: &mut Findings) {
    let id = &member.user;
    let Some(user) = &sources.user else {
        findings.differs(format!("person {id}"), format!("member {id} is nobody we know"), Mend::Nothing);
        return;
    };
    if !user.organizations.contains(&organization.id) {
        let what = format!("person {id} is a member and does not know of it");
        findings.differs(format!("organizations of {id}"), what, Mend::Belongs(id.clone()));
    }
    let has_password = sources.credential.is_some();
    if member.has_password != has_password {
        let what = if has_password {
            format!("person {id} has a password and the member has none")
        } else {
            format!("person {id} has no password and the member has one")
        };
        findings.differs(format!("password of member {id}"), what, Mend::HasPassword(id.clone()));
    }
    match &sources.row {
        None if sources.written => {
            let what = format!("member {id} has no row in the ledger of the run");
            findings.differs(format!("row of {id}"), what, Mend::Nothing);
        }
        Some(row) if row.left_out != member.left_out.is_some() => {
            let what = format!("member {id} and their row do not agree on whether they are left out");
            findings.differs(format!("left out {id}"), what, Mend::Nothing);
        }
        _ => {}
    }
    let waits = sources.row.as_ref().is_some_and(|row| row.ready_at.is_none());
    if has_password && waits && member.password_counts() {
        let what = format!("person {id} has a password and the ledger waits for one");
        findings.differs(format!("password in row {id}"), what, Mend::HasPassword(id.clone()));
    }
}
