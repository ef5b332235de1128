//! SIGTERM: what is under way is finished, nothing new is begun.

use flybridge::demo::fly::{Endpoint, Fault};

use super::fly::Reserved;
use super::{Letters, Records, everybody_signs_in, link_saltmarsh};
use crate::support::process::{Home, Node, http, soon, until};
use crate::support::smtp::{Act, At, SmtpSink, Step};
use crate::support::visitor::Visitor;

#[tokio::test]
async fn a_request_under_way_is_still_answered() {
    let sink = SmtpSink::start().await;
    let fly = Reserved::new().await;
    let home = Home::new(sink.address()).fly(&fly.url());
    let mut node = Node::start(&home).await;
    let fly = fly.serve(&[&node]);

    let mut visitor = Visitor::at(&node);
    let back = visitor.approve_at_fly("/sign-in", "ines").await;
    fly.stand_in.fault(Endpoint::Token, Fault::Hang);
    let callback = tokio::spawn(async move {
        let answer = visitor.get(&back).await;
        (answer, visitor)
    });
    soon("Fly.io is asked", fly.stand_in.hanging(1)).await;
    node.signal("-TERM");
    until("the door is closed", async || (!node.listens()).then_some(())).await;
    fly.stand_in.heal();

    let (answer, visitor) = callback.await.unwrap();
    assert_eq!((answer.status, answer.location()), (303, "/go"), "{}", answer.text);
    assert!(visitor.cookies.contains_key("fb_session"));
    assert_eq!(node.ended().await.code(), Some(0), "{}", home.log());
    assert!(home.log().contains("every request was answered"), "{}", home.log());

    // The session that was begun while draining is there for the next process.
    node.restart().await;
    let mut again = Visitor::at(&node);
    again.cookies = visitor.cookies;
    let page = again.get("/sign-out").await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("Ines Marlow"), "{}", page.text);
}

#[tokio::test]
async fn mails_under_way_are_sent_and_written_down() {
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address());
    let records = Records::of(home.open_store().await);
    records.seed(60).await;
    let run = records.click().await;
    sink.script_any_always(Step(At::Dot, Act::Hold));
    let mut node = Node::start(&home).await;
    soon("the workers wait", sink.wait_for_held(8)).await;
    node.signal("-TERM");
    until("the door is closed", async || (!node.listens()).then_some(())).await;
    sink.release();
    assert_eq!(node.ended().await.code(), Some(0), "{}", home.log());
    records.check_invariants(&run).await;
    let totals = records.totals(&run).await;
    assert_eq!((totals.sent, totals.sending), (8, 0), "{totals:?}");

    sink.mend();
    node.restart().await;
    records.wait_until_done(&run).await;
    records.check_ledger(&run, 60).await;
    let mails = records.check_mails(&Letters::of(&sink.messages()), 60).await;
    assert_eq!(mails, 60, "nobody was mailed twice");
}

#[tokio::test]
async fn an_event_stream_does_not_hold_up_the_end() {
    let (sink, fly) = (SmtpSink::start().await, Reserved::new().await);
    let home = Home::new(sink.address()).fly(&fly.url());
    link_saltmarsh(&home);
    let mut node = Node::start(&home).await;
    let _fly = fly.serve(&[&node]);
    let mut ines = everybody_signs_in(&node).await;
    sink.script_any_always(Step(At::Dot, Act::Hold));
    let run = ines.disable("saltmarsh-labs").await;
    soon("the workers wait", sink.wait_for_held(8)).await;
    let cookie = format!("fb_session={}", ines.cookies["fb_session"]);
    let stream = http().get(node.url(&format!("{run}/events"))).header("cookie", cookie).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let mut stream = stream;
    assert!(stream.chunk().await.unwrap().is_some(), "the first news");
    node.signal("-TERM");
    sink.release();
    while stream.chunk().await.unwrap().is_some() {}
    assert_eq!(node.ended().await.code(), Some(0), "{}", home.log());
    assert!(home.log().contains("every request was answered"), "{}", home.log());
}
