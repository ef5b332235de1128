//! Over TLS: nothing is said in clear, and what cannot be encrypted is not sent.

use std::sync::Arc;

use flybridge::services::mail::{Encryption, Obstacle, Scope, SendError, SetupError, SmtpSettings};

use super::super::support::smtp::certificate::certificate;
use super::super::support::smtp::{Act, At, SmtpSink, Step};
use super::{PRIYA, mail_to, mailer, settings};

const FEATURES: &[&str] = &["STARTTLS", "AUTH PLAIN"];

#[tokio::test]
async fn mail_goes_out_encrypted_to_a_server_whose_authority_we_trust() {
    let Some(certificate) = certificate() else { return };
    for encryption in [Encryption::Implicit, Encryption::StartTls] {
        let implicit = encryption == Encryption::Implicit;
        let sink = SmtpSink::start_with(FEATURES, Some(Arc::clone(&certificate.server)), implicit).await;
        let trusting =
            SmtpSettings { encryption, root_certificates: Some(certificate.authority.clone()), ..settings(&sink) };
        let mailer_trusting = mailer(&trusting);
        mailer_trusting.send(&mail_to(PRIYA, "one")).await.unwrap();
        mailer_trusting.send(&mail_to(PRIYA, "two")).await.unwrap();
        let received = sink.wait_for(2).await;
        assert!(received.iter().all(|message| message.encrypted && message.connection == 1), "{encryption:?}");

        let wrong_name = SmtpSettings { host: "localhost".to_owned(), ..trusting.clone() };
        let stranger = SmtpSettings { root_certificates: None, ..trusting };
        for settings in [wrong_name, stranger] {
            let error = mailer(&settings).send(&mail_to(PRIYA, "three")).await.unwrap_err();
            let SendError::Blocked { obstacle: Obstacle::Tls, answer, .. } = &error else { panic!("{error:?}") };
            assert!(answer.contains("certificate"), "{answer}");
        }
        assert_eq!(sink.messages().len(), 2);
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let sink = SmtpSink::start().await;
    let mailer = mailer(&SmtpSettings { encryption: Encryption::StartTls, ..settings(&sink) });
    let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
    assert!(matches!(error, SendError::Blocked { obstacle: Obstacle::Tls, .. }), "{error:?}");
    assert_eq!(sink.messages().len(), 0);
}

#[tokio::test]
async fn starttls_that_fails_sends_nothing_in_clear() {
    let sink = SmtpSink::start_with(FEATURES, None, false).await;
    let mailer = mailer(&SmtpSettings { encryption: Encryption::StartTls, ..settings(&sink) });
    let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
    assert!(matches!(error, SendError::Blocked { obstacle: Obstacle::Tls, .. }), "no TLS behind it: {error:?}");

    sink.script_any(Step(At::StartTls, Act::Answer("454 4.7.0 TLS is not available now")));
    let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
    assert!(matches!(error, SendError::Temporary { scope: Scope::Server, code: Some(454), .. }), "{error:?}");

    sink.script_any(Step(At::StartTls, Act::Answer("501 5.5.4 no")));
    let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
    assert!(matches!(error, SendError::Blocked { obstacle: Obstacle::Tls, .. }), "{error:?}");

    sink.script_any(Step(At::StartTls, Act::Drop));
    let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
    assert!(matches!(error, SendError::Temporary { scope: Scope::Server, code: None, .. }), "{error:?}");
    assert_eq!(sink.messages().len(), 0);
}

#[tokio::test]
async fn a_server_that_speaks_in_clear_on_a_tls_port_stops_all_mail() {
    let sink = SmtpSink::start_with(FEATURES, None, true).await;
    let mailer = mailer(&SmtpSettings { encryption: Encryption::Implicit, ..settings(&sink) });
    let error = mailer.send(&mail_to(PRIYA, "one")).await.unwrap_err();
    assert!(matches!(error, SendError::Blocked { obstacle: Obstacle::Tls, .. }), "{error:?}");
}

#[tokio::test]
async fn certificates_that_are_none_are_refused() {
    let sink = SmtpSink::start().await;
    let pem = b"-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n".to_vec();
    let settings = SmtpSettings { encryption: Encryption::StartTls, root_certificates: Some(pem), ..settings(&sink) };
    let error = flybridge::services::mail::Mailer::smtp(&settings, super::sender(), super::clock()).unwrap_err();
    assert!(matches!(&error, SetupError::Certificates(_)), "{error}");
}
