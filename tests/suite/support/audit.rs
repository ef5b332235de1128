//! The audit log of an organization, as somebody reads it who wants to know in which order things happened.

use flybridge::domain::audit::{AuditEntry, AuditKind};
use flybridge::domain::organization::Organization;

/// The generations in the log follow one another up to that of `organization`, each with one line, none before the one it
/// came out of, and from one login method to the other.
#[track_caller]
pub(crate) fn check_linear(log: impl IntoIterator<Item = AuditEntry>, organization: &Organization) {
    let changes = log.into_iter().filter(|entry| entry.kind == AuditKind::LoginMethodChanged);
    let mut changes: Vec<AuditEntry> = changes.collect();
    let generation = |entry: &AuditEntry| {
        let (_, of) = entry.detail.split_once("generation ").unwrap();
        of.split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    changes.sort_by_key(generation);
    assert_eq!(changes.len(), usize::try_from(organization.generation.0 - 1).unwrap(), "{changes:?}");
    for (index, change) in changes.iter().enumerate() {
        let way = if index % 2 == 0 { "Fly.io to email and password" } else { "email and password to Fly.io" };
        let line = format!("{way}; generation {} to {}", index + 1, index + 2);
        assert!(change.detail.starts_with(&line), "{changes:?}");
    }
    assert!(changes.is_sorted_by_key(|change| change.at), "{changes:?}");
}
