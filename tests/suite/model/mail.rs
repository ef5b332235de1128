//! One mail of a run, from the job to the row.

use flybridge::domain::disable::{RowStatus, Settlement, Totals};
use flybridge::domain::setup_link::{SHARED_FOR, SetUpLink};

use super::people::counting;
use super::records::{LIFETIME, NOW, address, organization_id, run_id, text};
use super::state::{Counted, How, Job, Mail, Standing, State, Step};
use super::workers::{holds, outcome, put_row};
use super::world::{Flaw, World};

const SILENT: &str = "a member was told of a run that they are not in";

/// What `step` of this job does, and what comes next.
pub(super) fn step(
    world: &World,
    state: &mut State,
    (job, version, step): (&Job, u8, &Step),
    answer: Mail,
) -> Option<Step> {
    match step {
        Step::Begin => Some(compose(world, state, job, false)),
        Step::MakeLink { again } => Some(make_link(state, job, *again)),
        Step::Waits { link } => {
            if !holds(world, state, job, version) {
                return None;
            }
            if is_still_true(state, job, *link) {
                return Some(Step::Sends { link: *link });
            }
            Some(compose(world, state, job, true))
        }
        Step::Sends { link } if world.flaw == Flaw::SettlesFirst => {
            settle(world, state, (job, version), How::Sent)?;
            Some(Step::SendsLate { link: *link })
        }
        Step::Sends { link } => Some(send(world, state, job, *link, answer)),
        Step::SendsLate { link } => {
            arrive(state, job, *link);
            Some(Step::Look)
        }
        Step::NoteDelivery => {
            note_delivery(state, job);
            Some(Step::Settle(How::Sent))
        }
        Step::Settle(how) => settle(world, state, (job, version), *how),
        _ => None,
    }
}

/// What the mail says, or why there is none. `again`: it was made before, and is about to leave.
fn compose(world: &World, state: &State, job: &Job, again: bool) -> Step {
    let Job::Mail { organization, run, person, .. } = job else { return Step::Look };
    let at = (*organization, *run);
    if !state.run(at.0, at.1).is_current(&state.organization(at.0)) {
        return Step::Settle(How::Cancelled);
    }
    if state.people[*person].password.is_some() {
        return if again { Step::Sends { link: None } } else { Step::Waits { link: None } };
    }
    let resends = state.row(world, at, *person).map_or(0, |row| row.resends);
    if resends == 0 && is_served(state, at.0, *person) {
        return Step::Settle(How::Cancelled);
    }
    Step::MakeLink { again }
}

/// Whether the run of another organization has put a working link into the person's mailbox.
fn is_served(state: &State, leaving: usize, person: usize) -> bool {
    let Some(link) = state.link(person) else { return false };
    let sent = link.in_mailbox(&address(person), SHARED_FOR, NOW).and_then(|sent| sent.run.as_ref());
    sent.filter(|(other, _)| *other != organization_id(leaving)).is_some_and(|(other, run)| {
        let mut all = 0..state.organizations.len();
        all.any(|index| organization_id(index) == *other && state.organization(index).has_left_by(run))
    })
}

/// The commit in the person's partition that makes their link valid from now.
fn make_link(state: &mut State, job: &Job, again: bool) -> Step {
    let Job::Mail { person, .. } = job else { return Step::Look };
    let before = state.link(*person);
    let known = |link: &SetUpLink| Some(text(*person, link.generation));
    let fresh = |generation| text(*person, generation);
    let (link, _) = SetUpLink::for_mail(before.as_ref(), known, fresh, None, (NOW, LIFETIME));
    state.put_link(*person, &link);
    let link = Some(link.generation);
    if again { Step::Sends { link } } else { Step::Waits { link } }
}

fn is_still_true(state: &State, job: &Job, link: Option<u32>) -> bool {
    let Job::Mail { organization, run, person, .. } = job else { return false };
    let current = state.run(*organization, *run).is_current(&state.organization(*organization));
    current && (link.is_none() || state.people[*person].password.is_none())
}

