//! What an admin sees and does: the settings, the look before, the click, the run, and the way back.

use super::post::PostOffice;
use super::visit::Visit;

pub(super) const SLUG: &str = "saltmarsh-labs";
pub(super) const MEMBERS: usize = 9;

/// From Sentry's page to the settings, and what they say before the switch.
pub(super) async fn settings(visit: &Visit) {
    let browser = &visit.browser;
    browser.follow("#sentry-auth-settings").await;
    assert_eq!(browser.url().await, visit.demo.settings(SLUG));
    assert_eq!(browser.attribute("#login-method", "data-method").await, "fly");
    assert!(browser.text("#plan").await.contains("sponsored until"));
    assert!(browser.text("#members-known").await.starts_with(&MEMBERS.to_string()));
    assert_eq!(browser.count("#why-not, #enable-fly").await, 0);
    browser.look("settings").await;
}

/// Who would be mailed. Nothing changes by looking.
pub(super) async fn preview(visit: &Visit) {
    let browser = &visit.browser;
    browser.follow("#disable-fly").await;
    let rows = async |delivery: &str| browser.count(&format!(".member[data-member][data-delivery={delivery}]")).await;
    assert_eq!(rows("set-up").await, 7);
    assert_eq!(rows("has-password").await, 1);
    assert_eq!(rows("unreachable").await, 1);
    assert_eq!(browser.count(".member").await, MEMBERS);
    browser.look("preview").await;
    browser.look_in_the_dark("preview").await;
    browser.save_picture("preview", 860).await;
}

/// Somebody is left out and let in again, and a test mail goes to the admin.
pub(super) async fn marks_and_test_mail(visit: &Visit) {
    let browser = &visit.browser;
    for (left_out, picture) in [(1, "preview-left-out"), (0, "preview-let-in")] {
        browser.find(".member:last-child .leave-out").await.click().await.unwrap();
        browser.follow("#left-out-form button").await;
        browser.wait_for("#marked").await;
        assert_eq!(browser.text("#preview-left-out").await, left_out.to_string());
        assert_eq!(browser.count(".member[data-delivery=left-out] .leave-out:checked").await, left_out);
        browser.look(picture).await;
    }
    browser.follow("#test-mail-form button").await;
    browser.wait_for("#tested").await;
    browser.look("preview-test-mail").await;
}

/// The browser asks for the right short name; where it does not, the server does.
pub(super) async fn wrong_confirmation(visit: &Visit) {
    let browser = &visit.browser;
    browser.fill("#confirm", "saltmarsh").await;
    browser.find("#disable-submit").await.click().await.unwrap();
    browser.wait_for("#confirm:invalid").await;
    browser.disregard_validation("#disable-form").await;
    browser.follow("#disable-submit").await;
    assert!(browser.text("#notice").await.contains("Nothing has changed"));
    browser.look("preview-refused").await;
    browser.goto(&visit.demo.settings(SLUG)).await;
    assert_eq!(browser.attribute("#login-method", "data-method").await, "fly");
    browser.follow("#disable-fly").await;
}

pub(super) async fn confirm(visit: &Visit) {
    visit.browser.fill("#confirm", SLUG).await;
    visit.browser.follow("#disable-submit").await;
    visit.browser.wait_for("#run-state").await;
}

/// The page of the run follows it to the end by itself: it is opened once and not touched any more.
pub(super) async fn watch(visit: &Visit, post: &PostOffice) {
    let browser = &visit.browser;
    browser.wait_for("#run-state[data-state=mailing]").await;
    browser.wait_for(".member[data-status=sent]").await;
    browser.wait_for(".member[data-status=sending]").await;
    assert!(browser.text("#run-said").await.contains(" of 9 done"), "a screen reader hears how far it is");
    browser.look("run-under-way").await;
    browser.look_in_the_dark("run-under-way").await;
    browser.save_picture("run", 1160).await;
    assert_eq!(browser.attribute("#run-state", "data-state").await, "mailing");
    post.release();
    browser.wait_for("#run-state[data-state=done]").await;
    browser.look("run-done").await;
    // The members who can be reached, and the admin, who has tested it and is told how it went.
    post.deliver_to(&visit.mail_folder(), MEMBERS + 1).await;
}

/// The numbers of a run that is done: they add up, and all but one were reached.
pub(super) async fn totals(visit: &Visit, ready: usize) {
    let browser = &visit.browser;
    let total = async |id: &str| browser.text(&format!("#run-{id}")).await.parse::<usize>().unwrap();
    assert_eq!(total("total").await, MEMBERS);
    assert_eq!(total("sent").await, MEMBERS - 1);
    assert_eq!(total("failed").await, 1);
    for none in ["queued", "sending", "cancelled"] {
        assert_eq!(total(none).await, 0, "{none}");
    }
    assert_eq!(total("ready").await, ready);
    assert_eq!(browser.count(".member[data-status=sent]").await, MEMBERS - 1);
    assert_eq!(browser.count(".member[data-status=failed]").await, 1);
    assert_eq!(browser.count(".member[data-ready=true]").await, ready);
}

/// The whole of it, from Sentry's page of a signed-in admin to the page of the run.
pub(super) async fn disable(visit: &Visit) {
    let browser = &visit.browser;
    browser.follow("#sentry-auth-settings").await;
    browser.follow("#disable-fly").await;
    confirm(visit).await;
}

/// The pages beside the settings.
pub(super) async fn members_and_audit(visit: &Visit) {
    let browser = &visit.browser;
    browser.goto(&visit.demo.settings(SLUG)).await;
    browser.follow(".nav a[href$=members]").await;
    assert_eq!(browser.count(".member").await, MEMBERS);
    browser.look("members").await;
    browser.fill("#q", "zebra").await;
    browser.submit("form.search").await;
    assert_eq!(browser.count(".member").await, 0);
    browser.look("members-nobody").await;
    browser.follow(".nav a[href$=audit]").await;
    assert!(browser.count(".event").await > 0);
    browser.look("audit").await;
    browser.fill("#q", "zebra").await;
    browser.submit("form.search").await;
    browser.look("audit-nothing").await;
}

/// Turns Fly.io on again, from the settings.
pub(super) async fn enable(visit: &Visit, run_page: &str) {
    let browser = &visit.browser;
    browser.goto(&visit.demo.settings(SLUG)).await;
    assert_eq!(browser.attribute("#login-method", "data-method").await, "password");
    browser.look("settings-left").await;
    browser.follow("#enable-fly").await;
    browser.look("enable").await;
    browser.follow("#enable-submit").await;
    // A password does not open these pages any more, so Fly.io is asked who this is.
    assert_eq!(browser.count("#sign-in-password").await, 0);
    browser.look("sign-in-with-fly-only").await;
    visit.continue_with_fly("ines").await;
    assert_eq!(browser.attribute("#login-method", "data-method").await, "fly");
    browser.look("settings-back").await;
    browser.goto(run_page).await;
    browser.wait_for("#run-state[data-state=reverted]").await;
    browser.look("run-reverted").await;
}
