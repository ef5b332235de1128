//! Whose mail failed, and who has a password: from before, or since.

use std::time::Duration;

use flybridge::domain::disable::{Delivery, Row, RowStatus, Totals};

use super::forgot::ask;
use super::mail::over_smtp;
use super::row;
use crate::support::answer::Answer;
use crate::support::app::{Options, PASSWORD, TestApp};
use crate::support::letter::Letter;
use crate::support::smtp::{Act, At, SmtpSink, Step};

const SLUG: &str = "saltmarsh-labs";
const FULL: Step = Step(At::Rcpt, Act::Answer("552 5.2.2 mailbox full"));

async fn over(sink: &SmtpSink) -> TestApp {
    TestApp::with(Options { mail: Some(over_smtp(sink)), ..Options::default() }).await
}

async fn totals(app: &TestApp, run: &str) -> Totals {
    let run = run.rsplit('/').next().unwrap().parse().unwrap();
    let totals = app.program.app.admin.disable.totals(&app.organization(SLUG), &run).await.unwrap();
    assert!(totals.add_up(), "{totals:?}");
    totals
}

/// The mails to somebody that the server took.
fn mails_to(app: &TestApp, sink: &SmtpSink, who: &str) -> Vec<Letter> {
    let address = app.address(who);
    sink.messages().iter().filter(|mail| mail.to.contains(&address)).map(|mail| Letter::of(&mail.data)).collect()
}

fn has_button(page: &Answer, row: &Row) -> bool {
    page.text().contains(&format!("name=\"member\" value=\"{}\"", row.user))
}

#[tokio::test]
async fn who_had_a_password_and_was_not_told_is_told_when_an_admin_resends() {
    for by_their_row in [true, false] {
        let sink = SmtpSink::start().await;
        let app = over(&sink).await;
        sink.script_always(&app.address("bram"), FULL);
        let (mut ines, run) = app.leave().await;
        let brams = row(&app, SLUG, &run, "bram").await;
        assert_eq!((brams.status, brams.delivery), (RowStatus::Failed, Delivery::HasPassword));
        assert!(brams.ready_at.is_some());
        let page = ines.get(&run).await;
        assert!(page.element("run-state").unwrap().contains("2 people still need your help"), "{}", page.text());
        assert!(has_button(&page, &brams), "{}", page.text());

        sink.mend();
        let button = if by_their_row { ("member", brams.user.as_str()) } else { ("all", "failed") };
        for _ in 0..2 {
            assert_eq!(ines.resend(&run, button).await.place(), run);
            totals(&app, &run).await;
            app.work().await;
        }
        let told = mails_to(&app, &sink, "bram");
        assert_eq!(told.len(), 1, "once told, no more: {told:?}");
        assert!(told[0].find_link().is_none() && told[0].text.contains("Saltmarsh Labs"), "{told:?}");
        let brams = row(&app, SLUG, &run, "bram").await;
        assert_eq!((brams.status, brams.resends), (RowStatus::Sent, 1));
        let now = totals(&app, &run).await;
        assert_eq!((now.sent, now.failed, now.ready), (8, 1, 1), "Noor has no address: {now:?}");
        let page = ines.get(&run).await;
        assert!(page.element("run-state").unwrap().contains("1 person still needs your help"), "{}", page.text());
        assert!(!has_button(&page, &brams));
    }
}

#[tokio::test]
async fn who_was_not_told_is_not_meant_by_those_without_a_password() {
    let sink = SmtpSink::start().await;
    let app = over(&sink).await;
    sink.script(&app.address("bram"), FULL);
    let (mut ines, run) = app.leave().await;
    ines.resend(&run, ("all", "not-ready")).await.location();
    app.work().await;
    assert_eq!(row(&app, SLUG, &run, "bram").await.status, RowStatus::Failed, "the button names who has none");
    assert_eq!(mails_to(&app, &sink, "bram"), []);
}

#[tokio::test]
async fn who_sets_a_password_after_their_mail_failed_needs_no_more_help() {
    let sink = SmtpSink::start().await;
    let app = over(&sink).await;
    for who in ["leo", "bram"] {
        sink.script(&app.address(who), FULL);
    }
    let (mut ines, run) = app.leave().await;
    assert_eq!((totals(&app, &run).await.failed, totals(&app, &run).await.ready), (3, 1));
    // The one sets a first password, the other a new one.
    for (who, failed, ready) in [("leo", 2, 2), ("bram", 1, 2)] {
        ask(&mut app.browser(), &app.address(who)).await;
        app.work().await;
        let link = mails_to(&app, &sink, who)[0].link();
        assert_eq!(app.browser().set_password(&link, PASSWORD).await.location(), "/go");
        app.work().await;
        let theirs = row(&app, SLUG, &run, who).await;
        assert_eq!((theirs.status, theirs.ready_at.is_some()), (RowStatus::Cancelled, true), "{who}");
        assert_eq!(theirs.detail.as_deref(), Some("Set a password without the mail."));
        let now = totals(&app, &run).await;
        assert_eq!((now.failed, now.ready), (failed, ready), "{who}: {now:?}");
        let page = ines.get(&run).await;
        assert!(page.text().contains("Set a password without the mail.") && !has_button(&page, &theirs));
    }
    let before = sink.messages().len();
    for button in [("all", "failed"), ("member", app.user("leo").await.id.as_str())] {
        assert_eq!(ines.resend(&run, button).await.place(), run);
        app.work().await;
    }
    assert_eq!(sink.messages().len(), before);
    let page = ines.get(&run).await;
    assert!(page.element("run-state").unwrap().contains("1 person still needs your help"), "{}", page.text());
}

#[tokio::test]
async fn the_page_tells_to_how_many_mail_went_out_again_and_to_whom_not() {
    let sink = SmtpSink::start().await;
    let app = over(&sink).await;
    for who in ["bram", "leo"] {
        sink.script_always(&app.address(who), FULL);
    }
    let (mut ines, run) = app.leave().await;
    let help = "What helps stands beside each name.";
    let mut ask_for_all = async || {
        app.advance(Duration::from_mins(1));
        let answer = ines.resend(&run, ("all", "failed")).await.location();
        let before = ines.get(&answer).await.element("notice").unwrap();
        assert_eq!(before, "Mail to everybody whose mail failed is going out again.");
        app.work().await;
        ines.get(&answer).await.element("notice").unwrap()
    };
    // Noor has no address.
    let none = format!("The mail to 2 people failed again. Nothing could be sent to 1 person. {help}");
    assert_eq!(ask_for_all().await, none);
    sink.mend();
    sink.script_always(&app.address("leo"), FULL);
    let some =
        "Mail has gone out again to 1 person. It failed again for 1 person. Nothing could be sent to 1 person.";
    assert_eq!(ask_for_all().await, format!("{some} {help}"));
    sink.mend();
    let most = format!("Mail has gone out again to 1 person. Nothing could be sent to 1 person. {help}");
    assert_eq!(ask_for_all().await, most);
}
