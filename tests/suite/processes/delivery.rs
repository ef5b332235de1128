//! A mail server that fails in every way, over real SMTP, with hours of waiting in no time: the program in process,
//! with a clock that is set forward.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use flybridge::cli::{Program, assemble, open_store};
use flybridge::domain::disable::{Row, RowStatus};
use flybridge::domain::ids::RunId;
use flybridge::http::routes::router;
use flybridge::random::SystemRandom;
use flybridge::services::outbox::{MAX_TRIES, PAUSE};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{Letters, Records, address};
use crate::store::SteppedClock;
use crate::support::mime::Mail;
use crate::support::ports::free_port;
use crate::support::process::Home;
use crate::support::smtp::{Act, At, SmtpSink, Step};

pub(super) const MEMBERS: usize = 14;

pub(super) struct Office {
    clock: Arc<SteppedClock>,
    pub(super) program: Program,
    pub(super) records: Records,
    pub(super) run: RunId,
    _home: Home,
}

impl Office {
    pub(super) async fn open(sink: &SmtpSink) -> Self {
        Self::at(Home::new(sink.address())).await
    }

    pub(super) async fn at(home: Home) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = home.config(free_port());
        let clock = SteppedClock::start();
        let random = Arc::new(SystemRandom::default());
        let store = open_store(&config.store, clock.clone(), random.clone()).await.unwrap();
        let program = assemble(&config, store.clone(), clock.clone(), random, false).await.unwrap();
        let records = Records::of(store);
        records.seed(MEMBERS).await;
        let run = records.click().await;
        Self { clock, program, records, run, _home: home }
    }

    /// Does all that is due at this moment.
    pub(super) async fn work(&self) {
        let outbox = &self.program.outbox;
        while outbox.work_once().await.unwrap() + outbox.mail_once().await.unwrap() > 0 {
            if outbox.health.trouble().is_some() {
                return;
            }
        }
    }

    /// Lets time pass in steps, working after each.
    async fn pass(&self, steps: usize, step: Duration) {
        for _ in 0..steps {
            self.clock.advance(step);
            self.work().await;
        }
    }

    /// Status and content of `/readyz`.
    async fn readyz(&self) -> (u16, serde_json::Value) {
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        let answer = router(&self.program.app).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    pub(super) async fn rows(&self) -> BTreeMap<String, Row> {
        let rows = self.records.rows(&self.run).await;
        rows.into_iter().map(|row| (row.email.clone().unwrap(), row)).collect()
    }
}

#[tokio::test]
async fn everybody_who_can_be_reached_is_reached() {
    let sink = SmtpSink::start().await;
    for number in 1..=3 {
        for _ in 0..2 {
            sink.script(&address(number), Step(At::Rcpt, Act::Answer("450 4.2.0 greylisted, come again")));
        }
    }
    for number in 4..=5 {
        sink.script_always(&address(number), Step(At::Rcpt, Act::Answer("550 5.1.1 no such user")));
    }
    sink.script(&address(6), Step(At::Content, Act::Drop));
    sink.script(&address(7), Step(At::Dot, Act::Drop));
    sink.script(&address(8), Step(At::Dot, Act::Answer("452 4.2.2 mailbox full")));
    sink.script(&address(9), Step(At::Rcpt, Act::Answer("421 4.7.0 too many of yours")));
    sink.script_always(&address(10), Step(At::Rcpt, Act::Answer("451 4.3.0 not now")));
    sink.script_always(&address(11), Step(At::Dot, Act::Answer("554 5.7.1 looks like spam")));
    let office = Office::open(&sink).await;

    office.work().await;
    office.records.check_invariants(&office.run).await;
    let rows = office.rows().await;
    assert_eq!(rows[&address(4)].status, RowStatus::Failed);
    assert_eq!((rows[&address(1)].status, rows[&address(1)].attempts), (RowStatus::Queued, 1));
    let told = rows[&address(1)].detail.clone().unwrap();
    assert!(told.contains("450") && rows[&address(1)].next_attempt_at.is_some(), "{told}");
    assert_eq!(rows[&address(12)].status, RowStatus::Sent);
    assert!(!office.records.is_done(&office.run).await);

    // Twelve tries with pauses of at most an hour are over within half a day.
    office.pass(12 * 60, Duration::from_mins(1)).await;
    assert!(office.records.is_done(&office.run).await);
    office.records.check_invariants(&office.run).await;
    let rows = office.rows().await;
    for (number, words) in [(4, "does not exist (550)"), (5, "does not exist (550)"), (11, "refused us (554")] {
        let row = &rows[&address(number)];
        assert_eq!((row.status, row.attempts), (RowStatus::Failed, 1), "one try, and no more after a 5xx");
        assert!(row.detail.as_ref().unwrap().contains(words), "{:?}", row.detail);
    }
    let late = &rows[&address(10)];
    assert_eq!((late.status, late.attempts), (RowStatus::Failed, MAX_TRIES));
    let why = late.detail.as_ref().unwrap();
    assert!(why.contains("451") && why.contains("We tried 12 times."), "{why}");
    for number in [0, 1, 2, 3, 6, 7, 8, 9, 12, 13] {
        assert_eq!(rows[&address(number)].status, RowStatus::Sent, "{}", address(number));
    }

    let (accepted, refused): (Vec<_>, Vec<_>) = sink.messages().into_iter().partition(|mail| mail.accepted);
    let mut letters = Letters::of(&accepted);
    assert!(letters.0.values().all(|mails| mails.len() == 1), "{:?}", letters.0);
    assert_eq!(letters.0.len(), 10);
    // What was lost after the final dot may have arrived: it came again as the same mail.
    let repeated = Letters::of(&refused).0.remove(&address(7)).unwrap();
    assert_eq!(letters.0.remove(&address(7)).unwrap(), repeated);

    let summary = accepted.iter().map(|mail| Mail::parse(&mail.data).text("text/plain"));
    let summary = summary.filter(|text| !text.contains("/set-up/")).collect::<Vec<_>>();
    let [summary] = &summary[..] else { panic!("one summary") };
    for words in ["Person 4", "Person 10", "Person 11", "(550)", "(451)"] {
        assert!(summary.contains(words), "{words}: {summary}");
    }
}

