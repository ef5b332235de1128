//! What is accepted can be started: a program is put together from it as far as no other machine is needed.

use std::path::Path;
use std::sync::Arc;

use flybridge::cli::assemble;
use flybridge::clock::{ManualClock, Timestamp};
use flybridge::config::{Backend, Config, ConfigError};
use flybridge::random::SystemRandom;
use flybridge::store::Store;
use flybridge::store::sqlite::SqliteStore;

use super::{LEAST, least_with, load};

/// A certificate that can be an authority.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----
MIIBljCCATugAwIBAgIUKNE6RGECSdHGOFeKlsc/L7xoZawwCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVQW4gYXV0aG9yaXR5IG9mIHRlc3RzMB4XDTI2MTEyMjIzMzUz
N1oXDTM2MTExOTIzMzUzN1owIDEeMBwGA1UEAwwVQW4gYXV0aG9yaXR5IG9mIHRl
c3RzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHW76ureCmrgovks10WWhTG2i
joxOK7SqqNAXcdUpDqF8upBXb7vv9rXANPDMC9+chjbYhgvA8c9bB5XyVN3OCqNT
MFEwHQYDVR0OBBYEFLLPQiDeL0iCtXhntnAkQdqhYxeKMB8GA1UdIwQYMBaAFLLP
QiDeL0iCtXhntnAkQdqhYxeKMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SQAwRgIhAIM+O7hZeWnsgIXYLKULKS3VFl8nUki6Fwk/cn1fGs4vAiEA+suQv1S0
pOSIfmrmw8t0eE/H52tqea/yhgm3+s4NSkY=
-----END CERTIFICATE-----
";

/// Files of certificates, good and bad, and a place for the rest.
struct Files {
    folder: tempfile::TempDir,
    good: String,
    bad: Vec<String>,
}

fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name).display().to_string();
        std::fs::write(&path, text).unwrap();
        path
    };
    let good = write("good.pem", &format!("# two of them\n{AUTHORITY}{AUTHORITY}"));
    let no_certificate = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
    let bad = vec![
        folder.path().join("missing.pem").display().to_string(),
        write("empty.pem", ""),
        write("words.pem", "not a certificate\n"),
        write("other.pem", no_certificate),
        write("mixed.pem", &format!("{AUTHORITY}{no_certificate}")),
    ];
    Files { folder, good, bad }
}

/// `LEAST` with mail over SMTP, and `lines` behind it.
fn over_smtp(smtp: &str, lines: &str) -> String {
    let text = LEAST.replace("transport = \"file\"", "transport = \"smtp\"");
    format!("{text}\n[mail.smtp]\n{smtp}\n{lines}\n")
}

async fn start(config: &Config, folder: &Path) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_790_000_000)));
    let random = Arc::new(SystemRandom::default());
    let backend = SqliteStore::open(folder.join("flybridge.db")).unwrap();
    let store = Store::new(Arc::new(backend), clock.clone(), random.clone());
    let program = assemble(config, store, clock, random, false).await;
    assert!(program.is_ok(), "{:?}: {config:?}", program.err());
}

/// Starts what is accepted; how many were, and how many refusals each key has.
async fn sort(texts: Vec<String>, folder: &Path) -> (usize, Vec<(String, usize)>) {
    let mut accepted = 0;
    let mut refused = std::collections::BTreeMap::new();
    let file = format!("transport = \"file\"\nfolder = \"{}\"", folder.join("mail").display());
    for text in texts {
        match load(&text.replace("transport = \"file\"", &file)) {
            Ok(config) => {
                start(&config, folder).await;
                accepted += 1;
            }
            Err(ConfigError { problems }) => {
                for problem in problems {
                    assert!(problem.origin.is_some() || problem.key == "mail.smtp.security", "{problem}");
                    *refused.entry(problem.key).or_insert(0) += 1;
                }
            }
        }
    }
    (accepted, refused.into_iter().collect())
}

fn counted(keys: &[(&str, usize)]) -> Vec<(String, usize)> {
    keys.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
}

