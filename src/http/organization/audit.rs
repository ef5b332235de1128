//! What happened in an organization.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};

use super::listing::{ListQuery, Needle, Piece};
use super::{Admin, NotEntered, Room, page_path};
use crate::domain::audit::{AuditEntry, AuditKind};
use crate::http::pages::organization::{AuditDay, AuditPage, AuditRow};
use crate::http::pages::when::{Stamp, day_minute};
use crate::http::pages::{Choice, Page, Section};
use crate::http::web::{Visitor, Web};
use crate::store::keys;

/// What one can filter by.
const KINDS: &[(&str, &str)] = &[
    ("", "everything"),
    ("sign-ins", "sign-ins"),
    ("refusals", "refusals"),
    ("method", "login method"),
    ("mail", "mail"),
    ("passwords", "passwords and addresses"),
    ("members", "members and roles"),
    ("plan", "plan"),
];

/// `GET /organizations/{slug}/audit`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, NotEntered> {
    let path = page_path(&slug, "audit");
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Settings).await?;
    let needle = Needle::new(&query.q);
    let log = keys::audit_log(&entered.organization.id);
    let piece =
        Piece::read(&admin.store, &log, &query, |entry: &AuditEntry| fits(entry, &needle, &query.kind)).await?;
    let newest = piece.found.first().map(|entry| day_minute(entry.at)).unwrap_or_default();
    let mut pager = piece.pager(&query, |n| match n {
        1 => format!("1 event, {newest}"),
        n => format!("{n} events, the newest of {newest}"),
    });
    if !query.after.is_empty() {
        // A list goes one way only: back leads to its begin.
        pager.previous = Some(query.page(""));
    }
    let page = AuditPage {
        frame: entered.frame(&web, Section::Audit),
        query: query.q.trim().to_owned(),
        kinds: Choice::list(KINDS, &query.kind),
        days: by_day(&piece.found),
        pager,
    };
    Ok(Page::ok(page).into_response())
}

fn fits(entry: &AuditEntry, needle: &Needle, kind: &str) -> bool {
    let known = KINDS.iter().any(|(value, _)| *value == kind);
    let wanted = kind.is_empty() || !known || group(entry.kind) == kind;
    wanted && needle.fits(&[&entry.who.name, &entry.detail, entry.from.as_deref().unwrap_or_default()])
}

/// The entry of [`KINDS`] that an event belongs to.
fn group(kind: AuditKind) -> &'static str {
    match kind {
        AuditKind::SignedIn => "sign-ins",
        AuditKind::Refused => "refusals",
        AuditKind::LoginMethodChanged => "method",
        AuditKind::RunFinished
        | AuditKind::ResendFinished
        | AuditKind::LinkResent
        | AuditKind::RemindersSent
        | AuditKind::MailReturned => "mail",
        AuditKind::PasswordSet | AuditKind::AddressChanged => "passwords",
        AuditKind::MemberAdded | AuditKind::MemberLeftOut | AuditKind::MemberLetIn | AuditKind::RoleChanged => {
            "members"
        }
        AuditKind::OrganizationAdded | AuditKind::PlanChanged => "plan",
    }
}

/// The name of a kind of event, for scripts.
#[must_use]
pub fn name(kind: AuditKind) -> &'static str {
    match kind {
        AuditKind::SignedIn => "signed-in",
        AuditKind::Refused => "refused",
        AuditKind::LoginMethodChanged => "method-changed",
        AuditKind::RunFinished => "run-finished",
        AuditKind::ResendFinished => "resending-finished",
        AuditKind::LinkResent => "link-resent",
        AuditKind::RemindersSent => "reminders-sent",
        AuditKind::MailReturned => "mail-returned",
        AuditKind::PasswordSet => "password-set",
        AuditKind::AddressChanged => "address-changed",
        AuditKind::MemberAdded => "member-added",
        AuditKind::MemberLeftOut => "member-left-out",
        AuditKind::MemberLetIn => "member-let-in",
        AuditKind::RoleChanged => "role-changed",
        AuditKind::OrganizationAdded => "organization-added",
        AuditKind::PlanChanged => "plan-changed",
    }
}

/// `entries` are in order of time.
fn by_day(entries: &[AuditEntry]) -> Vec<AuditDay> {
    let same_day = |a: &AuditEntry, b: &AuditEntry| Stamp::day(a.at) == Stamp::day(b.at);
    let group = |entries: &[AuditEntry]| {
        let first = entries.first()?;
        Some(AuditDay { day: Stamp::day(first.at), rows: entries.iter().map(shown).collect() })
    };
    entries.chunk_by(same_day).filter_map(group).collect()
}

fn shown(entry: &AuditEntry) -> AuditRow {
    AuditRow {
        at: Stamp::clock(entry.at),
        kind: name(entry.kind).to_owned(),
        what: entry.kind.title().to_owned(),
        detail: entry.detail.clone(),
        who: entry.who.name.clone(),
        from: entry.from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::organization::Actor;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_358_222);

    fn entry(kind: AuditKind, hours_ago: u64) -> AuditEntry {
        AuditEntry {
            at: NOW.minus(Duration::from_hours(hours_ago)),
            kind,
            who: Actor { user: None, name: "Ines Marlow".to_owned() },
            from: Some("2001:db8:40::7".to_owned()),
            detail: "to Leo Brandt".to_owned(),
        }
    }

    #[test]
    fn events_are_grouped_by_day_in_their_order() {
        let entries = [0, 1, 14, 15, 40].map(|hours| entry(AuditKind::SignedIn, hours));
        let days: Vec<(String, usize)> =
            by_day(&entries).into_iter().map(|group| (group.day.text, group.rows.len())).collect();
        let expected = [("22 November 2026", 3), ("21 November 2026", 1), ("20 November 2026", 1)];
        assert_eq!(days, expected.map(|(day, n)| (day.to_owned(), n)));
    }

    #[test]
    fn a_search_looks_at_person_detail_and_address() {
        let entry = entry(AuditKind::LinkResent, 0);
        for found in ["marlow", "LEO", "2001:db8", ""] {
            assert!(fits(&entry, &Needle::new(found), ""), "{found}");
        }
        assert!(!fits(&entry, &Needle::new("zebra"), ""));
        assert!(fits(&entry, &Needle::new(""), "mail") && !fits(&entry, &Needle::new(""), "sign-ins"));
        assert!(fits(&entry, &Needle::new(""), "no such kind"));
    }

    #[test]
    fn every_kind_belongs_to_a_filter() {
        use AuditKind::*;
        let all = [
            SignedIn,
            Refused,
            LoginMethodChanged,
            RunFinished,
            LinkResent,
            RemindersSent,
            MailReturned,
            PasswordSet,
            AddressChanged,
            MemberAdded,
            RoleChanged,
            OrganizationAdded,
            PlanChanged,
        ];
        for kind in all {
            assert!(KINDS.iter().any(|(value, _)| *value == group(kind)), "{kind:?}");
        }
    }
}
