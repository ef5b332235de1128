//! Fly.io Auth disabled and turned on again from the command line, without Fly.io.

use std::process::Output;

use flybridge::domain::audit::{AuditEntry, AuditKind};

use super::{Records, organization};
use crate::support::process::{Home, stderr, stdout};
use crate::support::smtp::SmtpSink;

const MEMBERS: usize = 3;

/// Fly.io is at an address where nobody answers.
async fn home() -> (Home, SmtpSink, Records) {
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address()).fly("http://127.0.0.1:9");
    let records = Records::of(home.open_store().await);
    records.seed(MEMBERS).await;
    (home, sink, records)
}

#[track_caller]
fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

async fn changes(records: &Records) -> Vec<AuditEntry> {
    let log = records.directory.audit_log(&organization(), None, 500).await.unwrap();
    let entries = log.into_iter().rev().map(|entry| entry.value);
    entries.filter(|entry| entry.kind == AuditKind::LoginMethodChanged).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_has_an_organization_leave_and_come_back() {
    let (home, sink, records) = home().await;
    let leave = ["organizations", "disable-fly-auth", "saltmarsh-labs", "--by", "Dana Whitfield", "--yes"];
    let first = told(&home.command(&leave));
    for line in [
        "members known:           3",
        "get a link by mail:      3",
        "have a password already: 0",
        "no mail reaches:         0",
        "left out on purpose:     0",
        "Saltmarsh Labs has left Fly.io Auth",
        "`flybridge organizations run saltmarsh-labs`",
    ] {
        assert!(first.contains(line), "{line}: {first}");
    }
    let run = first.split_once("Run ").unwrap().1.split_once(';').unwrap().0.to_owned();
    assert!(first.contains(&format!("/organizations/saltmarsh-labs/auth/disable/{run}")), "{first}");
    let again = told(&home.command(&leave));
    assert!(again.contains("had left Fly.io Auth before. Nothing has changed.") && again.contains(&run), "{again}");
    let followed = told(&home.command(&["organizations", "run", "saltmarsh-labs"]));
    assert!(followed.starts_with(&format!("{run}  switched  by Dana Whitfield  since ")), "{followed}");
    assert!(followed.contains("queued:          3"), "{followed}");

    told(&home.command(&["worker", "--once"]));
    assert_eq!(sink.messages().len(), MEMBERS);
    let followed = told(&home.command(&["organizations", "run", "saltmarsh-labs"]));
    assert!(followed.contains("sent:            3") && followed.contains("queued:          0"), "{followed}");

    let back = ["organizations", "enable-fly-auth", "saltmarsh-labs", "--by", "Dana Whitfield", "--yes"];
    assert_eq!(told(&home.command(&back)), "Saltmarsh Labs signs in with Fly.io again.\n");
    assert_eq!(told(&home.command(&back)), "Saltmarsh Labs signs in with Fly.io already. Nothing has changed.\n");
    let changes = changes(&records).await;
    assert_eq!(changes.len(), 2, "{changes:?}");
    for change in changes {
        assert_eq!((change.who.name.as_str(), change.who.user, change.from), ("Dana Whitfield", None, None));
        assert!(
            change.detail.ends_with("; by an operator at the command line, without asking Fly.io"),
            "{}",
            change.detail
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_changed_without_a_yes_or_against_the_plan() {
    let (home, _, records) = home().await;
    for command in ["disable-fly-auth", "enable-fly-auth"] {
        let nowhere = home.command(&["organizations", command, "nowhere", "--by", "Dana", "--yes"]);
        assert!(stderr(&nowhere).contains("there is no organization nowhere"), "{}", stderr(&nowhere));
        let nobody = home.command(&["organizations", command, "saltmarsh-labs", "--by", " ", "--yes"]);
        assert_eq!(nobody.status.code(), Some(2), "{}", stderr(&nobody));
    }
    let unasked = home.command(&["organizations", "disable-fly-auth", "saltmarsh-labs", "--by", "Dana"]);
    assert!(!unasked.status.success());
    assert!(stderr(&unasked).contains("say --yes"), "{}", stderr(&unasked));
    let none = home.command(&["organizations", "run", "saltmarsh-labs"]);
    assert!(stderr(&none).contains("it has no run"), "{}", stderr(&none));
    told(&home.command(&["organizations", "set-plan", "saltmarsh-labs", "sponsored:30"]));
    let stays = home.command(&["organizations", "disable-fly-auth", "saltmarsh-labs", "--by", "Dana", "--yes"]);
    assert_eq!(stays.status.code(), Some(1));
    assert!(stderr(&stays).contains("Fly.io sponsors the plan of saltmarsh-labs until 2"), "{}", stderr(&stays));
    assert_eq!(stdout(&stays), "");
    assert_eq!(changes(&records).await, []);
}
