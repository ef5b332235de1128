//! Who is mailed what when an organization leaves.

use std::time::Duration;

use flybridge::demo::world::{Plan, Role, World};
use flybridge::domain::disable::{Delivery, RowStatus};

use super::row;
use crate::support::app::{Options, TestApp};
use crate::support::letter::Letter;
use crate::support::smtp::{Act, At, SmtpSink, Step};

/// `workers.lease`, and a little more.
const LEASE: Duration = Duration::from_secs(181);

/// The demo's world with Harbour Tools able to leave too, and Ines an admin there.
pub(super) fn both_leave() -> World {
    let mut world = World::demo();
    world.set_role("ines", "harbour-tools", Role::Admin);
    for organization in &mut world.organizations {
        organization.plan = Plan::Paid;
    }
    world
}

pub(in crate::flows) fn over_smtp(sink: &SmtpSink) -> String {
    let address = sink.address();
    format!(
        "transport = \"smtp\"\n[mail.smtp]\nhost = \"{}\"\nport = {}\nsecurity = \"none\"\ntimeout = \"5 s\"",
        address.ip(),
        address.port()
    )
}

#[tokio::test]
async fn every_member_with_an_address_gets_one_mail() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    let mails = app.new_mails();
    for who in ["ines", "chloe", "priya", "jun", "leo", "amara", "tomas"] {
        let own: Vec<_> =
            mails.iter().filter(|m| m.to.contains(&app.address(who)) && m.find_link().is_some()).collect();
        assert_eq!(own.len(), 1, "{who}: {own:?}");
        let decided = if who == "ines" { "You decided this on" } else { "Ines Marlow decided this on" };
        let text = own[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("Saltmarsh Labs") && text.contains(decided), "{own:?}");
        assert!(own[0].text.contains(&app.address(who)), "names the sign-in address");
        let row = row(&app, "saltmarsh-labs", &run, who).await;
        assert_eq!((row.status, row.delivery), (RowStatus::Sent, Delivery::SetUp));
    }
    for who in ["hana", "elif", "mateo", "wren"] {
        assert!(!mails.iter().any(|mail| mail.to.contains(&app.address(who))), "{who} is not concerned");
    }
    let links: Vec<_> = mails.iter().filter_map(Letter::find_link).collect();
    let mut distinct = links.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(links.len(), distinct.len());
}

#[tokio::test]
async fn somebody_with_a_password_is_told_to_use_it() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    let mail = app.mail_to("bram");
    assert!(mail.find_link().is_none(), "{mail:?}");
    assert!(mail.text.contains("https://login.test/sign-in"), "{mail:?}");
    let row = row(&app, "saltmarsh-labs", &run, "bram").await;
    assert_eq!((row.status, row.delivery), (RowStatus::Sent, Delivery::HasPassword));
    assert!(row.ready_at.is_some());
}

#[tokio::test]
async fn somebody_without_an_address_has_failed_from_the_start() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    let noors = row(&app, "saltmarsh-labs", &run, "noor").await;
    assert_eq!((noors.status, noors.delivery), (RowStatus::Failed, Delivery::Unreachable));
    assert!(noors.detail.is_some());
    // Fly.io learns an address, she signs in there once, and an admin has the mail sent again.
    app.fly.change(|world| {
        let noor = world.people.iter_mut().find(|person| person.key == "noor").unwrap();
        noor.email = Some("noor@customer.fly.io".to_owned());
    });
    let mut noor = app.browser();
    let tx = noor.begin("/sign-in").await;
    noor.fly(&tx, "noor").await;
    app.new_mails();
    assert_eq!(ines.resend(&run, ("all", "failed")).await.place(), run);
    app.work().await;
    app.mail_to("noor").link();
    assert_eq!(row(&app, "saltmarsh-labs", &run, "noor").await.status, RowStatus::Sent);
    app.settle_in("noor").await;
}

#[tokio::test]
async fn the_admin_who_acted_gets_a_summary() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    let address = app.address("ines");
    let mails: Vec<_> = app.new_mails().into_iter().filter(|mail| mail.to.contains(&address)).collect();
    assert_eq!(mails.len(), 2, "{mails:?}");
    let summary = mails.iter().find(|mail| mail.find_link().is_none()).unwrap();
    assert!(summary.text.contains("Noor Haddad"), "who could not be reached: {summary:?}");
    assert!(summary.text.contains(&format!("https://login.test{run}")), "{summary:?}");
}

