//! Every way a mail server can say no, and whom it concerns.

use flybridge::services::mail::{Credentials, Obstacle, Scope, SendError, SmtpSettings};
use zeroize::Zeroizing;

use super::super::support::smtp::{Act, At, SmtpSink, Step};
use super::{PRIYA, TOKEN, mail_to, mailer, settings};

/// Sends one mail to a server that does this to it.
async fn fails_with(step: Step) -> SendError {
    let sink = SmtpSink::start().await;
    sink.script_any(step);
    let error = mailer(&settings(&sink)).send(&mail_to(PRIYA, "id")).await.unwrap_err();
    assert!(!error.sentence().is_empty() && error.answer().chars().count() <= 200);
    assert!(!error.answer().contains(PRIYA) && !error.answer().contains(TOKEN), "{error:?}");
    error
}

#[tokio::test]
async fn before_a_recipient_is_named_4xx_and_lost_connections_concern_the_server() {
    for at in [At::Greeting, At::Ehlo, At::Mail] {
        for answer in ["421 4.3.2 going down", "450 4.7.1 slow down", "451 4.3.0 later", "452 4.3.1 full", "454 x"] {
            let error = fails_with(Step(at, Act::Answer(answer))).await;
            let SendError::Temporary { scope: Scope::Server, code, .. } = error else { panic!("{at:?}: {error:?}") };
            assert_eq!(code.map(|code| code.to_string()).as_deref(), answer.get(..3));
        }
        let error = fails_with(Step(at, Act::Drop)).await;
        assert!(matches!(error, SendError::Temporary { scope: Scope::Server, code: None, .. }), "{at:?}: {error:?}");
    }
}

#[tokio::test]
async fn from_the_recipient_on_4xx_and_lost_connections_concern_the_mail() {
    for at in [At::Rcpt, At::Data, At::Dot] {
        for answer in ["421 4.7.0 x", "450 4.2.1 x", "451 4.7.1 greylisted", "452 4.2.2 x", "454 4.7.0 x"] {
            let error = fails_with(Step(at, Act::Answer(answer))).await;
            let SendError::Temporary { scope: Scope::Message, code, .. } = &error else {
                panic!("{at:?}: {error:?}")
            };
            assert_eq!(code.map(|code| code.to_string()).as_deref(), answer.get(..3));
        }
    }
    for at in [At::Rcpt, At::Data] {
        let error = fails_with(Step(at, Act::Drop)).await;
        assert!(matches!(error, SendError::Temporary { scope: Scope::Message, code: None, .. }), "{at:?}: {error:?}");
    }
    let error = fails_with(Step(At::Rcpt, Act::Answer("451 4.7.1 greylisted"))).await;
    assert_eq!(error.sentence(), "Their mail server asked us to wait (451).");
}

#[tokio::test]
async fn a_5xx_for_a_recipient_is_final_and_said_in_words() {
    for (at, answer, sentence) in [
        (
            At::Rcpt,
            "550 5.1.1 <priya@saltmarsh.example> unknown",
            "Their mail server says this mailbox does not exist (550). Ask them to mend it, then resend.",
        ),
        (
            At::Rcpt,
            "550 No such user here",
            "Their mail server says this mailbox does not exist (550). Ask them to mend it, then resend.",
        ),
        (
            At::Rcpt,
            "554 5.7.1 no",
            "Their mail server refused us (554, policy). Ask its admin to allow flybridge.example, then resend.",
        ),
        (
            At::Rcpt,
            "550 blocked by our spam policy",
            "Their mail server refused us (550, policy). Ask its admin to allow flybridge.example, then resend.",
        ),
        (
            At::Dot,
            "550 no",
            "Their mail server refused us (550, policy). Ask its admin to allow flybridge.example, then resend.",
        ),
        (At::Rcpt, "552 5.2.2 over quota", "Their mailbox is full (552). Ask them to make room, then resend."),
        (
            At::Rcpt,
            "550 5.2.1 disabled",
            "Their mail server says this mailbox is switched off (550). Ask them to mend it, then resend.",
        ),
        (
            At::Rcpt,
            "550 5.1.2 no such domain",
            "The domain of this address takes no mail (550). Ask them for another address, then resend.",
        ),
        (At::Data, "503 5.5.1 no", "Their mail server refused this mail (503). Ask its admin why, then resend."),
    ] {
        let error = fails_with(Step(at, Act::Answer(answer))).await;
        let SendError::Rejected { code, .. } = &error else { panic!("{answer}: {error:?}") };
        assert_eq!(code.map(|code| code.to_string()).as_deref(), answer.get(..3));
        assert_eq!(error.sentence(), sentence, "{answer}");
    }
}

