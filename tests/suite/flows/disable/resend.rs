//! A mail once more: for one member or for many, once per form.

use std::time::Duration;

use flybridge::domain::audit::{AuditEntry, AuditKind};
use flybridge::domain::disable::{RowStatus, Which};
use flybridge::domain::ids::FormId;
use flybridge::domain::organization::Actor;
use flybridge::http::pages::when;
use flybridge::random::SystemRandom;
use flybridge::services::disable::click::Clicked;
use flybridge::services::disable::ledger::RowId;
use flybridge::services::disable::resend::Asked;
use flybridge::services::jobs::Work;

use super::{disable_over, row_of, run_id, run_record, take_work, totals};
use crate::support::app::{START, TestApp};
use crate::support::interrupted::Interrupted;
use crate::support::letter::Letter;

/// What the audit log says of mail that was sent again, the oldest first.
async fn audited(app: &TestApp) -> Vec<AuditEntry> {
    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 1_000).await.unwrap();
    let resent = log.into_iter().map(|entry| entry.value).filter(|entry| entry.kind == AuditKind::LinkResent);
    let mut resent: Vec<AuditEntry> = resent.collect();
    resent.reverse();
    resent
}

/// To whom the mails went, as often as they did.
fn recipients(app: &TestApp, mails: &[Letter]) -> Vec<String> {
    let world = app.fly.world();
    let name = |mail: &Letter| {
        let person = world.people.iter().find(|p| p.email.as_ref().is_some_and(|email| mail.to.contains(email)));
        person.unwrap_or_else(|| panic!("{mail:?}")).key.clone()
    };
    let mut names: Vec<String> = mails.iter().map(name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn one_or_all_are_mailed_again_with_the_link_that_still_works() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    let old = app.link_of("priya");
    app.new_mails();
    let priya = app.user("priya").await.id;
    assert!(!ines.get(&run).await.element("run-state").unwrap().contains("sent again"));
    app.advance(Duration::from_mins(20));
    assert_eq!(ines.resend(&run, ("member", priya.as_str())).await.place(), run);
    let page = ines.get(&run).await;
    assert_eq!(page.element("run-queued").unwrap(), "1");
    assert!(page.element("run-state").unwrap().contains("Mail is going out once more"), "{}", page.text());
    assert!(totals(&app, &run).await.add_up());
    app.work().await;
    let mails = app.new_mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].link(), old);
    let page = ines.get(&run).await;
    assert_eq!(page.attributes("data-state"), ["done"]);
    let state = page.element("run-state").unwrap();
    assert!(state.contains("Mail that was sent again after that was through at"), "{state}");
    app.settle_in("priya").await;
    app.new_mails();
    assert_eq!(ines.resend(&run, ("all", "not-ready")).await.place(), run);
    app.work().await;
    let again = recipients(&app, &app.new_mails());
    assert_eq!(again.len(), 6, "{again:?}");
    assert!(!again.iter().any(|who| who == "priya" || who == "bram"), "{again:?}");
    let before = app.dump();
    let resend = format!("{run}/resend");
    for fields in [&[][..], &[("member", "nobody"), ("all", "failed")], &[("all", "everybody")]] {
        assert_eq!(ines.post_form(&resend, fields).await.status, 400, "{fields:?}");
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn the_page_answers_what_became_of_it() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    let minute = Duration::from_mins(1);
    let button = async |who: &str| ("member", app.user(who).await.id.to_string());
    assert_eq!(ines.get(&run).await.element("notice"), None, "nothing was asked for");

    app.advance(minute);
    let (member, priya) = button("priya").await;
    let answer = ines.resend(&run, (member, &priya)).await.location();
    let notice = ines.get(&answer).await.element("notice").unwrap();
    assert_eq!(notice, "Mail to Priya Raman is on its way again.");
    app.work().await;
    let at = when::clock_minute(row_of(&app, &run, "priya").await.unwrap().at);
    let notice = ines.get(&answer).await.element("notice").unwrap();
    assert_eq!(notice, format!("Sent again to Priya Raman at {at}."));

    // She sets a password, and a page from before still has the button.
    app.settle_in("priya").await;
    app.work().await;
    app.advance(minute);
    for (who, why) in [
        ("noor", "Fly.io gave us no address. "),
        ("bram", "They have a password."),
        ("priya", "They have a password."),
    ] {
        let (member, user) = button(who).await;
        let answer = ines.resend(&run, (member, &user)).await.location();
        let notice = ines.get(&answer).await.element("notice").unwrap();
        let said = format!("Nothing was sent to {}: {why}", app.user(who).await.name);
        assert!(format!("{notice} ").starts_with(&said), "{notice}");
    }

    let all = [
        (
            "failed",
            "Mail to everybody whose mail failed",
            "Nothing could be sent to 1 person. What helps stands beside each name.",
        ),
        (
            "not-ready",
            "Mail to everybody without a password",
            "Mail has gone out again to 6 people. Nothing could be sent to 1 person. What helps stands beside each name.",
        ),
    ];
    for (which, whom, end) in all {
        app.advance(minute);
        let answer = ines.resend(&run, ("all", which)).await.location();
        let notice = ines.get(&answer).await.element("notice").unwrap();
        assert_eq!(notice, format!("{whom} is going out again."));
        app.work().await;
        assert_eq!(ines.get(&answer).await.element("notice").unwrap(), end);
    }

    for garbage in
        ["resent=nobody&asked=1", "resent=failed", "resent=a%20b&asked=1", "resent=failed&asked=x", "asked=1"]
    {
        assert_eq!(ines.get(&format!("{run}?{garbage}")).await.element("notice"), None, "{garbage}");
    }
    ines.enable("saltmarsh-labs").await.location();
    assert_eq!(ines.get(&answer).await.element("notice"), None, "nothing is sent while Fly.io is on");
    app.work().await;
}

