//! Which world is looked at: who there is, what they want, how much may go wrong, and which mistake the program makes.

use flybridge::domain::organization::LoginMethod;

use super::state::{Admin, Mishaps, Organization, Person, State, Wish, Worker};
use std::collections::BTreeMap;

/// A program that is wrong in one way, to see that the checker finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// The outcome of a job is written without a look at who holds it.
    NoFence,
    /// Rows are settled in one commit, and counted in another.
    CountsApart,
    /// A link opens whatever the organizations do.
    LinkOpensAnyway,
    /// Every link that was ever made for a person opens.
    OldLinksOpen,
    /// The click does not check that the organization is still the one it read.
    BlindClick,
    /// The admin is answered before the commit.
    EarlyAnswer,
    /// The fan-out ends after its first chunk.
    OneChunk,
    /// A row says that its mail was sent, and then the mail leaves.
    SettlesFirst,
    /// A mail whose answer never came is not tried again.
    SilenceIsSent,
    /// A run ends although it changed since it was looked at.
    BlindEnd,
    /// A password is set whatever became of the link since it was read.
    BlindPassword,
    /// A password is noted nowhere but with the person.
    NoProjection,
    /// A job is taken whoever holds it.
    NoLease,
    /// The admin is told whenever a run ends, also after mail was sent again.
    ToldAgain,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) name: &'static str,
    pub(super) flaw: Flaw,
    /// Members in one commit of the fan-out or of a walk.
    pub(super) chunk: usize,
    pub(super) workers: usize,
    /// By organization, who is in it from the start.
    pub(super) members: Vec<Vec<usize>>,
    /// Who joins an organization, at any time while it is on Fly.io.
    pub(super) joins: Vec<(usize, usize)>,
    /// By person.
    pub(super) people: Vec<Who>,
    pub(super) admins: Vec<Vec<Wish>>,
    pub(super) mishaps: Mishaps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Sets a password with a link, some day or never.
    Sets,
    /// Never does.
    Waits,
    /// Has one from before.
    HasPassword,
    /// Has no address.
    Nowhere,
}

impl World {
    pub(super) fn reachable(&self, person: usize) -> bool {
        self.people[person] != Who::Nowhere
    }

    pub(super) fn with(&self, flaw: Flaw) -> Self {
        Self { flaw, ..self.clone() }
    }

    pub(super) fn start(&self) -> State {
        let has_password = |person: usize| self.people[person] == Who::HasPassword;
        let organizations = self.members.iter().map(|members| Organization {
            method: LoginMethod::Fly,
            generation: 1,
            runs: Vec::new(),
            members: (0..self.people.len()).map(|p| members.contains(&p).then(|| has_password(p))).collect(),
        });
        let people = (0..self.people.len()).map(|person| Person {
            link: None,
            password: has_password(person).then(|| vec![0; self.members.len()]),
            mailbox: 0,
            visit: None,
        });
        State {
            organizations: organizations.collect(),
            people: people.collect(),
            jobs: BTreeMap::new(),
            workers: vec![Worker::Idle; self.workers],
            admins: vec![Admin { done: 0, read: None, told: Vec::new() }; self.admins.len()],
            left: self.mishaps,
            wrong: None,
        }
    }

    /// The next wish of an admin.
    pub(super) fn wish(&self, state: &State, who: usize) -> Option<Wish> {
        self.admins[who].get(state.admins[who].done).copied()
    }
}
