//! How clients answer, and how often they are told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flybridge::clock::ManualClock;
use flybridge::domain::ids::{JobId, SessionId};
use flybridge::services::back_channel::{BackChannel, Told};
use flybridge::services::jobs::LogoutNotice;
use flybridge::services::outbox::logout::GIVE_UP;
use flybridge::store::queue::Leased;
use flybridge::store::{Outcome, StoreError, keys};

use super::{Two, at_once, sign_out};
use crate::support::app::TestApp;
use crate::support::back_channel::Act;

/// Ines was signed in at `told-rs256`, and is signed out; nobody was told yet.
async fn signed_out() -> Two {
    let two = Two::new().await;
    let (mut browser, ..) = two.signed_in("ines").await;
    sign_out(&mut browser).await;
    assert_eq!(waiting(&two.app), 1);
    two
}

fn waiting(app: &TestApp) -> usize {
    app.jobs().iter().filter(|(name, _)| name.starts_with("job/logout.")).count()
}

/// Lets time pass until the next job is due, and does it.
async fn next(app: &TestApp) {
    let due = app.jobs().into_iter().map(|(_, due)| due).min().expect("a job");
    app.advance(due.since(app.store.now()));
    app.work_now().await;
}

#[tokio::test]
async fn a_client_that_has_understood_is_told_once() {
    for status in [200, 204] {
        let two = signed_out().await;
        two.rs.will([Act::Status(status)]);
        two.app.work_now().await;
        two.rs.one();
        assert_eq!(waiting(&two.app), 0, "{status}");
    }
}

#[tokio::test]
async fn a_client_that_refuses_is_not_told_again() {
    for status in [400, 401, 404] {
        let two = signed_out().await;
        two.rs.will([Act::Status(status)]);
        two.app.work_now().await;
        two.rs.one();
        assert_eq!(waiting(&two.app), 0, "{status}");
        two.app.advance(GIVE_UP);
        two.app.work_now().await;
        assert!(two.rs.heard().is_empty());
    }
}

#[tokio::test]
async fn a_client_that_cannot_now_is_told_again_with_a_new_token() {
    let two = signed_out().await;
    let acts = [500, 503, 429, 408].map(Act::Status).into_iter().chain([Act::Drop]);
    two.rs.will(acts);
    two.app.work_now().await;
    for attempt in 1..=5_usize {
        assert_eq!(waiting(&two.app), 1, "after attempt {attempt}");
        let due = two.app.jobs()[0].1;
        let longest = Duration::from_secs(10 << (attempt - 1));
        assert!(due <= two.app.store.now().plus(longest), "after attempt {attempt}");
        two.app.advance(Duration::from_secs(1));
        next(&two.app).await;
    }
    let heard = two.rs.heard();
    assert_eq!(heard.len(), 6);
    assert_eq!(waiting(&two.app), 0);
    let names: BTreeSet<String> = heard.iter().map(|heard| heard.claim("jti")).collect();
    assert_eq!(names.len(), 6, "a client that remembers tokens takes none for the one before");
    let times: Vec<i64> = heard.iter().map(|heard| heard.claims()["iat"].as_i64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] < times[5], "made anew: {times:?}");
    assert!(heard.iter().all(|one| one.claim("sid") == heard[0].claim("sid")));
}

