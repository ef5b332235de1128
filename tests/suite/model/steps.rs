//! The world as a model: who may do what next, and what that makes of the state.

use flybridge::domain::organization::LoginMethod;
use stateright::{Model, Property};

use super::people::{admin, join, link_opens, open, resend, set_password, sets_passwords, walk};
use super::promises;
use super::state::{Action, Mail, State, Step, Wish, Worker};
use super::workers::{is_worth_it, take, work};
use super::world::{Flaw, World};

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for who in 0..state.admins.len() {
            let Some(wish) = self.wish(state, who) else { continue };
            actions.push(Action::Admin { who, lost: false });
            let clicks = matches!(wish, Wish::Disable(_)) && state.admins[who].read.is_some();
            if clicks && state.left.faults > 0 {
                actions.push(Action::Admin { who, lost: true });
            }
        }
        if state.workers.contains(&Worker::Idle) {
            let free = state
                .jobs
                .iter()
                .filter(|(_, standing)| !standing.held || standing.lapsed || self.flaw == Flaw::NoLease);
            let worth = free.filter(|(job, _)| is_worth_it(state, job));
            actions.extend(worth.map(|(job, _)| Action::Take { job: job.clone() }));
        }
        steps_of_workers(state, actions);
        self.steps_of_people(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Admin { who, lost } => admin(self, &mut state, who, lost),
            Action::Take { job } => drop(take(self, &mut state, &job)),
            Action::Work { worker, mail } => {
                state.left.faults -= u8::from(mail != Mail::Takes);
                work(self, &mut state, worker, mail);
            }
            Action::Dies { worker } => dies(&mut state, worker),
            Action::Lapses { job } => {
                state.left.faults -= 1;
                state.jobs.get_mut(&job)?.lapsed = true;
            }
            Action::Joins { organization, person } => join(&mut state, organization, person),
            Action::Opens { person, generation } => open(self, &mut state, person, generation),
            Action::SetsPassword { person } => set_password(self, &mut state, person),
            Action::LinkExpires { person } => {
                state.left.expiries -= 1;
                state.people[person].link.as_mut()?.expired = true;
            }
            Action::Resend { organization, person } => {
                if !resend(self, &mut state, organization, person) {
                    return None;
                }
                state.left.resends -= 1;
            }
            Action::Walk { organization, failed_only } => {
                if !walk(&mut state, organization, failed_only) {
                    return None;
                }
                state.left.walks -= 1;
            }
        }
        state.workers.sort();
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all()
    }
}

impl World {
    fn steps_of_people(&self, state: &State, actions: &mut Vec<Action>) {
        for (organization, person) in &self.joins {
            let into = &state.organizations[*organization];
            if into.method == LoginMethod::Fly && into.members[*person].is_none() {
                actions.push(Action::Joins { organization: *organization, person: *person });
            }
        }
        for (person, of) in state.people.iter().enumerate() {
            if of.visit.is_some() {
                actions.push(Action::SetsPassword { person });
            } else if sets_passwords(self, state, person) {
                let opens = |generation: &u32| {
                    of.mailbox & (1 << generation) != 0 && link_opens(self, state, person, *generation)
                };
                actions.extend((1..8).filter(opens).map(|generation| Action::Opens { person, generation }));
            }
            if state.left.expiries > 0 && of.link.as_ref().is_some_and(|link| !link.used && !link.expired) {
                actions.push(Action::LinkExpires { person });
            }
            if state.left.resends > 0 {
                let all = 0..state.organizations.len();
                actions.extend(all.map(|organization| Action::Resend { organization, person }));
            }
        }
        if state.left.walks > 0 {
            for organization in 0..state.organizations.len() {
                actions.extend([true, false].map(|failed_only| Action::Walk { organization, failed_only }));
            }
        }
    }
}

fn steps_of_workers(state: &State, actions: &mut Vec<Action>) {
    for (worker, busy) in state.workers.iter().enumerate() {
        let Worker::Busy { job, version, step } = busy else { continue };
        actions.push(Action::Work { worker, mail: Mail::Takes });
        if state.left.faults == 0 {
            continue;
        }
        if matches!(step, Step::Sends { .. }) {
            let answers = [Mail::Puts, Mail::Refuses, Mail::Silent];
            actions.extend(answers.map(|mail| Action::Work { worker, mail }));
        }
        actions.push(Action::Dies { worker });
        let held = state.jobs.get(job).filter(|standing| standing.version == *version && !standing.lapsed);
        actions.extend(held.map(|_| Action::Lapses { job: job.clone() }));
    }
}

/// What a worker held is taken up by another when its lease has passed. Until then nothing happens to it, so that it may
/// as well pass at once.
fn dies(state: &mut State, worker: usize) {
    state.left.faults -= 1;
    if let Worker::Busy { job, version, .. } = state.workers[worker].clone()
        && let Some(standing) = state.jobs.get_mut(&job).filter(|standing| standing.version == version)
    {
        standing.lapsed = true;
    }
    state.workers[worker] = Worker::Idle;
}
