//! What workers do, step by step. A step is one commit of the program, or one look at the store, or one mail.

use flybridge::domain::disable::{Effect, Ending, Row, RowStatus, RunState, Totals};
use flybridge::store::queue::Lease;
use flybridge::store::{Key, Partition, Version};

use super::mail;
use super::people::{queue_again, reopen};
use super::records::{LEASE, NOW, time_of, user};
use super::state::{Job, Mail, Standing, State, Step, Worker};
use super::world::{Flaw, World};

/// Takes a job, if nobody holds it: in the same commit a row says that its mail is being sent.
pub(super) fn take(world: &World, state: &mut State, job: &Job) -> bool {
    let Some(idle) = state.workers.iter().position(|worker| *worker == Worker::Idle) else { return false };
    let Some(standing) = state.jobs.get(job) else { return false };
    let visible_at = if standing.held { NOW.plus(LEASE) } else { NOW };
    let lapsed = standing.lapsed || world.flaw == Flaw::NoLease;
    let now = if lapsed { NOW.plus(LEASE) } else { NOW };
    let version = standing.version + 1;
    if Lease::begin(visible_at, now, LEASE, Version(u64::from(version))).is_none() {
        return false;
    }
    state.jobs.insert(job.clone(), Standing { version, held: true, lapsed: false });
    if let Job::Mail { organization, run, person, .. } = job {
        let at = (*organization, *run);
        let row = state.row(world, at, *person);
        let sending = row.as_ref().and_then(|row| row.sending(NOW.plus(LEASE), NOW));
        if let (Some(before), Some(after)) = (row, sending) {
            put_row(state, at, &before, &after);
        }
    }
    state.workers[idle] = Worker::Busy { job: job.clone(), version, step: Step::Begin };
    true
}

/// Whether looking at the job is worth it: a run that waits for its mails is only looked at again and again.
pub(super) fn is_worth_it(state: &State, job: &Job) -> bool {
    let Job::Finish { organization, run, .. } = job else { return true };
    let totals = state.organizations[*organization].runs[*run].totals;
    state.run(*organization, *run).ending(&totals, NOW) != Ok(Ending::Waiting)
}

/// Whether the outcome of a job may be written: the fence of its lease holds.
pub(super) fn holds(world: &World, state: &State, job: &Job, version: u8) -> bool {
    let found = state.jobs.get(job).map(|standing| Version(u64::from(standing.version)));
    let lease = Lease { until: NOW.plus(LEASE), version: Version(u64::from(version)) };
    let key = Key::record(Partition::new("org", "o"), "job/j");
    lease.fence(key).holds(found) || world.flaw == Flaw::NoFence
}

/// Notes when the outcome of a job is written by a worker that has lost it.
pub(super) fn outcome(state: &mut State, job: &Job, version: u8) {
    if state.jobs.get(job).is_none_or(|standing| standing.version != version) {
        state.wrong = Some("a worker that had lost its job wrote the outcome");
    }
}

pub(super) fn put_row(state: &mut State, at: (usize, usize), before: &Row, after: &Row) {
    state.organizations[at.0].runs[at.1].totals += Totals::change(Some(before), after);
    state.put_row(at, after);
}

/// The next step of a worker, and what it does after that.
pub(super) fn work(world: &World, state: &mut State, index: usize, answer: Mail) {
    let Worker::Busy { job, version, step } = state.workers[index].clone() else { return };
    let next = match (&job, &step) {
        (_, Step::Look) => look(state, &job),
        (_, Step::EndRun { version: seen }) => end_run(world, state, &job, *seen),
        (_, Step::EndJob) => {
            end_job(world, state, &job, version);
            None
        }
        (_, Step::Recount(counted)) => mail::recount(state, &job, counted),
        (Job::FanOut { organization, run, .. }, _) => {
            fan_out(world, state, (*organization, *run), (&job, version));
            None
        }
        (Job::Walk { organization, run, .. }, _) => {
            walk(world, state, (*organization, *run), (&job, version));
            None
        }
        (Job::Finish { .. }, _) => look(state, &job),
        (Job::Projection { person }, Step::Project { organization }) => project(world, state, *person, *organization),
        (Job::Projection { .. }, _) => {
            let skip = world.flaw == Flaw::NoProjection;
            Some(if skip { Step::EndJob } else { Step::Project { organization: 0 } })
        }
        (Job::Mail { .. }, _) => mail::step(world, state, (&job, version, &step), answer),
    };
    state.workers[index] = match next {
        Some(step) => Worker::Busy { job, version, step },
        None => Worker::Idle,
    };
}

fn end_job(world: &World, state: &mut State, job: &Job, version: u8) {
    if holds(world, state, job, version) {
        outcome(state, job, version);
        state.jobs.remove(job);
    }
}

