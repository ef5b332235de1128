//! Who belongs to an organization, as far as we know.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};

use super::listing::{LOOK, ListQuery, Needle, Piece, Sorted, look};
use super::{Admin, NotEntered, Room, page_path, view};
use crate::clock::Timestamp;
use crate::domain::disable::{Row, RowStatus};
use crate::domain::member::Member;
use crate::domain::organization::Organization;
use crate::http::pages::organization::{AddressState, MemberRow, MembersPage};
use crate::http::pages::when::{self, Stamp};
use crate::http::pages::{Choice, Page, Pager, Section, thousands};
use crate::http::web::{Visitor, Web};
use crate::store::{StoreError, keys};

/// `GET /organizations/{slug}/members`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, NotEntered> {
    let path = page_path(&slug, "members");
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Settings).await?;
    let count = view::count(admin.directory.member_count(&entered.organization.id).await?);
    let (members, pager) = list(&admin, &entered.organization, count, &query).await?;
    let mails = last_mails(&admin, &entered.organization, &members).await?;
    let now = web.clock.now();
    let rows = members.iter().zip(mails).map(|(member, mail)| shown(member, mail.as_ref(), now)).collect();
    let page = MembersPage {
        frame: entered.frame(&web, Section::Members),
        members: count,
        query: query.q.trim().to_owned(),
        roles: Choice::list(MembersPage::ROLES, &query.role),
        rows,
        pager,
    };
    Ok(Page::ok(page).into_response())
}

/// By name, or by id where there are too many to sort for one look.
async fn list(
    admin: &Admin,
    organization: &Organization,
    count: u64,
    query: &ListQuery,
) -> Result<(Vec<Member>, Pager), StoreError> {
    let needle = Needle::new(&query.q);
    let fits = |member: &Member| {
        ["", member.role.as_str()].contains(&query.role.as_str())
            && needle.fits(&[&member.name, member.email.as_deref().unwrap_or_default()])
    };
    let members = keys::members(&organization.id);
    if usize::try_from(count).unwrap_or(usize::MAX) > LOOK {
        let piece = Piece::read(&admin.store, &members, query, fits).await?;
        let pager = piece.pager(query, |n| format!("{n} of {}, in no particular order", thousands(count)));
        return Ok((piece.found, pager));
    }
    let mut sorted = Sorted::new(query);
    look(&admin.store, &members, |member: Member| {
        if fits(&member) {
            sorted.offer((member.name.to_lowercase(), member.user.to_string()), || member);
        }
    })
    .await?;
    Ok(sorted.finish(query))
}

/// What became of the last mail of a run to each of these members.
async fn last_mails(
    admin: &Admin,
    organization: &Organization,
    members: &[Member],
) -> Result<Vec<Option<Row>>, StoreError> {
    let Some(run) = &organization.run else { return Ok(vec![None; members.len()]) };
    let wanted: Vec<_> = members.iter().map(|member| keys::row(&organization.id, run, &member.user)).collect();
    let found = admin.store.read_all(&wanted).await?;
    Ok(found.into_iter().map(|entry| entry.map(|entry| entry.value)).collect())
}

fn shown(member: &Member, mail: Option<&Row>, now: Timestamp) -> MemberRow {
    MemberRow {
        id: member.user.to_string(),
        name: member.name.clone(),
        address: member.email.clone().unwrap_or_default(),
        role: member.role.as_str().to_owned(),
        address_state: address_state(member, mail, now),
        seen: Some(Stamp::short_day(member.verified_at, now)),
        last_sign_in: member.last_sign_in.map_or_else(|| "never".to_owned(), |at| when::recent(at, now)),
    }
}

/// Whom an admin left out or Fly.io no longer names is not mailed. An address counts as unreachable when the last mail to it failed.
fn address_state(member: &Member, mail: Option<&Row>, now: Timestamp) -> AddressState {
    if let Some(left_out) = &member.left_out {
        return AddressState::LeftOut { by: left_out.by.clone() };
    }
    if let Some(since) = member.absent_since {
        return AddressState::Unnamed { since: when::short_day(since, now) };
    }
    if member.email.is_none() {
        return AddressState::Missing;
    }
    match mail {
        Some(row) if row.status == RowStatus::Failed && row.email == member.email => AddressState::Unreachable,
        _ => AddressState::TakesMail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::member::Role;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_358_222);

    fn member(email: Option<&str>) -> Member {
        Member {
            user: "u1".parse().expect("an id"),
            role: Role::Member,
            name: "Leo Brandt".to_owned(),
            email: email.map(str::to_owned),
            has_password: false,
            joined_at: NOW,
            verified_at: NOW,
            absent_since: None,
            last_sign_in: None,
            left_out: None,
        }
    }

    fn mail(email: &str, status: RowStatus) -> Row {
        let member = member(Some(email));
        Row { status, ..Row::new(&member, NOW) }
    }

    #[test]
    fn an_address_is_judged_by_the_last_mail_to_it() {
        let member_with = member(Some("leo@saltmarsh.example"));
        let state = |mail: Option<Row>| address_state(&member_with, mail.as_ref(), NOW);
        assert_eq!(state(None), AddressState::TakesMail);
        assert_eq!(state(Some(mail("leo@saltmarsh.example", RowStatus::Sent))), AddressState::TakesMail);
        assert_eq!(state(Some(mail("leo@saltmarsh.example", RowStatus::Failed))), AddressState::Unreachable);
        assert_eq!(state(Some(mail("old@saltmarsh.example", RowStatus::Failed))), AddressState::TakesMail);
        assert_eq!(address_state(&member(None), None, NOW), AddressState::Missing);
    }

    #[test]
    fn whom_flyio_no_longer_names_is_shown_as_such() {
        let absent = Member { absent_since: Some(NOW), ..member(Some("leo@saltmarsh.example")) };
        let sent = mail("leo@saltmarsh.example", RowStatus::Sent);
        let expected = AddressState::Unnamed { since: "22 November".to_owned() };
        assert_eq!(address_state(&absent, Some(&sent), NOW), expected);
    }

    #[test]
    fn a_member_who_never_signed_in() {
        let row = shown(&member(None), None, NOW);
        assert_eq!((row.last_sign_in.as_str(), row.address.as_str()), ("never", ""));
        assert_eq!(row.seen.map(|seen| seen.text).as_deref(), Some("22 November"));
    }
}
