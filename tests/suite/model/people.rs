//! What admins and members do: each function is one commit of the program, or one look at the store.

use flybridge::domain::access::{Proof, SeenOrganization, opens, password_counts};
use flybridge::domain::disable::{Run, Totals};
use flybridge::domain::organization::{Generation, LoginMethod, MethodChange};

use super::records::{NOW, actor, begun, organization_id, run_id, text, time_of};
use super::state::{Job, Standing, State, Visit, Wish};
use super::world::{Flaw, Who, World};

/// The next step of an admin. `lost`: it is done, and the answer never comes.
pub(super) fn admin(world: &World, state: &mut State, who: usize, lost: bool) {
    match world.wish(state, who) {
        Some(Wish::Disable(organization)) => match state.admins[who].read {
            None => read_for_click(world, state, who, organization),
            Some(read) => click(world, state, (who, lost), organization, read),
        },
        Some(Wish::Enable(organization)) => {
            enable(state, organization);
            state.admins[who].done += 1;
        }
        None => {}
    }
}

fn read_for_click(world: &World, state: &mut State, who: usize, organization: usize) {
    let record = state.organization(organization);
    let count = state.organizations[organization].count();
    if let Some(run) = record.left_by() {
        let run = (0..state.organizations[organization].runs.len()).find(|r| run_id(organization, *r) == *run);
        state.admins[who].told.extend(run.map(|run| (organization, run, 0)));
        state.admins[who].done += 1;
        return;
    }
    assert_eq!(record.plan.may_leave(NOW), Ok(()));
    state.admins[who].read = Some((record.generation.0, count));
    if world.flaw == Flaw::EarlyAnswer {
        let run = state.organizations[organization].runs.len();
        state.admins[who].told.push((organization, run, count));
    }
}

fn click(world: &World, state: &mut State, (who, lost): (usize, bool), organization: usize, read: (u32, i64)) {
    state.admins[who].read = None;
    let (generation, members) = read;
    let unchanged = state.organizations[organization].generation == generation;
    if !unchanged && world.flaw != Flaw::BlindClick {
        return;
    }
    let number = state.organizations[organization].runs.len();
    let id = run_id(organization, number);
    let record = state.organization(organization);
    let change = MethodChange { at: time_of(record.generation.0 + 1), by: actor(), run: Some(id.clone()) };
    let switched = record.switched(LoginMethod::Password, change);
    let (run, totals) = Run::begin(id, &switched, members, actor(), NOW).unwrap();
    let people = state.people.len();
    let after = &mut state.organizations[organization];
    (after.method, after.generation) = (switched.login_method, switched.generation.0);
    after.runs.push(begun(&run, totals, people));
    state.jobs.insert(Job::FanOut { organization, run: number, rows: 0 }, Standing::NEW);
    state.jobs.insert(Job::Finish { organization, run: number, opened: 0 }, Standing::NEW);
    if lost {
        state.left.faults -= 1;
    } else {
        state.admins[who].told.push((organization, number, members));
        state.admins[who].done += 1;
    }
}

fn enable(state: &mut State, organization: usize) {
    let record = state.organization(organization);
    if record.login_method == LoginMethod::Fly {
        return;
    }
    let change = MethodChange { at: time_of(record.generation.0 + 1), by: actor(), run: None };
    let switched = record.switched(LoginMethod::Fly, change);
    let number = state.organizations[organization].runs.len() - 1;
    if let Ok(run) = state.run(organization, number).reverted(NOW) {
        state.put_run(organization, number, &run);
    }
    let after = &mut state.organizations[organization];
    (after.method, after.generation) = (switched.login_method, switched.generation.0);
}

/// Fly.io's word makes a member, while the organization is on Fly.io: the commit checks that.
pub(super) fn join(state: &mut State, organization: usize, person: usize) {
    let has_password = state.people[person].password.is_some();
    state.organizations[organization].members[person] = Some(has_password);
}

/// Queues one mail again, as an admin asks for it. `false`: nothing is queued.
pub(super) fn resend(world: &World, state: &mut State, organization: usize, person: usize) -> bool {
    let Some(run) = state.organizations[organization].runs.len().checked_sub(1) else { return false };
    let record = state.run(organization, run);
    if !record.is_current(&state.organization(organization)) {
        return false;
    }
    queue_again(world, state, (organization, run), person) && {
        reopen(state, (organization, run), record.resending);
        true
    }
}