#[tokio::test]
async fn mail_servers() {
    let files = files();
    let mut texts = Vec::new();
    let near = ["localhost", "LOCALHOST", "mail.localhost", "127.0.0.1", "127.9.9.9", "::1"];
    let far = ["smtp.example.com", "localhost.example.com", "192.0.2.7", "2001:db8::7"];
    let never = ["mail example", "smtp.example.com:25", "smtp://smtp.example.com"];
    for host in near.iter().chain(&far).chain(&never) {
        for security in ["implicit", "starttls", "none"] {
            texts.push(over_smtp(&format!("host = \"{host}\"\nsecurity = \"{security}\""), ""));
        }
    }
    let refused = counted(&[("mail.smtp.host", 3 * never.len()), ("mail.smtp.security", far.len())]);
    assert_eq!(sort(texts, files.folder.path()).await, (3 * near.len() + 2 * far.len(), refused));
}

#[tokio::test]
async fn authorities_to_trust() {
    let files = files();
    let mut texts = Vec::new();
    for file in files.bad.iter().chain([&files.good]) {
        for security in ["implicit", "starttls"] {
            texts.push(over_smtp(
                &format!("host = \"smtp.example.com\"\nsecurity = \"{security}\"\nca_file = \"{file}\""),
                "",
            ));
        }
        for url in ["rediss://host", "rediss+sentinel://host/main", "rediss+cluster://host"] {
            texts.push(least_with("store", &format!("url = \"{url}\"\nca_file = \"{file}\"")));
        }
    }
    for url in ["redis://host", "redis+sentinel://host/main", "redis+cluster://host"] {
        texts.push(least_with("store", &format!("url = \"{url}\"\nca_file = \"{}\"", files.good)));
    }
    let bad = files.bad.len();
    let refused = counted(&[("mail.smtp.ca_file", 2 * bad), ("store.ca_file", 3 * bad + 3)]);
    assert_eq!(sort(texts, files.folder.path()).await, (2 + 3, refused));

    let redis = load(&least_with("store", &format!("url = \"rediss://host\"\nca_file = \"{}\"", files.good)));
    let Backend::Redis(redis) = redis.unwrap().store.backend else { panic!("it is Redis") };
    assert_eq!(redis.certificates.unwrap().pem(), std::fs::read(&files.good).unwrap());
    let shown = load(&least_with("store", &format!("ca_file = \"{}\"", files.bad[1]))).unwrap_err().to_string();
    assert!(shown.contains("store.ca_file (flybridge.toml, line ") && shown.contains("there are none"), "{shown}");
}

#[tokio::test]
async fn leases_and_the_time_of_a_mail() {
    let files = files();
    let mut texts = Vec::new();
    for timeout in ["1 s", "44999 ms", "45 s", "5 min"] {
        for lease in ["10 s", "3 min", "15 min"] {
            let smtp = format!("host = \"smtp.example.com\"\ntimeout = \"{timeout}\"");
            texts.push(over_smtp(&smtp, &format!("[workers]\nlease = \"{lease}\"")));
        }
    }
    // To files, no lease is too short.
    texts.push(least_with("workers", "lease = \"10 s\""));
    assert_eq!(sort(texts, files.folder.path()).await, (3 + 2 + 1 + 1, counted(&[("workers.lease", 6)])));

    let smtp = "host = \"smtp.example.com\"\ntimeout = \"60 s\"";
    let shown = load(&over_smtp(smtp, "")).unwrap_err().to_string();
    assert!(shown.contains("workers.lease (built-in default): it is 3 min, but sending one mail may take 4 min"));
    assert!(shown.contains("Make workers.lease longer or mail.smtp.timeout shorter."), "{shown}");
}

#[tokio::test]
async fn senders() {
    let files = files();
    let good = ["login@example.com", "Sign-in <login@example.com>", "login@b\u{fc}cher.example"];
    let bad = ["login@[192.0.2.7]", "Sign-in <login@192.0.2.7>", "login", "a b@example.com", "login@-a.example"];
    let texts = good
        .iter()
        .chain(&bad)
        .map(|from| over_smtp("host = \"smtp.example.com\"", "").replace("Sign-in <login@example.com>", from));
    let refused = counted(&[("mail.from", bad.len())]);
    assert_eq!(sort(texts.collect(), files.folder.path()).await, (good.len(), refused));
}
