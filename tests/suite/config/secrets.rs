//! Secrets: as a list, from files, and never shown.

use flybridge::config::{MailTransport, SmtpSecurity};

use super::{CLIENT, LEAST, MASTER, least_with, load, load_with, problem};

#[test]
fn master_keys_come_as_a_list_so_that_they_can_rotate() {
    let hex = "9f2c41d07be35a6688f1c3e0245d7a19b6cc0e83f17d52a94be06f38d1a7c25e";
    let both = format!("{MASTER},{hex}");
    let config = load_with(LEAST, &[("FLYBRIDGE_KEYS__MASTER", &both)]).unwrap();
    assert_eq!(format!("{:?}", config.keys.master), "[2 master keys]");
    let config = load(&least_with("keys", &format!("master = [\"{MASTER}\", \"{hex}\"]"))).unwrap();
    assert_eq!(format!("{:?}", config.keys.master), "[2 master keys]");
    let twice = format!("{MASTER},{MASTER}");
    let error = load_with(LEAST, &[("FLYBRIDGE_KEYS__MASTER", &twice)]).expect_err("refused").to_string();
    assert!(error.contains("given twice. Keep each key once"), "{error}");
}

#[test]
fn secrets_come_from_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let master = write("master", &format!("# the new one\n{MASTER}\n\n"));
    let fly = write("fly", "fly-secret-from-a-file\n");
    let smtp = write("smtp", "pw\r\n");
    let client = write("client", "client-secret-from-a-file");
    let text = format!(
        r#"
        [server]
        issuer = "https://login.example.com"
        [keys]
        master_file = "{master}"
        [fly]
        client_id = "fly-client"
        client_secret_file = "{fly}"
        [mail]
        transport = "smtp"
        from = "login@example.com"
        [mail.smtp]
        host = "smtp.example.com"
        username = "flybridge"
        password_file = "{smtp}"
        [[clients]]
        id = "sentry"
        name = "Sentry"
        secret_file = "{client}"
        secret_sha256 = "{}"
        redirect_uris = "https://sentry.example.com/auth/sso/"
        "#,
        "ab".repeat(32)
    );
    let config = load(&text).unwrap();
    assert_eq!(format!("{:?}", config.keys.master), "[1 master keys]");
    assert_eq!(config.fly.client_secret.expose(), "fly-secret-from-a-file");
    let MailTransport::Smtp(smtp) = &config.mail.transport else { panic!("SMTP was configured") };
    assert_eq!(smtp.password.as_ref().unwrap().expose(), "pw");
    assert_eq!((smtp.security, smtp.port), (SmtpSecurity::Implicit, 465));
    assert_eq!(config.clients[0].secrets.len(), 2);
    assert_eq!(config.clients[0].secrets[1].hash.as_bytes(), &[0xab; 32]);
    // A secret in the environment replaces the file of a lower layer instead of clashing with it.
    let config = load_with(&text, &[("FLYBRIDGE_FLY__CLIENT_SECRET", "from-the-environment")]).unwrap();
    assert_eq!(config.fly.client_secret.expose(), "from-the-environment");
}

#[test]
fn a_secret_file_that_cannot_be_read_is_named() {
    let text = LEAST.replace("client_secret = \"fly-client-secret-0123\"", "client_secret_file = \"/nowhere/fly\"");
    let shown = problem(&text);
    assert!(shown.starts_with("fly.client_secret_file"), "{shown}");
    assert!(shown.contains("/nowhere/fly cannot be read"), "{shown}");
}

#[test]
fn secrets_never_show() {
    let text = format!("{LEAST}{CLIENT}\n[store]\nurl = \"redis://user:redis-password-1@host\"\n");
    let text = text.replace(
        "transport = \"file\"",
        "transport = \"smtp\"\nsmtp = { host = \"h\", username = \"u\", password = \"smtp-password-1\" }",
    );
    let shown = format!("{:?}", load(&text).unwrap());
    let spoilt =
        text.replace("fly-client-secret-0123", "tiny-secret").replace("client-secret-0123456789", "small-secret");
    let error = load(&spoilt.replace(MASTER, "secret-master")).expect_err("refused");
    assert_eq!(error.problems.len(), 3, "{error}");
    for secret in [
        "fly-client-secret-0123",
        "client-secret-0123456789",
        "redis-password-1",
        "smtp-password-1",
        MASTER,
        "tiny-secret",
        "small-secret",
        "secret-master",
    ] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
        assert!(!error.to_string().contains(secret), "{secret} is in {error}");
        assert!(!format!("{error:?}").contains(secret), "{secret} is in {error:?}");
    }
}