#[tokio::test]
async fn one_working_link_for_a_person_in_two_organizations_that_leave() {
    let app = TestApp::with(Options { world: both_leave(), ..Options::default() }).await;
    app.leave().await;
    let first = app.link_of("jun");
    app.new_mails();
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    let run = hana.disable("harbour-tools").await.location();
    app.work().await;
    let mails = app.new_mails();
    assert!(!mails.iter().any(|mail| mail.to.contains(&app.address("jun"))), "never two equal mails");
    let second = row(&app, "harbour-tools", &run, "jun").await;
    assert_eq!(second.status, RowStatus::Cancelled);
    let why = second.detail.unwrap();
    assert!(why.contains("Saltmarsh Labs") && why.contains("One link serves both"), "{why}");
    assert_eq!(app.link_of("jun"), first, "and it still works");
    let mut jun = app.browser();
    jun.get(&first).await;
    let page = jun.get("/set-up").await;
    assert!(page.text().contains("Saltmarsh Labs") && page.text().contains("Harbour Tools"), "{}", page.said());
    let mut jun = app.settle_in("jun").await;
    let sent = jun.get(&app.sentry().authorize()).await.sent_back();
    let tokens = crate::support::relying_party::Tokens::of(&app.sentry().redeem(&sent["code"]).await);
    let info = app.sentry().info(&tokens.access).await.json();
    assert_eq!(info["organizations"].as_array().unwrap().len(), 2, "one password opens both");
    assert!(row(&app, "harbour-tools", &run, "jun").await.ready_at.is_some());
}

#[tokio::test]
async fn a_day_later_the_second_organization_sends_its_own() {
    let app = TestApp::with(Options { world: both_leave(), ..Options::default() }).await;
    app.leave().await;
    app.new_mails();
    app.advance(Duration::from_hours(13));
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    let run = hana.disable("harbour-tools").await.location();
    app.work().await;
    app.mail_to("jun").link();
    assert_eq!(row(&app, "harbour-tools", &run, "jun").await.status, RowStatus::Sent);
}

#[tokio::test]
async fn after_a_crash_the_same_mail_goes_out_again() {
    let sink = SmtpSink::start().await;
    let app = TestApp::with(Options { mail: Some(over_smtp(&sink)), ..Options::default() }).await;
    let address = app.address("priya");
    let (_, run) = app.click().await;
    while app.program.outbox.work_once().await.unwrap() > 0 {}
    // The mail server has the whole mail and is about to say so when the program dies.
    sink.script(&address, Step(At::Dot, Act::Hold));
    tokio::select! {
        taken = async { while app.program.outbox.mail_once().await.unwrap() > 0 {} } => panic!("{taken:?}"),
        () = sink.wait_for_held(1) => {}
    }
    assert_eq!(row(&app, "saltmarsh-labs", &run, "priya").await.status, RowStatus::Sending);
    sink.release();
    app.work_now().await;
    assert_eq!(row(&app, "saltmarsh-labs", &run, "priya").await.status, RowStatus::Sending, "under lease");
    app.advance(LEASE);
    app.work().await;
    let sent = row(&app, "saltmarsh-labs", &run, "priya").await;
    assert_eq!(sent.status, RowStatus::Sent, "{sent:?}");
    let mails: Vec<Letter> =
        sink.messages().iter().filter(|m| m.to.contains(&address)).map(|m| Letter::of(&m.data)).collect();
    assert_eq!(mails.len(), 2, "the duplicate that a crash costs");
    assert_eq!(mails[0], mails[1], "same Message-ID, same link, same words");
    let mut browser = app.browser();
    browser.get(&mails[0].link()).await;
    assert!(browser.get("/set-up").await.shows("setup-form"));
}

#[tokio::test]
async fn an_address_that_takes_no_mail_fails_with_the_reason_and_the_others_get_theirs() {
    let sink = SmtpSink::start().await;
    let app = TestApp::with(Options { mail: Some(over_smtp(&sink)), ..Options::default() }).await;
    sink.script_always(&app.address("leo"), Step(At::Rcpt, Act::Answer("550 5.1.1 no such user")));
    sink.script(&app.address("amara"), Step(At::Rcpt, Act::Answer("450 4.2.1 come later")));
    let (mut ines, run) = app.click().await;
    app.work_now().await;
    let leos = row(&app, "saltmarsh-labs", &run, "leo").await;
    assert_eq!(leos.status, RowStatus::Failed);
    assert!(leos.detail.is_some());
    let amaras = row(&app, "saltmarsh-labs", &run, "amara").await;
    assert_eq!((amaras.status, amaras.attempts), (RowStatus::Queued, 1));
    assert!(amaras.next_attempt_at.is_some());
    assert_eq!(row(&app, "saltmarsh-labs", &run, "priya").await.status, RowStatus::Sent);
    let page = ines.get(&run).await;
    assert_eq!(page.element("run-queued").unwrap(), "1");
    app.advance(Duration::from_mins(2));
    app.work().await;
    assert_eq!(row(&app, "saltmarsh-labs", &run, "amara").await.status, RowStatus::Sent);
    // The address is mended, and an admin has the mail sent again.
    sink.mend();
    let member = app.user("leo").await.id;
    assert_eq!(ines.resend(&run, ("member", member.as_str())).await.place(), run);
    app.work().await;
    assert_eq!(row(&app, "saltmarsh-labs", &run, "leo").await.status, RowStatus::Sent);
}
