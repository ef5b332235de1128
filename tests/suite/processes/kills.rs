//! `kill -9` between the click and the last mail.

use super::fly::Reserved;
use super::parent::AT_ONCE;
use super::{Letters, PEOPLE, Records, everybody_signs_in, link_saltmarsh, members};
use crate::support::process::{Home, Node, soon};
use crate::support::redis::Server;
use crate::support::smtp::{Act, At, SmtpSink, Step};

#[tokio::test]
async fn an_organization_leaves_completely_on_sqlite() {
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address());
    leave(&sink, &home, members(300)).await;
}

#[tokio::test]
async fn an_organization_leaves_completely_on_redis() {
    let server = Server::start(&[]);
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address()).store(server.url());
    leave(&sink, &home, members(100)).await;
}

async fn leave(sink: &SmtpSink, home: &Home, members: usize) {
    let records = Records::of(home.open_store().await);
    records.seed(members).await;
    // The process that committed the click died before it did anything else.
    let run = records.click().await;
    records.check_invariants(&run).await;
    let summary = 1;

    // Killed with all workers waiting for the answer to a final dot: these mails were delivered, and nobody knows.
    sink.script_any_always(Step(At::Dot, Act::Hold));
    let mut node = Node::start(home).await;
    soon("the workers wait", sink.wait_for_held(AT_ONCE)).await;
    node.kill();
    records.check_invariants(&run).await;
    assert_eq!(sink.messages().len(), AT_ONCE);
    assert_eq!(records.totals(&run).await.sent, 0);

    // Killed with all workers in the middle of a mail: nothing was delivered.
    sink.mend();
    sink.script_any_always(Step(At::Rcpt, Act::Hold));
    node.restart().await;
    soon("the workers wait", sink.wait_for_held(2 * AT_ONCE)).await;
    node.kill();
    records.check_invariants(&run).await;
    assert_eq!(sink.messages().len(), AT_ONCE);

    // Killed at the full rate, wherever each worker just was.
    for part in [3, 2] {
        sink.mend();
        node.restart().await;
        soon("the mails", sink.wait_for(members / part)).await;
        node.kill();
        records.check_invariants(&run).await;
        assert!(!records.is_done(&run).await);
    }

    node.restart().await;
    records.wait_until_done(&run).await;
    records.check_ledger(&run, members).await;
    let mails = records.check_mails(&Letters::of(&sink.messages()), members).await;
    // Of four kills one certainly repeated its mails, one repeated none, and two may have.
    let repeated = mails - members;
    assert!((AT_ONCE..=3 * AT_ONCE).contains(&repeated), "{repeated} mails were sent again");
    let all = soon("the mails", sink.wait_for(mails + summary)).await;
    node.kill();
    assert_eq!(all.len(), mails + summary, "the admin is told once");
}

#[tokio::test]
async fn a_click_that_was_answered_is_kept() {
    let (sink, fly) = (SmtpSink::start().await, Reserved::new().await);
    let home = Home::new(sink.address()).fly(&fly.url());
    link_saltmarsh(&home);
    let mut node = Node::start(&home).await;
    let _fly = fly.serve(&[&node]);
    let mut ines = everybody_signs_in(&node).await;
    let run = ines.disable("saltmarsh-labs").await;
    node.kill();

    let records = Records::of(home.open_store().await);
    let id = run.rsplit('/').next().unwrap().parse().unwrap();
    records.check_invariants(&id).await;
    node.restart().await;
    records.wait_until_done(&id).await;
    records.check_invariants(&id).await;
    let totals = records.totals(&id).await;
    assert_eq!((totals.members, totals.sent, totals.failed), (9, 8, 1), "Noor has no address: {totals:?}");
    assert_eq!(Letters::of(&sink.messages()).0.len(), PEOPLE.len() - 1);
    let status = ines.get(&format!("{run}/status?limit=100")).await.json();
    assert_eq!(status["members"].as_array().unwrap().len(), PEOPLE.len(), "{status}");
}