#[tokio::test]
async fn who_cannot_be_told_for_hours_is_given_up() {
    let two = signed_out().await;
    two.rs.will((0..1_000).map(|_| Act::Status(503)));
    let begin = two.app.store.now();
    two.app.work_now().await;
    let mut waits = Vec::new();
    while waiting(&two.app) > 0 {
        let due = two.app.jobs()[0].1;
        waits.push(due.since(two.app.store.now()));
        two.app.advance(Duration::from_millis(1));
        next(&two.app).await;
    }
    let longest = waits.iter().max().unwrap();
    assert!(*longest <= Duration::from_mins(15) && *longest > Duration::from_mins(5), "{longest:?}");
    assert!((25..200).contains(&waits.len()), "{}", waits.len());
    let passed = two.app.store.now().since(begin);
    assert!(passed >= GIVE_UP && passed <= GIVE_UP + Duration::from_mins(16), "{passed:?}");
    assert_eq!(two.rs.heard().len(), waits.len() + 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let two = signed_out().await;
    two.rs.will([Act::Redirect(two.es.url.clone())]);
    two.app.work_now().await;
    two.rs.one();
    assert!(two.es.heard().is_empty());
    assert_eq!(waiting(&two.app), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let two = signed_out().await;
    two.rs.will([Act::Flood]);
    two.app.work_now().await;
    two.rs.one();
    assert_eq!(waiting(&two.app), 0);
}

#[tokio::test]
async fn a_client_that_gives_no_answer_is_waited_for_only_so_long() {
    let two = signed_out().await;
    two.rs.will([Act::Hang]);
    let clients = Arc::clone(&two.app.program.app.clients);
    let signing = Arc::clone(&two.app.program.signing);
    let impatient = BackChannel::new("https://login.test", signing, clients, Duration::from_millis(50)).unwrap();
    let notice = LogoutNotice {
        client: "told-rs256".parse().unwrap(),
        user: two.id("ines").await,
        sid: SessionId::mint(two.app.store.random()),
    };
    let told = impatient.tell(&notice, two.app.store.now(), two.app.store.random()).await;
    assert_eq!(told, Told::Failed("no answer in time".to_owned()));
    two.app.work_now().await;
}

#[tokio::test]
async fn a_slow_client_holds_up_no_other_and_no_mail() {
    let two = Two::new().await;
    // More than are told at once, so that some of the slow client's are still waiting.
    two.rs.will((0..10).map(|_| Act::Hang));
    for who in ["leo", "priya", "jun", "tomas", "noor", "bram"] {
        let (mut browser, ..) = two.signed_in(who).await;
        sign_out(&mut browser).await;
    }
    let mut browser = two.app.browser();
    two.es256().tokens(&mut browser, "ines").await;
    sign_out(&mut browser).await;
    let outbox = &two.app.program.outbox;
    let others = async {
        two.rs.wait_for(4).await;
        two.es.wait_for(1).await;
        two.app.browser().get("/healthz").await;
        let mut forgetful = two.app.browser();
        forgetful.get("/forgot").await;
        forgetful.post_form("/forgot", &[("email", &two.app.address("ines"))]).await;
        assert_eq!(outbox.mail_once().await.unwrap(), 1, "mail goes on");
        assert_eq!(two.rs.heard().len(), 4, "no more than so many at once");
        two.rs.release();
    };
    let (taken, ()) = tokio::join!(outbox.logout_once(), others);
    assert_eq!(taken.unwrap(), 7);
    two.app.work().await;
    assert_eq!((two.rs.heard().len(), waiting(&two.app)), (2, 0));
}

#[tokio::test]
async fn what_a_dead_worker_had_taken_is_told_by_another() {
    let two = signed_out().await;
    let lane = two.app.program.outbox.jobs.logout.lane("told-rs256");
    let place = keys::user_partition(&two.id("ines").await);
    let taken: Vec<Leased<LogoutNotice>> =
        lane.take::<StoreError, _, _>(&place, 10, |taking| async { Ok(taking) }).await.unwrap();
    assert_eq!(taken.len(), 1);
    two.app.work_now().await;
    assert!(two.rs.heard().is_empty(), "somebody is at it");
    two.app.advance(Duration::from_secs(31));
    two.app.work_now().await;
    two.rs.one();
    // The dead one comes back to life: its outcome counts no more.
    let mut txn = two.app.store.txn(place);
    lane.finish(&mut txn, &taken[0]);
    assert_eq!(two.app.store.commit(txn).await.unwrap(), Outcome::Conflict);
}

#[tokio::test]
async fn a_client_that_wants_no_word_any_more_ends_the_job_and_one_that_is_not_known_here_is_waited_for() {
    let two = Two::new().await;
    let place = keys::user_partition(&two.id("ines").await);
    for client in ["gone", "standard"] {
        let lane = two.app.program.outbox.jobs.logout.lane(client);
        let now = two.app.store.now();
        let announced = lane.announce(&place, now).await.unwrap();
        let mut txn = two.app.store.txn(place.clone());
        let sid = SessionId::mint(two.app.store.random());
        let notice = LogoutNotice { client: client.parse().unwrap(), user: two.id("ines").await, sid };
        lane.push(&mut txn, &announced, &JobId::mint(two.app.store.random()), now, notice).unwrap();
        assert_eq!(two.app.store.commit(txn).await.unwrap(), Outcome::Committed);
    }
    assert_eq!(waiting(&two.app), 2);
    two.app.work_now().await;
    assert_eq!(waiting(&two.app), 1, "another process may know it");
    two.app.advance(GIVE_UP);
    two.app.work_now().await;
    assert_eq!(waiting(&two.app), 0);
}

#[tokio::test]
async fn a_running_worker_tells_all_and_stops_when_told() {
    let two = Two::new().await;
    for who in ["leo", "priya", "jun", "tomas", "noor", "bram"] {
        let (mut browser, ..) = two.signed_in(who).await;
        at_once(&two.es256(), &mut browser).await;
        sign_out(&mut browser).await;
    }
    two.rs.will((0..4).map(|_| Act::Hang));
    // A clock that stands still: nothing is found by looking again after a while.
    let clock = Arc::new(ManualClock::at(two.app.store.now()));
    let node = two.app.node(Arc::new(two.app.connection()), clock).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let told = async {
        two.es.wait_for(6).await;
        two.rs.wait_for(4).await;
        assert_eq!(two.rs.heard().len(), 4, "the others of the slow client wait");
        two.rs.release();
        two.rs.wait_for(6).await;
        stop.send_replace(true);
    };
    tokio::join!(node.outbox.run(stopped), told);
    assert_eq!((two.rs.heard().len(), two.es.heard().len(), waiting(&two.app)), (2, 6, 0));
}