#[tokio::test]
async fn the_same_form_mails_one_member_once() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    app.new_mails();
    let (priya, leo) = (app.user("priya").await.id, app.user("leo").await.id);
    let form = ines.get(&run).await.hidden("once").unwrap();
    let (resend, fields) = (format!("{run}/resend"), [("once", form.as_str()), ("member", priya.as_str())]);
    let mut twin = ines.clone();
    let (one, two) = tokio::join!(ines.post_form(&resend, &fields), twin.post_form(&resend, &fields));
    assert_eq!((one.place(), two.place()), (run.clone(), run.clone()));
    app.work().await;
    // The mail has left and she has no password: only the form knows that it was sent before.
    assert_eq!(ines.post_form(&resend, &fields).await.place(), run);
    app.advance(Duration::from_hours(1));
    assert_eq!(twin.post_form(&resend, &fields).await.place(), run);
    app.work().await;
    assert_eq!(recipients(&app, &app.new_mails()), ["priya"]);
    assert_eq!(row_of(&app, &run, "priya").await.unwrap().resends, 1);
    assert_eq!(audited(&app).await.len(), 1);
    // Back to the page as it was, and its button beside somebody else.
    let other = [("once", form.as_str()), ("member", leo.as_str())];
    assert_eq!(ines.post_form(&resend, &other).await.place(), run);
    app.work().await;
    assert_eq!(recipients(&app, &app.new_mails()), ["leo"]);
    // The page shown again is another form.
    assert_eq!(ines.resend(&run, ("member", priya.as_str())).await.place(), run);
    app.work().await;
    assert_eq!(recipients(&app, &app.new_mails()), ["priya"]);
    let told: Vec<String> = audited(&app).await.into_iter().map(|entry| entry.detail).collect();
    assert_eq!(told, ["to Priya Raman", "to Leo Brandt", "to Priya Raman"]);
}

#[tokio::test]
async fn the_same_form_mails_everybody_once() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    app.new_mails();
    let form = ines.get(&run).await.hidden("once").unwrap();
    let (resend, fields) = (format!("{run}/resend"), [("once", form.as_str()), ("all", "not-ready")]);
    let mut twin = ines.clone();
    let (one, two) = tokio::join!(ines.post_form(&resend, &fields), twin.post_form(&resend, &fields));
    assert_eq!((one.place(), two.place()), (run.clone(), run.clone()));
    let (one, two) = (one.location(), two.location());
    assert_eq!([&one, &two].iter().filter(|answer| ***answer == run).count(), 1, "one of them queued the mails");
    assert_eq!(run_record(&app, &run).await.resending, 1);
    let page = ines.get(&run).await;
    assert_eq!(page.attributes("data-state"), ["mailing"], "at once, before anybody has looked at the members");
    assert!(page.element("run-state").unwrap().contains("Mail is going out once more"), "{}", page.text());
    assert!(totals(&app, &run).await.add_up());
    app.work().await;
    assert_eq!(ines.get(&run).await.attributes("data-state"), ["done"]);
    assert_eq!(ines.post_form(&resend, &fields).await.location(), run, "nothing to be told of");
    app.work().await;
    // Asked of later than the mails left, nobody is said not to have been mailed but Noor.
    let later = format!("{run}?resent=not-ready&asked={}", app.store.now().as_seconds() + 1);
    let notice = ines.get(&later).await.element("notice").unwrap();
    assert_eq!(notice, "Nothing could be sent to 1 person. What helps stands beside each name.");
    let mailed = recipients(&app, &app.new_mails());
    assert_eq!(mailed, ["amara", "chloe", "ines", "jun", "leo", "priya", "tomas"]);
    let audited = audited(&app).await;
    assert_eq!(audited.len(), 1, "{audited:?}");
    assert_eq!((audited[0].who.name.as_str(), audited[0].from.as_deref()), ("Ines Marlow", Some("192.0.2.1")));
    assert_eq!(audited[0].detail, "to all without a password");
    assert_eq!(run_record(&app, &run).await.resending, 0);
}

