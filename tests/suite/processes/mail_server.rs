//! A run with a mail server that fails in every way, in real time: whoever can be mailed is mailed, the others stand in the
//! ledger with the reason, and sign-ins do not notice.

use std::net::SocketAddr;

use flybridge::clock::{Clock as _, SystemClock};
use flybridge::domain::disable::RowStatus;
use futures_util::future::{LocalBoxFuture, join_all};

use super::address;
use super::outage::{PROMPT, authorize, readiness_of};
use super::parent::Parent;
use crate::support::process::{Home, http, soon, until};
use crate::support::redis::Server;
use crate::support::smtp::certificate::certificate;
use crate::support::smtp::{Act, At, SmtpSink, Step};

/// All at once: most of it is waiting for the next try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_who_can_be_mailed_is_whatever_the_mail_server_says() {
    let servers = [(); 4].map(|()| Server::start(&[]));
    let redis = |number: usize| {
        let url = servers[number].url();
        move |smtp: SocketAddr| Home::new(smtp).store(url)
    };
    let scenes: [LocalBoxFuture<'_, ()>; 8] = [
        Box::pin(some_are_refused_or_put_off(Home::new)),
        Box::pin(some_are_refused_or_put_off(redis(0))),
        Box::pin(stops_and_goes_on(REFUSED, "(535)", Home::new)),
        Box::pin(stops_and_goes_on(REFUSED, "(535)", redis(1))),
        Box::pin(stops_and_goes_on(CLOSED, "(421)", Home::new)),
        Box::pin(stops_and_goes_on(CLOSED, "(421)", redis(2))),
        Box::pin(waits_for_a_certificate(Home::new)),
        Box::pin(waits_for_a_certificate(redis(3))),
    ];
    join_all(scenes).await;
}

/// Besides the admin.
const MEMBERS: usize = 39;

/// So many of them find a server that does not answer.
const TARPIT: std::ops::Range<usize> = 9..15;

/// What goes away by itself: each member of these numbers meets one of them once.
const PASSING: &[(At, Act)] = &[
    (At::Rcpt, Act::Answer("450 4.2.0 greylisted, come again")),
    (At::Rcpt, Act::Answer("421 4.7.0 too many of yours")),
    (At::Rcpt, Act::Answer("454 4.7.0 not now")),
    (At::Data, Act::Answer("451 4.3.0 later")),
    (At::Dot, Act::Answer("452 4.2.2 mailbox full")),
    (At::Content, Act::Drop),
    (At::Dot, Act::Drop),
];

const LASTING: &[(At, Act, &str)] = &[
    (At::Rcpt, Act::Answer("550 5.1.1 no such user"), "does not exist (550)"),
    (At::Dot, Act::Answer("554 5.7.1 looks like spam"), "refused us (554"),
];

async fn some_are_refused_or_put_off(home: impl FnOnce(SocketAddr) -> Home) {
    let mut parent = Parent::of(MEMBERS, home).await;
    for (number, (at, act)) in PASSING.iter().enumerate() {
        for one_of_them in [1 + number, 20 + number] {
            parent.sink.script(&address(one_of_them), Step(*at, act.clone()));
        }
    }
    for number in TARPIT {
        parent.sink.script(&address(number), Step(At::Rcpt, Act::Hold));
    }
    for (number, (at, act, why)) in LASTING.iter().enumerate() {
        for one_of_them in [16 + number, 30 + number] {
            parent.sink.script_always(&address(one_of_them), Step(*at, act.clone()));
            parent.told.refused.insert(address(one_of_them), why);
        }
    }
    let run = parent.click().await;
    soon("most workers wait", parent.sink.wait_for_held(TARPIT.len() - 1)).await;
    sign_ins_are_answered(&parent).await;
    let waits = until("somebody has to wait", async || {
        let rows = parent.records.rows(&run).await;
        rows.into_iter().find(|row| row.status == RowStatus::Queued && row.attempts == 1)
    });
    let waits = waits.await;
    assert!(waits.detail.is_some() && waits.next_attempt_at.is_some(), "{waits:?}");
    assert!(parent.records.totals(&run).await.add_up());
    parent.settle_up().await;
}

async fn sign_ins_are_answered(parent: &Parent) {
    for _ in 0..10 {
        let (clock, start) = (SystemClock, SystemClock.now());
        let answer = http().get(parent.node.url(&authorize())).send().await.unwrap();
        let took = clock.now().since(start);
        assert!(answer.status().as_u16() == 303 && took < PROMPT, "{} after {took:?}", answer.status());
    }
}

/// Nobody is mailed, nobody loses a try, and everybody is told why.
async fn has_stopped(parent: &mut Parent, why: &str) {
    let run = parent.click().await;
    until("mail has stopped", async || readiness_of(&parent.node, "mail").await.1.contains(why).then_some(())).await;
    assert_eq!(readiness_of(&parent.node, "store").await, (200, "ok".to_owned()), "sign-ins go on");
    assert!(parent.home.log().contains("mail has stopped"), "{}", parent.home.log());
    sign_ins_are_answered(parent).await;
    assert!(parent.sink.messages().is_empty());
    for row in parent.records.rows(&run).await {
        assert!(!row.status.is_settled() && row.attempts == 0, "{row:?}");
    }
    assert!(parent.records.totals(&run).await.add_up());
}

async fn goes_on(parent: &mut Parent) {
    parent.settle_up().await;
    assert_eq!(readiness_of(&parent.node, "mail").await, (200, "ok".to_owned()));
}

async fn stops_and_goes_on(
    (at, answer): (At, &'static str),
    why: &str,
    home: impl FnOnce(SocketAddr) -> Home + Send,
) {
    let mut parent = Parent::of(MEMBERS, home).await;
    parent.sink.script_any_always(Step(at, Act::Answer(answer)));
    has_stopped(&mut parent, why).await;
    parent.sink.mend();
    goes_on(&mut parent).await;
}

const REFUSED: (At, &str) = (At::Mail, "535 5.7.8 authentication failed");
const CLOSED: (At, &str) = (At::Greeting, "421 4.3.2 closed for maintenance");

/// The operator mends it by trusting the server's certificate, which takes a restart.
async fn waits_for_a_certificate(home: impl FnOnce(SocketAddr) -> Home) {
    let Some(certificate) = certificate() else { return };
    let sink = SmtpSink::start_with(&["STARTTLS"], Some(certificate.server), false).await;
    let mut parent = Parent::with(sink, MEMBERS, |smtp| home(smtp).starttls()).await;
    has_stopped(&mut parent, "ertificate").await;
    let trusted = parent.home.path("mail.pem");
    std::fs::write(&trusted, certificate.authority).unwrap();
    parent.home = parent.home.line("mail.smtp", format!("ca_file = \"{}\"", trusted.display()));
    parent.home.write(parent.node.port);
    parent.node.kill();
    parent.node.restart().await;
    goes_on(&mut parent).await;
    assert!(parent.sink.messages().iter().all(|mail| mail.encrypted), "nothing in clear");
}
