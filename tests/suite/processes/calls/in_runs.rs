//! While workers make rows and send mails: an organization for each fault, so that none waits for the lease of another,
//! and a node for each kind of fault.

use flybridge::domain::audit::AuditKind;
use flybridge::domain::ids::RunId;
use flybridge::store::{MAX_SCAN, keys};
use futures_util::future::join_all;

use super::super::parent::Told;
use super::super::{Letters, Records};
use super::{Between, FAR, WAYS, names, steps};
use crate::support::process::{Node, until};
use crate::support::smtp::SmtpSink;
use crate::support::trip::{Trip, What, When};

/// Of each organization.
const MEMBERS: usize = 1;

#[tokio::test]
async fn a_run_survives_a_fault_at_every_commit_on_sqlite() {
    join_all(WAYS.map(|way| walk(Between::sqlite(), way))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_survives_a_fault_at_every_call_on_redis() {
    join_all(WAYS.map(|way| async move { walk(Between::redis().await, way).await })).await;
}

struct Walk {
    between: Between,
    sink: SmtpSink,
    node: Node,
    records: Records,
    runs: Vec<(Records, RunId)>,
}

async fn walk(between: Between, (what, when): (What, When)) {
    let sink = SmtpSink::start().await;
    let home = between.home(sink.address());
    let records = Records::of(home.open_store().await);
    let node = Node::start(&home).await;
    let mut walk = Walk { between, sink, node, records, runs: vec![] };
    let (mut last, mut faults) = (0, 0);
    for at in steps(when) {
        last = at;
        if !walk.strikes(Trip { at, when, what }).await {
            break;
        }
        faults += 1;
    }
    // A commit to take the fan-out, one for its rows, one to take a mail, one to settle it, and more.
    assert!((9..FAR - 2).contains(&last), "{last} steps are no run");
    walk.check(faults).await;
}

impl Walk {
    /// An organization leaves, and something happens on the way; `false` when the run ended before.
    async fn strikes(&mut self, trip: Trip) -> bool {
        let records = self.records.another(self.runs.len());
        records.seed(MEMBERS).await;
        self.between.arm(trip, names(&records, MEMBERS).await, &self.node);
        let run = records.click().await;
        let over = async || {
            if self.between.struck() {
                return Some(());
            }
            (records.is_done(&run).await && records.is_idle(&Told::default()).await).then_some(())
        };
        until("it strikes, or the run ends", over).await;
        let struck = self.between.disarm();
        if struck && trip.what == What::Kill {
            self.node.ended().await;
            records.check_invariants(&run).await;
            self.node.restart().await;
        }
        self.runs.push((records, run));
        struck
    }

    /// All runs end by themselves. Every member has one row and one link; each mail was repeated for a fault at most.
    async fn check(&self, faults: usize) {
        let (mut mails, mut members) = (0, 0);
        for (records, run) in &self.runs {
            records.wait_until_done(run).await;
            records.check_ledger(run, MEMBERS).await;
            records.check_linear().await;
            mails += records.check_mails(&Letters::of(&self.sink.messages()), MEMBERS).await;
            members += MEMBERS;
            let log = records.store.list(&keys::audit_log(&records.organization), None, MAX_SCAN).await.unwrap();
            let ends = log.iter().filter(|entry| entry.value.kind == AuditKind::RunFinished).count();
            assert_eq!(ends, 1, "a run ends once");
        }
        let repeated = mails - members;
        assert!(repeated <= faults * MEMBERS, "{repeated} mails too many after {faults} faults");
    }
}
