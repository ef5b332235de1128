//! What must hold at every instant, and what must have happened when nobody has anything left to do.

use flybridge::domain::disable::{RowStatus, Totals};
use flybridge::domain::organization::LoginMethod;
use stateright::Property;

use super::mail::{has_a_way_in, is_anything_open};
use super::people::link_opens;
use super::state::{Job, Run, Stage, State, Worker};
use super::workers::is_worth_it;
use super::world::World;

pub(super) const TOTALS: &str = "totals add up and are those of the rows";
pub(super) const COUNTED: &str = "whoever was counted at an answered click stays counted";
pub(super) const ONE_RUN: &str = "an organization has one run in force, and has left Fly.io exactly while it has";
pub(super) const ONE_JOB: &str = "a row that is not settled has one mail, and a settled row none";
pub(super) const ONE_LINK: &str = "no person has two live links";
pub(super) const DEAD_LINKS: &str = "no link opens anything while all organizations of the person are on Fly.io";
pub(super) const STEPS: &str = "no single step does what it must not";
pub(super) const SENT: &str = "a row says sent only of a mail that left";
pub(super) const REPEATS: &str = "a mail is repeated no more often than something went wrong";
pub(super) const ENDS: &str = "every run ends: nothing waits, everybody has a settled row";
pub(super) const WAY_IN: &str = "whoever is not listed as failed has a way in";
pub(super) const OVER: &str = "of a run that is over nothing is queued or being sent";
pub(super) const SUMMARY: &str = "the admin is told once that the mailing is over";

pub(super) fn all() -> Vec<Property<World>> {
    vec![
        Property::always(TOTALS, |_, state| every_run(state, totals_are_those_of_the_rows)),
        Property::always(COUNTED, |_, state| are_counted(state)),
        Property::always(ONE_RUN, |_, state| one_run(state)),
        Property::always(ONE_JOB, |_, state| one_job(state)),
        Property::always(ONE_LINK, one_link),
        Property::always(DEAD_LINKS, dead_links),
        Property::always(STEPS, |_, state: &State| state.wrong.is_none()),
        Property::always(SENT, |_, state| every_run(state, sent_has_left)),
        Property::always(REPEATS, repeats),
        Property::always(ENDS, |_, state| !is_quiet(state) || is_finished(state)),
        Property::always(WAY_IN, |world, state| !is_quiet(state) || everybody_gets_in(world, state)),
        Property::always(OVER, |_, state| every_run(state, is_over_when_done)),
        Property::always(SUMMARY, |_, state| every_run(state, |run| run.summaries == u8::from(run.mailed))),
    ]
}

/// Nobody does anything, and nobody would if they looked.
pub(super) fn is_quiet(state: &State) -> bool {
    state.workers.iter().all(|worker| *worker == Worker::Idle)
        && !state.jobs.keys().any(|job| is_worth_it(state, job))
}

fn every_run(state: &State, holds: impl Fn(&Run) -> bool) -> bool {
    state.organizations.iter().flat_map(|organization| &organization.runs).all(holds)
}

fn totals_are_those_of_the_rows(run: &Run) -> bool {
    let mut counted = Totals { members: run.members, ..Totals::default() };
    let mut written = 0;
    for row in run.ledger.iter().flatten() {
        *counted.of(row.status) += 1;
        counted.ready += i64::from(row.ready);
        written += 1;
    }
    // A reverted run cancels those who have no row, once a worker comes to it.
    let abandoned = run.stage == Stage::Reverted && run.rows == run.members;
    let missing = if abandoned { &mut counted.cancelled } else { &mut counted.queued };
    *missing += run.members - written;
    counted == run.totals && counted.add_up() && RowStatus::ALL.iter().all(|status| *counted.of(*status) >= 0)
}

fn are_counted(state: &State) -> bool {
    state.admins.iter().flat_map(|admin| &admin.told).all(|(organization, run, members)| {
        let run = state.organizations[*organization].runs.get(*run);
        run.is_some_and(|run| run.totals.members >= *members)
    })
}

