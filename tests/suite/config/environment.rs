//! Variables of the environment: which count, and which are refused.

use flybridge::config::MailTransport;

use super::{CLIENT, LEAST, load_with};

#[test]
fn the_environment_wins_over_the_file() {
    let variables = [
        ("FLYBRIDGE_SERVER__ISSUER", "https://other.example.com"),
        ("FLYBRIDGE_SERVER__LISTEN", "0.0.0.0:1, [::]:2"),
        ("FLYBRIDGE_SERVER__MAX_CONNECTIONS", "7"),
        ("FLYBRIDGE_FLY__CLIENT_SECRET", "from-the-environment"),
        ("FLYBRIDGE_WORKERS__ENABLED", "false"),
        ("FLYBRIDGE_MAIL__TRANSPORT", "smtp"),
        ("FLYBRIDGE_MAIL__SMTP__HOST", "mail.example.com"),
        ("FLYBRIDGE_CLIENTS__SENTRY_FLY__NAME", "Errors"),
        ("FLYBRIDGE_TEST_ARTIFACTS", "not a setting: there is no section in it"),
        ("FLYBRIDGE_PORT", "tcp://10.0.0.1:8080"),
        ("FLYBRIDGE_STORE_SERVICE_HOST", "set by Kubernetes for a service flybridge-store"),
        ("FLYBRIDGE_STORE_PORT_6379_TCP_ADDR", "likewise"),
        ("FLYBRIDGE_STORE_PORT", "tcp://10.0.0.2:6379"),
        ("FLYBRIDGE_MAIL_SMTP_SERVICE_HOST", "set for a service flybridge-mail-smtp"),
        ("FLYBRIDGE_MAIL_CATCHER_SERVICE_PORT_SMTP", "25"),
        ("OTHER__KEY", "not ours"),
    ];
    let config = load_with(&format!("{LEAST}{CLIENT}"), &variables).unwrap();
    assert_eq!(config.server.issuer.as_str(), "https://other.example.com");
    assert_eq!(config.server.listen, ["0.0.0.0:1".parse().unwrap(), "[::]:2".parse().unwrap()]);
    assert_eq!(config.server.limits.max_connections, 7);
    assert_eq!(config.fly.client_secret.expose(), "from-the-environment");
    assert!(!config.workers.enabled);
    assert!(matches!(config.mail.transport, MailTransport::Smtp(ref smtp) if smtp.host == "mail.example.com"));
    assert_eq!(config.clients[0].name, "Errors");
}

#[test]
fn variables_that_name_no_key_are_refused() {
    for (variable, part) in [
        (
            "FLYBRIDGE_SERVER__ISUER",
            "server.isuer (environment variable FLYBRIDGE_SERVER__ISUER): this key is unknown",
        ),
        ("FLYBRIDGE_SERVER__LISTEN__PORT", "does not name a key of a section"),
        ("FLYBRIDGE_MAIL__SMTP", "does not name a key of a section"),
        ("FLYBRIDGE_CLIENTS__NOBODY__SECRET", "there is no client of this id"),
        ("FLYBRIDGE_SERVER__", "does not name a key of a section"),
        ("FLYBRIDGE_SERVER_ISSUER", "each section: FLYBRIDGE_SERVER__ISSUER"),
        ("FLYBRIDGE_SERVER_MAX_URL", "each section: FLYBRIDGE_SERVER__MAX_URL"),
        ("FLYBRIDGE_MAIL_SMTP_HOST", "each section: FLYBRIDGE_MAIL__SMTP__HOST"),
        ("FLYBRIDGE_MAIL_SMTP_PORT", "each section: FLYBRIDGE_MAIL__SMTP__PORT"),
        ("FLYBRIDGE_SETUP_LINKS_LIFETIME", "each section: FLYBRIDGE_SETUP_LINKS__LIFETIME"),
        ("FLYBRIDGE_CLIENTS_SENTRY_SECRET", "each section: FLYBRIDGE_CLIENTS__<ID>__SENTRY_SECRET"),
    ] {
        let error = load_with(LEAST, &[(variable, "value")]).expect_err(variable).to_string();
        assert!(error.contains(part), "{variable}: {error}");
    }
    // Only where Kubernetes would write it is an address none of ours.
    let error = load_with(LEAST, &[("FLYBRIDGE_STORE_URL", "tcp://10.0.0.2:6379")]).expect_err("a url").to_string();
    assert!(error.contains("each section: FLYBRIDGE_STORE__URL"), "{error}");
}
