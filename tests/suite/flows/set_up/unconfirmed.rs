//! Members whom Fly.io no longer named before their organization left: it does not let them in by leaving.

use flybridge::demo::world::{BRAMS_PASSWORD, Role};
use flybridge::domain::disable::{Delivery, RowStatus};

use super::row;
use crate::support::answer::Answer;
use crate::support::app::TestApp;
use crate::support::browser_client::Browser;
use crate::support::relying_party::Tokens;

const HEADING: &str = "Fly.io did not confirm that you belong to this organization";

/// Fly.io takes somebody out of Saltmarsh Labs, and they sign in there once more.
async fn no_longer_named(app: &TestApp, who: &str) -> Browser {
    assert!(app.fly.change(|world| world.remove_member(who, "saltmarsh-labs")));
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    browser.fly(&tx, who).await;
    assert!(app.member(who, "saltmarsh-labs").await.absent_since.is_some());
    browser
}

async fn named_again(app: &TestApp, who: &str, role: Role) -> Answer {
    assert!(app.fly.change(|world| world.set_role(who, "saltmarsh-labs", role)));
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    browser.fly(&tx, who).await
}

#[tokio::test]
async fn they_get_no_link_and_the_ledger_says_why() {
    let app = TestApp::new().await;
    no_longer_named(&app, "leo").await;
    let (mut ines, run) = app.leave().await;
    let mails = app.new_mails();
    assert!(!mails.iter().any(|mail| mail.to.contains(&app.address("leo"))), "{mails:?}");
    let leos = row(&app, "saltmarsh-labs", &run, "leo").await;
    assert_eq!((leos.status, leos.delivery), (RowStatus::Failed, Delivery::Unreachable));
    assert!(leos.detail.unwrap().contains("Fly.io no longer named this organization"));

    // Nor by asking for one, nor on the spot.
    let mut leo = app.browser();
    leo.get("/forgot").await;
    assert!(leo.post_form("/forgot", &[("email", &app.address("leo"))]).await.shows("forgot-sent"));
    app.work().await;
    assert_eq!(app.new_mails(), []);
    let tx = leo.begin(&app.sentry().authorize()).await;
    let page = leo.fly(&tx, "leo").await;
    assert_eq!((page.status.as_u16(), page.shows("set-password-now")), (403, false), "{}", page.said());

    // Once Fly.io names it again, an admin has the mail sent.
    named_again(&app, "leo", Role::Member).await;
    assert_eq!(app.member("leo", "saltmarsh-labs").await.absent_since, None);
    assert_eq!(ines.resend(&run, ("all", "failed")).await.place(), run);
    app.work().await;
    app.mail_to("leo").link();
    app.settle_in("leo").await;
}

#[tokio::test]
async fn a_password_they_have_opens_nothing_until_fly_names_the_organization_again() {
    let app = TestApp::new().await;
    no_longer_named(&app, "bram").await;
    app.leave().await;
    let mut bram = app.browser();
    let tx = bram.begin(&app.sentry().authorize()).await;
    let page = bram.password(&tx, &app.address("bram"), BRAMS_PASSWORD).await;
    assert_eq!(page.status, 403);
    assert_eq!(page.heading(), HEADING);

    named_again(&app, "bram", Role::Member).await;
    let mut bram = app.browser();
    let tx = bram.begin(&app.sentry().authorize()).await;
    let sent = bram.password(&tx, &app.address("bram"), BRAMS_PASSWORD).await.sent_back();
    Tokens::of(&app.sentry().redeem(&sent["code"]).await);
}

#[tokio::test]
async fn once_named_again_they_are_told_to_use_it_and_count_as_ready() {
    let app = TestApp::new().await;
    no_longer_named(&app, "bram").await;
    let (mut ines, run) = app.leave().await;
    assert_eq!(ines.get(&run).await.element("run-ready").unwrap(), "0");
    named_again(&app, "bram", Role::Member).await;
    app.new_mails();
    for mails in [1, 0] {
        assert_eq!(ines.resend(&run, ("all", "failed")).await.place(), run);
        app.work().await;
        let sent = app.new_mails();
        assert_eq!(sent.iter().filter(|mail| mail.to.contains(&app.address("bram"))).count(), mails, "{sent:?}");
        assert_eq!(sent.len(), mails);
        assert_eq!(ines.get(&run).await.element("run-ready").unwrap(), "1");
    }
    let brams = row(&app, "saltmarsh-labs", &run, "bram").await;
    assert_eq!((brams.status, brams.delivery), (RowStatus::Sent, Delivery::HasPassword));
}

#[tokio::test]
async fn a_password_they_set_for_another_organization_leaves_them_to_be_helped() {
    let app = TestApp::new().await;
    no_longer_named(&app, "leo").await;
    let (mut ines, run) = app.leave().await;
    let leo = app.user("leo").await.id;
    let disable = &app.program.app.admin.disable;
    disable.note_password(&app.organization("saltmarsh-labs"), &leo, app.store.now()).await.unwrap();
    let leos = row(&app, "saltmarsh-labs", &run, "leo").await;
    assert_eq!((leos.status, leos.ready_at), (RowStatus::Failed, None));
    assert_eq!(ines.get(&run).await.element("run-ready").unwrap(), "1", "Bram alone");
}

#[tokio::test]
async fn an_admin_they_were_looks_after_nothing() {
    let app = TestApp::new().await;
    let mut chloe = app.browser();
    chloe.sign_in_with_fly("chloe").await;
    no_longer_named(&app, "chloe").await;
    let (_, run) = app.leave().await;
    for path in [run, "/organizations/saltmarsh-labs/auth/enable".to_owned()] {
        let page = chloe.get(&path).await;
        assert_eq!(page.status, 403, "{path}: {}", page.said());
        assert_eq!(page.heading(), HEADING, "{path}");
    }
    chloe.get("/forgot").await;
    let fields = [("confirm", "saltmarsh-labs")];
    let refused = chloe.post_form("/organizations/saltmarsh-labs/auth/enable", &fields).await;
    assert_eq!(refused.status, 403, "{}", refused.said());
}