#[tokio::test]
async fn what_is_wrong_on_our_side_stops_the_queue_and_costs_nobody_a_try() {
    let sink = SmtpSink::start().await;
    sink.script_any_always(Step(At::Mail, Act::Answer("535 5.7.8 authentication failed")));
    let office = Office::open(&sink).await;
    assert_eq!(office.readyz().await, (200, serde_json::json!({"store": "ok", "mail": "ok"})));
    office.work().await;

    let (status, body) = office.readyz().await;
    let told = body["mail"].as_str().unwrap().to_owned();
    assert_eq!(status, 200, "sign-ins go on");
    assert!(told.contains("(535)") && told.contains("Mend its user name and password"), "{told}");
    let connections = sink.connections();
    // Far more pauses than a mail has tries, and one probe in each.
    let pauses = 3 * MAX_TRIES as usize;
    office.pass(pauses, PAUSE + Duration::from_secs(1)).await;
    let probes = sink.connections() - connections;
    assert!((1..=2 * pauses).contains(&probes), "{probes} connections in {pauses} pauses");
    for row in office.rows().await.into_values() {
        assert_eq!((row.status, row.attempts), (RowStatus::Queued, 0), "{:?}", row.detail);
    }
    assert!(sink.messages().is_empty());
    office.records.check_invariants(&office.run).await;

    sink.mend();
    office.pass(4, PAUSE + Duration::from_secs(1)).await;
    assert!(office.records.is_done(&office.run).await);
    assert_eq!(office.readyz().await, (200, serde_json::json!({"store": "ok", "mail": "ok"})));
    office.records.check_ledger(&office.run, MEMBERS).await;
    assert_eq!(office.records.check_mails(&Letters::of(&sink.messages()), MEMBERS).await, MEMBERS);
}

#[tokio::test]
async fn a_server_that_is_away_for_days_costs_nobody_a_try() {
    let sink = SmtpSink::start().await;
    sink.script_any_always(Step(At::Greeting, Act::Answer("421 4.3.2 closed for maintenance")));
    let office = Office::open(&sink).await;
    office.work().await;
    office.pass(50, Duration::from_hours(1)).await;
    let (_, body) = office.readyz().await;
    assert!(body["mail"].as_str().unwrap().contains("(421)"), "{body}");
    assert!(office.rows().await.into_values().all(|row| row.attempts == 0 && row.status == RowStatus::Queued));

    sink.mend();
    office.pass(4, PAUSE + Duration::from_secs(1)).await;
    office.records.check_ledger(&office.run, MEMBERS).await;
    assert_eq!(office.records.check_mails(&Letters::of(&sink.messages()), MEMBERS).await, MEMBERS);
}
