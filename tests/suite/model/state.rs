//! One moment of the small world: what the store holds, who is in the middle of what, and which mishaps are left.
//!
//! Records are kept as small as their meaning allows: names, addresses and times that decide nothing are left out.
//! [`super::records`] turns them into the program's own and back, and the program's own functions decide.

use std::collections::BTreeMap;

use flybridge::domain::disable::{Delivery, RowStatus, Totals, Which};
use flybridge::domain::organization::LoginMethod;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) organizations: Vec<Organization>,
    pub(super) people: Vec<Person>,
    pub(super) jobs: BTreeMap<Job, Standing>,
    /// In order, since it does not matter which of them is where.
    pub(super) workers: Vec<Worker>,
    pub(super) admins: Vec<Admin>,
    pub(super) left: Mishaps,
    /// Something that a single step must never do.
    pub(super) wrong: Option<&'static str>,
}

/// How often something may still go wrong or be done once more. Without a bound there would be no end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Mishaps {
    /// A worker dies, at any step; a lease passes while its worker lives; a mail server says 4xx, 5xx or nothing after
    /// the final dot; an admin never hears of their click and clicks again.
    pub(super) faults: u8,
    /// A link gets old.
    pub(super) expiries: u8,
    /// An admin has one mail sent again.
    pub(super) resends: u8,
    /// An admin has the mail sent again to all whom it did not reach, or who have no password.
    pub(super) walks: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Organization {
    pub(super) method: LoginMethod,
    pub(super) generation: u32,
    /// The last is the newest.
    pub(super) runs: Vec<Run>,
    /// By person: whether the member record says that they have a password; none for who is no member.
    pub(super) members: Vec<Option<bool>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) generation: u32,
    pub(super) stage: Stage,
    /// Counts the writes of the record.
    pub(super) version: u8,
    pub(super) members: i64,
    pub(super) rows: i64,
    pub(super) mailed: bool,
    pub(super) resending: u32,
    pub(super) totals: Totals,
    /// The ledger, by person.
    pub(super) ledger: Vec<Option<Row>>,
    /// How often it was opened again.
    pub(super) opened: u8,
    pub(super) summaries: u8,
    /// By person: mails of this run that a mail server took.
    pub(super) delivered: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Switched,
    Mailing { cursor: Option<usize>, complete: bool },
    Done,
    Reverted,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) status: RowStatus,
    pub(super) set_up: bool,
    pub(super) resends: u32,
    pub(super) ready: bool,
    pub(super) knows: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Person {
    pub(super) link: Option<Link>,
    /// In which generation their organizations were when they set a password.
    pub(super) password: Option<Vec<u32>>,
    /// Generations of the links in their mailbox, a bit each.
    pub(super) mailbox: u8,
    /// They opened a link, and the page shows where their password will count.
    pub(super) visit: Option<Visit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) generation: u32,
    pub(super) used: bool,
    pub(super) expired: bool,
    /// The organization and the run whose mail carried it last.
    pub(super) delivered: Option<(usize, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Visit {
    pub(super) generation: u32,
    /// The record that was read, which the commit checks.
    pub(super) link: Link,
    /// Organizations in which the password counted, with their generations.
    pub(super) seen: Vec<(usize, u32)>,
}

/// What there is to do, and the name of it: none is given twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Job {
    FanOut { organization: usize, run: usize, rows: i64 },
    Finish { organization: usize, run: usize, opened: u8 },
    Mail { organization: usize, run: usize, person: usize, resend: u32 },
    Walk { organization: usize, run: usize, number: u8, failed_only: bool, cursor: Option<usize> },
    Projection { person: usize },
}

impl Job {
    pub(super) fn which(failed_only: bool) -> Which {
        if failed_only { Which::Failed } else { Which::NotReady }
    }
}

/// A job in the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Standing {
    /// Counts how often it was taken or put back.
    pub(super) version: u8,
    pub(super) held: bool,
    /// The time until which it is held has come.
    pub(super) lapsed: bool,
}

impl Standing {
    pub(super) const NEW: Self = Self { version: 0, held: false, lapsed: false };
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Worker {
    Idle,
    Busy { job: Job, version: u8, step: Step },
}

/// What comes next. Between two steps anything may happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Step {
    /// Nothing was done yet.
    Begin,
    /// A mail with a link is to be made. `again`: what the first one said was not true any more.
    MakeLink {
        again: bool,
    },
    /// The mail is made and waits for its turn.
    Waits {
        link: Option<u32>,
    },
    Sends {
        link: Option<u32>,
    },
    /// A mail server took it.
    NoteDelivery,
    Settle(How),
    /// Whether the run is over.
    Look,
    EndRun {
        version: u8,
    },
    /// A password is noted in the person's organizations, this one next.
    Project {
        organization: usize,
    },
    EndJob,
    /// Only in a program that changes totals apart from rows.
    Recount(Counted),
    /// Only in a program that settles rows before the mail leaves.
    SendsLate {
        link: Option<u32>,
    },
}

/// A change of totals: from, to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Counted(pub(super) u8, pub(super) u8);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum How {
    Sent,
    Failed,
    Cancelled,
    Later,
}

/// Somebody who works through what they want to do, at any time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Admin {
    /// How much of it is done.
    pub(super) done: usize,
    /// A click that is being decided: the generation and the number of members that were read.
    pub(super) read: Option<(u32, i64)>,
    /// The runs that answers named, with the members counted then.
    pub(super) told: Vec<(usize, usize, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Disable(usize),
    Enable(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// The next step of an admin; `lost`: they never hear of the answer.
    Admin {
        who: usize,
        lost: bool,
    },
    Take {
        job: Job,
    },
    Work {
        worker: usize,
        mail: Mail,
    },
    Dies {
        worker: usize,
    },
    /// A lease passes.
    Lapses {
        job: Job,
    },
    /// Somebody whom Fly.io names joins.
    Joins {
        organization: usize,
        person: usize,
    },
    Opens {
        person: usize,
        generation: u32,
    },
    SetsPassword {
        person: usize,
    },
    LinkExpires {
        person: usize,
    },
    Resend {
        organization: usize,
        person: usize,
    },
    Walk {
        organization: usize,
        failed_only: bool,
    },
}

/// How a mail server answers, where a step asks one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mail {
    Takes,
    Puts,
    Refuses,
    /// It took the mail, and we never hear of it.
    Silent,
}

impl Row {
    pub(super) fn delivery(&self, reachable: bool) -> Delivery {
        match (reachable, self.set_up) {
            (false, _) => Delivery::Unreachable,
            (true, true) => Delivery::SetUp,
            (true, false) => Delivery::HasPassword,
        }
    }
}
