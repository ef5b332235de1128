//! Two nodes on one Redis: clicks at the same time, and a worker that was out for a while.

use super::fly::Reserved;
use super::{Letters, PEOPLE, Records, everybody_signs_in, link_saltmarsh, members, organization};
use crate::support::process::{Home, Node, soon, until};
use crate::support::redis::Server;
use crate::support::smtp::{Act, At, SmtpSink, Step};
use crate::support::visitor::Visitor;
use flybridge::domain::audit::AuditKind;
use flybridge::domain::organization::{Actor, LoginMethod};
use flybridge::services::disable::click::Clicked;
use flybridge::store::keys;
use futures_util::future::join_all;

#[tokio::test]
async fn two_admins_on_two_nodes_begin_one_run() {
    let server = Server::start(&[]);
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address()).store(server.url());
    let (one, other) = (Records::of(home.open_store().await), Records::of(home.open_store().await));
    let members = members(60);
    one.seed(members).await;
    let (_first, _second) = (Node::start(&home).await, Node::start(&home).await);

    let id = organization();
    let admin = |number: usize| Actor { user: None, name: format!("Person {number}") };
    let clicks = [admin(0), admin(0), admin(1), admin(1)].map(|by| Clicked { by, from: None });
    let (a, b, c, d) = tokio::join!(
        one.disable.disable(&id, &clicks[0]),
        other.disable.disable(&id, &clicks[1]),
        one.disable.disable(&id, &clicks[2]),
        other.disable.disable(&id, &clicks[3]),
    );
    let run = a.unwrap();
    assert_eq!([b.unwrap(), c.unwrap(), d.unwrap()], [run.clone(), run.clone(), run.clone()]);

    one.wait_until_done(&run).await;
    one.check_ledger(&run, members).await;
    let mails = one.check_mails(&Letters::of(&sink.messages()), members).await;
    assert_eq!(mails, members, "one mail for each person");
    let log = one.store.list(&keys::audit_log(&organization()), None, 1_000).await.unwrap();
    let count = |kind: AuditKind| log.iter().filter(|entry| entry.value.kind == kind).count();
    assert_eq!((count(AuditKind::LoginMethodChanged), count(AuditKind::RunFinished)), (1, 1));
    let generation = one.directory.organization(&organization()).await.unwrap().unwrap().value.generation;
    assert_eq!(generation.0, 2);
}

#[tokio::test]
async fn a_double_submit_and_a_second_admin_lead_to_the_same_run() {
    let server = Server::start(&[]);
    let (sink, fly) = (SmtpSink::start().await, Reserved::new().await);
    let home = Home::new(sink.address()).store(server.url()).fly(&fly.url());
    link_saltmarsh(&home);
    let (one, other) = (Node::start(&home).await, Node::start(&home).await);
    let _fly = fly.serve(&[&one, &other]);
    let ines = everybody_signs_in(&one).await;
    let mut chloe = Visitor::at(&other);
    chloe.sign_in_with_fly("/sign-in", "chloe").await;

    // Four browsers with the form open, two of each admin.
    let mut open = Vec::new();
    for mut visitor in [ines.clone(), ines, chloe.clone(), chloe] {
        let csrf = visitor.get("/organizations/saltmarsh-labs/auth/disable").await.csrf();
        open.push((visitor, csrf));
    }
    let clicks = open.into_iter().map(|(mut visitor, csrf)| async move {
        let fields = [("csrf", csrf.as_str()), ("confirm", "saltmarsh-labs")];
        visitor.post("/organizations/saltmarsh-labs/auth/disable", &fields).await
    });
    let answers = join_all(clicks).await;
    for answer in &answers {
        assert_eq!((answer.status, answer.location()), (303, answers[0].location()), "{}", answer.text);
    }

    let records = Records::of(home.open_store().await);
    let run = answers[0].location().rsplit('/').next().unwrap().parse().unwrap();
    records.wait_until_done(&run).await;
    records.check_invariants(&run).await;
    let totals = records.totals(&run).await;
    assert_eq!((totals.members, totals.sent, totals.failed), (9, 8, 1), "Noor has no address: {totals:?}");
    let mails = Letters::of(&sink.messages()).0;
    assert_eq!(mails.len(), PEOPLE.len() - 1);
    assert!(mails.values().all(|mails| mails.len() == 1), "one mail for each person: {mails:?}");
}

#[tokio::test]
async fn links_are_dead_once_fly_is_on_again() {
    let server = Server::start(&[]);
    let (sink, fly) = (SmtpSink::start().await, Reserved::new().await);
    let home = Home::new(sink.address()).store(server.url()).fly(&fly.url()).line("workers", "concurrency = 2");
    link_saltmarsh(&home);
    let (one, other) = (Node::start(&home).await, Node::start(&home).await);
    let _fly = fly.serve(&[&one, &other]);
    let mut ines = everybody_signs_in(&one).await;

    // Each node has delivered two mails and waits for the answer.
    sink.script_any_always(Step(At::Dot, Act::Hold));
    let run: String = ines.disable("saltmarsh-labs").await;
    soon("the workers wait", sink.wait_for_held(4)).await;
    let page = ines.get("/organizations/saltmarsh-labs/auth/enable").await;
    let back = ines.post("/organizations/saltmarsh-labs/auth/enable", &[("csrf", &page.csrf())]).await;
    assert_eq!((back.status, back.location()), (303, "/organizations/saltmarsh-labs/auth"), "{}", back.text);
    sink.mend();
    sink.release();

    let records = Records::of(home.open_store().await);
    let run = run.rsplit('/').next().unwrap().parse().unwrap();
    let totals = until("the rest is cancelled", async || {
        let totals = records.totals(&run).await;
        (totals.unsettled() == 0).then_some(totals)
    })
    .await;
    assert!(totals.add_up(), "{totals:?}");
    assert_eq!((totals.sent, totals.cancelled, totals.failed), (4, 4, 1), "{totals:?}");
    let organization = records.directory.organization(&organization()).await.unwrap().unwrap().value;
    assert_eq!((organization.login_method, organization.generation.0), (LoginMethod::Fly, 3));
    assert!(records.run(&run).await.state.is_reverted());
    let mails = Letters::of(&sink.messages()).0;
    assert_eq!(mails.len(), 4, "no mail left after the way back");
    for (token, _) in mails.values().flatten() {
        let mut scanner = Visitor::at(&other);
        scanner.get(&format!("/set-up/{token}")).await;
        let page = scanner.get("/set-up").await;
        assert_eq!(page.status, 410, "a link while Fly.io is on: {}", page.text);
    }
}

#[tokio::test]
async fn a_worker_that_was_out_past_its_lease_changes_nothing() {
    let server = Server::start(&[]);
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address()).store(server.url());
    let records = Records::of(home.open_store().await);
    records.seed(40).await;
    let run = records.click().await;
    sink.script_any_always(Step(At::Dot, Act::Hold));
    let stopped = Node::start(&home).await;
    soon("the workers wait", sink.wait_for_held(8)).await;
    stopped.signal("-STOP");
    sink.mend();
    let _other = Node::start(&home).await;
    records.wait_until_done(&run).await;
    records.check_ledger(&run, 40).await;

    sink.release();
    stopped.signal("-CONT");
    let refused = || home.log().matches("a mail was finished by another worker").count();
    until("the late worker is refused", async || (refused() >= 8).then_some(())).await;
    records.check_ledger(&run, 40).await;
    assert_eq!(records.check_mails(&Letters::of(&sink.messages()), 40).await, 48, "eight mails came twice");
}
