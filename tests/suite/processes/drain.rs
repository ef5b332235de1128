//! SIGTERM: what is under way is finished, nothing new is begun.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use flybridge::clock::{Clock, Timestamp};
use flybridge::demo::fly::{Endpoint, Fault};
use flybridge::domain::disable::RowStatus;
use flybridge::services::jobs::{Jobs, Mail};
use flybridge::services::outbox::Rate;
use flybridge::store::{Outcome, keys};
use tokio::sync::watch;

use super::delivery::{MEMBERS, Office};
use super::fly::Reserved;
use super::{Letters, Records, address, everybody_signs_in, link_saltmarsh};
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

impl Records {
    /// Somebody asks for a link.
    async fn ask(&self, number: usize) {
        let jobs = Jobs::new(self.store.clone(), Duration::from_secs(10));
        let (user, now) = (self.user(number).await, self.store.now());
        let place = keys::user_partition(&user);
        let announced = jobs.mail.announce(&place, now).await.unwrap();
        let mut txn = self.store.txn(place);
        jobs.put_mail(&mut txn, &announced, Mail::Link { user, as_last: false }, now).unwrap();
        assert_eq!(self.store.commit(txn).await.unwrap(), Outcome::Committed);
    }

    /// How often the mail that somebody asked for was begun; none when it is done.
    async fn begun(&self, number: usize) -> Option<u64> {
        let place = keys::user_partition(&self.user(number).await);
        let jobs = self.store.scan(&place, "job/mail/", None, 9).await.unwrap();
        let job: serde_json::Value = serde_json::from_slice(&jobs.first()?.1.value[1..]).unwrap();
        job["attempts"].as_u64()
    }
}

#[tokio::test]
async fn nothing_new_is_begun() {
    const PEOPLE: usize = 6;
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address());
    let records = Records::of(home.open_store().await);
    records.seed(PEOPLE).await;
    let run = records.click().await;
    let mut node = Node::start(&home).await;
    records.wait_until_done(&run).await;
    // With the summary for the admin.
    soon("the run's mails", sink.wait_for(PEOPLE + 1)).await;
    node.signal("-TERM");
    assert_eq!(node.ended().await.code(), Some(0), "{}", home.log());
    // One mail in each of as many places, all found by the first look at the queue.
    for number in 0..PEOPLE {
        records.ask(number).await;
    }
    sink.script_any_always(Step(At::Dot, Act::Hold));
    node.restart().await;
    soon("a worker waits", sink.wait_for_held(1)).await;
    node.signal("-TERM");
    until("the door is closed", async || (!node.listens()).then_some(())).await;
    sink.release();
    assert_eq!(node.ended().await.code(), Some(0), "{}", home.log());
    let mut left = Vec::new();
    for number in 0..PEOPLE {
        left.extend(records.begun(number).await);
    }
    assert_eq!(left, [0; PEOPLE - 1], "the one under way is done, the others are as they were");
    let asked = sink.messages().split_off(PEOPLE + 1);
    assert!(matches!(&asked[..], [mail] if mail.accepted), "{asked:?}");

    sink.mend();
    node.restart().await;
    soon("the others", sink.wait_for(2 * PEOPLE + 1)).await;
    let asked = Letters::of(&sink.messages()[PEOPLE + 1..]);
    for number in 0..PEOPLE {
        assert_eq!(asked.0[&address(number)].len(), 1, "{number}");
    }
}

/// A clock whose sleepers never wake.
struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000)
    }

    fn sleep<'a>(&'a self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn mails_that_wait_for_their_turn_go_back_into_the_queue() {
    let sink = SmtpSink::start().await;
    sink.script_any_always(Step(At::Dot, Act::Hold));
    let mut office = Office::at(Home::new(sink.address()).patient()).await;
    // A burst of two is allowed; the third mail would wait for ever.
    Arc::get_mut(&mut office.program.outbox).unwrap().rate = Rate::new(Arc::new(Frozen), 1);
    let (stop, stopped) = watch::channel(false);
    let told = async {
        soon("two mails under way", sink.wait_for_held(2)).await;
        stop.send_replace(true);
        sink.release();
    };
    let running = Box::pin(async { tokio::join!(office.program.outbox.run(stopped), told) });
    soon("the workers end", running).await;
    let rows = office.rows().await;
    let sent = rows.values().filter(|row| row.status == RowStatus::Sent).count();
    let queued = rows.values().filter(|row| row.status == RowStatus::Queued && row.attempts == 0).count();
    assert_eq!((sent, queued), (2, MEMBERS - 2), "{rows:?}");
    office.records.check_invariants(&office.run).await;

    sink.mend();
    Arc::get_mut(&mut office.program.outbox).unwrap().rate = Rate::new(Arc::new(Frozen), 10_000);
    office.work().await;
    office.records.check_ledger(&office.run, MEMBERS).await;
    assert_eq!(office.records.check_mails(&Letters::of(&sink.messages()), MEMBERS).await, MEMBERS);
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
