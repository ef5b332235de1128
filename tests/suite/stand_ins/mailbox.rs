//! The mailbox: mails as lettre writes them, and files that are none.

use std::path::Path;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::http::StatusCode;
use flybridge::demo::Links;
use flybridge::demo::mailbox::{Mailbox, Unreadable, read_letter};
use lettre::Message;
use lettre::message::MultiPart;
use proptest::prelude::*;

use super::get;

const SUBJECT: &str =
    "Chloé, setze dein Passwort für Sentry – Saltmarsh Labs & Söhne, with more words than one line holds";

fn mail(to: &str, subject: &str) -> Vec<u8> {
    let long = "Saltmarsh Labs now signs in to Sentry with email and password, no longer with Fly.io. ".repeat(3);
    let text = format!("Hello Chloé,\n\n{long}\nhttps://bridge.test/set-up/abc=def\n.\nFrom here on: done.\n");
    let html = format!(
        "<!doctype html>\n<html><HEAD><title>ü</title></head><body><p>{long}</p>\
         <a href=\"https://bridge.test/set-up/abc=def\">Set my password</a></body></html>"
    );
    let message = Message::builder()
        .from("Flybridge <no-reply@flybridge.example>".parse().unwrap())
        .to(to.parse().unwrap())
        .subject(subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_hours(500_000))
        .multipart(MultiPart::alternative_plain_html(text, html));
    message.unwrap().formatted()
}

fn put(folder: &Path, file: &str, bytes: &[u8], age: u64) {
    let path = folder.join(file);
    std::fs::write(&path, bytes).unwrap();
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 - age);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
}

fn mailbox(folder: &Path) -> Router {
    Mailbox::new(folder.to_owned(), Links::default()).router()
}

/// The value of an attribute in every tag of the class, in order.
fn values(page: &str, name: &str) -> Vec<String> {
    let tags = page.split("<li class=\"mail").skip(1);
    let value = |tag: &str| tag.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0.to_owned();
    tags.map(value).collect()
}

#[test]
fn a_mail_of_lettre_reads_as_it_was_meant() {
    let letter = read_letter(&mail("Chloé Martin <chloe-martin@customer.fly.io>", SUBJECT)).unwrap();
    assert_eq!(letter.envelope.from, "no-reply@flybridge.example");
    assert_eq!(letter.envelope.to, "chloe-martin@customer.fly.io");
    assert_eq!(letter.envelope.subject, SUBJECT);
    assert_eq!(letter.envelope.date, "08:00:00 UTC, 15 January 2027");
    let (html, text) = (letter.html.unwrap(), letter.text.unwrap());
    assert!(html.contains("<title>ü</title>") && html.contains("href=\"https://bridge.test/set-up/abc=def\""));
    assert!(text.contains("Hello Chloé,") && text.contains("https://bridge.test/set-up/abc=def"));
    assert!(text.contains("no longer with Fly.io. Saltmarsh Labs now signs in"), "long lines are whole again");
}

#[test]
fn what_is_no_mail_is_told_so() {
    let cut = &mail("a@b.example", "x")[..200];
    for bytes in [b"".as_slice(), b"\n\n", b"hello", &[0xff; 64], b"From: a@b.example\n\nno receiver\n", cut] {
        assert_eq!(read_letter(bytes).map(|letter| letter.envelope), Err(Unreadable::NotAMail));
    }
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..2000) {
        let _ = read_letter(&bytes);
        let mut damaged = mail("a@b.example", SUBJECT);
        let at = at.min(damaged.len());
        damaged.splice(at..at, bytes);
        let _ = read_letter(&damaged);
    }
}

