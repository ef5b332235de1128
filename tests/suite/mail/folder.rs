//! Mail as files.

use std::os::unix::fs::PermissionsExt as _;

use flybridge::services::mail::{Mailer, Scope, SendError};

use super::super::support::mime::Mail;
use super::{LINK, mail_to, sender};

#[tokio::test]
async fn each_mail_is_one_private_file_and_a_repeat_replaces_it() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("mail/out");
    let mailer = Mailer::folder(&folder, sender()).unwrap();
    mailer.check().await.unwrap();
    for id in ["one", "two", "one"] {
        mailer.send(&mail_to("priya@saltmarsh.example", id)).await.unwrap();
    }
    let mut names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["one@flybridge.example.eml", "two@flybridge.example.eml"]);
    let file = folder.join(&names[0]);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let mail = Mail::parse(&std::fs::read(&file).unwrap());
    assert_eq!(mail.header("message-id"), "<one@flybridge.example>");
    assert!(mail.text("text/plain").contains(LINK));
}

#[tokio::test]
async fn a_folder_that_went_away_makes_all_mail_wait() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("mail");
    let mailer = Mailer::folder(&folder, sender()).unwrap();
    std::fs::remove_dir(&folder).unwrap();
    let error = mailer.send(&mail_to("priya@saltmarsh.example", "one")).await.unwrap_err();
    assert!(matches!(error, SendError::Temporary { scope: Scope::Server, code: None, .. }), "{error:?}");
    assert!(mailer.check().await.is_err());
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Mailer::folder(&file.path().join("mail"), sender()).unwrap_err();
    assert!(error.to_string().contains("cannot be used"), "{error}");
}
