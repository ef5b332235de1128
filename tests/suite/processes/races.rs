//! Leaving against coming back, and workers that come too late.

use futures_util::future::join_all;

use super::outage::readiness_of;
use super::parent::{AT_ONCE, AUTH, Parent, opened};
use super::{Letters, PEOPLE, Records, members, organization};
use crate::support::process::{Home, Node, soon, until};
use crate::support::redis::Server;
use crate::support::smtp::{Act, At, SmtpSink, Step};
use crate::support::visitor::{Answer, Visitor};
use flybridge::domain::ids::RunId;
use flybridge::domain::organization::LoginMethod;

const ROUNDS: usize = 6;

#[tokio::test]
async fn leaving_and_coming_back_at_once_is_one_story_on_sqlite() {
    let parent = Parent::of(members(20), Home::new).await;
    let port = parent.node.port;
    race(parent, port).await;
}

#[tokio::test]
async fn leaving_and_coming_back_at_once_on_two_nodes_is_one_story() {
    let server = Server::start(&[]);
    let parent = Parent::of(members(20), |smtp| Home::new(smtp).store(server.url())).await;
    let other = Node::start(&parent.home).await;
    race(parent, other.port).await;
}

/// Two admins, who click and take it back as often as they can.
async fn race(mut parent: Parent, other: u16) {
    let mut chloe = Visitor::at(&parent.node);
    chloe.sign_in_with_fly("/sign-in", PEOPLE[1]).await;
    parent.members += 1;
    for round in 0..ROUNDS {
        let on_fly = parent.wholly().await.is_none();
        if on_fly {
            parent.admin.sign_in_with_fly("/sign-in", PEOPLE[0]).await;
            chloe.sign_in_with_fly("/sign-in", PEOPLE[1]).await;
        }
        let elsewhere = chloe.elsewhere(other);
        let sent = [&parent.admin, &elsewhere, &parent.admin, &elsewhere].into_iter().enumerate();
        let sent = sent.map(|(number, who)| send(who.clone(), (number + round) % 4 < 2));
        for answer in join_all(sent).await {
            // Refused is whom the other was quicker than: what they had proved does not open the settings any more.
            assert!([303, 403].contains(&answer.status), "{}", answer.text);
            // Whoever was answered with a run was answered with one that began.
            if answer.status == 303
                && let Some((_, run)) = answer.location().split_once("/auth/disable/")
            {
                let run: RunId = run.parse().unwrap();
                assert!(parent.records.disable.run(&organization(), &run).await.unwrap().is_some());
            }
        }
        match parent.wholly().await {
            None => no_link_opens(&parent).await,
            Some(_) => drop(soon("a mail", parent.sink.wait_for(1)).await),
        }
    }
    if parent.wholly().await.is_none() {
        parent.admin.sign_in_with_fly("/sign-in", PEOPLE[0]).await;
        parent.click().await;
    }
    let run = parent.wholly().await.unwrap();
    parent.records.wait_until_done(&run).await;
    until("nothing is left to do", async || parent.records.is_idle(&parent.told).await.then_some(())).await;
    parent.wholly_at_rest().await;
    parent.records.check_ledger(&run, parent.members).await;
    parent.one_link_opens_for_each().await;
}

/// One form or the other, from the page where it stands.
async fn send(mut who: Visitor, leave: bool) -> Answer {
    let page = who.get("/sign-out").await;
    let csrf = page.csrf();
    if leave {
        who.post(&format!("{AUTH}/disable"), &[("csrf", &csrf), ("confirm", "saltmarsh-labs")]).await
    } else {
        who.post(&format!("{AUTH}/enable"), &[("csrf", &csrf)]).await
    }
}

async fn no_link_opens(parent: &Parent) {
    let of = parent.records.directory.organization(&organization()).await.unwrap().unwrap().value;
    assert_eq!(of.login_method, LoginMethod::Fly);
    let mut visitor = Visitor::at(&parent.node);
    for (token, _) in Letters::of(&parent.sink.messages()).0.values().flatten() {
        let page = opened(&mut visitor, token).await;
        assert_eq!(page.status, 410, "a link while Fly.io is on: {}", page.text);
    }
}

/// Another process works on the same file meanwhile, as a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_out_past_its_lease_changes_nothing_on_sqlite() {
    const MEMBERS: usize = 20;
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address());
    let records = Records::of(home.open_store().await);
    records.seed(MEMBERS).await;
    let run = records.click().await;
    sink.script_any_always(Step(At::Dot, Act::Hold));
    let stopped = Node::start(&home).await;
    soon("the workers wait", sink.wait_for_held(AT_ONCE)).await;
    stopped.signal("-STOP");
    sink.mend();
    let work = async || {
        let worked = home.command(&["worker", "--once"]);
        assert!(worked.status.success(), "{worked:?}");
        records.is_done(&run).await.then_some(())
    };
    until("the command has done it all", work).await;
    records.check_ledger(&run, MEMBERS).await;

    sink.release();
    stopped.signal("-CONT");
    let refused = || home.log().matches("a mail was finished by another worker").count();
    until("the late worker is refused", async || (refused() >= AT_ONCE).then_some(())).await;
    assert_eq!(readiness_of(&stopped, "store").await, (200, "ok".to_owned()));
    records.check_ledger(&run, MEMBERS).await;
    let mails = records.check_mails(&Letters::of(&sink.messages()), MEMBERS).await;
    assert_eq!(mails, MEMBERS + AT_ONCE, "eight mails came twice");
}
