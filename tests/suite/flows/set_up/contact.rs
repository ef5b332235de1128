//! An address of a person's own: worth nothing until whoever reads its mail has confirmed it.

use std::time::Duration;

use crate::support::answer::Answer;
use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser_client::Browser;
use crate::support::letter::Letter;

pub(super) const OWN: &str = "Priya.Raman@own.example";

/// The path of the link that confirms an address.
pub(super) fn confirming(letter: &Letter) -> String {
    let at = letter.text.find("/confirm-address/").unwrap_or_else(|| panic!("{letter:?}"));
    letter.text[at..].split_whitespace().next().unwrap().to_owned()
}

pub(super) fn mailed(app: &TestApp, to: &str) -> Vec<Letter> {
    let mut mails = app.new_mails();
    mails.retain(|mail| mail.to.contains(to));
    mails
}

/// Priya has a password and has just given her own address; her browser and the link in the mail.
pub(super) async fn given(app: &TestApp) -> (Browser, String) {
    app.leave().await;
    let mut browser = app.settle_in("priya").await;
    browser.get("/account").await;
    let answer = browser.post_form("/account", &[("contact_email", OWN)]).await;
    assert_eq!(answer.location(), "/account?done=given");
    app.work().await;
    let mails = mailed(app, OWN);
    assert_eq!(mails.len(), 1, "{mails:?}");
    (browser, confirming(&mails[0]))
}

async fn opened(app: &TestApp, link: &str) -> (Browser, Answer) {
    let mut browser = app.browser();
    assert_eq!(browser.get(link).await.location(), "/confirm-address");
    let page = browser.get("/confirm-address").await;
    (browser, page)
}

pub(super) async fn confirm(app: &TestApp, link: &str) -> Answer {
    opened(app, link).await.0.post_form("/confirm-address", &[]).await
}

async fn password_status(app: &TestApp, address: &str) -> u16 {
    let mut browser = app.browser();
    let tx = browser.begin("/sign-in").await;
    browser.password(&tx, address, PASSWORD).await.status.as_u16()
}

#[tokio::test]
async fn an_address_given_with_the_password_waits_until_it_is_confirmed() {
    let app = TestApp::new().await;
    app.leave().await;
    let before = app.dump();
    let mut browser = app.browser();
    browser.get(&app.link_of("priya")).await;
    browser.get("/set-up").await;
    let fields = [("password", PASSWORD), ("contact_email", "pri ya@own.example")];
    let answer = browser.post_form("/set-up", &fields).await;
    assert_eq!(answer.status, 422, "{}", answer.said());
    assert!(answer.shows("contact-error") && answer.shows("setup-form"));
    assert_eq!(app.dump(), before);

    let answer = browser.post_form("/set-up", &[("password", PASSWORD), ("contact_email", OWN)]).await;
    assert_eq!(answer.location(), "/go");
    app.work().await;
    assert_eq!(password_status(&app, OWN).await, 401, "until it is confirmed nothing changes");
    assert_eq!(password_status(&app, &app.address("priya")).await, 303);
    assert!(mailed(&app, OWN).iter().any(|mail| mail.text.contains("/confirm-address/")));
}

#[tokio::test]
async fn a_confirmed_address_signs_in_and_takes_mail_beside_the_one_at_fly() {
    let app = TestApp::new().await;
    let (_, link) = given(&app).await;
    let before = app.dump();
    let (_, page) = opened(&app, &link).await;
    assert_eq!(page.element("own-address").as_deref(), Some("Priya.Raman@own.example"));
    assert_eq!(app.dump(), before, "opening changes nothing");
    app.browser().get("/forgot").await;

    let answer = confirm(&app, &link).await;
    assert_eq!(answer.heading(), "Your address is confirmed");
    app.work().await;
    let told = app.mail_to("priya");
    assert!(told.text.contains(OWN) && told.find_link().is_none(), "told at Fly.io: {told:?}");
    for address in [OWN, "priya.raman@OWN.example", &app.address("priya")] {
        assert_eq!(password_status(&app, address).await, 303, "{address}");
    }
    let mut browser = app.browser();
    browser.get("/forgot").await;
    browser.post_form("/forgot", &[("email", OWN)]).await;
    app.work().await;
    let mails = mailed(&app, OWN);
    assert_eq!(mails.len(), 1);
    let again = browser.set_password(&mails[0].link(), "another lantern for the heron 7").await;
    assert_eq!(again.location(), "/go");
    app.work().await;
    let told = app.new_mails();
    for address in [OWN, &app.address("priya")] {
        assert!(told.iter().any(|mail| mail.to.contains(address)), "both hear of the password: {told:?}");
    }
}