#[tokio::test]
async fn the_same_form_at_two_nodes_at_once_counts_at_one() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    app.new_mails();
    let (organization, run) = (app.organization("saltmarsh-labs"), run_id(&run));
    let clicked = Clicked { by: Actor { user: None, name: "the operator".to_owned() }, from: None };
    let asked = Asked { form: FormId::mint(START, &SystemRandom::default()), clicked };
    let id = RowId { organization: organization.clone(), run: run.clone(), user: app.user("priya").await.id };
    let there = app.program.app.admin.disable.clone();

    let (disable, same, row) = (there.clone(), asked.clone(), id.clone());
    let before = async move { assert!(disable.resend(&row, &same).await.unwrap(), "the other node was first") };
    let interrupted = Interrupted::new(&app.store, "org/", before);
    assert!(!disable_over(&interrupted.store()).resend(&id, &asked).await.unwrap());
    assert!(interrupted.happened());
    app.work().await;
    assert_eq!(recipients(&app, &app.new_mails()), ["priya"]);

    let (same, here) = (asked.clone(), (organization.clone(), run.clone()));
    let before = async move {
        assert!(
            there.resend_all((&here.0, &here.1), Which::NotReady, &same).await.unwrap(),
            "the other node was first"
        );
    };
    let interrupted = Interrupted::new(&app.store, "org/", before);
    let disable = disable_over(&interrupted.store());
    assert!(!disable.resend_all((&organization, &run), Which::NotReady, &asked).await.unwrap());
    assert!(interrupted.happened());
    app.work().await;
    assert_eq!(app.new_mails().len(), 7);
    assert_eq!(audited(&app).await.len(), 2);
}

#[tokio::test]
async fn two_admins_who_ask_at_once_mail_nobody_twice() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    let mut chloe = app.settle_in("chloe").await;
    app.new_mails();
    for admin in [&mut ines, &mut chloe] {
        assert_eq!(admin.resend(&run, ("all", "not-ready")).await.place(), run);
    }
    assert_eq!(run_record(&app, &run).await.resending, 2);
    app.advance(Duration::from_secs(1));
    // One of the two walks is held up until the mails of the other have left.
    let walks = take_work(&app).await;
    let walks: Vec<_> = walks.iter().filter(|job| matches!(job.payload(), Work::Resend(_))).collect();
    let Work::Resend(first) = walks[0].payload() else { unreachable!() };
    app.program.app.admin.disable.resend_chunk(first, walks[0]).await.unwrap();
    app.work_now().await;
    assert_eq!(app.new_mails().len(), 6);
    assert_eq!(run_record(&app, &run).await.resending, 1);
    assert_eq!(ines.get(&run).await.attributes("data-state"), ["mailing"], "the other walk is still to come");
    app.advance(walks[1].lease_until().since(app.store.now()));
    app.work().await;
    assert_eq!(app.new_mails(), [], "what the other saw is mailed already");
    assert_eq!(ines.get(&run).await.attributes("data-state"), ["done"]);
}

