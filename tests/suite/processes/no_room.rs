//! A store that takes no more writes, or cannot be read, while an organization leaves: the answer says so, nothing has
//! changed, and everything goes on by itself once there is room.

use super::members;
use super::outage::readiness_of;
use super::parent::{AT_ONCE, AUTH, Parent};
use crate::support::disk::Disk;
use crate::support::process::{Home, http, soon, until};
use crate::support::redis::Server;
use crate::support::smtp::{Act, At, Step};

#[tokio::test]
async fn a_full_disk_changes_nothing() {
    let disk = Disk::new();
    let mut parent = Parent::of(members(40), |smtp| Home::new(smtp).environment(disk.environment())).await;
    nothing_changes_while_it_is_full(&mut parent, |full| if full { disk.fill() } else { disk.mend() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_changes_nothing() {
    let server = Server::start(&[]);
    let mut parent = Parent::of(members(40), |smtp| Home::new(smtp).store(server.url())).await;
    let fill = |full: bool| drop(server.command(&["CONFIG", "SET", "maxmemory", if full { "1" } else { "0" }]));
    nothing_changes_while_it_is_full(&mut parent, fill).await;
}

async fn nothing_changes_while_it_is_full(parent: &mut Parent, full: impl Fn(bool)) {
    let csrf = parent.admin.get(&format!("{AUTH}/disable")).await.csrf();
    let click = [("csrf", csrf.as_str()), ("confirm", "saltmarsh-labs")];
    full(true);
    assert_eq!(readiness_of(&parent.node, "store").await.0, 503);
    for _ in 0..3 {
        let answer = parent.admin.post(&format!("{AUTH}/disable"), &click).await;
        assert_eq!(answer.status, 507, "{}", answer.text);
        assert!(answer.text.contains("Nothing has changed"), "{}", answer.text);
        assert_eq!(parent.wholly_at_rest().await, None);
    }
    for path in ["/healthz", "/oauth/jwks", "/sign-in?all=1", AUTH] {
        let answer = parent.admin.get(path).await;
        assert!(answer.status < 400, "what only reads goes on: {path}: {}", answer.status);
    }
    full(false);
    ready(parent).await;
    parent.sink.script_any_always(Step(At::Dot, Act::Hold));
    let answer = parent.admin.post(&format!("{AUTH}/disable"), &click).await;
    let run = parent.was_told(answer.location());

    // Full again, with mails delivered that nobody has written down.
    soon("the workers wait", parent.sink.wait_for_held(AT_ONCE)).await;
    full(true);
    parent.sink.mend();
    parent.sink.release();
    parent.told.faults += 1;
    let refused = || parent.home.log().matches("a mail job failed and will be tried again").count();
    until("what became of the mails is written nowhere", async || (refused() >= AT_ONCE).then_some(())).await;
    assert_eq!(parent.sink.messages().len(), AT_ONCE, "nothing leaves that cannot be written down");
    parent.records.check_invariants(&run).await;
    assert_eq!(parent.records.totals(&run).await.sent, 0);
    full(false);
    parent.settle_up().await;
}

async fn ready(parent: &Parent) {
    until("the node is ready", async || (readiness_of(&parent.node, "store").await.0 == 200).then_some(())).await;
}

#[tokio::test]
async fn a_disk_that_cannot_be_read_changes_nothing() {
    let disk = Disk::new();
    let mut parent = Parent::of(members(40), |smtp| Home::new(smtp).environment(disk.environment())).await;
    let csrf = parent.admin.get(&format!("{AUTH}/disable")).await.csrf();
    let click = [("csrf", csrf.as_str()), ("confirm", "saltmarsh-labs")];
    // Something that the program has not read before, so that it has to.
    parent.records.admit(parent.members).await;
    parent.members += 1;
    disk.spoil();
    let answer = parent.admin.post(&format!("{AUTH}/disable"), &click).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(readiness_of(&parent.node, "store").await.0, 503);
    assert!(http().get(parent.node.url("/healthz")).send().await.unwrap().status().is_success());
    assert_eq!(parent.wholly_at_rest().await, None);
    disk.mend();
    ready(&parent).await;
    let answer = parent.admin.post(&format!("{AUTH}/disable"), &click).await;
    parent.was_told(answer.location());
    parent.settle_up().await;
}