fn send(world: &World, state: &mut State, job: &Job, link: Option<u32>, answer: Mail) -> Step {
    match answer {
        Mail::Takes => {
            arrive(state, job, link);
            if link.is_some() { Step::NoteDelivery } else { Step::Settle(How::Sent) }
        }
        Mail::Puts => Step::Settle(How::Later),
        Mail::Refuses => Step::Settle(How::Failed),
        Mail::Silent if world.flaw == Flaw::SilenceIsSent => Step::Settle(How::Sent),
        Mail::Silent => {
            arrive(state, job, link);
            Step::Settle(How::Later)
        }
    }
}

/// The mail is in the person's mailbox, whoever knows of that.
fn arrive(state: &mut State, job: &Job, link: Option<u32>) {
    let Job::Mail { organization, run, person, .. } = job else { return };
    let of_run = &mut state.organizations[*organization].runs[*run];
    if of_run.ledger[*person].is_none() {
        state.wrong = Some(SILENT);
    }
    of_run.delivered[*person] += 1;
    if let Some(generation) = link {
        state.people[*person].mailbox |= 1 << generation;
    }
}

fn note_delivery(state: &mut State, job: &Job) {
    let Job::Mail { organization, run, person, .. } = job else { return };
    let Some(link) = state.link(*person) else { return };
    let run = (organization_id(*organization), run_id(*organization, *run));
    let after = link.delivered(&address(*person), Some(&run), NOW);
    state.put_link(*person, &after);
}

/// Writes how an attempt ended, together with the end of the job, or with its return into the queue.
fn settle(world: &World, state: &mut State, (job, version): (&Job, u8), how: How) -> Option<Step> {
    let Job::Mail { organization, run, person, .. } = job else { return None };
    if !holds(world, state, job, version) {
        return None;
    }
    outcome(state, job, version);
    let detail = String::new();
    let settlement = match how {
        How::Sent => Settlement::Sent { detail: None },
        How::Failed => Settlement::Failed { detail },
        How::Cancelled => Settlement::Cancelled { detail },
        How::Later => Settlement::Later { at: NOW, detail, counts: true },
    };
    if how == How::Later {
        state.jobs.insert(job.clone(), Standing { version: version + 1, held: false, lapsed: false });
    } else {
        state.jobs.remove(job);
    }
    let at = (*organization, *run);
    let mut next = (how != How::Later).then_some(Step::Look);
    if let Some(before) = state.row(world, at, *person) {
        let after = before.settled(&settlement, NOW);
        if world.flaw == Flaw::CountsApart {
            state.put_row(at, &after);
            next = Some(Step::Recount(Counted(code(before.status), code(after.status))));
        } else {
            put_row(state, at, &before, &after);
        }
    }
    next
}

/// The second commit of a program that counts apart.
pub(super) fn recount(state: &mut State, job: &Job, counted: &Counted) -> Option<Step> {
    let Job::Mail { organization, run, .. } = job else { return None };
    let mut change = Totals::default();
    *change.of(RowStatus::ALL[usize::from(counted.0)]) -= 1;
    *change.of(RowStatus::ALL[usize::from(counted.1)]) += 1;
    state.organizations[*organization].runs[*run].totals += change;
    Some(Step::Look)
}

fn code(status: RowStatus) -> u8 {
    u8::try_from(RowStatus::ALL.iter().position(|all| *all == status).unwrap()).unwrap()
}

/// Whether the person can get in where they belong: with a password, or with a link in their mailbox.
pub(super) fn has_a_way_in(world: &World, state: &State, person: usize) -> bool {
    let mailbox = state.people[person].mailbox;
    let opens = |generation: &u32| {
        mailbox & (1 << generation) != 0 && super::people::link_opens(world, state, person, *generation)
    };
    state.people[person].password.is_some() || (1..8).any(|generation| opens(&generation))
}

/// For the properties: nobody but the person's own organizations is asked.
pub(super) fn is_anything_open(world: &World, state: &State, person: usize) -> bool {
    !counting(world, state, person).is_empty()
}