#[tokio::test]
async fn mails_are_listed_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let router = mailbox(&folder.path().join("not-yet"));
    assert!(get(&router, "/").await.text().contains("id=\"empty\""));

    let router = mailbox(folder.path());
    put(folder.path(), "a.eml", &mail("priya@customer.fly.io", "Oldest \"one\""), 30);
    put(folder.path(), "b.eml", &mail("chloe@customer.fly.io", SUBJECT), 10);
    put(folder.path(), "c.eml", &mail("jun@customer.fly.io", "Middle"), 20);
    put(folder.path(), "d.txt", &mail("jun@customer.fly.io", "Not an .eml"), 1);
    put(folder.path(), ".e.eml", &mail("jun@customer.fly.io", "Half written"), 1);
    put(folder.path(), "rubbish #1%.eml", &[0xff; 500], 5);
    put(folder.path(), "huge.eml", &vec![b'a'; 1024 * 1024 + 1], 40);
    std::fs::create_dir(folder.path().join("folder.eml")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.eml")).unwrap();

    let page = get(&router, "/").await;
    assert_eq!(page.status, StatusCode::OK);
    let subject = SUBJECT.replace('&', "&#38;");
    assert_eq!(values(&page.text(), "data-subject"), ["", &subject, "Middle", "Oldest &#34;one&#34;", ""]);
    let to = ["", "chloe@customer.fly.io", "jun@customer.fly.io", "priya@customer.fly.io", ""];
    assert_eq!(values(&page.text(), "data-to"), to);
    assert_eq!(page.text().matches("mail unreadable").count(), 2);
    let filtered = get(&router, "/?to=CHLOE").await.text();
    assert_eq!(values(&filtered, "data-to"), ["chloe@customer.fly.io"]);
    assert!(filtered.contains("href=\"/mails/b.eml?to=CHLOE\""));

    let rubbish = values(&page.text(), "href").remove(0);
    assert_eq!(rubbish, "/mails/rubbish%20%231%25.eml");
    let opened = get(&router, &rubbish).await;
    assert_eq!(opened.status, StatusCode::OK);
    assert!(opened.text().contains("id=\"unreadable\""));
    assert_eq!(get(&router, &format!("{rubbish}/raw")).await.body.as_ref(), [0xff; 500]);
    assert_eq!(get(&router, &format!("{rubbish}/html")).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(get(&router, "/mails/huge.eml").await.text().contains("longer than 1 MiB"));
}

#[tokio::test]
async fn a_mail_opens_in_a_frame_that_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let router = mailbox(folder.path());
    let sent = mail("chloe@customer.fly.io", SUBJECT);
    put(folder.path(), "b.eml", &sent, 10);
    let page = get(&router, "/mails/b.eml").await;
    assert_eq!(page.attribute("id=\"letter\"", "src").as_deref(), Some("/mails/b.eml/html"));
    let sandbox = "allow-top-navigation-by-user-activation";
    assert_eq!(page.attribute("id=\"letter\"", "sandbox").as_deref(), Some(sandbox));
    assert!(page.text().contains("aria-current=\"true\""));

    let html = get(&router, "/mails/b.eml/html").await;
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    let policy = html.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.ends_with(&format!("sandbox {sandbox}")), "{policy}");
    assert!(html.text().contains("<HEAD><base target=\"_top\"><title>"));

    let text = get(&router, "/mails/b.eml/text").await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert!(text.text().starts_with("Hello Chloé,"));
    assert_eq!(get(&router, "/mails/b.eml/raw").await.body.as_ref(), sent);

    put(folder.path(), "plain.eml", b"From: a@b.example\r\nTo: c@d.example\r\n\r\nOnly text.\r\n", 1);
    let plain = get(&router, "/mails/plain.eml").await;
    assert_eq!(plain.attribute("id=\"letter\"", "src").as_deref(), Some("/mails/plain.eml/text"));
    assert_eq!(get(&router, "/mails/plain.eml/html").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_outside_the_folder_is_served() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("mails");
    std::fs::create_dir(&folder).unwrap();
    put(parent.path(), "secret.eml", &mail("a@b.example", "Secret"), 1);
    std::os::unix::fs::symlink(parent.path().join("secret.eml"), folder.join("link.eml")).unwrap();
    let router = mailbox(&folder);
    for name in ["..%2Fsecret.eml", "%2e%2e%2fsecret.eml", "link.eml", "missing.eml", "%00.eml", ".eml", "%ff.eml"] {
        for view in ["", "/html", "/text", "/raw"] {
            let answer = get(&router, &format!("/mails/{name}{view}")).await;
            assert!(answer.status.is_client_error(), "{name}{view}: {}", answer.status);
            assert!(!answer.text().contains("Secret"));
        }
    }
}