/// The whole chunk is one commit, and checks all that it was made from.
fn fan_out(world: &World, state: &mut State, at: (usize, usize), (job, version): (&Job, u8)) {
    if !holds(world, state, job, version) {
        return;
    }
    outcome(state, job, version);
    state.jobs.remove(job);
    let record = state.run(at.0, at.1);
    if !record.is_current(&state.organization(at.0)) {
        let (after, totals) = record.abandoned();
        state.put_run(at.0, at.1, &after);
        state.organizations[at.0].runs[at.1].totals += totals;
        return;
    }
    let cursor = match &record.state {
        RunState::Switched => None,
        RunState::Mailing { cursor, complete: false } => cursor.clone(),
        _ => return,
    };
    let all = (0..state.people.len()).filter(|person| cursor.as_ref().is_none_or(|cursor| user(*person) > *cursor));
    let members = all.filter_map(|person| state.member(world, at.0, person)).take(world.chunk);
    let rows: Vec<Row> = members.map(|member| Row::new(&member, NOW)).collect();
    let (after, totals, effects) = record.fanned_out(&rows, rows.len() < world.chunk, NOW).unwrap();
    for row in &rows {
        state.put_row(at, row);
        if row.status == RowStatus::Queued {
            let person = super::records::person(&row.user);
            let mail = Job::Mail { organization: at.0, run: at.1, person, resend: 0 };
            state.jobs.insert(mail, Standing::NEW);
        }
    }
    state.put_run(at.0, at.1, &after);
    state.organizations[at.0].runs[at.1].totals += totals;
    if effects.contains(&Effect::FanOut) && world.flaw != Flaw::OneChunk {
        let next = Job::FanOut { organization: at.0, run: at.1, rows: after.rows };
        state.jobs.insert(next, Standing::NEW);
    }
}

fn walk(world: &World, state: &mut State, at: (usize, usize), (job, version): (&Job, u8)) {
    let Job::Walk { number, failed_only, cursor, .. } = job else { return };
    if !holds(world, state, job, version) {
        return;
    }
    outcome(state, job, version);
    state.jobs.remove(job);
    let record = state.run(at.0, at.1);
    if !record.is_current(&state.organization(at.0)) {
        return;
    }
    let after = (0..state.people.len()).filter(|person| cursor.is_none_or(|cursor| *person > cursor));
    let rows: Vec<Row> = after.filter_map(|person| state.row(world, at, person)).take(world.chunk).collect();
    let which = Job::which(*failed_only);
    for row in rows.iter().filter(|row| which.includes(row, NOW)) {
        queue_again(world, state, at, super::records::person(&row.user));
    }
    let more = rows.last().filter(|_| rows.len() == world.chunk).map(|row| super::records::person(&row.user));
    let resending = if more.is_some() { record.resending } else { record.resending.saturating_sub(1) };
    reopen(state, at, resending);
    if more.is_some() {
        let (organization, run) = at;
        let next = Job::Walk { organization, run, number: *number, failed_only: *failed_only, cursor: more };
        state.jobs.insert(next, Standing::NEW);
    }
}

/// One organization at a time learns that the person has a password.
fn project(world: &World, state: &mut State, person: usize, organization: usize) -> Option<Step> {
    if organization == state.organizations.len() {
        return Some(Step::EndJob);
    }
    let next = Some(Step::Project { organization: organization + 1 });
    let Some(member) = state.member(world, organization, person) else { return next };
    if member.with_password().is_some() {
        state.organizations[organization].members[person] = Some(true);
    }
    let Some(run) = state.organizations[organization].runs.len().checked_sub(1) else { return next };
    let set_in = state.people[person].password.as_ref().map_or(0, |generations| generations[organization]);
    if let Some(row) = state.row(world, (organization, run), person) {
        let record = state.organization(organization);
        if let Some(after) = member.row_with_password(&record, &row, time_of(set_in), NOW) {
            put_row(state, (organization, run), &row, &after);
        }
    }
    next
}

/// Reads the run and its totals. Whoever finds that it ends, ends it in a commit of its own.
fn look(state: &mut State, job: &Job) -> Option<Step> {
    let (Job::Finish { organization, run, .. } | Job::Mail { organization, run, .. }) = job else { return None };
    let of_run = matches!(job, Job::Finish { .. });
    let from = &state.organizations[*organization].runs[*run];
    let (totals, version) = (from.totals, from.version);
    match state.run(*organization, *run).ending(&totals, NOW).unwrap() {
        Ending::Over => of_run.then_some(Step::EndJob),
        Ending::Ends { .. } => Some(Step::EndRun { version }),
        Ending::Waiting => {
            // Put back: it is looked at again in a few seconds.
            if let Some(standing) = state.jobs.get_mut(job).filter(|_| of_run) {
                *standing = Standing { version: standing.version + 1, held: false, lapsed: false };
            }
            None
        }
    }
}

fn end_run(world: &World, state: &mut State, job: &Job, seen: u8) -> Option<Step> {
    let (Job::Finish { organization, run, .. } | Job::Mail { organization, run, .. }) = job else { return None };
    let from = &state.organizations[*organization].runs[*run];
    // A conflict begins anew.
    if from.version != seen && world.flaw != Flaw::BlindEnd {
        return look(state, job);
    }
    // What was read was a run without anything unsettled, in the state in which it is still.
    let mut totals = from.totals;
    (totals.queued, totals.sending) = (0, 0);
    let mut record = state.run(*organization, *run);
    if world.flaw == Flaw::BlindEnd {
        record.resending = 0;
    }
    if let Ok(Ending::Ends { run: after, first, .. }) = record.ending(&totals, NOW) {
        state.put_run(*organization, *run, &after);
        state.organizations[*organization].runs[*run].summaries += u8::from(first || world.flaw == Flaw::ToldAgain);
    }
    matches!(job, Job::Finish { .. }).then_some(Step::EndJob)
}