#[tokio::test]
async fn a_form_of_which_nothing_is_known_is_stale() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    app.new_mails();
    let priya = app.user("priya").await.id;
    let page = ines.get(&run).await.hidden("once").unwrap();
    let old = FormId::mint(START.minus(FormId::LIFE), &SystemRandom::default()).to_string();
    let longer = format!("{page}0");
    let before = app.dump();
    for once in [None, Some(""), Some("x"), Some(old.as_str()), Some(&page[1..]), Some(&longer), Some("a b/c")] {
        for button in [("member", priya.as_str()), ("all", "not-ready")] {
            let mut fields = vec![button];
            fields.extend(once.map(|once| ("once", once)));
            let answer = ines.post_form(&format!("{run}/resend"), &fields).await;
            assert_eq!(answer.status, 403, "{once:?}: {}", answer.said());
            assert_eq!(answer.heading(), "This page was open for too long");
            assert!(answer.attributes("href").contains(&run), "a way back");
        }
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn who_has_a_password_is_never_mailed_again() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    // Fly.io gave no address for Noor at first. She asks for a link herself, and needs no help any more.
    app.fly.change(|world| {
        let noor = world.people.iter_mut().find(|person| person.key == "noor").unwrap();
        noor.email = Some("noor@customer.fly.io".to_owned());
    });
    let mut noor = app.browser();
    let tx = noor.begin("/sign-in").await;
    noor.fly(&tx, "noor").await;
    noor.get("/forgot").await;
    noor.post_form("/forgot", &[("email", "noor@customer.fly.io")]).await;
    app.work().await;
    app.settle_in("noor").await;
    let noors = row_of(&app, &run, "noor").await.unwrap();
    assert_eq!((noors.status, noors.ready_at.is_some()), (RowStatus::Cancelled, true));
    assert_eq!(noors.detail.as_deref(), Some("Set a password without the mail."));
    app.new_mails();

    let page = ines.get(&run).await;
    let without = page.attributes("data-ready").iter().filter(|ready| *ready == "false").count();
    assert_eq!(page.text().matches("button slim resend").count(), without, "a button for each of the others");
    for who in ["noor", "bram"] {
        let user = app.user(who).await.id;
        assert!(!page.text().contains(&format!("name=\"member\" value=\"{user}\"")), "{who}");
        assert_eq!(ines.resend(&run, ("member", user.as_str())).await.place(), run);
    }
    assert_eq!(audited(&app).await.len(), 0);
    assert_eq!(ines.get(&run).await.attributes("data-state"), ["done"]);
    ines.resend(&run, ("all", "failed")).await.location();
    app.work().await;
    assert_eq!(app.new_mails(), []);
    ines.resend(&run, ("all", "not-ready")).await.location();
    app.work().await;
    let mailed = recipients(&app, &app.new_mails());
    assert_eq!(mailed, ["amara", "chloe", "ines", "jun", "leo", "priya", "tomas"]);
    assert_eq!(totals(&app, &run).await.ready, 2);
}

#[tokio::test]
async fn a_password_set_while_the_mail_is_being_queued_prevents_it() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    let (organization, priya) = (app.organization("saltmarsh-labs"), app.user("priya").await.id);
    ines.resend(&run, ("all", "not-ready")).await.location();
    let jobs = take_work(&app).await;
    let job = jobs.iter().find(|job| matches!(job.payload(), Work::Resend(_))).unwrap();
    let Work::Resend(walk) = job.payload() else { unreachable!() };
    let (disable, here, who) = (app.program.app.admin.disable.clone(), organization.clone(), priya.clone());
    let interrupted =
        Interrupted::new(&app.store, "org/", async move { disable.note_password(&here, &who, START).await.unwrap() });
    disable_over(&interrupted.store()).resend_chunk(walk, job).await.unwrap();
    assert!(interrupted.happened());
    let row = row_of(&app, &run, "priya").await.unwrap();
    assert_eq!((row.status, row.resends, row.ready_at.is_some()), (RowStatus::Sent, 0, true));
    let now = totals(&app, &run).await;
    assert_eq!((now.queued, now.ready), (6, 2), "{now:?}");
    assert!(now.add_up());
    app.leave_jobs();
}

#[tokio::test]
async fn nothing_is_sent_again_while_fly_is_on() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    app.new_mails();
    let priya = app.user("priya").await.id;
    let form = ines.get(&run).await.hidden("once").unwrap();
    // Asked for before, and looked at after.
    ines.resend(&run, ("all", "not-ready")).await.location();
    ines.enable("saltmarsh-labs").await.location();
    app.work().await;
    let before = totals(&app, &run).await;
    assert_eq!((before.sent, before.failed, before.unsettled()), (8, 1, 0), "{before:?}");
    // Asked for after.
    let kept = |app: &TestApp| app.dump().without("mark/");
    let dump = kept(&app);
    for button in [("member", priya.as_str()), ("all", "failed")] {
        let answer = ines.post_form(&format!("{run}/resend"), &[("once", &form), button]).await;
        assert_eq!(answer.place(), run);
    }
    assert_eq!(kept(&app), dump);
    assert_eq!(app.new_mails(), []);
    assert_eq!(ines.get(&run).await.attributes("data-state"), ["reverted"]);
}
