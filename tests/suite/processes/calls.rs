//! A fault at every commit and every call of the store, one after the other, in the real program: the process is killed, or it
//! hears of a failure, before or after the store did what it was asked for.
//!
//! On Redis the wire breaks ([`Wire`]); on SQLite the disk fails ([`Disk`]). The process is killed at commits only, since
//! reading changes nothing, and of "before" and "after" every second one is tried each, since what is left before a commit
//! is mostly what was left after the one before. With `FLYBRIDGE_HEAVY=1` everything is tried at every call.

#[path = "calls/in_requests.rs"]
mod in_requests;
#[path = "calls/in_runs.rs"]
mod in_runs;

use std::net::SocketAddr;

use super::Records;
use crate::support::disk::Disk;
use crate::support::process::{Home, Node};
use crate::support::redis::Server;
use crate::support::trip::{Trip, What, When};
use crate::support::wire::{Counting, Wire};

/// What stands between a node and its store.
enum Between {
    Disk(Disk),
    Wire(Server, Wire),
}

impl Between {
    fn sqlite() -> Self {
        Self::Disk(Disk::new())
    }

    async fn redis() -> Self {
        let server = Server::in_memory();
        let wire = Wire::to(server.port()).await;
        Self::Wire(server, wire)
    }

    fn home(&self, smtp: SocketAddr) -> Home {
        match self {
            Self::Disk(disk) => Home::in_memory(smtp).environment(disk.environment()),
            Self::Wire(server, wire) => Home::in_memory(smtp).store(server.url()).way(wire.url()),
        }
    }

    /// On SQLite every commit counts; on Redis every call about one of these, or every commit.
    fn arm(&self, trip: Trip, about: Vec<String>, node: &Node) {
        match self {
            Self::Disk(disk) => disk.arm(trip),
            Self::Wire(_, wire) => {
                let commits_only = trip.what == What::Kill && !is_heavy();
                wire.arm(trip, Counting { about, commits_only }, node.id());
            }
        }
    }

    fn struck(&self) -> bool {
        match self {
            Self::Disk(disk) => disk.struck(),
            Self::Wire(_, wire) => wire.struck(),
        }
    }

    /// Whether it has struck since it was armed; it does no more.
    fn disarm(&self) -> bool {
        match self {
            Self::Disk(disk) => {
                let struck = disk.struck();
                disk.mend();
                struck
            }
            Self::Wire(_, wire) => wire.disarm(),
        }
    }
}

fn is_heavy() -> bool {
    std::env::var("FLYBRIDGE_HEAVY").is_ok_and(|value| value == "1")
}

/// Far more than there are calls of anything here: a walk that gets there has no end.
const FAR: usize = 200;

/// What goes wrong, and when.
const WAYS: [(What, When); 4] =
    [(What::Fail, When::Before), (What::Fail, When::After), (What::Kill, When::Before), (What::Kill, When::After)];

/// At which of them it goes wrong, until there are no more.
fn steps(when: When) -> impl Iterator<Item = usize> {
    let (first, step) = match when {
        _ if is_heavy() => (1, 1),
        When::Before => (1, 2),
        When::After => (2, 2),
    };
    (first..FAR).step_by(step)
}

/// What names an organization and its people in calls.
async fn names(records: &Records, members: usize) -> Vec<String> {
    let mut names = vec![records.organization.to_string()];
    for number in 0..members {
        names.push(records.user(number).await.to_string());
    }
    names
}
