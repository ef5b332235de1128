//! Over SMTP without TLS: taking mail, keeping connections, losing them.

use std::sync::Arc;
use std::time::Duration;

use flybridge::services::mail::{Encryption, Limits, Mailer, Scope, SendError, SetupError, SmtpSettings};

use super::super::support::mime::Mail;
use super::super::support::smtp::{Act, At, SmtpSink, Step};
use super::{LINK, PRIYA, clock, mail_to, mailer, sender, settings, short};

#[tokio::test]
async fn a_mail_arrives_whole_and_the_connection_is_used_again() {
    let sink = SmtpSink::start().await;
    let mailer = mailer(&settings(&sink));
    mailer.check().await.unwrap();
    for id in ["one", "two", "three"] {
        let accepted = mailer.send(&mail_to(PRIYA, id)).await.unwrap();
        assert!(accepted.answer.starts_with("250 2.0.0 ok: queued as"), "{accepted:?}");
    }
    let received = sink.wait_for(3).await;
    for (message, id) in received.iter().zip(["one", "two", "three"]) {
        assert!(message.accepted && !message.encrypted && message.credentials.is_none());
        assert_eq!(message.from, "no-reply@flybridge.example");
        assert_eq!(message.to, [PRIYA]);
        assert_eq!(message.connection, 1);
        let mail = Mail::parse(&message.data);
        assert_eq!(mail.header("message-id"), format!("<{id}@flybridge.example>"));
        assert_eq!(mail.header("subject"), "Set your password for Sentry (Saltmarsh Labs)");
        assert!(mail.text("text/plain").contains(LINK) && mail.text("text/html").contains(LINK));
    }
    assert_eq!(sink.connections(), 1);
    mailer.close().await;
    mailer.send(&mail_to(PRIYA, "four")).await.unwrap();
    assert_eq!(sink.connections(), 2);
}

#[tokio::test]
async fn lines_that_start_with_a_dot_arrive_as_they_were() {
    let sink = SmtpSink::start().await;
    let mut message = mail_to(PRIYA, "one");
    message.parts.text = ".\n..\n.hidden\n\nend\n".to_owned();
    mailer(&settings(&sink)).send(&message).await.unwrap();
    let mail = Mail::parse(&sink.wait_for(1).await[0].data);
    assert_eq!(mail.text("text/plain").trim_end(), ".\n..\n.hidden\n\nend");
}

#[tokio::test]
async fn a_refused_recipient_leaves_the_connection_usable() {
    let sink = SmtpSink::start().await;
    let mailer = mailer(&settings(&sink));
    sink.script("leo@a.example", Step(At::Rcpt, Act::Answer("550 5.1.1 no such user")));
    sink.script("nadia@a.example", Step(At::Dot, Act::Answer("554 5.7.1 no")));
    mailer.send(&mail_to("leo@a.example", "one")).await.unwrap_err();
    mailer.send(&mail_to("nadia@a.example", "two")).await.unwrap_err();
    mailer.send(&mail_to(PRIYA, "three")).await.unwrap();
    let last = sink.wait_for(2).await.pop().unwrap();
    assert_eq!((last.to, sink.connections()), (vec![PRIYA.to_owned()], 1));
}

#[tokio::test]
async fn a_connection_that_the_server_gave_up_is_replaced_without_a_failure() {
    for act in [
        Act::Drop,
        Act::Answer("421 4.4.2 idle for too long"),
        Act::Answer("452 4.5.3 enough for one session"),
        Act::Answer("550 5.5.0 enough for one session"),
    ] {
        let sink = SmtpSink::start().await;
        let mailer = mailer(&settings(&sink));
        mailer.send(&mail_to(PRIYA, "one")).await.unwrap();
        sink.script_any(Step(At::Mail, act));
        mailer.send(&mail_to(PRIYA, "two")).await.unwrap();
        assert_eq!(sink.wait_for(2).await.iter().map(|m| m.connection).collect::<Vec<_>>(), [1, 2]);
    }
}

