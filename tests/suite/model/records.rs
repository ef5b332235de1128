//! The world's small records as the program's own, and back.

use std::time::Duration;

use flybridge::clock::Timestamp;
use flybridge::domain::disable::{self, Delivery, RunState};
use flybridge::domain::ids::{OrganizationId, RunId, UserId};
use flybridge::domain::member::{self, Role};
use flybridge::domain::organization::{self, Actor, Generation, MethodChange};
use flybridge::domain::plan::Plan;
use flybridge::domain::secret::TokenHash;
use flybridge::domain::setup_link::{Delivered, LinkState, SetUpLink};

use super::state::{Link, Organization, Row, Run, Stage, State};
use super::world::World;

/// The one moment at which everything happens. What time does is an action: a lease passes, a link gets old.
pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
pub(super) const LEASE: Duration = Duration::from_mins(2);
pub(super) const LIFETIME: Duration = Duration::from_hours(24);

pub(super) fn user(person: usize) -> UserId {
    format!("u{person}").parse().unwrap()
}

pub(super) fn person(user: &UserId) -> usize {
    user.as_str()[1..].parse().unwrap()
}

pub(super) fn organization_id(organization: usize) -> OrganizationId {
    format!("o{organization}").parse().unwrap()
}

pub(super) fn run_id(organization: usize, run: usize) -> RunId {
    format!("r{organization}x{run}").parse().unwrap()
}

pub(super) fn address(person: usize) -> String {
    format!("u{person}@example.org")
}

/// What a link says.
pub(super) fn text(person: usize, generation: u32) -> String {
    format!("u{person}.{generation}")
}

pub(super) fn actor() -> Actor {
    Actor { user: None, name: "Ines".to_owned() }
}

/// Orders switches and passwords: a switch into a generation happens before everything in that generation.
pub(super) fn time_of(generation: u32) -> Timestamp {
    NOW.plus(Duration::from_secs(u64::from(generation)))
}

impl State {
    pub(super) fn organization(&self, index: usize) -> organization::Organization {
        let from = &self.organizations[index];
        let id = organization_id(index);
        let slug = format!("o{index}").parse().unwrap();
        let plan = Plan::Paid { name: String::new(), since: NOW };
        let mut made = organization::Organization::new(id, slug, String::new(), plan, NOW);
        made.login_method = from.method;
        made.generation = Generation(from.generation);
        made.run = from.runs.len().checked_sub(1).map(|run| run_id(index, run));
        made.changed = (from.generation > 1).then(|| MethodChange {
            at: time_of(from.generation),
            by: actor(),
            run: made.run.clone(),
        });
        made
    }

    pub(super) fn run(&self, organization: usize, run: usize) -> disable::Run {
        let from = &self.organizations[organization].runs[run];
        disable::Run {
            id: run_id(organization, run),
            organization: organization_id(organization),
            generation: Generation(from.generation),
            state: match &from.stage {
                Stage::Switched => RunState::Switched,
                Stage::Mailing { cursor, complete } => {
                    RunState::Mailing { cursor: cursor.map(user), complete: *complete }
                }
                Stage::Done => RunState::Done { at: NOW },
                Stage::Reverted => RunState::Reverted { at: NOW },
            },
            by: actor(),
            started_at: NOW,
            members: from.members,
            rows: from.rows,
            mailed_at: from.mailed.then_some(NOW),
            resending: from.resending,
        }
    }

    /// Writes the run's record; its ledger and its totals stay.
    pub(super) fn put_run(&mut self, organization: usize, run: usize, after: &disable::Run) {
        let to = &mut self.organizations[organization].runs[run];
        to.stage = stage(&after.state);
        (to.members, to.rows, to.mailed) = (after.members, after.rows, after.mailed_at.is_some());
        (to.resending, to.version) = (after.resending, to.version + 1);
    }

    pub(super) fn member(&self, world: &World, organization: usize, person: usize) -> Option<member::Member> {
        let has_password = self.organizations[organization].members[person]?;
        Some(member::Member {
            user: user(person),
            role: Role::Member,
            name: String::new(),
            email: world.reachable(person).then(|| address(person)),
            has_password,
            joined_at: NOW,
            verified_at: NOW,
            absent_since: None,
            left_out: None,
            last_sign_in: None,
        })
    }

    pub(super) fn row(&self, world: &World, at: (usize, usize), person: usize) -> Option<disable::Row> {
        let from = self.organizations[at.0].runs[at.1].ledger[person].as_ref()?;
        Some(disable::Row {
            user: user(person),
            name: String::new(),
            email: world.reachable(person).then(|| address(person)),
            delivery: from.delivery(world.reachable(person)),
            left_out: false,
            rests_on: None,
            status: from.status,
            attempts: 0,
            resends: from.resends,
            at: NOW,
            next_attempt_at: None,
            detail: None,
            answer: None,
            reminders: 0,
            last_reminder: None,
            reminded_at: None,
            ready_at: from.ready.then_some(NOW),
            knows: from.knows,
        })
    }

    pub(super) fn put_row(&mut self, at: (usize, usize), after: &disable::Row) {
        self.organizations[at.0].runs[at.1].ledger[person(&after.user)] = Some(Row {
            status: after.status,
            set_up: after.delivery == Delivery::SetUp,
            resends: after.resends,
            ready: after.ready_at.is_some(),
            knows: after.knows,
        });
    }

    pub(super) fn link(&self, person: usize) -> Option<SetUpLink> {
        self.people[person].link.as_ref().map(|link| link.record(person))
    }

    pub(super) fn put_link(&mut self, person: usize, link: &SetUpLink) {
        self.people[person].link = Some(Link {
            generation: link.generation,
            used: link.state == LinkState::Used,
            expired: link.expires_at <= NOW,
            delivered: link.delivered.as_ref().and_then(|delivered| delivered.run.as_ref()).map(|(_, run)| {
                let (organization, run) = run.as_str()[1..].split_once('x').unwrap();
                (organization.parse().unwrap(), run.parse().unwrap())
            }),
        });
    }
}

impl Link {
    pub(super) fn record(&self, person: usize) -> SetUpLink {
        let delivered = self.delivered.map(|(organization, run)| {
            let run = Some((organization_id(organization), run_id(organization, run)));
            Delivered { at: NOW, to: address(person), run }
        });
        SetUpLink {
            generation: self.generation,
            hash: TokenHash::of(text(person, self.generation).as_bytes()),
            expires_at: if self.expired { NOW } else { NOW.plus(LIFETIME) },
            delivered,
            asked: None,
            reminded: None,
            state: if self.used { LinkState::Used } else { LinkState::Live },
        }
    }
}

impl Organization {
    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.members.iter().flatten().count()).unwrap()
    }
}

/// A run that has just begun.
pub(super) fn begun(record: &disable::Run, totals: disable::Totals, people: usize) -> Run {
    Run {
        generation: record.generation.0,
        stage: stage(&record.state),
        version: 0,
        members: record.members,
        rows: record.rows,
        mailed: record.mailed_at.is_some(),
        resending: record.resending,
        totals,
        ledger: vec![None; people],
        opened: 0,
        summaries: 0,
        delivered: vec![0; people],
    }
}

fn stage(state: &RunState) -> Stage {
    match state {
        RunState::Requested | RunState::Switched => Stage::Switched,
        RunState::Mailing { cursor, complete } => {
            Stage::Mailing { cursor: cursor.as_ref().map(person), complete: *complete }
        }
        RunState::Done { .. } => Stage::Done,
        RunState::Reverted { .. } => Stage::Reverted,
    }
}