fn one_run(state: &State) -> bool {
    state.organizations.iter().all(|organization| {
        let in_force = organization.runs.iter().filter(|run| run.stage != Stage::Reverted).count();
        in_force == usize::from(organization.method == LoginMethod::Password)
    })
}

fn one_job(state: &State) -> bool {
    let mut mails = 0;
    let runs = state.organizations.iter().enumerate();
    let all =
        runs.flat_map(|(organization, of)| of.runs.iter().enumerate().map(move |(run, of)| (organization, run, of)));
    for (organization, run, of) in all {
        for (person, row) in of.ledger.iter().enumerate() {
            let Some(row) = row.as_ref().filter(|row| !row.status.is_settled()) else { continue };
            mails += 1;
            if !state.jobs.contains_key(&Job::Mail { organization, run, person, resend: row.resends }) {
                return false;
            }
        }
    }
    mails == state.jobs.keys().filter(|job| matches!(job, Job::Mail { .. })).count()
}

fn links_that_open(world: &World, state: &State, person: usize) -> usize {
    let mailbox = state.people[person].mailbox;
    (1..8)
        .filter(|generation| mailbox & (1 << generation) != 0 && link_opens(world, state, person, *generation))
        .count()
}

fn one_link(world: &World, state: &State) -> bool {
    (0..state.people.len()).all(|person| links_that_open(world, state, person) <= 1)
}

fn dead_links(world: &World, state: &State) -> bool {
    let dead = |person| is_anything_open(world, state, person) || links_that_open(world, state, person) == 0;
    (0..state.people.len()).all(dead)
}

fn is_over_when_done(run: &Run) -> bool {
    run.stage != Stage::Done || (run.totals.unsettled() == 0 && run.resending == 0)
}

fn sent_has_left(run: &Run) -> bool {
    let rows = run.ledger.iter().zip(&run.delivered);
    rows.into_iter().all(|(row, left)| row.as_ref().is_none_or(|row| row.status != RowStatus::Sent || *left > 0))
}

fn repeats(world: &World, state: &State) -> bool {
    let too_many = |run: &Run| {
        let rows = run.ledger.iter().zip(&run.delivered);
        let over = rows.map(|(row, left)| {
            let due = row.as_ref().map_or(0, |row| row.resends + 1);
            u32::from(*left).saturating_sub(due)
        });
        over.sum::<u32>()
    };
    let all: u32 = state.organizations.iter().flat_map(|organization| &organization.runs).map(too_many).sum();
    all <= u32::from(world.mishaps.faults - state.left.faults)
}

fn is_finished(state: &State) -> bool {
    let noted =
        |person: usize| state.organizations.iter().all(|organization| organization.members[person] != Some(false));
    let noted = (0..state.people.len()).all(|person| state.people[person].password.is_none() || noted(person));
    let rows = state.organizations.iter().all(|organization| {
        organization.runs.iter().all(|run| {
            let settled = run.ledger.iter().flatten().all(|row| row.status.is_settled());
            let of_everybody =
                (0..state.people.len()).filter(|person| organization.members[*person].is_some()).all(|person| {
                    let row = run.ledger[person].as_ref();
                    row.is_some_and(|row| row.ready || state.people[person].password.is_none())
                });
            settled
                && match run.stage {
                    Stage::Done => of_everybody,
                    Stage::Reverted => true,
                    Stage::Switched | Stage::Mailing { .. } => false,
                }
        })
    });
    state.jobs.is_empty() && noted && rows
}

/// Of the members of an organization that has left and mailed everybody. Whose link got old can ask for another.
fn everybody_gets_in(world: &World, state: &State) -> bool {
    if state.left.expiries != world.mishaps.expiries {
        return true;
    }
    state.organizations.iter().filter(|organization| organization.method == LoginMethod::Password).all(
        |organization| {
            let Some(run) = organization.runs.last() else { return true };
            (0..state.people.len()).all(|person| {
                let row = run.ledger[person].as_ref();
                row.is_none_or(|row| row.status == RowStatus::Failed || has_a_way_in(world, state, person))
            })
        },
    )
}