#[tokio::test]
async fn a_connection_idle_for_a_minute_is_not_tried_again() {
    let sink = SmtpSink::start().await;
    let clock = clock();
    let mailer = Mailer::smtp(&settings(&sink), sender(), Arc::clone(&clock) as _).unwrap();
    mailer.send(&mail_to(PRIYA, "one")).await.unwrap();
    clock.advance(Duration::from_secs(59));
    mailer.send(&mail_to(PRIYA, "two")).await.unwrap();
    clock.advance(Duration::from_mins(1));
    mailer.send(&mail_to(PRIYA, "three")).await.unwrap();
    assert_eq!(sink.wait_for(3).await.iter().map(|m| m.connection).collect::<Vec<_>>(), [1, 1, 2]);
}

#[tokio::test]
async fn without_an_answer_to_the_final_dot_the_mail_may_have_arrived() {
    let sink = SmtpSink::start().await;
    let mailer = mailer(&settings(&sink));
    sink.script(PRIYA, Step(At::Dot, Act::Drop));
    let message = mail_to(PRIYA, "one");
    let error = mailer.send(&message).await.unwrap_err();
    assert!(matches!(error, SendError::Unclear { .. }), "{error:?}");
    mailer.send(&message).await.unwrap();
    let received = sink.wait_for(2).await;
    assert_eq!(received.iter().map(|m| m.accepted).collect::<Vec<_>>(), [false, true]);
    assert_eq!(received[0].data, received[1].data, "the same mail again");
}