#[tokio::test]
async fn a_5xx_about_us_stops_all_mail() {
    for (at, answer, expected) in [
        (At::Greeting, "554 5.7.1 go away", Obstacle::Refused),
        (At::Ehlo, "550 5.7.1 go away", Obstacle::Refused),
        (At::Mail, "550 5.7.1 not your address", Obstacle::Sender),
        (At::Mail, "530 5.7.0 authentication required", Obstacle::Credentials),
        (At::Mail, "530 5.7.0 Must issue a STARTTLS command first", Obstacle::Tls),
        (At::Rcpt, "530 5.7.1 client was not authenticated", Obstacle::Credentials),
    ] {
        let error = fails_with(Step(at, Act::Answer(answer))).await;
        let SendError::Blocked { obstacle, sentence, .. } = &error else { panic!("{answer}: {error:?}") };
        assert_eq!(*obstacle, expected);
        assert!(sentence.contains(&answer[..3]), "{sentence}");
    }
}

#[tokio::test]
async fn answers_that_are_out_of_step_are_not_believed() {
    let error = fails_with(Step(At::Data, Act::Answer("250 2.1.5 ok"))).await;
    assert!(matches!(error, SendError::Temporary { scope: Scope::Message, code: None, .. }), "{error:?}");
    let error = fails_with(Step(At::Mail, Act::Answer("354 go ahead"))).await;
    assert!(matches!(error, SendError::Temporary { scope: Scope::Server, code: None, .. }), "{error:?}");
    let error = fails_with(Step(At::Dot, Act::Answer("354 go ahead"))).await;
    assert!(matches!(error, SendError::Unclear { .. }), "{error:?}");
}

#[tokio::test]
async fn credentials_are_sent_and_their_refusal_stops_all_mail() {
    let sink = SmtpSink::start().await;
    let password = Zeroizing::new("correct horse".to_owned());
    let credentials = Some(Credentials { username: "flybridge".to_owned(), password });
    let settings = SmtpSettings { credentials, ..settings(&sink) };
    assert!(!format!("{settings:?}").contains("horse"));
    let mailer = mailer(&settings);
    assert!(!format!("{mailer:?}").contains("horse"));
    for (answer, blocked) in [("535 5.7.8 no", true), ("534 5.7.9 no", true), ("454 4.7.0 later", false)] {
        sink.script_any(Step(At::Auth, Act::Answer(answer)));
        let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
        match &error {
            SendError::Blocked { obstacle: Obstacle::Credentials, .. } if blocked => {}
            SendError::Temporary { scope: Scope::Server, code: Some(454), .. } if !blocked => {}
            _ => panic!("{answer}: {error:?}"),
        }
    }
    mailer.send(&mail_to(PRIYA, "one")).await.unwrap();
    // base64 of NUL flybridge NUL "correct horse".
    let sent = sink.wait_for(1).await[0].credentials.clone();
    assert_eq!(sent.as_deref(), Some("AGZseWJyaWRnZQBjb3JyZWN0IGhvcnNl"));
}

#[tokio::test]
async fn a_server_without_a_sign_in_that_we_know_stops_all_mail() {
    let sink = SmtpSink::start_with(&["AUTH GSSAPI"], None, false).await;
    let credentials = Some(Credentials { username: "a".to_owned(), password: Zeroizing::new("b".to_owned()) });
    let mailer = mailer(&SmtpSettings { credentials, ..settings(&sink) });
    let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
    assert!(matches!(error, SendError::Blocked { obstacle: Obstacle::Credentials, .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_quotes_address_and_link_is_kept_without_them() {
    let answer = "554 5.7.1 <priya@saltmarsh.example>: https://flybridge.example/set-up/pW3kq8Zr0vTn5yLx2Hc7Jd9Fb4Gm6Sa1 \
        is listed (pW3kq8Zr0vTn5yLx2Hc7Jd9Fb4)";
    let error = fails_with(Step(At::Dot, Act::Answer(answer))).await;
    assert_eq!(error.answer(), "5.7.1 <p***@saltmarsh.example>: [link] is listed ([hidden])");
}
