//! The small worlds that are looked at whole.
//!
//! Their bounds: at most two organizations, three members, two workers, two admins with at most three clicks between them,
//! one fault, one link that gets old, one mail or one walk once more.

use super::state::Mishaps;
use super::state::Wish::{Disable, Enable};
use super::world::Who::{HasPassword, Nowhere, Sets, Waits};
use super::world::{Flaw, World};

/// Three members in one organization, mailed in two chunks by two workers. One admin leaves Fly.io, and another comes back,
/// before, meanwhile or after; one thing goes wrong.
pub(super) fn three_members() -> World {
    World {
        name: "three members",
        flaw: Flaw::None,
        chunk: 2,
        workers: 2,
        members: vec![vec![0, 1, 2]],
        joins: vec![],
        people: vec![Waits, HasPassword, Nowhere],
        admins: vec![vec![Disable(0)], vec![Enable(0)]],
        mishaps: Mishaps { faults: 1, ..Mishaps::default() },
    }
}

/// Two organizations that share a person, who sets a password or not; one comes back.
pub(super) fn shared_person() -> World {
    World {
        name: "a shared person",
        workers: 1,
        members: vec![vec![0, 1], vec![1, 2]],
        people: vec![Waits, Sets, Nowhere],
        admins: vec![vec![Disable(0), Enable(0)], vec![Disable(1)]],
        mishaps: Mishaps::default(),
        ..three_members()
    }
}

/// Two admins, two workers, two organizations that share a person, three members of whom mail reaches that person; one
/// thing goes wrong.
pub(super) fn two_of_everything() -> World {
    let (people, mishaps) = (vec![Nowhere, Waits, Nowhere], Mishaps { faults: 1, ..Mishaps::default() });
    World { name: "two of everything, and a fault", workers: 2, people, mishaps, ..shared_person() }
}

/// The same, with a password, and nothing going wrong.
pub(super) fn two_of_everything_and_a_password() -> World {
    let people = vec![Nowhere, Sets, Nowhere];
    World { name: "two of everything, and a password", people, mishaps: Mishaps::default(), ..two_of_everything() }
}

/// The shared person alone, mailed by two workers at the same time.
pub(super) fn two_mails() -> World {
    let members = vec![vec![0], vec![0]];
    World { name: "two mails to one person", workers: 2, members, people: vec![Sets], ..shared_person() }
}

/// The same, with one thing going wrong, for somebody who never sets a password.
pub(super) fn two_mails_and_a_fault() -> World {
    let mishaps = Mishaps { faults: 1, ..Mishaps::default() };
    World { name: "two mails to one person, and a fault", people: vec![Waits], mishaps, ..two_mails() }
}

/// Two admins click at the same time, and one of them comes back; one thing goes wrong.
pub(super) fn two_clicks() -> World {
    World {
        name: "two clicks and a fault",
        members: vec![vec![0]],
        people: vec![Waits],
        admins: vec![vec![Disable(0), Enable(0)], vec![Disable(0)]],
        ..three_members()
    }
}

/// The same, with a password, and nothing going wrong.
pub(super) fn two_clicks_and_a_password() -> World {
    World { name: "two clicks and a password", people: vec![Sets], mishaps: Mishaps::default(), ..two_clicks() }
}

/// An organization that leaves, comes back and leaves again.
pub(super) fn there_and_back() -> World {
    let admins = vec![vec![Disable(0), Enable(0), Disable(0)], vec![Disable(0)]];
    World { name: "there and back", admins, mishaps: Mishaps::default(), ..two_clicks() }
}

/// A link that gets old while one thing goes wrong.
pub(super) fn old_links() -> World {
    let mishaps = Mishaps { faults: 1, expiries: 1, ..Mishaps::default() };
    World { name: "old links", workers: 1, people: vec![Sets], mishaps, ..two_clicks() }
}

/// A mail that an admin has sent again.
pub(super) fn one_mail_again() -> World {
    let mishaps = Mishaps { faults: 1, resends: 1, ..Mishaps::default() };
    let admins = vec![vec![Disable(0)]];
    World { name: "one mail again", people: vec![Sets], admins, mishaps, ..two_clicks() }
}

/// All mails that an admin has sent again, while another comes back.
pub(super) fn all_mails_again() -> World {
    let mishaps = Mishaps { faults: 1, walks: 1, ..Mishaps::default() };
    let admins = vec![vec![Disable(0)], vec![Enable(0)]];
    World { name: "all mails again", admins, mishaps, ..two_clicks() }
}

/// Somebody joins while the click counts the members.
pub(super) fn late_member() -> World {
    World {
        name: "a late member",
        chunk: 1,
        workers: 1,
        members: vec![vec![0]],
        joins: vec![(0, 1)],
        people: vec![Waits, Waits],
        ..three_members()
    }
}

/// Looked at only when asked for: minutes rather than seconds, and gigabytes for the last one.
pub(super) fn large() -> Vec<World> {
    vec![
        World { name: "large: a chunk each", chunk: 1, ..three_members() },
        World { name: "large: two clicks, a password and a fault", people: vec![Sets], ..two_clicks() },
        World { name: "large: a shared person, two workers", workers: 2, ..shared_person() },
        World {
            name: "large: two of everything, a password and a fault",
            people: vec![Nowhere, Sets, Nowhere],
            ..two_of_everything()
        },
    ]
}
