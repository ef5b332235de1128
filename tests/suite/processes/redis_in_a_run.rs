//! Redis is killed, stands still, or is told to pause while an organization leaves. The nodes go on by themselves when it is
//! back, and nobody is forgotten.

use super::members;
use super::outage::readiness_of;
use super::parent::{AT_ONCE, AUTH, Parent};
use crate::support::process::{Home, soon, until};
use crate::support::redis::Server;
use crate::support::smtp::{Act, At, Step};

/// Mails that leave between two mishaps.
const SOME: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_when_redis_is_back() {
    let mut server = Server::start(&[]);
    let mut parent = Parent::of(members(150), |smtp| Home::new(smtp).store(server.url())).await;
    let csrf = parent.admin.get(&format!("{AUTH}/disable")).await.csrf();
    let click = [("csrf", csrf.as_str()), ("confirm", "saltmarsh-labs")];
    server.kill();
    let lost = parent.admin.post(&format!("{AUTH}/disable"), &click).await;
    assert_eq!(lost.status, 503, "{}", lost.text);
    server.restart();
    is_back(&parent).await;
    assert_eq!(parent.wholly().await, None);
    parent.sink.script_any_always(Step(At::Dot, Act::Hold));
    parent.click().await;

    // Killed with all workers waiting for the answer to a final dot: what became of these mails has no place to go.
    soon("the workers wait", parent.sink.wait_for_held(AT_ONCE)).await;
    server.kill();
    parent.sink.mend();
    parent.sink.release();
    is_away(&mut parent).await;
    assert_eq!(parent.sink.messages().len(), AT_ONCE, "nothing leaves that cannot be written down");
    server.restart();
    is_back(&parent).await;
    parent.wholly().await;

    // Standing still, pausing, and gone for a moment, at the full rate.
    some_mails(&parent).await;
    server.signal("-STOP");
    is_away(&mut parent).await;
    server.signal("-CONT");
    is_back(&parent).await;
    some_mails(&parent).await;
    server.command(&["CLIENT", "PAUSE", "3000", "ALL"]);
    is_away(&mut parent).await;
    is_back(&parent).await;
    some_mails(&parent).await;
    server.kill();
    parent.told.faults += 1;
    server.restart();
    parent.settle_up().await;
}

/// Until the node knows.
async fn is_away(parent: &mut Parent) {
    parent.told.faults += 1;
    until("Redis is away", async || (readiness_of(&parent.node, "store").await.0 == 503).then_some(())).await;
}

async fn is_back(parent: &Parent) {
    until("Redis is back", async || (readiness_of(&parent.node, "store").await.0 == 200).then_some(())).await;
}

async fn some_mails(parent: &Parent) {
    soon("some mails", parent.sink.wait_for(parent.sink.messages().len() + SOME)).await;
}