/// Queues a walk through the ledger. `false`: there is no run to walk through.
pub(super) fn walk(state: &mut State, organization: usize, failed_only: bool) -> bool {
    let Some(run) = state.organizations[organization].runs.len().checked_sub(1) else { return false };
    let record = state.run(organization, run);
    if !record.is_current(&state.organization(organization)) {
        return false;
    }
    if !reopen(state, (organization, run), record.resending + 1) {
        return false;
    }
    let number = state.left.walks;
    state.jobs.insert(Job::Walk { organization, run, number, failed_only, cursor: None }, Standing::NEW);
    true
}

/// Adds a member's row and mail to a commit.
pub(super) fn queue_again(world: &World, state: &mut State, at: (usize, usize), person: usize) -> bool {
    let (Some(row), Some(member)) = (state.row(world, at, person), state.member(world, at.0, person)) else {
        return false;
    };
    let Some(after) = row.again(&member, NOW) else { return false };
    state.organizations[at.0].runs[at.1].totals += Totals::change(Some(&row), &after);
    state.put_row(at, &after);
    let mail = Job::Mail { organization: at.0, run: at.1, person, resend: after.resends };
    state.jobs.insert(mail, Standing::NEW);
    true
}

pub(super) fn reopen(state: &mut State, (organization, run): (usize, usize), resending: u32) -> bool {
    let Ok((after, opened)) = state.run(organization, run).resent(resending, NOW) else { return false };
    state.put_run(organization, run, &after);
    if opened {
        let record = &mut state.organizations[organization].runs[run];
        record.opened += 1;
        let opened = record.opened;
        state.jobs.insert(Job::Finish { organization, run, opened }, Standing::NEW);
    }
    true
}

/// The organizations in which a password of the person counts now, with their generations.
pub(super) fn counting(world: &World, state: &State, person: usize) -> Vec<(usize, u32)> {
    let counts = |organization: &usize| {
        let member = state.member(world, *organization, person);
        member.is_some_and(|member| password_counts(&state.organization(*organization), &member))
    };
    let all = 0..state.organizations.len();
    all.filter(counts).map(|organization| (organization, state.organizations[organization].generation)).collect()
}

/// Whether the page shows a form to whoever comes with this link.
pub(super) fn link_opens(world: &World, state: &State, person: usize, generation: u32) -> bool {
    let Some(link) = state.link(person) else { return false };
    let text = text(person, generation);
    let accepted = link.accepts(&text, NOW) || (world.flaw == Flaw::OldLinksOpen && link.is_live(NOW));
    accepted && (world.flaw == Flaw::LinkOpensAnyway || !counting(world, state, person).is_empty())
}

pub(super) fn open(world: &World, state: &mut State, person: usize, generation: u32) {
    let seen = counting(world, state, person);
    let link = state.people[person].link.clone().unwrap();
    state.people[person].visit = Some(Visit { generation, link, seen });
}

/// The commit with which a password is set: the link is used up, and the projection queued.
pub(super) fn set_password(world: &World, state: &mut State, person: usize) {
    let Some(visit) = state.people[person].visit.take() else { return };
    let unchanged = state.people[person].link.as_ref() == Some(&visit.link) || world.flaw == Flaw::BlindPassword;
    let accepts = visit.link.record(person).accepts(&text(person, visit.generation), NOW);
    // A conflict begins anew: the link is read again, and so are the organizations.
    if !unchanged || !accepts {
        return;
    }
    if state.link(person).is_some_and(|link| !link.is_live(NOW)) {
        state.wrong = Some("a password was set with a link that was used up or too old");
    }
    let used = visit.link.record(person).used();
    state.put_link(person, &used);
    let generations = state.organizations.iter().map(|organization| organization.generation).collect();
    state.people[person].password = Some(generations);
    state.jobs.insert(Job::Projection { person }, Standing::NEW);
    if opens_what_it_must_not(world, state, person, &visit.seen) {
        state.wrong = Some("a set-up link opened an organization that signs in with Fly.io");
    }
}

/// Holds the session that the person gets against what the organizations are now.
fn opens_what_it_must_not(world: &World, state: &State, person: usize, seen: &[(usize, u32)]) -> bool {
    let organizations = seen.iter().map(|(organization, generation)| SeenOrganization {
        id: organization_id(*organization),
        generation: Generation(*generation),
    });
    let proof = Proof { method: LoginMethod::Password, auth_time: NOW, organizations: organizations.collect() };
    (0..state.organizations.len()).any(|organization| {
        let member = state.member(world, organization, person);
        let opened = opens(&state.organization(organization), member.as_ref(), &proof).is_ok();
        opened && state.organizations[organization].method == LoginMethod::Fly
    })
}

/// Whether the person will set a password, if they can.
pub(super) fn sets_passwords(world: &World, state: &State, person: usize) -> bool {
    world.people[person] == Who::Sets && state.people[person].password.is_none()
}