#[tokio::test]
async fn a_connection_lost_while_the_content_is_on_its_way_is_no_final_failure() {
    let sink = SmtpSink::start().await;
    let mailer = mailer(&settings(&sink));
    sink.script(PRIYA, Step(At::Content, Act::Drop));
    let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
    // A small mail fits into the socket's buffers whole, so the client often cannot see that it was not read.
    assert!(
        matches!(error, SendError::Unclear { .. } | SendError::Temporary { scope: Scope::Message, .. }),
        "{error:?}"
    );
    mailer.send(&mail_to(PRIYA, "one")).await.unwrap();
    assert_eq!(sink.wait_for(1).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_holds_its_answer_is_given_up_in_time() {
    let places = [At::Greeting, At::Ehlo, At::Mail, At::Rcpt, At::Data, At::Dot];
    futures_util::future::join_all(places.map(held_and_released)).await;
}

async fn held_and_released(at: At) {
    let sink = SmtpSink::start().await;
    sink.script_any(Step(at, Act::Hold));
    let mailer = mailer(&SmtpSettings { limits: short(), ..settings(&sink) });
    let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
    match (at, &error) {
        (At::Dot, SendError::Unclear { .. })
        | (At::Rcpt | At::Data, SendError::Temporary { scope: Scope::Message, code: None, .. })
        | (At::Greeting | At::Ehlo | At::Mail, SendError::Temporary { scope: Scope::Server, code: None, .. }) => {}
        _ => panic!("{at:?}: {error:?}"),
    }
    sink.wait_for_held(1).await;
    sink.release();
    mailer.send(&mail_to(PRIYA, "two")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_refuses_for_long_and_a_bad_address_keep_nobody_else_from_their_mail() {
    let sink = SmtpSink::start().await;
    let mailer = mailer(&settings(&sink));
    sink.script_any_always(Step(At::Mail, Act::Answer("450 4.7.1 slow down")));
    for _ in 0..5 {
        let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
        assert!(matches!(error, SendError::Temporary { scope: Scope::Server, code: Some(450), .. }), "{error:?}");
    }
    sink.mend();
    sink.script_always("leo@a.example", Step(At::Rcpt, Act::Answer("550 5.1.1 no")));
    for round in 0..3 {
        let error = mailer.send(&mail_to("leo@a.example", "leo")).await.unwrap_err();
        assert!(matches!(error, SendError::Rejected { code: Some(550), .. }), "{error:?}");
        mailer.send(&mail_to(PRIYA, &format!("round{round}"))).await.unwrap();
    }
    let received = sink.wait_for(3).await;
    assert!(received.iter().all(|message| message.to == [PRIYA] && message.connection == 6));
}

#[tokio::test]
async fn a_slow_mail_holds_up_no_other_but_the_number_of_connections_is_kept() {
    let sink = SmtpSink::start().await;
    sink.script("slow@a.example", Step(At::Dot, Act::Hold));
    let mailer = Arc::new(mailer(&settings(&sink)));
    let slow = tokio::spawn({
        let mailer = Arc::clone(&mailer);
        async move { mailer.send(&mail_to("slow@a.example", "slow")).await }
    });
    sink.wait_for_held(1).await;
    let others = (0..20).map(|n| {
        let mailer = Arc::clone(&mailer);
        tokio::spawn(async move { mailer.send(&mail_to(PRIYA, &format!("quick{n}"))).await })
    });
    for other in others.collect::<Vec<_>>() {
        other.await.unwrap().unwrap();
    }
    assert_eq!(sink.connections(), 2);
    sink.release();
    slow.await.unwrap().unwrap();
    assert_eq!(sink.messages().len(), 21);
}

#[tokio::test]
async fn a_server_that_is_not_there_concerns_all_mail() {
    let sink = SmtpSink::start().await;
    let settings = settings(&sink);
    drop(sink);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = SmtpSettings { port: listener.local_addr().unwrap().port(), ..settings };
    drop(listener);
    let mailer = mailer(&settings);
    for error in [mailer.check().await.unwrap_err(), mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err()] {
        assert!(matches!(error, SendError::Temporary { scope: Scope::Server, code: None, .. }), "{error:?}");
        assert_eq!(error.sentence(), "Our mail server cannot be reached. Mail waits and goes out when it is back.");
    }
}

#[tokio::test]
async fn addresses_outside_ascii_need_a_server_that_takes_them() {
    let plain = SmtpSink::start().await;
    let mailer_plain = mailer(&settings(&plain));
    let error = mailer_plain.send(&mail_to("zoë@saltmarsh.example", "one")).await.unwrap_err();
    assert!(matches!(error, SendError::Rejected { code: None, .. }), "{error:?}");
    let capable = SmtpSink::start_with(&["SMTPUTF8", "8BITMIME"], None, false).await;
    mailer(&settings(&capable)).send(&mail_to("zoë@saltmarsh.example", "one")).await.unwrap();
    assert_eq!(capable.wait_for(1).await[0].to, ["zoë@saltmarsh.example"]);
    mailer_plain.send(&mail_to("zoe@bücher.example", "two")).await.unwrap();
    assert_eq!(plain.wait_for(1).await[0].to, ["zoe@xn--bcher-kva.example"]);
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_remedy() {
    let good = SmtpSettings {
        host: "localhost".to_owned(),
        port: 25,
        encryption: Encryption::Off,
        credentials: None,
        root_certificates: None,
        hello: None,
        connections: 1,
        limits: Limits::default(),
    };
    let make = |settings: &SmtpSettings| Mailer::smtp(settings, sender(), clock()).map(drop);
    for host in ["localhost", "mail.localhost", "127.0.0.1", "127.8.8.8", "::1"] {
        assert!(make(&SmtpSettings { host: host.to_owned(), ..good.clone() }).is_ok(), "{host}");
    }
    for host in ["mail.example", "10.0.0.1", "localhost.example"] {
        let error = make(&SmtpSettings { host: host.to_owned(), ..good.clone() }).unwrap_err();
        assert!(matches!(error, SetupError::ClearText(_)), "{host}: {error}");
    }
    let bad_host = SmtpSettings { host: "mail example".to_owned(), ..good.clone() };
    assert!(matches!(make(&bad_host), Err(SetupError::Host(_))));
    let bad_hello = SmtpSettings { hello: Some("a\r\nQUIT".to_owned()), ..good.clone() };
    assert!(matches!(make(&bad_hello), Err(SetupError::Hello(_))));
    assert!(matches!(make(&SmtpSettings { connections: 0, ..good }), Err(SetupError::Connections)));
}
