//! What members see and do once their organization has left Fly.io.

use flybridge::demo::world::{HARBOUR, SALTMARSH, World};

use super::visit::{Account, Visit};
use crate::support::chromium::until;

pub(super) const SUBJECT: &str = "Set your password for Sentry";
pub(super) const GOOD: &str = "marram tide lantern 4711";

/// Where mail reaches somebody of the demo.
pub(super) fn address(who: &str) -> String {
    World::demo().person(who).unwrap().email.clone().unwrap()
}

/// From the mail to Sentry: the first password is refused, the second taken.
pub(super) async fn set_up_by_mail(visit: &Visit, who: &str) -> Account {
    let browser = &visit.browser;
    visit.open_mail(&address(who), SUBJECT).await;
    browser.look("mail").await;
    browser.look_in_the_dark("mail").await;
    browser.goto(&format!("{}?to={}", browser.url().await, &address(who)[..8])).await;
    browser.look("mail-found").await;
    browser.save_picture("mail", 900).await;
    browser.follow_in_frame("#letter", "a[href]").await;
    assert_eq!(browser.url().await, format!("{}/set-up", visit.demo.flybridge), "the token has left the address");
    assert_eq!(browser.text("#sign-in-address").await, address(who));
    browser.look("set-up").await;
    browser.save_picture("set-up", 1160).await;
    strength_while_typing(visit).await;
    browser.fill("#setup-form [name=password]", "passwordpassword").await;
    browser.submit("#setup-form").await;
    assert_eq!(browser.attribute("#setup-form [name=password]", "aria-invalid").await, "true");
    browser.look("set-up-refused").await;
    browser.look_in_the_dark("set-up-refused").await;
    set_password(visit).await
}

/// What is typed is judged as it is typed, in words that a screen reader hears too.
async fn strength_while_typing(visit: &Visit) {
    let browser = &visit.browser;
    let typed = async |text: &str, score: u8, words: &str| {
        browser.fill("#setup-form [name=password]", text).await;
        browser.wait_for(&format!("#strength-now[data-score='{score}']")).await;
        let shown = browser.text("#strength-words").await;
        assert!(shown.contains(words), "{text}: {shown}");
        let heard = until(async || (browser.text("#strength-heard").await == shown).then_some(())).await;
        assert!(heard.is_some(), "{text}: a screen reader hears {}", browser.text("#strength-heard").await);
    };
    typed("marram tide", 0, "4 more characters to go").await;
    typed("saltmarsh labs 2026", 1, "Too easy").await;
    browser.look("set-up-weak").await;
    typed(GOOD, 4, "Looks very good").await;
    assert_eq!(browser.text("#strength").await, "", "it makes room");
    browser.look("set-up-strong").await;
    browser.look_in_the_dark("set-up-strong").await;
}

/// On a set-up page: a good password, and on to Sentry.
pub(super) async fn set_password(visit: &Visit) -> Account {
    send_password(visit).await;
    visit.account().await
}

async fn send_password(visit: &Visit) {
    visit.browser.fill("#setup-form [name=password]", GOOD).await;
    visit.browser.submit("#setup-form").await;
}

/// Signs in again with the password, after a wrong one.
pub(super) async fn sign_in_with_password(visit: &Visit, who: &str) -> Account {
    let browser = &visit.browser;
    visit.leave_for_sign_in().await;
    visit.fill_password_form(&address(who), "not this one, certainly").await;
    browser.wait_for("#notice").await;
    browser.look("sign-in-refused").await;
    visit.fill_password_form(&address(who), GOOD).await;
    visit.account().await
}

/// Fly.io proves a member without a password, who sets one on the spot.
pub(super) async fn set_up_on_the_spot(visit: &Visit, who: &str) -> Account {
    let browser = &visit.browser;
    visit.leave_for_sign_in().await;
    visit.continue_with_fly(who).await;
    browser.wait_for("#error-message").await;
    browser.look("no-longer-opens").await;
    browser.look_in_the_dark("no-longer-opens").await;
    browser.save_picture("no-longer-opens", 900).await;
    browser.follow("#set-password-now").await;
    browser.look("set-up-now").await;
    set_password(visit).await
}

/// Whoever has a password is told to use it.
pub(super) async fn is_told_to_use_the_password(visit: &Visit, who: &str) {
    let browser = &visit.browser;
    visit.leave_for_sign_in().await;
    visit.continue_with_fly(who).await;
    browser.wait_for("#error-message").await;
    assert_eq!(browser.count("#set-password-now").await, 0);
    browser.wait_for("#renew-form").await;
    browser.look("no-longer-opens-with-password").await;
}

/// Somebody in two organizations: each opens with its own way in.
pub(super) async fn belongs_to_two(visit: &Visit, before: &Account) {
    let browser = &visit.browser;
    visit.leave_for_sign_in().await;
    visit.continue_with_fly("jun").await;
    browser.wait_for("#set-password-now").await;
    browser.look("choose-by-fly").await;
    browser.look_in_the_dark("choose-by-fly").await;
    browser.submit("#choose-form").await;
    let through_fly = visit.account().await;
    assert_eq!(through_fly.organizations, [HARBOUR]);
    assert_eq!(through_fly.identity(), before.identity());
    visit.sign_out_everywhere().await;
    visit.follow_mail(&address("jun"), SUBJECT).await;
    send_password(visit).await;
    browser.wait_for(".choose-other[href^='/sign-in/fly']").await;
    browser.look("choose-by-password").await;
    browser.submit("#choose-form").await;
    let with_password = visit.account().await;
    assert_eq!(with_password.organizations, [SALTMARSH]);
    assert_eq!(with_password.identity(), before.identity());
    visit.sign_out_everywhere().await;
}

/// An organization that has not left opens with Fly.io as ever.
pub(super) async fn others_stay(visit: &Visit) {
    let browser = &visit.browser;
    let hana = visit.sign_in_with_fly("hana").await;
    assert_eq!(hana.organizations, [HARBOUR]);
    browser.goto(&visit.demo.settings("harbour-tools")).await;
    assert_eq!(browser.attribute("#login-method", "data-method").await, "fly");
    visit.sign_out_everywhere().await;
    visit.sign_in_with_fly("mateo").await;
    browser.follow("#sentry-auth-settings").await;
    browser.wait_for("#why-not time[datetime]").await;
    assert_eq!(browser.count("#disable-fly").await, 0);
    browser.look("settings-sponsored").await;
    browser.follow("a[href$='/auth/disable']").await;
    assert_eq!(browser.count("#disable-form").await, 0);
    browser.look("preview-sponsored").await;
    visit.sign_out_everywhere().await;
}