#[tokio::test]
async fn a_link_confirms_once_for_a_day_and_says_what_became_of_it() {
    let app = TestApp::new().await;
    let (mut browser, first) = given(&app).await;
    browser.post_form("/account", &[("contact_email", OWN)]).await;
    app.work().await;
    let second = confirming(&mailed(&app, OWN)[0]);
    let heading = async |link: &str| {
        let (mut browser, page) = opened(&app, link).await;
        browser.get("/forgot").await;
        let posted = browser.post_form("/confirm-address", &[]).await;
        assert_eq!((page.status, page.heading()), (posted.status, posted.heading()), "said at once, too");
        assert!(page.attributes("href").contains(&"/account".to_owned()), "a way on");
        (page.status.as_u16(), page.heading())
    };
    assert_eq!(heading(&first).await, (410, "This link no longer works".to_owned()));
    assert_eq!(confirm(&app, &second).await.status, 200);
    assert_eq!(heading(&second).await, (410, "This address is confirmed already".to_owned()));

    browser.post_form("/account", &[("contact_email", "priya@other.example")]).await;
    app.work().await;
    let third = confirming(&mailed(&app, "priya@other.example")[0]);
    assert_eq!(browser.post_form("/account", &[("remove", "given")]).await.location(), "/account?done=taken-back");
    assert!(heading(&third).await.1.contains("no longer works"));
    browser.post_form("/account", &[("contact_email", "priya@other.example")]).await;
    app.work().await;
    let fourth = confirming(&mailed(&app, "priya@other.example")[0]);
    app.advance(Duration::from_hours(24));
    assert_eq!(heading(&fourth).await, (410, "This link no longer works".to_owned()));
    let cut = &fourth[..fourth.len() - 3];
    assert_eq!(heading(cut).await, (410, "This link does not work".to_owned()));
    assert_eq!(app.browser().get("/confirm-address").await.heading(), "Open your link once more");
    assert_eq!(password_status(&app, OWN).await, 303, "what was confirmed stays");
    app.leave_jobs();
}

#[tokio::test]
async fn an_address_signs_in_one_person_and_asking_tells_nobody_whose_it_is() {
    let app = TestApp::new().await;
    let (mut priya, link) = given(&app).await;
    confirm(&app, &link).await;
    app.work().await;
    let mut jun = app.settle_in("jun").await;
    jun.get("/account").await;
    app.new_mails();
    // Priya's own address, Leo's at Fly.io, and one that nobody has: the same answer, and a mail.
    for address in [OWN, &app.address("leo"), "nobody@else.example"] {
        let answer = jun.post_form("/account", &[("contact_email", address)]).await;
        assert_eq!(answer.location(), "/account?done=given", "{address}");
        app.work().await;
        let link = confirming(&mailed(&app, address)[0]);
        let answer = confirm(&app, &link).await;
        let expected = if address.starts_with("nobody") { (200, true) } else { (409, false) };
        assert_eq!((answer.status.as_u16(), answer.shows("confirmed")), expected, "{address}: {}", answer.said());
    }
    app.work().await;
    let (id, own) = (app.user("priya").await.id, OWN.parse().unwrap());
    let found = app.program.directory.user_by_address(&own).await.unwrap().unwrap().value.id;
    assert_eq!(found, id, "it stays Priya's");

    assert_eq!(priya.post_form("/account", &[("remove", "confirmed")]).await.location(), "/account?done=removed");
    app.work().await;
    assert_eq!(password_status(&app, OWN).await, 401);
    assert!(app.program.directory.user_by_address(&own).await.unwrap().is_none());
}

#[tokio::test]
async fn who_has_a_password_changes_addresses_by_it_and_lately() {
    let app = TestApp::new().await;
    let (mut browser, _) = given(&app).await;
    let mut fly = app.browser();
    fly.sign_in_with_fly("priya").await;
    let page = fly.get("/account").await;
    assert!(page.shows("locked") && !page.shows("address-form"), "{}", page.said());
    app.advance(Duration::from_mins(6));
    let page = browser.get("/account").await;
    assert!(page.shows("locked") && !page.shows("address-form"), "{}", page.said());
    let before = app.dump();
    for browser in [&mut fly, &mut browser] {
        browser.get("/forgot").await;
        let answer = browser.post_form("/account", &[("contact_email", "thief@else.example")]).await;
        assert!(answer.location().starts_with("/sign-in?tx="), "{}", answer.said());
        assert_eq!(app.dump(), before);
    }
}
